package slackapi

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// notes is a memory that outlives what is kept in variables.
type notes struct {
	mu sync.Mutex
	by map[string][]byte
}

func (n *notes) Remember(_ context.Context, name string, value []byte) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.by[name] = value
	return nil
}

func (n *notes) Recall(_ context.Context, name string) ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.by[name], nil
}

// Slack's Retry-After is kept over restarts: the first call of the next life does not come too
// early, and other methods do not wait for it.
func TestRetryAfterOutlivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := &notes{by: map[string][]byte{}}
		start := func() *Client {
			return New(Config{Memory: memory, Log: zerolog.Nop()})
		}
		first, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := start().call(first, "conversations.info", func(context.Context) error {
			return &slack.RateLimitedError{RetryAfter: 30 * time.Second}
		})
		if err == nil {
			t.Fatal("a refused call succeeded")
		}
		start().SocketThrottled(t.Context(), 10*time.Second) // what slack-go was told
		begin := time.Now()
		a := start() // the third life
		call := func(method string) time.Duration {
			if err := a.call(t.Context(), method, func(context.Context) error { return nil }); err != nil {
				t.Error(err)
			}
			return time.Since(begin)
		}
		if took := call("chat.update"); took != 0 {
			t.Errorf("another method waited for %s", took)
		}
		if err := a.SocketAllowed(t.Context()); err != nil || time.Since(begin) != 10*time.Second {
			t.Errorf("the socket was opened after %s, %v; want 10s", time.Since(begin), err)
		}
		if took := call("conversations.info"); took != 30*time.Second {
			t.Errorf("called after %s, want 30s", took)
		}
		begin = time.Now()
		a = start()
		if took := call("conversations.info"); took != 0 {
			t.Errorf("called after %s, though nothing is asked for any more", took)
		}
		memory.by[retryName] = []byte(`{"conversations.info": "2999-01-01T00:00:00Z", "x": "nonsense"}`)
		if a = start(); call("conversations.info") != 0 {
			t.Error("a damaged note holds calls up")
		}
	})
}
