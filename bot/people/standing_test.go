package people

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// Standing gives nobody a role who must have none, and no error for it: the workflow has to know
// that they lost it.
func TestStanding(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, person     string
		admin            bool // is asked for
		change           func(*fakeDirectory)
		isAdmin, mayAsk  bool
		unknown, noEmail bool
	}{
		{name: "an admin by id", person: "U0ADMIN", admin: true, isAdmin: true},
		{name: "an admin by group", person: "U0GROUP", admin: true, isAdmin: true},
		{name: "a requester", person: "U0HELP", mayAsk: true},
		{name: "a requester, asked whether they are an admin", person: "U0HELP", admin: true, mayAsk: true},
		{name: "an admin, asked whether they have any role", person: "U0ADMIN", isAdmin: true},
		{name: "nobody", person: "U0NOBODY"},
		{name: "deactivated", person: "U0GONE", admin: true, noEmail: true},
		{name: "a guest", person: "U0GUEST", admin: true, noEmail: true},
		{name: "a guest of one channel", person: "U0SINGLE", noEmail: true},
		{name: "a bot", person: "U0BOT", noEmail: true},
		{name: "a stranger", person: "U0STRANGER", noEmail: true},
		{name: "of another team", person: "U0OTHER", noEmail: true},
		{name: "unknown to Slack", person: "U0WHO", noEmail: true},
		{
			name: "Slack is away", person: "U0ADMIN", unknown: true,
			change: func(f *fakeDirectory) { f.down = errors.New("connection refused") },
		},
		{
			name: "a requester while the group of admins cannot be read", person: "U0HELP", mayAsk: true,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
		{
			name: "asked whether they are an admin while that group cannot be read", person: "U0GROUP", admin: true, unknown: true,
			change: func(f *fakeDirectory) { f.noGrp["S0ADMINS"] = errors.New("timeout") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p, f := somePeople()
			if c.change != nil {
				c.change(f)
			}
			got, err := p.Standing(t.Context(), c.person, c.admin, 0)
			if ineligible, ok := errors.AsType[*workflow.IneligibleError](err); c.unknown != (err != nil) || c.unknown && (!ok || ineligible.Kind != workflow.NotCheckable) {
				t.Fatalf("error %v, want one: %v", err, c.unknown)
			}
			if got.Admin != c.isAdmin || got.Requester != c.mayAsk {
				t.Errorf("admin %v, requester %v; want %v, %v", got.Admin, got.Requester, c.isAdmin, c.mayAsk)
			}
			if !c.unknown && (got.Email == "") != c.noEmail {
				t.Errorf("the address is %q", got.Email)
			}
		})
	}
}

// All reads of a group for one click are one read, and none of them is older than the click.
func TestOneReadAClick(t *testing.T) {
	t.Parallel()
	p, f := somePeople()
	came := p.Now()
	if _, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", came); err != nil {
		t.Fatal(err)
	}
	before := f.reads.Load()
	for range 3 {
		if who, err := p.Standing(t.Context(), "U0GROUP", true, came); err != nil || !who.Admin {
			t.Fatal(who, err)
		}
	}
	if n := f.reads.Load() - before; n != 0 {
		t.Errorf("%d more reads for the same click", n)
	}
	f.groups["S0ADMINS"] = nil
	if who, err := p.Standing(t.Context(), "U0GROUP", true, p.Now()); err != nil || who.Admin {
		t.Errorf("a later click goes by an older read: %+v, %v", who, err)
	}
}

func TestMembers(t *testing.T) {
	t.Parallel()
	p, f := somePeople()
	f.noGrp["S0GONE"] = slack.SlackErrorResponse{Err: "no_such_subteam"}
	f.noGrp["S0SHUT"] = slack.SlackErrorResponse{Err: "missing_scope"}
	f.noGrp["S0AWAY"] = errors.New("timeout")
	if got, err := p.Members(t.Context(), "S0HELP", workflow.Freshness{}); err != nil || !slices.Equal(got, []string{"U0HELP"}) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := p.Members(t.Context(), "S0GONE", workflow.Freshness{}); !errors.Is(err, workflow.ErrGroupUnreadable) {
		t.Errorf("a group that is gone: %v", err)
	}
	if _, err := p.Members(t.Context(), "S0SHUT", workflow.Freshness{}); !errors.Is(err, workflow.ErrGroupUnreadable) {
		t.Errorf("a group that is not shown: %v", err)
	}
	if _, err := p.Members(t.Context(), "S0AWAY", workflow.Freshness{}); err == nil || errors.Is(err, workflow.ErrGroupUnreadable) {
		t.Errorf("an outage: %v", err)
	}
}

