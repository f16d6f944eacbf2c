package actiontest

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

func siteRow(action workflow.ActionName, values ...string) workflow.Row {
	row := workflow.Row{Action: action}
	row.Set(workflow.ColumnSite, "main")
	for i := 0; i < len(values); i += 2 {
		row.Set(workflow.Column(values[i]), values[i+1])
	}
	return row
}

// Who is meant at a site, and what is refused there with the reason.
func TestSiteRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.Put(organisation.Account{ID: "712020:0050", Name: "Elsewhere", Email: "elsewhere@example.com", Managed: true}); err != nil {
			t.Fatal(err)
		}
		e.site.AddGroup(site.Group{ID: "g-9", Name: "site-guests"}) // what an id looks like is not documented
		const add, create = workflow.SiteGroupAdd, workflow.SiteCreate
		for name, test := range map[string]struct {
			row   workflow.Row
			state workflow.ChangeState
			code  workflow.ReasonCode
			id    string
		}{
			"by id":          {siteRow(add, "account_id", outsiderID, "group", "site-people"), workflow.ChangeReady, "", outsiderID},
			"by address":     {siteRow(add, "email", "Person.A@example.com", "group", siteGroup), workflow.ChangeReady, "", outsiderID},
			"by another id":  {siteRow(add, "account_id", outsiderID, "group", "g-9"), workflow.ChangeReady, "", outsiderID},
			"by username":    {siteRow(add, "username", "legacy1", "group", "SITE-people"), workflow.ChangeReady, "", outsiderID},
			"by key":         {siteRow(add, "user_key", "JIRAUSER10001", "group", "site-people"), workflow.ChangeReady, "", outsiderID},
			"nobody's name":  {siteRow(add, "username", "nobody", "group", "site-people"), workflow.ChangeBlocked, workflow.ReasonNoLegacy, ""},
			"in it":          {siteRow(add, "account_id", memberID, "group", "site-people"), workflow.ChangeUnchanged, workflow.ReasonAlready, memberID},
			"no such group":  {siteRow(add, "account_id", outsiderID, "group", "site"), workflow.ChangeBlocked, workflow.ReasonNoGroup, outsiderID},
			"no user there":  {siteRow(add, "account_id", "712020:0050", "group", "site-people"), workflow.ChangeBlocked, workflow.ReasonNotOnSite, "712020:0050"},
			"no such site":   {siteRow(add, "account_id", outsiderID, "group", "x", "site", "other"), workflow.ChangeBlocked, workflow.ReasonNoSite, outsiderID},
			"create":         {siteRow(create, "email", "new@example.com", "products", "jira-software"), workflow.ChangeReady, "", ""},
			"is there":       {siteRow(create, "email", "person.a@example.com"), workflow.ChangeUnchanged, workflow.ReasonAlready, ""},
			"there, product": {siteRow(create, "email", "person.a@example.com", "products", "jira-core"), workflow.ChangeBlocked, workflow.ReasonOnSite, ""},
			"inactive there": {siteRow(create, "email", "person.b@example.com"), workflow.ChangeBlocked, workflow.ReasonOnSite, ""},
			"gone already":   {siteRow(workflow.SiteDelete, "account_id", "712020:0050"), workflow.ChangeUnchanged, workflow.ReasonAlready, "712020:0050"},
			"columns as is":  {siteRow(workflow.SiteColumns, "account_id", outsiderID), workflow.ChangeUnchanged, workflow.ReasonAlready, outsiderID},
			"columns":        {siteRow(workflow.SiteColumns, "username", "legacy3"), workflow.ChangeReady, "", memberID},
		} {
			c := e.check(test.row).Changes[0]
			if c.State != test.state || c.Reason.Code != test.code || c.AccountID != test.id {
				t.Errorf("%s: %s is %s (%s)", name, c.AccountID, c.State, c.Reason.Words())
			}
			if c.Asked.Values.Get(workflow.ColumnAccountID) != test.row.Values.Get(workflow.ColumnAccountID) {
				t.Errorf("%s: what was asked for has changed: %v", name, c.Asked.Values)
			}
		}
		two := e.check(siteRow(create, "email", "a@example.com"), siteRow(create, "email", "A@example.com"))
		if two.Ready() != 0 {
			t.Error("one address is created twice at one site")
		}
	})
}

