package run

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// endProved writes down that the account shows what the step is to bring about. That is the end of
// the change unless another step follows.
func (r *runner) endProved(ctx context.Context, t *task) outcome {
	if t.back {
		return r.end(ctx, t, workflow.ChangeFailed, t.bundle.why(t), func(c *workflow.Change) error {
			c.SetOutcome(c.Current(), workflow.StepOutcome{})
			return nil
		})
	}
	return r.end(ctx, t, workflow.ChangeDone, workflow.Reason{}, nil)
}

// end writes down how the current step ended, and with it the change, unless another step of it may
// be made all the same.
func (r *runner) end(ctx context.Context, t *task, to workflow.ChangeState, reason workflow.Reason, first func(*workflow.Change) error) outcome {
	if to == workflow.ChangeFailed && t.bundle != nil {
		var goBack bool
		if to, reason, goBack = t.failedInBundle(reason); goBack {
			return puttingBack{reason}
		}
	}
	if over, more := r.follows(t, to); more {
		return r.advance(ctx, t, to, reason, over)
	}
	state, err := r.finish(ctx, t, to, reason, first)
	if err != nil {
		return broken{err}
	}
	return ended{state: state}
}

// follows reports whether another step of the change may be made when the current one has ended so,
// and how many before that may not, as they wait for what did not succeed.
func (r *runner) follows(t *task, to workflow.ChangeState) (over int, more bool) {
	if t.back || len(t.ahead) == 0 || t.bundle != nil && to != workflow.ChangeDone {
		return 0, false
	}
	bad := map[int]bool{t.seq: to != workflow.ChangeDone && to != workflow.ChangeUnchanged}
	for i, next := range t.ahead {
		how, over := r.how(next.after)
		ours := r.rowOf[next.after] == t.row && next.after != 0
		if bad[next.after] || ours && over && how != workflow.ChangeDone && how != workflow.ChangeUnchanged {
			bad[next.seq] = true
			continue
		}
		return i, true
	}
	return len(t.ahead), false
}

// advance writes down how a step ended behind which another one follows.
func (r *runner) advance(ctx context.Context, t *task, to workflow.ChangeState, reason workflow.Reason, over int) outcome {
	ctx, cancel := lasting(ctx)
	defer cancel()
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		at := c.Current()
		done := c.Steps[at]
		t.countRefusal(c)
		c.Conclude(at, to, reason)
		for _, next := range t.ahead[:over] {
			i := slices.IndexFunc(c.Steps, func(s workflow.Step) bool { return s.Seq == next.seq })
			c.Conclude(i, workflow.ChangeSkipped, workflow.NewReason(workflow.ReasonPredecessor, rowWord(c.Row)))
		}
		c.Reason = workflow.Reason{}
		facts := map[string]any{"account_id": c.AccountID, "from": done.Expect.Get(workflow.FieldEmail), "to": done.Set.Get(workflow.FieldEmail)}
		kind := "parked"
		if t.bundle != nil {
			b.Park(c.Row)
		} else {
			kind = "step_" + string(to)
			facts = map[string]any{"account_id": c.AccountID, "action": done.Action, "step": done.Seq, "reason": reason}
		}
		b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: kind, Data: workflow.EventData(facts)})
		if c.State == workflow.ChangeReady { // its call had been taken for lost, or was never made
			return nil
		}
		return c.Move(workflow.ChangeReady)
	})
	if err != nil {
		return broken{err}
	}
	r.saw(b)
	r.note(t.seq, to)
	for _, s := range t.ahead[:over] {
		r.note(s.seq, workflow.ChangeSkipped)
	}
	return advanced{state: to, over: over}
}

// countRefusal counts the call whose refusal counts after all: it was taken back while it might have meant
// that all was as wanted already.
func (t *task) countRefusal(c *workflow.Change) {
	if t.refusal {
		c.Attempts++
		c.CountCalls(+1)
	}
}

