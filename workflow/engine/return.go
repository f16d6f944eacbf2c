package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// How what is done for a while is taken back.
//
// The return is a batch of its own (workflow.LinkReturn): planned of the plan alone, approved with
// it, and written in the transaction of the last approval. From then on it waits in state approved,
// holds nothing, and has no card. Its moment is not stored: it is the end that the first batch was
// asked for, or counts from that one's start, and each look asks the clock anew.
//
// When the moment has come, or somebody pressed End now, this happens, each step a transaction whose
// condition is what the one before has written, so that power may fail between any two:
//
//  1. The first batch is marked as over. Nobody can retry it from then on; what runs of it is brought
//     to its end, and what never started is skipped.
//  2. Once it has ended, the return is trimmed: what the first batch did not do, and what others have
//     changed since, has nothing to be taken back.
//  3. What is left runs as any batch does: each change on condition that the account is as the first
//     batch left it.
//
// A second look does again what is not done yet and nothing else: the mark is set once, the trimming
// leaves out what has ended, and a batch leaves state approved once. Until then Keep can cancel it.

// bringReturn has the return of a batch written with its last approval.
func (e *Engine) bringReturn(b *workflow.Batch, token string, planned []workflow.Change, now time.Time) {
	changes := action.ReturnOf(planned)
	var steps []workflow.Step
	actions := map[workflow.ActionName]bool{}
	for i := range changes {
		steps = append(steps, changes[i].Steps...)
		for _, s := range changes[i].Steps {
			actions[s.Action] = true
		}
	}
	slices.SortFunc(steps, func(a, b workflow.Step) int { return a.Seq - b.Seq })
	ret := &workflow.Batch{OrgID: b.OrgID, State: workflow.Planning, BatchRequest: workflow.BatchRequest{
		Token: token, Requester: b.Requester, Author: b.Author, Agent: b.Agent, Reason: b.Reason,
		When: workflow.When{At: b.When.Until, Zone: b.When.Zone}, Source: workflow.Source{Kind: workflow.SourceBatch},
		Follows: b.Number, Link: workflow.LinkReturn, Rows: len(changes), Created: now,
	}}
	ret.Record(workflow.Event{At: now, Actor: b.Requester.ID, Kind: workflow.EventAsked, Data: workflow.EventData(map[string]any{
		"author": b.Author.ID, "reason": b.Reason, "rows": len(changes), "follows": b.Number, "link": workflow.LinkReturn,
	})})
	traits := b.Traits
	traits.Actions, traits.Changes = nil, len(changes)
	for name := range actions {
		traits.Actions = append(traits.Actions, name)
	}
	slices.Sort(traits.Actions)
	approvals, digest := b.Approvals, b.Digest
	b.Bring(workflow.Brought{Batch: ret, Changes: changes, Seal: func(ret *workflow.Batch) error {
		ret.Checked, ret.Planned, ret.Approved = ret.Rows, now, now
		ret.Traits, ret.Approvals, ret.Digest = traits, approvals, workflow.PlanDigest(ret, steps)
		ret.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: workflow.EventData(map[string]any{
			"digest": ret.Digest, "ready": len(changes), "approvals": approvals, "approved_with": digest,
		})})
		if err := ret.Move(workflow.AwaitingApproval); err != nil {
			return err
		}
		return ret.Move(workflow.Approved)
	}})
}

// planReturn reads what the return of a batch is made of, where it has an end. That does not change
// any more.
func (e *Engine) planReturn(ctx context.Context, b *workflow.Batch, found *weighed) (err error) {
	if !b.When.Ends() {
		return nil
	}
	if found.token, err = e.token(); err != nil {
		return err
	}
	found.planned, err = e.store.Changes(ctx, b.Number, 0, 0)
	return err
}

// attendReturn looks whether the moment of a return has come, and says when to look again.
func (e *Engine) attendReturn(ctx context.Context, group *sync.WaitGroup, ret *workflow.Batch) (next time.Time, err error) {
	now := time.Now()
	next = now.Add(lookAgain)
	first, err := e.store.Batch(ctx, ret.Follows)
	if err != nil {
		return next, err
	}
	end := first.When.End(first.Started)
	switch {
	case ret.Released != nil:
	case first.Started.IsZero() && !first.State.Open():
		return next, e.dropReturn(ctx, ret.Number, first.Number)
	case end.IsZero(): // it counts from a start that may be any moment now, and wakes nobody
		return earlier(next, now.Add(first.When.For)), nil
	case now.Before(end):
		return earlier(next, end), nil
	}
	if wait, err := e.unsureSince(ctx, ret); wait || err != nil {
		return next, err
	}
	if !first.Over {
		if first, err = e.comeToEnd(ctx, first); err != nil {
			return next, err
		}
	}
	if first.State.Open() { // its worker wakes us
		return next, nil
	}
	if !e.cfg.Run.Window.Open(now) {
		if opens := e.cfg.Run.Window.NextChange(now); !opens.IsZero() {
			next = earlier(next, opens)
		}
		return next, nil
	}
	return earlier(next, e.ensure(ctx, group, ret, e.runBatch)), nil
}

