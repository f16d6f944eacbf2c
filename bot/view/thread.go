package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// adminsCalled is how many mentions a sentence can bear; a group is one.
const adminsCalled = 50

// Thread is what the messages under a card are drawn from.
type Thread struct {
	Batch     *workflow.Batch
	Summary   workflow.Summary
	Gist      *Gist      // of all rows; nil where that was not read
	Admins    []string   // ids of people and groups that may approve
	Holders   []int64    // open batches that hold rows of this one
	Relations []Relation // batches that were made of this one
	Command   string     // the slash command
}

// others returns the admins but for requester and author.
func (t Thread) others() []string {
	return slices.DeleteFunc(slices.Clone(t.Admins), func(id string) bool {
		return id == t.Batch.Requester.ID || id == t.Batch.Author.ID
	})
}

// Finished counts the changes of this run that have ended.
func (t Thread) Finished() int {
	return t.Summary.State(workflow.ChangeDone, workflow.ChangeFailed, workflow.ChangeSkipped)
}

func (t Thread) message(part, text string) slackapi.Message {
	m := slackapi.Message{Text: text, Blocks: []slack.Block{section(part, text)}}
	id := fmt.Sprintf("%s-%d-r%d-%s", part, t.Batch.Number, t.Batch.Revision, fingerprint(m))
	m.Blocks = []slack.Block{section(id, text)}
	return m
}

func (t Thread) name() string { return fmt.Sprintf("#%d", t.Batch.Number) }

// what says in the middle of a sentence what a batch is to do, and who asked: by name, as only those
// are called who have to act.
func (t Thread) what() string {
	s := lowerWord(quoted(Does(t.Batch, t.Summary, nil, t.Gist), lineText))
	if name := t.Batch.Requester.Name; name != "" {
		s += " (asked by " + quoted(name, tableCell) + ")"
	}
	return s
}

// Waiting tells the admins of a card that waits for them, once.
func (t Thread) Waiting() slackapi.Message {
	text := fmt.Sprintf("please review %s: %s.", t.name(), t.what())
	if n := t.Batch.Missing(); n > 1 {
		text += " It needs " + many(n, "approval", "approvals") + "."
	}
	return t.message("admins", called(t.others(), text))
}

// Next tells those who may give the last approval that is missing, once after the one before it:
// these, or where it is not known who may, all admins who have no part in it yet.
func (t Thread) Next(may []string) slackapi.Message {
	if len(may) == 0 {
		approved := t.Batch.Approvers()
		may = slices.DeleteFunc(t.others(), func(id string) bool {
			return slices.ContainsFunc(approved, func(by workflow.Person) bool { return by.ID == id })
		})
	}
	text := fmt.Sprintf("1 more approval for %s: %s. Approved by %s.", t.name(), t.what(), approvedBy(t.Batch))
	return t.message("next", called(may, text))
}

// approvedBy names who approved, without calling them.
func approvedBy(b *workflow.Batch) string {
	var names []string
	for _, p := range b.Approvers() {
		names = append(names, quoted(cmp.Or(p.Name, p.ID), tableCell))
	}
	return list(names)
}

// called puts mentions before a sentence.
func called(ids []string, text string) string {
	if len(ids) == 0 {
		return upperFirst(text)
	}
	return mentions(ids[:min(len(ids), adminsCalled)]) + " " + text
}

// Ended tells the requester of a batch that never ran how it ended: rejected, expired, cancelled by
// somebody else.
func (t Thread) Ended() slackapi.Message {
	b := t.Batch
	var text string
	switch b.State {
	case workflow.Expired:
		text = fmt.Sprintf("%s %s expired. %s Press *Ask again* on the card.", mention(b.Requester.ID), t.name(), t.tooFew())
	default:
		how, reason := "cancelled", ""
		if b.State == workflow.Rejected {
			how = "rejected"
		}
		by := "countersign"
		if e := ending(b); e != nil {
			if e.By.ID != "" && e.By.ID != workflow.Bot {
				by = quoted(cmp.Or(e.By.Name, e.By.ID), tableCell)
			}
			if reason = e.Reason; reason == "cancelled" {
				reason = ""
			}
		}
		text = withReason(fmt.Sprintf("%s %s was %s by %s", mention(b.Requester.ID), t.name(), how, by), reason)
		if b.State == workflow.Rejected {
			text += " Send corrected rows as a new request, or press *Ask again* on the card for the same ones."
		}
	}
	return t.message("ended", text)
}

