package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// comparedTogether is how many accounts are looked up at once in both snapshots.
const comparedTogether = 500

// Differences returns by account id what is different in one snapshot from another. It looks at what
// changed between the two alone, and holds no transaction while the sequence is used: what it reads
// of a snapshot is the same at any time.
func (db *DB) Differences(ctx context.Context, from, to int64) iter.Seq2[report.Difference, error] {
	return func(yield func(report.Difference, error) bool) {
		population, ids, err := db.touched(ctx, from, to)
		for page := range slices.Chunk(ids, comparedTogether) {
			if err != nil {
				break
			}
			var before, after map[string]*workflow.Member
			err = db.read(ctx, "compare two snapshots", func(tx *sql.Tx) (err error) {
				if before, err = looked(ctx, tx, population, from, page); err == nil {
					after, err = looked(ctx, tx, population, to, page)
				}
				return err
			})
			for _, id := range page {
				if err != nil {
					break
				}
				d := report.Difference{AccountID: id, Before: before[id], After: after[id]}
				if !same(d.Before, d.After) && !yield(d, nil) {
					return
				}
			}
		}
		if err != nil {
			yield(report.Difference{}, err)
		}
	}
}

// same reports whether both show the same of all but activity and owner.
func same(a, b *workflow.Member) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Same(b.Account) && a.Billable == b.Billable && slices.Equal(a.Products, b.Products)
}

// touched returns the accounts of which something was written between two snapshots, sorted.
func (db *DB) touched(ctx context.Context, from, to int64) (population report.Population, ids []string, err error) {
	err = db.read(ctx, fmt.Sprintf("compare the snapshots %d and %d", from, to), func(tx *sql.Tx) error {
		a, err := snapshotIn(ctx, tx, from)
		if err != nil {
			return err
		}
		b, err := snapshotIn(ctx, tx, to)
		if err != nil {
			return err
		}
		if a.Population != b.Population {
			return report.ErrOtherPopulation
		}
		population = a.Population
		rows, err := tx.QueryContext(ctx, `
			SELECT account_id FROM snapshot_account
			WHERE population = ?1 AND first_snapshot > ?2 AND first_snapshot <= ?3 AND first_snapshot > 1
			UNION
			SELECT account_id FROM snapshot_account_past WHERE population = ?1 AND first_snapshot > ?2 AND first_snapshot <= ?3
			UNION
			SELECT account_id FROM snapshot_account_past WHERE population = ?1 AND last_snapshot >= ?2 AND last_snapshot < ?3
			ORDER BY 1`, population, min(from, to), max(from, to))
		ids, err = collect(rows, err, func(row scanner) (id string, err error) {
			err = row.Scan(&id)
			return id, err
		})
		return err
	})
	return population, ids, err
}

// looked returns how accounts looked in a snapshot, without activity and owner.
func looked(
	ctx context.Context, tx *sql.Tx, population report.Population, id int64, accounts []string,
) (map[string]*workflow.Member, error) {
	if _, err := snapshotIn(ctx, tx, id); err != nil { // dropped in the meantime
		return nil, err
	}
	products, err := catalogueIn(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, fmt.Sprintf(rowsOf, accountColumns, "account_id IN (SELECT value FROM json_each(?3))"),
		population, id, array(accounts))
	list, err := collect(rows, err, func(row scanner) (workflow.Member, error) {
		var place int
		return products.scanAccount(population, row, &place)
	})
	found := make(map[string]*workflow.Member, len(list))
	for i := range list {
		found[list[i].ID] = &list[i]
	}
	return found, err
}

// AccountHistory returns how an account looked in the snapshots that are kept, oldest first.
func (db *DB) AccountHistory(
	ctx context.Context, population report.Population, account string,
) (list []report.Version, err error) {
	err = db.read(ctx, "read the nights of an account", func(tx *sql.Tx) error {
		list, err = history(ctx, tx, population, account)
		return err
	})
	return list, err
}

func history(ctx context.Context, tx *sql.Tx, population report.Population, account string) (list []report.Version, err error) {
	products, err := catalogueIn(ctx, tx)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `
		SELECT `+accountColumns+`, first_snapshot, last_snapshot FROM snapshot_account_past
		WHERE population = ?1 AND account_id = ?2
		UNION ALL
		SELECT `+accountColumns+`, first_snapshot, 9223372036854775807 FROM snapshot_account
		WHERE population = ?1 AND account_id = ?2
		ORDER BY first_snapshot`, population, account)
	all, err := collect(rows, err, func(row scanner) (v report.Version, err error) {
		var place int
		v.Member, err = products.scanAccount(population, row, &place, &v.First.ID, &v.Last.ID)
		return v, err
	})
	for _, v := range all {
		if err == nil {
			err = bound(ctx, tx, population, &v)
		}
		switch n := len(list); {
		case err != nil:
			return nil, err
		case v.First.ID == 0 || v.Last.ID == 0 || v.First.ID > v.Last.ID: // in no snapshot that is kept
		case n > 0 && list[n-1].After == v.First && same(&list[n-1].Member, &v.Member):
			list[n-1].Last, list[n-1].After = v.Last, v.After
		default:
			list = append(list, v)
		}
	}
	return list, err
}

// bound puts the snapshots that are kept in the place of those that a row names.
func bound(ctx context.Context, tx *sql.Tx, population report.Population, v *report.Version) error {
	first, last := v.First.ID, v.Last.ID
	for _, n := range []struct {
		at    *report.Night
		where string
		of    int64
	}{
		{&v.First, "id >= ?2 ORDER BY id", first},
		{&v.Last, "id <= ?2 ORDER BY id DESC", last},
		{&v.Before, "id < ?2 ORDER BY id DESC", first},
		{&v.After, "id > ?2 ORDER BY id", last},
	} {
		*n.at = report.Night{}
		err := tx.QueryRowContext(ctx, "SELECT id, taken_at, read_at FROM snapshot WHERE population = ?1 AND "+n.where+" LIMIT 1", population, n.of).
			Scan(&n.at.ID, moment{&n.at.At}, moment{&n.at.Read})
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
	}
	return nil
}

// WhoHad returns the ids of the managed accounts that have or had an address.
func (db *DB) WhoHad(ctx context.Context, address string) (ids []string, err error) {
	err = db.read(ctx, "look for who had an address", func(tx *sql.Tx) error {
		ids, err = whoHad(ctx, tx, address)
		return err
	})
	return ids, err
}

func whoHad(ctx context.Context, tx *sql.Tx, address string) (ids []string, err error) {
	if address == "" {
		return nil, nil
	}
	rows, err := tx.QueryContext(ctx, "SELECT account_id FROM snapshot_address WHERE key = ? ORDER BY account_id",
		workflow.AddressKey(address))
	known, err := collect(rows, err, func(row scanner) (id string, err error) {
		err = row.Scan(&id)
		return id, err
	})
	for _, id := range known {
		versions, err := history(ctx, tx, report.ManagedPopulation, id)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(versions, func(v report.Version) bool { return workflow.SameAddress(v.Email, address) }) {
			ids = append(ids, id)
		}
	}
	return ids, err
}
