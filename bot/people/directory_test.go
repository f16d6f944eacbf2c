package people

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
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
	lists  atomic.Int64 // of all groups
	waits  time.Duration
	hidden map[string]bool // groups that a list lacks
	noList error
}

func (f *fakeDirectory) config() Config {
	return Config{Slack: f, Admins: []string{"U0ADMIN", "S0ADMINS"}, Requesters: []string{"S0HELP"}}
}

// with has the directory read Slack over another way to it.
func with(f *fakeDirectory, slack Slack) Config {
	cfg := f.config()
	cfg.Slack = slack
	return cfg
}

// notes are who was in the groups when they were last shown, before a restart.
type notes map[string][]string

func (n notes) RecordGroup(_ context.Context, group string, members []string) error {
	n[group] = members
	return nil
}

func (n notes) RecordedGroup(_ context.Context, group string) ([]string, error) { return n[group], nil }

func (f *fakeDirectory) Self(context.Context) (slackapi.Identity, error) {
	return slackapi.Identity{Person: "U0BOT", Team: "T1", Enterprise: "E1"}, nil
}

func (f *fakeDirectory) Person(_ context.Context, id string) (*slack.User, error) {
	f.calls.Add(1)
	if f.down != nil {
		return nil, f.down
	}
	if u := f.users[id]; u != nil {
		return u, nil
	}
	return nil, slack.SlackErrorResponse{Err: "user_not_found"}
}

func (f *fakeDirectory) Group(_ context.Context, id string, asking func()) ([]string, error) {
	asking()
	f.reads.Add(1)
	if err := f.noGrp[id]; err != nil {
		return nil, err
	}
	return f.groups[id], nil
}

func (f *fakeDirectory) Groups(_ context.Context, asking func()) (map[string][]string, error) {
	asking()
	f.lists.Add(1)
	out := map[string][]string{}
	for id, members := range f.groups {
		if !f.hidden[id] {
			out[id] = members
		}
	}
	return out, f.noList
}

func (f *fakeDirectory) GroupWaits() (one, all time.Duration) { return f.waits, 0 }

func (f *fakeDirectory) Shared(_ context.Context, channel string) (bool, error) {
	return f.ext[channel], nil
}

func user(id string, change func(*slack.User)) *slack.User {
	u := &slack.User{ID: id, TeamID: "T1", RealName: "Name of " + id, Profile: slack.UserProfile{Email: id + "@example.com"}}
	if change != nil {
		change(u)
	}
	return u
}

func somePeople() (*Directory, *fakeDirectory) {
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
			"U0LINKED":   user("U0LINKED", func(u *slack.User) { u.IsConnectorBot = true }),
			"USLACKBOT":  user("USLACKBOT", nil),
			"U0APPUSER":  user("U0APPUSER", func(u *slack.User) { u.IsAppUser = true }),
			"U0STRANGER": user("U0STRANGER", func(u *slack.User) { u.IsStranger = true }),
			"U0OTHER":    user("U0OTHER", func(u *slack.User) { u.TeamID = "T2" }),
			"U0SISTER": user("U0SISTER", func(u *slack.User) {
				u.TeamID, u.Enterprise = "T2", slack.EnterpriseUser{EnterpriseID: "E1"}
			}),
		},
		groups: map[string][]string{"S0ADMINS": {"U0APPUSER", "USLACKBOT", "U0LINKED", "U0GROUP", "U0SISTER", "U0GONE", "U0GUEST"}, "S0HELP": {"U0HELP"}},
		ext:    map[string]bool{"C0EXT": true},
		noGrp:  map[string]error{},
	}
	return New(f.config()), f
}

