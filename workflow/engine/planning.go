package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
)

// planBatch checks a batch and saves its plan.
func (e *Engine) planBatch(ctx context.Context, number int64, _ <-chan struct{}) error {
	b, err := e.store.Batch(ctx, number)
	if err != nil || b.State != workflow.Planning {
		return err
	}
	if err := e.replace(ctx, b); err != nil {
		return err
	}
	if b.OrgID != e.cfg.OrgID {
		return e.giveUpPlanning(ctx, number, workflow.ErrOtherOrg)
	}
	if b.Reading() {
		if done, err := e.findRows(ctx, b); done || err != nil {
			return err
		}
		if b, err = e.store.Batch(ctx, number); err != nil {
			return err
		}
	}
	checker, err := e.checker(ctx, b, func(ctx context.Context, checked int) error {
		_, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
			if b.State != workflow.Planning {
				return plan.ErrAbandoned
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
		rows, err := e.store.Rows(ctx, number)
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		checked, err := checker.Check(ctx, rows)
		if errors.Is(err, plan.ErrAbandoned) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		if err := e.tellRestored(ctx, b, checked.Changes); err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		if checked.Traits.Accounts, err = e.lookUpAccounts(ctx, b); err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		b.Traits = checked.Traits
		asker, err := e.asker(ctx, b, workflow.Freshness{Age: askAge})
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		demand, err := e.demand(ctx, b, asker, b.Requester, b.Author)
		if err != nil {
			return fmt.Errorf("plan batch %d: %w", number, err)
		}
		_, err = e.store.SavePlan(ctx, number, checked.Changes, checked.Hold(), func(b *workflow.Batch) error { return e.seal(b, checked, demand) })
		switch {
		case errors.As(err, new(*workflow.StateError)): // cancelled at the last moment
			return nil
		case errors.As(err, new(*workflow.HeldError)) && try < planTries: // another batch was faster; its hold is found now
			continue
		case err != nil:
			return fmt.Errorf("seal batch %d: %w", number, err)
		}
		return nil
	}
}

// tellRestored tells of what is so already that the batch did it before the database went back in
// time.
func (e *Engine) tellRestored(ctx context.Context, b *workflow.Batch, changes []workflow.Change) error {
	already := func(c workflow.Change) bool { return c.Reason.Code == workflow.ReasonAlready }
	if !slices.ContainsFunc(changes, already) {
		return nil
	}
	restored, err := e.wentBack(ctx, b)
	for i := range changes {
		changes[i].Reason = beforeRestore(changes[i].Reason, restored)
	}
	return err
}

// checker checks rows for a batch. Whose own accounts are whose has to be known for that: an error
// means that Slack cannot be asked.
func (e *Engine) checker(
	ctx context.Context, b *workflow.Batch, progress func(ctx context.Context, checked int) error,
) (*plan.Checker, error) {
	asker, err := e.asker(ctx, b, workflow.Freshness{Age: askAge})
	if err != nil {
		return nil, fmt.Errorf("ask who asked: %w", err)
	}
	admins, err := e.cfg.People.Admins(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask who the admins are: %w", err)
	}
	people := append([]workflow.Person{b.Requester, b.Author}, admins...)
	at, until, held := b.When.StepAt(), b.When.StepUntil(), e.store.Held
	if b.Link == workflow.LinkReturn {
		first, err := e.store.Batch(ctx, b.Follows)
		if err != nil {
			return nil, err
		}
		at, until, held = first.When.StepUntil(), "", e.heldNow
	}
	c := &plan.Checker{
		Reader: e.cfg.Directory.For(b.Number), OrgID: e.cfg.OrgID, Batch: b.Number,
		Guard:   e.cfg.Policy.Guard(asker, people),
		Workers: e.cfg.Run.Workers, At: at, Until: until, Held: held, Returning: e.returning, Progress: progress, Deletion: e.deletion,
	}
	if requester, all := e.cfg.Policy.DayLimits(); requester || all {
		c.Budget = func(ctx context.Context, accounts []string) (workflow.Reason, error) {
			const none = 0 // for a retry counts what its own batch has touched, too
			return e.budget(ctx, accounts, []string{b.Requester.ID, b.Author.ID}, none)
		}
	}
	return c, nil
}

// heldNow are the holds of batches that are acting on their row at the moment: a return is held up by
// no others.
func (e *Engine) heldNow(ctx context.Context, keys []string) (map[string]workflow.Hold, error) {
	held, err := e.store.Held(ctx, keys)
	maps.DeleteFunc(held, func(_ string, h workflow.Hold) bool { return !h.Acting })
	return held, err
}

// seal is the rule by which a checked batch gets its plan.
func (e *Engine) seal(b *workflow.Batch, plan *plan.Plan, demand workflow.Demand) error {
	if b.State != workflow.Planning {
		return workflow.NewStateError(b, workflow.AwaitingApproval)
	}
	now := time.Now()
	b.Checked, b.Planned = b.Rows, now
	if plan.Ready() == 0 {
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "empty"})
		return b.End(workflow.Empty, now)
	}
	b.Digest, b.Expires, b.Traits = workflow.DigestOfHashes(b, plan.StepHashes()), e.expiry(b, now), plan.Traits
	b.Approvals, b.Why, b.Emergency = demand.Approvals, demand.Why, demand.Emergency
	facts := map[string]any{
		"digest": b.Digest, "ready": plan.Ready(), "approvals": b.Approvals, "why": b.Why, "emergency": b.Emergency,
		"traits": b.Traits,
	}
	if b.When.Ends() {
		facts["ends"] = true
	}
	b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: workflow.EventPlanned, Data: workflow.EventData(facts)})
	return b.Move(workflow.AwaitingApproval)
}

// replace ends the undecided batch that this one was asked for in place of.
func (e *Engine) replace(ctx context.Context, b *workflow.Batch) error {
	if b.Link != workflow.LinkRecheck {
		return nil
	}
	kind := fmt.Sprintf("checked again as #%d", b.Number)
	_, err := e.endUnstarted(ctx, b.Follows, workflow.NewReason(workflow.ReasonNotRun, "was "+kind), func(old *workflow.Batch) error {
		if old.State != workflow.AwaitingApproval {
			return workflow.NewStateError(old, workflow.Cancelled)
		}
		return cancelNow(old, b.Requester, kind)
	})
	if errors.As(err, new(*workflow.StateError)) { // decided or ended meanwhile: then its rows are held, or free
		return nil
	}
	return err
}

// giveUpPlanning ends a batch that cannot be planned with the settings of today.
func (e *Engine) giveUpPlanning(ctx context.Context, number int64, cause error) error {
	return e.endPlanning(ctx, number, workflow.Cancelled, cause)
}

// endPlanning ends a batch before it has a plan, and says why.
func (e *Engine) endPlanning(ctx context.Context, number int64, how workflow.State, cause error) error {
	_, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
		now := time.Now()
		b.Ending = &workflow.Ending{How: how, Reason: cause.Error(), At: now}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: string(how), Data: workflow.EventData(map[string]any{"why": cause.Error()})})
		return b.End(how, now)
	})
	return err
}
