package engine_test

import (
	"context"
	"encoding/json"
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
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

var carl = workflow.Actor{Person: workflow.Person{ID: "U0CARL", Name: "Carl", Email: "carl@corp.example"}, Admin: true}

// office is a desk with people whom a test can change.
func office(t *testing.T, o *workflowtest.Organisation, change func(*engine.Config)) (*desk, *staff) {
	t.Helper()
	s := &staff{}
	s.is(carl)
	return newDesk(t, o, func(c *engine.Config) {
		c.People = s
		if change != nil {
			change(c)
		}
	}), s
}

// decide approves as that person, and compares the error.
func (d *desk) decide(b *workflow.Batch, who workflow.Actor, want error) *workflow.Batch {
	d.t.Helper()
	_, err := d.engine.Decide(context.Background(), b.Number, who, workflow.Approve, b.Digest, "")
	if !errors.Is(err, want) {
		d.t.Fatalf("%s approves: got %v, want %v", who.Name, err, want)
	}
	return d.batch(b.Number)
}

// events are the kinds of a batch's events, in order.
func (d *desk) events(number int64) []string {
	d.t.Helper()
	var kinds []string
	err := d.store.Events(context.Background(), func(line []byte) error {
		var e struct {
			Batch int64  `json:"batch"`
			Kind  string `json:"kind"`
		}
		err := json.Unmarshal(line, &e)
		if e.Batch == number {
			kinds = append(kinds, e.Kind)
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return kinds
}

func TestRightsLostBeforeTheLastClick(t *testing.T) {
	noRole := func(who workflow.Actor) workflow.Actor { return workflow.Actor{Person: who.Person} }
	as := func(who workflow.Actor, email string) workflow.Actor { who.Email = email; return who }
	for _, tt := range []struct {
		name    string
		lost    workflow.Actor // as Slack shows them before the second click
		clicks  workflow.Actor
		want    error
		missing int // approvals, afterwards
	}{
		{"nobody", carl, bob, nil, 0},
		{"the requester has no role any more", noRole(hana), bob, workflow.ErrRequesterLost, 1},
		{"the first approver has no role any more", noRole(alice), bob, nil, 1},
		{"the first approver may only ask now", workflow.Actor{Person: alice.Person, Requester: true}, bob, nil, 1},
		{"the first approver hides their address", as(alice, ""), bob, nil, 1},
		{"the first approver has the requester's address since", as(alice, "HANA@corp.example"), bob, nil, 1},
		{"the requester has the second approver's address since", as(hana, "bob@corp.example"), bob, workflow.ErrSameHuman, 1},
		{"the first approver has the second one's address since", as(alice, "bob@corp.example"), bob, workflow.ErrAlready, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(1)
				d, s := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
				b := d.ask(file)
				b = d.reach(b.Number, workflow.AwaitingApproval)
				d.decide(b, alice, nil)
				s.is(tt.lost)
				got := d.decide(b, tt.clicks, tt.want)
				if got.Missing() != tt.missing {
					t.Fatalf("%d approvals are missing, want %d; dropped %v", got.Missing(), tt.missing, got.Dropped)
				}
				if tt.missing > 0 && (got.State != workflow.AwaitingApproval || len(o.Happened()) > 0) {
					t.Fatalf("the batch is %s and %d things happened", got.State, len(o.Happened()))
				}
				s.is(hana)
				s.is(alice)
				if tt.missing > 0 { // somebody else's approval makes up for what is missing
					d.decide(b, carl, nil)
				}
				d.reach(b.Number, workflow.Done)
			})
		})
	}
}

func TestWhoDroppedOutMayApproveAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 3 })
		b := d.ask(file)
		b = d.reach(b.Number, workflow.AwaitingApproval)
		d.decide(b, alice, nil)
		s.is(workflow.Actor{Person: alice.Person})
		if got := d.decide(b, bob, nil); !slices.Equal(got.Dropped, []string{"U0ALICE"}) || got.Missing() != 2 {
			t.Fatalf("dropped %v, %d missing", got.Dropped, got.Missing())
		}
		s.is(alice)
		if got := d.decide(b, alice, nil); len(got.Dropped) != 0 || got.Missing() != 1 {
			t.Fatalf("dropped %v, %d missing", got.Dropped, got.Missing())
		}
		d.decide(b, carl, nil)
		d.reach(b.Number, workflow.Done)
		want := []string{"approve", "approval_dropped", "approve", "approve", "approve"}
		got := slices.DeleteFunc(d.events(b.Number), func(k string) bool { return !strings.HasPrefix(k, "appro") })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got)\n%s", diff)
		}
	})
}

func TestNobodyIsApprovedWhileSlackCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, nil)
		b := d.ask(file)
		b = d.reach(b.Number, workflow.AwaitingApproval)
		outage := errors.New("slack is away")
		s.set(func(s *staff) { s.err = outage })
		if got := d.decide(b, alice, outage); got.Missing() != 1 {
			t.Error("the approval counted")
		}
		s.set(func(s *staff) { s.err = nil })
		d.decide(b, alice, nil)
		d.reach(b.Number, workflow.Done)
	})
}

// A batch waits with its check while nobody knows whose accounts are whose.
func TestTheCheckWaitsForSlack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, nil)
		s.set(func(s *staff) { s.err = errors.New("slack is away") })
		b, err := d.engine.Submit(t.Context(), hana, workflow.Request{
			Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"}, Original: []byte(file), Sheet: sheetOf(t, file),
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if got := d.batch(b.Number); got.State != workflow.Planning {
			t.Fatalf("the batch is %s, want planning", got.State)
		}
		s.set(func(s *staff) { s.err = nil })
		d.reach(b.Number, workflow.AwaitingApproval)
	})
}

func TestApproversAtTheSameInstant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, _ := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
		b := d.ask(file)
		b = d.reach(b.Number, workflow.AwaitingApproval)
		failed := make(chan error, 6)
		for range 2 { // each twice, as a double click
			for _, who := range []workflow.Actor{alice, bob, carl} {
				go func() {
					_, err := d.engine.Decide(context.Background(), b.Number, who, workflow.Approve, b.Digest, "")
					failed <- err
				}()
			}
		}
		won := 0
		for range 6 {
			err := <-failed
			state, late := errors.AsType[*workflow.StateError](err)
			switch {
			case err == nil:
				won++
			case late && state.Batch == nil:
				t.Error("who was too late does not learn who was faster")
			case !late && !errors.Is(err, workflow.ErrAlready):
				t.Errorf("got %v", err)
			}
		}
		if got := d.reach(b.Number, workflow.Done); won != 2 || len(got.Approvers()) != 2 || len(o.Happened()) != 1 {
			t.Errorf("%d approvals won, %d count, %d things happened", won, len(got.Approvers()), len(o.Happened()))
		}
	})
}

func TestRulesAskForMoreAtTheClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, _ := office(t, o, nil)
		b := d.ask(file)
		b = d.reach(b.Number, workflow.AwaitingApproval)
		d.end()
		policyOf(&d.config).Rules = []policy.Rule{{When: policy.When{ChangesOver: new(2)}, Approvals: 2}}
		d.start()
		got := d.decide(b, alice, nil)
		if got.State != workflow.AwaitingApproval || got.Approvals != 2 || got.Missing() != 1 {
			t.Fatalf("the batch is %s, needs %d, lacks %d", got.State, got.Approvals, got.Missing())
		}
		if diff := cmp.Diff([]string{"more than 2 changes, here 3"}, got.Why); diff != "" {
			t.Errorf("why (-want +got)\n%s", diff)
		}
		d.end()
		policyOf(&d.config).Rules = nil // fewer than the card said is not enough
		d.start()
		if got := d.batch(b.Number); got.Missing() != 1 {
			t.Errorf("%d are missing after the rule was taken away", got.Missing())
		}
		d.decide(b, bob, nil)
		d.reach(b.Number, workflow.Done)
	})
}

