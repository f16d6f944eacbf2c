package actiontest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/plan"
)

// Rows that change different things of one account run one after the other, in the file's order;
// the later one asks nothing of what the earlier one sets, and is done also where that fails: a
// leaver is locked out, whatever becomes of the address.
func TestRowsOnOneAccount(t *testing.T) {
	const id = "712020:0003"
	rows := func() []workflow.Row {
		return []workflow.Row{
			{Action: workflow.Rename, Values: workflow.Of(workflow.ColumnAccountID, id).
				With(workflow.ColumnNewEmail, "new@example.com")},
			{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, id)},
		}
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(rows()...)
		if plan.Ready() != 2 || plan.Steps()[1].Expect.Get(workflow.FieldEmail) != "" {
			t.Fatalf("%d rows are ready, the second step expects %v", plan.Ready(), plan.Steps()[1].Expect)
		}
		e.allDone(e.run(plan))
		effects := e.org.Effects()
		if len(effects) != 2 || effects[0].Kind != "email" || effects[1].Kind != "disable" && effects[1].Kind != "status" {
			t.Errorf("effects %v, want the address and then the login", effects)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		plan := e.check(rows()...)
		e.org.SetFaults(organisation.Faults{Before: once(organisation.Fault{Status: 400})})
		changes := e.run(plan)
		if changes[0].State != workflow.ChangeFailed || changes[1].State != workflow.ChangeDone {
			t.Errorf("rows are %s and %s (%s)", changes[0].State, changes[1].State, changes[1].Reason.Words())
		}
	})
}

// steps is a row of several steps on one account.
func steps(e *env, after int) *plan.Plan {
	plan := e.check(workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, "712020:0003")})
	first := plan.Steps()[0]
	second := first
	second.Seq, second.After, second.Action = 2, after, workflow.Rename
	second.Expect = workflow.Of(workflow.FieldEmail, first.Expect.Get(workflow.FieldEmail))
	second.Set = workflow.Of(workflow.FieldEmail, "new@example.com")
	plan.Changes[0].Steps = []workflow.Step{first, second}
	return plan
}

// A step that failed does not hide another that does not wait for it; one that does is not sent.
// Each has its own outcome.
func TestStepsOfOneRow(t *testing.T) {
	for after, want := range []workflow.ChangeState{workflow.ChangeDone, workflow.ChangeSkipped} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			plan := steps(e, after)
			e.org.SetFaults(organisation.Faults{Before: once(organisation.Fault{Status: 400})})
			c := e.run(plan)[0]
			if c.Outcome(0).State != workflow.ChangeFailed || c.Outcome(1).State != want {
				t.Errorf("after %d: steps are %q and %q, want failed and %s", after, c.Outcome(0).State, c.Outcome(1).State, want)
			}
			if code := []workflow.ReasonCode{workflow.ReasonPartly, workflow.ReasonSteps}[after]; c.State != workflow.ChangeFailed || c.Reason.Code != code {
				t.Errorf("after %d: the row is %s (%s)", after, c.State, c.Reason.Words())
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.allDone(e.run(steps(e, 1)))
	})
}

// elsewhere refuses the key of sites.
type elsewhere struct {
	workflow.Directory
}

func (d elsewhere) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	if call.Place == workflow.PlaceSite {
		return nil, workflow.ErrKeyRefused
	}
	return d.Directory.Call(ctx, call)
}

// A key that one place refuses does not stop rows of another: they run to their end before the
// batch pauses.
func TestPlacesStopAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		row := func(id string) workflow.Row {
			return workflow.Row{Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, id)}
		}
		plan := e.check(row("712020:0001"), row("712020:0003"))
		plan.Changes[0].Steps[0].Place, plan.Changes[0].Steps[0].Site = workflow.PlaceSite, "main"
		e.wrap = func(d workflow.Directory) workflow.Directory { return elsewhere{d} }
		changes := e.run(plan)
		b, _ := e.store.Batch(t.Context(), 1)
		if changes[0].State != workflow.ChangeReady || changes[1].State != workflow.ChangeDone ||
			b.State != workflow.Paused || b.Stop.Cause != workflow.StopKeyRefused {
			t.Errorf("rows are %s and %s, the batch %s (%s)", changes[0].State, changes[1].State, b.State, b.Stop.Cause)
		}
	})
}
