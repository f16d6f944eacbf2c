// Package deliver brings Slack to what the database says: cards, threads, progress, files, results
// and reports.
//
// It is level-triggered. Each time it compares what the database says with what was posted, so that
// nothing depends on having seen every change, and nothing is lost by a restart or an outage. It
// promises that a post is made once, as its intent is written down before it and its place after
// it; that a decision is shown before anything that only counts; and that what Slack does not take
// (a file, a table, a closed channel) is said in another way.
package deliver
