package bot

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// narrowFor is how long after a refusal the calls of a method go one after the other: those that were refused would come
	// back together, and Slack, which gives back its room bit by bit, would refuse all but one of them again.
	narrowFor = time.Minute
	// reserved is how many of a channel's burst are kept for urgent messages.
	reserved = 3
)

// allowance is how often a method may be called.
type allowance struct {
	perMinute, burst int
}

// allowances are Slack's tiers (docs.slack.dev/apis/web-api/rate-limits) for the methods that are called often. Slack does
// not say how large a burst may be; these are small.
func allowances() map[string]allowance {
	tier2, tier3, tier4 := allowance{20, 8}, allowance{50, 15}, allowance{100, 30}
	return map[string]allowance{
		"conversations.history":        tier3,
		"conversations.info":           tier3,
		"conversations.open":           tier3,
		"conversations.replies":        tier3,
		"files.completeUploadExternal": tier4,
		"files.getUploadURLExternal":   tier4,
		"files.info":                   tier4,
		"usergroups.users.list":        tier2,
		"users.conversations":          tier3,
		"users.info":                   tier4,
	}
}

// gate lets the calls of one method through: side by side as long as Slack takes them; one by one after it has asked to
// slow down, and none before it takes calls again.
type gate struct {
	rate *rate.Limiter
	turn chan struct{} // held by the one call that is under way while the gate is narrow

	mu     sync.Mutex
	until  time.Time // when Slack takes calls again
	narrow time.Time // until when calls go one by one
}

func newGate(a allowance) *gate {
	g := &gate{rate: rate.NewLimiter(rate.Inf, 0), turn: make(chan struct{}, 1)}
	if a.perMinute > 0 {
		g.rate = rate.NewLimiter(rate.Every(time.Minute/time.Duration(a.perMinute)), a.burst)
	}
	return g
}

// hold is told that Slack refused a call and asks to wait.
func (g *gate) hold(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(wait); until.After(g.until) {
		g.until = until
	}
	g.narrow = g.until.Add(narrowFor)
}

// held is how long Slack wants no call; narrow says whether calls go one by one.
func (g *gate) held() (wait time.Duration, narrow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return g.until.Sub(now), now.Before(g.narrow)
}

// pass waits until a call may be made; leave is to be called after it. It gives up at once when Slack wants to be left
// alone for longer than ctx lasts.
func (g *gate) pass(ctx context.Context) (leave func(), err error) {
	if err := g.rate.Wait(ctx); err != nil {
		return nil, err
	}
	wait, narrow := g.held()
	if !narrow {
		return func() {}, nil
	}
	if err := tooLong(ctx, wait); err != nil {
		return nil, err
	}
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	leave = func() { <-g.turn }
	wait, _ = g.held() // the call before this one may have been refused, too
	err = tooLong(ctx, wait)
	if err == nil {
		err = sleep(ctx, max(wait, 0))
	}
	if err != nil {
		leave()
		return nil, err
	}
	return leave, nil
}

func tooLong(ctx context.Context, wait time.Duration) error {
	if end, ok := ctx.Deadline(); ok && time.Until(end) < wait {
		return fmt.Errorf("slack takes no call for another %s", wait.Round(time.Second))
	}
	return nil
}

// pacer spaces the messages into one channel. Urgent ones go before all others, and find a part of the burst unused.
type pacer struct {
	every time.Duration
	burst int
	turns [2]chan struct{} // of the others and of the urgent ones: each in the order they came

	mu     sync.Mutex
	urgent int       // that wait
	full   time.Time // when the whole burst can be used again
}

func newPacer(every time.Duration, burst int) *pacer {
	return &pacer{every: every, burst: burst, turns: [2]chan struct{}{make(chan struct{}, 1), make(chan struct{}, 1)}}
}

// wait waits until a message may be sent, or ctx ends.
func (p *pacer) wait(ctx context.Context, urgent bool) error {
	turn := p.turns[0]
	if urgent {
		turn = p.turns[1]
		p.count(1)
		defer p.count(-1)
	}
	select {
	case turn <- struct{}{}:
		defer func() { <-turn }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait := p.take(urgent)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (p *pacer) count(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.urgent += n
}

// take takes a place if there is one; else it says when to look again.
func (p *pacer) take(urgent bool) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	usable := p.burst
	if !urgent {
		usable -= reserved
	}
	if p.full.Before(now) {
		p.full = now
	}
	if early := p.full.Sub(now) - time.Duration(usable-1)*p.every; early > 0 {
		return early
	}
	if !urgent && p.urgent > 0 {
		return p.every
	}
	p.full = p.full.Add(p.every)
	return 0
}
