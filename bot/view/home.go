package view

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// The ids of what can be pressed on the Home tab and in the modal that finds an account.
const (
	HomeNew  = "home_new"
	HomeFind = "home_find"
	HomeAll  = "home_all" // of the person's requests
	// HomeReport shows the report that took last night's directory; its value is the name.
	HomeReport = "home_report"

	FindForm   = "find"
	FieldFind  = "find_person" // a search; what is chosen is shown
	HitRename  = "hit_rename"
	HitDisable = "hit_deactivate"
	HitMore    = "hit_more"

	// HomeOfEach is how many batches of each kind the tab shows.
	HomeOfEach  = 5
	homeLetters = 200 // of a batch in a line

	// OwnMost is how many of a person's requests the list of all shows.
	OwnMost = 45
)

// Home is what a person's Home tab is drawn from.
type Home struct {
	Command string
	Version string // of this build; "" where it is not known
	// Organisation is the name of the one whose accounts are changed; "" where it is not known.
	Organisation string
	// Refused says whom to ask, for somebody without a role; "" for whoever has one.
	Refused string
	Admin   bool

	Waiting []Summarised // for this person's decision
	Running []Summarised
	Own     []Summarised // asked for by this person, the newest first
	// OwnOf is among how many of the newest batches these were looked for; 0 for all that there are.
	OwnOf int

	Night, Before *report.Snapshot // the newest two; nil where there are none
	Care          []string         // what needs care, for admins
}

// Draw makes the tab.
func (h Home) Draw() slack.HomeTabViewRequest {
	title := "countersign"
	if h.Organisation != "" {
		title += " · " + oneLine(h.Organisation, tableCell)
	}
	blocks := []slack.Block{header("title", title)}
	if h.Refused != "" {
		blocks = append(blocks, section("refused", h.Refused))
		return slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
	}
	blocks = append(blocks, slack.NewActionBlock("begin",
		button(HomeNew, "New request", "new", slack.StylePrimary, nil),
		button(HomeFind, "Find an account", "find", slack.StyleDefault, nil)))
	parts := [][]slack.Block{h.waiting(), h.running(), h.own()}
	if !h.Admin { // their own requests are what they come for
		parts = [][]slack.Block{h.own(), h.running()}
	}
	for _, part := range append(parts, h.night(), h.care()) {
		blocks = append(blocks, part...)
	}
	may := "You may ask for changes."
	if h.Admin {
		may = "You may ask for changes and approve those of others."
	}
	may += " `" + escape(h.Command) + " help` says what I can do."
	if h.Version != "" {
		may += " · countersign " + quoted(h.Version, tableCell)
	}
	blocks = append(blocks, note("may", may))
	return slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
}

// heading begins a part of the tab.
func heading(id, text string) slack.Block { return section(id, "*"+text+"*") }

// more says of batches that are not shown how many there are, nothing where all are.
func more(id string, all int, h Home) []slack.Block {
	if all <= HomeOfEach {
		return nil
	}
	return []slack.Block{note(id, fmt.Sprintf("and %s more: `%s batches`", number(all-HomeOfEach), escape(h.Command)))}
}

func (h Home) waiting() []slack.Block {
	if len(h.Waiting) == 0 {
		return []slack.Block{heading("waiting", "Waiting for you"), note("waiting-none", "Nothing waits for your decision.")}
	}
	blocks := []slack.Block{heading("waiting", "Waiting for you ("+number(len(h.Waiting))+")")}
	for i, s := range h.Waiting[:min(len(h.Waiting), HomeOfEach)] {
		b := s.Batch
		text := s.name() + " · " + mention(b.Requester.ID)
		if b.Approvals > 1 {
			text += fmt.Sprintf(" · %d of %d approvals", len(b.Approvers()), b.Approvals)
		}
		if !b.Expires.IsZero() {
			text += " · expires " + moment(b.Expires)
		}
		blocks = append(blocks, withButton(fmt.Sprintf("waiting-%d", i), text, review(b, "Review")))
	}
	return append(blocks, more("waiting-more", len(h.Waiting), h)...)
}

// review is the button that opens the details of a batch.
func review(b *workflow.Batch, label string) *slack.ButtonBlockElement {
	return button(ActionDetails, label, buttonValue(b.Number, b.Mark()), slack.StyleDefault, nil)
}

// withButton is a section with a button at its side.
func withButton(id, text string, b *slack.ButtonBlockElement) slack.Block {
	return slack.NewSectionBlock(mrkdwn(text, maxSection), nil, slack.NewAccessory(b), slack.SectionBlockOptionBlockID(id))
}

// name is a batch in a few words, as a link to its card where there is one.
func (s Summarised) name() string {
	title := quoted(Title(s.Batch, s.Summary, s.Only, nil), homeLetters)
	if s.Link != "" {
		return "<" + s.Link + "|" + title + ">"
	}
	return "*" + title + "*"
}

