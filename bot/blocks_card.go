package bot

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// card is what the card of a batch is drawn from.
type card struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
	First   []workflow.Change // the first that will run or have run, at most tableRows
	Admins  []string          // ids of people and groups that may approve
	Nobody  string            // why nobody can approve it just now, "" when somebody can
	Waits   string            // what a batch waits for that may run, "" when it waits for nothing
	From    *linked           // the batch that it was made of; nil when of none
	Links   []linked          // those that were made of it, oldest first

	Now      time.Time // when it is drawn; what a run counts grows old
	counting bool      // drawn without that
}

// draw makes the card. Its block ids are new whenever the batch or what the card says is: under an id that stays the same
// Slack would keep the old state of the buttons.
func (c card) draw() message {
	b := c.Batch
	_, says, _ := strings.Cut(c.mark(), "/")
	id := func(part string) string { return fmt.Sprintf("%s-%d-r%d-%s", part, b.Number, b.Revision, says) }
	return c.drawWith(id)
}

// mark is short for what the card says, whatever the batch's revision. What is before the stroke stays the same while a
// run only counts further (steady).
func (c card) mark() string {
	same := func(part string) string { return part }
	c.Now = time.Time{} // time alone is no news
	all := fingerprint(c.drawWith(same))
	c.counting = true
	return fingerprint(c.drawWith(same)) + "/" + all
}

func steady(mark string) string {
	before, _, _ := strings.Cut(mark, "/")
	return before
}

// rank is how soon an edit of the card is to be seen, which shows what the track says.
func (c card) rank(t *track) rank {
	switch {
	case t.pressed != "" && t.pressed != c.pressed():
		return rankDecision
	case c.Batch.State == workflow.Planning, c.Batch.State == workflow.Running && !t.doubt &&
		steady(t.put[cardKey(c.Batch.Number)]) == steady(c.mark()):
		return rankCounts
	}
	return rankCard
}

func (c card) drawWith(id func(part string) string) message {
	b := c.Batch
	title := c.title()
	blocks := []slack.Block{header(id("title"), title)}
	if b.Emergency {
		blocks = append(blocks, section(id("emergency"),
			":rotating_light: *Emergency*: "+emergencyWords(b)+" Every admin is told."))
	}
	blocks = append(blocks, section(id("who"), c.who()))
	blocks = append(blocks, section(id("status"), c.status()))
	if linked := links(c.Links); linked != "" {
		blocks = append(blocks, section(id("links"), linked))
	}
	if counts := c.counts(); counts != "" {
		blocks = append(blocks, section(id("counts"), counts))
	}
	if effects := c.effects(); effects != "" && !over(b.State) && !c.counting {
		blocks = append(blocks, section(id("effects"), ":warning: "+effects))
	}
	if len(b.Ignored) > 0 {
		blocks = append(blocks, note(id("ignored"), "Columns not used: "+quoted(strings.Join(b.Ignored, ", "), lineText)))
	}
	if len(c.First) > 0 {
		blocks = append(blocks, table(id("table"), c.rows()))
		if more := c.planned() - len(c.First); more > 0 {
			blocks = append(blocks, note(id("more"), fmt.Sprintf("and %s more in batch-%d-plan.csv", number(more), b.Number)))
		}
	}
	if b.Digest != "" {
		blocks = append(blocks, note(id("digest"), planWords(b.Digest)))
	}
	if buttons := c.buttons(); len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock(id("buttons"), buttons...))
	}
	return message{Text: title + ": " + plainState(b), Blocks: blocks}
}

// emergencyWords says what it means for a batch that it was asked for as an emergency.
func emergencyWords(b *workflow.Batch) string {
	if b.Approvals > 1 { // who asked was in the group when it was checked, and not at a click since
		return "it was asked for as one, and the rules apply to it all the same by now."
	}
	return "one approval by another person is enough, whatever the rules say."
}

// over says whether nothing can happen to the batch any more in this run.
func over(s workflow.State) bool { return !s.Open() }

// title is the batch in a few words: number, action, count.
func (c card) title() string { return batchTitle(c.Batch, c.Summary) }

