package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// hideAfterCalls makes an organisation answer the first readings of an account after each call with
// 404. The caller sets it as the fault of calls; it is what an eventually consistent directory
// does.
func hideAfterCalls(o *workflowtest.Organisation, readings int, fault workflowtest.Fault) {
	hidden := map[string]int{}
	o.SetFault(func(id string) workflowtest.Fault {
		hidden[id] = readings
		return fault
	})
	o.SetDeny(func(id string) error {
		o.Mu.Lock()
		defer o.Mu.Unlock()
		if hidden[id] > 0 {
			hidden[id]--
			return workflow.ErrNotFound
		}
		return nil
	})
}

// An account that is not found after a call is read again after 2, 5, 15 and 60 s, as one that does
// not show the new value yet; only then has the change failed, and says so in one sentence.
func TestNotFoundAfterACallIsReadAgain(t *testing.T) {
	for _, answer := range []struct {
		name  string
		fault workflowtest.Fault
		first time.Duration // reading after the call
	}{
		{"accepted", workflowtest.Fault{}, 0},
		{"answer lost", workflowtest.Fault{After: workflow.ErrUnknownOutcome}, 2 * time.Second},
	} {
		for readings := range 7 {
			t.Run(fmt.Sprintf("%s, %d times", answer.name, readings), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					o, file := people(1)
					d := newDesk(t, o, nil)
					b := d.ask(file)
					hideAfterCalls(o, readings, answer.fault)
					began := time.Now()
					d.approve(b)
					b = d.reach(b.Number, workflow.Done, workflow.Paused)
					want := []string{"2 done"}
					if last := 82 * time.Second; readings > 4 || readings == 4 && answer.first > 0 {
						want = []string{"2 failed vanished"}
						if took := time.Since(began); took < last || took > last+10*time.Second {
							t.Errorf("it failed after %s, want about %s", took, last)
						}
						c, err := d.store.Change(t.Context(), b.Number, 2)
						if err != nil {
							t.Fatal(err)
						}
						says := "account acc-1 was not found after the call; look at it in Atlassian admin"
						if c.Reason.Words() != says {
							t.Errorf("it says %q", c.Reason.Words())
						}
					}
					if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
						t.Errorf("(-want +got)\n%s", diff)
					}
					if got := len(o.Happened()); got != 1 {
						t.Errorf("%d effects", got)
					}
				})
			})
		}
	}
}

// Between two calls for one account, too: an account at its parking address is not given up because
// one reading does not find it.
func TestNotFoundBetweenTwoCallsIsReadAgain(t *testing.T) {
	for readings := 1; readings <= 4; readings++ {
		synctest.Test(t, func(t *testing.T) {
			o, file := ring(3)
			d := newDesk(t, o, tolerant)
			b := d.ask(file)
			calls := map[string]int{}
			hidden := 0
			o.SetFault(func(id string) workflowtest.Fault {
				if calls[id]++; id == "acc-1" && calls[id] == 1 {
					hidden = -1 // once the parking address has been seen
				}
				return workflowtest.Fault{}
			})
			o.SetDeny(func(id string) error {
				o.Mu.Lock()
				defer o.Mu.Unlock()
				switch {
				case id != "acc-1" || hidden == 0:
					return nil
				case hidden < 0:
					hidden = readings
					return nil
				}
				hidden--
				return workflow.ErrNotFound
			})
			d.approve(b)
			d.reach(b.Number, workflow.Done)
			if rows := d.rows(b.Number); slices.ContainsFunc(rows, func(row string) bool { return row[2:] != "done" }) {
				t.Errorf("after %d readings that did not find it: %v", readings, rows)
			}
			if diff := cmp.Diff([]string{"p2", "p3", "p1"}, addressesOf(o, 3)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
