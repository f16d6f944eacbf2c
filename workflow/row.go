package workflow

// Row is one record of a request as it was read: from a line of a file or a word of a command. Only what the record gives
// is filled; values have no spaces around them.
type Row struct {
	// Line is where the record starts in the sent file, from 1; commands count their rows from 1.
	Line int

	Action    ActionName
	AccountID string
	Email     string // the current address
	NewEmail  string
	NewName   string
	Group     string
	Message   string
	Site      string
	OrgID     string

	// Cells are the record as it was sent; nil for commands.
	Cells []string

	// Problem says why the row cannot be used, with the remedy, as a clause without a full stop; "" when it can.
	Problem string
}

// Sheet is a request as it was read: every record of it, readable or not.
type Sheet struct {
	Header  []string // as sent; nil for commands
	Rows    []Row
	Ignored []string // columns that were carried along and ignored, as sent
	Dialect Dialect

	// NeedsAction says that neither columns, nor rows, nor the given verb say what is to happen: somebody has to be asked.
	NeedsAction bool
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
