package view

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// BeingChecked answers who asked for a batch by command. The time that they asked for is said back
// as it was understood.
func BeingChecked(b *workflow.Batch) string {
	s := fmt.Sprintf("#%d is being checked.", b.Number)
	if words := b.When.Words(); words != "" {
		s += " " + upperFirst(words) + "."
	}
	return s
}

// taken returns what a return does, in a few words: "12 changes, by activate".
func taken(b *workflow.Batch) string {
	names := make([]string, len(b.Traits.Actions))
	for i, name := range b.Traits.Actions {
		names[i] = string(name)
	}
	return many(b.Rows, "change", "changes") + ", by " + list(names)
}

// timeLine says when a batch runs, and when what it did is taken back; "" where no time was asked for.
func timeLine(b *workflow.Batch) string {
	var out []string
	if !b.When.At.IsZero() && b.Link != workflow.LinkReturn {
		out = append(out, "starts "+moment(b.When.At))
	}
	switch end := b.When.End(b.Started); {
	case !end.IsZero():
		out = append(out, "ends "+moment(end))
	case b.When.For != 0:
		out = append(out, "ends "+workflow.Lasting(b.When.For)+" after its start")
	}
	if len(out) == 0 {
		return ""
	}
	line := "*Time:* " + strings.Join(out, ", ")
	if b.When.At.IsZero() && b.When.Until.IsZero() { // there is no moment whose zone is to be said
		return line
	}
	return line + " (" + escape(b.When.Words()) + ")"
}

// TellsKept reports whether a return ended because others want to keep what it would have taken back.
func TellsKept(b *workflow.Batch) bool {
	return b.Link == workflow.LinkReturn && b.State == workflow.Cancelled && b.Started.IsZero() &&
		b.Ending != nil && b.Ending.By.ID != "" && b.Ending.By.ID != b.Requester.ID
}

// Kept tells the requester so.
func Kept(b *workflow.Batch) slackapi.Message {
	by := quoted(cmp.Or(b.Ending.By.Name, b.Ending.By.ID), tableCell)
	return Said(fmt.Sprintf("%s What #%d did stays: %s pressed *Keep*.", mention(b.Requester.ID), b.Follows, by))
}

// lateFrom is from when on a return is late.
const lateFrom = time.Minute

// late says how long after its moment a return began; "" for one that was in time, and for what is no
// return.
func (c Card) late() string {
	if c.Batch.Link != workflow.LinkReturn || c.Batch.Released != nil || c.Batch.Started.IsZero() || c.From == nil || c.From.Batch == nil {
		return ""
	}
	due := c.From.Batch.When.End(c.From.Batch.Started)
	late := c.Batch.Started.Sub(due)
	if due.IsZero() || late < lateFrom {
		return ""
	}
	return fmt.Sprintf("It began %s late, for it was due %s.", workflow.LastingWords(late.Truncate(time.Minute)), moment(due))
}

// returning says of a return, on the card of what it takes back, what becomes of it, and when.
func returning(l Relation, end time.Time) string {
	b := l.Batch
	switch {
	case b.Returns() && b.Released != nil:
		return "Being taken back now by " + mention(b.Released.By.ID) + ", as " + l.linkedNumber() + "."
	case b.Returns():
		s := "At its end "
		if !end.IsZero() {
			s = "Ends " + moment(end) + ". Then "
		}
		s += l.linkedNumber() + " takes it back: " + taken(b) + "."
		if by := b.Keepers(); len(by) > 0 {
			ids := make([]string, len(by))
			for i, p := range by {
				ids[i] = p.ID
			}
			s += fmt.Sprintf(" %s of %s admins pressed Keep: %s.", number(len(by)), number(max(b.Approvals, 1)), mentions(ids))
		}
		return s
	case b.State == workflow.Cancelled && b.Started.IsZero() && b.Ending != nil && b.Ending.By.ID != "":
		return "Kept for good by " + mention(b.Ending.By.ID) + " " + moment(b.Ending.At) + "."
	case b.State == workflow.Cancelled && b.Started.IsZero():
		return "There was nothing to take back."
	case b.State == workflow.Done:
		return "Taken back by " + l.plainNumber() + " " + moment(b.Ended) + "."
	}
	return "Being taken back as " + l.linkedNumber() + ", " + plainState(b) + "."
}
