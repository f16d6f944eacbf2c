package engine_test

import (
	"errors"
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

// following gives the batches made of another one as "number link state".
func (d *desk) following(number int64) []string {
	d.t.Helper()
	list, err := d.store.Following(d.t.Context(), number)
	if err != nil {
		d.t.Fatal(err)
	}
	var out []string
	for _, b := range list {
		out = append(out, fmt.Sprintf("%d %s %s", b.Number, b.Link, b.State))
	}
	return out
}

func TestUndoLeadsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(6)
		o.Set("acc-5", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
		d := newDesk(t, o, nil)
		b := d.ask("action,old_email,new_email\n" +
			"rename,p1@old.example,p2@old.example\nrename,p2@old.example,p1@old.example\nrename,p3@old.example,P3@new.example\n" +
			"deactivate,p4@old.example,\nactivate,p5@old.example,\nrename,p6@old.example,p6@new.example\n")
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		o.Set("acc-6", func(a *workflow.Account) { a.Email = "moved@new.example" }) // by somebody else

		undo, err := d.engine.Undo(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatalf("Undo: %v", err)
		}
		if undo.Requester.ID != bob.ID || undo.Author.ID != bob.ID || undo.Follows != b.Number || undo.Link != workflow.LinkUndo {
			t.Errorf("the undoing batch: %+v", undo)
		}
		if again, err := d.engine.Undo(t.Context(), b.Number, alice); !errors.Is(err, workflow.ErrBeingChecked) || again.Number != undo.Number {
			t.Errorf("a second click: %v, %v", again, err)
		}
		undo = d.reach(undo.Number, workflow.AwaitingApproval)
		want := []string{"1 ready", "2 ready", "3 ready", "4 ready", "5 ready", "6 blocked mismatch"}
		if diff := cmp.Diff(want, d.rows(undo.Number)); diff != "" {
			t.Errorf("the way back (-want +got)\n%s", diff)
		}
		if _, err := d.engine.Decide(t.Context(), undo.Number, bob, workflow.Approve, undo.Digest, ""); !errors.Is(err, workflow.ErrOwnBatch) {
			t.Errorf("who undoes approves: %v", err)
		}
		d.approve(undo)
		d.reach(undo.Number, workflow.Done)
		if diff := cmp.Diff([]string{"p1", "p2", "p3", "p4", "p5"}, addressesOf(o, 5)); diff != "" {
			t.Errorf("addresses (-want +got)\n%s", diff)
		}
		if a, b := o.Current("acc-4").Status, o.Current("acc-5").Status; a != workflow.StatusActive || b != workflow.StatusInactive {
			t.Errorf("accounts 4 and 5 are %s and %s", a, b)
		}
		if by, err := d.engine.Undo(t.Context(), b.Number, alice); !errors.Is(err, workflow.ErrUndone) || by.Number != undo.Number {
			t.Errorf("undo of what is undone: %v, %v", by, err)
		}
	})
}

func TestAskAgainAfterARejection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		if _, err := d.engine.AskAgain(t.Context(), b.Number, bob); err == nil {
			t.Error("asked again for what is undecided")
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Reject, b.Digest, "not now"); err != nil {
			t.Fatal(err)
		}
		again, err := d.engine.AskAgain(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		again = d.reach(again.Number, workflow.AwaitingApproval)
		if again.Requester.ID != bob.ID || again.Author.ID != hana.ID || again.Digest == b.Digest {
			t.Errorf("asked again by %s for %s, digest %s", again.Requester.ID, again.Author.ID, again.Digest)
		}
		if diff := cmp.Diff([]string{"2 again awaiting_approval"}, d.following(b.Number)); diff != "" {
			t.Error(diff)
		}
	})
}

// failedRun runs a batch of which the rows 3 and 5 are refused, the latter because of an account
// that somebody changes.
func failedRun(t *testing.T, d *desk, file string) *workflow.Batch {
	t.Helper()
	refused := map[string]bool{"acc-2": true, "acc-4": true}
	d.org.SetFault(func(id string) workflowtest.Fault {
		if refused[id] {
			return workflowtest.Fault{Before: refusal()}
		}
		return workflowtest.Fault{}
	})
	b := d.ask(file)
	d.approve(b)
	b = d.reach(b.Number, workflow.Done)
	d.org.SetFault(nil)
	return b
}

func tolerant(c *engine.Config) { c.Run = run.Limits{Workers: 2} }

