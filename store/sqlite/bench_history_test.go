package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

var (
	historyRows   = flag.Int("history-rows", 50_000, "rows of ended batches that BenchmarkLookups has behind it")
	historyEvents = flag.Int("history-events", 40_000, "events that BenchmarkAudit verifies")
)

// fast opens a database that forgets in a power cut, to fill it.
func fast(b *testing.B) *DB {
	b.Helper()
	db, err := Open(b.Context(), Config{Path: filepath.Join(b.TempDir(), "countersign.db"), Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := db.Close(); err != nil {
			b.Error(err)
		}
	})
	if _, err := db.writer.ExecContext(b.Context(), "PRAGMA synchronous = OFF"); err != nil {
		b.Fatal(err)
	}
	return db
}

// aged makes a batch that was asked for, run and ended at a moment, by one transaction for each state.
func aged(b *testing.B, db *DB, at time.Time, first, rows int) {
	b.Helper()
	changes, hold := likeReal(first, rows)
	batch := newBatch()
	batch.Created = at
	asked := make([]workflow.Row, len(changes))
	for i := range changes {
		asked[i] = changes[i].Asked
	}
	if err := db.Create(b.Context(), batch, asked, nil, nil); err != nil {
		b.Fatal(err)
	}
	if _, err := seal(b, db, batch.Number, changes, hold...); err != nil {
		b.Fatal(err)
	}
	for _, to := range []workflow.State{workflow.Approved, workflow.Running} {
		_, err := db.Update(b.Context(), batch.Number, func(b *workflow.Batch) error {
			b.Approved, b.Started = at, at
			return b.Move(to)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, step := range [][2]workflow.ChangeState{
		{workflow.ChangeReady, workflow.ChangeRunning}, {workflow.ChangeRunning, workflow.ChangeDone},
	} {
		_, err := db.UpdateChanges(b.Context(), batch.Number, step[0], func(c *workflow.Change) error {
			c.Called, c.Finished = at, at
			return c.Move(step[1])
		}, func(b *workflow.Batch) error {
			if step[1] == workflow.ChangeDone {
				b.Ended = at
				return b.Move(workflow.Done)
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	shown, err := db.Batch(b.Context(), batch.Number)
	if err != nil {
		b.Fatal(err)
	}
	post := workflow.Post{Key: fmt.Sprintf("batch/%d/card", batch.Number), Batch: batch.Number, Channel: "C", Version: shown.Revision}
	if err := db.SavePost(b.Context(), post); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLookups asks what is asked at each pulse and each approval, with a long history behind it, a batch of 5,000 that
// ended today and one that runs: milliseconds for each, at most, and that it does not grow with what is long ago.
func BenchmarkLookups(b *testing.B) {
	const each = 5000
	db := fast(b)
	now := time.Now()
	for first := 1; first <= *historyRows; first += each {
		aged(b, db, now.Add(-time.Hour*24*time.Duration(2+(*historyRows-first)/each)), first, each)
	}
	aged(b, db, now, *historyRows+each+1, each)
	changes, hold := likeReal(*historyRows+2*each+1, each)
	batch := sealed(b, db, changes, hold...)
	move(b, db, batch.Number, workflow.Approved, workflow.Running)
	runAll(b, db, batch.Number, *historyRows+2*each+1, 100, inFlight)
	since := now.Add(-24 * time.Hour)
	for _, look := range []struct {
		name string
		do   func(context.Context) (int, error)
	}{
		{"RecentChanges", func(ctx context.Context) (int, error) { return db.RecentChanges(ctx, since, nil, 0) }},
		{"Touched", func(ctx context.Context) (int, error) {
			list, err := db.Touched(ctx, since, nil, 0)
			return len(list), err
		}},
		{"Revisions", func(ctx context.Context) (int, error) {
			list, err := db.Revisions(ctx)
			return len(list), err
		}},
		{"Summary", func(ctx context.Context) (int, error) {
			s, err := db.Summary(ctx, batch.Number)
			return s.State(), err
		}},
	} {
		b.Run(look.name, func(b *testing.B) {
			var took []time.Duration
			n := 0
			for b.Loop() {
				start := time.Now()
				var err error
				if n, err = look.do(b.Context()); err != nil || n == 0 {
					b.Fatalf("%d, %v", n, err)
				}
				took = append(took, time.Since(start))
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-most")
			b.ReportMetric(float64(n), "found")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkAudit verifies a log and its tables, as a multiple of the time that it takes to read and hash the same rows, of
// the processor's time for that, and the log alone likewise.
func BenchmarkAudit(b *testing.B) {
	const each = 5000
	db := fast(b)
	for n := range max(*historyEvents/2/each, 1) {
		changes, hold := likeReal(n*each+1, each)
		batch := realPlan(b, db, changes, hold)
		runAll(b, db, batch, n*each+1, each, inFlight)
		move(b, db, batch, workflow.Done)
	}
	chain, plain, plainly := time.Hour, time.Hour, time.Hour
	for range 3 {
		start, spent := time.Now(), spentNow(b).cpu
		readAndHash(b, db, "event")
		chain = min(chain, time.Since(start))
		readAndHash(b, db, "request_row")
		readAndHash(b, db, "change")
		plain, plainly = min(plain, time.Since(start)), min(plainly, spentNow(b).cpu-spent)
	}
	verified := time.Hour
	for range 3 {
		start := time.Now()
		if _, _, err := db.VerifyEvents(b.Context()); err != nil {
			b.Fatal(err)
		}
		verified = min(verified, time.Since(start))
	}
	var a store.Audited
	took, spent := time.Hour, time.Hour
	for b.Loop() {
		start, before := time.Now(), spentNow(b).cpu
		var err error
		if a, err = db.Audit(b.Context()); err != nil || !a.Whole() {
			b.Fatalf("%v, %v", a.Findings, err)
		}
		took, spent = min(took, time.Since(start)), min(spent, spentNow(b).cpu-before)
	}
	b.ReportMetric(float64(spent)/float64(plainly), "x-processor")
	b.ReportMetric(float64(verified)/float64(chain), "x-chain")
	b.ReportMetric(float64(a.Head.Seq), "events")
	b.ReportMetric(took.Seconds()*1e6/float64(a.Head.Seq), "s/million")
	b.ReportMetric(float64(took)/float64(plain), "x-read-and-hash")
	b.ReportMetric(0, "ns/op")
}

// readAndHash reads every row of a table and hashes what it holds.
func readAndHash(b *testing.B, db *DB, table string) {
	b.Helper()
	rows, err := db.reader.QueryContext(b.Context(), "SELECT * FROM "+table)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	names, err := rows.Columns()
	if err != nil {
		b.Fatal(err)
	}
	raw, into := make([]sql.RawBytes, len(names)), make([]any, len(names))
	for i := range raw {
		into[i] = &raw[i]
	}
	sum := sha256.New()
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			b.Fatal(err)
		}
		for _, value := range raw {
			sum.Write(value)
		}
	}
	if err := rows.Err(); err != nil {
		b.Fatal(err)
	}
}

// realPlan saves a plan with the digest and the approval that a run needs, and has it run.
func realPlan(b *testing.B, db *DB, changes []workflow.Change, hold []string) int64 {
	b.Helper()
	batch := create(b, db, changes...)
	var all []workflow.Step
	for i := range changes {
		all = append(all, changes[i].Steps...)
	}
	_, err := db.SavePlan(b.Context(), batch.Number, changes, hold, func(b *workflow.Batch) error {
		b.Digest, b.Planned = workflow.PlanDigest(b, all), noon
		b.Record(workflow.Event{At: noon, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: workflow.EventData(map[string]any{
			"digest": b.Digest, "approvals": 1,
		})})
		return b.Move(workflow.AwaitingApproval)
	})
	if err != nil {
		b.Fatal(err)
	}
	_, err = db.Update(b.Context(), batch.Number, func(b *workflow.Batch) error {
		b.Decide(workflow.Decision{Person: workflow.Person{ID: "U0BOB"}, Verdict: workflow.Approve, Digest: b.Digest, At: noon})
		b.Approved = noon
		if err := b.Move(workflow.Approved); err != nil {
			return err
		}
		return b.Move(workflow.Running)
	})
	if err != nil {
		b.Fatal(err)
	}
	return batch.Number
}
