package pace

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

const (
	paceStart = 20.0
	startMin  = 0.5   // the slowest pace that may be asked for
	paceMin   = 0.001 // the slowest pace that 429s can show
)

// Gate is where every call waits for its turn, and which learns from every answer; see the package
// comment. A Gate is safe for use by several goroutines: mu guards everything below it, and no
// method holds it while it waits. The saver has a lock of its own, which may be taken while mu is
// held and never the other way round.
type Gate struct {
	workers int // at most
	pace    Rate
	saver   saver
	name    string        // in the memory
	owner   func() string // see Config
	log     zerolog.Logger

	mu           sync.Mutex
	operations   []*operation
	buckets      []*bucket // an operation starts in the first one
	pairs        map[[2]*bucket]*pair
	kin          map[[2]*bucket]int
	turns        turns
	inFlight     int
	waiting      int
	arrived      int64   // calls that ever came; the last one's number
	departed     int64   // calls that ever left; the last one's number
	meanLatency  float64 // in seconds; 0: unknown
	clock        clock
	crew         crew
	crowd        crowd
	reservations reservations
	timer        *time.Timer
}

// operation is one kind of call: the unit for which a limit may exist.
type operation struct {
	name     string
	bucket   *bucket
	queue    []*waiter
	inFlight int
	writes   bool
	fastest  float64 // call, in seconds
	made     int64   // calls that ever left
	last     told    // by its latest answer that had headers
	highest  told    // by its latest answer that told no less than those before
	shares   bool    // what it is told falls by more than its own calls
}

// waiter is a call that waits at the gate.
type waiter struct {
	number  int64
	party   int64
	arrived time.Time
	write   bool
	account string
	leave   chan struct{} // closed when the call may leave
	ticket  Ticket        // set before leave is closed
}

// Ticket is the permission of one call to leave. It must be given back, once, by Done or Cancel.
type Ticket struct {
	operation *operation
	bucket    *bucket
	number    int64
	left      time.Time
	account   string
	epoch     int        // of the bucket when the call left
	paced     bool       // our own pace delayed the call
	full      bool       // as many calls were in flight as may be
	leads     bool       // it tries whether anything is left
	counted   int        // calls that its limit had counted since the anchor
	own       reading    // its operation's last one when the call left
	seen      []snapshot // of all buckets when the call left
	ended     int64      // calls that had ended when it left
	ownEnded  int64      // those of its operation
}

// New returns a gate that knows nothing yet. It starts nothing. Its error is a Rate that cannot be.
func New(cfg Config) (*Gate, error) {
	r := cfg.Rate
	if r.Start == 0 {
		r.Start = paceStart
	}
	if r.Max == 0 {
		r.Max = math.MaxFloat64
	}
	if !(r.Start >= startMin) || !(r.Max >= r.Start) || math.IsInf(r.Max, 0) {
		return nil, fmt.Errorf("pace: %g to %g calls per second; at least %g, and rising", r.Start, r.Max, startMin)
	}
	g := &Gate{
		workers: cfg.Workers, pace: r, pairs: map[[2]*bucket]*pair{}, kin: map[[2]*bucket]int{},
		reservations: newReservations(cfg.Workers),
		crew:         newCrew(cfg.Workers), saver: saver{memory: cfg.Memory}, name: cfg.Name, owner: cfg.Owner, log: cfg.Log,
	}
	g.saver.save = g.remember
	g.newBucket().probing = true
	return g, nil
}

// Wait returns when the call may leave. Its error is that of ctx; the call is then no longer waited
// for.
func (g *Gate) Wait(ctx context.Context, call Call) (Ticket, error) {
	if err := ctx.Err(); err != nil {
		return Ticket{}, err
	}
	g.mu.Lock()
	w := g.enqueue(call, time.Now())
	g.dispatch(time.Now())
	g.mu.Unlock()
	select {
	case <-w.leave:
		return w.ticket, nil
	case <-ctx.Done():
		g.cancelWait(call.Operation, w)
		return Ticket{}, ctx.Err()
	}
}

func (g *Gate) enqueue(call Call, now time.Time) *waiter {
	g.arrived++
	w := &waiter{
		number: g.arrived, party: call.Party, arrived: now, write: call.Write, account: call.Account,
		leave: make(chan struct{}),
	}
	op := g.operation(call.Operation)
	op.writes = op.writes || call.Write
	op.queue = append(op.queue, w)
	g.waiting++
	return w
}

// cancelWait removes a call whose context ended while it waited, or just as it was released.
func (g *Gate) cancelWait(operation string, w *waiter) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-w.leave:
		g.returned(w.ticket)
		w.ticket.operation.bucket.limit.forget(w.ticket.left)
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

// Cancel returns the ticket of a call that certainly did not leave.
func (g *Gate) Cancel(t Ticket) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.returned(t)
	t.operation.bucket.limit.forget(t.left)
	g.dispatch(time.Now())
}

