package slackapi

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// What is more urgent goes first, and finds a part of the burst unused whatever else was sent.
func TestRanks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(time.Second, 10, [ranks]int{RankCard: 4, RankSaid: 6, RankCounts: 8})
		begin := time.Now()
		var mu sync.Mutex
		last := map[Rank]time.Duration{}
		var all sync.WaitGroup
		send := func(r Rank, n int) {
			for range n {
				all.Go(func() {
					if err := p.Wait(t.Context(), r); err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					last[r] = max(last[r], time.Since(begin))
				})
			}
			synctest.Wait()
		}
		send(RankCounts, 20)
		send(RankSaid, 4)
		send(RankDecision, 8)
		send(RankCard, 4)
		all.Wait()
		// Two places were used by the counts and two by what is said; six of the burst are left for
		// decisions.
		for r, most := range map[Rank]time.Duration{
			RankDecision: 2 * time.Second, RankCard: 11 * time.Second, RankSaid: 15 * time.Second, RankCounts: 36 * time.Second,
		} {
			if last[r] > most {
				t.Errorf("the last of rank %d went after %s, want at most %s", r, last[r], most)
			}
		}
	})
}

// While runs count and people press, what stands on a card until somebody decides is edited at once: it does not wait
// until counts of the last minute are a minute old.
func TestLastCountsDoNotWaitForOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newUpdates(updateEvery)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 5 { // runs that count
			all.Go(func() {
				for p.Wait(ctx, RankCounts) == nil {
				}
			})
		}
		time.Sleep(2 * time.Minute)
		for range 8 { // cards that are pressed, and say what is said of them
			if err := p.Wait(ctx, RankDecision); err != nil {
				t.Fatal(err)
			}
			all.Go(func() { _ = p.Wait(ctx, RankCard) })
		}
		begin := time.Now()
		for range 2 { // card and progress of a run that pauses
			if err := p.Wait(ctx, RankLast); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("the last counts went after %s", took)
		}
		cancel()
		all.Wait()
	})
}

// Those of one rank go in the order they came, and one that gives up holds nobody up.
func TestTurnsAreTaken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPacer(time.Second, 1, [ranks]int{})
		if err := p.Wait(t.Context(), RankCounts); err != nil {
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
				if p.Wait(ctx, RankCounts) == nil {
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
		p.Return()
		if wait := p.reserve(RankCounts); wait > 0 {
			t.Errorf("a turn that was given back is free after %s", wait)
		}
	})
}
