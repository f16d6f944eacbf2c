package bot_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// share has Carol post a file that another person uploaded.
func (w *world) share(words, uploader string, f workspace.Upload) workspace.Message {
	w.t.Helper()
	m, err := w.slack.Share(w.t.Context(), "U0CAROL", requests, "", words, false, w.slack.AddFile(uploader, f))
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

// Who uploaded a file is its author, also when somebody else posts it: they cannot approve it.
func TestTheUploaderIsTheAuthor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.share("", "U0ALICE", renames(2))
	card := w.cardSays(1, "(file by <@U0ALICE>)")
	w.cardSays(1, "Needs 1 approval")
	for _, action := range []string{view.ActionApprove, view.ActionReject} {
		w.click("U0ALICE", card, action)
		w.told("U0ALICE", requests, "You asked for this or wrote its file")
	}
	w.click("U0BOB", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// A file whose uploader Slack does not show is one of somebody who cannot be told apart: two
// approvals.
func TestAnUploaderWhomSlackDoesNotShow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.share("", "U0NOBODY", renames(2))
	w.cardSays(1, "Needs 2 approvals")
	w.cardSays(1, "cannot be read in Slack")
}

func TestAFileOfABotThatSomebodyShares(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.slack.AddPerson(workspace.Person{ID: "U0ROBOT", Name: "robot", IsBot: true})
	m := w.share("", "U0ROBOT", renames(2))
	w.inThread(m.TS, "a bot or an app uploaded it")
}

// Of three people at one menu one would be neither requester nor author: who neither posted nor
// uploaded the file does not choose.
func TestMenuUnderAFileOfAnother(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ picker, requester, author string }{
		{picker: "U0BOB"}, {"U0CAROL", "U0CAROL", "U0ALICE"}, {"U0ALICE", "U0ALICE", "U0CAROL"},
	} {
		t.Run(tt.picker, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(3))
			m := w.share("reason: they left", "U0ALICE", workspace.Upload{Name: "l.csv", Content: []byte("email\np0@old.example\n")})
			menu := w.inThread(m.TS, "What should happen to the account in l.csv?")
			choice := view.Choice{Action: workflow.Deactivate, File: m.Files[0].ID, Author: "U0CAROL", TS: m.TS}
			err := w.slack.ClickValue(t.Context(), tt.picker, requests, menu.TS, view.ActionChoose, "", choice.String())
			if err != nil {
				t.Fatal(err)
			}
			if tt.requester == "" {
				w.told(tt.picker, requests, "<@U0CAROL> posted this file and <@U0ALICE> uploaded it. One of them must choose")
				return
			}
			w.cardSays(1, fmt.Sprintf("sked by <@%s> with l.csv (file by <@%s>)", tt.requester, tt.author))
			b, err := w.db.Batch(t.Context(), 1)
			if err != nil || b.OwnReason || b.Reason != "they left" {
				t.Errorf("the reason %q, written by the requester: %v, %v", b.Reason, b.OwnReason, err)
			}
		})
	}
}

// Only what the requester wrote behind "reason:" is a reason of their own: in a command, or beside
// a file.
func TestReasonsOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(4))
	w.command("U0CAROL", requests, "deactivate p0@old.example *reason:* she left")
	w.cardSays(1, "Needs 1 approval")
	w.command("U0CAROL", requests, "deactivate p1@old.example")
	w.cardSays(2, "Needs 1 approval")
	file := func(n int) workspace.Upload {
		return workspace.Upload{Name: "one.csv", Content: fmt.Appendf(nil, "action,email\ndeactivate,p%d@old.example\n", n)}
	}
	w.say(requests, "deactivate, she left", file(2))
	w.cardSays(3, "Needs 1 approval")
	w.say(requests, "deactivate *reason: she left*", file(3))
	w.cardSays(4, "Needs 1 approval")
	for number, want := range map[int64]bool{1: true, 2: false, 3: false, 4: true} {
		b, err := w.db.Batch(t.Context(), number)
		if err != nil || b.OwnReason != want || (number != 2) != (b.Reason == "she left") {
			t.Errorf("#%d: the reason %q, their own: %v, %v", number, b.Reason, b.OwnReason, err)
		}
	}
	m := w.say(requests, "deactivate\n*at:* noon", file(3))
	w.inThread(m.TS, "is not a time; write it like 2026-12-01 18:00")
}

// A reply that is sent to the channel, too, brings its files once.
func TestFilesOfRepliesSentToTheChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	parent := w.say(requests, "who has the list?")
	m, err := w.slack.Share(t.Context(), "U0CAROL", requests, parent.TS, "here", true, w.slack.AddFile("U0CAROL", renames(2)))
	if err != nil {
		t.Fatal(err)
	}
	w.cardSays(1, "Needs 1 approval")
	w.inThread(parent.TS, "renames.csv is request #1")
	w.stopBot()          //nolint:errcheck // its error is looked at at the end
	w.startBot(w.db)     // looks for what was missed
	second := renames(1) // and is told of another one
	second.Name = "second.csv"
	if _, err := w.slack.Share(t.Context(), "U0CAROL", requests, parent.TS, "", true, w.slack.AddFile("U0CAROL", second)); err != nil {
		t.Fatal(err)
	}
	w.cardSays(2, "second.csv")
	if _, third := w.card(3); third {
		t.Errorf("the file of %s was taken twice", m.TS)
	}
}

