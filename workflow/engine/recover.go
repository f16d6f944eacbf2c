package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Recover makes the store true after a stop of any kind: calls that were under way are unknown, and
// a batch that has not run for longer than StartWithin is paused. It sends nothing, and is called
// once, before Run.
func (e *Engine) Recover(ctx context.Context) error {
	batches, err := e.store.List(ctx, 0, workflow.Approved, workflow.Running, workflow.Paused)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	for _, b := range batches {
		if err := e.noteRestart(ctx, b); err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
		late := b.Link == workflow.LinkReturn && b.OrgID == e.cfg.OrgID // it runs as soon as it can
		if b.State == workflow.Paused || b.Cancelling() || late {
			continue
		}
		last := latest(b.Due(), b.Started, b.Resumed)
		if b.OrgID == e.cfg.OrgID && e.mayStillStart(b, last) {
			continue // it has moved since then, if anything, and its rows need not be read for that
		}
		if last, err = e.lastMoved(ctx, b); err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
		stop := workflow.Stop{Cause: workflow.StopLateStart, Note: workflow.LastingWords(e.cfg.StartWithin)}
		if b.OrgID != e.cfg.OrgID {
			stop = workflow.Stop{Cause: workflow.StopOtherOrg}
		} else if e.mayStillStart(b, last) {
			continue
		}
		_, err = e.store.Update(ctx, b.Number, func(b *workflow.Batch) error { return b.PauseByBot(stop) })
		if err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
	}
	return nil
}

// mayStillStart reports whether a batch that last moved then may go on by itself. Before its first
// call the time counts from when the window was first open; afterwards a closed window does not
// count, and one that is open for too little a year never adds up to the limit.
func (e *Engine) mayStillStart(b *workflow.Batch, last time.Time) bool {
	limit := e.cfg.Run.Window.Reach(last, e.cfg.StartWithin)
	if b.Started.IsZero() {
		limit = e.cfg.Run.Window.FirstOpen(last).Add(e.cfg.StartWithin)
	}
	return limit.IsZero() || !time.Now().After(limit)
}

// noteRestart notes on a batch that it ran when the program stopped, and makes every change unknown
// whose call was under way then.
func (e *Engine) noteRestart(ctx context.Context, b *workflow.Batch) error {
	running, err := e.store.Changes(ctx, b.Number, 0, pageOfRows, workflow.ChangeRunning)
	if err != nil {
		return err
	}
	restart := &workflow.Restart{At: time.Now()}
	for i := range running {
		restart.Rows = append(restart.Rows, running[i].Row)
	}
	if len(running) > 0 {
		return e.markUnknown(ctx, b.Number, func(b *workflow.Batch) { b.Restarted = restart })
	}
	if b.State != workflow.Running {
		return nil
	}
	_, err = e.store.Update(ctx, b.Number, func(b *workflow.Batch) error {
		b.Record(workflow.Event{At: restart.At, Actor: workflow.Bot, Kind: "restarted"})
		b.Restarted = restart
		return nil
	})
	return err
}

// markUnknown makes every change unknown whose call was under way when nobody was there to hear the
// answer. note is called in the same transaction.
func (e *Engine) markUnknown(ctx context.Context, number int64, note func(*workflow.Batch)) error {
	summary, err := e.store.Summary(ctx, number)
	if err != nil || summary.State(workflow.ChangeRunning) == 0 {
		return err
	}
	_, err = e.store.UpdateChanges(ctx, number, workflow.ChangeRunning, func(c *workflow.Change) error {
		c.Reason = workflow.NewReason(workflow.ReasonInterrupted)
		return c.Move(workflow.ChangeUnknown)
	}, func(b *workflow.Batch) error {
		note(b)
		b.Record(workflow.Event{At: time.Now(), Actor: workflow.Bot, Kind: "interrupted", Data: workflow.EventData(map[string]any{
			"changes": summary.State(workflow.ChangeRunning),
		})})
		return nil
	})
	return err
}

// lastMoved is when the batch last made headway.
func (e *Engine) lastMoved(ctx context.Context, b *workflow.Batch) (time.Time, error) {
	last := latest(b.Due(), b.Started, b.Resumed)
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, b.Number, after, pageOfRows)
		if err != nil {
			return last, err
		}
		for i := range changes {
			last = latest(last, changes[i].Called, changes[i].Finished)
			after = changes[i].Row
		}
		if len(changes) < pageOfRows {
			return last, nil
		}
	}
}

func latest(times ...time.Time) time.Time {
	var last time.Time
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}
