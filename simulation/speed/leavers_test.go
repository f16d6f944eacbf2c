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

// What a leaver has, and how many calls that is to take away: the login, each token, each group.
const (
	leaverTokens = 2
	leaverGroups = 4
	groupsOfAll  = 50
)

// leaverRatio is what a file of leavers may take where the limits are announced, as a multiple of its floor.
const leaverRatio = 1.03

// newLeavers makes works whose accounts have tokens, and are in groups.
func newLeavers(t testing.TB, l traffic, accounts int) *works {
	t.Helper()
	w := newWorks(t, l, 0)
	groups := make([]string, groupsOfAll)
	for i := range groups {
		groups[i] = fmt.Sprintf("00000000-0000-4000-8000-%012d", i)
		if _, err := w.org.AddGroup(organisation.Group{ID: groups[i], Name: fmt.Sprintf("team-%d", i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range accounts {
		a := employee(i)
		for n := range leaverTokens {
			a.Tokens = append(a.Tokens, organisation.Token{ID: fmt.Sprintf("token-%d-%d", i, n), Label: "script"})
		}
		for n := range leaverGroups {
			a.Groups = append(a.Groups, groups[(i+n*7)%groupsOfAll])
		}
		if err := w.org.Put(a); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// offboards is a file of so many leavers.
func offboards(n int) []byte {
	var out strings.Builder
	out.WriteString("action,account_id,old_email\n")
	for i := range n {
		fmt.Fprintf(&out, "offboard,%s,%s\n", employeeID(i), employee(i).Email)
	}
	return []byte(out.String())
}

// From the file to the last proof, leavers take little more than an ideal client would where the limits are announced, canaries
// and proofs included.
func TestLeaversComeNearTheFloor(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("hundreds of rows take long under the race detector")
	}
	const rows = 200
	for _, road := range roads {
		if road.throttled > 3 {
			continue
		}
		t.Run(road.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newLeavers(t, road.traffic, rows)
				o := w.play(offboards(rows), rows)
				t.Log(o)
				if o.ratio() > leaverRatio+0.05 { // of so few rows
					t.Errorf("want %.2f × the floor at most", leaverRatio+0.05)
				}
			})
		})
	}
}

// A check of leavers reads several things of each, at several endpoints: it takes no longer than the one of them of which
// it needs most calls.
func TestLeaversAreCheckedSideBySide(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("900 rows take long under the race detector")
	}
	const rows = 900
	synctest.Test(t, func(t *testing.T) {
		w := newLeavers(t, roads[0].traffic, rows)
		began := time.Now()
		number := w.ask(offboards(rows))
		b := w.reach(number, workflow.AwaitingApproval)
		took := b.Planned.Sub(began)
		calls, _ := w.counted()
		if floor := w.floor(began, calls, tally{}); took.Seconds() > 1.2*floor.Seconds() { // of three windows
			t.Errorf("checked in %s, where %s would do: %v", took, floor, calls.through)
		}
	})
}

// BenchmarkOffboard takes 5,000 leavers from the file to the last proof, as BenchmarkRename does renames.
func BenchmarkOffboard(b *testing.B) {
	const rows = 5000
	play := func(b *testing.B, road traffic) {
		for b.Loop() {
			var o outcome
			inBubble(b, func(t *testing.T) {
				w := newLeavers(t, road, rows)
				o = w.play(offboards(rows), rows)
				t.Log(o)
			})
			b.ReportMetric(o.ratio(), "wall/floor")
			b.ReportMetric(o.perThousand(), "429/1000")
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
