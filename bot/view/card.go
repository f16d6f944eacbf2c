package view

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// Card is what the card of a batch is drawn from: the decision that is wanted, what it costs, the
// buttons, and only then rows. The rest is in its thread and behind Details.
type Card struct {
	Batch     *workflow.Batch
	Summary   workflow.Summary
	First     []workflow.Change // the first that will run or have run, at most TableRows
	Failed    []workflow.Change // the first that failed, at most FailedRows
	Gist      *Gist             // of all rows; nil before there is a plan
	Plan      File              // with every row
	Results   File              // of the run that has ended
	Admins    []string          // ids of people and groups that may approve
	Nobody    string            // why nobody can approve it, "" when somebody can
	Waits     string            // what a batch waits for that may run, "" when it waits for nothing
	From      *Relation         // the batch that it was made of; nil when of none
	Relations []Relation        // those that were made of it, oldest first

	counting bool // drawn without what a run counts
}

// Draw makes the card. Its block ids are new whenever the batch or what the card says is: under an
// id that stays the same Slack would keep the old state of the buttons.
func (c Card) Draw() slackapi.Message {
	b := c.Batch
	_, says, _ := strings.Cut(c.Mark(), "/")
	id := func(part string) string { return fmt.Sprintf("%s-%d-r%d-%s", part, b.Number, b.Revision, says) }
	return c.drawWith(id)
}

// Mark is short for what the card says, whatever the batch's revision. What is before the stroke
// stays the same while a run only counts further (steady).
func (c Card) Mark() string {
	same := func(part string) string { return part }
	all := fingerprint(c.drawWith(same))
	c.counting = true
	return fingerprint(c.drawWith(same)) + "/" + all
}

// Steady returns the part of a mark that stays the same while a run only counts further.
func Steady(mark string) string {
	before, _, _ := strings.Cut(mark, "/")
	return before
}

func (c Card) drawWith(id func(part string) string) slackapi.Message {
	b := c.Batch
	title := c.title()
	blocks := append([]slack.Block{header(id("title"), title)}, c.about(id)...)
	if c.Batch.State.Open() && c.cut() {
		blocks = append(blocks, section(id("cut"), cutWords))
	}
	if buttons := c.pressable(); len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock(id("buttons"), buttons...))
	}
	if c.showsRows() {
		blocks = append(blocks, table(id("table"), c.rows()))
	}
	if notes := c.notes(); notes != "" {
		blocks = append(blocks, note(id("notes"), notes))
	}
	text := quoted(title, lineText)
	if b.State.Open() {
		text += ": " + plainState(b)
	}
	return slackapi.Message{Text: text, Blocks: blocks}
}

// about is what is to be known before somebody decides: who asked and why, where the batch is, what it
// costs, what people get, and what failed.
func (c Card) about(id func(part string) string) []slack.Block {
	var blocks []slack.Block
	if c.Batch.Emergency {
		blocks = append(blocks, section(id("emergency"), ":rotating_light: *Emergency*: "+emergencyWords(c.Batch)))
	}
	blocks = append(blocks, section(id("who"), c.who()), section(id("status"), c.status()))
	if linked := relationLines(c.Batch, c.Relations, false); linked != "" {
		blocks = append(blocks, section(id("links"), linked))
	}
	if costs := c.costs(); costs != "" {
		blocks = append(blocks, paragraphs(id("costs"), costs)...)
	}
	if failures := c.failures(); failures != "" {
		blocks = append(blocks, section(id("failures"), failures))
	}
	return blocks
}

// only is the batch's one row, nil where it has more.
func (c Card) only() *workflow.Change {
	if len(c.First) == 1 && c.planned() == 1 {
		return &c.First[0]
	}
	return nil
}

func (c Card) title() string { return Title(c.Batch, c.Summary, c.only(), c.Gist) }

