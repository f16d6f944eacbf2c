package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// many rows are more than a driver is likely to hold in memory at once.
const many = 500

// Rename returns a planned change of row n.
func Rename(n int) workflow.Change {
	id, from, to := fmt.Sprintf("712020:%04d", n), fmt.Sprintf("u%d@old.example", n), fmt.Sprintf("U%d@new.example", n)
	return workflow.Change{
		Row: n, Action: workflow.Rename, AccountID: id, Name: fmt.Sprintf("Name %d", n),
		Expect: workflow.Of(workflow.FieldEmail, from),
		Set:    workflow.Of(workflow.FieldEmail, to),
		Steps: []workflow.Step{{
			Seq: n, Row: n, Action: workflow.Rename, AccountID: id,
			Expect: workflow.Of(workflow.FieldStatus, string(workflow.StatusActive)).With(workflow.FieldEmail, from),
			Set:    workflow.Of(workflow.FieldEmail, to),
		}},
		State: workflow.ChangeReady, Effects: []workflow.Effect{workflow.EffectSignedOut},
		Asked: workflow.Row{
			Line: n, Action: workflow.Rename, Cells: []string{from, to, "a \"note\""},
			Values: workflow.Of(workflow.ColumnEmail, from).With(workflow.ColumnNewEmail, to),
		},
	}
}

// Asked returns the rows that changes were asked for as.
func Asked(changes []workflow.Change) []workflow.Row {
	rows := make([]workflow.Row, len(changes))
	for i := range changes {
		rows[i] = changes[i].Asked
		rows[i].Line = changes[i].Row
	}
	return rows
}

// Renames returns count planned changes, and what they hold.
func Renames(count int) (changes []workflow.Change, hold []string) {
	for n := range count {
		c := Rename(n + 1)
		changes = append(changes, c)
		hold = append(hold, "email:"+c.AccountID, "address:"+workflow.AddressKey(c.OldEmail()),
			"address:"+workflow.AddressKey(c.NewEmail()))
	}
	return changes, hold
}

