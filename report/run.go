package report

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Answers to people.
var (
	ErrUnknownReport = errors.New("no such report")
	ErrNotSupported  = errors.New("this kind of report is not supported yet")
	ErrBusy          = errors.New("the report is running already")
	ErrNoRun         = errors.New("the report did not run then")
)

// Kind is what a report is about.
type Kind string

// The kinds. Those that this version makes are in supported.
const (
	ManagedAccounts Kind = "managed-accounts"
	Changes         Kind = "changes"
	Inactive        Kind = "inactive"
	Summary         Kind = "summary"
)

// Kinds lists every kind there is, made or not.
func Kinds() []Kind { return []Kind{ManagedAccounts, Changes, Inactive, Summary} }

// Supported says whether this version makes reports of the kind.
func (k Kind) Supported() bool { return k == ManagedAccounts }

// RunState is where a run is in its life.
type RunState string

// The states of a run.
const (
	// RunWaiting: to be tried at NextTry. In: it became due, somebody asked for it, or a try failed.
	RunWaiting RunState = "waiting"
	// RunRunning: being tried. After a crash it waits again.
	RunRunning RunState = "running"
	// RunDone: the snapshot is there. Final.
	RunDone RunState = "done"
	// RunFailed: no try helped. Final.
	RunFailed RunState = "failed"
)

// RunStates lists all states of a run.
func RunStates() []RunState { return []RunState{RunWaiting, RunRunning, RunDone, RunFailed} }

// Live says whether the run has not ended; a report has one such run at most.
func (s RunState) Live() bool { return s == RunWaiting || s == RunRunning }

// Run is one time that a report was due or asked for.
type Run struct {
	ID       int64
	Report   string
	Kind     Kind
	Due      time.Time // the moment of the schedule; when it was asked for
	By       string    // the Slack user id of who asked; "" when the schedule did
	Date     string    // of Due in the schedule's zone, 2006-01-02
	FileName string
	State    RunState
	Attempts int

	Started     time.Time // of the first try
	Finished    time.Time
	FirstFailed time.Time // when the first try failed: the later ones are counted from here
	NextTry     time.Time // while it waits

	Snapshot int64  // 0 until there is one, and again once that is dropped
	Reason   string // why the last try failed, as a clause; "" when it did not
	Counts
}

// Result is a run that ended, as it is told of.
type Result struct {
	Run      int64
	Report   string
	Kind     Kind
	By       string // who asked; "" when the schedule did
	Date     string
	FileName string
	At       time.Time // when it ended
	Counts             // all 0 when it failed
	Before   *Counts   // of the run before it that did not fail; nil when there is none
	Failed   bool
	Reason   string // of the failure, as a clause
	Snapshot int64  // 0 when it failed or the snapshot was dropped: there is no file any more

	// Log is where the log of events ended with this run. What is shown of it outside the database is what an audit can hold
	// the log against (countersign audit verify --head).
	Log LogHead
}

// LogHead is an event by its number and its hash, which covers all events before it.
type LogHead struct {
	Seq  int64 // 0 when it is not known
	Hash string
}

// MessageKey and FileKey are the keys of the posts (workflow.Post) that show the result.
func (r Result) MessageKey() string { return postKey(r.Report, r.Run, "message") }

// FileKey is the key of the post that is the result's file.
func (r Result) FileKey() string { return postKey(r.Report, r.Run, "file") }

// Runs keeps the runs.
type Runs interface {
	// Owed gives the moment after which a schedule's moments have not been run: its latest one that has, or, when there is
	// none, when this line and zone were first seen for the report, which is now if they are new.
	Owed(ctx context.Context, report, line, zone string, now time.Time) (time.Time, error)
	// CreateRun records a run and the events, for that is one thing; ErrBusy when the report has a live one.
	CreateRun(ctx context.Context, run Run, events ...workflow.Event) (Run, error)
	// UpdateRun loads the run, applies the rule and writes it and the events. An error of the rule leaves everything as it
	// was. A run that ends leaves an event of its own.
	UpdateRun(ctx context.Context, id int64, rule func(*Run) error, events ...workflow.Event) (Run, error)
	// LiveRun gives the report's waiting or running run; ok is false when there is none.
	LiveRun(ctx context.Context, report string) (run Run, ok bool, err error)
}

// Results reads the runs that ended.
type Results interface {
	// Result gives one; ErrNoRun when there is no such run or it has not ended.
	Result(ctx context.Context, run int64) (Result, error)
	// Results lists those of a report, of one date (all when it is ""), newest first, at most limit.
	Results(ctx context.Context, report, date string, limit int) ([]Result, error)
	// UnpostedResults lists those whose posts are missing or half sent, oldest first: the message (MessageKey) without a
	// TS, or the file (FileKey) without a File where there is one to post.
	UnpostedResults(ctx context.Context) ([]Result, error)
}

// Store is all that a Runner keeps.
type Store interface {
	Snapshots
	Runs
	Results
}

func postKey(report string, run int64, what string) string {
	return fmt.Sprintf("report/%s/%d/%s", report, run, what)
}
