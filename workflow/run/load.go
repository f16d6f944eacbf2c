package run

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// load reads where every change of the batch stands.
func (r *runner) load(ctx context.Context, b *workflow.Batch) error {
	r.ended, r.rowOf, r.dependents = map[int]workflow.ChangeState{}, map[int]int{}, map[int][]*task{}
	r.endpoints = map[workflow.Endpoint]*endpoint{}
	r.resumed, r.begun = b.Resumed, time.Now()
	r.saw(b)
	var finished []workflow.Change
	var open []*task
	found := bundling{}
	byAccount := map[string]*task{}
	for after := 0; ; {
		changes, err := r.cfg.Store.Changes(ctx, r.number, after, pageOfChanges)
		if err != nil {
			return err
		}
		for i := range changes {
			c := &changes[i]
			after = c.Row
			if len(c.Steps) == 0 {
				continue
			}
			r.integrity.note(c.Steps)
			t := r.task(c)
			found.add(c, t)
			share(byAccount, c, t)
			switch {
			case c.State.Ended():
				t.over = true
				finished = append(finished, workflow.Change{State: c.State, Finished: c.Finished, Reason: workflow.Reason{Code: c.Reason.Code}})
				continue
			case c.State == workflow.ChangeReady:
				open = append(open, t)
			default:
				t.stage, t.due = stageSettle, time.Now().Add(readBack[0])
				r.delayed = append(r.delayed, t)
				if r.canary(t) {
					r.activate(t, true)
				}
			}
			r.left++
		}
		if len(changes) < pageOfChanges {
			break
		}
	}
	if r.integrity.close(b); b.Link == workflow.LinkReturn {
		if err := r.closeReturn(ctx, b); err != nil {
			return err
		}
	}
	r.bulk = r.left >= searchesFrom && b.Follows == 0
	if r.bulk && r.cfg.Touched != nil {
		accounts, err := r.cfg.Touched(ctx, time.Now().Add(-touchedRecently))
		if err != nil {
			return err
		}
		r.touched = make(map[string]bool, len(accounts))
		for _, id := range accounts {
			r.touched[id] = true
		}
	}
	r.bundles = found.bundles()
	slices.SortFunc(open, func(a, b *task) int { return cmp.Compare(a.seq, b.seq) })
	for _, t := range open {
		if !t.heads() || !t.back { // it goes back last
			r.queue(t)
		}
	}
	r.recount(finished, b.Resumed)
	return r.resumePuttingBack(ctx)
}

// share gives rows on one account their lane.
func share(byAccount map[string]*task, c *workflow.Change, t *task) {
	first := byAccount[c.AccountID]
	if first == nil || c.AccountID == "" {
		byAccount[c.AccountID] = t
		return
	}
	if first.lane == nil {
		first.lane = &lane{tasks: []*task{first}}
	}
	t.lane = first.lane
	t.lane.tasks = append(t.lane.tasks, t)
}

// task makes the task of a change that is to run or has run, and notes how its steps ended.
func (r *runner) task(c *workflow.Change) *task {
	t := &task{row: c.Row, back: c.Back, since: time.Now()}
	at := c.Current()
	for i := range c.Steps {
		step := &c.Steps[i]
		r.rowOf[step.Seq] = c.Row
		switch state := c.Outcome(i).State; {
		case state != "":
			r.ended[step.Seq] = state
			t.step++
		case c.State.Ended():
			r.ended[step.Seq] = c.State
		}
	}
	if at < 0 {
		at = len(c.Steps) - 1
	}
	t.spot = r.spot(&c.Steps[at])
	if t.back {
		t.after = 0
		if !c.State.Ended() {
			delete(r.ended, t.seq)
		}
		return t
	}
	for i := at + 1; i < len(c.Steps); i++ {
		if c.Outcome(i).State == "" { // of a retry, those behind may have been made
			t.ahead = append(t.ahead, r.spot(&c.Steps[i]))
		}
	}
	return t
}

// spot is where a step stands.
func (r *runner) spot(s *workflow.Step) spot {
	out := spot{seq: s.Seq, after: s.After, at: r.endpoint(s.Endpoint())}
	if action, built := action.For(s.Action); built && action.DoMany != nil {
		out.with = string(s.Action) + "\n" + action.With(*s)
	}
	return out
}

// recount takes what ended since the last Resume into the counters of the stop rules.
func (r *runner) recount(finished []workflow.Change, since time.Time) {
	slices.SortStableFunc(finished, func(a, b workflow.Change) int { return a.Finished.Compare(b.Finished) })
	for _, c := range finished {
		if c.Finished.After(since) && c.Reason.Code != workflow.ReasonPutBack {
			r.tally.count(c.State)
		}
	}
}
