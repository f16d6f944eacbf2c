package store

import (
	"context"
	"errors"
	"fmt"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// ErrNotOurs says that the file is no database, or another program's.
var ErrNotOurs = errors.New("the file is not a database of countersign; give another store.path")

// ErrNoRow says that the batch has no such row.
var ErrNoRow = errors.New("no such row")

// NewerError says that a newer program has written the database: its tables may mean what this one does not know.
type NewerError struct{ Have, Known int64 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has schema %d and this program knows schemas up to %d; "+
		"start the newer program, or restore the backup from before the upgrade", e.Have, e.Known)
}

// Error is what SQLite said to an operation, told by its result code.
type Error struct {
	Op   string // what was being done
	Code int    // the primary result code (sqlite.org/rescode.html)
	Err  error
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: %s (SQLite code %d)", e.Op, e.Words(), e.Code)
}

func (e *Error) Unwrap() error { return e.Err }

// Words is what SQLite said in a clause, without what was being done.
func (e *Error) Words() string {
	switch e.Code {
	case sqlite3.SQLITE_FULL:
		return "the disk is full"
	case sqlite3.SQLITE_IOERR:
		return "the disk cannot be read or written"
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another program holds the database"
	case sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM:
		return "the database may not be written"
	case sqlite3.SQLITE_CANTOPEN:
		return "the database cannot be opened"
	case sqlite3.SQLITE_CORRUPT:
		return "the database is damaged; restore a backup"
	case sqlite3.SQLITE_CONSTRAINT:
		return "a rule of the database forbids it: " + e.Err.Error()
	default:
		return e.Err.Error()
	}
}

// storeError gives SQLite's errors their operation and code, and leaves all others as they are, for those are the
// answers of rules. An interrupted statement is the end of its context.
func storeError(ctx context.Context, op string, err error) error {
	said, ok := errors.AsType[*sqlite.Error](err)
	if !ok {
		if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s: %w", op, err)
		}
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s: %w", op, ctx.Err())
	}
	switch code := said.Code() & 0xff; code { // the primary code; the rest of the bits tell kinds of it apart
	case sqlite3.SQLITE_NOTADB:
		return fmt.Errorf("%s: %w", op, ErrNotOurs)
	default:
		return &Error{Op: op, Code: code, Err: err}
	}
}

// breaksUnique says whether the error is a broken UNIQUE or PRIMARY KEY.
func breaksUnique(err error) bool {
	said, ok := errors.AsType[*sqlite.Error](err)
	return ok && (said.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || said.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
