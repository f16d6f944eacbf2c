package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

func rowWord(row int) string { return strconv.Itoa(row) }

// prepared is a step that is as it was planned, and is to be made.
type prepared struct {
	task   *task
	change *workflow.Change
	action *action.Action // of the step
	step   workflow.Step
	calls  int              // for which the intent has been written down
	made   int              // of these, the vendor said yes to so many
	seen   workflow.Answers // what has been read since the last call
}

// send makes one step of a change: read the account, write the intent down, call, write the answer
// down, read back. ctx ends with the program; work lives a little longer, for what must not be cut
// off once the call has gone out.
func (r *runner) send(ctx, work context.Context, t *task) outcome {
	p, o := r.prepare(ctx, work, t)
	if o != nil {
		return o
	}
	if p.action.Do == nil {
		return broken{fmt.Errorf("row %d: no call makes a step of %s", t.row, p.action.Name)}
	}
	call, cancel := context.WithTimeoutCause(work, callTime, errors.New("the call took over a minute"))
	defer cancel()
	told, err := p.action.Do(call, &recorder{r, p}, p.step)
	return r.answer(work, p, told, err)
}

// windowOpen reports whether the task may be sent as far as the run window is concerned: it may have
// closed while the account was read, or waited to be read again.
func (r *runner) windowOpen(t *task) bool {
	return r.cfg.Limits.Window.Open(time.Now()) || r.bundleGoesOn(t)
}

// sendMany makes one step of each of several changes by one call, each with its own outcome.
func (r *runner) sendMany(ctx, work context.Context, tasks []*task) []outcome {
	outcomes := make([]outcome, len(tasks))
	r.readTogether(ctx, tasks)
	var ready []*prepared
	var places []int
	for i, t := range tasks {
		p, o := r.prepare(ctx, work, t)
		if o == nil {
			if err := r.intend(work, p, workflow.Call{}); err != nil {
				o = unsent(err)
			}
		}
		t.read = nil
		if outcomes[i] = o; o == nil {
			ready, places = append(ready, p), append(places, i)
		}
	}
	if len(ready) == 0 {
		return outcomes
	}
	steps := make([]workflow.Step, len(ready))
	for i, p := range ready {
		steps[i] = p.step
	}
	call, cancel := context.WithTimeoutCause(work, callTime, errors.New("the call took over a minute"))
	defer cancel()
	made := ready[0].action.DoMany(call, r.cfg.Directory, steps)
	r.proveTogether(work, ready, made)
	for i, m := range made {
		outcomes[places[i]] = r.answer(work, ready[i], m.Told, m.Err)
		ready[i].task.read = nil
	}
	return outcomes
}

// waitForOthers has the step come again later where another batch is acting on what it changes; nil where
// none is.
func (r *runner) waitForOthers(ctx context.Context, step workflow.Step) outcome {
	if r.cfg.Acting == nil {
		return nil
	}
	switch acting, err := r.cfg.Acting(ctx, step); {
	case err != nil:
		return broken{err}
	case acting:
		return reread{wait: readBack[0]}
	}
	return nil
}

// readTogether reads what the next steps of several changes are about. Where that fails each is read by itself.
func (r *runner) readTogether(ctx context.Context, tasks []*task) {
	var facts []workflow.Fact
	for _, t := range tasks {
		c, err := r.cfg.Store.Change(ctx, r.number, t.row)
		if err != nil {
			return
		}
		if step, ok := action.NextStep(c); ok {
			if act, built := action.For(step.Action); built {
				facts = append(facts, act.Facts(step)...)
			}
		}
	}
	answers, err := r.cfg.Directory.Read(ctx, facts...)
	if err != nil {
		return
	}
	for _, t := range tasks {
		t.read = answers
	}
}

