package bot

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who is in more of a hurry goes first, and finds a part of the burst unused whatever else was sent.
func TestRanks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(time.Second, 10, [ranks]int{rankCard: 4, rankSaid: 6, rankCounts: 8})
		begin := time.Now()
		var mu sync.Mutex
		last := map[rank]time.Duration{}
		var all sync.WaitGroup
		send := func(r rank, n int) {
			for range n {
				all.Go(func() {
					if err := p.wait(t.Context(), r); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					last[r] = max(last[r], time.Since(begin))
				})
			}
			synctest.Wait()
		}
		send(rankCounts, 20)
		send(rankSaid, 4)
		send(rankDecision, 8)
		send(rankCard, 4)
		all.Wait()
		// Two places were used by the counts and two by what is said; six of the burst are left for decisions.
		for r, most := range map[rank]time.Duration{
			rankDecision: 2 * time.Second, rankCard: 11 * time.Second, rankSaid: 15 * time.Second, rankCounts: 36 * time.Second,
		} {
			if last[r] > most {
				t.Errorf("the last of rank %d went after %s, want at most %s", r, last[r], most)
			}
		}
	})
}

// Those of one rank go in the order they came, and one that gives up holds nobody up.
func TestTurnsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(time.Second, 1, [ranks]int{})
		if err := p.wait(t.Context(), rankCounts); err != nil {
			t.Fatal(err)
		}
		given, giveUp := context.WithCancel(t.Context())
		var mu sync.Mutex
		var order []int
		var all sync.WaitGroup
		for i := range 5 {
			ctx := t.Context()
			if i == 1 {
				ctx = given
			}
			all.Go(func() {
				if p.wait(ctx, rankCounts) == nil {
					mu.Lock()
					defer mu.Unlock()
					order = append(order, i)
				}
			})
			synctest.Wait()
		}
		giveUp()
		begin := time.Now()
		all.Wait()
		if took := time.Since(begin); took != 4*time.Second || len(order) != 4 || order[0] != 0 || order[3] != 4 {
			t.Errorf("went in the order %v within %s", order, took)
		}
		p.back()
		if wait := p.take(rankCounts); wait > 0 {
			t.Errorf("a turn that was given back is free after %s", wait)
		}
	})
}
