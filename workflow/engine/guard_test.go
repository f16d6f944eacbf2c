package engine_test

import (
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
)

func TestGuardedAccounts(t *testing.T) {
	t.Parallel()
	o, _ := people(6)
	for id := range o.Accounts {
		o.Set(id, func(a *workflow.Account) { a.RolesKnown = id != "acc-6" })
	}
	o.Set("acc-1", func(a *workflow.Account) { a.OrgAdmin = true })
	o.Set("acc-2", func(a *workflow.Account) { a.Groups = []string{"Break-Glass"} })
	o.Set("acc-3", func(a *workflow.Account) { a.Email = "alice@corp.example" })
	allow := []policy.Rule{{
		When:  policy.When{OrgAdmins: true, Actions: []workflow.ActionName{workflow.Rename}},
		Allow: true, Approvals: 2,
	}}
	asker := workflow.Asker{People: []string{"U0HANA"}}
	row := func(line int, action workflow.ActionName, id, to string) workflow.Row {
		return workflow.Row{
			Line: line, Action: action,
			Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnNewEmail, to),
		}
	}
	five := row(2, workflow.Rename, "acc-5", "p5@new.example")
	for _, tt := range []struct {
		name   string
		policy policy.Policy
		rows   []workflow.Row
		want   workflow.ReasonCode // of the first row
	}{
		{"organisation admin", policy.Policy{}, []workflow.Row{row(1, workflow.Rename, "acc-1", "p1@new.example")}, workflow.ReasonOrgAdmin},
		{"organisation admin, allowed", policy.Policy{Rules: allow}, []workflow.Row{row(1, workflow.Rename, "acc-1", "p1@new.example")}, ""},
		{"organisation admin, another action", policy.Policy{Rules: allow}, []workflow.Row{row(1, workflow.Deactivate, "acc-1", "")}, workflow.ReasonOrgAdmin},
		{
			"protected group",
			policy.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-2", "")},
			workflow.ReasonProtected,
		},
		{
			"not in the protected group",
			policy.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-5", "")},
			"",
		},
		{
			"nobody knows its groups",
			policy.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-6", "")},
			workflow.ReasonRolesHidden,
		},
		{"an admin's account among others", policy.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-3", ""), five}, workflow.ReasonOwnAccount},
		{"an admin's account alone", policy.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-3", "")}, ""},
		{"the requester's account among others", policy.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-4", ""), five}, workflow.ReasonOwnAccount},
		{"the requester's account alone", policy.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-4", "")}, workflow.ReasonOwnAlone},
		{
			"the requester's address for somebody else's account",
			policy.Policy{},
			[]workflow.Row{row(1, workflow.Rename, "acc-5", "hana@corp.example")},
			workflow.ReasonOwnAlone,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.policy.Accounts = map[string]string{"U0HANA": "acc-4"}
			guard := tt.policy.Guard(asker, []workflow.Person{hana.Person, alice.Person, bob.Person})
			plan := checkOf(t, o, plan.Checker{Guard: guard}, tt.rows...)
			want := workflow.ChangeBlocked
			if tt.want == "" {
				want = workflow.ChangeReady
			}
			if c := plan.Changes[0]; c.State != want || c.Reason.Code != tt.want && tt.want != "" {
				t.Errorf("%s %s: %s; want %s %s", c.State, c.Reason.Code, c.Reason.Words(), want, tt.want)
			}
		})
	}
}
