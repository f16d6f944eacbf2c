package bot

import (
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/slackapi"
)

// idle takes nothing.
type idle struct{}

func (idle) decode(string, json.RawMessage) envelope { return idle{} }
func (idle) room() bool                              { return true }
func (idle) answer() (any, bool)                     { return nil, false }
func (idle) asks() bool                              { return false }
func (idle) ask(func(any))                           {}
func (idle) receive()                                {}
func (idle) busy() bool                              { return true }
func (idle) connected()                              {}
func (idle) catchUp()                                {}

// While nobody answers, a connection is tried again after againAfter at the latest: a person who
// clicks after an outage is to be heard. An answer with a refusal leaves the waiting to slack-go.
func TestReconnectAfterOutage(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		answer      http.HandlerFunc
		least, most int64 // tries of both connections in a second
	}{
		{"nobody answers", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 20, 100},
		{"out of service", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) }, 20, 100},
		{"refused for now", func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(`{"ok":false,"error":"internal_error"}`))
		}, 2, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var tries atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				tries.Add(1)
				c.answer(w, r)
			}))
			defer server.Close()
			client := slackapi.New(slackapi.Config{Token: "xoxb-", AppToken: "xapp-", URL: server.URL, Log: zerolog.Nop()})
			s := newSockets(client, idle{}, 20*time.Millisecond, zerolog.Nop())
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.run(ctx, func(error) {})
			if n := tries.Load(); n < c.least || n > c.most {
				t.Errorf("%d tries in a second, want %d to %d", n, c.least, c.most)
			}
		})
	}
}

// Without any connection we are not ready after a quarter of a minute.
func TestReadyGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &connection{}
		s := &sockets{slack: slackapi.New(slackapi.Config{}), connections: []*connection{l}}
		l.setUp()
		l.setDown()
		time.Sleep(14 * time.Second)
		if err := s.readyNow(); err != nil {
			t.Errorf("not ready after 14 s: %v", err)
		}
		time.Sleep(2 * time.Second)
		if s.readyNow() == nil {
			t.Error("ready after 16 s without a connection")
		}
	})
}

// Sockets that Slack closes soon after they stand make nobody ready, however the short lives of two
// connections fall: that one stands, or stood a moment ago, says nothing then.
func TestShortLivesAreNotReady(t *testing.T) {
	for apart := time.Second; apart < shortWaitMax; apart += time.Second {
		synctest.Test(t, func(t *testing.T) {
			l := []*connection{{}, {}}
			s := &sockets{slack: slackapi.New(slackapi.Config{}), connections: l}
			ready := func(now string) {
				if err := s.readyNow(); err == nil || !strings.Contains(err.Error(), closedAtOnce) {
					t.Fatalf("sockets %s apart, %s: health says %v, want %q", apart, now, err, closedAtOnce)
				}
			}
			for i := range 2 * shortLives {
				for which, wait := range []time.Duration{apart, shortWaitMax - apart} {
					l[which].setUp()
					if i >= shortLives {
						ready("while one stands")
					}
					time.Sleep(wait / 100)
					l[which].setDown()
					time.Sleep(wait - wait/100 - time.Millisecond)
					if i >= shortLives {
						ready("between two")
					}
				}
			}
			l[0].setUp()
			time.Sleep(shortLife)
			if err := s.readyNow(); err != nil {
				t.Fatalf("not ready with a socket that lives: %v", err)
			}
		})
	}
}

// Without any connection for a while, Slack may have had something to say.
func TestDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sockets{connections: []*connection{{}, {}}}
		if d := s.deafFor(); d != math.MaxInt64 {
			t.Errorf("before the first connection: %s", d)
		}
		for _, l := range s.connections {
			l.setUp()
		}
		s.connections[0].setDown()
		time.Sleep(time.Minute)
		if d := s.deafFor(); d != 0 {
			t.Errorf("with one connection: %s", d)
		}
		s.connections[1].setDown()
		time.Sleep(time.Second)
		if d := s.deafFor(); d != time.Second {
			t.Errorf("a second after the last: %s", d)
		}
	})
}

// Connections that Slack closes at once are made again with growing waits, for ever; it is said what
// may be behind it, and a long life makes up for the short ones.
func TestShortLives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &connection{}
		if wait := l.setDown(); wait != 0 {
			t.Errorf("the first connection waits for %s", wait)
		}
		for i := range 100 {
			l.setUp()
			if wait := l.setDown(); wait <= 0 || wait > shortWaitMax {
				t.Errorf("connection %d waits for %s", i, wait)
			}
			if said := l.trouble != ""; said != (i+1 >= shortLives) {
				t.Errorf("after %d connections it is said that they are closed: %v", i+1, said)
			}
		}
		l.setUp()
		time.Sleep(shortLife)
		if wait := l.setDown(); wait != 0 || l.trouble != "" {
			t.Errorf("a long life does not make up for the short ones: waits for %s, %q", wait, l.trouble)
		}
	})
}
