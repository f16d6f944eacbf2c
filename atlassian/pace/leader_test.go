package pace_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// trials watches that one call tries whether a limit that is used up has something again, and the next
// one waits for its answer.
type trials struct {
	*wire
	limits map[string]*watched // by operation, or all in one
}

// watched is what was heard of one limit.
type watched struct {
	shut    time.Time // when a call left that was told that nothing is left; zero: some is
	trying  int       // calls in flight that left after that was heard
	tried   time.Time // when the latest of them left
	crowded int       // calls that left while another one tried, and were refused
	refused map[int64]int
}

// patience is how long a call that is not heard of keeps the next one waiting.
const patience = 2 * time.Second

// of returns the limit that the operation counts against, as far as a client can know.
func (w *trials) of(operation string) *watched {
	if w.told && !w.each {
		operation = ""
	}
	if w.limits[operation] == nil {
		w.limits[operation] = &watched{refused: map[int64]int{}}
	}
	return w.limits[operation]
}

// carry makes a call in the gate's turn.
func (w *trials) carry(ctx context.Context, g *pace.Gate, call pace.Call) {
	t, err := g.Wait(ctx, call)
	if err != nil {
		return
	}
	w.mu.Lock()
	l, left := w.of(call.Operation), time.Now()
	tries, crowds := !l.shut.IsZero(), false
	if tries {
		crowds = l.trying > 0 && left.Sub(l.tried) < patience
		l.trying++
		l.tried = left
	}
	w.mu.Unlock()
	status, h := w.send(call.Operation)
	told := pace.ReadLimits(h, time.Now())
	w.mu.Lock()
	if tries {
		l.trying--
	}
	refused := status == http.StatusTooManyRequests
	if refused {
		if crowds {
			l.crowded++
		}
		l.refused[w.index(time.Now())]++
	}
	switch {
	case refused || w.form == fixed && told.Remaining == 0:
		if l.shut.IsZero() || left.After(l.shut) {
			l.shut = left
		}
	case left.After(l.shut):
		l.shut = time.Time{}
	}
	w.mu.Unlock()
	g.Done(t, pace.Answer{Status: status, Limits: &told})
}

// Whoever wants to call, at whichever endpoints, and whatever is told: when nothing is left, one call
// tries whether some is again, and the next one waits for its answer.
func TestOneCallTries(t *testing.T) {
	const (
		workers    = 8
		few, large = 17, 90 // calls in a minute
	)
	form := func(f form, limit int, round int) regime {
		return regime{form: f, limit: limit, length: time.Minute, latency: 400 * time.Millisecond, round: round, told: true}
	}
	with := func(r regime, change func(r *regime)) regime { change(&r); return r }
	minutes := func(r *regime) { r.minutes = true }
	for name, test := range map[string]struct {
		limit   regime
		refused int // in a window at most; 0: as many as are left to find out about the limit
	}{
		"to the second":        {form(fixed, few, 1), 2},
		"to the minute, up":    {with(form(fixed, few, 1), minutes), 7},
		"to the minute, near":  {with(form(fixed, few, 0), minutes), 7},
		"to the minute, down":  {with(form(fixed, few, -1), minutes), 7},
		"no date":              {with(form(fixed, few, 1), func(r *regime) { r.noDate, r.ahead = true, time.Hour }), 15},
		"large":                {form(fixed, large, 1), 2},
		"a few":                {form(fixed, 4, 1), 2},
		"and retry-after":      {with(form(fixed, few, 1), func(r *regime) { r.after = true }), 2},
		"bare":                 {with(form(fixed, few, 1), func(r *regime) { r.told = false }), 0},
		"retry-after":          {with(form(fixed, few, 1), func(r *regime) { r.told, r.after = false, true }), 0},
		"bursts of bare ones":  {with(form(fixed, large, 1), func(r *regime) { r.quiet, r.burst = 20*time.Second, 5 }), 0},
		"sliding":              {form(sliding, few, 0), 0},
		"sliding, from now":    {with(form(sliding, few, 0), func(r *regime) { r.fromNow = true }), 0},
		"sliding, to a minute": {with(form(sliding, few, 0), minutes), 0},
		"refilling":            {form(bucket, few, 0), 0},
	} {
		for _, each := range []bool{false, true} {
			// Where a limit has no windows, or is not told, that others have one of their own shows when calls of both
			// have left together, once.
			together := 0
			if test.limit.form != fixed || !test.limit.told {
				together = workers - 1
			}
			for seed := range uint64(6) {
				t.Run(fmt.Sprintf("%s/each %t/%d", name, each, seed), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						r := test.limit
						r.each = each
						w := &trials{wire: &wire{server: newServer(r, seed)}, limits: map[string]*watched{}}
						w.live(t, testGate(t, pace.Rate{}, workers), rand.New(rand.NewPCG(seed, 9)))
						for operation, l := range w.limits {
							if l.crowded > together {
								t.Errorf("%s: %d calls left while another one tried, and were refused; want %d at most", operation, l.crowded, together)
							}
							for window, n := range l.refused {
								if test.refused > 0 && n > test.refused {
									t.Errorf("%s: %d calls were refused in window %d; want %d at most", operation, n, window, test.refused)
								}
							}
						}
					})
				})
			}
		}
	}
}

