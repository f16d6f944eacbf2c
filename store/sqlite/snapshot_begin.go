package sqlite

import (
	"context"
	"database/sql"
	"hash/maphash"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// readTogether is how many rows of accounts are read in one transaction.
const readTogether = 5000

// takenBackTogether is how many rows of a snapshot that was cut off are taken back in one.
const takenBackTogether = 50

// number finds the snapshot before the one that is to be, and a number that none ever had.
func (t *taking) number(ctx context.Context) (begun bool, err error) {
	err = t.db.read(ctx, "begin a snapshot", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT ifnull((SELECT max(id) FROM snapshot WHERE population = ?1), 0),
				1 + max(ifnull((SELECT seq FROM sqlite_sequence WHERE name = 'snapshot'), 0), ifnull((SELECT max(id) FROM snapshot_begun), 0)),
				EXISTS (SELECT 1 FROM snapshot_begun WHERE population = ?1)`, t.population).Scan(&t.before, &t.id, &begun)
	})
	return begun, err
}

// takeBack takes back what a snapshot has left that was cut off: accounts are again as they stood in
// the newest one.
func (t *taking) takeBack(ctx context.Context) error {
	begun, err := t.number(ctx)
	if err != nil || !begun {
		return err
	}
	strips, err := t.db.strips(ctx, t.population)
	if err != nil {
		return err
	}
	indexed := "AND first_snapshot > 1" // the index has no others
	if t.before == 0 {
		indexed = ""
	}
	return t.db.inPieces(ctx, "take back a snapshot",
		t.undo(`DELETE FROM snapshot_account WHERE population = ?1 AND account_id IN (
			SELECT account_id FROM snapshot_account WHERE population = ?1 AND first_snapshot > ?2 `+indexed+` LIMIT ?3)`),
		t.undo(`INSERT INTO snapshot_account
				SELECT population, account_id, first_snapshot, place, name, email, type, status, billable, products
				FROM snapshot_account_past WHERE population = ?1 AND last_snapshot = ?2 ORDER BY account_id LIMIT ?3`,
			`DELETE FROM snapshot_account_past WHERE population = ?1 AND last_snapshot = ?2 AND account_id IN (
				SELECT account_id FROM snapshot_account_past WHERE population = ?1 AND last_snapshot = ?2 ORDER BY account_id LIMIT ?3)`),
		each(strips, func(ctx context.Context, tx *writing, strip int64) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM snapshot_activity WHERE population = ? AND strip = ? AND first_snapshot > ?",
				t.population, strip, t.before)
			return err
		}),
		once(t.end))
}

// undo runs statements, which do some rows at a time, until nothing is left to do for them.
func (t *taking) undo(statements ...string) work {
	return work{step: func(ctx context.Context, tx *writing) (more bool, err error) {
		for _, statement := range statements {
			result, err := tx.ExecContext(ctx, statement, t.population, t.before, takenBackTogether)
			if err != nil {
				return false, err
			}
			n, err := result.RowsAffected()
			if err != nil {
				return false, err
			}
			more = n > 0
		}
		return more, nil
	}}
}

// end forgets that rows are being written.
func (t *taking) end(ctx context.Context, tx *writing) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM snapshot_begun WHERE population = ?", t.population)
	return err
}

// standing takes in the accounts as they stand.
func (t *taking) standing(ctx context.Context) error {
	err := t.db.standing(ctx, t.population, func(row *standingRow) error {
		b := t.buffer[:0]
		for _, field := range row.fields {
			b = appendField(b, field)
		}
		t.buffer = b
		t.occupy(t.key(row.id), row.place, stands, maphash.Bytes(t.contents, b))
		return nil
	})
	for place, s := range t.seen {
		if s == 0 {
			t.free = append(t.free, place)
		}
	}
	return err
}

// standingRow is a row of snapshot_account, valid until the next one.
type standingRow struct {
	id     sql.RawBytes
	place  int
	fields [6]sql.RawBytes // as appendFields spells them
}

// standing calls fn with each account that stands, by id, in several transactions: nobody but a
// snapshot of the population writes them.
func (db *DB) standing(ctx context.Context, population report.Population, fn func(*standingRow) error) error {
	for last, n := "", readTogether; n == readTogether; {
		n = 0
		err := db.read(ctx, "read the accounts that stand", func(tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, `
				SELECT account_id, place, name, email, type, status, billable, products FROM snapshot_account
				WHERE population = ? AND account_id > ? ORDER BY account_id LIMIT ?`, population, last, readTogether)
			if err != nil {
				return err
			}
			defer func() { _ = rows.Close() }() // what went wrong is in rows.Err
			var row standingRow
			f := &row.fields
			for ; rows.Next(); n++ {
				if err := rows.Scan(&row.id, &row.place, &f[0], &f[1], &f[2], &f[3], &f[4], &f[5]); err != nil {
					return err
				}
				if n == readTogether-1 {
					last = string(row.id)
				}
				if err := fn(&row); err != nil {
					return err
				}
			}
			return rows.Err()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// catalogue reads the products that were ever seen.
func (db *DB) catalogue(ctx context.Context) (c catalogue, err error) {
	err = db.read(ctx, "read the products", func(tx *sql.Tx) error {
		c, err = catalogueIn(ctx, tx)
		return err
	})
	return c, err
}

func catalogueIn(ctx context.Context, tx reading) (catalogue, error) {
	c := catalogue{numbers: map[[3]string]int{}, spelled: map[string][]workflow.Product{}}
	rows, err := tx.QueryContext(ctx, "SELECT id, key, name, url FROM snapshot_product ORDER BY id")
	_, err = collect(rows, err, func(row scanner) (struct{}, error) {
		var p workflow.Product
		var number int
		err := row.Scan(&number, &p.Key, &p.Name, &p.URL)
		c.numbers[[3]string{p.Key, p.Name, p.URL}] = number
		for len(c.list) < number {
			c.list = append(c.list, workflow.Product{})
		}
		c.list[number-1] = p
		return struct{}{}, err
	})
	c.stored = len(c.list)
	return c, err
}
