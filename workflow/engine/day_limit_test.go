package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
)

// Two batches that are within the limit of a day only by themselves are approved at the same
// instant.
func TestTheLimitOfADayAtTheSameInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(12)
		d, s := office(t, o, func(c *engine.Config) { policyOf(c).PerDay = policy.PerDay{All: 5} })
		lines := strings.SplitAfter(file, "\n")
		var asked []*workflow.Batch
		for i := range 4 {
			b := d.ask(lines[0] + strings.Join(lines[1+3*i:4+3*i], ""))
			asked = append(asked, d.reach(b.Number, workflow.AwaitingApproval))
		}
		s.set(func(s *staff) { s.slow = time.Second }) // all of them have asked Slack before one is counted
		failed := make(chan error, len(asked))
		for _, b := range asked {
			go func() {
				_, err := d.engine.Decide(context.Background(), b.Number, alice, workflow.Approve, b.Digest, "")
				failed <- err
			}()
		}
		won := 0
		for range asked {
			if err := <-failed; err == nil {
				won++
			} else {
				guarded(t, err, workflow.ReasonDayLimit)
			}
		}
		if won != 1 {
			t.Errorf("%d batches of 3 accounts were approved where 5 accounts may be touched", won)
		}
	})
}

// A retry may not touch more accounts in a day than are allowed either: what its own batch has
// touched before counts.
func TestARetryIsWithinTheLimitOfADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(6)
		d, _ := office(t, o, func(c *engine.Config) {
			policyOf(c).PerDay = policy.PerDay{All: 5}
			c.Run = run.Limits{Workers: 1, Canary: 0}
		})
		lines := strings.SplitAfter(file, "\n")
		part := func(from, to int) string { return lines[0] + strings.Join(lines[from:to+1], "") }
		first := d.reach(d.ask(part(1, 4)).Number, workflow.AwaitingApproval)
		address := o.Current("acc-4").Email
		o.Set("acc-4", func(a *workflow.Account) { a.Email = "elsewhere@old.example" })
		d.decide(first, alice, nil)
		d.reach(first.Number, workflow.Done) // line 5 has drifted, and no call was made for it
		second := d.reach(d.ask(part(5, 6)).Number, workflow.AwaitingApproval)
		d.decide(second, alice, nil)
		d.reach(second.Number, workflow.Done)
		o.Set("acc-4", func(a *workflow.Account) { a.Email = address })
		if _, err := d.engine.Retry(t.Context(), first.Number, alice); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		d.reach(first.Number, workflow.Done)
		if n := len(o.Happened()); n != 5 {
			t.Errorf("%d accounts were touched, 5 may be; the retry left %v", n, d.rows(first.Number))
		}
	})
}

// Many small files are as much as a large one.
func TestManySmallFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(9)
		d, _ := office(t, o, func(c *engine.Config) {
			policyOf(c).Rules = []policy.Rule{{When: policy.When{ChangesOver24h: new(5)}, Approvals: 2}}
		})
		lines := strings.SplitAfter(file, "\n")
		part := func(from, to int) string { return lines[0] + strings.Join(lines[from:to+1], "") }
		first := d.ask(part(1, 3))
		if b := d.reach(first.Number, workflow.AwaitingApproval); b.Approvals != 1 {
			t.Errorf("three changes need %d approvals", b.Approvals)
		}
		second := d.ask(part(4, 6))
		b := d.reach(second.Number, workflow.AwaitingApproval)
		if want := []string{"more than 5 changes by one requester in 24 hours, here 6"}; b.Approvals != 2 || !slices.Equal(b.Why, want) {
			t.Errorf("the sixth change needs %d approvals, %q", b.Approvals, b.Why)
		}
		// The first file counts with the second now: who approves it is told, and it waits for
		// another one.
		if b := d.decide(d.batch(first.Number), alice, nil); b.State != workflow.AwaitingApproval || b.Missing() != 1 {
			t.Errorf("the first file is %s", b.State)
		}
		if _, err := d.engine.Decide(t.Context(), second.Number, bob, workflow.Reject, b.Digest, "no"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(25 * time.Hour) // the first file expires, undecided
		third := d.ask(part(7, 9))
		if b := d.reach(third.Number, workflow.AwaitingApproval); b.Approvals != 1 {
			t.Errorf("a day later three changes need %d approvals: %q", b.Approvals, b.Why)
		}
	})
}

func TestLimitsOfADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(9)
		d, _ := office(t, o, func(c *engine.Config) { policyOf(c).PerDay = policy.PerDay{Requester: 5} })
		lines := strings.SplitAfter(file, "\n")
		part := func(from, to int) string { return lines[0] + strings.Join(lines[from:to+1], "") }
		all := d.reach(d.ask(file).Number, workflow.Empty)
		c, err := d.store.Change(t.Context(), all.Number, 2)
		if err != nil || c.Reason.Code != workflow.ReasonDayLimit {
			t.Fatalf("nine at once: %v, %v", c, err)
		}
		if want := "at most 5 accounts may change in 24 hours for one requester (limits.per_day.requester); 0 already did or will, " +
			"and this batch has 9; ask later, or for fewer"; c.Reason.Words() != want {
			t.Errorf("got  %s\nwant %s", c.Reason.Words(), want)
		}
		first := d.reach(d.ask(part(1, 3)).Number, workflow.AwaitingApproval)
		second := d.reach(d.ask(part(4, 6)).Number, workflow.AwaitingApproval) // neither is approved yet
		d.decide(first, alice, nil)
		d.reach(first.Number, workflow.Done)
		_, err = d.engine.Decide(t.Context(), second.Number, alice, workflow.Approve, second.Digest, "")
		if g, ok := errors.AsType[*workflow.GuardError](err); !ok || g.Code != workflow.ReasonDayLimit {
			t.Errorf("the sixth account: %v", err)
		}
		d.reach(d.ask(part(7, 9)).Number, workflow.Empty)
		time.Sleep(23*time.Hour + 59*time.Minute)
		d.reach(d.ask(part(7, 9)).Number, workflow.Empty)
		time.Sleep(2 * time.Minute)
		third := d.reach(d.ask(part(7, 9)).Number, workflow.AwaitingApproval)
		d.decide(third, alice, nil)
		d.reach(third.Number, workflow.Done)
	})
}
