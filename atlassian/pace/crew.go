package pace

import (
	"net/http"
	"time"
)

const (
	crewStart = 8 // calls in flight at once, before anything is known
	crewLeast = 4 // however slow the answers are

	// Answers that take slowPart times as long as the fastest ones mean that the other side queues
	// the calls; up to quickPart times they do not.
	slowPart, quickPart = 3.0, 2.0
	fastestDrift        = 1.002 // by which the fastest time rises with each call, so that an old one is forgotten
)

// crew learns how many calls in flight at once are of use: more for each call that took no longer
// than others while all were in flight, fewer when the other side answers slower and slower, or
// fails.
type crew struct {
	bound int     // never more
	now   float64 // at present
	slow  float64 // how many times longer than the fastest calls take, on average
	after int64   // calls that left before this one do not shrink it again
}

func newCrew(bound int) crew { return crew{bound: bound, now: float64(min(bound, crewStart)), slow: 1} }

func (c *crew) most() int { return max(1, int(c.now)) }

// learn takes in how long a call took, that as many as may be were in flight, its number, that of the
// last one that left, and whether it was answered.
func (c *crew) learn(op *operation, took time.Duration, full bool, number, departed int64, answered bool) {
	if !answered {
		c.shrink(0.5, number, departed)
		return
	}
	op.fastest *= fastestDrift
	if seconds := took.Seconds(); op.fastest == 0 || seconds < op.fastest {
		op.fastest = seconds
	}
	if op.fastest > 0 {
		c.slow += 0.1 * (took.Seconds()/op.fastest - c.slow)
	}
	switch {
	case c.slow > slowPart:
		c.shrink(0.8, number, departed)
	case full && c.slow < quickPart:
		c.now = min(float64(c.bound), c.now+1)
	}
}

func (c *crew) shrink(part float64, number, departed int64) {
	if number < c.after {
		return
	}
	c.after = departed + 1
	c.now = max(float64(min(c.bound, crewLeast)), c.now*part)
}

// answered reports whether the other side could deal with the call.
func answered(end Answer) bool {
	return end.Limits != nil && end.Status < http.StatusInternalServerError
}
