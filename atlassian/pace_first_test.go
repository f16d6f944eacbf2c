package atlassian

import (
	"testing"
	"time"
)

// A bucket whose first call had waited for its turn at the gate has no beginning to measure from. After its first 429 it
// goes on a little slower than before, not at the slowest pace there is.
func TestFirstCallThatWaited(t *testing.T) {
	t.Parallel()
	for _, waited := range []bool{false, true} {
		g := &gate{pace: Pace{Start: 20, Max: 1000}}
		b := g.newBucket()
		now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
		for range 40 { // twenty a second
			now = now.Add(50 * time.Millisecond)
			b.leave(now, waited)
			b.passed(now, ticket{bucket: b, epoch: b.epoch, left: now})
		}
		b.strike(now, ticket{bucket: b, epoch: b.epoch, left: now}, limits{limit: -1, remaining: -1, retry: time.Second}, clock{})
		now = now.Add(1100 * time.Millisecond)
		b.leave(now, true)
		if !b.passed(now, ticket{bucket: b, epoch: b.epoch, left: now}) {
			t.Fatal("the bucket is not open again")
		}
		if b.pacer.rate < 5 || b.pacer.rate > 20 {
			t.Errorf("first call waited %t: %.2f calls a second after a 429 at twenty", waited, b.pacer.rate)
		}
	}
}
