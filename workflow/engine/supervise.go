package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
)

// How Run keeps watch.
const (
	// lookAgain is how long Run rests at most when nothing wakes it, so that no batch hangs on a
	// lost wake-up.
	lookAgain = 30 * time.Second
	// clockSlack is how far a clock may be put back without a word.
	clockSlack = time.Minute
	// restAfterFault is how long a batch rests whose worker failed on the store.
	restAfterFault = 5 * time.Second
	// planTries is how often a plan is checked again because another batch took an account at the
	// same moment.
	planTries = 5
	// pageOfRows is how many rows are read at once.
	pageOfRows = 1000
)

// worker is what Run has going for one batch: its check while it is planned, its run after
// approval.
type worker struct {
	state  workflow.State // for which it was started
	cancel context.CancelFunc
	nudge  chan struct{} // the batch was changed by somebody
	waits  workflow.RunWait
}

// Run checks what is planned, runs what is approved and expires what nobody decided, until ctx
// ends; then calls in flight have drainTime to finish. It returns nil when ctx ended.
func (e *Engine) Run(ctx context.Context) error {
	var group sync.WaitGroup
	defer group.Wait()
	for ctx.Err() == nil {
		next, err := e.attend(ctx, &group)
		if err != nil && ctx.Err() == nil {
			e.cfg.Log.Error().Err(err).Msg("cannot look after the batches; trying again")
			next = time.Now().Add(restAfterFault)
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case <-ctx.Done():
		case <-e.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// attend looks at every open batch, gives each what it lacks, and says when to look again.
func (e *Engine) attend(ctx context.Context, group *sync.WaitGroup) (next time.Time, err error) {
	next = time.Now().Add(lookAgain)
	batches, err := e.store.List(ctx, 0, workflow.Planning, workflow.AwaitingApproval, workflow.Approved, workflow.Running, workflow.Paused)
	if err != nil {
		return next, err
	}
	sooner := func(t time.Time) {
		if t.Before(next) {
			next = t
		}
	}
	var failed []error // of one batch must not keep the others from being looked after
	for _, b := range batches {
		switch b.State {
		case workflow.AwaitingApproval:
			if b, err = e.expireInTime(ctx, b); err != nil {
				failed = append(failed, fmt.Errorf("look when batch %d expires: %w", b.Number, err))
			}
			if time.Now().Before(b.Expires) {
				sooner(b.Expires)
				continue
			}
			if _, err := e.expire(ctx, b.Number); err != nil && !errors.As(err, new(*workflow.StateError)) {
				failed = append(failed, fmt.Errorf("expire batch %d: %w", b.Number, err))
			}
		case workflow.Planning:
			if wait, err := e.waitsForEnd(ctx, b); wait || err != nil {
				failed = append(failed, err)
				continue
			}
			sooner(e.ensure(ctx, group, b, e.planBatch))
		case workflow.Approved, workflow.Running, workflow.Paused:
			look := e.attendRun
			if b.Returns() {
				look = e.attendReturn
			}
			until, err := look(ctx, group, b)
			if err != nil {
				failed = append(failed, err)
			}
			sooner(until)
		}
	}
	return next, errors.Join(failed...)
}

// waitsForEnd reports whether a batch of what another one could not finish has to wait until that
// one has let go of it; then Run is woken.
func (e *Engine) waitsForEnd(ctx context.Context, b *workflow.Batch) (bool, error) {
	if b.Link != workflow.LinkRest {
		return false, nil
	}
	old, err := e.store.Batch(ctx, b.Follows)
	if err != nil {
		return false, fmt.Errorf("look at the batch that %d follows: %w", b.Number, err)
	}
	return old.State.Open(), nil
}

// attendRun gives an approved batch what it lacks, and says when to look again.
func (e *Engine) attendRun(ctx context.Context, group *sync.WaitGroup, b *workflow.Batch) (next time.Time, err error) {
	next = time.Now().Add(lookAgain)
	if b.Early(time.Now()) {
		return earlier(next, b.When.At), nil
	}
	if e.cfg.FinishWithin > 0 && !b.Cancelling() && b.Link != workflow.LinkReturn {
		started := b.Started
		if started.IsZero() { // it starts about now, and nothing wakes us again when it does
			started = time.Now()
		}
		switch end := e.cfg.Run.Window.Reach(started, e.cfg.FinishWithin); {
		case end.IsZero():
		case time.Now().Before(end):
			next = earlier(next, end)
		default:
			if b, err = e.runOut(ctx, b.Number); err != nil {
				return next, fmt.Errorf("end the run of batch %d: %w", b.Number, err)
			}
		}
	}
	switch {
	case b.State == workflow.Approved && !e.cfg.Run.Window.Open(time.Now()):
		if opens := e.cfg.Run.Window.NextChange(time.Now()); !opens.IsZero() {
			next = earlier(next, opens)
		}
		if !b.Cancelling() {
			return next, nil
		}
	case b.State == workflow.Paused: // has nothing to do but to end, or to find out what became of calls
		summary, err := e.store.Summary(ctx, b.Number)
		if err != nil {
			return next, fmt.Errorf("count the rows of batch %d: %w", b.Number, err)
		}
		doubtful := summary.State(workflow.ChangeUnknown, workflow.ChangeRunning) > 0 || len(b.Parked) > 0 && b.BundlesGoOn()
		if !doubtful && !b.Cancelling() {
			return next, nil
		}
	}
	return earlier(next, e.ensure(ctx, group, b, e.runBatch)), nil
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// runOut begins the end of a batch whose approval has run out: calls in flight finish, and what is
// left needs approval again.
func (e *Engine) runOut(ctx context.Context, number int64) (*workflow.Batch, error) {
	b, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
		if b.Cancelling() || !b.State.Open() {
			return nil
		}
		now := time.Now()
		b.Ending = &workflow.Ending{How: workflow.Done, Reason: "the approval expired after " + workflow.LastingWords(e.cfg.FinishWithin), At: now}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "run_out", Data: workflow.EventData(map[string]any{
			"finish_within": e.cfg.FinishWithin.String(),
		})})
		return nil
	})
	if err != nil {
		return &workflow.Batch{Number: number}, err
	}
	e.nudge(number)
	return b, nil
}

