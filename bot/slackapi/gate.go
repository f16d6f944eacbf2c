package slackapi

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	// narrowFor is how long after a refusal the calls of a method go one after the other: those
	// that were refused would come back together, and Slack, which gives back its room bit by bit,
	// would refuse all but one of them again.
	narrowFor = time.Minute
)

// allowance is how often a method may be called.
type allowance struct {
	perMinute, burst int
}

// allowances are Slack's tiers (docs.slack.dev/apis/web-api/rate-limits) for the methods that are
// called often. Slack does not say how large a burst may be; these are small.
func allowances() map[string]allowance {
	tier2, tier3, tier4 := allowance{20, 8}, allowance{50, 15}, allowance{100, 30}
	return map[string]allowance{
		"conversations.history":        tier3,
		"conversations.info":           tier3,
		"conversations.members":        tier4,
		"conversations.open":           tier3,
		"conversations.replies":        tier3,
		"files.completeUploadExternal": tier4,
		"files.getUploadURLExternal":   tier4,
		"files.info":                   tier4,
		"usergroups.list":              tier2,
		"usergroups.users.list":        tier2,
		"users.conversations":          tier3,
		"users.info":                   tier4,
		"views.open":                   tier4,
		"views.publish":                tier4,
		"views.push":                   tier4,
		"views.update":                 tier4,
	}
}

// gate lets the calls of one method through: side by side as long as Slack takes them; one by one
// after it has asked to slow down, and none before it takes calls again.
type gate struct {
	rate *rate.Limiter
	turn chan struct{} // taken by the one call that is under way while the gate is narrow

	mu      sync.Mutex
	since   time.Time // when Slack first refused of those refusals that no other answer came between
	retryAt time.Time // when Slack takes calls again
	narrow  time.Time // until when calls go one by one
}

func newGate(a allowance) *gate {
	g := &gate{rate: rate.NewLimiter(rate.Inf, 0), turn: make(chan struct{}, 1)}
	if a.perMinute > 0 {
		g.rate = rate.NewLimiter(rate.Every(time.Minute/time.Duration(a.perMinute)), a.burst)
	}
	return g
}

// throttle is told that Slack refused a call and asks to wait.
func (g *gate) throttle(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(wait); until.After(g.retryAt) {
		g.retryAt = until
	}
	g.narrow = g.retryAt.Add(narrowFor)
	if g.since.IsZero() {
		g.since = time.Now()
	}
}

// answered is told that Slack took a call: what it held back before is over.
func (g *gate) answered() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.since = time.Time{}
}

// held gives since when Slack holds the method back, and until when, as far as it is known; false
// when it does not.
func (g *gate) held() (since, until time.Time, held bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.since, g.retryAt, !g.since.IsZero() && time.Now().Before(g.retryAt)
}

// retryAfter is how long Slack wants no call; narrow reports whether calls go one by one.
func (g *gate) retryAfter() (wait time.Duration, narrow bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	return g.retryAt.Sub(now), now.Before(g.narrow)
}

// delay is how long a call would wait now for its turn.
func (g *gate) delay() time.Duration {
	wait, _ := g.retryAfter()
	limit := g.rate.Limit()
	if missing := 1 - g.rate.Tokens(); limit != rate.Inf && missing > 0 {
		wait = max(wait, time.Duration(missing/float64(limit)*float64(time.Second)))
	}
	return max(wait, 0)
}

// pass waits until a call may be made; leave is to be called after it. It gives up at once when
// Slack wants to be left alone for longer than ctx lasts.
func (g *gate) pass(ctx context.Context) (leave func(), err error) {
	if err := g.rate.Wait(ctx); err != nil {
		return nil, err
	}
	wait, narrow := g.retryAfter()
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
	wait, _ = g.retryAfter() // the call before this one may have been refused, too
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