// finish writes down how the last step of a change ended that could be made, and with it the
// change; and, in one transaction, whether a failure pauses the batch. state is that of the change.
func (r *runner) finish(
	ctx context.Context, t *task, to workflow.ChangeState, reason workflow.Reason, first func(*workflow.Change) error,
) (state workflow.ChangeState, err error) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		switch {
		case first != nil:
			if err := first(c); err != nil {
				return err
			}
		case !t.back:
			t.countRefusal(c)
			at := c.Current()
			c.Conclude(at, to, reason)
			for i := at + 1; t.bundle == nil && i < len(c.Steps); i++ { // they wait for what did not succeed
				if c.Outcome(i).State == "" {
					c.Conclude(i, workflow.ChangeSkipped, workflow.NewReason(workflow.ReasonPredecessor, rowWord(c.Row)))
				}
			}
		}
		state = to
		if len(c.Steps) > 1 && t.bundle == nil {
			state, reason = c.Sum()
		}
		stop := r.count(t, c, state, reason)
		if c.State == workflow.ChangeReady && !c.State.CanBecome(state) { // its call had been taken for lost
			if err := c.Move(workflow.ChangeRunning); err != nil {
				return err
			}
		}
		if err := c.Move(state); err != nil {
			return err
		}
		b.Unpark(c.Row)
		c.Reason, c.Finished = reason, time.Now()
		b.Record(workflow.Event{At: c.Finished, Row: c.Row, Actor: workflow.Bot, Kind: string(state), Data: workflow.EventData(map[string]any{
			"action": c.Action, "account_id": c.AccountID, "from": c.OldEmail(), "to": c.NewEmail(), "reason": reason,
		})})
		if stop.Cause == "" || b.State != workflow.Running || b.Cancelling() {
			return nil
		}
		stop.Rows = []int{c.Row}
		return b.PauseByBot(stop)
	})
	if err != nil {
		return state, err
	}
	r.saw(b)
	r.note(t.seq, to)
	for _, s := range t.ahead {
		r.note(s.seq, to)
	}
	return state, nil
}

// count counts how a change ended, and returns the stop that this comes to: none where no change is
// left to be made. It is called within transactions, which come one after the other whoever waits for them;
// one that fails ends the run, and the next run counts from the store.
func (r *runner) count(t *task, c *workflow.Change, state workflow.ChangeState, reason workflow.Reason) workflow.Stop {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.ended { // a transaction may be tried again
		return t.stop
	}
	t.ended = true
	t.stop = r.countEnd(t, c, state, reason)
	return t.stop
}

// countEnd is count, once; the caller holds mu.
func (r *runner) countEnd(t *task, c *workflow.Change, state workflow.ChangeState, reason workflow.Reason) workflow.Stop {
	r.left--
	if t.made {
		t.made = false
		r.made--
	}
	switch {
	case reason.Code == workflow.ReasonPutBack: // that follows from a failure which was counted
	case t.counted:
		r.tally.proved(state)
	default:
		r.tally.count(state)
	}
	switch {
	case r.left == r.made:
		return workflow.Stop{}
	case reason.Code == workflow.ReasonStuck:
		return workflow.Stop{Cause: workflow.StopStuck}
	case c.Refused(workflow.ReasonLicenceFull):
		return workflow.Stop{Cause: workflow.StopLicence}
	}
	return r.tally.stop(r.cfg.Limits, state == workflow.ChangeFailed && r.canary(t))
}

// countAccepted counts a change as made whose proof comes later, so that failures are counted in the
// order of the calls, and pauses the batch where that is what the stop rules ask for.
func (r *runner) countAccepted(ctx context.Context, t *task) error {
	r.mu.Lock()
	t.counted = true
	if !t.made && len(t.ahead) == 0 {
		t.made = true
		r.made++
	}
	r.tally.count(workflow.ChangeDone)
	var stop workflow.Stop
	if r.left > r.made {
		stop = r.tally.stop(r.cfg.Limits, false)
	}
	r.mu.Unlock()
	if stop.Cause == "" {
		return nil
	}
	stop.Rows = []int{t.row}
	ctx, cancel := lasting(ctx)
	defer cancel()
	return r.pause(ctx, stop)
}

// note notes how a step ended.
func (r *runner) note(seq int, how workflow.ChangeState) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended[seq] = how
}
