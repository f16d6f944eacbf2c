package speed

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// The people of these tests.
var (
	asker    = workflow.Actor{Person: workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@northwind.example"}, Requester: true}
	approver = workflow.Actor{Person: workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@northwind.example"}, Admin: true}
)

const (
	worksOrg = "11111111-2222-3333-4444-555555555555"
	worksKey = "ATCTT-the-key-of-these-tests"
	patient  = 100 * time.Hour // of fake time: nothing expires
)

// The forms of a file of renames.
const (
	both   = "account_id,old_email,new_email\n"
	onlyID = "account_id,new_email\n"
	noID   = "old_email,new_email\n"
)

// roads are the limits that we may meet, and what is aimed at on each: wall time ÷ floor, 429s for each 1,000 calls.
var roads = []struct {
	name      string
	traffic   traffic
	ratio     float64
	throttled float64
}{
	{
		"headers, 300 a minute for each endpoint",
		traffic{limit: organisation.RateLimit{PerMinute: 300, Headers: true}, latency: 100 * time.Millisecond, workers: 8},
		1.05, 3,
	},
	{
		"headers, 600 a minute for all",
		traffic{
			limit:   organisation.RateLimit{PerMinute: 600, Headers: true, Seconds: true, Shared: true},
			latency: 100 * time.Millisecond, workers: 16,
		},
		1.03, 0,
	},
	{
		"600 a minute, Retry-After",
		traffic{limit: organisation.RateLimit{PerMinute: 600, RetryAfter: true}, latency: 100 * time.Millisecond, workers: 8},
		1.25, 20,
	},
	{
		"600 a minute, nothing said",
		traffic{limit: organisation.RateLimit{PerMinute: 600}, latency: 100 * time.Millisecond, workers: 8},
		1.25, 20,
	},
	{
		"600 a minute for all, nothing said",
		traffic{limit: organisation.RateLimit{PerMinute: 600, Shared: true}, latency: 250 * time.Millisecond, workers: 16},
		1.25, 20,
	},
	{
		"10 a second, nothing said",
		traffic{limit: organisation.RateLimit{Burst: 10}, latency: 250 * time.Millisecond, workers: 16},
		1.25, 20,
	},
}

// free is a road without a limit, on which the workers should be the only bound.
var free = traffic{latency: 250 * time.Millisecond, workers: 16}

// From the file to the last proof, a batch takes little more than an ideal client would on the same road. The time is the
// bubble's, so that the bounds hold on any machine.
func TestBatchComesNearTheFloor(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of rows take long under the race detector")
	}
	const rows = 400
	for _, road := range roads {
		if road.throttled > 3 {
			continue // finding a limit that nobody tells of takes a while, and so many more rows: BenchmarkRename
		}
		t.Run(road.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorks(t, road.traffic, rows)
				o := w.play(renames(both, 0, rows), rows)
				t.Log(o)
				if o.ratio() > road.ratio || o.perThousand() > road.throttled+3 { // of so few rows
					t.Errorf("want %.2f × the floor at most, and %.0f 429s", road.ratio, road.throttled+3)
				}
			})
		})
	}
}

// Calls are what the limits count: one a change and little more while a batch of 1,500 is checked, in whatever form its
// accounts are given, and two and little more after approval: the account before, the call, and a search that proves many
// at once. Without a limit the workers are the only bound.
func TestCallsAreFew(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("1,500 rows take long under the race detector")
	}
	const rows = 1500
	for name, header := range map[string]string{"ids": onlyID, "addresses": noID} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorks(t, free, rows)
				w.reach(w.ask(renames(header, 0, rows)), workflow.AwaitingApproval)
				check, _ := w.counted()
				if each := float64(check.all()) / rows; each > 1.1 {
					t.Errorf("%.3f calls a change while checking, want 1.1 at most: %v", each, check)
				}
			})
		})
	}
	t.Run("both, to the end", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			w := newWorks(t, free, rows)
			o := w.play(renames(both, 0, rows), rows)
			t.Log(o)
			if o.checking() > 1.1 || o.running() > 2.1 {
				t.Error("want 1.1 calls a change at most while checking, and 2.1 after approval")
			}
			const canaries = 3 // proved by profile
			if got := o.run.through; got["read profile"] != rows+canaries || got["set email"] != rows {
				t.Errorf("calls after approval: %v", got)
			}
			alone := time.Duration(o.calls()) * free.latency
			if times := alone.Seconds() / o.wall().Seconds(); times < 14 {
				t.Errorf("%.2f × faster than one call after the other, want 14", times)
			}
		})
	})
}

