package bot

import (
	"context"
	"sync"
	"time"
)

// rank is how soon something has to be in Slack. Whoever waits goes before all of a later rank, and in the order they came
// among their own.
type rank int

// The ranks.
const (
	rankDecision rank = iota // a card whose buttons are no longer true
	rankCard                 // any other card
	rankSaid                 // what people wait for: answers, pauses, ends
	rankCounts               // how far something is
	ranks
)

// pacer spaces calls: a burst at once, and then one after every. A part of the burst is kept for those who are in more of a
// hurry, so that it is there for them whatever else is sent.
type pacer struct {
	every time.Duration
	burst int
	kept  [ranks]int           // how much of the burst a rank may not use
	turns [ranks]chan struct{} // held by the first of each rank

	mu      sync.Mutex
	waiting [ranks]int
	full    time.Time // when the whole burst can be used again
}

func newPacer(every time.Duration, burst int, kept [ranks]int) *pacer {
	p := &pacer{every: every, burst: burst, kept: kept}
	for r := range p.turns {
		p.turns[r] = make(chan struct{}, 1)
	}
	return p
}

// newPosts paces the messages into one channel, and newUpdates all edits.
func newPosts(every time.Duration) *pacer {
	return newPacer(every, postBurst, [ranks]int{rankSaid: 1, rankCounts: 3})
}

func newUpdates() *pacer {
	return newPacer(updateEvery, updateBurst, [ranks]int{rankCard: 8, rankSaid: 8, rankCounts: 12})
}

// wait waits until a call of that rank may be made, or ctx ends.
func (p *pacer) wait(ctx context.Context, r rank) error {
	p.count(r, 1)
	defer p.count(r, -1)
	select {
	case p.turns[r] <- struct{}{}:
		defer func() { <-p.turns[r] }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait := p.take(r)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// back gives a turn back that was not used.
func (p *pacer) back() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = p.full.Add(-p.every)
}

func (p *pacer) count(r rank, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[r] += n
}

// take takes a place if there is one; else it says when to look again.
func (p *pacer) take(r rank) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.full.Before(now) {
		p.full = now
	}
	if early := p.full.Sub(now) - time.Duration(p.burst-p.kept[r]-1)*p.every; early > 0 {
		return early
	}
	for sooner := range r {
		if p.waiting[sooner] > 0 {
			return p.every
		}
	}
	p.full = p.full.Add(p.every)
	return 0
}
