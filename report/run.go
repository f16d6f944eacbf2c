package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
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

// NoRunError is ErrNoRun with the report that was asked for, and the date of its last run that there
// is; "" when it never ran.
type NoRunError struct{ Report, Last string }

func (e *NoRunError) Error() string { return fmt.Sprintf("report %s: %v", e.Report, ErrNoRun) }

// Unwrap makes it match ErrNoRun.
func (e *NoRunError) Unwrap() error { return ErrNoRun }

// RunState is where a run is in its life.
type RunState string

// The states of a run.
const (
	// RunWaiting: to be tried at NextTry. In: it became due, somebody asked for it, or a try
	// failed.
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

// Live reports whether the run has not ended; a report has one such run at most.
func (s RunState) Live() bool { return s == RunWaiting || s == RunRunning }

// Run is one time that a report was due or asked for.
type Run struct {
	ID       int64
	Report   string
	Kind     KindName
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
	Reason   string // why the last try failed, or what is to be said of it, as a clause; "" for nothing
	Figures  Figures
}

// Result is a run that ended, as it is reported.
type Result struct {
	Run      int64
	Report   string
	Kind     KindName
	By       string // who asked; "" when the schedule did
	Date     string
	FileName string
	At       time.Time // when it ended
	Figures  Figures   // nil when it failed
	Before   Figures   // of the run before it that did not fail; nil when there is none
	Failed   bool
	Reason   string // of the failure, or what is to be said of what was read, as a clause
	Snapshot int64  // 0 when it failed or the snapshot was dropped: there is no file any more

	// Log is where the log of events ended with this run. What is shown of it outside the database
	// is what an audit can hold the log against (countersign audit verify --head).
	Log LogHead
}

// FileState is what the message of a result says of the file in its thread; it is kept as the version
// of the message's post.
type FileState int64

// The states of a file.
const (
	FileThere    FileState = 1 + iota // it is there or about to be
	FileWaits                         // Slack does not take it; it is sent when that does
	FileStaysOut                      // Slack did not take it for too long
)

// LogHead is an event by its number and its hash, which covers all events before it.
type LogHead struct {
	Seq  int64 // 0 when it is not known
	Hash string
}

// MessageKey returns the key of the post (workflow.Post) that is the result's message.
func (r Result) MessageKey() string { return postKey(r.Report, r.Run, "message") }

// ChartKey returns the key of the post that is the result's chart.
func (r Result) ChartKey() string { return postKey(r.Report, r.Run, "chart") }

// ChartName returns the name of the chart's file.
func (r Result) ChartName() string { return strings.TrimSuffix(r.FileName, ".csv") + ".png" }

// FileKey returns the key of the post that is the result's file.
func (r Result) FileKey() string { return postKey(r.Report, r.Run, "file") }

// Runs keeps the runs.
type Runs interface {
	// CaughtUpTo returns the moment after which a schedule's moments have not been run: its latest
	// one that has, or, when there is none, when this line and zone were first seen for the report,
	// which is now if they are new.
	CaughtUpTo(ctx context.Context, report, line, zone string, now time.Time) (time.Time, error)
	// CreateRun records a run and the events, for that is one thing; ErrBusy when the report has a
	// live one.
	CreateRun(ctx context.Context, run Run, events ...workflow.Event) (Run, error)
	// UpdateRun loads the run, applies the rule and writes it and the events. An error of the rule
	// leaves everything as it was. A run that ends leaves an event of its own.
	UpdateRun(ctx context.Context, id int64, rule func(*Run) error, events ...workflow.Event) (Run, error)
	// LiveRun returns the report's waiting or running run; ok is false when there is none.
	LiveRun(ctx context.Context, report string) (run Run, ok bool, err error)
}

// Results reads the runs that ended.
type Results interface {
	// Result returns one; ErrNoRun when there is no such run or it has not ended.
	Result(ctx context.Context, run int64) (Result, error)
	// Results lists those of a report, of one date (all when it is ""), newest first, at most
	// limit.
	Results(ctx context.Context, report, date string, limit int) ([]Result, error)
	// UnpostedResults lists those whose posts are missing or half sent, oldest first: the message
	// (MessageKey) without a TS or saying that the file waits (FileWaits), or the file (FileKey) without a
	// File where there is one to post.
	UnpostedResults(ctx context.Context) ([]Result, error)
}

// Store is all that a Runner keeps.
type Store interface {
	Snapshots
	Runs
	Results
	Logbook
}

func postKey(report string, run int64, what string) string {
	return fmt.Sprintf("report/%s/%d/%s", report, run, what)
}
