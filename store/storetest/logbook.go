package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// How far the organisation's log was read is kept with its events, each once; they are found by account
// and by address, beside what batches did.
func testLogbook(t *testing.T, on suite) {
	db := on.open(t)
	if got, err := db.LogReading(t.Context()); err != nil || got != (report.LogReading{}) {
		t.Errorf("at first: %+v, %v", got, err)
	}
	named := workflow.Logged{
		ID: "e1", At: Noon.Add(time.Hour), Kind: "user_name_changed", Account: "a1", Fits: []workflow.Field{workflow.FieldName, workflow.FieldEmail},
		Toward: workflow.TowardLess, Actor: workflow.LogActor{ID: "x", Name: "Ada", TokenID: "t", TokenLabel: "bot"}, Group: "finance",
	}
	addressed := workflow.Logged{ID: "e2", At: Noon, Kind: "k", Email: "b@example.com", Fits: []workflow.Field{workflow.FieldStatus}}
	reading := report.LogReading{
		State: report.LogThere, Since: Noon, Asked: Noon.Add(time.Hour), Refused: Noon.Add(time.Minute), Cursor: "c1", Read: Noon,
		Gap: report.LogGap{From: Noon.Add(-time.Hour), To: Noon, Found: Noon},
	}
	for range 2 { // a page that comes again
		if err := db.SaveLog(t.Context(), reading, []workflow.Logged{named, addressed}); err != nil {
			t.Fatal(err)
		}
	}
	reading.Cursor = "c2"
	if err := db.SaveLog(t.Context(), reading, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := db.LogReading(t.Context()); err != nil || got != reading {
		t.Errorf("%+v, %v; want %+v", got, err, reading)
	}
	if err := db.SaveKeys(t.Context(), workflow.Keys{"t": "countersign"}, Noon); err != nil {
		t.Fatal(err)
	}
	changes, hold := Renames(2)
	b := Planned(t, db, changes, hold...)
	_, err := db.UpdateChanges(t.Context(), b.Number, workflow.ChangeReady, func(c *workflow.Change) error {
		if c.Row == 1 {
			c.SetOutcome(0, workflow.StepOutcome{State: workflow.ChangeDone, Finished: Noon.Add(time.Second)})
			c.State, c.Called, c.Finished = workflow.ChangeDone, Noon, Noon.Add(time.Second)
		}
		return nil
	}, func(*workflow.Batch) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	own := workflow.Keys{"t": "countersign"}
	step := changes[0].Steps[0]
	want := map[string]workflow.Trail{
		"a1": {Own: own, Events: []workflow.Logged{addressed, named}},
		changes[0].AccountID: {Own: own, Deeds: []workflow.Deed{{
			Action: step.Action, Expect: step.Expect, Set: step.Set, Began: Noon, Ended: Noon.Add(time.Second), Batch: b.Number,
			By: workflow.Person{ID: Hana.ID, Name: Hana.Name}, Proved: true,
		}}},
		changes[1].AccountID: {Own: own},
	}
	got, err := db.Trails(t.Context(), []report.Subject{
		{ID: "a1", Emails: []string{"B@example.com", "", "b@example.com"}}, {ID: changes[0].AccountID}, {ID: changes[1].AccountID},
	})
	if err != nil || !cmp.Equal(want, got) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, got))
	}
	one, err := db.TrailOf(t.Context(), "a1", []string{"b@example.com"})
	if diff := cmp.Diff(want["a1"], one); err != nil || diff != "" {
		t.Errorf("of one account: %v (-want +got)\n%s", err, diff)
	}
}

