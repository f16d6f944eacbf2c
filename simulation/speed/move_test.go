package speed

import (
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
)

// domainRows is how many accounts of a whole domain are planned: COUNTERSIGN_DOMAIN_ROWS, else so many
// that it takes no long time.
func domainRows() int {
	if n, err := strconv.Atoi(os.Getenv("COUNTERSIGN_DOMAIN_ROWS")); err == nil && n > 0 {
		return n
	}
	return 1000
}

// A whole domain is planned by the pages of the list, which come one after the other, a look at what
// may be done to each account, and little more. The card counts meanwhile.
func TestWholeDomainIsPlannedInItsPages(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("a thousand rows take long under the race detector")
	}
	const pageSize = 50
	rows := domainRows()
	for _, road := range append(roads[:1:1], struct {
		name      string
		traffic   traffic
		ratio     float64
		throttled float64
	}{"no limit", free, 1.25, 0}) {
		t.Run(road.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorks(t, road.traffic, rows)
				w.counted()
				began := time.Now()
				b, err := w.engine.SubmitMove(t.Context(), asker, workflow.Request{
					Requester: asker.Person, Source: workflow.Source{
						Kind: workflow.SourceCommand, Move: &workflow.DomainMove{Old: "northwind.example", New: "northwind-group.example"},
					},
				})
				if err != nil {
					t.Fatal(err)
				}
				counted := map[int]bool{}
				for b.State == workflow.Planning {
					if b.Reading() && b.Checked > 0 {
						counted[b.Checked] = true
					}
					time.Sleep(time.Second)
					if b, err = w.store.Batch(t.Context(), b.Number); err != nil {
						t.Fatal(err)
					}
				}
				took := b.Planned.Sub(began)
				calls, _ := w.counted()
				pages := time.Duration((rows+pageSize-1)/pageSize) * road.traffic.latency
				floor := pages + w.floor(began.Add(pages), calls, tally{})
				t.Logf("%d accounts planned in %v, %.3f × %v, of which %v for the pages; %.3f calls an account: %v; counted %d times",
					b.Rows, took, took.Seconds()/floor.Seconds(), floor, pages, float64(calls.all())/float64(rows), calls.through, len(counted))
				if b.State != workflow.AwaitingApproval || b.Rows != rows {
					t.Errorf("%s with %d rows", b.State, b.Rows)
				}
				refused := 1000 * float64(calls.throttled) / float64(calls.all())
				if took.Seconds() > road.ratio*floor.Seconds() || refused > road.throttled || float64(calls.all()) > 1.1*float64(rows) {
					t.Errorf("want %.2f × the floor at most, %.0f 429s per 1,000 calls, and 1.1 calls an account; %.1f 429s",
						road.ratio, road.throttled, refused)
				}
				if len(counted) < int(pages/time.Second)-1 {
					t.Errorf("counted %d times in %v", len(counted), pages)
				}
			})
		})
	}
}