// emergencyWords says what it means for a batch that it was asked for as an emergency.
func emergencyWords(b *workflow.Batch) string {
	if b.Approvals > 1 { // who asked was in the group when it was checked, and not at a click since
		return "it was asked for as one, and the rules now apply to it all the same. Every admin is told."
	}
	if over(b.State) {
		return "1 approval by another person was enough. Every admin was told."
	}
	return "1 approval by another person is enough. Every admin is told."
}

// who says in one line what becomes what, who asked and who wrote the file, and why.
func (c Card) who() string {
	b := c.Batch
	var out []string
	if c.untitled() { // the title says how it ended
		out = append(out, quoted(Does(b, c.Summary, c.only(), c.Gist), lineText))
	}
	if move := b.Source.Move; move != nil {
		out = append(out, moveWords(move))
	} else if moves := c.Gist.fromTo(); moves != "" {
		out = append(out, quoted(moves, lineText))
	}
	asked := "asked by " + mention(b.Requester.ID)
	if b.Agent != "" {
		asked = "proposed by agent " + quoted(b.Agent, tableCell) + ", " + asked
	}
	if b.Source.FileName != "" {
		asked += " with " + quoted(b.Source.FileName, lineText)
	}
	if b.Author.ID != "" && b.Author.ID != b.Requester.ID {
		wrote := "file by "
		if b.Source.FileName == "" { // a command that was asked for again
			wrote = "first asked by "
		}
		asked += " (" + wrote + mention(b.Author.ID) + ")"
	}
	out = append(out, asked)
	if c.From != nil {
		out = append(out, c.From.madeFrom())
	}
	if b.Reason != "" {
		out = append(out, "“"+quoted(b.Reason, reasonText)+"”")
	}
	if out[0] == asked { // a domain keeps its letters
		out[0] = upperFirst(asked)
	}
	return strings.Join(out, " · ")
}

// untitled reports whether the title says how the batch ended rather than what it is about.
func (c Card) untitled() bool {
	s := c.Batch.State
	return s == workflow.Rejected || s == workflow.Expired || s == workflow.Empty || s == workflow.Cancelled && c.Batch.Started.IsZero()
}

// costs says what is approved beside the rows: side effects, what people get, when, and what to look
// at twice. Once nothing more can happen there is nothing to say.
func (c Card) costs() string {
	if over(c.Batch.State) || c.counting {
		return ""
	}
	var out []string
	if effects := c.effects(); effects != "" {
		out = append(out, ":warning: "+effects)
	}
	gets, _ := c.gets()
	out = append(out, gets...)
	if line := timeLine(c.Batch); line != "" {
		out = append(out, line)
	}
	out = append(out, c.warnings()...)
	return strings.Join(out, "\n")
}

// cutWords say where the whole of a cut text is read.
const cutWords = "Texts that end with “…” are cut here. *Details* shows them whole."

// gets says what people get, and whether something of that is not there as a whole.
func (c Card) gets() (lines []string, cut bool) {
	titled := false
	if counts := c.Summary.Actions(); len(counts) == 1 {
		for name := range counts {
			titled = namesGroup(name)
		}
	}
	return c.Gist.gets(c.planned(), titled)
}

// cut reports whether the card shows something that is to be approved, and not the whole.
func (c Card) cut() bool { return c.cutsPlan() || isCut(c.Batch.Reason, reasonText) }

// cutsPlan reports the same of what the file of the plan has.
func (c Card) cutsPlan() bool {
	if _, cut := c.gets(); cut {
		return true
	}
	for _, row := range c.rows() {
		for _, cell := range row {
			if isCut(cell, cardCell) {
				return true
			}
		}
	}
	return false
}

// over reports whether nothing can happen to the batch any more in this run.
func over(s workflow.State) bool { return !s.Open() }

// showsRows reports whether the card has a table: as long as rows may still run.
func (c Card) showsRows() bool { return len(c.First) > 0 && c.Batch.State.Open() }

