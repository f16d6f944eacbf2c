package atlassian

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func testGate(t *testing.T, p Pace) *gate {
	t.Helper()
	g, err := newGate(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// go1 waits for the gate once and says how long that took.
func go1(t *testing.T, g *gate) (ticket, time.Duration) {
	t.Helper()
	started := time.Now()
	leave, err := g.wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return leave, time.Since(started)
}

func TestGatePace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Pace{})
		started := time.Now()
		for range 101 {
			leave, _ := go1(t, g)
			g.done(leave, false, nil) // without an answer nothing is learned
		}
		if took := time.Since(started); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
			t.Errorf("101 calls took %v, want 5s at the pace it begins with", took)
		}
		for range 3000 {
			leave, _ := go1(t, g)
			g.done(leave, false, &limits{limit: -1, remaining: -1})
		}
		if got := g.state().PerSecond; got != paceMax {
			t.Errorf("pace is %g after 3000 good calls, want %g", got, paceMax)
		}
	})
}

func TestGateThrottledTogetherCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Pace{Start: 20, Max: 20})
		var together []ticket
		for range 4 {
			leave, _ := go1(t, g)
			together = append(together, leave)
		}
		for _, leave := range together {
			if shut := g.done(leave, true, nil); shut != firstShut {
				t.Errorf("shut for %v, want %v", shut, firstShut)
			}
		}
		if got := g.state().PerSecond; got != 10 {
			t.Errorf("pace is %g after four 429s at once, want 10", got)
		}
		leave, waited := go1(t, g)
		if waited < firstShut {
			t.Errorf("left after %v, while shut for %v", waited, firstShut)
		}
		if shut := g.done(leave, true, nil); shut != 2*firstShut {
			t.Errorf("shut for %v after the second 429 in a row, want %v", shut, 2*firstShut)
		}
	})
}

func TestGateObeys(t *testing.T) {
	for name, test := range map[string]struct {
		throttled bool
		told      func(now time.Time) limits
		shut      time.Duration
	}{
		"retry-after": {
			true, func(time.Time) limits { return limits{limit: -1, remaining: -1, retry: 42 * time.Second} }, 42 * time.Second,
		},
		"reset": {
			true, func(now time.Time) limits { return limits{limit: 5, remaining: 0, reset: now.Add(time.Minute)} }, time.Minute,
		},
		"reset gone by": {
			true, func(now time.Time) limits { return limits{limit: 5, remaining: 0, reset: now.Add(-time.Hour)} }, firstShut,
		},
		"reset in a year": {
			true, func(now time.Time) limits { return limits{limit: 5, remaining: 0, reset: now.AddDate(1, 0, 0)} }, maxShut,
		},
		"used up by a good call": {
			false, func(now time.Time) limits { return limits{limit: 5, remaining: 0, reset: now.Add(time.Minute)} }, time.Minute,
		},
		"some left": {
			false, func(now time.Time) limits { return limits{limit: 5, remaining: 3, reset: now.Add(time.Minute)} }, 0,
		},
		"the rest is on its way": { // two others are flying
			false, func(now time.Time) limits { return limits{limit: 5, remaining: 2, reset: now.Add(time.Minute)} }, time.Minute,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := testGate(t, fast)
				leave, _ := go1(t, g)
				go1(t, g)
				go1(t, g)
				told := test.told(time.Now())
				if shut := g.done(leave, test.throttled, &told); shut != test.shut {
					t.Errorf("shut for %v, want %v", shut, test.shut)
				}
				if _, waited := go1(t, g); waited < test.shut || waited > test.shut+time.Second {
					t.Errorf("the next waited %v, want %v", waited, test.shut)
				}
			})
		})
	}
}

// All who wait are held back by what one of them is told, also those who had their turn already.
func TestGateIsShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, Pace{Start: 1, Max: 1})
		first, _ := go1(t, g)
		var wg sync.WaitGroup
		started := time.Now()
		for range 3 {
			wg.Go(func() {
				if _, waited := go1(t, g); waited < 30*time.Second {
					t.Errorf("left after %v, before the gate opened", waited)
				}
			})
		}
		synctest.Wait()
		g.done(first, true, &limits{limit: -1, remaining: -1, retry: 30 * time.Second})
		wg.Wait()
		if took := time.Since(started); took > 45*time.Second {
			t.Errorf("three calls took %v", took)
		}
	})
}

func TestGateWaitEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast)
		leave, _ := go1(t, g)
		g.done(leave, true, &limits{limit: -1, remaining: -1, retry: time.Hour})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		started := time.Now()
		if _, err := g.wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		if took := time.Since(started); took != time.Second {
			t.Errorf("took %v, want 1s", took)
		}
	})
}
