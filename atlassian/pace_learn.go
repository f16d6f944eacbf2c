package atlassian

import (
	"net/http"
	"slices"
	"time"
)

// Which operations share a limit is told by the headers alone. All begin in one bucket, which is safe: it counts every
// call against every limit. An operation whose answer cannot come from its bucket's count gets a bucket of its own;
// buckets whose counts turn out to be one count become one again.
//
// The proof: a count that is shared goes down with each call. A call that left when the bucket had been told n must be told
// less than n in the same window, and never a number that another operation was told.

// mark is what a bucket was told last, at the time when a call left.
type mark struct {
	bucket *bucket
	told   told
}

// pair is how long two buckets have looked like one.
type pair struct {
	last  *bucket
	turns int
}

// enoughTurns is how many times in turn either bucket must be told less than both were, to be taken for one.
const enoughTurns = 6

func (g *gate) marks() []mark {
	seen := make([]mark, 0, len(g.buckets))
	for _, b := range g.buckets {
		if w := &b.window; w.known() && !w.assumed {
			seen = append(seen, mark{b, told{w.limit, w.least, w.stamp}})
		}
	}
	return seen
}

func (t ticket) mark(b *bucket) (told, bool) {
	for _, m := range t.seen {
		if m.bucket == b {
			return m.told, true
		}
	}
	return told{}, false
}

// learn takes in what an answer says about limits.
func (g *gate) learn(now time.Time, t ticket, end ending) {
	op := t.operation
	if end.limits == nil || !end.limits.told() {
		g.untold(op, end.status)
		return
	}
	l := *end.limits
	counted := end.status >= http.StatusOK && end.status < http.StatusMultipleChoices
	is := told{l.limit, l.remaining, l.stamp}
	switch b := op.bucket; {
	case b.silent:
		g.move(op, g.newBucket())
	case counted && op.last == t.own && t.own.risen(is):
		b.window.restart(now, l, g.gone)
	case counted && b.contradicts(t, is):
		g.move(op, g.newBucket())
	case counted:
		g.compare(t, is)
	}
	b := op.bucket
	before, fresh := b.window.stamp, !b.window.known()
	if fresh {
		b.pacer.off = true
	}
	b.window.tell(now, t, l, !throttled(end.status), b.flying)
	if counted {
		b.window.keep(op, l.remaining)
		if !is.stamp.Before(op.last.stamp) {
			op.last = is
		}
	}
	if fresh || !b.window.stamp.Equal(before) || b.window.left(now, b.flying) == 0 {
		g.changed()
	}
}

// untold is for an answer without headers, or none at all. A success without them says that the operation has nothing to
// do with a count that others are told. It gets a bucket of its own: by the documents limits are counted for each endpoint
// (organizations API, "Rate limiting"), and where they are not, paces that are found apart still share what there is.
func (g *gate) untold(op *operation, status int) {
	b := op.bucket
	success := status >= http.StatusOK && status < http.StatusMultipleChoices
	switch {
	case success && !b.silent:
		own := g.newBucket()
		own.silent = true
		if !b.window.known() {
			own.inherit(b)
		}
		g.move(op, own)
	case b.window.known() && !success:
		b.window.lose(g.gone)
	}
}

// risen says that an operation was told more than before in the same window, or another limit, which only happens when
// the limit was changed.
func (before told) risen(is told) bool {
	return before.stamp.Equal(is.stamp) && !is.stamp.IsZero() && (is.remaining >= before.remaining || is.limit != before.limit)
}

// contradicts says that an answer cannot come from the count that the bucket is told.
func (b *bucket) contradicts(t ticket, is told) bool {
	w := &b.window
	was, ok := t.mark(b)
	switch {
	case !ok || w.assumed || t.bucket != b:
		return false
	case is.limit != was.limit && is.limit != w.limit, is.stamp.Before(was.stamp):
		return true
	case is.stamp.Equal(was.stamp):
		return is.remaining >= was.remaining || w.stamp.Equal(is.stamp) && w.twice(t.operation, is.remaining)
	default: // a later window
		early := w.stamp.Equal(was.stamp) && time.Until(w.reset) > clockStep
		return early && !t.own.stamp.Equal(was.stamp) // an operation whose own reset moves on has a moving window
	}
}

// compare looks for buckets whose counts are one.
func (g *gate) compare(t ticket, is told) {
	own := t.operation.bucket
	mine, ok := t.mark(own)
	for _, other := range slices.Clone(g.buckets) {
		theirs, known := t.mark(other)
		if other == own || !known {
			continue
		}
		key := g.key(own, other)
		if !ok || !mine.before(is) || !theirs.before(is) || other.window.twice(t.operation, is.remaining) {
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

// before says that a count which was told this can have told that afterwards.
func (before told) before(is told) bool {
	return before.limit == is.limit && before.stamp.Equal(is.stamp) && is.remaining < before.remaining
}

// key names a pair of buckets, whichever comes first.
func (g *gate) key(a, b *bucket) [2]*bucket {
	if slices.Index(g.buckets, a) > slices.Index(g.buckets, b) {
		a, b = b, a
	}
	return [2]*bucket{a, b}
}

// join makes one bucket of two that share a count.
func (g *gate) join(a, b *bucket) {
	into, from := g.key(a, b)[0], g.key(a, b)[1]
	into.window.least = min(a.window.least, b.window.least)
	into.window.lost = a.window.lost + b.window.lost
	if from.shut.After(into.shut) {
		into.shut = from.shut
	}
	for _, op := range g.operations {
		if op.bucket == from {
			g.move(op, into)
		}
	}
}

// move puts an operation into another bucket, with its calls under way. A bucket that is left empty goes, but
// for the first, which is there for operations to come.
func (g *gate) move(op *operation, to *bucket) {
	from := op.bucket
	if from == to {
		return
	}
	from.flying -= op.flying
	to.flying += op.flying
	op.bucket = to
	g.changed()
	if from == g.buckets[0] || slices.ContainsFunc(g.operations, func(o *operation) bool { return o.bucket == from }) {
		return
	}
	g.buckets = slices.DeleteFunc(g.buckets, func(b *bucket) bool { return b == from })
	for key := range g.pairs {
		if key[0] == from || key[1] == from {
			delete(g.pairs, key)
		}
	}
}