func (g *Gate) returned(t Ticket) {
	g.inFlight--
	t.operation.bucket.quiet = time.Now()
	t.operation.inFlight--
	t.operation.bucket.inFlight--
	if t.leads {
		t.bucket.leads--
	}
}

func (g *Gate) operation(name string) *operation {
	for _, op := range g.operations {
		if op.name == name {
			return op
		}
	}
	op := &operation{name: name, bucket: g.buckets[0]}
	g.operations = append(g.operations, op)
	return op
}

// stuckAfter is for how long no call is in flight, though some wait and nothing that was told holds
// them back, before one leaves all the same. No usual window is longer that is not told.
const stuckAfter = 2 * time.Minute

// dispatch releases all calls that may leave now, and sets the timer for the next one.
func (g *Gate) dispatch(now time.Time) {
	g.crowd.see(now, g.waiting+g.inFlight)
	for g.inFlight < g.crew.most() {
		op, w, at := g.pick(now)
		if op == nil {
			var due time.Time
			op, w, due = g.overdue(now)
			at = sooner(at, due)
		}
		if op == nil {
			g.schedule(now, at)
			return
		}
		g.release(op, w, now)
	}
}

// overdue returns a call that nothing told holds back, though what was made of it does, or when there
// will be one: what was inferred may be wrong, and only a call can show it.
func (g *Gate) overdue(now time.Time) (of *operation, call *waiter, at time.Time) {
	for _, op := range g.operations {
		b := op.bucket
		if len(op.queue) == 0 || b.inFlight > 0 {
			continue
		}
		if b.quiet.IsZero() {
			b.quiet = now
		}
		due := later(b.quiet.Add(stuckAfter), b.shut)
		if w := &b.limit; w.known() && w.kind == windowed {
			due = later(due, w.windows.opens.to)
		}
		if !now.Before(due) {
			return op, op.queue[0], time.Time{}
		}
		at = sooner(at, due)
	}
	return nil, nil, at
}

