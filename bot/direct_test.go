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
	w.writes("U0CAROL", "move p1@old.example out of group sales to group finance")
	w.answeredDirectly("U0CAROL", "are two requests. Write `/countersign group remove &lt;group&gt; &lt;user&gt;`, then")
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

// Who decides or lets something go on clicks: a message that says so brings the button.
func TestADirectMessageDoesNotDecide(t *testing.T) {
	t.Parallel()
	a := newAccounts(6)
	a.hold = make(chan struct{})
	w := newWorld(t, a)
	w.say(requests, "", renames(6))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	w.click("U0CAROL", w.cardSays(1, "*Running*"), view.ActionPause)
	w.cardSays(1, "*Paused*")
	close(a.hold)
	w.writes("U0CAROL", "resume 1")
	w.answeredDirectly("U0CAROL", "You cannot resume #1.")
	w.writes("U0BOB", "resume 1")
	w.answeredDirectly("U0BOB", "Press *Resume* to resume #1.")
	w.cardSays(1, "*Paused*")
	all := w.slack.Messages(w.slack.OpenDM("U0BOB"), "U0BOB")
	w.click("U0BOB", all[len(all)-1], view.ActionResume)
	w.cardSays(1, "*Done*")
}

// carolWrites has Slack deliver a message of hers to the bot; more is what else Slack says of it.
func (w *world) carolWrites(envelope, id, words, more string) {
	w.t.Helper()
	event := `{"envelope_id":"` + envelope + `","type":"events_api","payload":{"type":"event_callback","event_id":"` + id + `","event":{` +
		`"type":"message","channel":"` + w.slack.OpenDM("U0CAROL") + `","channel_type":"im","user":"U0CAROL","ts":"1700000000.000100",` +
		more + `"text":"` + words + `"}}}`
	if err := w.slack.SendRaw([]byte(event)); err != nil {
		w.t.Fatal(err)
	}
}

// A program that holds somebody's token gives no commands in their name, where Slack names it.
func TestAProgramGivesNoCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	for n, more := range []string{`"app_id":"A1",`, `"bot_id":"B1",`, `"bot_profile":{"id":"B1"},`} {
		id := "program-" + more[1:6] + strings.Repeat("x", n)
		w.carolWrites(id, id, "rename p0@old.example p0@new.example", more)
	}
	w.carolWrites("person", "person", "rename p1@old.example p1@new.example", `"bot_profile":null,`)
	w.cardSays(1, "p1@old.example")
	if _, there := w.card(2); there {
		t.Error("a program asked for something")
	}
}

// What Slack delivers again to another process is one batch, too: the acknowledgement may have been lost.
func TestADirectMessageIsTakenOnceAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.carolWrites("env-0", "Ev1", "rename p0@old.example p0@new.example", "")
	w.cardSays(1, "Needs 1 approval")
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	w.carolWrites("env-1", "Ev1", "rename p0@old.example p0@new.example", "")
	w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
	w.cardSays(2, "p1@old.example")
	w.command("U0CAROL", requests, "rename p2@old.example p2@new.example")
	w.cardSays(3, "p2@old.example")
}
