package report

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// firstWait is how long somebody waits for the first reading of the directory. It goes on without them,
// so that a large organisation is read after all.
const firstWait = 2 * time.Minute

// firstRead is what came of the first reading; note is what is to be said of it, as a clause.
type firstRead struct {
	note string
	err  error
}

// newest returns the newest snapshot of the managed accounts. Where there is none the directory is read
// now, and first says so. Errors: ErrNoNight where that takes too long.
func (r *Runner) newest(ctx context.Context) (night Snapshot, first bool, err error) {
	night, there, err := r.lastNight(ctx)
	if err != nil || there {
		return night, false, err
	}
	read, err := r.readFirst(ctx)
	if err != nil {
		return Snapshot{}, false, err
	}
	night, there, err = r.lastNight(ctx)
	if err == nil && !there {
		err = ErrNoNight
	}
	night.Note = read.note
	return night, true, err
}

func (r *Runner) lastNight(ctx context.Context) (night Snapshot, there bool, err error) {
	newest, err := r.store.ListSnapshots(ctx, SnapshotQuery{Population: ManagedPopulation, Limit: 1})
	if err != nil || len(newest) == 0 {
		return Snapshot{}, false, err
	}
	return newest[0], true, nil
}

// readFirst asks Run to read the directory, and waits for it for a while.
func (r *Runner) readFirst(ctx context.Context) (firstRead, error) {
	late := time.NewTimer(firstWait)
	defer late.Stop()
	done := make(chan firstRead, 1)
	select {
	case r.first <- done:
	case <-late.C:
		return firstRead{}, ErrNoNight
	case <-ctx.Done():
		return firstRead{}, context.Cause(ctx)
	}
	select {
	case read := <-done:
		return read, read.err
	case <-late.C:
		return firstRead{}, ErrNoNight
	case <-ctx.Done():
		return firstRead{}, context.Cause(ctx)
	}
}

// firstNights records the directory for those who need a night before there is one. No run stands on
// it, so nothing is told in a channel.
func (r *Runner) firstNights(ctx context.Context) {
	for {
		select {
		case done := <-r.first:
			read := r.takeFirst(ctx)
			if ctx.Err() != nil {
				return // who waits is ending, too, and is to take it for nothing else
			}
			if read.err != nil {
				r.log.Warn().Err(read.err).Msg("read the directory for the first time")
			}
			done <- read
		case <-ctx.Done():
			return
		}
	}
}

func (r *Runner) takeFirst(ctx context.Context) firstRead {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return firstRead{err: ctx.Err()}
	}
	_, there, err := r.lastNight(ctx) // it may have come while this waited
	if err != nil || there {
		return firstRead{err: err}
	}
	var night Snapshot
	for _, e := range r.reports { // those of the settings stand first
		if e.Kind == ManagedAccounts {
			night, err = takeAccounts(ctx, r.from, e.Definition, time.Now())
			break
		}
	}
	if err != nil {
		return firstRead{err: fmt.Errorf("read the directory: %w", err)}
	}
	r.log.Info().Int64("snapshot", night.ID).Str("accounts", workflow.Number(night.Figures[FigureAccounts])).
		Msg("recorded the directory, as nobody had")
	return firstRead{note: night.Note}
}
