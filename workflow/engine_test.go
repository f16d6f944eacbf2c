package workflow_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

var (
	hana  = workflow.Actor{Person: workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@corp.example"}, Requester: true}
	alice = workflow.Actor{Person: workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@corp.example"}, Admin: true}
	bob   = workflow.Actor{Person: workflow.Person{ID: "U0BOB", Name: "Bob", Email: "bob@corp.example"}, Admin: true}
	gus   = workflow.Actor{Person: workflow.Person{ID: "U0GUS", Name: "Gus", Email: "gus@corp.example"}}
)

// desk is one life of the program on a database: an engine that runs until it is stopped.
type desk struct {
	t      *testing.T
	path   string
	org    *organisation
	config workflow.Config

	engine *workflow.Engine
	store  *store.DB
	stop   context.CancelFunc
	ended  chan struct{}
}

// newDesk starts an engine on a new database. It is to be used inside a synctest bubble.
func newDesk(t *testing.T, o *organisation, change func(*workflow.Config)) *desk {
	t.Helper()
	d := &desk{t: t, org: o, path: filepath.Join(t.TempDir(), "countersign.db")}
	d.config = workflow.Config{
		Directory: o, People: &staff{}, OrgID: "org-1", Policy: workflow.Policy{Approvals: 1}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 10 << 20, MaxRows: 5000},
		Run:    workflow.RunLimits{Workers: 4, Canary: 3, StopAfterFailures: 5, StopAtPercent: 10},
		Log:    zerolog.Nop(),
	}
	if change != nil {
		change(&d.config)
	}
	d.start()
	t.Cleanup(d.end)
	return d
}

func (d *desk) start() {
	d.t.Helper()
	db, err := store.Open(context.Background(), store.Config{Path: d.path, Log: zerolog.Nop()})
	if err != nil {
		d.t.Fatalf("open the database: %v", err)
	}
	d.store = db
	d.config.Store = db
	d.engine, err = workflow.New(d.config)
	if err != nil {
		d.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop, d.ended = cancel, make(chan struct{})
	if err := d.engine.Recover(ctx); err != nil {
		d.t.Fatalf("Recover: %v", err)
	}
	go func() {
		defer close(d.ended)
		if err := d.engine.Run(ctx); err != nil {
			d.t.Errorf("Run: %v", err)
		}
	}()
}

func (d *desk) end() {
	if d.stop == nil {
		return
	}
	d.stop()
	<-d.ended
	if err := d.store.Close(); err != nil {
		d.t.Errorf("close the database: %v", err)
	}
	d.stop = nil
}

func (d *desk) restart() {
	d.t.Helper()
	d.end()
	d.start()
}

func (d *desk) ask(csv string) *workflow.Batch {
	d.t.Helper()
	b, err := d.engine.Submit(context.Background(), hana, workflow.Request{
		Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"},
		Original: []byte(csv),
	})
	if err != nil {
		d.t.Fatalf("Submit: %v", err)
	}
	return d.reach(b.Number, workflow.AwaitingApproval, workflow.Empty)
}

func (d *desk) approve(b *workflow.Batch) {
	d.t.Helper()
	if _, err := d.engine.Decide(context.Background(), b.Number, alice, workflow.Approve, b.Digest, ""); err != nil {
		d.t.Fatalf("Decide: %v", err)
	}
}

func (d *desk) batch(number int64) *workflow.Batch {
	d.t.Helper()
	b, err := d.store.Batch(context.Background(), number)
	if err != nil {
		d.t.Fatalf("load batch %d: %v", number, err)
	}
	return b
}

// reach lets time pass until the batch is in one of the states.
func (d *desk) reach(number int64, states ...workflow.State) *workflow.Batch {
	d.t.Helper()
	deadline := time.Now().Add(48 * time.Hour)
	for time.Now().Before(deadline) {
		synctest.Wait()
		if b := d.batch(number); slices.Contains(states, b.State) {
			return b
		}
		time.Sleep(time.Second) // of the bubble
	}
	b := d.batch(number)
	d.t.Fatalf("batch %d is %s (%+v), never %s", number, b.State, b.Stop, states)
	return nil
}

// rows gives every row as "row state code".
func (d *desk) rows(number int64) []string {
	d.t.Helper()
	changes, err := d.store.Changes(context.Background(), number, 0, 0)
	if err != nil {
		d.t.Fatalf("load the changes of batch %d: %v", number, err)
	}
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = strings.TrimSpace(fmt.Sprintf("%d %s %s", c.Row, c.State, c.Reason.Code))
	}
	return out
}

// people makes n accounts p1@old.example … and the file that moves them to new.example.
func people(n int) (*organisation, string) {
	o := newOrganisation()
	file := "old_email,new_email\n"
	for i := 1; i <= n; i++ {
		id, old := fmt.Sprintf("acc-%d", i), fmt.Sprintf("p%d@old.example", i)
		o.accounts[id] = workflow.Account{
			ID: id, Name: id, Email: old, Type: "atlassian", Status: workflow.StatusActive, Managed: true,
			Ranked: true,
		}
		file += fmt.Sprintf("%s,p%d@new.example\n", old, i)
	}
	return o, file
}

func TestAnApprovedBatchRunsAndIsProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(12)
		d := newDesk(t, o, nil)
		b := d.ask(file + "broken row\nnobody@old.example,x@new.example\n")
		d.approve(b)
		b = d.reach(b.Number, workflow.Done)
		var want []string
		for i := range 12 {
			want = append(want, fmt.Sprintf("%d done", i+2))
		}
		want = append(want, "14 bad unreadable", "15 blocked no_account")
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got := len(o.happened()); got != 12 {
			t.Errorf("%d calls had an effect, want 12", got)
		}
		if b.Started.IsZero() || b.Ended.IsZero() {
			t.Errorf("started %v, ended %v", b.Started, b.Ended)
		}
	})
}

