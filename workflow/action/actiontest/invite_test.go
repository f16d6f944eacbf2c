package actiontest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

func inviteRow(address, group, products, message string) workflow.Row {
	return workflow.Row{Action: workflow.Invite, Values: workflow.Of(workflow.ColumnEmail, address).With(workflow.ColumnGroup, group).
		With(workflow.ColumnProducts, products).With(workflow.ColumnMessage, message)}
}

func (e *env) addSites() {
	e.t.Helper()
	for i, host := range []string{"one", "two"} {
		for _, key := range []string{"jira-software", "confluence"} {
			if key == "confluence" && i == 1 {
				continue
			}
			err := e.org.AddWorkspace(organisation.Workspace{
				ID: fmt.Sprintf("ari:cloud:%s::site/%s", key, host), Name: host, Type: key, TypeKey: key,
				URL: "https://" + host + ".atlassian.example/wiki",
			})
			if err != nil {
				e.t.Fatal(err)
			}
		}
	}
}

// Who may be invited, and to what.
func TestInviteIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.addSites()
		for _, a := range []organisation.Account{
			{ID: "712020:0010", Name: "Left", Email: "left@example.com", Managed: true, Membership: "no_membership"},
			{ID: "712020:0011", Name: "Off", Email: "off@example.com", Managed: true, Status: "inactive", Membership: "no_membership"},
		} {
			if err := e.org.Put(a); err != nil {
				t.Fatal(err)
			}
		}
		for name, test := range map[string]struct {
			row   workflow.Row
			state workflow.ChangeState
			code  workflow.ReasonCode
			words string
		}{
			"somebody new":         {row: inviteRow("new@elsewhere.example", "", "", ""), state: workflow.ChangeReady},
			"into a group":         {row: inviteRow("new@elsewhere.example", "JIRA-users", "", ""), state: workflow.ChangeReady},
			"with a product":       {row: inviteRow("new@elsewhere.example", "", "confluence", ""), state: workflow.ChangeReady},
			"of one of two sites":  {row: inviteRow("new@elsewhere.example", "", "jira-software@two.atlassian.example", ""), state: workflow.ChangeReady},
			"back into it":         {row: inviteRow("left@example.com", "", "", ""), state: workflow.ChangeReady},
			"all is so":            {row: inviteRow("person.c@example.com", "jira-users", "", ""), state: workflow.ChangeUnchanged, code: workflow.ReasonAlready},
			"there, without":       {row: inviteRow("person.a@example.com", "jira-users", "", ""), state: workflow.ChangeBlocked, code: workflow.ReasonInvited},
			"there, no product":    {row: inviteRow("person.c@example.com", "", "confluence", ""), state: workflow.ChangeBlocked, code: workflow.ReasonInvited},
			"deactivated":          {row: inviteRow("off@example.com", "", "", ""), state: workflow.ChangeBlocked, code: workflow.ReasonInactive},
			"no such product":      {row: inviteRow("new@elsewhere.example", "", "jira", ""), state: workflow.ChangeBlocked, code: workflow.ReasonWhichProduct, words: "confluence@one.atlassian.example, jira-software@one"},
			"a product of two":     {row: inviteRow("new@elsewhere.example", "", "jira-software", ""), state: workflow.ChangeBlocked, code: workflow.ReasonWhichProduct, words: "jira-software@one.atlassian.example, jira-software@two.atlassian.example"},
			"no such group":        {row: inviteRow("new@elsewhere.example", "x", "", ""), state: workflow.ChangeBlocked, code: workflow.ReasonNoGroup},
			"no product, no group": {row: inviteRow("new@elsewhere.example", "", "", ""), state: workflow.ChangeReady},
		} {
			c := e.check(test.row).Changes[0]
			if c.State != test.state || c.Reason.Code != test.code || !strings.Contains(c.Reason.Words(), test.words) {
				t.Errorf("%s: %s (%s)", name, c.State, c.Reason.Words())
			}
		}
		two := e.check(inviteRow("new@elsewhere.example", "", "", ""), inviteRow("New@elsewhere.example", "", "", ""))
		if two.Ready() != 0 || two.Changes[0].Reason.Code != workflow.ReasonSameTarget {
			t.Errorf("one address twice: %d ready, %s", two.Ready(), two.Changes[0].Reason.Words())
		}
	})
}

// invitations are the bodies of the invitations that arrive.
func (e *env) invitations(then func(*http.Request) *organisation.Fault) *[]map[string]any {
	var sent []map[string]any
	e.org.SetFaults(organisation.Faults{After: func(r *http.Request) *organisation.Fault {
		if !strings.HasSuffix(r.URL.Path, "/users/invite") {
			return nil
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			e.t.Error(err)
		}
		sent = append(sent, body)
		if then != nil {
			return then(r)
		}
		return nil
	}})
	return &sent
}

func manyInvites(n int) []workflow.Row {
	var rows []workflow.Row
	for i := range n {
		rows = append(rows, inviteRow(fmt.Sprintf("new%03d@example.com", i), "jira-users", "", ""))
	}
	return rows
}