// Where the calling account may not look, nothing is taken for an answer: not for "no such user", nor
// for "no such group", nor for proof.
func TestSiteForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		rows := []workflow.Row{
			siteRow(workflow.SiteGroupAdd, "account_id", outsiderID, "group", "site-people"),
			siteRow(workflow.SiteDelete, "account_id", memberID),
			siteRow(workflow.SiteCreate, "email", "person.c@example.com"),
			siteRow(workflow.SiteColumns, "account_id", memberID),
		}
		ready := e.check(rows[1])
		e.site.SetDenied(site.Denied{Browse: true, SiteAdmin: true, OrgAdmin: true, AdminsJira: true})
		for _, row := range rows {
			if c := e.check(row).Changes[0]; c.State != workflow.ChangeBlocked || c.Reason.Code != workflow.ReasonSiteForbidden {
				t.Errorf("%s is %s (%s)", row.Action, c.State, c.Reason.Words())
			}
		}
		if c := e.run(ready)[0]; c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonSiteForbidden {
			t.Errorf("run without permission: %s (%s)", c.State, c.Reason.Words())
		}
		if _, err := e.directory.FindAtSite(t.Context(), "main", "person", 5); err == nil {
			t.Error("nobody was found where nobody may be seen, and that was not said")
		} else if refusal, ok := errors.AsType[*workflow.Refusal](err); !ok || refusal.Reason.Code != workflow.ReasonSiteForbidden {
			t.Errorf("find: %v", err)
		}
	})
}

// "A member already" and "licence full" look alike at a site, too.
func TestSiteLicence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.site.AddGroup(site.Group{ID: siteGroup, Name: "site-people", Seats: 1})
		changes := e.run(e.check(
			siteRow(workflow.SiteGroupAdd, "account_id", outsiderID, "group", "site-people"),
			siteRow(workflow.SiteGroupAdd, "account_id", "712020:0004", "group", "site-people")))
		b, _ := e.store.Batch(t.Context(), 1)
		failed := 0
		for _, c := range changes {
			if c.State == workflow.ChangeFailed && c.Reason.Code == workflow.ReasonLicenceFull && c.Attempts == 1 {
				failed++
			}
		}
		if failed != 1 || b.Stop.Cause != workflow.StopLicence {
			t.Errorf("rows are %s and %s, the batch %s (%s)", changes[0].State, changes[1].State, b.State, b.Stop.Cause)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(siteRow(workflow.SiteGroupAdd, "account_id", outsiderID, "group", "site-people"))
		met := false
		e.site.SetFaults(wire.Faults{Before: func(r *http.Request) *wire.Fault {
			if r.Method == http.MethodPost && !met {
				met = true
				u, _ := e.site.User(outsiderID)
				u.Groups = []string{siteGroup}
				if err := e.site.AddUser(u); err != nil {
					t.Error(err)
				}
			}
			return nil
		}})
		if c := e.run(plan)[0]; c.State != workflow.ChangeUnchanged || len(e.site.Effects()) != 0 {
			t.Errorf("a member already is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// A user whom somebody else creates meanwhile, without the products that were asked for, is not taken for ours, neither before
// the call nor behind one whose answer was lost.
func TestSiteUserOfSomebodyElse(t *testing.T) {
	for name, lost := range map[string]bool{"before the call": false, "behind a lost call": true} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			account := organisation.Account{ID: "712020:0060", Name: "Late", Email: "late@example.com", Managed: true, Status: "active"}
			if err := e.org.Put(account); err != nil {
				t.Fatal(err)
			}
			plan := e.check(siteRow(workflow.SiteCreate, "email", account.Email, "products", "jira-software"))
			join := func() {
				if err := e.site.AddUser(site.User{AccountID: account.ID, Name: account.Name, Email: account.Email}); err != nil {
					t.Error(err)
				}
			}
			if lost {
				e.site.SetFaults(wire.Faults{Before: func(r *http.Request) *wire.Fault {
					if r.Method != http.MethodPost {
						return nil
					}
					join()
					return &wire.Fault{Drop: true}
				}})
			} else {
				join()
			}
			if c := e.run(plan)[0]; c.State != workflow.ChangeFailed || len(e.site.Effects()) != 0 {
				t.Errorf("%s: the row is %s (%s), effects %v", name, c.State, c.Reason.Words(), e.site.Effects())
			}
		})
	}
}

