package pace

import (
	"maps"
	"net/http"
	"slices"
	"time"
)

// snapshot is the latest reading of a bucket at the time when a call left.
type snapshot struct {
	bucket  *bucket
	reading reading
}

// pair counts for how long two buckets have looked like one.
type pair struct {
	last  *bucket
	turns int
}

// enoughTurns is how many times in turn two buckets must read less than both did before, to be
// taken for one.
const enoughTurns = 6

// leastApart is the budget from which on the counts of two operations that both were told before are
// told apart: smaller ones are given back too fast.
const leastApart = 20

// leastTold is the budget from which on what an operation is told can speak for a count of its own at all.
const leastTold = 3

// snapshots returns the latest readings of all buckets.
func (g *Gate) snapshots() []snapshot {
	seen := make([]snapshot, 0, len(g.buckets))
	for _, b := range g.buckets {
		if w := &b.limit; w.known() && !w.assumed {
			seen = append(seen, snapshot{b, reading{w.budget, w.remain, w.stamp}})
		}
	}
	return seen
}

// snapshot returns the reading that the bucket had when the call left.
func (t Ticket) snapshot(b *bucket) (reading, bool) {
	for _, m := range t.seen {
		if m.bucket == b {
			return m.reading, true
		}
	}
	return reading{}, false
}

// learn applies what an answer says about limits. Whether two operations share one is not
// published, and the headers alone tell. All operations start in one bucket, which is safe: every
// call then counts against every limit. An operation whose answer cannot come from its bucket's
// count gets a bucket of its own; buckets whose counts turn out to be the same are joined again.
//
// The proof is that a shared count goes down with each call: a call that left when its bucket read
// n is answered with less than n in the same window, and never with a number that another operation
// was given.
func (g *Gate) learn(now time.Time, t Ticket, end Answer) {
	op := t.operation
	if end.Limits == nil || !end.Limits.complete() {
		g.learnNothing(op, end.Status)
		return
	}
	l := *end.Limits
	counted := end.Status >= http.StatusOK && end.Status < http.StatusMultipleChoices
	is := reading{l.Limit, l.Remaining, l.stamp}
	switch b := op.bucket; {
	case b.headerless:
		g.move(op, g.newBucket())
	case counted && b.contradicts(t, is) || g.apart(op, is):
		b.limit.apart() // what spoke against windows were two counts in one
		g.move(op, g.newBucket())
	case counted:
		g.compare(t, is)
	}
	b := op.bucket
	before, fresh := b.limit.stamp, !b.limit.known()
	if fresh {
		b.found.pacer.off = true
	}
	b.limit.update(now, t, l, g.clock, !throttled(end.Status), b.inFlight, g.departed)
	if counted {
		b.limit.record(op, l.Remaining)
		b.limit.mixed = b.limit.mixed || b.limit.heard.by != nil && b.limit.heard.by != op
		b.limit.heard = told{is, op, t.ended}
		if !is.stamp.Before(op.last.stamp) {
			op.last = told{is, op, t.ownEnded}
		}
		op.tell(t, is)
	}
	if fresh || !b.limit.stamp.Equal(before) || b.limit.left(now, b.inFlight) == 0 {
		g.saver.changed()
	}
}

// learnNothing handles an answer without headers, or none at all. A success without headers shows
// that the operation has nothing to do with a count that others are told. It gets a bucket of its
// own.
func (g *Gate) learnNothing(op *operation, status int) {
	b := op.bucket
	success := status >= http.StatusOK && status < http.StatusMultipleChoices
	switch {
	case success && !b.headerless:
		own := g.newBucket()
		own.headerless = true
		if !b.limit.known() {
			own.inherit(b)
		}
		g.move(op, own)
	case b.limit.known():
		b.limit.addUnanswered(g.departed)
	}
}

