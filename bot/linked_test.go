package bot

import (
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// labels are what can be pressed on a card.
func labels(m workspace.Message) string {
	var out []string
	for _, action := range []string{
		actionApprove, actionReject, actionWithdraw, actionPause, actionCancel, actionResume, actionRecheck, actionRetry,
		actionUndo, actionAgain,
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

// What failed is retried by requester or admin: with a progress, an end and results of its own, under the same approval.
func TestRetryFailed(t *testing.T) {
	t.Parallel()
	a := newAccounts(4)
	a.refuse = map[string]bool{"712020:0002": true}
	w := newWorld(t, a)
	w.say(requests, "", renames(4))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), actionApprove)
	w.cardSays(1, "*Done*")
	card := w.mayPress("retry_failed undo")
	w.inThread(card.TS, "#1 is done: *3* done · *1* failed")
	if results := w.fileInThread(card.TS, "batch-1-results.csv"); strings.Count(results, ",failed,") != 1 {
		t.Errorf("results of the first run:\n%s", results)
	}
	w.click("U0DAVE", card, actionRetry)
	w.told("U0DAVE", requests, "You may not retry #1; its requester may, or an admin: <@U0ALICE> <@U0BOB>.")
	w.command("U0DAVE", requests, "undo 1")
	w.told("U0DAVE", requests, "You may not undo #1; whoever may ask for changes may, or an admin")
	a.set(func() { a.refuse = nil })
	w.command("U0CAROL", requests, "retry 1")
	w.told("U0CAROL", requests, "#1: what failed is looked at again.")
	w.inThread(card.TS, "<@U0CAROL> <@U0ALICE> Run 2 of #1 is done: *4* done · *0* failed")
	w.mayPress("undo")
	if results := w.fileInThread(card.TS, "batch-1-results-2.csv"); strings.Count(results, ",done,") != 4 {
		t.Errorf("results of the second run:\n%s", results)
	}
	whole := bar(1, 1) + "` *4* done · *0* failed · *0* left · done"
	w.inThread(card.TS, whole)
	w.inThread(card.TS, bar(1, 1)+"` *3* done · *1* failed · *0* left · done") // the first run's stays
	if n := len(w.mentioning(card.TS, "of #1 is done")); n != 1 {
		t.Errorf("the end of the second run was said %d times, want once", n)
	}
}

// A batch is undone by a linked one that needs approval like any other; both cards say so and lead to each other.
func TestUndo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(2))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), actionApprove)
	old := w.mayPress("undo")
	w.click("U0BOB", old, actionUndo)
	w.told("U0BOB", requests, "#2 would undo what #1 did")
	back := w.cardSays(2, "Needs 1 approval")
	for _, want := range []string{"undoes <http", "|#1>", "Asked for by <@U0BOB>", "p1@old.example"} {
		if !strings.Contains(text(back), want) {
			t.Errorf("the card of the way back does not say %q:\n%s", want, text(back))
		}
	}
	w.cardSays(1, "Being undone by #2 (<http")
	old = w.cardSays(1, "(waiting for approval)")
	if !strings.Contains(text(old), "Undo: #2") {
		t.Errorf("the button does not show the number of the way back:\n%s", text(old))
	}
	w.click("U0CAROL", old, actionUndo)
	w.told("U0CAROL", requests, "That was asked for already, as #2. <http")
	w.click("U0BOB", back, actionApprove)
	w.told("U0BOB", requests, "cannot decide on it")
	w.click("U0ALICE", back, actionApprove)
	w.cardSays(2, "*Done*")
	w.cardSays(1, "Undone by #2 (<http")
	old = w.mayPress("")
	if err := w.slack.ClickStale(t.Context(), "U0CAROL", requests, back, actionApprove); err != nil {
		t.Fatal(err)
	}
	w.command("U0CAROL", requests, "undo 1")
	w.told("U0CAROL", requests, "#1 was undone already, by #2. <http")
	if acc, err := w.accounts.Account(t.Context(), "712020:0001"); err != nil || acc.Email != "p1@old.example" {
		t.Errorf("the account shows %q, %v", acc.Email, err)
	}
	if strings.Contains(text(old), "Being undone") {
		t.Errorf("the old card still says that it is being undone:\n%s", text(old))
	}
}

