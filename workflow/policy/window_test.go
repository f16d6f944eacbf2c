package policy_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow/policy"
)

func nights(t *testing.T) policy.Window {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return policy.Window{
		From: policy.Clock{Hour: 19}, To: policy.Clock{Hour: 6}, Location: berlin,
		Days: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday},
	}
}

func TestWindowPastMidnightBelongsToItsFirstDay(t *testing.T) {
	w := nights(t)
	at := func(text string) time.Time {
		moment, err := time.ParseInLocation("2006-01-02 15:04", text, w.Location)
		if err != nil {
			t.Fatal(err)
		}
		return moment
	}
	for _, tt := range []struct {
		now  string
		open bool
		next string
	}{
		{"2026-11-23 18:59", false, "2026-11-23 19:00"}, // a Monday
		{"2026-11-23 19:00", true, "2026-11-24 06:00"},
		{"2026-11-24 05:59", true, "2026-11-24 06:00"},
		{"2026-11-24 06:00", false, "2026-11-24 19:00"},
		{"2026-11-28 05:00", true, "2026-11-28 06:00"},  // Saturday, the end of Friday's
		{"2026-11-28 20:00", false, "2026-11-30 19:00"}, // until Monday
		{"2026-11-23 03:00", false, "2026-11-23 19:00"}, // Sunday has none
	} {
		if got := w.Open(at(tt.now)); got != tt.open {
			t.Errorf("%s: open %v", tt.now, got)
		}
		if got := w.NextChange(at(tt.now)); !got.Equal(at(tt.next)) {
			t.Errorf("%s: next change %s, want %s", tt.now, got, tt.next)
		}
	}
	if got, want := w.Reach(at("2026-11-27 20:00"), 12*time.Hour), at("2026-11-30 21:00"); !got.Equal(want) {
		t.Errorf("12 h of open window from Friday evening end at %s, want %s", got, want)
	}
}

// What the window says fits together at any moment, also where clocks change, and agrees with
// counting minutes.
func TestWindowAgreesWithCountingMinutes(t *testing.T) {
	w := nights(t)
	const seed = 1
	rng := rand.New(rand.NewPCG(seed, seed))
	start := time.Date(2026, 3, 20, 0, 0, 0, 0, time.UTC)
	for range 300 {
		from := start.Add(time.Duration(rng.IntN(300*24*60)) * time.Minute)
		long := time.Duration(1+rng.IntN(30*60)) * time.Minute
		end := w.Reach(from, long)
		counted := time.Duration(0)
		for m := from; m.Before(end); m = m.Add(time.Minute) {
			if w.Open(m) {
				counted += time.Minute
			}
		}
		if counted != long {
			t.Fatalf("seed %d: from %s for %s to %s the window is open for %s", seed, from, long, end, counted)
		}
		if first := w.FirstOpen(from); !w.Open(first) || first.After(from) && w.Open(first.Add(-time.Minute)) {
			t.Fatalf("seed %d: from %s it first opens at %s", seed, from, first)
		}
		if next := w.NextChange(from); w.Open(next) == w.Open(next.Add(-time.Minute)) {
			t.Fatalf("seed %d: from %s nothing changes at %s", seed, from, next)
		}
	}
}
