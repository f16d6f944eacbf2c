package engine_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// ring makes accounts p1 … pn and a file in which each takes the address of the next and the last
// that of the first.
func ring(n int) (*workflowtest.Organisation, string) {
	o, _ := people(n)
	file := "old_email,new_email\n"
	for i := 1; i <= n; i++ {
		file += fmt.Sprintf("p%d@old.example,p%d@old.example\n", i, i%n+1)
	}
	return o, file
}

func addressesOf(o *workflowtest.Organisation, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strings.TrimSuffix(o.Current(fmt.Sprintf("acc-%d", i+1)).Email, "@old.example")
	}
	return out
}

func TestExchangesGoByWayOfAParkingAddress(t *testing.T) {
	for n := 2; n <= 5; n++ {
		t.Run(fmt.Sprintf("%d accounts", n), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := ring(n)
				d := newDesk(t, o, nil)
				b := d.ask(file)
				changes, err := d.store.Changes(t.Context(), b.Number, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := changes[0].Via(), "countersign-park-1-2@old.example"; got != want {
					t.Errorf("line 2 goes by way of %q, want %q", got, want)
				}
				if !slices.Equal(changes[0].Effects, []workflow.Effect{workflow.EffectSignedOutTwice}) ||
					!slices.Equal(changes[1].Effects, []workflow.Effect{workflow.EffectSignedOut}) {
					t.Errorf("effects %s and %s", changes[0].Effects, changes[1].Effects)
				}
				d.approve(b)
				b = d.reach(b.Number, workflow.Done)
				var want []string
				for i := 1; i <= n; i++ {
					want = append(want, fmt.Sprintf("p%d", i%n+1))
				}
				if diff := cmp.Diff(want, addressesOf(o, n)); diff != "" {
					t.Errorf("addresses (-want +got)\n%s", diff)
				}
				if got := len(o.Happened()); got != n+1 {
					t.Errorf("%d calls had an effect, want %d", got, n+1)
				}
				if got := count(d.rows(b.Number), "done"); got != n || b.Parked != nil {
					t.Errorf("%d rows are done, parked %v: %v", got, b.Parked, d.rows(b.Number))
				}
			})
		})
	}
}

// A parking address is one that nobody has, on a domain that is ours.
func TestParkingAddressIsChecked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := ring(2)
		o.Accounts["squatter"] = workflowtest.Managed("squatter", "countersign-park-1-2@old.example")
		d := newDesk(t, o, nil)
		b := d.ask(file)
		want := []string{"2 blocked park_taken", "3 blocked waits_blocked"}
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" || b.State != workflow.Empty {
			t.Errorf("%s (-want +got)\n%s", b.State, diff)
		}
	})
}

// Whoever is not signed in is parked rather than somebody who is.
func TestParksWhomItDoesNotDisturb(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := ring(3)
		o.Set("acc-2", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
		d := newDesk(t, o, nil)
		b := d.ask(file)
		changes, err := d.store.Changes(t.Context(), b.Number, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		if changes[0].Via() != "" || changes[1].Via() == "" || changes[1].Effects != nil {
			t.Errorf("via %q, %q with effect %q", changes[0].Via(), changes[1].Via(), changes[1].Effects)
		}
	})
}

// refusing refuses the calls that would give the account an address, but for its parking address
// and its own.
func refusing(o *workflowtest.Organisation, id, old string) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	o.Refuse = func(account, to string) error {
		if account == id && !strings.HasPrefix(to, "countersign-park-") && to != old {
			return refusal()
		}
		return nil
	}
}

// Whatever row of an exchange is refused, everybody has their own address again at the end.
func TestExchangeThatCannotBeFinishedIsPutBack(t *testing.T) {
	const n = 4
	for failing := 1; failing <= n; failing++ {
		t.Run(fmt.Sprintf("account %d is refused", failing), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := ring(n)
				refusing(o, fmt.Sprintf("acc-%d", failing), fmt.Sprintf("p%d@old.example", failing))
				d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 4} })
				b := d.ask(file)
				d.approve(b)
				b = d.reach(b.Number, workflow.Done)
				if diff := cmp.Diff([]string{"p1", "p2", "p3", "p4"}, addressesOf(o, n)); diff != "" {
					t.Errorf("addresses (-want +got)\n%s", diff)
				}
				rows := d.rows(b.Number)
				if got := count(rows, "done"); got != 0 || b.Parked != nil {
					t.Errorf("%d rows are done, parked %v: %v", got, b.Parked, rows)
				}
				if got := strings.Count(strings.Join(rows, "\n"), "failed refused"); failing > 1 && got != 1 {
					t.Errorf("%d rows say that they were refused: %v", got, rows)
				}
			})
		})
	}
}

