package store

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// auditPage is how many rows of a batch an audit holds in memory at once.
const auditPage = 500

// tables holds every batch against what the log says of it, while the log is walked through once: a
// batch as soon as its last event was taken in.
type tables struct {
	from    Source
	numbers []int64           // of all batches, sorted
	last    int64             // the highest number that was ever given
	ends    map[int64]int64   // the last event of each batch, 0 for one that has none
	replays map[int64]*replay // those that were compared are kept for their returns, without their rows
}

func newTables(from Source) (t *tables, err error) {
	t = &tables{from: from, replays: map[int64]*replay{}}
	if t.numbers, t.last, err = from.Numbers(); err != nil {
		return nil, err
	}
	t.ends, err = from.LastEvents()
	return t, err
}

// take takes an event in. What is found is kept until the whole log was seen.
func (t *tables) take(e *Entry) error {
	end, known := t.ends[e.Batch]
	if !known {
		return nil // of no batch, or of one that is missing
	}
	r := t.replay(e.Batch)
	r.take(e, t.replays)
	if e.Seq != end {
		return nil
	}
	return r.compare(t.from)
}

func (t *tables) replay(number int64) *replay {
	r := t.replays[number]
	if r == nil {
		r = &replay{number: number, rows: map[int]Outcome{}, approved: map[string]bool{}}
		t.replays[number] = r
	}
	return r
}

// end adds what was found, batch by batch.
func (t *tables) end(a *Audited) error {
	for number := int64(1); number <= t.last; number++ { // they have no gaps but those that the log tells of
		if _, ok := slices.BinarySearch(t.numbers, number); !ok && !a.skips(number) {
			a.Find(Finding{Batch: number, What: "is missing"})
		}
	}
	for _, number := range t.numbers {
		r := t.replay(number)
		if !r.compared { // it has no event
			if err := r.compare(t.from); err != nil {
				return err
			}
		}
		for _, f := range r.found.Findings {
			a.Find(f)
		}
		a.More += r.found.More
		a.Batches++
		a.Rows += r.found.Rows
	}
	orphans, err := t.from.Orphans()
	for _, f := range orphans {
		a.Find(f)
	}
	return err
}

// replay is one batch as the log tells of it.
type replay struct {
	number   int64
	found    Audited
	compared bool

	seq       int64 // of the last event that proves something of the batch
	batch     *BatchSum
	asked     *PlanSum
	plan      *PlanSum
	rows      map[int]Outcome // of rows of which something became
	requester string
	author    string
	digest    string
	approvals int
	approved  map[string]bool // people who approved the digest
	ends      bool            // it has an end, and so a return
	first     *replay         // of a return: the batch whose approval it has; nil where there is none
	inherits  bool            // the approvals of first are still to be taken over
}

func (r *replay) find(seq int64, row int, format string, args ...any) {
	r.found.Find(Finding{Seq: seq, Batch: r.number, Row: row, What: fmt.Sprintf(format, args...)})
}

// told is what the audit reads of an event's facts.
type told struct {
	Author    string `json:"author"`
	Digest    string `json:"digest"`
	Approvals int    `json:"approvals"`
	Person    string `json:"person"`
	Ends      bool   `json:"ends"`
	Follows   int64  `json:"follows"`

	Link workflow.Link `json:"link"`
	// ApprovedWith is the digest of the plan that a return was approved with.
	ApprovedWith string `json:"approved_with"`
	Checksum     struct {
		Batch *BatchSum  `json:"batch"`
		Asked *PlanSum   `json:"asked"`
		Plan  *PlanSum   `json:"plan"`
		Rows  []toldRows `json:"rows"`
	} `json:"checksum"`
}

// toldRows is a RowsOutcome whose values are not read yet.
type toldRows struct {
	Now  json.RawMessage `json:"now"`
	Rows string          `json:"rows"`
}

// take takes one event in; others are the replays of all batches that the log has told of.
func (r *replay) take(e *Entry, others map[int64]*replay) {
	if r.compared {
		r.find(e.Seq, 0, "stands behind what SQLite has for the last event of its batch")
		return
	}
	t, err := readTold(e.Data)
	if err != nil {
		r.find(e.Seq, 0, "its facts cannot be read")
		return
	}
	if e.Kind == workflow.EventAsked && t.Link == workflow.LinkReturn {
		r.first = others[t.Follows]
	}
	r.apply(*e, t)
}

// apply takes one event in.
func (r *replay) apply(e Entry, t told) {
	r.decide(e, t)
	if t.Checksum.Batch != nil {
		r.batch, r.seq = t.Checksum.Batch, e.Seq
	}
	if t.Checksum.Asked != nil {
		r.asked = t.Checksum.Asked
	}
	if t.Checksum.Plan != nil {
		if r.plan != nil {
			r.find(e.Seq, 0, "seals a plan that was sealed before")
		}
		r.plan = t.Checksum.Plan
	}
	for _, each := range t.Checksum.Rows {
		err := inRanges(each.Rows, func(row int) {
			now, known := r.rows[row]
			if !known {
				now = planned()
			}
			if err := readOutcome(each.Now, &now); err != nil {
				r.find(e.Seq, row, "its facts cannot be read")
			}
			r.rows[row] = now
		})
		if err != nil {
			r.find(e.Seq, 0, "its facts cannot be read")
		}
	}
}