func TestWhatTheSettingsForbidByNow(t *testing.T) {
	guard := func(t *testing.T, err error, code workflow.ReasonCode) {
		t.Helper()
		if g, ok := errors.AsType[*workflow.GuardError](err); !ok || g.Code != code {
			t.Errorf("got %v, want a GuardError of %s", err, code)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		o, file := people(8)
		d, _ := office(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1, Canary: 1} })
		b := d.ask(file)
		b = d.reach(b.Number, workflow.AwaitingApproval)
		with := func(demands policy.Policy) {
			d.end()
			demands.Approvals = 1
			d.config.Policy = demands
			d.start()
		}
		approve := func() error {
			_, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
			return err
		}
		with(policy.Policy{Protect: []string{"P3@old.example"}})
		guard(t, approve(), workflow.ReasonProtected)
		with(policy.Policy{Protect: []string{"p3@new.example"}})
		guard(t, approve(), workflow.ReasonProtected)
		with(policy.Policy{Protect: []string{"acc-5"}})
		guard(t, approve(), workflow.ReasonProtected)
		with(policy.Policy{Protect: []string{"group:break-glass"}})
		guard(t, approve(), workflow.ReasonStalePolicy)
		with(policy.Policy{Accounts: map[string]string{"U0ALICE": "acc-2"}})
		if err := approve(); !errors.Is(err, workflow.ErrOwnAccount) {
			t.Errorf("an approval of one's own account: %v", err)
		}
		with(policy.Policy{PerDay: policy.PerDay{All: 7}})
		guard(t, approve(), workflow.ReasonDayLimit)
		with(policy.Policy{})
		o.Latency = time.Second
		if err := approve(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second)
		if _, err := d.engine.Pause(t.Context(), b.Number, bob); err != nil {
			t.Fatal(err)
		}
		with(policy.Policy{Protect: []string{"p8@old.example"}})
		_, err := d.engine.Resume(t.Context(), b.Number, bob)
		guard(t, err, workflow.ReasonProtected)
		with(policy.Policy{Rules: []policy.Rule{{When: policy.When{ChangesOver: new(5)}, Approvals: 2}}})
		_, err = d.engine.Resume(t.Context(), b.Number, bob)
		if more, ok := errors.AsType[*workflow.NeedsMoreError](err); !ok || more.Has != 1 || more.Need != 2 {
			t.Errorf("Resume with a stricter rule: %v", err)
		}
		with(policy.Policy{})
		if _, err = d.engine.Resume(t.Context(), b.Number, bob); err != nil {
			t.Fatal(err)
		}
		d.reach(b.Number, workflow.Done)
	})
}

func TestHoldsAndTheLockOutException(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d, _ := office(t, o, nil)
		first := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		held := d.reach(d.ask("old_email,new_email\np1@old.example,other@new.example\n").Number, workflow.Empty)
		c, err := d.store.Change(t.Context(), held.Number, 2)
		if err != nil || c.Reason.Code != workflow.ReasonHeld || c.Reason.Facts[0] != fmt.Sprint(first.Number) {
			t.Errorf("a second batch on one account: %+v, %v", c, err)
		}
		leaver := d.reach(d.ask("action,email\ndeactivate,p1@old.example\n").Number, workflow.AwaitingApproval)
		d.decide(leaver, alice, nil)
		d.reach(leaver.Number, workflow.Done)
		d.decide(first, alice, nil)
		d.reach(first.Number, workflow.Paused) // the first row is a canary, and drifted
		if c, err = d.store.Change(t.Context(), first.Number, 2); err != nil || c.Reason.Code != workflow.ReasonDrifted {
			t.Errorf("the waiting row: %+v, %v", c, err)
		}
	})
}
