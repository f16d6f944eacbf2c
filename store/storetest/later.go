package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// approvedWith has a batch approved at the moment, with the return that takes back its rows.
func approvedWith(t *testing.T, db store.Driver, number int64, at time.Time, rows ...int) (ret int64) {
	t.Helper()
	_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		if b.Approved = at; len(rows) > 0 {
			b.Bring(returnOf(b, at, rows))
		}
		return b.Move(workflow.Approved)
	})
	if err != nil {
		t.Fatal(err)
	}
	following, err := db.Following(t.Context(), number)
	if err != nil || len(following) != min(len(rows), 1) {
		t.Fatalf("batch %d is followed by %v, %v", number, following, err)
	}
	if len(rows) == 0 {
		return 0
	}
	return following[0].Number
}

// returnOf is the return of some rows of a batch.
func returnOf(b *workflow.Batch, at time.Time, rows []int) workflow.Brought {
	ret := &workflow.Batch{OrgID: b.OrgID, State: workflow.Planning, BatchRequest: workflow.BatchRequest{
		Token: fmt.Sprintf("token-%d", b.Number), Requester: b.Requester, Author: b.Author, Rows: len(rows), Created: at, Follows: b.Number,
		Link: workflow.LinkReturn, Source: workflow.Source{Kind: workflow.SourceBatch},
	}}
	var changes []workflow.Change
	for _, row := range rows {
		c := Rename(row)
		c.Expect, c.Set = c.Set, c.Expect
		c.Steps[0].Expect, c.Steps[0].Set = c.Expect, c.Set
		changes = append(changes, c)
	}
	return workflow.Brought{Batch: ret, Changes: changes, Seal: func(ret *workflow.Batch) error {
		ret.Checked, ret.Planned, ret.Approved = len(rows), at, at
		if err := ret.Move(workflow.AwaitingApproval); err != nil {
			return err
		}
		return ret.Move(workflow.Approved)
	}}
}

// put gives a row of a batch a state, without asking the machine.
func put(t *testing.T, db store.Driver, number int64, row int, state workflow.ChangeState) {
	t.Helper()
	_, _, err := db.UpdateChange(t.Context(), number, row, func(_ *workflow.Batch, c *workflow.Change) error {
		c.State = state
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// statesOf are changes as "batch row state".
func statesOf(changes []workflow.Change) []string {
	out := make([]string, len(changes))
	for i := range changes {
		out[i] = fmt.Sprintf("%d %d %s", changes[i].Batch, changes[i].Row, changes[i].State)
	}
	return out
}

// What was approved since, of whatever state it has come to by then, but for what ended without an
// effect; not the two batches that ask, nor what has no steps, nor returns.
func testLater(t *testing.T, on suite) {
	t.Parallel()
	db := on.open(t)
	first := request(t, db, Hana, Noon.Add(-time.Hour), 2, 2)
	second := approvedWith(t, db, first, Noon, 2, 3)
	before := request(t, db, Hana, Noon.Add(-time.Hour), 12, 1)
	approvedWith(t, db, before, Noon.Add(-time.Second))
	request(t, db, Hana, Noon, 22, 1) // nobody has decided
	rejected := request(t, db, Hana, Noon, 32, 1)
	Move(t, db, rejected, workflow.Rejected)
	at := request(t, db, Hana, Noon.Add(-time.Hour), 42, 1)
	approvedWith(t, db, at, Noon, 42) // its return is one, too
	states := []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeUnchanged,
		workflow.ChangeFailed, workflow.ChangeSkipped,
	}
	after := request(t, db, Alice, Noon, 52, len(states)+1)
	approvedWith(t, db, after, Noon.Add(time.Hour))
	want := []string{fmt.Sprintf("%d 42 ready", at)}
	for i, state := range states {
		put(t, db, after, 52+i, state)
		if i < 5 {
			want = append(want, fmt.Sprintf("%d %d %s", after, 52+i, state))
		}
	}
	want = append(want, fmt.Sprintf("%d %d ready", after, 52+len(states)))
	got, err := db.Later(t.Context(), first, second, Noon)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, statesOf(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for i := range got {
		if len(got[i].Steps) != 1 || got[i].AccountID != Rename(got[i].Row).AccountID {
			t.Errorf("%+v is not whole", got[i])
		}
	}
	if got, err := db.Later(t.Context(), first, second, Noon.Add(2*time.Hour)); err != nil || len(got) > 0 {
		t.Errorf("after the last of them: %v, %v", statesOf(got), err)
	}
	if got, err := db.Later(t.Context(), at, second, Noon); err != nil || slices.Contains(statesOf(got), fmt.Sprintf("%d 2 ready", first)) {
		t.Errorf("what was approved in the same moment, and asked for before, is later: %v, %v", statesOf(got), err)
	}
	if got, err := db.Later(t.Context(), after, at, Noon.Add(-time.Millisecond)); err != nil || !slices.Equal(statesOf(got), []string{
		fmt.Sprintf("%d 2 ready", first), fmt.Sprintf("%d 3 ready", first),
	}) {
		t.Errorf("besides others: %v, %v", statesOf(got), err)
	}
}

// What waits to be taken back, as changes of the batch that it takes back; not what ran, was kept, or
// has nothing left to do on an account.
func testReturning(t *testing.T, on suite) {
	t.Parallel()
	db := on.open(t)
	batch := func(row int) (first, ret int64) {
		first = request(t, db, Hana, Noon, row, 3)
		return first, approvedWith(t, db, first, Noon, row, row+1, row+2)
	}
	first, ret := batch(2)
	put(t, db, ret, 4, workflow.ChangeUnchanged)
	_, kept := batch(12)
	Move(t, db, kept, workflow.Cancelled)
	_, ran := batch(22)
	if _, err := db.Update(t.Context(), ran, func(b *workflow.Batch) error {
		b.Started = Noon
		return b.Move(workflow.Running)
	}); err != nil {
		t.Fatal(err)
	}
	other, _ := batch(32)
	var accounts []string
	for _, row := range []int{3, 4, 12, 13, 22, 23, 33} {
		accounts = append(accounts, Rename(row).AccountID)
	}
	got, err := db.Returning(t.Context(), accounts)
	want := []string{fmt.Sprintf("%d 3 ready", first), fmt.Sprintf("%d 33 ready", other)}
	if diff := cmp.Diff(want, statesOf(got)); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	for i := range got {
		from := Rename(got[i].Row)
		if to := got[i].Steps[0].Set.Get(workflow.FieldEmail); to != from.OldEmail() {
			t.Errorf("row %d goes back to %q", got[i].Row, to)
		}
	}
	if got, err := db.Returning(t.Context(), nil); err != nil || len(got) > 0 {
		t.Errorf("of nobody: %v, %v", statesOf(got), err)
	}
}
