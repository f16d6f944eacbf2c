package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// ours counts the bot's messages in the requests channel whose text begins with the words.
func (w *world) ours(words string) int {
	n := 0
	for _, m := range w.slack.Messages(requests, "") {
		if m.User == workspace.BotUserID && strings.HasPrefix(m.Text, words) {
			n++
		}
	}
	return n
}

// crashing is a store that loses what was to be written right after a send, as a crash would.
type crashing struct {
	Store
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
	over := &crashing{Store: w.db, key: cardKey(1), crashed: make(chan struct{})}
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
	if n := w.ours("#1 rename"); n != 1 {
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
	w.inThread(card.TS, "waits for 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	if n := w.ours("#1 rename"); n != 1 {
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
	w.click("U0ALICE", card, actionApprove)
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
	w.inThread(card.TS, "#1 is done: *6* done")
	w.fileInThread(card.TS, "batch-1-results.csv")
	if n := len(w.mentioning(card.TS, "#1 is done")); n != 1 {
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
	w.click("U0ALICE", card, actionApprove)
	card = w.cardSays(1, "*Running*")
	w.click("U0CAROL", card, actionPause)
	card = w.cardSays(1, "*Paused*")
	close(a.hold)
	w.inThread(card.TS, "#1 is paused: by <@U0CAROL>.")
	w.click("U0CAROL", card, actionResume)
	w.told("U0CAROL", requests, "You may not resume #1; an admin may: <@U0ALICE> <@U0BOB>.")
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
	w.inThread(card.TS, "waits for 1 approval")
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
	w.inThread(again.TS, "waits for 1 approval")
	w.click("U0ALICE", again, actionApprove)
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
	w.inThread(card.TS, "waits for 1 approval")
	if err := w.slack.UpdateChannel(requests, func(c *workspace.Channel) { c.Archived = true }); err != nil {
		t.Fatal(err)
	}
	if err := w.slack.ClickStale(t.Context(), "U0ALICE", requests, card, actionApprove); err != nil {
		t.Fatal(err)
	}
	for _, person := range []string{"U0CAROL", "U0ALICE"} {
		dm := w.slack.OpenDM(person)
		w.until(person+" is told directly", func() bool {
			return slices.ContainsFunc(w.slack.Messages(dm, person), func(m workspace.Message) bool {
				return strings.Contains(m.Text, "#1 rename 1 account: ")
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
	w.inThread(card.TS, "waits for 1 approval")
	w.fileInThread(card.TS, "batch-1-plan.csv")
	w.told("U0CAROL", requests, "|Look at its card>")
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
	w.click("U0BOB", card, actionApprove)
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
				if strings.HasPrefix(args.Get("text"), "I cannot put batch-1-plan.csv") && !said.Swap(true) {
					cut.Store(true)
				}
				return nil
			},
			AfterEffect: func(method string) bool { return method == "chat.postMessage" && cut.Swap(false) },
		})
		w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
		card := w.cardSays(1, "Needs 1 approval")
		w.inThread(card.TS, "I cannot put batch-1-plan.csv")
		time.Sleep(5 * time.Minute)
		n := 0
		for _, m := range w.slack.Thread(requests, card.TS, "U0ALICE") {
			if strings.Contains(m.Text, "I cannot put batch-1-plan.csv") {
				n++
			}
		}
		if n != 1 || !said.Load() {
			t.Errorf("it was said %d times", n)
		}
	})
}

// numb is a socket that can be read from and not be written to, as both are for a moment when the network goes.
type numb struct {
	net.Conn
	mute   *atomic.Bool
	failed *atomic.Int32
}

func (n numb) Write(p []byte) (int, error) {
	if !n.mute.Load() {
		return n.Conn.Write(p)
	}
	if n.failed.Add(1) > 1000 {
		n.mute.Store(false)
	}
	return 0, errors.New("the network is gone")
}

// An acknowledgement that can be written to neither connection is not handed to and fro between them.
func TestNoConnectionTakesAnAcknowledgement(t *testing.T) {
	inBubble(t, newAccounts(3), func(w *world) {
		if err := w.stopBot(); err != nil {
			t.Fatal(err)
		}
		var mute atomic.Bool
		var failed atomic.Int32
		dial := w.dial
		w.dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return numb{conn, &mute, &failed}, err
		}
		w.startBot(nil)
		mute.Store(true)
		w.say(requests, "reason: new names", renames(2))
		time.Sleep(5 * time.Second)
		if n := failed.Load(); n == 0 || n > 100 {
			t.Errorf("%d writes failed", n)
		}
		mute.Store(false)
		w.slack.CutSockets()
		w.cardSays(1, "Needs 1 approval")
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

// An event that is delivered again is done once; one that slack-go cannot read is read all the same.
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
	held := w.cardSays(2, "Nothing in it can run") // the account is in batch 1
	w.inThread(held.TS, "Wait for #1, then ask again.")
	w.command("U0CAROL", requests, "rename p7@old.example p7@new.example")
	w.cardSays(3, "Needs 1 approval")
	if list, err := w.db.List(t.Context(), 0); err != nil || len(list) != 3 {
		t.Errorf("%d batches, %v; want 3", len(list), err)
	}
}

// Clicks are taken while one of the connections is being replaced.
func TestConnectionsAreReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(3))
	w.until("there are two connections", func() bool { return w.slack.Connections() == connections })
	w.slack.DisconnectOne("refresh_requested")
	w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.until("there are two connections again", func() bool { return w.slack.Connections() == connections })
	w.slack.CutSockets()
	if err := w.bot.Ready(); err != nil {
		t.Error(err)
	}
	for w.slack.Click(t.Context(), "U0ALICE", requests, card.TS, actionApprove, "") != nil {
		if t.Context().Err() != nil {
			t.Fatal("no click gets through after a cut")
		}
	}
	w.cardSays(1, "*Done*")
}

func TestPermanentErrors(t *testing.T) {
	for _, c := range []struct {
		method, code, token string
		status              int
	}{
		{method: "apps.connections.open", code: "invalid_auth", token: "app"},
		{method: "apps.connections.open", code: "account_inactive", token: "app"},
		{method: "apps.connections.open", code: "not_authed", token: "app"},
		{method: "apps.connections.open", code: "token_revoked", token: "app"},
		{method: "apps.connections.open", code: "missing_scope", token: "app"},
		{method: "apps.connections.open", code: "not_allowed_token_type", token: "app"},
		{method: "apps.connections.open", code: "token_expired", token: "app"},
		{method: "apps.connections.open", code: "forbidden_team", token: "app"},
		{method: "apps.connections.open", code: codeNotFound, status: http.StatusNotFound, token: "app"},
		{method: "auth.test", code: "invalid_auth", token: "bot"},
		{method: "auth.test", code: "token_revoked", token: "bot"},
	} {
		t.Run(c.token+" "+c.code, func(t *testing.T) {
			t.Parallel()
			slack, err := workspace.New(workspace.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer slack.Close()
			server := httptest.NewServer(slack.Handler())
			defer server.Close()
			slack.SetBaseURL(server.URL)
			slack.SetFaults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
				switch {
				case method != c.method:
					return nil
				case c.status != 0:
					return &workspace.Reply{Status: c.status}
				}
				return &workspace.Reply{Error: c.code}
			}})
			bot, err := New(Config{
				AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: server.URL + "/api",
				Command: "/countersign", Requests: requests, Admins: []string{"U0ALICE"},
				Engine: idleEngine{}, Store: idleStore{}, Log: zerolog.Nop(),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), waitFor)
			defer cancel()
			err = bot.Run(ctx)
			got, ok := errors.AsType[*PermanentError](err)
			if !ok {
				t.Fatalf("Run ended with %v, want a *PermanentError", err)
			}
			if d := cmp.Diff(&PermanentError{Token: c.token, Code: c.code}, got); d != "" {
				t.Errorf("error (-want +got):\n%s", d)
			}
			if bot.Ready() == nil {
				t.Error("the bot calls itself ready")
			}
		})
	}
}

