package simulation

import (
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

var (
	simSeeds = flag.Int("sim.seeds", 15, "how many random scenarios TestSimulation plays")
	simFirst = flag.Uint64("sim.first", 1, "the seed of the first one")
	simSeed  = flag.Uint64("sim.seed", 0, "play only this one")
)

// The whole service, with the real Slack client, the real database and the sandbox's Slack and Atlassian, lives through
// random stories in fake time: people ask, decide and change their minds in any order, some of them with no right to;
// calls fail in every way on both sides; accounts, addresses and roles change behind everybody's back, also between two
// approvals, and the settings at a restart; power fails between any two effects. At the end of each scenario the sandbox's own records show whether anything happened that must not have, and whether
// everything happened that was promised.
//
// The seed fixes what people do and which calls go wrong. It does not fix the order in which goroutines reach for the
// dice, so that a scenario is not quite the same the second time: play it several times if need be.
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
		sum stats
	)
	t.Run("scenarios", func(t *testing.T) {
		for lane := range uint64(lanes) {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				folder := t.TempDir()
				for seed := first + lane; seed < first+count; seed += lanes {
					var s *scenario
					left, proven := "", hasPython() && (seed%provenOf == 0 || *simSeed != 0)
					if proven {
						left = filepath.Join(folder, fmt.Sprint(seed))
					}
					synctest.Test(t, func(t *testing.T) { s = play(t, seed, sabotage{}, left) })
					if proven {
						s.proven(t, left)
					}
					mu.Lock()
					sum.add(s.stats)
					mu.Unlock()
					s.report(t)
				}
			})
		}
	})
	t.Logf("seeds %d to %d: %+v", first, first+count-1, sum)
	dull := sum.Effects < sum.Lives || sum.Cuts < sum.Lives || sum.Approvals < sum.Lives || sum.Undone == 0 || sum.Retried == 0
	dull = dull || sum.Resettled < sum.Lives/4 || sum.Raised == 0 || sum.Urgent+sum.Lost == 0 || sum.Guarded < sum.Lives
	dull = dull || sum.Troubles < sum.Lives || sum.Answered == 0 || sum.WentBack == 0
	if sum.Lives >= 50 && dull {
		t.Errorf("the scenarios are too dull to prove anything: %+v", sum)
	}
}

// report fails the test when something was wrong, with the story of the scenario.
func (s *scenario) report(t *testing.T) {
	t.Helper()
	if len(s.wrong) == 0 {
		return
	}
	t.Errorf("seed %d: %s\nplay it again with -run Simulation -sim.seed %d\n%s\nlog of the service:\n%s", s.seed,
		strings.Join(s.wrong, "\n  "), s.seed, s.told(), s.log)
}

// play is one scenario from its seed. It leaves its database in a new folder where one is named.
func play(t *testing.T, seed uint64, bad sabotage, left string) *scenario {
	s := newScenario(t, seed, bad)
	s.stats.Lives++
	s.boot(-1)
	s.pass(2 * time.Second)
	for range 12 + s.rng.IntN(28) {
		if s.over {
			break
		}
		s.act()
		if !s.over && s.more.IntN(10) == 0 {
			s.meetTrouble()
		}
		if !s.over && s.isTimeToGoBack() {
			s.goBack()
		}
		s.pass(s.while(25 * time.Second))
	}
	s.heal()
	if s.rng.IntN(2) == 0 {
		s.halt("asked to")
		s.boot(-1)
	} else {
		s.power.failAfter(-1)
	}
	s.settle()
	s.await()
	s.halt("asked to")
	s.compare()
	s.close()
	if left != "" {
		s.leave(left)
	}
	return s
}
