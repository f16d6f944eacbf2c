package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

func sequence(members []workflow.Member, end error) iter.Seq2[workflow.Member, error] {
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

func member(n int) workflow.Member {
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

func members(count int) []workflow.Member {
	list := make([]workflow.Member, count)
	for i := range list {
		list[i] = member(i)
	}
	return list
}

// take takes a snapshot as a run of the report, as the runner does.
func take(t testing.TB, db *DB, night int, list []workflow.Member) report.Snapshot {
	t.Helper()
	const name = "nightly"
	at := noon.AddDate(0, 0, night)
	s, err := db.TakeSnapshot(t.Context(), name, at, sequence(list, nil))
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.CreateRun(t.Context(), report.Run{
		Report: name, Kind: report.ManagedAccounts, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone,
		Started: at, Finished: at, Snapshot: s.ID, Counts: s.Counts,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func readBack(t interface{ Fatal(...any) }, db *DB, id int64) []workflow.Member {
	var list []workflow.Member
	for m, err := range db.SnapshotMembers(context.Background(), id) {
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, m)
	}
	return list
}

func count(t testing.TB, db *DB, table string) (n int) {
	t.Helper()
	if err := db.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestSnapshot(t *testing.T) {
	db := open(t)
	list := members(staged + 3)
	list[0].Status, list[0].Billable = workflow.StatusInactive, false
	list[1].Status, list[1].Products = workflow.StatusClosed, nil
	list[2].LastActive, list[2].Email = "", ""
	sent := append(slices.Clone(list), list[5]) // the pages moved: one account comes twice
	slices.Reverse(sent[7].Products)            // and the vendor has no order
	s, err := db.TakeSnapshot(t.Context(), "nightly", noon, sequence(sent, nil))
	if err != nil {
		t.Fatal(err)
	}
	want := report.Snapshot{ID: 1, Report: "nightly", At: noon, Counts: report.Counts{
		Accounts: staged + 3, Active: staged + 1, Inactive: 1, Billable: staged + 2,
	}}
	if diff := gocmp.Diff(want, s); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	report.SortProducts(list[7].Products)
	if diff := gocmp.Diff(list, readBack(t, db, s.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, err := range db.SnapshotMembers(t.Context(), 9) {
		if !errors.Is(err, report.ErrNoSnapshot) {
			t.Errorf("%v, want ErrNoSnapshot", err)
		}
	}
	for range 2 * readers { // a reader that stops leaves nothing open: the last ones would wait for a connection
		for _, err := range db.SnapshotMembers(t.Context(), s.ID) {
			if err != nil {
				t.Error(err)
			}
			break
		}
	}
}

func TestQuietNightCostsNothing(t *testing.T) {
	db := open(t)
	list := members(20)
	take(t, db, 0, list)
	take(t, db, 1, list)
	list[3].LastActive = "2026-11-23"
	take(t, db, 2, list)
	list[4].Products[1].LastActive = "2026-11-24"
	list[5].Name = "Married Name"
	take(t, db, 3, list)
	if got := count(t, db, "snapshot_account"); got != 21 {
		t.Errorf("%d rows of accounts, want 21", got)
	}
	if got := count(t, db, "snapshot_activity"); got != 22 {
		t.Errorf("%d rows of activity, want 22", got)
	}
	if got := count(t, db, "snapshot_staging"); got != 0 {
		t.Errorf("%d rows of staging, want none", got)
	}
}

func TestCutSnapshotIsNotThere(t *testing.T) {
	db := open(t)
	list := members(2*staged + 1)
	first := take(t, db, 0, list)
	changed := slices.Clone(list)
	changed[0].Name = "Changed"
	cut := errors.New("cut")
	_, err := db.TakeSnapshot(t.Context(), "nightly", noon, sequence(changed, cut))
	if !errors.Is(err, cut) {
		t.Fatalf("%v, want the error of the sequence", err)
	}
	if got := count(t, db, "snapshot"); got != 1 {
		t.Errorf("%d snapshots, want 1", got)
	}
	if diff := gocmp.Diff(list, readBack(t, db, first.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	second := take(t, db, 1, list[:3]) // nothing of what was cut comes into it
	if diff := gocmp.Diff(list[:3], readBack(t, db, second.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestOneSnapshotAtATime(t *testing.T) {
	db := open(t)
	var inner error
	_, err := db.TakeSnapshot(t.Context(), "a", noon, func(func(workflow.Member, error) bool) {
		_, inner = db.TakeSnapshot(t.Context(), "b", noon, sequence(nil, nil))
	})
	if err != nil || !errors.Is(inner, report.ErrBusy) {
		t.Errorf("%v and %v, want ErrBusy for the second", err, inner)
	}
}

// A process is killed while it reads the directory; the next one finds the database as it was.
func TestKilledSnapshotIsNotThere(t *testing.T) {
	const env = "COUNTERSIGN_TEST_KILL"
	if path := os.Getenv(env); path != "" {
		db, err := Open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		list := members(3 * staged)
		for i := range list {
			list[i].Name = "Changed"
		}
		_, _ = db.TakeSnapshot(t.Context(), "nightly", noon, func(yield func(workflow.Member, error) bool) {
			for _, m := range list {
				if !yield(m, nil) {
					return
				}
			}
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				t.Fatal(err)
			}
			_ = self.Kill()
			select {} // until the signal arrives
		})
		t.Fatal("not killed")
	}
	path := filepath.Join(t.TempDir(), "countersign.db")
	db := openAt(t, path)
	list := members(staged)
	first := take(t, db, 0, list)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledSnapshotIsNotThere$")
	child.Env = append(os.Environ(), env+"="+path)
	out, err := child.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || strings.Contains(string(out), "FAIL") {
		t.Fatalf("%v: %s", err, out)
	}
	if got := count(t, db, "snapshot_staging"); got == 0 {
		t.Error("the process was killed too early: nothing was staged")
	}
	if got := count(t, db, "snapshot"); got != 1 {
		t.Errorf("%d snapshots, want 1", got)
	}
	second := take(t, db, 1, list)
	for _, s := range []report.Snapshot{first, second} {
		if diff := gocmp.Diff(list, readBack(t, db, s.ID)); diff != "" {
			t.Errorf("snapshot %d (-want +got)\n%s", s.ID, diff)
		}
	}
}

// The intervals give back every night as a full copy of it would, whatever happens from night to night and whichever
// nights are dropped.
func TestIntervalsAreFullCopies(t *testing.T) {
	dir := t.TempDir()
	tries := 0
	rapid.Check(t, func(t *rapid.T) {
		tries++
		db, err := Open(context.Background(), Config{Path: filepath.Join(dir, fmt.Sprint(tries, ".db")), Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		copies := map[int64][]workflow.Member{}
		nights := map[string][]int64{}
		for night := range rapid.IntRange(1, 8).Draw(t, "nights") {
			var list []workflow.Member
			for n := range 5 {
				if !rapid.Bool().Draw(t, "there") {
					continue
				}
				m := member(n)
				m.Name = rapid.SampledFrom([]string{"Ann", "Bea"}).Draw(t, "name")
				m.LastActive = rapid.SampledFrom([]string{"", "2026-11-22", "2026-11-23"}).Draw(t, "last active")
				m.Products = m.Products[:rapid.IntRange(0, 2).Draw(t, "products")]
				if len(m.Products) == 0 {
					m.Products = nil
				}
				list = append(list, m)
			}
			name := rapid.SampledFrom([]string{"nightly", "weekly"}).Draw(t, "report")
			at := noon.AddDate(0, 0, night)
			s, err := db.TakeSnapshot(context.Background(), name, at, sequence(list, nil))
			if err != nil {
				t.Fatal(err)
			}
			_, err = db.CreateRun(context.Background(), report.Run{
				Report: name, Due: at, Date: at.Format(time.DateOnly), State: report.RunDone, Snapshot: s.ID,
			})
			if err != nil {
				t.Fatal(err)
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
				if diff := gocmp.Diff(want, readBack(t, db, id)); diff != "" {
					t.Fatalf("snapshot %d (-want +got)\n%s", id, diff)
				}
			}
		}
		orphans := 0
		for _, table := range []string{"snapshot_account", "snapshot_activity"} {
			var n int
			err := db.reader.QueryRowContext(context.Background(), "SELECT count(*) FROM "+table+` i WHERE NOT EXISTS (
				SELECT 1 FROM snapshot s WHERE s.id BETWEEN i.first_snapshot AND ifnull(i.last_snapshot, s.id))`).Scan(&n)
			if err != nil {
				t.Fatal(err)
			}
			orphans += n
		}
		if orphans > 0 {
			t.Fatalf("%d rows that no snapshot needs", orphans)
		}
	})
}

// 20,000 accounts take a few seconds on the first night and less on the next ones, on which everybody was active.
func TestSnapshotLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("stores 20,000 accounts")
	}
	db := open(t)
	list := members(20_000)
	for night := range 2 {
		for i := range list {
			list[i].LastActive = noon.AddDate(0, 0, night).Format(time.DateOnly)
		}
		start := time.Now()
		s := take(t, db, night, list)
		took := time.Since(start)
		t.Logf("night %d: %v", night, took)
		if took > 30*time.Second { // wide, for a machine that does other things as well
			t.Errorf("night %d took %v", night, took)
		}
		start = time.Now()
		got := readBack(t, db, s.ID)
		t.Logf("read back: %v", time.Since(start))
		slices.SortFunc(got, func(a, b workflow.Member) int { return cmp.Compare(a.ID, b.ID) })
		if diff := gocmp.Diff(list, got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
}
