package report

import (
	"context"
	"fmt"
	"io"
	"time"
)

// Diff is what two nights of a report show otherwise.
type Diff struct {
	Report      string
	Date, Later time.Time // the nights, in the zone of the report's schedule
	Headline    []Headline
	Message     Message
	File        File
}

// Diff compares two nights of a report as a report of changes does: those of the dates (2006-01-02), or
// for "" the newest, whichever comes first. Errors: ErrUnknownReport, ErrNoRun, ErrNoSnapshot.
func (r *Runner) Diff(ctx context.Context, name, date, other string) (Diff, error) {
	e := r.find(name)
	if e == nil {
		return Diff{}, fmt.Errorf("report %s: %w", name, ErrUnknownReport)
	}
	since, err := r.nightOf(ctx, e, date)
	if err != nil {
		return Diff{}, err
	}
	until, err := r.nightOf(ctx, e, other)
	if err != nil {
		return Diff{}, err
	}
	if until.ID < since.ID {
		since, until = until, since
	}
	nights, err := nightsBetween(ctx, r.from, since.ID, until.ID)
	if err != nil {
		return Diff{}, err
	}
	nights.zone = e.Location
	d := Diff{Report: name, Date: since.At.In(e.Location), Later: until.At.In(e.Location)}
	figures, message, err := difference(ctx, r.from, nights)
	if err != nil {
		return Diff{}, err
	}
	d.Headline, d.Message = changesHeadline(figures, nil), message
	file := fmt.Sprintf("%s-diff-%s-%s.csv", name, d.Date.Format(time.DateOnly), d.Later.Format(time.DateOnly))
	d.File, err = newFile(ctx, file, zippedOver, func(ctx context.Context, w io.Writer) error {
		return writeChanges(ctx, w, r.from, nights)
	})
	return d, err
}

// nightOf returns the newest night of a report on a date, "" for the newest of all.
func (r *Runner) nightOf(ctx context.Context, e *entry, date string) (Snapshot, error) {
	query := SnapshotQuery{Report: e.Name, Date: date, Limit: 1}
	if e.Kind == SiteUsers {
		query.Population = SitePopulation(e.Site)
	}
	nights, err := r.from.Store.ListSnapshots(ctx, query)
	if err != nil {
		return Snapshot{}, err
	}
	if len(nights) > 0 {
		return nights[0], nil
	}
	query.Date = ""
	if nights, err = r.from.Store.ListSnapshots(ctx, query); err != nil {
		return Snapshot{}, err
	}
	none := &NoRunError{Report: e.Name}
	if len(nights) > 0 {
		none.Last = nights[0].At.In(e.Location).Format(time.DateOnly)
	}
	return Snapshot{}, none
}
