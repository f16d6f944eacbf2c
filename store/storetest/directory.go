package storetest

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// Differences returns all that is different between two snapshots.
func Differences(t interface{ Fatal(...any) }, db store.Driver, from, to int64) []report.Difference {
	var list []report.Difference
	for d, err := range db.Differences(context.Background(), from, to) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, d)
	}
	return list
}

// withoutDays returns a member as comparisons and histories give it.
func withoutDays(m workflow.Member) workflow.Member {
	m.LastActive, m.Owner, m.Products = "", "", slices.Clone(m.Products)
	for i := range m.Products {
		m.Products[i].LastActive = ""
	}
	return m
}

// Compared returns what is different between two lists that are sorted by account id.
func Compared(before, after []workflow.Member) []report.Difference {
	all := map[string]*report.Difference{}
	var ids []string
	of := func(m workflow.Member) *report.Difference {
		if all[m.ID] == nil {
			all[m.ID], ids = &report.Difference{AccountID: m.ID}, append(ids, m.ID)
		}
		return all[m.ID]
	}
	for _, m := range before {
		m = withoutDays(m)
		of(m).Before = &m
	}
	for _, m := range after {
		m = withoutDays(m)
		of(m).After = &m
	}
	slices.Sort(ids)
	var list []report.Difference
	for _, id := range ids {
		if d := all[id]; !gocmp.Equal(d.Before, d.After) {
			list = append(list, *d)
		}
	}
	return list
}

// testSnapshotList: snapshots by report, day and moment, each with what runs stand on it.
func testSnapshotList(t *testing.T, on suite) {
	db := on.open(t)
	var nights []report.Snapshot
	for night := range 4 {
		nights = append(nights, Take(t, db, night, Members(2+night)))
	}
	standsOn(t, db, "changes", 2, nights[2].ID)
	other, err := db.TakeSnapshotOf(t.Context(), report.SitePopulation("main"), "site", Noon, Sequence(Members(1), nil))
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(nights)
	date := func(night int) string { return Noon.AddDate(0, 0, night).Format(time.DateOnly) }
	for _, test := range []struct {
		name  string
		query report.SnapshotQuery
		want  []report.Snapshot
	}{
		{"all", report.SnapshotQuery{}, nights},
		{"of a report", report.SnapshotQuery{Report: "nightly", Limit: 3}, nights[:3]},
		{"that a report used", report.SnapshotQuery{Report: "changes"}, nights[1:2]},
		{"of none", report.SnapshotQuery{Report: "weekly"}, nil},
		{"the newest before", report.SnapshotQuery{Before: Noon.AddDate(0, 0, 2), Limit: 1}, nights[2:3]},
		{"since", report.SnapshotQuery{Since: Noon.AddDate(0, 0, 2)}, nights[:2]},
		{"of a day", report.SnapshotQuery{Date: date(2)}, nights[1:2]},
		{"of a day of a report", report.SnapshotQuery{Date: date(3), Report: "changes"}, nil},
		{"of a site", report.SnapshotQuery{Population: report.SitePopulation("main")}, []report.Snapshot{other}},
	} {
		got, err := db.ListSnapshots(t.Context(), test.query)
		if diff := gocmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got)\n%s", test.name, err, diff)
		}
	}
	if got, err := db.Snapshot(t.Context(), other.ID); !gocmp.Equal(got, other) || err != nil {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := db.Snapshot(t.Context(), 99); !errors.Is(err, report.ErrNoSnapshot) {
		t.Errorf("%v, want ErrNoSnapshot", err)
	}
}

