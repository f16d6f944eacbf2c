package run

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// queue puts a task where it belongs: behind what it waits for, else in line.
func (r *runner) queue(t *task) {
	t.begin(stageSend)
	if _, ended := r.how(t.after); t.after != 0 && !ended {
		r.dependents[t.after] = append(r.dependents[t.after], t)
		return
	}
	at, _ := slices.BinarySearchFunc(r.waiting, t, func(a, b *task) int { return cmp.Compare(a.seq, b.seq) })
	r.waiting = slices.Insert(r.waiting, at, t)
}

// idle reports that nothing can be done now. What stands behind a predecessor is in line as soon as
// that has ended.
func (r *runner) idle() bool {
	return len(r.delayed)+len(r.unproved) == 0 && (len(r.waiting) == 0 || r.isHalted() && !slices.ContainsFunc(r.waiting, r.mayGo))
}

// mayGo reports whether a task in line may be sent: it is its turn, and the batch runs, or it
// belongs to a bundle that has begun.
func (r *runner) mayGo(t *task) bool {
	if t.lane != nil && !t.lane.isTurnOf(t) {
		return false
	}
	return !r.isHalted() && r.open || r.bundleGoesOn(t)
}

// bundleGoesOn reports whether the task belongs to a bundle that has begun and may go on although the
// batch is halted.
func (r *runner) bundleGoesOn(t *task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return t.bundle != nil && r.goesOn && slices.Contains(r.parked, t.bundle.first.row)
}

// next is when something is due by the clock.
func (r *runner) next() time.Time {
	next := time.Now().Add(lookAgainAfter)
	if r.busy() {
		return r.nextSearch(next) // a worker that is done is heard, not waited for
	}
	for _, t := range r.delayed {
		next = soonest(next, t.due)
	}
	next = r.nextSearch(next)
	if changes := r.cfg.Limits.Window.NextChange(time.Now()); !r.open && len(r.waiting) > 0 && !changes.IsZero() {
		next = soonest(next, changes)
	}
	if len(r.waiting) > 0 {
		for _, at := range r.endpoints {
			if at.notBefore.After(time.Now()) && at.shut.Cause == "" {
				next = soonest(next, at.notBefore)
			}
		}
	}
	return next
}

// waits is what the run waits for, after all was handed out that could be.
func (r *runner) waits(now time.Time) (out workflow.RunWait) {
	if r.inFlight > 0 {
		return workflow.RunWait{}
	}
	back := func(due time.Time) {
		if out.ReadBack++; out.Until.IsZero() || due.Before(out.Until) {
			out.Until = due
		}
	}
	for _, t := range r.delayed {
		back(t.due)
	}
	for _, t := range r.unproved {
		_, until := r.searchAt(t)
		back(until)
	}
	if out.ReadBack > 0 {
		return out
	}
	for _, t := range r.waiting {
		if at := t.at; at.shut.Cause == "" && at.notBefore.After(now) && (out.Until.IsZero() || at.notBefore.Before(out.Until)) {
			out.Until, out.Silent = at.notBefore, !at.silentSince.IsZero()
		}
	}
	return out
}

// handOut starts what may be started: readings that are due first, then the next changes in line.
func (r *runner) handOut(ctx, work context.Context) {
	now := time.Now()
	r.delayed = slices.DeleteFunc(r.delayed, func(t *task) bool {
		if t.due.After(now) || r.busy() {
			return false
		}
		r.give(ctx, work, t)
		return true
	})
	r.giveSearches(work, now)
	if r.allRest(now) {
		return
	}
	r.open = r.cfg.Limits.Window.Open(now)
	for i := 0; i < len(r.waiting) && !r.busy(); {
		t := r.waiting[i]
		if t.at.rests(now) || !r.mayGo(t) {
			i++
			continue
		}
		if r.canaries > 0 || r.canary(t) && r.active > 0 {
			return
		}
		r.unline(i)
		r.activate(t, true)
		if t.with == "" || r.canary(t) {
			r.give(ctx, work, t)
			continue
		}
		r.giveMany(ctx, work, r.together(t, i, now))
	}
}

