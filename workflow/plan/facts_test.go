package plan

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/policy"
)

// heldBySCIM answers that a SCIM directory owns what any privilege is about, each read after a second,
// and counts the reads of each fact.
type heldBySCIM struct {
	twoViews
	count map[workflow.Fact]int
}

func (h *heldBySCIM) Read(_ context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	h.mu.Lock()
	for _, fact := range facts {
		h.count[fact]++
	}
	h.mu.Unlock()
	time.Sleep(time.Second)
	answers := workflow.Answers{}
	for _, fact := range facts {
		if fact.Kind == workflow.KindManage {
			owned := workflow.Privilege{Key: "externalDirectory.scim"}
			answers[fact] = []workflow.Values{
				workflow.PrivilegeValues("", owned), workflow.PrivilegeValues(workflow.FieldName, owned),
			}
		}
	}
	return answers, nil
}

// Rows about one account that need the same fact at the same time read it once.
func TestAFactIsReadOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &heldBySCIM{count: map[workflow.Fact]int{}, twoViews: twoViews{searched: map[string]workflow.Account{"1": {
			ID: "1", Name: "Ann", Email: "ann@old.example", Type: "atlassian", Status: workflow.StatusActive, Managed: true, RolesKnown: true,
		}}}}
		c := Checker{Reader: h, Guard: policy.Policy{}.Guard(workflow.Asker{}, nil), Workers: 4}
		_, err := c.Check(t.Context(), []workflow.Row{
			{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, "1")},
			{Line: 3, Action: workflow.SetName, Values: workflow.Of(workflow.ColumnAccountID, "1").With(workflow.ColumnNewName, "Anna")},
		})
		if err != nil {
			t.Fatal(err)
		}
		if h.count[action.Links("1")] == 0 {
			t.Error("nobody asked which directory holds the account")
		}
		for fact, n := range h.count {
			if n != 1 {
				t.Errorf("%v was read %d times", fact, n)
			}
		}
	})
}

// What was learned first of a fact stays, whatever is told of it later.
func TestTheFirstAnswerStays(t *testing.T) {
	fact := action.Links("1")
	k := &check{known: action.NewKnown()}
	for _, name := range []string{"first", "second"} {
		k.learn([]workflow.Fact{fact}, workflow.Answers{fact: {workflow.Of(workflow.FieldName, name)}}, nil)
	}
	k.learn([]workflow.Fact{fact}, nil, errors.New("later"))
	if got := k.known.Answers[fact]; len(got) != 1 || got[0].Get(workflow.FieldName) != "first" || k.known.Unread[fact] != nil {
		t.Errorf("the fact is known as %v, %v", got, k.known.Unread[fact])
	}
}