func batchTitle(b *workflow.Batch, s workflow.Summary) string {
	actions := s.Actions()
	total := 0
	for _, n := range actions {
		total += n
	}
	switch {
	case len(actions) == 1:
		for name := range actions {
			return fmt.Sprintf("#%d %s %s", b.Number, name, many(total, "account", "accounts"))
		}
	case len(actions) > 1:
		return fmt.Sprintf("#%d %d actions, %s", b.Number, len(actions), many(total, "account", "accounts"))
	case b.Verb != "":
		return fmt.Sprintf("#%d %s, %s", b.Number, b.Verb, many(b.Rows, "row", "rows"))
	}
	return fmt.Sprintf("#%d %s", b.Number, many(b.Rows, "row", "rows"))
}

func (c card) who() string {
	b := c.Batch
	s := "Asked for by " + mention(b.Requester.ID)
	if b.Author.ID != "" && b.Author.ID != b.Requester.ID {
		s += ", with a file of " + mention(b.Author.ID)
	}
	s += " " + moment(b.Created)
	if b.Source.FileName != "" {
		s += ", from " + quoted(b.Source.FileName, lineText)
	}
	if c.From != nil {
		s += ", " + c.From.from()
	}
	if b.Reason != "" {
		s += "\n*Reason:* " + quoted(b.Reason, reasonText)
	}
	return s
}

// status says where the batch is: what it waits for, who decided and when.
func (c card) status() string {
	b := c.Batch
	switch b.State {
	case workflow.Planning:
		return ":mag: " + checking(b)
	case workflow.AwaitingApproval:
		return c.waiting()
	case workflow.Rejected:
		return ":no_entry: " + ended(b)
	default:
		s := ended(b)
		if c.Waits != "" && !b.Cancelling() {
			s += " It waits: " + c.Waits + "."
		}
		if words := parkedWords(b); words != "" {
			s += "\n:warning: " + words
		}
		if _, cannot := workflow.Undoable(c.Summary); cannot > 0 && ran(b) {
			s += "\n" + many(cannot, "change", "changes") + " of it cannot be undone."
		}
		if by := b.Approvers(); len(by) > 0 {
			s += "\nApproved by " + approvals(b)
		}
		if len(b.Dropped) > 0 {
			s += "\n" + droppedWords(b)
		}
		return s
	}
}

// checking counts how far the check has come.
func checking(b *workflow.Batch) string {
	if b.Rows == 0 {
		return "checking"
	}
	return fmt.Sprintf("checking %s of %s", number(b.Checked), number(b.Rows))
}

func (c card) waiting() string {
	b := c.Batch
	s := "*Needs " + many(b.Approvals, "approval", "approvals") + "*"
	switch {
	case len(b.Why) > 0:
		s += " (" + quoted(strings.Join(b.Why, "; "), reasonText) + ")"
	case b.Emergency && b.Approvals == 1:
		s += " (an emergency)"
	case b.Approvals == 1:
		s += " (the settings ask for one by another admin)"
	default:
		s += " (the settings ask for as many)"
	}
	if by := b.Approvers(); len(by) > 0 {
		s += ", has " + number(len(by)) + ": " + approvals(b)
	}
	s += ". " + c.mayApprove()
	if !b.Expires.IsZero() {
		s += " It expires " + moment(b.Expires) + " unless somebody decides."
	}
	if len(b.Dropped) > 0 {
		s += "\n:warning: " + droppedWords(b)
	}
	if c.Nobody != "" {
		s += "\n:warning: " + quoted(c.Nobody, reasonText)
	}
	if missing := b.Traits.NoGroups; len(missing) > 0 {
		s += "\n:warning: The settings name " + plural(len(missing), "the group", "the groups") + " " +
			quoted(strings.Join(missing, ", "), lineText) + ", which Atlassian does not show: nobody is protected or counted by it."
	}
	return s
}

// droppedWords says whose approvals do not count any more.
func droppedWords(b *workflow.Batch) string {
	return "The approval of " + mentions(b.Dropped[:min(len(b.Dropped), adminsShown)]) +
		" does not count any more: who gave it may not approve now."
}

