package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// load is a run of renames as the workflow makes them, two readings and a change each, against a
// limit.
type load struct {
	limit   organisation.RateLimit
	latency time.Duration
	workers int
	changes int
	reads   bool // readings alone, one for each change
}

// outcome is how a load went, in the bubble's time.
type outcome struct {
	wall      time.Duration
	floor     time.Duration
	calls     int
	throttled int
	ended     pace.State
}

func (o outcome) ratio() float64 { return o.wall.Seconds() / o.floor.Seconds() }

// perThousand returns how many 429s came for each 1,000 calls.
func (o outcome) perThousand() float64 { return 1000 * float64(o.throttled) / float64(o.calls) }

func (o outcome) String() string {
	return fmt.Sprintf("%v for a floor of %v (%.3f), %d calls, %d of them 429 (%.1f per 1,000)",
		o.wall, o.floor, o.ratio(), o.calls, o.throttled, o.perThousand())
}

// carry runs the load in the present bubble, which begins with a minute of the clock.
func (l load) carry(tb testing.TB, o *organisation.Organisation) outcome {
	tb.Helper()
	o.SetLimit(l.limit)
	o.SetFaults(organisation.Faults{Latency: func(*http.Request) time.Duration { return l.latency }})
	var throttles atomic.Int64
	var mu sync.Mutex
	through := map[string]int{}
	w := newEnv(tb, o, "http://atlassian.test", func(c *atlassian.Config) {
		c.HTTP = &http.Client{Transport: o.Transport()}
		c.Workers, c.Pace = l.workers, pace.Rate{}
		c.OnCall = func(c atlassian.Call) {
			if c.Status == http.StatusTooManyRequests {
				throttles.Add(1)
				return
			}
			mu.Lock()
			through[c.Operation]++
			mu.Unlock()
		}
	})
	defer w.client.Close()
	began := time.Now()
	l.work(tb, w.directory)
	out := outcome{wall: time.Since(began), throttled: int(throttles.Load()), ended: w.client.Gate()}
	out.calls = out.throttled
	for _, n := range through {
		out.calls += n
	}
	out.floor = l.floor(through)
	return out
}

func (l load) work(tb testing.TB, d *atlassian.Directory) {
	rows := make(chan int)
	var wg sync.WaitGroup
	for range l.workers {
		wg.Go(func() {
			for n := range rows {
				if err := l.change(tb, d, n); err != nil {
					tb.Errorf("row %d: %v", n, err)
				}
			}
		})
	}
	for n := range l.changes {
		rows <- n + 1
	}
	close(rows)
	wg.Wait()
}

// change reads, changes and reads again; when the change did not leave or was throttled, from the
// start.
func (l load) change(tb testing.TB, d *atlassian.Directory, n int) error {
	for {
		if _, err := d.Account(tb.Context(), personID(n)); err != nil || l.reads {
			return err
		}
		err := d.SetEmail(tb.Context(), personID(n), fmt.Sprintf("new.%d@example.com", n))
		var again workflow.RetryAfter
		if errors.As(err, &again) {
			if err := sleep(tb.Context(), again.RetryAfter()); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		_, err = d.Account(tb.Context(), personID(n))
		return err
	}
}

// floor returns what a client needs that knows the limit and has no latency but that of its
// workers: every window is used up as soon as it begins.
func (l load) floor(through map[string]int) time.Duration {
	all, most := 0, 0
	for _, n := range through {
		all += n
		most = max(most, n)
	}
	if l.limit.Shared {
		most = all
	}
	floor := time.Duration(all) * l.latency / time.Duration(l.workers)
	if n := l.limit.PerMinute; n > 0 {
		floor = max(floor, time.Duration((most-1)/n)*time.Minute)
	}
	if n := l.limit.Burst; n > 0 {
		floor = max(floor, time.Duration((most-1)/n)*time.Second)
	}
	return floor
}

// sleep waits, or returns the context's error as soon as it ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