// A file that is gone by the time it is read is called deleted, wherever it is noticed.
func TestADeletedFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	id := w.slack.AddFile("U0CAROL", workspace.Upload{Name: "l.csv", Content: []byte("email\np0@old.example\n")})
	m, err := w.slack.Share(t.Context(), "U0CAROL", requests, "", "", false, id)
	if err != nil {
		t.Fatal(err)
	}
	menu := w.inThread(m.TS, "What should happen to the account in l.csv?")
	if err := w.slack.DeleteFile(id); err != nil {
		t.Fatal(err)
	}
	choice := view.Choice{Action: workflow.Deactivate, File: id, Author: "U0CAROL", TS: m.TS}
	if err := w.slack.ClickValue(t.Context(), "U0CAROL", requests, menu.TS, view.ActionChoose, "", choice.String()); err != nil {
		t.Fatal(err)
	}
	w.told("U0CAROL", requests, "This file cannot be used: it was deleted. Upload it again.")
	if m, err = w.slack.Share(t.Context(), "U0CAROL", requests, "", "", false, id); err != nil {
		t.Fatal(err)
	}
	w.inThread(m.TS, "it was deleted")

	gone := w.slack.AddFile("U0CAROL", renames(1)) // the message still shows it
	stub := map[string]any{"id": gone, "name": "x.csv", "mode": "hosted", "mimetype": "text/csv", "user": "U0CAROL"}
	file, _, _ := w.slack.File(gone)
	stub["url_private_download"] = file.URLPrivateDownload
	for name, change := range map[string]func(map[string]any){
		"downloaded": func(map[string]any) {},
		"stub":       func(m map[string]any) { m["name"], m["file_access"] = "", "check_file_info" },
		"not found":  func(m map[string]any) { m["name"], m["file_access"] = "", "file_not_found" },
	} {
		parent := w.say(requests, "where is "+name)
		sent := map[string]any{}
		maps.Copy(sent, stub)
		change(sent)
		if err := w.slack.DeleteFile(gone); err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(map[string]any{
			"envelope_id": "e-" + name, "type": "events_api", "payload": map[string]any{
				"type": "event_callback", "event_id": "Ev" + name, "event": map[string]any{
					"type": "message", "subtype": "file_share", "channel": requests, "user": "U0CAROL", "ts": parent.TS,
					"channel_type": "group", "files": []any{sent},
				},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.slack.SendRaw(raw); err != nil {
			t.Fatal(err)
		}
		w.inThread(parent.TS, "it was deleted")
	}
}

// No button, menu or dialog does anything to a batch that is another one than it was made for,
// whatever state that is in.
func TestButtonsOfAnotherBatch(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	before, err := w.db.Batch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	press := func(action, value string) {
		blocks := fmt.Sprintf(`[{"type":"actions","block_id":"old","elements":[{"type":"button","action_id":%q,"value":%q,`+
			`"text":{"type":"plain_text","text":"x"}}]}]`, action, value)
		err := w.slack.ClickShown(t.Context(), "U0ALICE", requests, card.TS, json.RawMessage(blocks), action, "", "")
		if err != nil {
			t.Fatal(err)
		}
	}
	told := func() (n int) {
		for _, m := range w.slack.Messages(requests, "U0ALICE") {
			if m.Ephemeral && strings.Contains(text(m), "The plan changed since this card was drawn") {
				n++
			}
		}
		return n
	}
	n := 0
	for _, act := range workflow.Acts() {
		if act.Name == workflow.ActAsk {
			continue
		}
		for _, mark := range []string{strings.Repeat("0", 64), strings.Repeat("a", 32), ""} {
			press(string(act.Name), "1:"+mark)
			n++
			w.until(fmt.Sprintf("%s with %q is refused", act.Name, mark), func() bool { return told() == n })
		}
	}
	after, err := w.db.Batch(t.Context(), 1)
	if err != nil || after.State != before.State || len(after.Decisions) != 0 {
		t.Errorf("the batch is %s, %v", after.State, err)
	}
	if views := w.slack.Views("U0ALICE"); len(views) != 0 {
		t.Errorf("a form is open: %+v", views)
	}
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 1 {
		t.Errorf("%d batches, %v", len(list), err)
	}
	// A form that was opened on the card of another time.
	w.click("U0ALICE", card, view.ActionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	form := w.slack.Views("U0ALICE")[0]
	raw, err := json.Marshal(map[string]any{
		"envelope_id": "e-form", "type": "interactive", "payload": map[string]any{
			"type": "view_submission", "trigger_id": "t1", "user": map[string]any{"id": "U0ALICE"}, "view": map[string]any{
				"id": form.ID, "callback_id": view.RejectForm,
				"private_metadata": view.FormData{Value: "1:" + strings.Repeat("0", 64), Channel: requests}.String(),
				"state":            map[string]any{"values": map[string]any{"reason": map[string]any{"reason_text": map[string]any{"value": "no"}}}},
			},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.slack.SendRaw(raw); err != nil {
		t.Fatal(err)
	}
	w.until("the form is refused", func() bool { return told() == n+1 })
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// Before there is a plan, a button carries the batch's token.
func TestButtonsWhileABatchIsChecked(t *testing.T) {
	t.Parallel()
	b := &workflow.Batch{Number: 3, State: workflow.Planning, BatchRequest: workflow.BatchRequest{Token: "00ff"}}
	blocks, err := json.Marshal(view.Card{Batch: b}.Draw().Blocks)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(blocks), `"value":"3:00ff"`) {
		t.Errorf("the card of a batch that is checked has no token: %s", blocks)
	}
}
