// Package sqlite keeps countersign's truth in one SQLite file: batches with their changes,
// decisions and holds, the log of events, what was posted, what is known of limits, snapshots and
// the runs of reports. All SQL of the program is here.
//
// What it promises:
//
//   - Each exported method is all or nothing. When it returns nil everything is on disk
//     (synchronous=FULL), otherwise nothing is; snapshots alone are taken and dropped in several
//     short transactions, of which one makes the difference to who reads.
//   - There is one writer. Writes that wait while another one is committed share a transaction, one
//     after the other (turns), so that a disk is not asked to sync for each; none returns before it
//     is on disk, and of one that fails nothing is left while the others go on.
//   - A writing transaction takes the lock when it begins, so that a rule sees what no other
//     transaction can change before it commits: compare-and-set is a look at the state that was
//     loaded.
//   - Events are written in the transaction of the change that they record, and are never changed.
//     Neither are plans and decisions; triggers refuse it to everybody. The events are a chain of
//     hashes that says what the tables hold: Audit finds where they are not what was written.
//   - The files can be read by their owner only.
//   - Moments come from the caller or from time.Now, never from SQLite's own clock, so that tests
//     can set them.
package sqlite

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
)

// applicationID marks a file as ours, so that no other program's database is taken for one: "csg3". As long
// as there was no release, a changed schema gets another mark and no migration (TestSchemaHasItsMark).
const applicationID = 0x63736733

// earlier reports whether a build from before the first release made a file, by its mark ("csgn",
// "csg1", "csg2"): its tables are others, and are not read.
func earlier(mark int) bool { return mark == 0x6373676e || mark == 0x63736731 || mark == 0x63736732 }

// How long a statement waits for another program (a backup, sqlite3) that holds the lock.
const busyTimeout = 5 * time.Second

// How often a file is tried again that is busy in a way that SQLite does not wait for.
const busyPause = 20 * time.Millisecond

// Pages that each connection keeps, in KiB: the files are small and the operating system caches
// them too.
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

// DB is the open database. It may be used by any number of goroutines.
type DB struct {
	writer *sql.DB // one connection
	reader *sql.DB // refuses to write
	log    zerolog.Logger
	path   string

	turns turns
	known known // at the end of the last transaction; whoever has the turn uses it

	taking  sync.Mutex    // held while a snapshot is being read
	inOne   together      // what is written in the background, and read of nights
	changed chan struct{} // a pulse after writes to batches
}

// Open opens the file or makes it, and brings its schema up to date. Errors: *store.NewerError when
// a newer program wrote it, *store.EarlierError when a build from before the first release did,
// store.ErrNotOurs when it is another program's or no database at all, *store.Error for what SQLite
// says.
func Open(ctx context.Context, cfg Config) (*DB, error) {
	if cfg.Path == "" {
		return nil, errors.New("open the database: no path")
	}
	if err := closeToOthers(cfg.Path); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db := &DB{changed: make(chan struct{}, 1), log: cfg.Log, path: cfg.Path, inOne: together{pieceSteps, spoolMemory, membersTogether}}
	var err error
	if db.writer, err = openPool(dsn(cfg.Path, "immediate", writerCache, false)); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	db.writer.SetMaxOpenConns(1)
	if err := db.migrateInTurn(ctx); err != nil {
		return nil, errors.Join(storeError(ctx, "open the database "+cfg.Path, err), db.writer.Close())
	}
	if db.reader, err = openPool(dsn(cfg.Path, "deferred", readerCache, true)); err != nil {
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

// closeToOthers makes the file before SQLite does, with a mode that the umask cannot widen, and
// narrows one that is too wide. SQLite gives its -wal and -shm files the mode of the database.
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

// dsn spells the settings of a connection. busy_timeout stands first, for the pragmas after it may
// have to wait.
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

// pulse has Changed tell of a write to batches, whatever became of it: a commit may have gone
// through that reports an error.
func (db *DB) pulse() {
	select {
	case db.changed <- struct{}{}:
	default:
	}
}

// writeBatch is write for what is true of batches, of which Changed tells.
func (db *DB) writeBatch(ctx context.Context, op string, fn func(context.Context, *writing) error) error {
	defer db.pulse()
	return db.write(ctx, op, fn)
}

// gatherBatch is gather for what is true of batches, of which Changed tells.
func (db *DB) gatherBatch(ctx context.Context, op string, fn func(context.Context, *writing) error) error {
	defer db.pulse()
	return db.gather(ctx, op, fn)
}

// Changed returns a pulse after writes to batches; several writes may be one pulse.
func (db *DB) Changed() <-chan struct{} { return db.changed }

// read runs fn in a transaction that sees one state of the database throughout.
func (db *DB) read(ctx context.Context, op string, fn func(*sql.Tx) error) error {
	tx, err := db.reader.BeginTx(ctx, nil)
	if err != nil {
		return storeError(ctx, op, err)
	}
	defer func() { _ = tx.Rollback() }() // after a commit it does nothing; its own failure adds nothing to the first
	if err := fn(tx); err != nil {
		return storeError(ctx, op, err)
	}
	return storeError(ctx, op, tx.Commit())
}
