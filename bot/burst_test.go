package bot_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// inBubble runs a test in fake time, with the pace of production and all limits of Slack.
func inBubble(t *testing.T, a *accounts, do func(w *world)) {
	t.Helper()
	inBubbleWith(t, &world{accounts: a}, do)
}

func inBubbleWith(t *testing.T, w *world, do func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w.t, w.log, w.bubble = t, &logged{}, true
		do(startWorld(t, w))
	})
}

// throttledCalls are the calls that Slack refused for their rate.
func (w *world) throttledCalls() (methods []string) {
	for _, c := range w.slack.Calls() {
		if c.Error == "ratelimited" {
			methods = append(methods, c.Method)
		}
	}
	return methods
}

// pressable reports whether a card shows a button.
func pressable(m workspace.Message, action string) bool {
	return strings.Contains(string(m.Blocks), `"action_id":"`+action+`"`)
}

// approveAtOnce has Alice approve batches at the same time, and looks when the buttons of each are
// gone.
func (w *world) approveAtOnce(cards []workspace.Message, most time.Duration) {
	begin := time.Now()
	var all sync.WaitGroup
	for _, card := range cards {
		all.Go(func() {
			w.click("U0ALICE", card, view.ActionApprove)
			for m := card; pressable(m, view.ActionApprove); time.Sleep(10 * time.Millisecond) { // fake time
				m = w.slack.Thread(requests, card.TS, "U0ALICE")[0]
			}
			if took := time.Since(begin); took > most {
				w.t.Errorf("the buttons of %s were gone after %s", card.Text, took)
			}
		})
	}
	all.Wait()
}

// When eight batches are approved at once, the buttons of all are gone within two seconds, whatever
// else is to be posted.
func TestManyApprovalsAtOnce(t *testing.T) {
	t.Parallel()
	const batches, most = 8, 2 * time.Second
	a := newAccounts(batches * 2)
	inBubble(t, a, func(w *world) {
		t := w.t
		for round := range int64(2) { // the second finds the threads of the first still being written
			var cards []workspace.Message
			for i := range int64(batches) {
				n := round*batches + i
				w.command("U0CAROL", requests, fmt.Sprintf("rename p%d@old.example p%d@new.example", n, n))
			}
			for i := range int64(batches) {
				cards = append(cards, w.cardSays(round*batches+i+1, "Needs 1 approval"))
			}
			w.approveAtOnce(cards, most)
		}
		for n := range int64(batches * 2) {
			card := w.cardSays(n+1, "*Done*")
			w.inThread(card.TS, "finished: *1* done")
			w.inThread(card.TS, full+"  *1* done · *0* failed\n")
			w.fileInThread(card.TS, fmt.Sprintf("batch-%d-results.csv", n+1))
		}
		if refused := w.throttledCalls(); len(refused) > 0 {
			t.Errorf("Slack refused calls for their rate: %q", refused)
		}
	})
}
