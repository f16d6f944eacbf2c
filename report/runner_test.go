package report_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

func TestRunnerOnTheNightsOfSummerTime(t *testing.T) {
	inBubble(t, nightly(t, "30 2 * * *"), func(b *bench) {
		b.until("2027-03-27T00:00:00Z")
		b.start()
		b.want()
		b.until("2027-03-30T00:00:00Z")
		b.want("2027-03-27 done", "2027-03-28 done", "2027-03-29 done")
		b.stop() // the summer itself is not of interest
		b.until("2027-10-29T22:00:00Z")
		b.start()
		b.dir.set(func(d *directory) { d.reads = nil })
		b.until("2027-11-01T12:00:00Z")
		b.wantReads("2027-10-30T00:30:00Z", "2027-10-31T00:30:00Z", "2027-11-01T01:30:00Z")
		if told := int(b.finished.Load()); told != len(b.results()) {
			b.Errorf("told of %d runs, want %d", told, len(b.results()))
		}
	})
}

func TestRunnerMakesUpTheLatestMissedRun(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-20T12:00:00Z")
		b.start() // the first start with this schedule owes nothing
		b.want()
		b.until("2026-11-21T12:00:00Z")
		b.want("2026-11-21 done")
		b.stop()
		b.until("2026-11-24T12:00:00Z")
		b.dir.set(func(d *directory) { d.reads = nil })
		b.start()
		b.want("2026-11-21 done", "2026-11-24 done")
		b.wantReads("2026-11-24T12:00:00Z")
		b.start()
		b.until("2026-11-25T12:00:00Z")
		b.want("2026-11-21 done", "2026-11-24 done", "2026-11-25 done")

		b.stop()
		b.until("2026-11-27T12:00:00Z")
		b.reports[0].Schedule = "0 3 * * *" // a new schedule owes nothing either
		b.start()
		b.until("2026-11-28T12:00:00Z")
		b.want("2026-11-21 done", "2026-11-24 done", "2026-11-25 done", "2026-11-28 done")
	})
}

// The bot was started, and was down before its first run.
func TestRunnerMakesUpTheVeryFirstRun(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-20T12:00:00Z")
		b.start()
		b.stop()
		b.until("2026-11-21T12:00:00Z")
		b.start()
		b.want("2026-11-21 done")
	})
}

func TestRunnerTriesAgain(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		b.start()
		b.until("2026-11-23T00:30:00Z")
		b.dir.set(func(d *directory) { d.err = fmt.Errorf("page 3: %w", workflow.ErrUnavailable) })
		b.until("2026-11-23T01:20:00Z")
		b.start() // what waits goes on waiting over a restart
		b.until("2026-11-23T12:00:00Z")
		b.wantReads("2026-11-23T01:00:00Z", "2026-11-23T01:05:00Z", "2026-11-23T01:15:00Z", "2026-11-23T02:00:00Z")
		b.want("2026-11-23 failed")
		result, file, err := b.runner.Show(b.Context(), "nightly", "")
		if err != nil || file.Name != "" || result.Reason != "Atlassian could not be reached" {
			b.Errorf("shows %+v with %s, %v", result, file.Name, err)
		}
		b.dir.set(func(d *directory) { d.err = nil })
		b.until("2026-11-24T12:00:00Z")
		b.want("2026-11-23 failed", "2026-11-24 done")
	})
}

func TestRunnerTriesAgainAndDoes(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		b.start()
		b.dir.set(func(d *directory) { d.err = workflow.ErrKeyRefused })
		b.until("2026-11-23T01:01:00Z")
		status, err := b.runner.List(b.Context())
		if err != nil || len(status) != 1 || status[0].Live == nil {
			b.Fatalf("lists %+v, %v; want one that waits", status, err)
		}
		if live := status[0].Live; live.State != report.RunWaiting || !strings.Contains(live.Reason, "refused the key") {
			b.Errorf("waits as %+v", live)
		}
		b.dir.set(func(d *directory) { d.err = nil })
		if err := b.runner.RunNow(b.Context(), "nightly", "U0ALICE"); err != nil { // starts the waiting one at once
			b.Error(err)
		}
		synctest.Wait()
		b.want("2026-11-23 done")
		b.wantReads("2026-11-23T01:00:00Z", "2026-11-23T01:01:00Z")
		b.until("2026-11-23T12:00:00Z")
		b.want("2026-11-23 done")
	})
}

