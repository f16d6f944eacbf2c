package pace

import (
	"maps"
	"math"
	"time"
)

const (
	// A newPart-th of each window is kept for newcomers, and at most newMost calls, which is enough
	// to check and make one change.
	newPart = 20
	newMost = 8
	// newEnd is how long before the end of a window the rest of what was kept goes to anybody; the
	// time that it takes to use it is added. Ends are up to a second late.
	newEnd = 2500 * time.Millisecond
)

// manyParties is the number of parties from which on those are forgotten that have no turn to wait
// for.
const manyParties = 32

// turns says whose turn it is, at one limit or for the workers: parties take turns whatever the
// number of calls that each has waiting, so that a batch of one goes between those of 5,000
// (start-time fair queueing). A party that had its turn is a round ahead of the others.
type turns struct {
	round int64           // of the call that left last
	next  map[int64]int64 // by party: the round of its next call, if it is not the present one
}

// nextRound returns the round of the party's next call.
func (t *turns) nextRound(party int64) int64 { return max(t.round, t.next[party]) }

// before reports whether a goes before b: by their rounds, in one round what ends a change that was
// begun, and then by arrival.
func (t *turns) before(a, b *waiter) bool {
	if x, y := t.nextRound(a.party), t.nextRound(b.party); x != y {
		return x < y
	}
	if a.write != b.write {
		return a.write
	}
	return a.number < b.number
}

// advance records that a call of the party left.
func (t *turns) advance(party int64) {
	t.round = t.nextRound(party)
	if len(t.next) >= manyParties {
		maps.DeleteFunc(t.next, func(_, next int64) bool { return next <= t.round })
	}
	if t.next == nil {
		t.next = map[int64]int64{}
	}
	t.next[party] = t.round + 1
}

// newcomers returns how many calls of the window are kept for parties that have had few of it: a
// large batch uses in seconds what the limit gives for a minute. A sliding window keeps none, as
// its end slides, too.
func (w *limit) newcomers() int {
	if w.kind != windowed {
		return 0
	}
	return min(newMost, w.budget/newPart)
}

// isNew reports whether the party has had so few calls of the window that it may use what is kept
// for newcomers.
func (w *limit) isNew(party int64) bool { return w.usedBy[party] < w.newcomers() }

// keepForNewcomers returns how many calls others must leave to newcomers, and until when. using is
// how long it takes to use them.
func (w *limit) keepForNewcomers(now time.Time, using time.Duration) (kept int, until time.Time) {
	ends := w.windows.opens.to
	if likely := w.windows.likely; !likely.IsZero() && likely.Before(ends) {
		ends = likely
	}
	if ends.IsZero() {
		return 0, time.Time{}
	}
	end := ends.Add(-newEnd - using)
	if !now.Before(end) {
		return 0, time.Time{}
	}
	return w.newcomers(), end
}

// spend records that a call of the party left in this window.
func (w *limit) spend(party int64) {
	if w.usedBy == nil {
		w.usedBy = map[int64]int{}
	}
	w.usedBy[party]++
}

// crowd is how many calls are there, waiting or in flight: the most of late, as callers come back a
// moment after each call.
type crowd struct {
	most float64
	seen time.Time
}

// crowdHalves is the time in which half of a crowd is forgotten.
const crowdHalves = time.Second

func (c *crowd) at(now time.Time) float64 {
	return c.most * math.Exp2(-now.Sub(c.seen).Seconds()/crowdHalves.Seconds())
}

func (c *crowd) see(now time.Time, there int) {
	c.most, c.seen = max(float64(there), c.at(now)), now
}
