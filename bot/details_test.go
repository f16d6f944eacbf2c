package bot_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// viewText is everything that a view says.
func viewText(v workspace.View) string {
	return v.Title + "\n" + text(workspace.Message{Blocks: v.Blocks})
}

// modalSays waits until the person's top modal contains the words.
func (w *world) modalSays(person, words string) workspace.View {
	w.t.Helper()
	var top workspace.View
	defer func() {
		if w.t.Failed() {
			w.t.Logf("the modal says\n%s", viewText(top))
		}
	}()
	w.until(fmt.Sprintf("a modal of %s says %q", person, words), func() bool {
		views := w.slack.Views(person)
		if len(views) == 0 {
			return false
		}
		top = views[len(views)-1]
		return strings.Contains(viewText(top), words)
	})
	return top
}

// press presses something in a person's view.
func (w *world) press(person string, v workspace.View, action, value string) {
	w.t.Helper()
	if err := w.slack.ClickView(w.t.Context(), person, v.ID, action, value); err != nil {
		w.t.Fatalf("%s presses %s: %v", person, action, err)
	}
}

// Details show every row of the chosen state, a page at a time, and who may decide on the card may
// decide there, and nobody else.
func TestDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(130))
	file := renames(130)
	file.Content = append(file.Content, []byte("712020:9999,who@new.example\n")...)
	w.say(requests, "reason: the domain moves", file)
	card := w.cardSays(1, "Needs 1 approval")

	w.click("U0DAVE", card, view.ActionDetails)
	w.told("U0DAVE", requests, "You cannot ask for changes")
	w.until("Approve stands on the card", func() bool { // and in the details: all rows can be seen
		m, ok := w.card(1)
		return ok && strings.Contains(labels(m), "approve")
	})
	w.click("U0CAROL", card, view.ActionDetails)
	first := w.modalSays("U0CAROL", "p0@new.example")
	for _, want := range []string{"All rows 131", "Ready 130", "Cannot run 1", "Asked", "batch-1-plan.csv", "p98@new.example"} {
		if !strings.Contains(viewText(first), want) {
			t.Errorf("the details do not say %q:\n%s", want, viewText(first))
		}
	}
	if strings.Contains(viewText(first), "p99@new.example") || strings.Contains(string(first.Blocks), view.ActionEarlier) {
		t.Errorf("the first page shows too much:\n%s", viewText(first))
	}
	w.press("U0CAROL", first, view.ActionMore, "")
	second := w.modalSays("U0CAROL", "p129@new.example")
	if strings.Contains(string(second.Blocks), view.ActionMore) {
		t.Error("there is More behind the last page")
	}
	w.press("U0CAROL", second, view.ActionEarlier, "")
	w.press("U0CAROL", w.modalSays("U0CAROL", "p0@new.example"), view.ActionRows, "blocked")
	w.modalSays("U0CAROL", "712020:9999")
	w.press("U0CAROL", w.slack.Views("U0CAROL")[0], view.ActionApprove, "")
	w.modalSays("U0CAROL", "somebody else must approve it")

	w.click("U0BOB", card, view.ActionDetails)
	w.press("U0BOB", w.modalSays("U0BOB", "p0@new.example"), view.ActionReject, "")
	form := w.modalSays("U0BOB", "Reject #1")
	if len(w.slack.Views("U0BOB")) != 2 {
		t.Error("the form for the reason took the place of the details")
	}
	if err := w.slack.CloseView(t.Context(), "U0BOB", form.ID); err != nil {
		t.Fatal(err)
	}
	w.press("U0BOB", w.modalSays("U0BOB", "p0@new.example"), view.ActionApprove, "")
	w.modalSays("U0BOB", "approved <!date")
	w.cardSays(1, "Approved by <@U0BOB>")
}

// Details give whoever may see them the file of all rows, the same that stands in the thread, also when
// the run is over.
func TestDownloadPlan(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(3))
	card := w.cardSays(1, "Needs 1 approval")
	want := w.fileInThread(card.TS, "batch-1-plan.csv")
	w.click("U0ALICE", card, "approve")
	w.cardSays(1, "*Done*")
	w.command("U0CAROL", "C0OTHER", "batches")
	w.click("U0CAROL", card, view.ActionDetails)
	w.press("U0CAROL", w.modalSays("U0CAROL", "p0@new.example"), view.ActionPlan, "")
	w.modalSays("U0CAROL", "batch-1-plan.csv is in your direct messages with me.")
	var got string
	w.until("the file is in the direct messages", func() bool {
		for _, m := range w.slack.Messages(w.slack.OpenDM("U0CAROL"), "U0CAROL") {
			for _, f := range m.Files {
				_, content, _ := w.slack.File(f.ID)
				got = string(content)
				return f.Name == "batch-1-plan.csv"
			}
		}
		return false
	})
	if got != want {
		t.Errorf("the file is another one:\n%s\nwant\n%s", got, want)
	}
	w.click("U0DAVE", card, view.ActionDetails)
	w.told("U0DAVE", requests, "You cannot ask for changes")
}

// A rejection from the details is told there, and one of a batch that was decided meanwhile refused
// there.
func TestRejectFromDetails(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(2))
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, view.ActionDetails)
	old := w.modalSays("U0ALICE", "p0@new.example")
	w.click("U0BOB", card, view.ActionDetails)
	w.press("U0BOB", w.modalSays("U0BOB", "p0@new.example"), view.ActionReject, "")
	form := w.modalSays("U0BOB", "Reject #1")
	if err := w.slack.SubmitView(t.Context(), "U0BOB", form.ID, map[string]string{view.ReasonInput: "not today"}); err != nil {
		t.Fatal(err)
	}
	if now := w.modalSays("U0BOB", "rejected <!date"); strings.Contains(string(now.Blocks), view.ActionApprove) {
		t.Error("a rejected batch can be approved in its details")
	}
	w.press("U0ALICE", old, view.ActionApprove, "")
	w.modalSays("U0ALICE", "#1 was rejected by <@U0BOB>")
}

// Where the workspace takes no table in a modal, details show their rows as text, and all of them.
func TestDetailsWithoutATable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(30))
	w.faults(workspace.Faults{RefusedBlocks: []string{"data_table", "table"}})
	w.say(requests, "", renames(30))
	card := w.cardSays(1, "Needs 1 approval")
	for range 2 { // refused, and remembered
		w.click("U0CAROL", card, view.ActionDetails)
		shown := w.modalSays("U0CAROL", "p29@new.example")
		if strings.Contains(string(shown.Blocks), `"type":"data_table"`) || !strings.Contains(viewText(shown), "p0@new.example") {
			t.Errorf("the rows as text:\n%s", viewText(shown))
		}
		if err := w.slack.CloseView(t.Context(), "U0CAROL", shown.ID); err != nil {
			t.Fatal(err)
		}
	}
}
