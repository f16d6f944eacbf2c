package workspace_test

import (
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

func TestTwoConnectionsShareEnvelopes(t *testing.T) {
	w := start(t, workspace.Config{})
	var mu sync.Mutex
	got := map[string]int{}
	count := func(name string) func(*socketmode.Client, socketmode.Event) {
		return func(c *socketmode.Client, evt socketmode.Event) {
			mu.Lock()
			got[name]++
			mu.Unlock()
			ack(c, evt)
		}
	}
	connect(t, w, count("first"))
	connect(t, w, count("second"))
	for range 40 {
		if err := w.Command(t.Context(), alice, requests, "help"); err != nil {
			t.Fatal(err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if got["first"] == 0 || got["second"] == 0 || got["first"]+got["second"] != 40 {
		t.Errorf("envelopes went to %v, want 40 in all, some to each", got)
	}
	noViolations(t, w)
}

func TestRefreshLeadsToANewConnection(t *testing.T) {
	for _, reason := range []string{"warning", "refresh_requested"} {
		t.Run(reason, func(t *testing.T) {
			w := start(t, workspace.Config{})
			a := connect(t, w, ack)
			w.Disconnect(reason)
			a.next(t, socketmode.EventTypeHello)
			if err := w.Command(t.Context(), alice, requests, "help"); err != nil {
				t.Errorf("command after the refresh: %v", err)
			}
		})
	}
}

func TestCutSocketsAreOpenedAgain(t *testing.T) {
	for name, cut := range map[string]func(*workspace.Workspace){
		"between frames": (*workspace.Workspace).CutSockets, "mid frame": (*workspace.Workspace).CutSocketsMidFrame,
	} {
		t.Run(name, func(t *testing.T) {
			w := start(t, workspace.Config{})
			a := connect(t, w, ack)
			cut(w)
			a.next(t, socketmode.EventTypeHello)
		})
	}
}

func TestUndecodableEnvelopeCanBeAcknowledged(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, nil)
	result := make(chan error, 1)
	go func() { result <- w.SendRaw([]byte(`{"envelope_id":"odd-1","type":"unheard_of","payload":"text"}`)) }()
	a.next(t, socketmode.EventTypeErrorBadMessage)
	if err := a.Send(socketmode.Response{EnvelopeID: "odd-1"}); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Errorf("raw envelope: %v, want it acknowledged", err)
	}
}

// dial opens a socket without a client, to send what a client would not.
func dial(t *testing.T, w *workspace.Workspace) *websocket.Conn {
	t.Helper()
	_, address, err := slack.New("", slack.OptionAPIURL(w.BaseURL()+"/api/"),
		slack.OptionAppLevelToken(w.AppToken())).StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	t.Cleanup(func() { _ = conn.Close() })
	var hello struct {
		Type  string `json:"type"`
		Count int    `json:"num_connections"`
	}
	if err := conn.ReadJSON(&hello); err != nil || hello.Type != "hello" || hello.Count != 1 {
		t.Fatalf("first frame %+v, %v, want the hello", hello, err)
	}
	return conn
}

func TestAcknowledgementsThatDoNotCount(t *testing.T) {
	for rule, answer := range map[string]func(id string) any{
		"ack_too_large": func(id string) any {
			return map[string]any{"envelope_id": id, "payload": strings.Repeat("x", 20_000)}
		},
		"unknown_envelope": func(string) any { return map[string]any{"envelope_id": "someone-else"} },
		"invalid_ack":      func(string) any { return []string{"no"} },
		"payload_not_accepted": func(id string) any {
			return map[string]any{"envelope_id": id, "payload": map[string]any{"text": "x"}}
		},
	} {
		t.Run(rule, func(t *testing.T) {
			w := start(t, workspace.Config{})
			w.SetFaults(workspace.Faults{RedeliveryDelays: []time.Duration{}})
			conn := dial(t, w)
			said := make(chan struct{})
			go func() {
				defer close(said)
				_, _ = w.Say(t.Context(), alice, requests, "", "hello")
			}()
			var envelope struct {
				ID      string `json:"envelope_id"`
				Accepts *bool  `json:"accepts_response_payload"`
				Retry   *int   `json:"retry_attempt"`
			}
			if err := conn.ReadJSON(&envelope); err != nil || envelope.Accepts == nil || *envelope.Accepts || envelope.Retry == nil {
				t.Fatalf("envelope %+v, %v, want an event that accepts no payload", envelope, err)
			}
			if err := conn.WriteJSON(answer(envelope.ID)); err != nil {
				t.Fatal(err)
			}
			waitFor(t, w, func() bool { return len(w.Violations()) > 0 })
			if got := w.Violations()[0].Rule; got != rule {
				t.Errorf("violation %q, want %q", got, rule)
			}
			if err := conn.WriteJSON(map[string]any{"envelope_id": envelope.ID}); err != nil {
				t.Fatal(err)
			}
			<-said
		})
	}
}

func TestTicketsOpenOneConnection(t *testing.T) {
	w := start(t, workspace.Config{})
	_, address, err := client(w).StartSocketModeContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false} {
		conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
		if (err == nil) != want {
			t.Errorf("dial: %v, want success %t", err, want)
		}
		if response != nil {
			_ = response.Body.Close()
		}
		if conn != nil {
			defer func() { _ = conn.Close() }()
		}
	}
}

func TestEleventhConnectionIsSentAway(t *testing.T) {
	w := start(t, workspace.Config{})
	for n := range 11 {
		_, address, err := client(w).StartSocketModeContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, response, err := websocket.DefaultDialer.DialContext(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		defer func() { _ = conn.Close() }()
		var frame struct{ Type, Reason string }
		if err := conn.ReadJSON(&frame); err != nil {
			t.Fatal(err)
		}
		if want := map[bool]string{true: "hello", false: "disconnect"}[n < 10]; frame.Type != want {
			t.Errorf("connection %d begins with %+v, want %s", n+1, frame, want)
		}
	}
}

func TestAppTokenRules(t *testing.T) {
	w := start(t, workspace.Config{})
	for name, test := range map[string]struct{ header, form, want string }{
		"in the header":   {header: w.AppToken()},
		"in the form":     {form: w.AppToken(), want: "not_authed"},
		"none":            {want: "not_authed"},
		"wrong":           {header: "xapp-other", want: "invalid_auth"},
		"the bot's token": {header: w.BotToken(), want: "not_allowed_token_type"},
	} {
		t.Run(name, func(t *testing.T) {
			form := url.Values{}
			if test.form != "" {
				form.Set("token", test.form)
			}
			reply := post(t, w, "apps.connections.open", test.header, form)
			if reply.Error != test.want {
				t.Errorf("answer %q, want %q", reply.Error, test.want)
			}
		})
	}
}

func TestRevokedTokenStopsTheAPI(t *testing.T) {
	w := start(t, workspace.Config{})
	w.RevokeBotToken()
	if _, err := client(w).AuthTestContext(t.Context()); slackCode(err) != "token_revoked" {
		t.Errorf("auth.test: %v, want token_revoked", err)
	}
}

func TestMissedClickIsShown(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false), card("42:abc"))
		if err != nil {
			t.Fatal(err)
		}
		_, address, err := api.StartSocketModeContext(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		conn, response, err := dialer.DialContext(t.Context(), address, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		envelopes := make(chan string, 10)
		go func() {
			defer close(envelopes)
			for {
				var envelope struct{ Type string }
				if conn.ReadJSON(&envelope) != nil {
					return
				}
				envelopes <- envelope.Type
			}
		}()
		<-envelopes // the hello
		if err := w.Click(t.Context(), alice, requests, ts, "approve", ""); !errors.Is(err, workspace.ErrTimeout) {
			t.Errorf("click: %v, want operation_timeout", err)
		}
		if err := w.Command(t.Context(), alice, requests, "help"); !errors.Is(err, workspace.ErrDispatchFailed) {
			t.Errorf("command: %v, want dispatch_failed", err)
		}
		time.Sleep(10 * time.Minute) // fake time: nothing of this is sent again
		_ = conn.Close()
		var got []string
		for kind := range envelopes {
			if kind != "events_api" { // the app's own post
				got = append(got, kind)
			}
		}
		if len(got) != 2 {
			t.Errorf("envelopes %v, want the click and the command once each", got)
		}
	})
}
