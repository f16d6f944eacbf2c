package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/countersign/countersign/store"
)

// Evidence returns all that is known of a batch to fn, from one state of the database;
// workflow.ErrNoBatch when there is none of that number.
func (db *DB) Evidence(ctx context.Context, number int64, fn func(store.Evidence) error) error {
	return db.read(ctx, fmt.Sprintf("gather the evidence of batch %d", number), func(tx *sql.Tx) (err error) {
		var e store.Evidence
		if e.Batch, err = loadBatch(ctx, tx, number); err != nil {
			return err
		}
		err = tx.QueryRowContext(ctx, "SELECT sha256, bytes, bytes IS NOT NULL FROM request_file WHERE batch = ?", number).
			Scan(&e.RequestHash, &e.Request, &e.Kept)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		if e.Changes, err = loadChanges(ctx, tx, number, -1, 0); err != nil {
			return err
		}
		if e.Head, err = lastHead(ctx, tx); err != nil {
			return err
		}
		e.Events = func(each func([]byte) error) error { return eachEvent(ctx, tx, number, each) }
		return fn(e)
	})
}
