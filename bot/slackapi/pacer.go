package slackapi

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Rank is how soon something has to be in Slack. Whoever waits goes before all of a later rank, and
// in the order they came among their own.
type Rank int

// The ranks.
const (
	RankDecision Rank = iota // a card whose buttons are no longer true
	RankLast                 // the last count of a run that stands still, which people decide by
	RankCard                 // any other card
	RankSaid                 // what people wait for: answers, pauses, ends
	RankCounts               // how far something is
	ranks
)

// Pacer spaces calls: a burst at once, and then one after every; where most is set, never more than
// that in a minute. A part of the burst and of the minute is kept for what is more urgent, so that
// it is there whatever else is sent.
type Pacer struct {
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

func newPacer(every time.Duration, burst int, kept [ranks]int) *Pacer {
	p := &Pacer{every: every, burst: burst, kept: kept}
	for r := range p.turns {
		p.turns[r] = make(chan struct{}, 1)
	}
	return p
}

// newPosts paces the messages into one channel, and newUpdates all edits.
func newPosts(every time.Duration) *Pacer {
	return newPacer(every, postBurst, [ranks]int{RankSaid: 1, RankCounts: 3})
}

func newUpdates(every time.Duration) *Pacer {
	p := newPacer(every, updateBurst, [ranks]int{RankLast: 4, RankCard: 8, RankSaid: 8, RankCounts: 12})
	p.most, p.spare = updateMost, [ranks]int{RankLast: 2, RankCard: 4, RankSaid: 4, RankCounts: 12}
	return p
}

// Wait waits until a call of that rank may be made, or ctx ends.
func (p *Pacer) Wait(ctx context.Context, r Rank) error {
	p.count(r, 1)
	defer p.count(r, -1)
	select {
	case p.turns[r] <- struct{}{}:
		defer func() { <-p.turns[r] }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		wait := p.reserve(r)
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Return gives a turn back that was not used.
func (p *Pacer) Return() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.full = p.full.Add(-p.every)
	if n := len(p.sent); n > 0 {
		p.sent = p.sent[:n-1]
	}
}

func (p *Pacer) count(r Rank, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting[r] += n
}

// reserve takes a place if there is one; else it says when to look again.
func (p *Pacer) reserve(r Rank) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if p.full.Before(now) {
		p.full = now
	}
	if early := p.full.Sub(now) - time.Duration(p.burst-p.kept[r]-1)*p.every; early > 0 {
		return early
	}
	if early := p.reserveInMinute(now, r); early > 0 {
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

// reserveInMinute is how long it takes until the minute has a place for a call of that rank.
// Counts, which never end, are spread over it: else there would be none for a while when their part
// of it was used up.
func (p *Pacer) reserveInMinute(now time.Time, r Rank) time.Duration {
	if p.most == 0 {
		return 0
	}
	p.sent = slices.DeleteFunc(p.sent, func(at time.Time) bool { return now.Sub(at) >= editSpan })
	had, places := len(p.sent), p.most-p.spare[r]-len(p.sent)
	switch {
	case places <= 0:
		return p.sent[-places].Add(editSpan).Sub(now)
	case r == RankCounts && had > 0:
		even := editSpan / time.Duration(p.most-p.spare[r])
		left := p.sent[0].Add(editSpan).Sub(p.sent[had-1]) / time.Duration(places+1)
		return p.sent[had-1].Add(max(even, left)).Sub(now)
	}
	return 0
}