// unline takes the task at that place out of the line.
func (r *runner) unline(i int) {
	if i == 0 {
		r.waiting = r.waiting[1:]
	} else {
		r.waiting = slices.Delete(r.waiting, i, i+1)
	}
}

// together takes the tasks out of the line, from a place on, that can be made by one call with t.
func (r *runner) together(t *task, from int, now time.Time) []*task {
	tasks := []*task{t}
	most := mostTogether(t.with)
	for i := from; i < len(r.waiting) && len(tasks) < most; {
		o := r.waiting[i]
		if o.with != t.with || o.at.rests(now) || !r.mayGo(o) {
			i++
			continue
		}
		r.unline(i)
		r.activate(o, true)
		tasks = append(tasks, o)
	}
	return tasks
}

func (r *runner) canary(t *task) bool { return t.seq <= r.cfg.Limits.Canary }

func (r *runner) activate(t *task, active bool) {
	if t.active == active {
		return
	}
	t.active = active
	n := 1
	if !active {
		n = -1
	}
	r.active += n
	if r.canary(t) {
		r.canaries += n
	}
}

func (r *runner) give(ctx, work context.Context, t *task) {
	r.inFlight++
	go func() {
		var o outcome
		switch t.stage {
		case stageSend:
			o = r.send(ctx, work, t)
		case stageProve:
			o = r.prove(work, t)
		case stageSettle:
			o = r.settleOutcome(work, t)
		}
		r.results <- result{task: t, outcome: o}
	}()
}

// giveMany gives a worker tasks that are made by one call.
func (r *runner) giveMany(ctx, work context.Context, tasks []*task) {
	r.inFlight++
	go func() { r.report(tasks, r.sendMany(ctx, work, tasks), false) }()
}

// report gives back what one call came to for several tasks.
func (r *runner) report(tasks []*task, outcomes []outcome, searched bool) {
	for i, o := range outcomes {
		r.results <- result{task: tasks[i], outcome: o, more: i < len(tasks)-1, searched: searched}
	}
}

// applyResult lets a worker's outcome take effect.
func (r *runner) applyResult(ctx context.Context, res result) error {
	if !res.more {
		r.inFlight--
		if res.searched {
			r.searching--
			r.scouting = false
		}
	}
	return res.apply(ctx, r, res.task)
}

// afterEnd goes on behind a change that has ended.
func (r *runner) afterEnd(ctx context.Context, t *task, state workflow.ChangeState) error {
	t.over = true
	if t.back {
		return r.nextBack(ctx, t.bundle)
	}
	return r.release(ctx, t.seq, t.row, state)
}

// release lets go what waited for a step that has ended: it may be sent, or is skipped with it. A
// row of a bundle that has begun is neither: the bundle is put back.
func (r *runner) release(ctx context.Context, seq, row int, state workflow.ChangeState) error {
	behind := r.dependents[seq]
	delete(r.dependents, seq)
	for _, d := range behind {
		if state == workflow.ChangeDone || state == workflow.ChangeUnchanged {
			r.queue(d)
			continue
		}
		if d.heads() && d.step > 0 {
			if err := r.putBack(ctx, d.bundle, workflow.NewReason(workflow.ReasonPutBack, rowWord(row))); err != nil {
				return err
			}
			continue
		}
		o := r.end(ctx, d, workflow.ChangeSkipped, workflow.NewReason(workflow.ReasonPredecessor, rowWord(row)), nil)
		err := error(nil)
		if e, over := o.(ended); over { // nothing was heard of its place
			err = r.afterEnd(ctx, d, e.state)
		} else {
			err = o.apply(ctx, r, d)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *runner) unknownRows() []int {
	var rows []int
	for _, t := range r.delayed {
		if t.stage == stageSettle {
			rows = append(rows, t.row)
		}
	}
	slices.Sort(rows)
	return rows
}
