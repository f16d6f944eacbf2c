// Package store keeps countersign's truth in one SQLite file: batches with their changes, decisions and holds, the log
// of events, what was posted, what is known of limits, snapshots and the runs of reports. All SQL of the program is here.
//
// What it promises:
//
//   - Each exported method is one transaction. When it returns nil everything is on disk (synchronous=FULL), otherwise
//     nothing is; TakeSnapshot alone writes in several, of which only the last one counts.
//   - There is one writer. A writing transaction takes the lock when it begins, so that a rule sees what no other
//     transaction can change before it commits: compare-and-set is a look at the state that was loaded.
//   - Events are written in the transaction of what they tell of, and are never changed. Neither are plans and decisions;
//     triggers refuse it to everybody. The events are a chain of hashes that says what the tables hold: Audit finds where
//     they are not what was written.
//   - The files can be read by their owner only.
//   - Moments come from the caller or from time.Now, never from SQLite's own clock, so that tests can set them.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	_ "modernc.org/sqlite" // the driver
)

// applicationID marks a file as ours ("csgn"), so that no other program's database is taken for one.
const applicationID = 0x6373676e

// How long a statement waits for another program (a backup, sqlite3) that holds the lock.
const busyTimeout = 5 * time.Second

// How often a file is tried again that is busy in a way that SQLite does not wait for.
const busyPause = 20 * time.Millisecond

// Pages that each connection keeps, in KiB: the files are small and the operating system caches them too.
const (
	writerCache = 4096
	readerCache = 1024
	readers     = 3
)

// Config says which file, and where to tell of what is worth telling.
type Config struct {
	Path string
	Log  zerolog.Logger
}

// errReadOnly is the answer to writing what was opened for reading.
var errReadOnly = errors.New("the database is open for reading only")

// DB is the open database. It may be used by any number of goroutines.
type DB struct {
	writer *sql.DB // one connection
	reader *sql.DB // refuses to write
	log    zerolog.Logger

	taking sync.Mutex // held while a snapshot is being read
}

// Open opens the file or makes it, and brings its schema up to date. Errors: *NewerError when a newer program wrote it,
// ErrNotOurs when it is another program's or no database at all, *Error for what SQLite says.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Path == "" {
		return nil, errors.New("open the database: no path")
	}
	if err := closeToOthers(cfg.Path); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := &DB{log: cfg.Log}
	var err error
	if db.writer, err = sql.Open("sqlite", dsn(cfg.Path, "immediate", writerCache, false)); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.writer.SetMaxOpenConns(1)
	if err := db.migrateInTurn(ctx); err != nil {
		return nil, errors.Join(storeError(ctx, "open the database "+cfg.Path, err), db.writer.Close())
	}
	if db.reader, err = sql.Open("sqlite", dsn(cfg.Path, "deferred", readerCache, true)); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database: %w", err), db.writer.Close())
	}
	db.reader.SetMaxOpenConns(readers)
	return db, nil
}

// Close ends every transaction and closes the file.
func (db *DB) Close() error {
	if db.writer == nil { // OpenReadOnly
		return db.reader.Close()
	}
	return errors.Join(db.reader.Close(), db.writer.Close())
}

// closeToOthers makes the file before SQLite does, with a mode that the umask cannot widen, and narrows one that is too
// wide. SQLite gives its -wal and -shm files the mode of the database.
func closeToOthers(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 == 0 {
			continue
		}
		if err := os.Chmod(name, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// dsn spells the settings of a connection. busy_timeout stands first, for the pragmas after it may have to wait.
func dsn(path, lock string, cache int, readOnly bool) string {
	pragmas := []string{
		"busy_timeout(" + strconv.FormatInt(busyTimeout.Milliseconds(), 10) + ")",
		"journal_mode(WAL)",
		"synchronous(FULL)", // an intent must be on disk before the call it announces, even when the power fails
		"foreign_keys(1)",
		"cache_size(-" + strconv.Itoa(cache) + ")",
		"journal_size_limit(16777216)", // a snapshot's large log is given back to the disk
	}
	if readOnly {
		pragmas = append(pragmas, "query_only(1)")
	}
	query := url.Values{"_txlock": {lock}, "_pragma": pragmas}
	return (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: query.Encode()}).String()
}

// escapePath makes a path safe for SQLite's file: names, where ?, # and % mean something.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

// write runs fn in a transaction that no other writer can come between. What fn gives back is given back as it is, but
// for SQLite's own errors, which become *Error.
func (db *DB) write(ctx context.Context, op string, fn func(*sql.Tx) error) error {
	if db.writer == nil {
		return fmt.Errorf("%s: %w", op, errReadOnly)
	}
	return transact(ctx, db.writer, op, fn)
}

// read runs fn in a transaction that sees one state of the database throughout.
func (db *DB) read(ctx context.Context, op string, fn func(*sql.Tx) error) error {
	return transact(ctx, db.reader, op, fn)
}

func transact(ctx context.Context, pool *sql.DB, op string, fn func(*sql.Tx) error) (err error) {
	tx, err := pool.BeginTx(ctx, nil)
	if err != nil {
		return storeError(ctx, op, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing; its own failure adds nothing to the first
	if err := fn(tx); err != nil {
		return storeError(ctx, op, err)
	}
	return storeError(ctx, op, tx.Commit())
}
