package workflow_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

func TestDemand(t *testing.T) {
	t.Parallel()
	renames := workflow.Traits{
		Changes: 10, Actions: []workflow.ActionName{workflow.Rename}, Domains: []string{"new.example", "old.example"},
		Groups: []string{"finance"}, Asked: []string{"finance", "sales"},
	}
	byHana := workflow.Asker{People: []string{"U0HANA"}, Groups: []string{"S0HELPDESK"}}
	rule := func(n int, when workflow.When) workflow.Rule { return workflow.Rule{When: when, Approvals: n} }
	for _, tt := range []struct {
		name   string
		rules  []workflow.Rule
		asker  workflow.Asker
		lately int
		want   workflow.Demand
	}{
		{"no rules", nil, byHana, 0, workflow.Demand{Approvals: 1}},
		{"as many as the limit", []workflow.Rule{rule(2, workflow.When{ChangesOver: new(10)})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"one more than the limit",
			[]workflow.Rule{rule(2, workflow.When{ChangesOver: new(9)})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"more than 9 changes, here 10"}},
		},
		{"a day, not yet", []workflow.Rule{rule(2, workflow.When{ChangesOver24h: new(15)})}, byHana, 5, workflow.Demand{Approvals: 1}},
		{
			"a day, with what came before",
			[]workflow.Rule{rule(2, workflow.When{ChangesOver24h: new(15)})},
			byHana, 6,
			workflow.Demand{Approvals: 2, Why: []string{"more than 15 changes by one requester in 24 hours, here 16"}},
		},
		{
			"an action",
			[]workflow.Rule{rule(2, workflow.When{Actions: []workflow.ActionName{workflow.Delete, workflow.Rename}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"the action rename"}},
		},
		{"another action", []workflow.Rule{rule(2, workflow.When{Actions: []workflow.ActionName{workflow.Delete}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a domain, in any case",
			[]workflow.Rule{rule(2, workflow.When{Accounts: []string{"@OLD.example"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of @OLD.example"}},
		},
		{"part of a domain", []workflow.Rule{rule(2, workflow.When{Accounts: []string{"@d.example"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group",
			[]workflow.Rule{rule(2, workflow.When{Accounts: []string{"group:Finance", "group:Sales"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of the group Finance"}},
		},
		{"a group without members in it", []workflow.Rule{rule(2, workflow.When{Accounts: []string{"group:sales"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group that nobody asked about",
			[]workflow.Rule{rule(2, workflow.When{Accounts: []string{"group:legal"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of the group legal"}},
		},
		{
			"a requester",
			[]workflow.Rule{rule(2, workflow.When{Requesters: []string{"U0HANA"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{
			"a requester's group",
			[]workflow.Rule{rule(2, workflow.When{Requesters: []string{"S0HELPDESK"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{"another's group", []workflow.Rule{rule(2, workflow.When{Requesters: []string{"S0OTHER"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group that cannot be read",
			[]workflow.Rule{rule(2, workflow.When{Requesters: []string{"S0OTHER"}})},
			workflow.Asker{People: []string{"U0HANA"}, Unread: []string{"S0OTHER"}},
			0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{
			"all conditions must hold",
			[]workflow.Rule{
				rule(2, workflow.When{ChangesOver: new(5), Actions: []workflow.ActionName{workflow.Delete}}),
				rule(3, workflow.When{ChangesOver: new(5), Accounts: []string{"@old.example"}}),
			},
			byHana, 0,
			workflow.Demand{Approvals: 3, Why: []string{"more than 5 changes, here 10 and accounts of @old.example"}},
		},
		{
			"the strictest wins, and all that ask for as much are named",
			[]workflow.Rule{
				rule(2, workflow.When{ChangesOver: new(1)}),
				rule(3, workflow.When{ChangesOver: new(2)}),
				rule(3, workflow.When{Requesters: []string{"U0HANA"}}),
				rule(2, workflow.When{ChangesOver: new(3)}),
			},
			byHana, 0,
			workflow.Demand{Approvals: 3, Why: []string{"more than 2 changes, here 10", "who asked"}},
		},
		{
			"no organisation admins in it",
			[]workflow.Rule{{When: workflow.When{OrgAdmins: true}, Allow: true, Approvals: 2}},
			byHana, 0,
			workflow.Demand{Approvals: 1},
		},
		{
			"an emergency, whatever the rules say",
			[]workflow.Rule{rule(3, workflow.When{ChangesOver: new(1)})},
			workflow.Asker{People: []string{"U0HANA"}, Emergency: true},
			0,
			workflow.Demand{Approvals: 1, Emergency: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			policy := workflow.Policy{Approvals: 1, Rules: tt.rules, Emergency: "S0ONCALL"}
			if diff := cmp.Diff(tt.want, policy.Demand(renames, tt.asker, tt.lately)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestGuardedAccounts(t *testing.T) {
	t.Parallel()
	o, _ := people(6)
	for id := range o.accounts {
		o.set(id, func(a *workflow.Account) { a.Ranked = id != "acc-6" })
	}
	o.set("acc-1", func(a *workflow.Account) { a.OrgAdmin = true })
	o.set("acc-2", func(a *workflow.Account) { a.Groups = []string{"Break-Glass"} })
	o.set("acc-3", func(a *workflow.Account) { a.Email = "alice@corp.example" })
	allow := []workflow.Rule{{
		When:  workflow.When{OrgAdmins: true, Actions: []workflow.ActionName{workflow.Rename}},
		Allow: true, Approvals: 2,
	}}
	owners := workflow.NewOwners([]workflow.Person{hana.Person, alice.Person, bob.Person}, map[string]string{"U0HANA": "acc-4"})
	asker := workflow.Asker{People: []string{"U0HANA"}}
	row := func(line int, action workflow.ActionName, id, to string) workflow.Row {
		return workflow.Row{Line: line, Action: action, AccountID: id, NewEmail: to}
	}
	five := row(2, workflow.Rename, "acc-5", "p5@new.example")
	for _, tt := range []struct {
		name   string
		policy workflow.Policy
		rows   []workflow.Row
		want   workflow.ReasonCode // of the first row
	}{
		{"organisation admin", workflow.Policy{}, []workflow.Row{row(1, workflow.Rename, "acc-1", "p1@new.example")}, workflow.ReasonOrgAdmin},
		{"organisation admin, allowed", workflow.Policy{Rules: allow}, []workflow.Row{row(1, workflow.Rename, "acc-1", "p1@new.example")}, ""},
		{"organisation admin, another action", workflow.Policy{Rules: allow}, []workflow.Row{row(1, workflow.Deactivate, "acc-1", "")}, workflow.ReasonOrgAdmin},
		{
			"protected group",
			workflow.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-2", "")},
			workflow.ReasonProtected,
		},
		{
			"not in the protected group",
			workflow.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-5", "")},
			"",
		},
		{
			"nobody knows its groups",
			workflow.Policy{Protect: []string{"group:break-glass"}},
			[]workflow.Row{row(1, workflow.Deactivate, "acc-6", "")},
			workflow.ReasonCouldNotCheck,
		},
		{"an admin's account among others", workflow.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-3", ""), five}, workflow.ReasonOwnAccount},
		{"an admin's account alone", workflow.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-3", "")}, ""},
		{"the requester's account among others", workflow.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-4", ""), five}, workflow.ReasonOwnAccount},
		{"the requester's account alone", workflow.Policy{}, []workflow.Row{row(1, workflow.Deactivate, "acc-4", "")}, workflow.ReasonOwnAlone},
		{
			"the requester's address for somebody else's account",
			workflow.Policy{},
			[]workflow.Row{row(1, workflow.Rename, "acc-5", "hana@corp.example")},
			workflow.ReasonOwnAlone,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plan := checkRows(t, o, workflow.Checker{Policy: tt.policy, Asker: asker, Owners: owners}, tt.rows...)
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