// Some sites keep who was removed as an inactive user, and some make new users inactive.
func TestSiteOddities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.site.KeepDeleted(true)
		e.allDone(e.run(e.check(siteRow(workflow.SiteDelete, "account_id", memberID))))
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.site.CreateSuspended(true)
		c := e.run(e.check(siteRow(workflow.SiteCreate, "email", "new@example.com")))[0]
		if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotProved || !strings.Contains(c.Reason.Words(), "suspended") {
			t.Errorf("somebody created inactive is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// A site's key that is refused stops the site's rows and no others.
func TestSiteKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(
			siteRow(workflow.SiteDelete, "account_id", memberID),
			workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, outsiderID)})
		e.site.SetFaults(wire.Faults{Before: func(*http.Request) *wire.Fault { return &wire.Fault{Status: http.StatusUnauthorized} }})
		changes := e.run(plan)
		b, _ := e.store.Batch(t.Context(), 1)
		if changes[0].State != workflow.ChangeReady || changes[1].State != workflow.ChangeDone || b.Stop.Cause != workflow.StopKeyRefused {
			t.Errorf("rows are %s and %s, the batch %s (%s)", changes[0].State, changes[1].State, b.State, b.Stop.Cause)
		}
	})
}

// People look for users of a site by name, address, id and legacy names, and see their groups.
func TestFindAtSite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		for text, want := range map[string]string{
			"Person C": memberID, "person.c@": memberID, memberID: memberID, "legacy3": memberID, "JIRAUSER10003": memberID,
			"legacy2": "712020:0002", // inactive, so that no search finds them
			"nobody":  "",
		} {
			found, err := e.directory.FindAtSite(t.Context(), "main", text, 5)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			if want == "" && len(found) > 0 || want != "" && (len(found) != 1 || found[0].ID != want) {
				t.Errorf("%s finds %v, want %s", text, found, want)
			}
			if want == memberID && (len(found) != 1 || len(found[0].Groups) != 1 || found[0].Groups[0] != "site-people") {
				t.Errorf("%s: %v, want the group", text, found)
			}
		}
	})
}

// A group of a site is put back whatever its id looks like.
func TestUndoAtASiteWithOtherIDs(t *testing.T) {
	for _, name := range []workflow.ActionName{workflow.SiteGroupAdd, workflow.SiteGroupRemove} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			e.site.AddGroup(site.Group{ID: "4711", Name: "site-guests"})
			u, _ := e.site.User(memberID)
			who := outsiderID
			if name == workflow.SiteGroupRemove {
				who, u.Groups = memberID, append(u.Groups, "4711")
			}
			if err := e.site.AddUser(u); err != nil {
				t.Fatal(err)
			}
			changes := e.run(e.check(siteRow(name, "account_id", who, "group", "site-guests")))
			e.allDone(changes)
			back := e.check(action.Inverse(&changes[0])...)
			if back.Ready() != 1 {
				t.Fatalf("the way back of %s is %s: %s", name, back.Changes[0].State, back.Changes[0].Reason.Words())
			}
			e.allDone(e.run(back))
		})
	}
}
