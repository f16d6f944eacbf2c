package atlassian

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// Pace is how fast calls may leave while the answers say nothing about limits, in calls per second. No figure is
// published for these APIs. So it begins low and doubles about every second until the first 429 or until the workers are
// the only bound (rate.go); there is no highest pace of our own, as a guess would be wrong for every organisation but one.
type Pace struct {
	Start float64 // 0 means 20
	Max   float64 // 0 means no bound
}

const (
	paceStart = 20.0
	paceMin   = 0.5

	// maxShut caps what an answer can ask for, so that a wrong date cannot stop us for good.
	maxShut = 15 * time.Minute
)

// gate is where every call waits for its turn, and is told how it ended. Which calls share a limit is not published: all
// begin in one bucket, and learn.go tells buckets apart by what the answers say. Parties take turns, turn.go; the calls of
// one leave in the order in which they came, but for those whose bucket is shut, so that nobody is stuck behind others'
// queues; and never more than workers are under way.
type gate struct {
	workers int
	pace    Pace
	changed func() // told, under the lock, when a restart should know more than before; must not block

	mu         sync.Mutex
	operations []*operation
	buckets    []*bucket // the first one takes the operations of which nothing is known
	pairs      map[[2]*bucket]*pair
	turns      turns
	flying     int
	waiting    int
	arrived    int64 // calls that ever came to the gate, which numbers them
	gone       int64 // calls that ever left
	took       float64
	clock      clock
	promises   promises
	alarm      *time.Timer
}

// operation is one kind of call: what counts as an endpoint here.
type operation struct {
	name   string
	bucket *bucket
	queue  []*waiter
	flying int
	writes bool
	last   told // its own last answer with headers
}

// waiter is a call at the gate.
type waiter struct {
	number  int64
	party   int64
	arrived time.Time
	write   bool
	account string
	leave   chan struct{} // closed when it may go
	ticket  ticket        // set by then
}

// ticket is a call's leave to go; it must be given back by done or unused.
type ticket struct {
	operation *operation
	bucket    *bucket
	number    int64
	left      time.Time
	account   string
	epoch     int    // of the bucket
	paced     bool   // our own pace held it
	own       told   // what its operation was told last when it left
	seen      []mark // what each bucket was told last when it left
}

// ending is how a call ended; limits is nil when there was no answer.
type ending struct {
	status int
	limits *limits
}

func newGate(p Pace, workers int) (*gate, error) {
	if p.Start == 0 {
		p.Start = paceStart
	}
	if p.Max == 0 {
		p.Max = math.MaxFloat64
	}
	if !(p.Start >= paceMin) || !(p.Max >= p.Start) || math.IsInf(p.Max, 0) {
		return nil, fmt.Errorf("pace: %g to %g calls per second; at least %g, and rising", p.Start, p.Max, paceMin)
	}
	g := &gate{
		workers: workers, pace: p, changed: func() {}, pairs: map[[2]*bucket]*pair{}, promises: newPromises(workers),
	}
	g.newBucket().trial = true
	return g, nil
}

// wait returns when the call may leave. Its error is the context's.
func (g *gate) wait(ctx context.Context, call request) (ticket, error) {
	if err := ctx.Err(); err != nil {
		return ticket{}, err
	}
	g.mu.Lock()
	w := g.enter(call, time.Now())
	g.dispatch(time.Now())
	g.mu.Unlock()
	select {
	case <-w.leave:
		return w.ticket, nil
	case <-ctx.Done():
		g.forsake(call.operation, w)
		return ticket{}, ctx.Err()
	}
}

func (g *gate) enter(call request, now time.Time) *waiter {
	g.arrived++
	w := &waiter{
		number: g.arrived, party: call.party, arrived: now, write: call.write, account: call.account,
		leave: make(chan struct{}),
	}
	op := g.operation(call.operation)
	op.writes = op.writes || call.write
	op.queue = append(op.queue, w)
	g.waiting++
	return w
}

// forsake takes back a call whose context ended while it waited, or just as it was let go.
func (g *gate) forsake(operation string, w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.leave:
		g.back(w.ticket)
	default:
		op := g.operation(operation)
		for i, each := range op.queue {
			if each == w {
				op.queue = slices.Delete(op.queue, i, i+1)
				g.waiting--
				break
			}
		}
	}
	g.dispatch(time.Now())
}

// unused gives a ticket back whose call surely did not leave.
func (g *gate) unused(t ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.back(t)
	g.dispatch(time.Now())
}

func (g *gate) back(t ticket) {
	g.flying--
	t.operation.flying--
	t.operation.bucket.flying--
}

func (g *gate) operation(name string) *operation {
	for _, op := range g.operations {
		if op.name == name {
			return op
		}
	}
	op := &operation{name: name, bucket: g.buckets[0]}
	g.operations = append(g.operations, op)
	return op
}

