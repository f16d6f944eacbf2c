package bot_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// uploadFaults fail an upload at each of its steps, each in its ways.
func uploadFaults() map[string]func(string, url.Values) *workspace.Reply {
	out := map[string]func(string, url.Values) *workspace.Reply{}
	for _, method := range []string{"files.getUploadURLExternal", "upload", "files.completeUploadExternal"} {
		out[method+" is down"] = workspace.OnMethod(method, 0, workspace.Reply{Status: http.StatusServiceUnavailable})
		out[method+" is cut"] = workspace.OnMethod(method, 0, workspace.Reply{Drop: true})
		out[method+" hangs"] = workspace.OnMethod(method, 0, workspace.Reply{Delay: time.Hour})
	}
	return out
}

// named are the messages of the bot in the thread that name a file which is not there, but for
// those that say so.
func (w *world) namedThoughMissing(ts, file string) (found []string) {
	for _, m := range w.slack.Thread(requests, ts, "U0ALICE") {
		if slices.ContainsFunc(m.Files, func(f workspace.File) bool { return f.Name == file }) {
			return nil
		}
		if said := text(m); strings.Contains(said, file) && !strings.Contains(said, "is not here") && !strings.Contains(said, "cannot be put") {
			found = append(found, said)
		}
	}
	return found
}

// A file that does not arrive within a minute is said in the thread, once, and so is that it came.
// No sentence speaks of it before it is there; where the card does not show all rows, nobody can
// approve before.
func TestFileIsLate(t *testing.T) {
	t.Parallel()
	for name, fault := range uploadFaults() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(40), func(w *world) {
				t := w.t
				w.faults(workspace.Faults{BeforeCall: fault})
				w.say(requests, "", renames(40))
				card := w.cardSays(1, "35 more; Approve appears when the file with all rows is in the thread")
				if pressable(card, view.ActionApprove) || !pressable(card, view.ActionReject) {
					t.Error("Approve is there before the rows can be seen, or Reject is not")
				}
				time.Sleep(50 * time.Second)
				if n := len(w.mentioning(card.TS, "is not here")); n != 0 {
					t.Error("said too soon that the file is late")
				}
				time.Sleep(30 * time.Second)
				if n := len(w.mentioning(card.TS, ":warning: batch-1-plan.csv is not here")); n != 1 {
					t.Errorf("said %d times that the file is late, want once", n)
				}
				if named := w.namedThoughMissing(card.TS, "batch-1-plan.csv"); len(named) > 0 {
					t.Errorf("a file is named that is not there: %q", named)
				}
				time.Sleep(10 * time.Minute)
				w.faults(workspace.Faults{})
				w.fileInThread(card.TS, "batch-1-plan.csv")
				card = w.cardSays(1, "35 more in batch-1-plan.csv")
				w.inThread(card.TS, "batch-1-plan.csv was late and is here now.")
				w.click("U0ALICE", card, view.ActionApprove)
				w.cardSays(1, "*Done*")
				w.fileInThread(card.TS, "batch-1-results.csv")
			})
		})
	}
}

// What Slack refuses for good is said on the card, with how all rows can be seen, and holds nobody
// up.
func TestFilesAreRefusedForGood(t *testing.T) {
	t.Parallel()
	for _, faults := range []workspace.Faults{{BeforeCall: workspace.RefuseUploads()}, {LostShare: true}} {
		t.Run(fmt.Sprintf("lost share %v", faults.LostShare), func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(40), func(w *world) {
				t := w.t
				w.faults(faults)
				w.say(requests, "", renames(40))
				card := w.cardSays(1, "35 more in *Details*: Slack takes no file in this channel")
				if !strings.Contains(text(card), "`countersign audit batch 1`") {
					t.Error("the card does not say how all rows can be seen")
				}
				w.click("U0ALICE", card, view.ActionApprove)
				w.inThread(w.cardSays(1, "*Done*").TS, "batch-1-results.csv cannot be put here")
				w.cardSays(1, "*Details* shows the results.")
				time.Sleep(10 * time.Minute)
				for _, file := range []string{"batch-1-plan.csv", "batch-1-results.csv"} {
					if named := w.namedThoughMissing(card.TS, file); len(named) > 0 {
						t.Errorf("a file is named that is not there: %q", named)
					}
				}
			})
		})
	}
}
