package report

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"
)

// Status is a report as it stands.
type Status struct {
	Name     string
	Kind     Kind
	Schedule string // "" when it runs only when asked for
	Location *time.Location
	Next     time.Time // by its schedule; zero without one, or when its kind is not supported yet
	Live     *Run      // what is waiting or running just now
	Last     *Result   // what ended last
}

// List gives every report of the settings in their order, and those that were asked for by kind and have run.
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

// Show gives the last run of a report on a date (2006-01-02; "" for the last of all) that did not fail, and its table; a
// failed one, without a table, when there is no other. Errors: ErrUnknownReport, ErrNoRun, ErrNoSnapshot.
func (r *Runner) Show(ctx context.Context, name, date string) (Result, []byte, error) {
	if r.find(name) == nil {
		return Result{}, nil, fmt.Errorf("report %s: %w", name, ErrUnknownReport)
	}
	results, err := r.store.Results(ctx, name, date, 0)
	if err != nil {
		return Result{}, nil, err
	}
	if len(results) == 0 {
		return Result{}, nil, fmt.Errorf("report %s: %w", name, ErrNoRun)
	}
	shown := results[0]
	for _, result := range results {
		if !result.Failed {
			shown = result
			break
		}
	}
	if shown.Failed {
		return shown, nil, nil
	}
	var table bytes.Buffer
	if err := r.write(ctx, shown, &table); err != nil {
		return Result{}, nil, err
	}
	return shown, table.Bytes(), nil
}

// CSV writes the table of a run that did not fail. Errors: ErrNoRun, ErrNoSnapshot.
func (r *Runner) CSV(ctx context.Context, run int64, w io.Writer) error {
	result, err := r.store.Result(ctx, run)
	if err != nil {
		return err
	}
	return r.write(ctx, result, w)
}

func (r *Runner) write(ctx context.Context, result Result, w io.Writer) error {
	if result.Snapshot == 0 {
		return fmt.Errorf("report %s of %s: %w", result.Report, result.Date, ErrNoSnapshot)
	}
	return WriteAccounts(w, r.store.SnapshotMembers(ctx, result.Snapshot))
}

// Unposted lists the results that still have to be told, oldest first (Results.UnpostedResults).
func (r *Runner) Unposted(ctx context.Context) ([]Result, error) { return r.store.UnpostedResults(ctx) }
