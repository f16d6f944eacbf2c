package pace

import (
	"testing"
	"time"
)

// While one call tries whether anything is left, only its answer, or that none comes, says when to look again: else the gate
// would look every millisecond.
func TestNoLookWhileOneTries(t *testing.T) {
	now := time.Now()
	for name, kind := range map[string]kind{"windows": windowed, "sliding": sliding, "refilling": refilling} {
		for remain, room := range map[int]string{0: "nothing left", 50: "some left"} {
			w := newLimit()
			w.kind, w.budget, w.remain, w.stamp, w.toldAt = kind, 100, remain, now, now
			w.windows.exhaust(now, now)
			tried := w.windows.trial()
			if kind == windowed && remain > 0 {
				continue // there is no call to try
			}
			if ok, at := w.admits(tried, 1, 1, true); ok || !at.IsZero() {
				t.Errorf("%s, %s: leaves %t, looks again after %v", name, room, ok, at.Sub(tried))
			}
		}
	}
}
