package pace_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// together reports whether two operations count against one limit, as far as the gate knows.
func together(g *pace.Gate, a, b string) bool {
	return slices.ContainsFunc(g.State().Buckets, func(s pace.BucketState) bool {
		return slices.Contains(s.Operations, a) && slices.Contains(s.Operations, b)
	})
}

// That one operation gets through after another one was refused says that they share no limit only if
// the other one is refused again; else what they share has opened.
func TestOpenedLimitIsNoOther(t *testing.T) {
	for _, shared := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			g := testGate(t, fast, 8)
			prove(t, g, aRead, silent)
			prove(t, g, aWrite, silent)
			carry := func(call pace.Call, passes bool) {
				ticket, _ := wait(t, g, call)
				time.Sleep(10 * time.Millisecond)
				if passes {
					ok(g, ticket, silent)
				} else {
					refuse(g, ticket, silent)
				}
			}
			for range 6 { // it is used up just before it opens
				carry(aRead, false)
				carry(aWrite, true)
				if !shared {
					carry(aRead, false)
				}
				carry(aRead, true)
				time.Sleep(time.Second)
			}
			for range 2 { // and now a while before
				carry(aRead, false)
				carry(aWrite, false)
				carry(aRead, true)
				carry(aWrite, true)
				time.Sleep(time.Second)
			}
			if got := together(g, aRead.Operation, aWrite.Operation); got != shared {
				t.Errorf("the operations share a limit: %t, want %t", got, shared)
			}
		})
	}
}

// Operations that have a limit each, of which nothing is told, are not taken for one, however often both
// are refused; those that use up one for a minute are.
func TestSilentLimitIsSharedOrNot(t *testing.T) {
	for name, r := range map[string]regime{
		"a second, retry-after, each": {form: fixed, limit: 10, length: time.Second, after: true, each: true},
		"a second, each":              {form: fixed, limit: 10, length: time.Second, each: true},
		"a minute, each":              {form: fixed, limit: 100, length: time.Minute, each: true},
		"a minute":                    {form: fixed, limit: 100, length: time.Minute},
	} {
		for seed := range uint64(8) {
			t.Run(fmt.Sprintf("%s/%d", name, seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, g := &wire{server: newServer(r, seed)}, testGate(t, pace.Rate{}, mostWorkers)
					play(w, 1000, mostWorkers, gated(w, g))
					if together(g, "read profile", "set email") == r.each {
						t.Errorf("the operations share a limit: %t", !r.each)
					}
				})
			})
		}
	}
}

// Operations that share a limit of a second, of which nothing is told but when to come back, are found to
// share it at any phase: each for itself would be held up by the other one's pace.
func TestSharedSecondsAreFound(t *testing.T) {
	const rows, phases = 970, 8
	for name, most := range map[string]float64{"retry-after/10 in 1 s": 1.17, "silent/10 in 1 s": 1.11} {
		r := regimes[slices.IndexFunc(regimes, func(r regime) bool { return r.name == name })]
		t.Run(name, func(t *testing.T) {
			sum := 0.0
			for n := range phases {
				sum += playGate(t, r, rows, uint64(1000+77*n)).ratio()
			}
			if mean := sum / phases; mean > most {
				t.Errorf("%.3f × the floor on average, want at most %.2f", mean, most)
			}
		})
	}
}
