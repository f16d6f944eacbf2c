package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// Remember keeps a value under a name, in the place of what was there. Secrets must not be in it.
func (db *DB) Remember(ctx context.Context, name string, value []byte) error {
	return db.gather(ctx, "remember "+name, func(ctx context.Context, tx *writing) error {
		if value == nil {
			value = []byte{} // nil would be NULL
		}
		_, err := tx.ExecContext(ctx, `INSERT INTO memory (name, value, at) VALUES (?, ?, ?)
			ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at`, name, value, when(time.Now()))
		return err
	})
}

// Recall returns what was remembered last under a name; nil when there is nothing.
func (db *DB) Recall(ctx context.Context, name string) (value []byte, err error) {
	err = db.read(ctx, "recall "+name, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, "SELECT value FROM memory WHERE name = ?", name).Scan(&value)
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		return err
	})
	return value, err
}
