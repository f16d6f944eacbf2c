package pace

import (
	"slices"
	"time"
)

const (
	// enoughKin is how often calls of two operations must be refused together, more often than one
	// got through while the other was refused, for them to count as sharing a limit.
	enoughKin = 2
	// kinSoon is how long after a 429 the limit is surely still used up.
	kinSoon = 500 * time.Millisecond
	// leastKin is how far the count falls.
	leastKin = -4
)

// ask lets the other buckets of which nothing is told show whether they share the limit of one that
// was refused. The documents count limits for each endpoint (organizations API, "Rate limiting"), so
// each such operation begins with a bucket of its own. When one is refused, the next call of each
// other one leaves alone: if it is refused, too, they may share a limit; if it gets through and the
// first one is refused once more, they may not.
func (g *Gate) ask(b *bucket, now time.Time, first bool) {
	for _, other := range g.buckets {
		if other == b || !other.headerless && other.limit.known() {
			continue
		}
		if key := g.key(b, other); other.passed == b {
			if other.passed = nil; !first { // else what they share may have opened
				g.kin[key] = max(leastKin, g.kin[key]-1)
			}
		}
		near := func(a, b time.Time) bool { return a.Sub(b).Abs() <= 3*fromFloat(g.meanLatency)/2 }
		at := first && near(b.found.refusedAt, other.found.windows.last) ||
			other.row == 1 && near(b.found.windows.last, other.found.refusedAt)
		switch {
		case near(b.found.refusedAt, other.found.refusedAt) && b.outlasts(now) && other.outlasts(now) &&
			b.found.used+other.found.used >= leastSliding:
			g.kin[g.key(b, other)] = enoughKin // so much of two limits is not used up in one moment
		case first && other.row == 1 && near(b.found.refusedAt, other.found.refusedAt) && b.found.paced() && other.found.paced():
			g.kin[g.key(b, other)]++ // two paces that were right for a while do not fail in one moment
		case at && other.found.shut() && other.found.used < fewCalls:
			g.kin[g.key(b, other)]++
		case first && !other.found.shut() && !other.probing:
			other.asked = b
			other.probe(now)
		}
	}
}

// paced reports whether 429s have shown a rate, which has held since.
func (f *found) paced() bool { return !f.windowed && !f.pacer.off && !f.pacer.slowStart }

// outlasts reports whether so much was used up, and nothing is given back for so long, that it is a
// budget and no pace.
func (b *bucket) outlasts(now time.Time) bool {
	f := &b.found
	return f.shut() && f.used >= fewCalls && later(now, b.shut).Sub(f.windows.since) >= longShut
}

// took takes in that a window of the bucket had less than those before: what another bucket had more than
// its budget at the time was taken from what they share.
func (g *Gate) took(b *bucket) {
	for _, other := range g.buckets {
		if other != b && other.found.windowed && other.found.grewAt.After(b.found.before) {
			g.kin[g.key(b, other)]++
		}
	}
}

// answer takes in how the call of a bucket that was asked ended.
func (g *Gate) answer(b *bucket, t Ticket, refused bool) {
	first := b.asked
	if first == nil || t.left.Before(b.probedAt) {
		return
	}
	b.asked = nil
	if !slices.Contains(g.buckets, first) {
		return
	}
	key := g.key(first, b)
	switch soon := t.left.Sub(first.found.refusedAt) <= kinSoon; {
	case soon && refused:
		g.kin[key]++
	case soon && first.found.shut():
		b.passed = first
	}
}

// unite joins buckets of which nothing is told and that share a limit.
func (g *Gate) unite() {
	for key, n := range g.kin {
		if n < enoughKin {
			continue
		}
		delete(g.kin, key)
		into, from := key[0], key[1]
		if into.limit.known() || from.limit.known() || !slices.Contains(g.buckets, into) || !slices.Contains(g.buckets, from) {
			continue
		}
		into.headerless = true
		into.found.unite(&from.found)
		into.probing = true
		if from.shut.After(into.shut) {
			into.shut = from.shut
		}
		for _, op := range g.operations {
			if op.bucket == from {
				g.move(op, into)
			}
		}
		return
	}
}

// unite adds what was found of another bucket.
func (f *found) unite(o *found) {
	f.used += o.used
	f.budget += o.budget
	f.ledger = append(f.ledger, o.ledger...)
	slices.SortFunc(f.ledger, time.Time.Compare)
	if len(f.ledger) > mostLedger {
		f.ledger = f.ledger[len(f.ledger)-mostLedger/2:]
	}
	if !f.shut() && o.shut() {
		f.exhaust(o.windows.since, o.windows.opens.from)
	}
	if !f.pacer.slowStart && !o.pacer.slowStart && !f.pacer.off {
		f.pacer.rate += o.pacer.rate
		f.pacer.ceiling += o.pacer.ceiling
	}
}
