package simulation

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
)

// desk is an engine on an organisation of the sandbox, without Slack.
type desk struct {
	t      *testing.T
	engine *engine.Engine
	store  *sqlite.DB

	directory engine.Directory
	end       func()
}

var (
	asks     = workflow.Actor{Person: workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@corp.example"}, Requester: true}
	approves = workflow.Actor{Person: workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@corp.example"}, Requester: true, Admin: true}
)

// pair are the two people of a desk.
type pair struct{}

func (pair) Standing(_ context.Context, id string, _ bool, _ workflow.LogicalTime) (workflow.Actor, error) {
	if id == approves.ID {
		return approves, nil
	}
	return asks, nil
}

func (pair) Members(context.Context, string, workflow.Freshness) ([]string, error) { return nil, nil }

func (pair) Admins(context.Context) ([]workflow.Person, error) {
	return []workflow.Person{approves.Person}, nil
}

// newDesk is an engine on an organisation with one account; it is to be used inside a bubble.
func newDesk(t *testing.T, account organisation.Account) (*desk, *organisation.Organisation) {
	t.Helper()
	const id = "11111111-2222-3333-4444-555555555555"
	org, err := organisation.New(organisation.Config{OrgID: id, Name: "Example", APIKey: "a-key"})
	if err != nil {
		t.Fatal(err)
	}
	if err := org.Put(account); err != nil {
		t.Fatal(err)
	}
	client, err := atlassian.New(atlassian.Config{
		BaseURL: "https://api.atlassian.example", OrgID: id, Key: func() string { return "a-key" }, Log: zerolog.Nop(),
		HTTP: &http.Client{Transport: org.Transport()}, Pace: pace.Rate{Start: 10_000, Max: 10_000},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return deskAt(t, atlassian.NewDirectory(client)), org
}

// deskAt is an engine with a database of its own and that directory.
func deskAt(t *testing.T, directory engine.Directory) *desk {
	t.Helper()
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "countersign.db"), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, store: db, directory: directory}
	d.start()
	t.Cleanup(func() {
		d.end()
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// start starts an engine on what the database holds; end ends it.
func (d *desk) start() {
	d.t.Helper()
	var err error
	d.engine, err = engine.New(engine.Config{
		Store: d.store, Directory: d.directory, People: pair{}, OrgID: "11111111-2222-3333-4444-555555555555",
		Policy: policy.Policy{Approvals: 1}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxRows: 10}, Run: run.Limits{Workers: 2}, Log: zerolog.Nop(),
	})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	own := d.engine
	go func() { ended <- own.Run(ctx) }()
	d.end = func() {
		stop()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
		d.end = func() {}
	}
}

// reach lets time pass until the batch is in the state.
func (d *desk) reach(number int64, state workflow.State) *workflow.Batch {
	d.t.Helper()
	var b *workflow.Batch
	for wait := time.Second; wait < 10*time.Minute; wait += wait / 4 {
		synctest.Wait()
		var err error
		if b, err = d.store.Batch(context.Background(), number); err != nil {
			d.t.Fatal(err)
		}
		if b.State == state {
			return b
		}
		time.Sleep(wait) // of the bubble
	}
	d.t.Fatalf("batch %d is %s (%+v), never %s", number, b.State, b.Stop, state)
	return nil
}

func (d *desk) approve(number int64) *workflow.Batch {
	d.t.Helper()
	b := d.reach(number, workflow.AwaitingApproval)
	if _, err := d.engine.Decide(context.Background(), number, approves, workflow.Approve, b.Digest, ""); err != nil {
		d.t.Fatal(err)
	}
	return d.reach(number, workflow.Done)
}

// runOne asks for an action on the account and lets it run, approved.
func (d *desk) runOne(name workflow.ActionName) *workflow.Batch {
	d.t.Helper()
	b, err := d.engine.Submit(context.Background(), asks, workflow.Request{
		Requester: asks.Person, Source: workflow.Source{Kind: workflow.SourceCommand},
		Sheet: workflow.Sheet{Rows: []workflow.Row{{Line: 1, Action: name, Values: workflow.Of(workflow.ColumnAccountID, "712020:1")}}},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return d.approve(b.Number)
}

func (d *desk) one(number int64) workflow.Change {
	d.t.Helper()
	changes, err := d.store.Changes(context.Background(), number, 0, 0)
	if err != nil || len(changes) != 1 {
		d.t.Fatalf("the rows of batch %d: %v, %v", number, changes, err)
	}
	return changes[0]
}

// retried presses Retry failed on a batch of one row, which is to run under the approval that there is, and returns the row
// as it is then.
func (d *desk) retried(number int64) workflow.Change {
	d.t.Helper()
	if _, err := d.engine.Retry(context.Background(), number, asks); err != nil {
		d.t.Fatal(err)
	}
	d.reach(number, workflow.Done)
	if following, _ := d.store.Following(context.Background(), number); len(following) > 0 {
		d.t.Errorf("%d batches are asked for anew", len(following))
	}
	return d.one(number)
}

// A retry makes the open steps of a row alone, under the approval that it has, also where the row as
// a whole asks for nothing any more: a deletion that was cancelled is no reason to leave out the
// deactivation that was to follow.
func TestRetryMakesTheOpenSteps(t *testing.T) {
	for name, test := range map[workflow.ActionName]struct {
		account organisation.Account
		want    string // the effects, in order
	}{
		workflow.CancelDelete: {
			organisation.Account{Status: "inactive", DeleteOn: time.Date(2000, 1, 10, 0, 0, 0, 0, time.UTC)}, "cancel-delete disable",
		},
		workflow.Offboard: {organisation.Account{Tokens: []organisation.Token{{ID: "token-1"}}}, "token disable"},
	} {
		t.Run(string(name), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				test.account.ID, test.account.Name, test.account.Email, test.account.Managed = "712020:1", "One", "one@example.com", true
				d, org := newDesk(t, test.account)
				org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
					if strings.HasSuffix(r.URL.Path, "/disable") {
						return &organisation.Fault{Status: http.StatusForbidden, Body: `{"key":"forbidden"}`}
					}
					return nil
				}})
				b := d.runOne(name)
				if c := d.one(b.Number); c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonPartly {
					t.Fatalf("the row is %s (%s)", c.State, c.Reason.Words())
				}
				org.SetFaults(organisation.Faults{})
				if c := d.retried(b.Number); c.State != workflow.ChangeDone {
					t.Errorf("after the retry the row is %s (%s)", c.State, c.Reason.Words())
				}
				var kinds []string
				for _, e := range org.Effects() {
					kinds = append(kinds, e.Kind)
				}
				if got := strings.Join(kinds, " "); got != test.want {
					t.Errorf("effects %s, want %s", got, test.want)
				}
			})
		})
	}
}

