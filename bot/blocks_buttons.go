package bot

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// The ids of what can be pressed: a closed set, as they come back from Slack.
const (
	actionApprove  = "approve"
	actionReject   = "reject"
	actionWithdraw = "withdraw"
	actionPause    = "pause"
	actionCancel   = "cancel"
	actionResume   = "resume"
	actionRecheck  = "check_again"
	actionRetry    = "retry_failed"
	actionUndo     = "undo"
	actionAgain    = "ask_again"
	actionChoose   = "choose_action" // the menu under a file that does not say what is to happen
)

// buttons are what may be pressed in this state; a decided card has none.
func (c card) buttons() []slack.BlockElement {
	b := c.Batch
	value := buttonValue(b.Number, b.Digest)
	what := strings.TrimPrefix(c.title(), fmt.Sprintf("#%d ", b.Number))
	name := fmt.Sprintf("#%d", b.Number)
	press := func(action, label string) slack.BlockElement { return button(action, label, value, "", nil) }
	cancel := button(actionCancel, "Cancel", value, slack.StyleDanger, confirm("Cancel "+name+"?",
		"What has not started will not be done. Calls in flight finish.", "Cancel the batch"))
	if b.Cancelling() {
		return nil
	}
	var out []slack.BlockElement
	switch b.State {
	case workflow.Planning:
		return []slack.BlockElement{cancel}
	case workflow.AwaitingApproval:
		out = append(out,
			button(actionApprove, "Approve", value, slack.StylePrimary, confirm("Approve "+name+"?", c.approving(what), "Approve")),
			button(actionReject, "Reject", value, slack.StyleDanger, nil),
			press(actionWithdraw, "Withdraw"))
	case workflow.Approved, workflow.Running:
		return []slack.BlockElement{press(actionPause, "Pause"), cancel}
	case workflow.Paused:
		return []slack.BlockElement{button(actionResume, "Resume", value, slack.StylePrimary, nil), cancel}
	case workflow.Done, workflow.Cancelled:
		return c.afterwards(value)
	case workflow.Rejected, workflow.Expired:
		if again := latest(c.Links, workflow.LinkAgain); again.Batch == nil || !again.Batch.State.Open() &&
			again.Batch.State != workflow.Done {
			out = append(out, press(actionAgain, "Ask again"))
		}
	}
	undecided := b.State == workflow.AwaitingApproval || b.State == workflow.Empty
	if undecided && unchecked(c.Summary) > 0 {
		out = append(out, press(actionRecheck, "Check again"))
	}
	return out
}

// approving is what the dialog of Approve says: count, side effects, and the seal of the plan that the click is for, which
// is never cut.
func (c card) approving(what string) string {
	text := what + "."
	if effects := c.effects(); effects != "" {
		text += " " + effects + "."
	}
	seal := "\nSeal: " + workflow.Seal(c.Batch.Digest)
	return clip(text, maxConfirmText-len(seal)) + seal
}

// afterwards are the buttons of a batch that has been run.
func (c card) afterwards(value string) []slack.BlockElement {
	name := fmt.Sprintf("#%d", c.Batch.Number)
	var out []slack.BlockElement
	if n := workflow.Retryable(c.Summary); n > 0 {
		text := "What may run as it was approved runs at once; for the rest there will be a new batch to approve."
		out = append(out, button(actionRetry, "Retry failed", value, "",
			confirm("Retry "+many(n, "failed change", "failed changes")+" of "+name+"?", text, "Retry")))
	}
	can, cannot := workflow.Undoable(c.Summary)
	undo := latest(c.Links, workflow.LinkUndo)
	switch {
	case can == 0 || undo.Batch != nil && undo.Batch.State == workflow.Done:
	case undo.Batch != nil && undo.Batch.State.Open():
		out = append(out, button(actionUndo, fmt.Sprintf("Undo: #%d", undo.Number), value, "", nil))
	default:
		text := fmt.Sprintf("Makes a new batch that leads back %s, to be checked and approved like any other.",
			many(can, "change", "changes"))
		if cannot > 0 {
			text += " " + number(cannot) + " cannot be undone."
		}
		out = append(out, button(actionUndo, "Undo", value, "", confirm("Undo "+name+"?", text, "Undo")))
	}
	return out
}

// unchecked counts the rows that could not be checked.
func unchecked(s workflow.Summary) int {
	return withReasonCode(s, workflow.ChangeBlocked, workflow.ReasonCouldNotCheck)
}

// buttonValue is what a button brings back: which batch, and which plan the person saw.
func buttonValue(number int64, digest string) string {
	return strconv.FormatInt(number, 10) + ":" + digest
}

// parseValue reads a button's value; ok is false when it is none of ours.
func parseValue(value string) (number int64, digest string, ok bool) {
	n, digest, found := strings.Cut(value, ":")
	if !found || len(value) > maxButtonValue {
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

// pressed is short for what can be pressed on the card.
func (c card) pressed() string {
	var out []string
	for _, e := range c.buttons() {
		if b, ok := e.(*slack.ButtonBlockElement); ok {
			out = append(out, b.ActionID)
		}
	}
	return "(" + strings.Join(out, " ") + ")"
}
