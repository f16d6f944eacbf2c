package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/run"
)

// runBatch runs an approved batch to its end, or as far as it may.
func (e *Engine) runBatch(ctx context.Context, number int64, nudge <-chan struct{}) error {
	if err := e.markUnknown(ctx, number, func(*workflow.Batch) {}); err != nil { // an earlier run of ours may have broken off
		return err
	}
	if err := e.replan(ctx, number); err != nil {
		return fmt.Errorf("look again at what failed in batch %d: %w", number, err)
	}
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return err
	}
	switch {
	case b.Returns():
		if left, err := e.startReturn(ctx, number, nudge); !left || err != nil {
			return err
		}
	case b.State == workflow.Approved && !b.When.At.IsZero() && !b.Cancelling():
		if started, err := e.mayStart(ctx, b); !started || err != nil {
			return err
		}
	}
	if b.Link == workflow.LinkReturn {
		e.returnRuns(number, true)
		defer func() {
			if b, err := e.store.Batch(ctx, number); err == nil && !b.State.Open() {
				e.returnRuns(number, false)
			}
		}()
	}
	run := run.Config{
		Store: e.store, Directory: e.cfg.Directory.For(number), Limits: e.cfg.Run, OrgID: e.cfg.OrgID, Log: e.cfg.Log,
		Acting: func(ctx context.Context, step workflow.Step) (bool, error) { return e.returnActs(ctx, number, step) },
		Touched: func(ctx context.Context, since time.Time) ([]string, error) {
			return e.store.Touched(ctx, since, nil, number)
		},
		Waits:    func(w workflow.RunWait) { e.noteWait(number, w) },
		WentBack: func(ctx context.Context) (bool, error) { return e.wentBack(ctx, b) },
	}
	left, err := run.Run(ctx, number, nudge)
	if err != nil {
		return fmt.Errorf("run batch %d: %w", number, err)
	}
	if ctx.Err() != nil {
		return nil // the bot stops; the batch stays in its run and goes on at the next start
	}
	return e.endRun(ctx, number, left)
}

// mayStart reports whether a batch whose time has come may start by the people and settings of now;
// if not, it pauses and says why. Where nobody can be asked, the error says so, and it is
// tried again.
func (e *Engine) mayStart(ctx context.Context, b *workflow.Batch) (bool, error) {
	refused := e.goOn(ctx, b, workflow.Actor{})
	stop := workflow.Stop{Cause: workflow.StopStart}
	guard, isGuard := errors.AsType[*workflow.GuardError](refused)
	switch {
	case refused == nil:
		return true, nil
	case isGuard:
		stop.Note, stop.Rows = workflow.NewReason(guard.Code, guard.Facts...).Words(), guard.Rows
	case errors.Is(refused, workflow.ErrRequesterLost), errors.As(refused, new(*workflow.NeedsMoreError)):
		stop.Note = refused.Error()
	default:
		return false, fmt.Errorf("look whether batch %d may start: %w", b.Number, refused)
	}
	_, err := e.store.Update(ctx, b.Number, func(b *workflow.Batch) error {
		if b.State != workflow.Approved || b.Cancelling() {
			return nil
		}
		return b.PauseByBot(stop)
	})
	return false, err
}

// errCancelling is an end that comes behind a Cancel.
var errCancelling = errors.New("the batch is being cancelled")

// endRun ends a batch of which nothing is left to do, or that somebody cancelled.
func (e *Engine) endRun(ctx context.Context, number int64, left int) error {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return err
	}
	switch {
	case b.Cancelling() && b.Ending.How == workflow.Done && b.Over:
		return e.endOver(ctx, number)
	case b.Cancelling() && b.Ending.How == workflow.Done:
		return e.endRunOut(ctx, b)
	case b.Cancelling():
		why := workflow.NewReason(workflow.ReasonNotRun, "cancelled", nameOf(b.Ending.By))
		_, err = e.endUnstarted(ctx, number, why, func(b *workflow.Batch) error {
			now := time.Now()
			b.Parked = nil
			b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "cancelled", Data: workflow.EventData(map[string]any{"by": b.Ending.By.ID})})
			return b.End(workflow.Cancelled, now)
		})
	case left == 0 && (b.State == workflow.Running || b.State == workflow.Paused):
		_, err = e.store.Update(ctx, number, func(b *workflow.Batch) error {
			if b.Cancelling() { // somebody was quicker
				return errCancelling
			}
			return b.Finish()
		})
		if errors.Is(err, errCancelling) {
			return e.endRun(ctx, number, left)
		}
	}
	return err
}
