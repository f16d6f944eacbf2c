package bot

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// adminsCalled is how many mentions a sentence can bear; a group is one.
const adminsCalled = 50

// thread is what the messages under a card are drawn from.
type thread struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
	Admins  []string // ids of people and groups that may approve
	Holders []int64  // open batches that hold rows of this one
	Links   []linked // batches that were made of this one
}

// others are the admins but for requester and author.
func (t thread) others() []string {
	return slices.DeleteFunc(slices.Clone(t.Admins), func(id string) bool {
		return id == t.Batch.Requester.ID || id == t.Batch.Author.ID
	})
}

// finished counts the changes of this run that have ended.
func (t thread) finished() int {
	return t.Summary.State(workflow.ChangeDone, workflow.ChangeFailed, workflow.ChangeSkipped)
}

func (t thread) message(part, text string) message {
	m := message{Text: text, Blocks: []slack.Block{section(part, text)}}
	id := fmt.Sprintf("%s-%d-r%d-%s", part, t.Batch.Number, t.Batch.Revision, fingerprint(m))
	m.Blocks = []slack.Block{section(id, text)}
	return m
}

func (t thread) name() string { return fmt.Sprintf("#%d", t.Batch.Number) }

// admins tells the admins of a card that waits for them, once.
func (t thread) admins() message {
	ids := t.others()
	text := fmt.Sprintf("%s waits for %s.", t.name(), many(t.Batch.Missing(), "approval", "approvals"))
	if len(ids) > 0 {
		text = mentions(ids[:min(len(ids), adminsCalled)]) + " " + text
	}
	return t.message("admins", text)
}

// empty says why nothing of a batch can run.
func (t thread) empty() message {
	text := "Nothing in " + t.name() + " can run"
	words := causes(t.Summary, workflow.ChangeBlocked, workflow.ChangeBad, workflow.ChangeUnchanged)
	if len(words) > 0 {
		text += ":\n• " + strings.Join(words, "\n• ")
	} else {
		text += "."
	}
	if s := t.remedy(); s != "" {
		text += "\n" + s
	}
	return t.message("empty", text)
}

// remedy says what to do about rows that cannot run.
func (t thread) remedy() string {
	all := t.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad)
	only := func(code workflow.ReasonCode) bool {
		return withReasonCode(t.Summary, workflow.ChangeBlocked, code) == all
	}
	switch {
	case all == 0:
		return ""
	case only(workflow.ReasonCouldNotCheck):
		return "Press Check again on the card when Atlassian can be reached."
	case only(workflow.ReasonHeld):
		var names []string
		for _, n := range t.Holders {
			names = append(names, fmt.Sprintf("#%d", n))
		}
		if len(names) == 0 {
			names = []string{"the other batch"}
		}
		return "Wait for " + list(names) + ", then ask again."
	}
	return badRowsFile(t.Batch.Number) + " has the rows; put them right and send the file again."
}

// paused says why a run stopped and who may let it go on. It calls those who may, requester and approvers, but for the
// person who paused it.
func (t thread) paused() message {
	b := t.Batch
	text := fmt.Sprintf(":double_vertical_bar: %s is paused: %s %s", t.name(), stopWords(b.Stop), mayResume(b))
	if words := parkedWords(b); words != "" {
		text += "\n:warning: " + words
	}
	ids := t.concerned()
	if b.Stop.ByBot() {
		ids = append(t.others(), ids...)
	}
	var called []string
	for _, id := range ids {
		if id != b.Stop.By.ID && !slices.Contains(called, id) && len(called) < adminsCalled {
			called = append(called, id)
		}
	}
	if len(called) > 0 {
		text += "\n" + mentions(called)
	}
	return t.message("paused", text)
}

// concerned are requester and approvers, and who had it retried.
func (t thread) concerned() []string {
	ids := []string{t.Batch.Requester.ID}
	if t.Batch.Retry != nil {
		ids = append(ids, t.Batch.Retry.By.ID)
	}
	for _, p := range t.Batch.Approvers() {
		ids = append(ids, p.ID)
	}
	var out []string
	for _, id := range ids {
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

// end is the message that a run has ended: counts, and failures by cause with what to do. It mentions requester and
// approvers, once.
func (t thread) end() message {
	name := t.name()
	if run(t.Batch) > 1 {
		name = fmt.Sprintf("Run %d of %s", run(t.Batch), name)
	}
	text := fmt.Sprintf("%s %s is %s: %s", mentions(t.concerned()), name, plainState(t.Batch), t.outcome())
	if words := parkedWords(t.Batch); words != "" {
		text += "\n:warning: " + words
	}
	if made := links(t.Links); made != "" {
		text += "\n" + made
	}
	return t.message("end", text)
}

// outcome is what became of the changes: counts, and failures by cause with what to do.
func (t thread) outcome() string {
	s := t.Summary
	var counts []string
	for _, each := range []struct {
		state  workflow.ChangeState
		word   string
		always bool
	}{
		{workflow.ChangeDone, "done", true},
		{workflow.ChangeFailed, "failed", true},
		{workflow.ChangeUnchanged, "unchanged", false},
		{workflow.ChangeSkipped, "skipped", false},
		{workflow.ChangeBlocked, "blocked", false},
		{workflow.ChangeBad, "unreadable", false},
	} {
		if n := s.State(each.state); n > 0 || each.always {
			counts = append(counts, "*"+number(n)+"* "+each.word)
		}
	}
	groups := grouped(s, workflow.ChangeFailed)
	out := []string{strings.Join(counts, " · ")}
	for _, g := range groups[:min(len(groups), causesShown)] {
		cause, remedy := quoted(g.Code.Cause(), causeText), quoted(g.Code.Remedy(), causeText)
		out = append(out, fmt.Sprintf("• %s × %s: %s", number(g.Count), cause, remedy))
	}
	if len(groups) > causesShown {
		out = append(out, "• and others, see the results")
	}
	out = append(out, resultsFile(t.Batch.Number, run(t.Batch))+" has every row.")
	return strings.Join(out, "\n")
}
