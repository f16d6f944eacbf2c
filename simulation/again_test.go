package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/site"
	network "github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// everywhere is an organisation with a site and a SCIM directory of ours, for every action of the catalogue.
type everywhere struct {
	t         *testing.T
	org       *organisation.Organisation
	site      *site.Site
	scim      *scim.Server
	directory *atlassian.Directory
	around    action.Surroundings
}

func newEverywhere(t *testing.T) *everywhere {
	t.Helper()
	const (
		id     = "11111111-2222-3333-4444-555555555555"
		api    = "https://api.atlassian.example"
		jira   = "https://main.atlassian.example"
		groups = "22222222-0000-4000-8000-000000000001"
		people = "44444444-0000-4000-8000-000000000001"
		ours   = "55555555-0000-4000-8000-000000000001"
	)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	w := &everywhere{t: t, around: action.Surroundings{Domain: "example.com", Group: "jira-users", Site: "main", SiteGroup: "site-people"}}
	var err error
	w.org, err = organisation.New(organisation.Config{OrgID: id, Name: "Example", APIKey: "a-key"})
	must(err)
	w.org.SetBaseURL(api)
	w.org.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
	_, err = w.org.AddGroup(organisation.Group{ID: groups, Name: w.around.Group})
	must(err)
	for i, a := range []organisation.Account{
		{Status: "active"},
		{Status: "inactive"},
		{Membership: "suspended"},
		{DeleteOn: time.Now().Add(10 * 24 * time.Hour)},
		{Status: "active", Groups: []string{groups}, Tokens: []organisation.Token{{ID: "token-1"}, {ID: "token-2"}}},
	} {
		a.ID, a.Name = fmt.Sprintf("712020:000%d", i+1), fmt.Sprintf("Person %d", i+1)
		a.Email, a.Managed = fmt.Sprintf("person%d@example.com", i+1), true
		must(w.org.Put(a))
	}
	w.site, err = site.New(site.Config{
		URL: jira, Email: "admin@example.com", Token: "a-token", Admit: w.org.Admit,
		Profile: func(id string) (name, address string, active, known bool) {
			a, known := w.org.Account(id)
			return a.Name, a.Email, a.Status == "active", known
		},
	})
	must(err)
	w.site.AddGroup(site.Group{ID: people, Name: w.around.SiteGroup})
	for i, a := range w.org.Accounts() {
		u := site.User{AccountID: a.ID}
		if i == 4 {
			u.Groups, u.Columns = []string{people}, []string{"summary", "duedate"}
		}
		must(w.site.AddUser(u))
	}
	w.scim, err = scim.New(scim.Config{Organisation: w.org, URL: api})
	must(err)
	must(w.scim.AddDirectory(scim.Directory{ID: ours, Name: "hr", Key: "scim-key"}))
	over := func(way http.RoundTripper) atlassian.Config {
		return atlassian.Config{
			BaseURL: api, OrgID: id, Key: func() string { return "a-key" }, Log: zerolog.Nop(), HTTP: &http.Client{Transport: way},
			Pace: pace.Rate{Start: 10_000, Max: 10_000},
		}
	}
	client, err := atlassian.New(over(w.org.Transport()))
	must(err)
	t.Cleanup(client.Close)
	atSite, err := atlassian.NewSite(atlassian.SiteConfig{
		Name: w.around.Site, URL: jira, Email: "admin@example.com", Token: func() string { return "a-token" },
	}, over(w.site.Transport()))
	must(err)
	t.Cleanup(atSite.Close)
	records, err := atlassian.NewSCIM(atlassian.SCIMConfig{Name: "hr", DirectoryID: ours, Key: func() string { return "scim-key" }}, over(w.scim.Transport()))
	must(err)
	t.Cleanup(records.Close)
	w.directory = atlassian.NewDirectory(client, atSite).WithSCIM(records)
	return w
}

// fail makes requests go wrong before they have an effect, wherever they go.
func (w *everywhere) fail(before func(*http.Request) *organisation.Fault) { w.failBoth(before, nil) }

