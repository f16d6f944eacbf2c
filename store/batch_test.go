package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

var (
	hana  = workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@example.com"}
	alice = workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@example.com"}
	noon  = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
)

func newBatch() *workflow.Batch {
	b := &workflow.Batch{
		OrgID: "org", State: workflow.Planning, Requester: hana, Author: alice, Reason: "merger", Verb: workflow.Rename,
		Source: workflow.Source{Kind: workflow.SourceFile, Channel: "C1", Message: "1.2", FileName: "a.csv"},
		Rows:   3, Ignored: []string{"note"}, Approvals: 1, Created: noon, Expires: noon.Add(24 * time.Hour),
	}
	b.Record(workflow.Event{At: noon, Actor: hana.ID, Kind: "requested", Data: json.RawMessage(`{"rows": 3, "file":"a.csv"}`)})
	return b
}

func create(t testing.TB, db *DB) *workflow.Batch {
	t.Helper()
	b := newBatch()
	if err := db.Create(t.Context(), b, []byte("email,new_email\n")); err != nil {
		t.Fatal(err)
	}
	return b
}

// sealed makes a batch with the changes, waiting for approval.
func sealed(t testing.TB, db *DB, changes []workflow.Change, hold ...string) *workflow.Batch {
	t.Helper()
	b, err := seal(t, db, create(t, db).Number, changes, hold...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seal(
	t testing.TB, db *DB, number int64, changes []workflow.Change, hold ...string,
) (*workflow.Batch, error) {
	t.Helper()
	return db.Seal(t.Context(), number, changes, hold, func(b *workflow.Batch) error {
		b.Digest, b.Planned = fmt.Sprintf("digest-%d", number), noon
		b.Record(workflow.Event{At: noon, Actor: workflow.Bot, Kind: "sealed"})
		return b.Move(workflow.AwaitingApproval)
	})
}

func move(t testing.TB, db *DB, number int64, states ...workflow.State) *workflow.Batch {
	t.Helper()
	b, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		for _, s := range states {
			if err := b.Move(s); err != nil {
				return err
			}
		}
		if !b.State.Open() {
			b.Ended = noon
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCreateAndLoad(t *testing.T) {
	db := open(t)
	first, second := create(t, db), create(t, db)
	if first.Number != 1 || second.Number != 2 || first.Revision != 1 {
		t.Errorf("numbers %d, %d, revision %d; want 1, 2, 1", first.Number, second.Number, first.Revision)
	}
	got, err := db.Batch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, got, sameData); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Source.SHA256 == "" {
		t.Error("the source has no hash")
	}
	original, err := db.Original(t.Context(), 1)
	if err != nil || string(original) != "email,new_email\n" {
		t.Errorf("original %q, %v", original, err)
	}
	for _, missing := range []func() error{
		func() error { _, err := db.Batch(t.Context(), 3); return err },
		func() error { _, err := db.Original(t.Context(), 3); return err },
		func() error {
			_, err := db.Update(t.Context(), 3, func(*workflow.Batch) error { return nil })
			return err
		},
		func() error { _, err := seal(t, db, 3, nil); return err },
	} {
		if err := missing(); !errors.Is(err, workflow.ErrNoBatch) {
			t.Errorf("%v, want ErrNoBatch", err)
		}
	}
}

func TestUpdateWritesEverything(t *testing.T) {
	db := open(t)
	first, b := create(t, db), create(t, db)
	want, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
		b.State, b.PausedFrom = workflow.Paused, workflow.Running
		b.Stop = workflow.Stop{Cause: workflow.StopPercent, Rows: []int{4, 5}, Note: "12 %", At: noon}
		b.Ending = &workflow.Ending{By: alice, How: workflow.Cancelled, Reason: "no", At: noon}
		b.Follows, b.Checked, b.Rows, b.Verb, b.Digest, b.Approvals = 1, 2, 9, "", "d", 2
		b.Planned, b.Approved, b.Started, b.Ended, b.Resumed = noon, noon, noon, noon, noon
		b.Link, b.Lines, b.Run, b.Parked = workflow.LinkRetry, []int{2, 7}, 3, []int{7}
		b.Retry = &workflow.Retry{By: alice, At: noon, Checked: true}
		b.Decisions = append(b.Decisions,
			workflow.Decision{Person: alice, Verdict: workflow.Approve, Digest: "d", At: noon},
			workflow.Decision{Person: hana, Verdict: workflow.Reject, Digest: "d", Reason: "why", At: noon})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Batch(t.Context(), b.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, sameData); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Revision != 2 || len(got.Decisions) != 2 {
		t.Errorf("revision %d with %d decisions, want 2 and 2", got.Revision, len(got.Decisions))
	}
	following, err := db.Following(t.Context(), first.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*workflow.Batch{want}, following, sameData); diff != "" {
		t.Errorf("what follows (-want +got)\n%s", diff)
	}
	if followed, err := db.Batch(t.Context(), first.Number); err != nil || followed.Revision != 2 {
		t.Errorf("the followed batch has revision %d, %v; want 2, as its card tells of the other's state", followed.Revision, err)
	}
}

func TestRefusedRuleChangesNothing(t *testing.T) {
	db := open(t)
	b := create(t, db)
	no := errors.New("no")
	_, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
		b.Reason = "changed"
		b.Record(workflow.Event{Kind: "never"})
		return no
	})
	if !errors.Is(err, no) {
		t.Fatalf("%v, want the rule's own error", err)
	}
	got, err := db.Batch(t.Context(), b.Number)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got, sameData); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if n, _, err := db.VerifyEvents(t.Context()); n != 1 || err != nil {
		t.Errorf("%d events, %v; want the first alone", n, err)
	}
}

