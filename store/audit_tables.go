package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// auditTables holds every batch against what the log says of it.
func auditTables(ctx context.Context, tx *sql.Tx, a *Audited) error {
	numbers, err := batchNumbers(ctx, tx, a)
	if err != nil {
		return err
	}
	for _, number := range numbers {
		r, err := replayed(ctx, tx, a, number)
		if err != nil {
			return err
		}
		if err := r.compare(ctx, tx); err != nil {
			return err
		}
		a.Batches++
	}
	return auditOrphans(ctx, tx, a)
}

// auditOrphans looks for rows that belong to no batch.
func auditOrphans(ctx context.Context, tx *sql.Tx, a *Audited) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT 'a request', batch, 0 FROM request_file WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'a decision', batch, 0 FROM decision WHERE batch NOT IN (SELECT number FROM batch)
		UNION ALL SELECT 'a row', batch, row FROM change WHERE batch NOT IN (SELECT number FROM batch)
		ORDER BY 2, 3`)
	found, err := collect(rows, err, func(row scanner) (f Finding, err error) {
		var what string
		err = row.Scan(&what, &f.Batch, &f.Row)
		f.What = what + " of a batch that is not there"
		return f, err
	})
	for _, f := range found {
		a.find(f)
	}
	return err
}

// batchNumbers are the batches that there are. Numbers have no gaps, and what the log tells of is there.
func batchNumbers(ctx context.Context, tx *sql.Tx, a *Audited) ([]int64, error) {
	one := func(row scanner) (n int64, err error) {
		err = row.Scan(&n)
		return n, err
	}
	rows, err := tx.QueryContext(ctx, "SELECT number FROM batch ORDER BY number")
	have, err := collect(rows, err, one)
	if err != nil {
		return nil, err
	}
	rows, err = tx.QueryContext(ctx, `SELECT DISTINCT batch FROM event WHERE batch > 0
		UNION SELECT seq FROM sqlite_sequence WHERE name = 'batch' AND seq > 0 ORDER BY 1`)
	told, err := collect(rows, err, one)
	if err != nil {
		return nil, err
	}
	if len(told) > 0 {
		for number := int64(1); number <= told[len(told)-1]; number++ {
			if _, ok := slices.BinarySearch(have, number); !ok {
				a.find(Finding{Batch: number, What: "is missing"})
			}
		}
	}
	return have, nil
}

// replay is one batch as the log tells of it.
type replay struct {
	audited *Audited
	number  int64

	seq       int64 // of the last event that proves something of the batch
	batch     *batchProof
	plan      *planProof
	rows      map[int]outcome // of rows of which something became
	requester string
	author    string
	digest    string
	approvals int
	approved  map[string]bool // people who approved the digest
}

func (r *replay) find(seq int64, row int, format string, args ...any) {
	r.audited.find(Finding{Seq: seq, Batch: r.number, Row: row, What: fmt.Sprintf(format, args...)})
}

// told is what the audit reads of an event's facts.
type told struct {
	Author    string `json:"author"`
	Digest    string `json:"digest"`
	Approvals int    `json:"approvals"`
	Person    string `json:"person"`
	Proof     struct {
		Batch *batchProof `json:"batch"`
		Plan  *planProof  `json:"plan"`
		Rows  []struct {
			Now  json.RawMessage `json:"now"`
			Rows string          `json:"rows"`
		} `json:"rows"`
	} `json:"proof"`
}

func replayed(ctx context.Context, tx *sql.Tx, a *Audited, number int64) (*replay, error) {
	r := &replay{audited: a, number: number, rows: map[int]outcome{}, approved: map[string]bool{}}
	rows, err := tx.QueryContext(ctx, "SELECT "+entryColumns+" FROM event WHERE batch = ? ORDER BY seq", number)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	for rows.Next() {
		e, err := scanEntry(rows)
		if err != nil {
			return nil, err
		}
		var t told
		if err := json.Unmarshal([]byte(e.Data), &t); err != nil {
			r.find(e.Seq, 0, "its facts cannot be read")
			continue
		}
		r.apply(e, t)
	}
	return r, rows.Err()
}

// apply takes one event in.
func (r *replay) apply(e entry, t told) {
	r.decide(e, t)
	if t.Proof.Batch != nil {
		r.batch, r.seq = t.Proof.Batch, e.Seq
	}
	if t.Proof.Plan != nil {
		if r.plan != nil {
			r.find(e.Seq, 0, "seals a plan that was sealed before")
		}
		r.plan = t.Proof.Plan
	}
	for _, each := range t.Proof.Rows {
		err := inRanges(each.Rows, func(row int) {
			now, known := r.rows[row]
			if !known {
				now = planned()
			}
			if err := json.Unmarshal(each.Now, &now); err != nil {
				r.find(e.Seq, row, "its facts cannot be read")
			}
			r.rows[row] = now
		})
		if err != nil {
			r.find(e.Seq, 0, "its facts cannot be read")
		}
	}
}

// decide follows who approved what, and finds a call that too few people had approved by then. The approvals that are
// needed are those that the plan asked for, or the rules since; who dropped out does not count.
func (r *replay) decide(e entry, t told) {
	switch e.Kind {
	case workflow.EventAsked:
		r.requester, r.author = e.Actor, cmp.Or(t.Author, e.Actor)
	case workflow.EventPlanned:
		r.digest, r.approvals = t.Digest, t.Approvals
	case string(workflow.Approve):
		switch {
		case t.Digest != r.digest:
			r.find(e.Seq, 0, "approves another digest than that of the plan")
		case e.Actor == r.requester, e.Actor == r.author:
			r.find(e.Seq, 0, "is an approval by %s, who asked for it", e.Actor)
		default:
			r.approved[e.Actor] = true
		}
	case workflow.EventNeedsMore:
		r.approvals = max(r.approvals, t.Approvals)
	case workflow.EventDropped:
		delete(r.approved, t.Person)
	case workflow.EventCalling:
		if len(r.approved) < max(r.approvals, 1) {
			r.find(e.Seq, int(e.Row), "a call with %d approvals where %d were needed", len(r.approved), max(r.approvals, 1))
		}
	}
}

// compare holds the tables against the replay.
func (r *replay) compare(ctx context.Context, tx *sql.Tx) error {
	b, err := loadBatch(ctx, tx, r.number)
	if err != nil {
		return err
	}
	if err := r.compareBatch(ctx, tx, b); err != nil {
		return err
	}
	if err := r.compareRequest(ctx, tx); err != nil {
		return err
	}
	return r.compareRows(ctx, tx, b)
}

func (r *replay) compareBatch(ctx context.Context, tx *sql.Tx, b *workflow.Batch) error {
	sum, err := batchSum(ctx, tx, r.number)
	switch {
	case err != nil:
		return err
	case r.batch == nil:
		r.find(0, 0, "the log does not tell of it")
	case r.batch.State != b.State:
		r.find(r.seq, 0, "the log says %s, the batch says %s", r.batch.State, b.State)
	case r.batch.SHA256 != sum:
		r.find(r.seq, 0, "the batch or its decisions are not what the log says")
	}
	return nil
}

func (r *replay) compareRequest(ctx context.Context, tx *sql.Tx) error {
	var want string
	var original []byte
	var kept bool
	err := tx.QueryRowContext(ctx, "SELECT sha256, bytes, bytes IS NOT NULL FROM request_file WHERE batch = ?", r.number).
		Scan(&want, &original, &kept)
	if errors.Is(err, sql.ErrNoRows) {
		r.find(0, 0, "its request is missing")
		return nil
	}
	if err == nil && kept && hexSum(original) != want {
		r.find(0, 0, "its request is not what was sent")
	}
	return err
}

// compareRows holds the rows against the plan as it was sealed and against what the log says became of each.
func (r *replay) compareRows(ctx context.Context, tx *sql.Tx, b *workflow.Batch) error {
	sum := newPlanSum()
	var steps []workflow.Step
	for after := -1; ; {
		page, err := loadChanges(ctx, tx, r.number, after, chunk)
		if err != nil {
			return err
		}
		if err := r.compareSpelling(ctx, tx, after, page); err != nil {
			return err
		}
		for i := range page {
			c := &page[i]
			after = c.Row
			if err := sum.add(c); err != nil {
				return err
			}
			steps = append(steps, c.Steps...)
			r.compareRow(c)
		}
		if len(page) < chunk {
			break
		}
	}
	r.audited.Rows += sum.rows
	for row := range r.rows {
		r.find(0, row, "is missing")
	}
	switch {
	case r.plan == nil && sum.rows == 0:
	case r.plan == nil:
		r.find(0, 0, "has rows, and the log tells of no plan")
	case *r.plan != *sum.proof():
		r.find(0, 0, "its plan is not the one that was sealed")
	}
	slices.SortFunc(steps, func(a, b workflow.Step) int { return cmp.Compare(a.Seq, b.Seq) })
	if b.Digest != "" && workflow.PlanDigest(b, steps) != b.Digest {
		r.find(0, 0, "its digest is not that of its plan")
	}
	return nil
}

// compareSpelling finds documents that read as they should and are not spelled as this program spells them: with a key
// twice, say, of which other programs take the other.
func (r *replay) compareSpelling(ctx context.Context, tx *sql.Tx, after int, page []workflow.Change) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT steps, facts, cells FROM change WHERE batch = ? AND row > ? ORDER BY row LIMIT ?`, r.number, after, chunk)
	spelled, err := collect(rows, err, func(row scanner) (have [3]sql.NullString, err error) {
		err = row.Scan(&have[0], &have[1], &have[2])
		return have, err
	})
	if err != nil {
		return err
	}
	for i, have := range spelled { // the same rows: it is one transaction
		if have != spell(&page[i]) {
			r.find(0, page[i].Row, "its steps, facts or cells are spelled otherwise than they were written")
		}
	}
	return nil
}

func (r *replay) compareRow(c *workflow.Change) {
	want, known := r.rows[c.Row]
	delete(r.rows, c.Row)
	if !known {
		if len(c.Steps) == 0 { // its outcome is part of the plan's sum
			return
		}
		want = planned()
	}
	have := outcomeOf(c)
	if len(have.Facts) == 0 && len(want.Facts) == 0 {
		have.Facts, want.Facts = nil, nil
	}
	switch {
	case have.State != want.State:
		r.find(0, c.Row, "the log says %s, the row says %s", want.State, have.State)
	case !reflect.DeepEqual(have, want):
		r.find(0, c.Row, "what became of it is not what the log says")
	}
}
