package pace

import (
	"math"
	"time"
)

const (
	paceGain = 2.0 // calls per second, for each call that got through
	// The pace is at most bold until so many calls got through that few of them, one in boldEach and
	// boldLeast, would be in flight at more, and be refused together when the first 429 comes.
	bold, boldEach, boldLeast = 128.0, 50, 6

	// Where the pace is farAbove the ceiling and there is no 429, the ceiling is a past one: each
	// call then adds paceRise calls a second.
	farAbove, paceRise = 1.08, 0.1

	// slowFor is how long, in seconds, a pace below startMin lasts without a 429.
	slowFor = 20.0

	paceDepth = 0.15 // how far below the ceiling the pace starts, as a part of it
	sureDepth = 0.05 // the same, once the ceiling was confirmed

	// The time, in seconds at full pace, in which the pace is at the ceiling again. It is short
	// while the ceiling is a guess, and doubles each time that a 429 confirms it.
	reachLeast = 8.0
	reachMost  = 160.0
	reachShut  = 25  // times that the 429 shut us, at least
	reachCalls = 180 // that are made meanwhile, at most
	confirmed  = 0.2 // how near a 429 must be to the last ceiling to confirm it, as a part of it

	// If calls get through again so soon after a 429, the pace was nearly right. If it takes
	// longer, a budget was used up, and what got through in the cycle is what it allows.
	// If calls get through within shortly, and got through for calm before, the pace was right.
	shortly, calm = 600 * time.Millisecond, 3 * time.Second
	enoughQuick   = 2   // 429s without calm between them that show that it was not
	shrink        = 0.7 // what is left of the pace when nothing was measured
)

// pacer finds a pace of our own for one bucket where the headers do not tell it. Until the first
// 429 each call that got through adds two calls a second, which doubles the pace about every second.
// The 429 shows roughly where the ceiling is. From then on the pace follows the curve of CUBIC (RFC
// 9438): it starts a little below the ceiling, approaches it quickly, stays there for long, and
// only then goes beyond it, faster and faster. That costs fewer 429s and less time than halving the
// pace and growing linearly.
type pacer struct {
	off       bool    // the headers alone decide, until a 429 that they do not explain
	rate      float64 // calls per second
	max       float64
	start     float64
	next      time.Time // when the next call may leave
	delayed   bool      // the pace delayed a call since the last one left
	limiting  bool      // the pace delayed the last call that left
	slowStart bool      // there was no 429 yet
	passed    int       // calls that raised the pace since
	quick     int       // 429s in a row without calm between them
	ceiling   float64
	reach     float64
	age       float64 // since the last 429, in seconds at full pace
}

func newPacer(p Rate) pacer {
	return pacer{rate: p.Start, start: p.Start, max: p.Max, slowStart: true, reach: reachLeast}
}

func (p *pacer) mayLeave(now time.Time) (bool, time.Time) {
	if p.off || !now.Before(p.next) {
		return true, time.Time{}
	}
	p.delayed = true
	return false, p.next
}

// leave records that a call leaves, and reports whether the pace had delayed it.
func (p *pacer) leave(now time.Time) (delayed bool) {
	gap := time.Duration(float64(time.Second) / p.rate)
	if delayed = p.delayed; !delayed || now.Sub(p.next) > gap {
		p.next = now
	}
	// Counted from when the call could have left, so that late timers do not slow down all calls.
	p.next = p.next.Add(gap)
	p.delayed, p.limiting = false, delayed
	return delayed
}

// effectiveRate returns how fast calls leave: at the pace where that delays them, else as achieved.
func (p *pacer) effectiveRate(achieved float64) float64 {
	switch {
	case p.off:
		return max(achieved, paceMin)
	case p.slowStart:
		return min(p.rate, max(achieved*1.2, p.start))
	case p.limiting:
		return p.rate
	default:
		return max(min(p.rate, achieved), paceMin)
	}
}

