package workflow

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// send makes one step of a change: read the account, write the intent down, call, write the answer down, read back. ctx
// ends with the program; work lives a little longer, for what must not be cut off once the call has gone out.
func (r *runner) send(ctx, work context.Context, t *task) verdict {
	if state, ended := r.outcome(t.after); ended && state != ChangeDone && state != ChangeUnchanged {
		row := r.rowOf[t.after]
		if t.parks() && t.step > 0 {
			return verdict{back: NewReason(ReasonPutBack, strconv.Itoa(row))}
		}
		return r.end(work, t, ChangeSkipped, NewReason(ReasonPredecessor, strconv.Itoa(row)), nil)
	}
	c, err := r.engine.store.Change(ctx, r.number, t.row)
	if err != nil {
		return verdict{err: err}
	}
	step, ok := c.Next()
	action, built := ActionFor(c.Action)
	if !ok || !built {
		return verdict{err: fmt.Errorf("row %d has no step of an action that can be made", t.row)}
	}
	approved := step
	if c.Back { // the way back is that of a step that was approved
		approved = c.Steps[c.Step-1]
	}
	if !r.seal.holds(approved) {
		return verdict{deaf: true, wait: keyRetry, err: r.pause(ctx, Stop{Cause: StopAltered, Rows: []int{t.row}})}
	}
	account, v, ok := r.readAfresh(ctx, t, c, step)
	if !ok {
		return v
	}
	switch untouched := c.Step == 0 && c.Tried == 0; {
	case untouched && action.Shows(account, c.Steps[len(c.Steps)-1]):
		return r.end(work, t, ChangeUnchanged, NewReason(ReasonAlready, shown(action, account)), nil)
	case action.Shows(account, step): // a call that had been given up as lost arrived after all
		return r.endProved(work, t)
	}
	if reason, drifted := drift(account, step, t); drifted {
		return r.end(work, t, ChangeFailed, reason, nil)
	}
	switch err := r.intend(work, t, step); {
	case errors.Is(err, errHalted):
		return verdict{heard: true}
	case err != nil:
		return verdict{err: err}
	}
	call, cancel := context.WithTimeoutCause(work, callTime, errors.New("the call took over a minute"))
	defer cancel()
	return r.answer(work, t, c, step, action.Call(call, r.engine.cfg.Directory, step))
}

// read reads an account before a change is sent; ok false with the verdict when that is not possible now, or never.
func (r *runner) read(ctx context.Context, t *task, id string) (Account, verdict, bool) {
	account, err := r.engine.cfg.Directory.Account(ctx, id)
	if err == nil {
		return account, verdict{}, true
	}
	refusal, refused := errors.AsType[*Refusal](err)
	switch {
	case keyRefused(err):
		return account, r.keyRefused(ctx, err), false
	case errors.Is(err, ErrNotFound):
		return account, r.end(ctx, t, ChangeFailed, NewReason(ReasonGone, id), nil), false
	case refused:
		return account, r.end(ctx, t, ChangeFailed, refusal.Reason, nil), false
	}
	return account, verdict{deaf: true, wait: retryAfter(err)}, false
}

// readAfresh reads an account before a step is sent, and once more where it seems to be as it was before the steps that are
// proved: what is read may lag behind, and an account at its parking address must not be taken for one that somebody else
// brought back.
func (r *runner) readAfresh(ctx context.Context, t *task, c *Change, step Step) (Account, verdict, bool) {
	for {
		account, v, ok := r.read(ctx, t, step.AccountID)
		left := lostFor - time.Since(t.since)
		if !ok || !c.asBefore(account, step) || left <= 0 {
			return account, v, ok
		}
		select {
		case <-ctx.Done():
			return account, verdict{heard: true}, false
		case <-time.After(min(left, readBack[0])):
		}
	}
}

