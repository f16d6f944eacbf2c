package bot_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// keyOf is the key under which the bot knows a message of its own, "" for any other.
func keyOf(metadata string) string {
	var m struct {
		Payload struct {
			Key string `json:"key"`
		} `json:"event_payload"`
	}
	_ = json.Unmarshal([]byte(metadata), &m) // what is none has no key
	return m.Payload.Key
}

// tearDown deletes all that stands below the card of #1, and the card.
func (w *world) tearDown() {
	card, ok := w.card(1)
	if !ok {
		return
	}
	thread := w.slack.Thread(requests, card.TS, "")
	for i := range thread {
		m := thread[len(thread)-1-i]
		if err := w.slack.Delete(m.User, requests, m.TS); err != nil {
			w.t.Errorf("delete %s: %v", m.TS, err)
		}
	}
}

// standsOnce checks that the requests channel has the card of #1 and nothing else of the bot, and that each of these stands
// once below it: texts by their keys, files by their names.
func (w *world) standsOnce(below ...string) {
	w.t.Helper()
	card, ok := w.card(1)
	if !ok {
		w.t.Fatal("the card does not stand")
	}
	for _, m := range w.topLevel() {
		if m.TS != card.TS {
			w.t.Errorf("this stands in the channel: %s %q with %d files", keyOf(string(m.Metadata)), text(m), len(m.Files))
		}
	}
	seen := map[string]int{}
	for _, m := range w.slack.Thread(requests, card.TS, "") {
		seen[keyOf(string(m.Metadata))]++
		for _, f := range m.Files {
			seen[f.Name]++
		}
	}
	for _, each := range below {
		if seen[each] != 1 {
			w.t.Errorf("%s stands %d times below the card, want once", each, seen[each])
		}
	}
}

// A person deletes a card, with all that stands below it, before, while or right after the bot posts something below it, and
// the bot hears of the end of its post, or does not, or hangs up, or ends. Slack puts what comes after the deletion into the
// channel. In the end all of it stands once, below a card that stands.
func TestNothingStraysFromADeletedCard(t *testing.T) {
	t.Parallel()
	const upload = "files.completeUploadExternal"
	posts := map[string]struct {
		is  func(method string, args url.Values) bool
		run bool // the batch is approved
	}{
		"words": {is: func(method string, args url.Values) bool {
			return method == "chat.postMessage" && keyOf(args.Get("metadata")) == "batch/1/admins"
		}},
		"a file": {is: func(method string, _ url.Values) bool { return method == upload }},
		"the progress": {run: true, is: func(method string, args url.Values) bool {
			return method == "chat.postMessage" && keyOf(args.Get("metadata")) == "batch/1/progress"
		}},
		"the end": {run: true, is: func(method string, args url.Values) bool {
			return method == "chat.postMessage" && keyOf(args.Get("metadata")) == "batch/1/end/1"
		}},
		"the buttons": {run: true, is: func(method string, args url.Values) bool {
			return method == "chat.update" && keyOf(args.Get("metadata")) == "batch/1/card"
		}},
	}
	for what, post := range posts {
		for _, when := range []string{"long before", "before", "after"} {
			for _, end := range []string{"answered", "lost", "late", "crash"} {
				t.Run(fmt.Sprintf("%s/%s/%s", what, when, end), func(t *testing.T) {
					t.Parallel()
					inBubble(t, newAccounts(3), func(w *world) { w.deletesCardAt(post.is, post.run, when, end) })
				})
			}
		}
	}
}

// deletesCardAt plays one life of a batch in which the card is deleted at one of the bot's posts.
func (w *world) deletesCardAt(is func(string, url.Values) bool, run bool, when, end string) {
	t := w.t
	var began, effected atomic.Bool
	var posting atomic.Value // its method
	crash := make(chan struct{}, 1)
	w.faults(workspace.Faults{
		BeforeCall: func(method string, args url.Values) *workspace.Reply {
			if !is(method, args) || !began.CompareAndSwap(false, true) {
				return nil
			}
			posting.Store(method)
			switch when {
			case "long before":
				w.tearDown()
				time.Sleep(400 * time.Millisecond) // for the news of it
			case "before":
				w.tearDown()
			}
			switch end {
			case "late":
				time.Sleep(4 * time.Second) // whoever hangs up does not stop it
			case "crash": // whatever comes of the call
				f := w.slack.CurrentFaults()
				f.RedeliveryDelays = []time.Duration{} // nobody hears of it any more
				w.faults(f)
				time.AfterFunc(10*time.Millisecond, func() { crash <- struct{}{} })
			}
			return nil
		},
		AfterEffect: func(method string) bool {
			if posting.Load() != method || !effected.CompareAndSwap(false, true) {
				return false
			}
			if when == "after" {
				w.tearDown()
			}
			return end == "lost" || end == "crash"
		},
	})
	if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "reason: new names", renames(2)); err != nil {
		t.Fatal(err)
	}
	w.reaches(workflow.AwaitingApproval, time.Now(), time.Minute)
	if run {
		time.Sleep(20 * time.Second)
		card := w.cardSays(1, "Needs 1 approval")
		w.click("U0ALICE", card, view.ActionApprove)
	}
	if end == "crash" {
		select {
		case <-crash:
		case <-time.After(time.Minute):
			t.Fatal("the post was never made")
		}
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		w.startBot(nil)
	}
	time.Sleep(5 * time.Minute)
	if !began.Load() {
		t.Fatal("the post was never made")
	}
	want := []string{"batch/1/card", "batch-1-plan.csv"}
	if run {
		want = append(want, "batch/1/progress", "batch/1/end/1", "batch-1-results.csv")
	} else {
		want = append(want, "batch/1/admins")
	}
	w.standsOnce(want...)
}

// The card of a batch that has ended is deleted while its results are on their way, and nobody hears of it. It stands again,
// with all that stood below it: also where Slack loses the file, so that nothing shows by itself that the thread is gone.
func TestACardDeletedUnheardAtItsEnd(t *testing.T) {
	t.Parallel()
	for name, deleteIt := range map[string]func(w *world){
		"alone": func(w *world) {
			card, _ := w.card(1)
			if err := w.slack.Delete(workspace.BotUserID, requests, card.TS); err != nil {
				w.t.Error(err)
			}
		},
		"with its thread": (*world).tearDown,
	} {
		for _, lost := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%t", name, lost), func(t *testing.T) {
				t.Parallel()
				inBubble(t, newAccounts(3), func(w *world) {
					var due atomic.Bool
					w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
						f := w.slack.CurrentFaults()
						f.LostShare = false
						if method == "files.completeUploadExternal" && due.CompareAndSwap(true, false) {
							f.LostShare, f.RedeliveryDelays = lost, []time.Duration{}
							w.slack.CutSockets()
							deleteIt(w)
						}
						if method == "files.completeUploadExternal" {
							w.faults(f)
						}
						return nil
					}})
					w.say(requests, "reason: new names", renames(2))
					w.reaches(workflow.AwaitingApproval, time.Now(), time.Minute)
					time.Sleep(20 * time.Second)
					card := w.cardSays(1, "Needs 1 approval")
					due.Store(true)
					w.click("U0ALICE", card, view.ActionApprove)
					time.Sleep(5 * time.Minute)
					if due.Load() {
						t.Fatal("no file was shared")
					}
					w.standsOnce("batch/1/card", "batch-1-plan.csv", "batch/1/end/1", "batch-1-results.csv")
				})
			})
		}
	}
}
