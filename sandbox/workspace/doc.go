// Package workspace is a local Slack workspace with one app installed: the Web API, Socket Mode,
// files and response URLs over HTTP for the app, and a Go API for the people who type, click and
// upload.
//
// It promises to be as strict as Slack where Slack is strict: scopes, token places, rate limits,
// Block Kit limits, the three seconds for an acknowledgement, trigger and response_url lives,
// access to files. What Slack refuses is refused with Slack's own error code; what Slack takes but
// advises against is kept in [Workspace.Violations]. A workspace without [Faults] is healthy.
// Everything lives in memory and ends with [Workspace.Close].
//
// The facts come from docs.slack.dev (the page is named where a number is used) and from
// measurements with slack-go; a behaviour that neither settled is marked "not documented".
package workspace