// contradicts reports whether an answer cannot come from the bucket's count.
func (b *bucket) contradicts(t Ticket, is reading) bool {
	w := &b.limit
	was, ok := t.snapshot(b)
	switch {
	case !ok || w.assumed || t.bucket != b:
		return false
	case is.limit != was.limit && is.limit != w.budget:
		return t.own.limit != was.limit // else the limit was changed
	case (is.stamp.After(was.stamp) || w.windows.coarse()) && (w.led(t) ||
		!t.left.Before(w.windows.opens.from) && w.windows.opens.from.After(w.toldAt)):
		return false // the next window may have opened
	}
	// A count that is shared falls, or rises by little; one that is not begins at its full.
	rise := is.remaining - was.remaining
	switch {
	case t.own.stamp.IsZero():
		return rise >= max(2, (was.limit-was.remaining)/2) && is.remaining < was.limit
	case w.kind != windowed && w.size() <= finelyTold: // as much may have been given back
	case is.stamp.Equal(was.stamp) && was.limit >= leastApart:
		return rise >= max(2, (was.limit-was.remaining)/2) && (!t.own.stamp.Equal(is.stamp) || is.remaining < t.own.remaining)
	}
	return w.kind == windowed && is.stamp.Before(was.stamp) && was.stamp.Sub(is.stamp) > clockStep
}

// apart reports whether the operation has a count of its own: what its bucket was told last fell by more
// than the calls that were made since, and what the operation was told itself did not. One that is known to
// share a count has none: others who use the key may have made the difference.
func (g *Gate) apart(op *operation, is reading) bool {
	was := op.bucket.limit.heard
	return !op.shares && was.by != nil && was.by != op && was.by.bucket == op.bucket && was.limit == is.limit && op.last.limit == is.limit &&
		int64(was.remaining-is.remaining) > g.departed-was.ended && int64(op.last.remaining-is.remaining) <= op.made-op.last.ended
}

// tell takes in what the operation was told: a count that falls by more than its calls is not its own.
func (op *operation) tell(t Ticket, is reading) {
	if is.limit != op.highest.limit || is.remaining >= op.highest.remaining {
		op.highest = told{is, op, t.ownEnded}
	}
	op.shares = op.shares || int64(op.highest.remaining-is.remaining) > op.made-op.highest.ended
}

// compare looks for another bucket whose count is that of the ticket's bucket, and joins the two.
func (g *Gate) compare(t Ticket, is reading) {
	own := t.operation.bucket
	mine, ok := t.snapshot(own)
	for _, other := range slices.Clone(g.buckets) {
		theirs, known := t.snapshot(other)
		if other == own || !known {
			continue
		}
		key := g.key(own, other)
		if !ok || !mine.precedes(is) || !theirs.precedes(is) || other.limit.duplicate(t.operation, is.remaining) {
			delete(g.pairs, key)
			continue
		}
		p := g.pairs[key]
		if p == nil {
			p = &pair{}
			g.pairs[key] = p
		}
		if p.last != own {
			p.last = own
			p.turns++
		}
		if p.turns >= enoughTurns {
			g.join(own, other)
			return
		}
	}
}

// precedes reports whether a count that read r can read is afterwards.
func (r reading) precedes(is reading) bool {
	return r.limit == is.limit && r.stamp.Equal(is.stamp) && is.remaining < r.remaining
}

// key names a pair of buckets, in whichever order they come.
func (g *Gate) key(a, b *bucket) [2]*bucket {
	if slices.Index(g.buckets, a) > slices.Index(g.buckets, b) {
		a, b = b, a
	}
	return [2]*bucket{a, b}
}

// join makes one bucket of two that share a count.
func (g *Gate) join(a, b *bucket) {
	into, from := g.key(a, b)[0], g.key(a, b)[1]
	into.limit.remain = min(a.limit.remain, b.limit.remain)
	into.limit.unanswered = a.limit.unanswered + b.limit.unanswered
	if from.shut.After(into.shut) {
		into.shut = from.shut
	}
	for _, op := range g.operations {
		if op.bucket == from {
			g.move(op, into)
		}
	}
}

// move puts an operation into another bucket, with its calls in flight. An empty bucket is dropped,
// except for the first, in which operations start.
func (g *Gate) move(op *operation, to *bucket) {
	from := op.bucket
	if from == to {
		return
	}
	from.inFlight -= op.inFlight
	to.inFlight += op.inFlight
	op.bucket = to
	g.saver.changed()
	if from == g.buckets[0] || slices.ContainsFunc(g.operations, func(o *operation) bool { return o.bucket == from }) {
		return
	}
	g.buckets = slices.DeleteFunc(g.buckets, func(b *bucket) bool { return b == from })
	maps.DeleteFunc(g.kin, func(key [2]*bucket, _ int) bool { return key[0] == from || key[1] == from })
	for key := range g.pairs {
		if key[0] == from || key[1] == from {
			delete(g.pairs, key)
		}
	}
}
