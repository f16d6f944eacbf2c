package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Sequence lists members as the directory does, and ends with the error where there is one.
func Sequence(members []workflow.Member, end error) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range members {
			if !yield(m, nil) {
				return
			}
		}
		if end != nil {
			yield(workflow.Member{}, end)
		}
	}
}

// Member returns the account of that number.
func Member(n int) workflow.Member {
	return workflow.Member{
		Account: workflow.Account{
			ID: fmt.Sprintf("712020:%05d", n), Name: fmt.Sprintf("Name %d", n), Email: fmt.Sprintf("u%d@example.com", n),
			Type: "atlassian", Status: workflow.StatusActive, Managed: true,
		},
		Billable: true, LastActive: "2026-11-22",
		Products: []workflow.Product{
			{Key: "confluence", Name: "Confluence", URL: "https://example.atlassian.net?a&b", LastActive: "2026-11-21"},
			{Key: "jira-software", Name: "Jira", URL: "https://example.atlassian.net"},
		},
	}
}

// Members returns count accounts.
func Members(count int) []workflow.Member {
	list := make([]workflow.Member, count)
	for i := range list {
		list[i] = Member(i)
	}
	return list
}

// page are more accounts than a driver is likely to write at once.
const page = 500

// Take takes a snapshot as a run of the report, as the runner does.
func Take(t testing.TB, db store.Driver, night int, list []workflow.Member) report.Snapshot {
	t.Helper()
	const name = "nightly"
	at := Noon.AddDate(0, 0, night)
	s, err := db.TakeSnapshot(t.Context(), name, at, Sequence(list, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.CreateRun(t.Context(), report.Run{
		Report: name, Kind: report.ManagedAccounts, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone,
		Started: at, Finished: at, Snapshot: s.ID, Figures: s.Figures,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ReadBack returns the accounts of a snapshot.
func ReadBack(t interface{ Fatal(...any) }, db store.Driver, id int64) []workflow.Member {
	var list []workflow.Member
	for m, err := range db.SnapshotMembers(context.Background(), id) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

func testSnapshot(t *testing.T, on suite) {
	db := on.open(t)
	list := Members(page + 3)
	list[0].Status, list[0].Billable = workflow.StatusInactive, false
	list[1].Status, list[1].Products = workflow.StatusClosed, nil
	list[2].LastActive, list[2].Email = "", ""
	sent := append(slices.Clone(list), list[5]) // the pages moved: one account comes twice
	slices.Reverse(sent[7].Products)            // and the vendor has no order
	s, err := db.TakeSnapshot(t.Context(), "nightly", Noon, Sequence(sent, nil))
	if err != nil {
		t.Fatal(err)
	}
	if s.Read.Before(s.At) {
		t.Errorf("the night of %s was read at %s", s.At, s.Read)
	}
	want := report.Snapshot{ID: 1, Report: "nightly", At: Noon, Read: s.Read, Figures: report.Figures{
		report.FigureAccounts: page + 3, report.FigureActive: page + 1, report.FigureInactive: 1,
		report.FigureBillable: page + 2,
	}}
	if diff := gocmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	report.SortProducts(list[7].Products)
	if diff := gocmp.Diff(list, ReadBack(t, db, s.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, err := range db.SnapshotMembers(t.Context(), 9) {
		if !errors.Is(err, report.ErrNoSnapshot) {
			t.Errorf("%v, want ErrNoSnapshot", err)
		}
	}
	for range 20 { // a reader that stops leaves nothing open: the last ones would wait for a connection
		for _, err := range db.SnapshotMembers(t.Context(), s.ID) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
}

func testCutSnapshotIsNotThere(t *testing.T, on suite) {
	db := on.open(t)
	list := Members(2*page + 1)
	first := Take(t, db, 0, list)
	changed := slices.Clone(list)
	changed[0].Name = "Changed"
	cut := errors.New("cut")
	_, err := db.TakeSnapshot(t.Context(), "nightly", Noon, Sequence(changed, cut))
	if !errors.Is(err, cut) {
		t.Fatalf("%v, want the error of the sequence", err)
	}
	for _, err := range db.SnapshotMembers(t.Context(), first.ID+1) {
		if !errors.Is(err, report.ErrNoSnapshot) {
			t.Errorf("%v, want ErrNoSnapshot", err)
		}
	}
	if diff := gocmp.Diff(list, ReadBack(t, db, first.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	second := Take(t, db, 1, list[:3]) // nothing of what was cut comes into it
	if diff := gocmp.Diff(list[:3], ReadBack(t, db, second.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func testOneSnapshotAtATime(t *testing.T, on suite) {
	db := on.open(t)
	var inner error
	_, err := db.TakeSnapshot(t.Context(), "a", Noon, func(func(workflow.Member, error) bool) {
		_, inner = db.TakeSnapshot(t.Context(), "b", Noon, Sequence(nil, nil))
	})
	if err != nil || !errors.Is(inner, report.ErrBusy) {
		t.Errorf("%v and %v, want ErrBusy for the second", err, inner)
	}
}

// The intervals give back every night as a full copy of it would, whatever happens from night to
// night and whichever nights are dropped.
func testIntervalsAreFullCopies(t *testing.T, on suite) { CheckSnapshots(t, on.openAt, nil) }

// CheckSnapshots compares nights with full copies of them, and gives each database to after, for a
// look at its tables.
func CheckSnapshots(t *testing.T, open Open, after func(*rapid.T, store.Driver)) {
	all := t
	rapid.Check(t, func(t *rapid.T) {
		db := open(all, all.TempDir())
		defer func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		copies := map[int64][]workflow.Member{}
		nights := map[string][]int64{}
		owners := map[string]string{} // of those who were there the night before
		for night := range rapid.IntRange(1, 8).Draw(t, "nights") {
			var list []workflow.Member
			for n := range 5 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				m := Member(n)
				m.Name = rapid.SampledFrom([]string{"Ann", "Bea"}).Draw(t, "name")
				m.LastActive = rapid.SampledFrom([]string{
					"", "2026-11-22", "2026-11-23", "1850-02-03", "2026-11-23T10:00:00Z",
				}).Draw(t, "last active")
				m.Products = m.Products[:rapid.IntRange(0, 2).Draw(t, "products")]
				if len(m.Products) == 0 {
					m.Products = nil
				}
				m.Owner = rapid.SampledFrom([]string{"", "none", "synced"}).Draw(t, "owner")
				list = append(list, m)
			}
			name := rapid.SampledFrom([]string{"nightly", "weekly"}).Draw(t, "report")
			at := Noon.AddDate(0, 0, night)
			s, err := db.TakeSnapshot(context.Background(), name, at, Sequence(list, nil))
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.CreateRun(context.Background(), report.Run{
				Report: name, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone, Snapshot: s.ID,
			})
			if err != nil {
				t.Fatal(err)
			}
			for i := range list { // one that was not read stays as it is known
				list[i].Owner = cmp.Or(list[i].Owner, owners[list[i].ID])
			}
			clear(owners)
			for _, m := range list {
				owners[m.ID] = m.Owner
			}
			copies[s.ID], nights[name] = list, append(nights[name], s.ID)
			if keep := rapid.IntRange(0, 3).Draw(t, "keep"); keep > 0 {
				dropped, err := db.KeepSnapshots(context.Background(), name, keep)
				if err != nil {
					t.Fatal(err)
				}
				gone := max(len(nights[name])-keep, 0)
				if dropped != gone {
					t.Fatalf("dropped %d, want %d", dropped, gone)
				}
				for _, id := range nights[name][:gone] {
					delete(copies, id)
				}
				nights[name] = nights[name][gone:]
			}
			for id, want := range copies {
				if diff := gocmp.Diff(want, ReadBack(t, db, id)); diff != "" {
					t.Fatalf("snapshot %d (-want +got)\n%s", id, diff)
				}
				counted := map[string]int{}
				for _, m := range want {
					counted[m.Owner]++
				}
				if got, err := db.SnapshotOwners(context.Background(), id); err != nil || !maps.Equal(counted, got) {
					t.Fatalf("owners in snapshot %d: %v, %v; want %v", id, got, err, counted)
				}
				if diff := gocmp.Diff(Compared(want, list), Differences(t, db, id, s.ID)); diff != "" {
					t.Fatalf("snapshots %d and %d (-want +got)\n%s", id, s.ID, diff)
				}
			}
		}
		if after != nil {
			after(t, db)
		}
	})
}

// testStatusSeen: what an account was, night by night, the newest first; that something else of it
// changed is no matter.
func testStatusSeen(t *testing.T, on suite) {
	db := on.open(t)
	for night, status := range []workflow.AccountStatus{"active", "inactive", "inactive", "active", "active"} {
		m := Member(1)
		m.Status, m.Name = status, fmt.Sprintf("Name of night %d", night/2)
		Take(t, db, night, []workflow.Member{m, Member(2)})
	}
	got, err := db.StatusSeen(t.Context(), Member(1).ID)
	if err != nil {
		t.Fatal(err)
	}
	at := func(night int) time.Time { return Noon.AddDate(0, 0, night) }
	want := []workflow.SeenStatus{
		{Status: "active", First: at(3), Last: at(4)}, {Status: "inactive", First: at(1), Last: at(2)}, {Status: "active", First: at(0), Last: at(0)},
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got, err := db.StatusSeen(t.Context(), "712020:nobody"); len(got) > 0 || err != nil {
		t.Errorf("of nobody: %v, %v", got, err)
	}
}
