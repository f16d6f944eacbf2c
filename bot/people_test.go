package bot

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// fakeDirectory is Slack as people reads it.
type fakeDirectory struct {
	users  map[string]*slack.User
	groups map[string][]string
	ext    map[string]bool
	down   error
	noGrp  map[string]error
	calls  atomic.Int64
	reads  atomic.Int64 // of groups
}

func (f *fakeDirectory) person(_ context.Context, id string) (*slack.User, error) {
	f.calls.Add(1)
	if f.down != nil {
		return nil, f.down
	}
	if u := f.users[id]; u != nil {
		return u, nil
	}
	return nil, slack.SlackErrorResponse{Err: "user_not_found"}
}

func (f *fakeDirectory) group(_ context.Context, id string, asking func()) ([]string, error) {
	asking()
	f.reads.Add(1)
	if err := f.noGrp[id]; err != nil {
		return nil, err
	}
	return f.groups[id], nil
}

func (f *fakeDirectory) shared(_ context.Context, channel string) (bool, error) {
	return f.ext[channel], nil
}

func user(id string, change func(*slack.User)) *slack.User {
	u := &slack.User{ID: id, TeamID: "T1", RealName: "Name of " + id, Profile: slack.UserProfile{Email: id + "@example.com"}}
	if change != nil {
		change(u)
	}
	return u
}

func somePeople() (*people, *fakeDirectory) {
	f := &fakeDirectory{
		users: map[string]*slack.User{
			"U0ADMIN":    user("U0ADMIN", nil),
			"U0GROUP":    user("U0GROUP", nil),
			"U0HELP":     user("U0HELP", nil),
			"U0NOBODY":   user("U0NOBODY", nil),
			"U0GONE":     user("U0GONE", func(u *slack.User) { u.Deleted = true }),
			"U0GUEST":    user("U0GUEST", func(u *slack.User) { u.IsRestricted = true }),
			"U0SINGLE":   user("U0SINGLE", func(u *slack.User) { u.IsUltraRestricted = true }),
			"U0BOT":      user("U0BOT", func(u *slack.User) { u.IsBot = true }),
			"U0FLOW":     user("U0FLOW", func(u *slack.User) { u.IsWorkflowBot = true }),
			"U0STRANGER": user("U0STRANGER", func(u *slack.User) { u.IsStranger = true }),
			"U0OTHER":    user("U0OTHER", func(u *slack.User) { u.TeamID = "T2" }),
			"U0SISTER": user("U0SISTER", func(u *slack.User) {
				u.TeamID, u.Enterprise = "T2", slack.EnterpriseUser{EnterpriseID: "E1"}
			}),
		},
		groups: map[string][]string{"S0ADMINS": {"U0GROUP", "U0SISTER", "U0GONE", "U0GUEST"}, "S0HELP": {"U0HELP"}},
		ext:    map[string]bool{"C0EXT": true},
		noGrp:  map[string]error{},
	}
	p := newPeople(f, []string{"U0ADMIN", "S0ADMINS"}, []string{"S0HELP"})
	p.team, p.enterprise = "T1", "E1"
	return p, f
}

