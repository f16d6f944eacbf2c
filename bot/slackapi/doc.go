// Package slackapi calls Slack's Web API within its limits, and tells its errors apart.
//
// It promises that no method is called faster than Slack allows, nor before a Retry-After has
// passed, also over a restart; that messages and edits that people wait for go before counts; that
// every call ends with its context or after a named timeout; and that no error, redirect or line of
// the log holds a token or an address that is a secret.
//
// It knows nothing of batches: what is posted is a Message, and where is said by ids of Slack.
package slackapi
