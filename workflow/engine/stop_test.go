package engine_test

import (
	"errors"
	"fmt"
	"strings"
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
	failing := func(ids ...int) func(string) workflowtest.Fault {
		return func(id string) workflowtest.Fault {
			for _, i := range ids {
				if id == fmt.Sprintf("acc-%d", i) {
					return workflowtest.Fault{Before: refusal()}
				}
			}
			return workflowtest.Fault{}
		}
	}
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
