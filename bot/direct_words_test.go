package bot_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// writes has a person write to the bot.
func (w *world) writes(person, words string) {
	w.t.Helper()
	if _, err := w.slack.Say(w.t.Context(), person, w.slack.OpenDM(person), "", words); err != nil {
		w.t.Fatal(err)
	}
}

// answeredDirectly waits until the bot has written these words to a person, which others cannot read.
func (w *world) answeredDirectly(person, words string) workspace.Message {
	w.t.Helper()
	var found workspace.Message
	w.until("the bot writes "+words, func() bool {
		all := w.slack.Messages(w.slack.OpenDM(person), person)
		at := slices.IndexFunc(all, func(m workspace.Message) bool {
			return m.User == workspace.BotUserID && !m.Ephemeral && strings.Contains(text(m), words)
		})
		if at >= 0 {
			found = all[at]
		}
		return at >= 0
	})
	return found
}

// A direct message takes the words of every command without the slash; with a word missing it leads to
// the form, filled in.
func TestWordsInADirectMessage(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(4), func(w *world) {
		t := w.t
		w.writes("U0CAROL", "rename p0@old.example p0@new.example reason: married")
		w.cardSays(1, "Needs 1 approval")
		w.cardSays(1, "married")
		w.answeredDirectly("U0CAROL", "#1 is being checked. <http://slack.test")
		w.writes("U0CAROL", "deactivate nobody@old.example")
		w.answeredDirectly("U0CAROL", "Nothing in #2 can run")
		w.writes("U0CAROL", "batch 1")
		w.answeredDirectly("U0CAROL", "Person 0")
		w.writes("U0CAROL", "batches")
		w.writes("U0CAROL", "pause nothing")
		w.answeredDirectly("U0CAROL", "is not the number of a batch")
		w.writes("U0CAROL", "add p1@old.example to group finance")
		w.answeredDirectly("U0CAROL", "group add &lt;group&gt;")
		w.writes("U0DAVE", "rename p1@old.example p1@new.example")
		w.answeredDirectly("U0DAVE", "You cannot ask for changes")
		w.writes("U0CAROL", "rename p2@old.example")
		offer := w.answeredDirectly("U0CAROL", "Fill in the form")
		w.click("U0CAROL", offer, view.FormOfWords)
		form := w.viewWith("U0CAROL", "p2@old.example")
		if !strings.Contains(string(form.Blocks), "p2@old.example") {
			t.Errorf("the form: %s", form.Blocks)
		}
		w.writes("U0ALICE", "cancel 1")
		w.cardSays(1, "Cancelled by")
		w.writes("U0CAROL", "thanks a lot!")
		w.answeredDirectly("U0CAROL", "countersign changes Atlassian accounts")
		time.Sleep(time.Minute)
		if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 2 {
			t.Errorf("%d requests, %v; want 2", len(list), err)
		}
	})
}