// Hidden is how many of the rows that are to run the card does not show.
func (c Card) Hidden() int { return c.planned() - min(len(c.First), TableRows) }

// Partial reports whether there is more to approve than the card shows, which the file of the plan has.
func (c Card) Partial() bool { return c.Hidden() > 0 || c.cutsPlan() }

// notes is the small line below the card: rows that will not run, where the others are, what was not
// used of a file, and the plan's short digest.
func (c Card) notes() string {
	b := c.Batch
	var out []string
	if b.State == workflow.Rejected {
		return ""
	}
	if not := c.notRun(); not != "" {
		out = append(out, not)
	}
	if more := c.more(); more != "" && c.showsRows() {
		out = append(out, more)
	}
	if verb := c.overruled(); verb != "" {
		out = append(out, overruledWords(verb))
	}
	if len(b.Ignored) > 0 && b.State.Open() {
		out = append(out, "Columns not used: "+quoted(strings.Join(b.Ignored, ", "), lineText))
	}
	if b.Digest != "" {
		out = append(out, planWords(b))
	}
	return strings.Join(out, " · ")
}

// more says of what the card does not show where it can be seen, "" where it shows all.
func (c Card) more() string {
	rows, awaits := c.Hidden(), c.Batch.State == workflow.AwaitingApproval && c.Plan == File{}
	switch {
	case rows == 0 && c.cutsPlan() && awaits:
		return "Approve appears when the file with the whole texts is in the thread"
	case rows == 0:
		return ""
	case c.Plan.There:
		return fmt.Sprintf("%s more in %s", number(rows), PlanFile(c.Batch.Number))
	case c.Plan.Refused != "":
		return fmt.Sprintf("%s more in *Details*: Slack takes no file in this channel (%s). %s",
			number(rows), quoted(c.Plan.Refused, lineText), fileOf(c.Batch.Number))
	case awaits:
		return fmt.Sprintf("%s more; Approve appears when the file with all rows is in the thread", number(rows))
	}
	return number(rows) + " more in *Details*"
}

// fileOf says how the rows of a batch are had as a file without Slack.
func fileOf(batch int64) string {
	return fmt.Sprintf("The operator of countersign gets the file with `countersign audit batch %d`.", batch)
}

// overruled is what the message with a file said is to happen, where no row does that; "" else.
func (c Card) overruled() workflow.ActionName {
	b := c.Batch
	if b.Source.Kind != workflow.SourceFile || b.Verb == "" || len(c.Summary.Groups) == 0 {
		return ""
	}
	for _, g := range c.Summary.Groups {
		if g.Action == b.Verb {
			return ""
		}
	}
	return b.Verb
}

func overruledWords(verb workflow.ActionName) string {
	return fmt.Sprintf("The message says %s; the file's columns count", verb)
}

// rows returns the first changes as a table, from → to.
func (c Card) rows() [][]string {
	mixed := len(c.Summary.Actions()) > 1
	head := []string{"line", "person", "from", "to"}
	if mixed {
		head = slices.Insert(head, 2, "action")
	}
	out := [][]string{head}
	for _, ch := range c.First[:min(len(c.First), TableRows)] {
		from, to := fromTo(ch)
		if ch.Reason.Code.Warns() {
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

// planWords name a plan so that people can compare it: by eye and, where several approve, by voice.
func planWords(b *workflow.Batch) string {
	words := "Plan " + shortDigest(b.Digest)
	if b.Approvals > 1 {
		words += ", seal “" + workflow.Seal(b.Digest) + "”"
	}
	return words
}

// shortDigest returns enough of a digest to compare it by eye.
func shortDigest(digest string) string {
	const letters, group = 12, 4
	d := digest[:min(len(digest), letters)]
	var parts []string
	for ; len(d) > group; d = d[group:] {
		parts = append(parts, d[:group])
	}
	return strings.Join(append(parts, d), " ")
}
