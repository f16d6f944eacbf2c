package sqlite

import (
	"errors"
	"testing"
	"time"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/countersign/countersign/workflow"
)

// Whoever gets at the file with sqlite3 is told that plans, rows and decisions stay.
func TestTriggersRefuse(t *testing.T) {
	db := open(t)
	changes, _ := renames(2)
	b := sealed(t, db, changes)
	_, err := db.Update(t.Context(), b.Number, func(b *workflow.Batch) error {
		b.Decisions = append(b.Decisions, workflow.Decision{Person: alice, Verdict: workflow.Approve, Digest: b.Digest, At: noon})
		b.Approvals = 2
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{
		"UPDATE change SET wanted = '{\"email\":\"evil@example.com\"}'",
		"UPDATE request_row SET cells = '[]'",
		"UPDATE request_row SET meaning = 'email'",
		"DELETE FROM request_row",
		"INSERT OR REPLACE INTO request_row SELECT id, 'x', cells, ignored, ignored_sha256, meaning, given, problem FROM request_row",
		"INSERT INTO request_row SELECT id + (77 << 32), action, cells, ignored, ignored_sha256, meaning, given, problem FROM request_row",
		"UPDATE request_row SET ignored = '[\"x\"]'",
		"UPDATE request_row SET ignored_sha256 = 'x', ignored = NULL",
		"UPDATE change SET state = 'asked'",
		"UPDATE change SET steps = '[]'",
		"UPDATE change SET id = id + 9 WHERE row = 1",
		"DELETE FROM change",
		"UPDATE change SET state = 'finished'",
		"UPDATE batch SET digest = 'x'",
		"UPDATE batch SET requester_id = 'x'",
		"UPDATE batch SET state = 'finished'",
		"UPDATE batch SET approvals = 1",
		"UPDATE batch SET emergency = 1",
		"UPDATE batch SET traits = '{\"changes\":1}'",
		"UPDATE decision SET verdict = 'reject'",
		"DELETE FROM decision",
		"UPDATE event SET actor = 'x'",
		"DELETE FROM event",
		"INSERT INTO change SELECT id + 9, " + changeNames + " FROM change",
		"INSERT OR REPLACE INTO change SELECT id, " + changeNames + " FROM change",
	} {
		_, err := db.writer.ExecContext(t.Context(), statement)
		said, ok := errors.AsType[*driver.Error](err)
		if !ok || said.Code()&0xff != sqlite3.SQLITE_CONSTRAINT {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

// A batch of 20,000 rows with their holds goes through each transaction whole; how long that takes
// is logged.
func TestSealLarge(t *testing.T) {
	if testing.Short() {
		t.Skip("saves a plan of 20,000 rows")
	}
	db := open(t)
	changes, hold := renames(20_000)
	start := time.Now()
	b := create(t, db, changes...)
	t.Logf("asked in %v", time.Since(start))
	start = time.Now()
	if _, err := seal(t, db, b.Number, changes, hold...); err != nil {
		t.Fatal(err)
	}
	t.Logf("planned in %v", time.Since(start))
	start = time.Now()
	s, err := db.Summary(t.Context(), b.Number)
	t.Logf("counted in %v", time.Since(start))
	if err != nil || s.State() != 20_000 {
		t.Errorf("%d rows, %v", s.State(), err)
	}
}

func BenchmarkSeal50k(b *testing.B) {
	db, err := Open(b.Context(), Config{Path: b.TempDir() + "/countersign.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	changes, hold := renames(50_000)
	for b.Loop() {
		batch := sealed(b, db, changes, hold...)
		b.StopTimer()
		move(b, db, batch.Number, workflow.Cancelled)
		b.StartTimer()
	}
}

func BenchmarkUpdateChange(b *testing.B) {
	db, err := Open(b.Context(), Config{Path: b.TempDir() + "/countersign.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	}()
	changes, hold := renames(50_000)
	batch := sealed(b, db, changes, hold...)
	row := 0
	for b.Loop() {
		row = row%50_000 + 1
		_, _, err := db.UpdateChange(b.Context(), batch.Number, row, func(b *workflow.Batch, c *workflow.Change) error {
			c.State = workflow.ChangeRunning
			b.Record(workflow.Event{Row: c.Row, Actor: workflow.Bot, Kind: "called"})
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
