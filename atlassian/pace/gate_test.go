package pace_test

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

var (
	aRead  = pace.Call{Operation: "read permissions"}
	aWrite = pace.Call{Operation: "disable account", Write: true}
	silent = pace.ReadLimits(nil, time.Now())

	// firstGap is how long after a 429 that says nothing the first trial is made.
	firstGap = 250 * time.Millisecond

	// fast is a pace that does not slow a test down.
	fast = pace.Rate{Start: 10_000, Max: 10_000}
)

// headers returns limits as answers tell them; the window ends at reset.
func headers(limit, remaining int, reset time.Time) pace.Limits {
	h := http.Header{}
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", reset.UTC().Format(time.RFC3339Nano))
	h.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	return pace.ReadLimits(h, time.Now())
}

// retryAfter returns limits of an answer that only says when to come back.
func retryAfter(d time.Duration) pace.Limits {
	return pace.ReadLimits(http.Header{"Retry-After": {strconv.Itoa(int(d.Seconds()))}}, time.Now())
}

func testGate(t *testing.T, p pace.Rate, workers int) *pace.Gate {
	t.Helper()
	g, err := pace.New(pace.Config{Workers: workers, Rate: p})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wait waits for the gate once, and returns for how long.
func wait(t *testing.T, g *pace.Gate, call pace.Call) (pace.Ticket, time.Duration) {
	t.Helper()
	started := time.Now()
	leave, err := g.Wait(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return leave, time.Since(started)
}

func ok(g *pace.Gate, t pace.Ticket, l pace.Limits) {
	g.Done(t, pace.Answer{Status: http.StatusOK, Limits: &l})
}

func refuse(g *pace.Gate, t pace.Ticket, l pace.Limits) time.Duration {
	return g.Done(t, pace.Answer{Status: http.StatusTooManyRequests, Limits: &l})
}

// prove makes a call that gets through, so that others may leave together.
func prove(t *testing.T, g *pace.Gate, call pace.Call, l pace.Limits) {
	t.Helper()
	leave, _ := wait(t, g, call)
	ok(g, leave, l)
}

func TestGateObeys(t *testing.T) {
	now := func(remaining int, after time.Duration) func() pace.Limits {
		return func() pace.Limits { return headers(5, remaining, time.Now().Add(after)) }
	}
	for name, test := range map[string]struct {
		throttled bool
		told      func() pace.Limits
		shut      time.Duration
	}{
		"retry-after": {true, func() pace.Limits { return retryAfter(42 * time.Second) }, 42 * time.Second},
		"retry-after for a year": {
			true, func() pace.Limits { return retryAfter(365 * 24 * time.Hour) }, 25 * time.Hour,
		},
		"nothing said":            {true, func() pace.Limits { return silent }, 250 * time.Millisecond},
		"reset":                   {true, now(0, 40*time.Second), 40 * time.Second},
		"reset in an hour":        {true, now(0, time.Hour), time.Hour},
		"reset in a day":          {true, now(0, 24*time.Hour), 24 * time.Hour},
		"reset gone by":           {true, now(0, -time.Hour), 2 * time.Second},
		"reset in a year":         {true, now(0, 365*24*time.Hour), 2 * time.Second},
		"refused with some left":  {true, now(3, 40*time.Second), 250 * time.Millisecond},
		"used up by a good call":  {false, now(0, 40*time.Second), 40 * time.Second},
		"some left":               {false, now(3, 40*time.Second), 0},
		"the rest is on its way":  {false, now(2, 40*time.Second), 40 * time.Second}, // two others are in flight
		"reset gone by, all used": {false, now(0, -time.Hour), 2 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := testGate(t, fast, 8)
				prove(t, g, aRead, silent)
				leave, _ := wait(t, g, aRead)
				wait(t, g, aRead)
				wait(t, g, aRead)
				if test.throttled {
					refuse(g, leave, test.told())
				} else {
					ok(g, leave, test.told())
				}
				if shut := g.ShutFor(aRead.Operation).Round(10 * time.Millisecond); shut != test.shut {
					t.Errorf("shut for %v, want %v", shut, test.shut)
				}
				if test.throttled {
					return // the next one probes, and waits for those in flight
				}
				if _, waited := wait(t, g, aRead); waited < test.shut || waited > test.shut+time.Second {
					t.Errorf("the next waited %v, want %v", waited, test.shut)
				}
			})
		})
	}
}

// Until the first 429 the pace rises quickly, and calls that nothing delayed do not
// raise it.
func TestGateBeginsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, pace.Rate{}, 8)
		started := time.Now()
		n := 0
		for ; time.Since(started) < time.Second; n++ {
			prove(t, g, aRead, silent)
		}
		if n < 25 || n > 80 {
			t.Errorf("%d calls in the first second, want some 60 at a pace that begins with 20", n)
		}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			prove(t, g, aWrite, silent)
		}
		for _, b := range g.State().Buckets {
			if len(b.Operations) == 1 && b.Operations[0] == aWrite.Operation && b.Allowed > 22 {
				t.Errorf("10 calls a second raised the pace to %g", b.Allowed)
			}
		}
	})
}

func TestGateThrottledTogetherCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		prove(t, g, aRead, silent)
		var together []pace.Ticket
		for range 4 {
			leave, _ := wait(t, g, aRead)
			together = append(together, leave)
		}
		for _, leave := range together {
			if shut := refuse(g, leave, silent); shut != firstGap {
				t.Errorf("shut for %v, want %v", shut, firstGap)
			}
		}
		began := time.Now()
		for range 20 {
			leave, waited := wait(t, g, aRead)
			if waited < firstGap || waited > 5*time.Minute {
				t.Errorf("left after %v", waited)
			}
			refuse(g, leave, silent)
		}
		if took := time.Since(began); took < 30*time.Second {
			t.Errorf("20 trials in %v", took)
		}
	})
}

// After a 429 one call goes first; the others follow when it got through, or one by one when it is
// not heard of.
func TestGateTriesWithOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		first, _ := wait(t, g, aRead)
		var wg sync.WaitGroup
		var gone sync.Map
		for n := range 3 {
			wg.Go(func() {
				leave, waited := wait(t, g, aRead)
				gone.Store(n, waited)
				_ = leave
			})
		}
		synctest.Wait()
		if state := g.State(); state.InFlight != 1 || state.Waiting != 3 {
			t.Errorf("%d under way and %d waiting before anything is known, want 1 and 3", state.InFlight, state.Waiting)
		}
		time.Sleep(2*time.Second + time.Millisecond)
		synctest.Wait()
		if state := g.State(); state.InFlight != 2 {
			t.Errorf("%d under way when the first was not heard of, want 2", state.InFlight)
		}
		ok(g, first, silent)
		wg.Wait()
	})
}

// Calls in flight may have been counted or not: they never leave beyond what is left, and an older
// answer that comes late does not bring anything back.
func TestGateCountsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 16)
		reset := time.Now().Add(time.Minute)
		prove(t, g, aRead, headers(8, 7, reset))
		var inFlight []pace.Ticket
		for range 7 {
			leave, waited := wait(t, g, aRead)
			if waited != 0 {
				t.Fatalf("waited %v with some left", waited)
			}
			inFlight = append(inFlight, leave)
		}
		left := func() int { return g.State().Buckets[0].Left }
		if left() != 0 {
			t.Errorf("%d left with all on their way", left())
		}
		ok(g, inFlight[6], headers(8, 0, reset)) // the newest answer first
		for i, leave := range inFlight[:6] {
			ok(g, leave, headers(8, 6-i, reset))
			if left() != 0 {
				t.Fatalf("%d left after an older answer", left())
			}
		}
		if _, waited := wait(t, g, aRead); waited != time.Minute {
			t.Errorf("the ninth left after %v, want the reset", waited)
		}
	})
}

// A call that was cut may have been counted: until a later one tells, it is.
func TestGateCountsWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		reset := time.Now().Add(time.Minute)
		prove(t, g, aRead, headers(10, 2, reset))
		lost, _ := wait(t, g, aRead)
		g.Done(lost, pace.Answer{})
		if left := g.State().Buckets[0].Left; left != 1 {
			t.Errorf("%d left of 2 after a lost call, want 1", left)
		}
		prove(t, g, aRead, headers(10, 1, reset)) // it was not counted
		if left := g.State().Buckets[0].Left; left != 1 {
			t.Errorf("%d left, want the 1 that was told since", left)
		}
	})
}

// Who comes first leaves first, whichever operation, so that one call now and then does not wait
// behind others' queues.
func TestGateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, pace.Rate{Start: 10, Max: 10}, 8)
		prove(t, g, aRead, silent)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 { // as many as want to go on and on
			wg.Go(func() {
				for ctx.Err() == nil {
					leave, err := g.Wait(ctx, aRead)
					if err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
					ok(g, leave, silent)
				}
			})
		}
		for range 10 {
			time.Sleep(3 * time.Second)
			leave, waited := wait(t, g, aRead)
			ok(g, leave, silent)
			if waited > 2200*time.Millisecond { // 20 others at 10 a second
				t.Errorf("one call waited %v", waited)
			}
			leave, waited = wait(t, g, aWrite) // nobody else makes such
			ok(g, leave, silent)
			if waited > 200*time.Millisecond {
				t.Errorf("a call with nobody before it waited %v", waited)
			}
		}
		cancel()
		wg.Wait()
	})
}

