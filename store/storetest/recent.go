package storetest

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// request makes a batch of that person with so many ready rows from the given one on, created at the moment.
func request(t *testing.T, db store.Driver, who workflow.Person, at time.Time, first, rows int) int64 {
	t.Helper()
	b := &workflow.Batch{
		OrgID: "org", State: workflow.Planning,
		BatchRequest: workflow.BatchRequest{
			Requester: who, Author: who, Rows: rows, Created: at, Source: workflow.Source{Kind: workflow.SourceCommand},
		},
		BatchApproval: workflow.BatchApproval{Expires: at.Add(time.Hour)},
	}
	var changes []workflow.Change
	for i := range rows {
		changes = append(changes, Rename(first+i))
	}
	changes = append(changes, workflow.Change{Row: 1000, Action: workflow.Rename, AccountID: "blocked", State: workflow.ChangeBlocked})
	if err := db.Create(t.Context(), b, Asked(changes), nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := SavePlan(t, db, b.Number, changes); err != nil {
		t.Fatal(err)
	}
	return b.Number
}

var carol = workflow.Person{ID: "U0CAROL", Name: "Carol"}

// approved makes a batch one that may run.
func approved(t *testing.T, db store.Driver, number int64) {
	t.Helper()
	_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		b.Approved = Noon
		return b.Move(workflow.Approved)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// called makes a row one that was called at the moment and is done.
func called(t *testing.T, db store.Driver, number int64, row int, at time.Time) {
	t.Helper()
	_, _, err := db.UpdateChange(t.Context(), number, row, func(b *workflow.Batch, c *workflow.Change) error {
		b.Started, c.Called = Noon, at
		if err := c.Move(workflow.ChangeRunning); err != nil {
			return err
		}
		return c.Move(workflow.ChangeDone)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testRecentChanges(t *testing.T, on suite) {
	t.Parallel()
	db := on.open(t)
	request(t, db, Hana, Noon.Add(-25*time.Hour), 2, 100) // too long ago
	request(t, db, Alice, Noon.Add(-time.Hour), 202, 7)
	request(t, db, Hana, Noon.Add(-time.Hour), 302, 3)
	Move(t, db, request(t, db, Hana, Noon.Add(-time.Hour), 402, 11), workflow.Rejected) // never ran
	this := request(t, db, Hana, Noon, 502, 5)
	waits := request(t, db, carol, Noon.Add(-48*time.Hour), 602, 2) // for a window: asked for long ago, still to be made
	approved(t, db, waits)
	ran := request(t, db, carol, Noon.Add(-48*time.Hour), 702, 3)
	approved(t, db, ran)
	Move(t, db, ran, workflow.Running)
	called(t, db, ran, 702, Noon.Add(-time.Hour))
	called(t, db, ran, 703, Noon.Add(-25*time.Hour))
	Move(t, db, ran, workflow.Done)
	dave := workflow.Person{ID: "U0DAVE", Name: "Dave"}
	back := request(t, db, dave, Noon.Add(-time.Hour), 802, 2) // with a return, of which one row is taken back
	ret := approvedWith(t, db, back, Noon, 802, 803)
	Move(t, db, ret, workflow.Running)
	called(t, db, ret, 802, Noon.Add(-time.Minute))
	for _, tt := range []struct {
		people  []string
		exclude int64
		want    int
	}{
		{[]string{"U0DAVE"}, this, 3},
		{[]string{"U0DAVE"}, back, 0}, // its own return has no say
		{[]string{"U0HANA"}, this, 3},
		{[]string{"U0HANA"}, 0, 8},
		{[]string{"U0HANA", "U0ALICE"}, this, 10},
		{nil, this, 16},
		{[]string{"U0CAROL"}, this, 3},
	} {
		n, err := db.RecentChanges(t.Context(), Noon.Add(-24*time.Hour), tt.people, tt.exclude)
		if err != nil || n != tt.want {
			t.Errorf("of %v without #%d: %d, %v; want %d", tt.people, tt.exclude, n, err, tt.want)
		}
	}
}

func testTouched(t *testing.T, on suite) {
	t.Parallel()
	db := on.open(t)
	since := Noon.Add(-24 * time.Hour)
	undecided := request(t, db, Hana, Noon, 2, 2)
	waits := request(t, db, Alice, Noon, 12, 2)
	approved(t, db, waits)
	ran := request(t, db, Hana, Noon, 22, 3) // one was called long ago, one within the day, one never
	approved(t, db, ran)
	Move(t, db, ran, workflow.Running)
	called(t, db, ran, 22, since.Add(-time.Second))
	called(t, db, ran, 23, since)
	touched := func(people []string, exclude int64) []string {
		t.Helper()
		got, err := db.Touched(t.Context(), since, people, exclude)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	account := func(row int) string { return Rename(row).AccountID }
	want := []string{account(12), account(13), account(23), account(24)}
	slices.Sort(want)
	if diff := cmp.Diff(want, touched(nil, undecided)); diff != "" {
		t.Errorf("by all (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{account(23), account(24)}, touched([]string{"U0HANA"}, 0)); diff != "" {
		t.Errorf("by Hana (-want +got)\n%s", diff)
	}
	if got := touched([]string{"U0HANA"}, ran); len(got) != 0 {
		t.Errorf("by Hana besides: %v", got)
	}
}

func testGroupsAreRecorded(t *testing.T, on suite) {
	t.Parallel()
	db := on.open(t)
	if got, err := db.RecordedGroup(t.Context(), "S0ADMINS"); got != nil || err != nil {
		t.Errorf("noted before: %v, %v", got, err)
	}
	for _, members := range [][]string{{"U2", "U1"}, {"U1", "U2"}, {"U2", "U3"}, {}} {
		if err := db.RecordGroup(t.Context(), "S0ADMINS", members); err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(members))
		if got, err := db.RecordedGroup(t.Context(), "S0ADMINS"); !slices.Equal(got, want) || err != nil {
			t.Errorf("noted: %v, %v; want %v", got, err, want)
		}
	}
	var got []string
	err := db.Events(t.Context(), func(line []byte) error {
		var e struct {
			Kind string          `json:"kind"`
			Data json.RawMessage `json:"data"`
		}
		err := json.Unmarshal(line, &e)
		got = append(got, e.Kind+" "+string(e.Data))
		return err
	})
	want := []string{
		`group_changed {"added":["U1","U2"],"group":"S0ADMINS","removed":[]}`,
		`group_changed {"added":["U3"],"group":"S0ADMINS","removed":["U1"]}`,
		`group_changed {"added":[],"group":"S0ADMINS","removed":["U2","U3"]}`,
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
}

// testDeleted: the deletion of an account is the last one that was done, of whatever batch.
func testDeleted(t *testing.T, on suite) {
	db := on.open(t)
	deletion := func(finished time.Time, done bool) int64 {
		c := Rename(1)
		c.Action, c.Asked.Action, c.Steps[0].Action = workflow.Delete, workflow.Delete, workflow.Delete
		c.Set, c.Steps[0].Set = nil, workflow.Of(workflow.FieldStatus, string(workflow.StatusDeleting))
		b := Planned(t, db, []workflow.Change{c})
		_, _, err := db.UpdateChange(t.Context(), b.Number, 1, func(_ *workflow.Batch, c *workflow.Change) error {
			c.State, c.Called, c.Finished = workflow.ChangeFailed, finished, finished
			if done {
				c.State = workflow.ChangeDone
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return b.Number
	}
	account := Rename(1).AccountID
	if c, err := db.Deleted(t.Context(), account); c != nil || err != nil {
		t.Errorf("of nobody: %+v, %v", c, err)
	}
	deletion(Noon, true)
	last := deletion(Noon.Add(time.Hour), true)
	deletion(Noon.Add(2*time.Hour), false)
	c, err := db.Deleted(t.Context(), account)
	if err != nil || c == nil || c.Batch != last || c.Steps[0].Expect.Get(workflow.FieldStatus) != string(workflow.StatusActive) {
		t.Errorf("found %+v, %v, want that of batch %d", c, err, last)
	}
	if c, err := db.Deleted(t.Context(), "712020:other"); c != nil || err != nil {
		t.Errorf("of another: %+v, %v", c, err)
	}
}
