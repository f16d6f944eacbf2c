package bot_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

// ours counts the bot's messages in the requests channel whose text begins with the words.
func (w *world) ours(words string) int {
	n := 0
	for _, m := range w.slack.Messages(requests, "") {
		if m.User == workspace.BotUserID && strings.Contains(m.Text, words) {
			n++
		}
	}
	return n
}

// crashing is a store that loses what was to be written right after a send, as a crash would.
type crashing struct {
	bot.Store
	key     string
	crashed chan struct{}
	once    sync.Once
}

var errCrash = errors.New("the program ended here")

func (c *crashing) SavePost(ctx context.Context, p workflow.Post) error {
	if p.Key == c.key && p.TS != "" {
		c.once.Do(func() { close(c.crashed) })
		return errCrash
	}
	return c.Store.SavePost(ctx, p)
}

// A crash between the send of a card and the note that it was sent does not post it twice.
func TestCrashAfterSend(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	over := &crashing{Store: w.db, key: "batch/1/card", crashed: make(chan struct{})}
	w.startBot(over)
	w.say(requests, "", renames(2))
	select {
	case <-over.crashed:
	case <-time.After(waitFor):
		t.Fatal("the card was never sent")
	}
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.startBot(nil)
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	if n := w.ours("#1 · Rename"); n != 1 {
		t.Errorf("%d cards, want 1", n)
	}
}

// An answer that is lost although the message was posted does not post it twice.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	var lost atomic.Int32
	w.faults(workspace.Faults{AfterEffect: func(method string) bool {
		return method == "chat.postMessage" && lost.Add(1) <= 2
	}})
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.inThread(card.TS, "please review #1")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	if n := w.ours("#1 · Rename"); n != 1 {
		t.Errorf("%d cards, want 1", n)
	}
}

// A run goes on while Slack is away, and is shown when it is back.
func TestOutage(t *testing.T) {
	t.Parallel()
	a := newAccounts(6)
	a.hold = make(chan struct{})
	w := newWorld(t, a)
	w.say(requests, "", renames(6))
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Running*")
	w.slack.Outage(http.StatusServiceUnavailable)
	close(a.hold)
	ended := func() bool {
		b, err := w.db.Batch(t.Context(), 1)
		return err == nil && b.State == workflow.Done
	}
	w.eventually("the run ends without Slack", ended)
	w.faults(workspace.Faults{})
	w.cardSays(1, "*Done*")
	w.inThread(card.TS, "#1 finished: *6* done")
	w.fileInThread(card.TS, "batch-1-results.csv")
	if n := len(w.mentioning(card.TS, "#1 finished")); n != 1 {
		t.Errorf("the end was said %d times, want once", n)
	}
}

// mentioning are the replies under a card with the words.
func (w *world) mentioning(ts, words string) []workspace.Message {
	return slices.DeleteFunc(w.slack.Thread(requests, ts, "U0ALICE"), func(m workspace.Message) bool {
		return m.TS == ts || !strings.Contains(m.Text, words)
	})
}

func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	a := newAccounts(6)
	a.hold = make(chan struct{})
	w := newWorld(t, a)
	w.say(requests, "", renames(6))
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, view.ActionApprove)
	card = w.cardSays(1, "*Running*")
	w.click("U0CAROL", card, view.ActionPause)
	card = w.cardSays(1, "*Paused*")
	close(a.hold)
	w.inThread(card.TS, "#1 is paused by carol.")
	w.click("U0CAROL", card, view.ActionResume)
	w.told("U0CAROL", requests, "You cannot resume #1. Ask an admin: <@U0ALICE> <@U0BOB>.")
	w.command("U0BOB", requests, "resume 1")
	w.cardSays(1, "*Done*")
}

// A card that somebody deletes comes back.
func TestDeletedCard(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.inThread(card.TS, "please review #1")
	if err := w.slack.Delete(workspace.BotUserID, requests, card.TS); err != nil {
		t.Fatal(err)
	}
	var again workspace.Message
	w.until("there is another card", func() bool {
		m, ok := w.card(1)
		again = m
		return ok && m.TS != card.TS
	})
	w.fileInThread(again.TS, "batch-1-plan.csv")
	w.inThread(again.TS, "please review #1")
	w.click("U0ALICE", again, view.ActionApprove)
	w.cardSays(1, "*Done*")
	w.fileInThread(again.TS, "batch-1-results.csv")
}