// 25 addresses a call, those that share message, groups and products; a mail goes out only with a
// message.
func TestInvitesGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		sent := e.invitations(nil)
		rows := append(manyInvites(60), inviteRow("told@example.com", "jira-users", "", "Welcome"))
		e.allDone(e.run(e.check(rows...)))
		var sizes []int
		mails := 0
		for _, body := range *sent {
			emails := body["emails"].([]any)
			sizes = append(sizes, len(emails))
			if body["sendNotification"] == true {
				mails += len(emails)
				if body["notificationText"] != "Welcome" || len(emails) != 1 {
					t.Errorf("the mail to %v says %q", emails, body["notificationText"])
				}
			}
		}
		slices.Sort(sizes)
		if !slices.Equal(sizes, []int{1, 10, 25, 25}) || mails != 1 {
			t.Errorf("calls of %v addresses, and %d mails", sizes, mails)
		}
	})
}

// Of a call of which some addresses were refused each row has its own outcome; a licence without a
// seat pauses.
func TestInvitePartly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.org.SetFaults(organisation.Faults{InviteError: func(address string) string {
			if address == "new003@example.com" {
				return "the address is on a blocklist"
			}
			return ""
		}})
		changes := e.run(e.check(manyInvites(10)...))
		for i, c := range changes {
			switch {
			case i == 3 && (c.State != workflow.ChangeFailed || !strings.Contains(c.Reason.Words(), "blocklist")),
				i != 3 && c.State != workflow.ChangeDone:
				t.Errorf("row %d is %s (%s)", i+1, c.State, c.Reason.Words())
			case i != 3 && c.Outcome(0).Told.Get(workflow.FieldID) == "":
				t.Errorf("row %d does not keep the account that was made", i+1)
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		group := e.seats(4)
		var rows []workflow.Row
		for i := range 10 {
			rows = append(rows, inviteRow(fmt.Sprintf("new%03d@example.com", i), group.Name, "", ""))
		}
		changes := e.run(e.check(rows...))
		b, _ := e.store.Batch(t.Context(), 1)
		done := 0
		for _, c := range changes {
			if c.State == workflow.ChangeDone {
				done++
			} else if c.Reason.Code != workflow.ReasonLicenceFull || c.State == workflow.ChangeFailed && c.Attempts != 1 {
				t.Errorf("row %d is %s after %d calls (%s)", c.Row, c.State, c.Attempts, c.Reason.Words())
			}
		}
		if done != 4 || b.Stop.Cause != workflow.StopLicence && b.State != workflow.Done {
			t.Errorf("%d of 10 are done, the batch is %s (%s)", done, b.State, b.Stop.Cause)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.org.SetFree(true)
		for _, c := range e.run(e.check(manyInvites(3)...)) {
			if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNoPlan {
				t.Errorf("without a subscription row %d is %s (%s)", c.Row, c.State, c.Reason.Words())
			}
		}
	})
}

// A call whose answer is lost, or says yes and tells of nobody, is read back for all its rows; none
// is invited twice.
func TestInviteUnknown(t *testing.T) {
	drop, half := organisation.Drop(), organisation.Half()
	for name, fault := range map[string]*organisation.Fault{"lost": &drop, "cut": &half} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			met := false
			e.invitations(func(*http.Request) *organisation.Fault {
				if met {
					return nil
				}
				met = true
				return fault
			})
			e.allDone(e.run(e.check(manyInvites(20)...)))
			if n := e.doings(); n != 20 {
				t.Errorf("%s: %d effects, want 20", name, n)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) { // without any effect they are all sent again
		e := newEnv(t)
		e.org.SetFaults(organisation.Faults{Before: once(organisation.Drop())})
		e.allDone(e.run(e.check(manyInvites(20)...)))
		if n := e.doings(); n != 20 {
			t.Errorf("%d effects, want 20", n)
		}
	})
}

// Whoever was invited shows in a search alone, which may be late: they are not invited, and mailed, twice for it.
func TestInviteUnknownShowsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		known := map[string]bool{}
		for _, a := range e.org.Accounts() {
			known[a.ID] = true
		}
		var made time.Time
		e.org.SetFaults(organisation.Faults{
			After: func(r *http.Request) *organisation.Fault {
				if !strings.HasSuffix(r.URL.Path, "/users/invite") || !made.IsZero() {
					return nil
				}
				made = time.Now()
				drop := organisation.Drop()
				return &drop
			},
			Omit: func(id string) bool { return !known[id] && time.Since(made) < time.Minute },
		})
		e.allDone(e.run(e.check(manyInvites(5)...)))
		if n := e.doings(); n != 5 {
			t.Errorf("%d invitations for 5 people", n)
		}
	})
}

// Calls per address: at most 0.2 while planning and for the call, and the proof.
func TestInviteCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 400
		e := newEnv(t)
		plan := e.check(manyInvites(many)...)
		planned := e.calls()
		e.allDone(e.run(plan))
		all := e.calls()
		t.Logf("%d rows: planned with %v, run with %v", many, planned, all)
		if n := float64(total(all)) / many; n > 0.2 {
			t.Errorf("%.2f calls an address, proofs included", n)
		}
	})
}