// grow raises the pace after a call got through that it had delayed, and that took so long. Other
// calls prove nothing.
func (p *pacer) grow(took time.Duration) {
	if p.slowStart {
		p.passed++
		most := max(bold, p.start, (boldLeast+float64(p.passed)/boldEach)/took.Seconds())
		p.rate = min(p.max, p.rate+paceGain, most)
		return
	}
	if p.rate > farAbove*p.ceiling { // the limit is another one
		p.rate = min(p.max, p.rate+paceRise)
		return
	}
	if p.age += 1 / p.rate; p.rate < startMin && p.age > slowFor {
		p.restart() // so slow a limit is more likely one that was taken for another
		return
	}
	far := (p.age - p.reach) / p.reach
	p.rate = min(p.max, p.ceiling*(1+p.depth()*far*far*far))
}

// backOff sets a new ceiling after a 429. rate is how fast calls left when it came, measured how
// many a second got through in the whole cycle (0: too few to tell), and shut for how long the
// bucket was shut.
func (p *pacer) backOff(rate, measured float64, shut, since time.Duration) {
	if p.quick++; since >= calm {
		p.quick = 0
	}
	switch {
	case measured == 0:
		rate *= shrink
	case shut <= shortly && since >= calm: // it may have had another reason
		p.reach = max(p.reach, 3*reachLeast)
	case p.slowStart || p.off || p.quick >= enoughQuick:
		rate = min(rate, measured)
	}
	if !p.slowStart && !p.off && math.Abs(rate-p.ceiling) <= confirmed*p.ceiling {
		p.reach = min(reachMost, 2*p.reach, max(reachLeast, reachCalls/rate, reachShut*shut.Seconds()))
	} else if shut > shortly || since < calm {
		p.reach = reachLeast
	}
	p.slowStart, p.off, p.age = false, false, 0
	p.ceiling = min(p.max, max(paceMin, rate))
	p.rate = max(paceMin, p.ceiling*(1-p.depth()))
}

// depth returns how far below the ceiling the pace starts.
func (p *pacer) depth() float64 {
	if p.reach > 2*reachLeast {
		return sureDepth
	}
	return paceDepth
}

// meter measures the rate of calls, as an exponential average over meterSpan.
type meter struct {
	count float64
	at    time.Time
}

const meterSpan = 5.0 // seconds

func (m *meter) add(now time.Time, calls float64) {
	m.count = m.rate(now)*meterSpan + calls
	m.at = now
}

// rate returns calls per second.
func (m *meter) rate(now time.Time) float64 {
	if m.at.IsZero() {
		return 0
	}
	return m.count * math.Exp(-now.Sub(m.at).Seconds()/meterSpan) / meterSpan
}

// clock estimates how far the other side's clock is ahead of ours.
type clock struct {
	ahead time.Duration
	noted time.Time
	since time.Time // of the estimate
	seen  int       // answers since
}

const (
	clockFresh = 5 * time.Minute // for how long an estimate holds
	clockStep  = 2 * time.Second // a larger difference means that a clock was set
	// clockEnough is how many answers, over more than a second, make the estimate good to a part of
	// a second.
	clockEnough = 30
)

// observe takes the largest of the differences: each is too small, by what Date was cut and by the
// time that the answer took.
func (c *clock) observe(now time.Time, l Limits) {
	if !l.dated {
		return
	}
	if c.noted.IsZero() || c.ahead-l.ahead > clockStep || l.ahead-c.ahead > clockStep {
		c.ahead, c.noted, c.since, c.seen = l.ahead, now, now, 0
	}
	if l.ahead > c.ahead || now.Sub(c.noted) > clockFresh {
		c.ahead, c.noted = l.ahead, now
	}
	c.seen++
}

// settled reports whether the estimate is good to a part of a second.
func (c *clock) settled() bool {
	return c.seen >= clockEnough && c.noted.Sub(c.since) >= 0 && time.Since(c.since) > 2*time.Second
}

// restart begins with a slow start again.
func (p *pacer) restart() {
	p.off, p.slowStart, p.passed, p.rate, p.next = false, true, 0, min(p.max, p.start), time.Time{}
}
