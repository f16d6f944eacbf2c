package sqlite

import (
	"context"
	"strings"
	"time"
)

// How much is written in the background in one transaction, so that nobody waits for it: it takes no
// more once it has worked for so long, or has done so many steps.
const (
	pieceTime  = 10 * time.Millisecond
	pieceSteps = 2000
)

// together is how much is done in one transaction and kept in memory.
type together struct{ steps, memory int }

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
const rowsInOne = 20

// insertion gathers rows for one statement.
type insertion struct {
	head, row, tail string // "INSERT INTO t VALUES ", "(?, ?)", " ON CONFLICT DO NOTHING"
	full            string
	args            []any
	rows            int
}

func (i *insertion) add(ctx context.Context, tx *writing, values ...any) error {
	i.args = append(i.args, values...)
	if i.rows++; i.rows < rowsInOne {
		return nil
	}
	if i.full == "" {
		i.full = i.head + strings.Repeat(i.row+", ", rowsInOne-1) + i.row + i.tail
	}
	_, err := tx.ExecContext(ctx, i.full, i.args...)
	i.args, i.rows = i.args[:0], 0
	return err
}

// flush inserts the rest.
func (i *insertion) flush(ctx context.Context, tx *writing) error {
	args := i.args
	for ; i.rows > 0; i.rows-- {
		n := len(args) / i.rows
		if _, err := tx.ExecContext(ctx, i.head+i.row+i.tail, args[:n]...); err != nil {
			return err
		}
		args = args[n:]
	}
	i.args = i.args[:0]
	return nil
}
