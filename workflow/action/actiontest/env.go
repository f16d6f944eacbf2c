package actiontest

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/wire"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/run"
)

const (
	orgID = "11111111-2222-3333-4444-555555555555"
	key   = "ATCTT-the-key-of-this-suite"
)

// env is an organisation, the client's view of it, and a batch whose rows run there.
type env struct {
	t         testing.TB
	org       *organisation.Organisation
	site      *site.Site
	scim      *scim.Server // a directory of ours and one of an identity provider
	directory *atlassian.Directory
	around    action.Surroundings
	store     *memory
	wrap      func(workflow.Directory) workflow.Directory // around the directory of runs; may be nil
}

// newEnv has people with and without an account that may log in, one that is suspended, one that
// is being deleted, some in a group.
func newEnv(t testing.TB) *env {
	t.Helper()
	org, err := organisation.New(organisation.Config{OrgID: orgID, Name: "Example", APIKey: key, PageSize: 20})
	if err != nil {
		t.Fatal(err)
	}
	e := &env{t: t, org: org, around: action.Surroundings{
		Domain: "example.com", Group: "jira-users", Site: "main", SiteGroup: "site-people",
	}, store: newMemory()}
	org.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
	group, err := org.AddGroup(organisation.Group{ID: "22222222-0000-4000-8000-000000000001", Name: e.around.Group})
	if err != nil {
		t.Fatal(err)
	}
	if err := org.Put(organisation.Account{
		ID: "712020:0004", Name: "Person D", Email: "person.d@example.com", Managed: true, Membership: "suspended",
	}); err != nil {
		t.Fatal(err)
	}
	if err := org.Put(organisation.Account{
		ID: "712020:0005", Name: "Person E", Email: "person.e@example.com", Managed: true, DeleteOn: time.Now().Add(10 * 24 * time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	for i, status := range []string{"active", "inactive", "active"} {
		a := organisation.Account{
			ID: "712020:000" + string(rune('1'+i)), Name: "Person " + string(rune('A'+i)), Status: status, Managed: true,
			Email: "person." + string(rune('a'+i)) + "@example.com",
		}
		if i == 2 {
			a.Groups = []string{group.ID}
			a.Tokens = []organisation.Token{{ID: "token-1"}, {ID: "token-2"}}
		}
		if err := org.Put(a); err != nil {
			t.Fatal(err)
		}
	}
	org.SetBaseURL("https://api.atlassian.example")
	client, err := atlassian.New(atlassian.Config{
		BaseURL: "https://api.atlassian.example", OrgID: orgID, Key: func() string { return key }, Log: zerolog.Nop(),
		HTTP: &http.Client{Transport: org.Transport()}, Pace: pace.Rate{Start: 10_000, Max: 10_000},
		Rand: rand.New(rand.NewPCG(1, 2)),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	atSite, ours := e.addSite(), e.addSCIM()
	t.Cleanup(func() {
		for _, v := range slices.Concat(org.Violations(), e.site.Violations(), e.scim.Violations()) {
			t.Errorf("violation: %s", v)
		}
	})
	e.directory = atlassian.NewDirectory(client, atSite).WithSCIM(ours)
	return e
}

const (
	siteURL   = "https://main.atlassian.example"
	siteEmail = "admin@example.com"
	siteToken = "ATATT-the-token-of-this-suite"
	siteGroup = "44444444-0000-4000-8000-000000000001"
)

// addSite gives everybody of the organisation a site, the last of them with a group and columns of
// their own.
func (e *env) addSite() *atlassian.Site {
	e.t.Helper()
	jira, err := site.New(site.Config{
		URL: siteURL, Email: siteEmail, Token: siteToken, Admit: e.org.Admit,
		Profile: func(id string) (name, address string, active, known bool) {
			a, known := e.org.Account(id)
			return a.Name, a.Email, a.Status == "active", known
		},
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.site = jira
	jira.AddGroup(site.Group{ID: siteGroup, Name: e.around.SiteGroup})
	for _, a := range e.org.Accounts() {
		u := site.User{AccountID: a.ID, Username: "legacy" + a.ID[len(a.ID)-1:], Key: "JIRAUSER1000" + a.ID[len(a.ID)-1:]}
		if a.ID == "712020:0003" {
			u.Groups, u.Columns = []string{siteGroup}, []string{"summary", "duedate"}
		}
		if err := jira.AddUser(u); err != nil {
			e.t.Fatal(err)
		}
	}
	client, err := atlassian.NewSite(atlassian.SiteConfig{
		Name: e.around.Site, URL: siteURL, Email: siteEmail, Token: func() string { return siteToken },
	}, atlassian.Config{
		Log: zerolog.Nop(), HTTP: &http.Client{Transport: jira.Transport()}, Pace: pace.Rate{Start: 10_000, Max: 10_000},
		Rand: rand.New(rand.NewPCG(3, 4)),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(client.Close)
	return client
}

// fail makes requests go wrong, wherever they go.
func (e *env) fail(before, after func(*http.Request) *organisation.Fault) {
	e.org.SetFaults(organisation.Faults{Before: before, After: after})
	e.site.SetFaults(wire.Faults{Before: before, After: after})
	e.scim.SetFaults(wire.Faults{Before: before, After: after})
}

// check makes the plan of rows.
func (e *env) check(rows ...workflow.Row) *plan.Plan {
	e.t.Helper()
	return e.checkBy(open{}, rows...)
}

func (e *env) checkBy(guard workflow.Guard, rows ...workflow.Row) *plan.Plan {
	e.t.Helper()
	for i := range rows {
		rows[i].Line = i + 1
	}
	checker := plan.Checker{Reader: e.directory, OrgID: orgID, Batch: 1, Guard: guard, Workers: 4, Deletion: e.store.deletion}
	plan, err := checker.Check(e.t.Context(), rows)
	if err != nil {
		e.t.Fatal(err)
	}
	return plan
}

// row is the action's example about the first account for which it is ready, with its plan.
func (e *env) row(action *action.Action) (workflow.Row, *plan.Plan) {
	e.t.Helper()
	for _, a := range slices.Backward(e.org.Accounts()) {
		row := workflow.Row{Line: 1, Action: action.Name, Values: action.Example(workflow.Account{
			ID: a.ID, Name: a.Name, Email: a.Email, Type: "atlassian", Status: workflow.AccountStatus(a.Status), Managed: true,
		}, e.around)}
		if plan := e.check(row); plan.Ready() == 1 {
			return row, plan
		}
	}
	e.t.Fatalf("the example of %s is ready for no account", action.Name)
	return workflow.Row{}, nil
}

// run runs an approved plan to its end and gives its changes as they are then.
func (e *env) run(plan *plan.Plan) []workflow.Change {
	e.t.Helper()
	e.store.seal(plan)
	var directory workflow.Directory = e.directory
	if e.wrap != nil {
		directory = e.wrap(directory)
	}
	run := run.Config{
		Store: e.store, Directory: directory, OrgID: orgID, Log: zerolog.Nop(),
		Limits: run.Limits{Workers: 4, Window: workflow.AlwaysOpen{}},
	}
	ctx, cancel := context.WithTimeout(e.t.Context(), time.Hour) // of the bubble's time
	defer cancel()
	if _, err := run.Run(ctx, 1, nil); err != nil {
		e.t.Fatal(err)
	}
	changes, err := e.store.Changes(ctx, 1, 0, 0)
	if err != nil {
		e.t.Fatal(err)
	}
	return changes
}

// shown is what the facts of the steps show now, of what they are about.
func (e *env) shown(steps []workflow.Step) workflow.Answers {
	e.t.Helper()
	out := workflow.Answers{}
	for _, s := range steps {
		action, _ := action.For(s.Action)
		answers, err := e.directory.Read(e.t.Context(), action.Facts(s)...)
		if err != nil {
			e.t.Fatal(err)
		}
		for fact, records := range answers {
			out[fact] = nil
			for _, v := range records {
				out[fact] = append(out[fact], about(s, v))
			}
		}
	}
	return out
}

// about is as much of what was read as the step expects or sets.
func about(s workflow.Step, read workflow.Values) workflow.Values {
	var out workflow.Values
	for field, value := range read.All() {
		_, expects := s.Expect.Lookup(field)
		if _, sets := s.Set.Lookup(field); expects || sets {
			out.Set(field, value)
		}
	}
	return out
}

// changing reports whether a request changes something.
func changing(r *http.Request) bool {
	read := strings.HasSuffix(r.URL.Path, "/search") || strings.HasSuffix(r.URL.Path, "/workspaces")
	return r.Method != http.MethodGet && (r.Method != http.MethodPost || !read)
}

// open is a policy that forbids nothing.
type open struct{}

func (open) Groups() []string { return nil }

func (open) Row(workflow.Account, workflow.ActionName, workflow.Subject, string, bool) workflow.Reason {
	return workflow.Reason{}
}
func (open) Plan(workflow.Traits) error             { return nil }
func (open) Protects(...string) bool                { return false }
func (open) Owners(string, string, string) []string { return nil }

// memory is the part of a store that a run needs.
type memory struct {
	mu      sync.Mutex
	batch   workflow.Batch
	changes map[int]workflow.Change
	events  []workflow.Event
}

func newMemory() *memory { return &memory{} }

// seal takes in an approved plan.
func (m *memory) seal(plan *plan.Plan) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batch = workflow.Batch{Number: 1, State: workflow.Approved, OrgID: orgID}
	m.batch.Requester, m.batch.Author = workflow.Person{ID: "U0HANA"}, workflow.Person{ID: "U0HANA"}
	m.batch.Approvals, m.batch.Digest = 1, workflow.DigestOfHashes(&m.batch, plan.StepHashes())
	m.batch.Decisions = []workflow.Decision{{
		Person: workflow.Person{ID: "U0ALICE"}, Verdict: workflow.Approve, Digest: m.batch.Digest,
	}}
	m.changes = map[int]workflow.Change{}
	for _, c := range plan.Changes {
		m.changes[c.Row] = c
	}
}

// wrote reports whether an event of that kind that holds the text is on disk.
func (m *memory) wrote(kind, text string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.events, func(e workflow.Event) bool {
		return e.Kind == kind && strings.Contains(string(e.Data), text)
	})
}

// deletion is what the last run knows of the deletion of an account.
func (m *memory) deletion(_ context.Context, account string) (workflow.Deletion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.changes {
		if c.Action == workflow.Delete && c.AccountID == account && c.State == workflow.ChangeDone {
			return workflow.Deletion{Before: workflow.AccountStatus(c.Steps[0].Expect.Get(workflow.FieldStatus)), Since: c.Finished}, nil
		}
	}
	return workflow.Deletion{}, nil
}

var errNoRow = errors.New("no such row")

func (m *memory) Batch(context.Context, int64) (*workflow.Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.batch
	return &b, nil
}

func (m *memory) Update(_ context.Context, _ int64, rule func(*workflow.Batch) error) (*workflow.Batch, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.batch
	if err := rule(&b); err != nil {
		return nil, err
	}
	m.events = append(m.events, b.TakeEvents()...)
	m.batch = b
	return &b, nil
}

func (m *memory) Change(_ context.Context, _ int64, row int) (*workflow.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.changes[row]
	if !ok {
		return nil, errNoRow
	}
	return &c, nil
}

func (m *memory) Changes(
	_ context.Context, _ int64, after, limit int, states ...workflow.ChangeState,
) ([]workflow.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []workflow.Change
	for _, row := range slices.Sorted(maps.Keys(m.changes)) {
		c := m.changes[row]
		if row > after && (len(states) == 0 || slices.Contains(states, c.State)) && (limit == 0 || len(out) < limit) {
			out = append(out, c)
		}
	}
	return out, nil
}

func (m *memory) UpdateChange(
	_ context.Context, _ int64, row int, rule func(*workflow.Batch, *workflow.Change) error,
) (*workflow.Batch, *workflow.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, c := m.batch, m.changes[row]
	if err := rule(&b, &c); err != nil {
		return nil, nil, err
	}
	m.events = append(m.events, b.TakeEvents()...)
	m.batch, m.changes[row] = b, c
	return &b, &c, nil
}