// endRunOut ends a batch whose approval has run out. What is left is asked for anew, first, so that
// no crash loses it: the new batch waits with its check until this one has ended.
func (e *Engine) endRunOut(ctx context.Context, b *workflow.Batch) error {
	left, err := e.store.Changes(ctx, b.Number, 0, 0, workflow.ChangeReady)
	if err != nil {
		return err
	}
	if len(left) > 0 {
		lines := make([]int, len(left))
		for i := range left {
			lines[i] = left[i].Row
		}
		if err := e.splitOff(ctx, b, workflow.LinkRest, lines, b.Requester, b.Ending.At); err != nil {
			return err
		}
	}
	why := workflow.NewReason(workflow.ReasonNotRun, fmt.Sprintf("did not finish within %s of its start; the rest is a new request",
		workflow.LastingWords(e.cfg.FinishWithin)))
	_, err = e.endUnstarted(ctx, b.Number, why, func(b *workflow.Batch) error {
		now := time.Now()
		b.Parked, b.Ending, b.Stop = nil, nil, workflow.Stop{}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "done", Data: workflow.EventData(map[string]any{"left": len(left)})})
		return b.End(workflow.Done, now)
	})
	return err
}

// ensure starts the batch's worker unless it has one, or rests after a fault; then it says until
// when.
func (e *Engine) ensure(
	ctx context.Context, group *sync.WaitGroup, b *workflow.Batch, work func(context.Context, int64, <-chan struct{}) error,
) time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	far := time.Now().Add(lookAgain)
	if e.workers[b.Number] != nil {
		return far
	}
	if until := e.resting[b.Number]; time.Now().Before(until) {
		return until
	}
	delete(e.resting, b.Number)
	wctx, cancel := context.WithCancel(ctx)
	w := &worker{state: b.State, cancel: cancel, nudge: make(chan struct{}, 1)}
	e.workers[b.Number] = w
	group.Go(func() {
		defer cancel()
		err := work(wctx, b.Number, w.nudge)
		e.mu.Lock()
		delete(e.workers, b.Number)
		delete(e.trouble, b.Number)
		if err != nil && wctx.Err() == nil {
			e.resting[b.Number] = time.Now().Add(restAfterFault)
			e.trouble[b.Number] = trouble{err, time.Now()}
		}
		e.mu.Unlock()
		if err != nil && wctx.Err() == nil {
			e.cfg.Log.Error().Err(err).Int64("batch", b.Number).Msg("the batch rests and is tried again")
		}
		poke(e.wake)
	})
	return far
}

