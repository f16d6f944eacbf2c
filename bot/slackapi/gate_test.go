package slackapi

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// Slack asks to wait, and gives room for one call in three seconds: however many callers wait, none
// calls too early.
func TestRetryAfterIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const each, callers = 3 * time.Second, 8
		a := New(Config{Log: zerolog.Nop()})
		var mu sync.Mutex
		var free time.Time // when Slack takes the next call
		refused, early := 0, 0
		call := func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			now := time.Now()
			if wait := free.Sub(now); wait > 0 {
				if refused++; wait < each {
					early++
				}
				return &slack.RateLimitedError{RetryAfter: wait}
			}
			free = now.Add(each)
			return nil
		}
		if err := a.call(t.Context(), "some.method", call); err != nil {
			t.Fatal(err)
		}
		if err := a.call(t.Context(), "some.method", call); err != nil { // refused once, and the others come now
			t.Fatal(err)
		}
		refused = 0
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				if err := a.call(t.Context(), "some.method", call); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if early != 0 || refused > callers {
			t.Errorf("refused %d times, of these %d within a Retry-After", refused, early)
		}
	})
}

// A caller that cannot wait as long as Slack asks is told at once.
func TestTooLongAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := New(Config{Log: zerolog.Nop()})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		begin := time.Now()
		err := a.call(ctx, "some.method", func(context.Context) error {
			return &slack.RateLimitedError{RetryAfter: time.Minute}
		})
		if err == nil || errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 0 {
			t.Errorf("ended with %v after %s", err, time.Since(begin))
		}
	})
}
