package bot_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Who tries what they may not is in the log of events, with what and why; a number that somebody
// made up is not.
func TestRefusalsAreWrittenDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0CAROL", card, view.ActionApprove)
	w.told("U0CAROL", requests, "somebody else must approve it")
	w.click("U0DAVE", card, view.ActionApprove)
	w.told("U0DAVE", requests, "You cannot approve #1")
	w.command("U0DAVE", requests, "cancel 1")
	w.told("U0DAVE", requests, "You cannot cancel #1")
	w.command("U0DAVE", requests, "cancel 99")
	w.told("U0DAVE", requests, "You cannot cancel #99")
	type refusal struct{ Actor, Action, Why string }
	var got []refusal
	err := w.db.Events(t.Context(), func(line []byte) error {
		var e struct {
			Actor, Kind string
			Batch       int64
			Data        struct{ Action, Why string }
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if e.Kind == "refused" && e.Batch == 1 {
			got = append(got, refusal{e.Actor, e.Data.Action, e.Data.Why})
		}
		return nil
	})
	want := []refusal{
		{"U0CAROL", "approve", "requester and author may not decide"},
		{"U0DAVE", "approve", "no_role"},
		{"U0DAVE", "cancel", "no_role"},
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("refusals (-want +got): %v\n%s", err, diff)
	}
	if a, err := w.db.Audit(t.Context()); err != nil || !a.Whole() {
		t.Errorf("the audit finds %v, %v", a.Findings, err)
	}
}

// Where an act has nothing to do, whoever asked for it is told how the batch stands first, whichever way they asked.
func TestAnActWithNothingToDoSaysHowTheBatchStands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	w.say(requests, "", renames(1))
	w.click("U0ALICE", w.cardSays(1, "Needs 1 approval"), view.ActionApprove)
	card := w.cardSays(1, "Undo")
	stands := func(m workspace.Message) bool {
		said := text(m)
		finished, nothing := strings.Index(said, "#1 finished"), strings.Index(said, "Nothing in it can be retried.")
		return m.User == workspace.BotUserID && finished >= 0 && nothing > finished
	}
	w.command("U0ALICE", requests, "retry 1")
	w.until("the command is answered", func() bool { return slices.ContainsFunc(w.slack.Messages(requests, "U0ALICE"), stands) })
	w.writes("U0ALICE", "retry 1")
	w.until("the message is answered", func() bool {
		return slices.ContainsFunc(w.slack.Messages(w.slack.OpenDM("U0ALICE"), "U0ALICE"), stands)
	})
	// A card of before, with a button that the batch no longer has.
	card.Blocks = bytes.ReplaceAll(card.Blocks, []byte(`"`+view.ActionUndo+`"`), []byte(`"`+view.ActionRetry+`"`))
	if err := w.slack.ClickStale(t.Context(), "U0BOB", requests, card, view.ActionRetry); err != nil {
		t.Fatal(err)
	}
	w.until("the click is answered", func() bool { return slices.ContainsFunc(w.slack.Messages(requests, "U0BOB"), stands) })
}
