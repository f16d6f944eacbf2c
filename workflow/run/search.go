package run

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Proofs by search: a search answers for a hundred addresses at once what profiles answer one by
// one. What it shows of a change is proof; what it does not show yet, or never will, is read by
// profile as ever.
const (
	searchedTogether = 100
	// scouts are searched for alone while nobody knows how far the search lags behind, so that few
	// are asked for twice.
	scouts = 5
	// searchers are how many searches there are at the same time, beside the workers: those may all
	// wait for a limit that searches do not have.
	searchers = 2
	// searchesFrom is how many changes a batch must have for searches to be worth the wait.
	searchesFrom = 5
	// gatherTime is how long an accepted change waits for others to be searched together with.
	gatherTime = 3 * time.Second
	// A change is searched for when it should show, by what was measured, which begins with
	// shownAfter. Where that is over lagsTooFar nothing is searched for lagBelieved.
	shownAfter  = time.Second
	lagsTooFar  = time.Minute
	lagBelieved = 5 * time.Minute
	// touchedRecently is for how long a search may show what an account was before another batch.
	touchedRecently = 10 * time.Minute
)

// searchLag is how long the search takes to show a field that was changed, as far as was measured.
// The runner's mu guards it.
type searchLag struct {
	after time.Duration // it should show by then; 0 where nothing was measured
	seen  bool          // it did
	at    time.Time     // when that was measured
}

// shows returns how long after a call its effect should show in the search, and reports whether it
// was seen to; over lagsTooFar it is not worth the wait.
func (r *runner) shows(fields []workflow.Field) (after time.Duration, seen bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	after, seen = shownAfter, true
	for _, field := range fields {
		l := r.lags[field]
		if l == nil || time.Since(l.at) >= lagBelieved {
			seen = false
			continue
		}
		after, seen = max(after, l.after), seen && l.seen
	}
	return after, seen
}

// measured takes in how the search showed the fields that long after they were changed.
func (r *runner) measured(fields []workflow.Field, age time.Duration, shown bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, field := range fields {
		l := r.lags[field]
		if l == nil || time.Since(l.at) >= lagBelieved {
			l = &searchLag{}
			r.lags[field] = l
		}
		switch {
		case !shown:
			l.after, l.seen, l.at = max(l.after, 2*age), false, time.Now()
		case !l.seen || age < l.after: // else it tells nothing new
			l.after, l.seen, l.at = max(age, shownAfter), true, time.Now()
		}
	}
}

// searchable returns the address by which a search finds the account of a step that was made, and
// the fields that the step set; ok is false where only the profile counts. A batch that follows
// another, or comes soon after one on the same account, may set what the account showed a moment
// ago: an old answer would look like proof.
func (r *runner) searchable(p *prepared) (address string, fields []workflow.Field, ok bool) {
	t := p.task
	if !r.bulk || r.touched[p.step.AccountID] || t.bundle != nil || t.back || p.step.AccountID == "" {
		return "", nil, false
	}
	if proof := p.action.Proof(p.step); len(proof) != 1 || proof[0].Kind != workflow.KindProfile {
		return "", nil, false
	}
	for field := range p.step.Set.Keys() {
		if _, shown := p.step.FactOf(field); shown {
			fields = append(fields, field)
		}
	}
	if address = p.step.Set.Get(workflow.FieldEmail); address == "" {
		address = p.step.Expect.Get(workflow.FieldEmail)
	}
	return address, fields, address != "" && len(fields) > 0
}

// accepted says that a call was accepted whose effect is to be proved together with others.
type accepted struct{ fields []workflow.Field }

func (o accepted) apply(_ context.Context, r *runner, t *task) error {
	t.at.heard()
	r.activate(t, false)
	if len(r.dependents[t.seq]) > 0 { // others wait for it
		t.due = time.Now()
		r.delayed = append(r.delayed, t)
		return nil
	}
	t.fields = o.fields
	r.unproved = append(r.unproved, t)
	return nil
}

// searchAt returns when a task may be searched for: as soon as it should show; and when it has to
// be: when it has waited for others, or at once when nothing else is going on.
func (r *runner) searchAt(t *task) (from, until time.Time) {
	after, _ := r.shows(t.fields)
	from = t.since.Add(after)
	if r.inFlight == 0 && !slices.ContainsFunc(r.waiting, r.mayGo) {
		return from, from
	}
	return from, from.Add(gatherTime)
}

