package engine_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
)

// Somebody of the emergency group who asks again for what another person asked for has given no
// reason.
func TestAnEmergencyNeedsAReasonHoweverItIsAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, s := office(t, o, func(c *engine.Config) { p := policyOf(c); p.Approvals, p.Emergency = 2, "S0ONCALL" })
		s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {"U0BOB"}} })
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		if _, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Reject, b.Digest, "no"); err != nil {
			t.Fatal(err)
		}
		again, err := d.engine.AskAgain(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		if again = d.reach(again.Number, workflow.AwaitingApproval); again.Emergency || again.Approvals != 2 {
			t.Errorf("emergency %v with %d approvals and the reason %q", again.Emergency, again.Approvals, again.Reason)
		}
		if got := d.decide(again, alice, nil); got.State != workflow.AwaitingApproval {
			t.Errorf("the batch is %s after one approval", got.State)
		}
	})
}

// Somebody of the emergency group makes no emergency of what another one asked for, with that one's
// reason.
func TestAnEmergencyHasAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, func(c *engine.Config) { p := policyOf(c); p.Approvals, p.Emergency = 2, "S0ONCALL" })
		s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {"U0BOB"}} })
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Reason: "as agreed", OwnReason: true, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
			Original: []byte(file), Sheet: sheetOf(t, file),
		})
		if err != nil {
			t.Fatal(err)
		}
		b = d.reach(b.Number, workflow.AwaitingApproval)
		if _, err := d.engine.Decide(t.Context(), b.Number, carl, workflow.Reject, b.Digest, "no"); err != nil {
			t.Fatal(err)
		}
		again, err := d.engine.AskAgain(t.Context(), b.Number, bob)
		if err != nil {
			t.Fatal(err)
		}
		if again = d.reach(again.Number, workflow.AwaitingApproval); again.Emergency || again.Approvals != 2 {
			t.Errorf("asked again: emergency %v, %d approvals", again.Emergency, again.Approvals)
		}
	})
}

// An emergency is one from the beginning, so that every admin hears of it: nobody joins the group
// to get a plan through.
func TestWhoJoinsTheEmergencyGroupLaterHasNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, s := office(t, o, func(c *engine.Config) { policyOf(c).Emergency = "S0ONCALL" })
		s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {}} })
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Reason: "as agreed", OwnReason: true, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
			Original: []byte(file), Sheet: sheetOf(t, file),
		})
		if err != nil {
			t.Fatal(err)
		}
		b = d.reach(b.Number, workflow.AwaitingApproval)
		d.end()
		policyOf(&d.config).Rules = []policy.Rule{{When: policy.When{ChangesOver: new(1)}, Approvals: 2}}
		d.start()
		s.set(func(s *staff) { s.groups["S0ONCALL"] = []string{"U0HANA"} })
		if got := d.decide(b, alice, nil); got.State != workflow.AwaitingApproval || got.Approvals != 2 {
			t.Errorf("%s with %d approvals, emergency %v", got.State, got.Approvals, got.Emergency)
		}
		d.decide(b, bob, nil)
		d.reach(b.Number, workflow.Done)
	})
}

