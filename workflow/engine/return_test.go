package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// askWhen asks for changes at a time.
func (d *desk) askWhen(csv string, when workflow.When) *workflow.Batch {
	d.t.Helper()
	b, err := d.engine.Submit(context.Background(), hana, workflow.Request{
		Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"},
		Original: []byte(csv), Sheet: sheetOf(d.t, csv), When: when,
	})
	if err != nil {
		d.t.Fatalf("Submit: %v", err)
	}
	return d.reach(b.Number, workflow.AwaitingApproval, workflow.Empty)
}

// in is a moment from now on, as people write them: whole minutes.
func in(d time.Duration) time.Time { return time.Now().Add(d).Truncate(time.Second).UTC() }

func (d *desk) status(id string) workflow.AccountStatus { return d.org.Current(id).Status }

const leavers = "action,old_email\ndeactivate,p1@old.example\ndeactivate,p2@old.example\n"

// the first steps of a batch say its times, and so does what is approved.
func TestStepsHaveTheTimesOfTheBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		when := workflow.When{At: in(time.Hour), For: 8 * time.Hour}
		b := d.askWhen(leavers, when)
		changes, err := d.store.Changes(t.Context(), b.Number, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		var steps []workflow.Step
		for _, c := range changes {
			steps = append(steps, c.Steps...)
			if s := c.Steps[0]; s.At != when.StepAt() || s.Until != "+28800" {
				t.Errorf("row %d: at %q until %q", c.Row, s.At, s.Until)
			}
		}
		if workflow.PlanDigest(b, steps) != b.Digest {
			t.Error("the digest is of other steps")
		}
	})
}

func TestABatchWaitsForItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		at := in(3 * time.Hour)
		b := d.askWhen(leavers, workflow.When{At: at})
		d.approve(b)
		time.Sleep(time.Hour)
		d.restart()
		time.Sleep(time.Until(at) - time.Second)
		synctest.Wait()
		if b := d.batch(1); b.State != workflow.Approved || len(o.Happened()) > 0 {
			t.Fatalf("before its time it is %s", b.State)
		}
		b = d.reach(1, workflow.Done)
		if b.Started.Before(at) || b.Started.Sub(at) > time.Second {
			t.Errorf("started %s after its time", b.Started.Sub(at))
		}
	})
}

// A batch that was approved after its time starts at once, and one whose moment nobody was there for
// counts start_within from it.
func TestMissedMoments(t *testing.T) {
	for _, c := range []struct {
		name  string
		down  time.Duration // after the batch's time
		state workflow.State
	}{
		{"shortly", 11 * time.Hour, workflow.Done}, {"for long", 13 * time.Hour, workflow.Paused},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(2)
				d := newDesk(t, o, nil)
				at := in(24 * 30 * time.Hour)
				d.approve(d.askWhen(leavers, workflow.When{At: at}))
				d.end()
				time.Sleep(time.Until(at) + c.down)
				d.start()
				if b := d.reach(1, workflow.Done, workflow.Paused); b.State != c.state {
					t.Errorf("it is %s: %+v", b.State, b.Stop)
				}
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		b := d.askWhen(leavers, workflow.When{At: in(time.Hour)})
		time.Sleep(2 * time.Hour)
		d.approve(b)
		if b := d.reach(1, workflow.Done); time.Since(b.Started) > time.Minute {
			t.Errorf("started %s ago", time.Since(b.Started))
		}
	})
}

func TestStartNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{At: in(3 * time.Hour)}))
		if _, err := d.engine.Start(t.Context(), 1, hana); !errors.Is(err, workflow.ErrOwnBatch) {
			t.Errorf("its requester: %v", err)
		}
		if _, err := d.engine.Start(t.Context(), 1, bob); err != nil {
			t.Fatal(err)
		}
		d.reach(1, workflow.Done)
		if _, err := d.engine.Start(t.Context(), 1, bob); !errors.As(err, new(*workflow.StateError)) {
			t.Errorf("again: %v", err)
		}
	})
}

// Whoever asked or approved must still be entitled when the time has come.
func TestRightsLostBeforeItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		people := &staff{}
		d := newDesk(t, o, func(c *engine.Config) { c.People = people })
		d.approve(d.askWhen(leavers, workflow.When{At: in(time.Hour)}))
		lost := hana
		lost.Requester = false
		people.is(lost)
		if b := d.reach(1, workflow.Paused, workflow.Done); b.Stop.Cause != workflow.StopStart || len(o.Happened()) > 0 {
			t.Fatalf("%s %+v, %v", b.State, b.Stop, o.Happened())
		}
		people.is(hana)
		if _, err := d.engine.Resume(t.Context(), 1, bob); err != nil {
			t.Fatal(err)
		}
		d.reach(1, workflow.Done)
	})
}

