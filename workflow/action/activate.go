package action

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// OpEnable lets an account in again (user management API, POST lifecycle/enable).
const OpEnable workflow.Operation = "enable"

var activate = Action{
	Name:  workflow.Activate,
	Usage: "activate <user>…",
	Help:  "let them log in again",
	Title: Title{
		Does: "Activate {who}", Done: "Activated {who}",
		One: "activation", More: "activations",
	},
	Becomes: becomes("active"),
	Subject: workflow.Subject{Managed: true, Hidden: true, Any: true},
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		return enablementReads(f)
	},
	Check: func(_ *workflow.Row, f *Facts) Finding {
		if f.Account.Status == workflow.StatusActive {
			return Unchanged(workflow.ReasonAlready, workflow.StatusWord(f.Account.Status))
		}
		return allowedHere(workflow.Activate, workflow.Manage(f.Account.ID, privilegeEnablement), "", f)
	},
	Steps: func(_ *workflow.Row, f *Facts) []workflow.Step {
		active := workflow.Of(workflow.FieldStatus, string(workflow.StatusActive))
		return []workflow.Step{enablementStep(accountStep(workflow.Activate, f, active), f)}
	},
	Do: orRecord(func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{Endpoint: s.Endpoint(), Operation: OpEnable, Action: s.Action, AccountID: s.AccountID})
	}),
	Observes: observeHeld,
	Proved:   provedHeld,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		s.Action, s.Expect = workflow.Deactivate, s.Expect.With(workflow.FieldStatus, string(workflow.StatusActive))
		s.Set = workflow.Of(workflow.FieldStatus, string(workflow.StatusInactive))
		return s, true
	},
	Effects: func(d *Draft) []workflow.Effect {
		return append(atHome(d), workflow.EffectBilled)
	},
	Cost: Cost{Calls: map[workflow.Operation]int{OpEnable: 1}, Reads: readAround()},
	Aim:  Aim{Check: 2, Run: 3},
	Example: func(a workflow.Account, _ Surroundings) workflow.RowValues {
		return workflow.Of(workflow.ColumnAccountID, a.ID)
	},
}