// proveTogether reads what shows whether the steps were made to which the answer said yes.
func (r *runner) proveTogether(ctx context.Context, ready []*prepared, made []action.Made) {
	var facts []workflow.Fact
	for i, p := range ready {
		if p.seen = nil; made[i].Err == nil {
			p.made++
			facts = append(facts, p.action.Proof(p.step)...)
		}
	}
	if len(facts) == 0 {
		return
	}
	answers, err := r.cfg.Directory.Read(ctx, facts...)
	if err != nil {
		return
	}
	for i, p := range ready {
		if made[i].Err == nil {
			p.seen, p.task.read = answers, answers
		}
	}
}

// unsent is the outcome of a call whose intent could not be written down.
func unsent(err error) outcome {
	if errors.Is(err, errHalted) {
		return later{heard: true}
	}
	return broken{err}
}

// recorder makes the calls of a step, each after its intent has been written down.
type recorder struct {
	run *runner
	p   *prepared
}

// notIntended is why a call was not made: its intent could not be written down.
type notIntended struct{ error }

func (n notIntended) Unwrap() error { return n.error }

func (c *recorder) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	if err := c.run.intend(ctx, c.p, call); err != nil {
		return nil, notIntended{err}
	}
	c.p.seen = nil
	told, err := c.run.cfg.Directory.Call(ctx, call)
	if err == nil {
		c.p.made++
	}
	return told, err
}

// Read answers from what has been read since the last call, where that is enough.
func (c *recorder) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	if _, all := c.p.shown(facts); all {
		return c.p.seen, nil
	}
	answers, err := c.run.cfg.Directory.Read(ctx, facts...)
	if err == nil {
		seen := maps.Clone(answers)
		maps.Copy(seen, c.p.seen)
		maps.Copy(seen, answers)
		c.p.seen = seen
	}
	return answers, err
}

// prepare looks whether the next step of a change may be made as it was approved; the outcome is
// nil when it may.
func (r *runner) prepare(ctx, work context.Context, t *task) (*prepared, outcome) {
	if state, ended := r.how(t.after); ended && state != workflow.ChangeDone && state != workflow.ChangeUnchanged {
		row := r.rowOf[t.after]
		if t.heads() && t.step > 0 {
			return nil, puttingBack{workflow.NewReason(workflow.ReasonPutBack, rowWord(row))}
		}
		return nil, r.end(work, t, workflow.ChangeSkipped, workflow.NewReason(workflow.ReasonPredecessor, rowWord(row)), nil)
	}
	c, err := r.cfg.Store.Change(ctx, r.number, t.row)
	if err != nil {
		return nil, broken{err}
	}
	step, ok := action.NextStep(c)
	act, built := action.For(step.Action)
	if !ok || !built {
		return nil, broken{fmt.Errorf("row %d has no step of an action that can be made", t.row)}
	}
	// The way back is that of a step that was approved.
	if !r.integrity.holds(c.Steps[c.Current()]) {
		if err := r.pause(ctx, workflow.Stop{Cause: workflow.StopAltered, Rows: []int{t.row}}); err != nil {
			return nil, broken{err}
		}
		return nil, unavailable{wait: keyRetry}
	}
	if row, err := r.reliesOn(ctx, t, step); err != nil {
		return nil, broken{err}
	} else if row != 0 {
		return nil, r.end(work, t, workflow.ChangeSkipped, workflow.NewReason(workflow.ReasonPredecessor, rowWord(row)), nil)
	}
	if o := r.waitForOthers(ctx, step); o != nil {
		return nil, o
	}
	p := &prepared{task: t, change: c, action: act, step: step}
	now, o := r.readAfresh(ctx, p)
	if o == nil {
		o = r.waitForOthers(ctx, step) // one may have begun since, and what was read holds no more
	}
	if o != nil {
		return nil, o
	}
	wanted := step // of a bundle, all that is to happen to the row
	if t.bundle != nil {
		wanted = c.Steps[len(c.Steps)-1]
	}
	if wait := t.unsure(act, now, step); wait > 0 {
		return nil, reread{wait}
	}
	untouched := (t.bundle == nil || c.Proved() == 0) && !c.Back && c.Outcome(c.Current()).Attempts == 0
	if len(c.Steps) == 1 { // a call of an earlier run is one of ours, too
		untouched = untouched && c.Attempts == 0
	}
	switch {
	case untouched && act.ShownBy(now, wanted):
		why, err := r.alreadySo(work, action.ShownWords(now, step))
		if err != nil {
			return nil, broken{err}
		}
		return nil, r.end(work, t, workflow.ChangeUnchanged, why, nil)
	case act.ShownBy(now, step): // a call that had been given up as lost arrived after all
		return nil, r.endProved(work, t)
	}
	if reason, drifted := drift(now, step, t); drifted {
		return nil, r.end(work, t, workflow.ChangeFailed, reason, nil)
	}
	if o := r.resolve(work, t); o != nil {
		return nil, o
	}
	if !r.windowOpen(t) {
		return nil, later{heard: true}
	}
	return p, nil
}

