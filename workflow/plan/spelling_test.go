package plan_test

import (
	"slices"
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// A rename is held against what the account shows, what is verified, who holds it, and the other
// rows by the key.
func TestOtherSpellingsAreOneAddress(t *testing.T) {
	t.Parallel()
	o := workflowtest.NewOrganisation(
		workflowtest.Managed("1", "lea@b\u00fccher.example"), workflowtest.Managed("2", "ada@old.example"), workflowtest.Managed("3", "ben@old.example"),
		workflowtest.Managed("4", "jose\u0301@old.example"), workflowtest.Managed("5", "gro\u00df@old.example"), workflowtest.Managed("6", "cy@old.example"))
	o.Claims = append(o.Claims, workflow.DomainClaim{Name: "xn--bcher-kva.example", Verified: true})
	checked := checkRows(t, o, plan.Checker{},
		row(2, "lea@XN--BCHER-KVA.example", "lea@new.example"),
		row(3, "ada@old.example", "ada@b\u00fccher.example"),  // verified under its other name
		row(4, "ben@old.example", "jos\u00e9@old.example"),    // held
		row(5, "gro\u00df@old.example", "gross@old.example"),  // ß is not ss
		row(6, "cy@old.example", "ADA@xn--bcher-kva.example"), // wanted by line 3 already
	)
	want := []string{
		"2 ready ", "3 blocked same_target", "4 blocked taken", "5 ready ", "6 blocked same_target",
	}
	if got := findings(checked); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	checked = checkRows(t, o, plan.Checker{},
		row(2, "jos\u00e9@old.example", "jos\u00e9@old.example"), // as the account shows it, otherwise composed
		row(3, "lea@b\u00fccher.example", "lea@xn--bcher-kva.example"),
		row(4, "ada@old.example", "ADA@old.example"))
	want = []string{"2 unchanged already", "3 unchanged already", "4 unchanged case_only"}
	if got := findings(checked); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What is protected, whose own account it is, and what a rule asks about go by the key, too.
func TestOtherSpellingsAreGuarded(t *testing.T) {
	t.Parallel()
	o := workflowtest.NewOrganisation(
		workflowtest.Managed("1", "lea@xn--bcher-kva.example"), workflowtest.Managed("2", "ada@old.example"), workflowtest.Managed("3", "ben@old.example"))
	o.Set("3", func(a *workflow.Account) { a.Groups = []string{"Cafe\u0301"} })
	demands := policy.Policy{
		Approvals: 1, Protect: []string{"lea@b\u00fccher.example", "group:caf\u00e9"},
		Rules: []policy.Rule{{When: policy.When{Accounts: []string{"@b\u00fccher.example"}}, Approvals: 2}},
	}
	admin := workflow.Person{ID: "U0BOB", Email: "hana@b\u00fccher.example"}
	guard := demands.Guard(workflow.Asker{}, []workflow.Person{admin})
	plan := checkRows(t, o, plan.Checker{Guard: guard},
		row(2, "lea@b\u00fccher.example", "lea@new.example"),
		row(3, "ada@old.example", "hana@xn--bcher-kva.example"),
		row(4, "ben@old.example", "ben@new.example"))
	want := []string{"2 blocked protected", "3 blocked own_account", "4 blocked protected"}
	if got := findings(plan); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	asked := workflow.Traits{Changes: 1, Domains: []string{workflow.Domain("a@xn--bcher-kva.example")}}
	if d := demands.Demand(asked, workflow.Asker{}, 0); d.Approvals != 2 {
		t.Errorf("the rule does not apply: %+v", d)
	}
	domain := policy.Policy{Protect: []string{"@B\u00dcCHER.example"}}.Guard(workflow.Asker{}, nil)
	for address, want := range map[string]bool{"a@xn--bcher-kva.example": true, "a@sub.b\u00fccher.example": false, "1": false} {
		if got := domain.Protects(address); got != want {
			t.Errorf("%s is protected by its domain: %t, want %t", address, got, want)
		}
	}
}
