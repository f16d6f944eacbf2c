// Package page is the sandbox's browser page: the local Slack workspace as its people see it, and
// beside it the local Atlassian organisation, so that one person at one screen can ask as Alice,
// approve as Bob and watch the accounts change.
//
// It promises:
//   - what it shows is what the workspace and the organisation hold, redrawn at every change; it
//     keeps no state of its own but the files picked and not yet sent, and the fault switches;
//   - nothing is fetched from outside: script, style and font are in the binary, and a
//     Content-Security-Policy holds the browser to that;
//   - it answers this machine's browser only: a request under another host name (DNS rebinding) or
//     from another site's page is refused before it reaches anything.
//
// The page is plain ES modules over Preact and htm, with no build step. The words of the app come
// from Slack blocks alone: the page knows nothing about countersign.
package page
