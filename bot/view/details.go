package view

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// The ids of Details: its modal, the button that opens it, and what can be pressed in it.
const (
	DetailsForm    = "details"
	ActionDetails  = "details"
	ActionRows     = "details_rows" // which rows: of one state, or all
	ActionEarlier  = "details_earlier"
	ActionMore     = "details_more"
	ActionPlan     = "details_plan" // sends the file of all rows
	allRowsOfBatch = "all"
)

// What a page of rows holds at most (Block Kit: a table has 100 rows with its header, a data_table one
// more, and both 10,000 letters over all cells).
const (
	DetailsRows    = 99
	detailsLetters = 9_000
	detailsPage    = 10  // rows that a table shows at once
	pagesBehind    = 250 // pages that Earlier leads back to, one by one; more do not fit into private_metadata
)

// Shown is which page of which rows of a batch a Details modal shows. It goes with the modal
// (private_metadata).
type Shown struct {
	Value   string               `json:"value"` // which batch, as its buttons say it
	Channel string               `json:"channel,omitempty"`
	State   workflow.ChangeState `json:"state,omitempty"` // "" is all
	// After are the rows behind which the pages up to this one begin, 0 for the first.
	After []int `json:"after,omitempty"`
}

func (s Shown) String() string {
	raw, err := json.Marshal(s)
	if err != nil {
		return "" // plain data: cannot fail
	}
	return string(raw)
}

// ParseShown reads what came back with a Details modal; ok is false when it is none of ours.
func ParseShown(metadata string) (s Shown, ok bool) {
	err := json.Unmarshal([]byte(metadata), &s)
	_, _, is := ParseValue(s.Value)
	return s, err == nil && is
}

// Begins returns the row behind which the page begins.
func (s Shown) Begins() int {
	if len(s.After) == 0 {
		return 0
	}
	return s.After[len(s.After)-1]
}

// Turn returns what is to be shown after a press: a choice of rows, Earlier, or More, whose value is
// the last row that was shown. ok is false for what is nothing of it.
func (s Shown) Turn(action, value string) (Shown, bool) {
	s.After = slices.Clone(s.After)
	switch action {
	case ActionRows:
		s.State, s.After = workflow.ChangeState(value), nil
		if value == allRowsOfBatch {
			s.State = ""
		}
		return s, s.State == "" || slices.Contains(workflow.ChangeStates(), s.State)
	case ActionEarlier:
		if len(s.After) > 0 {
			s.After = s.After[:len(s.After)-1]
		}
		return s, true
	case ActionMore:
		row, err := strconv.Atoi(value)
		if s.After = append(s.After, row); len(s.After) > pagesBehind {
			s.After = slices.Delete(s.After, 0, 1)
		}
		return s, err == nil && row > 0
	}
	return s, false
}

// Details is what the modal is drawn from that shows a batch row by row.
type Details struct {
	Card  Card
	Shown Shown
	// Rows are those behind Shown.Begins in the state, at most DetailsRows and one more: whether
	// there are others.
	Rows []workflow.Change
	// Said is the answer to what was pressed, "" for none.
	Said string
}

