package actiontest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const (
	memberID   = "712020:0003" // in the group of newEnv
	outsiderID = "712020:0001"
	jiraID     = "ari:cloud:jira-software::site/1"
)

func (e *env) addGroup(g organisation.Group) organisation.Group {
	e.t.Helper()
	g, err := e.org.AddGroup(g)
	if err != nil {
		e.t.Fatal(err)
	}
	return g
}

// seats adds a product with so many seats, and a group that gives access to it.
func (e *env) seats(n int) organisation.Group {
	e.t.Helper()
	err := e.org.AddWorkspace(organisation.Workspace{ID: jiraID, Name: "one", Type: "Jira", TypeKey: "jira-software", Seats: n})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.addGroup(organisation.Group{Name: "jira-paid", Grants: []organisation.Grant{{Resource: jiraID, Role: "atlassian/user"}}})
}

func groupRow(action workflow.ActionName, id, group string) workflow.Row {
	return workflow.Row{Action: action, Values: workflow.Of(workflow.ColumnAccountID, id).With(workflow.ColumnGroup, group)}
}

// A group is meant by its name in any case or by its id, and of several with one name by its
// directory. What cannot be changed here is refused with the reason.
func TestGroupsAreFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		for _, d := range []string{"dir-2"} {
			e.org.AddDirectory(organisation.Directory{ID: d, Name: "Partners"})
		}
		first := e.org.Groups()[0].DirectoryID
		for _, g := range []organisation.Group{
			{ID: "33333333-0000-4000-8000-000000000001", Name: "Contractors"},
			{ID: "33333333-0000-4000-8000-000000000002", Name: "contractors", DirectoryID: "dir-2"},
			{Name: "from-okta", Synced: true},
			{Name: "kept by a rule", Unmodifiable: true},
			{Name: "admins", OrgAdmins: true},
			{Name: "everybody", Default: true},
			{Name: "elsewhere", DirectoryID: "dir-2"},
		} {
			e.addGroup(g)
		}
		if err := e.org.Edit(outsiderID, func(a *organisation.Account) {
			a.Memberships = map[string]string{"dir-2": "no_membership"}
		}); err != nil {
			t.Fatal(err)
		}
		in := func(directory string) func(*workflow.Row) {
			return func(r *workflow.Row) { r.Set(workflow.ColumnDirectory, directory) }
		}
		for name, test := range map[string]struct {
			group  string
			change func(*workflow.Row)
			code   workflow.ReasonCode
			words  string // in the reason
			steps  int
		}{
			"by name":              {group: " JIRA-Users ", steps: 1},
			"by id":                {group: "22222222-0000-4000-8000-000000000001", steps: 1},
			"a default group":      {group: "everybody", steps: 1},
			"two in a cell":        {group: "jira-users; everybody", steps: 2},
			"one of two unknown":   {group: "jira-users;nobody", code: workflow.ReasonNoGroup, words: "no group is called nobody"},
			"a part of a name":     {group: "jira", code: workflow.ReasonNoGroup},
			"two of a name":        {group: "contractors", code: workflow.ReasonAmbiguousGroup, words: "000000000002 (Partners)"},
			"two, by directory":    {group: "contractors", change: in(first), steps: 1},
			"two, by its name":     {group: "contractors", change: in("Partners"), code: workflow.ReasonNotInDirectory, words: "Partners"},
			"two, by id":           {group: "33333333-0000-4000-8000-000000000001", steps: 1},
			"no such directory":    {group: "contractors", change: in("x"), code: workflow.ReasonWhichDirectory, words: "Partners dir-2"},
			"of a provider":        {group: "from-okta", code: workflow.ReasonGroupClosed, words: "identity provider"},
			"not to be modified":   {group: "kept by a rule", code: workflow.ReasonGroupClosed, words: "modifiable"},
			"of admins":            {group: "admins", code: workflow.ReasonGroupClosed, words: "organisation admins"},
			"of another directory": {group: "elsewhere", code: workflow.ReasonNotInDirectory},
		} {
			row := groupRow(workflow.GroupAdd, outsiderID, test.group)
			if test.change != nil {
				test.change(&row)
			}
			plan := e.check(row)
			c := plan.Changes[0]
			if c.Reason.Code != test.code || len(plan.Steps()) != test.steps || !strings.Contains(c.Reason.Words(), test.words) {
				t.Errorf("%s: %s (%s) with %d steps, want %q, %q and %d", name, c.State, c.Reason.Words(), len(plan.Steps()), test.code,
					test.words, test.steps)
			}
			for _, s := range plan.Steps() {
				if s.Directory != first {
					t.Errorf("%s: a step goes to directory %q", name, s.Directory)
				}
			}
		}
	})
}

