package sqlite

import (
	"context"
	"time"
)

// PruneOriginals deletes the bytes of the requests of batches that ended before the moment, and
// the cells of their rows that are no values, and those of lists that were compared before it, and
// says of how many it deleted bytes. Their hashes and plans stay.
func (db *DB) PruneOriginals(ctx context.Context, before time.Time) (n int, err error) {
	err = db.write(ctx, "delete old requests", func(ctx context.Context, tx *writing) error {
		result, err := tx.ExecContext(ctx, `
			UPDATE request_file SET bytes = NULL
			WHERE bytes IS NOT NULL AND batch IN (
				SELECT number FROM batch WHERE ended < ? AND state NOT IN (SELECT value FROM json_each(?)))`,
			when(before), array(openStates()))
		if err != nil {
			return err
		}
		affected, err := result.RowsAffected()
		if err != nil {
			return err
		}
		n = int(affected)
		result, err = tx.ExecContext(ctx, "UPDATE comparison SET bytes = NULL WHERE bytes IS NOT NULL AND at < ?", when(before))
		if err != nil {
			return err
		}
		if affected, err = result.RowsAffected(); err != nil {
			return err
		}
		n += int(affected)
		_, err = tx.ExecContext(ctx, `
			UPDATE request_row SET ignored = NULL
			WHERE ignored IS NOT NULL AND id >> 32 IN (
				SELECT number FROM batch WHERE ended < ? AND state NOT IN (SELECT value FROM json_each(?)))`,
			when(before), array(openStates()))
		return err
	})
	return n, err
}
