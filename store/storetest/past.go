package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// A batch for a whole domain gets its rows once, while it is planned, and they are what was asked for
// from then on.
func testAddRows(t *testing.T, on suite) {
	db := on.open(t)
	b := Create(t, db)
	changes, hold := Renames(3)
	rows := Asked(changes)
	got, err := db.AddRows(t.Context(), b.Number, rows)
	if err != nil || got.Rows != len(rows) || got.Revision != b.Revision+1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if stored, err := db.Rows(t.Context(), b.Number); err != nil || !cmp.Equal(rows, stored) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(rows, stored))
	}
	state := (*workflow.StateError)(nil)
	if _, err := db.AddRows(t.Context(), b.Number, rows); !errors.As(err, &state) {
		t.Errorf("a second time: %v", err)
	}
	if a, err := db.Audit(t.Context()); err != nil || !a.Whole() || a.Rows != len(rows) {
		t.Errorf("audit: %+v, %v", a, err)
	}
	if _, err := SavePlan(t, db, b.Number, changes, hold...); err != nil {
		t.Fatal(err)
	}
	planned := Planned(t, db, changes[:0])
	if _, err := db.AddRows(t.Context(), planned.Number, rows); !errors.As(err, &state) {
		t.Errorf("to a plan: %v", err)
	}
}

// What is known of an account: the nights, of which equal ones that follow each other are one; what
// batches did; and which accounts had an address, or one on a domain.
func testPast(t *testing.T, on suite) {
	db := on.open(t)
	if n, since, err := db.NightsKept(t.Context()); n != 0 || !since.IsZero() || err != nil {
		t.Errorf("%d nights since %s, %v; want none", n, since, err)
	}
	night := func(day int) time.Time { return Noon.AddDate(0, 0, day) }
	looks := func(email string, status workflow.AccountStatus, billable bool) workflow.Member {
		m := Member(1)
		m.Email, m.Status, m.Billable = email, status, billable
		return m
	}
	for day, members := range [][]workflow.Member{
		{looks("Ada@Old.example", workflow.StatusActive, true)},
		{looks("Ada@Old.example", workflow.StatusActive, false)}, // looks the same
		{},
		{looks("ada@new.example", workflow.StatusInactive, false), Member(2)},
		{looks("ada@new.example", workflow.StatusInactive, false), Member(2)},
	} {
		if _, err := db.TakeSnapshot(t.Context(), "nightly", night(day), Sequence(members, nil)); err != nil {
			t.Fatal(err)
		}
	}
	account := func(email string, status workflow.AccountStatus) workflow.Account {
		a := Member(1).Account
		a.Email, a.Status = email, status
		return a
	}
	want := []workflow.Sighting{
		{Account: account("Ada@Old.example", workflow.StatusActive), First: night(0), Last: night(1), After: night(2)},
		{Account: account("ada@new.example", workflow.StatusInactive), First: night(3), Last: night(4), Before: night(2)},
	}
	got, err := db.Sightings(t.Context(), Member(1).ID)
	for i := range got { // how long they are read is the next test's
		got[i].Read, got[i].AfterRead = time.Time{}, time.Time{}
	}
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, got))
	}
	// A night that several reports read is one night.
	for _, later := range []time.Duration{0, time.Minute, 30 * time.Minute} {
		same := []workflow.Member{looks("ada@new.example", workflow.StatusInactive, false), Member(2)}
		if _, err := db.TakeSnapshot(t.Context(), "changes", night(4).Add(later), Sequence(same, nil)); err != nil {
			t.Fatal(err)
		}
	}
	if n, since, err := db.NightsKept(t.Context()); n != 5 || !since.Equal(night(0)) || err != nil {
		t.Errorf("%d nights since %s, %v", n, since, err)
	}

	changes, hold := Renames(2)
	b := Planned(t, db, changes, hold...)
	_, err = db.UpdateChanges(t.Context(), b.Number, workflow.ChangeReady, func(c *workflow.Change) error {
		if c.Row == 1 {
			c.Conclude(0, workflow.ChangeDone, workflow.Reason{})
			c.State, c.Finished = workflow.ChangeDone, Noon
		}
		return nil
	}, func(*workflow.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	made, err := db.MadeOf(t.Context(), changes[0].AccountID)
	if err != nil || len(made) != 1 || made[0].Batch != b.Number || made[0].Requester.ID != Hana.ID ||
		made[0].Outcome(0).State != workflow.ChangeDone || made[0].OldEmail() != changes[0].OldEmail() {
		t.Errorf("%+v, %v", made, err)
	}
	if made, err := db.MadeOf(t.Context(), changes[1].AccountID); len(made) != 0 || err != nil {
		t.Errorf("of what has not run: %+v, %v", made, err)
	}
	for address, ids := range map[string][]string{
		"ada@old.example": {Member(1).ID}, "ADA@new.example": {Member(1).ID}, "nobody@old.example": nil,
		changes[0].OldEmail(): {changes[0].AccountID}, changes[0].NewEmail(): {changes[0].AccountID},
		changes[1].OldEmail(): {changes[1].AccountID}, changes[1].NewEmail(): nil,
	} {
		if got, err := db.KnownAs(t.Context(), address); !slices.Equal(got, ids) || err != nil {
			t.Errorf("%s: %v, %v; want %v", address, got, err, ids)
		}
	}
	moved := []string{Member(1).ID, changes[0].AccountID}
	slices.Sort(moved)
	if got, err := db.KnownOn(t.Context(), "Old.Example"); !slices.Equal(got, moved) || err != nil {
		t.Errorf("on the old domain: %v, %v; want %v", got, err, moved)
	}
	if got, err := db.KnownOn(t.Context(), "new.example"); len(got) != 0 || err != nil {
		t.Errorf("on the new domain: %v, %v; want none", got, err)
	}
}

// testWhenANightWasRead: a night says when its reading began and when it ended, also in what is known of
// the account that it shows for the first or no more.
func testWhenANightWasRead(t *testing.T, on suite) {
	db := on.open(t)
	var nights []report.Snapshot
	for day, members := range [][]workflow.Member{{Member(2)}, {Member(1)}, {}} {
		began := time.Now().Add(time.Duration(day-9) * time.Hour)
		var ended time.Time
		s, err := db.TakeSnapshot(t.Context(), "nightly", began, func(yield func(workflow.Member, error) bool) {
			Sequence(members, nil)(yield)
			ended = time.Now()
		})
		if err != nil {
			t.Fatal(err)
		}
		if !s.At.Equal(began) || s.Read.Before(ended) || s.Read.After(time.Now()) {
			t.Errorf("a night from %s to %s is said to be from %s to %s", began, ended, s.At, s.Read)
		}
		if kept, err := db.Snapshot(t.Context(), s.ID); err != nil || !kept.Read.Equal(s.Read) {
			t.Errorf("it was read at %s, %v; want %s", kept.Read, err, s.Read)
		}
		nights = append(nights, s)
	}
	seen, err := db.Sightings(t.Context(), Member(1).ID)
	if err != nil || len(seen) != 1 || !seen[0].Read.Equal(nights[1].Read) || !seen[0].AfterRead.Equal(nights[2].Read) {
		t.Errorf("%+v, %v; want it read at %s and the night after at %s", seen, err, nights[1].Read, nights[2].Read)
	}
	ahead := time.Now().Add(time.Hour)
	if s, err := db.TakeSnapshot(t.Context(), "nightly", ahead, Sequence(nil, nil)); err != nil || s.Read.Before(ahead) {
		t.Errorf("a night that began after the clock was put back was read at %s, %v", s.Read, err)
	}
}
