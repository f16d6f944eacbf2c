package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Who asks and who approves in the suite, and when everything of a batch happens.
var (
	Hana  = workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@example.com"}
	Alice = workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@example.com"}
	Noon  = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)
)

// NewBatch returns a request that was not stored yet.
func NewBatch() *workflow.Batch {
	b := &workflow.Batch{
		OrgID: "org", State: workflow.Planning,
		BatchRequest: workflow.BatchRequest{
			Requester: Hana, Author: Alice, Reason: "merger", Verb: workflow.Rename,
			Source:  workflow.Source{Kind: workflow.SourceFile, Channel: "C1", Message: "1.2", FileName: "a.csv"},
			Ignored: []string{"note"}, Created: Noon,
		},
		BatchApproval: workflow.BatchApproval{Approvals: 1, Expires: Noon.Add(24 * time.Hour)},
	}
	b.Record(workflow.Event{At: Noon, Actor: Hana.ID, Kind: "requested", Data: json.RawMessage(`{"rows": 3, "file":"a.csv"}`)})
	return b
}

// Create records a request whose rows are those of the changes.
func Create(t testing.TB, db store.Driver, changes ...workflow.Change) *workflow.Batch {
	t.Helper()
	b := NewBatch()
	if err := db.Create(t.Context(), b, Asked(changes), []byte("email,new_email\n"), nil); err != nil {
		t.Fatal(err)
	}
	return b
}