// failBoth makes them go wrong behind their effect, too.
func (w *everywhere) failBoth(before, after func(*http.Request) *organisation.Fault) {
	w.org.SetFaults(organisation.Faults{Before: before, After: after})
	w.site.SetFaults(network.Faults{Before: before, After: after})
	w.scim.SetFaults(network.Faults{Before: before, After: after})
}

func (w *everywhere) effects() []string {
	var out []string
	for _, e := range w.org.Effects() {
		out = append(out, fmt.Sprintf("%+v", e))
	}
	for _, e := range w.site.Effects() {
		out = append(out, fmt.Sprintf("%+v", e))
	}
	for _, e := range w.scim.Effects() {
		out = append(out, fmt.Sprintf("%+v", e))
	}
	return out
}

// submit asks for an action on the last account for which it can run.
func (w *everywhere) submit(d *desk, it *action.Action) *workflow.Batch {
	w.t.Helper()
	for _, a := range slices.Backward(w.org.Accounts()) {
		b := w.submitFor(d, it, a)
		if d.settled(b.Number) == workflow.AwaitingApproval {
			return b
		}
	}
	w.t.Fatalf("the example of %s can run for no account", it.Name)
	return nil
}

func (w *everywhere) submitFor(d *desk, it *action.Action, a organisation.Account) *workflow.Batch {
	w.t.Helper()
	row := it.Example(workflow.Account{
		ID: a.ID, Name: a.Name, Email: a.Email, Type: "atlassian", Status: workflow.AccountStatus(a.Status), Managed: true,
	}, w.around)
	b, err := d.engine.Submit(context.Background(), asks, workflow.Request{
		Requester: asks.Person, Source: workflow.Source{Kind: workflow.SourceCommand},
		Sheet: workflow.Sheet{Rows: []workflow.Row{{Line: 1, Action: it.Name, Values: row}}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// settled lets time pass until a batch is checked.
func (d *desk) settled(number int64) workflow.State {
	d.t.Helper()
	for range 3600 {
		synctest.Wait()
		b, err := d.store.Batch(context.Background(), number)
		if err != nil {
			d.t.Fatal(err)
		}
		if b.State != workflow.Planning {
			return b.State
		}
		time.Sleep(time.Second)
	}
	d.t.Fatalf("batch %d is never checked", number)
	return ""
}

// readsOnly reports whether a request changes nothing.
func readsOnly(r *http.Request) bool {
	return r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") || strings.HasSuffix(r.URL.Path, "/workspaces")
}

// unread is the answer of a place that cannot be read for now.
func unread(*http.Request) *organisation.Fault {
	return &organisation.Fault{Status: http.StatusServiceUnavailable}
}

// lose loses the answer to the first call that changes something, before or behind its effect, and nothing can be read from
// then on.
func (w *everywhere) lose(behind bool) {
	var lost atomic.Bool
	first := func(r *http.Request) *organisation.Fault {
		if readsOnly(r) || lost.Swap(true) {
			return nil
		}
		drop := organisation.Drop()
		return &drop
	}
	w.failBoth(func(r *http.Request) *organisation.Fault {
		switch {
		case lost.Load():
			return unread(r)
		case behind:
			return nil
		}
		return first(r)
	}, func(r *http.Request) *organisation.Fault {
		if behind {
			return first(r)
		}
		return nil
	})
}

// byOthers has another desk bring about what the action's example asks for, of an account or of the last one.
func (w *everywhere) byOthers(it *action.Action, account string) {
	w.t.Helper()
	a, known := w.org.Account(account)
	if !known {
		a = w.org.Accounts()[len(w.org.Accounts())-1]
	}
	other := deskAt(w.t, w.directory)
	b := w.submitFor(other, it, a)
	other.approve(b.Number)
	if c := other.one(b.Number); c.State != workflow.ChangeDone {
		w.t.Fatalf("by another desk the row is %s (%s)", c.State, c.Reason.Words())
	}
}

// Whatever Retry finds of a row of any action that failed, the row comes to an end that is true, nothing is done twice, and
// what could not be seen can be tried once more.
func TestRetryOfEveryAction(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a database for each case")
	}
	refuse := func(r *http.Request) *organisation.Fault {
		if readsOnly(r) {
			return nil
		}
		return &organisation.Fault{Status: http.StatusBadRequest, Body: `{"key":"refused","message":"not today"}`}
	}
	for _, it := range action.Catalogue() {
		for _, found := range []string{"as planned", "already so", "not to be read", "gone"} {
			t.Run(fmt.Sprintf("%s, %s", it.Name, found), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newEverywhere(t)
					d := deskAt(t, w.directory)
					b := w.submit(d, it)
					w.fail(refuse)
					d.approve(b.Number)
					before := d.one(b.Number)
					if before.State != workflow.ChangeFailed || len(w.effects()) > 0 {
						t.Fatalf("refused, the row is %s (%s), with effects %v", before.State, before.Reason.Words(), w.effects())
					}
					w.fail(nil)
					var effects []string
					switch found {
					case "already so":
						w.byOthers(it, before.AccountID)
						effects = w.effects()
					case "not to be read":
						w.fail(unread)
						c := d.retried(b.Number)
						if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonNotLookedAt || len(w.effects()) > 0 {
							t.Errorf("not to be read, the row is %s (%s)", c.State, c.Reason.Words())
						}
						w.fail(nil)
					case "gone":
						if before.AccountID == "" {
							return // who is invited is nobody yet
						}
						w.org.Remove(before.AccountID)
					}
					c := d.retried(b.Number)
					switch {
					case found == "gone":
						if c.State != workflow.ChangeFailed || c.Reason.Code == workflow.ReasonNotLookedAt || len(w.effects()) > 0 {
							t.Errorf("the row of who is gone is %s (%s), with effects %v", c.State, c.Reason.Words(), w.effects())
						}
					case c.State != workflow.ChangeDone && (found != "already so" || c.State != workflow.ChangeUnchanged):
						t.Errorf("the row is %s (%s)", c.State, c.Reason.Words())
					case found == "already so" && !slices.Equal(effects, w.effects()):
						t.Errorf("effects %v, and others did all of it: %v", w.effects(), effects)
					case len(w.effects()) == 0:
						t.Error("the row is done, and nothing was")
					}
				})
			})
		}
	}
}

