// Package store is the contract between the program and its database: what a driver keeps for the
// engine, the bot, the reports and the audit, and with which errors it answers. Drivers are in the
// folders below it, one for each database; storetest holds every one of them to the contract.
//
// What a driver promises:
//
//   - Each method is one transaction. When it returns nil everything is on disk, otherwise nothing
//     is; snapshots alone are taken and dropped in several, of which one makes the difference to who
//     reads.
//   - A writing transaction sees what no other transaction can change before it commits, so that a
//     rule that looks at what was loaded decides about what is stored: compare-and-set.
//   - Events are written in the transaction of the change that they record, and are never changed.
//     Neither are plans and decisions. The events are a chain of hashes that says what the tables
//     hold: Audit finds where they are not what was written.
//   - Moments come from the caller or from time.Now, never from the database's own clock, so that
//     tests can set them.
package store

import (
	"context"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// Driver is an open database. It may be used by any number of goroutines. What failed in the
// database itself comes back as an *Error.
type Driver interface {
	workflow.Store
	report.Store
	report.Lists
	workflow.Nights
	Posts
	Memory
	Numbers
	Past
	Log

	// PruneOriginals deletes the bytes of the requests of batches that ended before the moment, and of
	// the lists that were compared before it, and returns of how many. Their hashes and plans stay.
	PruneOriginals(ctx context.Context, before time.Time) (n int, err error)
	// Close ends every transaction and closes the database.
	Close() error
}

// Posts remembers what is in Slack, and what came from there.
type Posts interface {
	// Post loads what is known of one thing in Slack; ok is false when it was never sent.
	Post(ctx context.Context, key string) (p workflow.Post, ok bool, err error)
	// SavePost writes a post, in the place of what was known under its key.
	SavePost(ctx context.Context, p workflow.Post) error
	// Posts lists the posts of a batch by key; those that belong to none for 0.
	Posts(ctx context.Context, batch int64) ([]workflow.Post, error)
	// DeletePost forgets a post; one that is not known is no error.
	DeletePost(ctx context.Context, key string) error
	// Seen remembers a delivery; first is false when it was there before. It is forgotten after two
	// days.
	Seen(ctx context.Context, id string, at time.Time) (first bool, err error)
	// WasSeen reports whether a delivery is remembered.
	WasSeen(ctx context.Context, id string) (bool, error)
	// Revisions gives number and revision of every batch whose posts may be behind: all that are
	// open, those that ended and have no post yet, and those that ended and have a post that is
	// being sent or shows an older revision.
	Revisions(ctx context.Context) (map[int64]int64, error)
}

// Memory keeps a little over a restart, by name. Losing it costs some speed and nothing else.
type Memory interface {
	// Remember keeps a value under a name, in the place of what was there. Secrets must not be in
	// it.
	Remember(ctx context.Context, name string, value []byte) error
	// Recall returns what was remembered last under a name; nil when there is nothing.
	Recall(ctx context.Context, name string) ([]byte, error)
	// RecordGroup writes down who is in a user group, with an event, when it is not who was in it
	// when it was last read.
	RecordGroup(ctx context.Context, group string, members []string) error
	// RecordedGroup gives who was in a user group when that was last recorded, in the order of
	// their ids; nil when it never was.
	RecordedGroup(ctx context.Context, group string) ([]string, error)
}

// Numbers are those that batches were given, which are never given again, also where Slack
// remembers more of them than a database that was put back.
type Numbers interface {
	// LastNumber is the highest number that a batch was given or that was skipped; 0 before the
	// first.
	LastNumber(ctx context.Context) (int64, error)
	// SkipNumbers sees to it that the next batch gets a number above to, with an event of kind
	// EventSkipped by the actor and at the moment of e. skipped is false, and nothing is written,
	// where it would get one anyway.
	SkipNumbers(ctx context.Context, to int64, e workflow.Event) (skipped bool, err error)
	// HasEvent reports whether the log has the event of that number with a hash that begins so, and
	// returns the number of its last event.
	HasEvent(ctx context.Context, seq int64, hash string) (has bool, last int64, err error)
}

// Past is what the database knows of one account.
type Past interface {
	// Sightings returns how an account looked in the snapshots that are kept, oldest first. Of
	// snapshots that follow each other and in which it looked the same there is one sighting.
	Sightings(ctx context.Context, account string) ([]workflow.Sighting, error)
	// MadeOf returns the changes of an account that batches have run, oldest first, with what became
	// of each step; of very many the latest.
	MadeOf(ctx context.Context, account string) ([]workflow.Made, error)
	// KnownAs returns the ids of the accounts that have or had the address, compared by AddressKey,
	// by what snapshots and changes tell, sorted.
	KnownAs(ctx context.Context, address string) ([]string, error)
	// KnownOn returns the ids of the accounts that had an address on the domain and got another one,
	// by what snapshots and changes tell, sorted.
	KnownOn(ctx context.Context, domain string) ([]string, error)
	// TrailOf returns what is known of what was done to the account, by batches and by Atlassian's log,
	// which may name one of its addresses alone.
	TrailOf(ctx context.Context, account string, addresses []string) (workflow.Trail, error)
	// NightsKept returns of how many days (UTC) snapshots are kept, and when the oldest of them was
	// taken; the zero time where there is none. A night that several reports read counts once.
	NightsKept(ctx context.Context) (n int, since time.Time, err error)
}

// Log is the append-only log of events, and what it proves.
type Log interface {
	// LogEvent writes down what belongs to no change of a batch: a refused click, a start of the
	// program.
	LogEvent(ctx context.Context, e workflow.Event) error
	// Events calls fn with every event in order, as a line of JSON: what is hashed, with the hash
	// as its last member.
	Events(ctx context.Context, fn func(line []byte) error) error
	// LogHead is the head of the log as it is now.
	LogHead(ctx context.Context) (Head, error)
	// VerifyEvents reads the whole log and returns how many events it has and the hash of the last,
	// or, by a *ChainError, where one was changed, put in or taken out.
	VerifyEvents(ctx context.Context) (count int64, head string, err error)
	// Audit reads everything that the log can prove, as of one moment, and finds what does not
	// hold. anchors are heads of the log that were kept outside: it must still have each of them.
	Audit(ctx context.Context, anchors ...Head) (Audited, error)
	// Evidence calls fn with all that is known of a batch, from one state of the database;
	// workflow.ErrNoBatch when there is none of that number.
	Evidence(ctx context.Context, number int64, fn func(Evidence) error) error
}

// Evidence is all that is known of one batch, as of one moment.
type Evidence struct {
	Batch       *workflow.Batch
	RequestHash string // SHA-256 of the bytes of the request, hex
	Request     []byte
	Kept        bool // the bytes are still there (store.keep_files)
	Changes     []workflow.Change
	Head        Head // of the log

	// Events calls fn with every event of the batch, as Log.Events does.
	Events func(fn func(line []byte) error) error
}

// Head is where the log of events ended at some moment. Somebody who keeps one elsewhere can prove
// later that the log still has all that it had then.
type Head struct {
	Seq  int64
	Hash string
}
