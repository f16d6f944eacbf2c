package action

import (
	"context"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Calls about the deletion of an account (user management API, POST lifecycle/delete and
// lifecycle/cancel-delete). The latter activates the account, too.
const (
	OpDelete       workflow.Operation = "delete"
	OpCancelDelete workflow.Operation = "cancel-delete"
)

// privilegeDelete is the right to delete an account.
const privilegeDelete = "lifecycle.delete"

// KindLifecycle is an account as the organisation's directory shows it, which alone tells of a
// deletion: FieldStatus with StatusDeleting, FieldEmail and FieldName.
const KindLifecycle workflow.FactKind = "lifecycle"

// Lifecycle asks whether an account is being deleted.
func Lifecycle(id string) workflow.Fact {
	return workflow.Fact{Kind: KindLifecycle, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceAccount}}
}

// longestDeletion is how long a deletion may last that is taken back: a day less than it can be.
const longestDeletion = 13 * 24 * time.Hour

var deleteAccount = Action{
	Name:    workflow.Delete,
	Longest: longestDeletion,
	Usage:   "delete <user>…",
	Help:    "delete the whole account: deactivated at once, gone for good after 14 days; cancel-delete stops it until then",
	Title: Title{
		Does: "Delete {who}", Done: "Started the deletion of {who}",
		One: "deletion", More: "deletions",
	},
	Becomes: becomes("deleted after 14 days"),
	Subject: workflow.Subject{Managed: true, Hidden: true, Closed: true},
	Groups:  true,
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		out := []workflow.Fact{workflow.Manage(f.Account.ID, privilegeDelete), Lifecycle(f.Account.ID)}
		if _, known := lifecycle(f); known { // by itself, so that what cannot be read of it spoils nothing else
			out = append(out, GroupsOf(f.Account.ID))
		}
		return out
	},
	Spares: func(fact workflow.Fact, _ *Facts) bool { return fact.Kind == KindGroupsOf }, // rules then take them for any
	Check: func(_ *workflow.Row, f *Facts) Finding {
		switch status, _ := lifecycle(f); status {
		case workflow.StatusClosed:
			return Blocked(workflow.ReasonClosed, f.Account.ID)
		case workflow.StatusDeleting:
			return Unchanged(workflow.ReasonAlready, workflow.StatusWord(status))
		}
		return allowed(workflow.Delete, workflow.Manage(f.Account.ID, privilegeDelete), "", f)
	},
	Steps: func(_ *workflow.Row, f *Facts) []workflow.Step {
		return []workflow.Step{lifecycleStep(workflow.Delete, workflow.StatusDeleting, f)}
	},
	Do:       doLifecycle(OpDelete),
	Observes: observeLifecycle,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		from := s.Expect.Get(workflow.FieldStatus)
		s.Action, s.Expect = workflow.CancelDelete, s.Expect.With(workflow.FieldStatus, string(workflow.StatusDeleting))
		s.Set = workflow.Of(workflow.FieldStatus, from)
		return s, true
	},
	Effects: func(d *Draft) []workflow.Effect {
		return append(comesBack(d), workflow.EffectLockedOut, workflow.EffectDeleted)
	},
	Cost:    lifecycleCost(OpDelete),
	Aim:     Aim{Check: 4, Run: 3},
	Example: byID,
}

var cancelDelete = Action{
	Name:  workflow.CancelDelete,
	Usage: "cancel-delete <user>…",
	Help:  "stop a deletion within its 14 days; who was deactivated before is deactivated again",
	Title: Title{
		Does: "Cancel the deletion of {who}", Done: "Cancelled the deletion of {who}",
		One: "cancelled deletion", More: "cancelled deletions",
	},
	Becomes: becomes("not deleted"),
	Subject: workflow.Subject{Managed: true, Hidden: true, Closed: true},
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		return []workflow.Fact{Lifecycle(f.Account.ID), workflow.EarlierStatus(f.Account.ID)}
	},
	Check: func(_ *workflow.Row, f *Facts) Finding {
		switch status, known := lifecycle(f); {
		case status == workflow.StatusClosed:
			return Blocked(workflow.ReasonGoneForGood, f.Account.ID)
		case known && status != workflow.StatusDeleting:
			return Unchanged(workflow.ReasonAlready, "not being deleted, but "+workflow.StatusWord(status))
		case known && earlier(f) == "":
			return ReadyBut(workflow.ReasonEarlierUnknown)
		}
		return Ready()
	},
	Steps: func(_ *workflow.Row, f *Facts) []workflow.Step {
		back := lifecycleStep(workflow.CancelDelete, workflow.StatusActive, f)
		if earlier(f) == workflow.StatusActive {
			return []workflow.Step{back}
		}
		again := accountStep(workflow.Deactivate, f, workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive)))
		again.Expect, again.After = again.Expect.With(workflow.FieldStatus, string(workflow.StatusActive)), 1
		return []workflow.Step{back, again}
	},
	Parts:    []workflow.ActionName{workflow.CancelDelete, workflow.Deactivate},
	Final:    true,
	Do:       doLifecycle(OpCancelDelete),
	Observes: observeLifecycle,
	Effects: func(d *Draft) []workflow.Effect {
		if len(d.Steps) > 1 {
			return []workflow.Effect{workflow.EffectLogInBriefly, workflow.EffectFinal}
		}
		return []workflow.Effect{workflow.EffectBilled, workflow.EffectFinal}
	},
	Cost:    lifecycleCost(OpCancelDelete),
	Aim:     Aim{Check: 2, Run: 6},
	Example: byID,
}

// lifecycle is the status of the account, known to tell of a deletion once that has been asked.
func lifecycle(f *Facts) (status workflow.AccountStatus, known bool) {
	if answer := f.Answers[Lifecycle(f.Account.ID)]; len(answer) > 0 {
		return workflow.AccountStatus(answer[0].Get(workflow.FieldStatus)), true
	}
	return f.Account.Status, false
}

// earlier is the status that the account had before its deletion, "" where nobody knows.
func earlier(f *Facts) workflow.AccountStatus {
	if answer := f.Answers[workflow.EarlierStatus(f.Account.ID)]; len(answer) > 0 {
		return workflow.AccountStatus(answer[0].Get(workflow.FieldStatus))
	}
	return ""
}

func lifecycleStep(name workflow.ActionName, to workflow.AccountStatus, f *Facts) workflow.Step {
	step := accountStep(name, f, workflow.Of(workflow.FieldStatus, string(to)))
	status, _ := lifecycle(f)
	step.Expect.Set(workflow.FieldStatus, string(status))
	return step
}

func observeLifecycle(s workflow.Step) []workflow.Fact {
	return []workflow.Fact{Lifecycle(s.AccountID)}
}

func doLifecycle(op workflow.Operation) func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error) {
	return func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID})
	}
}

func lifecycleCost(op workflow.Operation) Cost {
	return Cost{Calls: map[workflow.Operation]int{op: 1}, Reads: map[workflow.FactKind]int{KindLifecycle: 2}}
}
