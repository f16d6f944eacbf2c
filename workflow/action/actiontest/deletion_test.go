package actiontest

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

const deleting = "712020:0005"

func accountRow(name workflow.ActionName, id string) workflow.Row {
	return workflow.Row{Action: name, Values: workflow.Of(workflow.ColumnAccountID, id)}
}

func (e *env) status(id string) string {
	a, _ := e.org.Account(id)
	if !a.DeleteOn.IsZero() {
		return "for_deletion"
	}
	return a.Status
}

// An account comes back as it was before its deletion, as far as that is known: who was
// deactivated, or of whom nobody knows, is deactivated again by a second step.
func TestCancelDelete(t *testing.T) {
	for _, test := range []struct {
		id      string // deleted by us first, where it is not being deleted
		want    string
		steps   int
		warning workflow.ReasonCode
	}{
		{"712020:0003", "active", 1, ""},
		{"712020:0002", "inactive", 2, ""},
		{deleting, "inactive", 2, workflow.ReasonEarlierUnknown},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			if test.id != deleting {
				e.allDone(e.run(e.check(accountRow(workflow.Delete, test.id))))
			}
			if got := e.status(test.id); got != "for_deletion" {
				t.Fatalf("%s is %s", test.id, got)
			}
			plan := e.check(accountRow(workflow.CancelDelete, test.id))
			if c := plan.Changes[0]; len(c.Steps) != test.steps || c.Reason.Code != test.warning {
				t.Errorf("%s: %d steps, %s (%s)", test.id, len(c.Steps), c.State, c.Reason.Words())
			}
			e.allDone(e.run(plan))
			if got := e.status(test.id); got != test.want {
				t.Errorf("%s is %s, want %s", test.id, got, test.want)
			}
		})
	}
}

// Where the deactivation fails the row says so, and the account is not left without a word; the
// retry makes that step alone.
func TestCancelDeleteHalfWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.Edit(deleting, func(a *organisation.Account) {
			a.LifecycleErrors = []organisation.LifecycleError{{Code: "billingAdmin", Message: "The last billing contact.", Link: "https://x.example/y"}}
		}); err != nil {
			t.Fatal(err)
		}
		c := e.run(e.check(accountRow(workflow.CancelDelete, deleting)))[0]
		if c.State != workflow.ChangeFailed || c.Outcome(0).State != workflow.ChangeDone || c.Outcome(1).Reason.Code != workflow.ReasonLifecycle {
			t.Errorf("the row is %s (%s)", c.State, c.Reason.Words())
		}
		for _, word := range []string{"deactivate: ", "billingAdmin", "https://x.example/y"} {
			if !strings.Contains(c.Reason.Words(), word) {
				t.Errorf("%q is not in %q", word, c.Reason.Words())
			}
		}
	})
}

// A deletion that something stands in the way of is refused with Atlassian's code and link; an
// address in deletion is held, and the row says until when where a batch of ours began it.
func TestDeletion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.Edit("712020:0003", func(a *organisation.Account) {
			a.LifecycleErrors = []organisation.LifecycleError{{Code: "owner", Message: "Owns a site.", Link: "https://x.example/y"}}
		}); err != nil {
			t.Fatal(err)
		}
		c := e.run(e.check(accountRow(workflow.Delete, "712020:0003")))[0]
		if c.State != workflow.ChangeFailed || !strings.Contains(c.Reason.Words(), "(owner); see https://x.example/y") {
			t.Errorf("the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		onto := func(address string) string {
			return e.check(workflow.Row{Action: workflow.Rename, Values: workflow.Of(workflow.ColumnAccountID, "712020:0001").
				With(workflow.ColumnNewEmail, address)}).Changes[0].Reason.Words()
		}
		if words := onto("person.e@example.com"); !strings.Contains(words, "being deleted, for up to 14 days") {
			t.Error(words)
		}
		invited := func(address string) string { return e.check(inviteRow(address, "", "", "")).Changes[0].Reason.Words() }
		if words := invited("Person.E@example.com"); !strings.Contains(words, "being deleted, for up to 14 days") {
			t.Error(words)
		}
		e.allDone(e.run(e.check(accountRow(workflow.Delete, "712020:0003"))))
		if words := invited("person.c@example.com"); !strings.Contains(words, "being deleted, until 2000-01-15 00:00 UTC") {
			t.Error(words)
		}
		if words := onto("person.c@example.com"); !strings.Contains(words, "being deleted, until 2000-01-15 00:00 UTC") {
			t.Error(words)
		}
		for _, name := range []workflow.ActionName{workflow.Deactivate, workflow.Suspend, workflow.RevokeTokens} {
			if c := e.check(accountRow(name, deleting)).Changes[0]; c.Reason.Code != workflow.ReasonClosed {
				t.Errorf("%s of an account in deletion is %s (%s)", name, c.State, c.Reason.Words())
			}
		}
	})
}
