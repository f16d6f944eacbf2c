package workflow

import (
	"cmp"
	"fmt"
)

// Row is one record of a request as it was read: from a line of a file or a word of a command. Only
// what the record gives is filled; values have no spaces around them.
type Row struct {
	// Line is where the record starts in the sent file, from 1; commands count their rows from 1.
	Line int `json:"line"`

	Action ActionName `json:"action,omitempty"`

	// Values are what the record gives, by column; what it leaves empty is missing.
	Values RowValues `json:"values,omitempty"`

	// Cells are the record as it was sent; nil for commands.
	Cells []string `json:"cells,omitempty"`

	// Ignored is set when the cells that are none of the values were forgotten (store.keep_files):
	// the SHA-256 of these, whose places in Cells are empty.
	Ignored string `json:"ignored,omitempty"`

	// Problem says why the row cannot be used, with the remedy, as a clause without a full stop; ""
	// when it can.
	Problem string `json:"problem,omitempty"`
}

// RowValues are the values of a row by column, without the spaces around them.
type RowValues = ValuesBy[Column]

// AccountID returns the account that the row names by id, "" where it does not.
func (r *Row) AccountID() string { return r.Values.Get(ColumnAccountID) }

// Email returns the current address that the row gives, "" where it does not.
func (r *Row) Email() string { return r.Values.Get(ColumnEmail) }

// Address returns the address of somebody who has no account yet: the current one of the row, else
// the new one.
func (r *Row) Address() string { return cmp.Or(r.Email(), r.NewEmail()) }

// NewEmail returns the new address that the row asks for, "" where it does not.
func (r *Row) NewEmail() string { return r.Values.Get(ColumnNewEmail) }

// Set returns the row a value.
func (r *Row) Set(column Column, value string) { r.Values.Set(column, value) }

// OtherOrgProblem returns the problem of a row that names another organisation than ours.
func OtherOrgProblem(org string) string {
	return fmt.Sprintf("org_id %s is another organisation than the one that is set up here", QuoteCell(org))
}

// Sheet is a request as it was read: every record of it, readable or not.
type Sheet struct {
	Header  []string // as sent; nil for commands
	Rows    []Row
	Ignored []string // columns that were carried along and ignored, as sent
	Dialect Dialect

	// NeedsAction says that neither columns, nor rows, nor the given verb say what is to happen:
	// somebody has to be asked.
	NeedsAction bool
	Unknown     []UnknownColumn // the columns that were not understood, where somebody has to be asked
}

// UnknownColumn is a column of a file whose name was not understood.
type UnknownColumn struct {
	Name    string // as sent
	Nearest string // the known name that was probably meant; "" when none is near
}

// Dialect is how a file was written.
type Dialect struct {
	Encoding string // "utf-8", "utf-16le", "utf-16be"
	Comma    rune
}

// ReadLimits bound what is taken in.
type ReadLimits struct {
	MaxBytes int // of a file
	MaxRows  int // limits.max_changes
}