func TestEmergency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, s := office(t, o, func(c *engine.Config) {
			p := policyOf(c)
			p.Approvals, p.Emergency = 2, "S0ONCALL"
			p.Rules = []policy.Rule{{When: policy.When{ChangesOver: new(1)}, Approvals: 3}}
		})
		submit := func(who workflow.Actor, reason string) (*workflow.Batch, error) {
			return d.engine.Submit(t.Context(), who, workflow.Request{
				Requester: who.Person, Reason: reason, OwnReason: reason != "",
				Source:   workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
				Original: []byte(file), Sheet: sheetOf(t, file),
			})
		}
		s.set(func(s *staff) { s.groups = map[string][]string{"S0ONCALL": {"U0BOB"}} })
		b, err := submit(hana, "")
		if err != nil {
			t.Fatal(err)
		}
		if b = d.reach(b.Number, workflow.AwaitingApproval); b.Emergency || b.Approvals != 3 {
			t.Errorf("who is not in the group: emergency %v, %d approvals", b.Emergency, b.Approvals)
		}
		if _, err := d.engine.Withdraw(t.Context(), b.Number, hana); err != nil {
			t.Fatal(err)
		}
		if b, err = submit(bob, " "); err != nil {
			t.Fatal(err)
		}
		if b = d.reach(b.Number, workflow.AwaitingApproval); b.Emergency || b.Approvals != 3 {
			t.Errorf("without a reason: emergency %v, %d approvals", b.Emergency, b.Approvals)
		}
		if _, err := d.engine.Withdraw(t.Context(), b.Number, bob); err != nil {
			t.Fatal(err)
		}
		if b, err = submit(bob, "the old domain expires tonight"); err != nil {
			t.Fatal(err)
		}
		if b = d.reach(b.Number, workflow.AwaitingApproval); !b.Emergency || b.Approvals != 1 {
			t.Errorf("who is in the group: emergency %v, %d approvals", b.Emergency, b.Approvals)
		}
		d.decide(b, bob, workflow.ErrOwnBatch)
		s.set(func(s *staff) { s.groups["S0ONCALL"] = []string{} }) // who left the group meanwhile has no emergency
		if got := d.decide(b, alice, nil); got.State != workflow.AwaitingApproval || got.Approvals != 3 || !got.Emergency {
			t.Errorf("who left the group: %s with %d approvals needed, emergency %v", got.State, got.Approvals, got.Emergency)
		}
		s.set(func(s *staff) { s.groups["S0ONCALL"] = []string{"U0BOB"} })
		again, err := submit(bob, "the old domain expires tonight")
		if err != nil {
			t.Fatal(err)
		}
		d.reach(again.Number, workflow.Empty) // its accounts are held by the first
		if _, err := d.engine.Cancel(t.Context(), b.Number, carl); err != nil {
			t.Fatal(err)
		}
		if again, err = submit(bob, "the old domain expires tonight"); err != nil {
			t.Fatal(err)
		}
		again = d.reach(again.Number, workflow.AwaitingApproval)
		d.decide(again, alice, nil)
		if got := d.reach(again.Number, workflow.Done); !got.Emergency {
			t.Error("the batch does not say any more that it was an emergency")
		}
	})
}

// While Slack does not show the emergency group the card says that nothing is an emergency, and a click on
// one that began as an emergency is told which group is missing.
func TestTheEmergencyGroupCannotBeRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, s := office(t, o, func(c *engine.Config) { p := policyOf(c); p.Approvals, p.Emergency = 2, "S0ONCALL" })
		submit := func(reason string) *workflow.Batch {
			b, err := d.engine.Submit(t.Context(), bob, workflow.Request{
				Requester: bob.Person, Reason: reason, OwnReason: reason != "", Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
				Original: []byte(file), Sheet: sheetOf(t, file),
			})
			if err != nil {
				t.Fatal(err)
			}
			return d.reach(b.Number, workflow.AwaitingApproval)
		}
		s.set(func(s *staff) { s.groups = map[string][]string{} })
		const why = "Slack does not show the emergency group S0ONCALL, so nothing is an emergency now"
		b := submit("the old domain expires tonight")
		if b.Emergency || b.Approvals != 2 || !slices.Contains(b.Why, why) {
			t.Errorf("emergency %v, %d approvals, %q", b.Emergency, b.Approvals, b.Why)
		}
		if _, err := d.engine.Withdraw(t.Context(), b.Number, bob); err != nil {
			t.Fatal(err)
		}
		if b = submit(""); slices.Contains(b.Why, why) {
			t.Errorf("without a reason of its own nothing would be one: %q", b.Why)
		}
		if _, err := d.engine.Withdraw(t.Context(), b.Number, bob); err != nil {
			t.Fatal(err)
		}
		s.set(func(s *staff) { s.groups["S0ONCALL"] = []string{"U0BOB"} })
		if b = submit("the old domain expires tonight"); !b.Emergency {
			t.Fatal("no emergency")
		}
		s.set(func(s *staff) { s.groups = map[string][]string{} })
		_, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
		unread, is := errors.AsType[*workflow.UnreadGroupsError](err)
		if !is || !slices.Equal(unread.Groups, []string{"S0ONCALL"}) || unread.Emergency != "S0ONCALL" {
			t.Errorf("the click: %v", err)
		}
	})
}
