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
	skip := map[int][]workflow.Reason{} // of a row that runs in part: why a step does not
	for i := range changes {
		c := &changes[i]
		why, none := leftOut(c, first.Number, made[c.Row], later)
		switch {
		case none:
			out[c.Row] = secondLook{workflow.ChangeUnchanged, why[len(why)-1]}
		case guard.Protects(c.AccountID, c.OldEmail(), c.NewEmail()):
			out[c.Row] = secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonProtected, c.OldEmail())}
		case closed != nil:
			out[c.Row] = secondLook{workflow.ChangeFailed, workflow.NewReason(closed.Code, closed.Facts...)}
		default:
			left = true
			skip[c.Row] = why
		}
	}
	return left, e.writeTrimmed(ctx, ret.Number, left, out, skip)
}

// leftOut says of each step of a change why there is nothing to be taken back by it, the zero Reason
// where there is. none reports that this holds for all of them; then the last one says it of the whole.
func leftOut(c *workflow.Change, first int64, undone []bool, later []workflow.Change) (why []workflow.Reason, none bool) {
	none = true
	whole := workflow.NewReason(workflow.ReasonNotOurs, strconv.FormatInt(first, 10))
	for i := range c.Steps {
		reason := workflow.NewReason(workflow.ReasonNotOurs, strconv.FormatInt(first, 10))
		if i < len(undone) && !undone[i] {
			reason = workflow.Reason{}
			if by := takenOver(c, &c.Steps[i], later); by != 0 {
				reason = workflow.NewReason(workflow.ReasonLaterBatch, strconv.FormatInt(by, 10))
				whole = reason
			}
		}
		why, none = append(why, reason), none && reason.Code != ""
	}
	return append(why, whole), none
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
			state := c.Outcome(at).State
			if state == "" {
				state = c.State
			}
			kept := state == workflow.ChangeUnchanged && r.Of.Stays() // for as long as this batch goes
			out[c.Row] = append(out[c.Row], state != workflow.ChangeDone && !kept)
		}
	}
	return out, nil
}

// returning tells what is going to be taken back on accounts: of what waits for that, all that no batch
// which was approved since has taken over.
func (e *Engine) returning(ctx context.Context, accounts []string) ([]workflow.Change, error) {
	all, err := e.store.Returning(ctx, accounts)
	if err != nil {
		return nil, err
	}
	since := map[int64][]workflow.Change{} // by the batch that is taken back
	var out []workflow.Change
	for _, c := range all {
		later, known := since[c.Batch]
		if !known {
			first, err := e.store.Batch(ctx, c.Batch)
			if err != nil {
				return nil, err
			}
			if later, err = e.store.Later(ctx, c.Batch, c.Batch, first.Approved); err != nil {
				return nil, err
			}
			since[c.Batch] = later
		}
		c.Steps = slices.DeleteFunc(slices.Clone(c.Steps), func(s workflow.Step) bool { return takenOver(&c, &s, later) != 0 })
		if len(c.Steps) > 0 {
			out = append(out, c)
		}
	}
	return out, nil
}

// takenOver returns the batch that has changed the same thing since as a step of a return would, or
// asks for what that would take back; 0 for none.
func takenOver(c *workflow.Change, s *workflow.Step, later []workflow.Change) int64 {
	for j := range later {
		if l := &later[j]; l.AccountID == c.AccountID && concerns(l, s) {
			return l.Batch
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
	ctx context.Context, number int64, left bool, out map[int]secondLook, skip map[int][]workflow.Reason,
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
		for i := range c.Steps {
			if why := skip[c.Row]; i < len(why) && why[i].Code != "" && c.Outcome(i).State == "" {
				c.Conclude(i, workflow.ChangeUnchanged, why[i])
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