// drift compares the account with what the plan says of it. Half-way through an exchange of addresses only the address
// counts: the account must get away from its parking address whatever else was done to it.
func drift(a Account, s Step, t *task) (Reason, bool) {
	switch {
	case !SameAddress(a.Email, s.From):
		return NewReason(ReasonDrifted, "address", s.From, a.Email), true
	case a.Status != s.ExpectedStatus && t.step == 0:
		return NewReason(ReasonDrifted, "status", statusWord(s.ExpectedStatus), statusWord(a.Status)), true
	}
	return Reason{}, false
}

// intend writes down that the call is about to be made, if the batch may still run.
func (r *runner) intend(ctx context.Context, t *task, step Step) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		if !r.engine.mayCall(b, t.exchange) {
			return errHalted
		}
		if err := c.Move(ChangeRunning); err != nil {
			return err
		}
		if t.parks() && c.Step == 0 {
			b.park(c.Row)
		}
		c.Attempts++
		c.Tried++
		c.Called, c.Reason = time.Now(), Reason{}
		b.Record(Event{At: c.Called, Row: c.Row, Actor: Bot, Kind: EventCalling, Data: data(map[string]any{
			"action": step.Action, "account_id": step.AccountID, "from": step.From, "to": step.To, "attempt": c.Attempts,
		})})
		return nil
	})
	if err == nil {
		r.saw(b)
	} else if errors.Is(err, errHalted) {
		r.halted = true
	}
	return err
}

// answer writes down what the call came to.
func (r *runner) answer(work context.Context, t *task, c *Change, step Step, err error) verdict {
	refusal, refused := errors.AsType[*Refusal](err)
	if errors.Is(err, ErrNotFound) {
		refusal, refused = &Refusal{Reason: NewReason(ReasonGone, c.AccountID), Err: err}, true
	}
	switch {
	case err == nil:
		t.begin(stageProve)
		return r.prove(work, t)
	case refused && c.Tried > 0:
		// It may be refused because an earlier call, given up as lost, has taken effect since.
		v := r.doubt(work, t, "the call was refused after an earlier one had got lost")
		t.refused, v.lost = refusal.Reason, false
		return v
	case refused:
		return r.end(work, t, ChangeFailed, refusal.Reason, nil)
	case keyRefused(err):
		return r.notDone(work, t, step, keyStop(err), verdict{deaf: true, wait: keyRetry})
	case errors.Is(err, ErrThrottled), errors.Is(err, ErrNotSent):
		return r.notDone(work, t, step, Stop{}, verdict{deaf: true, wait: retryAfter(err)})
	}
	r.engine.cfg.Log.Warn().Err(err).Int64("batch", r.number).Int("row", t.row).Msg("outcome of a call is unknown")
	return r.doubt(work, t, whyUnknown(err))
}

// notDone puts a change back in line whose call surely did nothing; with a stop the batch is paused by the same stroke.
func (r *runner) notDone(ctx context.Context, t *task, step Step, stop Stop, next verdict) verdict {
	ctx, cancel := lasting(ctx)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		c.Attempts-- // it counts the calls that may have had an effect
		c.Tried--
		if t.parks() && c.Step == 0 && c.Tried == 0 {
			b.unpark(c.Row)
		}
		b.Record(Event{At: time.Now(), Row: c.Row, Actor: Bot, Kind: "not_done", Data: data(map[string]any{
			"account_id": step.AccountID, "stop": stop.Cause,
		})})
		if err := c.Move(ChangeReady); err != nil {
			return err
		}
		if stop.Cause == "" || b.State != Running || b.Cancelling() {
			return nil
		}
		return r.engine.pauseByBot(b, stop)
	})
	if err != nil {
		return verdict{err: err}
	}
	r.saw(b)
	return next
}

// doubt makes a change unknown; from now on it is read back until it is known.
func (r *runner) doubt(ctx context.Context, t *task, why string) verdict {
	ctx, cancel := lasting(ctx)
	defer cancel()
	_, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		c.Reason = NewReason(ReasonUnknown, why)
		b.Record(Event{At: time.Now(), Row: c.Row, Actor: Bot, Kind: "unknown", Data: data(map[string]any{"why": why})})
		return c.Move(ChangeUnknown)
	})
	if err != nil {
		return verdict{err: err}
	}
	t.begin(stageSettle)
	t.refused = Reason{}
	return verdict{wait: readBack[0], lost: true}
}

