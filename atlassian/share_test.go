package atlassian_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// Which calls share a limit is found out by the headers alone.
func TestGateTellsLimitsApart(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %t", shared), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := load{
					limit:   organisation.RateLimit{PerMinute: 100, Headers: true, Seconds: true, Shared: shared},
					latency: 50 * time.Millisecond, workers: 4, changes: 100,
				}
				got := l.carry(t, newOrganisation(t, people(l.changes)...))
				if got.throttled > 0 {
					t.Errorf("%d 429s", got.throttled)
				}
				for _, b := range got.ended.Buckets {
					if n := len(b.Operations); n > 0 && (n == 2) != shared {
						t.Errorf("a bucket of %q, while the limit is shared: %t", b.Operations, shared)
					}
				}
			})
		})
	}
}

// The other side's clock may be minutes away from ours, and its resets written without seconds.
func TestGateWithAnotherClock(t *testing.T) {
	for _, ahead := range []time.Duration{-7*time.Minute - 13*time.Second, 3*time.Hour + 41*time.Second + 300*time.Millisecond} {
		t.Run(ahead.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := load{
					limit:   organisation.RateLimit{PerMinute: 300, Headers: true},
					latency: 100 * time.Millisecond, workers: 8, changes: 600,
				}
				o := newOrganisation(t, people(l.changes)...)
				o.SetClock(ahead)
				got := l.carry(t, o)
				// The first window is the rest of theirs, and the last one may be one more. A reset without
				// seconds may be rounded, so that a few calls try when the next window opens.
				if most := got.floor + 90*time.Second; got.wall > most || got.perThousand() > 5 {
					t.Errorf("%v, want %v at most and 5 429s for 1,000 calls", got, most)
				}
			})
		})
	}
}

// Who else calls with our key is left room for as soon as the count falls faster than we spend, and
// gets through; all that they leave is used.
func TestGateLeavesRoomForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := load{
			limit:   organisation.RateLimit{PerMinute: 300, Headers: true, Shared: true},
			latency: 100 * time.Millisecond, workers: 8, changes: 800,
		}
		o := newOrganisation(t, people(l.changes)...)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		var through, refused int
		var wg sync.WaitGroup
		wg.Go(func() {
			client := &http.Client{Transport: o.Transport()}
			for sleep(ctx, 2*time.Second) == nil {
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://atlassian.test/admin/v1/orgs", http.NoBody)
				if err != nil {
					t.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+testKey)
				answer, err := client.Do(r)
				if err != nil {
					return // the test has ended
				}
				_ = answer.Body.Close()
				if time.Since(began) < time.Minute {
					continue // nobody knows of them yet
				}
				if through++; answer.StatusCode == http.StatusTooManyRequests {
					refused++
				}
			}
		})
		got := l.carry(t, o)
		cancel()
		wg.Wait()
		t.Logf("%v; of %d calls by others %d were refused", got, through, refused)
		if got.perThousand() > 10 {
			t.Errorf("%.1f 429s for 1,000 calls of ours", got.perThousand())
		}
		if 10*refused > through {
			t.Errorf("%d of %d calls by others were refused, want one in 10 at most", refused, through)
		}
		// 30 of each 300 are theirs.
		if got.ratio() > 1.25 {
			t.Errorf("%.2f × the floor of somebody alone, want 1.25 at most: %v", got.ratio(), got)
		}
	})
}

// remembered is a Memory.
type remembered struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (r *remembered) Remember(_ context.Context, name string, value []byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept = map[string][]byte{}
	}
	r.kept[name] = slices.Clone(value)
	return nil
}

func (r *remembered) Recall(_ context.Context, name string) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept[name], nil
}

