package bot

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// stamp orders what happens: a click that came, a request that went out. It is a count and no time, as two clock readings
// can be the same.
type stamp int64

// groups reads the members of user groups. Slack lets us do so about 20 times a minute for all groups together
// (usergroups.users.list, tier 2), so that whoever may use the same read shares it.
type groups struct {
	slack directory
	// noticed hears of a read that shows others than the one before, and noted tells what was noticed last, also before a
	// restart; each may be nil.
	noticed func(ctx context.Context, id string, members []string)
	noted   func(ctx context.Context, id string) []string

	mu      sync.Mutex
	latest  stamp
	changed stamp               // what was asked for before is out of date
	known   map[string]*roll    // the latest answer
	last    map[string][]string // the members that the latest read showed which Slack did not refuse
	reading map[string]*roll    // under way
}

// roll is who is in a group, as one read showed it. Its fields are settled when done is closed.
type roll struct {
	done    chan struct{}
	asked   stamp // when its request went out; 0 when none did
	at      time.Time
	members []string
	err     error
}

func newGroups(slack directory) *groups {
	return &groups{slack: slack, known: map[string]*roll{}, last: map[string][]string{}, reading: map[string]*roll{}}
}

// now is a stamp for something that happens now.
func (g *groups) now() stamp {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latest++
	return g.latest
}

// drop makes what is known out of date.
func (g *groups) drop() {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.changed = now
}

// lately gives the members as they were read less than age ago.
func (g *groups) lately(ctx context.Context, id string, age time.Duration) ([]string, error) {
	r, current := g.peek(id, age)
	if r != nil && current {
		return r.members, r.err
	}
	g.mu.Lock()
	changed := g.changed
	if r != nil {
		changed = max(changed, r.asked)
	}
	g.mu.Unlock()
	return g.since(ctx, id, changed)
}

// peek gives what is known of a group, nil when nothing is; current says that it is younger than age and no change was
// heard of.
func (g *groups) peek(id string, age time.Duration) (r *roll, current bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r = g.known[id]
	return r, r != nil && r.asked > g.changed && time.Since(r.at) < age
}

// ever gives the members as they were when Slack last showed them, if need be before a restart. They may only refuse.
func (g *groups) ever(ctx context.Context, id string) []string {
	g.mu.Lock()
	last, shown := g.last[id]
	g.mu.Unlock()
	if !shown && g.noted != nil {
		return g.noted(ctx, id)
	}
	return last
}

// since gives the members as a read shows them whose request went out after that stamp. One that is under way is waited
// for, as it may be such a read.
func (g *groups) since(ctx context.Context, id string, since stamp) ([]string, error) {
	for {
		r, mine := g.join(id, since)
		if mine {
			g.read(ctx, id, r)
		}
		select {
		case <-r.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		cut := errors.Is(r.err, context.Canceled) || errors.Is(r.err, context.DeadlineExceeded) // by who read, not by us
		if mine || !cut && (r.asked > since || r.asked == 0) {
			return r.members, r.err
		}
	}
}

// join gives a read that is good enough, else the one that is under way, else one that the caller has to make.
func (g *groups) join(id string, since stamp) (r *roll, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.known[id]; r != nil && r.asked > since {
		return r, false
	}
	if r := g.reading[id]; r != nil {
		return r, false
	}
	r = &roll{done: make(chan struct{})}
	g.reading[id] = r
	return r, true
}

func (g *groups) read(ctx context.Context, id string, r *roll) {
	r.members, r.err = g.slack.group(ctx, id, func() { r.asked, r.at = g.now(), time.Now() })
	g.mu.Lock()
	before := g.known[id]
	g.mu.Unlock()
	if r.err == nil && g.noticed != nil && (before == nil || before.err != nil || !slices.Equal(before.members, r.members)) {
		g.noticed(ctx, id, r.members) // it is written down before anybody goes by it
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.reading, id)
	if r.err == nil {
		g.last[id] = r.members
	}
	if r.err == nil || r.asked != 0 && slackCode(r.err) != "" { // an outage says nothing about the group
		g.known[id] = r
	}
	close(r.done)
}