// Who was to be invited has no account by which a retry could know them: the row is the same as long
// as its address is.
func TestRetryInvitesUnderTheApprovalThatThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, org := newDesk(t, organisation.Account{ID: "712020:1", Name: "One", Email: "one@example.com", Managed: true})
		org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
			if strings.HasSuffix(r.URL.Path, "/invite") {
				return &organisation.Fault{Status: http.StatusPaymentRequired, Body: `{"errors":[{"code":"ADMIN-UAM-402-1","status":"402"}]}`}
			}
			return nil
		}})
		asked, err := d.engine.Submit(t.Context(), asks, workflow.Request{
			Requester: asks.Person, Source: workflow.Source{Kind: workflow.SourceCommand},
			Sheet: workflow.Sheet{Rows: []workflow.Row{{Line: 1, Action: workflow.Invite, Values: workflow.Of(workflow.ColumnEmail, "new@example.com")}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		b := d.approve(asked.Number)
		if c := d.one(b.Number); c.State != workflow.ChangeFailed {
			t.Fatalf("the row is %s (%s)", c.State, c.Reason.Words())
		}
		org.SetFaults(organisation.Faults{})
		if c := d.retried(b.Number); c.State != workflow.ChangeDone {
			t.Errorf("after the retry the row is %s (%s)", c.State, c.Reason.Words())
		}
	})
}

// A row that was made in part can be undone, as far as it was made.
func TestUndoOfWhatWasMadeInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, org := newDesk(t, organisation.Account{
			ID: "712020:1", Name: "One", Email: "one@example.com", Managed: true, Tokens: []organisation.Token{{ID: "token-1"}},
		})
		org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
			if r.Method == http.MethodDelete {
				return &organisation.Fault{Status: http.StatusForbidden, Body: `{"key":"forbidden"}`}
			}
			return nil
		}})
		b := d.runOne(workflow.Offboard)
		undo, err := d.engine.Undo(t.Context(), b.Number, asks)
		if err != nil {
			t.Fatal(err)
		}
		d.approve(undo.Number)
		if a, _ := org.Account("712020:1"); a.Status != "active" || len(a.Tokens) != 1 {
			t.Errorf("the account is %s with %d tokens", a.Status, len(a.Tokens))
		}
	})
}
