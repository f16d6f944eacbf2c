package store

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// findingsAtMost is how many findings an audit lists; one is enough to know, and many tell the kind
// of it.
const findingsAtMost = 100

// ChainError says where the log of events is not what was written.
type ChainError struct {
	Seq  int64
	What string
}

func (e *ChainError) Error() string { return fmt.Sprintf("event %d: %s", e.Seq, e.What) }

// Finding is one thing that an audit found wrong.
type Finding struct {
	Seq   int64 // the event, 0 when it is about none
	Batch int64 // 0 when it is about none
	Row   int   // 0 when it is about none
	What  string
}

func (f Finding) String() string {
	var where []string
	if f.Seq != 0 {
		where = append(where, fmt.Sprintf("event %d", f.Seq))
	}
	if f.Batch != 0 {
		where = append(where, fmt.Sprintf("batch %d", f.Batch))
	}
	if f.Row != 0 {
		where = append(where, fmt.Sprintf("row %d", f.Row))
	}
	if len(where) == 0 {
		return f.What
	}
	return strings.Join(where, ", ") + ": " + f.What
}

// Audited is what an audit looked at and found.
type Audited struct {
	Head     Head // the last event
	Batches  int
	Rows     int // of the batches
	Findings []Finding
	More     int // findings that are not listed
	// Beside are tables of another program in the file that are known not to be part of what is
	// proved.
	Beside []string

	skipped  []Skipped              // numbers that no batch has
	compared map[int]toldComparison // lists by number, until they are found
}

// skips reports whether the log says that no batch has the number.
func (a *Audited) skips(number int64) bool {
	return slices.ContainsFunc(a.skipped, func(s Skipped) bool { return s.First <= number && number <= s.Last })
}

// Whole reports whether nothing was found.
func (a Audited) Whole() bool { return len(a.Findings) == 0 }

// Find adds a finding.
func (a *Audited) Find(f Finding) {
	if len(a.Findings) == findingsAtMost {
		a.More++
		return
	}
	a.Findings = append(a.Findings, f)
}

// Source is what an audit reads of a database, all of it as of one moment.
type Source interface {
	// Entries are the events in order, as they are stored; those of one batch where it is not 0. All
	// else can be asked for while they are walked through.
	Entries(batch int64) iter.Seq2[Entry, error]
	// Heads are the ends of the log that are kept apart from it, the latest first: there is one.
	Heads() ([]Head, error)
	// ReportHeads are the heads that reports ended with.
	ReportHeads() ([]Head, error)
	// Numbers are the batches that there are, and the highest number that was ever given.
	Numbers() (have []int64, last int64, err error)
	// LastEvents are the numbers of the last event of each batch, 0 where it has none.
	LastEvents() (map[int64]int64, error)
	// Orphans are rows that belong to no batch.
	Orphans() ([]Finding, error)
	// Comparisons are the lists that were compared, by number.
	Comparisons() iter.Seq2[Comparison, error]
	// Batch loads one with its decisions.
	Batch(number int64) (*workflow.Batch, error)
	// Request returns the hash of a request and its bytes, kept false where they were deleted;
	// workflow.ErrNoBatch where there is no such row.
	Request(number int64) (sha256 string, original []byte, kept bool, err error)
	// Changes lists rows by row, after row `after`, at most limit.
	Changes(number int64, after, limit int) ([]workflow.Change, error)
	// Misspelled finds values that decode as they should and are not spelled as a driver spells
	// them, for example with a key twice, of which another program would take the other. All rows of
	// the batch have been listed before.
	Misspelled(b *workflow.Batch, each func(Finding)) error
}

// Audit reads everything that the log of events can prove, and finds what does not hold:
//
//   - the chain: every event is what was written, follows from the one before it, and none is
//     missing up to the head that is kept apart from the log, and up to each of the heads that
//     reports ended with;
//   - the anchors, heads of the log that were kept outside: it still has each of them;
//   - the tables: batches, decisions, plans and what became of every row are what the log says they
//     are, digests are those of the plans, requests and lists that were compared have their hashes,
//     and no call went out that enough people had not approved.
//
// Where the chain is broken the tables are not compared, for they would be compared with nothing.
func Audit(from Source, a *Audited, anchors ...Head) error {
	inner, err := from.ReportHeads()
	if err != nil {
		return err
	}
	tables, err := newTables(from)
	if err != nil {
		return err
	}
	before := len(a.Findings)
	if err := auditChain(from, a, anchors, inner, tables.take); err != nil {
		return err
	}
	if len(a.Findings) > before {
		return nil
	}
	if err := tables.end(a); err != nil {
		return err
	}
	return auditComparisons(from, a)
}

// VerifyChain reads the whole log and returns how many events it has and the hash of the last, or,
// by a *ChainError, where one was changed, put in or taken out.
func VerifyChain(from Source) (count int64, head string, err error) {
	var a Audited
	err = auditChain(from, &a, nil, nil, func(*Entry) error { return nil })
	if err == nil && !a.Whole() {
		err = &ChainError{Seq: a.Findings[0].Seq, What: a.Findings[0].What}
	}
	return a.Head.Seq, a.Head.Hash, err
}
