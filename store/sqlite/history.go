package sqlite

import (
	"context"
	"database/sql"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// pastRows is how many changes of one account are told of.
const pastRows = 1000

// Sightings returns how an account looked in the snapshots that are kept, oldest first. Of snapshots
// in which it looked the same there is one sighting.
func (db *DB) Sightings(ctx context.Context, account string) (list []workflow.Sighting, err error) {
	versions, err := db.AccountHistory(ctx, report.ManagedPopulation, account)
	for _, v := range versions {
		if n := len(list); n > 0 && list[n-1].Same(v.Account) && list[n-1].After.Equal(v.First.At) {
			list[n-1].Last, list[n-1].After, list[n-1].AfterRead = v.Last.At, v.After.At, v.After.Read
			continue
		}
		list = append(list, workflow.Sighting{
			Account: v.Account, First: v.First.At, Last: v.Last.At, Read: v.First.Read, Before: v.Before.At,
			After: v.After.At, AfterRead: v.After.Read,
		})
	}
	return list, err
}

// StatusSeen returns which statuses an account had, the newest first, each with the nights in a row
// that showed it.
func (db *DB) StatusSeen(ctx context.Context, account string) (seen []workflow.SeenStatus, err error) {
	versions, err := db.AccountHistory(ctx, report.ManagedPopulation, account)
	for _, v := range slices.Backward(versions) { // what differs in something else is the same status
		if n := len(seen) - 1; n >= 0 && seen[n].Status == v.Status {
			seen[n].First = v.First.At
			continue
		}
		seen = append(seen, workflow.SeenStatus{Status: v.Status, First: v.First.At, Last: v.Last.At})
	}
	return seen, err
}

// MadeOf returns the changes of an account that batches have run, the latest pastRows of them,
// oldest first, with what became of each step.
func (db *DB) MadeOf(ctx context.Context, account string) (list []workflow.Made, err error) {
	err = db.read(ctx, "read what was done to an account", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT b.requester_id, b.requester_name, c.batch, c.row, `+from("c", changeAll(&workflow.Change{}))+`
			FROM change c JOIN batch b ON b.number = c.batch
			WHERE c.account_id = ? AND c.state IN ('done', 'failed') ORDER BY c.id DESC LIMIT ?`, account, pastRows)
		list, err = collect(rows, err, func(row scanner) (workflow.Made, error) {
			var m workflow.Made
			into := []any{&m.Requester.ID, &m.Requester.Name, &m.Batch, &m.Row}
			err := row.Scan(append(into, places(changeAll(&m.Change))...)...)
			return m, err
		})
		slices.Reverse(list)
		return err
	})
	return list, err
}

// KnownAs returns the ids of the accounts that have or had the address, by what snapshots and
// changes tell, sorted.
func (db *DB) KnownAs(ctx context.Context, address string) (ids []string, err error) {
	err = db.read(ctx, "look for who had an address", func(tx *sql.Tx) error {
		if ids, err = whoHad(ctx, tx, address); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `
			SELECT account_id, expected ->> '$.email' FROM change
			WHERE account_id <> '' AND lower(expected ->> '$.email') IN (SELECT value FROM json_each(?1))
			UNION
			SELECT account_id, wanted ->> '$.email' FROM change
			WHERE account_id <> '' AND state = 'done' AND lower(wanted ->> '$.email') IN (SELECT value FROM json_each(?1))`,
			array(lowerSpellings(address)))
		found, err := collect(rows, err, func(row scanner) (f [2]string, err error) {
			err = row.Scan(&f[0], &f[1])
			return f, err
		})
		for _, f := range found {
			if workflow.SameAddress(f[1], address) && !slices.Contains(ids, f[0]) {
				ids = append(ids, f[0])
			}
		}
		return err
	})
	slices.Sort(ids)
	return ids, err
}

// lowerSpellings returns what the indexes of addresses may have of one: lower knows ASCII alone, so that
// what is found is still to be compared.
func lowerSpellings(address string) []string {
	spellings := workflow.AddressSpellings(address)
	for i, spelling := range spellings {
		spellings[i] = strings.ToLower(spelling)
	}
	return spellings
}

// domainOf is the domain of an address in SQL, as the indexes by domain have it: what stands from the
// last @ on.
func domainOf(address string) string {
	return "lower(substr(" + address + ", length(rtrim(" + address + ", replace(" + address + ", '@', '')))))"
}

var knownOn = `
	SELECT account_id FROM snapshot_account_past WHERE population = '' AND ` + domainOf("email") + ` = ?1
	UNION
	SELECT account_id FROM change
	WHERE state = 'done' AND lower(wanted ->> '$.email') IS NOT NULL AND ` + domainOf("expected ->> '$.email'") + ` = ?1`

// KnownOn returns the ids of the accounts that had an address on the domain and got another one, by
// what snapshots and changes tell, sorted.
func (db *DB) KnownOn(ctx context.Context, domain string) (ids []string, err error) {
	err = db.read(ctx, "look for who had an address on a domain", func(tx *sql.Tx) error {
		for _, spelling := range workflow.DomainSpellings(domain) {
			rows, err := tx.QueryContext(ctx, knownOn, "@"+strings.ToLower(spelling))
			found, err := collect(rows, err, func(row scanner) (id string, err error) {
				err = row.Scan(&id)
				return id, err
			})
			if err != nil {
				return err
			}
			ids = append(ids, found...)
		}
		return nil
	})
	slices.Sort(ids)
	return slices.Compact(ids), err
}

// NightsKept returns of how many days snapshots are kept, and when the oldest of them was taken.
func (db *DB) NightsKept(ctx context.Context) (n int, since time.Time, err error) {
	err = db.read(ctx, "count the nights", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, "SELECT count(DISTINCT substr(taken_at, 1, 10)), min(taken_at) FROM snapshot WHERE population = ''").Scan(&n, moment{&since})
	})
	return n, since, err
}
