package atlassian

import (
	"math"
	"time"
)

// How our own pace is found where the headers do not tell it. Until the first 429 each call that got through makes it one
// call a second faster, which doubles it about every second. A 429 shows about where the ceiling is; from then on the pace
// follows the curve of CUBIC (RFC 9438): it begins a little under the ceiling, comes near it quickly, stays there for long,
// and only then looks for more, ever faster. That costs fewer 429s and less time than halving and growing in a line.
const (
	paceGain  = 1.0
	paceDepth = 0.15 // how far under the ceiling it begins

	// How long it takes to be at the ceiling again. It is short while the ceiling is but guessed, and doubles each time that a
	// 429 confirms it.
	reachLeast = 8.0 // seconds at full pace
	reachMost  = 64.0
	confirmed  = 0.2 // a 429 so near the last ceiling, as a part of it, confirms it

	// When the other side lets us in again so soon, the pace was nearly right. When it takes longer, a budget was used up, and
	// what got through from one reopening to the next is what it allows.
	soonAgain = 1500 * time.Millisecond
	fewerEach = 0.7 // what is left of a pace when nothing was measured
)

// pacer is our own pace in one bucket.
type pacer struct {
	off     bool    // the headers tell all; until a 429 that they do not explain
	rate    float64 // calls per second
	most    float64
	next    time.Time // when the next call may leave
	held    bool      // a call was held back since the last one left
	bound   bool      // the last one that left had been
	slow    bool      // no 429 yet: doubling ("slow start")
	ceiling float64
	reach   float64
	age     float64 // since the last 429, in seconds at full pace
}

func newPacer(p Pace) pacer { return pacer{rate: p.Start, most: p.Max, slow: true, reach: reachLeast} }

func (p *pacer) may(now time.Time) (bool, time.Time) {
	if p.off || !now.Before(p.next) {
		return true, time.Time{}
	}
	p.held = true
	return false, p.next
}

// leave books a call; held says whether the pace had kept it waiting.
func (p *pacer) leave(now time.Time) (held bool) {
	gap := time.Duration(float64(time.Second) / p.rate)
	if held = p.held; !held || now.Sub(p.next) > gap {
		p.next = now
	}
	// From when it might have left, so that a timer that is late does not slow all of them down.
	p.next = p.next.Add(gap)
	p.held, p.bound = false, held
	return held
}

// at is how fast calls leave: as fast as they may where that held them, else as they do.
func (p *pacer) at(achieved float64) float64 {
	switch {
	case p.off:
		return max(achieved, paceMin)
	case p.bound || p.slow:
		return p.rate
	default:
		return max(min(p.rate, achieved), paceMin)
	}
}

// grow notes that a call got through that the pace had held back. What it did not hold back proves nothing.
func (p *pacer) grow() {
	if p.slow {
		p.rate = min(p.most, p.rate+paceGain)
		return
	}
	p.age += 1 / p.rate
	far := (p.age - p.reach) / p.reach
	p.rate = min(p.most, p.ceiling*(1+paceDepth*far*far*far))
}

// settle finds a new ceiling after a 429: calls left at this rate when it came, this many a second got through in the whole
// cycle (0: too few to tell), and this long it was shut.
func (p *pacer) settle(rate, measured float64, shut time.Duration) {
	switch {
	case measured == 0:
		rate *= fewerEach
	case p.slow || p.off || shut > soonAgain:
		rate = min(rate, measured)
	}
	if !p.slow && !p.off && math.Abs(rate-p.ceiling) <= confirmed*p.ceiling {
		p.reach = min(reachMost, 2*p.reach)
	} else {
		p.reach = reachLeast
	}
	p.slow, p.off, p.age = false, false, 0
	p.ceiling = min(p.most, max(paceMin, rate))
	p.rate = max(paceMin, p.ceiling*(1-paceDepth))
}

// meter counts calls of the last seconds, the older ones ever less.
type meter struct {
	count float64
	at    time.Time
}

const meterSpan = 5.0 // seconds

func (m *meter) add(now time.Time, calls float64) {
	m.count = m.rate(now)*meterSpan + calls
	m.at = now
}

// rate is calls per second.
func (m *meter) rate(now time.Time) float64 {
	if m.at.IsZero() {
		return 0
	}
	return m.count * math.Exp(-now.Sub(m.at).Seconds()/meterSpan) / meterSpan
}

// clock knows how far the other side's clock is ahead of ours.
type clock struct {
	ahead time.Duration
	noted time.Time
}

// How long an estimate counts, and from which difference on it is another clock.
const (
	clockFresh = 5 * time.Minute
	clockStep  = 2 * time.Second
)

// note takes the largest of the differences, as each is too small by what Date was cut and by the answer's way here.
func (c *clock) note(now time.Time, l limits) {
	if !l.dated {
		return
	}
	if l.ahead > c.ahead || now.Sub(c.noted) > clockFresh || c.ahead-l.ahead > clockStep {
		c.ahead, c.noted = l.ahead, now
	}
}

// toMinute is how long it is until the other side's clock shows a full minute, which is when limits that nobody tells of
// most likely begin anew.
func (c clock) toMinute(now time.Time) time.Duration {
	theirs := now.Add(c.ahead).Round(0)
	return max(theirs.Truncate(time.Minute).Add(time.Minute).Sub(theirs), time.Millisecond)
}
