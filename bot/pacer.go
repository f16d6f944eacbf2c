package bot

import (
	"context"
	"slices"
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

// pacer spaces calls: a burst at once, and then one after every; where most is set, never more than that in a minute. A part
// of the burst and of the minute is kept for those who are in more of a hurry, so that it is there for them whatever else is
// sent.
type pacer struct {
	every time.Duration
	burst int
	most  int                  // in any minute; 0: as many as burst and every let through
	kept  [ranks]int           // how much of the burst a rank may not use
	spare [ranks]int           // how much of the minute
	turns [ranks]chan struct{} // held by the first of each rank

	mu      sync.Mutex
	waiting [ranks]int
	full    time.Time   // when the whole burst can be used again
	sent    []time.Time // in the last minute, where most is set
}

// editSpan is a minute, and what a call may be late on its way.
const editSpan = 61 * time.Second

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
	p := newPacer(updateEvery, updateBurst, [ranks]int{rankCard: 8, rankSaid: 8, rankCounts: 12})
	p.most, p.spare = updateMost, [ranks]int{rankCard: 4, rankSaid: 4, rankCounts: 12}
	return p
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
	if n := len(p.sent); n > 0 {
		p.sent = p.sent[:n-1]
	}
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
	if early := p.ofMinute(now, r); early > 0 {
		return early
	}
	for sooner := range r {
		if p.waiting[sooner] > 0 {
			return p.every
		}
	}
	p.full = p.full.Add(p.every)
	if p.most > 0 {
		p.sent = append(p.sent, now)
	}
	return 0
}

// ofMinute is how long it takes until the minute has a place for a call of that rank. Counts, which never end, are spread
// over it: else there would be none for a while when their part of it was used up.
func (p *pacer) ofMinute(now time.Time, r rank) time.Duration {
	if p.most == 0 {
		return 0
	}
	p.sent = slices.DeleteFunc(p.sent, func(at time.Time) bool { return now.Sub(at) >= editSpan })
	had, places := len(p.sent), p.most-p.spare[r]-len(p.sent)
	switch {
	case places <= 0:
		return p.sent[-places].Add(editSpan).Sub(now)
	case r == rankCounts && had > 0:
		even := editSpan / time.Duration(p.most-p.spare[r])
		left := p.sent[0].Add(editSpan).Sub(p.sent[had-1]) / time.Duration(places+1)
		return p.sent[had-1].Add(max(even, left)).Sub(now)
	}
	return 0
}
