package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// How Run keeps watch.
const (
	// lookAgain is how long Run rests at most when nothing wakes it, so that no batch hangs on a lost wake-up.
	lookAgain = 30 * time.Second
	// clockSlack is how far a clock may be put back without a word.
	clockSlack = time.Minute
	// restAfterFault is how long a batch rests whose worker failed on the store.
	restAfterFault = 5 * time.Second
	// writeTime bounds one transaction that records what has happened already, and so must not be given up lightly.
	writeTime = 5 * time.Second
)

// worker is what Run has going for one batch: its check while it is planned, its run after approval.
type worker struct {
	state  State // for which it was started
	cancel context.CancelFunc
	nudge  chan struct{} // the batch was changed by somebody
}

// Recover makes the store true after a stop of any kind: calls that were under way are unknown, and a batch that has not
// run for longer than StartWithin is paused. It sends nothing, and is called once, before Run.
func (e *Engine) Recover(ctx context.Context) error {
	batches, err := e.store.List(ctx, 0, Approved, Running, Paused)
	if err != nil {
		return fmt.Errorf("recover: %w", err)
	}
	for _, b := range batches {
		if err := e.doubt(ctx, b.Number); err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
		if b.State == Paused || b.Cancelling() {
			continue
		}
		last := latest(b.Approved, b.Started, b.Resumed)
		if b.OrgID == e.cfg.OrgID && e.mayStillStart(b, last) {
			continue // it has moved since then, if anything, and its rows need not be read for that
		}
		if last, err = e.lastMoved(ctx, b); err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
		stop := Stop{Cause: StopLateStart, Note: e.cfg.StartWithin.String()}
		if b.OrgID != e.cfg.OrgID {
			stop = Stop{Cause: StopOtherOrg}
		} else if e.mayStillStart(b, last) {
			continue
		}
		_, err = e.store.Update(ctx, b.Number, func(b *Batch) error { return e.pauseByBot(b, stop) })
		if err != nil {
			return fmt.Errorf("recover batch %d: %w", b.Number, err)
		}
	}
	return nil
}

// mayStillStart says whether a batch that last moved then may go on by itself. Before its first call the time counts from
// when the window was first open; afterwards a closed window does not count.
func (e *Engine) mayStillStart(b *Batch, last time.Time) bool {
	limit := e.cfg.Run.Window.reach(last, e.cfg.StartWithin)
	if b.Started.IsZero() {
		limit = e.cfg.Run.Window.firstOpen(last).Add(e.cfg.StartWithin)
	}
	return !time.Now().After(limit)
}

// doubt makes every change unknown whose call was under way when nobody was there to hear the answer.
func (e *Engine) doubt(ctx context.Context, number int64) error {
	summary, err := e.store.Summary(ctx, number)
	if err != nil || summary.State(ChangeRunning) == 0 {
		return err
	}
	_, err = e.store.UpdateChanges(ctx, number, ChangeRunning, func(c *Change) error {
		c.Reason = NewReason(ReasonInterrupted)
		return c.Move(ChangeUnknown)
	}, func(b *Batch) error {
		b.Record(Event{At: time.Now(), Actor: Bot, Kind: "interrupted", Data: data(map[string]any{
			"changes": summary.State(ChangeRunning),
		})})
		return nil
	})
	return err
}

