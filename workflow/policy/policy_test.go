package policy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

func TestDemand(t *testing.T) {
	t.Parallel()
	renames := workflow.Traits{
		Changes: 10, Actions: []workflow.ActionName{workflow.Rename}, Domains: []string{"new.example", "old.example"},
		Groups: []string{"finance"}, Asked: []string{"admins", "finance", "sales"}, Touched: []string{"admins"},
	}
	byHana := workflow.Asker{People: []string{"U0HANA"}, Groups: []string{"S0HELPDESK"}}
	rule := func(n int, when policy.When) policy.Rule { return policy.Rule{When: when, Approvals: n} }
	for _, tt := range []struct {
		name   string
		rules  []policy.Rule
		asker  workflow.Asker
		recent int
		want   workflow.Demand
	}{
		{"no rules", nil, byHana, 0, workflow.Demand{Approvals: 1}},
		{"as many as the limit", []policy.Rule{rule(2, policy.When{ChangesOver: new(10)})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"one more than the limit",
			[]policy.Rule{rule(2, policy.When{ChangesOver: new(9)})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"more than 9 changes, here 10"}},
		},
		{"a day, not yet", []policy.Rule{rule(2, policy.When{ChangesOver24h: new(15)})}, byHana, 5, workflow.Demand{Approvals: 1}},
		{
			"a day, with what came before",
			[]policy.Rule{rule(2, policy.When{ChangesOver24h: new(15)})},
			byHana, 6,
			workflow.Demand{Approvals: 2, Why: []string{"more than 15 changes by one requester in 24 hours, here 16"}},
		},
		{
			"an action",
			[]policy.Rule{rule(2, policy.When{Actions: []workflow.ActionName{workflow.Delete, workflow.Rename}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"the action rename"}},
		},
		{"another action", []policy.Rule{rule(2, policy.When{Actions: []workflow.ActionName{workflow.Delete}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a domain, in any case",
			[]policy.Rule{rule(2, policy.When{Accounts: []string{"@OLD.example"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of @OLD.example"}},
		},
		{"part of a domain", []policy.Rule{rule(2, policy.When{Accounts: []string{"@d.example"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group",
			[]policy.Rule{rule(2, policy.When{Accounts: []string{"group:Finance", "group:Sales"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of the group Finance"}},
		},
		{"a group without members in it", []policy.Rule{rule(2, policy.When{Accounts: []string{"group:sales"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group that nobody asked about",
			[]policy.Rule{rule(2, policy.When{Accounts: []string{"group:legal"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts of the group legal"}},
		},
		{
			"a group that accounts are added to or leave",
			[]policy.Rule{rule(2, policy.When{Groups: []string{"Finance", "ADMINS", "sales"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts into or out of the group ADMINS"}},
		},
		{"a group that accounts are in", []policy.Rule{rule(2, policy.When{Groups: []string{"Finance"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group that nobody asked about, and accounts may be added to",
			[]policy.Rule{rule(2, policy.When{Groups: []string{"legal"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"accounts into or out of the group legal"}},
		},
		{
			"a requester",
			[]policy.Rule{rule(2, policy.When{Requesters: []string{"U0HANA"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{
			"a requester's group",
			[]policy.Rule{rule(2, policy.When{Requesters: []string{"S0HELPDESK"}})},
			byHana, 0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{"another's group", []policy.Rule{rule(2, policy.When{Requesters: []string{"S0OTHER"}})}, byHana, 0, workflow.Demand{Approvals: 1}},
		{
			"a group that cannot be read",
			[]policy.Rule{rule(2, policy.When{Requesters: []string{"S0OTHER"}})},
			workflow.Asker{People: []string{"U0HANA"}, Unread: []string{"S0OTHER"}},
			0,
			workflow.Demand{Approvals: 2, Why: []string{"who asked"}},
		},
		{
			"all conditions must hold",
			[]policy.Rule{
				rule(2, policy.When{ChangesOver: new(5), Actions: []workflow.ActionName{workflow.Delete}}),
				rule(3, policy.When{ChangesOver: new(5), Accounts: []string{"@old.example"}}),
			},
			byHana, 0,
			workflow.Demand{Approvals: 3, Why: []string{"more than 5 changes, here 10 and accounts of @old.example"}},
		},
		{
			"the strictest wins, and all that ask for as much are named",
			[]policy.Rule{
				rule(2, policy.When{ChangesOver: new(1)}),
				rule(3, policy.When{ChangesOver: new(2)}),
				rule(3, policy.When{Requesters: []string{"U0HANA"}}),
				rule(2, policy.When{ChangesOver: new(3)}),
			},
			byHana, 0,
			workflow.Demand{Approvals: 3, Why: []string{"more than 2 changes, here 10", "who asked"}},
		},
		{
			"no organisation admins in it",
			[]policy.Rule{{When: policy.When{OrgAdmins: true}, Allow: true, Approvals: 2}},
			byHana, 0,
			workflow.Demand{Approvals: 1},
		},
		{
			"an emergency, whatever the rules say",
			[]policy.Rule{rule(3, policy.When{ChangesOver: new(1)})},
			workflow.Asker{People: []string{"U0HANA"}, Emergency: true},
			0,
			workflow.Demand{Approvals: 1, Emergency: true},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			demands := policy.Policy{Approvals: 1, Rules: tt.rules, Emergency: "S0ONCALL"}
			if diff := cmp.Diff(tt.want, demands.Demand(renames, tt.asker, tt.recent)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// A group whose name nobody could learn may be any that a rule names.
func TestAGroupWithoutAName(t *testing.T) {
	t.Parallel()
	p := policy.Policy{Approvals: 1, Rules: []policy.Rule{{When: policy.When{Groups: []string{"finance"}}, Approvals: 3}}}
	added := workflow.Traits{Changes: 1, Actions: []workflow.ActionName{workflow.GroupAdd}, Asked: p.Groups()}
	if got := p.Demand(added, workflow.Asker{}, 0).Approvals; got != 1 {
		t.Errorf("a group of another name needs %d approvals, want 1", got)
	}
	added.Unnamed = true
	if got := p.Demand(added, workflow.Asker{}, 0).Approvals; got != 3 {
		t.Errorf("a group without a name needs %d approvals, want 3", got)
	}
}