func testSavePlanAndLoad(t *testing.T, on suite) {
	db := on.open(t)
	changes, hold := Renames(3)
	changes[1] = workflow.Change{
		Row: 7, Action: workflow.Deactivate,
		Expect: workflow.Of(workflow.FieldEmail, "x@y"),
		Set:    workflow.Of(workflow.FieldMessage, "bye").With(workflow.FieldGroups, "g"), State: workflow.ChangeBlocked,
		Reason: workflow.NewReason(workflow.ReasonNoAccount, "x@y", ""), Asked: workflow.Row{Line: 7, Problem: "why"},
	}
	b := Planned(t, db, changes, hold...)
	for i := range changes {
		changes[i].Batch = b.Number
	}
	slices.SortFunc(changes, func(a, b workflow.Change) int { return a.Row - b.Row })
	got, err := db.Changes(t.Context(), b.Number, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(changes, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if b.Revision != 2 || b.State != workflow.AwaitingApproval {
		t.Errorf("revision %d, state %s", b.Revision, b.State)
	}
	if _, err := SavePlan(t, db, b.Number, changes); err == nil {
		t.Error("a batch was sealed twice")
	}
	if _, err := db.Change(t.Context(), b.Number, 99); !errors.Is(err, store.ErrNoRow) {
		t.Errorf("%v, want ErrNoRow", err)
	}
}

func testChangesPages(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(5)
	changes[2].State = workflow.ChangeUnchanged
	b := Planned(t, db, changes)
	for _, test := range []struct {
		after, limit int
		states       []workflow.ChangeState
		want         []int
	}{
		{0, 2, nil, []int{1, 2}},
		{2, 2, nil, []int{3, 4}},
		{1, 2, []workflow.ChangeState{workflow.ChangeReady}, []int{2, 4}},
		{0, 0, []workflow.ChangeState{workflow.ChangeUnchanged, workflow.ChangeBad}, []int{3}},
		{5, 0, nil, nil},
	} {
		page, err := db.Changes(t.Context(), b.Number, test.after, test.limit, test.states...)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, c := range page {
			got = append(got, c.Row)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%+v (-want +got)\n%s", test, diff)
		}
	}
}

func testUpdateChange(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(2)
	b := Planned(t, db, changes)
	b, want, err := db.UpdateChange(t.Context(), b.Number, 2, func(b *workflow.Batch, c *workflow.Change) error {
		c.State, c.Attempts, c.Called, c.Finished = workflow.ChangeFailed, 3, Noon, Noon.Add(time.Second)
		c.Back = true
		c.SetOutcome(0, workflow.StepOutcome{State: workflow.ChangeDone, Attempts: 2, Finished: Noon})
		c.Reason = workflow.NewReason(workflow.ReasonDrifted, "address", "a", "b")
		b.Record(workflow.Event{Row: c.Row, Actor: workflow.Bot, Kind: "failed"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := db.Change(t.Context(), b.Number, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if b.Revision != 3 {
		t.Errorf("revision %d, want 3", b.Revision)
	}
	no := errors.New("no")
	_, _, err = db.UpdateChange(t.Context(), b.Number, 2, func(_ *workflow.Batch, c *workflow.Change) error {
		c.Attempts = 9
		return no
	})
	if !errors.Is(err, no) {
		t.Errorf("%v, want the rule's own error", err)
	}
	_, _, err = db.UpdateChange(t.Context(), b.Number, 2, func(_ *workflow.Batch, c *workflow.Change) error {
		c.Steps[0].Set = workflow.Of(workflow.FieldEmail, "evil@new.example")
		return nil
	})
	if err == nil {
		t.Error("a rule changed the plan")
	}
	again, err := db.Change(t.Context(), b.Number, 2)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("after refused rules (-want +got)\n%s", diff)
	}
}

func testUpdateChanges(t *testing.T, on suite) {
	db := on.open(t)
	changes, hold := Renames(2*many + 1)
	changes[3].State = workflow.ChangeUnchanged
	b := Planned(t, db, changes, hold...)
	var rows []int
	b, err := db.UpdateChanges(t.Context(), b.Number, workflow.ChangeReady,
		func(c *workflow.Change) error {
			rows = append(rows, c.Row)
			return c.Move(workflow.ChangeSkipped)
		},
		func(b *workflow.Batch) error { return b.Move(workflow.Cancelled) })
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2*many || !slices.IsSorted(rows) || slices.Contains(rows, 4) {
		t.Errorf("the rule saw %d rows, sorted %t", len(rows), slices.IsSorted(rows))
	}
	s, err := db.Summary(t.Context(), b.Number)
	if err != nil {
		t.Fatal(err)
	}
	want := []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeSkipped, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 2 * many},
		{Action: workflow.Rename, State: workflow.ChangeUnchanged, Effects: []workflow.Effect{workflow.EffectSignedOut}, Count: 1},
	}
	if diff := cmp.Diff(want, s.Groups); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func testUpdateChangesAllOrNothing(t *testing.T, on suite) {
	db := on.open(t)
	changes, _ := Renames(many + 2)
	b := Planned(t, db, changes)
	no := errors.New("no")
	_, err := db.UpdateChanges(t.Context(), b.Number, workflow.ChangeReady,
		func(c *workflow.Change) error { return c.Move(workflow.ChangeSkipped) },
		func(*workflow.Batch) error { return no })
	if !errors.Is(err, no) {
		t.Fatalf("%v, want the rule's own error", err)
	}
	s, err := db.Summary(t.Context(), b.Number)
	if err != nil || s.State(workflow.ChangeReady) != many+2 {
		t.Errorf("%d are ready, %v; want all %d", s.State(workflow.ChangeReady), err, many+2)
	}
}