// What a run told as not by countersign is open until a later run explains it. What a run told that did
// not come to its end was told to nobody.
func testDoubts(t *testing.T, on suite) {
	db := on.open(t)
	const name = "nightly-changes"
	snapshots := make([]int64, 4)
	for i := range snapshots {
		s, err := db.TakeSnapshot(t.Context(), name, Noon.AddDate(0, 0, i), Sequence([]workflow.Member{Member(1)}, nil))
		if err != nil {
			t.Fatal(err)
		}
		snapshots[i] = s.ID
	}
	done := func(i int) {
		t.Helper()
		run, err := db.CreateRun(t.Context(), report.Run{Report: name, Kind: report.Changes, Due: Noon.AddDate(0, 0, i), State: report.RunRunning})
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.UpdateRun(t.Context(), run.ID, func(r *report.Run) error {
			r.State, r.Snapshot, r.Finished = report.RunDone, snapshots[i], Noon.AddDate(0, 0, i).Add(time.Minute)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	comparison := func(i int) report.Told {
		return report.Told{Report: name, Snapshot: snapshots[i], Since: snapshots[i-1], Notes: []string{"a note"}}
	}
	open := func(i int) []report.Doubt {
		t.Helper()
		list, err := db.OpenDoubts(t.Context(), name, snapshots[i], Noon.AddDate(0, 0, -1), 10)
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	doubt := report.Doubt{
		AccountID: "a1", Name: "Ada", Email: "ada@example.com", From: "active",
		Differing: workflow.Differing{
			Field: workflow.FieldStatus, To: "inactive", Gained: true, Since: Noon, Until: Noon.AddDate(0, 0, 1), Read: Noon.AddDate(0, 0, 1),
		},
	}
	save := func(i int, unexplained, explained []report.Doubt) {
		t.Helper()
		if err := db.SaveTold(t.Context(), comparison(i), unexplained, explained); err != nil {
			t.Fatal(err)
		}
	}
	save(1, []report.Doubt{doubt}, nil)
	if list := open(2); len(list) != 0 {
		t.Errorf("of a run that is not done: %+v", list)
	}
	done(1)
	if c, ok, err := db.Told(t.Context(), name, snapshots[1]); err != nil || !ok || !cmp.Equal(c, comparison(1)) {
		t.Errorf("%+v, %t, %v", c, ok, err)
	}
	if _, ok, err := db.Told(t.Context(), "another", snapshots[1]); err != nil || ok {
		t.Errorf("of another report: %t, %v", ok, err)
	}
	doubt.Report, doubt.Snapshot = name, snapshots[1]
	if diff := cmp.Diff([]report.Doubt{doubt}, open(2)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if list := open(1); len(list) != 0 {
		t.Errorf("of the run itself: %+v", list)
	}
	known := doubt
	known.By, known.At = "person: Ada Lang", Noon.Add(time.Hour)
	save(2, nil, []report.Doubt{known})
	if list := open(3); len(list) != 1 {
		t.Errorf("explained by a run that is not done: %+v", list)
	}
	if list, err := db.Corrected(t.Context(), name, snapshots[1]); err != nil || len(list) != 0 {
		t.Errorf("corrected by a run that is not done: %+v, %v", list, err)
	}
	done(2)
	if list, err := db.Corrected(t.Context(), name, snapshots[1]); err != nil || !cmp.Equal([]report.Doubt{known}, list) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff([]report.Doubt{known}, list))
	}
	if list := open(3); len(list) != 0 {
		t.Errorf("explained, and still open: %+v", list)
	}
	if list, err := db.Explained(t.Context(), name, snapshots[2]); err != nil || !cmp.Equal([]report.Doubt{known}, list) {
		t.Errorf("%v (-want +got)\n%s", err, cmp.Diff([]report.Doubt{known}, list))
	}
	save(2, nil, nil) // told again
	if list := open(3); len(list) != 1 {
		t.Errorf("told again without it: %+v", list)
	}
}

// What was told of a night goes with it, and so do the events that lie before all nights. What a night
// that is kept has explained stays with that.
func testOldLogGoes(t *testing.T, on suite) {
	db := on.open(t)
	const name = "weekly-changes"
	at := func(night int) time.Time { return Noon.AddDate(0, 0, night) }
	var nights []int64
	for night := range 4 {
		s, err := db.TakeSnapshot(t.Context(), name, at(night), Sequence(Members(2), nil))
		if err != nil {
			t.Fatal(err)
		}
		nights = append(nights, s.ID)
	}
	doubt := func(night int, account string) report.Doubt {
		return report.Doubt{
			Told: report.Told{Report: name, Snapshot: nights[night]}, AccountID: account,
			Differing: workflow.Differing{Field: workflow.FieldName, Since: at(night - 1), Until: at(night), Read: at(night)},
		}
	}
	for night := 1; night < 4; night++ {
		var explained []report.Doubt
		if night == 3 {
			explained = append(explained, doubt(1, "known"))
		}
		told := report.Told{Report: name, Snapshot: nights[night], Since: nights[night-1]}
		if err := db.SaveTold(t.Context(), told, []report.Doubt{doubt(night, "open"), doubt(night, "known")}, explained); err != nil {
			t.Fatal(err)
		}
		standsOn(t, db, name, night, nights[night])
	}
	var events []workflow.Logged
	for i := range 130 { // more than go at once
		events = append(events, workflow.Logged{ID: fmt.Sprint("old", i), At: at(1).Add(-workflow.GoneAfter - time.Second), Account: "a"})
	}
	kept := workflow.Logged{ID: "kept", At: at(1).Add(-workflow.GoneAfter), Account: "a", Fits: []workflow.Field{""}}
	if err := db.SaveLog(t.Context(), report.LogReading{}, append(events, kept)); err != nil {
		t.Fatal(err)
	}
	if _, err := db.KeepSnapshots(t.Context(), name, 2); err != nil {
		t.Fatal(err)
	}
	for night, want := range map[int]bool{1: false, 2: true, 3: true} {
		if _, ok, err := db.Told(t.Context(), name, nights[night]); ok != want || err != nil {
			t.Errorf("what was told of night %d is there: %t, %v; want %t", night, ok, err, want)
		}
	}
	open, err := db.OpenDoubts(t.Context(), name, 0, Noon.AddDate(0, 0, -1), 100)
	if err != nil || len(open) != 4 {
		t.Errorf("%d open doubts, %v; want the 4 of the last two nights", len(open), err)
	}
	if list, err := db.Explained(t.Context(), name, nights[3]); err != nil || len(list) != 1 || list[0].Snapshot != nights[1] {
		t.Errorf("explained in the last night: %+v, %v", list, err)
	}
	trails, err := db.Trails(t.Context(), []report.Subject{{ID: "a"}})
	if diff := cmp.Diff([]workflow.Logged{kept}, trails["a"].Events); diff != "" || err != nil {
		t.Errorf("events: %v (-want +got)\n%s", err, diff)
	}
}
