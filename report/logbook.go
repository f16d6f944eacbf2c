package report

import (
	"context"
	"time"

	"github.com/countersign/countersign/workflow"
)

// LogState is how the organisation's own log stands.
type LogState string

// The states of the log.
const (
	LogNew     LogState = ""        // nobody has asked for it yet
	LogThere   LogState = "there"   // it is read
	LogMissing LogState = "missing" // the plan has none
	LogRefused LogState = "refused" // the key may not read it
)

// LogReading is how far the organisation's own log has been read.
type LogReading struct {
	State   LogState
	Since   time.Time // when State was found out
	Asked   time.Time // when the log was last asked for
	Refused time.Time // since when it has been refused each time; zero: the last time it was not
	Cursor  string    // to go on with; "" where none is known
	Read    time.Time // everything that the log showed then has been read; zero: nothing yet
	Gap     LogGap    // the latest
}

// LogGap is a time of which the log does not tell any more, as it was read too late; the zero value is
// none.
type LogGap struct {
	From, To time.Time
	Found    time.Time
}

// Subject is an account whose trail is asked for.
type Subject struct {
	ID     string
	Emails []string // that it has or had; events and invitations may name these alone
}

// Told is what one run of a report of changes told: two nights beside each other.
type Told struct {
	Report   string
	Snapshot int64 // the later one
	Since    int64 // the earlier one; 0 when there was none
	Notes    []string
}

// Doubt is a difference that a report told as "not by countersign".
type Doubt struct {
	Told
	AccountID   string
	Name, Email string
	From        string
	workflow.Differing
	By string // who it was, once that is known
	At time.Time
}

// Logbook keeps what the organisation's own log tells, and what reports made of it.
type Logbook interface {
	// LogReading returns how far the log has been read; the zero value at first.
	LogReading(ctx context.Context) (LogReading, error)
	// SaveLog writes events and how far the log has been read with them. An event that is there
	// already stays.
	SaveLog(ctx context.Context, reading LogReading, events []workflow.Logged) error
	// SaveKeys adds to the keys that are known to be ours.
	SaveKeys(ctx context.Context, keys workflow.Keys, at time.Time) error
	// Trails returns what is known of what was done to the accounts: id → trail, one for each.
	Trails(ctx context.Context, accounts []Subject) (map[string]workflow.Trail, error)

	// SaveTold writes what a run tells, in the place of what it told before: the differences
	// that nobody explains, and those of earlier runs that are explained now.
	SaveTold(ctx context.Context, c Told, unexplained, explained []Doubt) error
	// Told returns one; ok is false when there is none.
	Told(ctx context.Context, report string, snapshot int64) (c Told, ok bool, err error)
	// OpenDoubts returns the doubts of the report's runs that are done, but for the run that stands on
	// the snapshot, which no other run of it has explained, of nights after the moment; at most limit,
	// the newest.
	OpenDoubts(ctx context.Context, report string, snapshot int64, after time.Time, limit int) ([]Doubt, error)
	// Explained returns the doubts that the run on the snapshot explained, by account.
	Explained(ctx context.Context, report string, snapshot int64) ([]Doubt, error)
	// Corrected returns the doubts of the run on the snapshot that later runs which are done explained,
	// by account.
	Corrected(ctx context.Context, report string, snapshot int64) ([]Doubt, error)
}
