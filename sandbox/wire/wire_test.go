package wire_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// counter is a server that counts its effects.
type counter struct {
	wire.Journal
	server  wire.Server
	faults  wire.Faults
	effects atomic.Int32
}

func newCounter(faults wire.Faults) *counter {
	c := &counter{faults: faults}
	c.server = wire.Server{
		Faults: func() wire.Faults { return c.faults },
		Answer: func(_ *http.Request, body []byte) wire.Answer {
			c.effects.Add(1)
			return wire.Answer{Status: http.StatusCreated, Body: append([]byte("done: "), body...)}
		},
		Failure: func(_ *http.Request, status int) wire.Answer {
			return wire.Answer{Status: status, Body: []byte("failed")}
		},
		Done: c.Done,
	}
	return c
}

func send(ctx context.Context, t *testing.T, through http.RoundTripper, url string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("this"))
	if err != nil {
		t.Fatal(err)
	}
	response, err := (&http.Client{Transport: through}).Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, string(text), err
}

// Whatever goes wrong, there is an effect exactly where it came in time, over a socket and without.
func TestFaults(t *testing.T) {
	always := func(fault wire.Fault) func(*http.Request) *wire.Fault {
		return func(r *http.Request) *wire.Fault {
			if body, err := io.ReadAll(r.Body); err != nil || string(body) != "this" {
				t.Errorf("the fault reads %q, %v", body, err)
			}
			return &fault
		}
	}
	late := wire.Fault{Delay: time.Millisecond}
	for name, test := range map[string]struct {
		faults  wire.Faults
		status  int // 0: no answer
		text    string
		effects int32
	}{
		"healthy":           {wire.Faults{}, http.StatusCreated, "done: this", 1},
		"dropped before":    {wire.Faults{Before: always(wire.Fault{Drop: true})}, 0, "", 0},
		"dropped after":     {wire.Faults{After: always(wire.Fault{Drop: true})}, 0, "", 1},
		"broken before":     {wire.Faults{Before: always(wire.Fault{Status: 502})}, 502, "failed", 0},
		"broken after":      {wire.Faults{After: always(wire.Fault{Status: 502, Body: "<html>"})}, 502, "<html>", 1},
		"half an answer":    {wire.Faults{After: always(wire.Fault{Half: true})}, 0, "", 1},
		"late":              {wire.Faults{Before: always(late)}, http.StatusCreated, "done: this", 1},
		"late after effect": {wire.Faults{After: always(late)}, http.StatusCreated, "done: this", 1},
	} {
		t.Run(name, func(t *testing.T) {
			for _, socket := range []bool{true, false} {
				c := newCounter(test.faults)
				through, url := wire.Transport(&c.server), "http://any.test/"
				if socket {
					server := httptest.NewServer(&c.server)
					defer server.Close()
					through, url = server.Client().Transport, server.URL
				}
				status, text, err := send(t.Context(), t, through, url)
				switch {
				case test.status == 0 && err == nil:
					t.Errorf("socket %t: answered %d %q", socket, status, text)
				case test.status != 0 && (err != nil || status != test.status || text != test.text):
					t.Errorf("socket %t: %d %q %v, want %d %q", socket, status, text, err, test.status, test.text)
				}
				if got := c.effects.Load(); got != test.effects {
					t.Errorf("socket %t: %d effects, want %d", socket, got, test.effects)
				}
				calls := c.Calls()
				if len(calls) != 1 || calls[0].Dropped != (test.status == 0) || calls[0].Status != test.status {
					t.Errorf("socket %t: calls %+v", socket, calls)
				}
			}
		})
	}
}

// A client that leaves while its request is on the way is not heard, unless the fault is deaf.
func TestClientLeaves(t *testing.T) {
	for deaf, want := range map[bool]int32{false: 0, true: 1} {
		synctest.Test(t, func(t *testing.T) {
			c := newCounter(wire.Faults{Before: func(*http.Request) *wire.Fault {
				return &wire.Fault{Delay: time.Minute, Deaf: deaf}
			}})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, _, err := send(ctx, t, wire.Transport(&c.server), "http://any.test/")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			time.Sleep(time.Hour) // fake time
			if got := c.effects.Load(); got != want {
				t.Errorf("deaf %t: %d effects, want %d", deaf, got, want)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		c := newCounter(wire.Faults{Latency: func(*http.Request) time.Duration { return time.Minute }})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, _, err := send(ctx, t, wire.Transport(&c.server), "http://any.test/"); err == nil {
			t.Error("a slow call was answered in time")
		}
		time.Sleep(time.Hour)
		if got := c.effects.Load(); got != 0 {
			t.Errorf("%d effects of a call that was left", got)
		}
	})
}

func TestJournalKeepsViolations(t *testing.T) {
	var j wire.Journal
	j.Violate("field %q", "x")
	if got := j.Violations(); len(got) != 1 || got[0] != `field "x"` {
		t.Errorf("violations %q", got)
	}
}
