package engine_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// count counts the rows in a state.
func count(rows []string, state string) int {
	n := 0
	for _, r := range rows {
		if strings.Fields(r)[1] == state {
			n++
		}
	}
	return n
}

func TestStopsByTheBot(t *testing.T) {
	tests := []struct {
		name   string
		rows   int
		limits run.Limits
		fault  func(string) workflowtest.Fault
		cause  workflow.StopCause
		calls  int // effects at most
		note   string
	}{
		{"a canary fails", 50, run.Limits{Workers: 8, Canary: 3}, failing(2), workflow.StopCanary, 1, "3"},
		{"failures in a row", 50, run.Limits{Workers: 1, StopAfterFailures: 3}, failing(10, 11, 12), workflow.StopInARow, 9, "3"},
		{"a percentage fails", 60, run.Limits{Workers: 1, StopAtPercent: 10}, failing(5, 19), workflow.StopPercent, 18, "10 % of the changes failed, 2 of 20, and 10 % is the limit"},
		{"the key is refused", 50, run.Limits{Workers: 4}, func(id string) workflowtest.Fault {
			if id == "acc-20" {
				return workflowtest.Fault{Before: workflow.ErrKeyRefused}
			}
			return workflowtest.Fault{}
		}, workflow.StopKeyRefused, 30, ""},
		{"nothing is answered", 10, run.Limits{Workers: 4}, func(string) workflowtest.Fault {
			return workflowtest.Fault{Before: workflow.ErrNotSent}
		}, workflow.StopUnavailable, 0, "5 minutes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(tt.rows)
				o.Latency = 20 * time.Millisecond
				d := newDesk(t, o, func(c *engine.Config) { c.Run = tt.limits })
				b := d.ask(file)
				o.SetFault(tt.fault)
				d.approve(b)
				b = d.reach(b.Number, workflow.Paused)
				synctest.Wait()
				if b.Stop.Cause != tt.cause || b.Stop.Note != tt.note {
					t.Errorf("paused because of %q, %q; want %q, %q", b.Stop.Cause, b.Stop.Note, tt.cause, tt.note)
				}
				if n := len(o.Happened()); n > tt.calls {
					t.Errorf("%d calls had an effect, want at most %d", n, tt.calls)
				}
				if tt.cause == workflow.StopKeyRefused && count(d.rows(b.Number), "failed") != 0 {
					t.Errorf("a refused key used up rows: %v", d.rows(b.Number))
				}
				if _, err := d.engine.Resume(t.Context(), b.Number, hana); !errors.Is(err, workflow.ErrNotAdmin) {
					t.Errorf("the requester resumes: got %v, want %v", err, workflow.ErrNotAdmin)
				}
				o.SetFault(nil)
				d.do(d.engine.Resume, b.Number, bob)
				d.reach(b.Number, workflow.Done)
				if n := count(d.rows(b.Number), "done") + count(d.rows(b.Number), "failed"); n != tt.rows {
					t.Errorf("%d of %d rows ended as done or failed", n, tt.rows)
				}
			})
		})
	}
}

// failing lets the calls for some accounts fail, by their numbers.
func failing(ids ...int) func(string) workflowtest.Fault {
	return func(id string) workflowtest.Fault {
		for _, i := range ids {
			if id == fmt.Sprintf("acc-%d", i) {
				return workflowtest.Fault{Before: refusal()}
			}
		}
		return workflowtest.Fault{}
	}
}

// once lets the first call for each account end so, before it had an effect.
func once(err error) func(string) workflowtest.Fault {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(id string) workflowtest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if seen[id] {
			return workflowtest.Fault{}
		}
		seen[id] = true
		return workflowtest.Fault{Before: err}
	}
}

// What counts for the stop rules, and what does not: the bot stops for failures alone, a percentage means
// nothing before 20 changes have ended, and a stop with nothing left is an end.
func TestWhatCountsForAStop(t *testing.T) {
	move := func(o *workflowtest.Organisation, ids ...int) {
		for _, i := range ids {
			o.Set(fmt.Sprintf("acc-%d", i), func(a *workflow.Account) { a.Email = fmt.Sprintf("elsewhere%d@old.example", i) })
		}
	}
	for name, tt := range map[string]struct {
		rows   int
		limits run.Limits
		fault  func(string) workflowtest.Fault
		moved  []int
		want   workflow.State
		cause  workflow.StopCause
	}{
		"a row that drifted is a failure": {
			rows: 20, limits: run.Limits{Workers: 1, StopAfterFailures: 3}, moved: []int{4, 5, 6}, want: workflow.Paused, cause: workflow.StopInARow,
		},
		"with others in a row": {
			rows: 20, limits: run.Limits{Workers: 1, StopAfterFailures: 3}, moved: []int{4, 6}, fault: failing(5), want: workflow.Paused,
			cause: workflow.StopInARow,
		},
		"not in a row": {rows: 20, limits: run.Limits{Workers: 1, StopAfterFailures: 3}, fault: failing(4, 5, 7, 8, 10, 11), want: workflow.Done},
		"many of few":  {rows: 19, limits: run.Limits{Workers: 1, StopAtPercent: 10}, fault: failing(1, 3, 5, 7, 9, 11, 13), want: workflow.Done},
		"behind the last one": {
			rows: 20, limits: run.Limits{Workers: 1, StopAfterFailures: 3, StopAtPercent: 10}, fault: failing(18, 19, 20), want: workflow.Done,
		},
		"the only canary":     {rows: 1, limits: run.Limits{Workers: 1, Canary: 3}, fault: failing(1), want: workflow.Done},
		"the last canary":     {rows: 3, limits: run.Limits{Workers: 1, Canary: 3}, fault: failing(3), want: workflow.Done},
		"behind the canaries": {rows: 9, limits: run.Limits{Workers: 1, Canary: 3}, fault: failing(4), want: workflow.Done},
		"throttled":           {rows: 9, limits: run.Limits{Workers: 1, Canary: 3, StopAfterFailures: 2}, fault: once(workflow.ErrThrottled), want: workflow.Done},
		"unanswered": {
			rows: 9, limits: run.Limits{Workers: 1, Canary: 3, StopAfterFailures: 2}, fault: once(workflow.ErrUnknownOutcome), want: workflow.Done,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(tt.rows)
				d := newDesk(t, o, func(c *engine.Config) { c.Run = tt.limits })
				b := d.ask(file)
				move(o, tt.moved...)
				o.SetFault(tt.fault)
				d.approve(b)
				b = d.reach(b.Number, workflow.Paused, workflow.Done)
				if b.State != tt.want || b.Stop.Cause != tt.cause {
					t.Errorf("%s because of %q, want %s, %q: %v", b.State, b.Stop.Cause, tt.want, tt.cause, d.rows(b.Number))
				}
			})
		})
	}
}

// A batch that is paused before its first call goes back to approved, where it waits for what it waited for.
func TestPauseBeforeTheStartReturnsToApproved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1, Window: evenings} })
		b := d.ask(file)
		d.approve(b) // at midnight; the window opens at 19:00
		d.do(d.engine.Pause, b.Number, hana)
		d.reach(b.Number, workflow.Paused)
		time.Sleep(time.Hour)
		d.do(d.engine.Resume, b.Number, bob)
		synctest.Wait()
		if got := d.batch(b.Number); got.State != workflow.Approved || len(o.Happened()) > 0 {
			t.Errorf("resumed before the window it is %s", got.State)
		}
		d.reach(b.Number, workflow.Done)
	})
}