func TestPeople(t *testing.T) {
	for _, c := range []struct {
		name, person, channel string
		change                func(*fakeDirectory)
		admin, requester      bool
		refused               workflow.Ineligible
	}{
		{name: "an admin by id", person: "U0ADMIN", channel: "C0REQ", admin: true},
		{name: "an admin by group", person: "U0GROUP", channel: "C0REQ", admin: true},
		{name: "a requester", person: "U0HELP", channel: "C0REQ", requester: true},
		{name: "another workspace of the enterprise", person: "U0SISTER", channel: "C0REQ", admin: true},
		{name: "nobody", person: "U0NOBODY", channel: "C0REQ", refused: workflow.WithoutRole},
		{name: "deactivated, though in the group", person: "U0GONE", channel: "C0REQ", refused: workflow.Deactivated},
		{name: "a guest, though in the group", person: "U0GUEST", channel: "C0REQ", refused: workflow.Guest},
		{name: "a guest of one channel", person: "U0SINGLE", channel: "C0REQ", refused: workflow.Guest},
		{name: "a bot", person: "U0BOT", channel: "C0REQ", refused: workflow.NotAPerson},
		{name: "a workflow", person: "U0FLOW", channel: "C0REQ", refused: workflow.NotAPerson},
		{name: "a bot of another workspace", person: "U0LINKED", channel: "C0REQ", refused: workflow.NotAPerson},
		{name: "Slack's own bot", person: "USLACKBOT", channel: "C0REQ", refused: workflow.NotAPerson},
		{name: "a person who has authorized the app", person: "U0APPUSER", channel: "C0REQ", admin: true},
		{name: "a stranger", person: "U0STRANGER", channel: "C0REQ", refused: workflow.OtherOrg},
		{name: "another team", person: "U0OTHER", channel: "C0REQ", refused: workflow.OtherOrg},
		{name: "an admin in a shared channel", person: "U0ADMIN", channel: "C0EXT", refused: workflow.SharedPlace},
		{name: "Slack does not know them", person: "U0WHO", channel: "C0REQ", refused: workflow.NotCheckable},
		{
			name: "Slack is away", person: "U0ADMIN", channel: "C0REQ", refused: workflow.NotCheckable,
			change: func(f *fakeDirectory) { f.down = errors.New("connection refused") },
		},
		{
			name: "the group cannot be read", person: "U0HELP", channel: "C0REQ", refused: workflow.NotCheckable,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
		{
			name: "the group cannot be read, but they are admin by id", person: "U0ADMIN", channel: "C0REQ", admin: true,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
		{
			name: "the group is gone", person: "U0GROUP", channel: "C0REQ", refused: workflow.WithoutRole,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = slack.SlackErrorResponse{Err: "no_such_subteam"} },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, f := somePeople()
			if c.change != nil {
				c.change(f)
			}
			actor, err := p.Deciding(t.Context(), c.person, c.channel, p.Now())
			got := workflow.Ineligible("")
			if e, ok := errors.AsType[*workflow.IneligibleError](err); ok {
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
		if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Fatal(err)
		}
		f.groups["S0ADMINS"] = nil
		if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Errorf("asking again within a minute: %v", err)
		}
		if _, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", p.Now()); err == nil {
			t.Error("decided with a role of a moment ago")
		}
		if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
			t.Error("asking after a refused decision still used what was read before")
		}
		f.groups["S0ADMINS"] = []string{"U0GROUP"}
		p.GroupsChanged() // Slack tells
		if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err != nil {
			t.Fatal(err)
		}
		f.groups["S0ADMINS"] = nil
		time.Sleep(askFor)
		if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
			t.Error("asked with a role of a minute ago")
		}
	})
}

