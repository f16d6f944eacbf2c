package report

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Status is a report as it stands.
type Status struct {
	Name     string
	Kind     KindName
	Schedule string // "" when it runs only when asked for
	Location *time.Location
	Next     time.Time // by its schedule; zero without one, or when its kind is not supported yet
	Live     *Run      // what is waiting or running now
	Last     *Result   // what ended last
}

// List returns every report of the settings in their order, and those that were asked for by kind
// and have run.
func (r *Runner) List(ctx context.Context) ([]Status, error) {
	var list []Status
	for _, e := range r.reports {
		s := Status{Name: e.Name, Kind: e.Kind, Schedule: e.Schedule, Location: e.Location}
		last, err := r.store.Results(ctx, e.Name, "", 1)
		if err != nil {
			return nil, err
		}
		if len(last) > 0 {
			s.Last = &last[0]
		}
		run, live, err := r.store.LiveRun(ctx, e.Name)
		if err != nil {
			return nil, err
		}
		if live {
			s.Live = &run
		}
		if e.schedule != nil && e.Kind.Supported() {
			s.Next = e.schedule.Next(time.Now())
		}
		if !e.unlisted || s.Last != nil || s.Live != nil {
			list = append(list, s)
		}
	}
	return list, nil
}

// Show returns the last run of a report on a date (2006-01-02; "" for the last of all) that did not
// fail, and its file; a failed one, with the zero File, when there is no other. Errors:
// ErrUnknownReport, ErrNoRun, ErrNoSnapshot.
func (r *Runner) Show(ctx context.Context, name, date string) (Result, File, error) {
	if r.find(name) == nil {
		return Result{}, File{}, fmt.Errorf("report %s: %w", name, ErrUnknownReport)
	}
	results, err := r.store.Results(ctx, name, date, 0)
	if err != nil {
		return Result{}, File{}, err
	}
	if len(results) == 0 {
		if results, err = r.store.Results(ctx, name, "", 1); err != nil {
			return Result{}, File{}, err
		}
		none := &NoRunError{Report: name}
		if len(results) > 0 {
			none.Last = results[0].Date
		}
		return Result{}, File{}, none
	}
	shown := results[0]
	for _, result := range results {
		if !result.Failed {
			shown = result
			break
		}
	}
	if shown.Failed {
		return shown, File{}, nil
	}
	file, err := r.File(ctx, shown)
	if err != nil {
		return Result{}, File{}, err
	}
	return shown, file, nil
}

func (r *Runner) write(ctx context.Context, result Result, w io.Writer) error {
	if result.Snapshot == 0 {
		return fmt.Errorf("report %s of %s: %w", result.Report, result.Date, ErrNoSnapshot)
	}
	kind, ok := KindFor(result.Kind)
	if !ok {
		return fmt.Errorf("report %s of %s (%s): %w", result.Report, result.Date, result.Kind, ErrNotSupported)
	}
	return kind.Table(ctx, r.from, r.definition(result), result, w)
}

// Message returns what a message shows of a result beside its headline; nothing of one that failed,
// or whose snapshot was dropped.
func (r *Runner) Message(ctx context.Context, result Result) (Message, error) {
	kind, ok := KindFor(result.Kind)
	if !ok || kind.Message == nil || result.Failed || result.Snapshot == 0 {
		return Message{}, nil
	}
	return kind.Message(ctx, r.from, r.definition(result), result)
}

// Draft returns the result and the accounts of which a draft of a request is offered under it. Errors:
// ErrNoRun, ErrNoSnapshot, ErrNotSupported where none is offered.
func (r *Runner) Draft(ctx context.Context, run int64) (Result, []workflow.Account, error) {
	result, err := r.store.Result(ctx, run)
	if err != nil {
		return Result{}, nil, err
	}
	kind, ok := KindFor(result.Kind)
	switch {
	case !ok || kind.Draft == nil:
		return result, nil, fmt.Errorf("draft of report %s (%s): %w", result.Report, result.Kind, ErrNotSupported)
	case result.Snapshot == 0:
		return result, nil, fmt.Errorf("report %s of %s: %w", result.Report, result.Date, ErrNoSnapshot)
	}
	accounts, err := kind.Draft(ctx, r.from, r.definition(result), result)
	return result, accounts, err
}

// Channel returns the id of the channel that results of the report are told in, "" where that is the
// one for all reports.
func (r *Runner) Channel(name string) string {
	if e := r.find(name); e != nil {
		return e.Channel
	}
	return ""
}

// definition is that of the result's report in the settings; of one that is not there any more, what
// is known of it.
func (r *Runner) definition(result Result) Definition {
	if e := r.find(result.Report); e != nil && e.Kind == result.Kind {
		return e.Definition
	}
	return Definition{Name: result.Report, Kind: result.Kind, Location: time.UTC, Keep: defaultKeep}
}

// Unposted lists the results that still have to be told, oldest first (Results.UnpostedResults).
func (r *Runner) Unposted(ctx context.Context) ([]Result, error) { return r.store.UnpostedResults(ctx) }
