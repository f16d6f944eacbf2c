package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// ofThese picks batches of some people, as requester or author; of all where none is named. ?1 are their ids, ?2 a batch to
// leave out.
const ofThese = `b.number <> ?2 AND (json_array_length(?1) = 0
	OR b.requester_id IN (SELECT value FROM json_each(?1)) OR b.author_id IN (SELECT value FROM json_each(?1)))`

// Both look-ups begin with the batches that were asked for or ended since the moment, or have not ended; no call goes out
// for one that has. So they take as long as what is recent is much, however much there was before.

// RecentChanges counts the changes that other batches of these people were to make and that were asked for since the moment, but
// for batches that ended without a run. What was asked for before and made since, or is still to be made, counts, too: otherwise
// who asks a day ahead, for a closed window, has none. A return was asked for with what it takes back, so that only what it has
// made counts.
func (db *DB) RecentChanges(ctx context.Context, since time.Time, people []string, exclude int64) (n int, err error) {
	err = db.read(ctx, "count what was asked for recently", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			WITH recent AS (
				SELECT b.number, b.link <> 'return' AND (b.created >= ?3 OR b.approved IS NOT NULL AND b.ended IS NULL) AS whole
				FROM batch b
				WHERE b.number IN (
						SELECT number FROM batch INDEXED BY batch_created WHERE created >= ?3
						UNION SELECT number FROM batch INDEXED BY batch_ended WHERE ended >= ?3
						UNION SELECT number FROM batch INDEXED BY batch_ended WHERE ended IS NULL)
					AND `+ofThese+` AND NOT (b.link = 'return' AND b.follows = ?2) AND (b.ended IS NULL OR b.started IS NOT NULL)
			)
			SELECT ifnull((
					SELECT sum(n.n) FROM recent b JOIN change_count n ON n.batch = b.number
					WHERE b.whole AND n.state IN (SELECT value FROM json_each(?4))), 0)
				+ (SELECT count(*) FROM recent b JOIN change c ON c.id BETWEEN b.number << 32 AND (b.number << 32) + 4294967295
					WHERE NOT b.whole AND c.called >= ?3 AND c.state IN (SELECT value FROM json_each(?4)))`,
			array(people), exclude, when(since), array(toRun())).Scan(&n)
	})
	return n, err
}

// Touched gives the accounts (of somebody who has none yet, the address) for which calls went out
// since the moment, or that an approved batch is about to touch, by other batches.
func (db *DB) Touched(ctx context.Context, since time.Time, people []string, exclude int64) (accounts []string, err error) {
	err = db.read(ctx, "list the accounts touched recently", func(tx *sql.Tx) error {
		accounts, err = loadTouched(ctx, tx, since, people, exclude)
		return err
	})
	return accounts, err
}

func loadTouched(ctx context.Context, tx reading, since time.Time, people []string, exclude int64) (accounts []string, err error) {
	// One value, for a step of SQLite into Go costs more than the rest of a row.
	err = tx.QueryRowContext(ctx, `
		SELECT json_group_array(CASE c.account_id WHEN '' THEN c.wanted ->> '$.email' ELSE c.account_id END)
		FROM batch b CROSS JOIN change c ON c.id BETWEEN b.number << 32 AND (b.number << 32) + 4294967295
		WHERE b.number IN (
				SELECT number FROM batch INDEXED BY batch_ended WHERE ended >= ?3
				UNION SELECT number FROM batch INDEXED BY batch_ended WHERE ended IS NULL)
			AND `+ofThese+` AND b.approved IS NOT NULL AND (c.called >= ?3
			OR b.link <> 'return' AND b.state IN ('approved', 'running', 'paused') AND c.state IN ('ready', 'running', 'unknown'))`,
		array(people), exclude, when(since)).Scan(texts{&accounts})
	slices.Sort(accounts)
	return slices.Compact(accounts), err
}

// toRun are the states of changes that are to run, run or have run.
func toRun() []workflow.ChangeState {
	return []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeFailed,
	}
}

// Later returns the changes of other batches that were approved at the moment or later, and are to be made, are being made,
// were made or needed not be made.
func (db *DB) Later(ctx context.Context, first, second int64, approved time.Time) (list []workflow.Change, err error) {
	err = db.read(ctx, fmt.Sprintf("look what was changed since batch %d", first), func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT number, 0 FROM batch WHERE (approved > ?1 OR approved = ?1 AND number > ?2) AND number NOT IN (?2, ?3) AND link <> 'return'
			ORDER BY number`,
			when(approved), first, second)
		list, err = loadOf(ctx, tx, rows, err, func(c *workflow.Change) bool { return len(c.Steps) > 0 },
			workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeUnchanged)
		return err
	})
	return list, err
}

// Returning returns the changes of returns that wait for their moment, on any of the accounts. Their Batch is the one that they
// take back.
func (db *DB) Returning(ctx context.Context, accounts []string) (list []workflow.Change, err error) {
	wanted := map[string]bool{}
	for _, id := range accounts {
		wanted[id] = true
	}
	err = db.read(ctx, "look what is going to be taken back", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT number, follows FROM batch WHERE state = 'approved' AND link = 'return' AND started IS NULL ORDER BY number`)
		list, err = loadOf(ctx, tx, rows, err, func(c *workflow.Change) bool { return wanted[c.AccountID] }, workflow.ChangeReady)
		return err
	})
	return list, err
}

// loadOf loads the changes in any of the states of the batches that a query names, of which each is told as one of another batch
// where the query names that beside it.
func loadOf(
	ctx context.Context, tx *sql.Tx, rows *sql.Rows, err error, keep func(*workflow.Change) bool, states ...workflow.ChangeState,
) (list []workflow.Change, _ error) {
	numbers, err := collect(rows, err, func(row scanner) (n [2]int64, err error) {
		err = row.Scan(&n[0], &n[1])
		return n, err
	})
	if err != nil {
		return nil, err
	}
	for _, n := range numbers {
		changes, err := loadChanges(ctx, tx, n[0], -1, 0, states...)
		if err != nil {
			return nil, err
		}
		for i := range changes {
			if !keep(&changes[i]) {
				continue
			}
			changes[i].Batch = cmp.Or(n[1], n[0])
			list = append(list, changes[i])
		}
	}
	return list, nil
}

// Deleted returns the change by which a batch last began the deletion of an account, nil where none did.
func (db *DB) Deleted(ctx context.Context, account string) (c *workflow.Change, err error) {
	err = db.read(ctx, "find the deletion of an account", func(tx *sql.Tx) error {
		var number int64
		var row int
		err := tx.QueryRowContext(ctx, `
			SELECT batch, row FROM change INDEXED BY change_deleted
			WHERE account_id = ? AND action = 'delete' AND state = 'done'
			ORDER BY finished DESC, batch DESC LIMIT 1`, account).Scan(&number, &row)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err == nil {
			c, err = loadChange(ctx, tx, number, row)
		}
		return err
	})
	return c, err
}
