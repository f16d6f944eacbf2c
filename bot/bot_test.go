package bot_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// A file is asked for, shown, approved by another admin, run, and its results are posted.
func TestFileToResults(t *testing.T) {
	t.Parallel()
	w := startWorld(t, &world{t: t, accounts: newAccounts(8), log: &logged{}}) // as in production, with all limits
	bad := renames(6)
	bad.Content = append(bad.Content, []byte("712020:9999,who@new.example\n")...)
	asked := w.say(requests, "reason: the domain moves", bad)
	card := w.cardSays(1, "Needs 1 approval")
	for _, want := range []string{
		"#1 · Rename 6 accounts", "the domain moves", "1 row will not run: 1 no such account", "6 people will be signed out", "p0@new.example",
	} {
		if !strings.Contains(text(card), want) {
			t.Errorf("the card does not say %q:\n%s", want, text(card))
		}
	}
	w.inThread(asked.TS, "renames.csv is request #1")
	b, err := w.db.Batch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	seal := workflow.Seal(b.Digest)
	card = w.cardSays(1, "Seal: "+seal) // in the dialog, once the plan is in the thread
	plan := w.fileInThread(card.TS, "batch-1-plan.csv")
	if !strings.Contains(plan, "712020:0003") || strings.Count(plan, ","+seal+"\r\n") != 7 {
		t.Errorf("plan, of seal %q:\n%s", seal, plan)
	}
	rows := w.fileInThread(card.TS, "batch-1-bad-rows.csv")
	if !strings.Contains(rows, "712020:9999,who@new.example,8,") {
		t.Errorf("bad rows:\n%s", rows)
	}
	w.inThread(card.TS, "<@U0ALICE> <@U0BOB> please review #1")

	w.click("U0CAROL", card, view.ActionApprove)
	w.told("U0CAROL", requests, "somebody else must approve it")
	w.click("U0DAVE", card, view.ActionApprove)
	w.told("U0DAVE", requests, "You cannot approve #1. Ask an admin other than the requester: <@U0ALICE> <@U0BOB>.")
	w.click("U0BOB", card, view.ActionApprove)
	card = w.cardSays(1, "*Done*")
	if got := labels(card); got != view.ActionUndo {
		t.Errorf("a finished card has the buttons %q, want %q", got, view.ActionUndo)
	}
	w.inThread(card.TS, full+"  *6* done · *0* failed")
	w.inThread(card.TS, "<@U0CAROL> <@U0BOB> #1 finished: *6* done")
	results := w.fileInThread(card.TS, "batch-1-results.csv")
	if !strings.Contains(results, "rename,712020:0005,p5@old.example,p5@new.example,done") {
		t.Errorf("results:\n%s", results)
	}
	w.eventually("nothing of the batch is behind", func() bool {
		behind, err := w.db.Revisions(t.Context())
		return err == nil && len(behind) == 0
	})
	if w.accounts.calls != 6 {
		t.Errorf("%d calls changed something, want 6", w.accounts.calls)
	}
}

// Slack asks for new block ids at every edit. A refused click has the card edited that says what it said before.
func TestEditsHaveNewBlockIDs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(2))
	w.say(requests, "", renames(2))
	card := w.cardSays(1, "Needs 1 approval")
	before := blockIDs(t, card)
	w.click("U0CAROL", card, view.ActionApprove)
	w.told("U0CAROL", requests, "somebody else must approve it")
	w.until("the card is edited under new block ids", func() bool {
		now, _ := w.card(1)
		return !slices.ContainsFunc(blockIDs(t, now), func(id string) bool { return slices.Contains(before, id) })
	})
}

func blockIDs(t *testing.T, m workspace.Message) (ids []string) {
	t.Helper()
	var blocks []struct {
		ID string `json:"block_id"`
	}
	if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		ids = append(ids, b.ID)
	}
	return ids
}

func TestRejectWithReason(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", "C0OTHER", "rename p0@old.example p0@new.example reason: married")
	card := w.cardSays(1, "Needs 1 approval")
	w.told("U0CAROL", "C0OTHER", "#1 is being checked. <http")
	w.click("U0CAROL", card, view.ActionReject)
	w.told("U0CAROL", requests, "somebody else must decide")
	w.click("U0DAVE", card, view.ActionReject)
	w.told("U0DAVE", requests, "You cannot reject #1. Ask an admin other than the requester: <@U0ALICE> <@U0BOB>.")
	w.click("U0ALICE", card, view.ActionReject)
	w.until("the form is open", func() bool { return len(w.slack.Views("U0ALICE")) == 1 })
	form := w.slack.Views("U0ALICE")[0]
	reason := map[string]string{view.ReasonInput: "not <!channel> today"}
	if err := w.slack.SubmitView(t.Context(), "U0ALICE", form.ID, reason); err != nil {
		t.Fatal(err)
	}
	w.cardSays(1, "*Rejected* by <@U0ALICE>")
	w.cardSays(1, "not &lt;!channel&gt; today")
	if err := w.slack.ClickStale(t.Context(), "U0BOB", requests, card, view.ActionApprove); err != nil {
		t.Fatal(err)
	}
	w.told("U0BOB", requests, "#1 was rejected by <@U0ALICE>")
}