// live lets three parties of three callers each make calls for some minutes, mostly one kind of them.
func (w *trials) live(t *testing.T, g *pace.Gate, random *rand.Rand) {
	t.Helper()
	others := []string{"list domains", "read organisation", "list managed accounts", "read profile", "search users"}
	for _, operation := range append(others, aRead.Operation) { // as one looks about before a batch
		w.carry(t.Context(), g, pace.Call{Operation: operation})
	}
	ctx, cancel := context.WithTimeout(t.Context(), 6*time.Minute)
	defer cancel()
	var wg sync.WaitGroup
	for caller := range int64(9) {
		wg.Go(func() {
			for ctx.Err() == nil {
				w.mu.Lock()
				operation, rest := aRead.Operation, time.Duration(random.Int64N(int64(time.Second)))
				if random.IntN(8) == 0 {
					operation = others[random.IntN(len(others))]
				}
				w.mu.Unlock()
				w.carry(ctx, g, pace.Call{Operation: operation, Party: caller / 3})
				time.Sleep(rest)
			}
		})
	}
	wg.Wait()
}

// A call that tries and is not heard of, or ends without an answer, keeps the others waiting for no
// longer than it may take.
func TestWhoTriesMayBeLost(t *testing.T) {
	for name, test := range map[string]struct {
		ends   func(g *pace.Gate, t pace.Ticket)
		waited time.Duration
	}{
		"not heard of": {func(*pace.Gate, pace.Ticket) {}, patience},
		"no answer":    {func(g *pace.Gate, t pace.Ticket) { g.Done(t, pace.Answer{}) }, 0},
		"a bad gateway": {func(g *pace.Gate, t pace.Ticket) {
			g.Done(t, pace.Answer{Status: http.StatusBadGateway, Limits: &silent})
		}, 0},
		"it did not leave": {func(g *pace.Gate, t pace.Ticket) { g.Cancel(t) }, 0},
	} {
		for _, told := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/told %t", name, told), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					g, l := testGate(t, fast, 8), silent
					prove(t, g, aRead, l)
					if told {
						l = headers(5, 0, time.Now().Add(10*time.Second))
					}
					leave, _ := wait(t, g, aRead)
					refuse(g, leave, l)
					leave, _ = wait(t, g, aRead)
					test.ends(g, leave)
					if _, waited := wait(t, g, aRead); waited < test.waited || waited > test.waited+time.Millisecond {
						t.Errorf("the next one waited %v, want %v", waited, test.waited)
					}
				})
			})
		}
	}
}
