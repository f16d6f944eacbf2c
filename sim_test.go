package main

import (
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeeds = flag.Int("sim.seeds", 75, "how many random lives TestSimulation plays")
	simFirst = flag.Uint64("sim.first", 1, "the seed of the first one")
	simSeed  = flag.Uint64("sim.seed", 0, "play only this one")
)

// The whole service, with the real Slack client, the real database and the sandbox's Slack and Atlassian, lives through
// random stories in fake time: people ask, decide and change their minds in any order, some of them with no right to;
// calls fail in every way on both sides; accounts, addresses and roles change behind everybody's back, also between two
// approvals, and the settings at a restart; power fails between any two effects. At the end of each life the sandbox's own records say whether anything happened that must not have, and whether
// everything happened that was promised.
//
// The seed fixes what people do and which calls go wrong. It does not fix the order in which goroutines reach for the
// dice, so that a life is not quite the same the second time: play it several times if need be.
func TestSimulation(t *testing.T) {
	first, count := *simFirst, uint64(*simSeeds)
	if *simSeed != 0 {
		first, count = *simSeed, 1
	}
	if testing.Short() { // with the race detector SQLite takes twenty times as long
		count = min(count, 4)
	}
	const lanes = 4
	var (
		mu  sync.Mutex
		sum tale
	)
	t.Run("lives", func(t *testing.T) {
		for lane := range uint64(lanes) {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				for seed := first + lane; seed < first+count; seed += lanes {
					var l *life
					synctest.Test(t, func(t *testing.T) { l = play(t, seed, sabotage{}) })
					mu.Lock()
					sum.add(l.tale)
					mu.Unlock()
					l.report(t)
				}
			})
		}
	})
	t.Logf("seeds %d to %d: %+v", first, first+count-1, sum)
	dull := sum.Effects < sum.Lives || sum.Cuts < sum.Lives || sum.Approvals < sum.Lives || sum.Undone == 0 || sum.Retried == 0
	dull = dull || sum.Resettled < sum.Lives/4 || sum.Raised == 0 || sum.Urgent+sum.Lost == 0 || sum.Guarded < sum.Lives
	if sum.Lives >= 50 && dull {
		t.Errorf("the lives are too dull to prove anything: %+v", sum)
	}
}

// report fails the test when something was wrong, with the story of the life.
func (l *life) report(t *testing.T) {
	t.Helper()
	if len(l.wrong) == 0 {
		return
	}
	t.Errorf("seed %d: %s\nplay it again with -run Simulation -sim.seed %d\n%s\nlog of the service:\n%s", l.seed,
		strings.Join(l.wrong, "\n  "), l.seed, l.told(), l.log)
}

// play is one life from its seed.
func play(t *testing.T, seed uint64, bad sabotage) *life {
	l := newLife(t, seed, bad)
	l.tale.Lives++
	l.boot(-1)
	l.pass(2 * time.Second)
	for range 12 + l.rng.IntN(28) {
		if l.over {
			break
		}
		l.act()
		l.pass(l.while(25 * time.Second))
	}
	l.heal()
	if l.rng.IntN(2) == 0 {
		l.halt("asked to")
		l.boot(-1)
	} else {
		l.power.failAfter(-1)
	}
	l.settle()
	l.await()
	l.halt("asked to")
	l.compare()
	l.close()
	return l
}
