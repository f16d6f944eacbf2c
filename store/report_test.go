package store

import (
	"errors"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
)

func TestSchemaKnowsTheStatesOfRuns(t *testing.T) {
	raw, err := migrations.ReadFile("migrations/00001_init.sql")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`state        TEXT NOT NULL CHECK \(state IN \(([^)]*)\)`).FindSubmatch(raw)
	if list == nil {
		t.Fatal("no CHECK")
	}
	var got []string
	for _, m := range regexp.MustCompile(`'([a-z]*)'`).FindAllSubmatch(list[1], -1) {
		got = append(got, string(m[1]))
	}
	want := names(report.RunStates())
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-Go +SQL)\n%s", diff)
	}
}

func TestRuns(t *testing.T) {
	db := open(t)
	run := report.Run{
		Report: "nightly", Kind: report.ManagedAccounts, Due: noon, Date: "2026-11-23", FileName: "nightly-2026-11-23.csv",
		State: report.RunWaiting, NextTry: noon, Started: noon.Add(time.Second), FirstFailed: noon.Add(time.Minute), Attempts: 2,
	}
	run, err := db.CreateRun(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	asked := run
	asked.By, asked.Due = "U0HANA", noon.Add(time.Hour)
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
		r.State, r.Finished, r.Reason = report.RunFailed, noon.Add(time.Hour), "why"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	result, err := db.Result(t.Context(), run.ID)
	if err != nil || !result.Failed || result.Reason != "why" || result.Before != nil {
		t.Errorf("%+v, %v", result, err)
	}
	var kind, actor, facts string
	err = db.reader.QueryRowContext(t.Context(), "SELECT kind, actor, data FROM event").Scan(&kind, &actor, &facts)
	const want = `{"date":"2026-11-23","reason":"why","report":"nightly","run":1}`
	if err != nil || kind != "report_failed" || actor != "countersign" || facts != want {
		t.Errorf("event %s by %s: %s, %v", kind, actor, facts, err)
	}
	if _, err := db.CreateRun(t.Context(), run); !errors.Is(err, report.ErrBusy) {
		t.Errorf("the same moment twice: %v, want ErrBusy", err)
	}
}

func TestOwed(t *testing.T) {
	db := open(t)
	for i, step := range []struct {
		line, zone string
		now, want  time.Time
	}{
		{"0 2 * * *", "UTC", noon, noon},
		{"0 2 * * *", "UTC", noon.Add(time.Hour), noon},
		{"0 3 * * *", "UTC", noon.Add(2 * time.Hour), noon.Add(2 * time.Hour)},
		{"0 3 * * *", "Asia/Tokyo", noon.Add(3 * time.Hour), noon.Add(3 * time.Hour)},
		{"0 3 * * *", "Asia/Tokyo", noon.Add(4 * time.Hour), noon.Add(3 * time.Hour)},
	} {
		got, err := db.Owed(t.Context(), "nightly", step.line, step.zone, step.now)
		if err != nil || !got.Equal(step.want) {
			t.Errorf("step %d: %v, %v; want %v", i, got, err, step.want)
		}
	}
	for due, by := range map[time.Time]string{noon.Add(5 * time.Hour): "", noon.Add(9 * time.Hour): "U0HANA"} {
		_, err := db.CreateRun(t.Context(), report.Run{Report: "nightly", Due: due, By: by, State: report.RunDone, Finished: due})
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := db.Owed(t.Context(), "nightly", "0 3 * * *", "Asia/Tokyo", noon.Add(10*time.Hour))
	if want := noon.Add(5 * time.Hour); err != nil || !got.Equal(want) {
		t.Errorf("after a run: %v, %v; want %v, for what people ask for does not count", got, err, want)
	}
}
