package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// LastNumber returns the highest number that a batch was given or that was skipped; 0 before the
// first.
func (db *DB) LastNumber(ctx context.Context) (last int64, err error) {
	err = db.read(ctx, "look for the last number", func(tx *sql.Tx) error {
		last, err = lastNumber(ctx, tx)
		return err
	})
	return last, err
}

func lastNumber(ctx context.Context, tx reading) (last int64, err error) {
	err = tx.QueryRowContext(ctx, `SELECT ifnull(max(n), 0) FROM (SELECT max(batch) AS n FROM event
		UNION ALL SELECT seq FROM sqlite_sequence WHERE name = 'batch')`).Scan(&last)
	return last, err
}

// SkipNumbers sees to it that the next batch gets a number above to, with an event that says which
// were skipped. skipped is false, and nothing is written, where it would get one anyway.
func (db *DB) SkipNumbers(ctx context.Context, to int64, e workflow.Event) (skipped bool, err error) {
	err = db.write(ctx, fmt.Sprintf("skip the numbers up to %d", to), func(ctx context.Context, tx *writing) error {
		last, err := lastNumber(ctx, tx)
		if err != nil || last >= to {
			return err
		}
		result, err := tx.ExecContext(ctx, "UPDATE sqlite_sequence SET seq = ? WHERE name = 'batch'", to)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil {
			return err
		} else if n == 0 {
			if _, err := tx.ExecContext(ctx, "INSERT INTO sqlite_sequence (name, seq) VALUES ('batch', ?)", to); err != nil {
				return err
			}
		}
		e.Kind = store.EventSkipped
		e.Data = json.RawMessage(store.Text(store.Skipped{First: last + 1, Last: to}))
		skipped = true
		_, err = addEvents(ctx, tx, []workflow.Event{e}, nil)
		return err
	})
	return skipped && err == nil, err
}

// HasEvent reports whether the log has the event of that number with a hash that begins so, and
// returns the number of its last event.
func (db *DB) HasEvent(ctx context.Context, seq int64, hash string) (has bool, last int64, err error) {
	err = db.read(ctx, fmt.Sprintf("look for event %d", seq), func(tx *sql.Tx) error {
		head, err := lastHead(ctx, tx)
		if err != nil {
			return err
		}
		last = head.Seq
		var have string
		err = tx.QueryRowContext(ctx, "SELECT ifnull((SELECT hash FROM event WHERE seq = ?), '')", seq).Scan(&have)
		has = have != "" && strings.HasPrefix(have, hash)
		return err
	})
	return has, last, err
}
