package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// holdsAtOnce is how many keys a statement takes: a batch of 50,000 holds 150,000, which would lie
// in memory several times.
const holdsAtOnce = 5000

// Held returns which open batch holds each of the keys, for which row, and whether that row's
// change is running or unknown. Of several rows of one batch that share a key, one that is acting
// is named, else the first.
func (db *DB) Held(ctx context.Context, keys []string) (held map[string]workflow.Hold, err error) {
	err = db.read(ctx, "look for holds", func(tx *sql.Tx) error {
		held, err = loadHolds(ctx, tx, 0, keys)
		return err
	})
	return held, err
}

// loadHolds finds the holds on the keys by batches other than the given one.
func loadHolds(ctx context.Context, tx reading, besides int64, keys []string) (map[string]workflow.Hold, error) {
	held := map[string]workflow.Hold{}
	for some := range slices.Chunk(keys, holdsAtOnce) {
		if err := findHolds(ctx, tx, besides, some, held); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// findHolds adds the holds on some keys. A row that left the hold where it was has what its steps
// change as long as it is open.
func findHolds(ctx context.Context, tx reading, besides int64, keys []string, held map[string]workflow.Hold) error {
	rows, err := tx.QueryContext(ctx, `
		SELECT h.key, h.batch, h.row, ifnull(`+acting+`, 0)
		FROM json_each(?1) k JOIN hold h ON h.key = k.value
		LEFT JOIN change c ON c.id = (h.batch << 32) + h.row
		WHERE h.batch <> ?2
			AND NOT EXISTS (SELECT 1 FROM batch b WHERE b.number = h.batch AND b.link = 'return' AND b.started IS NULL) -- it waits
			AND (h.own = 1 OR c.state IN ('ready', 'running', 'unknown'))
		ORDER BY 1, h.own DESC, 2, 3`, array(keys), besides)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var key string
		var h workflow.Hold
		err := row.Scan(&key, &h.Batch, &h.Row, &h.Acting)
		addHold(held, key, h)
		return struct{}{}, err
	})
	return err
}

// acting is whether the row c is being acted on: a call is under way or its outcome is open, or it
// is half-way.
const acting = `c.state <> 'ready' AND c.state IN ('running', 'unknown')
	OR c.state = 'ready' AND EXISTS (SELECT 1 FROM json_each(c.outcomes) o WHERE o.value ->> 'state' = 'done')`

// addHold keeps a hold, if it says more than the one that is known: an acting row goes before
// another.
func addHold(held map[string]workflow.Hold, key string, h workflow.Hold) {
	if had, ok := held[key]; !ok || (h.Acting && !had.Acting) {
		held[key] = h
	}
}

// takeHolds holds the keys for the rows that name them, or says with a *workflow.HeldError which of
// them it cannot have. What rows that are to run change of an account and do not hold is noted, too.
func takeHolds(ctx context.Context, tx *writing, number int64, keys []string, changes []workflow.Change) error {
	held, err := loadHolds(ctx, tx, number, keys)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return &workflow.HeldError{Holds: held}
	}
	for some := range slices.Chunk(holdRows(keys, changes), holdsAtOnce) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO hold (key, batch, row, own)
			SELECT value ->> 0, ?1, value ->> 1, value ->> 2 FROM json_each(?2) WHERE true
			ON CONFLICT (key, batch, row) DO UPDATE SET own = max(own, excluded.own)`, number, text(some))
		if err != nil {
			return err
		}
	}
	return nil
}

// holdRow is a key and a row that names it.
type holdRow struct {
	key string
	row int
	own bool // it is held
}

// MarshalJSON spells it for json_each.
func (h holdRow) MarshalJSON() ([]byte, error) {
	own := 0
	if h.own {
		own = 1
	}
	return fmt.Appendf(nil, "[%s,%d,%d]", text(h.key), h.row, own), nil
}

// holdRows finds for each key the rows whose steps change what it names. A key that no row names is
// held for row 0. They are in the order of the table, which fills it fastest.
func holdRows(keys []string, changes []workflow.Change) []holdRow {
	named := make(map[string]bool, len(keys)) // by a row
	for _, k := range keys {
		named[k] = false
	}
	all := make([]holdRow, 0, len(keys))
	for i := range changes {
		c := &changes[i]
		for j := range c.Steps {
			for _, key := range c.Steps[j].Keys() {
				_, own := named[key]
				if _, account := workflow.KeyAccount(key); !own && (!account || c.State != workflow.ChangeReady) {
					continue
				}
				if own {
					named[key] = true
				}
				all = append(all, holdRow{key, c.Row, own})
			}
		}
	}
	for key, is := range named {
		if !is {
			all = append(all, holdRow{key, 0, true})
		}
	}
	slices.SortFunc(all, func(a, b holdRow) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.row, b.row)) })
	return slices.Compact(all)
}