// tooFew says it without calling who approved.
func (t Thread) tooFew() string {
	if n := len(t.Batch.Approvers()); n > 0 {
		return fmt.Sprintf("It had %s of %s approvals, by %s.", number(n), number(t.Batch.Approvals), approvedBy(t.Batch))
	}
	return tooFew(t.Batch)
}

// TellsEnd reports whether the requester of a batch that has ended without a run is to be told: not
// what they did themselves, and nothing that was answered where they asked.
func TellsEnd(b *workflow.Batch) bool {
	switch b.State {
	case workflow.Rejected, workflow.Expired:
		return true
	case workflow.Cancelled:
		e := ending(b)
		return b.Started.IsZero() && !b.Unseen() && e != nil && e.By.ID != b.Requester.ID
	}
	return false
}

// Resumed says that a batch goes on, and tells the requester, who was told of the pause.
func (t Thread) Resumed(by workflow.Release) slackapi.Message {
	text := fmt.Sprintf("▶️ %s: resumed by %s %s.", t.name(), quoted(cmp.Or(by.By.Name, by.By.ID), tableCell), moment(by.At))
	if by.By.ID != t.Batch.Requester.ID {
		text = mention(t.Batch.Requester.ID) + " " + text
	}
	return t.message("resumed", text)
}

// Restarted says that countersign was restarted during a run, and what became of the changes that
// were under way then.
func (t Thread) Restarted(r workflow.Restart, back Readback) slackapi.Message {
	text := fmt.Sprintf("🔄 restarted %s", moment(r.At))
	switch n := len(r.Rows); {
	case n == 0:
		text += "; nothing was under way."
	case back.Open > 0:
		text += fmt.Sprintf("; %s under way %s being read back.", many(n, "change", "changes"), plural(n, "is", "are"))
	case back.Failed > 0:
		text += fmt.Sprintf("; %s under way %s read back: %s failed.", many(n, "change", "changes"), plural(n, "was", "were"), number(back.Failed))
	default:
		text += fmt.Sprintf("; %s under way %s read back: all right.", many(n, "change", "changes"), plural(n, "was", "were"))
	}
	return t.message("restarted", text)
}

// Readback is what became of the changes that were under way at a restart.
type Readback struct{ Open, Failed int }

