package bot_test

import (
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// topLevel are the bot's messages that stand in the requests channel itself.
func (w *world) topLevel() (found []workspace.Message) {
	for _, m := range w.slack.Messages(requests, "") {
		if m.User == workspace.BotUserID && m.Subtype != "tombstone" {
			found = append(found, m)
		}
	}
	return found
}

// What is posted below a card that is deleted in that very moment goes into the channel, without a word of Slack's. It is taken
// back, and stands once below the card that is posted anew.
func TestAReplyBelowACardThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		method string
		lost   bool // the answer to it
	}{
		"words":                        {method: "chat.postMessage"},
		"words whose answer was lost":  {method: "chat.postMessage", lost: true},
		"a file":                       {method: "files.completeUploadExternal"},
		"a file whose answer was lost": {method: "files.completeUploadExternal", lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(3), func(w *world) {
				t := w.t
				var cut atomic.Bool
				var deleted atomic.Int32
				w.faults(workspace.Faults{
					BeforeCall: func(method string, args url.Values) *workspace.Reply {
						card, ok := w.card(1)
						if method == tt.method && ok && args.Get("thread_ts") == card.TS && deleted.CompareAndSwap(0, 1) {
							if err := w.slack.Delete(workspace.BotUserID, requests, card.TS); err != nil {
								t.Errorf("delete the card: %v", err)
							}
							cut.Store(tt.lost)
						}
						return nil
					},
					AfterEffect: func(method string) bool { return method == tt.method && cut.CompareAndSwap(true, false) },
				})
				if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "reason: new names", renames(2)); err != nil {
					t.Fatal(err)
				}
				w.reaches(workflow.AwaitingApproval, time.Now(), time.Minute)
				time.Sleep(5 * time.Minute)
				if deleted.Load() != 1 {
					t.Fatal("nothing was posted below the card")
				}
				card := w.cardSays(1, "Needs 1 approval")
				w.inThread(card.TS, "please review #1")
				w.fileInThread(card.TS, "batch-1-plan.csv")
				for _, m := range w.topLevel() {
					if m.TS != card.TS {
						t.Errorf("this stands in the channel: %q with %d files", text(m), len(m.Files))
					}
				}
				seen := map[string]int{}
				for _, m := range w.slack.Thread(requests, card.TS, "") {
					seen[text(m)]++
					for _, f := range m.Files {
						seen[f.Name]++
					}
				}
				for what, n := range seen {
					if n > 1 && strings.TrimSpace(what) != "" {
						t.Errorf("%q stands %d times below the card", what, n)
					}
				}
			})
		})
	}
}

// An answer under a file whose message is deleted in that very moment goes to the person.
func TestAnAnswerUnderAFileThatIsBeingDeleted(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		t := w.t
		var file atomic.Value
		var deleted atomic.Bool
		w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
			ts, _ := file.Load().(string)
			if method == "chat.postMessage" && ts != "" && args.Get("thread_ts") == ts && deleted.CompareAndSwap(false, true) {
				if err := w.slack.Delete("U0CAROL", requests, ts); err != nil {
					t.Errorf("delete the message: %v", err)
				}
			}
			return nil
		}})
		m, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "reason: new names", renames(2))
		if err != nil {
			t.Fatal(err)
		}
		file.Store(m.TS)
		card := w.cardSays(1, "Needs 1 approval")
		time.Sleep(time.Minute)
		if !deleted.Load() {
			t.Fatal("nothing was answered under the file")
		}
		for _, m := range w.topLevel() {
			if m.TS != card.TS {
				t.Errorf("this stands in the channel: %q", text(m))
			}
		}
		if n := len(w.directly("U0CAROL", "#1")); n != 1 {
			t.Errorf("who asked was told directly %d times, want once", n)
		}
	})
}

// A card that is deleted while the bot is away is posted again when it is back, with all that stood below it.
func TestACardDeletedWhileNobodyHeard(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		t := w.t
		if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "reason: new names", renames(2)); err != nil {
			t.Fatal(err)
		}
		old := w.cardSays(1, "Needs 1 approval")
		w.fileInThread(old.TS, "batch-1-plan.csv")
		time.Sleep(time.Minute)
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		if err := w.slack.Delete(workspace.BotUserID, requests, old.TS); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour) // Slack gives up telling of it
		w.startBot(nil)
		time.Sleep(time.Minute)
		card, ok := w.card(1)
		if !ok || card.TS == old.TS {
			t.Fatal("the card does not stand again")
		}
		w.inThread(card.TS, "please review #1")
		w.fileInThread(card.TS, "batch-1-plan.csv")
	})
}
