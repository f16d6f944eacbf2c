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

// Snapshot is the directory as one reading of it showed it.
type Snapshot struct {
	ID     int64
	Report string // that took it
	At     time.Time
	Counts
}

// Counts are the headline numbers of a snapshot.
type Counts struct {
	Accounts int // all of them, closed ones too
	Active   int
	Inactive int // deactivated
	Billable int
}

// Add counts one account.
func (c *Counts) Add(m workflow.Member) {
	c.Accounts++
	switch m.Status {
	case workflow.StatusActive:
		c.Active++
	case workflow.StatusInactive:
		c.Inactive++
	}
	if m.Billable {
		c.Billable++
	}
}

// Snapshots keeps snapshots.
type Snapshots interface {
	// TakeSnapshot reads the sequence to its end and stores it, whole or, when it ends with an error, not at all. An account
	// that comes twice (the pages move while they are read) counts once, as it came last. One is taken at a time: ErrBusy.
	TakeSnapshot(ctx context.Context, report string, at time.Time, members iter.Seq2[workflow.Member, error]) (Snapshot, error)
	// SnapshotMembers gives back the accounts of a snapshot by account id, with their products as SortProducts orders
	// them. A sequence ends with an error (ErrNoSnapshot) or is complete. It must not be kept waiting for long.
	SnapshotMembers(ctx context.Context, id int64) iter.Seq2[workflow.Member, error]
	// KeepSnapshots drops the snapshots of a report but those of its newest nights, and what no snapshot needs any more.
	// The newest snapshot stays in any case.
	KeepSnapshots(ctx context.Context, report string, nights int) (dropped int, err error)
}

// SortProducts puts products into the one order in which they are stored, so that it makes no difference in which order
// the vendor lists them.
func SortProducts(products []workflow.Product) {
	slices.SortStableFunc(products, func(a, b workflow.Product) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.URL, b.URL), cmp.Compare(a.Name, b.Name))
	})
}
