package bot_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// What passes ends neither the program nor a run: the bot goes on trying, says so, and takes clicks
// again once Slack can be reached.
func TestPassingFaultsEndNothing(t *testing.T) {
	t.Parallel()
	open := func(reply workspace.Reply) func(string, url.Values) *workspace.Reply {
		return workspace.OnMethod("apps.connections.open", 0, reply)
	}
	for _, c := range []struct {
		name   string
		faults workspace.Faults
		lasts  time.Duration // then Slack is well
		said   string        // by health meanwhile, "" when the fault is over too soon
	}{
		{name: "one 404", faults: workspace.Faults{BeforeCall: workspace.NotFoundOnce()}, lasts: time.Minute},
		{
			name: "a 404 for an hour", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: http.StatusNotFound})},
			lasts: time.Hour, said: "404 Not Found",
		},
		{
			name: "a gateway for an hour", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: http.StatusBadGateway})},
			lasts: time.Hour, said: "502 Bad Gateway",
		},
		{
			name: "nobody answers", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Drop: true})},
			lasts: time.Hour, said: "no connection to Slack (slack.test)",
		},
		{
			name: "a code that passes", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Error: "internal_error"})},
			lasts: time.Hour, said: "internal_error",
		},
		{
			name: "gone for an hour", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: http.StatusGone})},
			lasts: time.Hour, said: "410 Gone",
		},
		{
			name: "a proxy that forbids", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: http.StatusForbidden})},
			lasts: time.Hour, said: "403 Forbidden",
		},
		{
			name: "a proxy that wants a login", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: http.StatusProxyAuthRequired})},
			lasts: time.Hour, said: "407 Proxy",
		},
		{
			name: "a status without a name", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Status: 599})},
			lasts: time.Hour, said: "599",
		},
		{
			name: "a code that nobody knows", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Error: "team_is_resting"})},
			lasts: time.Hour, said: "team_is_resting",
		},
		{
			name: "too many connections", faults: workspace.Faults{BeforeCall: open(workspace.Reply{Error: "too_many_websockets"})},
			lasts: time.Hour, said: "too_many_websockets",
		},
		{
			name: "a method that is not found", lasts: time.Hour,
			faults: workspace.Faults{BeforeCall: workspace.OnMethod("auth.test", 0, workspace.Reply{Status: http.StatusNotFound})},
		},
		{
			name: "an absurd Retry-After", said: "retry after 1000h", lasts: 20 * time.Minute,
			faults: workspace.Faults{BeforeCall: workspace.HoldBack("apps.connections.open", 1000*time.Hour)},
		},
		{
			name: "sockets are cut after hello", lasts: time.Hour, said: "Slack closes each connection soon after it stands",
			faults: workspace.Faults{CutHellos: 1 << 20, CutHelloAfter: 200 * time.Millisecond},
		},
		{
			name: "sockets are cut before hello", lasts: time.Hour, said: "Slack closes each connection soon after it stands",
			faults: workspace.Faults{CutDials: 1 << 20},
		},
		{
			name: "sockets without a hello", lasts: time.Hour, said: "no hello comes over them",
			faults: workspace.Faults{MuteDials: 1 << 20},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a := newAccounts(4)
			inBubble(t, a, func(w *world) {
				w.accounts.set(func() { a.hold = make(chan struct{}) }) // of the bubble
				t := w.t
				w.say(requests, "", renames(4))
				card := w.cardSays(1, "Needs 1 approval")
				w.click("U0ALICE", card, view.ActionApprove)
				w.cardSays(1, "*Running*")
				time.Sleep(5 * time.Second) // for acknowledgements under way
				w.faults(c.faults)
				w.slack.CutSockets()
				time.Sleep(30 * time.Second)
				close(a.hold)
				w.cardSays(1, "*Done*")
				began := time.Now()
				time.Sleep(c.lasts)
				tries := 0
				for _, call := range w.slack.Calls() {
					if call.Method == "apps.connections.open" && call.At.After(began) {
						tries++
					}
				}
				if most := int(25 * c.lasts.Minutes()); tries > most { // half of what Slack allows
					t.Errorf("%d connections were asked for in %s, want %d at most", tries, c.lasts, most)
				}
				for begin := time.Now(); c.said != ""; time.Sleep(time.Second) { // a socket stands for a moment now and then
					if err := w.bot.Ready(); err != nil && strings.Contains(err.Error(), c.said) {
						break
					}
					if time.Since(begin) > time.Minute {
						t.Fatalf("health says %v, want %q", w.bot.Ready(), c.said)
					}
				}
				w.faults(workspace.Faults{})
				time.Sleep(15 * time.Minute) // for the longest that Slack is taken to mean
				if err := w.bot.Ready(); err != nil {
					t.Errorf("not ready once Slack is well: %v", err)
				}
				w.command("U0CAROL", requests, "rename p0@new.example p0@old.example")
				w.click("U0ALICE", w.cardSays(2, "Needs 1 approval"), view.ActionApprove)
				w.cardSays(2, "*Done*")
				if strings.Contains(w.log.String(), "refuses us for good") {
					t.Error("the bot gave up")
				}
			})
		})
	}
}

// A connection that stands is heard at once, however often the ones before it were cut.
func TestReaderDoesNotWaitForTheNextConnection(t *testing.T) {
	t.Parallel()
	inBubble(t, newAccounts(2), func(w *world) {
		w.faults(workspace.Faults{CutHellos: 24, CutHelloAfter: 100 * time.Millisecond})
		w.slack.CutSockets()
		time.Sleep(15 * time.Minute)
		w.until("two connections stand", func() bool { return w.slack.Connections() == bot.SocketCount })
		w.command("U0CAROL", requests, "rename p0@old.example p0@new.example") // fails when it is not acknowledged in time
		w.cardSays(1, "Needs 1 approval")
	})
}

// Ready means that Slack can be worked with: a method that it holds back for long is named, and a
// Retry-After that nobody can mean is not believed.
func TestReadyNamesWhatSlackHoldsBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		asks   time.Duration
		unwell bool
	}{
		{"for a while", 2 * time.Minute, false},
		{"for long", 6 * time.Minute, true},
		{"for ever", 1 << 33 * time.Second, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, newAccounts(2), func(w *world) {
				t := w.t
				w.faults(workspace.Faults{BeforeCall: workspace.HoldBack("chat.postMessage", c.asks)})
				w.command("U0CAROL", requests, "rename p0@old.example p0@new.example")
				time.Sleep(5 * time.Second)
				err := w.bot.Ready()
				if c.unwell != (err != nil) || err != nil && !strings.Contains(err.Error(), "takes no calls of chat.postMessage until") {
					t.Errorf("ready says %v", err)
				}
				w.faults(workspace.Faults{})
				time.Sleep(20 * time.Minute)
				w.cardSays(1, "Needs 1 approval")
				if err := w.bot.Ready(); err != nil {
					t.Errorf("not ready once Slack takes calls again: %v", err)
				}
			})
		})
	}
}