// mayApprove names the admins. Nobody is called by it: the card is posted before it waits for approval, and an edit calls
// nobody.
func (c card) mayApprove() string {
	but := []string{c.Batch.Requester.ID, c.Batch.Author.ID}
	ids := slices.DeleteFunc(slices.Clone(c.Admins), func(id string) bool { return slices.Contains(but, id) })
	names := make([]string, 0, adminsShown+1)
	for i, id := range ids {
		if i == adminsShown {
			names = append(names, number(len(ids)-i)+" more")
			break
		}
		names = append(names, mention(id))
	}
	s := "An admin may approve"
	if len(names) > 0 {
		s += " (" + list(names) + ")"
	}
	if s += ", but not the requester"; c.Batch.Author.ID != c.Batch.Requester.ID {
		s += " or the author of the file"
	}
	return s + "."
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

// counts are what the check found and, once it ran, what became of it, with causes.
func (c card) counts() string {
	type part struct {
		word   string
		states []workflow.ChangeState
	}
	left := part{"ready", []workflow.ChangeState{workflow.ChangeReady, workflow.ChangeRunning}}
	run := []part{
		{"done", []workflow.ChangeState{workflow.ChangeDone}},
		{"failed", []workflow.ChangeState{workflow.ChangeFailed}},
		{"not known yet", []workflow.ChangeState{workflow.ChangeUnknown}},
	}
	rest := []part{
		{"unchanged", []workflow.ChangeState{workflow.ChangeUnchanged}},
		{"blocked", []workflow.ChangeState{workflow.ChangeBlocked}},
		{"unreadable", []workflow.ChangeState{workflow.ChangeBad}},
		{"skipped", []workflow.ChangeState{workflow.ChangeSkipped}},
	}
	failures := []workflow.ChangeState{workflow.ChangeBlocked, workflow.ChangeBad, workflow.ChangeFailed}
	parts := slices.Concat([]part{left}, run, rest)
	switch {
	case c.counting:
		parts = slices.Concat([]part{{"planned", planned()}}, rest[1:3])
		failures = failures[:2]
	case !c.Batch.Started.IsZero():
		left.word = "left"
		parts = slices.Concat(run, []part{left}, rest)
	}
	var words []string
	for _, p := range parts {
		n := c.Summary.State(p.states...)
		if n > 0 || c.runs() && (p.word == "done" || p.word == "failed" || p.word == "left") {
			words = append(words, "*"+number(n)+"* "+p.word)
		}
	}
	out := []string{strings.Join(words, " · ")}
	if c.Batch.State == workflow.Running && !c.Now.IsZero() && !c.counting {
		out[0] += ", as of " + moment(c.Now) + "; the thread is ahead"
	}
	for _, cause := range causes(c.Summary, failures...) {
		out = append(out, "• "+cause)
	}
	if n := odd(c.Summary); n > 0 {
		out = append(out, ":warning: "+many(n, "new address is", "new addresses are")+
			" written oddly: look twice; the plan says how")
	}
	return strings.Join(out, "\n")
}

// odd counts the rows that may run and whose new addresses are easily taken for others.
func odd(s workflow.Summary) int {
	return withReasonCode(s, workflow.ChangeReady, workflow.ReasonOddAddress)
}

// withReasonCode counts the changes in that state for that reason.
func withReasonCode(s workflow.Summary, state workflow.ChangeState, code workflow.ReasonCode) int {
	n := 0
	for _, g := range s.Groups {
		if g.State == state && g.Code == code {
			n += g.Count
		}
	}
	return n
}

// runs says whether a run has begun and not ended.
func (c card) runs() bool { return !c.Batch.Started.IsZero() && c.Batch.State.Open() }

// causes groups changes in the given states by cause, the largest group first.
func causes(s workflow.Summary, states ...workflow.ChangeState) []string {
	groups := grouped(s, states...)
	var out []string
	for i, g := range groups {
		if i == causesShown {
			rest := 0
			for _, g := range groups[i:] {
				rest += g.Count
			}
			return append(out, fmt.Sprintf("%s for other reasons", number(rest)))
		}
		word := string(g.State)
		if g.State == workflow.ChangeBad {
			word = "unreadable" // as the counts say it
		}
		out = append(out, number(g.Count)+" "+word+": "+quoted(g.Code.Cause(), causeText))
	}
	return out
}

// grouped sums the groups of a summary by state and code, the largest first.
func grouped(s workflow.Summary, states ...workflow.ChangeState) []workflow.Group {
	var out []workflow.Group
	for _, g := range s.Groups {
		if !slices.Contains(states, g.State) {
			continue
		}
		i := slices.IndexFunc(out, func(o workflow.Group) bool { return o.State == g.State && o.Code == g.Code })
		if i < 0 {
			out = append(out, workflow.Group{State: g.State, Code: g.Code, Count: g.Count})
			continue
		}
		out[i].Count += g.Count
	}
	slices.SortFunc(out, func(a, b workflow.Group) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Code, b.Code), cmp.Compare(a.State, b.State))
	})
	return out
}

