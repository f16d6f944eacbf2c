package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
)

// OpenReadOnly opens a database that is there for looking at it, also while a bot runs on it or as
// a copy elsewhere. It changes nothing and makes nobody wait; what would write fails. Errors are
// those of Open, *store.OlderError, and one that matches fs.ErrNotExist where there is no such
// file.
func OpenReadOnly(ctx context.Context, cfg Config) (*DB, error) {
	info, err := os.Stat(cfg.Path)
	if err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open the database: %s is no file", cfg.Path)
	}
	db := &DB{log: cfg.Log, path: cfg.Path, inOne: together{page: membersTogether}}
	if db.reader, err = openPool(readOnlyDSN(cfg.Path)); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.reader.SetMaxOpenConns(readers)
	if err := db.checkSchema(ctx); err != nil {
		return nil, errors.Join(storeError(ctx, "open the database "+cfg.Path, err), db.reader.Close())
	}
	return db, nil
}

func readOnlyDSN(path string) string {
	query := url.Values{
		"mode": {"ro"}, "_txlock": {"deferred"},
		"_pragma": {
			"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")",
			"cache_size(-" + strconv.Itoa(readerCache) + ")",
		},
	}
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: query.Encode()}).String()
}

// checkSchema refuses a database that is not ours, or that this program cannot read as it is.
func (db *DB) checkSchema(ctx context.Context) error {
	pool, err := sql.Open("sqlite", "file::memory:")
	if err != nil {
		return err
	}
	defer func() { _ = pool.Close() }() // nothing was written
	provider, err := migrationsFor(pool, zerolog.Nop())
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	known := sources[len(sources)-1].Version
	var mark int
	if err := db.reader.QueryRowContext(ctx, "PRAGMA application_id").Scan(&mark); err != nil {
		return err
	}
	switch {
	case mark == applicationID:
	case earlier(mark):
		return &store.EarlierError{Place: db.path}
	default:
		return store.ErrNotOurs
	}
	var have int64
	err = db.reader.QueryRowContext(ctx, "SELECT max(version_id) FROM goose_db_version WHERE is_applied = 1").Scan(&have)
	switch {
	case err != nil:
		return err
	case have > known:
		return &store.NewerError{Have: have, Known: known}
	case have < known:
		return &store.OlderError{Have: have, Known: known}
	}
	return nil
}
