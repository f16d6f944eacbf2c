package workflow

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// exchange is a circle of renames in a run: the first account makes way to a parking address, the others move up, and the
// first takes what the last has left. Once it has begun it is finished or put back, so that nobody stays at a parking
// address.
type exchange struct {
	first  *task
	others []*task // in running order
	old    string  // the first account's address
	parked string  // and where it waits
	reason Reason  // why it is put back
	back   []*task // what is still to be put back, the next one last
}

// parks says whether the task's account goes by way of a parking address.
func (t *task) parks() bool { return t.exchange != nil && t.exchange.first == t }

// circles finds the exchanges while the changes of a batch are loaded.
type circles struct {
	parked []*Change
	bySeq  map[int]*task
	after  map[int]int
}

// add notes a change and its task. What does not wait for another row and is not parked belongs to no exchange.
func (k *circles) add(c *Change, t *task) {
	if k.bySeq == nil {
		k.bySeq, k.after = map[int]*task{}, map[int]int{}
	}
	if len(c.Steps) > 1 {
		k.parked = append(k.parked, c)
	}
	for _, s := range c.Steps {
		if s.After != 0 || len(c.Steps) > 1 {
			k.bySeq[s.Seq], k.after[s.Seq] = t, s.After
		}
	}
}

// exchanges follows each parked row's last step back to its first.
func (k *circles) exchanges() []*exchange {
	var out []*exchange
	for _, c := range k.parked {
		begin, end := c.Steps[0].Seq, c.Steps[len(c.Steps)-1].Seq
		x := &exchange{first: k.bySeq[begin], old: c.Steps[0].From, parked: c.Steps[0].To}
		if c.Back && c.Reason.Code == ReasonPutBack {
			x.reason = c.Reason
		}
		x.first.exchange = x
		for seq := k.after[end]; seq != begin && k.bySeq[seq] != nil; seq = k.after[seq] {
			x.others = append(x.others, k.bySeq[seq])
			k.bySeq[seq].exchange = x
		}
		slices.Reverse(x.others)
		out = append(out, x)
	}
	return out
}

// exchangesGoOn says whether exchanges that have begun go on although the batch is halted: always, but where no call could
// or should be made at all.
func exchangesGoOn(b *Batch) bool {
	if b.Cancelling() {
		return true
	}
	switch b.Stop.Cause {
	case StopKeyRefused, StopUnavailable, StopOtherOrg, StopAltered:
		return false
	default:
		return b.State == Running || b.State == Paused
	}
}

// mayCall says whether a call of the batch may be made just now: it runs, or the call belongs to an exchange that has begun.
func (e *Engine) mayCall(b *Batch, x *exchange) bool {
	if b.Missing() > 0 || b.OrgID != e.cfg.OrgID {
		return false
	}
	return b.State == Running && !b.Cancelling() || x != nil && exchangesGoOn(b) && slices.Contains(b.Parked, x.first.row)
}

// park notes that the row's account may show its parking address from now on.
func (b *Batch) park(row int) {
	if !slices.Contains(b.Parked, row) {
		b.Parked = append(slices.Clone(b.Parked), row)
	}
}

func (b *Batch) unpark(row int) {
	b.Parked = slices.DeleteFunc(slices.Clone(b.Parked), func(r int) bool { return r == row })
}

// advance writes down that a step is proved behind which another one follows.
func (r *runner) advance(ctx context.Context, t *task) verdict {
	ctx, cancel := lasting(ctx)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		done, _ := c.Next()
		c.Step++
		c.Tried, c.Reason = 0, Reason{}
		b.park(c.Row)
		b.Record(Event{At: time.Now(), Row: c.Row, Actor: Bot, Kind: "parked", Data: data(map[string]any{
			"account_id": c.AccountID, "from": done.From, "to": done.To,
		})})
		if c.State == ChangeReady { // its call had been taken for lost
			return nil
		}
		return c.Move(ChangeReady)
	})
	if err != nil {
		return verdict{err: err}
	}
	r.saw(b)
	r.ended[t.seq] = ChangeDone
	return verdict{heard: true, moved: true}
}

