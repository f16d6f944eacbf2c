package engine_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/workflowtest"
)

func (d *desk) do(act func(context.Context, int64, workflow.Actor) (*workflow.Batch, error), number int64, who workflow.Actor) {
	d.t.Helper()
	if _, err := act(context.Background(), number, who); err != nil {
		d.t.Fatalf("%s acting on batch %d: %v", who.ID, number, err)
	}
}

// approved approves a batch before it is started, by holding up its first read.
func (d *desk) approved(b *workflow.Batch) int64 {
	d.t.Helper()
	d.org.SetDeny(func(string) error { return workflow.ErrUnavailable })
	d.approve(b)
	return b.Number
}

func refusal() error {
	return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "403", "forbidden")}
}

// What was sent and not answered is read back: it counts as done when it shows, and is sent again
// when it does not.
func TestLostAnswersAreReadBack(t *testing.T) {
	for _, tt := range []struct {
		name    string
		fault   workflowtest.Fault
		effects int
	}{
		{"the answer is lost", workflowtest.Fault{After: workflow.ErrUnknownOutcome}, 5},
		{"the call is lost", workflowtest.Fault{Before: workflow.ErrUnknownOutcome}, 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(5)
				d := newDesk(t, o, nil)
				b := d.ask(file)
				lost := map[string]bool{}
				o.SetFault(func(id string) workflowtest.Fault {
					if lost[id] {
						return workflowtest.Fault{}
					}
					lost[id] = true
					return tt.fault
				})
				d.approve(b)
				d.reach(b.Number, workflow.Done)
				if n := count(d.rows(b.Number), "done"); n != 5 {
					t.Errorf("%d rows done, want 5: %v", n, d.rows(b.Number))
				}
				if got := len(o.Happened()); got != tt.effects {
					t.Errorf("%d effects, want %d", got, tt.effects)
				}
			})
		})
	}
}

// One account that cannot be read back holds up nobody else. After a quarter of an hour the batch
// pauses and names the row, and goes on trying.
func TestOneUnknownRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(400)
		o.Latency = 300 * time.Millisecond
		d := newDesk(t, o, nil)
		b := d.ask(file)
		o.SetFault(func(id string) workflowtest.Fault {
			if id != "acc-200" {
				return workflowtest.Fault{}
			}
			o.Deny = func(id string) error { // from now on this account cannot be read; the caller holds the lock
				if id == "acc-200" {
					return workflow.ErrUnavailable
				}
				return nil
			}
			return workflowtest.Fault{After: workflow.ErrUnknownOutcome}
		})
		d.approve(b)
		began := time.Now()
		time.Sleep(3 * time.Minute)
		if n := count(d.rows(b.Number), "done"); n != 399 {
			t.Errorf("after 3 min %d of the 399 other rows are done", n)
		}
		b = d.reach(b.Number, workflow.Paused)
		if b.Stop.Cause != workflow.StopUnknown || !slices.Equal(b.Stop.Rows, []int{201}) {
			t.Errorf("paused because of %q with rows %v, want unknown with row 201", b.Stop.Cause, b.Stop.Rows)
		}
		if took := time.Since(began); took < 15*time.Minute || took > 19*time.Minute {
			t.Errorf("it paused after %s, want about a quarter of an hour", took)
		}
		time.Sleep(time.Hour)
		o.SetDeny(nil)
		d.reach(b.Number, workflow.Done) // nothing was left but this row, so nobody has to resume
		if n := count(d.rows(b.Number), "done"); n != 400 {
			t.Errorf("%d of 400 rows done", n)
		}
		if n := len(o.Happened()); n != 400 {
			t.Errorf("%d effects, want 400", n)
		}
	})
}