// Who could approve is found out by what a click is decided by; an outage finds out nothing.
func TestApprovers(t *testing.T) {
	for _, c := range []struct {
		name   string
		admins []string
		change func(*fakeDirectory)
		able   []string
		want   *Approvers
	}{
		{name: "by id", admins: []string{"U0ADMIN", "U0GROUP"}, able: []string{"U0ADMIN", "U0GROUP"}, want: &Approvers{}},
		{
			name: "in a group", admins: []string{"S0ADMINS"}, able: []string{"U0GROUP"}, want: &Approvers{},
			change: func(f *fakeDirectory) { f.groups["S0ADMINS"] = []string{"U0GROUP"} },
		},
		{
			name: "a guest", admins: []string{"U0ADMIN", "U0GROUP"}, able: []string{"U0ADMIN"}, want: &Approvers{Others: 1},
			change: func(f *fakeDirectory) { f.users["U0GROUP"].IsRestricted = true },
		},
		{
			name: "somebody deactivated", admins: []string{"U0ADMIN"}, want: &Approvers{Others: 1},
			change: func(f *fakeDirectory) { f.users["U0ADMIN"].Deleted = true },
		},
		{
			name: "somebody without an address", admins: []string{"U0ADMIN"}, want: &Approvers{Others: 1},
			change: func(f *fakeDirectory) { f.users["U0ADMIN"].Profile.Email = "" },
		},
		{name: "an empty group", admins: []string{"S0EMPTY"}, want: &Approvers{Trouble: []Trouble{{Group: "S0EMPTY"}}}},
		{
			name: "a group that is gone", admins: []string{"S0EMPTY"},
			change: func(f *fakeDirectory) { f.noGrp["S0EMPTY"] = slack.SlackErrorResponse{Err: "no_such_subteam"} },
			want:   &Approvers{Trouble: []Trouble{{"S0EMPTY", "no_such_subteam"}}},
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
			p := New(Config{Slack: f, Admins: c.admins})
			_ = p.FindApprovers(t.Context(), true) // an outage is no answer
			got, current := p.Approvers()
			if (got == nil) != (c.want == nil) || current != (c.want != nil) {
				t.Fatalf("found %+v, current %v", got, current)
			}
			if got == nil {
				return
			}
			var able []string
			for _, a := range got.Able {
				able = append(able, a.ID)
			}
			if !got.All || got.Others != c.want.Others {
				t.Errorf("found %+v, want %+v", got, c.want)
			}
			if d := cmp.Diff(c.able, able) + cmp.Diff(c.want.Trouble, got.Trouble); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
			p.GroupsChanged()
			if _, current := p.Approvers(); current {
				t.Error("what was found is current although groups changed")
			}
		})
	}
}

// Clicks that come together share a read, one that came later does not get what was read before it.
func TestClicksShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, f := somePeople()
		slow := make(chan struct{})
		p := New(with(f, slowDirectory{f, slow}))
		var all sync.WaitGroup
		click := func() {
			came := p.Now()
			all.Go(func() {
				if _, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", came); err != nil {
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
		if _, err := p.Deciding(t.Context(), "U0ADMIN", "C0REQ", p.Now()); err != nil || f.reads.Load() != 2 {
			t.Errorf("an admin by id: %v, %d reads", err, f.reads.Load())
		}
		f.groups["S0ADMINS"] = nil
		if _, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", p.Now()); err == nil {
			t.Error("decided with what was read before the click")
		}
	})
}

// slowDirectory answers for a group when slow is closed.
type slowDirectory struct {
	Slack
	slow chan struct{}
}

func (s slowDirectory) Group(ctx context.Context, id string, asking func()) ([]string, error) {
	members, err := s.Slack.Group(ctx, id, asking)
	<-s.slow
	return members, err
}

// People who ask share one read of a group, wherever they ask, until Slack tells that it changed.
func TestAskersShareReads(t *testing.T) {
	p, f := somePeople()
	for _, channel := range []string{"C0REQ", "C0ELSE"} {
		for _, person := range []string{"U0HELP", "U0GROUP", "U0SISTER"} {
			if _, err := p.Asking(t.Context(), person, channel); err != nil {
				t.Fatal(err)
			}
		}
	}
	if f.reads.Load() != 2 || f.calls.Load() != 3 {
		t.Errorf("%d reads of two groups and %d of three people", f.reads.Load(), f.calls.Load())
	}
	p.GroupsChanged()
	f.groups["S0ADMINS"] = nil
	if _, err := p.Asking(t.Context(), "U0GROUP", "C0REQ"); err == nil {
		t.Error("asked with a role that Slack told to be gone")
	}
}

// A decision waits for a group as long as Slack asks within reason, and is refused then.
func TestDecisionWaitsForThrottledGroups(t *testing.T) {
	for wait, refused := range map[time.Duration]bool{20 * time.Second: false, 40 * time.Second: true} {
		synctest.Test(t, func(t *testing.T) {
			_, f := somePeople()
			p := New(with(f, waitingDirectory{f, wait}))
			_, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", p.Now())
			ineligible, _ := errors.AsType[*workflow.IneligibleError](err)
			if refused != (ineligible != nil && ineligible.Kind == workflow.NotCheckable) {
				t.Errorf("after %s: %v", wait, err)
			}
		})
	}
}

// waitingDirectory waits before it asks for a group.
type waitingDirectory struct {
	Slack
	wait time.Duration
}

func (d waitingDirectory) Group(ctx context.Context, id string, asking func()) ([]string, error) {
	select {
	case <-time.After(d.wait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return d.Slack.Group(ctx, id, asking)
}
