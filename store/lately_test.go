package store

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

// request makes a batch of that person with so many ready rows from the given one on, created at the moment.
func request(t *testing.T, db *DB, who workflow.Person, at time.Time, first, rows int) int64 {
	t.Helper()
	b := &workflow.Batch{
		OrgID: "org", State: workflow.Planning, Requester: who, Author: who, Rows: rows, Created: at, Expires: at.Add(time.Hour),
		Source: workflow.Source{Kind: workflow.SourceCommand},
	}
	if err := db.Create(t.Context(), b, nil); err != nil {
		t.Fatal(err)
	}
	var changes []workflow.Change
	for i := range rows {
		changes = append(changes, rename(first+i))
	}
	changes = append(changes, workflow.Change{Row: 1000, Action: workflow.Rename, AccountID: "blocked", State: workflow.ChangeBlocked})
	if _, err := seal(t, db, b.Number, changes); err != nil {
		t.Fatal(err)
	}
	return b.Number
}

var carol = workflow.Person{ID: "U0CAROL", Name: "Carol"}

// approved makes a batch one that may run.
func approved(t *testing.T, db *DB, number int64) {
	t.Helper()
	_, err := db.Update(t.Context(), number, func(b *workflow.Batch) error {
		b.Approved = noon
		return b.Move(workflow.Approved)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// called makes a row one that was called at the moment and is done.
func called(t *testing.T, db *DB, number int64, row int, at time.Time) {
	t.Helper()
	_, _, err := db.UpdateChange(t.Context(), number, row, func(b *workflow.Batch, c *workflow.Change) error {
		b.Started, c.Called = noon, at
		if err := c.Move(workflow.ChangeRunning); err != nil {
			return err
		}
		return c.Move(workflow.ChangeDone)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLately(t *testing.T) {
	t.Parallel()
	db := open(t)
	request(t, db, hana, noon.Add(-25*time.Hour), 2, 100) // too long ago
	request(t, db, alice, noon.Add(-time.Hour), 202, 7)
	request(t, db, hana, noon.Add(-time.Hour), 302, 3)
	move(t, db, request(t, db, hana, noon.Add(-time.Hour), 402, 11), workflow.Rejected) // never ran
	this := request(t, db, hana, noon, 502, 5)
	waits := request(t, db, carol, noon.Add(-48*time.Hour), 602, 2) // for a window: asked for long ago, still to be made
	approved(t, db, waits)
	ran := request(t, db, carol, noon.Add(-48*time.Hour), 702, 3)
	approved(t, db, ran)
	move(t, db, ran, workflow.Running)
	called(t, db, ran, 702, noon.Add(-time.Hour))
	called(t, db, ran, 703, noon.Add(-25*time.Hour))
	move(t, db, ran, workflow.Done)
	for _, tt := range []struct {
		people []string
		but    int64
		want   int
	}{
		{[]string{"U0HANA"}, this, 3},
		{[]string{"U0HANA"}, 0, 8},
		{[]string{"U0HANA", "U0ALICE"}, this, 10},
		{nil, this, 13},
		{[]string{"U0CAROL"}, this, 3},
	} {
		n, err := db.Lately(t.Context(), noon.Add(-24*time.Hour), tt.people, tt.but)
		if err != nil || n != tt.want {
			t.Errorf("of %v but #%d: %d, %v; want %d", tt.people, tt.but, n, err, tt.want)
		}
	}
}

func TestTouched(t *testing.T) {
	t.Parallel()
	db := open(t)
	since := noon.Add(-24 * time.Hour)
	undecided := request(t, db, hana, noon, 2, 2)
	waits := request(t, db, alice, noon, 12, 2)
	approved(t, db, waits)
	ran := request(t, db, hana, noon, 22, 3) // one was called long ago, one lately, one never
	approved(t, db, ran)
	move(t, db, ran, workflow.Running)
	called(t, db, ran, 22, since.Add(-time.Second))
	called(t, db, ran, 23, since)
	touched := func(people []string, but int64) []string {
		t.Helper()
		got, err := db.Touched(t.Context(), since, people, but)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	account := func(row int) string { return rename(row).AccountID }
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

func TestGroupsAreNoted(t *testing.T) {
	t.Parallel()
	db := open(t)
	if got, err := db.NotedGroup(t.Context(), "S0ADMINS"); got != nil || err != nil {
		t.Errorf("noted before: %v, %v", got, err)
	}
	for _, members := range [][]string{{"U2", "U1"}, {"U1", "U2"}, {"U2", "U3"}, {}} {
		if err := db.NoteGroup(t.Context(), "S0ADMINS", members); err != nil {
			t.Fatal(err)
		}
		want := slices.Sorted(slices.Values(members))
		if got, err := db.NotedGroup(t.Context(), "S0ADMINS"); !slices.Equal(got, want) || err != nil {
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