// failedExchange says what the failure of one row of an exchange comes to: the state and the reason it ends with, or that
// it does not end yet because the exchange is put back first.
func (t *task) failedExchange(reason Reason) (to ChangeState, why Reason, goBack bool) {
	elsewhere := reason.Code == ReasonDrifted || reason.Code == ReasonOvertaken || reason.Code == ReasonGone
	switch {
	case elsewhere || reason.Code == ReasonPutBack: // somebody else moved the account: there is nothing of ours to put back
		return ChangeFailed, reason, false
	case t.back && t.parks():
		return ChangeFailed, NewReason(ReasonStuck, t.exchange.parked, t.exchange.old, reason.Words()), false
	case t.back:
		return ChangeDone, NewReason(ReasonKept, reason.Words()), false
	case t.parks() && t.step > 0:
		return ChangeReady, NewReason(ReasonPutBack, "", reason.Words()), true
	}
	return ChangeFailed, reason, false
}

// putBack turns an exchange round that cannot be finished: what has moved up gives its address back, the last one first,
// and then the parked account gets its own again.
func (r *runner) putBack(ctx context.Context, x *exchange, why Reason) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := r.turn(ctx, x.first, why); err != nil {
		return err
	}
	x.begin(r, why)
	return r.nextBack(ctx, x)
}

// begin notes what is to be put back, and why.
func (x *exchange) begin(r *runner, why Reason) {
	x.reason = why
	x.back = []*task{x.first}
	for _, t := range x.others {
		if state, _ := r.outcome(t.seq); state == ChangeDone && !t.back {
			x.back = append(x.back, t)
		}
	}
}

// why is the reason with which a row ends that is put back: the line that did not succeed, or its own refusal.
func (x *exchange) why(t *task) Reason {
	if t != x.first && x.reason.fact(0) == "" {
		return NewReason(ReasonPutBack, strconv.Itoa(x.first.row))
	}
	return x.reason
}

// turn writes down that a change is on its way back.
func (r *runner) turn(ctx context.Context, t *task, why Reason) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	reopened := false
	b, _, err := r.engine.store.UpdateChange(ctx, r.number, t.row, func(b *Batch, c *Change) error {
		reopened = c.State == ChangeDone
		c.Back, c.Tried, c.Reason, c.Finished = true, 0, why, time.Time{}
		b.Record(Event{At: time.Now(), Row: c.Row, Actor: Bot, Kind: "putting_back", Data: data(map[string]any{
			"account_id": c.AccountID, "reason": why,
		})})
		if c.State == ChangeReady {
			return nil
		}
		return c.Move(ChangeReady)
	})
	if err != nil {
		return err
	}
	r.saw(b)
	t.back, t.after, t.ahead = true, 0, nil
	if reopened {
		r.left++
		delete(r.ended, t.seq)
	}
	return nil
}

// nextBack puts the next row of an exchange in line that gives its address back.
func (r *runner) nextBack(ctx context.Context, x *exchange) error {
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

// resumePuttingBack goes on with the exchanges that were being put back when the last runner ended.
func (r *runner) resumePuttingBack(ctx context.Context) error {
	for _, x := range r.exchanges {
		if _, over := r.outcome(x.first.seq); over || !x.first.back {
			continue
		}
		why := x.reason
		if why.Code == "" {
			why = NewReason(ReasonPutBack, strconv.Itoa(r.failedIn(x)))
		}
		x.begin(r, why)
		onItsWay := func(t *task) bool {
			_, ended := r.outcome(t.seq)
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

// failedIn is the line because of which an exchange is put back.
func (r *runner) failedIn(x *exchange) int {
	for _, t := range x.others {
		if state, ended := r.outcome(t.seq); ended && state != ChangeDone && state != ChangeUnchanged && !t.back {
			return t.row
		}
	}
	return x.first.row
}