// decide approves a batch and lets it begin.
func (d *desk) decide(number int64) {
	d.t.Helper()
	b := d.reach(number, workflow.AwaitingApproval)
	if _, err := d.engine.Decide(context.Background(), number, approves, workflow.Approve, b.Digest, ""); err != nil {
		d.t.Fatal(err)
	}
}

// unknownCall is how an answer gets lost and what is found of the row when it is looked at again.
type unknownCall struct {
	arrived bool // the call had its effect
	restart bool // looked at by a new start, else by Resume
	found   string
}

// A call of any action of which nobody knows what became of it is found out about, by Resume as by a new start: it is made
// once, and not once more.
func TestUnknownCallOfEveryAction(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a database for each case")
	}
	for _, it := range action.Catalogue() {
		var most int
		synctest.Test(t, func(t *testing.T) {
			w := newEverywhere(t)
			d := deskAt(t, w.directory)
			d.approve(w.submit(d, it).Number)
			most = len(w.effects())
		})
		for _, how := range []unknownCall{
			{false, false, "as planned"},
			{false, true, "as planned"},
			{true, false, "as planned"},
			{true, true, "as planned"},
			{false, false, "already so"},
			{false, true, "already so"},
			{false, false, "not to be read"},
			{true, true, "not to be read"},
			{false, true, "gone"},
			{true, false, "gone"},
		} {
			t.Run(fmt.Sprintf("%s, %+v", it.Name, how), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { newEverywhere(t).losesAnswer(it, how, most) })
			})
		}
	}
}

