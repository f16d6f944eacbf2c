package run

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// markUnknown makes a change unknown; from now on it is read back until it is known.
func (r *runner) markUnknown(ctx context.Context, t *task, why string) outcome {
	ctx, cancel := lasting(ctx)
	defer cancel()
	_, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		c.Reason = workflow.NewReason(workflow.ReasonUnknown, why)
		b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: "unknown", Data: workflow.EventData(map[string]any{"why": why})})
		return c.Move(workflow.ChangeUnknown)
	})
	if err != nil {
		return broken{err}
	}
	t.begin(stageSettle)
	t.refused = workflow.Reason{}
	return lost{wait: readBack[0]}
}

// prove reads a change back whose call was accepted.
func (r *runner) prove(work context.Context, t *task) outcome {
	p, now, err := r.readBack(work, t, (*action.Action).Proof)
	switch {
	case p == nil:
		return broken{err}
	case errors.Is(err, workflow.ErrNotFound): // as one that does not show the new value yet
		if t.missing++; t.missing > len(readBack) {
			return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonVanished, p.step.AccountID), nil)
		}
		return later{heard: true, wait: readBack[t.missing-1]}
	case work.Err() != nil: // the program ends; it stays running, and is unknown after the next start
		return later{wait: readBack[0]}
	case err != nil:
		return r.markUnknown(work, t, "the account could not be read back")
	}
	t.missing = 0
	if wait := t.unsure(p.action, now, p.step); wait > 0 {
		return later{heard: true, wait: wait}
	}
	if p.action.ShownBy(now, p.step) {
		if _, fields, ok := r.searchable(p); ok && t.unseen > 0 {
			r.measured(fields, t.unseen, false)
		}
		return r.endProved(work, t)
	}
	if t.reads++; t.reads > len(readBack) {
		return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonNotProved, action.ShownWords(now, p.step)), nil)
	}
	return later{heard: true, wait: readBack[t.reads-1]}
}

// settleOutcome reads a change back whose outcome is unknown, and decides once it is known.
func (r *runner) settleOutcome(work context.Context, t *task) outcome {
	p, now, err := r.readBack(work, t, (*action.Action).Facts)
	t.reads++
	again := later{wait: readBack[min(t.reads, len(readBack)-1)]}
	switch {
	case p == nil:
		return broken{err}
	case keyRefused(err):
		if !r.alone() {
			return again
		}
		ctx, cancel := lasting(work)
		defer cancel()
		return cmpOutcome(r.pause(ctx, keyStop(err)), again)
	case errors.Is(err, workflow.ErrNotFound):
		t.old = 0
		if t.missing++; t.missing >= len(readBack) {
			return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonVanished, p.step.AccountID), nil)
		}
		again.heard = true
		return again
	case err != nil: // only this row waits: others go on
		t.old, t.missing = 0, 0
		return again
	}
	again.heard, t.missing = true, 0
	if p.change.AsBefore(now, p.step) && time.Since(t.since) < lostFor {
		return again
	}
	if wait := t.unsure(p.action, now, p.step); wait > 0 {
		again.wait = wait
		return again
	}
	if p.action.ShownBy(now, p.step) {
		return r.endProved(work, t)
	}
	if reason, drifted := drift(now, p.step, t); drifted {
		return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonOvertaken, reason.Facts...), nil)
	}
	readings, after := lostAfter(p.step)
	if t.old++; t.old < readings || time.Since(t.since) < after {
		return again
	}
	if t.refused.Code != "" {
		return r.end(work, t, workflow.ChangeFailed, t.refused, nil)
	}
	if tried := p.change.Tried(); tried >= sendsAtMost {
		return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonLost, strconv.Itoa(tried)), nil)
	}
	return r.sendAgain(work, p)
}

// lostAfter returns after how many readings in a row that show nothing of a call, and how long after
// it, the call counts as lost. Somebody who has no account yet shows in a search alone, which may lag
// behind; and to make them twice mails them twice.
func lostAfter(s workflow.Step) (readings int, after time.Duration) {
	if s.AccountID == "" {
		return newReadings, newLostFor
	}
	return oldReadings, lostFor
}

// sendAgain puts a change back in line whose call got lost and did nothing.
func (r *runner) sendAgain(work context.Context, p *prepared) outcome {
	ctx, cancel := lasting(work)
	defer cancel()
	t := p.task
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		c.Reason = workflow.Reason{}
		if t.heads() && c.Proved() == 0 {
			b.Unpark(c.Row)
		}
		b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: "not_done", Data: workflow.EventData(map[string]any{
			"account_id": p.step.AccountID, "read_back": t.reads,
		})})
		return c.Move(workflow.ChangeReady)
	})
	if err != nil {
		return broken{err}
	}
	r.saw(b)
	t.begin(stageSend)
	return later{heard: true}
}

// readBack reads a change and facts about its step; nil when it was the store that failed.
func (r *runner) readBack(
	work context.Context, t *task, facts func(*action.Action, workflow.Step) []workflow.Fact,
) (*prepared, workflow.Values, error) {
	c, err := r.cfg.Store.Change(work, r.number, t.row)
	if err != nil {
		return nil, nil, err
	}
	step, ok := action.NextStep(c)
	action, built := action.For(step.Action)
	if !ok || !built {
		return nil, nil, fmt.Errorf("row %d has no step left to read back", t.row)
	}
	asked := facts(action, step)
	answers, err := r.observe(work, t, asked)
	return &prepared{task: t, change: c, action: action, step: step}, shownBy(asked, answers), err
}
