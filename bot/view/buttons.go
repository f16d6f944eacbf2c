package view

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// buttons returns what may be pressed in this state; a decided Card has none.
func (c Card) buttons() []slack.BlockElement {
	var out []slack.BlockElement
	views := actViews()
	for _, act := range workflow.Offered(c.Batch, c.Summary, action.HasInverse) {
		if act.Name == workflow.ActApprove && c.Partial() && c.Plan == (File{}) {
			continue // nobody approves what nobody can see
		}
		if view, ok := views[act.Name]; ok {
			out = append(out, c.button(act, view)...)
		}
	}
	if made := latestRelation(c.Relations, workflow.LinkReturn); made.Batch != nil { // it has no card as long as it waits
		ret := Card{Batch: made.Batch}
		for _, act := range workflow.Offered(made.Batch, workflow.Summary{}, action.HasInverse) {
			if act.Name == workflow.ActEnd || act.Name == workflow.ActKeep {
				out = append(out, ret.button(act, views[act.Name])...)
			}
		}
	}
	return out
}

// pressable returns everything that may be pressed on the card: what may be done to the batch, and
// Details once it is checked.
func (c Card) pressable() []slack.BlockElement {
	out := c.buttons()
	if !c.Batch.Planned.IsZero() && c.Batch.State != workflow.Planning {
		out = append(out, button(ActionDetails, "Details", buttonValue(c.Batch.Number, c.Batch.Mark()), slack.StyleDefault, nil))
	}
	return out
}

// button returns the button of an act, none where what was made of the batch takes its place.
func (c Card) button(act workflow.Act, view actView) []slack.BlockElement {
	label, dialog := view.Label, view.Dialog
	if act.Name == workflow.ActUndo && latestRelation(c.Relations, workflow.LinkReturn).All {
		return nil // it was taken back at its end: nothing is as the batch left it
	}
	if made := latestRelation(c.Relations, act.Makes); made.Batch != nil && view.Followed != nil {
		other, hidden := view.Followed(made)
		switch {
		case hidden:
			return nil
		case other != "": // it only leads to what was made
			label, dialog = other, nil
		}
	}
	var asks *slack.ConfirmationBlockObject
	if dialog != nil {
		asks = dialog(c)
	}
	value := buttonValue(c.Batch.Number, c.Batch.Mark())
	return []slack.BlockElement{button(string(act.Name), label, value, view.Style, asks)}
}

// OfferAct says which button does what a command asked for, and has it below.
func OfferAct(b *workflow.Batch, s workflow.Summary, act workflow.Act) slackapi.Message {
	v := actViews()[act.Name]
	says := Said(fmt.Sprintf("Press *%s* to %s #%d.", v.Label, v.Verb, b.Number))
	buttons := Card{Batch: b, Summary: s}.button(act, v)
	says.Blocks = append(says.Blocks, slack.NewActionBlock("offer", buttons...))
	return says
}

// undone returns the button of an undo after one was asked for: while that is open it leads there,
// and once it is done there is nothing left to undo.
func undone(made Relation) (label string, hidden bool) {
	if made.Batch.State.Open() {
		return fmt.Sprintf("Undo: #%d", made.Number), false
	}
	return "", made.Batch.State == workflow.Done
}

// askedAgain hides the button as long as what was asked for again may still come, or has come.
func askedAgain(made Relation) (label string, hidden bool) {
	return "", made.Batch.State.Open() || made.Batch.State == workflow.Done
}

// name returns the batch as its dialogs name it.
func (c Card) name() string { return fmt.Sprintf("#%d", c.Batch.Number) }

func (c Card) confirmApprove() *slack.ConfirmationBlockObject {
	return confirm("Approve "+c.name()+"?", c.approving(), "Approve")
}

// approving returns what the dialog of Approve says below its title with the number: count, side effects, what becomes
// what, rows that will not run, cut from the end; and the seal of the plan that the click is for,
// which is never cut.
func (c Card) approving() string {
	text := Does(c.Batch, c.Summary, c.only(), c.Gist) + "."
	if effects := c.effects(); effects != "" {
		text += " " + effects + "."
	}
	if moves := c.Gist.fromTo(); moves != "" {
		text += " " + moves + "."
	}
	if n := c.Summary.State(workflow.ChangeBlocked, workflow.ChangeBad); n > 0 {
		text += " " + many(n, "other row", "other rows") + " will not run."
	}
	seal := "\nSeal: " + workflow.Seal(c.Batch.Digest)
	return slackapi.Clip(text, maxConfirmText-len(seal)) + seal
}

func (c Card) confirmStart() *slack.ConfirmationBlockObject {
	return confirm("Start "+c.name()+" now?", "Without a click it starts by itself: "+c.Batch.When.Words()+".", "Start now")
}

func (c Card) confirmEnd() *slack.ConfirmationBlockObject {
	return confirm(fmt.Sprintf("End #%d now?", c.Batch.Follows),
		fmt.Sprintf("Takes back now what #%d did: %s.", c.Batch.Follows, taken(c.Batch)), "End now")
}

func (c Card) confirmKeep() *slack.ConfirmationBlockObject {
	text := fmt.Sprintf("What #%d did stays for good.", c.Batch.Follows)
	if left := c.Batch.Approvals - len(c.Batch.Keepers()); left > 1 {
		text += fmt.Sprintf(" %s must press Keep.", many(left, "admin", "admins"))
	}
	return confirm(fmt.Sprintf("Keep what #%d did?", c.Batch.Follows), text, "Keep")
}

func (c Card) confirmCancel() *slack.ConfirmationBlockObject {
	return confirm("Cancel "+c.name()+"?", "Stops now. Changes already sent will finish.", "Cancel the batch")
}

func (c Card) confirmRetry() *slack.ConfirmationBlockObject {
	failed := many(workflow.Retryable(c.Summary), "failed change", "failed changes")
	return confirm("Retry "+failed+" of "+c.name()+"?",
		"Rows that are still as approved run now. Rows that changed become a new request.", "Retry")
}

func (c Card) confirmUndo() *slack.ConfirmationBlockObject {
	can, cannot := workflow.Undoable(c.Summary, action.HasInverse)
	text := fmt.Sprintf("Creates a request to put back %s. It needs approval like any other.", many(can, "change", "changes"))
	if cannot > 0 {
		text += " " + many(cannot, "change", "changes") + " cannot be undone."
	}
	return confirm("Undo "+c.name()+"?", text, "Undo")
}

// buttonValue returns what a button brings back: which batch by its number, and by the digest of
// the plan that the person saw, or its token before there was one (workflow.Batch.Mark).
func buttonValue(number int64, mark string) string {
	return strconv.FormatInt(number, 10) + ":" + mark
}

// ParseValue reads a button's value; ok is false when it is not one of ours. A value that names a
// batch by its number alone is none.
func ParseValue(value string) (number int64, digest string, ok bool) {
	n, digest, found := strings.Cut(value, ":")
	if !found || digest == "" || len(value) > maxButtonValue {
		return 0, "", false
	}
	number, err := strconv.ParseInt(n, 10, 64)
	if err != nil || number < 1 || strconv.FormatInt(number, 10) != n {
		return 0, "", false
	}
	for _, r := range digest {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return 0, "", false
		}
	}
	return number, digest, true
}

// Pressed is short for what can be pressed on the Card.
func (c Card) Pressed() string {
	var out []string
	for _, e := range c.buttons() {
		if b, ok := e.(*slack.ButtonBlockElement); ok {
			out = append(out, b.ActionID)
		}
	}
	return "(" + strings.Join(out, " ") + ")"
}
