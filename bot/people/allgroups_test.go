package people

import (
	"testing"
	"time"

	"github.com/slack-go/slack"
)

// While reads of a group have to wait, one read of all groups that began after the click serves it and
// all that it goes by; what that read lacks or shows changed is read by itself.
func TestAllGroupsAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name         string
		change       func(f *fakeDirectory)
		allowed      bool
		lists, reads int64
	}{
		{"as before", func(*fakeDirectory) {}, true, 1, 0},
		{"taken out", func(f *fakeDirectory) { f.groups["S0ADMINS"] = []string{"U0SISTER"} }, false, 1, 0},
		{"no wait", func(f *fakeDirectory) { f.waits = 0 }, true, 0, 2},
		{"the other group changed", func(f *fakeDirectory) { f.groups["S0HELP"] = []string{"U0HELP", "U0NEW"} }, true, 2, 0},
		{"not in the list", func(f *fakeDirectory) { f.hidden = map[string]bool{"S0ADMINS": true} }, true, 2, 1},
		{"a list is refused", func(f *fakeDirectory) { f.noList = slack.SlackErrorResponse{Err: "unknown_method"} }, true, 1, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, f := somePeople()
			for _, group := range []string{"S0ADMINS", "S0HELP"} { // both are known
				if _, err := p.groups.since(t.Context(), group, p.Now()); err != nil {
					t.Fatal(err)
				}
			}
			f.reads.Store(0)
			f.waits = 3 * time.Second
			tt.change(f)
			came := p.Now()
			actor, err := p.Deciding(t.Context(), "U0GROUP", "C0REQ", came)
			if actor.Admin != tt.allowed {
				t.Errorf("admin %v, %v; want %v", actor.Admin, err, tt.allowed)
			}
			if asker, err := p.Standing(t.Context(), "U0HELP", false, came); err != nil || !asker.Requester {
				t.Errorf("who asked: %+v, %v", asker, err)
			}
			if f.lists.Load() != tt.lists || f.reads.Load() != tt.reads {
				t.Errorf("%d reads of all groups and %d of one, want %d and %d", f.lists.Load(), f.reads.Load(), tt.lists, tt.reads)
			}
		})
	}
}