// standsOn records a run of a report that stands on a snapshot.
func standsOn(t testing.TB, db store.Driver, name string, night int, snapshot int64) report.Run {
	t.Helper()
	at := Noon.AddDate(0, 0, night)
	run, err := db.CreateRun(t.Context(), report.Run{
		Report: name, Kind: report.Changes, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone,
		Started: at, Finished: at, Snapshot: snapshot,
	})
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// testDifferences: what is new, gone and other, in both directions, and nothing of activity alone.
func testDifferences(t *testing.T, on suite) {
	db := on.open(t)
	first := Members(page + 10)
	second := slices.Clone(first)
	second[0].LastActive, second[0].Owner = "2026-11-24", "organisation"
	second[1].Name = "Married Name"
	second[2].Email = "Other@Example.com"
	second[3].Status = workflow.StatusInactive
	second[4].Billable = false
	second[5].Products = second[5].Products[:1]
	second = append(second[:6:6], second[7:]...)
	second = append(second, Member(90_000))
	third := slices.Clone(first) // all is as it was
	a, b, c := Take(t, db, 0, first), Take(t, db, 1, second), Take(t, db, 2, third)
	for _, test := range []struct {
		from, to int64
		want     []report.Difference
	}{
		{a.ID, b.ID, Compared(first, second)},
		{b.ID, a.ID, Compared(second, first)},
		{b.ID, c.ID, Compared(second, third)},
		{a.ID, c.ID, nil},
		{a.ID, a.ID, nil},
	} {
		if diff := gocmp.Diff(test.want, Differences(t, db, test.from, test.to)); diff != "" {
			t.Errorf("%d to %d (-want +got)\n%s", test.from, test.to, diff)
		}
	}
	site, err := db.TakeSnapshotOf(t.Context(), report.SitePopulation("main"), "site", Noon, Sequence(first[:1], nil))
	if err != nil {
		t.Fatal(err)
	}
	for to, want := range map[int64]error{99: report.ErrNoSnapshot, site.ID: report.ErrOtherPopulation} {
		for _, err := range db.Differences(t.Context(), a.ID, to) {
			if !errors.Is(err, want) {
				t.Errorf("%v, want %v", err, want)
			}
		}
	}
}

// testAccountHistory: each look of an account with its nights, and the nights around them.
func testAccountHistory(t *testing.T, on suite) {
	db := on.open(t)
	look := func(change func(*workflow.Member)) []workflow.Member {
		m := Member(1)
		change(&m)
		return []workflow.Member{m, Member(2)}
	}
	as := func(email string) func(*workflow.Member) { return func(m *workflow.Member) { m.Email = email } }
	nights := [][]workflow.Member{
		look(as("Ada@Old.example")), look(as("Ada@Old.example")),
		{Member(2)},
		look(as("ada@NEW.example")),
		look(func(m *workflow.Member) { m.Email, m.Products = "ada@NEW.example", nil }),
	}
	var at []report.Night
	for night, members := range nights {
		s := Take(t, db, night, members)
		at = append(at, report.Night{ID: s.ID, At: s.At, Read: s.Read})
	}
	want := []report.Version{
		{Member: withoutDays(nights[0][0]), First: at[0], Last: at[1], After: at[2]},
		{Member: withoutDays(nights[3][0]), First: at[3], Last: at[3], Before: at[2], After: at[4]},
		{Member: withoutDays(nights[4][0]), First: at[4], Last: at[4], Before: at[3]},
	}
	got, err := db.AccountHistory(t.Context(), report.ManagedPopulation, Member(1).ID)
	if diff := gocmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if got, err := db.AccountHistory(t.Context(), report.SitePopulation("main"), Member(1).ID); len(got) > 0 || err != nil {
		t.Errorf("of a site: %+v, %v", got, err)
	}
	for address, want := range map[string][]string{
		"ADA@old.example": {Member(1).ID}, "ada@new.example": {Member(1).ID}, Member(2).Email: {Member(2).ID}, "": nil, "x@old.example": nil,
	} {
		if got, err := db.WhoHad(t.Context(), address); !slices.Equal(got, want) || err != nil {
			t.Errorf("%s: %v, %v; want %v", address, got, err, want)
		}
	}
}

// testPopulations: the users of a site are kept beside the managed accounts, and neither knows of
// the other. An owner stays until it is read again.
func testPopulations(t *testing.T, on suite) {
	db := on.open(t)
	managed := Members(3)
	managed[1].Owner = "googleWorkspace"
	users := []workflow.Member{{Account: workflow.Account{ID: managed[1].ID, Name: "N", Type: "atlassian", Status: "active"}}}
	a := Take(t, db, 0, managed)
	site := func(users []workflow.Member) report.Snapshot {
		s, err := db.TakeSnapshotOf(t.Context(), report.SitePopulation("main"), "site", Noon, Sequence(users, nil))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := site(users)
	later := slices.Clone(managed)
	later[1].Owner = ""
	b := Take(t, db, 1, later)
	empty := site(nil)
	for id, want := range map[int64][]workflow.Member{a.ID: managed, b.ID: managed, s.ID: users, empty.ID: nil} {
		if diff := gocmp.Diff(want, ReadBack(t, db, id)); diff != "" {
			t.Errorf("snapshot %d (-want +got)\n%s", id, diff)
		}
	}
	products, err := db.SnapshotProducts(t.Context(), a.ID)
	if diff := gocmp.Diff(withoutDays(managed[0]).Products, products); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if products, err := db.SnapshotProducts(t.Context(), s.ID); len(products) > 0 || err != nil {
		t.Errorf("%v, %v", products, err)
	}
	if n, _, err := db.NightsKept(t.Context()); n != 2 || err != nil {
		t.Errorf("%d nights, %v; want the 2 of the directory", n, err)
	}
}

// testWhatIsNeededIsKept: a snapshot on which another report's run stands, or to which a batch
// points, outlives the nights of the report that took it.
func testWhatIsNeededIsKept(t *testing.T, on suite) {
	db := on.open(t)
	var nights []int64
	for night := range 5 {
		list := Members(3)
		list[0].Name = Noon.AddDate(0, 0, night).String()
		nights = append(nights, Take(t, db, night, list).ID)
	}
	standsOn(t, db, "changes", 1, nights[1])
	idle := standsOn(t, db, "idle", 2, nights[2])
	drafted := NewBatch()
	drafted.Source.Report = idle.ID
	if err := db.Create(t.Context(), drafted, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	kept := func(name string, keep, dropped int, want ...int64) {
		t.Helper()
		keeps(t, db, name, keep, dropped, want...)
	}
	kept("nightly", 1, 2, nights[1], nights[2], nights[4])
	standsOn(t, db, "changes", 4, nights[4])
	kept("changes", 2, 0, nights[1], nights[2], nights[4])
	kept("changes", 1, 1, nights[2], nights[4])
	kept("nightly", 1, 0, nights[2], nights[4])
	standsOn(t, db, "idle", 4, nights[4])
	kept("idle", 1, 0, nights[2], nights[4])
	if run, err := db.Result(t.Context(), idle.ID); err != nil || run.Snapshot != nights[2] {
		t.Errorf("the report that a batch was drafted from stands on snapshot %d, %v; want %d", run.Snapshot, err, nights[2])
	}
}

// keeps has a report keep so many nights, and looks for which snapshots are there then.
func keeps(t *testing.T, db store.Driver, name string, keep, dropped int, want ...int64) {
	t.Helper()
	if n, err := db.KeepSnapshots(t.Context(), name, keep); n != dropped || err != nil {
		t.Errorf("%d dropped, %v; want %d", n, err, dropped)
	}
	list, err := db.ListSnapshots(t.Context(), report.SnapshotQuery{})
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, s := range slices.Backward(list) {
		got = append(got, s.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("kept are %v, want %v", got, want)
	}
}

// testComparedNightsAreKept: the night with which a report of changes compares its own outlives the
// nights of whoever took it, as long as the report's run is kept.
func testComparedNightsAreKept(t *testing.T, on suite) {
	db := on.open(t)
	var nights []int64
	for night := range 5 {
		list := Members(3)
		list[0].Name = Noon.AddDate(0, 0, night).String()
		nights = append(nights, Take(t, db, night, list).ID)
	}
	tells := func(since, night int) {
		t.Helper()
		told := report.Told{Report: "changes", Snapshot: nights[night], Since: nights[since]}
		if err := db.SaveTold(t.Context(), told, nil, nil); err != nil {
			t.Fatal(err)
		}
		standsOn(t, db, "changes", night, nights[night])
	}
	tells(0, 1)
	tells(1, 3)
	keeps(t, db, "nightly", 1, 1, nights[0], nights[1], nights[3], nights[4]) // nobody compares with the third
	keeps(t, db, "changes", 1, 0, nights[0], nights[1], nights[3], nights[4]) // they are not its own
	keeps(t, db, "nightly", 1, 1, nights[1], nights[3], nights[4])
	for _, err := range db.Differences(t.Context(), nights[1], nights[3]) {
		if err != nil {
			t.Error(err)
		}
	}
}
