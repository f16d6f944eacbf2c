package sqlite

import (
	"cmp"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"pgregory.net/rapid"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/store/storetest"
	"github.com/countersign/countersign/workflow"
)

func count(t testing.TB, db *DB, table string) (n int) {
	t.Helper()
	if err := db.reader.QueryRowContext(t.Context(), "SELECT count(*) FROM "+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
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
	if now, past := count(t, db, "snapshot_account"), count(t, db, "snapshot_account_past"); now != 20 || past != 1 {
		t.Errorf("%d rows of accounts and %d of how they were, want 20 and 1", now, past)
	}
	if got := count(t, db, "snapshot_activity"); got != 4 { // of accounts and of a product; then of accounts again, and of another product
		t.Errorf("%d rows of activity, want 4", got)
	}
}

// A process is killed while it writes a snapshot; the next one finds the database as it was.
func TestKilledSnapshotIsNotThere(t *testing.T) {
	const env, accounts = "COUNTERSIGN_TEST_KILL", 4000
	if path := os.Getenv(env); path != "" {
		db, err := Open(t.Context(), Config{Path: path, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for begun := 0; begun == 0; {
				_ = db.reader.QueryRowContext(context.Background(), "SELECT count(*) FROM snapshot_begun").Scan(&begun)
			}
			if self, err := os.FindProcess(os.Getpid()); err == nil {
				_ = self.Kill()
			}
		}()
		list := members(accounts)
		for i := range list {
			list[i].Name = "Changed"
		}
		_, err = db.TakeSnapshot(t.Context(), "nightly", noon, storetest.Sequence(list, nil))
		t.Fatalf("not killed: %v", err)
	}
	path := filepath.Join(t.TempDir(), "countersign.db")
	db := openAt(t, path)
	list := members(accounts)
	first := take(t, db, 0, list)
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledSnapshotIsNotThere$")
	child.Env = append(os.Environ(), env+"="+path)
	out, err := child.CombinedOutput()
	if _, ok := errors.AsType[*exec.ExitError](err); !ok || strings.Contains(string(out), "FAIL") {
		t.Fatalf("%v: %s", err, out)
	}
	if begun, there := count(t, db, "snapshot_begun"), count(t, db, "snapshot"); begun != 1 || there != 1 {
		t.Errorf("%d snapshots begun and %d there, want 1 of each", begun, there)
	}
	if diff := gocmp.Diff(list, readBack(t, db, first.ID)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	second := take(t, db, 1, list)
	for _, s := range []report.Snapshot{first, second} {
		if diff := gocmp.Diff(list, readBack(t, db, s.ID)); diff != "" {
			t.Errorf("snapshot %d (-want +got)\n%s", s.ID, diff)
		}
	}
}

// 20,000 accounts take a few seconds on the first night and less on the next ones, on which
// everybody was active.
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

func TestNoRowIsLeftOfASnapshot(t *testing.T) {
	open := func(t testing.TB, place string) store.Driver {
		return openAt(t, filepath.Join(place, "countersign.db"))
	}
	storetest.CheckSnapshots(t, open, func(t *rapid.T, db store.Driver) {
		checkView(t, db.(*DB))
		for _, query := range []string{
			`SELECT count(*) FROM snapshot_account_past i WHERE NOT EXISTS (
				SELECT 1 FROM snapshot s WHERE s.population = i.population AND s.id BETWEEN i.first_snapshot AND i.last_snapshot)`,
			`SELECT count(*) FROM snapshot_activity i WHERE NOT EXISTS (
				SELECT 1 FROM snapshot s WHERE s.population = i.population AND s.id >= i.first_snapshot AND s.id < ifnull((
					SELECT min(n.first_snapshot) FROM snapshot_activity n
					WHERE n.population = i.population AND n.strip = i.strip AND n.first_snapshot > i.first_snapshot), s.id + 1))`,
			`SELECT count(*) FROM snapshot_address d WHERE NOT EXISTS (
				SELECT 1 FROM snapshot_account a WHERE a.account_id = d.account_id AND a.email = d.key
				UNION ALL SELECT 1 FROM snapshot_account_past a WHERE a.account_id = d.account_id AND a.email = d.key)`,
		} {
			var n int
			if err := db.(*DB).reader.QueryRowContext(context.Background(), query).Scan(&n); err != nil {
				t.Fatal(err)
			}
			if n > 0 {
				t.Fatalf("%d rows that no snapshot needs: %s", n, query)
			}
		}
	})
}

// checkView holds what sqlite3 shows of snapshots against what the program reads.
func checkView(t *rapid.T, db *DB) {
	rows, err := db.reader.QueryContext(context.Background(), `SELECT snapshot, account_id, name, email, type, status, billable,
		last_active, products, products_last_active, owner FROM snapshot_row ORDER BY snapshot, account_id`)
	type shown struct {
		snapshot         int64
		member           workflow.Member
		products, active string
	}
	got, err := collect(rows, err, func(row scanner) (s shown, err error) {
		m := &s.member
		err = row.Scan(&s.snapshot, &m.ID, &m.Name, &m.Email, &m.Type, &m.Status, &m.Billable, &m.LastActive, &s.products, &s.active, &m.Owner)
		return s, err
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []shown
	list, err := db.ListSnapshots(context.Background(), report.SnapshotQuery{})
	if err != nil {
		t.Fatal(err)
	}
	for _, snapshot := range slices.Backward(list) {
		for _, m := range readBack(t, db, snapshot.ID) {
			products, active := [][3]string{}, []string{}
			for _, p := range m.Products {
				products, active = append(products, [3]string{p.Key, p.Name, p.URL}), append(active, p.LastActive)
			}
			m.Products, m.Managed = nil, false
			want = append(want, shown{snapshot.ID, m, text(products), text(active)})
		}
	}
	if !reflect.DeepEqual(want, got) {
		t.Fatalf("the view shows\n%v\nwant\n%v", got, want)
	}
}
