package engine_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// What is done to an account by two rows is undone by two rows, in whichever order they stood.
func TestUndoOfTwoRowsOnOneAccount(t *testing.T) {
	for _, rows := range []string{
		"deactivate,acc-1,\nrename,acc-1,n1@new.example\n", "rename,acc-1,n1@new.example\ndeactivate,acc-1,\n",
	} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := people(3)
			d := newDesk(t, o, nil)
			b := d.ask("action,account_id,new_email\n" + rows)
			d.approve(b)
			d.reach(b.Number, workflow.Done)
			if a := o.Current("acc-1"); a.Email != "n1@new.example" || a.Status != workflow.StatusInactive {
				t.Fatalf("after the batch the account is %s, %s", a.Email, a.Status)
			}
			undo, err := d.engine.Undo(t.Context(), b.Number, bob)
			if err != nil {
				t.Fatal(err)
			}
			d.reach(undo.Number, workflow.AwaitingApproval)
			d.approve(d.batch(undo.Number))
			d.reach(undo.Number, workflow.Done)
			if a := o.Current("acc-1"); a.Email != "p1@old.example" || a.Status != workflow.StatusActive {
				t.Errorf("undone, the account is %s, %s", a.Email, a.Status)
			}
		})
	}
}

// A leaver is locked out although the new address is refused.
func TestALockOutDoesNotWaitForARename(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(3)
		o.Refuse = func(_, to string) error {
			if strings.Contains(to, "@") {
				return refusal()
			}
			return nil
		}
		d := newDesk(t, o, tolerant)
		b := d.ask("action,account_id,new_email\nrename,acc-1,n1@new.example\ndeactivate,acc-1,\n")
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		if a := o.Current("acc-1"); a.Status != workflow.StatusInactive {
			t.Errorf("the account is %s", a.Status)
		}
	})
}

// The second row of an account, refused once, is found again by a retry although the first has changed the address that
// both rows name: it is asked for anew.
func TestRetryOfTheSecondRowOnAnAccount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(3)
		calls := 0
		o.SetFault(func(string) workflowtest.Fault {
			if calls++; calls == 2 {
				return workflowtest.Fault{Before: refusal()}
			}
			return workflowtest.Fault{}
		})
		d := newDesk(t, o, tolerant)
		b := d.ask("action,old_email,new_email\nrename,p1@old.example,n1@new.example\ndeactivate,p1@old.example,\n")
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		d.do(d.engine.Retry, b.Number, hana)
		d.reach(b.Number, workflow.Done)
		time.Sleep(time.Minute)
		synctest.Wait()
		following, err := d.store.Following(t.Context(), b.Number)
		if err != nil {
			t.Fatal(err)
		}
		if a := o.Current("acc-1"); a.Status != workflow.StatusInactive && len(following) != 1 {
			t.Errorf("the account is %s and %d batches follow", a.Status, len(following))
		}
	})
}

// A row on an account that takes part in an exchange of addresses is refused: once begun, an exchange is finished or put
// back, and nothing of the same batch may be in its way.
func TestNothingStandsBesideAnExchange(t *testing.T) {
	const swap = "rename,p1@old.example,p2@old.example\nrename,p2@old.example,p1@old.example\n"
	for name, file := range map[string]string{
		"behind": swap + "deactivate,p2@old.example,\n", "before": "deactivate,p2@old.example,\n" + swap,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(3)
				refusing(o, "acc-1", "p1@old.example")
				d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 4} })
				b := d.ask("action,old_email,new_email\n" + file)
				changes, err := d.store.Changes(t.Context(), b.Number, 0, 0, workflow.ChangeBlocked)
				if err != nil {
					t.Fatal(err)
				}
				if len(changes) != 1 || changes[0].Action != workflow.Deactivate || changes[0].Reason.Code != workflow.ReasonConflict {
					t.Fatalf("blocked: %v", changes)
				}
				d.approve(b)
				d.reach(b.Number, workflow.Done, workflow.Paused)
				for _, id := range []string{"acc-1", "acc-2"} {
					if a := o.Current(id); strings.HasPrefix(a.Email, "countersign-park") {
						t.Errorf("%s stays at %s", id, a.Email)
					}
				}
			})
		})
	}
}
