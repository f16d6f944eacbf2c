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
	Err    error
}

func (e *actError) Error() string { return fmt.Sprintf("%s: %v", e.Action, e.Err) }

func (e *actError) Unwrap() error { return e.Err }

// actVerbs are the acts as one says them.
func actVerbs() map[string]string {
	return map[string]string{
		actionApprove: "approve", actionReject: "reject", actionWithdraw: "withdraw", actionPause: "pause",
		actionCancel: "cancel", actionResume: "resume", actionRecheck: "have checked again",
	}
}

// words tells somebody whose role is not enough what they may not do, and who may; "" for what was refused for another
// reason.
func (e *actError) words(admins []string) string {
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
		who = "an admin other than who asked may"
		ids = slices.DeleteFunc(slices.Clone(admins), func(id string) bool { return slices.Contains(e.But, id) })
	case actionCancel:
		who = "who asked for it may, or an admin"
	case actionPause, actionRecheck:
		who = "whoever may ask for changes may, or an admin"
	}
	if len(ids) > 0 {
		who += ": " + mentions(ids[:min(len(ids), adminsShown)])
	}
	return fmt.Sprintf("You may not %s #%d; %s.", verb, e.Number, who)
}