func TestPeople(t *testing.T) {
	for _, c := range []struct {
		name, person, channel string
		change                func(*fakeDirectory)
		admin, requester      bool
		refused               Stranger
	}{
		{name: "an admin by id", person: "U0ADMIN", channel: "C0REQ", admin: true},
		{name: "an admin by group", person: "U0GROUP", channel: "C0REQ", admin: true},
		{name: "a requester", person: "U0HELP", channel: "C0REQ", requester: true},
		{name: "another workspace of the enterprise", person: "U0SISTER", channel: "C0REQ", admin: true},
		{name: "nobody", person: "U0NOBODY", channel: "C0REQ", refused: WithoutRole},
		{name: "deactivated, though in the group", person: "U0GONE", channel: "C0REQ", refused: Deactivated},
		{name: "a guest, though in the group", person: "U0GUEST", channel: "C0REQ", refused: Guest},
		{name: "a guest of one channel", person: "U0SINGLE", channel: "C0REQ", refused: Guest},
		{name: "a bot", person: "U0BOT", channel: "C0REQ", refused: NotAPerson},
		{name: "a workflow", person: "U0FLOW", channel: "C0REQ", refused: NotAPerson},
		{name: "a stranger", person: "U0STRANGER", channel: "C0REQ", refused: OtherOrg},
		{name: "another team", person: "U0OTHER", channel: "C0REQ", refused: OtherOrg},
		{name: "an admin in a shared channel", person: "U0ADMIN", channel: "C0EXT", refused: SharedPlace},
		{name: "Slack does not know them", person: "U0WHO", channel: "C0REQ", refused: NotCheckable},
		{
			name: "Slack is away", person: "U0ADMIN", channel: "C0REQ", refused: NotCheckable,
			change: func(f *fakeDirectory) { f.down = errors.New("connection refused") },
		},
		{
			name: "the group cannot be read", person: "U0HELP", channel: "C0REQ", refused: NotCheckable,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
		{
			name: "the group cannot be read, but they are admin by id", person: "U0ADMIN", channel: "C0REQ", admin: true,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
		{
			name: "the group is gone", person: "U0GROUP", channel: "C0REQ", refused: WithoutRole,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = slack.SlackErrorResponse{Err: "no_such_subteam"} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := somePeople()
			if c.change != nil {
				c.change(f)
			}
			actor, err := p.deciding(t.Context(), c.person, c.channel, p.groups.now())
			got := Stranger("")
			if e, ok := errors.AsType[*StrangerError](err); ok {
				got = e.Kind
			} else if err != nil {
				t.Fatalf("error of another kind: %v", err)
			}
			if got != c.refused {
				t.Fatalf("refused as %q, want %q", got, c.refused)
			}
			if c.refused != "" {
				return
			}
			want := workflow.Actor{Person: workflow.Person{
				ID: c.person, Name: "Name of " + c.person, Email: c.person + "@example.com",
			}, Admin: c.admin, Requester: c.requester}
			if d := cmp.Diff(want, actor); d != "" {
				t.Errorf("actor (-want +got):\n%s", d)
			}
		})
	}
}

// What was read a moment ago may serve who asks, never who decides.
func TestPeopleCacheNeverAllowsADecision(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := somePeople()
		if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Fatal(err)
		}
		f.groups["S0ADMINS"] = nil
		if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Errorf("asking again within a minute: %v", err)
		}
		if _, err := p.deciding(t.Context(), "U0GROUP", "C0REQ", p.groups.now()); err == nil {
			t.Error("decided with a role of a moment ago")
		}
		if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
			t.Error("asking after a refused decision still used what was read before")
		}
		f.groups["S0ADMINS"] = []string{"U0GROUP"}
		p.groups.drop() // Slack tells
		if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Fatal(err)
		}
		f.groups["S0ADMINS"] = nil
		time.Sleep(askFor)
		if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
			t.Error("asked with a role of a minute ago")
		}
	})
}

func TestUnapproved(t *testing.T) {
	for _, c := range []struct {
		name   string
		admins []string
		but    []string
		change func(*fakeDirectory)
		want   string
	}{
		{name: "another admin by id", admins: []string{"U0A", "U0B"}, but: []string{"U0A"}},
		{
			name: "only the requester", admins: []string{"U0A"}, but: []string{"U0A"},
			want: "Nobody can approve this just now: there is no other admin.",
		},
		{
			name: "an empty group", admins: []string{"S0EMPTY"},
			want: "Nobody can approve this just now: the group S0EMPTY is empty.",
		},
		{
			name: "a group that is gone", admins: []string{"S0EMPTY"},
			change: func(f *fakeDirectory) { f.noGrp["S0EMPTY"] = slack.SlackErrorResponse{Err: "no_such_subteam"} },
			want:   "Nobody can approve this just now: the group S0EMPTY cannot be read (no_such_subteam).",
		},
		{
			name: "an outage says nothing", admins: []string{"S0EMPTY"},
			change: func(f *fakeDirectory) { f.noGrp["S0EMPTY"] = errors.New("timeout") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, f := somePeople()
			if c.change != nil {
				c.change(f)
			}
			p := newPeople(f, c.admins, nil)
			_ = p.lookForApprovers(t.Context()) // an outage is no answer
			reads := f.reads.Load()
			if got, _ := p.unapproved(1, c.but...); got != c.want || f.reads.Load() != reads {
				t.Errorf("got %q, want %q, with %d reads", got, c.want, f.reads.Load()-reads)
			}
		})
	}
}

