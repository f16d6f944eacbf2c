package simulation

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
		{Status: "active"}, {Status: "inactive"}, {Membership: "suspended"}, {DeleteOn: time.Now().Add(10 * 24 * time.Hour)},
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
func (w *everywhere) fail(before func(*http.Request) *organisation.Fault) {
	w.org.SetFaults(organisation.Faults{Before: before})
	w.site.SetFaults(network.Faults{Before: before})
	w.scim.SetFaults(network.Faults{Before: before})
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

// Whatever Retry finds of a row of any action that failed, the row comes to an end that is true, nothing is done twice, and
// what could not be seen can be tried once more.
func TestRetryOfEveryAction(t *testing.T) {
	refuse := func(r *http.Request) *organisation.Fault {
		if readsOnly(r) {
			return nil
		}
		return &organisation.Fault{Status: http.StatusBadRequest, Body: `{"key":"refused","message":"not today"}`}
	}
	unread := func(r *http.Request) *organisation.Fault {
		return &organisation.Fault{Status: http.StatusServiceUnavailable}
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
					retry := func() workflow.Change {
						t.Helper()
						if _, err := d.engine.Retry(t.Context(), b.Number, asks); err != nil {
							t.Fatal(err)
						}
						d.reach(b.Number, workflow.Done)
						if following, _ := d.store.Following(t.Context(), b.Number); len(following) > 0 {
							t.Errorf("%d batches are asked for anew", len(following))
						}
						return d.one(b.Number)
					}
					var effects []string
					switch found {
					case "already so":
						other := deskAt(t, w.directory)
						a, _ := w.org.Account(before.AccountID)
						if before.AccountID == "" {
							a = w.org.Accounts()[len(w.org.Accounts())-1]
						}
						theirs := w.submitFor(other, it, a)
						other.approve(theirs.Number)
						if c := other.one(theirs.Number); c.State != workflow.ChangeDone {
							t.Fatalf("by another desk the row is %s (%s)", c.State, c.Reason.Words())
						}
						effects = w.effects()
					case "not to be read":
						w.fail(unread)
						c := retry()
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
					c := retry()
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
