package engine

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// trim writes down of which changes a return has nothing to take back: those that the first batch
// did not make, that another one has made something of since, or that nobody may touch any more. It
// reports whether any are left.
func (e *Engine) trim(ctx context.Context, ret *workflow.Batch, changes []workflow.Change) (left bool, err error) {
	first, err := e.store.Batch(ctx, ret.Follows)
	if err != nil {
		return false, err
	}
	made, err := e.madeBy(ctx, first)
	if err != nil {
		return false, err
	}
	later, err := e.store.Later(ctx, first.Number, ret.Number, first.Approved)
	if err != nil {
		return false, err
	}
	guard := e.cfg.Policy.Guard(workflow.Asker{}, nil)
	closed, _ := errors.AsType[*workflow.GuardError](guard.Plan(ret.Traits))
	out := map[int]secondLook{}
	skip := map[int]map[int]bool{} // of a row that runs in part: the steps that do not
	for i := range changes {
		c := &changes[i]
		nothing := map[int]bool{}
		for j, undone := range made[c.Row] {
			nothing[j] = undone
		}
		switch by := takenOver(c, made[c.Row], later); {
		case len(made[c.Row]) == 0 || countTrue(nothing) == len(c.Steps):
			out[c.Row] = secondLook{workflow.ChangeUnchanged, workflow.NewReason(workflow.ReasonNotOurs, strconv.FormatInt(first.Number, 10))}
		case by != 0:
			out[c.Row] = secondLook{workflow.ChangeUnchanged, workflow.NewReason(workflow.ReasonLaterBatch, strconv.FormatInt(by, 10))}
		case guard.Protects(c.AccountID, c.OldEmail(), c.NewEmail()):
			out[c.Row] = secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonProtected, c.OldEmail())}
		case closed != nil:
			out[c.Row] = secondLook{workflow.ChangeFailed, workflow.NewReason(closed.Code, closed.Facts...)}
		default:
			left = true
			skip[c.Row] = nothing
		}
	}
	return left, e.writeTrimmed(ctx, ret.Number, first.Number, left, out, skip)
}

func countTrue(m map[int]bool) (n int) {
	for _, yes := range m {
		if yes {
			n++
		}
	}
	return n
}

// madeBy tells of each change of a batch with an end, by row, which steps of its return have nothing
// to take back, as the batch did not make what they would.
func (e *Engine) madeBy(ctx context.Context, first *workflow.Batch) (map[int][]bool, error) {
	changes, err := e.store.Changes(ctx, first.Number, 0, 0)
	if err != nil {
		return nil, err
	}
	out := map[int][]bool{}
	for i := range changes {
		c := &changes[i]
		back, _ := action.Return(c)
		for _, r := range back {
			at := slices.IndexFunc(c.Steps, func(s workflow.Step) bool { return s.Seq == r.Of.Seq })
			out[c.Row] = append(out[c.Row], c.Outcome(at).State != workflow.ChangeDone)
		}
	}
	return out, nil
}

// takenOver returns the batch that has changed the same thing since, or asks for what the return
// would take back; 0 for none.
func takenOver(c *workflow.Change, undone []bool, later []workflow.Change) int64 {
	for i := range c.Steps {
		if i < len(undone) && undone[i] {
			continue
		}
		for j := range later {
			if l := &later[j]; l.AccountID == c.AccountID && concerns(l, &c.Steps[i]) {
				return l.Batch
			}
		}
	}
	return 0
}

// concerns reports whether a change of another batch speaks against a step of a return: it has
// changed the same thing, or is about to make it, or to leave it, as the return expects it.
func concerns(l *workflow.Change, s *workflow.Step) bool {
	for i := range l.Steps {
		o := &l.Steps[i]
		if !slices.ContainsFunc(o.Keys(), func(key string) bool { return slices.Contains(s.Keys(), key) }) {
			continue
		}
		if l.State == workflow.ChangeDone || l.Outcome(i).State == workflow.ChangeDone {
			return true
		}
		for field, value := range o.Set.All() {
			if expects, ok := s.Expect.Lookup(field); ok && workflow.SameField(field, value, expects) {
				return true
			}
		}
	}
	return false
}

// writeTrimmed writes down what trim found, in one transaction. A return of which nothing is left
// ends with it.
func (e *Engine) writeTrimmed(
	ctx context.Context, number, first int64, left bool, out map[int]secondLook, skip map[int]map[int]bool,
) error {
	failed := false
	for _, o := range out {
		failed = failed || o.state == workflow.ChangeFailed
	}
	now := time.Now()
	_, err := e.store.UpdateChanges(ctx, number, workflow.ChangeReady, func(c *workflow.Change) error {
		if found, over := out[c.Row]; over {
			for i := range c.Steps {
				c.Conclude(i, found.state, found.reason)
			}
			c.Reason, c.Finished = found.reason, now
			return c.Move(found.state)
		}
		for i, nothing := range skip[c.Row] {
			if nothing && c.Outcome(i).State == "" {
				c.Conclude(i, workflow.ChangeUnchanged, workflow.NewReason(workflow.ReasonNotOurs, strconv.FormatInt(first, 10)))
			}
		}
		return nil
	}, func(b *workflow.Batch) error {
		if !b.Returns() {
			return workflow.NewStateError(b, workflow.Running)
		}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "trimmed", Data: workflow.EventData(map[string]any{"left_out": len(out)})})
		switch {
		case left:
			return nil
		case !failed:
			b.Ending = &workflow.Ending{How: workflow.Cancelled, Reason: nothingToTakeBack, At: now}
			b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "cancelled", Data: workflow.EventData(map[string]any{"why": nothingToTakeBack})})
			return b.End(workflow.Cancelled, now)
		}
		b.Started = now
		if err := b.Move(workflow.Running); err != nil {
			return err
		}
		return b.Finish()
	})
	if errors.As(err, new(*workflow.StateError)) { // somebody kept it
		return nil
	}
	return err
}
