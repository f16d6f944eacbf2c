package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// chunk is how many rows are held in memory at once when a batch is walked through.
const chunk = 500

const changeColumns = `row, action, account_id, name, old_email, new_email, message, group_name, steps, effect, cells,
	step, state, code, facts, attempts, called, finished, tried, back`

// Seal stores the changes of a plan, takes the holds and applies the rule. When another open batch holds one of the keys
// nothing is written and the error is a *workflow.HeldError with all of those.
func (db *DB) Seal(
	ctx context.Context, number int64, changes []workflow.Change, hold []string, rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.write(ctx, fmt.Sprintf("seal batch %d", number), func(tx *sql.Tx) error {
		var p *proof
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if b.State.Open() {
			if err := takeHolds(ctx, tx, number, hold, changes); err != nil {
				return err
			}
		}
		if err := addChanges(ctx, tx, number, changes); err != nil {
			return err
		}
		if p.Plan, p.Rows, err = provePlan(changes); err != nil {
			return err
		}
		return tell(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// spell gives steps, facts and cells of a change as their columns hold them.
func spell(c *workflow.Change) (out [3]sql.NullString) {
	steps := c.Steps
	if steps == nil {
		steps = []workflow.Step{}
	}
	out[0] = sql.NullString{String: text(steps), Valid: true}
	out[1] = sql.NullString{String: array(c.Reason.Facts), Valid: true}
	if c.Cells != nil {
		out[2] = sql.NullString{String: text(c.Cells), Valid: true}
	}
	return out
}

func addChanges(ctx context.Context, tx *sql.Tx, number int64, changes []workflow.Change) error {
	insert, err := tx.PrepareContext(ctx, `
		INSERT INTO change (batch, `+changeColumns+`)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer func() { _ = insert.Close() }() // ends with the transaction anyway
	for i := range changes {
		c := &changes[i]
		as := spell(c)
		_, err := insert.ExecContext(ctx, number, c.Row, string(c.Action), c.AccountID, c.Name, c.OldEmail, c.NewEmail,
			c.Message, c.Group, as[0], string(c.Effect), as[2], c.Step, string(c.State), string(c.Reason.Code),
			as[1], c.Attempts, when(c.Called), when(c.Finished), c.Tried, c.Back)
		if err != nil {
			return err
		}
	}
	return nil
}

// Change loads one row.
func (db *DB) Change(ctx context.Context, number int64, row int) (c *workflow.Change, err error) {
	err = db.read(ctx, fmt.Sprintf("load batch %d row %d", number, row), func(tx *sql.Tx) error {
		c, err = loadChange(ctx, tx, number, row)
		return err
	})
	return c, err
}

// Changes lists rows in any of the states (all when none is named) by row, after row `after`, at most limit (0 = all).
func (db *DB) Changes(
	ctx context.Context, number int64, after, limit int, states ...workflow.ChangeState,
) (list []workflow.Change, err error) {
	err = db.read(ctx, fmt.Sprintf("load the rows of batch %d", number), func(tx *sql.Tx) error {
		list, err = loadChanges(ctx, tx, number, after, limit, states...)
		return err
	})
	return list, err
}

// UpdateChange loads batch and change, applies the rule and writes both and the events. The plan's part of the change
// cannot be changed.
func (db *DB) UpdateChange(
	ctx context.Context, number int64, row int, rule func(*workflow.Batch, *workflow.Change) error,
) (b *workflow.Batch, c *workflow.Change, err error) {
	err = db.write(ctx, fmt.Sprintf("update batch %d row %d", number, row), func(tx *sql.Tx) error {
		if c, err = loadChange(ctx, tx, number, row); err != nil {
			return err
		}
		before := copyOf(c)
		var p *proof
		b, p, err = changeBatch(ctx, tx, number, func(b *workflow.Batch) error { return rule(b, c) })
		if err != nil {
			return err
		}
		save, err := prepareSave(ctx, tx)
		if err != nil {
			return err
		}
		defer func() { _ = save.Close() }() // ends with the transaction anyway
		if err := saveChange(ctx, save, number, &before, c); err != nil {
			return err
		}
		var told rowsChanged
		if err := told.note(c.Row, outcomeOf(&before), outcomeOf(c)); err != nil {
			return err
		}
		p.Rows = told.proof()
		return tell(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, nil, err
	}
	return b, c, nil
}

// UpdateChanges applies the batch's rule and then a rule to every row in the given state, in row order, all in one
// transaction. A refusal of the batch's rule costs no row. Rows are read in chunks, so that a large batch does not lie in
// memory as a whole.
func (db *DB) UpdateChanges(
	ctx context.Context, number int64, state workflow.ChangeState, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.write(ctx, fmt.Sprintf("update the %s rows of batch %d", state, number), func(tx *sql.Tx) error {
		var p *proof
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if p.Rows, err = updateEach(ctx, tx, number, state, each); err != nil {
			return err
		}
		return tell(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

// Revive applies the batch's rule, takes the holds for the rows, with the errors of Seal, and applies a rule to each of
// them, all in one transaction.
func (db *DB) Revive(
	ctx context.Context, number int64, rows []int, hold []string, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (b *workflow.Batch, err error) {
	err = db.write(ctx, fmt.Sprintf("put rows of batch %d in line again", number), func(tx *sql.Tx) error {
		var p *proof
		if b, p, err = changeBatch(ctx, tx, number, rule); err != nil {
			return err
		}
		if p.Rows, err = reviveEach(ctx, tx, number, rows, hold, each); err != nil {
			return err
		}
		return tell(ctx, tx, number, b.TakeEvents(), p)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func reviveEach(
	ctx context.Context, tx *sql.Tx, number int64, rows []int, hold []string, each func(*workflow.Change) error,
) ([]rowsProof, error) {
	save, err := prepareSave(ctx, tx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = save.Close() }() // ends with the transaction anyway
	var told rowsChanged
	revived := make([]workflow.Change, len(rows))
	for i, row := range rows {
		c, err := loadChange(ctx, tx, number, row)
		if err != nil {
			return nil, err
		}
		before := copyOf(c)
		if err := each(c); err != nil {
			return nil, err
		}
		if err := saveChange(ctx, save, number, &before, c); err != nil {
			return nil, err
		}
		if err := told.note(c.Row, outcomeOf(&before), outcomeOf(c)); err != nil {
			return nil, err
		}
		revived[i] = *c
	}
	return told.proof(), takeHolds(ctx, tx, number, hold, revived)
}

func updateEach(
	ctx context.Context, tx *sql.Tx, number int64, state workflow.ChangeState, each func(*workflow.Change) error,
) ([]rowsProof, error) {
	save, err := prepareSave(ctx, tx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = save.Close() }() // ends with the transaction anyway
	var told rowsChanged
	for after := -1; ; {
		page, err := loadChanges(ctx, tx, number, after, chunk, state)
		if err != nil {
			return nil, err
		}
		for i := range page {
			c := &page[i]
			after = c.Row
			before := copyOf(c)
			if err := each(c); err != nil {
				return nil, err
			}
			if err := saveChange(ctx, save, number, &before, c); err != nil {
				return nil, err
			}
			if err := told.note(c.Row, outcomeOf(&before), outcomeOf(c)); err != nil {
				return nil, err
			}
		}
		if len(page) < chunk {
			return told.proof(), nil
		}
	}
}

// Summary counts the changes of a batch by action, state, reason and side effect, in a fixed order.
func (db *DB) Summary(ctx context.Context, number int64) (s workflow.Summary, err error) {
	err = db.read(ctx, fmt.Sprintf("count the rows of batch %d", number), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT action, state, code, effect, count(*) FROM change INDEXED BY change_group
			WHERE batch = ? GROUP BY state, action, code, effect`, number)
		s.Groups, err = collect(rows, err, func(row scanner) (g workflow.Group, err error) {
			err = row.Scan(&g.Action, &g.State, &g.Code, &g.Effect, &g.Count)
			return g, err
		})
		return err
	})
	return s, err
}

func loadChange(ctx context.Context, tx *sql.Tx, number int64, row int) (*workflow.Change, error) {
	c, err := scanChange(number)(tx.QueryRowContext(ctx,
		"SELECT "+changeColumns+" FROM change WHERE batch = ? AND row = ?", number, row))
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("batch %d row %d: %w", number, row, ErrNoRow)
	}
	if err != nil {
		return nil, err
	}
	return &c, nil
}

func loadChanges(
	ctx context.Context, tx *sql.Tx, number int64, after, limit int, states ...workflow.ChangeState,
) ([]workflow.Change, error) {
	// By the primary key, in row order; a page of a few rows in a rare state is worth the walk over the others.
	rows, err := tx.QueryContext(ctx, `
		SELECT `+changeColumns+` FROM change
		WHERE batch = ?1 AND row > ?2 AND (?3 = 0 OR state IN (SELECT value FROM json_each(?4)))
		ORDER BY row LIMIT ?5`, number, after, len(states), array(states), orAll(limit))
	return collect(rows, err, scanChange(number))
}

func scanChange(number int64) func(scanner) (workflow.Change, error) {
	return func(row scanner) (workflow.Change, error) {
		c := workflow.Change{Batch: number}
		err := row.Scan(&c.Row, &c.Action, &c.AccountID, &c.Name, &c.OldEmail, &c.NewEmail, &c.Message, &c.Group,
			document{&c.Steps}, &c.Effect, document{&c.Cells}, &c.Step, &c.State, &c.Reason.Code,
			document{&c.Reason.Facts}, &c.Attempts, moment{&c.Called}, moment{&c.Finished}, &c.Tried, &c.Back)
		if len(c.Steps) == 0 {
			c.Steps = nil
		}
		if len(c.Reason.Facts) == 0 {
			c.Reason.Facts = nil
		}
		return c, err
	}
}

func prepareSave(ctx context.Context, tx *sql.Tx) (*sql.Stmt, error) {
	return tx.PrepareContext(ctx, `
		UPDATE change SET step = ?, state = ?, code = ?, facts = ?, attempts = ?, called = ?, finished = ?, tried = ?,
			back = ?
		WHERE batch = ? AND row = ?`)
}

// saveChange writes what became of a change. A rule that touched the plan is refused: what was approved is what runs.
func saveChange(ctx context.Context, save *sql.Stmt, number int64, before, c *workflow.Change) error {
	if !samePlan(before, c) {
		return fmt.Errorf("batch %d row %d: a rule changed the plan", number, before.Row)
	}
	_, err := save.ExecContext(ctx, c.Step, string(c.State), string(c.Reason.Code), array(c.Reason.Facts), c.Attempts,
		when(c.Called), when(c.Finished), c.Tried, c.Back, number, c.Row)
	return err
}

// copyOf shares nothing with the change that a rule could write to.
func copyOf(c *workflow.Change) workflow.Change {
	before := *c
	before.Steps, before.Cells = slices.Clone(c.Steps), slices.Clone(c.Cells)
	before.Reason.Facts = slices.Clone(c.Reason.Facts)
	return before
}

func samePlan(a, b *workflow.Change) bool {
	return a.Batch == b.Batch && a.Row == b.Row && a.Action == b.Action && a.AccountID == b.AccountID && a.Name == b.Name &&
		a.OldEmail == b.OldEmail && a.NewEmail == b.NewEmail && a.Message == b.Message && a.Group == b.Group &&
		a.Effect == b.Effect && slices.Equal(a.Steps, b.Steps) && slices.Equal(a.Cells, b.Cells)
}