// lastMoved is when the batch last made headway.
func (e *Engine) lastMoved(ctx context.Context, b *Batch) (time.Time, error) {
	last := latest(b.Approved, b.Started, b.Resumed)
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, b.Number, after, pageOfChanges)
		if err != nil {
			return last, err
		}
		for i := range changes {
			last = latest(last, changes[i].Called, changes[i].Finished)
			after = changes[i].Row
		}
		if len(changes) < pageOfChanges {
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

func (e *Engine) pauseByBot(b *Batch, stop Stop) error {
	stop.At = time.Now()
	b.Record(Event{At: stop.At, Actor: Bot, Kind: "paused", Data: data(map[string]any{
		"cause": stop.Cause, "rows": stop.Rows, "note": stop.Note,
	})})
	return b.pause(stop)
}

// Run checks what is planned, runs what is approved and expires what nobody decided, until ctx ends; then calls in flight
// have drainTime to finish. It returns nil when ctx ended.
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
	batches, err := e.store.List(ctx, 0, Planning, AwaitingApproval, Approved, Running, Paused)
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
		case AwaitingApproval:
			if b, err = e.expireInTime(ctx, b); err != nil {
				failed = append(failed, fmt.Errorf("look when batch %d expires: %w", b.Number, err))
			}
			if time.Now().Before(b.Expires) {
				sooner(b.Expires)
				continue
			}
			if _, err := e.expire(ctx, b.Number); err != nil && !errors.As(err, new(*StateError)) {
				failed = append(failed, fmt.Errorf("expire batch %d: %w", b.Number, err))
			}
		case Planning:
			if wait, err := e.waitsForEnd(ctx, b); wait || err != nil {
				failed = append(failed, err)
				continue
			}
			sooner(e.ensure(ctx, group, b, e.planBatch))
		case Approved, Running, Paused:
			until, err := e.attendRun(ctx, group, b)
			if err != nil {
				failed = append(failed, err)
			}
			sooner(until)
		}
	}
	return next, errors.Join(failed...)
}

// waitsForEnd says whether a batch of what another one could not finish has to wait until that one has let go of it; then
// Run is woken.
func (e *Engine) waitsForEnd(ctx context.Context, b *Batch) (bool, error) {
	if b.Link != LinkRest {
		return false, nil
	}
	old, err := e.store.Batch(ctx, b.Follows)
	if err != nil {
		return false, fmt.Errorf("look at the batch that %d follows: %w", b.Number, err)
	}
	return old.State.Open(), nil
}

