package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
)

var (
	hana  = workflow.Actor{Person: workflow.Person{ID: "U0HANA", Name: "Hana", Email: "hana@corp.example"}, Requester: true}
	alice = workflow.Actor{Person: workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@corp.example"}, Admin: true}
	bob   = workflow.Actor{Person: workflow.Person{ID: "U0BOB", Name: "Bob", Email: "bob@corp.example"}, Admin: true}
	gus   = workflow.Actor{Person: workflow.Person{ID: "U0GUS", Name: "Gus", Email: "gus@corp.example"}}
)

func TestAnApprovedBatchRunsAndIsProved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(12)
		d := newDesk(t, o, nil)
		b := d.ask(file + "broken row\nnobody@old.example,x@new.example\n")
		d.approve(b)
		b = d.reach(b.Number, workflow.Done)
		var want []string
		for i := range 12 {
			want = append(want, fmt.Sprintf("%d done", i+2))
		}
		want = append(want, "14 bad unreadable", "15 blocked no_account")
		if diff := cmp.Diff(want, d.rows(b.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		if got := len(o.Happened()); got != 12 {
			t.Errorf("%d calls had an effect, want 12", got)
		}
		if b.Started.IsZero() || b.Ended.IsZero() {
			t.Errorf("started %v, ended %v", b.Started, b.Ended)
		}
	})
}

func TestWhoMayDecide(t *testing.T) {
	twin := bob
	twin.ID, twin.Email = "U0TWIN", "HANA@corp.example"
	hidden := bob
	hidden.Email = ""
	requester := hana
	requester.Admin = true
	tests := []struct {
		name    string
		actor   workflow.Actor
		verdict workflow.Verdict
		want    error
	}{
		{"somebody without a role", gus, workflow.Approve, workflow.ErrNoRole},
		{"the requester", hana, workflow.Approve, workflow.ErrOwnBatch},
		{"the requester as an admin", requester, workflow.Approve, workflow.ErrOwnBatch},
		{"the requester rejecting", requester, workflow.Reject, workflow.ErrOwnBatch},
		{"the requester's second account", twin, workflow.Approve, workflow.ErrSameHuman},
		{"somebody whose address is hidden", hidden, workflow.Approve, workflow.ErrHiddenAddress},
		{"another helpdesk person", workflow.Actor{Person: workflow.Person{ID: "U0IDA"}, Requester: true}, workflow.Approve, workflow.ErrNotAdmin},
	}
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		for _, tt := range tests {
			_, err := d.engine.Decide(t.Context(), b.Number, tt.actor, tt.verdict, b.Digest, "")
			if !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
			}
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, "another", ""); !errors.Is(err, workflow.ErrStaleDigest) {
			t.Errorf("a click on another plan: got %v, want %v", err, workflow.ErrStaleDigest)
		}
		if got := d.batch(b.Number); got.State != workflow.AwaitingApproval || len(got.Decisions) != 0 {
			t.Errorf("the batch is %s with %d decisions after refusals only", got.State, len(got.Decisions))
		}
		if len(o.Happened()) != 0 {
			t.Error("something was changed without an approval")
		}
	})
}

func TestTwoApprovalsAreTwoPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
		b := d.ask(file)
		d.approve(b)
		second := alice
		second.ID = "U0ALICE2"
		for _, who := range []workflow.Actor{alice, second} {
			if _, err := d.engine.Decide(t.Context(), b.Number, who, workflow.Approve, b.Digest, ""); !errors.Is(err, workflow.ErrAlready) {
				t.Errorf("the same human again as %s: got %v, want %v", who.ID, err, workflow.ErrAlready)
			}
		}
		if got := d.batch(b.Number); got.State != workflow.AwaitingApproval || got.Missing() != 1 {
			t.Fatalf("the batch is %s and lacks %d", got.State, got.Missing())
		}
		if _, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, b.Digest, ""); err != nil {
			t.Fatalf("the second approval: %v", err)
		}
		d.reach(b.Number, workflow.Done)
	})
}

