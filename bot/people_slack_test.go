package bot_test

import (
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Who loses a right between the card and the click is refused at the click, each with their own
// sentence.
func TestRightsLostBeforeTheClick(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	for _, c := range []struct {
		change func(*workspace.Person)
		want   string
	}{
		{func(p *workspace.Person) { p.IsRestricted = true }, "You are a guest"},
		{func(p *workspace.Person) { p.IsRestricted, p.IsUltraRestricted = false, true }, "You are a guest"},
		{func(p *workspace.Person) { p.IsUltraRestricted, p.IsStranger = false, true }, "You belong to another organisation"},
		{func(p *workspace.Person) { p.IsStranger, p.Email = false, "" }, "Slack does not show me your email address"},
		{func(p *workspace.Person) { p.Email = "Carol@Example.com" }, "same address or Atlassian account as the person who asked"},
		{func(p *workspace.Person) { p.Email, p.Deleted = "alice@example.com", true }, "Your Slack account is deactivated"},
	} {
		if err := w.slack.UpdatePerson("U0ALICE", c.change); err != nil {
			t.Fatal(err)
		}
		w.click("U0ALICE", card, view.ActionApprove)
		w.told("U0ALICE", requests, c.want)
	}
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "users.info" {
			return &workspace.Reply{Status: http.StatusServiceUnavailable}
		}
		return nil
	}})
	w.click("U0BOB", card, view.ActionApprove)
	w.told("U0BOB", requests, "I cannot check who you are; click again.")
	w.faults(workspace.Faults{})
	if err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.ExtShared = true }); err != nil {
		t.Fatal(err)
	}
	w.click("U0BOB", card, view.ActionApprove)
	w.told("U0BOB", requests, "This channel is shared with another organisation")
	if err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.ExtShared = false }); err != nil {
		t.Fatal(err)
	}
	w.click("U0BOB", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// The bot waits for a Slack that is away when it starts.
func TestSlackIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "auth.test" && asked.Add(1) == 1 {
			return &workspace.Reply{Status: http.StatusServiceUnavailable}
		}
		return nil
	}})
	w.startBot(nil)
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "new.example: verified")
}
