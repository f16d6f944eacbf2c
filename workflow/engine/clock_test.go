package engine_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/run"
)

// The times of an approval also act for who was not there: within seconds of the start, and not a
// call later.
func TestTimesThatEndedWhileNobodyWasThere(t *testing.T) {
	const soon = 5 * time.Second
	t.Run("expires_after", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o, file := people(2)
			d := newDesk(t, o, nil)
			b := d.ask(file)
			d.end()
			time.Sleep(time.Until(b.Expires) - time.Minute)
			d.start() // in time; it expires a minute after
			time.Sleep(time.Minute - time.Second)
			if got := d.batch(b.Number); got.State != workflow.AwaitingApproval {
				t.Fatalf("a second too early it is %s", got.State)
			}
			time.Sleep(time.Second + soon)
			if got := d.batch(b.Number); got.State != workflow.Expired || got.Ended.Sub(b.Expires) > soon {
				t.Errorf("%s %s after its time", got.State, got.Ended.Sub(b.Expires))
			}
			again, err := d.engine.AskAgain(t.Context(), b.Number, bob)
			if err != nil {
				t.Fatal(err)
			}
			again = d.reach(again.Number, workflow.AwaitingApproval)
			if again.Requester.ID != bob.ID || again.Author.ID != hana.ID || time.Until(again.Expires) > 24*time.Hour {
				t.Errorf("asked again by %s for %s until %s", again.Requester.ID, again.Author.ID, again.Expires)
			}
			if _, err := d.engine.AskAgain(t.Context(), b.Number, alice); !errors.Is(err, workflow.ErrBeingChecked) {
				t.Errorf("asked again twice: %v", err)
			}
		})
	})
	t.Run("start_within", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o, file := people(2)
			d := newDesk(t, o, func(c *engine.Config) { c.StartWithin = time.Hour })
			b := d.ask(file)
			o.Latency = time.Minute // so that nothing of it has run by the end
			d.approve(b)
			d.end()
			time.Sleep(time.Hour + time.Minute)
			calls := len(o.Happened())
			d.start()
			time.Sleep(soon)
			got := d.batch(b.Number)
			if got.State != workflow.Paused || got.Stop.Cause != workflow.StopLateStart || len(o.Happened()) != calls {
				t.Errorf("%s (%+v), %d calls", got.State, got.Stop, len(o.Happened())-calls)
			}
		})
	})
	t.Run("finish_within", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			o, file := people(6)
			d := newDesk(t, o, func(c *engine.Config) {
				c.Run, c.StartWithin, c.FinishWithin = run.Limits{Workers: 1}, 24*time.Hour, 6*time.Hour
			})
			b := d.ask(file)
			o.Latency = time.Minute
			d.approve(b)
			time.Sleep(5 * time.Minute)
			d.end()
			made := len(o.Happened())
			time.Sleep(7 * time.Hour)
			d.start()
			old := d.reach(b.Number, workflow.Done)
			rest := d.reach(2, workflow.AwaitingApproval)
			done := count(d.rows(b.Number), "done")
			if len(o.Happened()) != made || done == 0 || done == 6 || count(d.rows(b.Number), "skipped") != 6-done {
				t.Errorf("%d calls after the time, rows %v", len(o.Happened())-made, d.rows(b.Number))
			}
			if diff := cmp.Diff([]string{"2 rest awaiting_approval"}, d.following(old.Number)); diff != "" || rest.Rows != 6-done {
				t.Errorf("%d rows are asked for anew: %s", rest.Rows, diff)
			}
		})
	})
}

// Who may approve is told apart as Decide does it.
func TestMayApprove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
		b := d.ask(file)
		b, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
		if err != nil {
			t.Fatal(err)
		}
		hidden, twin := bob, bob
		hidden.Email, twin.Email = "", hana.Email
		for _, actor := range []workflow.Actor{alice, bob, hana, hidden, twin, {Person: bob.Person}} {
			may := workflow.May(workflow.ActApprove, b, actor)
			if actor.Person == bob.Person && actor.Admin {
				if may != nil {
					t.Errorf("%+v may not: %v", actor, may)
				}
				continue
			}
			_, err := d.engine.Decide(t.Context(), b.Number, actor, workflow.Approve, b.Digest, "")
			if may == nil || !errors.Is(err, may) {
				t.Errorf("%+v may approve: %v; Decide says %v", actor, may, err)
			}
		}
	})
}