// resolve says what a refusal means that would have been the same where all was as wanted already, now that it was looked
// and is not: it counts once enough time has passed for what is so to show. The outcome is nil where there was none.
func (r *runner) resolve(work context.Context, t *task) outcome {
	if t.doubt.reason.Code == "" {
		return nil
	}
	why := t.doubt
	if r.isHalted() { // the step is left as it is: it may be made by then
		t.doubt = doubt{}
		return later{heard: true}
	}
	if t.doubt.looks++; t.doubt.looks < oldReadings || time.Since(why.since) < lostFor {
		return doubtful{wait: readBack[min(t.doubt.looks, len(readBack)-1)]}
	}
	t.doubt, t.refusal = doubt{}, true
	defer func() { t.refusal = false }()
	return r.end(work, t, workflow.ChangeFailed, why.reason, nil)
}

// intend writes down that a call is about to be made, if the batch may still run.
func (r *runner) intend(ctx context.Context, p *prepared, call workflow.Call) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	t, step := p.task, p.step
	b, _, err := r.cfg.Store.UpdateChange(ctx, r.number, t.row, func(b *workflow.Batch, c *workflow.Change) error {
		if !r.mayCall(b, t.bundle) {
			return errHalted
		}
		if p.calls == 0 {
			if err := c.Move(workflow.ChangeRunning); err != nil {
				return err
			}
			if t.heads() && c.Proved() == 0 {
				b.Park(c.Row)
			}
			c.Attempts++
			c.CountCalls(+1)
		}
		c.Called, c.Reason = time.Now(), workflow.Reason{}
		if len(call.Keep) > 0 {
			o := c.Outcome(c.Current())
			o.Told = call.Keep
			c.SetOutcome(c.Current(), o)
		}
		facts := map[string]any{
			"action": step.Action, "account_id": step.AccountID, "from": step.Expect.Get(workflow.FieldEmail), "to": step.Set.Get(workflow.FieldEmail),
			"attempt": c.Attempts,
		}
		if args := beyond(call, step); len(args) > 0 {
			facts["args"] = args
		}
		if len(call.Keep) > 0 {
			facts["kept"] = call.Keep
		}
		b.Record(workflow.Event{At: c.Called, Row: c.Row, Actor: workflow.Bot, Kind: workflow.EventCalling, Data: workflow.EventData(facts)})
		return nil
	})
	if err == nil {
		p.calls++
		r.saw(b)
	} else if errors.Is(err, errHalted) {
		r.halt()
	}
	return err
}

// beyond are the arguments of a call that the step itself does not tell.
func beyond(c workflow.Call, step workflow.Step) workflow.Values {
	var out workflow.Values
	for field, value := range c.Args.All() {
		if step.Set.Get(field) != value {
			out = out.With(field, value)
		}
	}
	return out
}
