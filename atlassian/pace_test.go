package atlassian

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var (
	aRead  = request{operation: opManage}
	aWrite = request{operation: opDisable, write: true}
	silent = limits{limit: -1, remaining: -1}
)

// headers are limits as answers tell them; the window ends at reset.
func headers(limit, remaining int, reset time.Time) limits {
	return limits{limit: limit, remaining: remaining, reset: reset, stamp: reset.Round(0)}
}

func testGate(t *testing.T, p Pace, workers int) *gate {
	t.Helper()
	g, err := newGate(p, workers)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// go1 waits for the gate once and says how long that took.
func go1(t *testing.T, g *gate, call request) (ticket, time.Duration) {
	t.Helper()
	started := time.Now()
	leave, err := g.wait(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return leave, time.Since(started)
}

func (g *gate) ok(t ticket, l limits) {
	g.done(t, ending{http.StatusOK, &l})
}

func (g *gate) refuse(t ticket, l limits) time.Duration {
	return g.done(t, ending{http.StatusTooManyRequests, &l})
}

// proven makes a call that gets through, so that others may leave together.
func (g *gate) proven(t *testing.T, call request, l limits) {
	t.Helper()
	leave, _ := go1(t, g, call)
	g.ok(leave, l)
}

func TestGateObeys(t *testing.T) {
	now := func(remaining int, after time.Duration) func() limits {
		return func() limits { return headers(5, remaining, time.Now().Add(after)) }
	}
	for name, test := range map[string]struct {
		throttled bool
		told      func() limits
		shut      time.Duration
	}{
		"retry-after": {true, func() limits { return limits{limit: -1, remaining: -1, retry: 42 * time.Second} }, 42 * time.Second},
		"retry-after for a year": {
			true, func() limits { return limits{limit: -1, remaining: -1, retry: 365 * 24 * time.Hour} }, maxShut,
		},
		"nothing said":            {true, func() limits { return silent }, firstShut},
		"reset":                   {true, now(0, 40*time.Second), 40 * time.Second},
		"reset gone by":           {true, now(0, -time.Hour), firstShut},
		"reset in a year":         {true, now(0, 365*24*time.Hour), maxShut},
		"refused with some left":  {true, now(3, 40*time.Second), firstShut},
		"used up by a good call":  {false, now(0, 40*time.Second), 40 * time.Second},
		"some left":               {false, now(3, 40*time.Second), 0},
		"the rest is on its way":  {false, now(2, 40*time.Second), 40 * time.Second}, // two others are flying
		"reset gone by, all used": {false, now(0, -time.Hour), 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := testGate(t, fast, 8)
				g.buckets[0].trial = false
				leave, _ := go1(t, g, aRead)
				go1(t, g, aRead)
				go1(t, g, aRead)
				if test.throttled {
					g.refuse(leave, test.told())
				} else {
					g.ok(leave, test.told())
				}
				if shut := g.shutFor(aRead.operation); shut != test.shut {
					t.Errorf("shut for %v, want %v", shut, test.shut)
				}
				if test.throttled {
					return // the next is a trial, which waits for those under way
				}
				if _, waited := go1(t, g, aRead); waited < test.shut || waited > test.shut+time.Second {
					t.Errorf("the next waited %v, want %v", waited, test.shut)
				}
			})
		})
	}
}

// Until the first 429 the pace doubles about every second, and calls that nothing held back do not raise it.
func TestGateBeginsSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Pace{}, 8)
		started := time.Now()
		n := 0
		for ; time.Since(started) < time.Second; n++ {
			g.proven(t, aRead, silent)
		}
		if n < 25 || n > 40 {
			t.Errorf("%d calls in the first second, want some 30 at a pace that begins with 20", n)
		}
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			g.proven(t, aWrite, silent)
		}
		for _, b := range g.state().Buckets {
			if len(b.Operations) == 1 && b.Operations[0] == aWrite.operation && b.Allowed > paceStart+2 {
				t.Errorf("10 calls a second raised the pace to %g", b.Allowed)
			}
		}
	})
}

func TestGateThrottledTogetherCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		g.proven(t, aRead, silent)
		var together []ticket
		for range 4 {
			leave, _ := go1(t, g, aRead)
			together = append(together, leave)
		}
		for _, leave := range together {
			if shut := g.refuse(leave, silent); shut != firstShut {
				t.Errorf("shut for %v, want %v", shut, firstShut)
			}
		}
		leave, waited := go1(t, g, aRead)
		if waited != firstShut {
			t.Errorf("left after %v, while shut for %v", waited, firstShut)
		}
		if shut := g.refuse(leave, silent); shut != 2*firstShut {
			t.Errorf("shut for %v after the second 429 in a row, want %v", shut, 2*firstShut)
		}
	})
}

// After a 429 one call goes first; the others follow when it got through, or one by one when it is not heard of.
func TestGateTriesWithOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		first, _ := go1(t, g, aRead)
		var wg sync.WaitGroup
		var gone sync.Map
		for n := range 3 {
			wg.Go(func() {
				leave, waited := go1(t, g, aRead)
				gone.Store(n, waited)
				_ = leave
			})
		}
		synctest.Wait()
		if state := g.state(); state.Flying != 1 || state.Waiting != 3 {
			t.Errorf("%d under way and %d waiting before anything is known, want 1 and 3", state.Flying, state.Waiting)
		}
		time.Sleep(trialPatience + time.Millisecond)
		synctest.Wait()
		if state := g.state(); state.Flying != 2 {
			t.Errorf("%d under way when the first was not heard of, want 2", state.Flying)
		}
		g.ok(first, silent)
		wg.Wait()
	})
}

// Calls under way may have been counted or not: they never leave beyond what is left, and an older answer that comes late
// does not bring anything back.
func TestGateCountsWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 16)
		reset := time.Now().Add(time.Minute)
		g.proven(t, aRead, headers(10, 9, reset))
		var flying []ticket
		for range 9 {
			leave, waited := go1(t, g, aRead)
			if waited != 0 {
				t.Fatalf("waited %v with some left", waited)
			}
			flying = append(flying, leave)
		}
		left := func() int { return g.state().Buckets[0].Left }
		if left() != 0 {
			t.Errorf("%d left with all on their way", left())
		}
		g.ok(flying[8], headers(10, 0, reset)) // the newest answer first
		for i, leave := range flying[:8] {
			g.ok(leave, headers(10, 8-i, reset))
			if left() != 0 {
				t.Fatalf("%d left after an older answer", left())
			}
		}
		if _, waited := go1(t, g, aRead); waited != time.Minute {
			t.Errorf("the eleventh left after %v, want the reset", waited)
		}
	})
}

// A call that was cut may have been counted: until a later one tells, it is.
func TestGateCountsWhatWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		reset := time.Now().Add(time.Minute)
		g.proven(t, aRead, headers(10, 2, reset))
		lost, _ := go1(t, g, aRead)
		g.done(lost, ending{})
		if left := g.state().Buckets[0].Left; left != 1 {
			t.Errorf("%d left of 2 after a lost call, want 1", left)
		}
		g.proven(t, aRead, headers(10, 1, reset)) // it was not counted
		if left := g.state().Buckets[0].Left; left != 1 {
			t.Errorf("%d left, want the 1 that was told since", left)
		}
	})
}

