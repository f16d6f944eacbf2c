package bot_test

import (
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// moody has Slack refuse each kind of new block now and then, in messages, modals and Home alike, by the
// code with which it does that there.
func (w *world) moody(seed uint64) {
	w.refused = "invalid_blocks invalid_arguments"
	var mu sync.Mutex
	dice := rand.New(rand.NewPCG(seed, seed))
	w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
		blocks, code := args.Get("blocks"), "invalid_blocks"
		if strings.HasPrefix(method, "views.") {
			blocks, code = args.Get("view"), "invalid_arguments"
		}
		mu.Lock()
		defer mu.Unlock()
		for _, kind := range workspace.NewBlocks() {
			if strings.Contains(blocks, `"type":"`+kind+`"`) && dice.IntN(2) == 0 {
				return &workspace.Reply{Error: code}
			}
		}
		return nil
	}})
}

// Wherever Slack refuses new blocks, and whenever it does, people get what they asked for: card, details,
// results, the check of a form, Home, and what is found.
func TestBlocksRefusedAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		w := newWorld(t, newAccounts(40))
		w.moody(seed)
		w.openHome("U0ALICE")
		w.homeSays("U0ALICE", "Nothing waits for your decision")
		w.say(requests, "reason: the domain moves", renames(30))
		card := w.cardSays(1, "Needs 1 approval")
		w.homeSays("U0ALICE", "Waiting for you (1)")
		w.fileInThread(card.TS, "batch-1-plan.csv")
		w.until("the details open", func() bool { // what was refused may have spent the trigger
			w.click("U0ALICE", card, view.ActionDetails)
			for _, v := range w.slack.Views("U0ALICE") {
				if strings.Contains(viewText(v), "p29@new.example") {
					return true
				}
			}
			return false
		})
		w.press("U0ALICE", w.slack.Views("U0ALICE")[0], view.ActionRows, "ready")
		w.modalSays("U0ALICE", "Ready 30")
		w.command("U0CAROL", requests, "new")
		w.submit("U0CAROL", w.modalSays("U0CAROL", "old → new"), map[string]string{view.FieldLines: "p31@old.example → p31@new.example\np32@old.example → p32@new.example"})
		w.submit("U0CAROL", w.modalSays("U0CAROL", "*2* ready"), nil)
		w.cardSays(2, "Needs 1 approval")
		w.command("U0CAROL", requests, "find p3@old.example")
		w.told("U0CAROL", requests, "p3@old.example")
		w.click("U0BOB", card, view.ActionApprove)
		w.cardSays(1, "*Done*")
		w.inThread(card.TS, "#1 finished: *30* done")
		w.fileInThread(card.TS, "batch-1-results.csv")
	}
}
