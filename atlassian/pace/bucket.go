package pace

import (
	"net/http"
	"time"
)

// probeTimeout is how long a call that tries alone keeps the others waiting: one more may leave for
// each time that passes without an answer.
const probeTimeout = 2 * time.Second

// pause is for how long nothing is in flight when callers are done, and not between two calls.
const pause = time.Second

// bucket is a set of operations that share a limit, and what is known of the limit: what the
// headers say (limit), what 429s have shown where they do not say enough (found), and until when a
// 429 asks to wait.
type bucket struct {
	quiet      time.Time // when a call was last in flight
	limit      limit
	found      found
	turns      turns
	inFlight   int
	headerless bool // its operations answer without headers

	shut  time.Time // nothing leaves before then
	epoch int       // times that we were throttled; 429s of calls that left together count once
	row   int       // 429s since a call got through, those together counted once

	// After a 429, at the start, and when nothing may be left, one call leads; the others follow when it
	// got through.
	leads   int       // calls in flight that do
	ledAt   time.Time // when the latest of them left
	readLed bool      // the latest call that was answered was one that leads, a read, and got through

	probing  bool      // one leads whatever is told
	probedAt time.Time // since then
	recent   meter
	asked    *bucket // whose limit the call that leaves alone may show to be shared; nil: none
	passed   *bucket // that was shut when that call got through; nil: none
}

func (g *Gate) newBucket() *bucket {
	b := &bucket{limit: newLimit(), found: newFound(g.pace)}
	g.buckets = append(g.buckets, b)
	return b
}

// inherit copies the history of the bucket that an operation leaves.
func (b *bucket) inherit(from *bucket) {
	b.found, b.shut, b.row = from.found, from.shut, from.row
	b.found.ledger = nil
	b.probing, b.probedAt, b.recent = from.probing, from.probedAt, from.recent
}

// open reports whether calls may leave as far as 429s are concerned, and if not, when to ask again.
func (b *bucket) open(now time.Time) (bool, time.Time) {
	b.limit.advance(now)
	if now.Before(b.shut) {
		return false, b.shut
	}
	if b.found.shut() {
		b.probe(now)
	}
	if b.probing && b.led(now) {
		return false, b.ledAt.Add(probeTimeout)
	}
	if b.found.shut() {
		if at := b.found.trial(); now.Before(at) {
			return false, at
		}
	}
	return true, time.Time{}
}

// probe lets one call lead, whatever is told.
func (b *bucket) probe(now time.Time) {
	if !b.probing {
		b.probing, b.probedAt = true, now
	}
}

// led reports whether a call leads of which it is too early to say that nothing is heard.
func (b *bucket) led(now time.Time) bool { return b.leads > 0 && now.Before(b.ledAt.Add(probeTimeout)) }

// leave records that a call leaves, and reports whether it leads, and whether our own pace delayed it.
func (b *bucket) leave(now time.Time, waited bool) (leads, paced bool) {
	if leads = b.tries() && !b.led(now); leads {
		b.leads++
		b.ledAt = now
	}
	if b.inFlight == 0 && !waited && now.Sub(b.quiet) > pause {
		b.found.begin(now)
	}
	b.limit.note(now)
	return leads, b.found.pacer.leave(now)
}

// succeeded records a call that was not throttled, and reports whether it reopened the bucket at a
// new pace.
func (b *bucket) succeeded(now time.Time, t Ticket) (reopened bool) {
	b.recent.add(now, 1)
	b.readLed = t.leads && !t.operation.writes
	if t.bucket == b && t.epoch != b.epoch {
		b.found.passed(t.left)
		return false // the call left before the latest 429
	}
	if b.probing && !t.left.Before(b.probedAt) && (!b.found.shut() || t.left.After(b.found.windows.last)) {
		b.probing = false
		if reopened = b.row > 0 || b.found.shut(); reopened {
			b.found.opened(t.left, b.row > 0)
		}
		b.row = 0
	}
	b.found.passed(t.left)
	if t.paced && t.bucket == b {
		b.found.pacer.grow(max(time.Millisecond, now.Sub(t.left)))
	}
	return reopened
}

// throttle records a 429, and reports whether it is news, and the first in a row. One that the headers explain needs
// nothing but the wait for their reset; any other shows a limit of which they do not tell.
func (b *bucket) throttle(now time.Time, t Ticket, l Limits) (fresh, first bool) {
	b.readLed = false
	if l.RetryAfter > 0 {
		b.shutUntil(now.Add(l.RetryAfter))
	}
	if l.complete() && l.Remaining == 0 {
		return false, false
	}
	if t.bucket == b && t.epoch != b.epoch {
		return false, false // the call left before the latest 429
	}
	b.epoch++
	b.row++
	b.probe(now)
	b.found.refused(now, t.left, b.row == 1, b.found.pacer.effectiveRate(b.recent.rate(now)), b.inFlight)
	if l.RetryAfter > 0 {
		until := now.Add(l.RetryAfter)
		b.found.windows.hint(until.Add(-time.Second), until, until)
	}
	return true, b.row == 1
}

func (b *bucket) shutUntil(until time.Time) {
	if until.After(b.shut) {
		b.shut = until
	}
}

// tries reports whether the next call may be refused.
func (b *bucket) tries() bool {
	return b.probing || b.found.shut() || b.limit.known() && b.limit.since()
}

// steady returns how many calls a second get through where they do so evenly; 0 where they do not, or
// nobody knows.
func (b *bucket) steady() float64 {
	switch {
	case b.limit.known() && b.limit.kind == refilling:
		return b.limit.rate
	case b.found.paced():
		return b.found.pacer.rate
	}
	return 0
}

// shutFor returns for how long nothing can leave.
func (b *bucket) shutFor(now time.Time) time.Duration {
	b.limit.advance(now)
	shut := b.shut
	if b.found.shut() {
		if at := b.found.trial(); at.After(shut) {
			shut = at
		}
	}
	if b.limit.known() && !b.limit.assumed {
		if room := b.limit.room(now, b.inFlight); room < 1 {
			if b.limit.kind == windowed && b.limit.remain <= b.limit.unanswered {
				b.limit.windows.exhaust(now, b.limit.toldAt)
			}
			at := b.limit.next(now, b.inFlight, 1)
			if b.limit.kind == windowed || at.IsZero() {
				at = b.limit.windows.trial()
			}
			if at.After(shut) {
				shut = at
			}
		}
	}
	return max(0, shut.Sub(now))
}

func throttled(status int) bool { return status == http.StatusTooManyRequests }