// A rejected batch can be asked for again by anyone with a role, who is the requester of the new one.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(2))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), actionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	view := w.slack.Views("U0ALICE")[0]
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", view.ID, map[string]string{reasonInput: "not today"}); err != nil {
		t.Fatal(err)
	}
	old := w.mayPress(actionAgain)
	w.click("U0DAVE", old, actionAgain)
	w.told("U0DAVE", requests, "You may not ask again for #1")
	w.click("U0BOB", old, actionAgain)
	w.told("U0BOB", requests, "Asked again as #2")
	again := w.cardSays(2, "Needs 1 approval")
	if s := text(again); !strings.Contains(s, "Asked for by <@U0BOB>") || !strings.Contains(s, "asks again for <http") {
		t.Errorf("the new card says:\n%s", s)
	}
	w.cardSays(1, "Asked for again as <http")
	w.mayPress("")
	w.click("U0ALICE", again, actionApprove)
	w.cardSays(2, "*Done*")
	w.cardSays(1, "(done)")
}

// Cards name the batches that were made of theirs, the latest ones, and say what cannot be undone.
func TestLinkedWords(t *testing.T) {
	made := func(number int64, by workflow.Link, state workflow.State) linked {
		return linked{Number: number, Link: by, Batch: &workflow.Batch{Number: number, State: state, Ended: at(9)}}
	}
	done := sealedBatch()
	approve(&done, workflow.Done)
	done.Summary.Groups = []workflow.Group{
		{Action: workflow.Rename, State: workflow.ChangeDone, Count: 3},
		{Action: workflow.Remove, State: workflow.ChangeDone, Count: 2},
		{Action: workflow.Rename, State: workflow.ChangeFailed, Code: workflow.ReasonDrifted, Count: 1},
	}
	for _, c := range []struct {
		name    string
		links   []linked
		says    []string
		buttons []string
	}{
		{"nothing", nil, []string{"2 changes of it cannot be undone."}, []string{"Retry failed", "Undo"}},
		{
			"undo that was rejected",
			[]linked{made(43, workflow.LinkUndo, workflow.Rejected)},
			[]string{"#43 was to undo it (rejected)."},
			[]string{"Retry failed", "Undo"},
		},
		{
			"undo that is open",
			[]linked{made(43, workflow.LinkUndo, workflow.Rejected), made(44, workflow.LinkUndo, workflow.Running)},
			[]string{"Being undone by #44 (running)."},
			[]string{"Retry failed", "Undo: #44"},
		},
		{"undone", []linked{made(44, workflow.LinkUndo, workflow.Done)}, []string{"Undone by #44"}, []string{"Retry failed"}},
		{
			"the rest",
			[]linked{made(45, workflow.LinkRest, workflow.AwaitingApproval)},
			[]string{"the rest is #45 (waiting for approval)."},
			[]string{"Retry failed", "Undo"},
		},
		{
			"retry with other rows",
			[]linked{made(46, workflow.LinkRetry, workflow.Planning)},
			[]string{"is other than it was approved is #46 (checking)."},
			[]string{"Retry failed", "Undo"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			done := done
			done.Links = c.links
			m := done.draw()
			withinLimits(t, m)
			all := done.status() + "\n" + links(c.links)
			for _, want := range c.says {
				if !strings.Contains(all, want) {
					t.Errorf("does not say %q:\n%s", want, all)
				}
			}
			var got []string
			for _, e := range done.buttons() {
				got = append(got, labelOf(e))
			}
			if !slices.Equal(got, c.buttons) {
				t.Errorf("buttons %q, want %q", got, c.buttons)
			}
		})
	}
}

func labelOf(e slack.BlockElement) string {
	b, ok := e.(*slack.ButtonBlockElement)
	if !ok {
		return "no button"
	}
	return b.Text.Text
}
