package engine_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// The power goes while a call is on its way, and the call lands after the next start: it must not
// be sent a second time in between.
func TestACallThatOutlivesTheProgramIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		s := &scenario{t: t, rng: rand.New(rand.NewPCG(1, 1)), need: 1, stats: &stats{}}
		s.d = &desk{t: t, org: o, path: t.TempDir() + "/countersign.db"}
		s.d.config = engine.Config{
			People: &staff{}, OrgID: "org-1", Policy: policy.Policy{Approvals: 1}, ExpiresAfter: time.Hour, StartWithin: time.Hour,
			Limits: workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 100}, Log: zerolog.Nop(), Run: run.Limits{Workers: 1},
		}
		s.boot()
		o.SetFault(func(string) workflowtest.Fault {
			o.Fault = nil // the caller holds the lock
			s.power.failAfter(0)
			return workflowtest.Fault{Before: workflow.ErrUnknownOutcome, Late: 10 * time.Second}
		})
		b := s.d.ask(file)
		s.d.approve(b)
		synctest.Wait()
		if !s.power.gone() {
			t.Fatal("the call was never made")
		}
		s.crash()
		s.boot()
		s.d.reach(b.Number, workflow.Done)
		if n := len(o.Happened()); n != 1 {
			t.Errorf("%d effects, want 1", n)
		}
		s.d.end()
	})
}

// A refusal of a repeated call is not believed before the account was read: the first one may have
// got through.
func TestARefusalAfterALostCallIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		calls := 0
		o.SetFault(func(id string) workflowtest.Fault {
			if calls++; calls == 1 {
				return workflowtest.Fault{Before: workflow.ErrUnknownOutcome}
			}
			a := o.Accounts[id] // the first call lands at this very moment
			a.Email = "p1@new.example"
			o.Accounts[id] = a
			return workflowtest.Fault{Before: refusal()}
		})
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		if diff := cmp.Diff([]string{"2 done"}, d.rows(b.Number)); diff != "" || calls != 2 {
			t.Errorf("after %d calls, rows (-want +got):\n%s", calls, diff)
		}
	})
}