// Parties take turns, however many calls each has waiting, and whichever they are.
func TestGatePartiesTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, pace.Rate{Start: 10, Max: 10}, 1)
		prove(t, g, aRead, silent)
		had := map[int64]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		busy := func(party int64, callers int) {
			for range callers {
				wg.Go(func() {
					for {
						leave, err := g.Wait(ctx, pace.Call{Operation: "read permissions", Party: party})
						if err != nil {
							return
						}
						mu.Lock()
						had[party]++
						mu.Unlock()
						ok(g, leave, silent)
					}
				})
			}
		}
		busy(1, 20)
		time.Sleep(10 * time.Second)
		busy(2, 4)
		mu.Lock()
		clear(had)
		mu.Unlock()
		time.Sleep(20*time.Second + time.Millisecond)
		mu.Lock()
		if a, b := had[1], had[2]; a+b < 195 || a-b > 3 || b-a > 3 {
			t.Errorf("%d and %d calls in 20 s, want 100 each", a, b)
		}
		mu.Unlock()
		for range 5 {
			time.Sleep(time.Second)
			leave, waited := wait(t, g, pace.Call{Operation: "read permissions", Party: 3})
			ok(g, leave, silent)
			if waited > 300*time.Millisecond { // whoever is about to leave, and one each of the others
				t.Errorf("one call waited %v", waited)
			}
		}
		cancel()
		wg.Wait()
	})
}

// A few calls of each window are left for parties that have had few of it, until the window is
// about to end; what belongs to a change that was begun is not held up by it.
func TestGateKeepsSomeForNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 // of which a twentieth is kept
		g := testGate(t, fast, 32)
		reset := time.Now().Add(time.Minute)
		var left atomic.Int64
		left.Store(limit)
		call := func(ctx context.Context, call pace.Call) error {
			ticket, err := g.Wait(ctx, call)
			if err != nil {
				return err
			}
			time.Sleep(10 * time.Millisecond)
			ok(g, ticket, headers(limit, int(left.Add(-1)), reset))
			return nil
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var gone atomic.Int64
		for range 32 {
			wg.Go(func() {
				for call(ctx, pace.Call{Operation: "read profile", Party: 1}) == nil {
					gone.Add(1)
				}
			})
		}
		time.Sleep(10 * time.Second)
		if n := gone.Load(); n != limit-limit/20-1 {
			t.Errorf("%d calls were made at once, want all but %d", n, limit/20+1)
		}
		soon := func(what string, each pace.Call) {
			began := time.Now()
			if err := call(t.Context(), each); err != nil || time.Since(began) > time.Second {
				t.Errorf("%s waited %v: %v", what, time.Since(began), err)
			}
		}
		soon("another party's first call", pace.Call{Operation: "read profile", Party: 2})
		soon("a change that was begun", pace.Call{Operation: "set email", Party: 1, Write: true})
		time.Sleep(time.Until(reset) - time.Second)
		if n := gone.Load(); n != limit-2 {
			t.Errorf("%d calls were made before the window ended, want the rest", n)
		}
		cancel()
		wg.Wait()
	})
}

// A bucket that is shut does not hold up calls that count against another limit, nor do calls that
// wait take a worker.
func TestGateShutBucketHoldsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 2)
		reset := time.Now().Add(time.Minute)
		prove(t, g, aRead, headers(5, 1, reset))
		prove(t, g, aWrite, headers(7, 6, reset))
		prove(t, g, aRead, headers(5, 0, reset))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := g.Wait(ctx, aRead); !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want the context's error", err)
				}
			})
		}
		synctest.Wait()
		if _, waited := wait(t, g, aWrite); waited != 0 {
			t.Errorf("waited %v for a limit that is not its own", waited)
		}
		cancel()
		wg.Wait()
		if state := g.State(); state.Waiting != 0 || state.InFlight != 1 {
			t.Errorf("%d waiting, %d under way after all left; want 0 and 1", state.Waiting, state.InFlight)
		}
	})
}

func TestGateWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		leave, _ := wait(t, g, aRead)
		refuse(g, leave, retryAfter(time.Hour))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if _, err := g.Wait(ctx, aRead); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
		if state := g.State(); state.Waiting != 0 {
			t.Errorf("%d waiting after it left", state.Waiting)
		}
	})
}

// Never more than the workers are in flight.
func TestGateBoundsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 3)
		prove(t, g, aRead, silent)
		first, _ := wait(t, g, aRead)
		wait(t, g, aRead)
		wait(t, g, aRead)
		var waited time.Duration
		var wg sync.WaitGroup
		wg.Go(func() { _, waited = wait(t, g, aRead) })
		time.Sleep(time.Second)
		ok(g, first, silent)
		wg.Wait()
		if waited != time.Second {
			t.Errorf("the fourth left after %v, want when the first was back", waited)
		}
	})
}
