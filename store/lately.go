package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/countersign/countersign/workflow"
)

// ofThese picks batches of some people, as requester or author; of all where none is named. ?1 are their ids, ?2 a batch to
// leave out.
const ofThese = `b.number <> ?2 AND (json_array_length(?1) = 0
	OR b.requester_id IN (SELECT value FROM json_each(?1)) OR b.author_id IN (SELECT value FROM json_each(?1)))`

// Lately counts the changes that other batches of these people were to make and that were asked for since the moment, but
// for batches that ended without a run. What was asked for before and made since, or is still to be made, counts, too:
// otherwise who asks a day ahead, for a closed window, has none.
func (db *DB) Lately(ctx context.Context, since time.Time, people []string, but int64) (n int, err error) {
	err = db.read(ctx, "count what was asked for lately", func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `
			SELECT count(*) FROM batch b JOIN change c ON c.batch = b.number
			WHERE `+ofThese+` AND (b.ended IS NULL OR b.started IS NOT NULL)
				AND (b.created >= ?3 OR c.called >= ?3 OR b.approved IS NOT NULL AND b.ended IS NULL)
				AND c.state IN (SELECT value FROM json_each(?4))`,
			array(people), but, when(since), array(toRun())).Scan(&n)
	})
	return n, err
}

// Touched gives the accounts for which calls went out since the moment, or that an approved batch is about to touch, by
// other batches.
func (db *DB) Touched(ctx context.Context, since time.Time, people []string, but int64) (accounts []string, err error) {
	err = db.read(ctx, "list the accounts touched lately", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, `
			SELECT DISTINCT c.account_id FROM batch b JOIN change c ON c.batch = b.number
			WHERE `+ofThese+` AND b.approved IS NOT NULL AND (b.ended IS NULL OR b.ended >= ?3) AND (c.called >= ?3
				OR b.state IN ('approved', 'running', 'paused') AND c.state IN ('ready', 'running', 'unknown'))
			ORDER BY c.account_id`, array(people), but, when(since))
		accounts, err = collect(rows, err, func(row scanner) (id string, err error) {
			err = row.Scan(&id)
			return id, err
		})
		return err
	})
	return accounts, err
}

// toRun are the states of changes that are to run, run or have run.
func toRun() []workflow.ChangeState {
	return []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeFailed,
	}
}
