package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// labels are what can be pressed on a card.
func labels(m workspace.Message) string {
	var out []string
	for _, action := range []string{
		view.ActionApprove, view.ActionReject, view.ActionWithdraw, view.ActionPause, view.ActionCancel, view.ActionResume, view.ActionRecheck, view.ActionRetry,
		view.ActionUndo, view.ActionAgain,
	} {
		if pressable(m, action) {
			out = append(out, action)
		}
	}
	return strings.Join(out, " ")
}

// mayPress waits until these can be pressed on the card of the first batch.
func (w *world) mayPress(want string) workspace.Message {
	w.t.Helper()
	var card workspace.Message
	w.until("the buttons are "+want, func() bool {
		m, ok := w.card(1)
		card = m
		return ok && labels(m) == want
	})
	return card
}

// What failed is retried by requester or admin: with a progress, an end and results of its own,
// under the same approval.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	a := newAccounts(4)
	a.refuse = map[string]bool{"712020:0002": true}
	w := newWorld(t, a)
	w.say(requests, "", renames(4))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	w.cardSays(1, "*Done*")
	card := w.mayPress("retry_failed undo")
	w.inThread(card.TS, "#1 finished: *3* done · *1* failed")
	if results := w.fileInThread(card.TS, "batch-1-results.csv"); strings.Count(results, ",failed,") != 1 {
		t.Errorf("results of the first run:\n%s", results)
	}
	w.click("U0DAVE", card, view.ActionRetry)
	w.told("U0DAVE", requests, "You cannot retry #1. Ask its requester or an admin: <@U0ALICE> <@U0BOB>.")
	w.command("U0DAVE", requests, "undo 1")
	w.told("U0DAVE", requests, "You cannot undo #1. Ask anyone who may ask for changes")
	a.set(func() { a.refuse = nil })
	w.command("U0CAROL", requests, "retry 1")
	w.told("U0CAROL", requests, "#1: checking the failed rows again.")
	w.inThread(card.TS, "<@U0CAROL> <@U0ALICE> Run 2 of #1 finished: *4* done · *0* failed")
	w.mayPress("undo")
	if results := w.fileInThread(card.TS, "batch-1-results-2.csv"); strings.Count(results, ",done,") != 4 {
		t.Errorf("results of the second run:\n%s", results)
	}
	whole := full + "  *4* done · *0* failed\n"
	w.inThread(card.TS, whole)
	w.inThread(card.TS, full+"  *3* done · *1* failed\n") // the first run's stays
	if n := len(w.mentioning(card.TS, "of #1 finished")); n != 1 {
		t.Errorf("the end of the second run was said %d times, want once", n)
	}
}

// A batch is undone by a linked one that needs approval like any other; both cards say so and lead
// to each other.
func TestUndo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(2))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	old := w.mayPress("undo")
	w.click("U0BOB", old, view.ActionUndo)
	w.told("U0BOB", requests, "Undo of #1 is request #2")
	back := w.cardSays(2, "Needs 1 approval")
	for _, want := range []string{"undoes <http", "|#1>", "sked by <@U0BOB>", "p1@old.example"} {
		if !strings.Contains(text(back), want) {
			t.Errorf("the card of the way back does not say %q:\n%s", want, text(back))
		}
	}
	w.cardSays(1, "Undo requested in #2 (<http")
	old = w.cardSays(1, ", waiting for approval.")
	if !strings.Contains(text(old), "Undo: #2") {
		t.Errorf("the button does not show the number of the way back:\n%s", text(old))
	}
	w.click("U0CAROL", old, view.ActionUndo)
	w.told("U0CAROL", requests, "This was asked for already, as #2. <http")
	w.click("U0BOB", back, view.ActionApprove)
	w.told("U0BOB", requests, "somebody else must approve it")
	w.click("U0ALICE", back, view.ActionApprove)
	w.cardSays(2, "*Done*")
	w.cardSays(1, "Undone by #2 (<http")
	old = w.mayPress("")
	if err := w.slack.ClickStale(t.Context(), "U0CAROL", requests, back, view.ActionApprove); err != nil {
		t.Fatal(err)
	}
	w.command("U0CAROL", requests, "undo 1")
	w.told("U0CAROL", requests, "#1 is undone already, by #2. <http")
	if acc, err := w.accounts.Account(t.Context(), "712020:0001"); err != nil || acc.Email != "p1@old.example" {
		t.Errorf("the account shows %q, %v", acc.Email, err)
	}
	if strings.Contains(text(old), "Being undone") {
		t.Errorf("the old card still says that it is being undone:\n%s", text(old))
	}
}

// A rejected batch can be asked for again by anyone with a role, who is the requester of the new
// one.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(2))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	form := w.slack.Views("U0ALICE")[0]
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", form.ID, map[string]string{view.ReasonInput: "not today"}); err != nil {
		t.Fatal(err)
	}
	old := w.mayPress(view.ActionAgain)
	w.click("U0DAVE", old, view.ActionAgain)
	w.told("U0DAVE", requests, "You cannot ask again for #1")
	w.click("U0BOB", old, view.ActionAgain)
	w.told("U0BOB", requests, "Asked again as #2")
	again := w.cardSays(2, "Needs 1 approval")
	if s := text(again); !strings.Contains(s, "sked by <@U0BOB>") || !strings.Contains(s, "asks again for <http") {
		t.Errorf("the new card says:\n%s", s)
	}
	w.cardSays(1, "Asked again as <http")
	w.mayPress("")
	w.click("U0ALICE", again, view.ActionApprove)
	w.cardSays(2, "*Done*")
	w.cardSays(1, "(done)")
}
