package run

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// bundle are rows with steps that belong together: the first row makes way, the others follow, and
// the first row comes last again. Once it has begun it is finished or put back, so that nobody
// stays half-way.
type bundle struct {
	first  *task
	others []*task         // in running order
	old    string          // what the first row's account showed
	parked string          // and what it shows while it waits
	reason workflow.Reason // why it is put back
	back   []*task         // what is still to be put back, the next one last
}

// heads reports whether the task is the first of its bundle, which waits half-way for the others.
func (t *task) heads() bool { return t.bundle != nil && t.bundle.first == t }

// bundling finds the bundles while the changes of a batch are loaded.
type bundling struct {
	members map[int][]member // by the first step of the bundle
}

type member struct {
	task *task
	step workflow.Step
	why  workflow.Reason // of a change that is being put back
}

// add notes the steps of a change that belong together with others.
func (k *bundling) add(c *workflow.Change, t *task) {
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Bundle == 0 {
			continue
		}
		if k.members == nil {
			k.members = map[int][]member{}
		}
		m := member{task: t, step: *s}
		if c.Back && c.Reason.Code == workflow.ReasonPutBack {
			m.why = c.Reason
		}
		k.members[s.Bundle] = append(k.members[s.Bundle], m)
	}
}

// bundles are those that were found, in running order.
func (k *bundling) bundles() []*bundle {
	var out []*bundle
	for _, seq := range slices.Sorted(maps.Keys(k.members)) {
		members := k.members[seq]
		slices.SortFunc(members, func(a, b member) int { return cmp.Compare(a.step.Seq, b.step.Seq) })
		head := members[0]
		x := &bundle{first: head.task, reason: head.why}
		for field := range head.step.Set.Keys() {
			if _, shown := head.step.FactOf(field); shown {
				x.old, x.parked = head.step.Expect.Get(field), head.step.Set.Get(field)
			}
		}
		for _, m := range members {
			if m.task.bundle = x; m.task != x.first && !slices.Contains(x.others, m.task) {
				x.others = append(x.others, m.task)
			}
		}
		out = append(out, x)
	}
	return out
}

// mayCall reports whether a call of the batch may be made now: it runs, or the call belongs to a
// bundle that has begun.
func (r *runner) mayCall(b *workflow.Batch, x *bundle) bool {
	if b.Missing() > 0 || b.OrgID != r.cfg.OrgID {
		return false
	}
	return b.State == workflow.Running && !b.Cancelling() || x != nil && b.BundlesGoOn() && slices.Contains(b.Parked, x.first.row)
}

// failedInBundle is what the failure of one row of a bundle comes to: the state and the reason it
// ends with, or that it does not end yet because the bundle is put back first.
func (t *task) failedInBundle(reason workflow.Reason) (to workflow.ChangeState, why workflow.Reason, goBack bool) {
	elsewhere := slices.Contains([]workflow.ReasonCode{
		workflow.ReasonDrifted, workflow.ReasonOvertaken, workflow.ReasonGone, workflow.ReasonVanished,
	}, reason.Code)
	switch {
	case elsewhere || reason.Code == workflow.ReasonPutBack: // somebody else moved the account: there is nothing of ours to put back
		return workflow.ChangeFailed, reason, false
	case t.back && t.heads():
		return workflow.ChangeFailed, workflow.NewReason(workflow.ReasonStuck, t.bundle.parked, t.bundle.old, reason.Words()), false
	case t.back:
		return workflow.ChangeDone, workflow.NewReason(workflow.ReasonKept, reason.Words()), false
	case t.heads() && t.step > 0:
		return workflow.ChangeReady, workflow.NewReason(workflow.ReasonPutBack, "", reason.Words()), true
	}
	return workflow.ChangeFailed, reason, false
}

// putBack turns an bundle round that cannot be finished: what has moved up gives its address back,
// the last one first, and then the parked account gets its own again.
func (r *runner) putBack(ctx context.Context, x *bundle, why workflow.Reason) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := r.turn(ctx, x.first, why); err != nil {
		return err
	}
	x.begin(r, why)
	return r.nextBack(ctx, x)
}

// begin notes what is to be put back, and why.
func (x *bundle) begin(r *runner, why workflow.Reason) {
	x.reason = why
	x.back = []*task{x.first}
	for _, t := range x.others {
		if state, _ := r.how(t.seq); state == workflow.ChangeDone && !t.back {
			x.back = append(x.back, t)
		}
	}
}

// why is the reason with which a row ends that is put back: the line that did not succeed, or its
// own refusal.
func (x *bundle) why(t *task) workflow.Reason {
	if t != x.first && x.reason.Fact(0) == "" {
		return workflow.NewReason(workflow.ReasonPutBack, strconv.Itoa(x.first.row))
	}
	return x.reason
}

// turn writes down that a change is on its way back.
func (r *runner) turn(ctx context.Context, t *task, why workflow.Reason) error {
	reopened := false
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		reopened = c.State == workflow.ChangeDone
		c.Back, c.Reason, c.Finished = true, why, time.Time{}
		c.CountCalls(-c.Tried())
		b.Record(workflow.Event{At: time.Now(), Row: c.Row, Actor: workflow.Bot, Kind: "putting_back", Data: workflow.EventData(map[string]any{
			"account_id": c.AccountID, "reason": why,
		})})
		if c.State == workflow.ChangeReady {
			return nil
		}
		return c.Move(workflow.ChangeReady)
	})
	if err != nil {
		return err
	}
	r.saw(b)
	t.back, t.over, t.after, t.ahead = true, false, 0, nil
	if reopened {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.left++
		t.ended = false
		delete(r.ended, t.seq)
	}
	return nil
}

// nextBack puts the next row of a bundle in line that gives its address back.
func (r *runner) nextBack(ctx context.Context, x *bundle) error {
	if len(x.back) == 0 {
		return nil
	}
	t := x.back[len(x.back)-1]
	x.back = x.back[:len(x.back)-1]
	if !t.back {
		if err := r.turn(ctx, t, x.why(t)); err != nil {
			return err
		}
	}
	r.queue(t)
	return nil
}

// resumePuttingBack goes on with the bundles that were being put back when the last runner ended.
func (r *runner) resumePuttingBack(ctx context.Context) error {
	for _, x := range r.bundles {
		if _, over := r.how(x.first.seq); over || !x.first.back {
			continue
		}
		why := x.reason
		if why.Code == "" {
			why = workflow.NewReason(workflow.ReasonPutBack, strconv.Itoa(r.failedIn(x)))
		}
		x.begin(r, why)
		onItsWay := func(t *task) bool {
			_, ended := r.how(t.seq)
			return t.back && !ended
		}
		switch {
		case slices.Contains(r.delayed, x.first): // the last one
			x.back = nil
		case slices.ContainsFunc(x.others, onItsWay): // it is in line, and calls the next
		default:
			if err := r.nextBack(ctx, x); err != nil {
				return err
			}
		}
	}
	return nil
}

// failedIn is the line because of which a bundle is put back.
func (r *runner) failedIn(x *bundle) int {
	for _, t := range x.others {
		if state, ended := r.how(t.seq); ended && state != workflow.ChangeDone && state != workflow.ChangeUnchanged && !t.back {
			return t.row
		}
	}
	return x.first.row
}