// Many click at once: one wins, the others see the state that the winner left.
func TestOneOfManyWins(t *testing.T) {
	db := open(t)
	b := sealed(t, db, nil)
	const people = 16
	errs := make([]error, people)
	var wg sync.WaitGroup
	for i := range people {
		wg.Go(func() {
			_, errs[i] = db.Update(t.Context(), b.Number, func(b *workflow.Batch) error { return b.Move(workflow.Approved) })
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
			continue
		}
		if late, ok := errors.AsType[*workflow.StateError](err); !ok || late.State != workflow.Approved {
			t.Errorf("%v, want a *StateError that says approved", err)
		}
	}
	if won != 1 {
		t.Errorf("%d won, want 1", won)
	}
	got, err := db.Batch(t.Context(), b.Number)
	if err != nil || got.Revision != b.Revision+1 {
		t.Errorf("revision %d, %v; want %d", got.Revision, err, b.Revision+1)
	}
}

func TestOnePersonDecidesOnce(t *testing.T) {
	db := open(t)
	b := sealed(t, db, nil)
	decide := func(p workflow.Person, verdict workflow.Verdict, digest string) error {
		_, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
			d := workflow.Decision{Person: p, Verdict: verdict, Digest: digest, At: noon}
			b.Decisions = append(b.Decisions, d)
			return nil
		})
		return err
	}
	for _, step := range []struct {
		person  workflow.Person
		verdict workflow.Verdict
		digest  string
		want    error
	}{
		{alice, workflow.Approve, "d1", nil},
		{alice, workflow.Approve, "d1", workflow.ErrAlready},
		{alice, workflow.Reject, "d1", nil}, // who approved may still reject
		{hana, workflow.Approve, "d1", nil},
		{alice, workflow.Approve, "d2", nil},
	} {
		if err := decide(step.person, step.verdict, step.digest); !errors.Is(err, step.want) {
			t.Errorf("%s on %s: %v, want %v", step.person.ID, step.digest, err, step.want)
		}
	}
	_, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
		b.Decisions[0].Verdict = workflow.Reject
		return nil
	})
	if err == nil {
		t.Error("a decision that was made could be changed")
	}
}

func TestList(t *testing.T) {
	db := open(t)
	for range 4 {
		create(t, db)
	}
	move(t, db, 2, workflow.Cancelled)
	for _, test := range []struct {
		limit  int
		states []workflow.State
		want   []int64
	}{
		{0, nil, []int64{4, 3, 2, 1}},
		{2, nil, []int64{4, 3}},
		{0, []workflow.State{workflow.Cancelled}, []int64{2}},
		{1, []workflow.State{workflow.Planning, workflow.Approved}, []int64{4}},
		{0, []workflow.State{workflow.Done}, nil},
	} {
		list, err := db.List(t.Context(), test.limit, test.states...)
		if err != nil {
			t.Fatal(err)
		}
		var got []int64
		for _, b := range list {
			got = append(got, b.Number)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("limit %d of %v (-want +got)\n%s", test.limit, test.states, diff)
		}
	}
}

func TestPruneOriginals(t *testing.T) {
	db := open(t)
	for range 3 {
		create(t, db)
	}
	move(t, db, 1, workflow.Cancelled)
	move(t, db, 2, workflow.Cancelled)
	_, err := db.Update(t.Context(), 2, func(b *workflow.Batch) error { b.Ended = noon.Add(time.Hour); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if n, err := db.PruneOriginals(t.Context(), noon.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("deleted %d, %v; want 1", n, err)
	}
	for number, want := range map[int64]error{1: workflow.ErrGone, 2: nil, 3: nil} {
		if _, err := db.Original(t.Context(), number); !errors.Is(err, want) {
			t.Errorf("batch %d: %v, want %v", number, err, want)
		}
	}
}
