package sqlite

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// inFlight is how many changes are under way at the same time.
const inFlight = 8

// spent is what this process has used so far.
type spent struct {
	cpu     time.Duration
	written int64 // bytes given to write calls
}

func spentNow(b *testing.B) (s spent) {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	s.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	io, err := os.ReadFile("/proc/self/io")
	if err != nil {
		b.Skip("needs /proc")
	}
	for line := range strings.Lines(string(io)) {
		if rest, ok := strings.CutPrefix(line, "wchar: "); ok {
			if s.written, err = strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s
}

// likeReal returns a plan as it is of real accounts: ids and addresses as long as real ones, with a column that was sent
// along.
func likeReal(from, count int) (changes []workflow.Change, hold []string) {
	for n := from; n < from+count; n++ {
		c := renameLikeReal(n)
		changes = append(changes, c)
		hold = append(hold, c.Steps[0].Keys()...)
	}
	return changes, hold
}

// intend and conclude are what a run writes before and after a call.
func intend(b *workflow.Batch, c *workflow.Change) error {
	if err := c.Move(workflow.ChangeRunning); err != nil {
		return err
	}
	c.Attempts++
	c.CountCalls(+1)
	c.Called, c.Reason = time.Now(), workflow.Reason{}
	b.Record(workflow.Event{At: c.Called, Row: c.Row, Actor: workflow.Bot, Kind: workflow.EventCalling, Data: workflow.EventData(map[string]any{
		"action": c.Action, "account_id": c.AccountID, "from": c.OldEmail(), "to": c.NewEmail(), "attempt": c.Attempts,
	})})
	return nil
}

func conclude(b *workflow.Batch, c *workflow.Change) error {
	c.Conclude(c.Current(), workflow.ChangeDone, workflow.Reason{})
	if err := c.Move(workflow.ChangeDone); err != nil {
		return err
	}
	c.Reason, c.Finished = workflow.Reason{}, time.Now()
	b.Record(workflow.Event{At: c.Finished, Row: c.Row, Actor: workflow.Bot, Kind: string(c.State), Data: workflow.EventData(map[string]any{
		"action": c.Action, "account_id": c.AccountID, "from": c.OldEmail(), "to": c.NewEmail(), "reason": c.Reason,
	})})
	return nil
}

// runAll makes every change of a batch, so many at a time, and returns how long each write took at most.
func runAll(b *testing.B, db *DB, number int64, first, count, at int) {
	b.Helper()
	rows := make(chan int)
	var workers sync.WaitGroup
	for range at {
		workers.Go(func() {
			for row := range rows {
				for _, rule := range []func(*workflow.Batch, *workflow.Change) error{intend, conclude} {
					if _, _, err := db.UpdateChange(b.Context(), number, row, rule); err != nil {
						b.Error(err)
					}
				}
			}
		})
	}
	for row := first; row < first+count; row++ {
		rows <- row
	}
	close(rows)
	workers.Wait()
}

// BenchmarkWriter takes batches through the store, alone and with 8 changes in flight: for each change the processor's
// time and the bytes written, while it is asked for and planned and while it runs, and what is stored in the end.
func BenchmarkWriter(b *testing.B) {
	for _, at := range []int{1, inFlight} {
		b.Run(fmt.Sprintf("in-flight-%d", at), func(b *testing.B) {
			const rows = 4000
			path := filepath.Join(b.TempDir(), "countersign.db")
			db := openAt(b, path)
			changes, hold := likeReal(1, rows)
			var planned, ran spent
			var wall time.Duration
			n := 0
			for b.Loop() {
				n++
				begin := spentNow(b)
				batch := sealed(b, db, changes, hold...)
				middle := spentNow(b)
				move(b, db, batch.Number, workflow.Approved, workflow.Running)
				start := time.Now()
				before := spentNow(b)
				runAll(b, db, batch.Number, 1, rows, at)
				end := spentNow(b)
				wall += time.Since(start)
				move(b, db, batch.Number, workflow.Done)
				planned.cpu += middle.cpu - begin.cpu
				planned.written += middle.written - begin.written
				ran.cpu += end.cpu - before.cpu
				ran.written += end.written - before.written
			}
			each := float64(n * rows)
			b.ReportMetric(float64(planned.cpu.Microseconds())/each, "µs-cpu-plan/change")
			b.ReportMetric(float64(planned.written)/1000/each, "kB-plan/change")
			b.ReportMetric(float64(ran.cpu.Microseconds())/each, "µs-cpu-run/change")
			b.ReportMetric(float64(ran.written)/1000/each, "kB-run/change")
			b.ReportMetric(float64(wall.Microseconds())/each, "µs-run/change")
			if _, err := db.writer.ExecContext(b.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(float64(info.Size())/1000/each, "kB-stored/change")
			b.ReportMetric(0, "ns/op")
		})
	}
}