// When the channel is closed to us, requester and approvers are told directly.
func TestClosedChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.inThread(card.TS, "please review #1")
	if err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.Archived = true }); err != nil {
		t.Fatal(err)
	}
	if err := w.slack.ClickStale(t.Context(), "U0ALICE", requests, card, view.ActionApprove); err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{"U0CAROL", "U0ALICE"} {
		dm := w.slack.OpenDM(person)
		w.until(person+" is told directly", func() bool {
			return slices.ContainsFunc(w.slack.Messages(dm, person), func(m workspace.Message) bool {
				return strings.Contains(m.Text, " #1 · Rename")
			})
		})
	}
}

// A restart edits nothing that is shown as it is.
func TestRestartIsQuiet(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.inThread(card.TS, "please review #1")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.mayPress("approve reject withdraw") // the card's last edit, when the plan is in the thread
	b, err := w.db.Batch(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	for begin := time.Now(); ; time.Sleep(5 * time.Millisecond) { // Slack shows the edit before the database knows of it
		if p, _, err := w.db.Post(t.Context(), "batch/1/card"); err != nil || time.Since(begin) > waitFor {
			t.Fatalf("the card's last edit is not written down: version %d of %d, %v", p.Version, b.Revision, err)
		} else if p.Version == b.Revision {
			break
		}
	}
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	before := len(w.slack.Calls())
	w.startBot(nil)
	w.command("U0CAROL", requests, "rename p1@old.example p1@new.example")
	w.cardSays(2, "Needs 1 approval")
	for _, c := range w.slack.Calls()[before:] {
		if c.Method == "chat.update" && c.Args.Get("ts") == card.TS {
			t.Errorf("the card was edited: %s", c.Args.Get("text"))
		}
	}
	w.click("U0BOB", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
}

// A share that Slack loses is sent again.
func TestLostShare(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	var completed atomic.Int32
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method != "files.completeUploadExternal" {
			return nil
		}
		f := w.slack.CurrentFaults()
		f.LostShare = completed.Add(1) == 1
		w.slack.SetFaults(f)
		return nil
	}})
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	if n := completed.Load(); n < 2 {
		t.Errorf("the file was sent %d times", n)
	}
}

// Words in the place of a file are said once, also when it is not known whether they arrived.
func TestWordsInPlaceOfAFileAreSaidOnce(t *testing.T) {
	inBubble(t, newAccounts(3), func(w *world) {
		var said, cut atomic.Bool
		w.faults(workspace.Faults{
			LostShare: true,
			BeforeCall: func(_ string, args url.Values) *workspace.Reply {
				if strings.HasPrefix(args.Get("text"), "batch-1-plan.csv cannot be put here") && !said.Swap(true) {
					cut.Store(true)
				}
				return nil
			},
			AfterEffect: func(method string) bool { return method == "chat.postMessage" && cut.Swap(false) },
		})
		w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
		card := w.cardSays(1, "Needs 1 approval")
		w.inThread(card.TS, "batch-1-plan.csv cannot be put here")
		time.Sleep(5 * time.Minute)
		n := 0
		for _, m := range w.slack.Thread(requests, card.TS, "U0ALICE") {
			if strings.Contains(m.Text, "batch-1-plan.csv cannot be put here") {
				n++
			}
		}
		if n != 1 || !said.Load() {
			t.Errorf("it was said %d times", n)
		}
	})
}

// A throttled card is posted when Slack lets us.
func TestThrottled(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	var calls atomic.Int32
	w.faults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "chat.postMessage" && calls.Add(1) == 1 {
			return &workspace.Reply{Error: "ratelimited", RetryAfter: time.Second}
		}
		return nil
	}})
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	w.cardSays(1, "Needs 1 approval")
}

// eventOf is a message event as Slack sends it, with whatever else belongs into it.
func eventOf(envelope, event string, m workspace.Message, more map[string]any) []byte {
	inner := map[string]any{
		"type": "message", "subtype": "file_share", "user": m.User, "channel": m.Channel, "channel_type": "group",
		"text": m.Text, "ts": m.TS, "files": m.Files,
	}
	maps.Copy(inner, more)
	raw, err := json.Marshal(map[string]any{
		"envelope_id": envelope, "type": "events_api", "accepts_response_payload": false,
		"payload": map[string]any{
			"type": "event_callback", "team_id": "T0NORTHWIND", "event_id": event, "event_time": 1, "event": inner,
		},
	})
	if err != nil {
		panic(err) // maps of plain values
	}
	return raw
}

