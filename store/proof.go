package store

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// proofMember is the member of an event's facts that says what the tables hold of its batch from then on. It makes the
// log a witness for the tables: who changes a row of them, and not the log, is found by Audit.
const proofMember = "proof"

// recorded is the kind of event that is written when something was changed that no event tells of.
const recorded = "recorded"

// proof is what one transaction made of a batch.
type proof struct {
	Batch *batchProof `json:"batch,omitempty"`
	Plan  *planProof  `json:"plan,omitempty"`
	Rows  []rowsProof `json:"rows,omitempty"`
}

// batchProof is the batch with its decisions. The hash covers all their columns (batchSum).
type batchProof struct {
	SHA256 string         `json:"sha256"`
	State  workflow.State `json:"state"`
}

// planProof is the plan, at the moment it is sealed (planSum).
type planProof struct {
	Rows   int    `json:"rows"`
	SHA256 string `json:"sha256"`
}

// rowsProof is what became of some rows: the columns that changed, with their new values. A row that has steps begins as
// ready and with nothing else to tell.
type rowsProof struct {
	Now  map[string]any `json:"now"`
	Rows string         `json:"rows"` // "2-31,40"
}

func (p *proof) empty() bool { return p == nil || p.Batch == nil && p.Plan == nil && len(p.Rows) == 0 }

// outcome are the columns of a change that are not its plan, as the log words them.
type outcome struct {
	State    string   `json:"state"`
	Step     int      `json:"step"`
	Code     string   `json:"code"`
	Facts    []string `json:"facts"`
	Attempts int      `json:"attempts"`
	Tried    int      `json:"tried"`
	Back     bool     `json:"back"`
	Called   string   `json:"called"`
	Finished string   `json:"finished"`
}

func outcomeOf(c *workflow.Change) outcome {
	return outcome{
		State: string(c.State), Step: c.Step, Code: string(c.Reason.Code), Facts: c.Reason.Facts, Attempts: c.Attempts,
		Tried: c.Tried, Back: c.Back, Called: stamp(c.Called), Finished: stamp(c.Finished),
	}
}

// planned is the outcome of every row with steps before anything became of it.
func planned() outcome { return outcome{State: string(workflow.ChangeReady)} }

func stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(momentForm)
}

// since are the columns in which o differs from before, with their new values.
func (o outcome) since(before outcome) map[string]any {
	now := map[string]any{}
	note := func(name string, changed bool, value any) {
		if changed {
			now[name] = value
		}
	}
	note("state", o.State != before.State, o.State)
	note("step", o.Step != before.Step, o.Step)
	note("code", o.Code != before.Code, o.Code)
	note("facts", !slices.Equal(o.Facts, before.Facts), append([]string{}, o.Facts...))
	note("attempts", o.Attempts != before.Attempts, o.Attempts)
	note("tried", o.Tried != before.Tried, o.Tried)
	note("back", o.Back != before.Back, o.Back)
	note("called", o.Called != before.Called, o.Called)
	note("finished", o.Finished != before.Finished, o.Finished)
	return now
}

// rowsChanged gathers what became of rows, those of which the same is to be told together.
type rowsChanged struct {
	places map[string]int // how the change is spelled → its place
	groups []rowsProof
	rows   [][]int
}

func (r *rowsChanged) note(row int, before, after outcome) error {
	now := after.since(before)
	if len(now) == 0 {
		return nil
	}
	key, err := canonical(now)
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
		r.groups = append(r.groups, rowsProof{Now: now})
		r.rows = append(r.rows, nil)
	}
	r.rows[i] = append(r.rows[i], row)
	return nil
}