// idleEngine and idleStore are never asked for anything but what changed.
type idleEngine struct{ Engine }

func (idleEngine) Changed() <-chan struct{} { return nil }

type idleStore struct{ Store }

func (idleStore) Revisions(context.Context) (map[int64]int64, error) { return nil, nil }

func (idleStore) Recall(context.Context, string) ([]byte, error) { return nil, nil }

func (idleStore) Remember(context.Context, string, []byte) error { return nil }

// Connections that Slack closes at once, again and again, mean that Socket Mode is switched off.
func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &link{}
		if wait := l.down(); wait != 0 {
			t.Errorf("the first connection waits for %s", wait)
		}
		for i := range shortLives {
			if l.hopeless() {
				t.Fatalf("given up after %d connections", i)
			}
			l.hello()
			if wait := l.down(); wait <= 0 || wait > shortWaitMax {
				t.Errorf("connection %d waits for %s", i, wait)
			}
		}
		if !l.hopeless() {
			t.Error("not given up")
		}
		l.hello()
		time.Sleep(shortLife)
		if wait := l.down(); wait != 0 || l.hopeless() {
			t.Errorf("a long life does not make up for the short ones: waits for %s", wait)
		}
	})
}

// A fault in one piece of work is said and logged under a reference, and nothing else is lost.
func TestFaultIsContained(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newAccounts(1))
	to := where{Person: "U0CAROL", Channel: requests}
	w.bot.clicks.put("", w.bot.guarded("test", time.Minute, to, func(context.Context) { panic("a fault") }))
	w.told("U0CAROL", requests, "Something went wrong")
	w.command("U0CAROL", requests, "domains")
	w.told("U0CAROL", requests, "verified")
	if !strings.Contains(w.log.String(), "a fault of countersign") {
		t.Error("the fault is not in the log")
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
	w.click("U0ALICE", card, actionApprove)
	w.cardSays(1, "*Done*")
	mu.Lock()
	defer mu.Unlock()
	if len(cut) < 3 { // who clicked, who asked, the channel
		t.Errorf("cut %v", cut)
	}
}