// unsureSince reports whether the database went back in time since the return was approved, or
// released: then it may have run, and people decide.
func (e *Engine) unsureSince(ctx context.Context, ret *workflow.Batch) (bool, error) {
	if e.cfg.WentBack == nil {
		return false, nil
	}
	at, err := e.cfg.WentBack(ctx)
	since := ret.Created
	if ret.Released != nil {
		since = ret.Released.At
	}
	return since.Before(at), err
}

// comeToEnd marks a batch whose time is over, and begins its end.
func (e *Engine) comeToEnd(ctx context.Context, first *workflow.Batch) (*workflow.Batch, error) {
	const over = "its time is over"
	mark := func(b *workflow.Batch, now time.Time) {
		b.Over = true
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "over"})
	}
	why := workflow.NewReason(workflow.ReasonNotRun, over)
	b, err := e.endUnstarted(ctx, first.Number, why, func(b *workflow.Batch) error {
		now := time.Now()
		if !b.Started.IsZero() || !b.State.Open() {
			return errStarted
		}
		mark(b, now)
		b.Ending = &workflow.Ending{How: workflow.Cancelled, Reason: over, At: now}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "cancelled", Data: workflow.EventData(map[string]any{"why": over})})
		return b.End(workflow.Cancelled, now)
	})
	if !errors.Is(err, errStarted) {
		return b, err
	}
	b, err = e.store.Update(ctx, first.Number, func(b *workflow.Batch) error {
		now := time.Now()
		if mark(b, now); b.State.Open() && !b.Cancelling() {
			b.Ending = &workflow.Ending{How: workflow.Done, Reason: over, At: now}
		}
		return nil
	})
	if err == nil {
		e.nudge(first.Number)
	}
	return b, err
}

// endOver ends a batch that has come to the end of its time: what has not been done is not done any
// more.
func (e *Engine) endOver(ctx context.Context, number int64) error {
	why := workflow.NewReason(workflow.ReasonNotRun, "its time is over")
	_, err := e.endUnstarted(ctx, number, why, func(b *workflow.Batch) error {
		now := time.Now()
		b.Parked, b.Ending, b.Stop = nil, nil, workflow.Stop{}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "done", Data: workflow.EventData(map[string]any{"over": true})})
		return b.End(workflow.Done, now)
	})
	return err
}

// dropReturn ends a return that has nothing to take back, nor ever will have.
func (e *Engine) dropReturn(ctx context.Context, number, first int64) error {
	why := workflow.NewReason(workflow.ReasonNotOurs, strconv.FormatInt(first, 10))
	_, err := e.endUnstarted(ctx, number, why, func(b *workflow.Batch) error {
		if !b.Returns() {
			return workflow.NewStateError(b, workflow.Cancelled)
		}
		now := time.Now()
		b.Ending = &workflow.Ending{How: workflow.Cancelled, Reason: nothingToTakeBack, At: now}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "cancelled", Data: workflow.EventData(map[string]any{"why": nothingToTakeBack})})
		return b.End(workflow.Cancelled, now)
	})
	if errors.As(err, new(*workflow.StateError)) { // somebody kept it
		return nil
	}
	return err
}

const nothingToTakeBack = "nothing to take back"

// startReturn makes a return ready to run, and reports whether anything of it is left to do: nobody
// acts on its accounts, and what there is nothing to take back of is left out.
func (e *Engine) startReturn(ctx context.Context, number int64, nudge <-chan struct{}) (bool, error) {
	for {
		ret, err := e.store.Batch(ctx, number)
		if err != nil || !ret.Returns() {
			return err == nil, err
		}
		changes, err := e.store.Changes(ctx, number, 0, 0, workflow.ChangeReady)
		if err != nil {
			return false, err
		}
		acting, err := e.actedOn(ctx, changes)
		if err != nil {
			return false, err
		}
		if !acting {
			return e.trim(ctx, ret, changes)
		}
		timer := time.NewTimer(restAfterFault)
		select {
		case <-timer.C:
		case <-nudge:
		case <-ctx.Done():
			timer.Stop()
			return false, nil
		}
		timer.Stop()
	}
}

// returnActs reports whether a return is acting on what the step changes. A return takes back what it
// has to at its moment, also what another batch holds: so that one waits until it is known what the
// return came to.
func (e *Engine) returnActs(ctx context.Context, number int64, step workflow.Step) (bool, error) {
	e.mu.Lock()
	returns := slices.Collect(maps.Keys(e.returns))
	e.mu.Unlock()
	if len(returns) == 0 {
		return false, nil
	}
	held, err := e.store.Held(ctx, step.Keys())
	for _, h := range held {
		if h.Acting && h.Batch != number && slices.Contains(returns, h.Batch) {
			return true, err
		}
	}
	return false, err
}

// returnRuns notes that a return is being run, or that it has ended.
func (e *Engine) returnRuns(number int64, runs bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if runs {
		e.returns[number] = true
	} else {
		delete(e.returns, number)
	}
}

// actedOn reports whether another batch is acting on one of the changes.
func (e *Engine) actedOn(ctx context.Context, changes []workflow.Change) (bool, error) {
	var keys []string
	for i := range changes {
		for _, s := range changes[i].Steps {
			keys = append(keys, s.Keys()...)
		}
	}
	slices.Sort(keys)
	held, err := e.store.Held(ctx, slices.Compact(keys))
	for _, h := range held {
		if h.Acting {
			return true, err
		}
	}
	return false, err
}