// losesAnswer loses the answer to the first call of an action's example; most are the effects that it has.
func (w *everywhere) losesAnswer(it *action.Action, how unknownCall, most int) {
	t := w.t
	d := deskAt(t, w.directory)
	b := w.submit(d, it)
	row := d.one(b.Number)
	w.lose(how.arrived)
	d.decide(b.Number)
	if how.restart {
		time.Sleep(20 * time.Second)
		d.end()
	} else {
		d.reach(b.Number, workflow.Paused)
	}
	w.fail(nil)
	made := len(w.effects())
	if (made > 0) != how.arrived {
		t.Fatalf("%d effects of the call that was lost", made)
	}
	again := func() {
		t.Helper()
		if how.restart {
			d.end()
			d.start()
			return
		}
		if _, err := d.engine.Resume(t.Context(), b.Number, approves); err != nil {
			t.Fatal(err)
		}
	}
	switch how.found {
	case "already so":
		w.byOthers(it, row.AccountID)
		made = len(w.effects())
	case "not to be read":
		w.fail(unread)
		again()
		d.reach(b.Number, workflow.Paused)
		w.fail(nil)
		how.restart = false
	case "gone":
		if row.AccountID == "" || row.Steps[0].Place == workflow.PlaceSite {
			return // who is invited is nobody yet, and a site knows people for itself
		}
		w.org.Remove(row.AccountID)
	}
	again()
	d.reach(b.Number, workflow.Done)
	c, effects := d.one(b.Number), len(w.effects())
	if how.found == "already so" && c.State == workflow.ChangeFailed && len(row.Steps) > 1 { // by the last step, behind the lost one
		c, effects = d.retried(b.Number), len(w.effects())
	}
	switch {
	case how.found == "gone":
		if c.State != workflow.ChangeFailed && it.Name != workflow.Remove || effects != made { // who is not there is removed
			t.Errorf("the row of who is gone is %s (%s), with %d effects", c.State, c.Reason.Words(), effects)
		}
	case c.State != workflow.ChangeDone && c.State != workflow.ChangeUnchanged:
		t.Errorf("the row is %s (%s)", c.State, c.Reason.Words())
	case how.found == "already so" && effects != made:
		t.Errorf("%d effects, and others had made all %d", effects, made)
	case effects != most:
		t.Errorf("%d effects, want %d: %v", effects, most, w.effects())
	}
}

// What Check again finds is planned anew, and what ran is taken back by an undo, of every action that has one.
func TestCheckAgainAndUndoOfEveryAction(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a database for each case")
	}
	for _, it := range action.Catalogue() {
		t.Run(string(it.Name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newEverywhere(t)
				sound := deskAt(t, w.directory)
				ready := w.submit(sound, it)
				a, _ := w.org.Account(sound.one(ready.Number).AccountID)
				if a.ID == "" {
					a = w.org.Accounts()[len(w.org.Accounts())-1]
				}
				d := deskAt(t, w.directory)
				w.fail(unread)
				first := w.submitFor(d, it, a)
				if state := d.settled(first.Number); state != workflow.Empty {
					t.Fatalf("not to be read, the batch is %s", state)
				}
				w.fail(nil)
				b, err := d.engine.Recheck(t.Context(), first.Number, asks)
				if err != nil {
					t.Fatal(err)
				}
				d.approve(b.Number)
				if c := d.one(b.Number); c.State != workflow.ChangeDone {
					t.Fatalf("the row is %s (%s)", c.State, c.Reason.Words())
				}
				undo, err := d.engine.Undo(t.Context(), b.Number, asks)
				if (err == nil) != it.CanUndo() {
					t.Fatalf("undo: %v, and it can be undone: %v", err, it.CanUndo())
				}
				if err != nil {
					return
				}
				d.approve(undo.Number)
				changes, err := d.store.Changes(t.Context(), undo.Number, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range changes {
					if c.State != workflow.ChangeDone {
						t.Errorf("row %d of the undo is %s (%s)", c.Row, c.State, c.Reason.Words())
					}
				}
			})
		})
	}
}