// decide follows who approved what, and finds a call that too few people had approved by then. The
// approvals that are needed are those that the plan asked for, or the rules since; who dropped out
// does not count.
func (r *replay) decide(e Entry, t told) {
	switch e.Kind {
	case workflow.EventAsked:
		r.requester, r.author = e.Actor, cmp.Or(t.Author, e.Actor)
	case workflow.EventPlanned:
		r.digest, r.approvals, r.ends = t.Digest, t.Approvals, t.Ends
		r.inherits = r.first != nil && r.first.ends && r.first.digest == t.ApprovedWith && r.first.digest != ""
	case string(workflow.Approve):
		r.inherit()
		switch {
		case t.Digest != r.digest:
			r.find(e.Seq, 0, "approves another digest than that of the plan")
		case e.Actor == r.requester, e.Actor == r.author:
			r.find(e.Seq, 0, "is an approval by %s, who asked for it", e.Actor)
		default:
			r.approved[e.Actor] = true
		}
	case workflow.EventNeedsMore:
		r.inherit()
		r.approvals = max(r.approvals, t.Approvals)
	case workflow.EventDropped:
		r.inherit()
		delete(r.approved, t.Person)
	case workflow.EventCalling:
		r.inherit()
		if len(r.approved) < max(r.approvals, 1) {
			r.find(e.Seq, int(e.Row), "a call with %d approvals where %d were needed", len(r.approved), max(r.approvals, 1))
		}
	}
}

// inherit gives a return the approvals of the batch that it takes back, once something is made of
// them: the last one is written in one transaction with the return, behind it or before it.
func (r *replay) inherit() {
	if r.inherits {
		r.inherits = false
		r.approved, r.approvals = maps.Clone(r.first.approved), max(r.first.approvals, r.approvals)
	}
}

// compare holds the tables against the replay, and forgets what it had of rows.
func (r *replay) compare(from Source) error {
	r.compared = true
	defer func() { r.rows = nil }()
	b, err := from.Batch(r.number)
	if err != nil {
		return err
	}
	request, original, kept, err := from.Request(r.number)
	missing := errors.Is(err, workflow.ErrNoBatch)
	if err != nil && !missing {
		return err
	}
	sum, err := SumBatch(b, request)
	switch {
	case err != nil:
		return err
	case r.batch == nil:
		r.find(0, 0, "the log does not tell of it")
	case r.batch.State != b.State:
		r.find(r.seq, 0, "the log says %s, the batch says %s", r.batch.State, b.State)
	case *r.batch != *sum:
		r.find(r.seq, 0, "the batch or its decisions are not what the log says")
	}
	switch {
	case missing:
		r.find(0, 0, "its request is missing")
	case kept && HexSum(original) != request:
		r.find(0, 0, "its request is not what was sent")
	}
	if err := r.compareRows(from, b, kept); err != nil {
		return err
	}
	return from.Misspelled(b, r.found.Find)
}

// compareRows holds the rows against the plan as it was sealed and against what the log says became
// of each. Cells of theirs may be gone only together with the bytes of the request; kept says that
// these are there.
func (r *replay) compareRows(from Source, b *workflow.Batch, kept bool) error {
	asked, plan := newPlanHash(), newPlanHash()
	var steps []workflow.Step
	for after := -1; ; {
		page, err := from.Changes(r.number, after, auditPage)
		if err != nil {
			return err
		}
		for i := range page {
			c := &page[i]
			after = c.Row
			asked.ask(&c.Asked)
			if kept && c.Asked.Ignored != "" {
				r.find(0, c.Row, "cells of it were deleted, and its request was not")
			}
			plan.add(c)
			steps = append(steps, c.Steps...)
			r.compareRow(c)
		}
		if len(page) < auditPage {
			break
		}
	}
	r.found.Rows = asked.rows
	for row := range r.rows {
		r.find(0, row, "is missing")
	}
	if r.plan != nil && *r.plan != *plan.sum() {
		r.find(0, 0, "its plan is not the one that was sealed")
	}
	if r.asked == nil || *r.asked != *asked.sum() {
		r.find(0, 0, "its rows are not what was asked for")
	}
	slices.SortFunc(steps, func(a, b workflow.Step) int { return cmp.Compare(a.Seq, b.Seq) })
	if b.Digest != "" && workflow.PlanDigest(b, steps) != b.Digest {
		r.find(0, 0, "its digest is not that of its plan")
	}
	return nil
}

func (r *replay) compareRow(c *workflow.Change) {
	want, known := r.rows[c.Row]
	delete(r.rows, c.Row)
	switch {
	case known:
	case r.plan == nil:
		want = asked()
		if !reflect.DeepEqual(*c, workflow.Change{Batch: c.Batch, Row: c.Row, Asked: c.Asked, State: c.State}) {
			r.find(0, c.Row, "has a plan, and the log tells of none")
			return
		}
	case len(c.Steps) == 0: // its outcome is part of the plan's sum
		return
	default:
		want = planned()
	}
	if c.State == workflow.ChangeAsked && r.plan != nil {
		r.find(0, c.Row, "is missing")
		return
	}
	have := OutcomeOf(c)
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
