package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// checksumMember is the member of an event's facts that says what is stored of its batch from then
// on. It makes the log a witness for the tables: who changes a row of them, and not the log, is
// found by Audit.
const checksumMember = "checksum"

// EventRecorded is the kind of event that is written when something was changed that no event tells
// of.
const EventRecorded = "recorded"

// EventSkipped is the kind of event that says which numbers no batch gets (Skipped).
const EventSkipped = "numbers_skipped"

// Skipped are the facts of an event that says which numbers no batch gets, from First to Last.
type Skipped struct {
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// Checksum is what one transaction made of a batch. It hashes the values of the domain in one
// spelling, so that every database gives the same.
type Checksum struct {
	Batch *BatchSum     `json:"batch,omitempty"`
	Asked *PlanSum      `json:"asked,omitempty"` // the rows of the request
	Plan  *PlanSum      `json:"plan,omitempty"`
	Rows  []RowsOutcome `json:"rows,omitempty"`
}

// BatchSum is the batch with its decisions.
type BatchSum struct {
	SHA256 string         `json:"sha256"`
	State  workflow.State `json:"state"`
}

// PlanSum is the plan, at the moment it is saved (planHash), or the rows that were asked for.
type PlanSum struct {
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// RowsOutcome is what became of some rows: the columns that changed, with their new values. A row
// that has steps begins as ready and with nothing else to tell.
type RowsOutcome struct {
	Now  map[string]any `json:"now"`
	Rows string         `json:"rows"` // "2-31,40"
}

// Empty reports whether there is nothing to tell.
func (c *Checksum) Empty() bool {
	return c == nil || c.Batch == nil && c.Asked == nil && c.Plan == nil && len(c.Rows) == 0
}

// Outcome are the columns of a change that are not its plan, as the log words them.
type Outcome struct {
	State    string   `json:"state"`
	Outcomes string   `json:"outcomes"` // of its steps, as OutcomesText spells them
	Code     string   `json:"code"`
	Facts    []string `json:"facts"`
	Attempts int      `json:"attempts"`
	Back     bool     `json:"back"`
	Called   string   `json:"called"`
	Finished string   `json:"finished"`
}

// OutcomeOf returns what became of a change.
func OutcomeOf(c *workflow.Change) Outcome {
	return Outcome{
		State: string(c.State), Outcomes: OutcomesText(c), Code: string(c.Reason.Code), Facts: c.Reason.Facts, Attempts: c.Attempts,
		Back: c.Back, Called: Moment(c.Called), Finished: Moment(c.Finished),
	}
}

// asked returns the outcome of every row that was not checked.
func asked() Outcome { return OutcomeOf(&workflow.Change{State: workflow.ChangeAsked}) }

// planned returns the outcome of every row with steps before anything became of it.
func planned() Outcome { return OutcomeOf(&workflow.Change{State: workflow.ChangeReady}) }

// OutcomesText spells what became of the steps of a change, as JSON.
func OutcomesText(c *workflow.Change) string {
	outcomes := c.Outcomes
	if outcomes == nil {
		outcomes = []workflow.StepOutcome{}
	}
	text, err := Canonical(outcomes)
	if err != nil {
		panic(fmt.Sprintf("store: outcomes of a change: %v", err)) // strings, numbers and times only: cannot fail
	}
	return text
}

// EffectsText spells side effects by ";", so that rows can be counted by it.
func EffectsText(effects []workflow.Effect) string {
	words := make([]string, len(effects))
	for i, e := range effects {
		words[i] = string(e)
	}
	return strings.Join(words, ";")
}

// since returns the columns in which o differs from before, with their new values.
func (o Outcome) since(before Outcome) map[string]any {
	now := map[string]any{}
	note := func(name string, changed bool, value any) {
		if changed {
			now[name] = value
		}
	}
	note("state", o.State != before.State, o.State)
	note("outcomes", o.Outcomes != before.Outcomes, o.Outcomes)
	note("code", o.Code != before.Code, o.Code)
	note("facts", !slices.Equal(o.Facts, before.Facts), append([]string{}, o.Facts...))
	note("attempts", o.Attempts != before.Attempts, o.Attempts)
	note("back", o.Back != before.Back, o.Back)
	note("called", o.Called != before.Called, o.Called)
	note("finished", o.Finished != before.Finished, o.Finished)
	return now
}

// RowsChanged gathers what became of rows, those of which the same is to be told together.
type RowsChanged struct {
	places map[string]int // how the change is spelled → its place
	groups []RowsOutcome
	rows   [][]int
}

// Note adds what became of a row.
func (r *RowsChanged) Note(row int, before, after Outcome) error {
	now := after.since(before)
	if len(now) == 0 {
		return nil
	}
	key, err := Canonical(now)
	if err != nil {
		return err
	}
	if r.places == nil {
		r.places = map[string]int{}
	}
	i, known := r.places[key]
	if !known {
		i = len(r.groups)
		r.places[key] = i
		r.groups = append(r.groups, RowsOutcome{Now: now})
		r.rows = append(r.rows, nil)
	}
	r.rows[i] = append(r.rows[i], row)
	return nil
}

// Sum returns what was noted.
func (r *RowsChanged) Sum() []RowsOutcome {
	for i := range r.groups {
		r.groups[i].Rows = ranges(r.rows[i])
	}
	return r.groups
}

// ranges spells ascending numbers as "2-31,40".
func ranges(rows []int) string {
	var out []byte
	for i := 0; i < len(rows); {
		last := i
		for last+1 < len(rows) && rows[last+1] == rows[last]+1 {
			last++
		}
		if len(out) > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(rows[i]), 10)
		if last > i {
			out = append(out, '-')
			out = strconv.AppendInt(out, int64(rows[last]), 10)
		}
		i = last + 1
	}
	return string(out)
}

// inRanges calls fn with every number of "2-31,40".
func inRanges(spelled string, fn func(row int)) error {
	for part := range strings.SplitSeq(spelled, ",") {
		from, to, more := strings.Cut(part, "-")
		first, err := strconv.Atoi(from)
		last := first
		if err == nil && more {
			last, err = strconv.Atoi(to)
		}
		if err != nil || last < first {
			return fmt.Errorf("%q are no rows", part)
		}
		for row := first; row <= last; row++ {
			fn(row)
		}
	}
	return nil
}

// SumBatch returns the checksum of a batch with its decisions and the hash of its request. What has
// nothing in it is left out, so that what a later version adds does not change the sums of old
// batches. Left out are the revision, which only says what was drawn, and how many rows are
// checked, which counts while the check goes on.
func SumBatch(b *workflow.Batch, request string) (*BatchSum, error) {
	text, err := BatchText(b, request)
	if err != nil {
		return nil, err
	}
	return &BatchSum{SHA256: HexSum([]byte(text)), State: b.State}, nil
}

// BatchText returns what the checksum of a batch is the SHA-256 of: its facts (BatchFacts) that
// have something in them, as canonical JSON.
func BatchText(b *workflow.Batch, request string) (string, error) {
	object := map[string]any{}
	for name, value := range BatchFacts(b, request) {
		if v := reflect.ValueOf(value); !v.IsZero() && (v.Kind() != reflect.Slice || v.Len() > 0) {
			object[name] = value
		}
	}
	return Canonical(object)
}

// BatchFacts returns the facts of a batch by name, those that are empty among them. request is the
// SHA-256 of the bytes of its request, in hex; moments are spelled in MomentForm.
func BatchFacts(b *workflow.Batch, request string) map[string]any {
	return map[string]any{
		"number": b.Number, "org_id": b.OrgID, "state": b.State,

		"requester": b.Requester, "author": b.Author, "reason": b.Reason, "verb": b.Verb, "when": b.When,
		"source": b.Source,
		"agent":  b.Agent, "token": b.Token, "own_reason": b.OwnReason,
		"follows": b.Follows, "link": b.Link, "rows": b.Rows, "header": b.Header, "ignored": b.Ignored,
		"created": Moment(b.Created),

		"digest": b.Digest, "traits": b.Traits, "planned": Moment(b.Planned),

		"approvals": b.Approvals, "why": b.Why, "emergency": b.Emergency, "decisions": decisions(b.Decisions),
		"dropped": b.Dropped, "expires": Moment(b.Expires), "approved": Moment(b.Approved),

		"started": Moment(b.Started), "ended": Moment(b.Ended), "stop": b.Stop, "paused_from": b.PausedFrom,
		"resumed": Moment(b.Resumed), "resumed_by": b.ResumedBy, "restarted": b.Restarted, "run": b.Run, "retry": b.Retry, "released": b.Released, "over": b.Over,
		"parked": b.Parked, "ending": b.Ending,

		"request": request,
	}
}

func decisions(of []workflow.Decision) []map[string]any {
	out := make([]map[string]any, len(of))
	for i, d := range of {
		out[i] = map[string]any{
			"person": d.Person, "verdict": d.Verdict, "digest": d.Digest, "reason": d.Reason, "at": Moment(d.At),
		}
	}
	return out
}

// planHash is a running SHA-256 over the rows of a plan, in row order. Of a row with steps it
// covers what is planned; of one without, which nothing becomes of, also why.
type planHash struct {
	rows int
	hash hash.Hash
	buf  []byte
}

func newPlanHash() *planHash { return &planHash{hash: sha256.New()} }

// ask adds a row as it was asked for.
func (p *planHash) ask(r *workflow.Row) { p.line(appendAsked(p.buf[:0], r)) }

// add adds a row as it is planned.
func (p *planHash) add(c *workflow.Change) { p.line(appendRow(p.buf[:0], c)) }

func (p *planHash) line(spelled []byte) {
	p.rows++
	p.buf = append(spelled, '\n')
	_, _ = p.hash.Write(p.buf) // a hash takes everything
}

// SumRows returns the checksum of the rows of a request.
func SumRows(rows []workflow.Row) *PlanSum {
	sum := newPlanHash()
	for i := range rows {
		sum.ask(&rows[i])
	}
	return sum.sum()
}

// AskedText returns the line of a row as it was asked for that the checksum of these rows is made of.
func AskedText(r *workflow.Row) string { return string(appendAsked(nil, r)) }

// RowText returns the line of a row that the checksum of a plan is made of: all lines in row order,
// each with a line break.
func RowText(c *workflow.Change) string { return string(appendRow(nil, c)) }

func (p *planHash) sum() *PlanSum {
	return &PlanSum{Rows: p.rows, SHA256: hex.EncodeToString(p.hash.Sum(nil))}
}

// SumPlan returns the checksum of a plan that is sealed now.
func SumPlan(changes []workflow.Change) (*PlanSum, []RowsOutcome, error) {
	sum := newPlanHash()
	var told RowsChanged
	inOrder := make([]*workflow.Change, len(changes))
	for i := range changes {
		inOrder[i] = &changes[i]
	}
	slices.SortFunc(inOrder, func(a, b *workflow.Change) int { return cmp.Compare(a.Row, b.Row) })
	for _, c := range inOrder {
		sum.add(c)
		if len(c.Steps) > 0 {
			if err := told.Note(c.Row, planned(), OutcomeOf(c)); err != nil {
				return nil, nil, err
			}
		}
	}
	return sum.sum(), told.Sum(), nil
}

// PlannedReasons returns the reasons that rows with steps had when their plan was sealed, by row,
// read from a line of the log: those of other events, and of rows that were ready with nothing to
// say, are not there.
func PlannedReasons(line []byte) (map[int]workflow.Reason, error) {
	var e struct {
		Data told `json:"data"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return nil, err
	}
	out := map[int]workflow.Reason{}
	if e.Data.Checksum.Plan == nil {
		return out, nil
	}
	for _, each := range e.Data.Checksum.Rows {
		var now Outcome
		if err := json.Unmarshal(each.Now, &now); err != nil {
			return nil, err
		}
		reason := workflow.Reason{Code: workflow.ReasonCode(now.Code), Facts: now.Facts}
		if err := inRanges(each.Rows, func(row int) { out[row] = reason }); err != nil {
			return nil, err
		}
	}
	return out, nil
}
