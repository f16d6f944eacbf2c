package report

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// try makes one try of a run and writes down what came of it.
func (r *Runner) try(ctx context.Context, e *entry, kind Kind, run Run) error {
	select {
	case r.reading <- struct{}{}:
		defer func() { <-r.reading }()
	case <-ctx.Done():
		return nil
	}
	log := r.log.With().Str("report", e.Name).Int64("run", run.ID).Logger()
	run, err := r.store.UpdateRun(ctx, run.ID, begin)
	if err != nil {
		return err
	}
	if run.State == RunFailed { // every try was cut short by the end of the program
		r.finished()
		return nil
	}
	from := r.from
	if run.By == "" {
		from.due = run.Due
	}
	snapshot, failure := kind.Take(ctx, from, e.Definition, time.Now())
	if failure != nil && ctx.Err() != nil {
		return r.callOff(ctx, run)
	}
	if failure != nil {
		log.Warn().Err(failure).Int("attempt", run.Attempts).Msg("the report failed")
	}
	// The result is known and is written down although the program may be ending now.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), putBack, errors.New("write the end of a report run"))
	defer cancel()
	run, err = r.store.UpdateRun(ctx, run.ID, func(run *Run) error {
		run.end(time.Now(), snapshot, failure)
		return nil
	})
	if err != nil || run.State.Live() {
		return err
	}
	r.finished()
	if run.State == RunDone {
		log.Info().Any("figures", run.Figures).Int64("snapshot", run.Snapshot).Msg("the report is done")
		if _, err := r.store.KeepSnapshots(ctx, e.Name, e.Keep); err != nil {
			log.Warn().Err(err).Msg("old snapshots were not dropped") // the next night drops them
		}
	}
	return nil
}

// begin starts a try. A run that is found running was cut off by the end of the program; that
// counts as a try, so that a report that brings the program down does not do so for ever.
func begin(run *Run) error {
	if !run.State.Live() {
		return fmt.Errorf("report run %d is %s and cannot be tried", run.ID, run.State)
	}
	now := time.Now()
	if run.Started.IsZero() {
		run.Started = now
	}
	if run.State == RunRunning && run.Attempts > len(again()) {
		run.State, run.Finished, run.Reason = RunFailed, now, "countersign was restarted during each try"
		return nil
	}
	if run.State == RunRunning {
		run.Reason = begunAgain
	}
	run.State, run.NextTry = RunRunning, time.Time{}
	run.Attempts++
	return nil
}

// begunAgain is said of a run that the end of the program cut short, until a try ends.
const begunAgain = "countersign was restarted during the run, and began again"

// end writes down what came of a try. After a failed one the run waits for the next, or has failed
// when there is none left.
func (run *Run) end(now time.Time, snapshot Snapshot, failure error) {
	run.NextTry = time.Time{}
	switch later := again(); {
	case failure == nil:
		said := []string{snapshot.Note}
		if run.Reason == begunAgain {
			said = append(said, begunAgain)
		}
		run.State, run.Finished, run.Reason = RunDone, now, strings.TrimPrefix(strings.Join(said, "; "), "; ")
		run.Snapshot, run.Figures = snapshot.ID, snapshot.Figures
	case run.Attempts > len(later):
		run.State, run.Finished, run.Reason = RunFailed, now, why(failure)
	default:
		if run.FirstFailed.IsZero() {
			run.FirstFailed = now
		}
		run.State, run.Reason = RunWaiting, why(failure)
		run.NextTry = run.FirstFailed.Add(later[run.Attempts-1])
		if run.NextTry.Before(now) { // the try itself took longer than that
			run.NextTry = now
		}
	}
}

// callOff puts back a try that the end of the program cut short; it does not count.
func (r *Runner) callOff(ctx context.Context, run Run) error {
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), putBack, errors.New("put back a report run"))
	defer cancel()
	_, err := r.store.UpdateRun(ctx, run.ID, func(run *Run) error {
		run.State, run.NextTry, run.Reason = RunWaiting, time.Now(), begunAgain
		run.Attempts--
		return nil
	})
	return err
}

// why puts an error into a clause for the channel. What it does not know stays in the log.
func why(err error) string {
	switch {
	case errors.Is(err, workflow.ErrKeyRefused):
		return "Atlassian refused the key; renew it in the settings"
	case errors.Is(err, workflow.ErrKeyScoped):
		return "the Atlassian key was made with scopes; make one without"
	case errors.Is(err, workflow.ErrThrottled):
		return "Atlassian kept throttling the export"
	case errors.Is(err, workflow.ErrUnavailable):
		return "Atlassian could not be reached"
	case errors.Is(err, workflow.ErrNotFound):
		return "Atlassian does not know the organisation; check atlassian.org_id"
	}
	if refused, ok := errors.AsType[*workflow.Refusal](err); ok {
		return refused.Reason.Words()
	}
	return "something unexpected went wrong; the log of the program says what"
}
