package engine_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
)

// madeInPart is a batch whose only row put somebody into one group and was refused the other.
func madeInPart(t *testing.T) (*desk, *grouped, *workflow.Batch) {
	t.Helper()
	d, g := groupDesk(t)
	g.refuse = func(group string) bool { return group == "y" }
	b := d.ask("action,account_id,group\ngroup-add,acc-1,x;y\n")
	d.approve(b)
	b = d.reach(b.Number, workflow.Done, workflow.Paused)
	g.mu.Lock()
	g.refuse = nil
	g.mu.Unlock()
	return d, g, b
}

// What a row has made stays to be undone, and the rest to be retried, whatever a second look finds that
// keeps it from going on.
func TestARowMadeInPartStaysSo(t *testing.T) {
	for name, test := range map[string]struct {
		before func(d *desk, g *grouped)
		after  func(d *desk, g *grouped) // may be nil
		says   string
	}{
		"held": {before: func(d *desk, _ *grouped) { d.ask("action,account_id,group\ngroup-add,acc-1,y\n") }, says: "held by open batch #2"},
		"not to be read": {
			before: func(_ *desk, g *grouped) { g.SetDeny(func(string) error { return workflow.ErrUnavailable }) },
			after:  func(_ *desk, g *grouped) { g.SetDeny(nil) }, says: "did not answer",
		},
		"gone": {
			before: func(_ *desk, g *grouped) { unlist(g, true) },
			after:  func(_ *desk, g *grouped) { unlist(g, false) }, says: "acc-1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, g, b := madeInPart(t)
				first := d.change(b.Number, 2)
				if first.State != workflow.ChangeFailed || first.Reason.Code != workflow.ReasonPartly {
					t.Fatalf("the row is %s: %s", first.State, first.Reason.Words())
				}
				test.before(d, g)
				for range 2 { // again and again it says no more than once what it is now
					d.do(d.engine.Retry, b.Number, hana)
					d.reach(b.Number, workflow.Done)
				}
				c := d.change(b.Number, 2)
				if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonPartly {
					t.Fatalf("looked at again, the row is %s: %s %s", c.State, c.Reason.Code, c.Reason.Words())
				}
				for _, part := range []string{first.Reason.Words(), test.says} {
					if strings.Count(c.Reason.Words(), part) != 1 {
						t.Errorf("the row says %q, which has %q not once", c.Reason.Words(), part)
					}
				}
				if test.after != nil {
					test.after(d, g)
				}
				undo, err := d.engine.Undo(t.Context(), b.Number, bob)
				if err != nil {
					t.Fatal(err)
				}
				undo = d.reach(undo.Number, workflow.AwaitingApproval)
				d.approve(undo)
				d.reach(undo.Number, workflow.Done)
				if diff := cmp.Diff([]string{"a", "b"}, g.in("acc-1")); diff != "" {
					t.Errorf("undone, the account is in (-want +got)\n%s", diff)
				}
			})
		})
	}
}

// unlist takes the account out of the organisation, or puts it back.
func unlist(g *grouped, out bool) {
	g.Mu.Lock()
	defer g.Mu.Unlock()
	from, to := "acc-1", "away"
	if !out {
		from, to = to, from
	}
	a := g.Accounts[from]
	a.ID = to
	g.Accounts[to] = a
	delete(g.Accounts, from)
}

// A Cancel between two steps of a row leaves what was made to be undone: the row is not one that never ran.
func TestACancelBetweenTwoSteps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		asked := false
		g.refuse = func(group string) bool {
			if group == "x" && !asked {
				asked = true
				if _, err := d.engine.Cancel(context.Background(), 1, hana); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		b := d.ask("action,account_id,group\ngroup-add,acc-1,x;y\ngroup-add,acc-2,x;y\n")
		d.approve(b)
		d.reach(b.Number, workflow.Cancelled, workflow.Done)
		for _, id := range []string{"acc-1", "acc-2"} {
			t.Logf("%s is in %v", id, g.in(id))
		}
		undone := 0
		for row := 2; row <= 3; row++ {
			c := d.change(b.Number, row)
			made := len(g.in(c.AccountID)) - 2
			switch {
			case made == 0 && c.State != workflow.ChangeSkipped, made == 2 && c.State != workflow.ChangeDone,
				made == 1 && (c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonPartly):
				t.Errorf("row %d has made %d steps and is %s: %s", row, made, c.State, c.Reason.Words())
			}
			undone += made
		}
		if undone == 0 || undone == 4 {
			t.Fatalf("%d steps were made", undone)
		}
		undo, err := d.engine.Undo(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		undo = d.reach(undo.Number, workflow.AwaitingApproval)
		d.approve(undo)
		d.reach(undo.Number, workflow.Done)
		for _, id := range []string{"acc-1", "acc-2"} {
			if diff := cmp.Diff([]string{"a", "b"}, g.in(id)); diff != "" {
				t.Errorf("undone, %s is in (-want +got)\n%s", id, diff)
			}
		}
	})
}

// change is a row of a batch.
func (d *desk) change(number int64, row int) *workflow.Change {
	d.t.Helper()
	c, err := d.store.Change(d.t.Context(), number, row)
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}
