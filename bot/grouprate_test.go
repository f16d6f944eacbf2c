package bot_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Where the admins are a user group, somebody who approves one card after the other does not wait for
// Slack's rate of reading groups: each decision goes by a read that began after its click.
func TestApprovalsOneAfterTheOther(t *testing.T) {
	t.Parallel()
	const batches, most = 14, 2 * time.Second
	inBubble(t, newAccounts(batches), func(w *world) {
		t := w.t
		w.slack.AddGroup(workspace.Group{ID: "S0ADMINS", Handle: "admins", Name: "Admins", Users: []string{"U0ALICE", "U0BOB"}})
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		w.admins = []string{"S0ADMINS"}
		w.startBot(nil)
		var cards []workspace.Message
		for i := range int64(batches) {
			w.command("U0CAROL", requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", i, i))
			cards = append(cards, w.cardSays(i+1, "Needs 1 approval"))
		}
		time.Sleep(time.Minute)
		for i, card := range cards {
			begin := time.Now()
			w.click("U0ALICE", card, view.ActionApprove)
			for m := card; pressable(m, view.ActionApprove); time.Sleep(10 * time.Millisecond) { // fake time
				m = w.slack.Thread(requests, card.TS, "U0ALICE")[0]
			}
			took := time.Since(begin)
			if took > most {
				t.Errorf("the buttons of #%d were gone after %s", i+1, took)
			}
			time.Sleep(2 * time.Second)
		}
		if refused := w.throttledCalls(); len(refused) > 0 {
			t.Errorf("Slack refused calls for their rate: %q", refused)
		}
	})
}