// A batch that was planned for one organisation is not run on another.
func TestAnotherOrganisationInTheSettings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		undecided, approved := d.ask(file), d.ask("email,action\np1@old.example,deactivate\n")
		d.do(d.engine.Pause, d.approved(approved), hana)
		d.end()
		d.config.OrgID = "org-2"
		d.start()
		_, err := d.engine.Decide(t.Context(), undecided.Number, alice, workflow.Approve, undecided.Digest, "")
		if !errors.Is(err, workflow.ErrOtherOrg) {
			t.Errorf("Approve: got %v, want %v", err, workflow.ErrOtherOrg)
		}
		if _, err := d.engine.Resume(t.Context(), approved.Number, bob); !errors.Is(err, workflow.ErrOtherOrg) {
			t.Errorf("Resume: got %v, want %v", err, workflow.ErrOtherOrg)
		}
		if n := len(o.Happened()); n != 0 {
			t.Errorf("%d effects on another organisation", n)
		}
	})
}

// Somebody who approved may think better of it while another approval is missing.
func TestWhoApprovedMayStillReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
		b := d.ask(file)
		d.approve(b)
		if _, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Reject, b.Digest, "on second thoughts"); err != nil {
			t.Fatalf("Reject: %v", err)
		}
		if got := d.batch(b.Number); got.State != workflow.Rejected {
			t.Errorf("the batch is %s, want rejected", got.State)
		}
	})
}

func TestPauseResumeAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(200)
		o.Latency = time.Second
		d := newDesk(t, o, nil)
		b := d.ask(file)
		d.approve(b)
		time.Sleep(30 * time.Second)
		d.do(d.engine.Pause, b.Number, hana)
		synctest.Wait()
		time.Sleep(10 * time.Second) // calls in flight end
		paused := len(o.Happened())
		if paused == 0 || paused == 200 {
			t.Fatalf("%d effects when paused; the test does not test", paused)
		}
		time.Sleep(time.Hour)
		if n := len(o.Happened()); n != paused {
			t.Errorf("%d calls went out while the batch was paused", n-paused)
		}
		d.restart()
		if got := d.reach(b.Number, workflow.Paused); got.Stop.Cause != workflow.StopPerson {
			t.Errorf("after a restart it is paused because of %q", got.Stop.Cause)
		}
		d.do(d.engine.Resume, b.Number, bob)
		time.Sleep(20 * time.Second)
		d.do(d.engine.Cancel, b.Number, hana)
		got := d.reach(b.Number, workflow.Cancelled)
		rows := d.rows(b.Number)
		done, skipped := count(rows, "done"), count(rows, "skipped")
		if done+skipped != 200 || done <= paused || skipped == 0 {
			t.Errorf("%d done (%d when paused), %d skipped of 200", done, paused, skipped)
		}
		if done != len(o.Happened()) {
			t.Errorf("%d done, %d effects", done, len(o.Happened()))
		}
		if got.Ending == nil || got.Ending.By.ID != "U0HANA" {
			t.Errorf("cancelled by %+v", got.Ending)
		}
	})
}

func TestABatchThatStoodStillForTooLongComesBackPaused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(100)
		o.Latency = time.Second
		d := newDesk(t, o, nil)
		b := d.ask(file)
		d.approve(b)
		time.Sleep(20 * time.Second)
		d.end()
		time.Sleep(13 * time.Hour)
		d.start()
		synctest.Wait()
		if got := d.batch(b.Number); got.State != workflow.Paused || got.Stop.Cause != workflow.StopLateStart {
			t.Errorf("the batch is %s because of %q, want paused, late_start", got.State, got.Stop.Cause)
		}
	})
}

func TestAnAccountThatMovedIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(4)
		d := newDesk(t, o, func(c *engine.Config) { c.Run.Canary = 0 })
		b := d.ask(file)
		o.Set("acc-1", func(a *workflow.Account) { a.Email = "elsewhere@old.example" })
		o.Set("acc-2", func(a *workflow.Account) { a.Email = "P2@new.example" })
		o.Set("acc-3", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		want := []string{"2 failed drifted", "3 unchanged already", "4 failed drifted", "5 done"}
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got := len(o.Happened()); got != 1 {
			t.Errorf("%d calls had an effect, want 1", got)
		}
	})
}

