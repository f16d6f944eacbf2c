package sqlite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/countersign/countersign/store"
)

//go:embed migrations/*.sql
var migrations embed.FS

// migrateInTurn migrates, and waits its turn where SQLite does not wait by itself: while another
// program changes the file to WAL, or closes it as the last one, SQLITE_BUSY comes at once whatever
// busy_timeout says (https://www.sqlite.org/wal.html, "Sometimes Queries Return SQLITE_BUSY In WAL
// Mode").
func (db *DB) migrateInTurn(ctx context.Context) error {
	for begin := time.Now(); ; {
		err := db.migrate(ctx)
		said, ok := errors.AsType[*driver.Error](err)
		if !ok || said.Code()&0xff != sqlite3.SQLITE_BUSY || time.Since(begin) >= busyTimeout {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(busyPause):
		}
	}
}

// migrate refuses what is not ours or newer than we are, and then brings the schema up to date.
// goose would take a newer database without a word.
func (db *DB) migrate(ctx context.Context) error {
	// One statement, for another command may be at its first migration. A file that holds nothing
	// but goose's table is ours too: its first start ended before that migration. So is one to
	// which Litestream came first.
	var mark, others int
	err := db.writer.QueryRowContext(ctx, `SELECT (SELECT application_id FROM pragma_application_id), count(*)
		FROM sqlite_master WHERE tbl_name NOT IN ('goose_db_version', 'sqlite_sequence')
			AND tbl_name NOT IN (SELECT value FROM json_each(?))`, array(litestreamTables)).Scan(&mark, &others)
	if err != nil {
		return err
	}
	switch {
	case earlier(mark):
		return &store.EarlierError{Place: db.path}
	case others > 0 && mark != applicationID:
		return store.ErrNotOurs
	}
	provider, err := migrationsFor(db.writer, db.log)
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	for {
		have, err := provider.GetDBVersion(ctx)
		switch {
		case err != nil:
			return fmt.Errorf("read the schema's version: %w", err)
		case have > known:
			return &store.NewerError{Have: have, Known: known}
		case have == known:
			return nil
		}
		if _, err := provider.Up(ctx); err != nil {
			// Perhaps another command on the same new file was faster: then the version has moved
			// on.
			if now, lookErr := provider.GetDBVersion(ctx); lookErr != nil || now == have {
				return fmt.Errorf("bring the schema up to date: %w", err)
			}
		}
	}
}

// gooseLog sends what goose has to say to our log. It never ends the program.
type gooseLog struct{ log zerolog.Logger }

func (g gooseLog) Printf(format string, v ...any) { g.log.Debug().Msgf(format, v...) }

func (g gooseLog) Fatalf(format string, v ...any) { g.log.Error().Msgf(format, v...) }