// A restart in the middle of a minute that is used up waits for the next one, and knows all limits;
// what was kept and is damaged, or another key's, does no harm.
func TestGateRemembersOverARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 50
		memory := &remembered{}
		o := newOrganisation(t, people(3*limit)...)
		o.SetLimit(organisation.RateLimit{PerMinute: limit, Headers: true, Seconds: true})
		var refused atomic.Int64
		start := func(key string) *env {
			w := newEnv(t, o, "http://atlassian.test", func(c *atlassian.Config) {
				c.HTTP, c.Memory, c.Pace = &http.Client{Transport: o.Transport()}, memory, pace.Rate{}
				c.Key = func() string { return key }
				c.OnCall = func(c atlassian.Call) {
					if c.Status == http.StatusTooManyRequests {
						refused.Add(1)
					}
				}
			})
			w.client.Restore(t.Context())
			return w
		}
		read := func(w *env, from, n int) {
			for i := from; i < from+n; i++ {
				if _, err := w.directory.Account(t.Context(), personID(i+1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		w := start(testKey)
		read(w, 0, limit)
		w.client.Close()
		began := time.Now()
		w = start(testKey)
		read(w, limit, limit)
		if waited := time.Since(began); refused.Load() > 0 || waited < 30*time.Second || waited > time.Minute {
			t.Errorf("after a restart in a minute that was used up, %d calls took %v with %d 429s", limit, waited, refused.Load())
		}
		w.client.Close()

		for name, value := range memory.kept {
			memory.kept[name] = value[:20]
		}
		time.Sleep(time.Minute)
		w = start(testKey)
		read(w, 0, 5)
		w.client.Close()
		if refused.Load() > 0 {
			t.Errorf("%d 429s with a memory that is damaged", refused.Load())
		}
		w = start("ATCTT-another-key")
		if s := w.client.Gate(); len(s.Buckets) != 1 || s.Buckets[0].Limit != -1 {
			t.Errorf("another key begins with what the first one knew: %+v", s)
		}
		w.client.Close()
	})
}

// strange is an Atlassian whose limit is not what its headers say.
type strange struct {
	mu    sync.Mutex
	calls []time.Time
	most  int           // calls that it takes
	in    time.Duration // within so long, counted back from now
	told  func(now time.Time, left int, calls []time.Time) (remaining int, reset time.Time)

	refused int
}

func (s *strange) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := sleep(r.Context(), 100*time.Millisecond); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.calls = slices.DeleteFunc(s.calls, func(at time.Time) bool { return now.Sub(at) >= s.in })
	rec := httptest.NewRecorder()
	free := len(s.calls) < s.most
	if free {
		s.calls = append(s.calls, now)
	} else {
		s.refused++
	}
	remaining, reset := s.told(now, s.most-len(s.calls), s.calls)
	rec.Header().Set("Date", now.UTC().Format(http.TimeFormat))
	rec.Header().Set("X-RateLimit-Limit", strconv.Itoa(s.most))
	rec.Header().Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	rec.Header().Set("X-RateLimit-Reset", reset.UTC().Format(time.RFC3339))
	if !free {
		rec.WriteHeader(http.StatusTooManyRequests)
		return rec.Result(), nil
	}
	_, _ = rec.WriteString(`{"account":{"account_id":"1","account_status":"active","email":"a@example.com"}}`)
	return rec.Result(), nil
}

// A window that moves along with the clock, a Remaining that is never true, a reset that is rounded
// up: the gate goes on, not much slower than it might, and is not refused often.
func TestGateWithStrangeHeaders(t *testing.T) {
	const reads = 1500
	roundUp := func(at time.Time) time.Time { return at.Add(time.Second - 1).Truncate(time.Second) }
	for name, test := range map[string]struct {
		strange *strange
		ratio   float64 // to the least that such calls take
		refused float64 // of 1,000 calls
	}{
		"a moving window, reset when the oldest call leaves it": {
			strange: &strange{most: 300, in: time.Minute, told: func(_ time.Time, left int, calls []time.Time) (int, time.Time) {
				return left, roundUp(calls[0].Add(time.Minute))
			}}, ratio: 1.35, refused: 20,
		},
		"a moving window, reset a minute from now": {
			strange: &strange{most: 300, in: time.Minute, told: func(now time.Time, left int, _ []time.Time) (int, time.Time) {
				return left, roundUp(now.Add(time.Minute))
			}}, ratio: 1.25, refused: 20,
		},
		"always all of it left": {
			strange: &strange{most: 10, in: time.Second, told: func(now time.Time, _ int, _ []time.Time) (int, time.Time) {
				return 10, now.Truncate(time.Minute).Add(time.Minute)
			}}, ratio: 1.5, refused: 50,
		},
		"seconds, rounded up": {
			strange: &strange{most: 10, in: time.Second, told: func(now time.Time, left int, _ []time.Time) (int, time.Time) {
				return left, roundUp(now.Add(time.Second))
			}}, ratio: 2.5, refused: 20,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := test.strange
				client, err := atlassian.New(atlassian.Config{
					BaseURL: "http://atlassian.test", OrgID: testOrg, Key: func() string { return testKey }, Log: zerolog.Nop(),
					HTTP: &http.Client{Transport: s},
				})
				if err != nil {
					t.Fatal(err)
				}
				d := atlassian.NewDirectory(client)
				began := time.Now()
				var wg sync.WaitGroup
				for range 8 {
					wg.Go(func() {
						for range reads / 8 {
							for {
								_, err := d.Account(t.Context(), "1")
								if err == nil {
									break
								}
								if !errors.Is(err, workflow.ErrThrottled) {
									t.Errorf("read: %v", err)
									return
								}
							}
						}
					})
				}
				wg.Wait()
				floor := time.Duration((reads/8*8-1)/s.most) * s.in
				ratio := time.Since(began).Seconds() / floor.Seconds()
				perThousand := 1000 * float64(s.refused) / float64(reads+s.refused)
				t.Logf("%.2f × the floor, %.1f 429s for 1,000 calls", ratio, perThousand)
				if ratio > test.ratio || perThousand > test.refused {
					t.Errorf("want %.2f × the floor and %.0f 429s at most", test.ratio, test.refused)
				}
			})
		})
	}
}