// Whoever is in a group gets the access that it gives: said with the products.
func TestGroupEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		group := e.seats(0)
		add := e.check(groupRow(workflow.GroupAdd, outsiderID, group.Name+";jira-users")).Changes[0]
		if want := []workflow.Effect{workflow.EffectGives([]string{"jira-software"})}; !slices.Equal(add.Effects, want) {
			t.Errorf("effects %q, want %q", add.Effects, want)
		}
		if none := e.check(groupRow(workflow.GroupRemove, memberID, "jira-users")).Changes[0]; len(none.Effects) != 0 || len(none.Steps) != 1 {
			t.Errorf("effects %q of %d steps, want none of 1", none.Effects, len(none.Steps))
		}
	})
}

// An account that the organisation does not manage gets into groups all the same, by address and by
// id; its address is not asked of the management API, which knows only managed ones.
func TestUnmanagedInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.Put(organisation.Account{ID: "712020:0009", Name: "Guest", Email: "guest@elsewhere.example"}); err != nil {
			t.Fatal(err)
		}
		row := groupRow(workflow.GroupAdd, "", "jira-users")
		row.Set(workflow.ColumnEmail, "guest@elsewhere.example")
		e.allDone(e.run(e.check(row)))
		e.allDone(e.run(e.check(groupRow(workflow.GroupRemove, "712020:0009", "jira-users"))))
		if c := e.check(workflow.Row{
			Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "guest@elsewhere.example"),
		}).Changes[0]; c.Reason.Code != workflow.ReasonNotManaged {
			t.Errorf("to be deactivated it is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// before does something just before the first request of that method that changes something.
func (e *env) before(method string, do func()) {
	met := false
	e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
		if !met && changing(r) && r.Method == method {
			met = true
			do()
		}
		return nil
	}})
}

// Somebody else puts the account into the group, or takes it out, between our reading and our call:
// the answer alone does not tell, looking does. It is unchanged, as it was not us, and cannot be
// undone by us.
func TestSomebodyWasFaster(t *testing.T) {
	for _, test := range []struct {
		action workflow.ActionName
		method string
		id     string
		other  func(*organisation.Organisation, string) error
	}{
		{workflow.GroupAdd, http.MethodPost, outsiderID, func(o *organisation.Organisation, g string) error { return o.Join(g, outsiderID) }},
		{workflow.GroupRemove, http.MethodDelete, memberID, func(o *organisation.Organisation, g string) error { return o.Leave(g, memberID) }},
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			plan := e.check(groupRow(test.action, test.id, "jira-users"))
			e.before(test.method, func() {
				if err := test.other(e.org, e.org.Groups()[0].ID); err != nil {
					t.Error(err)
				}
			})
			c := e.run(plan)[0]
			if c.State != workflow.ChangeUnchanged || c.Reason.Code != workflow.ReasonAlready || len(e.org.Effects()) != 0 {
				t.Errorf("%s: the row is %s (%s) with effects %v", test.action, c.State, c.Reason.Words(), e.org.Effects())
			}
		})
	}
}

