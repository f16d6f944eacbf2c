package pace_test

import (
	"context"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// peer is another way to make the same calls.
type peer struct {
	name    string
	workers int
	client  func(w *wire) client
}

// peers are what others do, with what they do by default.
var peers = []peer{
	{"script", 1, sequential},
	{"backoff", 25, exponential},
	{"cubic", mostWorkers, adaptive},
	{"retrying", 25, retrying},
}

// told returns how long the answer asks to wait; 0 where it does not.
func toldWait(h http.Header) time.Duration {
	seconds, err := strconv.Atoi(h.Get("Retry-After"))
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// sequential makes one call after the other, and rests for a minute after a 429 that does not say
// how long.
func sequential(w *wire) client {
	return func(_ context.Context, call pace.Call) bool {
		for !w.stormed() {
			status, h := w.send(call.Operation)
			if status < http.StatusMultipleChoices {
				return true
			}
			if wait := toldWait(h); wait > 0 {
				time.Sleep(wait)
			} else {
				time.Sleep(time.Minute)
			}
		}
		return false
	}
}

// exponential waits a second after a 429, twice as long after each further one up to a minute, with
// full jitter.
func exponential(w *wire) client {
	return func(_ context.Context, call pace.Call) bool {
		for n := 0; !w.stormed(); n++ {
			status, _ := w.send(call.Operation)
			if status < http.StatusMultipleChoices {
				return true
			}
			time.Sleep(time.Duration(rand.Float64() * float64(min(time.Minute, time.Second<<min(n, 6)))))
		}
		return false
	}
}

// retrying is the policy of hashicorp/go-retryablehttp at its defaults: four retries after 1 s to
// 30 s, doubling, or after Retry-After; then the call has failed.
func retrying(w *wire) client {
	return func(_ context.Context, call pace.Call) bool {
		for n := range 5 {
			status, h := w.send(call.Operation)
			if status < http.StatusMultipleChoices {
				return true
			}
			wait := min(30*time.Second, time.Second<<n)
			if told := toldWait(h); told > 0 {
				wait = told
			}
			time.Sleep(wait)
		}
		return false
	}
}

// adaptive is a client-side rate limiter after CUBIC, as cloud SDKs have one in their adaptive mode:
// 0.7 of the pace after a 429, and back along the curve.
func adaptive(w *wire) client {
	var mu sync.Mutex
	rate, ceiling, last, next := 5.0, 0.0, time.Now(), time.Now()
	return func(_ context.Context, call pace.Call) bool {
		for !w.stormed() {
			mu.Lock()
			next = next.Add(time.Duration(float64(time.Second) / rate))
			if now := time.Now(); next.Before(now) {
				next = now
			}
			wait := time.Until(next)
			mu.Unlock()
			time.Sleep(wait)
			status, _ := w.send(call.Operation)
			mu.Lock()
			now := time.Now()
			if status == http.StatusTooManyRequests && now.Sub(last) > 500*time.Millisecond {
				ceiling, rate, last = rate, max(0.5, 0.7*rate), now
			} else if status < http.StatusMultipleChoices {
				k := math.Cbrt(ceiling * 0.3 / 0.4)
				if grown := 0.4*math.Pow(now.Sub(last).Seconds()-k, 3) + ceiling; grown > rate {
					rate = min(grown, 2*rate)
				}
			}
			mu.Unlock()
			if status < http.StatusMultipleChoices {
				return true
			}
		}
		return false
	}
}

// BenchmarkRegimes plays every regime with 970 and 4,970 rows, whose calls end in the midst of windows:
// where they filled the last one to the last call, the write of a row would not find room after its
// read and wait for one more. It plays them against the gate and against peers
// in the same phase: wall time ÷ floor, 429s of 1,000 calls, rows that were lost. Where a regime is
// above its aim, above-aim is 1.
//
//	go test ./atlassian/pace -run '^$' -bench Regimes -benchtime 1x
func BenchmarkRegimes(b *testing.B) {
	n := seed(b)
	b.Logf("PACE_SEED=%d", n)
	for _, r := range regimes {
		for _, rows := range []int{970, 4970} {
			b.Run(strings.ReplaceAll(r.name, ", ", ",")+"/"+strconv.Itoa(rows)+"/gate", func(b *testing.B) {
				bench(b, func(t *testing.T) played { return playGate(t, r, rows, n) }, r)
			})
		}
		for _, p := range peers {
			b.Run(strings.ReplaceAll(r.name, ", ", ",")+"/970/"+p.name, func(b *testing.B) {
				bench(b, func(t *testing.T) (got played) {
					synctest.Test(t, func(*testing.T) {
						w := &wire{server: newServer(r, n)}
						got = play(w, 970, p.workers, p.client(w))
					})
					return got
				}, r)
			})
		}
	}
}

// bench plays in a bubble of its own, which only a test can have.
func bench(b *testing.B, one func(*testing.T) played, r regime) {
	b.Helper()
	for b.Loop() {
		var got played
		test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { got = one(t) }}
		if !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}) {
			b.Fatal("it failed in its bubble")
		}
		above := 0.0
		if got.ratio() > r.ratio || got.perThousand() > r.refused {
			above = 1
		}
		b.ReportMetric(got.ratio(), "wall/floor")
		b.ReportMetric(got.perThousand(), "429/1000")
		b.ReportMetric(float64(got.row), "429/row")
		b.ReportMetric(float64(got.lost), "lost")
		b.ReportMetric(above, "above-aim")
	}
	b.ReportMetric(0, "ns/op") // the machine's time says nothing
}

// Who else uses the key takes calls, too: an operation that is known to share a limit does not get one of its own because it
// is told less, at the start of a window, than our calls explain.
func TestOthersWithTheKeySplitNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(t, fast, 8)
		other := pace.Call{Operation: "search users"}
		end := time.Now().Add(time.Minute)
		told := func(call pace.Call, remaining int) {
			leave, _ := wait(t, g, call)
			l := headers(100, remaining, end)
			g.Done(leave, pace.Answer{Status: http.StatusOK, Limits: &l})
		}
		for left := 99; left > 3; left -= 2 {
			told(aRead, left)
			told(other, left-1)
		}
		time.Sleep(61 * time.Second)
		end = end.Add(time.Minute)
		told(aRead, 99)
		told(other, 60) // others made 38
		told(aRead, 0)  // and the rest
		if _, waited := wait(t, g, other); waited < 50*time.Second {
			t.Errorf("the other operation waited %v, and nothing was left for both", waited)
		}
	})
}