// An account that cannot be brought away from its parking address is named, and stops the run.
func TestStuckAccountIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := ring(2)
		file += "p3@old.example,p3@new.example\n"
		o.Accounts["acc-3"] = workflowtest.Managed("acc-3", "p3@old.example")
		o.Accounts["acc-3"] = func(a workflow.Account) workflow.Account {
			a.Status, a.Type = workflow.StatusActive, "atlassian"
			return a
		}(o.Accounts["acc-3"])
		refusing(o, "acc-1", "")
		d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1} })
		b := d.ask(file)
		d.approve(b)
		b = d.reach(b.Number, workflow.Paused)
		if b.Stop.Cause != workflow.StopStuck || !cmp.Equal(b.Stop.Rows, []int{2}) {
			t.Errorf("stopped by %+v", b.Stop)
		}
		c, err := d.store.Change(t.Context(), b.Number, 2)
		if err != nil {
			t.Fatal(err)
		}
		if c.State != workflow.ChangeFailed || !strings.Contains(c.Reason.Words(), "countersign-park-1-2@old.example") {
			t.Errorf("line 2 is %s: %s", c.State, c.Reason.Words())
		}
		d.do(d.engine.Resume, b.Number, bob)
		d.reach(b.Number, workflow.Done)
	})
}

// A pause or a cancellation in the middle of an exchange lets it finish, and nothing else begin.
func TestBegunExchangeIsFinishedBeforeAStop(t *testing.T) {
	for _, tt := range []struct {
		name string
		act  func(*desk) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error)
		want workflow.State
	}{
		{"pause", func(d *desk) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
			return d.engine.Pause
		}, workflow.Paused},
		{"cancel", func(d *desk) func(context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
			return d.engine.Cancel
		}, workflow.Cancelled},
		{"restart while paused", nil, workflow.Paused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := ring(3)
				for i := 4; i <= 9; i++ {
					id := fmt.Sprintf("acc-%d", i)
					o.Accounts[id] = workflow.Account{
						ID: id, Email: fmt.Sprintf("p%d@old.example", i), Type: "atlassian", Status: workflow.StatusActive, Managed: true,
						RolesKnown: true,
					}
					file += fmt.Sprintf("p%d@old.example,p%d@new.example\n", i, i)
				}
				o.Latency = time.Second
				d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1} })
				b := d.ask(file)
				d.approve(b)
				for len(o.Happened()) == 0 {
					time.Sleep(100 * time.Millisecond) // of the bubble
				}
				if tt.act != nil {
					d.do(tt.act(d), b.Number, alice)
				} else {
					d.do(d.engine.Pause, b.Number, alice)
					d.restart()
				}
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				b = d.batch(b.Number)
				if b.State != tt.want || b.Parked != nil {
					t.Errorf("the batch is %s, parked %v", b.State, b.Parked)
				}
				if diff := cmp.Diff([]string{"p2", "p3", "p1"}, addressesOf(o, 3)); diff != "" {
					t.Errorf("addresses (-want +got)\n%s", diff)
				}
				if got := len(o.Happened()); got != 4 {
					t.Errorf("%d calls had an effect, want the 4 of the exchange", got)
				}
			})
		})
	}
}

// forgetful is an organisation whose reads lag behind, and not all by the same: one shows what is,
// the next what was.
type forgetful struct {
	*workflowtest.Organisation
	after int // readings of a parked account that are right before the wrong ones
	times int // how many are wrong
	seen  int
}

func (f *forgetful) For(int64) workflow.Directory { return f }

func (f *forgetful) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	answers, err := f.Organisation.Read(ctx, facts...)
	for fact, answer := range answers {
		if fact.Kind != workflow.KindProfile || !strings.HasPrefix(answer[0].Get(workflow.FieldEmail), "countersign-park-") {
			continue
		}
		f.Mu.Lock()
		if f.seen++; f.seen > f.after && f.seen <= f.after+f.times {
			old := strings.Replace(fact.AccountID, "acc-", "p", 1) + "@old.example"
			answers[fact] = []workflow.Values{answer[0].With(workflow.FieldEmail, old)}
		}
		f.Mu.Unlock()
	}
	return answers, err
}

// An account at its parking address is not taken for one that somebody else brought back because
// one reading is old: it would be left there.
func TestAnOldReadingDoesNotEndAnExchange(t *testing.T) {
	for _, backwards := range []bool{false, true} {
		t.Run(fmt.Sprintf("backwards %v", backwards), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := ring(2)
				want := []string{"2 done", "3 done"}
				addresses := []string{"p2", "p1"}
				if backwards { // the second account is refused, so that the first is put back
					o.Refuse = func(id, _ string) error {
						if id == "acc-2" {
							return refusal()
						}
						return nil
					}
					want, addresses = []string{"2 failed put_back", "3 failed refused"}, []string{"p1", "p2"}
				}
				lagging := &forgetful{Organisation: o, after: 1, times: 4}
				d := newDesk(t, o, func(c *engine.Config) {
					c.Directory = lagging
					c.Run.Canary = 0
				})
				b := d.ask(file)
				d.approve(b)
				b = d.reach(b.Number, workflow.Done)
				if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" || len(b.Parked) > 0 {
					t.Errorf("rows, parked %v (-want +got)\n%s", b.Parked, diff)
				}
				if diff := cmp.Diff(addresses, addressesOf(o, 2)); diff != "" {
					t.Errorf("addresses (-want +got)\n%s", diff)
				}
				if lagging.seen <= lagging.after {
					t.Error("no reading was old")
				}
			})
		})
	}
}