// A list that announces another number than it gives, also when it is read again, is a snapshot, and the run keeps both
// numbers to be told.
func TestATotalThatDiffersIsKept(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		b.start()
		b.dir.set(func(d *directory) {
			d.accounts, d.err = 3, &workflow.TotalError{Listed: 3, Announced: 4}
		})
		b.until("2026-11-23T01:01:00Z")
		status, err := b.runner.List(b.Context())
		if err != nil || len(status) != 1 || status[0].Last == nil {
			b.Fatalf("lists %+v, %v; want one that was made", status, err)
		}
		if last := status[0].Last; last.Failed || !strings.Contains(last.Reason, "announces 4 accounts and lists 3") {
			b.Errorf("made as %+v", last)
		}
	})
}

func TestRunnerStopsInTheMiddle(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		b.dir.set(func(d *directory) { d.takes = 10 * time.Minute })
		b.start()
		b.until("2026-11-23T01:05:00Z")
		if err := b.runner.RunNow(b.Context(), "nightly", "U0ALICE"); !errors.Is(err, report.ErrBusy) {
			b.Errorf("%v, want ErrBusy", err)
		}
		b.stop()
		run, live, err := b.db.LiveRun(b.Context(), "nightly")
		if !live || err != nil || run.State != report.RunWaiting || run.Attempts != 0 {
			b.Errorf("after the end: %t, %+v, %v; want one that waits, and no try counted", live, run, err)
		}
		b.start()
		b.until("2026-11-23T01:20:00Z")
		b.want("2026-11-23 done")
		b.wantReads("2026-11-23T01:00:00Z", "2026-11-23T01:05:00Z")
	})
}

// A report that brings the program down does so four times and then says so.
func TestRunnerAfterCrashes(t *testing.T) {
	inBubble(t, nightly(t, "0 2 * * *"), func(b *bench) {
		b.until("2026-11-22T12:00:00Z")
		run, err := b.db.CreateRun(b.Context(), report.Run{
			Report: "nightly", Kind: report.ManagedAccounts, Due: time.Now(), By: "U0ALICE", Date: "2026-11-22",
			State: report.RunRunning, Attempts: 1,
		})
		if err != nil {
			b.Fatal(err)
		}
		b.start()
		b.want("2026-11-22 done")
		if status, err := b.runner.List(b.Context()); err != nil || !strings.Contains(status[0].Last.Reason, "restarted") {
			b.Errorf("%+v, %v; want that it was restarted", status[0].Last, err)
		}
		b.stop()
		run.Date = "2026-11-23"
		if run, err = b.db.CreateRun(b.Context(), run); err != nil {
			b.Fatal(err)
		}
		_, err = b.db.UpdateRun(b.Context(), run.ID, func(run *report.Run) error { run.Attempts = 4; return nil })
		if err != nil {
			b.Fatal(err)
		}
		b.start()
		b.want("2026-11-22 done", "2026-11-23 failed")
		if told := b.finished.Load(); told != 2 {
			b.Errorf("told of %d runs, want 2", told)
		}
	})
}