// A licence without a seat is told apart from a member already by looking for long enough; then the
// run pauses, and no other row has been used up.
func TestFullLicencePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		group := e.seats(1)
		if err := e.org.Join(group.ID, memberID); err != nil {
			t.Fatal(err)
		}
		var rows []workflow.Row
		for i := range 20 {
			id := fmt.Sprintf("712020:1%03d", i)
			if err := e.org.Put(organisation.Account{ID: id, Name: id, Email: id[7:] + "@example.com", Managed: true}); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, groupRow(workflow.GroupAdd, id, group.Name))
		}
		changes := e.run(e.check(rows...))
		b, _ := e.store.Batch(t.Context(), 1)
		if b.State != workflow.Paused || b.Stop.Cause != workflow.StopLicence {
			t.Errorf("the batch is %s (%s)", b.State, b.Stop.Cause)
		}
		counts := map[workflow.ChangeState]int{}
		for _, c := range changes {
			counts[c.State]++
			if c.State == workflow.ChangeFailed && (c.Reason.Code != workflow.ReasonLicenceFull || c.Attempts != 1 || c.Outcome(0).Attempts != 1) {
				t.Errorf("row %d failed after %d calls: %s", c.Row, c.Attempts, c.Reason.Words())
			}
		}
		if counts[workflow.ChangeFailed] != 1 || counts[workflow.ChangeReady] != 19 {
			t.Errorf("rows are %v, want one failed and the others ready", counts)
		}
		if n := e.calls()["POST memberships"]; n > 4 { // as many as there are workers
			t.Errorf("%d calls went out", n)
		}
	})
}

// calls counts the requests so far by method and what they are about.
func (e *env) calls() map[string]int {
	out := map[string]int{}
	for _, c := range e.org.Calls() {
		parts := strings.Split(c.Path, "/")
		kind := parts[len(parts)-1]
		if i := slices.Index(parts, "memberships"); i > 0 {
			kind = "memberships"
		}
		if kind == "search" {
			kind = parts[len(parts)-2] + "/search"
		}
		out[c.Method+" "+kind]++
	}
	return out
}

func total(calls map[string]int) int {
	n := 0
	for _, count := range calls {
		n += count
	}
	return n
}

// Calls per change: at most 1.2 while planning, and 3 after.
func TestGroupAddCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 400
		e := newEnv(t)
		var rows []workflow.Row
		for i := range many {
			id := fmt.Sprintf("712020:1%03d", i)
			if err := e.org.Put(organisation.Account{ID: id, Name: id, Email: id[7:] + "@example.com", Managed: true}); err != nil {
				t.Fatal(err)
			}
			rows = append(rows, groupRow(workflow.GroupAdd, id, "jira-users"))
		}
		plan := e.check(rows...)
		planned := e.calls()
		e.allDone(e.run(plan))
		all := e.calls()
		t.Logf("%d rows: planned with %v, run with %v", many, planned, all)
		if n := float64(total(planned)) / many; n > 1.2 {
			t.Errorf("%.2f calls a row while planning", n)
		}
		if n := float64(total(all)-total(planned)) / many; n > 3 {
			t.Errorf("%.2f calls a row after", n)
		}
	})
}

// A group is put back, and meant by its id, whatever that looks like.
func TestGroupsWithOtherIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if _, err := e.org.AddGroup(organisation.Group{ID: "group-9", Name: "guests"}); err != nil {
			t.Fatal(err)
		}
		changes := e.run(e.check(rowOf(workflow.GroupAdd, "group", "group-9")))
		e.allDone(changes)
		back := e.check(action.Inverse(&changes[0])...)
		if back.Ready() != 1 {
			t.Fatalf("the way back is %s: %s", back.Changes[0].State, back.Changes[0].Reason.Words())
		}
		e.allDone(e.run(back))
		if c := e.check(rowOf(workflow.GroupAdd, "group", "group-8")).Changes[0]; c.Reason.Code != workflow.ReasonNoGroup {
			t.Errorf("a group that is not there: %s", c.Reason.Words())
		}
	})
}