func (h Home) running() []slack.Block {
	if len(h.Running) == 0 {
		return nil
	}
	blocks := []slack.Block{heading("running", "Running")}
	for i, s := range h.Running[:min(len(h.Running), HomeOfEach)] {
		total := Card{Batch: s.Batch, Summary: s.Summary}.planned()
		done, failed := s.Summary.State(workflow.ChangeDone), s.Summary.State(workflow.ChangeFailed)
		ended := done + failed + s.Summary.State(workflow.ChangeSkipped)
		text := fmt.Sprintf("%s · %s\n%s %s done · %s failed · %s left", s.name(), plainState(s.Batch), bar(ended, total),
			number(done), number(failed), number(max(total-ended, 0)))
		if s.Goes != "" {
			text += " · " + s.Goes
		}
		buttons := []slack.BlockElement{review(s.Batch, "Open")}
		if s.Batch.State == workflow.Running && !s.Batch.Cancelling() {
			buttons = append(buttons, button(ActionPause, "Pause", buttonValue(s.Batch.Number, s.Batch.Mark()), slack.StyleDefault, nil))
		}
		blocks = append(blocks, section(fmt.Sprintf("running-%d", i), text), slack.NewActionBlock(fmt.Sprintf("running-buttons-%d", i), buttons...))
	}
	return append(blocks, more("running-more", len(h.Running), h)...)
}

func (h Home) own() []slack.Block {
	blocks := []slack.Block{heading("own", "Your requests")}
	if len(h.Own) > HomeOfEach {
		blocks = []slack.Block{withButton("own", "*Your requests*", button(HomeAll, "All", "all", slack.StyleDefault, nil))}
	}
	switch {
	case len(h.Own) == 0 && h.OwnOf > 0:
		return append(blocks, note("own-none", "None of the last "+number(h.OwnOf)+" requests is yours. *New request* begins one."))
	case len(h.Own) == 0:
		return append(blocks, note("own-none", "You have asked for nothing yet. *New request* begins one."))
	}
	return append(blocks, ownLines(h.Own, HomeOfEach)...)
}

// ownLines are the first of somebody's requests, a line each.
func ownLines(own []Summarised, most int) (blocks []slack.Block) {
	for i, s := range own[:min(len(own), most)] {
		text := fmt.Sprintf("%s · %s · %s", s.name(), plainState(s.Batch), moment(s.Batch.Created))
		if s.Batch.Planned.IsZero() {
			blocks = append(blocks, section(fmt.Sprintf("own-%d", i), text))
			continue
		}
		blocks = append(blocks, withButton(fmt.Sprintf("own-%d", i), text, review(s.Batch, "Details")))
	}
	return blocks
}

// OwnModal lists somebody's requests, the newest first.
func OwnModal(own []Summarised) slack.ModalViewRequest {
	blocks := ownLines(own, OwnMost)
	if len(own) == 0 {
		blocks = append(blocks, section("none", "None of your requests is kept."))
	}
	if more := len(own) - OwnMost; more > 0 {
		blocks = append(blocks, note("older", "and "+number(more)+" older"))
	}
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: "own_requests", Title: plain("Your requests", maxViewTitle), Close: plain("Close", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: blocks},
	}
}

// night is last night's directory, with the difference from the night before.
func (h Home) night() []slack.Block {
	if h.Night == nil {
		return nil
	}
	var parts []string
	for _, f := range []struct {
		name report.Figure
		word string
	}{
		{report.FigureAccounts, "accounts"},
		{report.FigureActive, "active"},
		{report.FigureInactive, "inactive"},
		{report.FigureBillable, "billable"},
	} {
		n := h.Night.Figures[f.name]
		text := "*" + number(n) + "* " + f.word
		if h.Before != nil {
			if d := n - h.Before.Figures[f.name]; d != 0 {
				text += fmt.Sprintf(" (%+d)", d)
			}
		}
		parts = append(parts, text)
	}
	return []slack.Block{
		heading("night", "Directory, "+moment(h.Night.At)),
		withButton("night-figures", strings.Join(parts, " · "), button(HomeReport, "Report", h.Night.Report, slack.StyleDefault, nil)),
	}
}

func (h Home) care() []slack.Block {
	if !h.Admin || len(h.Care) == 0 {
		return nil
	}
	lines := make([]string, len(h.Care))
	for i, line := range h.Care {
		lines[i] = "• " + sentence(quoted(line, reasonText))
	}
	return []slack.Block{heading("care", "Needs care"), section("care-lines", strings.Join(lines, "\n"))}
}

// FindModal finds an account as somebody types; hit is what is shown of the one that was chosen.
func FindModal(c Carried, hit []slack.Block) slack.ModalViewRequest {
	search := slack.NewOptionsSelectBlockElement(slack.OptTypeExternal, plain("Name or address", maxPlaceholder), FieldFind)
	least := 2
	search.MinQueryLength = &least
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: FindForm, PrivateMetadata: c.String(),
		Title: plain("Find an account", maxViewTitle), Close: plain("Close", maxViewTitle),
		Blocks: slack.Blocks{BlockSet: append([]slack.Block{slack.NewActionBlock(FieldFind, search)}, hit...)},
	}
}

// hitButtons open the form filled in with an account that was found.
func hitButtons(i int, a workflow.Account) slack.Block {
	value := AccountRef{a.ID, a.Email}.String()
	return slack.NewActionBlock(fmt.Sprintf("hit-%d", i),
		button(HitRename, "Rename", value, slack.StyleDefault, nil),
		button(HitDisable, "Deactivate", value, slack.StyleDefault, nil),
		button(HitMore, "More…", value, slack.StyleDefault, nil))
}
