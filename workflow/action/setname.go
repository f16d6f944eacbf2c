package action

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// OpSetName gives an account the display name of FieldName (user management API, PATCH profile).
const OpSetName workflow.Operation = "set-name"

// privilegeProfile is the right to write an account's profile, a map of fields.
const privilegeProfile = "profile.write"

// ownerSAML owns what a login by SAML sets. It refuses nothing; it sets its own value again.
const ownerSAML = "authPolicy.saml"

var setName = Action{
	Name:  workflow.SetName,
	Usage: "set-name <user> <new name>",
	Help:  "a new display name for one account",
	Title: Title{
		Does: "Set the name of {who}", Done: "Set the name of {who}",
		One: "new name", More: "new names",
	},
	Columns: []ColumnUse{{
		Column: workflow.ColumnNewName, Required: true, Field: workflow.FieldName, Noun: "a name", Problem: workflow.NameProblem,
		Argument: Argument{Place: Behind, Whole: true, Say: "the new name"},
		Value:    func(s workflow.Step) string { return s.Set.Get(workflow.FieldName) },
	}},
	Subject: workflow.Subject{Managed: true, Hidden: true},
	Field:   workflow.FieldName,
	Reads: func(_ *workflow.Row, f *Facts) []workflow.Fact {
		profile := workflow.Manage(f.Account.ID, privilegeProfile)
		out := append([]workflow.Fact{profile}, heldReads(profile, workflow.FieldName, f)...)
		if link, _, _ := home(f); link.Ours && scimOwns(profile, workflow.FieldName, f) {
			out = append(out, RecordOf(f.Account.ID, link.Directory))
		}
		return out
	},
	Check: func(r *workflow.Row, f *Facts) Finding {
		if f.Account.Name == r.Values.Get(workflow.ColumnNewName) {
			return Unchanged(workflow.ReasonAlready, f.Account.Name)
		}
		fact := workflow.Manage(f.Account.ID, privilegeProfile)
		if f.Answers.Allowed(fact, workflow.FieldName).Key == ownerSAML {
			return ReadyBut(workflow.ReasonOverwritten)
		}
		if found := allowedHere(workflow.SetName, fact, workflow.FieldName, f); found.State != workflow.ChangeReady {
			return found
		}
		link, _, _ := home(f)
		for _, v := range f.Answers[RecordOf(f.Account.ID, link.Directory)] {
			if whole := otherName(v); whole != "" {
				return ReadyBut(workflow.ReasonWholeName, link.Name, whole)
			}
		}
		return Ready()
	},
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		step := workflow.Step{
			Action: workflow.SetName, Place: workflow.PlaceAccount, AccountID: f.Account.ID,
			Expect: workflow.Of(workflow.FieldEmail, f.Account.Email).With(workflow.FieldName, f.Account.Name),
			Set:    workflow.Of(workflow.FieldName, r.Values.Get(workflow.ColumnNewName)),
		}
		return []workflow.Step{whereHeld(step, workflow.Manage(f.Account.ID, privilegeProfile), workflow.FieldName, f)}
	},
	Do: orRecord(func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{
			Endpoint: s.Endpoint(), Operation: OpSetName, Action: s.Action, AccountID: s.AccountID,
			Args: workflow.Of(workflow.FieldName, s.Set.Get(workflow.FieldName)),
		})
	}),
	Observes: observeHeld,
	Proved:   provedHeld,
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		from, to := s.Expect.Get(workflow.FieldName), s.Set.Get(workflow.FieldName)
		s.Expect, s.Set = s.Expect.With(workflow.FieldName, to), workflow.Of(workflow.FieldName, from)
		return s, from != ""
	},
	Effects: atHome,
	Cost:    Cost{Calls: map[workflow.Operation]int{OpSetName: 1}, Reads: readAround()},
	Aim:     Aim{Check: 2, Run: 3},
	Example: func(a workflow.Account, _ Surroundings) workflow.RowValues {
		return workflow.Of(workflow.ColumnAccountID, a.ID).With(workflow.ColumnNewName, a.Name+" the Second")
	},
}