// ret is the return of batch 1.
func (d *desk) ret() *workflow.Batch {
	d.t.Helper()
	following, err := d.store.Following(context.Background(), 1)
	if err != nil {
		d.t.Fatal(err)
	}
	var out *workflow.Batch
	for _, b := range following {
		if b.Link != workflow.LinkReturn {
			continue
		}
		if out != nil {
			d.t.Fatalf("two returns, #%d and #%d", out.Number, b.Number)
		}
		out = b
	}
	if out == nil {
		d.t.Fatal("no return")
	}
	return out
}

// audited holds the database against its log.
func (d *desk) audited() {
	d.t.Helper()
	a, err := d.store.Audit(context.Background())
	if err != nil || !a.Whole() {
		d.t.Errorf("audit: %v %v", err, a.Findings)
	}
}

func TestWhatIsDoneForAWhileIsTakenBack(t *testing.T) {
	for name, ends := range map[string]func(*workflow.When){
		"until": func(w *workflow.When) { w.Until = in(8 * time.Hour) },
		"for":   func(w *workflow.When) { w.For = 8 * time.Hour },
		"at and for": func(w *workflow.When) {
			w.At, w.For = in(2*time.Hour), 6*time.Hour
		},
		"for seconds": func(w *workflow.When) { w.For = 8 * time.Second },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(3)
				d := newDesk(t, o, nil)
				var when workflow.When
				ends(&when)
				b := d.askWhen("action,old_email,new_email\ndeactivate,p1@old.example,\nrename,p2@old.example,p2@new.example\n"+
					"rename,p3@old.example,p2@old.example\n", when)
				if n, _ := d.store.Following(t.Context(), 1); len(n) != 0 {
					t.Fatal("there is a return before the approval")
				}
				d.approve(b)
				if r := d.ret(); r.State != workflow.Approved || r.Requester != b.Requester || r.Digest == "" || r.Digest == b.Digest {
					t.Fatalf("the return is %s of %s", r.State, r.Requester.ID)
				}
				b = d.reach(1, workflow.Done)
				if d.status("acc-1") != workflow.StatusInactive || o.Current("acc-3").Email != "p2@old.example" {
					t.Fatalf("the first half was not made: %v", d.rows(1))
				}
				end := when.End(b.Started)
				if name != "for seconds" {
					time.Sleep(time.Until(end) - time.Second)
					synctest.Wait()
					if r := d.ret(); r.State != workflow.Approved {
						t.Fatalf("the return is %s too early", r.State)
					}
				}
				r := d.reach(2, workflow.Done)
				if late := r.Started.Sub(end); late < 0 || late > 2*time.Second {
					t.Errorf("it began %s after the end", late)
				}
				if diff := cmp.Diff([]string{"2 done", "3 done", "4 done"}, d.rows(2)); diff != "" {
					t.Errorf("the return (-want +got):\n%s", diff)
				}
				for i := 1; i <= 3; i++ {
					if a := o.Current(fmt.Sprintf("acc-%d", i)); a.Status != workflow.StatusActive || a.Email != fmt.Sprintf("p%d@old.example", i) {
						t.Errorf("left as %+v", a)
					}
				}
				time.Sleep(24 * time.Hour)
				synctest.Wait()
				if n := len(o.Happened()); n != 6 {
					t.Errorf("%d effects", n)
				}
				d.audited()
			})
		})
	}
}

func TestWhatHasNoWayBackHasNoEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(3)
		d := newDesk(t, o, nil)
		d.askWhen("action,old_email,new_email\nrename,p1@old.example,p2@old.example\nrename,p2@old.example,p1@old.example\n"+
			"deactivate,p3@old.example,\n", workflow.When{For: time.Hour})
		if diff := cmp.Diff([]string{"2 blocked no_return", "3 blocked no_return", "4 ready"}, d.rows(1)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// What the first half did not do is not taken back, nor what is other than it left it.
func TestAReturnTakesBackWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(4)
		d := newDesk(t, o, nil)
		o.SetFault(func(id string) workflowtest.Fault {
			if id == "acc-1" {
				return workflowtest.Fault{Before: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "no")}}
			}
			return workflowtest.Fault{}
		})
		b := d.askWhen("action,old_email\ndeactivate,p2@old.example\ndeactivate,p3@old.example\ndeactivate,p4@old.example\ndeactivate,p1@old.example\n",
			workflow.When{For: 8 * time.Hour})
		d.approve(b)
		d.reach(1, workflow.Done)
		o.SetFault(nil)
		o.Set("acc-2", func(a *workflow.Account) { a.Status = workflow.StatusActive }) // somebody did it by hand
		o.Set("acc-3", func(a *workflow.Account) { a.Email = "else@old.example" })     // and moved this one
		d.reach(2, workflow.Done, workflow.Paused)
		if diff := cmp.Diff([]string{"2 unchanged already", "3 failed drifted", "4 ready", "5 unchanged not_ours"}, d.rows(2)); diff != "" && d.batch(2).State == workflow.Paused {
			t.Logf("paused by its canary: %s", diff)
		}
		if r := d.batch(2); r.State == workflow.Paused {
			if _, err := d.engine.Resume(t.Context(), 2, bob); err != nil {
				t.Fatal(err)
			}
			d.reach(2, workflow.Done)
		}
		if diff := cmp.Diff([]string{"2 unchanged already", "3 failed drifted", "4 done", "5 unchanged not_ours"}, d.rows(2)); diff != "" {
			t.Errorf("the return (-want +got):\n%s", diff)
		}
		if d.status("acc-3") != workflow.StatusInactive || d.status("acc-1") != workflow.StatusActive {
			t.Error("something else was changed")
		}
		d.audited()
	})
}