func (r *rowsChanged) proof() []rowsProof {
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

// sameBatch says whether a rule left everything of a batch as it was that a proof covers.
func sameBatch(before, after workflow.Batch) bool {
	after.Revision, after.Checked = before.Revision, before.Checked
	before.TakeEvents()
	after.TakeEvents()
	return reflect.DeepEqual(before, after)
}

// batchSum is the SHA-256, in hex, of the batch's row with its decisions and the hash of its request, as canonical JSON.
// Columns with nothing in them are left out, so that a column that a later version adds does not change the sums of old
// batches. Left out are revision, which only says what was drawn, and checked, which counts while the check goes on.
func batchSum(ctx context.Context, tx *sql.Tx, number int64) (string, error) {
	batch, err := dump(ctx, tx, "SELECT * FROM batch WHERE number = ?", number)
	if err != nil {
		return "", err
	}
	for _, row := range batch {
		delete(row, "revision")
		delete(row, "checked")
	}
	decisions, err := dump(ctx, tx, "SELECT * FROM decision WHERE batch = ? ORDER BY seq", number)
	if err != nil {
		return "", err
	}
	request, err := dump(ctx, tx, "SELECT sha256 FROM request_file WHERE batch = ?", number)
	if err != nil {
		return "", err
	}
	spelled, err := canonical(map[string]any{"batch": batch, "decisions": decisions, "request": request})
	return hexSum([]byte(spelled)), err
}

// dump reads rows of any table: column → value, without what is empty.
func dump(ctx context.Context, tx *sql.Tx, query string, args ...any) ([]map[string]any, error) {
	rows, err := tx.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	return collect(rows, nil, func(row scanner) (map[string]any, error) {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := row.Scan(into...); err != nil {
			return nil, err
		}
		out := map[string]any{}
		for i, name := range names {
			if !nothing(name, values[i]) {
				out[name] = values[i]
			}
		}
		return out, nil
	})
}

// empty are the columns that hold something else than "" or 0 where there is nothing. In those that are not here and may be
// NULL any value says something: an ending of {} is one by nobody, and no ending is none.
var empty = map[string]string{
	"ignored": "[]", "parked": "[]", "stop": "{}", "why": "[]", "traits": "{}", "dropped": "[]",
}

// nothing says whether a column holds what it does where there is nothing.
func nothing(column string, value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case int64:
		return v == 0 && column != "follows"
	case string:
		return v == empty[column]
	}
	return false
}

// planSum is a running SHA-256 over the rows of a plan, in row order. Of a row with steps it covers what is planned; of one
// without, which nothing becomes of, also why.
type planSum struct {
	rows int
	hash hash.Hash
}

func newPlanSum() *planSum { return &planSum{hash: sha256.New()} }

func (p *planSum) add(c *workflow.Change) error {
	row := map[string]any{
		"row": c.Row, "action": c.Action, "account_id": c.AccountID, "name": c.Name, "old_email": c.OldEmail,
		"new_email": c.NewEmail, "message": c.Message, "group": c.Group, "effect": c.Effect,
	}
	if len(c.Steps) > 0 {
		row["steps"] = c.Steps
	} else {
		row["outcome"] = outcomeOf(c)
	}
	if c.Cells != nil {
		row["cells"] = c.Cells
	}
	line, err := canonical(row)
	if err != nil {
		return err
	}
	p.rows++
	_, err = io.WriteString(p.hash, line+"\n")
	return err
}

func (p *planSum) proof() *planProof {
	return &planProof{Rows: p.rows, SHA256: hex.EncodeToString(p.hash.Sum(nil))}
}

// provePlan makes the proof of a plan that is sealed now.
func provePlan(changes []workflow.Change) (*planProof, []rowsProof, error) {
	sum := newPlanSum()
	var told rowsChanged
	inOrder := make([]*workflow.Change, len(changes))
	for i := range changes {
		inOrder[i] = &changes[i]
	}
	slices.SortFunc(inOrder, func(a, b *workflow.Change) int { return cmp.Compare(a.Row, b.Row) })
	for _, c := range inOrder {
		if err := sum.add(c); err != nil {
			return nil, nil, err
		}
		if len(c.Steps) > 0 {
			if err := told.note(c.Row, planned(), outcomeOf(c)); err != nil {
				return nil, nil, err
			}
		}
	}
	return sum.proof(), told.proof(), nil
}