func TestRunNow(t *testing.T) {
	reports := append(nightly(t, ""),
		report.Definition{Name: "changes-of-the-night", Kind: "of later on", Schedule: "0 3 * * *"})
	inBubble(t, reports, func(b *bench) {
		b.until("2026-11-23T23:30:00Z") // already the 24th in Berlin
		b.start()
		for name, want := range map[string]error{
			"nightly": nil, "managed-accounts": nil, "changes-of-the-night": report.ErrNotSupported, "x": report.ErrUnknownReport,
		} {
			if err := b.runner.RunNow(b.Context(), name, "U0HANA"); !errors.Is(err, want) {
				b.Errorf("%s: %v, want %v", name, err, want)
			}
		}
		synctest.Wait()
		b.want("2026-11-24 done")
		status, err := b.runner.List(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		var got []string
		for _, s := range status {
			got = append(got, fmt.Sprint(s.Name, " ", s.Last != nil, " ", s.Next.IsZero()))
		}
		want := []string{"nightly true true", "changes-of-the-night false true", "managed-accounts true true"}
		if diff := cmp.Diff(want, got); diff != "" {
			b.Errorf("(-want +got)\n%s", diff)
		}
		if n, _, err := b.db.VerifyEvents(b.Context()); n != 4 || err != nil {
			b.Errorf("%d events, %v; want two that were asked for and done", n, err)
		}
		if status[0].Last.By != "U0HANA" || status[0].Last.FileName != "nightly-2026-11-24.csv" {
			b.Errorf("the run is %+v", status[0].Last)
		}
	})
}

func TestNewRefuses(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db"), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	good := report.Definition{Name: "a", Kind: report.ManagedAccounts, Schedule: "0 2 * * *"}
	never := good
	never.Schedule = "0 2 30 2 *"
	for name, cfg := range map[string]report.Config{
		"no store":       {Members: &directory{}},
		"no members":     {Store: db},
		"one name twice": {Members: &directory{}, Store: db, Reports: []report.Definition{good, good}},
		"never fires":    {Members: &directory{}, Store: db, Reports: []report.Definition{never}},
	} {
		if _, err := report.New(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// A report whose last run lies in the future, for the clock was wrong then, runs every night all
// the same; and one that waits for another try does not wait for that moment to come again.
func TestTheClockIsPutBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "countersign.db")
	live := func(begin time.Duration, act func(*bench)) func(t *testing.T) {
		return func(t *testing.T) {
			time.Sleep(begin) // each bubble's time begins at the same moment
			db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: zerolog.Nop()})
			if err != nil {
				t.Fatal(err)
			}
			b := &bench{T: t, db: db, dir: &directory{accounts: 3}, stop: func() {}, reports: []report.Definition{
				{Name: "nightly", Kind: report.ManagedAccounts, Schedule: "0 2 * * *"},
			}}
			act(b)
			b.stop()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprintf("waits for another try %v", waits), func(t *testing.T) {
			path = filepath.Join(t.TempDir(), "countersign.db")
			synctest.Test(t, live(365*24*time.Hour, func(b *bench) { // 2000 was a leap year
				b.start()
				b.dir.set(func(d *directory) {
					if waits {
						d.err = workflow.ErrNotFound
					}
				})
				b.until("2000-12-31T02:01:00Z")
			}))
			synctest.Test(t, live(0, func(b *bench) {
				b.start()
				b.until("2000-01-01T02:01:00Z")
				b.until("2000-01-03T02:01:00Z")
				want := []string{"2000-01-01 done", "2000-01-02 done", "2000-01-03 done", "2000-12-31 done"}
				got := b.results()
				slices.Sort(got)
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("runs (-want +got):\n%s", diff)
				}
			}))
		})
	}
}

// Reports that are due at the same moment read the directory once, whichever comes first; what there is
// to say of that reading they all say. One that somebody asks for reads it anew.
func TestReportsOfOneMomentShareANight(t *testing.T) {
	for _, kinds := range [][]report.KindName{
		{report.ManagedAccounts, report.Changes},
		{report.Changes, report.ManagedAccounts},
		{report.Inactive, report.ManagedAccounts, report.Summary},
		{report.ManagedAccounts, report.ManagedAccounts},
	} {
		t.Run(fmt.Sprint(kinds), func(t *testing.T) {
			var reports []report.Definition
			for i, kind := range kinds {
				reports = append(reports, report.Definition{Name: fmt.Sprint("report-", i), Kind: kind, Schedule: "0 2 * * *"})
			}
			inBubble(t, reports, func(b *bench) {
				b.until("2026-11-20T12:00:00Z")
				b.start()
				b.dir.set(func(d *directory) { d.err = &workflow.TotalError{Announced: 4, Listed: 3} })
				for night := range 3 {
					b.until(fmt.Sprintf("2026-11-%dT12:00:00Z", 21+night))
					for _, r := range reports {
						results, err := b.db.Results(b.Context(), r.Name, "", 0)
						if err != nil || len(results) != night+1 || !strings.Contains(results[0].Reason, "announces 4 accounts and lists 3") {
							t.Fatalf("night %d, %s: %+v, %v", night, r.Name, results, err)
						}
					}
				}
				b.wantReads("2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z")
				for i, kind := range kinds {
					if kind == report.ManagedAccounts {
						if err := b.runner.RunNow(b.Context(), fmt.Sprint("report-", i), "U0ALICE"); err != nil {
							t.Fatal(err)
						}
						b.until("2026-11-23T12:10:00Z")
						break
					}
				}
				b.wantReads("2026-11-21T02:00:00Z", "2026-11-22T02:00:00Z", "2026-11-23T02:00:00Z", "2026-11-23T12:00:00Z")
			})
		})
	}
}