// effects are the side effects that are still to come, in words: "214 people will be signed out".
func (c card) effects() string {
	var out []string
	all := map[workflow.Effect]int{}
	for _, g := range c.Summary.Groups {
		switch g.State {
		case workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown:
			if g.Effect != "" {
				all[g.Effect] += g.Count
			}
		}
	}
	if twice := all[workflow.EffectSignedOutTwice]; twice > 0 {
		n := all[workflow.EffectSignedOut] + twice
		out = append(out, fmt.Sprintf("%s, %s of them twice (swap through a parking address)",
			effectWords(workflow.EffectSignedOut, n), number(twice)))
		delete(all, workflow.EffectSignedOut)
		delete(all, workflow.EffectSignedOutTwice)
	}
	for _, e := range []workflow.Effect{workflow.EffectSignedOut, workflow.EffectLockedOut, workflow.EffectBilled} {
		if n := all[e]; n > 0 {
			out = append(out, effectWords(e, n))
			delete(all, e)
		}
	}
	for e, n := range all { // an effect that this file has no words for is shown all the same
		out = append(out, effectWords(e, n))
	}
	return strings.Join(out, "; ")
}

func effectWords(e workflow.Effect, n int) string {
	people := many(n, "person", "people")
	switch e {
	case workflow.EffectSignedOut:
		return people + " will be signed out"
	case workflow.EffectLockedOut:
		return people + " can no longer log in anywhere"
	case workflow.EffectBilled:
		return people + " can log in again and may be billed"
	default:
		return people + ": " + strings.ReplaceAll(string(e), "_", " ")
	}
}

// planned is how many changes were to run.
func (c card) planned() int {
	n := 0
	for _, count := range c.Summary.Actions() {
		n += count
	}
	return n
}

// rows are the first changes as a table, from → to.
func (c card) rows() [][]string {
	mixed := len(c.Summary.Actions()) > 1
	head := []string{"line", "account", "from", "to"}
	if mixed {
		head = slices.Insert(head, 2, "action")
	}
	out := [][]string{head}
	for _, ch := range c.First[:min(len(c.First), tableRows)] {
		from, to := fromTo(ch)
		if ch.Reason.Code == workflow.ReasonOddAddress {
			to = "⚠ " + to
		}
		row := []string{strconv.Itoa(ch.Row), cmp.Or(ch.Name, ch.AccountID), from, to}
		if mixed {
			row = slices.Insert(row, 2, string(ch.Action))
		}
		out = append(out, row)
	}
	return out
}

func fromTo(c workflow.Change) (from, to string) {
	switch c.Action {
	case workflow.Deactivate:
		return c.OldEmail, "deactivated"
	case workflow.Activate:
		return c.OldEmail, "active"
	default:
		return c.OldEmail, cmp.Or(c.NewEmail, c.Group, string(c.Action))
	}
}

// planWords name a plan so that people can compare it: by eye, and by voice.
func planWords(digest string) string {
	return "Plan `" + shortDigest(digest) + "`, seal `" + workflow.Seal(digest) + "`"
}

// shortDigest is enough of a digest to compare it by eye.
func shortDigest(digest string) string {
	const letters, group = 12, 4
	d := digest[:min(len(digest), letters)]
	var parts []string
	for ; len(d) > group; d = d[group:] {
		parts = append(parts, d[:group])
	}
	return strings.Join(append(parts, d), " ")
}
