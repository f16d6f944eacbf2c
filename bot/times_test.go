package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// What is for a while says so before it is approved; its end stands on its own card, with End now and
// Keep, and the return gets a card once it begins.
func TestForAWhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "deactivate p1@old.example for 3d reason: on leave")
	card := w.cardSays(1, "Needs 1 approval")
	w.cardSays(1, "*Time:* ends 3d after its start")
	if plan := w.fileInThread(card.TS, "batch-1-plan.csv"); !strings.Contains(plan, ",,'+259200,activate,") {
		t.Errorf("the plan:\n%s", plan)
	}
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
	w.cardSays(1, "\nEnds <!date^")
	card = w.cardSays(1, "Then #2 takes it back: 1 change, by activate.")
	for _, action := range []workflow.ActName{workflow.ActEnd, workflow.ActKeep} {
		if !pressable(card, string(action)) {
			t.Errorf("%s cannot be pressed", action)
		}
	}
	w.command("U0CAROL", requests, "cancel 2")
	w.told("U0CAROL", requests, "This batch takes back another one at its end.")
	w.click("U0CAROL", card, string(workflow.ActKeep))
	w.told("U0CAROL", requests, "You asked for this or wrote its file, so somebody else must press *Keep*.")
	w.command("U0DAVE", requests, "end 1")
	w.told("U0DAVE", requests, "You cannot end #1. Ask an admin other than the requester")
	if _, there := w.card(2); there {
		t.Error("the return has a card although it waits")
	}
	w.click("U0BOB", card, string(workflow.ActEnd))
	w.cardSays(2, "takes back <")
	back := w.cardSays(2, "*Done*")
	w.inThread(back.TS, "#2 finished: *1* done")
	card = w.cardSays(1, "Taken back by #2")
	if pressable(card, string(workflow.ActEnd)) || pressable(card, string(workflow.ActKeep)) {
		t.Error("it can be ended again")
	}
	w.cardSays(2, "Ended before its time by <@U0BOB>")
	if pressable(card, view.ActionUndo) {
		t.Error("what was taken back can be undone")
	}
}

// Who asked for something for a while is told when others keep it for good.
func TestKeptIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "deactivate p1@old.example for 3d reason: on leave")
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	card := w.cardSays(1, "Then #2 takes it back: 1 change, by activate.")
	w.click("U0BOB", card, string(workflow.ActKeep))
	w.cardSays(1, "Kept for good by <@U0BOB>")
	w.inThread(card.TS, "<@U0CAROL> What #1 did stays: ")
}

// What waits for its time says when it starts, and starts sooner when an admin says so.
func TestLater(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	m := w.say(requests, "deactivate, they leave\nat: tomorrow 18:00\nuntil: friday", workspace.Upload{
		Name: "leavers.csv", Content: []byte("email\np1@old.example\n"),
	})
	w.inThread(m.TS, "is not a time; write it like")
	w.say(requests, "deactivate, they leave\nat: tomorrow 18:00", workspace.Upload{
		Name: "leavers.csv", Content: []byte("email\np1@old.example\n"),
	})
	w.cardSays(1, "*Time:* starts ")
	w.cardSays(1, "18:00 Europe/Amsterdam")
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	card := w.cardSays(1, "*Approved* by <@U0ALICE> ")
	if !pressable(card, string(workflow.ActStart)) || !pressable(card, view.ActionCancel) || pressable(card, view.ActionPause) {
		t.Errorf("on the card can be pressed: %s", labels(card))
	}
	w.command("U0DAVE", requests, "start 1")
	w.told("U0DAVE", requests, "You cannot start #1. Ask an admin other than the requester")
	w.command("U0BOB", requests, "start 1")
	w.told("U0BOB", requests, "#1: starts now.")
	w.cardSays(1, "*Done*")
	w.cardSays(1, "Started before its time by <@U0BOB>")
}
