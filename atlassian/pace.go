package atlassian

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Pace is how fast calls may leave while the answers say nothing about limits, in calls per second. No figure is
// published for these APIs, so the pace begins low, grows slowly and is halved by a 429.
type Pace struct {
	Start float64 // 0 means 20
	Max   float64 // 0 means 60
}

const (
	paceStart  = 20.0
	paceMax    = 60.0
	paceMin    = 0.5
	paceGrowth = 1.0 // calls per second more for each second without a 429 at full pace

	// A 429 that does not say when to come back shuts the gate for firstShut, doubled for each one in a row.
	firstShut   = time.Second
	longestBlow = 30 * time.Second

	// maxShut caps what an answer can ask for, so that a wrong date cannot stop us for good.
	maxShut = 15 * time.Minute
)

// GateState is what is known about limits.
type GateState struct {
	Limit     int       // calls per window as last told; -1 when never told
	Remaining int       // calls left as last told; -1 when never told
	Reset     time.Time // when they are given anew, on our clock; zero when never told
	PerSecond float64   // the pace now
	Shut      time.Time // no call leaves before; zero or past when open
}

// gate is where every call waits for its turn, and is told how it ended.
type gate struct {
	limiter *rate.Limiter

	mu      sync.Mutex
	most    float64
	known   GateState
	flying  int // calls that left and have not ended
	epoch   int // how many times we were throttled, calls that left together counted once
	strikes int // 429s in a row, counted likewise
}

// ticket is a call's leave to go; it must be given back by done.
type ticket struct{ epoch int }

func newGate(p Pace) (*gate, error) {
	if p.Start == 0 {
		p.Start = paceStart
	}
	if p.Max == 0 {
		p.Max = max(paceMax, p.Start)
	}
	if !(p.Start >= paceMin) || !(p.Max >= p.Start) || math.IsInf(p.Max, 0) {
		return nil, fmt.Errorf("pace: %g to %g calls per second; at least %g, and rising", p.Start, p.Max, paceMin)
	}
	return &gate{
		limiter: rate.NewLimiter(rate.Limit(p.Start), 1),
		most:    p.Max,
		known:   GateState{Limit: -1, Remaining: -1, PerSecond: p.Start},
	}, nil
}

// wait returns when a call may leave. Its error is the context's.
func (g *gate) wait(ctx context.Context) (ticket, error) {
	for {
		if err := ctx.Err(); err != nil {
			return ticket{}, err
		}
		if shut := g.shut(); shut > 0 {
			if err := sleep(ctx, shut); err != nil {
				return ticket{}, err
			}
			continue
		}
		turn := g.limiter.Reserve()
		if err := sleep(ctx, turn.Delay()); err != nil {
			turn.Cancel()
			return ticket{}, err
		}
		if t, ok := g.leave(); ok {
			return t, nil
		}
	}
}

func (g *gate) shut() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	return time.Until(g.known.Shut)
}

// leave counts a call as gone, unless the gate was shut while it waited for its turn.
func (g *gate) leave() (ticket, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if time.Now().Before(g.known.Shut) {
		return ticket{}, false
	}
	g.flying++
	return ticket{epoch: g.epoch}, true
}

// done tells the gate how a call ended: throttled or not, and what its headers said (nil when there was no answer). It
// says for how long the gate is shut now.
func (g *gate) done(t ticket, throttled bool, l *limits) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.flying--
	if l != nil {
		g.learn(now, *l)
	}
	switch {
	case throttled:
		g.strike(now, t, l)
	case l != nil && t.epoch == g.epoch:
		g.strikes = 0
		g.setPace(min(g.most, g.known.PerSecond+paceGrowth/g.known.PerSecond))
	}
	return max(0, g.known.Shut.Sub(now))
}

// learn notes the limits, and shuts the gate when what is left will be used up by the calls under way.
func (g *gate) learn(now time.Time, l limits) {
	if l.limit >= 0 {
		g.known.Limit = l.limit
	}
	if !l.reset.IsZero() {
		g.known.Reset = l.reset
	}
	if l.remaining < 0 {
		return
	}
	g.known.Remaining = l.remaining
	if l.remaining <= g.flying && l.reset.After(now) {
		g.shutUntil(now, l.reset)
	}
}

func (g *gate) strike(now time.Time, t ticket, l *limits) {
	if t.epoch == g.epoch { // calls that left together are told so together, and that counts once
		g.epoch++
		g.strikes++
		g.setPace(max(paceMin, g.known.PerSecond/2))
	}
	switch {
	case l != nil && l.retry > 0:
		g.shutUntil(now, now.Add(l.retry))
	case l != nil && l.reset.After(now):
		g.shutUntil(now, l.reset)
	default:
		g.shutUntil(now, now.Add(min(longestBlow, firstShut<<min(max(0, g.strikes-1), 10))))
	}
}

func (g *gate) shutUntil(now, until time.Time) {
	if latest := now.Add(maxShut); until.After(latest) {
		until = latest
	}
	if until.After(g.known.Shut) {
		g.known.Shut = until
	}
}

func (g *gate) setPace(perSecond float64) {
	g.known.PerSecond = perSecond
	g.limiter.SetLimit(rate.Limit(perSecond))
}

func (g *gate) state() GateState {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.known
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