func TestWhoMayDecide(t *testing.T) {
	twin := bob
	twin.ID, twin.Email = "U0TWIN", "HANA@corp.example"
	hidden := bob
	hidden.Email = ""
	requester := hana
	requester.Admin = true
	tests := []struct {
		name    string
		actor   workflow.Actor
		verdict workflow.Verdict
		want    error
	}{
		{"somebody without a role", gus, workflow.Approve, workflow.ErrNoRole},
		{"the requester", hana, workflow.Approve, workflow.ErrOwnBatch},
		{"the requester as an admin", requester, workflow.Approve, workflow.ErrOwnBatch},
		{"the requester rejecting", requester, workflow.Reject, workflow.ErrOwnBatch},
		{"the requester's second account", twin, workflow.Approve, workflow.ErrSameHuman},
		{"somebody whose address is hidden", hidden, workflow.Approve, workflow.ErrHiddenAddress},
		{"another helpdesk person", workflow.Actor{Person: workflow.Person{ID: "U0IDA"}, Requester: true}, workflow.Approve, workflow.ErrNotAdmin},
	}
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		for _, tt := range tests {
			_, err := d.engine.Decide(t.Context(), b.Number, tt.actor, tt.verdict, b.Digest, "")
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, "another", ""); !errors.Is(err, workflow.ErrStaleDigest) {
			t.Errorf("a click on another plan: got %v, want %v", err, workflow.ErrStaleDigest)
		}
		if got := d.batch(b.Number); got.State != workflow.AwaitingApproval || len(got.Decisions) != 0 {
			t.Errorf("the batch is %s with %d decisions after refusals only", got.State, len(got.Decisions))
		}
		if len(o.happened()) != 0 {
			t.Error("something was changed without an approval")
		}
	})
}

func TestTwoApprovalsAreTwoPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, func(c *workflow.Config) { c.Policy.Approvals = 2 })
		b := d.ask(file)
		d.approve(b)
		second := alice
		second.ID = "U0ALICE2"
		for _, who := range []workflow.Actor{alice, second} {
			if _, err := d.engine.Decide(t.Context(), b.Number, who, workflow.Approve, b.Digest, ""); !errors.Is(err, workflow.ErrAlready) {
				t.Errorf("the same human again as %s: got %v, want %v", who.ID, err, workflow.ErrAlready)
			}
		}
		if got := d.batch(b.Number); got.State != workflow.AwaitingApproval || got.Missing() != 1 {
			t.Fatalf("the batch is %s and lacks %d", got.State, got.Missing())
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, b.Digest, ""); err != nil {
			t.Fatalf("the second approval: %v", err)
		}
		d.reach(b.Number, workflow.Done)
	})
}

