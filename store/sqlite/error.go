package sqlite

import (
	"context"
	"errors"
	"fmt"

	driver "modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/countersign/countersign/store"
)

// faults are what SQLite's primary result codes mean for whoever looks after the program
// (sqlite.org/rescode.html).
var faults = map[int]store.Fault{
	sqlite3.SQLITE_FULL:       store.FaultFull,
	sqlite3.SQLITE_IOERR:      store.FaultDisk,
	sqlite3.SQLITE_BUSY:       store.FaultBusy,
	sqlite3.SQLITE_LOCKED:     store.FaultBusy,
	sqlite3.SQLITE_READONLY:   store.FaultForbidden,
	sqlite3.SQLITE_PERM:       store.FaultForbidden,
	sqlite3.SQLITE_CANTOPEN:   store.FaultUnopened,
	sqlite3.SQLITE_CORRUPT:    store.FaultDamaged,
	sqlite3.SQLITE_CONSTRAINT: store.FaultConstraint,
}

// storeError gives SQLite's errors their operation and code, and leaves all others as they are, for
// those are the answers of rules. An interrupted statement is the end of its context.
func storeError(ctx context.Context, op string, err error) error {
	said, ok := errors.AsType[*driver.Error](err)
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
		return fmt.Errorf("%s: %w", op, store.ErrNotOurs)
	default:
		return &store.Error{Op: op, Fault: faults[code], Code: fmt.Sprintf("SQLite code %d", code), Err: err}
	}
}

// breaksUnique reports whether the error is a broken UNIQUE or PRIMARY KEY.
func breaksUnique(err error) bool {
	said, ok := errors.AsType[*driver.Error](err)
	return ok && (said.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || said.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
}
