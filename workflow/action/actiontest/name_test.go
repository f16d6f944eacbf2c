package actiontest

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// A name that SAML sets is changed with a warning; one that a directory holds is refused, by the
// check and by the call alike.
func TestNameOwners(t *testing.T) {
	const id = "712020:0003"
	row := func() workflow.Row {
		return workflow.Row{Action: workflow.SetName, Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnNewName, "C")}
	}
	lock := func(e *env, key string) {
		if err := e.org.Edit(id, func(a *organisation.Account) { a.Locks = map[string]string{"profile.write/name": key} }); err != nil {
			e.t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		lock(e, "authPolicy.saml")
		if c := e.check(row()).Changes[0]; c.State != workflow.ChangeReady || c.Reason.Code != workflow.ReasonOverwritten {
			t.Errorf("with SAML the row is %s (%s)", c.State, c.Reason.Words())
		}
		lock(e, "externalDirectory.scim")
		if c := e.check(row()).Changes[0]; c.State != workflow.ChangeBlocked || !slices.Contains(c.Reason.Facts, "externalDirectory.scim") {
			t.Errorf("held by a directory the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(row())
		lock(e, "externalDirectory.scim")
		c := e.run(plan)[0]
		if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotAllowed || c.Reason.Fact(1) != "externalDirectory.scim" {
			t.Errorf("locked after the plan the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// The fields of one person that a batch changes do not stand in each other's way: the address and
// the name go one after the other.
func TestNameAndAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		by := workflow.Of(workflow.ColumnAccountID, "712020:0003")
		e.allDone(e.run(e.check(
			workflow.Row{Action: workflow.Rename, Values: by.With(workflow.ColumnNewEmail, "new@example.com")},
			workflow.Row{Action: workflow.SetName, Values: by.With(workflow.ColumnNewName, "C")},
		)))
	})
}
