package run

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// answer writes down what the calls of a step came to.
func (r *runner) answer(work context.Context, p *prepared, told workflow.Values, err error) outcome {
	t := p.task
	refusal, refused := errors.AsType[*workflow.Refusal](err)
	if errors.Is(err, workflow.ErrNotFound) {
		refusal, refused = &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonGone, p.change.AccountID), Err: err}, true
	}
	unintended, halted := errors.AsType[notIntended](err)
	switch {
	case err == nil && p.calls == 0:
		return r.nothingToDo(work, p)
	case err == nil:
		if err := r.keepAnswer(work, p, told); err != nil {
			return broken{err}
		}
		t.begin(stageProve)
		if now, read := p.shown(p.action.Proof(p.step)); read && p.action.ShownBy(now, p.step) && t.unsure(p.action, now, p.step) == 0 {
			return r.endProved(work, t)
		}
		return r.proveLater(work, p)
	case !halted && p.calls == 0: // nothing was sent: the step has to look first, and could not
		return r.unread(work, p, err)
	case halted && p.calls == 0:
		return unsent(unintended.error)
	case halted: // between two calls: what the earlier ones came to is to be read
		return r.markUnknown(work, t, "the batch stopped between two calls")
	case refused && p.change.Tried() > 0:
		// It may be refused because an earlier call, given up as lost, has taken effect since.
		o := r.markUnknown(work, t, "the call was refused after an earlier one without an answer")
		t.refused = refusal.Reason
		if l, ok := o.(lost); ok {
			return later{wait: l.wait}
		}
		return o
	case refused && refusal.MayBeSo && p.calls == 1:
		t.doubt = doubt{reason: refusal.Reason, since: time.Now()}
		return cmpOutcome(r.notDone(work, p, workflow.Stop{}), doubtful{wait: readBack[0]})
	case refused:
		return r.end(work, t, workflow.ChangeFailed, refusal.Reason, nil)
	case keyRefused(err):
		if !r.alone() {
			return cmpOutcome(r.notDone(work, p, workflow.Stop{}), refusedKey{keyStop(err)})
		}
		return cmpOutcome(r.notDone(work, p, keyStop(err)), unavailable{wait: keyRetry})
	case errors.Is(err, workflow.ErrThrottled), errors.Is(err, workflow.ErrNotSent):
		return cmpOutcome(r.notDone(work, p, workflow.Stop{}), unavailable{wait: retryAfter(err)})
	}
	r.cfg.Log.Warn().Err(err).Int64("batch", r.number).Int("row", t.row).Msg("outcome of a call is unknown")
	return r.markUnknown(work, t, whyUnknown(err))
}

// nothingToDo lets a step be looked at again for which no call was needed, and which does not show its
// effect everywhere yet.
func (r *runner) nothingToDo(work context.Context, p *prepared) outcome {
	t := p.task
	if t.reads++; t.reads > len(readBack) {
		now, _ := p.shown(p.action.Facts(p.step))
		return r.end(work, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonNotFollowed, action.ShownWords(now, p.step)), nil)
	}
	return reread{wait: readBack[t.reads-1]}
}

// proveLater lets a change wait for its proof whose call was accepted, where many can be proved at
// once. Canaries are proved by themselves, and show how far the search lags behind.
func (r *runner) proveLater(work context.Context, p *prepared) outcome {
	_, fields, ok := r.searchable(p)
	if !ok {
		return r.prove(work, p.task)
	}
	if r.canary(p.task) {
		o := r.prove(work, p.task)
		if _, over := o.(ended); over {
			r.measureAt(work, p)
		}
		return o
	}
	if after, _ := r.shows(fields); after > lagsTooFar {
		return r.prove(work, p.task)
	}
	return cmpOutcome(r.countAccepted(work, p.task), accepted{fields})
}

// cmpOutcome is the outcome, unless the store failed.
func cmpOutcome(err error, o outcome) outcome {
	if err != nil {
		return broken{err}
	}
	return o
}

// keepAnswer keeps what the answer to a call told, where it did.
func (r *runner) keepAnswer(ctx context.Context, p *prepared, told workflow.Values) error {
	if len(told) == 0 {
		return nil
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	_, _, err := r.cfg.Store.UpdateChange(ctx, r.number, p.task.row, func(_ *workflow.Batch, c *workflow.Change) error {
		at := c.Current()
		o := c.Outcome(at)
		o.Told = told
		c.SetOutcome(at, o)
		return nil
	})
	return err
}

// notDone puts a change back in line whose call surely did nothing; with a stop the batch is paused
// by the same stroke.
func (r *runner) notDone(ctx context.Context, p *prepared, stop workflow.Stop) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	t := p.task
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		if p.made == 0 { // it counts the calls that may have had an effect
			c.Attempts--
			c.CountCalls(-1)
		}
		if t.heads() && c.Proved() == 0 && c.Tried() == 0 {
			b.Unpark(c.Row)
		}
		b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: "not_done", Data: workflow.EventData(map[string]any{
			"account_id": p.step.AccountID, "stop": stop.Cause,
		})})
		if err := c.Move(workflow.ChangeReady); err != nil {
			return err
		}
		if stop.Cause == "" || b.State != workflow.Running || b.Cancelling() {
			return nil
		}
		return b.PauseByBot(stop)
	})
	if err == nil {
		r.saw(b)
	}
	return err
}

// lasting is the context of a transaction that records what has happened: it must not be given up
// because the program ends.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), recordTime)
}

func keyRefused(err error) bool {
	return errors.Is(err, workflow.ErrKeyRefused) || errors.Is(err, workflow.ErrKeyScoped)
}

func keyStop(err error) workflow.Stop {
	stop := workflow.Stop{Cause: workflow.StopKeyRefused}
	if errors.Is(err, workflow.ErrKeyScoped) {
		stop.Note = "it was made with scopes"
	}
	if of := workflow.KeyOf(err); of != "" {
		stop.Note = "that of " + of
	}
	return stop
}

// retryAfter is how long an error asks to wait, 0 when it does not say.
func retryAfter(err error) time.Duration {
	if wait, ok := errors.AsType[interface {
		error
		workflow.RetryAfter
	}](err); ok {
		return wait.RetryAfter()
	}
	return 0
}

// whyUnknown puts into a few words why nobody knows what became of a call. The error itself goes
// into the log alone.
func whyUnknown(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, context.Canceled):
		return "the program ended during the call"
	case errors.Is(err, workflow.ErrUnknownOutcome):
		return "the answer was lost"
	}
	return "the answer made no sense"
}