func TestAdmins(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, f := somePeople()
		f.groups["S0ADMINS"] = []string{"U0GROUP", "U0WHO", "U0ADMIN"} // Slack does not know one of them
		want := []workflow.Person{
			{ID: "U0ADMIN", Name: "Name of U0ADMIN", Email: "U0ADMIN@example.com"},
			{ID: "U0GROUP", Name: "Name of U0GROUP", Email: "U0GROUP@example.com"},
		}
		for range 2 {
			got, err := p.Admins(t.Context())
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got)\n%s", err, diff)
			}
		}
		if n := f.calls.Load(); n > 4 { // the unknown one is asked about each time
			t.Errorf("%d people were read", n)
		}
		time.Sleep(addressesFor)
		f.users["U0GROUP"].Profile.Email = "new@example.com"
		if got, err := p.Admins(t.Context()); err != nil || got[1].Email != "new@example.com" {
			t.Errorf("ten minutes later: %v, %v", got, err)
		}
		f.down = errors.New("connection refused")
		time.Sleep(addressesFor)
		if _, err := p.Admins(t.Context()); err == nil {
			t.Error("an outage is taken for nobody")
		}
	})
}

// A group that Slack does not show any more still has the admins whose accounts are blocked, and
// makes nobody one.
func TestAdminsOfAGroupThatCannotBeReadAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p, f := somePeople()
		f.groups["S0ADMINS"] = []string{"U0GROUP"}
		for range 2 {
			got, err := p.Admins(t.Context())
			if err != nil || len(got) != 2 || got[1].ID != "U0GROUP" {
				t.Errorf("the admins are %v, %v", got, err)
			}
			f.noGrp["S0ADMINS"] = slack.SlackErrorResponse{Err: "missing_scope"}
			time.Sleep(2 * askFor)
		}
		if who, err := p.Standing(t.Context(), "U0GROUP", true, 0); err == nil {
			t.Errorf("an admin by a group that cannot be read: %+v", who)
		}
		f.noGrp["S0ADMINS"] = slack.SlackErrorResponse{Err: "no_such_subteam"} // it is gone: then nobody is in it
		time.Sleep(2 * askFor)
		if got, err := p.Admins(t.Context()); err != nil || len(got) != 1 {
			t.Errorf("the admins are %v, %v", got, err)
		}
	})
}

// Admins are looked at until enough are found whoever asks; all of them if that is asked.
func TestApproversAreLookedAtUntilThereAreEnough(t *testing.T) {
	t.Parallel()
	_, f := somePeople()
	var members []string
	for i := range 20 {
		u := *f.users["U0GROUP"]
		u.ID, u.Profile.Email = fmt.Sprintf("U0MANY%02d", i), fmt.Sprintf("many%d@example.com", i)
		f.users[u.ID] = &u
		members = append(members, u.ID)
	}
	f.groups["S0ADMINS"] = members
	p := New(Config{Slack: f, Admins: []string{"S0ADMINS"}, MostApprovals: 2})
	for _, all := range []bool{false, true} {
		if err := p.FindApprovers(t.Context(), all); err != nil {
			t.Fatal(err)
		}
		want := 4
		if all {
			want = len(members)
		}
		if found, _ := p.Approvers(); len(found.Able) != want || found.All != all {
			t.Errorf("%d found, all %v; want %d, %v", len(found.Able), found.All, want, all)
		}
	}
}

// After a restart, too, the account of an admin stays blocked whose group Slack does not show any
// more.
func TestAdminsNotedBeforeARestart(t *testing.T) {
	t.Parallel()
	p, f := somePeople()
	f.groups["S0ADMINS"] = []string{"U0GROUP"}
	f.noGrp["S0ADMINS"] = slack.SlackErrorResponse{Err: "missing_scope"}
	admins := func() (ids []string) {
		t.Helper()
		people, err := p.Admins(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, person := range people {
			ids = append(ids, person.ID)
		}
		return ids
	}
	if got := admins(); !slices.Equal(got, []string{"U0ADMIN"}) {
		t.Errorf("never shown and never noted: %v", got)
	}
	cfg := f.config()
	cfg.Notes = notes{"S0ADMINS": {"U0SISTER"}}
	p = New(cfg)
	if got := admins(); !slices.Equal(got, []string{"U0ADMIN", "U0SISTER"}) {
		t.Errorf("noted before a restart: %v", got)
	}
	if who, err := p.Deciding(t.Context(), "U0SISTER", "C0REQ", p.Now()); err == nil {
		t.Errorf("what was noted allows %+v something", who)
	}
}
