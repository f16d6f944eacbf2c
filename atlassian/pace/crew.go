package pace

import (
	"math"
	"net/http"
	"time"
)

const (
	crewStart = 8 // calls in flight at once, before anything is known
	crewLeast = 4 // however slow the answers are

	// Answers that take slowPart times as long as usual may mean that the other side queues the
	// calls; up to quickPart times they do not.
	slowPart, quickPart = 3.0, 2.0

	slowWeight = 0.1    // of a call in the average
	failedPart = 0.75   // of the crew stays when a call failed: a failure now and then is no sign of too many
	usualDecay = 0.0002 // by how much of itself a call brings what is usual nearer to the fastest: it is tried again one day
	unsureMost = 500    // calls between quickPart and slowPart before it is tried whether more are of use
	leastMost  = 32     // calls of the smallest crew before it is taken for usual how long they take
)

// crew learns how many calls in flight at once are of use: more for each call that took no longer
// than usual while all were in flight, fewer when the other side fails, or when answers take longer
// and a trial shows that fewer calls are answered sooner. Answers that are slow or uneven for other
// reasons are no reason for fewer: those would only be made later.
//
// How long calls take is compared by logarithms: one answer that takes a hundred times as long says
// little about the others.
type crew struct {
	bound  int     // never more
	now    float64 // at present
	slow   float64 // how much longer than usual calls take, on average: a logarithm, at least 0
	usual  float64 // how much longer than the fastest ones they take when nothing queues them: the same
	unsure int     // calls in a row that took longer than usual, and not so much that they are queued for sure
	after  int64   // calls that left before this one do not shrink it again, nor count in a trial
	trial  trial
}

// trial finds out whether the other side queues calls: it measures how long they take, halves or doubles
// the crew, and measures again.
type trial struct {
	by     float64 // what the crew is multiplied by; 0 means that there is no trial
	from   float64 // the crew before; 0 while it is not changed
	before float64 // how much longer than the fastest ones calls took before, on average: a logarithm
	sum    float64 // of the present measurement
	calls  int
	need   int // calls of the measurement
	failed int // calls of the trial that were not answered
}

func newCrew(bound int) crew {
	return crew{bound: bound, now: float64(min(bound, crewStart))}
}

func (c *crew) most() int { return max(1, int(c.now)) }

// least is the smallest crew.
func (c *crew) least() float64 { return float64(min(c.bound, crewLeast)) }

// learn takes in how long a call took, that as many as may be were in flight, its number, that of the
// last one that left, and whether it was answered.
func (c *crew) learn(op *operation, took time.Duration, full bool, number, departed int64, answered bool) {
	if !answered {
		if c.trial.failed++; c.trial.by == 0 || c.trial.failed*8 > c.trial.calls+8 { // a failure now and then spoils no trial
			c.trial = trial{}
			c.shrink(failedPart, number, departed)
		}
		return
	}
	seconds := took.Seconds()
	if op.fastest == 0 || seconds < op.fastest {
		op.fastest = seconds
	}
	if op.fastest <= 0 {
		return
	}
	longer := math.Log(seconds / op.fastest)
	c.usual *= 1 - usualDecay
	c.slow += slowWeight * (longer - c.usual - c.slow)
	if c.slow < 0 { // it is quicker than was usual
		c.usual, c.slow = max(0, c.usual+c.slow), 0
	}
	if c.trial.by > 0 {
		if full && number >= c.after {
			c.try(longer, departed)
		}
		return
	}
	if !full {
		return
	}
	switch {
	case c.slow < math.Log(quickPart):
		c.unsure = 0
		c.now = min(float64(c.bound), c.now+1)
	case c.slow > math.Log(slowPart) && c.now > c.least():
		c.begin(0.5, departed)
	case number < c.after: // the crew has become smaller since it left
	case c.now <= c.least():
		if c.unsure++; c.unsure >= leastMost {
			c.usual, c.slow, c.unsure = c.usual+c.slow, 0, 0
		}
	default:
		if c.unsure++; c.unsure >= unsureMost && c.most() < c.bound {
			c.begin(2, departed)
		}
	}
}

// begin begins a trial with the calls that leave from now on.
func (c *crew) begin(by float64, departed int64) {
	c.unsure, c.trial = 0, trial{by: by}
	c.measure(departed)
}

func (c *crew) measure(departed int64) {
	c.after = departed + 1
	c.trial.sum, c.trial.calls, c.trial.need = 0, 0, max(64, 2*c.most())
}

// try takes in a call of a trial: how much longer than the fastest one it took.
func (c *crew) try(longer float64, departed int64) {
	t := &c.trial
	t.sum += longer
	if t.calls++; t.calls < t.need {
		return
	}
	took := t.sum / float64(t.calls)
	if t.from == 0 {
		if t.by < 1 && took < c.usual+math.Log(quickPart) { // only a few were slow
			c.trial, c.slow = trial{}, max(0, took-c.usual)
			return
		}
		t.from, t.before = c.now, took
		c.now = min(max(c.least(), c.now*t.by), float64(c.bound))
		c.measure(departed)
		return
	}
	// What is queued takes as much longer as there is more of it.
	queued := (took-t.before)/math.Log(c.now/t.from) > 0.5
	if queued == (t.by > 1) {
		c.now = t.from
	}
	if queued {
		c.slow = max(0, took-c.usual)
	} else {
		c.usual, c.slow = took, 0
	}
	c.trial = trial{}
}

// shrink leaves a part of the crew.
func (c *crew) shrink(part float64, number, departed int64) {
	if number < c.after {
		return
	}
	c.after = departed + 1
	c.now = max(c.least(), c.now*part)
}

// answered reports whether the other side could deal with the call.
func answered(end Answer) bool {
	return end.Limits != nil && end.Status < http.StatusInternalServerError
}