// nextSearch returns when the first task has to be searched for, if that is before then.
func (r *runner) nextSearch(then time.Time) time.Time {
	if r.searching >= searchers || r.scouting {
		return then // heard, not waited for
	}
	for _, t := range r.unproved {
		_, until := r.searchAt(t)
		then = soonest(then, until)
	}
	return then
}

// busy reports whether all workers have something to do.
func (r *runner) busy() bool { return r.inFlight-r.searching >= r.cfg.Limits.Workers }

// giveSearches gives workers what is to be searched for: as soon as one task has waited long
// enough, all that should show. What lags too far behind is read by profile.
func (r *runner) giveSearches(work context.Context, now time.Time) {
	r.unproved = slices.DeleteFunc(r.unproved, func(t *task) bool {
		after, _ := r.shows(t.fields)
		if after > lagsTooFar {
			t.due = now
			r.delayed = append(r.delayed, t)
		}
		return after > lagsTooFar
	})
	due := func(t *task) bool { _, until := r.searchAt(t); return !until.After(now) }
	for r.searching < searchers && !r.scouting && slices.ContainsFunc(r.unproved, due) {
		var tasks []*task
		most := searchedTogether
		r.unproved = slices.DeleteFunc(r.unproved, func(t *task) bool {
			if from, _ := r.searchAt(t); len(tasks) >= most || from.After(now) {
				return false
			}
			if _, seen := r.shows(t.fields); !seen {
				most, r.scouting = scouts, true
			}
			tasks = append(tasks, t)
			return true
		})
		if len(tasks) == 0 { // what is known of the lag has just become other
			return
		}
		r.inFlight++
		r.searching++
		go func() { r.report(tasks, r.search(work, tasks), true) }()
	}
}

// search proves what a search shows of the tasks; the others go on to be read by profile.
func (r *runner) search(work context.Context, tasks []*task) []outcome {
	outcomes := make([]outcome, len(tasks))
	searched := make([]*prepared, len(tasks))
	addresses := make([]string, len(tasks))
	for i, t := range tasks {
		c, err := r.cfg.Store.Change(work, r.number, t.row)
		if err != nil {
			outcomes[i] = broken{err}
			continue
		}
		outcomes[i] = later{}
		step, ok := action.NextStep(c)
		if act, built := action.For(step.Action); ok && built {
			searched[i] = &prepared{task: t, change: c, action: act, step: step}
			addresses[i], _, _ = r.searchable(searched[i])
		}
	}
	found, err := r.cfg.Directory.ByAddress(work, addresses)
	if _, some := errors.AsType[*workflow.Unshown](err); err != nil && !some {
		return outcomes
	}
	var missed []*task
	for i, p := range searched {
		if p == nil {
			continue
		}
		_, fields, _ := r.searchable(p)
		age := time.Since(p.task.since)
		now, shown := profileIn(found[workflow.AddressKey(addresses[i])], p.step.AccountID)
		if shown = shown && p.action.ShownBy(now, p.step); !shown {
			p.task.unseen = age
			missed = append(missed, p.task)
			continue
		}
		r.measured(fields, age, true)
		outcomes[i] = r.endProved(work, p.task)
	}
	if len(missed)*2 < len(tasks) { // it leaves some accounts out, which says nothing of how late it is
		for _, t := range missed {
			t.unseen = 0
		}
	}
	return outcomes
}

// profileIn returns what a search says of an account, as its profile would say it.
func profileIn(accounts []workflow.Account, id string) (values workflow.Values, found bool) {
	i := slices.IndexFunc(accounts, func(a workflow.Account) bool { return a.ID == id })
	if i < 0 {
		return nil, false
	}
	return workflow.ProfileValues(accounts[i]), true
}

// measureAt measures at a canary that was just proved how far the search lags behind.
func (r *runner) measureAt(work context.Context, p *prepared) {
	address, fields, ok := r.searchable(p)
	if !ok {
		return
	}
	age := time.Since(p.task.since)
	found, err := r.cfg.Directory.ByAddress(work, []string{address})
	if err != nil {
		return // the next that is searched for tells
	}
	now, shown := profileIn(found[workflow.AddressKey(address)], p.step.AccountID)
	r.measured(fields, max(age, time.Since(p.task.since)), shown && p.action.ShownBy(now, p.step))
}
