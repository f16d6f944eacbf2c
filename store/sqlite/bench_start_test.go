package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// BenchmarkStart does what a start after a kill does with the database before the first call goes out: it opens the file,
// marks what was under way in a batch of 50,000 rows, of which a tenth has been made, and reads all of them. Milliseconds.
func BenchmarkStart(b *testing.B) {
	const rows, page = 50_000, 1000
	path := filepath.Join(b.TempDir(), "countersign.db")
	db := openAt(b, path)
	if _, err := db.writer.ExecContext(b.Context(), "PRAGMA synchronous = OFF"); err != nil {
		b.Fatal(err)
	}
	changes, hold := likeReal(1, rows)
	batch := sealed(b, db, changes, hold...)
	move(b, db, batch.Number, workflow.Approved, workflow.Running)
	runAll(b, db, batch.Number, 1, rows/10, inFlight)
	for row := rows/10 + 1; row <= rows/10+inFlight; row++ {
		if _, _, err := db.UpdateChange(b.Context(), batch.Number, row, intend); err != nil {
			b.Fatal(err)
		}
	}
	best := time.Hour
	for b.Loop() {
		start := time.Now()
		again, err := Open(b.Context(), Config{Path: path, Log: zerolog.Nop()})
		if err != nil {
			b.Fatal(err)
		}
		_, err = again.UpdateChanges(b.Context(), batch.Number, workflow.ChangeRunning, func(c *workflow.Change) error {
			return c.Move(workflow.ChangeUnknown)
		}, func(*workflow.Batch) error { return nil })
		if err != nil {
			b.Fatal(err)
		}
		n := 0
		for after := 0; ; {
			list, err := again.Changes(b.Context(), batch.Number, after, page)
			if err != nil {
				b.Fatal(err)
			}
			if n += len(list); len(list) < page {
				break
			}
			after = list[len(list)-1].Row
		}
		best = min(best, time.Since(start))
		if n != rows {
			b.Fatalf("%d rows, want %d", n, rows)
		}
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(best.Milliseconds()), "ms-best")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N), "ms-mean")
	b.ReportMetric(0, "ns/op")
}
