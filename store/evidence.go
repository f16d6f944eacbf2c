package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/countersign/countersign/workflow"
)

// Evidence is all that is known of one batch, as of one moment.
type Evidence struct {
	Batch       *workflow.Batch
	RequestHash string // SHA-256 of the bytes of the request, hex
	Request     []byte
	Kept        bool // the bytes are still there (store.keep_files)
	Changes     []workflow.Change
	Head        Head // of the log

	// Events calls fn with every event of the batch, as DB.Events does.
	Events func(fn func(line []byte) error) error
}

// Evidence gives all that is known of a batch to fn, from one state of the database; workflow.ErrNoBatch when there is
// none of that number.
func (db *DB) Evidence(ctx context.Context, number int64, fn func(Evidence) error) error {
	return db.read(ctx, fmt.Sprintf("gather the evidence of batch %d", number), func(tx *sql.Tx) (err error) {
		var e Evidence
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