// dispatch lets go whoever may, and sees to it that it is called again when the next one may.
func (g *gate) dispatch(now time.Time) {
	for g.flying < g.workers {
		op, w, at := g.pick(now)
		if op == nil {
			g.wake(now, at)
			return
		}
		g.release(op, w, now)
	}
}

// pick is the call that is the next to go, and its operation; or nil, and when to look again (never: after the next
// event). Of each operation it is the one whose turn it is, which speaks for the others but for those that need not leave
// anything to newcomers.
func (g *gate) pick(now time.Time) (next *operation, call *waiter, again time.Time) {
	for _, op := range g.operations {
		for _, w := range g.first(op, now) {
			if w == nil {
				continue
			}
			ok, at := g.may(op, w, now)
			if ok && (next == nil || g.turns.before(w, call)) {
				next, call = op, w
			}
			if ok {
				break
			}
			again = sooner(again, at)
		}
	}
	return next, call, again
}

// first is the waiter whose turn it is, and where that is another, the first of those that leave nothing to newcomers.
func (g *gate) first(op *operation, now time.Time) [2]*waiter {
	var first, free *waiter
	b := op.bucket
	b.window.roll(now)
	for _, w := range op.queue {
		if first == nil || b.turns.before(w, first) {
			first = w
		}
		if g.free(b, w) && (free == nil || b.turns.before(w, free)) {
			free = w
		}
	}
	if free == first {
		free = nil
	}
	return [2]*waiter{first, free}
}

// free says that a call leaves nothing of a known window to newcomers: one of a newcomer, and one that finishes what was
// begun.
func (g *gate) free(b *bucket, w *waiter) bool {
	return b.window.known() && (w.write || g.promises.proves(w) || b.window.isNew(w.party))
}

func (g *gate) may(op *operation, w *waiter, now time.Time) (ok bool, at time.Time) {
	b := op.bucket
	if ok, at := b.open(now); !ok {
		return false, at
	}
	if b.window.known() {
		need, until := g.promises.room(now, w, g.writes(b), b.window.limit)
		if !g.free(b, w) {
			proofs := g.promises.proofs()
			kept, end := b.window.forNew(now, fromFloat(g.took*float64(newMost+proofs)/float64(g.workers)))
			if kept > 0 {
				need += kept + proofs
			}
			until = sooner(until, end)
		}
		if ok, at := b.window.has(now, b.flying, need); !ok {
			return false, sooner(at, until)
		}
	}
	return b.pacer.may(now)
}

// sooner is the earlier of two moments; a zero one is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// writes says whether calls that change something share the bucket.
func (g *gate) writes(b *bucket) bool {
	for _, op := range g.operations {
		if op.bucket == b && op.writes {
			return true
		}
	}
	return false
}

func (g *gate) release(op *operation, w *waiter, now time.Time) {
	b := op.bucket
	at := slices.Index(op.queue, w)
	op.queue = slices.Delete(op.queue, at, at+1)
	g.turns.had(w.party)
	b.turns.had(w.party)
	b.window.spend(w.party)
	g.waiting--
	g.gone++
	w.ticket = ticket{
		operation: op, bucket: b, number: g.gone, left: now, account: w.account, epoch: b.epoch,
		paced: b.leave(now, w.arrived.Before(now)), own: op.last, seen: g.marks(),
	}
	g.flying++
	op.flying++
	b.flying++
	g.promises.leave(now, op.name, w)
	close(w.leave)
}

func (g *gate) wake(now, at time.Time) {
	switch {
	case at.IsZero() && g.alarm == nil:
	case at.IsZero():
		g.alarm.Stop()
	case g.alarm == nil:
		g.alarm = time.AfterFunc(at.Sub(now), func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.dispatch(time.Now())
		})
	default:
		g.alarm.Reset(at.Sub(now))
	}
}

// done tells the gate how a call ended. It says for how long no call of its kind will leave now.
func (g *gate) done(t ticket, end ending) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.back(t)
	if end.limits != nil {
		g.clock.note(now, *end.limits)
		g.timed(now.Sub(t.left))
	}
	g.learn(now, t, end)
	b := t.operation.bucket
	switch {
	case end.limits == nil:
	case throttled(end.status):
		g.strike(now, t, *end.limits)
	case b.passed(now, t):
		g.changed()
	}
	g.dispatch(now)
	return b.shutFor(now)
}

func (g *gate) strike(now time.Time, t ticket, l limits) {
	b := t.operation.bucket
	if b.strike(now, t, l, g.clock) && b.silent {
		for _, other := range g.buckets {
			if other != b {
				other.doubt(now)
			}
		}
	}
	g.changed()
}

// timed keeps the average time that a call takes.
func (g *gate) timed(took time.Duration) {
	const weight = 0.1
	if g.took == 0 {
		g.took = took.Seconds()
	}
	g.took += weight * (took.Seconds() - g.took)
}

// shutFor is how long no call of the operation will leave.
func (g *gate) shutFor(operation string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.operation(operation).bucket.shutFor(time.Now())
}

// sleep waits, or returns the context's error as soon as it ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