// Who comes first leaves first, whichever operation, so that one call now and then does not wait behind others' queues.
func TestGateIsFair(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Pace{Start: 10, Max: 10}, 8)
		g.proven(t, aRead, silent)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 20 { // as many as want to go on and on
			wg.Go(func() {
				for ctx.Err() == nil {
					leave, err := g.wait(ctx, aRead)
					if err != nil {
						return
					}
					time.Sleep(50 * time.Millisecond)
					g.ok(leave, silent)
				}
			})
		}
		for range 10 {
			time.Sleep(3 * time.Second)
			leave, waited := go1(t, g, aRead)
			g.ok(leave, silent)
			if waited > 2200*time.Millisecond { // 20 others at 10 a second
				t.Errorf("one call waited %v", waited)
			}
			leave, waited = go1(t, g, aWrite) // nobody else makes such
			g.ok(leave, silent)
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
		g := testGate(t, Pace{Start: 10, Max: 10}, 1)
		g.proven(t, aRead, silent)
		had := map[int64]int{}
		var mu sync.Mutex
		var wg sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		busy := func(party int64, callers int) {
			for range callers {
				wg.Go(func() {
					for {
						leave, err := g.wait(ctx, request{operation: opManage, party: party})
						if err != nil {
							return
						}
						mu.Lock()
						had[party]++
						mu.Unlock()
						g.ok(leave, silent)
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
			leave, waited := go1(t, g, request{operation: opManage, party: 3})
			g.ok(leave, silent)
			if waited > 300*time.Millisecond { // whoever is about to leave, and one each of the others
				t.Errorf("one call waited %v", waited)
			}
		}
		cancel()
		wg.Wait()
	})
}

// A few calls of each window are left for parties that have had few of it, until the window is about to end; what belongs
// to a change that was begun is not held up by it.
func TestGateKeepsSomeForNewcomers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 // of which a twentieth is kept
		g := testGate(t, fast, 200)
		reset := time.Now().Add(time.Minute)
		first, _ := go1(t, g, request{operation: opProfile, party: 1})
		g.ok(first, headers(limit, limit-1, reset))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var gone atomic.Int64
		for range 150 {
			wg.Go(func() {
				if _, err := g.wait(ctx, request{operation: opProfile, party: 1}); err == nil {
					gone.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := gone.Load(); n != limit-1-limit/newPart-1 {
			t.Errorf("%d calls left at once, want all but %d", n, limit/newPart+1)
		}
		if _, waited := go1(t, g, request{operation: opProfile, party: 2}); waited > time.Second {
			t.Errorf("another party's first call waited %v", waited)
		}
		if _, waited := go1(t, g, request{operation: opSetEmail, party: 1, write: true}); waited > time.Second {
			t.Errorf("a change that was begun waited %v", waited)
		}
		time.Sleep(time.Until(reset) - newEnd + time.Millisecond)
		synctest.Wait()
		if n := gone.Load(); n != limit-3 {
			t.Errorf("%d calls left before the window ended, want the rest", n)
		}
		cancel()
		wg.Wait()
	})
}

// A bucket that is shut does not hold up calls that count against another limit, nor do calls that wait take a worker.
func TestGateShutBucketHoldsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 2)
		reset := time.Now().Add(time.Minute)
		g.proven(t, aRead, headers(5, 1, reset))
		g.proven(t, aWrite, headers(7, 6, reset))
		g.proven(t, aRead, headers(5, 0, reset))
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if _, err := g.wait(ctx, aRead); !errors.Is(err, context.Canceled) {
					t.Errorf("%v, want the context's error", err)
				}
			})
		}
		synctest.Wait()
		if _, waited := go1(t, g, aWrite); waited != 0 {
			t.Errorf("waited %v for a limit that is not its own", waited)
		}
		cancel()
		wg.Wait()
		if state := g.state(); state.Waiting != 0 || state.Flying != 1 {
			t.Errorf("%d waiting, %d under way after all left; want 0 and 1", state.Waiting, state.Flying)
		}
	})
}

func TestGateWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		leave, _ := go1(t, g, aRead)
		g.refuse(leave, limits{limit: -1, remaining: -1, retry: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if _, err := g.wait(ctx, aRead); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
		if state := g.state(); state.Waiting != 0 {
			t.Errorf("%d waiting after it left", state.Waiting)
		}
	})
}

// Never more than the workers are under way.
func TestGateBoundsWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 3)
		g.proven(t, aRead, silent)
		first, _ := go1(t, g, aRead)
		go1(t, g, aRead)
		go1(t, g, aRead)
		var waited time.Duration
		var wg sync.WaitGroup
		wg.Go(func() { _, waited = go1(t, g, aRead) })
		time.Sleep(time.Second)
		g.ok(first, silent)
		wg.Wait()
		if waited != time.Second {
			t.Errorf("the fourth left after %v, want when the first was back", waited)
		}
	})
}
