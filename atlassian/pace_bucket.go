package atlassian

import (
	"net/http"
	"time"
)

const (
	// A 429 that does not say when to come back shuts the bucket for firstShut, doubled for each one in a row.
	firstShut   = time.Second
	longestShut = 30 * time.Second

	// While a bucket is on trial one call at a time is under way, and one more for each trialPatience without an answer.
	trialPatience = 2 * time.Second

	// A cycle that saw fewer calls says nothing about what the other side allows.
	fewCalls = 5
)

// bucket is a set of operations that share a limit, and what is known of that limit: what the headers say (window), our
// own pace where they say nothing or not enough (pacer), and whether it is shut after a 429.
type bucket struct {
	window window
	pacer  pacer
	turns  turns
	flying int
	silent bool // its operation answers without headers

	shut    time.Time // nothing leaves before
	epoch   int       // how many times we were throttled; calls that left together count once
	strikes int       // 429s in a row, counted likewise
	hit     time.Time // the first of them
	hitRate float64   // how fast calls left then

	// After a 429, and at the start, one call goes first and the others follow when it got through.
	trial bool
	tried time.Time // when the first one left

	// A cycle is what happens between two reopenings while calls are always waiting: it measures what is allowed.
	cycle   time.Time
	through int
	lately  meter
}

func (g *gate) newBucket() *bucket {
	b := &bucket{pacer: newPacer(g.pace)}
	g.buckets = append(g.buckets, b)
	return b
}

// inherit takes over what an operation has been through in a bucket that it leaves.
func (b *bucket) inherit(from *bucket) {
	b.pacer, b.shut, b.strikes, b.hit, b.hitRate = from.pacer, from.shut, from.strikes, from.hit, from.hitRate
	b.trial, b.tried, b.cycle, b.through, b.lately = from.trial, from.tried, from.cycle, from.through, from.lately
}

// doubt puts the bucket on trial, as another one was throttled and they may share a limit.
func (b *bucket) doubt(now time.Time) {
	if b.silent && !b.trial {
		b.trial, b.tried = true, now
	}
}

// open says whether calls may leave as far as 429s go, and if not, when to ask again.
func (b *bucket) open(now time.Time) (bool, time.Time) {
	b.window.roll(now)
	if now.Before(b.shut) {
		return false, b.shut
	}
	if !b.trial || b.flying == 0 {
		return true, time.Time{}
	}
	waited := int(now.Sub(b.tried) / trialPatience)
	if b.flying <= waited {
		return true, time.Time{}
	}
	return false, b.tried.Add(time.Duration(b.flying) * trialPatience)
}

// leave notes that a call leaves, and says whether our own pace held it.
func (b *bucket) leave(now time.Time, waited bool) (paced bool) {
	if b.flying == 0 && !waited { // nobody was waiting: what comes now is no measure of what came before
		b.cycle, b.through = now, 0
	}
	if b.trial && b.flying == 0 {
		b.tried = now
	}
	return b.pacer.leave(now)
}

// passed notes a call that was not throttled; reopened says that the bucket was shut before and has a new pace.
func (b *bucket) passed(now time.Time, t ticket) (reopened bool) {
	b.through++
	b.lately.add(now, 1)
	if t.bucket == b && t.epoch != b.epoch {
		return false // it left before the 429 that was dealt with since
	}
	if b.trial && !t.left.Before(b.tried) {
		reopened = b.reopen(now)
	}
	if t.paced && t.bucket == b {
		b.pacer.grow()
	}
	return reopened
}

func (b *bucket) reopen(now time.Time) bool {
	b.trial = false
	if b.strikes == 0 {
		return false
	}
	measured := 0.0
	// Where already the first call had waited for its turn, nobody knows since when.
	if b.through >= fewCalls && !b.cycle.IsZero() && b.hit.After(b.cycle) {
		measured = float64(b.through) / now.Sub(b.cycle).Seconds()
	}
	b.pacer.settle(b.hitRate, measured, now.Sub(b.hit))
	b.strikes, b.cycle, b.through = 0, now, 0
	return true
}

// strike notes a 429. One that the headers explain needs nothing but the waiting for their reset; any other means that
// there is a limit of which they do not tell; fresh says that this is news.
func (b *bucket) strike(now time.Time, t ticket, l limits, c clock) (fresh bool) {
	if l.retry > 0 {
		b.shutUntil(now, now.Add(l.retry))
	}
	if l.told() && l.remaining == 0 && l.reset.After(now) {
		return false
	}
	if t.bucket == b && t.epoch != b.epoch {
		return false // calls that left together are told so together, and that counts once
	}
	b.epoch++
	if b.strikes++; b.strikes == 1 {
		b.hit, b.hitRate = now, b.pacer.at(b.lately.rate(now))
	}
	b.trial = true
	if l.retry == 0 {
		pause := min(longestShut, firstShut<<min(b.strikes-1, 10))
		b.shutUntil(now, now.Add(min(pause, c.toMinute(now))))
	}
	return true
}

func (b *bucket) shutUntil(now, until time.Time) {
	if latest := now.Add(maxShut); until.After(latest) {
		until = latest
	}
	if until.After(b.shut) {
		b.shut = until
	}
}

// shutFor is how long nothing can leave, for all that is known.
func (b *bucket) shutFor(now time.Time) time.Duration {
	b.window.roll(now)
	shut := b.shut
	if ok, at := b.window.has(now, b.flying, 1); b.window.known() && !ok && at.After(shut) {
		shut = at
	}
	return max(0, shut.Sub(now))
}

func throttled(status int) bool { return status == http.StatusTooManyRequests }
