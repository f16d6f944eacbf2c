package actiontest

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

const member = "712020:0003"

func directoryRow(name workflow.ActionName, id, directory string) workflow.Row {
	return workflow.Row{Action: name, Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnDirectory, directory)}
}

// second adds another directory to the organisation, with everybody in it.
func (e *env) second() (first, second string) {
	e.org.AddDirectory(organisation.Directory{ID: "99999999-0000-4000-8000-000000000002", Name: "Subsidiary"})
	all := e.org.Directories()
	return all[0].ID, all[1].ID
}

func (e *env) standing(directory string) string {
	a, _ := e.org.Account(member)
	if status, special := a.Memberships[directory]; special {
		return status
	}
	return a.Membership
}

// Where there are several directories a row names one, by id or name, or is blocked with the names
// of all. What happens in one leaves the other alone, and is proved there.
func TestOneOfTwoDirectories(t *testing.T) {
	for _, with := range []string{"with roles", "without"} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			first, second := e.second()
			if c := e.check(directoryRow(workflow.Suspend, member, "")).Changes[0]; c.State != workflow.ChangeBlocked ||
				c.Reason.Code != workflow.ReasonWhichDirectory || !strings.Contains(c.Reason.Words(), "Subsidiary") {
				t.Errorf("without a directory the row is %s (%s)", c.State, c.Reason.Words())
			}
			if with == "with roles" {
				e.roles(member, first, second)
			}
			e.org.ResetCalls()
			changes := e.run(e.check(directoryRow(workflow.Suspend, member, "Subsidiary")))
			if e.standing(first) != "active" || e.standing(second) != "suspended" {
				t.Errorf("%s: they are %s and %s", with, e.standing(first), e.standing(second))
			}
			if with == "without" { // nothing tells, so nobody says that it is proved
				if c := changes[0]; c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotProved {
					t.Errorf("without roles the row is %s (%s)", c.State, c.Reason.Words())
				}
				return
			}
			e.allDone(changes)
			e.allDone(e.run(e.check(directoryRow(workflow.Restore, member, second))))
			e.allDone(e.run(e.check(directoryRow(workflow.Remove, member, second))))
			if e.standing(first) != "active" || e.standing(second) != "no_membership" {
				t.Errorf("they are %s and %s", e.standing(first), e.standing(second))
			}
			if c := e.check(directoryRow(workflow.Restore, member, second)).Changes[0]; c.Reason.Code != workflow.ReasonNotInDirectory {
				t.Errorf("restored without being there the row is %s (%s)", c.State, c.Reason.Words())
			}
		})
	}
}

// roles gives the account a role on a workspace of each directory.
func (e *env) roles(id string, directories ...string) {
	e.t.Helper()
	var grants []organisation.Grant
	for _, directory := range directories {
		site := "ari:cloud:jira-software::site/" + directory
		if err := e.org.AddWorkspace(organisation.Workspace{ID: site, TypeKey: "jira-software", DirectoryID: directory}); err != nil {
			e.t.Fatal(err)
		}
		grants = append(grants, organisation.Grant{Resource: site, Role: "atlassian/user"})
	}
	if err := e.org.Edit(id, func(a *organisation.Account) { a.Roles = grants }); err != nil {
		e.t.Fatal(err)
	}
}

// The groups and roles of who is removed are on disk before the call, and stay with the step.
func TestRemoveKeepsWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		directory := e.org.Directories()[0].ID
		e.roles(member, directory)
		calls := 0
		e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
			if r.Method == http.MethodDelete {
				if calls++; !e.store.wrote(workflow.EventCalling, `jira-users (`) || !e.store.wrote(workflow.EventCalling, `site/`+directory+`: atlassian/user`) {
					t.Error("the call goes out, and what it takes is not on disk")
				}
			}
			return nil
		}})
		plan := e.check(directoryRow(workflow.Remove, member, ""))
		if want := workflow.EffectGroupsLost.Times(1); plan.Changes[0].Effects[1] != want {
			t.Errorf("effects %v, want %s among them", plan.Changes[0].Effects, want)
		}
		changes := e.run(plan)
		e.allDone(changes)
		told := changes[0].Outcome(0).Told
		if calls != 1 || !strings.Contains(told.Get(workflow.FieldGroups), "jira-users") || !strings.Contains(told.Get(workflow.FieldRoles), "atlassian/user") {
			t.Errorf("after %d calls the step keeps %v", calls, told)
		}
	})
}

// An account that is not managed shows nowhere any more when it is removed: that counts when it is
// read twice, 15 seconds apart. A managed one that a search hides proves nothing.
func TestRemoveOfOneNotManaged(t *testing.T) {
	const guest = "712020:0009"
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.Put(organisation.Account{ID: guest, Name: "Guest", Email: "guest@elsewhere.example"}); err != nil {
			t.Fatal(err)
		}
		plan := e.check(directoryRow(workflow.Remove, guest, ""))
		e.org.ResetCalls()
		began := time.Now()
		e.allDone(e.run(plan))
		if took := time.Since(began); took < 15*time.Second || took > 20*time.Second {
			t.Errorf("it was proved after %s", took)
		}
		var readings []time.Time
		for _, c := range e.org.Calls() {
			if strings.HasSuffix(c.Path, "/users/search") {
				readings = append(readings, c.At)
			}
		}
		if len(readings) != 2 || readings[1].Sub(readings[0]).Round(time.Second) != 15*time.Second {
			t.Errorf("it was looked for at %v", readings)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(directoryRow(workflow.Remove, member, ""))
		e.org.SetFaults(organisation.Faults{Omit: func(string) bool { return true }, After: func(r *http.Request) *organisation.Fault {
			if r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/directories/") && len(e.org.Effects()) > 0 {
				return &organisation.Fault{Status: http.StatusNotFound}
			}
			return nil
		}})
		if c := e.run(plan)[0]; c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotProved {
			t.Errorf("with a search that hides it the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// Who is out of the directory already when the call arrives is unchanged, whatever 404 may mean
// else. A licence without a seat pauses the run.
func TestDirectoryRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(directoryRow(workflow.Remove, member, ""))
		e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
			if r.Method == http.MethodDelete {
				_ = e.org.Edit(member, func(a *organisation.Account) { a.Membership = "no_membership" })
			}
			return nil
		}})
		if c := e.run(plan)[0]; c.State != workflow.ChangeUnchanged || len(e.org.Effects()) != 0 {
			t.Errorf("removed by somebody else the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.org.SetFaults(organisation.Faults{Before: once(organisation.Fault{
			Status: http.StatusConflict, Body: `{"errors":[{"id":"1","code":"ADMIN-409-3","status":"409","title":"Licence limit exceeded"}]}`,
		})})
		c := e.run(e.check(directoryRow(workflow.Restore, "712020:0004", "")))[0]
		b, _ := e.store.Batch(t.Context(), 1)
		// Nothing is left that a pause could hold back.
		if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonLicenceFull || c.Attempts != 1 || b.Stop.Cause != "" {
			t.Errorf("without a seat the row is %s (%s), the batch %s (%s)", c.State, c.Reason.Words(), b.State, b.Stop.Cause)
		}
	})
}
