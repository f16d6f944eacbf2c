package speed

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// tight are roads on which a large batch takes all that the limit gives, for hours.
var tight = map[string]traffic{
	"headers for all": {
		limit:   organisation.RateLimit{PerMinute: 300, Headers: true, Seconds: true, Shared: true},
		latency: 100 * time.Millisecond, workers: 8,
	},
	"headers for each": {
		limit:   organisation.RateLimit{PerMinute: 300, Headers: true, Seconds: true},
		latency: 100 * time.Millisecond, workers: 8,
	},
	"5 a second, nothing said": {
		limit:   organisation.RateLimit{Burst: 5, Shared: true},
		latency: 100 * time.Millisecond, workers: 8,
	},
}

func (w *works) done(number int64) int {
	w.t.Helper()
	s, err := w.store.Summary(w.t.Context(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.State(workflow.ChangeDone)
}

// made counts the changes that were sent; that of some is still to be proved.
func (w *works) made(number int64) int {
	w.t.Helper()
	s, err := w.store.Summary(w.t.Context(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.State(workflow.ChangeDone) + s.State(workflow.ChangeRunning)
}

// While a batch of thousands runs at the limit, batches of one are checked and made within the time of a few calls, however
// far the window is used up; another large one is checked at half the speed and then runs as fast as the first.
func TestBatchesTakeTurns(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("thousands of rows take long under the race detector")
	}
	for name, road := range tight {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const call = 200 * time.Millisecond // 300 a minute, 5 a second
				w := newWorks(t, road, 3350)
				big := w.ask(renames(both, 0, 2800))
				w.approve(big)
				for i := range 2 {
					time.Sleep(time.Minute + 20*time.Second)
					began := time.Now()
					small := w.ask(renames(both, 2800+i, 1))
					checked := w.reach(small, workflow.AwaitingApproval).Planned.Sub(began)
					w.approve(small)
					b := w.reach(small, workflow.Done)
					if ran := b.Ended.Sub(b.Approved); checked > 10*call || ran > 15*call {
						t.Errorf("a batch of one took %v to check and %v to run, of a minute that began %v before",
							checked, ran, began.Sub(began.Truncate(time.Minute)))
					}
				}
				began, had := time.Now(), w.done(big)
				second := w.ask(renames(both, 2850, 500))
				checked := w.reach(second, workflow.AwaitingApproval).Planned.Sub(began)
				if most := 400 * time.Second; checked > most {
					t.Errorf("a batch of 500 took %v to check beside another that runs, want %v at most", checked, most)
				}
				if got, want := w.done(big)-had, int(checked/(3*call)/4); got < want && checked > time.Minute {
					t.Errorf("%d changes were made in the %v of a check, want %d at least", got, checked, want)
				}
				w.approve(second)
				time.Sleep(80 * time.Second) // its canaries go one by one
				firstHad, secondHad := w.made(big), w.made(second)
				time.Sleep(2 * time.Minute)
				a, b := w.made(big)-firstHad, w.made(second)-secondHad
				t.Logf("in two minutes %d and %d changes", a, b)
				if a < 60 || b < 60 || a > b+b/7 || b > a+a/7 {
					t.Errorf("side by side %d and %d changes were made, want about as many", a, b)
				}
			})
		})
	}
}
