package workflow

import "time"

// Post is one thing that was put into Slack for a batch or a report and is kept up to date there:
// which message or file shows it, and which version of the truth it shows. It is how a message can
// be late and is never repeated.
type Post struct {
	// Key names what is shown and to whom: "batch/42/card", "batch/42/results/1",
	// "report/nightly/2026-11-23/message".
	Key     string
	Batch   int64 // 0 when it belongs to none
	Channel string
	TS      string // the message's id; "" until it is known to be there
	File    string // the file's id, for files
	Version int64  // the batch's revision that it shows
	// Sending is when a send began whose end is not known: set before, cleared after. A post that
	// is still marked after a restart is looked for in the channel before it is sent again.
	Sending time.Time
}
