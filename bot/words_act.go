package bot

import (
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// actError is what came of an act on a batch that was refused.
type actError struct {
	Action string // of a button
	Number int64
	But    []string // requester and author, who may not approve
	Made   string   // the batch that was made of it before, with a link; "" when none was
	Err    error
}

func (e *actError) Error() string { return fmt.Sprintf("%s: %v", e.Action, e.Err) }

func (e *actError) Unwrap() error { return e.Err }

// actVerbs are the acts as one says them.
func actVerbs() map[string]string {
	return map[string]string{
		actionApprove: "approve", actionReject: "reject", actionWithdraw: "withdraw", actionPause: "pause",
		actionCancel: "cancel", actionResume: "resume", actionRecheck: "have checked again",
		actionRetry: "retry", actionUndo: "undo", actionAgain: "ask again for",
	}
}

// words tells somebody whose role is not enough what they may not do, and who may; "" for what was refused for another
// reason.
func (e *actError) words(admins []string) string {
	switch {
	case e.Made == "":
	case errors.Is(e.Err, workflow.ErrBeingChecked):
		return "That was asked for already, as " + e.Made
	case errors.Is(e.Err, workflow.ErrUndone):
		return fmt.Sprintf("#%d was undone already, by %s", e.Number, e.Made)
	}
	stranger, is := errors.AsType[*StrangerError](e.Err)
	nobody := is && stranger.Kind == WithoutRole || errors.Is(e.Err, workflow.ErrNoRole)
	verb := actVerbs()[e.Action]
	if verb == "" || !nobody && !errors.Is(e.Err, workflow.ErrNotAdmin) {
		return ""
	}
	who := "an admin may"
	ids := admins
	switch e.Action {
	case actionApprove, actionReject:
		who = "an admin other than the requester may"
		ids = slices.DeleteFunc(slices.Clone(admins), func(id string) bool { return slices.Contains(e.But, id) })
	case actionCancel, actionRetry:
		who = "its requester may, or an admin"
	case actionPause, actionRecheck, actionUndo, actionAgain:
		who = "whoever may ask for changes may, or an admin"
	}
	if len(ids) > 0 {
		who += ": " + mentions(ids[:min(len(ids), adminsShown)])
	}
	return fmt.Sprintf("You may not %s #%d; %s.", verb, e.Number, who)
}

// madeWords says which batch an act made of another one, "" for acts that make none.
func madeWords(action string, number int64, made *workflow.Batch) string {
	switch {
	case made == nil || made.Number == number:
		return ""
	case action == actionUndo:
		return fmt.Sprintf("#%d would undo what #%d did; it is being checked, and needs approval.", made.Number, number)
	case action == actionAgain:
		return fmt.Sprintf("Asked again as #%d; it is being checked.", made.Number)
	case action == actionRecheck:
		return fmt.Sprintf("Checking again as #%d.", made.Number)
	}
	return ""
}