func TestAChainWaitsForItsPredecessor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := workflowtest.NewOrganisation(workflowtest.Managed("a", "a@old.example"), workflowtest.Managed("b", "b@old.example"), workflowtest.Managed("c", "c@old.example"))
		o.Latency = 50 * time.Millisecond
		d := newDesk(t, o, func(c *engine.Config) { c.Run.Canary = 0 })
		chain := "old_email,new_email\na@old.example,b@old.example\nb@old.example,c@old.example\nc@old.example,c@new.example\n"
		b := d.ask(chain)
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		var order []string
		for _, e := range o.Happened() {
			order = append(order, e.To)
		}
		if diff := cmp.Diff([]string{"c@new.example", "c@old.example", "b@old.example"}, order); diff != "" {
			t.Errorf("order of the calls (-want +got):\n%s", diff)
		}
	})
}

func TestWhatWaitedForAFailureIsSkipped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := workflowtest.NewOrganisation(workflowtest.Managed("a", "a@old.example"), workflowtest.Managed("b", "b@old.example"), workflowtest.Managed("c", "c@old.example"))
		d := newDesk(t, o, func(c *engine.Config) { c.Run.Canary = 0 })
		b := d.ask("old_email,new_email\na@old.example,b@old.example\nb@old.example,c@old.example\nc@old.example,c@new.example\n")
		o.SetFault(func(string) workflowtest.Fault { return workflowtest.Fault{Before: refusal()} })
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		want := []string{"2 skipped predecessor", "3 skipped predecessor", "4 failed refused"}
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
}

func TestTheProgramEndsInTheMiddleOfACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(40)
		o.Latency = 3 * time.Second
		d := newDesk(t, o, nil)
		b := d.ask(file)
		d.approve(b)
		time.Sleep(31 * time.Second)
		began := time.Now()
		d.restart()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s to stop", took)
		}
		d.reach(b.Number, workflow.Done)
		if n := count(d.rows(b.Number), "done"); n != 40 {
			t.Errorf("%d of 40 rows done: %v", n, d.rows(b.Number))
		}
		if got := len(o.Happened()); got != 40 {
			t.Errorf("%d effects, want 40", got)
		}
	})
}

func TestCancelWhilePlanning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(50)
		o.Latency = time.Minute
		d := newDesk(t, o, nil)
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile}, Original: []byte(file), Sheet: sheetOf(t, file),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(90 * time.Second)
		d.do(d.engine.Cancel, b.Number, hana)
		time.Sleep(time.Hour)
		if got := d.batch(b.Number); got.State != workflow.Cancelled {
			t.Errorf("the batch is %s", got.State)
		}
	})
}

func TestCheckAgainReplacesTheUndecidedBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d := newDesk(t, o, nil)
		o.SetDeny(func(id string) error {
			if id == "acc-2" {
				return workflow.ErrUnavailable
			}
			return nil
		})
		b := d.ask(file)
		if diff := cmp.Diff([]string{"2 ready", "3 blocked could_not_check", "4 ready"}, d.rows(b.Number)); diff != "" {
			t.Fatalf("rows (-want +got):\n%s", diff)
		}
		o.SetDeny(nil)
		d.do(d.engine.Recheck, b.Number, hana)
		again := d.reach(b.Number+1, workflow.AwaitingApproval, workflow.Empty)
		if diff := cmp.Diff([]string{"2 ready", "3 ready", "4 ready"}, d.rows(again.Number)); diff != "" {
			t.Errorf("rows of the new batch (-want +got):\n%s", diff)
		}
		if old := d.batch(b.Number); old.State != workflow.Cancelled || again.Follows != old.Number {
			t.Errorf("the old batch is %s, the new one follows %d", old.State, again.Follows)
		}
	})
}