// An event that is delivered again is done once; one that slack-go cannot read is read all the
// same.
func TestRedeliveryAndOddEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(8))
	asked := w.say(requests, "", renames(1))
	w.cardSays(1, "Needs 1 approval")
	send := func(raw []byte) {
		t.Helper()
		if err := w.slack.SendRaw(raw); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		send(eventOf(fmt.Sprintf("again-%d", i), fmt.Sprintf("Ev0AGAIN%d", i), asked, nil))
	}
	other := w.say("C0OTHER", "", renames(1)) // nobody takes it there
	odd := map[string]any{"blocks": []any{map[string]any{"type": "section", "text": 5}}, "files": other.Files}
	send(eventOf("odd", "Ev0ODD", asked, odd))
	send([]byte(`{"envelope_id":"unknown","type":"nobody_knows","payload":{"a":1}}`))
	held := w.cardSays(2, "No row can run") // the account is in batch 1
	w.inThread(held.TS, "Wait for #1, then ask again.")
	w.command("U0CAROL", requests, "rename p7@old.example p7@new.example")
	w.cardSays(3, "Needs 1 approval")
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 3 {
		t.Errorf("%d batches, %v; want 3", len(list), err)
	}
}

// faulty is an engine with a fault.
type faulty struct{ bot.Engine }

func (faulty) Find(context.Context, string) ([]workflow.Found, error) { panic("a fault") }

// A fault in one piece of work is said and logged under a reference, and nothing else is lost.
func TestFaultIsContained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	if err := w.stopBot(); err != nil {
		t.Fatal(err)
	}
	w.wrap = func(e bot.Engine) bot.Engine { return faulty{e} }
	w.startBot(nil)
	w.command("U0CAROL", requests, "find ada")
	w.told("U0CAROL", requests, "Something went wrong")
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "verified")
	if !strings.Contains(w.log.String(), "a fault of countersign") {
		t.Error("the fault is not in the log")
	}
}

// fullDisk is an engine whose database cannot be used.
type fullDisk struct {
	bot.Engine
	fault store.Fault
}

func (f fullDisk) Decide(context.Context, int64, workflow.Actor, workflow.Verdict, string, string) (*workflow.Batch, error) {
	return nil, fmt.Errorf("decide: %w", &store.Error{Op: "update a batch", Fault: f.fault, Code: "SQLite code 13", Err: errors.New("13")})
}

// A click that the database does not take says what is wrong with it and who does what, and how the log
// is found.
func TestAClickOnADatabaseThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	for fault, want := range map[store.Fault]string{
		store.FaultFull: "The database of countersign cannot be used: the disk is full. Nothing more was done. " +
			"Its operator must free disk space where it runs; then try again. Reference for them: `",
		store.FaultBusy: "cannot be used: another program holds the database. Nothing more was done. " +
			"Its operator must close the program that has the database file open; then try again.",
		store.FaultForbidden:  "Its operator must let it write the database file and its folder; then try again.",
		store.FaultDamaged:    "cannot be used: the database is damaged. Nothing more was done. Its operator must stop it and restore a backup",
		store.FaultConstraint: "Something went wrong; nothing more was done. Reference for your admin: `",
	} {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, newAccounts(1))
			w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
			card := w.cardSays(1, "Needs 1 approval")
			if err := w.stopBot(); err != nil {
				t.Fatal(err)
			}
			w.wrap = func(e bot.Engine) bot.Engine { return fullDisk{e, fault} }
			w.startBot(nil)
			w.click("U0ALICE", card, view.ActionApprove)
			w.told("U0ALICE", requests, want)
		})
	}
}

// A cut line in one of the reads that a decision takes is no reason to have it clicked again.
func TestALookUpIsMadeOnceMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	var mu sync.Mutex
	cut := map[string]int{}
	w.faults(workspace.Faults{BeforeCall: func(method string, args url.Values) *workspace.Reply {
		switch method {
		case "users.info", "usergroups.users.list", "conversations.info":
			mu.Lock()
			defer mu.Unlock()
			key := method + args.Get("user") + args.Get("usergroup")
			if cut[key]++; cut[key] == 1 {
				return &workspace.Reply{Drop: true}
			}
		}
		return nil
	}})
	w.click("U0ALICE", card, view.ActionApprove)
	w.cardSays(1, "*Done*")
	mu.Lock()
	defer mu.Unlock()
	if len(cut) < 3 { // who clicked, who asked, the channel
		t.Errorf("cut %v", cut)
	}
}