// Draw makes the modal.
func (d Details) Draw() slack.ModalViewRequest {
	b := d.Card.Batch
	blocks := []slack.Block{header("title", d.Card.title())}
	if d.Said != "" {
		blocks = append(blocks, section("said", d.Said))
	}
	blocks = append(blocks, d.Card.about(func(part string) string { return part })...)
	blocks = append(blocks, d.whole()...)
	blocks = append(blocks, d.menu())
	rows, more := d.page()
	blocks = append(blocks, d.table(rows)...)
	if turn := d.turn(rows, more); turn != nil {
		blocks = append(blocks, turn)
	}
	if b.Digest != "" {
		blocks = append(blocks, note("plan", d.plan()), slack.NewActionBlock("download",
			button(ActionPlan, "Download plan", "plan", slack.StyleDefault, nil)))
	}
	blocks = append(blocks, note("history", strings.Join(d.history(), " · ")))
	if buttons := d.deciding(); len(buttons) > 0 {
		blocks = append(blocks, slack.NewActionBlock("deciding", buttons...))
	}
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: DetailsForm, PrivateMetadata: d.Shown.String(),
		Title: plain(fmt.Sprintf("#%d", b.Number), maxViewTitle), Close: plain("Close", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// whole shows what goes for all rows and is cut above: the message that everybody gets, and why it is
// asked for.
func (d Details) whole() (out []slack.Block) {
	if d.Card.Batch.State.Open() && d.Card.cut() {
		out = append(out, section("cut", "Texts that end with “…” stand whole below."))
	}
	if message := d.Card.Gist.sameMessage(); isLong(message) {
		out = append(out, plainSection("message", "Message to "+share(d.Card.planned(), d.Card.planned())+":\n"+message))
	}
	if reason := d.Card.Batch.Reason; isCut(reason, reasonText) {
		out = append(out, plainSection("reason", "Reason:\n"+reason))
	}
	return out
}

// plan names the plan, and what else the card says in small letters.
func (d Details) plan() string {
	b := d.Card.Batch
	out := []string{planWords(b)}
	if d.Card.Plan.There {
		out = append(out, "every row is in "+PlanFile(b.Number))
	}
	if verb := d.Card.overruled(); verb != "" {
		out = append(out, overruledWords(verb))
	}
	if len(b.Ignored) > 0 {
		out = append(out, "Columns not used: "+quoted(strings.Join(b.Ignored, ", "), lineText))
	}
	return strings.Join(out, " · ")
}

// SentDirectly tells somebody who asked for a file where it is, or that it could not be sent.
func SentDirectly(file DirectFile) string {
	switch {
	case file.Err == nil:
		return file.Name + " is in your direct messages with me."
	case file.refused() != "":
		return "I could not send " + file.Name + ": " + file.refused()
	}
	return "I could not send " + file.Name + ". Press *Download plan* again."
}

// stateWord is the word for rows of a state.
func stateWord(s workflow.ChangeState) string {
	if word, other := map[workflow.ChangeState]string{
		workflow.ChangeUnknown: "being confirmed", workflow.ChangeBad: "unreadable", workflow.ChangeUnchanged: "already done",
		workflow.ChangeBlocked: "cannot run",
	}[s]; other {
		return word
	}
	return string(s)
}

// menu chooses which rows are shown.
func (d Details) menu() slack.Block {
	entry := func(s workflow.ChangeState) *slack.OptionBlockObject {
		word, value, n := "All rows", allRowsOfBatch, d.Card.Summary.State()
		if s != "" {
			word, value, n = upperFirst(stateWord(s)), string(s), d.Card.Summary.State(s)
		}
		return slack.NewOptionBlockObject(value, plain(word+" "+number(n), maxOptionText), nil)
	}
	options := []*slack.OptionBlockObject{entry("")}
	for _, s := range workflow.ChangeStates() {
		if d.Card.Summary.State(s) > 0 || s == d.Shown.State {
			options = append(options, entry(s))
		}
	}
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain("Rows", maxPlaceholder), ActionRows, options...)
	menu.InitialOption = entry(d.Shown.State)
	return slack.NewActionBlock("rows-"+cmp.Or(string(d.Shown.State), allRowsOfBatch), menu)
}

// upperFirst returns a word as it begins a sentence.
func upperFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// page returns the rows that fit, and whether there are others behind them.
func (d Details) page() (rows [][]string, more bool) {
	letters := 0
	for _, cell := range d.head() {
		letters += utf8.RuneCountInString(cell)
	}
	for i, c := range d.Rows {
		row := d.row(c)
		for _, cell := range row {
			letters += utf8.RuneCountInString(cell)
		}
		if i == DetailsRows || letters > detailsLetters {
			return rows, true
		}
		rows = append(rows, row)
	}
	return rows, false
}

func (d Details) mixed() bool { return len(d.Card.Summary.Actions()) > 1 }

func (d Details) head() []string {
	head := []string{"line", "person", "from", "to", "state", "why"}
	if d.messages() {
		head = slices.Insert(head, 4, "message")
	}
	if d.mixed() {
		head = slices.Insert(head, 2, "action")
	}
	return head
}

// messages reports whether people get different messages, or only some of them one, so that each row
// shows its own.
func (d Details) messages() bool {
	return d.Card.Gist != nil && d.Card.Gist.messages.kinds() > 0 && d.Card.Gist.sameMessage() == ""
}

// What a row holds at most, in letters: more than any value may have. All cells of one fit on a page.
const (
	wholeCell    = 800 // an address, a name, or a group with products at a site
	wholeMessage = 2_000
)

// row returns a change in cells, none of them empty: Slack has refused empty cells.
func (d Details) row(c workflow.Change) []string {
	from, to := fromTo(c)
	person := cmp.Or(c.Name, c.OldEmail(), c.NewEmail(), c.AccountID)
	row := []string{strconv.Itoa(c.Row), person, from, to, stateWord(c.State), c.Reason.Words()}
	if d.messages() {
		row = slices.Insert(row, 4, takes(&c, workflow.FieldMessage))
	}
	if d.mixed() {
		row = slices.Insert(row, 2, string(c.Action))
	}
	message := slices.Index(d.head(), "message")
	for i, cell := range row {
		limit := wholeCell
		if i == message {
			limit = wholeMessage
		}
		row[i] = cmp.Or(oneLine(cell, limit), "–")
	}
	return row
}

// table shows rows.
func (d Details) table(rows [][]string) []slack.Block {
	if len(rows) == 0 {
		return []slack.Block{section("none", "No rows here.")}
	}
	t := slack.NewDataTableBlock("Rows of "+d.Card.name(), slack.DataTableBlockOptionBlockID("table")).WithPageSize(detailsPage)
	for _, row := range append([][]string{d.head()}, rows...) {
		cells := make([]slack.DataTableCell, len(row))
		for i, cell := range row {
			cells[i] = slack.NewDataTableRawTextCell(cell)
		}
		t.AddRow(cells...)
	}
	return []slack.Block{t}
}

// turn leads to other pages, nil where there are none.
func (d Details) turn(rows [][]string, more bool) slack.Block {
	var buttons []slack.BlockElement
	if d.Shown.Begins() > 0 {
		buttons = append(buttons, button(ActionEarlier, "Earlier", "earlier", slack.StyleDefault, nil))
	}
	if more && len(rows) > 0 {
		buttons = append(buttons, button(ActionMore, "More", rows[len(rows)-1][0], slack.StyleDefault, nil))
	}
	if len(buttons) == 0 {
		return nil
	}
	return slack.NewActionBlock("turn", buttons...)
}

// deciding returns the buttons of the card that decide about a plan: under the same rules, with the
// same dialog, for the same digest.
func (d Details) deciding() []slack.BlockElement {
	return slices.DeleteFunc(d.Card.buttons(), func(e slack.BlockElement) bool {
		b, is := e.(*slack.ButtonBlockElement)
		return !is || b.ActionID != ActionApprove && b.ActionID != ActionReject
	})
}

// history tells what happened to the batch, in order.
func (d Details) history() []string {
	b := d.Card.Batch
	out := []string{"Asked " + moment(b.Created) + " " + mention(b.Requester.ID)}
	add := func(zero bool, words string) {
		if !zero {
			out = append(out, words)
		}
	}
	add(b.Planned.IsZero(), "checked "+moment(b.Planned))
	for _, each := range b.Decisions {
		word := map[workflow.Verdict]string{workflow.Approve: "approved", workflow.Reject: "rejected", workflow.Keep: "kept"}[each.Verdict]
		out = append(out, word+" "+moment(each.At)+" "+mention(each.Person.ID))
	}
	if r := b.Released; r != nil {
		out = append(out, "let go before its time "+moment(r.At)+" "+mention(r.By.ID))
	}
	add(b.Started.IsZero(), "started "+moment(b.Started))
	add(b.State != workflow.Paused, "paused "+moment(b.Stop.At))
	add(b.Ended.IsZero(), plainState(b)+" "+moment(b.Ended))
	return out
}