// A search that shows changes late, or some accounts never, costs little: what it is known not to show is waited for, or
// read by profile.
func TestProofsBySearch(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("600 rows take long under the race detector")
	}
	const rows = 600
	for name, tt := range map[string]struct {
		lag  func(id string) time.Duration
		most float64 // calls a change after approval
	}{
		"20 s late":      {lag: func(string) time.Duration { return 20 * time.Second }, most: 2.1},
		"two hours late": {lag: func(string) time.Duration { return 2 * time.Hour }, most: 3.05},
		"some late":      {lag: func(id string) time.Duration { return time.Duration(id[len(id)-1]%10/9) * time.Hour }, most: 2.3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorks(t, traffic{limit: organisation.RateLimit{PerMinute: 600, Headers: true}, latency: 100 * time.Millisecond, workers: 8}, rows)
				w.org.SetFaults(organisation.Faults{SearchLag: tt.lag})
				o := w.play(renames(both, 0, rows), rows)
				t.Log(o)
				if o.running() > tt.most {
					t.Errorf("want %.2f calls a change after approval at most", tt.most)
				}
			})
		})
	}
}

// What another batch changed a moment ago is not proved by a search, which may still show what was before it.
func TestAnOldSearchProvesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const rows = 20
		w := newWorks(t, free, rows)
		first := w.ask(renames(both, 0, rows))
		w.approve(first)
		w.reach(first, workflow.Done)
		var back strings.Builder
		back.WriteString(both)
		for i := range rows {
			fmt.Fprintf(&back, "%s,employee.%d@northwind-group.example,%s\n", employeeID(i), i, employee(i).Email)
		}
		second := w.ask([]byte(back.String()))
		w.reach(second, workflow.AwaitingApproval)
		w.org.SetFaults(organisation.Faults{SearchLag: func(string) time.Duration { return 10 * time.Minute }})
		w.counted() // from here on
		w.approve(second)
		w.reach(second, workflow.Done)
		calls, _ := w.counted()
		if got := calls.through["read profile"]; got < 2*rows {
			t.Errorf("%d profiles were read while %d rows ran, want each before and after its call", got, rows)
		}
	})
}

// BenchmarkRename takes 5,000 renames from the file to the last proof, in fake time on every road: wall time ÷ floor, 429s
// for 1,000 calls, how many times longer a script takes that makes the same calls one after the other, and calls a change.
func BenchmarkRename(b *testing.B) {
	const rows = 5000
	play := func(b *testing.B, road traffic) {
		for b.Loop() {
			var o outcome
			var script time.Duration
			inBubble(b, func(t *testing.T) {
				w := newWorks(t, road, rows)
				o = w.play(renames(both, 0, rows), rows)
				script = w.script(rows)
			})
			b.ReportMetric(o.ratio(), "wall/floor")
			b.ReportMetric(o.perThousand(), "429/1000")
			b.ReportMetric(script.Seconds()/o.wall().Seconds(), "script/wall")
			b.ReportMetric(o.checking(), "calls/check")
			b.ReportMetric(o.running(), "calls/run")
		}
		b.ReportMetric(0, "ns/op") // the machine's time says nothing
	}
	for _, road := range roads {
		b.Run(road.name, func(b *testing.B) { play(b, road.traffic) })
	}
	b.Run("no limit", func(b *testing.B) { play(b, free) })
}

// inBubble gives a benchmark a bubble, which only a test can have.
func inBubble(b *testing.B, do func(*testing.T)) {
	b.Helper()
	test := testing.InternalTest{Name: b.Name(), F: func(t *testing.T) { synctest.Test(t, do) }}
	if !testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{test}) {
		b.Fatal("it failed in its bubble")
	}
}