// Empty returns the message that says why no row of a batch can run.
func (t Thread) Empty() slackapi.Message {
	text := "No row of " + t.name() + " can run"
	if why := GivenUp(t.Batch); why != "" {
		return t.message("empty", text+": "+quoted(strings.TrimSuffix(why, "."), reasonText)+".")
	}
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

// NotAsked tells whoever asked by command why no row of it can run: the first rows, each by name with
// its reason.
func (t Thread) NotAsked(rows []workflow.Change) slackapi.Message {
	if why := GivenUp(t.Batch); why != "" {
		return t.message("not-asked", "Nothing in "+t.name()+" can run: "+quoted(strings.TrimSuffix(why, "."), reasonText)+". "+t.leads())
	}
	rows = rows[:min(len(rows), FailedRows)]
	lines := []string{"Nothing in " + t.name() + " can run, so nobody is asked to approve it. " + t.leads()}
	for i := range rows {
		c := &rows[i]
		why := strings.TrimSuffix(cmp.Or(c.Reason.Words(), stateWord(c.State)), ".")
		line := quoted(why, reasonText) + "." // it may begin with an address
		if who := cmp.Or(c.Name, c.OldEmail(), c.NewEmail(), c.AccountID); who != "" && (who == c.Name || !strings.Contains(why, who)) {
			line = quoted(who, tableCell) + ": " + line
		}
		lines = append(lines, "• "+line)
	}
	if all := t.Summary.State(); all > len(rows) {
		why := causes(t.Summary, workflow.ChangeBlocked, workflow.ChangeBad, workflow.ChangeUnchanged)
		lines = append(lines, "All "+number(all)+" rows: "+strings.Join(why, ", ")+".")
	}
	if s := t.remedy(); s != "" {
		lines = append(lines, s)
	}
	return t.message("not-asked", strings.Join(lines, "\n"))
}

// leads says what shows a batch that has no card.
func (t Thread) leads() string {
	return fmt.Sprintf("`%s batch %d` shows it.", t.Command, t.Batch.Number)
}

// GivenUp returns why countersign itself ended a batch before it had a plan, "" for any other.
func GivenUp(b *workflow.Batch) string {
	over := b.State == workflow.Cancelled || b.State == workflow.Empty
	if e := ending(b); over && b.Planned.IsZero() && e != nil && (e.By.ID == "" || e.By.ID == workflow.Bot) {
		return e.Reason
	}
	return ""
}

// remedy returns in words what to do about rows that cannot run.
func (t Thread) remedy() string {
	all := t.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad)
	only := func(code workflow.ReasonCode) bool {
		return withReasonCode(t.Summary, workflow.ChangeBlocked, code) == all
	}
	switch {
	case all == 0:
		return ""
	case only(workflow.ReasonCouldNotCheck):
		return "Press *Check again* on the card when Atlassian answers again."
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
	if t.Batch.Source.Kind == workflow.SourceFile {
		return "Correct these rows, then send the file again."
	}
	return "Correct this, then ask again."
}

// Paused returns the message that says why a run stopped and who may let it go on. It calls those
// who may, requester and approvers, but for the person who paused it.
func (t Thread) Paused() slackapi.Message {
	b := t.Batch
	text := fmt.Sprintf("⏸️ %s is paused. %s %s", t.name(), stopWords(b.Stop), mayResume(b))
	if b.Stop.Cause == workflow.StopPerson {
		text = fmt.Sprintf("⏸️ %s is paused by %s. %s", t.name(), quoted(cmp.Or(b.Stop.By.Name, b.Stop.By.ID), tableCell), mayResume(b))
	}
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

// concerned returns requester and approvers, and who had it retried.
func (t Thread) concerned() []string {
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

// End returns the message that a run has ended: counts, and failures by cause with what to do. It
// mentions requester and approvers, once.
func (t Thread) End() slackapi.Message {
	name := t.name()
	if RunNumber(t.Batch) > 1 {
		name = fmt.Sprintf("Run %d of %s", RunNumber(t.Batch), name)
	}
	how := "finished"
	if t.Batch.State == workflow.Cancelled {
		how = "was cancelled"
	}
	text := fmt.Sprintf("%s %s %s: %s", mentions(t.concerned()), name, how, t.outcome())
	if words := parkedWords(t.Batch); words != "" {
		text += "\n:warning: " + words
	}
	if made := relationLines(t.Batch, t.Relations, true); made != "" {
		text += "\n" + made
	}
	return t.message("end", text)
}

// outcome returns what became of the changes: counts, and failures by cause with what to do.
func (t Thread) outcome() string {
	s := t.Summary
	var counts []string
	for _, each := range []struct {
		state  workflow.ChangeState
		word   string
		always bool
	}{
		{workflow.ChangeDone, "done", true},
		{workflow.ChangeFailed, "failed", true},
		{workflow.ChangeUnchanged, "already done", false},
		{workflow.ChangeSkipped, "skipped", false},
		{workflow.ChangeBlocked, "could not run", false},
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
		out = append(out, fmt.Sprintf("• %s × %s: %s", number(g.Count), cause, pressed(sentence(remedy))))
	}
	if len(groups) > causesShown {
		out = append(out, "• and others")
	}
	return strings.Join(out, "\n")
}

// Reminder returns a word in the thread about a batch that waits. It calls people who may approve
// and nobody else, no groups.
func (t Thread) Reminder(may []string) slackapi.Message {
	names := make([]string, len(may))
	for i, id := range may {
		names[i] = mention(id)
	}
	text := fmt.Sprintf("%s still waits for %s", t.name(), many(t.Batch.Missing(), "approval", "approvals"))
	others := slices.ContainsFunc(t.Admins, workflow.IsUserGroup)
	switch {
	case len(names) == 0:
		text += " from " + whoMay(workflow.WhoMay(workflow.ActApprove, t.Batch)) + "."
	case others:
		text += ". " + orList(append(names, "another admin")) + " can approve."
	default:
		text += ". " + orList(names) + " can approve."
	}
	return t.message("reminder", text+" It expires "+moment(t.Batch.Expires)+".")
}
