package engine_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
)

// slowStore lets something happen just before a write, as when another process is a little faster.
type slowStore struct {
	workflow.Store
	before func()
}

func (s *slowStore) hold() {
	if before := s.before; before != nil {
		s.before = nil
		before()
	}
}

func (s *slowStore) Create(
	ctx context.Context, b *workflow.Batch, rows []workflow.Row, original []byte, rule func([]*workflow.Batch) error,
) error {
	s.hold()
	return s.Store.Create(ctx, b, rows, original, rule)
}

func (s *slowStore) Approve(
	ctx context.Context, number int64, since time.Time, rule func(*workflow.Batch, workflow.Touched) error,
) (*workflow.Batch, error) {
	s.hold()
	return s.Store.Approve(ctx, number, since, rule)
}

// second is another engine on the same database, through a connection of its own. It takes requests
// and decisions, and runs nothing.
func (d *desk) second() (*engine.Engine, *slowStore) {
	d.t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: d.path, Log: zerolog.Nop()})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			d.t.Error(err)
		}
	})
	config, slow := d.config, &slowStore{Store: db}
	config.Store = slow
	engine, err := engine.New(config)
	if err != nil {
		d.t.Fatal(err)
	}
	return engine, slow
}

// Two engines on one database make one batch of another one, whoever is faster.
func TestTwoEnginesUndoOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		other, slow := d.second()
		var undo *workflow.Batch
		slow.before = func() {
			var err error
			if undo, err = d.engine.Undo(t.Context(), b.Number, alice); err != nil {
				t.Error(err)
			}
		}
		there, err := other.Undo(t.Context(), b.Number, bob)
		if !errors.Is(err, workflow.ErrBeingChecked) || there == nil || undo == nil || there.Number != undo.Number {
			t.Errorf("the slower one: %v, %v; want the batch of the faster one", there, err)
		}
		synctest.Wait()
		if got := d.following(b.Number); len(got) != 1 {
			t.Errorf("made of it: %v, want one batch", got)
		}
	})
}

// Two batches that are within the limit of a day only by themselves are approved through two
// engines at once: one of them is refused.
func TestTwoEnginesHoldTheLimitOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(4)
		d := newDesk(t, o, func(c *engine.Config) { policyOf(c).PerDay = policy.PerDay{All: 3} })
		first := d.ask("old_email,new_email\np1@old.example,p1@new.example\np2@old.example,p2@new.example\n")
		second := d.ask("old_email,new_email\np3@old.example,p3@new.example\np4@old.example,p4@new.example\n")
		other, slow := d.second()
		slow.before = func() { d.approve(first) }
		_, err := other.Decide(t.Context(), second.Number, alice, workflow.Approve, second.Digest, "")
		refused, ok := errors.AsType[*workflow.GuardError](err)
		if !ok || refused.Code != workflow.ReasonDayLimit {
			t.Errorf("the slower one: %v, want the limit of a day", err)
		}
		d.reach(first.Number, workflow.Done)
		if got := d.batch(second.Number); got.State != workflow.AwaitingApproval || len(got.Decisions) != 0 {
			t.Errorf("the second batch is %s with %d decisions", got.State, len(got.Decisions))
		}
	})
}

// What was asked for outlives the file that it was read from: everything that is made of a batch is
// made of its rows.
func TestRequestOutlivesItsFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(5)
		d := newDesk(t, o, tolerant)
		b := failedRun(t, d, file)
		if n, err := d.store.PruneOriginals(t.Context(), time.Now().Add(time.Hour)); n != 1 || err != nil {
			t.Fatalf("%d files went, %v", n, err)
		}
		d.do(d.engine.Retry, b.Number, hana)
		b = d.reach(b.Number, workflow.Done)
		if got := count(d.rows(b.Number), "done"); got != 5 {
			t.Errorf("after a retry: %v", d.rows(b.Number))
		}
		undo, err := d.engine.Undo(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		undo = d.reach(undo.Number, workflow.AwaitingApproval)
		if _, err := d.engine.Decide(t.Context(), undo.Number, alice, workflow.Reject, undo.Digest, "no"); err != nil {
			t.Fatal(err)
		}
		again, err := d.engine.AskAgain(t.Context(), undo.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		d.reach(again.Number, workflow.AwaitingApproval)
		if diff := cmp.Diff([]string{"1 ready", "2 ready", "3 ready", "4 ready", "5 ready"}, d.rows(again.Number)); diff != "" {
			t.Errorf("asked again (-want +got)\n%s", diff)
		}
	})
}

// A batch that is cancelled while it is planned tells of no rows: none was checked.
func TestCancelledWhilePlanningTellsOfNoRows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		o.Latency = time.Minute
		d := newDesk(t, o, nil)
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile}, Sheet: sheetOf(t, file),
			Original: []byte(file),
		})
		if err != nil {
			t.Fatal(err)
		}
		d.do(d.engine.Cancel, b.Number, hana)
		summary, err := d.store.Summary(t.Context(), b.Number)
		if rows := d.rows(b.Number); len(rows) != 0 || summary.State() != 0 || err != nil {
			t.Errorf("rows %v, %d counted, %v", rows, summary.State(), err)
		}
		asked, err := d.store.Changes(t.Context(), b.Number, 0, 0, workflow.ChangeAsked)
		if err != nil || len(asked) != 3 || asked[0].Asked.NewEmail() == "" {
			t.Errorf("asked for: %+v, %v; want what the file says", asked, err)
		}
	})
}

// Settings that change between request and plan do not change what was asked for.
func TestPlanIsOfWhatWasAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		o.Latency = time.Minute
		d := newDesk(t, o, nil)
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile}, Sheet: sheetOf(t, file),
			Original: []byte(file),
		})
		if err != nil {
			t.Fatal(err)
		}
		d.end()
		d.config.Limits.MaxRows = 1
		o.Latency = 0
		d.start()
		b = d.reach(b.Number, workflow.AwaitingApproval)
		if got := count(d.rows(b.Number), "ready"); got != 3 {
			t.Errorf("planned: %v", d.rows(b.Number))
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Reject, b.Digest, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := d.engine.AskAgain(t.Context(), b.Number, hana); !errors.As(err, new(*workflow.LimitError)) {
			t.Errorf("asked again over the limit: %v", err)
		}
	})
}
