package people

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// groups reads the members of user groups. Slack lets us do so about 20 times a minute for all
// groups together (usergroups.users.list, tier 2), so that whoever may use the same read shares it.
type groups struct {
	slack Slack
	notes Notes // nil when there are none
	log   zerolog.Logger

	mu      sync.Mutex
	latest  workflow.LogicalTime
	changed workflow.LogicalTime   // what was asked for before is out of date
	known   map[string]*membership // the latest answer
	last    map[string][]string    // the members that the latest read showed which Slack did not refuse
	reading map[string]*membership // under way
	listing time.Time              // when Slack last refused to show all groups at once
}

// listAgain is how long after a refusal all groups are not asked for at once.
const listAgain = time.Hour

// membership is who is in a group, as one read showed it. Its fields are settled when done is
// closed.
type membership struct {
	done    chan struct{}
	asked   workflow.LogicalTime // when its request went out; 0 when none did
	at      time.Time
	members []string
	err     error
}

func newGroups(cfg Config) *groups {
	return &groups{slack: cfg.Slack, notes: cfg.Notes, log: cfg.Log, known: map[string]*membership{}, last: map[string][]string{}, reading: map[string]*membership{}}
}

// now returns a logical time for something that happens now.
func (g *groups) now() workflow.LogicalTime {
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

// recent returns the members as they were read less than age ago.
func (g *groups) recent(ctx context.Context, id string, age time.Duration) ([]string, error) {
	r, current := g.cached(id, age)
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

// cached returns what is known of a group, nil when nothing is; current says that it is younger
// than age and no change was heard of.
func (g *groups) cached(id string, age time.Duration) (r *membership, current bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	r = g.known[id]
	return r, r != nil && r.asked > g.changed && time.Since(r.at) < age
}

// lastShown returns the members as they were when Slack last showed them, if need be before a
// restart. They may only refuse.
func (g *groups) lastShown(ctx context.Context, id string) []string {
	g.mu.Lock()
	last, shown := g.last[id]
	g.mu.Unlock()
	if shown || g.notes == nil {
		return last
	}
	members, err := g.notes.RecordedGroup(ctx, id)
	if err != nil {
		g.log.Error().Err(err).Str("group", id).Msg("look up who was in a user group")
	}
	return members
}

// since returns the members as a read shows them whose request went out after that logical time.
// One that is under way is waited for, as it may be such a read.
func (g *groups) since(ctx context.Context, id string, since workflow.LogicalTime) ([]string, error) {
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

// join returns a read that is good enough, else the one that is under way, else one that the caller
// has to make.
func (g *groups) join(id string, since workflow.LogicalTime) (r *membership, mine bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if r := g.known[id]; r != nil && r.asked > since {
		return r, false
	}
	if r := g.reading[id]; r != nil {
		return r, false
	}
	r = &membership{done: make(chan struct{})}
	g.reading[id] = r
	return r, true
}

func (g *groups) read(ctx context.Context, id string, r *membership) {
	if !g.readAll(ctx, id, r) {
		r.members, r.err = g.slack.Group(ctx, id, func() { r.asked, r.at = g.now(), time.Now() })
	}
	g.mu.Lock()
	before := g.known[id]
	g.mu.Unlock()
	if r.err == nil && g.notes != nil && (before == nil || before.err != nil || !slices.Equal(before.members, r.members)) {
		if err := g.notes.RecordGroup(ctx, id, r.members); err != nil { // it is written down before anybody goes by it
			g.log.Error().Err(err).Str("group", id).Msg("write down who is in a user group")
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.reading, id)
	if r.err == nil {
		g.last[id] = r.members
	}
	if r.err == nil || r.asked != 0 && slackapi.Code(r.err) != "" { // an outage says nothing about the group
		g.known[id] = r
	}
	close(r.done)
}

// readAll reads all groups in one call, while Slack takes that sooner than a read of one: a click that goes
// by several groups, or one of many clicks, waits for less. It reports whether the group was shown.
func (g *groups) readAll(ctx context.Context, id string, r *membership) bool {
	g.mu.Lock()
	refused := g.listing
	g.mu.Unlock()
	if one, all := g.slack.GroupWaits(); all >= one || time.Since(refused) < listAgain {
		return false
	}
	var asked workflow.LogicalTime
	var at time.Time
	found, err := g.slack.Groups(ctx, func() { asked, at = g.now(), time.Now() })
	members, shown := found[id]
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, throttled := slackapi.RetryAfter(err); slackapi.Code(err) != "" && !throttled {
		g.listing = time.Now()
	}
	if err != nil || !shown {
		return false
	}
	r.asked, r.at, r.members = asked, at, members
	for other, k := range g.known { // what has changed is read by itself, and noted
		members, shown := found[other]
		if other != id && shown && k.err == nil && k.asked < asked && sameMembers(k.members, members) {
			g.known[other] = &membership{done: k.done, asked: asked, at: at, members: k.members}
		}
	}
	return true
}

func sameMembers(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
