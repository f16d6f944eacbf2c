package atlassian_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
)

// loads are the limits that we may meet, and how near to the floor the gate must come: wall time ÷
// floor and 429s for each 1,000 calls. The test makes as few changes as show both; the benchmark
// makes 5,000.
var loads = []struct {
	name      string
	load      load
	changes   int // of the test
	ratio     float64
	throttled float64
}{
	{
		"headers, 300 a minute for each endpoint",
		load{limit: organisation.RateLimit{PerMinute: 300, Headers: true}, latency: 100 * time.Millisecond, workers: 8},
		310, 1.10, 10, // two windows, in which the phase of each operation's is found
	},
	{
		"headers, 300 a minute for all",
		load{
			limit:   organisation.RateLimit{PerMinute: 300, Headers: true, Seconds: true, Shared: true},
			latency: 100 * time.Millisecond, workers: 16,
		},
		310, 1.10, 10, // two windows, in which the phase of each operation's is found
	},
	{
		"600 a minute, Retry-After",
		load{limit: organisation.RateLimit{PerMinute: 600, RetryAfter: true}, latency: 100 * time.Millisecond, workers: 8},
		620, 1.25, 20,
	},
	{
		"600 a minute, nothing said",
		load{limit: organisation.RateLimit{PerMinute: 600}, latency: 100 * time.Millisecond, workers: 8},
		620, 1.25, 20,
	},
	{
		"600 a minute for all, nothing said",
		load{limit: organisation.RateLimit{PerMinute: 600, Shared: true}, latency: 250 * time.Millisecond, workers: 16},
		1550, 1.25, 20,
	},
	{
		"10 a second, Retry-After",
		load{limit: organisation.RateLimit{Burst: 10, RetryAfter: true}, latency: 100 * time.Millisecond, workers: 8},
		620, 1.25, 20,
	},
	{
		"10 a second, nothing said",
		load{limit: organisation.RateLimit{Burst: 10}, latency: 250 * time.Millisecond, workers: 16},
		620, 1.25, 20,
	},
	{
		"headers, 300 a minute, and 10 a second of which they do not tell",
		load{
			limit:   organisation.RateLimit{PerMinute: 300, Burst: 10, Headers: true},
			latency: 100 * time.Millisecond, workers: 8,
		},
		620, 1.40, 40,
	},
}

// The time is the bubble's, so that the bounds hold on any machine.
func TestGateComesNearTheFloor(t *testing.T) {
	for _, each := range loads {
		t.Run(each.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := each.load
				l.changes = each.changes
				got := l.carry(t, newOrganisation(t, people(l.changes)...))
				t.Log(got)
				if got.ratio() > each.ratio {
					t.Errorf("%.3f × the floor, want %.2f at most: %v", got.ratio(), each.ratio, got)
				}
				if got.perThousand() > each.throttled {
					t.Errorf("%.1f 429s for 1,000 calls, want %.0f at most: %v", got.perThousand(), each.throttled, got)
				}
			})
		})
	}
}

// unlimited is the load for which the workers should be the only bound.
var unlimited = load{latency: 250 * time.Millisecond, workers: 16, changes: 5000, reads: true}

// Without a limit, the pace soon leaves everything to the workers.
func TestGateWithoutALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := unlimited.carry(t, newOrganisation(t, people(unlimited.changes)...))
		t.Log(got)
		one := time.Duration(got.calls) * unlimited.latency // what a client needs that makes one call after the other
		if times := one.Seconds() / got.wall.Seconds(); times < 14 || got.throttled > 0 {
			t.Errorf("%.2f × faster than one call after the other, want 14: %v", times, got)
		}
	})
}

// BenchmarkGate prints ratios in the bubble's time: wall time ÷ floor, 429s for 1,000 calls, and
// for no limit how many times faster than one call after the other.
func BenchmarkGate(b *testing.B) {
	for _, each := range loads {
		b.Run(each.name, func(b *testing.B) {
			l := each.load
			l.changes = 5000
			bench(b, l, func(got outcome) {
				b.ReportMetric(got.ratio(), "wall/floor")
				b.ReportMetric(got.perThousand(), "429/1000")
			})
		})
	}
	b.Run("no limit", func(b *testing.B) {
		bench(b, unlimited, func(got outcome) {
			b.ReportMetric(float64(got.calls)*unlimited.latency.Seconds()/got.wall.Seconds(), "x/sequential")
			b.ReportMetric(got.perThousand(), "429/1000")
		})
	})
}

// bench carries the load in a bubble of its own, which only a test can have.
func bench(b *testing.B, l load, report func(outcome)) {
	b.Helper()
	for b.Loop() {
		var got outcome
		if !testing.RunTests(all, []testing.InternalTest{{Name: b.Name(), F: func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { got = l.carry(t, newOrganisation(t, people(l.changes)...)) })
		}}}) {
			b.Fatal("the load failed")
		}
		report(got)
	}
	b.ReportMetric(0, "ns/op") // the machine's time says nothing
}

func all(string, string) (bool, error) { return true, nil }
