package pace_test

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// farSide answers every call and has no limit. How long it takes depends on the time since the start, on
// how many calls it has, and on chance.
type farSide struct {
	name string
	took func(since time.Duration, has int, random *rand.Rand) time.Duration
	// What 32 workers need at best for a call, and how many times of that the gate may take.
	best   time.Duration
	within float64
	has    float64 // how many calls it may have on average, 0 for any
	fails  float64 // this part of its answers is a 504
}

// TestCrew lets gates find out how many calls in flight are of use, with other sides that answer unevenly,
// that are slow for a while, and that queue what is too much for them.
func TestCrew(t *testing.T) {
	if testing.Short() {
		t.Skip("thousands of calls take long under the race detector")
	}
	const workers, calls = 32, 6000
	uneven := func(mean time.Duration) func(*rand.Rand) time.Duration {
		return func(random *rand.Rand) time.Duration { // at least a fifth of the mean, and now and then many times of it
			return mean/5 + time.Duration(float64(mean)*0.8*math.Exp(random.NormFloat64()-0.5))
		}
	}
	for _, side := range []farSide{
		{
			name: "even", best: 100 * time.Millisecond / workers, within: 1.4,
			took: func(time.Duration, int, *rand.Rand) time.Duration { return 100 * time.Millisecond },
		},
		{
			name: "uneven", best: 300 * time.Millisecond / workers, within: 1.4,
			took: func(_ time.Duration, _ int, random *rand.Rand) time.Duration {
				return uneven(300 * time.Millisecond)(random)
			},
		},
		{
			name: "a few quick answers", best: 400 * time.Millisecond / workers, within: 1.6,
			took: func(_ time.Duration, _ int, random *rand.Rand) time.Duration {
				if random.IntN(20) == 0 { // out of a cache
					return 20 * time.Millisecond
				}
				return uneven(420 * time.Millisecond)(random)
			},
		},
		{
			name: "slower from some moment on", best: 500 * time.Millisecond / workers, within: 1.4,
			took: func(since time.Duration, _ int, random *rand.Rand) time.Duration {
				if since < 5*time.Second {
					return uneven(80 * time.Millisecond)(random)
				}
				return uneven(500 * time.Millisecond)(random)
			},
		},
		{
			name: "uneven, and fails now and then", best: 300 * time.Millisecond / workers, within: 1.6, fails: 0.01,
			took: func(_ time.Duration, _ int, random *rand.Rand) time.Duration {
				return uneven(300 * time.Millisecond)(random)
			},
		},
		{
			name: "queues more than 8", best: 100 * time.Millisecond / 8, within: 1.4, has: 26,
			took: func(_ time.Duration, has int, random *rand.Rand) time.Duration {
				return time.Duration(float64(uneven(100*time.Millisecond)(random)) * max(1, float64(has)/8))
			},
		},
	} {
		t.Run(side.name, func(t *testing.T) {
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				g, err := pace.New(pace.Config{Workers: workers})
				if err != nil {
					t.Fatal(err)
				}
				var has, most, seen int
				began := time.Now()
				callMany(t, g, calls, func() (time.Duration, int) {
					has++
					most += has
					seen++
					took, status := side.took(time.Since(began), has, random), http.StatusOK
					if random.Float64() < side.fails {
						status = http.StatusGatewayTimeout
					}
					return took, status
				}, func() { has-- })
				wall, floor := time.Since(began), calls*side.best
				t.Logf("%.2f × the floor of %s; %.1f calls in flight on average", wall.Seconds()/floor.Seconds(), floor, float64(most)/float64(seen))
				if wall.Seconds() > side.within*floor.Seconds() {
					t.Errorf("took %s, more than %.2f × %s", wall, side.within, floor)
				}
				if average := float64(most) / float64(seen); side.has > 0 && average > side.has {
					t.Errorf("%.1f calls in flight on average, want at most %.0f", average, side.has)
				}
			})
		})
	}
}

// A 429 is answered without any work: how soon it comes says nothing about how long calls take.
func TestRefusalsAreNoQuickAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const workers = 16
		g, err := pace.New(pace.Config{Workers: workers, Rate: pace.Rate{Start: 1000}})
		if err != nil {
			t.Fatal(err)
		}
		made, grown := 0, false
		callMany(t, g, 3000, func() (time.Duration, int) {
			if made++; made%500 == 0 {
				return 5 * time.Millisecond, http.StatusTooManyRequests
			}
			return 250 * time.Millisecond, http.StatusOK
		}, func() {
			now := g.State().Workers
			if grown = grown || now == workers; grown && now < workers {
				t.Errorf("%d calls may be in flight, want %d as before", now, workers)
			}
		})
		if !grown {
			t.Errorf("never were %d calls in flight", workers)
		}
	})
}

// callMany makes calls of one operation, all at once if the gate lets them. begin says of each how long it takes and with
// which status it ends, and end is called when it has; only one of them runs at a time.
func callMany(t *testing.T, g *pace.Gate, calls int, begin func() (time.Duration, int), end func()) {
	t.Helper()
	var mu sync.Mutex
	var ends sync.WaitGroup
	for range calls {
		ends.Go(func() {
			ticket, err := g.Wait(context.Background(), pace.Call{Operation: "GET /a"})
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			took, status := begin()
			mu.Unlock()
			time.Sleep(took)
			mu.Lock()
			end()
			mu.Unlock()
			g.Done(ticket, pace.Answer{Status: status, Limits: &pace.Limits{}})
		})
	}
	ends.Wait()
}
