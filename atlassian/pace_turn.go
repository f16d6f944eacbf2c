package atlassian

import (
	"maps"
	"time"
)

// Whoever has calls made is a party: a batch, or everybody who only asks. Parties take turns, whatever the number of calls
// that each has waiting, so that a batch of one goes in between those of 5,000 (start-time fair queueing). And since a
// large one uses up in a few seconds what the limit gives for a minute, a few calls of each window are kept for parties
// that have had few of it, until the window is about to end.
const (
	// Of each window newPart is kept for newcomers, and no more than newMost, which is enough to check and make one change.
	newPart = 20
	newMost = 8
	// newEnd is how long before a window ends what was kept is given to anybody, and the time that using it takes comes on
	// top: reckoned ends are up to a second late.
	newEnd = 2500 * time.Millisecond
)

// manyParties is from how many on those are forgotten that are owed nothing.
const manyParties = 32

// turns are those at one limit, or at the workers. A party that has just had one is a round ahead of the others.
type turns struct {
	round int64           // that of the call that left last
	next  map[int64]int64 // by party: the round of its next call, where that is not the present one
}

// of is the round of the party's next call.
func (t *turns) of(party int64) int64 { return max(t.round, t.next[party]) }

// before says whether a goes before b: by their turns, and of one round the one that came first.
func (t *turns) before(a, b *waiter) bool {
	if x, y := t.of(a.party), t.of(b.party); x != y {
		return x < y
	}
	return a.number < b.number
}

// had notes that a call of the party left.
func (t *turns) had(party int64) {
	t.round = t.of(party)
	if len(t.next) >= manyParties {
		maps.DeleteFunc(t.next, func(_, next int64) bool { return next <= t.round })
	}
	if t.next == nil {
		t.next = map[int64]int64{}
	}
	t.next[party] = t.round + 1
}

// newcomers is how many calls of a window are kept for them; none of one that moves, as its end does, too.
func (w *window) newcomers() int {
	if w.moving {
		return 0
	}
	return min(newMost, w.limit/newPart)
}

// isNew says whether a party has had so few calls of the window that it may use what is kept for newcomers.
func (w *window) isNew(party int64) bool { return w.had[party] < w.newcomers() }

// forNew is how many calls others must leave to newcomers, and until when: what is kept takes some time to be used.
func (w *window) forNew(now time.Time, using time.Duration) (kept int, until time.Time) {
	end := w.reset.Add(-newEnd - using)
	if !now.Before(end) {
		return 0, time.Time{}
	}
	return w.newcomers(), end
}

func (w *window) spend(party int64) {
	if w.had == nil {
		w.had = map[int64]int{}
	}
	w.had[party]++
}
