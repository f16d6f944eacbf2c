package plan_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// partly is an organisation that finds accounts for some addresses and does not show those.
type partly struct {
	*workflowtest.Organisation
	unshown map[string]string // key of the address → account
}

func (p partly) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	found, err := p.Organisation.ByAddress(ctx, addresses)
	if err != nil {
		return nil, err
	}
	hidden := map[string]string{}
	for _, a := range addresses {
		if id, some := p.unshown[workflow.AddressKey(a)]; some {
			hidden[workflow.AddressKey(a)] = id
		}
	}
	if len(hidden) > 0 {
		return found, &workflow.Unshown{Holders: hidden}
	}
	return found, nil
}

// An address for which an account is found and not shown is nobody's to give away, and the row that names
// it says for good what to do; the other rows go on.
func TestARowWhoseHolderIsNotShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := workflowtest.NewOrganisation(
			workflow.Account{ID: "1", Email: "ann@example.com", Status: workflow.StatusActive, Managed: true, RolesKnown: true},
			workflow.Account{ID: "2", Email: "bob@example.com", Status: workflow.StatusActive, Managed: true, RolesKnown: true},
		)
		reader := partly{o, map[string]string{"taken@new.example": "7", "hidden@example.com": "8", "open@new.example": ""}}
		checker := plan.Checker{Reader: reader, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil), Workers: 2}
		p, err := checker.Check(t.Context(), []workflow.Row{
			row(2, "ann@example.com", "taken@new.example"), row(3, "hidden@example.com", "moved@new.example"),
			row(4, "bob@example.com", "robert@new.example"), row(5, "ann@example.com", "open@new.example"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			state workflow.ChangeState
			code  workflow.ReasonCode
			words string
		}{
			{workflow.ChangeBlocked, workflow.ReasonHolderHidden, "account 7 for taken@new.example"},
			{workflow.ChangeBlocked, workflow.ReasonAddressHidden, "account 8"},
			{workflow.ChangeReady, "", ""},
			{workflow.ChangeBlocked, workflow.ReasonCouldNotCheck, "does not show their addresses"},
		} {
			c := p.Changes[i]
			if c.State != want.state || c.Reason.Code != want.code || !strings.Contains(c.Reason.Words(), want.words) {
				t.Errorf("row %d is %s: %s %s", c.Row, c.State, c.Reason.Code, c.Reason.Words())
			}
		}
	})
}

// A holder of whom the search tells too little is read; where that fails nothing is known of it.
func TestAHolderOfWhomTooLittleIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		full := workflow.Account{ID: "1", Email: "ann@example.com", Status: workflow.StatusInactive, Managed: true, RolesKnown: true}
		for name, fail := range map[string]error{"read": nil, "not to be read": workflow.ErrUnavailable} {
			reader := little{workflowtest.NewOrganisation(full), fail}
			checker := plan.Checker{Reader: reader, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil), Workers: 2}
			leaver := workflow.Row{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "ann@example.com")}
			p, err := checker.Check(t.Context(), []workflow.Row{leaver})
			if err != nil {
				t.Fatal(err)
			}
			c := p.Changes[0]
			if fail == nil && c.State != workflow.ChangeUnchanged || fail != nil && c.Reason.Code != workflow.ReasonCouldNotCheck {
				t.Errorf("%s: the row is %s: %s", name, c.State, c.Reason.Words())
			}
		}
	})
}

// little is an organisation whose search by address shows no status.
type little struct {
	*workflowtest.Organisation
	fail error // of reads of one account
}

func (l little) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	found, err := l.Organisation.ByAddress(ctx, addresses)
	for _, holders := range found {
		for i := range holders {
			holders[i].Status = ""
		}
	}
	return found, err
}

func (l little) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	if l.fail != nil && facts[0].Kind == workflow.KindProfile {
		return nil, errors.Join(l.fail)
	}
	return l.Organisation.Read(ctx, facts...)
}
