package run

import (
	"context"
	"time"

	"github.com/countersign/countersign/workflow"
)

// outcome is what a worker's work on a task came to, and how that takes effect: one of the types
// below. What is true of the change has been written down before.
type outcome interface {
	apply(ctx context.Context, r *runner, t *task) error
}

// ended says that the change has ended, or has been taken back.
type ended struct{ state workflow.ChangeState }

func (o ended) apply(ctx context.Context, r *runner, t *task) error {
	t.at.heard()
	r.activate(t, false)
	return r.afterEnd(ctx, t, o.state)
}

// advanced says that a step has ended, and how, and that another one of the change follows.
type advanced struct {
	state workflow.ChangeState
	over  int // how many of the steps behind it have ended with it
}

func (o advanced) apply(ctx context.Context, r *runner, t *task) error {
	t.at.heard()
	r.activate(t, false)
	seq := t.seq
	t.spot, t.ahead = t.ahead[o.over], t.ahead[o.over+1:]
	t.step += 1 + o.over
	r.queue(t)
	return r.release(ctx, seq, t.row, o.state)
}

// puttingBack says that the bundle which the change belongs to cannot be finished, and why.
type puttingBack struct{ why workflow.Reason }

func (o puttingBack) apply(ctx context.Context, r *runner, t *task) error {
	t.at.heard()
	r.activate(t, false)
	return r.putBack(ctx, t.bundle, o.why)
}

// later says that the change is to be taken up again: read after the wait, or put in line again
// where it is to be sent.
type later struct {
	wait  time.Duration
	heard bool // the place has answered
}

func (o later) apply(ctx context.Context, r *runner, t *task) error {
	if o.heard {
		t.at.heard()
	}
	return r.again(ctx, t, o.wait)
}

// reread says that a further call for the change cannot be made as the account shows now, or need
// not: after the wait it is read again, and a canary stays in the way of the others until then.
type reread struct{ wait time.Duration }

func (o reread) apply(_ context.Context, r *runner, t *task) error {
	t.at.heard()
	t.due = time.Now().Add(o.wait)
	r.delayed = append(r.delayed, t)
	return nil
}

// doubtful says that a call was refused in a way that may mean that all is as wanted already: after
// the wait the account is looked at, and until then nothing else is sent there.
type doubtful struct{ wait time.Duration }

func (o doubtful) apply(ctx context.Context, r *runner, t *task) error {
	t.at.notBefore = notSooner(t.at.notBefore, time.Now().Add(o.wait))
	return reread(o).apply(ctx, r, t)
}

// unavailable says that the place takes nothing now; for how long it asked to wait, 0 where it said
// nothing.
type unavailable struct{ wait time.Duration }

func (o unavailable) apply(ctx context.Context, r *runner, t *task) error {
	wait := min(o.wait, heldAtMost)
	if err := r.again(ctx, t, wait); err != nil {
		return err
	}
	if wait == 0 {
		return r.rest(ctx, t.at)
	}
	// It asked to wait, which is an answer. A limit of calls ends by itself: it needs nobody's Resume.
	t.at.silentSince = time.Time{}
	t.at.notBefore = notSooner(t.at.notBefore, time.Now().Add(wait))
	return nil
}

// refusedKey says that the place refuses the key.
type refusedKey struct{ stop workflow.Stop }

func (o refusedKey) apply(ctx context.Context, r *runner, t *task) error {
	lasts, cancel := lasting(ctx)
	defer cancel()
	if err := r.shut(lasts, t.at, o.stop); err != nil {
		return err
	}
	return unavailable{wait: keyRetry}.apply(ctx, r, t)
}

// lost says that the answer to a call got lost: the change is unknown.
type lost struct{ wait time.Duration }

func (o lost) apply(ctx context.Context, r *runner, t *task) error {
	if err := r.again(ctx, t, o.wait); err != nil {
		return err
	}
	if t.at.lost++; t.at.lost >= lostInARow {
		return r.rest(ctx, t.at)
	}
	return nil
}

// broken says that the store failed: the run stops.
type broken struct{ err error }

func (o broken) apply(context.Context, *runner, *task) error { return o.err }

// again takes a task up again: in line where it is to be sent, else to be read after the wait.
func (r *runner) again(ctx context.Context, t *task, wait time.Duration) error {
	// A canary is in the way of the others until it is known what became of it.
	if t.stage == stageSend || t.stage == stageSettle && !r.canary(t) {
		r.activate(t, false)
	}
	if t.stage == stageSend {
		r.queue(t)
		return nil
	}
	t.due = time.Now().Add(wait)
	r.delayed = append(r.delayed, t)
	if t.stage == stageSettle && r.unsettledFor(t) > unknownBudget {
		return r.pause(ctx, workflow.Stop{Cause: workflow.StopUnknown, Rows: r.unknownRows()})
	}
	return nil
}