func TestRetryKeepsTheApprovalOfWhatIsTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(5)
		d := newDesk(t, o, tolerant)
		b := failedRun(t, d, file)
		o.Set("acc-4", func(a *workflow.Account) { a.Status = workflow.StatusInactive }) // other than approved
		if _, err := d.engine.Retry(t.Context(), b.Number, workflow.Actor{Person: gus.Person, Requester: true}); !errors.Is(err, workflow.ErrNotRequester) {
			t.Errorf("somebody else retries: %v", err)
		}
		d.do(d.engine.Retry, b.Number, hana)
		b = d.reach(b.Number, workflow.Done)
		want := []string{"2 done", "3 done", "4 done", "5 failed refused", "6 done"}
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" || b.Run != 2 {
			t.Errorf("run %d (-want +got)\n%s", b.Run, diff)
		}
		next := d.reach(2, workflow.AwaitingApproval)
		if diff := cmp.Diff([]string{"5 ready"}, d.rows(2)); diff != "" || next.Link != workflow.LinkRetry || next.Rows != 1 {
			t.Errorf("the linked batch is %+v (-want +got)\n%s", next, diff)
		}
		if got := o.Current("acc-4").Email; got != "p4@old.example" {
			t.Errorf("what is other than approved was run: %s", got)
		}
	})
}

func TestRetryAfterTheApprovalHasRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(5)
		d := newDesk(t, o, tolerant)
		b := failedRun(t, d, file)
		time.Sleep(13 * time.Hour)
		before := len(o.Happened())
		d.do(d.engine.Retry, b.Number, alice)
		d.reach(b.Number, workflow.Done)
		d.reach(2, workflow.AwaitingApproval)
		if diff := cmp.Diff([]string{"3 ready", "5 ready"}, d.rows(2)); diff != "" || len(o.Happened()) != before {
			t.Errorf("%d more effects; asked anew (-want +got)\n%s", len(o.Happened())-before, diff)
		}
	})
}

// The program ends at every moment of a retry: what failed runs once, under the old approval or in
// one new batch.
func TestRetrySurvivesRestarts(t *testing.T) {
	for ms := 0; ms < 4000; ms += 250 {
		synctest.Test(t, func(t *testing.T) {
			o, file := people(5)
			d := newDesk(t, o, tolerant)
			b := failedRun(t, d, file)
			o.Set("acc-4", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
			o.Latency = 500 * time.Millisecond
			d.do(d.engine.Retry, b.Number, hana)
			time.Sleep(time.Duration(ms) * time.Millisecond)
			d.restart()
			b = d.reach(b.Number, workflow.Done)
			d.reach(2, workflow.AwaitingApproval)
			time.Sleep(time.Minute)
			if diff := cmp.Diff([]string{"2 retry awaiting_approval"}, d.following(b.Number)); diff != "" {
				t.Errorf("after %d ms: %s", ms, diff)
			}
			if got := strings.Join(d.rows(b.Number), ", "); got != "2 done, 3 done, 4 done, 5 failed refused, 6 done" {
				t.Errorf("after %d ms: %s", ms, got)
			}
		})
	}
}

func TestRetryOfAnExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := ring(3)
		refusing(o, "acc-3", "p3@old.example")
		d := newDesk(t, o, tolerant)
		b := d.ask(file)
		d.approve(b)
		b = d.reach(b.Number, workflow.Done)
		if got := count(d.rows(b.Number), "done"); got != 0 {
			t.Fatalf("rows %v", d.rows(b.Number))
		}
		refusing(o, "", "")
		d.do(d.engine.Retry, b.Number, hana)
		d.reach(b.Number, workflow.Done)
		if diff := cmp.Diff([]string{"p2", "p3", "p1"}, addressesOf(o, 3)); diff != "" || d.following(b.Number) != nil {
			t.Errorf("followed by %v, addresses (-want +got)\n%s", d.following(b.Number), diff)
		}
	})
}

// An account that another batch holds now is not run again under the old approval.
func TestRetryRespectsHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(5)
		d := newDesk(t, o, tolerant)
		b := failedRun(t, d, file)
		other := d.ask("old_email,new_email\np2@old.example,other@new.example\n")
		d.do(d.engine.Retry, b.Number, hana)
		d.reach(b.Number, workflow.Done)
		want := []string{"2 done", "3 failed held", "4 done", "5 done", "6 done"}
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" || other.State != workflow.AwaitingApproval {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// Who may not resume after a stop by the bot may retry once the batch has ended: that runs what failed,
// and nothing of what was left.
func TestRetryByTheRequesterOfWhatTheBotStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(5)
		refusing(o, "acc-1", "p1@old.example")
		d := newDesk(t, o, nil) // a failure among the first rows stops the run
		b := d.ask(file)
		d.approve(b)
		b = d.reach(b.Number, workflow.Paused)
		d.do(d.engine.Cancel, b.Number, hana)
		b = d.reach(b.Number, workflow.Cancelled)
		before := d.rows(b.Number)
		refusing(o, "", "")
		d.do(d.engine.Retry, b.Number, hana)
		d.reach(b.Number, workflow.Done, workflow.Cancelled)
		if got := d.rows(b.Number); got[0] != "2 done" || !slices.Equal(got[1:], before[1:]) {
			t.Errorf("rows %v, before %v", got, before)
		}
	})
}