func TestAnUndecidedBatchEnds(t *testing.T) {
	tests := []struct {
		name  string
		act   func(*desk, *workflow.Batch) error
		state workflow.State
		who   string
	}{
		{"rejected", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Decide(context.Background(), b.Number, bob, workflow.Reject, b.Digest, "wrong list")
			return err
		}, workflow.Rejected, "U0BOB"},
		{"withdrawn", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Withdraw(context.Background(), b.Number, hana)
			return err
		}, workflow.Cancelled, "U0HANA"},
		{"cancelled by an admin", func(d *desk, b *workflow.Batch) error {
			_, err := d.engine.Cancel(context.Background(), b.Number, bob)
			return err
		}, workflow.Cancelled, "U0BOB"},
		{"expired", func(*desk, *workflow.Batch) error {
			time.Sleep(24*time.Hour + 5*time.Second)
			return nil
		}, workflow.Expired, ""},
		{"expired while nobody was there", func(d *desk, _ *workflow.Batch) error {
			d.end()
			time.Sleep(30 * time.Hour)
			d.start()
			return nil
		}, workflow.Expired, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(2)
				d := newDesk(t, o, nil)
				b := d.ask(file)
				if err := tt.act(d, b); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				got := d.batch(b.Number)
				if got.State != tt.state {
					t.Fatalf("the batch is %s, want %s", got.State, tt.state)
				}
				if tt.who != "" && (got.Ending == nil || got.Ending.By.ID != tt.who) {
					t.Errorf("ended by %+v, want %s", got.Ending, tt.who)
				}
				if diff := cmp.Diff([]string{"2 skipped not_run", "3 skipped not_run"}, d.rows(b.Number)); diff != "" {
					t.Errorf("rows (-want +got):\n%s", diff)
				}
				var state *workflow.StateError
				_, err := d.engine.Decide(t.Context(), b.Number, bob, workflow.Approve, b.Digest, "")
				if !errors.As(err, &state) || state.Batch == nil || state.Batch.State != tt.state {
					t.Errorf("a click on the old card: got %v, want to be told that it is %s", err, tt.state)
				}
				if again := d.ask(file); again.State != workflow.AwaitingApproval {
					t.Errorf("asked again: %s; the ended batch still holds its accounts", again.State)
				}
			})
		})
	}
}

func TestOneOfTwoClicksWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		results := make(chan error, 2)
		for verdict, who := range map[workflow.Verdict]workflow.Actor{workflow.Approve: alice, workflow.Reject: bob} {
			go func() {
				_, err := d.engine.Decide(context.Background(), b.Number, who, verdict, b.Digest, "")
				results <- err
			}()
		}
		first, second := <-results, <-results
		if (first == nil) == (second == nil) {
			t.Errorf("got %v and %v, want exactly one to win", first, second)
		}
		if !errors.As(errors.Join(first, second), new(*workflow.StateError)) {
			t.Errorf("the loser got %v, want a *StateError", errors.Join(first, second))
		}
	})
}

func TestASecondBatchMayNotTakeWhatAnOpenOneHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		d := newDesk(t, o, nil)
		first := d.ask(file)
		second := d.ask("old_email,new_email\np1@old.example,other@new.example\n")
		if diff := cmp.Diff([]string{"2 blocked held"}, d.rows(second.Number)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
		leaver := d.ask("email,action\np1@old.example,deactivate\n")
		d.approve(leaver)
		d.reach(leaver.Number, workflow.Done)
		d.approve(first)
		d.reach(first.Number, workflow.Paused) // a canary drifted
		if got := d.rows(first.Number)[0]; got != "2 failed drifted" {
			t.Errorf("the row that waited: %s, want 2 failed drifted", got)
		}
	})
}

// A leaver that was let past another batch's hold owns the account when that batch is gone.
func TestALeaverHoldsItsAccountOnceTheOtherBatchIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(1)
		d := newDesk(t, o, nil)
		first := d.ask("email,action\np1@old.example,deactivate\n")
		leaver := d.ask("email,action\np1@old.example,deactivate\n")
		if diff := cmp.Diff([]string{"2 ready"}, d.rows(leaver.Number)); diff != "" {
			t.Fatalf("the leaver (-want +got):\n%s", diff)
		}
		if _, err := d.engine.Withdraw(t.Context(), first.Number, hana); err != nil {
			t.Fatal(err)
		}
		o.Set("acc-1", func(a *workflow.Account) { a.Status = workflow.StatusInactive })
		third := d.ask("email,action\np1@old.example,activate\n")
		if diff := cmp.Diff([]string{"2 blocked held"}, d.rows(third.Number)); diff != "" {
			t.Errorf("an activation beside the leaver (-want +got):\n%s", diff)
		}
	})
}
