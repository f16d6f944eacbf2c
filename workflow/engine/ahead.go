package engine

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Start lets a batch run that waits for its time. An admin may who has not asked for it, and what
// holds for its last approval must hold at this click, too.
func (e *Engine) Start(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if actor, err = e.knownFor(ctx, workflow.ActStart, b, actor); err == nil {
		err = e.goOn(ctx, b, actor)
	}
	if err != nil {
		return nil, e.toldHow(ctx, number, err)
	}
	return e.release(ctx, workflow.ActStart, number, actor)
}

// knownFor finds out whether the person is the same human as somebody of the batch, if they may do
// that at all.
func (e *Engine) knownFor(ctx context.Context, act workflow.ActName, b *workflow.Batch, actor workflow.Actor) (workflow.Actor, error) {
	if err := workflow.May(act, b, actor); err != nil {
		return actor, err
	}
	if workflow.WhoMay(act, b) != workflow.OtherAdmins {
		return actor, nil
	}
	actor, err := e.identified(ctx, b, actor)
	if err != nil {
		return actor, err
	}
	return actor, workflow.May(act, b, actor)
}

// release notes that a batch need not wait for its time any more.
func (e *Engine) release(ctx context.Context, act workflow.ActName, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
		if err := workflow.May(act, b, actor); err != nil {
			return err
		}
		now := time.Now()
		b.Released = &workflow.Release{By: actor.Person, At: now}
		b.Record(workflow.Event{At: now, Actor: actor.ID, Kind: string(act)})
		return nil
	})
	return e.answer(ctx, number, b, err)
}

// End lets the return of a batch run now. number is that of either of the two.
func (e *Engine) End(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	ret, err := e.returnOf(ctx, number, actor)
	if err != nil {
		return nil, err
	}
	if actor, err = e.knownFor(ctx, workflow.ActEnd, ret, actor); err != nil {
		return nil, e.toldHow(ctx, ret.Number, err)
	}
	return e.release(ctx, workflow.ActEnd, ret.Number, actor)
}

// Keep says that what a batch did for a while is to stay. number is that of the batch or of its
// return. Once as many admins have said so as the batch needed approvals, the return is cancelled.
func (e *Engine) Keep(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	ret, err := e.returnOf(ctx, number, actor)
	if err != nil {
		return nil, err
	}
	if actor, err = e.knownFor(ctx, workflow.ActKeep, ret, actor); err != nil {
		return nil, e.toldHow(ctx, ret.Number, err)
	}
	earlier := ret.Keepers()
	count := 1
	for _, p := range earlier {
		now, err := e.cfg.People.Standing(ctx, p.ID, true, actor.Received)
		if err != nil {
			return nil, errors.Join(workflow.ErrOthersUnknown, err)
		}
		if workflow.MayApprove(now) == nil {
			count++
		}
	}
	last := false
	why := workflow.NewReason(workflow.ReasonNotRun, "kept", nameOf(actor.Person))
	b, err := e.store.UpdateChanges(ctx, ret.Number, workflow.ChangeReady, func(c *workflow.Change) error {
		if !last {
			return nil
		}
		c.Reason = why
		return c.Move(workflow.ChangeSkipped)
	}, func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActKeep, b, actor); err != nil {
			return err
		}
		if len(b.Keepers()) != len(earlier) {
			return errMoved
		}
		b.Decide(workflow.Decision{Person: actor.Person, Verdict: workflow.Keep, Digest: b.Digest, At: time.Now()})
		if count < max(b.Approvals, 1) {
			return nil
		}
		last = true
		return cancelNow(b, actor.Person, "kept")
	})
	if errors.Is(err, errMoved) && ctx.Err() == nil {
		return e.Keep(ctx, number, actor)
	}
	return e.answer(ctx, ret.Number, b, err)
}

// returnOf finds the return of a batch, by the number of either; what the person pressed must have
// been made for the batch of that number.
func (e *Engine) returnOf(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	b, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if actor.Saw != "" && !b.IsFor(actor.Saw) {
		return nil, workflow.ErrStaleDigest
	}
	if b.Link == workflow.LinkReturn {
		return b, nil
	}
	following, err := e.store.Following(ctx, number)
	if err != nil {
		return nil, err
	}
	return workflow.ReturnAmong(following)
}
