package view

import (
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// ActError is the refusal of an act on a batch.
type ActError struct {
	Action string // the act's name
	Number int64
	// Exclude are the ids of requester and author, who may not decide.
	Exclude []string
	Batch   *workflow.Batch // as it is; nil when it could not be read
	Made    string          // the batch that was made of it before, with a link; "" when none was
	Err     error
}

func (e *ActError) Error() string { return fmt.Sprintf("%s: %v", e.Action, e.Err) }

func (e *ActError) Unwrap() error { return e.Err }

// words returns the answer to somebody whose role does not suffice: what they may not do, and who
// may. They are "" for what was refused for another reason.
func (e *ActError) words(admins []string) string {
	switch {
	case e.Made == "":
	case errors.Is(e.Err, workflow.ErrBeingChecked):
		return "This was asked for already, as " + e.Made
	case errors.Is(e.Err, workflow.ErrUndone):
		return fmt.Sprintf("#%d is undone already, by %s", e.Number, e.Made)
	}
	if text := e.partWords(); text != "" {
		return text
	}
	if text := e.nothingWords(); text != "" {
		return text
	}
	if late, is := errors.AsType[*workflow.StateError](e.Err); is && e.Action == string(workflow.ActStart) && late.Batch != nil &&
		late.Batch.State == workflow.Done {
		return fmt.Sprintf("#%d finished %s, so it cannot be started.", late.Number, moment(late.Batch.Ended))
	}
	ineligible, is := errors.AsType[*workflow.IneligibleError](e.Err)
	nobody := is && ineligible.Kind == workflow.WithoutRole || errors.Is(e.Err, workflow.ErrNoRole)
	act, _ := workflow.ActNamed(workflow.ActName(e.Action))
	verb := actViews()[act.Name].Verb
	if verb == "" || !nobody && !errors.Is(e.Err, workflow.ErrNotAdmin) {
		return ""
	}
	who, ids := whoMay(act.Who), admins
	if act.Who == workflow.OtherAdmins {
		ids = slices.DeleteFunc(slices.Clone(admins), func(id string) bool { return slices.Contains(e.Exclude, id) })
	}
	if len(ids) > 0 {
		who += ": " + mentions(ids[:min(len(ids), AdminsShown)])
	}
	return fmt.Sprintf("You cannot %s #%d. Ask %s.", verb, e.Number, who)
}

// nothingWords returns the answer where there is nothing for the act to do: how the batch stands comes first,
// for that is the reason more often than not. It is "" for other refusals.
func (e *ActError) nothingWords() string {
	if e.Batch == nil {
		return ""
	}
	stands := stateWords(&workflow.StateError{Number: e.Number, State: e.Batch.State, Batch: e.Batch})
	switch {
	case errors.Is(e.Err, workflow.ErrNothingToRetry):
		return stands + " Nothing in it can be retried."
	case errors.Is(e.Err, workflow.ErrNothingToUndo):
		return stands + " Nothing in it can be undone."
	case errors.Is(e.Err, workflow.ErrNoReturn):
		return stands + " It has no end time, so there is nothing to end or keep."
	case errors.Is(e.Err, workflow.ErrNotWaiting):
		return stands + " It has no start time, so there is nothing to start early."
	}
	return ""
}

// partWords returns the answer to somebody who has a part in the batch, in the words of the act that
// was pressed; "" for other refusals.
func (e *ActError) partWords() string {
	label := "*" + actViews()[workflow.ActName(e.Action)].Label + "*"
	must, did := "press "+label, "pressed "+label+" already"
	switch e.Action {
	case ActionApprove:
		must, did = "approve it", "approved this plan already"
	case ActionReject:
		must = "decide"
	}
	switch {
	case errors.Is(e.Err, workflow.ErrOwnBatch):
		return "You asked for this or wrote its file, so somebody else must " + must + "."
	case errors.Is(e.Err, workflow.ErrSameHuman):
		return "You have the same address or Atlassian account as the person who asked, so somebody else must " + must + "."
	case errors.Is(e.Err, workflow.ErrOwnAccount):
		return "This changes your own account, so another admin must " + must + "."
	case errors.Is(e.Err, workflow.ErrAlready):
		return "You have " + did + ". It counts once."
	}
	return ""
}

// Made name the batch that an act made of another one, "" for acts that make none.
func Made(action string, number int64, made *workflow.Batch) string {
	view := actViews()[workflow.ActName(action)]
	if made == nil || made.Number == number || view.Made == nil {
		return ""
	}
	return view.Made(made.Number, number)
}