// Trouble is what keeps a batch from being checked or run now, mostly its store; nil when nothing
// does.
func (e *Engine) Trouble(number int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.trouble[number]
	if time.Since(t.at) > 2*restAfterFault { // it was tried again, and is at work
		return nil
	}
	return t.err
}

// Waits returns what the run of a batch waits for; the zero RunWait when it is at work, or there is
// none.
func (e *Engine) Waits(number int64) workflow.RunWait {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.workers[number]; w != nil && w.waits.Until.After(time.Now()) {
		return w.waits
	}
	return workflow.RunWait{}
}

func (e *Engine) noteWait(number int64, wait workflow.RunWait) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if w := e.workers[number]; w != nil {
		w.waits = wait
	}
}

// nudge tells a batch's worker that somebody changed the batch: a check ends, a run looks.
func (e *Engine) nudge(number int64) {
	e.mu.Lock()
	w := e.workers[number]
	e.mu.Unlock()
	if w != nil {
		if w.state == workflow.Planning {
			w.cancel()
		}
		poke(w.nudge)
	}
	poke(e.wake)
}

// expireInTime sees to it that a batch which was planned by a clock that has been put back since
// does not wait for that moment to come again: it has as long as any other from now on.
func (e *Engine) expireInTime(ctx context.Context, b *workflow.Batch) (*workflow.Batch, error) {
	late := func(b *workflow.Batch, now time.Time) bool {
		return b.State == workflow.AwaitingApproval && b.Planned.After(now.Add(clockSlack)) && b.Expires.After(now.Add(e.cfg.ExpiresAfter))
	}
	if !late(b, time.Now()) {
		return b, nil
	}
	changed, err := e.store.Update(ctx, b.Number, func(b *workflow.Batch) error {
		now := time.Now()
		if !late(b, now) {
			return nil
		}
		expires := e.expiry(b, now)
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "clock_put_back", Data: workflow.EventData(map[string]any{
			"planned": b.Planned, "expired": b.Expires, "expires": expires,
		})})
		b.Expires = expires
		return nil
	})
	if err != nil {
		return b, err
	}
	return changed, nil
}

// expiry is when a batch that is planned now ends unless somebody decides: not later than what it
// asks for would.
func (e *Engine) expiry(b *workflow.Batch, now time.Time) time.Time {
	expires := now.Add(e.cfg.ExpiresAfter)
	if !b.When.Until.IsZero() {
		expires = earlier(expires, b.When.Until)
	}
	return expires
}

// expire ends a batch that nobody decided in time.
func (e *Engine) expire(ctx context.Context, number int64) (*workflow.Batch, error) {
	return e.endUnstarted(ctx, number, workflow.NewReason(workflow.ReasonNotRun, "expired: not approved in time"), func(b *workflow.Batch) error {
		now := time.Now()
		if b.State != workflow.AwaitingApproval || now.Before(b.Expires) {
			return workflow.NewStateError(b, workflow.Expired)
		}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "expired"})
		return b.End(workflow.Expired, now)
	})
}
