package bot_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// A rejection with nothing but spaces as its reason keeps the form open and says what is missing.
func TestRejectWithoutReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, view.ActionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	form := w.slack.Views("U0ALICE")[0]
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", form.ID, map[string]string{view.ReasonInput: " \n "}); err == nil {
		t.Error("a reason of spaces was taken")
	}
	if open := w.slack.Views("U0ALICE"); len(open) != 1 {
		t.Error("the form was closed")
	}
	if b, err := w.db.Batch(t.Context(), 1); err != nil || b.State != workflow.AwaitingApproval {
		t.Errorf("the batch is %v, %v", b.State, err)
	}
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", form.ID, map[string]string{view.ReasonInput: "wrong domain"}); err != nil {
		t.Fatal(err)
	}
	w.cardSays(1, "wrong domain")
}

// Words that somebody writes to the bot are answered with what it can do, once in a while.
func TestWordsToTheBot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	dm := w.slack.OpenDM("U0DAVE")
	said, err := w.slack.Say(t.Context(), "U0DAVE", dm, "", "hello?")
	if err != nil {
		t.Fatal(err)
	}
	again := eventOf("again", "Ev0AGAIN", said, map[string]any{"subtype": "", "channel_type": "im", "files": nil})
	for range 3 {
		if err := w.slack.SendRaw(again); err != nil {
			t.Fatal(err)
		}
	}
	helps := func() int {
		n := 0
		for _, m := range w.slack.Messages(dm, "U0DAVE") {
			if strings.Contains(text(m), "after a second person has approved") {
				n++
			}
		}
		return n
	}
	w.until("there is help", func() bool { return helps() >= 1 })
	w.command("U0DAVE", "C0OTHER", "help")
	w.told("U0DAVE", "C0OTHER", "after a second person has approved")
	if n := helps(); n != 1 {
		t.Errorf("helped %d times, want once", n)
	}
	for _, m := range w.slack.Messages("C0OTHER", "U0DAVE") {
		for _, c := range command.Commands() {
			if usage := strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(c.Usage); c.Supported && !strings.Contains(text(m), "/countersign "+usage+"`") {
				t.Errorf("help does not show %s whole", c.Usage)
			}
		}
	}
}

// The plan file shows the plan, also when the batch was withdrawn before the file could be put.
func TestPlanOfAWithdrawnBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "files.getUploadURLExternal" {
			return &workspace.Reply{Status: http.StatusServiceUnavailable}
		}
		return nil
	}})
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0CAROL", card, view.ActionWithdraw)
	w.cardSays(1, "*Withdrawn* by <@U0CAROL>")
	w.faults(workspace.Faults{})
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	if !strings.Contains(plan, "p0@new.example,ready,") || strings.Contains(plan, "skipped") {
		t.Errorf("plan:\n%s", plan)
	}
	if card := w.cardSays(1, "*Withdrawn*"); !strings.HasSuffix(card.Text, "Withdrawn by carol") {
		t.Errorf("the card's text is %q", card.Text)
	}
	if err := w.slack.ClickStale(t.Context(), "U0DAVE", requests, card, view.ActionWithdraw); err != nil {
		t.Fatal(err)
	}
	w.told("U0DAVE", requests, "#1 was withdrawn by <@U0CAROL>")
}

// A batch of one account goes by the person's name also in lists, in Home and by its number.
func TestListsNameAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
	w.cardSays(1, "Rename Person 1")
	for _, words := range []string{"batches", "batch 1"} {
		w.command("U0CAROL", "C0OTHER", words)
		w.told("U0CAROL", "C0OTHER", "#1 · Rename Person 1")
	}
	w.openHome("U0ALICE")
	w.homeSays("U0ALICE", "#1 · Rename Person 1")
}
