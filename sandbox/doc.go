// Package sandbox puts a local Slack workspace, a local Atlassian organisation and a browser page
// for both behind one loopback address, with a company in them: what "countersign demo" and the
// end-to-end tests run against.
//
// It promises that the app cannot tell it from the real thing by anything but its addresses: the
// parts are [github.com/countersign/countersign/sandbox/workspace], which is as strict as Slack,
// and [github.com/countersign/countersign/sandbox/organisation] with its SCIM directories and Jira
// site, which are as strict as Atlassian.
// The company is the same for the same seed on the same day. Nothing outside this folder is
// imported, so that a field name that is wrong in the product cannot be wrong here, too. It listens
// on this machine alone, keeps everything in memory and ends with Close.
package sandbox
