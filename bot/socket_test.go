package bot

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// idle takes nothing.
type idle struct{}

func (idle) room(string) bool                   { return true }
func (idle) answer(string, json.RawMessage) any { return nil }
func (idle) receive(string, json.RawMessage)    {}
func (idle) busy(string, json.RawMessage)       {}

// While nobody answers, a connection is tried again after againAfter at the latest: a person who clicks after an outage is
// to be heard. An answer with a refusal leaves the waiting to slack-go.
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
			client := slack.New("xoxb-", slack.OptionAppLevelToken("xapp-"), slack.OptionAPIURL(server.URL+"/"))
			s := newSockets(client, nil, zerolog.Nop(), idle{})
			s.again = 20 * time.Millisecond
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			s.run(ctx)
			if n := tries.Load(); n < c.least || n > c.most {
				t.Errorf("%d tries in a second, want %d to %d", n, c.least, c.most)
			}
		})
	}
}