func TestMenuUnderAFile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	leavers := renames(0)
	leavers.Name, leavers.Content = "leavers.csv", []byte("email\np0@old.example\np1@old.example\n")
	asked := w.say(requests, "reason: left the company", leavers)
	menu := w.inThread(asked.TS, "What should happen to the 2 accounts")
	w.stopBot() //nolint:errcheck // its error is looked at below
	w.startBot(nil)
	options := view.Choice{Action: workflow.Deactivate, File: asked.Files[0].ID, Author: "U0CAROL", TS: asked.TS}
	pick := func(person string) {
		if err := w.slack.ClickValue(t.Context(), person, requests, menu.TS, view.ActionChoose, "", options.String()); err != nil {
			t.Fatal(err)
		}
	}
	pick("U0DAVE")
	w.told("U0DAVE", requests, "You cannot ask for changes. Ask <@U0ALICE> <@U0BOB>.")
	pick("U0ALICE")
	card := w.cardSays(1, "Needs 1 approval")
	for _, want := range []string{
		"#1 · Deactivate 2 accounts", "left the company", "(file by <@U0CAROL>)", "2 people can no longer log in anywhere",
	} {
		if !strings.Contains(text(card), want) {
			t.Errorf("the card does not say %q:\n%s", want, text(card))
		}
	}
	w.inThread(asked.TS, "<@U0ALICE> chose deactivate")
	w.click("U0CAROL", card, view.ActionApprove)
	w.told("U0CAROL", requests, "somebody else must approve it")
}

func TestCommands(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	for _, c := range []struct{ person, words, want string }{
		{"U0DAVE", "", "in bulk, after a second person has approved"},
		{"U0DAVE", "domains", "You cannot ask for changes. Ask <@U0ALICE> <@U0BOB>."},
		{"U0CAROL", "domains", "• new.example: verified"},
		{"U0CAROL", "find p1@old.example", "*Person 1* p1@old.example"},
		{"U0CAROL", "renam a b", "Did you mean `/countersign rename"},
		{"U0CAROL", "provision p1@@old.example Ada", "is not an address"},
		{"U0CAROL", "batches", "No batches yet"},
		{"U0CAROL", "batch 7", "No batch has that number"},
		{"U0CAROL", "report list", "No reports are set up"},
	} {
		w.command(c.person, "C0OTHER", c.words)
		w.told(c.person, "C0OTHER", c.want)
	}
	w.command("U0CAROL", requests, "deactivate p2@old.example -- Thank you for all")
	card := w.cardSays(1, "Needs 1 approval")
	if plan := w.fileInThread(card.TS, "batch-1-plan.csv"); !strings.Contains(plan, ",ready,,,Thank you for all,") {
		t.Errorf("the plan lacks the message behind the dashes:\n%s", plan)
	}
	w.command("U0CAROL", requests, "batch 1")
	w.told("U0CAROL", requests, "#1 · Deactivate Person 2>")
	w.command("U0CAROL", requests, "cancel 1")
	w.cardSays(1, "*Cancelled* by <@U0CAROL>")
	w.told("U0CAROL", requests, "#1: cancelled.")
}

func TestFilesThatAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	for _, c := range []struct{ name, content, want string }{
		{"book.xlsx", "PK\x03\x04 and so on", "This file cannot be used"},
		{"strange.csv", "alpha,beta\n1,2\n", "these are known: `account_id`"},
		{"empty.csv", "account_id,new_email\n", "no rows below them"},
	} {
		file := renames(0)
		file.Name, file.Content = c.name, []byte(c.content)
		asked := w.say(requests, "", file)
		w.inThread(asked.TS, c.want)
	}
	picture := renames(0)
	picture.Name, picture.Content = "screen.png", []byte("\x89PNG")
	w.say(requests, "look", picture)
	two := w.say(requests, "", renames(1), renames(2))
	w.inThread(two.TS, "is request #1")
	w.inThread(two.TS, "is request #2")
	dm := w.slack.OpenDM("U0CAROL")
	direct := w.say(dm, "", renames(3))
	_ = direct
	w.cardSays(3, "with renames.csv")
}
