package run

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// shown is what was read of facts since the last call; all is false where one has not been.
func (p *prepared) shown(facts []workflow.Fact) (now workflow.Values, all bool) {
	for _, fact := range facts {
		if _, read := p.seen[fact]; !read {
			return nil, false
		}
	}
	return shownBy(facts, p.seen), true
}

// shownBy puts answers together.
func shownBy(facts []workflow.Fact, answers workflow.Answers) workflow.Values {
	now := workflow.Values{}
	for _, fact := range facts {
		for _, answer := range answers[fact] {
			for field, value := range answer.All() {
				now.Set(field, value)
			}
		}
	}
	return now
}

// unsure returns how long to wait before a reading is taken for the effect of the step that shows it
// by an absence alone: until another one shows the same, absentFor after the first. 0 where it can
// be taken now, or shows no effect.
func (t *task) unsure(act *action.Action, now workflow.Values, step workflow.Step) time.Duration {
	switch {
	case act.Absent == nil || !act.ShownBy(now, step) || !act.Absent(now):
		t.absent = time.Time{}
		return 0
	case t.absent.IsZero():
		t.absent = time.Now()
	}
	return max(absentFor-time.Since(t.absent), 0)
}

// alreadySo is why a change is unchanged for which no call of ours went out, as far as the log
// knows.
func (r *runner) alreadySo(ctx context.Context, shows string) (workflow.Reason, error) {
	if r.cfg.WentBack == nil {
		return workflow.NewReason(workflow.ReasonAlready, shows), nil
	}
	back, err := r.cfg.WentBack(ctx)
	if err != nil || !back {
		return workflow.NewReason(workflow.ReasonAlready, shows), err
	}
	return workflow.NewReason(workflow.ReasonBeforeRestore, shows), nil
}

// reliesOn finds a row on the same account that came before and did not bring about what the step
// starts from; 0 when there is none.
func (r *runner) reliesOn(ctx context.Context, t *task, step workflow.Step) (row int, err error) {
	if t.lane == nil {
		return 0, nil
	}
	for _, o := range t.lane.tasks {
		if o == t || o.seq > t.seq {
			continue
		}
		c, err := r.cfg.Store.Change(ctx, r.number, o.row)
		if err != nil {
			return 0, err
		}
		for i, s := range c.Steps {
			state := c.Outcome(i).State
			if s.Seq > step.Seq || state == workflow.ChangeDone || state == workflow.ChangeUnchanged || c.State == workflow.ChangeUnchanged {
				continue
			}
			for field, value := range s.Set.All() {
				if from, expects := step.Expect.Lookup(field); expects && workflow.SameField(field, from, value) {
					return o.row, nil
				}
			}
		}
	}
	return 0, nil
}

// read reads what a step is about before it is sent; the outcome is nil but when that is not
// possible now, or never.
func (r *runner) read(ctx context.Context, p *prepared) (workflow.Values, outcome) {
	facts := p.action.Facts(p.step)
	answers, err := r.observe(ctx, p.task, facts)
	if err != nil {
		return nil, r.unread(ctx, p, err)
	}
	p.task.missing, p.seen = 0, answers
	return shownBy(facts, answers), nil
}

// observe reads facts about a task's step, or takes them from what was read of it together with others.
func (r *runner) observe(ctx context.Context, t *task, facts []workflow.Fact) (workflow.Answers, error) {
	read := t.read
	t.read = nil
	for _, fact := range facts {
		if _, answered := read[fact]; !answered {
			return r.cfg.Directory.Read(ctx, facts...)
		}
	}
	return read, nil
}

// unread says what becomes of a step about which something could not be read before it was sent.
func (r *runner) unread(ctx context.Context, p *prepared, err error) outcome {
	refusal, refused := errors.AsType[*workflow.Refusal](err)
	switch {
	case keyRefused(err):
		return refusedKey{keyStop(err)}
	case errors.Is(err, workflow.ErrNotFound) && p.change.Attempts > 0: // it is read after a write
		t := p.task
		if t.missing++; t.missing > len(readBack) {
			return r.end(ctx, t, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonVanished, p.step.AccountID), nil)
		}
		return reread{wait: readBack[t.missing-1]}
	case errors.Is(err, workflow.ErrNotFound):
		return r.end(ctx, p.task, workflow.ChangeFailed, workflow.NewReason(workflow.ReasonGone, p.step.AccountID), nil)
	case refused:
		return r.end(ctx, p.task, workflow.ChangeFailed, refusal.Reason, nil)
	}
	return unavailable{wait: retryAfter(err)}
}

// readAfresh reads what a step is about before it is sent, and once more where it seems to be as it
// was before the steps that are proved: what is read may lag behind, and an account at its parking
// address must not be taken for one that somebody else brought back.
func (r *runner) readAfresh(ctx context.Context, p *prepared) (workflow.Values, outcome) {
	for {
		now, o := r.read(ctx, p)
		left := lostFor - time.Since(p.task.since)
		if o != nil || !p.change.AsBefore(now, p.step) || left <= 0 {
			return now, o
		}
		select {
		case <-ctx.Done():
			return nil, later{heard: true}
		case <-time.After(min(left, readBack[0])):
		}
	}
}

// drift compares what was read with what the plan says of it. In a bundle that has begun only what
// the step sets counts: the account must get away from where it waits whatever else was done to it.
// What is to stay was approved to be so: where it is so no more, that is what the call is for, and what
// else the step expects counts.
func drift(now workflow.Values, s workflow.Step, t *task) (workflow.Reason, bool) {
	if s.Stays() {
		for field := range s.Set.Keys() {
			s.Expect = s.Expect.With(field, "")
		}
	}
	var only workflow.Values
	if t.bundle != nil && t.step > 0 {
		only = s.Set
	}
	field, differs := s.Differs(now, only)
	if !differs {
		return workflow.Reason{}, false
	}
	return workflow.NewReason(workflow.ReasonDrifted, action.FieldNoun(field), action.FieldWords(field, s.Expect.Get(field)), action.FieldWords(field, now.Get(field))), true
}
