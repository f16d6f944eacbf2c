package report

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// ErrNoSnapshot says that there is no such snapshot, or no longer: nights beyond keep are dropped.
var ErrNoSnapshot = errors.New("no such snapshot")

// Population is whose accounts a snapshot has. Snapshots of one population are compared with each
// other, never with those of another.
type Population string

// ManagedPopulation are the accounts that the organisation manages.
const ManagedPopulation Population = ""

// SitePopulation returns the population of one Jira site, by its name in the settings.
func SitePopulation(site string) Population { return Population("site:" + site) }

// Night is one snapshot in short; the zero value is none.
type Night struct {
	ID   int64
	At   time.Time
	Read time.Time // Snapshot.Read
}

// Snapshot is the directory as one reading of it showed it.
type Snapshot struct {
	ID         int64
	Report     string // that took it
	Population Population
	At         time.Time // when its reading began
	Read       time.Time // when that ended, not before At: what was done meanwhile can be in it
	Figures    Figures
	Note       string // what is to be said of the reading, as a clause; "" for nothing. It is not stored
}

// SnapshotQuery says which snapshots are meant; what is left out leaves none out, but for the
// population.
type SnapshotQuery struct {
	Population Population
	// Report that took it, or one of whose runs stands on it.
	Report string
	// Date of a run that stands on it (Run.Date: the day by the clock of the schedule), 2006-01-02.
	Date string
	// Since and Before bound when it was taken: since <= t < before.
	Since, Before time.Time
	Limit         int
}

// Difference is one account that two snapshots show otherwise, whatever it is but its owner and the
// days on which it was active, which are left out of both members.
type Difference struct {
	AccountID string
	Before    *workflow.Member // nil: it was not there
	After     *workflow.Member // nil: it is gone
}

// Version is how an account looked in snapshots that follow each other.
type Version struct {
	workflow.Member // without its owner and the days on which it was active

	First, Last Night // of these snapshots, as far as they are kept
	Before      Night // the snapshot before First; zero where none is kept
	After       Night // the snapshot after Last; zero where Last is the newest
}

// Snapshots keeps snapshots. One is immutable and complete once it is there, also while another one
// is being stored or dropped: what reads one waits for nobody, and nobody for it.
type Snapshots interface {
	// TakeSnapshot reads the sequence of all managed accounts to its end and stores it, whole or,
	// when it ends with an error, not at all. An account that comes twice (the pages move while they
	// are read) counts once, as it came last. An Owner that is "" was not read: the account keeps the
	// one that is known. One is taken at a time: ErrBusy.
	TakeSnapshot(ctx context.Context, report string, at time.Time, members iter.Seq2[workflow.Member, error]) (Snapshot, error)
	// TakeSnapshotOf does the same for another population.
	TakeSnapshotOf(
		ctx context.Context, population Population, report string, at time.Time, members iter.Seq2[workflow.Member, error],
	) (Snapshot, error)
	// ListSnapshots returns the snapshots of the query, the newest first.
	ListSnapshots(ctx context.Context, query SnapshotQuery) ([]Snapshot, error)
	// Snapshot returns one; ErrNoSnapshot.
	Snapshot(ctx context.Context, id int64) (Snapshot, error)
	// SnapshotMembers returns the accounts of a snapshot by account id, with their products as
	// SortProducts orders them. A sequence ends with an error (ErrNoSnapshot) or is complete.
	SnapshotMembers(ctx context.Context, id int64) iter.Seq2[workflow.Member, error]
	// SnapshotOwners counts the accounts of a snapshot by their owner, "" where that was never read;
	// ErrNoSnapshot.
	SnapshotOwners(ctx context.Context, id int64) (map[string]int, error)
	// SnapshotProducts returns the products that the accounts of a snapshot can use, each once, as
	// SortProducts orders them, without activity.
	SnapshotProducts(ctx context.Context, id int64) ([]workflow.Product, error)
	// Differences returns by account id what is different in one snapshot from another, which may be
	// older or newer. A sequence ends with an error (ErrNoSnapshot; ErrOtherPopulation) or is
	// complete.
	Differences(ctx context.Context, from, to int64) iter.Seq2[Difference, error]
	// AccountHistory returns how an account of a population looked in the snapshots that are kept,
	// oldest first.
	AccountHistory(ctx context.Context, population Population, account string) ([]Version, error)
	// WhoHad returns the ids of the managed accounts that have or had an address in the snapshots
	// that are kept, compared by workflow.AddressKey, sorted.
	WhoHad(ctx context.Context, address string) ([]string, error)
	// KeepSnapshots gives up the snapshots of a report but those of its newest nights. What no other
	// report's run, no run that compares with it and no batch needs is dropped. The newest snapshot of a
	// population stays in any case, and so does the report of which a batch was drafted
	// (workflow.Source.Report). What the report told of the nights that it gave up goes, too, as do
	// the events of the organisation's log from before all nights.
	KeepSnapshots(ctx context.Context, report string, nights int) (dropped int, err error)
}

// ErrOtherPopulation says that two snapshots are not of the same population.
var ErrOtherPopulation = errors.New("the snapshots are of different things")

// SortProducts puts products into the one order in which they are stored, so that it makes no
// difference in which order the vendor lists them.
func SortProducts(products []workflow.Product) { slices.SortStableFunc(products, CompareProducts) }

// CompareProducts says which of two products stands first.
func CompareProducts(a, b workflow.Product) int {
	return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.URL, b.URL), cmp.Compare(a.Name, b.Name))
}
