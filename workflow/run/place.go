package run

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// endpoint is how one place stands with a run. Only run uses it, but for workers that ask where a
// step goes.
type endpoint struct {
	workflow.Endpoint
	notBefore   time.Time     // nothing is sent there until then
	silentSince time.Time     // since when it answers nothing
	lost        int           // calls in a row whose answers got lost
	shut        workflow.Stop // why nothing more is sent there in this run, while other places go on; the zero Stop when it is
}

// endpoint gives the place's standing; load has made all there are.
func (r *runner) endpoint(where workflow.Endpoint) *endpoint {
	at := r.endpoints[where]
	if at == nil {
		at = &endpoint{Endpoint: where}
		r.endpoints[where] = at
	}
	return at
}

// rests reports whether nothing is to be sent there now.
func (at *endpoint) rests(now time.Time) bool { return at.shut.Cause != "" || now.Before(at.notBefore) }

// heard takes in that the place answers.
func (at *endpoint) heard() { at.silentSince, at.lost = time.Time{}, 0 }

// allRest reports whether nothing is to be sent anywhere now.
func (r *runner) allRest(now time.Time) bool {
	for _, at := range r.endpoints {
		if !at.rests(now) {
			return false
		}
	}
	return true
}

// alone reports whether the batch has calls for this place only: then what stops the place stops
// the batch.
func (r *runner) alone() bool { return len(r.endpoints) <= 1 }

// rest stops sending to a place for a while because it does not answer, and stops there when that
// goes on for too long.
func (r *runner) rest(ctx context.Context, at *endpoint) error {
	now := time.Now()
	if at.silentSince.IsZero() {
		at.silentSince = now
	}
	silent := now.Sub(at.silentSince)
	if silent >= unavailableBudget {
		at.silentSince = time.Time{}
		return r.shut(ctx, at, workflow.Stop{Cause: workflow.StopUnavailable, Note: workflow.LastingWords(silent.Round(time.Minute))})
	}
	// The longer the silence, the longer the wait: from 1 s to half a minute.
	at.notBefore = notSooner(at.notBefore, now.Add(min(time.Second+silent/2, 30*time.Second)))
	return nil
}

// shut stops what goes to the place: the batch where it goes nowhere else, or when it has nothing
// else left to do.
func (r *runner) shut(ctx context.Context, at *endpoint, stop workflow.Stop) error {
	if r.alone() {
		return r.pause(ctx, stop)
	}
	at.shut = stop
	return nil
}

// pauseShut pauses a batch that could go on only at places that are shut.
func (r *runner) pauseShut(ctx context.Context) error {
	if r.alone() || len(r.delayed)+len(r.unproved) > 0 || r.isHalted() {
		return nil
	}
	stuck := func(t *task) bool { return t.at.shut.Cause != "" || t.lane != nil && !t.lane.isTurnOf(t) }
	i := slices.IndexFunc(r.waiting, func(t *task) bool { return t.at.shut.Cause != "" })
	if i < 0 || slices.ContainsFunc(r.waiting, func(t *task) bool { return !stuck(t) }) {
		return nil
	}
	return r.pause(ctx, r.waiting[i].at.shut)
}

// mostTogether is how many steps go into one call, by what they share.
func mostTogether(with string) int {
	name, _, _ := strings.Cut(with, "\n")
	action, built := action.For(workflow.ActionName(name))
	if !built {
		return 1
	}
	return max(action.Most, 1)
}
