package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// status returns in words where the batch is: what it waits for, who decided and when, and how far
// the run has come.
func (c Card) status() string {
	b := c.Batch
	switch b.State {
	case workflow.Planning:
		return upperFirst(checking(b)) + "."
	case workflow.AwaitingApproval:
		return c.waiting()
	case workflow.Rejected, workflow.Expired, workflow.Empty:
		return ended(b)
	}
	out := []string{ended(b)}
	switch {
	case b.State != workflow.Done:
	case c.Results.Refused != "":
		out[0] += " *Details* shows the results."
	default:
		out[0] += " Results are in the thread."
	}
	if counts := c.counts(); counts != "" && !b.Started.IsZero() {
		out = append(out, counts)
	}
	if c.Waits != "" && !b.Cancelling() {
		out[0] += " Waits: " + c.Waits + "."
	}
	if words := parkedWords(b); words != "" {
		out = append(out, ":warning: "+words)
	}
	if by := b.Approvers(); len(by) > 0 && (b.State != workflow.Approved || b.Cancelling()) {
		out[0] += " Approved by " + approvals(b) + "."
	}
	if r := b.Released; r != nil && b.Link == workflow.LinkReturn {
		out[0] += " Ended before its time by " + mention(r.By.ID) + " " + moment(r.At) + "."
	} else if r != nil {
		out[0] += " Started before its time by " + mention(r.By.ID) + " " + moment(r.At) + "."
	}
	if words := c.late(); words != "" {
		out[0] += " " + words
	}
	if _, cannot := workflow.Undoable(c.Summary, action.HasInverse); cannot > 0 && HasRun(b) {
		out = append(out, many(cannot, "change", "changes")+" cannot be undone.")
	}
	if len(b.Dropped) > 0 {
		out = append(out, droppedWords(b))
	}
	return strings.Join(out, "\n")
}

// checking counts how far the check has come.
func checking(b *workflow.Batch) string {
	if b.Reading() {
		return reading(b)
	}
	if b.Rows == 0 {
		return "checking"
	}
	return fmt.Sprintf("checking %s of %s", number(b.Checked), number(b.Rows))
}

// waiting says which approvals are needed, why so many, by whom and until when.
func (c Card) waiting() string {
	b := c.Batch
	by := b.Approvers()
	from := " from " + c.mayApprove()
	if strings.HasPrefix(c.Nobody, nobodyCan) {
		from = "" // whom to ask would contradict it
	}
	s := "*Needs " + many(b.Approvals, "approval", "approvals") + "*" + from + "."
	if len(by) > 0 {
		s = fmt.Sprintf("*%s of %s approvals*: %s. Needs %s more%s.",
			number(len(by)), number(b.Approvals), approvals(b), number(b.Missing()), from)
	}
	switch {
	case len(b.Why) > 0:
		s += fmt.Sprintf(" %s needed: %s.", many(b.Approvals, "is", "are"), quoted(strings.Join(b.Why, "; "), reasonText))
	case b.Approvals > 1:
		s += fmt.Sprintf(" The settings ask for %s.", number(b.Approvals))
	}
	if !b.Expires.IsZero() {
		s += " Expires " + moment(b.Expires) + "."
	}
	if len(b.Dropped) > 0 {
		s += "\n:warning: " + droppedWords(b)
	}
	if c.Nobody != "" {
		s += "\n:warning: " + quoted(c.Nobody, reasonText)
	}
	if missing := b.Traits.NoGroups; len(missing) > 0 {
		s += "\n:warning: The settings name " + plural(len(missing), "the group ", "the groups ") +
			quoted(strings.Join(missing, ", "), lineText) + ", which Atlassian does not have: no account is protected or counted by " +
			plural(len(missing), "it", "them") + "."
	}
	return s
}

// droppedWords returns in words whose approvals no longer count.
func droppedWords(b *workflow.Batch) string {
	return "The approval by " + mentions(b.Dropped[:min(len(b.Dropped), AdminsShown)]) +
		" does not count any more: they may not approve now."
}

// mayApprove names who may give the next approval, and who may not. Nobody is called by it: the card
// is posted before it waits for approval, and an edit calls nobody.
func (c Card) mayApprove() string {
	b := c.Batch
	var not []string
	for _, p := range []workflow.Person{b.Requester, b.Author} {
		if p.ID != "" && !slices.Contains(not, p.ID) {
			not = append(not, p.ID)
		}
	}
	exclude := slices.Clone(not)
	for _, p := range b.Approvers() {
		exclude = append(exclude, p.ID)
	}
	ids := slices.DeleteFunc(slices.Clone(c.Admins), func(id string) bool { return slices.Contains(exclude, id) })
	names := make([]string, 0, AdminsShown+1)
	for i, id := range ids {
		if i == AdminsShown {
			names = append(names, number(len(ids)-i)+" more")
			break
		}
		names = append(names, mention(id))
	}
	s := "another admin"
	if len(names) > 0 {
		s = orList(names)
	}
	if len(not) > 0 {
		for i, id := range not {
			not[i] = mention(id)
		}
		s += " (not " + orList(not) + ")"
	}
	return s
}

func approvals(b *workflow.Batch) string {
	var out []string
	for _, d := range b.Decisions {
		if d.Verdict == workflow.Approve && d.Digest == b.Digest && !slices.Contains(b.Dropped, d.Person.ID) {
			out = append(out, mention(d.Person.ID)+" "+moment(d.At))
		}
	}
	return list(out)
}

// orList joins as a sentence does: a, b or c.
func orList(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}
