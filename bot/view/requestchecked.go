package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// Waiting is the modal that shows that something is being done: it says so, and nothing can be
// pressed in it.
func Waiting(c Carried, text string) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: WaitingForm, PrivateMetadata: c.String(), NotifyOnClose: true,
		Title: plain("New request", maxViewTitle), Close: plain("Cancel", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: []slack.Block{section("waiting", text)}},
	}
}

// Notice is a modal that only says something.
func Notice(title, text string) slack.ModalViewRequest {
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: WaitingForm,
		Title: plain(title, maxViewTitle), Close: plain("Close", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: []slack.Block{section("notice", text)}},
	}
}

// CheckingWords are what the form says while it is checked.
func CheckingWords(d Draft) string {
	switch {
	case d.Action == MoveAction:
		return "Checking every account on " + DomainWords(d.Move.Old) + " …"
	case d.File != nil:
		return "Checking " + quoted(d.File.Name, lineText) + " …"
	case d.Count() > 0:
		return "Checking " + many(d.Count(), "row", "rows") + " …"
	}
	return "Checking …"
}

// ReadingWords are what the form says while its file is read.
func ReadingWords(file string) string { return "Reading " + quoted(file, lineText) + " …" }

// columnsTold is up to how many columns that are not used it is told which are: a sheet names no more.
const columnsTold = 50

// FileAbout says what a file holds: "8 rows, 2 columns known (email, message)".
func FileAbout(s workflow.Sheet) string {
	known := slices.DeleteFunc(slices.Clone(s.Header), func(name string) bool {
		return strings.TrimSpace(name) == "" || slices.Contains(s.Ignored, name)
	})
	about := many(len(s.Rows), "row", "rows")
	if len(known) > 0 && len(s.Ignored) < columnsTold {
		about += ", " + many(len(known), "column", "columns") + " known (" + oneLine(strings.Join(known, ", "), tableCell) + ")"
	}
	return about
}

// Checked is what the modal is drawn from that shows what a check came to.
type Checked struct {
	Carried
	Preview *workflow.Preview
	When    workflow.When
	Notes   []string // what is to be said of the file besides
}

// previewRows are how many rows of each kind the modal names.
const previewRows = 5

// card is the card that the request would have, as far as the check knows it: what is approved is said
// here as it is there.
func (c Checked) card() Card {
	gist, rows := &Gist{}, 0
	for i := range c.Preview.Changes {
		gist.Add(&c.Preview.Changes[i])
		rows++
	}
	card := Card{Summary: c.Preview.Summary, Gist: gist, Batch: &workflow.Batch{
		State: workflow.AwaitingApproval, BatchRequest: workflow.BatchRequest{Rows: rows, When: c.When},
	}}
	for i := range c.Preview.Changes {
		if ch := &c.Preview.Changes[i]; len(card.First) < TableRows && slices.Contains(PlannedStates(), ch.State) {
			card.First = append(card.First, *ch)
		}
	}
	return card
}

// Draw makes the modal.
func (c Checked) Draw() slack.ModalViewRequest {
	s := c.Preview.Summary
	card := c.card()
	var counts []string
	ready := s.State(workflow.ChangeReady)
	for _, each := range []struct {
		words  string
		states []workflow.ChangeState
	}{
		{"ready", []workflow.ChangeState{workflow.ChangeReady}},
		{"already done", []workflow.ChangeState{workflow.ChangeUnchanged}},
		{"cannot run", []workflow.ChangeState{workflow.ChangeBlocked, workflow.ChangeBad}},
	} {
		if n := s.State(each.states...); n > 0 || each.words == "ready" {
			counts = append(counts, "*"+number(n)+"* "+each.words)
		}
	}
	blocks := []slack.Block{header("title", c.title(card)), section("counts", strings.Join(counts, " · "))}
	if c.Preview.Demand.Emergency && ready > 0 {
		blocks = append(blocks, section("emergency", ":rotating_light: *This will be an emergency*: "+
			"1 approval by another person is enough. Every admin is told at once."))
	}
	if costs := card.costs(); costs != "" {
		blocks = append(blocks, paragraphs("costs", costs)...)
	}
	if lines := c.rows(workflow.ChangeReady); len(lines) > 0 {
		blocks = append(blocks, section("ready", strings.Join(lines, "\n")))
	}
	if lines := c.rows(workflow.ChangeBlocked, workflow.ChangeBad); len(lines) > 0 {
		blocks = append(blocks, section("cannot", "*These cannot run*\n"+strings.Join(lines, "\n")))
	}
	if all := causes(s, workflow.ChangeBlocked, workflow.ChangeBad); s.State(workflow.ChangeBlocked, workflow.ChangeBad) > previewRows {
		blocks = append(blocks, section("causes", "• "+strings.Join(all, "\n• ")))
	}
	if card.cutsPlan() {
		blocks = append(blocks, note("cut", "Texts that end with “…” are cut here. The plan file on the card has them whole."))
	}
	for i, words := range c.Notes {
		blocks = append(blocks, note(fmt.Sprintf("note-%d", i), words))
	}
	if ready > 0 {
		blocks = append(blocks, note("needs", c.needs()))
	}
	blocks = append(blocks, slack.NewActionBlock("fix", button(ActionFix, "Fix rows", "fix", slack.StyleDefault, nil)))
	modal := slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: CheckedForm, PrivateMetadata: c.String(), NotifyOnClose: true,
		Title: plain("New request", maxViewTitle), Close: plain("Cancel", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: blocks},
	}
	if ready > 0 {
		modal.Submit = plain("Send for approval", maxViewTitle)
	}
	return modal
}

