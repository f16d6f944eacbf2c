package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

func testRuns(t *testing.T, on suite) {
	db := on.open(t)
	run := report.Run{
		Report: "nightly", Kind: report.ManagedAccounts, Due: Noon, Date: "2026-11-23", FileName: "nightly-2026-11-23.csv",
		State: report.RunWaiting, NextTry: Noon, Started: Noon.Add(time.Second), FirstFailed: Noon.Add(time.Minute), Attempts: 2,
	}
	run, err := db.CreateRun(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	asked := run
	asked.By, asked.Due = "U0HANA", Noon.Add(time.Hour)
	if _, err := db.CreateRun(t.Context(), asked); !errors.Is(err, report.ErrBusy) {
		t.Errorf("a second live run: %v, want ErrBusy", err)
	}
	other := asked
	other.Report = "weekly"
	if _, err := db.CreateRun(t.Context(), other); err != nil {
		t.Errorf("a run of another report: %v", err)
	}
	got, ok, err := db.LiveRun(t.Context(), "nightly")
	if !ok || err != nil {
		t.Fatalf("live: %t, %v", ok, err)
	}
	if diff := cmp.Diff(run, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	no := errors.New("no")
	_, err = db.UpdateRun(t.Context(), run.ID, func(r *report.Run) error { r.Attempts = 9; return no })
	if !errors.Is(err, no) {
		t.Errorf("%v, want the rule's own error", err)
	}
	if _, err := db.UpdateRun(t.Context(), 99, func(*report.Run) error { return nil }); !errors.Is(err, report.ErrNoRun) {
		t.Errorf("%v, want ErrNoRun", err)
	}
	if _, err := db.Result(t.Context(), run.ID); !errors.Is(err, report.ErrNoRun) {
		t.Errorf("the result of a live run: %v, want ErrNoRun", err)
	}
	_, err = db.UpdateRun(t.Context(), run.ID, func(r *report.Run) error {
		r.State, r.Finished, r.Reason = report.RunFailed, Noon.Add(time.Hour), "why"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := db.Result(t.Context(), run.ID)
	if err != nil || !result.Failed || result.Reason != "why" || result.Before != nil {
		t.Errorf("%+v, %v", result, err)
	}
	events := told(t, db)
	const want = `{"date":"2026-11-23","reason":"why","report":"nightly","run":1}`
	if len(events) != 1 || events[0].Kind != "report_failed" || events[0].Actor != "countersign" || string(events[0].Data) != want {
		t.Errorf("events %+v, want one by countersign with %s", events, want)
	}
	if _, err := db.CreateRun(t.Context(), run); !errors.Is(err, report.ErrBusy) {
		t.Errorf("the same moment twice: %v, want ErrBusy", err)
	}
}

// Figures are stored by name, whatever a kind counts, and each run is compared with the one before
// it that did not fail.
func testFigures(t *testing.T, on suite) {
	db := on.open(t)
	ended := func(night int, state report.RunState, figures report.Figures) int64 {
		due := Noon.AddDate(0, 0, night)
		run, err := db.CreateRun(t.Context(), report.Run{Report: "idle", Kind: report.Inactive, Due: due, State: report.RunRunning})
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.UpdateRun(t.Context(), run.ID, func(r *report.Run) error {
			r.State, r.Finished, r.Figures = state, due, figures
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return run.ID
	}
	first := report.Figures{"idle": 7, "never seen": 0}
	second := report.Figures{"idle": 5}
	for i, tt := range []struct {
		state       report.RunState
		now, before report.Figures
	}{
		{report.RunDone, first, nil},
		{report.RunFailed, nil, first},
		{report.RunDone, second, first},
		{report.RunDone, nil, second},
		{report.RunDone, second, report.Figures{}}, // there was one before, and it counted nothing
	} {
		result, err := db.Result(t.Context(), ended(i, tt.state, tt.now))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]report.Figures{tt.now, tt.before}, []report.Figures{result.Figures, result.Before}); diff != "" {
			t.Errorf("night %d (-want +got)\n%s", i, diff)
		}
	}
	events := told(t, db)
	const want = `{"date":"","figures":{"idle":7,"never seen":0},"report":"idle","run":1,"snapshot":0}`
	if got := string(events[0].Data); got != want {
		t.Errorf("event %s, want %s", got, want)
	}
}

func testCaughtUpTo(t *testing.T, on suite) {
	db := on.open(t)
	for i, step := range []struct {
		line, zone string
		now, want  time.Time
	}{
		{"0 2 * * *", "UTC", Noon, Noon},
		{"0 2 * * *", "UTC", Noon.Add(time.Hour), Noon},
		{"0 3 * * *", "UTC", Noon.Add(2 * time.Hour), Noon.Add(2 * time.Hour)},
		{"0 3 * * *", "Asia/Tokyo", Noon.Add(3 * time.Hour), Noon.Add(3 * time.Hour)},
		{"0 3 * * *", "Asia/Tokyo", Noon.Add(4 * time.Hour), Noon.Add(3 * time.Hour)},
	} {
		got, err := db.CaughtUpTo(t.Context(), "nightly", step.line, step.zone, step.now)
		if err != nil || !got.Equal(step.want) {
			t.Errorf("step %d: %v, %v; want %v", i, got, err, step.want)
		}
	}
	for due, by := range map[time.Time]string{Noon.Add(5 * time.Hour): "", Noon.Add(9 * time.Hour): "U0HANA"} {
		_, err := db.CreateRun(t.Context(), report.Run{Report: "nightly", Due: due, By: by, State: report.RunDone, Finished: due})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.CaughtUpTo(t.Context(), "nightly", "0 3 * * *", "Asia/Tokyo", Noon.Add(10*time.Hour))
	if want := Noon.Add(5 * time.Hour); err != nil || !got.Equal(want) {
		t.Errorf("after a run: %v, %v; want %v, for what people ask for does not count", got, err, want)
	}
}

// A result is to be posted until its message stands and its file is there, and as long as the message
// says that the file waits.
func testUnpostedResults(t *testing.T, on suite) {
	db := on.open(t)
	Take(t, db, 0, Members(3))
	key := report.Result{Run: 1, Report: "nightly"}
	message := workflow.Post{Key: key.MessageKey(), Channel: "C0REPORTS", TS: "1.1", Version: int64(report.FileThere)}
	file := workflow.Post{Key: key.FileKey(), Channel: "C0REPORTS", TS: "1.2", File: "F0FILE"}
	with := func(p workflow.Post, change func(*workflow.Post)) workflow.Post { change(&p); return p }
	sending := func(p *workflow.Post) { p.TS, p.Sending = "", Noon }
	for i, tt := range []struct {
		post workflow.Post
		want int
	}{
		{with(message, sending), 1},
		{message, 1},
		{with(file, sending), 1},
		{file, 0},
		{with(message, func(p *workflow.Post) { p.Version = int64(report.FileWaits) }), 1},
		{with(message, func(p *workflow.Post) { p.Version = int64(report.FileStaysOut) }), 0},
	} {
		if err := db.SavePost(t.Context(), tt.post); err != nil {
			t.Fatal(err)
		}
		if list, err := db.UnpostedResults(t.Context()); err != nil || len(list) != tt.want {
			t.Errorf("post %d: %d results to be posted, %v; want %d", i, len(list), err, tt.want)
		}
	}
}