// attendRun gives an approved batch what it lacks, and says when to look again.
func (e *Engine) attendRun(ctx context.Context, group *sync.WaitGroup, b *Batch) (next time.Time, err error) {
	next = time.Now().Add(lookAgain)
	if e.cfg.FinishWithin > 0 && !b.Cancelling() {
		started := b.Started
		if started.IsZero() { // it starts about now, and nothing wakes us again when it does
			started = time.Now()
		}
		switch end := e.cfg.Run.Window.reach(started, e.cfg.FinishWithin); {
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
	case b.State == Approved && !e.cfg.Run.Window.Open(time.Now()):
		if opens := e.cfg.Run.Window.NextChange(time.Now()); !opens.IsZero() {
			next = earlier(next, opens)
		}
		if !b.Cancelling() {
			return next, nil
		}
	case b.State == Paused: // has nothing to do but to end, or to find out what became of calls
		summary, err := e.store.Summary(ctx, b.Number)
		if err != nil {
			return next, fmt.Errorf("count the rows of batch %d: %w", b.Number, err)
		}
		doubtful := summary.State(ChangeUnknown, ChangeRunning) > 0 || len(b.Parked) > 0 && exchangesGoOn(b)
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

// runOut begins the end of a batch whose approval has run out: calls in flight finish, and what is left needs approval
// again.
func (e *Engine) runOut(ctx context.Context, number int64) (*Batch, error) {
	b, err := e.store.Update(ctx, number, func(b *Batch) error {
		if b.Cancelling() || !b.State.Open() {
			return nil
		}
		now := time.Now()
		b.Ending = &Ending{How: Done, Reason: "ran out of its approval", At: now}
		b.Record(Event{At: now, Actor: Bot, Kind: "run_out", Data: data(map[string]any{
			"finish_within": e.cfg.FinishWithin.String(),
		})})
		return nil
	})
	if err != nil {
		return &Batch{Number: number}, err
	}
	e.nudge(number)
	return b, nil
}

// endRunOut ends a batch whose approval has run out. What is left is asked for anew, first, so that no crash loses it: the
// new batch waits with its check until this one has ended.
func (e *Engine) endRunOut(ctx context.Context, b *Batch) error {
	left, err := e.store.Changes(ctx, b.Number, 0, 0, ChangeReady)
	if err != nil {
		return err
	}
	following, err := e.store.Following(ctx, b.Number)
	if err != nil {
		return err
	}
	rest := slices.IndexFunc(following, func(f *Batch) bool { return f.Link == LinkRest && !f.Created.Before(b.Ending.At) })
	if rest < 0 && len(left) > 0 {
		lines := make([]int, len(left))
		for i := range left {
			lines[i] = left[i].Row
		}
		if err := e.splitOff(ctx, b, LinkRest, lines, b.Requester); err != nil && !errors.Is(err, ErrGone) {
			return err
		}
	}
	why := NewReason(ReasonNotRun, fmt.Sprintf("did not finish within %s of its start; the rest is asked for anew",
		e.cfg.FinishWithin))
	_, err = e.endUnstarted(ctx, b.Number, why, func(b *Batch) error {
		now := time.Now()
		b.Parked, b.Ending, b.Stop = nil, nil, Stop{}
		b.Record(Event{At: now, Actor: Bot, Kind: "done", Data: data(map[string]any{"left": len(left)})})
		return b.end(Done, now)
	})
	return err
}

// ensure starts the batch's worker unless it has one, or rests after a fault; then it says until when.
func (e *Engine) ensure(
	ctx context.Context, group *sync.WaitGroup, b *Batch, work func(context.Context, int64, <-chan struct{}) error,
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
	wctx, cancel := context.WithCancel(forBatch(ctx, b.Number))
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

// Trouble is what keeps a batch from being checked or run just now, mostly its store; nil when nothing does.
func (e *Engine) Trouble(number int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	t := e.trouble[number]
	if time.Since(t.at) > 2*restAfterFault { // it was tried again, and is at work
		return nil
	}
	return t.err
}

// nudge tells a batch's worker that somebody changed the batch: a check ends, a run looks.
func (e *Engine) nudge(number int64) {
	e.mu.Lock()
	w := e.workers[number]
	e.mu.Unlock()
	if w != nil {
		if w.state == Planning {
			w.cancel()
		}
		poke(w.nudge)
	}
	poke(e.wake)
}

// expireInTime sees to it that a batch which was planned by a clock that has been put back since does not wait for that
// moment to come again: it has as long as any other from now on.
func (e *Engine) expireInTime(ctx context.Context, b *Batch) (*Batch, error) {
	late := func(b *Batch, now time.Time) bool {
		return b.State == AwaitingApproval && b.Planned.After(now.Add(clockSlack)) && b.Expires.After(now.Add(e.cfg.ExpiresAfter))
	}
	if !late(b, time.Now()) {
		return b, nil
	}
	changed, err := e.store.Update(ctx, b.Number, func(b *Batch) error {
		now := time.Now()
		if !late(b, now) {
			return nil
		}
		expires := now.Add(e.cfg.ExpiresAfter)
		b.Record(Event{At: now, Actor: Bot, Kind: "clock_put_back", Data: data(map[string]any{
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

// expire ends a batch that nobody decided in time.
func (e *Engine) expire(ctx context.Context, number int64) (*Batch, error) {
	return e.endUnstarted(ctx, number, NewReason(ReasonNotRun, "expired: nobody decided in time"), func(b *Batch) error {
		now := time.Now()
		if b.State != AwaitingApproval || now.Before(b.Expires) {
			return stateError(b, Expired)
		}
		b.Record(Event{At: now, Actor: Bot, Kind: "expired"})
		return b.end(Expired, now)
	})
}

// planBatch checks a batch and seals its plan.
func (e *Engine) planBatch(ctx context.Context, number int64, _ <-chan struct{}) error {
	b, err := e.store.Batch(ctx, number)
	if err != nil || b.State != Planning {
		return err
	}
	if err := e.replace(ctx, b); err != nil {
		return err
	}
	if b.OrgID != e.cfg.OrgID {
		return e.giveUpPlanning(ctx, number, ErrOtherOrg)
	}
	sheet, err := e.requested(ctx, b)
	switch {
	case errors.Is(err, errUnreadable): // it was read before it was stored, so only other settings can be why
		return e.giveUpPlanning(ctx, number, err)
	case err != nil:
		return fmt.Errorf("plan batch %d: %w", number, err)
	}
	checker, err := e.checker(ctx, b, func(ctx context.Context, checked int) error {
		_, err := e.store.Update(ctx, number, func(b *Batch) error {
			if b.State != Planning {
				return errPlanAbandoned
			}
			b.Checked = checked
			return nil
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("plan batch %d: %w", number, err)
	}
	for try := 1; ; try++ {
		plan, err := checker.Check(ctx, sheet.Rows)
		if errors.Is(err, errPlanAbandoned) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		b.Traits = plan.Traits
		asker, err := e.asker(ctx, b, askAge)
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		demand, err := e.demand(ctx, b, asker)
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		_, err = e.store.Seal(ctx, number, plan.Changes, plan.Hold, func(b *Batch) error { return e.seal(b, plan, demand) })
		switch {
		case errors.As(err, new(*StateError)): // cancelled at the last moment
			return nil
		case errors.As(err, new(*HeldError)) && try < sealTries: // another batch was faster; its hold is found now
			continue
		case err != nil:
			return fmt.Errorf("seal batch %d: %w", number, err)
		}
		return nil
	}
}

// checker checks rows for a batch. Whose own accounts are whose has to be known for that: an error means that Slack cannot
// be asked.
func (e *Engine) checker(
	ctx context.Context, b *Batch, progress func(ctx context.Context, checked int) error,
) (*Checker, error) {
	asker, err := e.asker(ctx, b, askAge)
	if err != nil {
		return nil, fmt.Errorf("ask who asked: %w", err)
	}
	admins, err := e.cfg.People.Admins(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask who the admins are: %w", err)
	}
	people := append([]Person{b.Requester, b.Author}, admins...)
	c := &Checker{
		Reader: e.cfg.Directory, Groups: e.cfg.Groups, OrgID: e.cfg.OrgID, Batch: b.Number, Policy: e.cfg.Policy, Asker: asker,
		Owners: NewOwners(people, e.cfg.Policy.Accounts), Workers: e.cfg.Run.Workers, Held: e.store.Held, Progress: progress,
	}
	if e.cfg.Policy.PerDay != (PerDay{}) {
		c.Budget = func(ctx context.Context, accounts []string) (Reason, error) {
			const none = 0 // for a retry counts what its own batch has touched, too
			return e.budget(ctx, accounts, []string{b.Requester.ID, b.Author.ID}, none)
		}
	}
	return c, nil
}

// seal is the rule by which a checked batch gets its plan.
func (e *Engine) seal(b *Batch, plan *Plan, demand Demand) error {
	if b.State != Planning {
		return stateError(b, AwaitingApproval)
	}
	now := time.Now()
	b.Checked, b.Planned = b.Rows, now
	if plan.Ready() == 0 {
		b.Record(Event{At: now, Actor: Bot, Kind: "empty"})
		return b.end(Empty, now)
	}
	b.Digest, b.Expires, b.Traits = PlanDigest(b, plan.Steps), now.Add(e.cfg.ExpiresAfter), plan.Traits
	b.Approvals, b.Why, b.Emergency = demand.Approvals, demand.Why, demand.Emergency
	b.Record(Event{At: now, Actor: Bot, Kind: EventPlanned, Data: data(map[string]any{
		"digest": b.Digest, "ready": plan.Ready(), "approvals": b.Approvals, "why": b.Why, "emergency": b.Emergency,
		"traits": b.Traits,
	})})
	return b.Move(AwaitingApproval)
}

// replace ends the undecided batch that this one was asked for in place of.
func (e *Engine) replace(ctx context.Context, b *Batch) error {
	if b.Link != LinkRecheck {
		return nil
	}
	kind := fmt.Sprintf("checked again as #%d", b.Number)
	_, err := e.endUnstarted(ctx, b.Follows, NewReason(ReasonNotRun, "was "+kind), func(old *Batch) error {
		if old.State != AwaitingApproval {
			return stateError(old, Cancelled)
		}
		return cancelNow(old, b.Requester, kind)
	})
	if errors.As(err, new(*StateError)) { // decided or ended meanwhile: then its rows are held, or free
		return nil
	}
	return err
}

// giveUpPlanning ends a batch whose stored bytes cannot be read with today's settings.
func (e *Engine) giveUpPlanning(ctx context.Context, number int64, cause error) error {
	_, err := e.store.Update(ctx, number, func(b *Batch) error {
		now := time.Now()
		b.Ending = &Ending{How: Cancelled, Reason: cause.Error(), At: now}
		b.Record(Event{At: now, Actor: Bot, Kind: "cancelled", Data: data(map[string]any{"why": cause.Error()})})
		return b.end(Cancelled, now)
	})
	return err
}
