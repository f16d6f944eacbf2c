package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"strconv"

	"github.com/countersign/countersign/workflow"
)

// The two forms of a key: an account by its id, an address as workflow.AddressKey folds it.
const (
	accountKey = "account:"
	addressKey = "address:"
)

// holdsAtOnce is how many keys a statement takes: a batch of 50,000 holds 150,000, which would lie in memory several times.
const holdsAtOnce = 5000

// Held says which open batch holds each of the keys, for which row, and whether that row's change is running or unknown
// just now. Of several rows of one batch that share a key, one that is acting is named, else the first.
func (db *DB) Held(ctx context.Context, keys []string) (held map[string]workflow.Hold, err error) {
	err = db.read(ctx, "look for holds", func(tx *sql.Tx) error {
		held, err = loadHolds(ctx, tx, 0, keys)
		return err
	})
	return held, err
}

// loadHolds finds the holds on the keys by batches other than the given one.
func loadHolds(ctx context.Context, tx *sql.Tx, besides int64, keys []string) (map[string]workflow.Hold, error) {
	held := map[string]workflow.Hold{}
	for some := range slices.Chunk(keys, holdsAtOnce) {
		if err := findHolds(ctx, tx, besides, some, held); err != nil {
			return nil, err
		}
	}
	return held, nil
}

// findHolds adds the holds on some keys.
func findHolds(ctx context.Context, tx *sql.Tx, besides int64, keys []string, held map[string]workflow.Hold) error {
	// An account belongs to a batch also through a row that is to run and holds nothing, because it left the hold where it
	// was (a leaver is locked out at once).
	rows, err := tx.QueryContext(ctx, `
		SELECT h.key, h.batch, h.row, ifnull(c.state IN ('running', 'unknown') OR c.state = 'ready' AND c.step > 0, 0)
		FROM json_each(?1) k JOIN hold h ON h.key = k.value
		LEFT JOIN change c ON c.batch = h.batch AND c.row = h.row
		WHERE h.batch <> ?2
		UNION
		SELECT k.value, c.batch, c.row, c.state <> 'ready' OR c.step > 0
		FROM json_each(?1) k
		JOIN change c INDEXED BY change_account ON c.account_id = substr(k.value, length(?3) + 1)
			AND c.state IN ('ready', 'running', 'unknown') AND c.batch <> ?2
		JOIN batch b ON b.number = c.batch
			AND b.state IN ('planning', 'awaiting_approval', 'approved', 'running', 'paused')
		WHERE substr(k.value, 1, length(?3)) = ?3
		ORDER BY 1, 2, 3`, array(keys), besides, accountKey)
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var key string
		var h workflow.Hold
		err := row.Scan(&key, &h.Batch, &h.Row, &h.Acting)
		if had, ok := held[key]; !ok || (h.Acting && !had.Acting) {
			held[key] = h
		}
		return struct{}{}, err
	})
	return err
}

// takeHolds holds the keys for the rows that name them, or says with a *workflow.HeldError which of them it cannot have.
func takeHolds(ctx context.Context, tx *sql.Tx, number int64, keys []string, changes []workflow.Change) error {
	if len(keys) == 0 {
		return nil
	}
	held, err := loadHolds(ctx, tx, number, keys)
	if err != nil {
		return err
	}
	if len(held) > 0 {
		return &workflow.HeldError{Holds: held}
	}
	for some := range slices.Chunk(holdRows(keys, changes), holdsAtOnce) {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO hold (key, batch, row)
			SELECT value ->> 0, ?1, CAST(value ->> 1 AS INTEGER) FROM json_each(?2)`, number, text(some))
		if err != nil {
			return err
		}
	}
	return nil
}

// holdRows finds for each key the rows that name it: by their account, their addresses, or those of their steps. A key
// that no row names is held for row 0. The pairs are in the order of the table, which fills it fastest.
func holdRows(keys []string, changes []workflow.Change) [][2]string {
	wanted := make(map[string][]int, len(keys))
	for _, k := range keys {
		wanted[k] = nil
	}
	for i := range changes {
		c := &changes[i]
		if len(c.Steps) == 0 {
			continue // it will not run and holds nothing
		}
		names := []string{accountKey + c.AccountID}
		for _, a := range []string{c.OldEmail, c.NewEmail} {
			if a != "" {
				names = append(names, addressKey+workflow.AddressKey(a))
			}
		}
		for _, s := range c.Steps {
			for _, a := range []string{s.From, s.To} {
				if a != "" && a != c.OldEmail && a != c.NewEmail {
					names = append(names, addressKey+workflow.AddressKey(a))
				}
			}
		}
		for _, name := range names {
			if rows, ok := wanted[name]; ok && !slices.Contains(rows, c.Row) {
				wanted[name] = append(rows, c.Row)
			}
		}
	}
	pairs := make([][2]string, 0, len(wanted))
	for key, rows := range wanted {
		if len(rows) == 0 {
			rows = []int{0}
		}
		for _, row := range rows {
			pairs = append(pairs, [2]string{key, strconv.Itoa(row)})
		}
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Compare(a[0], b[0]) })
	return pairs
}
