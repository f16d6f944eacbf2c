package bot_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// writes has somebody write words to the bot directly.
func (w *world) writes(person, words string) {
	w.t.Helper()
	if _, err := w.slack.Say(w.t.Context(), person, w.slack.OpenDM(person), "", words); err != nil {
		w.t.Fatal(err)
	}
}

// answeredDirectly waits until the bot wrote to somebody directly, for all to stay.
func (w *world) answeredDirectly(person, words string) {
	w.t.Helper()
	w.until(person+" is answered directly: "+words, func() bool {
		for _, m := range w.slack.Messages(w.slack.OpenDM(person), person) {
			if m.User == workspace.BotUserID && !m.Ephemeral && strings.Contains(text(m), words) {
				return true
			}
		}
		return false
	})
}

// What somebody writes to the bot directly are the words of a command, without the slash.
func TestADirectMessageTakesTheWordsOfACommand(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))

	w.writes("U0CAROL", "rename p0@old.example p0@new.example reason: R&D moves")
	card := w.cardSays(1, "R&amp;D moves")
	w.answeredDirectly("U0CAROL", "#1 is being checked")
	w.answeredDirectly("U0CAROL", "See its card")

	w.writes("U0CAROL", "batch 1")
	w.answeredDirectly("U0CAROL", "#1 · Rename")
	w.writes("U0CAROL", "renme p1@old.example p1@new.example")
	w.answeredDirectly("U0CAROL", "Did you mean `/countersign rename")
	w.writes("U0DAVE", "rename p1@old.example p1@new.example")
	w.answeredDirectly("U0DAVE", "You cannot ask for changes.")

	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*1* done")
	w.writes("U0BOB", "undo 1")
	w.cardSays(2, "Needs 1 approval")
	w.writes("U0ALICE", "pause 2")
	w.answeredDirectly("U0ALICE", "#2")
}

// A message opens no form: where a word is missing its answer has a button that does, filled in.
func TestADirectMessageThatLacksAWord(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	for words, want := range map[string]string{
		"deactivate reason: left on Friday": "left on Friday",
		"rename p1@old.example":             "p1@old.example",
		"new":                               "old → new",
	} {
		w.writes("U0CAROL", words)
		var said workspace.Message
		w.until("there is the button for "+words, func() bool {
			all := w.slack.Messages(w.slack.OpenDM("U0CAROL"), "U0CAROL")
			said = all[len(all)-1]
			return said.User == workspace.BotUserID && pressable(said, view.ActionForm)
		})
		w.click("U0CAROL", said, view.ActionForm)
		shown := w.modalSays("U0CAROL", "What should happen?")
		if !strings.Contains(string(shown.Blocks), want) {
			t.Errorf("the form for %q lacks %q", words, want)
		}
		if err := w.slack.CloseView(t.Context(), "U0CAROL", shown.ID); err != nil {
			t.Fatal(err)
		}
	}
}

// Slack may deliver a message twice; what it asks for is done once.
func TestADirectMessageIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	dm := w.slack.OpenDM("U0CAROL")
	event := `{"envelope_id":"ENV","type":"events_api","accepts_response_payload":false,"retry_attempt":N,"payload":{"type":"event_callback",` +
		`"event_id":"Ev1","event":{"type":"message","channel":"` + dm + `","channel_type":"im","user":"U0CAROL","ts":"1700000000.000100",` +
		`"text":"rename p0@old.example p0@new.example"}}}`
	for _, n := range []string{"0", "1"} {
		if err := w.slack.SendRaw([]byte(strings.NewReplacer("ENV", "env-"+n, "N,", n+",").Replace(event))); err != nil {
			t.Fatal(err)
		}
	}
	w.cardSays(1, "Needs 1 approval")
	w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
	w.cardSays(2, "p1@old.example")
}
