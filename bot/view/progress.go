package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

const (
	barLength = 20
)

// Progress is what the one message is drawn from that says how far a run is.
type Progress struct {
	Thread
	Estimate workflow.Estimate // as Atlassian's limits look; zero when not known; the slower of it and Seen is said
	Seen     Speed             // as it was seen; nothing is said before some rows are through
	Trouble  string            // what keeps the run from going on although it may, "" when nothing does
	Waits    string            // what the run waits for, "" when for nothing
}

// Draw makes the message.
func (t Progress) Draw() slackapi.Message {
	s := t.Summary
	done, failed := s.State(workflow.ChangeDone), s.State(workflow.ChangeFailed)
	unknown, skipped := s.State(workflow.ChangeUnknown), s.State(workflow.ChangeSkipped)
	left := s.State(workflow.ChangeReady, workflow.ChangeRunning)
	total := done + failed + unknown + skipped + left
	text := fmt.Sprintf("%s  *%s* done · *%s* failed", bar(done+failed+skipped, total), number(done), number(failed))
	if left > 0 || !HasRun(t.Batch) {
		text += fmt.Sprintf(" · *%s* left", number(left))
	}
	if unknown > 0 {
		text += fmt.Sprintf(" · *%s* being confirmed", number(unknown))
	}
	if skipped > 0 {
		text += fmt.Sprintf(" · *%s* skipped", number(skipped))
	}
	if word := t.Goes(); word != "" {
		text += " · " + word
	}
	return t.message("progress", text)
}

// ProgressClosed stands where the progress of a run stood that was retried before its last count
// was shown.
func (t Thread) ProgressClosed() slackapi.Message {
	return t.message("progress", "This run has ended. The retry is counted below.")
}

// Goes returns in words how fast the run goes and how long it has to go, what it waits for, or how
// it ended.
func (t Progress) Goes() string {
	b := t.Batch
	left := t.Summary.State(workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown)
	switch {
	case b.State == workflow.Paused:
		return lowerFirst(pausedWords(b))
	case b.State == workflow.Done: // the counts say it
		return ""
	case b.State != workflow.Running, b.Cancelling():
		return plainState(b)
	case b.Retry != nil && !b.Retry.Checked:
		return "checking the failed rows again"
	case t.Trouble != "":
		return "waits: " + escape(t.Trouble)
	case t.Waits != "":
		return "waits: " + t.Waits
	case left == 0:
		return ""
	}
	each, ok := t.Seen.rate()
	if !ok { // before some rows are through nobody knows
		return ""
	}
	rate, toGo := each*60, time.Duration(float64(left)/each*float64(time.Second))
	if t.Estimate.Remaining > toGo { // the limits get in the way of what went before
		rate, toGo = t.Estimate.PerMinute, t.Estimate.Remaining
	}
	return perMinute(rate) + ", about " + roughly(toGo) + " to go"
}

// bar draws how much of the total is finished. It is no code, which Slack draws in red.
func bar(finished, total int) string {
	full := barLength
	if total > 0 {
		full = finished * barLength / total
	}
	return strings.Repeat("█", full) + strings.Repeat("░", barLength-full)
}