// A batch that was cancelled before it did anything has nothing to be taken back; one that was
// cancelled in the middle has what it did.
func TestTheReturnOfWhatWasCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{At: in(time.Hour), For: time.Hour}))
		if _, err := d.engine.Cancel(t.Context(), 1, hana); err != nil {
			t.Fatal(err)
		}
		d.reach(2, workflow.Cancelled)
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if len(o.Happened()) > 0 || d.ret().State != workflow.Cancelled {
			t.Errorf("%v", o.Happened())
		}
	})
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(6)
		o.Latency = 10 * time.Second
		d := newDesk(t, o, nil)
		b := d.askWhen("action,old_email\ndeactivate,p1@old.example\ndeactivate,p2@old.example\ndeactivate,p3@old.example\n"+
			"deactivate,p4@old.example\ndeactivate,p5@old.example\ndeactivate,p6@old.example\n", workflow.When{For: 8 * time.Hour})
		d.approve(b)
		for len(o.Happened()) < 2 {
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if _, err := d.engine.Cancel(t.Context(), 1, hana); err != nil {
			t.Fatal(err)
		}
		b = d.reach(1, workflow.Cancelled, workflow.Done)
		made := len(o.Happened())
		if made == 6 {
			t.Fatal("all of it was made")
		}
		if time.Since(b.Started) > time.Hour || d.ret().State != workflow.Approved {
			t.Errorf("the return is %s", d.ret().State)
		}
		d.reach(2, workflow.Done)
		if got := len(o.Happened()); got != 2*made {
			t.Errorf("%d effects, %d of them the first half's", got, made)
		}
	})
}

// At the end the first run takes no more rows, and the return waits until it has ended.
func TestTheEndComesWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(6)
		o.Latency = 20 * time.Second
		d := newDesk(t, o, nil)
		b := d.askWhen("action,old_email\ndeactivate,p1@old.example\ndeactivate,p2@old.example\ndeactivate,p3@old.example\n"+
			"deactivate,p4@old.example\ndeactivate,p5@old.example\ndeactivate,p6@old.example\n", workflow.When{For: 70 * time.Second})
		d.approve(b)
		b = d.reach(1, workflow.Done)
		if !b.Over || !slices.ContainsFunc(d.rows(1), func(row string) bool { return strings.HasSuffix(row, "skipped not_run") }) {
			t.Fatalf("over: %v, %v", b.Over, d.rows(1))
		}
		if _, err := d.engine.Retry(t.Context(), 1, alice); !errors.Is(err, workflow.ErrTimeOver) && !errors.Is(err, workflow.ErrNothingToRetry) {
			t.Errorf("retry: %v", err)
		}
		d.reach(2, workflow.Done)
		for i := 1; i <= 6; i++ {
			if d.status(fmt.Sprintf("acc-%d", i)) != workflow.StatusActive {
				t.Errorf("account %d stays locked out: %v %v", i, d.rows(1), d.rows(2))
			}
		}
	})
}

// A batch that waits, or is paused, when its end comes never starts; nor may it be approved then.
func TestTheEndComesBeforeTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{At: in(time.Hour), Until: in(2 * time.Hour)}))
		if _, err := d.engine.Pause(t.Context(), 1, hana); err != nil {
			t.Fatal(err)
		}
		d.reach(1, workflow.Cancelled)
		d.reach(2, workflow.Cancelled)
		if len(o.Happened()) > 0 {
			t.Errorf("%v", o.Happened())
		}
		until := in(2 * time.Hour)
		d.askWhen(leavers, workflow.When{Until: until})
		if b := d.reach(3, workflow.Expired); b.Ended.Sub(until).Abs() > 2*time.Second {
			t.Errorf("expired %s after its end", b.Ended.Sub(until))
		}
		if _, err := d.engine.AskAgain(t.Context(), 3, hana); !errors.Is(err, workflow.ErrTimePassed) {
			t.Errorf("asked again: %v", err)
		}
		if n, _ := d.store.Following(t.Context(), 3); len(n) != 0 {
			t.Error("there is a return")
		}
	})
}

