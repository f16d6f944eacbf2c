package pace_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// memory is a Memory.
type memory struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (m *memory) Remember(_ context.Context, name string, value []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[string][]byte{}
	}
	m.kept[name] = slices.Clone(value)
	return nil
}

func (m *memory) Recall(_ context.Context, name string) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.kept[name], nil
}

// A bucket whose first call had to wait for its turn, as after a restart, has no time from which to
// measure. After its first 429 it goes on a little slower than before, not at the slowest pace.
func TestFirstCallThatWaited(t *testing.T) {
	for _, waited := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			kept := &memory{}
			start := func() *pace.Gate {
				g, err := pace.New(pace.Config{
					Workers: 1, Rate: pace.Rate{Start: 20, Max: 20}, Memory: kept, Name: "gate", Owner: func() string { return "us" },
				})
				if err != nil {
					t.Fatal(err)
				}
				g.Restore(t.Context())
				return g
			}
			before := start()
			prove(t, before, aRead, silent)
			before.Close()
			g := start()
			defer g.Close()
			if waited { // the only worker is busy
				other, _ := wait(t, g, aWrite)
				time.AfterFunc(20*time.Millisecond, func() { ok(g, other, silent) })
			}
			var calls atomic.Int64
			var wg sync.WaitGroup
			for range 41 { // twenty a second
				wg.Go(func() {
					ticket, _ := wait(t, g, aRead)
					if calls.Add(1) <= 40 {
						ok(g, ticket, silent)
					} else if shut := refuse(g, ticket, retryAfter(time.Second)); shut != time.Second {
						t.Errorf("shut for %v", shut)
					}
				})
			}
			wg.Wait()
			prove(t, g, aRead, silent)
			for _, b := range g.State().Buckets {
				if slices.Contains(b.Operations, aRead.Operation) && (b.Allowed < 5 || b.Allowed > 20) {
					t.Errorf("first call waited %t: %.2f calls a second after a 429 at twenty", waited, b.Allowed)
				}
			}
		})
	}
}
