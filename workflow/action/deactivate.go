package action

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// OpDisable blocks an account's login everywhere (user management API, POST lifecycle/disable).
// FieldMessage, which may be missing, is shown with the block.
const OpDisable workflow.Operation = "disable"

// privilegeEnablement is the right to disable and to enable an account.
const privilegeEnablement = "lifecycle.enablement"

var deactivate = Action{
	Name:  workflow.Deactivate,
	Usage: "deactivate <user>… [-- message]",
	Help:  "block login everywhere; activate undoes it",
	Title: Title{
		Does: "Deactivate {who}", Done: "Deactivated {who}",
		One: "deactivation", More: "deactivations",
	},
	Becomes: becomes("deactivated"),
	Columns: []ColumnUse{{
		Column: workflow.ColumnMessage, Field: workflow.FieldMessage, Value: func(s workflow.Step) string { return s.Set.Get(workflow.FieldMessage) },
	}},
	Subject: workflow.Subject{Managed: true, Hidden: true, Any: true},
	Locks:   true,
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		return enablementReads(f)
	},
	Check: func(r *workflow.Row, f *Facts) Finding {
		if f.Account.Status == workflow.StatusInactive {
			return Unchanged(workflow.ReasonAlready, workflow.StatusWord(f.Account.Status))
		}
		found := allowedHere(workflow.Deactivate, workflow.Manage(f.Account.ID, privilegeEnablement), "", f)
		atSCIM := enablementStep(workflow.Step{}, f).Place == workflow.PlaceSCIM
		if atSCIM && found.State == workflow.ChangeReady && r.Values.Get(workflow.ColumnMessage) != "" {
			link, _, _ := home(f)
			return ReadyBut(workflow.ReasonNoMessage, link.Name)
		}
		return found
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		set := workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive)).
			With(workflow.FieldMessage, r.Values.Get(workflow.ColumnMessage))
		return []workflow.Step{enablementStep(accountStep(workflow.Deactivate, f, set), f)}
	},
	Do: orRecord(func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: OpDisable, Action: s.Action, AccountID: s.AccountID,
			Args: workflow.Values{}.With(workflow.FieldMessage, s.Set.Get(workflow.FieldMessage)),
		})
	}),
	Observes: observeHeld,
	Proved:   provedHeld,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		s.Action, s.Expect = workflow.Activate, s.Expect.With(workflow.FieldStatus, string(workflow.StatusInactive))
		s.Set = workflow.Of(workflow.FieldStatus, string(workflow.StatusActive))
		return s, true
	},
	Effects: func(d *Draft) []workflow.Effect {
		return append(atHome(d), workflow.EffectLockedOut)
	},
	Cost: Cost{Calls: map[workflow.Operation]int{OpDisable: 1}, Reads: readAround()},
	Aim:  Aim{Check: 2, Run: 3},
	Example: func(a workflow.Account, _ Surroundings) workflow.RowValues {
		return workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnMessage, "left the company")
	},
}

// enablementReads are the facts that tell whether, and where, an account can be enabled and disabled.
func enablementReads(f *Facts) []workflow.Fact {
	enablement := workflow.Manage(f.Account.ID, privilegeEnablement)
	return append([]workflow.Fact{enablement}, heldReads(enablement, "", f)...)
}

// enablementStep is a step that enables or disables an account at the place where that is done.
func enablementStep(s workflow.Step, f *Facts) workflow.Step {
	return whereHeld(s, workflow.Manage(f.Account.ID, privilegeEnablement), "", f)
}