// pick returns the call that leaves next and its operation, or nil and the time at which to look
// again (zero: after the next event). Each operation has one candidate that stands for all its
// calls, and a second one if the first must leave room for newcomers and the second need not.
func (g *Gate) pick(now time.Time) (next *operation, call *waiter, again time.Time) {
	for _, op := range g.operations {
		for _, w := range g.candidates(op, now) {
			if w == nil {
				continue
			}
			ok, at := g.mayLeave(op, w, now)
			if ok && (next == nil || g.goes(w, op, call, next)) {
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

// goes reports whether a call goes before another one. A call that may be refused is rather a read:
// with a write all that led to it would have to be done again. But after a read that got through it is
// the turn of whoever comes next, as each call at a limit of a single one tries.
func (g *Gate) goes(a *waiter, of *operation, b *waiter, than *operation) bool {
	if of.bucket == than.bucket && a.write != b.write && of.bucket.tries() && !of.bucket.readLed {
		return b.write
	}
	return g.turns.before(a, b)
}

// candidates returns the call of op whose turn it is and, if that is another one, the first call
// that need not leave room for newcomers.
func (g *Gate) candidates(op *operation, now time.Time) [2]*waiter {
	var first, free *waiter
	b := op.bucket
	b.limit.advance(now)
	for _, w := range op.queue {
		if first == nil || b.turns.before(w, first) {
			first = w
		}
		if g.exempt(b, w) && (free == nil || b.turns.before(w, free)) {
			free = w
		}
	}
	if free == first {
		free = nil
	}
	return [2]*waiter{first, free}
}

// exempt reports whether a call may use what a known window keeps for newcomers: a newcomer's call,
// a write, or the read that proves a write.
func (g *Gate) exempt(b *bucket, w *waiter) bool {
	return b.limit.known() && (w.write || g.reservations.proves(w) || b.limit.isNew(w.party))
}

// mayLeave reports whether the call may leave now, and if not, when to ask again.
func (g *Gate) mayLeave(op *operation, w *waiter, now time.Time) (ok bool, at time.Time) {
	b := op.bucket
	if ok, at := b.open(now); !ok {
		return false, at
	}
	need, until := 1, time.Time{}
	if b.found.windowed && b.found.windows.length > reservationTime {
		need, until = g.reservations.room(now, w, g.writes(b), b.found.budget)
	}
	needed, freed := need, until
	if b.limit.known() {
		need, until := g.reservations.room(now, w, g.writes(b), b.limit.budget)
		if !g.exempt(b, w) && !g.suffices(b, now) {
			proofs := g.reservations.proofs()
			kept, end := b.limit.keepForNewcomers(now, fromFloat(g.meanLatency*float64(newMost+proofs)/float64(g.workers)))
			if kept > 0 {
				need += kept + proofs
			}
			until = sooner(until, end)
		}
		led := b.led(now)
		if led {
			until = sooner(until, b.ledAt.Add(probeTimeout))
		}
		if ok, at := b.limit.admits(now, b.inFlight, need, led); !ok {
			return false, sooner(at, until)
		}
	}
	if ok, at := b.found.admits(now, b.inFlight, needed); !ok {
		return false, sooner(at, freed)
	}
	return g.writable(w, now)
}

// writable reports whether the change that the call begins can be made soon after: where what writes
// count against lets few calls through, reads would else run ahead, and be stale.
func (g *Gate) writable(w *waiter, now time.Time) (bool, time.Time) {
	if !g.reservations.begins(w) {
		return true, time.Time{}
	}
	n, until := g.reservations.begun(now)
	if n == 0 {
		return true, time.Time{}
	}
	for _, op := range g.operations {
		if rate := op.bucket.steady(); op.writes && rate > 0 && float64(n) >= rate*soon.Seconds() {
			return false, until
		}
	}
	return true, time.Time{}
}

// suffices reports whether so few are there, as at the end of a batch, that nothing need be kept from
// them for newcomers.
func (g *Gate) suffices(b *bucket, now time.Time) bool {
	there := int(g.crowd.at(now) + 0.5)
	return there <= min(g.workers/4, b.limit.newcomers(), b.limit.remain-b.limit.unanswered)
}

// sooner returns the earlier of two times; a zero time is none.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// writes reports whether writes count against the bucket's limit.
func (g *Gate) writes(b *bucket) bool {
	for _, op := range g.operations {
		if op.bucket == b && op.writes {
			return true
		}
	}
	return false
}

func (g *Gate) release(op *operation, w *waiter, now time.Time) {
	b := op.bucket
	at := slices.Index(op.queue, w)
	op.queue = slices.Delete(op.queue, at, at+1)
	g.turns.advance(w.party)
	b.turns.advance(w.party)
	b.limit.spend(w.party)
	g.waiting--
	g.departed++
	counted := b.limit.anchor.counted
	leads, paced := b.leave(now, w.arrived.Before(now))
	w.ticket = Ticket{
		operation: op, bucket: b, number: g.departed, left: now, account: w.account, epoch: b.epoch,
		leads: leads, paced: paced, full: g.inFlight+1 >= g.crew.most(), counted: counted, own: op.last.reading, seen: g.snapshots(),
		ended: g.departed - 1 - int64(g.inFlight), ownEnded: op.made - int64(op.inFlight),
	}
	g.inFlight++
	op.made++
	op.inFlight++
	b.inFlight++
	g.reservations.leave(now, w)
	close(w.leave)
}

// schedule sets the timer to run dispatch at the given time; a zero time stops it.
func (g *Gate) schedule(now, at time.Time) {
	switch {
	case at.IsZero() && g.timer == nil:
	case at.IsZero():
		g.timer.Stop()
	case g.timer == nil:
		g.timer = time.AfterFunc(at.Sub(now), func() {
			g.mu.Lock()
			defer g.mu.Unlock()
			g.dispatch(time.Now())
		})
	default:
		g.timer.Reset(at.Sub(now))
	}
}

// Done tells the gate how a call ended. It returns for how long no call of that operation will
// leave.
func (g *Gate) Done(t Ticket, end Answer) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.returned(t)
	if end.Limits != nil {
		g.clock.observe(now, *end.Limits)
	}
	if took := now.Sub(t.left); !throttled(end.Status) { // which is answered without any work
		if end.Limits != nil {
			g.observeLatency(took)
		}
		g.crew.learn(t.operation, took, t.full, t.number, g.departed, answered(end))
	}
	g.learn(now, t, end)
	b := t.operation.bucket
	switch {
	case end.Limits == nil:
	case throttled(end.Status):
		g.throttle(now, t, *end.Limits)
	default:
		g.answer(b, t, false)
		if b.succeeded(now, t) {
			g.saver.changed()
			if !b.found.before.IsZero() {
				g.took(b)
			}
		}
	}
	g.unite()
	g.dispatch(now)
	return t.operation.bucket.shutFor(now)
}

// throttle applies a 429.
func (g *Gate) throttle(now time.Time, t Ticket, l Limits) {
	b := t.operation.bucket
	g.answer(b, t, true)
	if fresh, first := b.throttle(now, t, l); fresh && (b.headerless || !b.limit.known()) {
		g.ask(b, now, first)
	}
	g.saver.changed()
}

// observeLatency keeps the mean latency of calls, in seconds, as an exponential average.
func (g *Gate) observeLatency(took time.Duration) {
	const weight = 0.1
	if g.meanLatency == 0 {
		g.meanLatency = took.Seconds()
	}
	g.meanLatency += weight * (took.Seconds() - g.meanLatency)
}

// ShutFor returns for how long no call of the operation will leave.
func (g *Gate) ShutFor(operation string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.operation(operation).bucket.shutFor(time.Now())
}