// title says what would happen to whom, as the card's does.
func (c Checked) title(card Card) string {
	switch {
	case len(c.Preview.Summary.Actions()) > 0:
		return Does(card.Batch, card.Summary, card.only(), card.Gist)
	case c.Preview.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad) > 0:
		return "No row can run"
	}
	return "Nothing to change"
}

// rows names the first rows in any of the states.
func (c Checked) rows(states ...workflow.ChangeState) []string {
	var out []string
	n := 0
	for _, change := range c.Preview.Changes {
		if !slices.Contains(states, change.State) {
			continue
		}
		if n++; n > previewRows {
			continue
		}
		from, to := fromTo(change)
		line := number(change.Row) + ". " + quoted(cmp.Or(from, change.NewEmail(), change.Name, change.AccountID, strings.Join(change.Asked.Cells, " ")), tableCell)
		if change.State == workflow.ChangeReady {
			line += " → " + quoted(to, tableCell)
		}
		if why := change.Reason.Words(); why != "" {
			line += ": " + quoted(why, causeText)
		}
		out = append(out, line)
	}
	if n > previewRows {
		out = append(out, fmt.Sprintf("and %s more", number(n-previewRows)))
	}
	return out
}

func (c Checked) needs() string {
	s := "Nobody sees this yet. Needs " + many(c.Preview.Demand.Approvals, "approval", "approvals")
	if why := c.Preview.Demand.Why; len(why) > 0 {
		s += " (" + quoted(strings.Join(why, "; "), reasonText) + ")"
	}
	return s + "."
}

// FileNotes are what is to be said of a file besides its rows: the columns that are not used, and an
// action that the columns overrule.
func FileNotes(d Draft, sheet workflow.Sheet, s workflow.Summary) []string {
	if d.File == nil {
		return nil
	}
	var out []string
	if len(sheet.Ignored) > 0 {
		out = append(out, "Columns not used: "+quoted(strings.Join(sheet.Ignored, ", "), lineText))
	}
	says := func(g workflow.Group) bool { return g.Action == d.Action }
	if d.Action != "" && d.Action != MoveAction && len(s.Groups) > 0 && !slices.ContainsFunc(s.Groups, says) {
		out = append(out, fmt.Sprintf("You chose %s. The columns of the file say what happens, and they count.", d.Action))
	}
	return out
}

// SentBefore is the modal of a form that has been sent before, as the request of that number; 0 where
// that is not known.
func SentBefore(number int64, requests string) slack.ModalViewRequest {
	if number == 0 {
		return Notice("New request", "This form was sent before. Look at the card of its request.")
	}
	return Notice("New request", fmt.Sprintf("This form was sent before, as request *#%d*. Its card is in <#%s>.", number, requests))
}

// Sent is the modal of a form that has become a request.
func Sent(number int64, requests string) slack.ModalViewRequest {
	return Notice("New request", fmt.Sprintf(":white_check_mark: This is request *#%d*. Its card comes in <#%s>.", number, requests))
}
