package store

import (
	"errors"
	"fmt"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// ErrNotOurs says that the file is no database, or another program's.
var ErrNotOurs = errors.New("the file is not a database of countersign; give another store.path")

// ErrNoRow says that the batch has no such row.
var ErrNoRow = errors.New("no such row")

// ErrReadOnly is the answer to writing what was opened for reading.
var ErrReadOnly = errors.New("the database is open for reading only")

// NewerError says that a newer program has written the database: its tables may mean what this one
// does not know.
type NewerError struct{ Have, Known int64 }

func (e *NewerError) Error() string {
	return fmt.Sprintf("the database has schema %d and this program knows schemas up to %d; "+
		"start the newer program, or restore the backup from before the upgrade", e.Have, e.Known)
}

// OlderError says that an older program has written the database: it has to be brought up to date
// first, which reading alone does not do.
type OlderError struct{ Have, Known int64 }

func (e *OlderError) Error() string {
	return fmt.Sprintf("the database has schema %d and this program reads schema %d; "+
		"`countersign serve` of this version brings it up to date at its start", e.Have, e.Known)
}

// EarlierError says that a build from before the first release has written the database, whose form
// is not read any more.
type EarlierError struct{ Place string } // its path or address

func (e *EarlierError) Error() string {
	return fmt.Sprintf("%s was written by a build from before the first release, whose form this program does not read; "+
		"finish its open batches with that build, then move the file away with its -wal and -shm, or give another store.path: "+
		"the next start makes a new database", e.Place)
}

// Fault is what kept a database from doing what it was asked.
type Fault string

// The faults. What is none of them is told in the database's own words.
const (
	FaultFull       Fault = "the disk is full"
	FaultDisk       Fault = "the disk cannot be read or written"
	FaultBusy       Fault = "another program holds the database"
	FaultForbidden  Fault = "the database may not be written"
	FaultUnopened   Fault = "the database cannot be opened"
	FaultDamaged    Fault = "the database is damaged; restore a backup"
	FaultConstraint Fault = "a rule of the database forbids it"
	FaultOther      Fault = ""
)

// remedies are what to do about faults that people can put right.
var remedies = map[Fault]string{
	FaultFull:      "free disk space where it runs",
	FaultDisk:      "check the disk where it runs",
	FaultBusy:      "close the program that has the database file open",
	FaultForbidden: "let it write the database file and its folder",
	FaultUnopened:  "check store.path and its folder",
	FaultDamaged:   "stop it and restore a backup",
}

var _ workflow.DatabaseError = (*Error)(nil)

// Error is what the database said to an operation.
type Error struct {
	Op    string // what was being done
	Fault Fault
	Code  string // as the database counts its errors: "SQLite code 13"
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s (%s)", e.Op, e.Words(), e.Code) }

func (e *Error) Unwrap() error { return e.Err }

// Words returns what the database said in a clause, without what was being done.
func (e *Error) Words() string {
	switch e.Fault {
	case FaultOther:
		return e.Err.Error()
	case FaultConstraint:
		return string(e.Fault) + ": " + e.Err.Error()
	default:
		return string(e.Fault)
	}
}

// Trouble says what is wrong with the database and what to do about it; both are "" where only the log
// tells.
func (e *Error) Trouble() (what, remedy string) {
	if remedy = remedies[e.Fault]; remedy == "" {
		return "", ""
	}
	what, _, _ = strings.Cut(string(e.Fault), ";")
	return what, remedy
}