func TestStrangersHaveTheirOwnSentence(t *testing.T) {
	kinds := []Stranger{Deactivated, Guest, NotAPerson, OtherOrg, SharedPlace, WithoutRole, NotCheckable}
	var seen []string
	for _, kind := range kinds {
		text, ok := words(&StrangerError{Kind: kind}, "/countersign")
		if !ok || slices.Contains(seen, text) {
			t.Errorf("%s has no sentence of its own: %q", kind, text)
		}
		seen = append(seen, text)
	}
}

// Clicks that come together share a read, one that came later does not get what was read before it.
func TestClicksShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, f := somePeople()
		slow := make(chan struct{})
		p.groups.slack = slowDirectory{f, slow}
		var all sync.WaitGroup
		click := func() {
			came := p.groups.now()
			all.Go(func() {
				if _, err := p.deciding(t.Context(), "U0GROUP", "C0REQ", came); err != nil {
					t.Error(err)
				}
			})
		}
		for range 10 {
			click()
		}
		synctest.Wait()
		for range 10 { // these came after the request went out
			click()
		}
		synctest.Wait()
		close(slow)
		all.Wait()
		if f.reads.Load() != 2 {
			t.Errorf("%d reads, want 2", f.reads.Load())
		}
		if _, err := p.deciding(t.Context(), "U0ADMIN", "C0REQ", p.groups.now()); err != nil || f.reads.Load() != 2 {
			t.Errorf("an admin by id: %v, %d reads", err, f.reads.Load())
		}
		f.groups["S0ADMINS"] = nil
		if _, err := p.deciding(t.Context(), "U0GROUP", "C0REQ", p.groups.now()); err == nil {
			t.Error("decided with what was read before the click")
		}
	})
}

// slowDirectory answers for a group when slow is closed.
type slowDirectory struct {
	directory
	slow chan struct{}
}

func (s slowDirectory) group(ctx context.Context, id string, asking func()) ([]string, error) {
	members, err := s.directory.group(ctx, id, asking)
	<-s.slow
	return members, err
}

// People who ask share one read of a group, wherever they ask, until Slack tells that it changed.
func TestAskersShareReads(t *testing.T) {
	p, f := somePeople()
	for _, channel := range []string{"C0REQ", "C0ELSE"} {
		for _, person := range []string{"U0HELP", "U0GROUP", "U0SISTER"} {
			if _, err := p.asking(t.Context(), person, channel); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.reads.Load() != 2 || f.calls.Load() != 3 {
		t.Errorf("%d reads of two groups and %d of three people", f.reads.Load(), f.calls.Load())
	}
	p.groups.drop()
	f.groups["S0ADMINS"] = nil
	if _, err := p.asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
		t.Error("asked with a role that Slack told to be gone")
	}
}

// A decision waits for a group as long as Slack asks within reason, and is refused then.
func TestDecisionWaitsForThrottledGroups(t *testing.T) {
	for wait, refused := range map[time.Duration]bool{20 * time.Second: false, 40 * time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			p, f := somePeople()
			p.groups.slack = waitingDirectory{f, wait}
			_, err := p.deciding(t.Context(), "U0GROUP", "C0REQ", p.groups.now())
			stranger, _ := errors.AsType[*StrangerError](err)
			if refused != (stranger != nil && stranger.Kind == NotCheckable) {
				t.Errorf("after %s: %v", wait, err)
			}
		})
	}
}

// waitingDirectory waits before it asks for a group.
type waitingDirectory struct {
	directory
	wait time.Duration
}

func (d waitingDirectory) group(ctx context.Context, id string, asking func()) ([]string, error) {
	if err := sleep(ctx, d.wait); err != nil {
		return nil, err
	}
	return d.directory.group(ctx, id, asking)
}
