package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// chunk is how many rows are held in memory at once when a batch is walked through.
const chunk = 500

// changeNames are the columns of a change but for how it was asked for, in the order of changeAll.
var changeNames = names(changeAll(&workflow.Change{}))

// changeAll returns the columns of a change: its plan, and what became of it.
func changeAll(c *workflow.Change) []column { return append(planOf(c), outcomeOf(c)...) }

func planOf(c *workflow.Change) []column {
	return []column{
		{"action", &c.Action},
		{"account_id", &c.AccountID},
		{"name", &c.Name},
		{"expected", values[workflow.Field]{&c.Expect}},
		{"wanted", values[workflow.Field]{&c.Set}},
		{"steps", steps{c}}, // behind what it has in common with the row
		{"effect", effects{&c.Effects}},
	}
}

func outcomeOf(c *workflow.Change) []column {
	return []column{
		{"outcomes", outcomes{&c.Outcomes}},
		{"state", &c.State},
		{"code", &c.Reason.Code},
		{"facts", texts{&c.Reason.Facts}},
		{"attempts", &c.Attempts},
		{"back", &c.Back},
		{"called", moment{&c.Called}},
		{"finished", moment{&c.Finished}},
	}
}

// SavePlan stores what the check made of every row, takes the holds and applies the rule. When
// another open batch holds one of the keys nothing is written and the error is a
// *workflow.HeldError with all of those.
func (db *DB) SavePlan(
	ctx context.Context, number int64, changes []workflow.Change, hold []string, rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.writeBatch(ctx, fmt.Sprintf("save the plan of batch %d", number), func(ctx context.Context, tx *writing) error {
		b, err = savePlan(ctx, tx, number, changes, hold, rule)
		return err
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// savePlan is the inside of SavePlan.
func savePlan(
	ctx context.Context, tx *writing, number int64, changes []workflow.Change, hold []string, rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	b, sum, err := changeBatch(ctx, tx, number, rule)
	if err != nil {
		return nil, err
	}
	if b.State.Open() {
		if err := takeHolds(ctx, tx, number, hold, changes); err != nil {
			return nil, err
		}
	}
	if err := planRows(ctx, tx, number, changes); err != nil {
		return nil, err
	}
	if sum.Plan, sum.Rows, err = store.SumPlan(changes); err != nil {
		return nil, err
	}
	return b, writeEvents(ctx, tx, number, b.TakeEvents(), sum)
}

// planRows writes the plan of every row that was asked for.
func planRows(ctx context.Context, tx *writing, number int64, changes []workflow.Change) error {
	insert, err := tx.PrepareContext(ctx, "INSERT INTO change (id, "+changeNames+") VALUES (?, "+
		marks(changeAll(&workflow.Change{}))+")")
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // ends with the transaction anyway
	inOrder := make([]*workflow.Change, len(changes))
	for i := range changes {
		inOrder[i] = &changes[i]
	}
	slices.SortFunc(inOrder, func(a, b *workflow.Change) int { return cmp.Compare(a.Row, b.Row) })
	for _, c := range inOrder {
		if _, err := insert.ExecContext(ctx, append([]any{rowID(number, c.Row)}, places(changeAll(c))...)...); err != nil {
			return err
		}
		tx.count(number, c, +1)
	}
	var asked int
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM request_row WHERE id BETWEEN ? AND ?", rowID(number, 0), rowID(number+1, 0)-1).
		Scan(&asked)
	if err == nil && asked != len(changes) {
		err = fmt.Errorf("batch %d: %d rows were asked for and %d were planned", number, asked, len(changes))
	}
	return err
}

// Change loads one row.
func (db *DB) Change(ctx context.Context, number int64, row int) (c *workflow.Change, err error) {
	err = db.read(ctx, fmt.Sprintf("load batch %d row %d", number, row), func(tx *sql.Tx) error {
		c, err = loadChange(ctx, tx, number, row)
		return err
	})
	return c, err
}

// Changes lists rows in any of the states (all but asked when none is named) by row, after row
// `after`, at most limit (0 = all).
func (db *DB) Changes(
	ctx context.Context, number int64, after, limit int, states ...workflow.ChangeState,
) (list []workflow.Change, err error) {
	err = db.read(ctx, fmt.Sprintf("load the rows of batch %d", number), func(tx *sql.Tx) error {
		list, err = loadChanges(ctx, tx, number, after, limit, states...)
		return err
	})
	return list, err
}

// UpdateChange loads batch and change, applies the rule and writes both and the events. The plan's
// part of the change cannot be changed.
func (db *DB) UpdateChange(
	ctx context.Context, number int64, row int, rule func(*workflow.Batch, *workflow.Change) error,
) (b *workflow.Batch, c *workflow.Change, err error) {
	err = db.gatherBatch(ctx, fmt.Sprintf("update batch %d row %d", number, row), func(ctx context.Context, tx *writing) error {
		before, err := loadChange(ctx, tx, number, row)
		if err != nil {
			return err
		}
		changed := copyOf(before)
		c = &changed
		var p *store.Checksum
		b, p, err = changeBatch(ctx, tx, number, func(b *workflow.Batch) error {
			return cmp.Or(rule(b, c), samePlan(before, c))
		})
		if err != nil {
			return err
		}
		var told store.RowsChanged
		if err := saveChange(ctx, tx, before, c, &told); err != nil {
			return err
		}
		p.Rows = told.Sum()
		return writeEvents(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, nil, err
	}
	return b, c, nil
}

// UpdateChanges applies the batch's rule and then a rule to every row in the given state, in row
// order, all in one transaction. A refusal of the batch's rule costs no row. Rows are read in
// chunks, so that a large batch does not lie in memory as a whole.
func (db *DB) UpdateChanges(
	ctx context.Context, number int64, state workflow.ChangeState, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.writeBatch(ctx, fmt.Sprintf("update the %s rows of batch %d", state, number), func(ctx context.Context, tx *writing) error {
		var p *store.Checksum
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if p.Rows, err = updateEach(ctx, tx, number, state, each); err != nil {
			return err
		}
		return writeEvents(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Revive applies the batch's rule, takes the holds for the rows, with the errors of SavePlan, and
// applies a rule to each of them, all in one transaction.
func (db *DB) Revive(
	ctx context.Context, number int64, rows []int, hold []string, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.writeBatch(ctx, fmt.Sprintf("put rows of batch %d in line again", number), func(ctx context.Context, tx *writing) error {
		var p *store.Checksum
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if p.Rows, err = reviveEach(ctx, tx, number, rows, hold, each); err != nil {
			return err
		}
		return writeEvents(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func reviveEach(
	ctx context.Context, tx *writing, number int64, rows []int, hold []string, each func(*workflow.Change) error,
) ([]store.RowsOutcome, error) {
	var told store.RowsChanged
	revived := make([]workflow.Change, len(rows))
	for i, row := range rows {
		before, err := loadChange(ctx, tx, number, row)
		if err != nil {
			return nil, err
		}
		if revived[i], err = changeEach(ctx, tx, before, each, &told); err != nil {
			return nil, err
		}
	}
	return told.Sum(), takeHolds(ctx, tx, number, hold, revived)
}

func updateEach(
	ctx context.Context, tx *writing, number int64, state workflow.ChangeState, each func(*workflow.Change) error,
) ([]store.RowsOutcome, error) {
	var told store.RowsChanged
	for after := -1; ; {
		page, err := loadChanges(ctx, tx, number, after, chunk, state)
		if err != nil {
			return nil, err
		}
		for i := range page {
			after = page[i].Row
			if _, err := changeEach(ctx, tx, &page[i], each, &told); err != nil {
				return nil, err
			}
		}
		if len(page) < chunk {
			return told.Sum(), nil
		}
	}
}

// changeEach applies a rule to a change and writes it.
func changeEach(
	ctx context.Context, tx *writing, before *workflow.Change, each func(*workflow.Change) error, told *store.RowsChanged,
) (workflow.Change, error) {
	c := copyOf(before)
	if err := cmp.Or(each(&c), samePlan(before, &c)); err != nil {
		return c, err
	}
	return c, saveChange(ctx, tx, before, &c, told)
}

// Summary counts the checked changes of a batch by action, state, reason and side effect, in a
// fixed order.
func (db *DB) Summary(ctx context.Context, number int64) (s workflow.Summary, err error) {
	err = db.read(ctx, fmt.Sprintf("count the rows of batch %d", number), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT action, state, code, effect, n FROM change_count
			WHERE batch = ? AND n > 0 ORDER BY state, action, code, effect`, number)
		s.Groups, err = collect(rows, err, func(row scanner) (g workflow.Group, err error) {
			err = row.Scan(&g.Action, &g.State, &g.Code, effects{&g.Effects}, &g.Count)
			return g, err
		})
		return err
	})
	return s, err
}

func loadChange(ctx context.Context, tx reading, number int64, row int) (*workflow.Change, error) {
	c, err := scanChange(number)(tx.QueryRowContext(ctx, selectChanges+" WHERE r.id = ?", rowID(number, row)))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("batch %d row %d: %w", number, row, store.ErrNoRow)
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

// selectChanges selects rows as they were asked for with what was planned for them and what became of them. Where nothing
// was planned yet the columns of the plan are NULL, which reads as nothing.
var selectChanges = "SELECT r.row, " + from("r", (&askedRow{}).columns()) + ", " + from("c", changeAll(&workflow.Change{})) +
	" FROM request_row r LEFT JOIN change c ON c.id = r.id"

// from spells the columns of a table for a statement.
func from(table string, columns []column) string {
	all := make([]string, len(columns))
	for i, c := range columns {
		all[i] = table + "." + c.name
	}
	return strings.Join(all, ", ")
}

func loadChanges(
	ctx context.Context, tx reading, number int64, after, limit int, states ...workflow.ChangeState,
) ([]workflow.Change, error) {
	// By the primary key, in row order; a page of a few rows in a rare state is worth the walk over
	// the others.
	which := "c.id IS NOT NULL"
	args := []any{rowID(number, max(after, -1)), rowID(number+1, 0), orAll(limit)}
	if len(states) > 0 {
		which = "ifnull(c.state, 'asked') IN (SELECT value FROM json_each(?4))"
		args = append(args, array(states))
	}
	rows, err := tx.QueryContext(ctx, selectChanges+" WHERE r.id > ?1 AND r.id < ?2 AND "+which+" ORDER BY r.id LIMIT ?3", args...)
	return collect(rows, err, scanChange(number))
}

// scanChange reads rows of selectChanges, one after the other into the same places.
func scanChange(number int64) func(scanner) (workflow.Change, error) {
	var c workflow.Change
	var a askedRow
	into := append([]any{&c.Row}, places(a.columns())...)
	for _, column := range changeAll(&c) {
		into = append(into, orNothing{column.at})
	}
	return func(row scanner) (workflow.Change, error) {
		c, a = workflow.Change{Batch: number}, askedRow{}
		err := row.Scan(into...)
		if err != nil {
			return c, err
		}
		if c.State == "" {
			c.State = workflow.ChangeAsked
		}
		a.row.Line = c.Row
		c.Asked, err = a.asked()
		return c, err
	}
}

// orNothing leaves a place as it is where the column is NULL.
type orNothing struct{ at any }

// Scan reads the column.
func (o orNothing) Scan(value any) error {
	switch at := o.at.(type) {
	case sql.Scanner:
		if _, words := at.(effects); words && value == nil {
			return nil
		}
		return at.Scan(value)
	case *string:
		*at, _ = value.(string)
	case *workflow.ActionName:
		word, _ := value.(string)
		*at = workflow.ActionName(word)
	case *workflow.ChangeState:
		word, _ := value.(string)
		*at = workflow.ChangeState(word)
	case *workflow.ReasonCode:
		word, _ := value.(string)
		*at = workflow.ReasonCode(word)
	case *int:
		n, _ := value.(int64)
		*at = int(n)
	case *bool:
		n, _ := value.(int64)
		*at = n != 0
	default:
		return fmt.Errorf("read a %T", o.at)
	}
	return nil
}

// saveChange writes what became of a change, and notes it for the log.
func saveChange(ctx context.Context, tx *writing, before, c *workflow.Change, told *store.RowsChanged) error {
	result, err := tx.ExecContext(ctx, updateOutcome, append(places(outcomeOf(c)), rowID(c.Batch, c.Row))...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, fmt.Errorf("batch %d row %d: %w with a plan", c.Batch, c.Row, store.ErrNoRow))
	}
	if before.State != c.State || before.Reason.Code != c.Reason.Code {
		tx.count(c.Batch, before, -1)
		tx.count(c.Batch, c, +1)
	}
	return told.Note(c.Row, store.OutcomeOf(before), store.OutcomeOf(c))
}

var updateOutcome = "UPDATE change SET (" + names(outcomeOf(&workflow.Change{})) + ") = (" + marks(outcomeOf(&workflow.Change{})) +
	") WHERE id = ?"

// copyOf shares nothing with the change that a rule could write to.
func copyOf(c *workflow.Change) workflow.Change {
	out := *c
	out.Steps = slices.Clone(c.Steps)
	for i := range out.Steps {
		s := &out.Steps[i]
		s.Expect, s.Set = slices.Clone(s.Expect), slices.Clone(s.Set)
	}
	out.Outcomes, out.Effects = slices.Clone(c.Outcomes), slices.Clone(c.Effects)
	for i := range out.Outcomes {
		o := &out.Outcomes[i]
		o.Told, o.Reason.Facts = slices.Clone(o.Told), slices.Clone(o.Reason.Facts)
	}
	out.Expect, out.Set = slices.Clone(c.Expect), slices.Clone(c.Set)
	out.Reason.Facts = slices.Clone(c.Reason.Facts)
	out.Asked.Values, out.Asked.Cells = slices.Clone(c.Asked.Values), slices.Clone(c.Asked.Cells)
	return out
}

// samePlan refuses a rule that touched the plan: what was approved is what runs.
func samePlan(a, b *workflow.Change) error {
	same := a.Batch == b.Batch && a.Row == b.Row && a.Action == b.Action && a.AccountID == b.AccountID && a.Name == b.Name &&
		a.Expect.Equal(b.Expect) && a.Set.Equal(b.Set) && slices.Equal(a.Effects, b.Effects) &&
		slices.EqualFunc(a.Steps, b.Steps, workflow.Step.Equal) && sameRow(&a.Asked, &b.Asked)
	if !same {
		return fmt.Errorf("batch %d row %d: a rule changed the plan", a.Batch, a.Row)
	}
	return nil
}

func sameRow(a, b *workflow.Row) bool {
	return a.Line == b.Line && a.Action == b.Action && a.Problem == b.Problem && a.Values.Equal(b.Values) &&
		a.Ignored == b.Ignored && slices.Equal(a.Cells, b.Cells)
}
