package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Neither the card nor the calls in its thread name as who may approve a human who asked, or has approved,
// under another account in Slack: a click of theirs would be refused.
func TestNobodyIsAskedUnderAnotherAccount(t *testing.T) {
	t.Parallel()
	w := startWorld(t, &world{
		t: t, accounts: newAccounts(4), log: &logged{}, quick: true, approvals: 2,
		admins: []string{"U0ALICE2", "U0CAROL2", "U0ALICE", "U0BOB"},
		also: []workspace.Person{
			{ID: "U0ALICE2", Name: "alice2", Email: "ALICE@example.com"}, {ID: "U0CAROL2", Name: "carol2", Email: "Carol@example.com"},
		},
	})
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "*Needs 2 approvals* from <@U0ALICE2>, <@U0ALICE> or <@U0BOB> (not <@U0CAROL>)")
	called := w.inThread(card.TS, "please review #1")
	if strings.Contains(text(called), "U0CAROL2") {
		t.Errorf("the requester is called under another account: %s", text(called))
	}
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "Needs 1 more from <@U0BOB> (not <@U0CAROL>)")
	called = w.inThread(card.TS, "1 more approval for #1")
	if !strings.HasPrefix(text(called), "<@U0BOB> 1 more") {
		t.Errorf("for the last approval it says %q", text(called))
	}
}
