package sqlite

import (
	"context"
	"slices"
	"strings"
	"time"
)

// How much is written in the background in one transaction, so that nobody waits for it: it takes no
// more once it has worked for so long, or has done so many steps.
const (
	pieceTime  = 10 * time.Millisecond
	pieceSteps = 2000
)

// together is how much is done in one transaction, kept in memory, and read of a table at once.
type together struct{ steps, memory, page int }

// work is a part of what is written in pieces: step by step, until one says that there is no more.
// flush, if any, ends each transaction that had steps of it.
type work struct {
	step  func(context.Context, *writing) (more bool, err error)
	flush func(context.Context, *writing) error
}

// once is work of one step.
func once(step func(context.Context, *writing) error) work {
	return work{step: func(ctx context.Context, tx *writing) (bool, error) { return false, step(ctx, tx) }}
}

// each is work of one step for each of a list.
func each[T any](list []T, step func(context.Context, *writing, T) error) work {
	return work{step: func(ctx context.Context, tx *writing) (bool, error) {
		if len(list) == 0 {
			return false, nil
		}
		one := list[0]
		list = list[1:]
		return true, step(ctx, tx, one)
	}}
}

// inPieces does all of the work, one after the other, in transactions that are short. A crash leaves
// what was done until then.
func (db *DB) inPieces(ctx context.Context, op string, all ...work) error {
	for len(all) > 0 {
		err := db.write(ctx, op, func(ctx context.Context, tx *writing) (err error) {
			start := time.Now()
			for n := 0; err == nil && len(all) > 0 && n < db.inOne.steps && (n%8 != 0 || time.Since(start) < pieceTime); n++ {
				var more bool
				if more, err = all[0].step(ctx, tx); !more && err == nil {
					err = all[0].end(ctx, tx)
					all = all[1:]
				}
			}
			if err == nil && len(all) > 0 {
				err = all[0].end(ctx, tx)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (w work) end(ctx context.Context, tx *writing) error {
	if w.flush == nil {
		return nil
	}
	return w.flush(ctx, tx)
}

// rowsInOne is how many rows one statement inserts: most of the time of a single one is spent around
// it.
const rowsInOne = 40

// insertion gathers rows for one statement.
type insertion struct {
	into   string   // a table with the columns, those of shared first
	shared []any    // what all rows have in common: it is given once in a statement
	own    int      // how many columns a row has beside them
	tail   string   // " ON CONFLICT DO NOTHING"
	texts  []string // the statements for one row and for rowsInOne
	args   []any
	rows   int
}

// statement inserts so many rows. What a statement that fails has inserted goes with its transaction,
// so that SQLite need not be able to take back that statement alone (OR FAIL), for which it would copy
// each page first.
func (i *insertion) statement(rows int) string {
	marks := func(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") } // with numbers, the driver looks for names
	values := "VALUES " + strings.TrimSuffix(strings.Repeat("("+marks(i.own)+"), ", rows), ", ")
	if len(i.shared) > 0 {
		values = "SELECT " + marks(len(i.shared)) + ", * FROM (" + values + ")"
	}
	return "INSERT OR FAIL INTO " + i.into + " " + values + i.tail
}

// add inserts the row together with others.
func (i *insertion) add(ctx context.Context, tx *writing, values ...any) error {
	if i.texts == nil {
		i.texts = []string{i.statement(1), i.statement(rowsInOne)}
	}
	if i.rows == 0 {
		i.args = append(i.args[:0], i.shared...)
	}
	i.args = append(i.args, values...)
	if i.rows++; i.rows < rowsInOne {
		return nil
	}
	_, err := tx.ExecContext(ctx, i.texts[1], i.args...)
	i.rows = 0
	return err
}

// flush inserts the rest.
func (i *insertion) flush(ctx context.Context, tx *writing) error {
	for row := range i.rows {
		from := len(i.shared) + row*i.own
		if _, err := tx.ExecContext(ctx, i.texts[0], slices.Concat(i.shared, i.args[from:from+i.own])...); err != nil {
			return err
		}
	}
	i.rows = 0
	return nil
}