// prove reads a change back whose call was accepted.
func (r *runner) prove(work context.Context, t *task) verdict {
	c, step, account, err := r.readBack(work, t)
	switch {
	case c == nil:
		return verdict{err: err}
	case errors.Is(err, ErrNotFound):
		return r.end(work, t, ChangeFailed, NewReason(ReasonNotProved, "no such account"), nil)
	case work.Err() != nil: // the program ends; it stays running, and is unknown after the next start
		return verdict{wait: readBack[0]}
	case err != nil:
		return r.doubt(work, t, "the account could not be read back")
	}
	action, _ := ActionFor(c.Action)
	if action.Shows(account, step) {
		return r.endProved(work, t)
	}
	if t.reads++; t.reads > len(readBack) {
		return r.end(work, t, ChangeFailed, NewReason(ReasonNotProved, shown(action, account)), nil)
	}
	return verdict{heard: true, wait: readBack[t.reads-1]}
}

// settle reads a change back whose outcome is unknown, and decides once it is known.
func (r *runner) settle(work context.Context, t *task) verdict {
	c, step, account, err := r.readBack(work, t)
	t.reads++
	again := verdict{wait: readBack[min(t.reads, len(readBack)-1)]}
	switch {
	case c == nil:
		return verdict{err: err}
	case keyRefused(err):
		if v := r.keyRefused(work, err); v.err != nil {
			return v
		}
		return again
	case errors.Is(err, ErrNotFound):
		return r.end(work, t, ChangeFailed, NewReason(ReasonOvertaken, "account", step.AccountID, "not to be found"), nil)
	case err != nil: // only this row waits: others go on
		t.old = 0
		return again
	}
	again.heard = true
	action, _ := ActionFor(c.Action)
	if c.asBefore(account, step) && time.Since(t.since) < lostFor {
		return again
	}
	if action.Shows(account, step) {
		return r.endProved(work, t)
	}
	if reason, drifted := drift(account, step, t); drifted {
		return r.end(work, t, ChangeFailed, NewReason(ReasonOvertaken, reason.Facts...), nil)
	}
	if t.old++; t.old < oldReadings || time.Since(t.since) < lostFor {
		return again
	}
	if t.refused.Code != "" {
		return r.end(work, t, ChangeFailed, t.refused, nil)
	}
	if c.Tried >= sendsAtMost {
		return r.end(work, t, ChangeFailed, NewReason(ReasonLost, strconv.Itoa(c.Tried)), nil)
	}
	return r.again(work, t, step)
}

// again puts a change back in line whose call got lost and did nothing.
func (r *runner) again(work context.Context, t *task, step Step) verdict {
	ctx, cancel := lasting(work)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		c.Reason = Reason{}
		if t.parks() && c.Step == 0 {
			b.unpark(c.Row)
		}
		b.Record(Event{At: time.Now(), Row: c.Row, Actor: Bot, Kind: "not_done", Data: data(map[string]any{
			"account_id": step.AccountID, "read_back": t.reads,
		})})
		return c.Move(ChangeReady)
	})
	if err != nil {
		return verdict{err: err}
	}
	r.saw(b)
	t.begin(stageSend)
	return verdict{heard: true}
}

// readBack reads change and account; the change is nil when it was the store that failed.
func (r *runner) readBack(work context.Context, t *task) (*Change, Step, Account, error) {
	c, err := r.engine.store.Change(work, r.number, t.row)
	if err != nil {
		return nil, Step{}, Account{}, err
	}
	step, ok := c.Next()
	if !ok {
		return nil, Step{}, Account{}, fmt.Errorf("row %d has no step left to read back", t.row)
	}
	account, err := r.engine.cfg.Directory.Account(work, step.AccountID)
	return c, step, account, err
}

