package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// An admin whose own account a batch of one changes is named nowhere as one who may approve it, and is
// not counted: what the card, the reminder, Home and a direct message say is what a click finds.
func TestOwnAccountAlone(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, rename, bob string
		admins            []string
		card              string
	}{
		{
			"another admin can", "p0@old.example p0@new.example", "P0@old.example",
			[]string{"U0ALICE", "U0BOB"},
			"Needs 1 approval* from <@U0ALICE> (not <@U0CAROL>).",
		},
		{
			"it gets their address", "p1@old.example p9@new.example", "p9@new.example",
			[]string{"U0ALICE", "U0BOB"},
			"Needs 1 approval* from <@U0ALICE> (not <@U0CAROL>).",
		},
		{
			"nobody else can", "p0@old.example p0@new.example", "P0@old.example",
			[]string{"U0BOB"},
			"Nobody can approve this: it changes the account of bob, and no other admin may. Add one to the settings (people.admins), or withdraw it.",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(3))
			if err := w.stopBot(); err != nil {
				t.Fatal(err)
			}
			w.admins = tt.admins
			if err := w.slack.UpdatePerson("U0BOB", func(p *workspace.Person) { p.Email = tt.bob }); err != nil {
				t.Fatal(err)
			}
			w.startBot(nil)
			w.openHome("U0BOB")
			w.openHome("U0CAROL")
			w.homeSays("U0BOB", "Nothing waits for your decision")
			w.command("U0CAROL", requests, "rename "+tt.rename)
			card := w.cardSays(1, tt.card)
			if len(tt.admins) > 1 {
				if called := w.inThread(card.TS, "please review #1"); strings.Contains(called.Text, "U0BOB") {
					t.Errorf("Bob is called: %s", called.Text)
				}
			}
			w.homeSays("U0CAROL", "#1 · Rename") // it has been drawn since
			if tab, _ := w.slack.Home("U0BOB"); !strings.Contains(viewText(tab), "Nothing waits for your decision") {
				t.Errorf("waits for Bob:\n%s", viewText(tab))
			}
			w.click("U0BOB", card, view.ActionApprove)
			w.told("U0BOB", requests, "This changes your own account")
		})
	}
}