// Planned returns a batch with the changes, waiting for approval.
func Planned(t testing.TB, db store.Driver, changes []workflow.Change, hold ...string) *workflow.Batch {
	t.Helper()
	b, err := SavePlan(t, db, Create(t, db, changes...).Number, changes, hold...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// SavePlan saves a plan and has the batch wait for approval.
func SavePlan(
	t testing.TB, db store.Driver, number int64, changes []workflow.Change, hold ...string,
) (*workflow.Batch, error) {
	t.Helper()
	return db.SavePlan(t.Context(), number, changes, hold, func(b *workflow.Batch) error {
		b.Digest, b.Planned = fmt.Sprintf("digest-%d", number), Noon
		b.Record(workflow.Event{At: Noon, Actor: workflow.Bot, Kind: "sealed"})
		return b.Move(workflow.AwaitingApproval)
	})
}

// Move takes a batch through the states.
func Move(t testing.TB, db store.Driver, number int64, states ...workflow.State) *workflow.Batch {
	t.Helper()
	b, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		for _, s := range states {
			if err := b.Move(s); err != nil {
				return err
			}
		}
		if !b.State.Open() {
			b.Ended = Noon
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testCreateAndLoad(t *testing.T, on suite) {
	db := on.open(t)
	first, second := Create(t, db), Create(t, db)
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
		func() error { _, err := SavePlan(t, db, 3, nil); return err },
	} {
		if err := missing(); !errors.Is(err, workflow.ErrNoBatch) {
			t.Errorf("%v, want ErrNoBatch", err)
		}
	}
}

func testUpdateWritesEverything(t *testing.T, on suite) {
	db := on.open(t)
	first, b := Create(t, db), NewBatch()
	b.Follows, b.Link, b.Header = first.Number, workflow.LinkRetry, []string{"email", "note"}
	if err := db.Create(t.Context(), b, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	want, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
		b.State, b.PausedFrom = workflow.Paused, workflow.Running
		b.Stop = workflow.Stop{Cause: workflow.StopPercent, Rows: []int{4, 5}, Note: "12 %", At: Noon}
		b.Ending = &workflow.Ending{By: Alice, How: workflow.Cancelled, Reason: "no", At: Noon}
		b.Checked, b.Digest, b.Approvals = 2, "d", 2
		b.Planned, b.Approved, b.Started, b.Ended, b.Resumed = Noon, Noon, Noon, Noon, Noon
		b.Run, b.Parked = 3, []int{7}
		b.ResumedBy = &workflow.Release{By: Alice, At: Noon}
		b.Restarted = &workflow.Restart{At: Noon, Rows: []int{2, 3}}
		b.Retry = &workflow.Retry{By: Alice, At: Noon, Checked: true}
		b.Decisions = append(b.Decisions,
			workflow.Decision{Person: Alice, Verdict: workflow.Approve, Digest: "d", At: Noon},
			workflow.Decision{Person: Hana, Verdict: workflow.Reject, Digest: "d", Reason: "why", At: Noon})
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
	if followed, err := db.Batch(t.Context(), first.Number); err != nil || followed.Revision != 3 {
		t.Errorf("the followed batch has revision %d, %v; want 3, as its card tells of the other's state", followed.Revision, err)
	}
}

func testRefusedRuleChangesNothing(t *testing.T, on suite) {
	db := on.open(t)
	b := Create(t, db)
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
func testOneOfManyWins(t *testing.T, on suite) {
	db := on.open(t)
	b := Planned(t, db, nil)
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

func testOnePersonDecidesOnce(t *testing.T, on suite) {
	db := on.open(t)
	b := Planned(t, db, nil)
	decide := func(p workflow.Person, verdict workflow.Verdict, digest string) error {
		_, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
			d := workflow.Decision{Person: p, Verdict: verdict, Digest: digest, At: Noon}
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
		{Alice, workflow.Approve, "d1", nil},
		{Alice, workflow.Approve, "d1", workflow.ErrAlready},
		{Alice, workflow.Reject, "d1", nil}, // who approved may still reject
		{Hana, workflow.Approve, "d1", nil},
		{Alice, workflow.Approve, "d2", nil},
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

func testList(t *testing.T, on suite) {
	db := on.open(t)
	for range 4 {
		Create(t, db)
	}
	Move(t, db, 2, workflow.Cancelled)
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

func testPruneOriginals(t *testing.T, on suite) {
	db := on.open(t)
	row := workflow.Row{
		Line: 2, Action: workflow.Rename, Cells: []string{"Ada Lang", "a@x", "+49 30 901820", "", "a@y"},
		Values: workflow.Of(workflow.ColumnEmail, "a@x").With(workflow.ColumnNewEmail, "a@y"),
	}
	for range 3 {
		if err := db.Create(t.Context(), NewBatch(), []workflow.Row{row}, []byte("name,email,phone,,new_email\n"), nil); err != nil {
			t.Fatal(err)
		}
	}
	before, err := db.Rows(t.Context(), 1)
	if diff := cmp.Diff([]workflow.Row{row}, before); diff != "" || err != nil {
		t.Errorf("%v; the row while it is kept (-want +got)\n%s", err, diff)
	}
	Move(t, db, 1, workflow.Cancelled)
	Move(t, db, 2, workflow.Cancelled)
	_, err = db.Update(t.Context(), 2, func(b *workflow.Batch) error { b.Ended = Noon.Add(time.Hour); return nil })
	if err != nil {
		t.Fatal(err)
	}
	if n, err := db.PruneOriginals(t.Context(), Noon.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("deleted %d, %v; want 1", n, err)
	}
	for number, want := range map[int64]error{1: workflow.ErrGone, 2: nil, 3: nil} {
		if _, err := db.Original(t.Context(), number); !errors.Is(err, want) {
			t.Errorf("batch %d: %v, want %v", number, err, want)
		}
	}
	// What nobody asked for goes with the bytes; what the plan is made of stays.
	for number, want := range map[int64][]string{1: {"", "a@x", "", "", "a@y"}, 2: row.Cells, 3: row.Cells} {
		got, err := db.Rows(t.Context(), number)
		if err != nil || len(got) != 1 || !slices.Equal(got[0].Cells, want) || !got[0].Values.Equal(row.Values) {
			t.Errorf("batch %d: %+v, %v; want the cells %q", number, got, err, want)
		}
		if sum := store.SumRows(got); *sum != *store.SumRows([]workflow.Row{row}) {
			t.Errorf("batch %d: the checksum of its rows is another", number)
		}
	}
}

// testComparisons: a list has one number by its delivery, and its bytes until they are given up.
func testComparisons(t *testing.T, on suite) {
	db := on.open(t)
	sent := func(delivery string, after time.Duration) report.SentList {
		return report.SentList{Delivery: delivery, FileName: "hr.csv", By: "U0HANA", Author: "U0GUS", At: Noon.Add(after), Content: []byte(delivery + "\n")}
	}
	for _, test := range []struct {
		list report.SentList
		want int
	}{{sent("a", 0), 1}, {sent("b", time.Hour), 2}, {sent("a", 2*time.Hour), 1}} {
		if n, err := db.NumberList(t.Context(), test.list); n != test.want || err != nil {
			t.Errorf("%s is comparison %d, %v; want %d", test.list.Delivery, n, err, test.want)
		}
	}
	var events []string
	err := db.Events(t.Context(), func(line []byte) error { events = append(events, string(line)); return nil })
	if err != nil || len(events) != 2 || !strings.Contains(events[0], `"list_compared"`) || !strings.Contains(events[0], `"sha256":"87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7"`) {
		t.Errorf("%q, %v", events, err)
	}
	if n, err := db.PruneOriginals(t.Context(), Noon.Add(time.Minute)); n != 1 || err != nil {
		t.Errorf("deleted %d, %v; want 1", n, err)
	}
	for number, want := range map[int]error{1: workflow.ErrGone, 2: nil, 3: workflow.ErrGone} {
		list, err := db.ComparedList(t.Context(), number)
		if !errors.Is(err, want) || err == nil && !cmp.Equal(list, sent("b", time.Hour)) {
			t.Errorf("list %d: %+v, %v; want %v", number, list, err, want)
		}
	}
	if n, err := db.NumberList(t.Context(), sent("a", 0)); n != 1 || err != nil {
		t.Errorf("a list whose bytes are gone is comparison %d, %v", n, err)
	}
	if a, err := db.Audit(t.Context()); err != nil || !a.Whole() {
		t.Errorf("the audit of lists of which one's bytes are gone found %v, %v", a.Findings, err)
	}
}
