package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

const (
	stays    = "action,old_email\ndeactivate,p1@old.example\nactivate,p2@old.example\n"
	staysToo = "action,old_email\ndeactivate,p1@old.example\n"
)

// madeOf is what has happened to an account.
func (d *desk) madeOf(id string) []workflowtest.Effect {
	return slices.DeleteFunc(d.org.Happened(), func(e workflowtest.Effect) bool { return e.ID != id })
}

// Who asks for what is so for a while only gets it for good: approved, it makes no call, and the return
// leaves it. Until then, and where nobody approves, it is taken back.
func TestWhatIsSoForAWhileCanStay(t *testing.T) {
	for name, test := range map[string]struct {
		decide func(*desk, *workflow.Batch)
		rows   []string
		ret    []string
		left   workflow.AccountStatus
	}{
		"approved": {
			func(d *desk, b *workflow.Batch) { d.approve(b); d.reach(b.Number, workflow.Done) },
			[]string{"2 unchanged already", "3 done"},
			[]string{"2 unchanged later_one", "3 unchanged later_one"},
			workflow.StatusInactive,
		},
		"approved by nobody": {
			func(*desk, *workflow.Batch) {},
			[]string{"2 ready left_as_is", "3 ready"},
			[]string{"2 done", "3 done"},
			workflow.StatusActive,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(2)
				d := newDesk(t, o, nil)
				d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
				d.reach(1, workflow.Done)
				b := d.ask(stays)
				if diff := cmp.Diff([]string{"2 ready left_as_is", "3 ready"}, d.rows(b.Number)); diff != "" {
					t.Fatalf("the plan (-want +got):\n%s", diff)
				}
				made := d.madeOf("acc-1")
				test.decide(d, b)
				if diff := cmp.Diff(made, d.madeOf("acc-1")); diff != "" {
					t.Errorf("something was done to leave it as it is:\n%s", diff)
				}
				d.reach(2, workflow.Done, workflow.Cancelled)
				if diff := cmp.Diff(test.ret, d.rows(2)); diff != "" {
					t.Errorf("the return (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(test.rows, d.rows(b.Number)); diff != "" {
					t.Errorf("the batch (-want +got):\n%s", diff)
				}
				if got := d.status("acc-1"); got != test.left {
					t.Errorf("left %s, want %s", got, test.left)
				}
				d.audited()
			})
		})
	}
}

// Whoever approves when the return is over gets what was asked for all the same: now it takes a call.
func TestWhatWasToStayAndCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		b := d.ask(staysToo)
		d.reach(2, workflow.Done)
		if got := d.status("acc-1"); got != workflow.StatusActive {
			t.Fatalf("the return left it %s", got)
		}
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		if diff := cmp.Diff([]string{"2 done"}, d.rows(b.Number)); diff != "" || d.status("acc-1") != workflow.StatusInactive {
			t.Errorf("left %s; the batch (-want +got):\n%s", d.status("acc-1"), diff)
		}
		d.audited()
	})
}

// What a batch has taken over is so for good: whoever asks for it again hears that it is so.
func TestWhatIsTakenOverIsSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		b := d.ask(staysToo)
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		again := d.ask(staysToo + "deactivate,p2@old.example\n")
		if diff := cmp.Diff([]string{"2 unchanged already", "3 ready left_as_is"}, d.rows(again.Number)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// What is for a while is asked for a longer while: the later end counts, and it comes.
func TestALongerWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		longer := d.askWhen(leavers, workflow.When{For: 72 * time.Hour})
		d.approve(longer)
		longer = d.reach(longer.Number, workflow.Done)
		d.reach(2, workflow.Done, workflow.Cancelled)
		time.Sleep(12 * time.Hour)
		if got := d.status("acc-1"); got != workflow.StatusInactive {
			t.Errorf("at the first end it is %s", got)
		}
		time.Sleep(time.Until(longer.Started.Add(73 * time.Hour)))
		if got := d.status("acc-1"); got != workflow.StatusActive {
			t.Errorf("after the later end it is %s: %v", got, d.rows(longer.Number+1))
		}
		d.audited()
	})
}

// Once the return is over, what is so is so.
func TestNothingStaysBehindAReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(2, workflow.Done)
		b := d.ask("action,old_email\nactivate,p1@old.example\n")
		if diff := cmp.Diff([]string{"2 unchanged already"}, d.rows(b.Number)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// What was left as it is was not made by the batch: undoing it changes nothing.
func TestUndoOfWhatWasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		d := newDesk(t, o, nil)
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		b := d.ask(staysToo)
		d.approve(b)
		b = d.reach(b.Number, workflow.Done)
		if _, err := d.engine.Undo(t.Context(), b.Number, bob); !errors.Is(err, workflow.ErrNothingToUndo) {
			t.Errorf("Undo of what the batch did not make: %v", err)
		}
	})
}
