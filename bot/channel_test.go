package bot_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// While the bot is not in the channel people are told directly how it goes, with the results; when
// it is back, all is put there at once.
func TestRemovedFromTheChannel(t *testing.T) {
	t.Parallel()
	a := newAccounts(6)
	a.hold = make(chan struct{})
	w := newWorld(t, a)
	w.say(requests, "", renames(6))
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.inThread(card.TS, "please review #1")
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Running*")
	member := func(is bool) {
		if err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.BotMember = is }); err != nil {
			t.Fatal(err)
		}
	}
	member(false)
	close(a.hold)
	for _, person := range []string{"U0CAROL", "U0ALICE"} {
		dm := w.slack.OpenDM(person)
		w.until(person+" is told the end directly", func() bool {
			return slices.ContainsFunc(w.slack.Messages(dm, person), func(m workspace.Message) bool {
				return strings.Contains(m.Text, "*6* done · *0* failed")
			})
		})
		w.until(person+" gets the results", func() bool {
			return slices.ContainsFunc(w.slack.Messages(dm, person), func(m workspace.Message) bool {
				return len(m.Files) == 1 && m.Files[0].Name == "batch-1-results.csv"
			})
		})
	}
	member(true)
	w.cardSays(1, "*Done*")
	w.inThread(card.TS, "#1 finished: *6* done")
	w.fileInThread(card.TS, "batch-1-results.csv")
}

// The answer under a file comes also when the program ended right after the request was taken.
func TestAnswerUnderAFileAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	file := renames(2)
	asked := w.say(requests, "no file here, so that only the database knows of it")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	sheet, err := sheet.ReadCSV(bytes.Clone(file.Content), "", "org", workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.engine.Submit(t.Context(), workflow.Actor{Person: carolOfSlack, Requester: true}, workflow.Request{
		Requester: carolOfSlack, Author: carolOfSlack, Sheet: *sheet, Original: file.Content,
		Source: workflow.Source{
			Kind: workflow.SourceFile, Channel: requests, Message: asked.TS, FileName: file.Name,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	over := &crashing{Store: w.db, key: "batch/1/taken", crashed: make(chan struct{})}
	w.startBot(over)
	select {
	case <-over.crashed:
	case <-time.After(waitFor):
		t.Fatal("the answer was never sent")
	}
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	w.inThread(asked.TS, "renames.csv is request #1")
	w.fileInThread(w.cardSays(1, "Needs 1 approval").TS, "batch-1-plan.csv")
	if n := len(w.mentioning(asked.TS, "renames.csv is request #1")); n != 1 {
		t.Errorf("answered %d times, want once", n)
	}
}

// Eight files at once: each has its card within five seconds, with all of Slack's limits.
func TestCardsStandSoon(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(3), func(w *world) {
		t := w.t
		begin := time.Now()
		for i := range 8 {
			files := []workspace.Upload{renames(1 + i%3)}
			go func() {
				if _, err := w.slack.Say(t.Context(), "U0CAROL", requests, "", "", files...); err != nil && t.Context().Err() == nil {
					t.Error(err)
				}
			}()
		}
		for n := range int64(8) {
			w.until(fmt.Sprintf("there is the card of #%d", n+1), func() bool { _, ok := w.card(n + 1); return ok })
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the last card stood after %s", took)
		}
	})
}
