package slackapi

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack/socketmode"
)

const (
	// retryName is the name under which it is remembered when Slack takes calls again, so that a
	// restart does not call too early.
	retryName = "slack/retry_after"
	// retryMost is how long a Retry-After is believed: it is of seconds, at most some minutes. After
	// that one call finds out whether Slack still means it.
	retryMost     = 15 * time.Minute
	memoryTimeout = 2 * time.Second

	openSocket = "apps.connections.open" // called by slack-go itself
)

// retryAfter notes that Slack asks to wait with a method, and keeps that over a restart.
func (c *Client) retryAfter(ctx context.Context, method string, wait time.Duration) {
	c.recall(ctx) // what was noted before must not be lost by this note
	if wait > retryMost {
		c.log.Warn().Str("host", c.host).Str("method", method).Dur("asked", wait).Dur("waits", retryMost).
			Msg("Slack asks to wait absurdly long; trying again sooner")
		wait = retryMost
	}
	c.gate(method).throttle(wait)
	if c.memory == nil || wait <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
	defer cancel()
	c.noting.Lock()
	defer c.noting.Unlock()
	raw, err := json.Marshal(c.retryTimes())
	if err == nil {
		err = c.memory.Remember(ctx, retryName, raw)
	}
	if err != nil {
		c.log.Warn().Err(err).Msg("note that Slack asks to wait")
	}
}

// retryTimes are the methods that Slack takes no calls of, and until when.
func (c *Client) retryTimes() map[string]time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]time.Time{}
	for method, g := range c.gates {
		if wait, _ := g.retryAfter(); wait > 0 {
			out[method] = time.Now().Add(wait).UTC()
		}
	}
	return out
}

// recall takes up what Slack asked for before a restart, once. A note that cannot be read is none.
func (c *Client) recall(ctx context.Context) {
	if c.memory == nil {
		return
	}
	c.recalled.Do(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memoryTimeout)
		defer cancel()
		raw, err := c.memory.Recall(ctx, retryName)
		noted := map[string]time.Time{}
		if err == nil && raw != nil {
			err = json.Unmarshal(raw, &noted)
		}
		if err != nil {
			c.log.Warn().Err(err).Msg("recall whether Slack asks to wait")
		}
		for method, until := range noted {
			if wait := time.Until(until); wait > 0 && wait <= retryMost {
				c.gate(method).throttle(wait)
			}
		}
	})
}

// Socket makes a client of Socket Mode. It opens no connection before SocketAllowed; what Slack
// answers, whoever runs it says by SocketThrottled and SocketOpened.
func (c *Client) Socket(options ...socketmode.Option) *socketmode.Client {
	if c.dial != nil {
		dialer := websocket.Dialer{NetDialContext: c.dial, HandshakeTimeout: callTimeout}
		options = append(options, socketmode.OptionDialer(&dialer))
	}
	return socketmode.New(c.opener, options...)
}

// opening is the HTTP client that slack-go opens connections by. slack-go opens the next one by
// itself, in the moment in which one is lost; whoever runs it is given that moment to end the run, for
// what Slack answers to a call that is cut short is not known.
type opening struct{ c *Client }

const openPause = 20 * time.Millisecond

func (o opening) Do(req *http.Request) (*http.Response, error) {
	if err := sleep(req.Context(), openPause); err != nil {
		return nil, err
	}
	if err := o.c.SocketAllowed(req.Context()); err != nil {
		return nil, err
	}
	return o.c.http.Do(req)
}

// SocketAllowed waits until Slack lets us open a connection, or ctx ends.
func (c *Client) SocketAllowed(ctx context.Context) error {
	c.recall(ctx)
	for {
		wait, _ := c.gate(openSocket).retryAfter()
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// SocketThrottled notes that Slack asks to wait before another connection is opened.
func (c *Client) SocketThrottled(ctx context.Context, wait time.Duration) {
	c.retryAfter(ctx, openSocket, wait)
}

// SocketHeld is how long Slack lets us open no connection, 0 when it does.
func (c *Client) SocketHeld() time.Duration {
	wait, _ := c.gate(openSocket).retryAfter()
	return max(wait, 0)
}

// SocketOpened notes that Slack let us open a connection.
func (c *Client) SocketOpened() { c.gate(openSocket).answered() }

// Memory keeps a little over a restart, by name.
type Memory interface {
	Remember(ctx context.Context, name string, value []byte) error
	Recall(ctx context.Context, name string) ([]byte, error) // nil when there is nothing of that name
}

// Hold is a method that Slack takes no calls of.
type Hold struct {
	Method string
	Since  time.Time // of the first refusal
	Until  time.Time // when Slack takes calls again, as far as it has said
}

// Held gives the methods that Slack holds back for longer than that, by name.
func (c *Client) Held(longer time.Duration) []Hold {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out []Hold
	for method, g := range c.gates {
		if since, until, held := g.held(); held && until.Sub(since) > longer {
			out = append(out, Hold{method, since, until})
		}
	}
	slices.SortFunc(out, func(a, b Hold) int { return strings.Compare(a.Method, b.Method) })
	return out
}