func TestAnUndecidedBatchEnds(t *testing.T) {
	tests := []struct {
		name  string
		act   func(*desk, *workflow.Batch) error
		state workflow.State
		who   string
	}{
		{"rejected", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Decide(context.Background(), b.Number, bob, workflow.Reject, b.Digest, "wrong list")
			return err
		}, workflow.Rejected, "U0BOB"},
		{"withdrawn", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Withdraw(context.Background(), b.Number, hana)
			return err
		}, workflow.Cancelled, "U0HANA"},
		{"cancelled by an admin", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Cancel(context.Background(), b.Number, bob)
			return err
		}, workflow.Cancelled, "U0BOB"},
		{"expired", func(*desk, *workflow.Batch) error {
			time.Sleep(24*time.Hour + 5*time.Second)
			return nil
		}, workflow.Expired, ""},
		{"expired while nobody was there", func(d *desk, _ *workflow.Batch) error {
			d.end()
			time.Sleep(30 * time.Hour)
			d.start()
			return nil
		}, workflow.Expired, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(2)
				d := newDesk(t, o, nil)
				b := d.ask(file)
				if err := tt.act(d, b); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got := d.batch(b.Number)
				if got.State != tt.state {
					t.Fatalf("the batch is %s, want %s", got.State, tt.state)
				}
				if tt.who != "" && (got.Ending == nil || got.Ending.By.ID != tt.who) {
					t.Errorf("ended by %+v, want %s", got.Ending, tt.who)
				}
				if diff := cmp.Diff([]string{"2 skipped not_run", "3 skipped not_run"}, d.rows(b.Number)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				var state *workflow.StateError
				_, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, b.Digest, "")
				if !errors.As(err, &state) || state.Batch == nil || state.Batch.State != tt.state {
					t.Errorf("a click on the old card: got %v, want to be told that it is %s", err, tt.state)
				}
				if again := d.ask(file); again.State != workflow.AwaitingApproval {
					t.Errorf("asked again: %s; the ended batch still holds its accounts", again.State)
				}
			})
		})
	}
}

func TestOneOfTwoClicksWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		results := make(chan error, 2)
		for verdict, who := range map[workflow.Verdict]workflow.Actor{workflow.Approve: alice, workflow.Reject: bob} {
			go func() {
				_, err := d.engine.Decide(context.Background(), b.Number, who, verdict, b.Digest, "")
				results <- err
			}()
		}
		first, second := <-results, <-results
		if (first == nil) == (second == nil) {
			t.Errorf("got %v and %v, want exactly one to win", first, second)
		}
		if !errors.As(errors.Join(first, second), new(*workflow.StateError)) {
			t.Errorf("the loser got %v, want a *StateError", errors.Join(first, second))
		}
	})
}

func TestASecondBatchMayNotTakeWhatAnOpenOneHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d := newDesk(t, o, nil)
		first := d.ask(file)
		second := d.ask("old_email,new_email\np1@old.example,other@new.example\n")
		if diff := cmp.Diff([]string{"2 blocked held"}, d.rows(second.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		leaver := d.ask("email,action\np1@old.example,deactivate\n")
		d.approve(leaver)
		d.reach(leaver.Number, workflow.Done)
		d.approve(first)
		d.reach(first.Number, workflow.Paused) // a canary drifted
		if got := d.rows(first.Number)[0]; got != "2 failed drifted" {
			t.Errorf("the row that waited: %s, want 2 failed drifted", got)
		}
	})
}

// A leaver that was let past another batch's hold owns the account when that batch is gone.
func TestALeaverHoldsItsAccountOnceTheOtherBatchIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		first := d.ask(file)
		leaver := d.ask("email,action\np1@old.example,deactivate\n")
		if diff := cmp.Diff([]string{"2 ready"}, d.rows(leaver.Number)); diff != "" {
			t.Fatalf("the leaver (-want +got):\n%s", diff)
		}
		if _, err := d.engine.Withdraw(t.Context(), first.Number, hana); err != nil {
			t.Fatal(err)
		}
		third := d.ask(file)
		if diff := cmp.Diff([]string{"2 blocked held"}, d.rows(third.Number)); diff != "" {
			t.Errorf("a rename beside the leaver (-want +got):\n%s", diff)
		}
	})
}