// endProved writes down that the account shows what the step is to bring about. That is the end of the change unless
// another step follows.
func (r *runner) endProved(ctx context.Context, t *task) verdict {
	if t.back {
		return r.end(ctx, t, ChangeFailed, t.exchange.why(t), func(c *Change) error {
			c.Step--
			return nil
		})
	}
	if len(t.ahead) > 0 {
		return r.advance(ctx, t)
	}
	return r.end(ctx, t, ChangeDone, Reason{}, func(c *Change) error {
		c.Step++
		if c.State == ChangeReady { // its call had been taken for lost
			return c.Move(ChangeRunning)
		}
		return nil
	})
}

// end writes down how a change ended.
func (r *runner) end(ctx context.Context, t *task, to ChangeState, reason Reason, first func(*Change) error) verdict {
	if to == ChangeFailed && t.exchange != nil {
		var goBack bool
		if to, reason, goBack = t.failedExchange(reason); goBack {
			return verdict{heard: true, back: reason}
		}
	}
	if err := r.finish(ctx, t, to, reason, first); err != nil {
		return verdict{err: err}
	}
	return verdict{ended: true, state: to, heard: true}
}

// finish writes down how a change ended, and what that means for the batch, in one transaction: the last change ends it,
// a failure may pause it.
func (r *runner) finish(ctx context.Context, t *task, to ChangeState, reason Reason, first func(*Change) error) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	tally, left := r.tally, r.left-1
	if reason.Code != ReasonPutBack { // that follows from a failure which was counted
		tally.count(to)
	}
	stop := tally.stop(r.engine.cfg.Run, to == ChangeFailed && r.canary(t))
	if reason.Code == ReasonStuck {
		stop = Stop{Cause: StopStuck}
	}
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		if first != nil {
			if err := first(c); err != nil {
				return err
			}
		}
		if err := c.Move(to); err != nil {
			return err
		}
		b.unpark(c.Row)
		c.Reason, c.Finished = reason, time.Now()
		b.Record(Event{At: c.Finished, Row: c.Row, Actor: Bot, Kind: string(to), Data: data(map[string]any{
			"action": c.Action, "account_id": c.AccountID, "from": c.OldEmail, "to": c.NewEmail, "reason": reason,
		})})
		switch {
		case b.Cancelling(): // its runner ends it
			return nil
		case left == 0 && (b.State == Running || b.State == Paused):
			return r.done(b)
		case stop.Cause != "" && b.State == Running:
			stop.Rows = []int{c.Row}
			return r.engine.pauseByBot(b, stop)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.tally, r.left, r.ended[t.seq] = tally, left, to
	r.saw(b)
	return nil
}

// lasting is the context of a transaction that records what has happened: it must not be given up because the program ends.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), writeTime)
}

// keyRefused pauses the batch because the key was refused; the change stays as it is. What has to go on all the same, an
// exchange of a batch that is being cancelled, tries again later.
func (r *runner) keyRefused(ctx context.Context, err error) verdict {
	ctx, cancel := lasting(ctx)
	defer cancel()
	return verdict{deaf: true, wait: keyRetry, err: r.pause(ctx, keyStop(err))}
}

func keyRefused(err error) bool { return errors.Is(err, ErrKeyRefused) || errors.Is(err, ErrKeyScoped) }

func keyStop(err error) Stop {
	stop := Stop{Cause: StopKeyRefused}
	if errors.Is(err, ErrKeyScoped) {
		stop.Note = "it was made with scopes"
	}
	return stop
}

// retryAfter is how long an error asks to wait, 0 when it does not say.
func retryAfter(err error) time.Duration {
	if wait, ok := errors.AsType[interface {
		error
		RetryAfter
	}](err); ok {
		return wait.RetryAfter()
	}
	return 0
}

// whyUnknown puts into a few words why nobody knows what became of a call. The error itself goes into the log alone.
func whyUnknown(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the program ended during the call"
	case errors.Is(err, ErrUnknownOutcome):
		return "the answer was lost"
	}
	return "the answer made no sense"
}
