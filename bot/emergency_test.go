package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
)

// Every admin is told of an emergency once, with a link to its card that is asked for once, however
// often the batch is looked at.
func TestEmergencyIsToldOnce(t *testing.T) {
	t.Parallel()
	w := startWorld(t, &world{t: t, accounts: newAccounts(40), log: &logged{}, quick: true, emergency: "S0HELPDESK"})
	w.say(requests, "reason: leaver with access to payroll", renames(40))
	card := w.cardSays(1, "*Emergency*")
	for _, admin := range []string{"U0ALICE", "U0BOB"} {
		w.until(admin+" is told", func() bool { return len(w.directly(admin, "*Emergency*: ")) == 1 })
	}
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
	w.inThread(card.TS, "finished")
	for _, admin := range []string{"U0ALICE", "U0BOB"} {
		if told := w.directly(admin, "*Emergency*: "); len(told) != 1 || !strings.Contains(text(told[0]), "See its card") {
			t.Errorf("%s is told %d times", admin, len(told))
		}
	}
	links := 0
	for _, c := range w.slack.Calls() {
		if c.Method == "chat.getPermalink" {
			links++
		}
	}
	if links > 2 { // the answer under the file, and the admins
		t.Errorf("links were asked for %d times", links)
	}
}