func TestEndNowAndKeep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		for _, who := range []workflow.Actor{hana, gus} {
			if _, err := d.engine.End(t.Context(), 1, who); err == nil {
				t.Errorf("%s may end what lets people in", who.Name)
			}
			if _, err := d.engine.Keep(t.Context(), 1, who); err == nil {
				t.Errorf("%s may keep it", who.Name)
			}
			if _, err := d.engine.Cancel(t.Context(), 2, who); err == nil {
				t.Errorf("%s may cancel the return", who.Name)
			}
		}
		if _, err := d.engine.End(t.Context(), 1, bob); err != nil {
			t.Fatal(err)
		}
		r := d.reach(2, workflow.Done)
		if time.Since(r.Started) > time.Minute || d.status("acc-1") != workflow.StatusActive {
			t.Errorf("started %s ago, and left %s", time.Since(r.Started), d.status("acc-1"))
		}
		if _, err := d.engine.Keep(t.Context(), 1, bob); !errors.As(err, new(*workflow.StateError)) {
			t.Errorf("kept afterwards: %v", err)
		}
		d.audited()
	})
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, func(c *engine.Config) { c.Policy = policy.Policy{Approvals: 2} })
		b := d.askWhen(leavers, workflow.When{For: 8 * time.Hour})
		d.approve(b)
		if _, err := d.engine.Decide(t.Context(), 1, bob, workflow.Approve, b.Digest, ""); err != nil {
			t.Fatal(err)
		}
		d.reach(1, workflow.Done)
		if r, err := d.engine.Keep(t.Context(), 1, alice); err != nil || r.State != workflow.Approved {
			t.Fatalf("the first of two: %v", err)
		}
		if _, err := d.engine.Keep(t.Context(), 2, alice); !errors.Is(err, workflow.ErrAlready) {
			t.Errorf("twice: %v", err)
		}
		if r, err := d.engine.Keep(t.Context(), 2, bob); err != nil || r.State != workflow.Cancelled {
			t.Fatalf("the second of two: %v", err)
		}
		time.Sleep(100 * time.Hour)
		synctest.Wait()
		if len(o.Happened()) != 2 || d.status("acc-1") != workflow.StatusInactive {
			t.Errorf("%v", o.Happened())
		}
		d.audited()
	})
}

// What a later batch has changed, or asks for, stays.
func TestALaterBatchTakesOverFromAReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		again := d.ask("action,old_email\nactivate,p1@old.example\n") // the return holds nothing
		d.approve(again)
		d.reach(again.Number, workflow.Done)
		again = d.ask("action,old_email\ndeactivate,p1@old.example\n") // and now for good
		d.approve(again)
		d.reach(again.Number, workflow.Done)
		d.reach(2, workflow.Done)
		if diff := cmp.Diff([]string{"2 unchanged later_one", "3 done"}, d.rows(2)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if d.status("acc-1") != workflow.StatusInactive || d.status("acc-2") != workflow.StatusActive {
			t.Errorf("left %s and %s", d.status("acc-1"), d.status("acc-2"))
		}
	})
}

// What a return's call came to is found out before another batch acts on the same account: else the other's effect would pass
// for the return's.
func TestAnotherBatchWaitsForAReturnThatActs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		b := d.reach(1, workflow.Done)
		other := d.ask("action,old_email\nactivate,p1@old.example\n")
		var lost atomic.Bool
		o.SetFault(func(id string) workflowtest.Fault {
			if id != "acc-1" || lost.Swap(true) {
				return workflowtest.Fault{}
			}
			return workflowtest.Fault{Before: workflow.ErrUnknownOutcome}
		})
		time.Sleep(time.Until(b.Started.Add(8*time.Hour + 3*time.Second)))
		if !lost.Load() {
			t.Fatal("the return has not begun")
		}
		d.approve(other)
		d.reach(2, workflow.Done)
		d.reach(other.Number, workflow.Done)
		if diff := cmp.Diff([]string{"2 unchanged already"}, d.rows(other.Number)); diff != "" {
			t.Errorf("the other batch (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"2 done", "3 done"}, d.rows(2)); diff != "" {
			t.Errorf("the return (-want +got):\n%s", diff)
		}
	})
}
