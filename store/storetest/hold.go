package storetest

import (
	"errors"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

func testHolds(t *testing.T, on suite) {
	db := on.open(t)
	changes, hold := Renames(3)
	first := Planned(t, db, changes, hold...)

	_, err := SavePlan(t, db, Create(t, db, changes[1:2]...).Number, changes[1:2], "email:712020:0002", "address:u3@new.example", "address:free@x")
	refused, ok := errors.AsType[*workflow.HeldError](err)
	if !ok {
		t.Fatalf("%v, want a *HeldError", err)
	}
	want := map[string]workflow.Hold{
		"email:712020:0002":      {Batch: first.Number, Row: 2},
		"address:u3@new.example": {Batch: first.Number, Row: 3},
	}
	if diff := cmp.Diff(want, refused.Holds); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	second, err := db.Batch(t.Context(), 2)
	if err != nil || second.State != workflow.Planning || second.Revision != 1 {
		t.Errorf("the refused batch is %s, revision %d, %v", second.State, second.Revision, err)
	}
	if rows, err := db.Changes(t.Context(), 2, 0, 0); len(rows) != 0 || err != nil {
		t.Errorf("the refused batch has %d rows, %v", len(rows), err)
	}

	_, _, err = db.UpdateChange(t.Context(), first.Number, 2, func(_ *workflow.Batch, c *workflow.Change) error {
		return c.Move(workflow.ChangeRunning)
	})
	if err != nil {
		t.Fatal(err)
	}
	held, err := db.Held(t.Context(), []string{"email:712020:0002", "address:u1@old.example", "address:free@x"})
	if err != nil {
		t.Fatal(err)
	}
	want = map[string]workflow.Hold{
		"email:712020:0002":      {Batch: first.Number, Row: 2, Acting: true},
		"address:u1@old.example": {Batch: first.Number, Row: 1},
	}
	if diff := cmp.Diff(want, held); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}

	Move(t, db, first.Number, workflow.Cancelled)
	if held, err := db.Held(t.Context(), hold); len(held) != 0 || err != nil {
		t.Errorf("an ended batch holds %v, %v", held, err)
	}
	if _, err := SavePlan(t, db, 2, changes[1:2], "email:712020:0002"); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// Row 1 gives up the address that row 2 takes: while either of them acts, the address is in use.
func testHoldOfAChain(t *testing.T, on suite) {
	db := on.open(t)
	changes := []workflow.Change{Rename(1), Rename(2)}
	to := workflow.Of(workflow.FieldEmail, "U1@old.example")
	changes[1].Set, changes[1].Steps[0].Set = to, to
	b := Planned(t, db, changes, "address:u1@old.example")
	const key = "address:u1@old.example"
	for _, step := range []struct {
		row  int
		to   workflow.ChangeState
		want workflow.Hold
	}{
		{1, workflow.ChangeRunning, workflow.Hold{Batch: b.Number, Row: 1, Acting: true}},
		{1, workflow.ChangeDone, workflow.Hold{Batch: b.Number, Row: 1}},
		{2, workflow.ChangeRunning, workflow.Hold{Batch: b.Number, Row: 2, Acting: true}},
		{2, workflow.ChangeUnknown, workflow.Hold{Batch: b.Number, Row: 2, Acting: true}},
	} {
		_, _, err := db.UpdateChange(t.Context(), b.Number, step.row, func(_ *workflow.Batch, c *workflow.Change) error {
			return c.Move(step.to)
		})
		if err != nil {
			t.Fatal(err)
		}
		held, err := db.Held(t.Context(), []string{key})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[string]workflow.Hold{key: step.want}, held); diff != "" {
			t.Errorf("row %d %s (-want +got)\n%s", step.row, step.to, diff)
		}
	}
}

// Two plans want the same accounts at the same instant.
func testOneOfTwoPlansHolds(t *testing.T, on suite) {
	db := on.open(t)
	changes, hold := Renames(50)
	numbers := []int64{Create(t, db, changes...).Number, Create(t, db, changes...).Number}
	errs := make([]error, len(numbers))
	var wg sync.WaitGroup
	for i, n := range numbers {
		wg.Go(func() { _, errs[i] = SavePlan(t, db, n, changes, hold...) })
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) {
		t.Fatalf("%v and %v, want one refused", errs[0], errs[1])
	}
	refused, ok := errors.AsType[*workflow.HeldError](errors.Join(errs...))
	if !ok || len(refused.Holds) != len(hold) {
		t.Errorf("%v, want all %d keys", errors.Join(errs...), len(hold))
	}
}
