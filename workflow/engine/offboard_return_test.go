package engine_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// grouped is an organisation with groups of one directory; who is deactivated gets into none.
type grouped struct {
	*workflowtest.Organisation
	mu     sync.Mutex
	groups map[string][]string     // account → ids
	refuse func(group string) bool // may be nil
	lose   func(group string) bool // of what is neither made nor answered; may be nil
}

func (g *grouped) For(int64) workflow.Directory { return g }

func (g *grouped) in(id string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Sorted(slices.Values(g.groups[id]))
}

func (g *grouped) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	out, rest := workflow.Answers{}, []workflow.Fact(nil)
	group := func(id string) workflow.Values {
		return action.Group{ID: id, Name: "group " + id, Directory: "dir-1"}.Values()
	}
	for _, fact := range facts {
		switch fact.Kind {
		case action.KindTokens:
			out[fact] = action.TokenValues(nil)
		case action.KindDirectories:
			out[fact] = []workflow.Values{workflow.Of(workflow.FieldID, "dir-1").With(workflow.FieldName, "One")}
		case action.KindGroupNamed:
			out[fact] = []workflow.Values{group(fact.Arg)}
		case action.KindGroupsOf:
			out[fact] = nil
			for _, id := range g.in(fact.AccountID) {
				out[fact] = append(out[fact], group(id))
			}
		case action.KindMember, action.KindGroup, action.KindGroupLeft:
			v := workflow.Of(workflow.FieldMembership, workflow.MemberActive)
			if fact.Kind != action.KindMember {
				v = workflow.Of(workflow.GroupField(fact.Arg), workflow.GroupOut)
			}
			for _, id := range g.in(fact.AccountID) {
				v.Set(workflow.GroupField(id), workflow.GroupIn)
			}
			out[fact] = []workflow.Values{v}
		default:
			rest = append(rest, fact)
		}
	}
	if len(rest) == 0 {
		return out, nil
	}
	answers, err := g.Organisation.Read(ctx, rest...)
	maps.Copy(out, answers)
	return out, err
}

func (g *grouped) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	if call.Operation != action.OpGroupAdd && call.Operation != action.OpGroupRemove {
		return g.Organisation.Call(ctx, call)
	}
	id := call.Args.Get(workflow.FieldID)
	active := g.Current(call.AccountID).Status == workflow.StatusActive
	g.mu.Lock()
	defer g.mu.Unlock()
	refused := g.refuse != nil && g.refuse(id)
	switch {
	case call.Operation == action.OpGroupRemove && !refused:
		g.groups[call.AccountID] = slices.DeleteFunc(slices.Clone(g.groups[call.AccountID]), func(o string) bool { return o == id })
	case !active && !refused:
		return nil, &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonInactive, string(call.Action))}
	case refused:
		return nil, &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "no")}
	case g.lose != nil && g.lose(id):
		return nil, workflow.ErrUnknownOutcome
	default:
		g.groups[call.AccountID] = append(slices.Clone(g.groups[call.AccountID]), id)
	}
	return nil, nil
}

// groupDesk has an engine on two people in two groups each.
func groupDesk(t *testing.T) (*desk, *grouped) {
	t.Helper()
	o, _ := people(2)
	g := &grouped{Organisation: o, groups: map[string][]string{"acc-1": {"a", "b"}, "acc-2": {"a", "b"}}}
	return newDesk(t, o, func(c *engine.Config) { c.Directory, c.Run.Canary = g, 0 }), g
}

const offboarding = "action,old_email\noffboard,p1@old.example\noffboard,p2@old.example\n"

// returnSteps gives the actions of the steps of each row of batch 2, in running order, with how they
// ended.
func (d *desk) returnSteps() []string {
	d.t.Helper()
	changes, err := d.store.Changes(context.Background(), 2, 0, 0)
	if err != nil {
		d.t.Fatal(err)
	}
	out := make([]string, len(changes))
	for i := range changes {
		c := &changes[i]
		var words []string
		for _, at := range slices.SortedFunc(slices.Values([]int{0, 1, 2}[:len(c.Steps)]), func(a, b int) int { return c.Steps[a].Seq - c.Steps[b].Seq }) {
			words = append(words, string(c.Steps[at].Action)+" "+string(c.Outcome(at).State))
		}
		out[i] = strings.Join(words, ", ")
	}
	return out
}

// A leaver for a while comes back at the end: the login first, then the groups.
func TestOffboardForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		if d.status("acc-1") != workflow.StatusInactive || len(g.in("acc-1")) > 0 || d.ret().State != workflow.Approved {
			t.Fatalf("the first half was not made: %v", d.rows(1))
		}
		d.restart()
		d.reach(2, workflow.Done)
		if diff := cmp.Diff([]string{"2 done", "3 done"}, d.rows(2)); diff != "" {
			t.Errorf("the return (-want +got):\n%s\n%v", diff, d.returnSteps())
		}
		for _, id := range []string{"acc-1", "acc-2"} {
			if d.status(id) != workflow.StatusActive || !slices.Equal(g.in(id), []string{"a", "b"}) {
				t.Errorf("%s is left %s in %v", id, d.status(id), g.in(id))
			}
		}
		want := "activate done, group-add done, group-add done"
		if diff := cmp.Diff([]string{want, want}, d.returnSteps()); diff != "" {
			t.Errorf("the steps of the return (-want +got):\n%s", diff)
		}
		d.audited()
	})
}

// Who asks for what an offboarding has done for a while hears that it will be taken back, of each of
// its parts.
func TestWhatAnOffboardingDidForAWhileIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, _ := groupDesk(t)
		d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		d.ask("action,old_email,group\ndeactivate,p1@old.example,\ngroup-remove,p1@old.example,a\ngroup-remove,p2@old.example,c\n")
		want := []string{"2 ready left_as_is", "3 ready left_as_is", "4 unchanged already"}
		if diff := cmp.Diff(want, d.rows(3)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

// Who leaves for good while locked out for a while stays locked out: the return lets nobody in again.
func TestOffboardOfWhomAReturnWouldLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		d.approve(d.askWhen("action,old_email,group\ndeactivate,p1@old.example,\ngroup-remove,p2@old.example,a\n", workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		b := d.ask("action,old_email\noffboard,p1@old.example\noffboard,p2@old.example\n")
		if diff := cmp.Diff([]string{"2 ready left_as_is", "3 ready left_as_is"}, d.rows(b.Number)); diff != "" {
			t.Errorf("the plan (-want +got)\n%s", diff)
		}
		changes, err := d.store.Changes(t.Context(), b.Number, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changes {
			if c.Steps[0].Action != workflow.Deactivate || !slices.Contains(c.Effects, workflow.EffectLockedOut) {
				t.Errorf("line %d begins with %s and has the effects %v", c.Row, c.Steps[0].Action, c.Effects)
			}
		}
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		d.reach(2, workflow.Done, workflow.Cancelled)
		time.Sleep(time.Hour)
		for _, id := range []string{"acc-1", "acc-2"} {
			if d.status(id) != workflow.StatusInactive || len(g.in(id)) > 0 {
				t.Errorf("%s is left %s in %v", id, d.status(id), g.in(id))
			}
		}
		d.audited()
	})
}

// Of an offboarding for a while the lock-out may be there for a while already.
func TestOffboardForAWhileOfWhomAReturnWouldLetIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		d.approve(d.askWhen("action,old_email\ndeactivate,p1@old.example\n", workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		b := d.askWhen("action,old_email\noffboard,p1@old.example\n", workflow.When{For: 72 * time.Hour})
		d.approve(b)
		b = d.reach(b.Number, workflow.Done)
		time.Sleep(12 * time.Hour)
		if got := d.status("acc-1"); got != workflow.StatusInactive || len(g.in("acc-1")) > 0 {
			t.Errorf("at the first end it is %s in %v", got, g.in("acc-1"))
		}
		time.Sleep(time.Until(b.Started.Add(73 * time.Hour)))
		if got := d.status("acc-1"); got != workflow.StatusActive || len(g.in("acc-1")) == 0 {
			t.Errorf("after the later end it is %s in %v", got, g.in("acc-1"))
		}
		d.audited()
	})
}

// What another batch has changed since stays as it is, and the rest of the row comes back.
func TestOffboardForAWhileIsTakenBackInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		d.approve(d.ask("action,old_email\nactivate,p1@old.example\n"))
		d.reach(3, workflow.Done)
		d.reach(2, workflow.Done)
		want := []string{
			"activate unchanged, group-add done, group-add done", "activate done, group-add done, group-add done",
		}
		if diff := cmp.Diff(want, d.returnSteps()); diff != "" {
			t.Errorf("the steps of the return (-want +got):\n%s", diff)
		}
		if in := g.in("acc-1"); !slices.Equal(in, []string{"a", "b"}) {
			t.Errorf("it is in %v", in)
		}
	})
}

// What of a return failed runs again by Retry, and what of it is too late for that is asked for
// anew, each step of it.
func TestRetryOfAReturnOfSeveralActions(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, failing := range []string{"group", "login"} {
			synctest.Test(t, func(t *testing.T) {
				d, g := groupDesk(t)
				d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
				d.reach(1, workflow.Done)
				if failing == "group" {
					g.refuse = func(group string) bool { return group == "b" }
				} else {
					g.SetFault(func(string) workflowtest.Fault {
						return workflowtest.Fault{Before: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "no")}}
					})
				}
				d.reach(2, workflow.Done)
				if n := len(g.in("acc-1")); n == 2 {
					t.Fatalf("%s: nothing failed: %v", failing, d.returnSteps())
				}
				g.refuse = nil
				g.SetFault(nil)
				if late {
					time.Sleep(13 * time.Hour)
				}
				if _, err := d.engine.Retry(t.Context(), 2, bob); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				d.reach(2, workflow.Done)
				if late {
					b := d.reach(3, workflow.AwaitingApproval)
					d.approve(b)
					d.reach(3, workflow.Done)
				}
				for _, id := range []string{"acc-1", "acc-2"} {
					if d.status(id) != workflow.StatusActive || !slices.Equal(g.in(id), []string{"a", "b"}) {
						t.Errorf("%s failed, late %v: %s is left %s in %v\n%v", failing, late, id, d.status(id), g.in(id), d.returnSteps())
					}
				}
			})
		}
	}
}

// A hold of another batch stops nothing of a return that runs again: who is held by a batch that is
// acting on them fails alone, and a batch that is not acting holds nobody up.
func TestRetryOfAReturnOfWhomAnotherBatchHolds(t *testing.T) {
	const second = "action,old_email,group\ngroup-add,p1@old.example,b\n"
	for _, acting := range []bool{false, true} {
		for _, failing := range []string{"group", "login"} {
			synctest.Test(t, func(t *testing.T) {
				d, g := groupDesk(t)
				d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
				d.reach(1, workflow.Done)
				refused := func(group string) bool { return group == "b" }
				if failing == "group" {
					g.refuse = refused
				} else {
					g.SetFault(func(string) workflowtest.Fault {
						return workflowtest.Fault{Before: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "no")}}
					})
				}
				d.reach(2, workflow.Done)
				g.refuse = nil
				g.SetFault(nil)
				ask := second
				if failing == "login" { // who is locked out gets into no group
					ask = "action,old_email\nactivate,p1@old.example\n"
				}
				b := d.ask(ask)
				if b.State != workflow.AwaitingApproval {
					t.Fatalf("the second batch is %s: %v", b.State, d.rows(b.Number))
				}
				if acting {
					g.lose = refused
					g.SetFault(func(string) workflowtest.Fault { return workflowtest.Fault{Before: workflow.ErrUnknownOutcome} })
					d.approve(b)
					time.Sleep(time.Second)
					synctest.Wait()
					if got := d.rows(b.Number); !strings.HasPrefix(got[0], "2 unknown") {
						t.Fatalf("the second batch is not acting: %v", got)
					}
					g.lose = nil
					g.SetFault(nil)
				}
				began := time.Now()
				d.do(d.engine.Retry, 2, bob)
				d.reach(2, workflow.Done)
				if took := time.Since(began); took > 10*time.Second {
					t.Errorf("it was held up for %s", took)
				}
				want := []string{"2 done", "3 done"}
				if acting {
					want[0] = "2 failed held"
					if failing == "group" { // the login and a group were given back
						want[0] = "2 failed partly"
					}
				}
				if diff := cmp.Diff(want, d.rows(2)); diff != "" {
					t.Errorf("%s failed, acting %v: the return (-want +got)\n%s%v", failing, acting, diff, d.returnSteps())
				}
				if state := d.batch(b.Number).State; !acting && state != workflow.AwaitingApproval {
					t.Errorf("the second batch is %s", state)
				}
				if acting {
					if c, err := d.store.Change(t.Context(), 2, 2); err != nil || !strings.Contains(c.Reason.Words(), "held by open batch #3") {
						t.Errorf("it is held by %v, %v", c.Reason, err)
					}
					d.reach(b.Number, workflow.Done)
					d.do(d.engine.Retry, 2, bob)
					d.reach(2, workflow.Done)
				}
				for _, id := range []string{"acc-1", "acc-2"} {
					if d.status(id) != workflow.StatusActive || !slices.Equal(g.in(id), []string{"a", "b"}) {
						t.Errorf("%s failed: %s is left %s in %v", failing, id, d.status(id), g.in(id))
					}
				}
				d.audited()
			})
		}
	}
}

// What is left of a leaver's row is looked at again although a batch that is not acting holds it.
func TestRetryOfALeaverWhomAnotherBatchHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		g.refuse = func(group string) bool { return group == "b" }
		d.approve(d.ask(offboarding))
		d.reach(1, workflow.Done)
		g.refuse = nil
		b := d.ask("action,old_email,group\ngroup-remove,p1@old.example,b\n")
		g.mu.Lock()
		g.groups["acc-1"] = nil
		g.mu.Unlock()
		began := time.Now()
		d.do(d.engine.Retry, 1, bob)
		d.reach(1, workflow.Done)
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it was held up for %s", took)
		}
		if diff := cmp.Diff([]string{"2 done", "3 done"}, d.rows(1)); diff != "" || len(g.in("acc-2")) > 0 {
			t.Errorf("(-want +got)\n%s", diff)
		}
		if state := d.batch(b.Number).State; state != workflow.AwaitingApproval {
			t.Errorf("the second batch is %s", state)
		}
	})
}

// What of a return is too late to run again is asked for anew, as a batch like any other: without whom
// another batch holds, who fails alone.
func TestLateRetryOfAReturnOfWhomAnotherBatchHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, g := groupDesk(t)
		d.approve(d.askWhen(offboarding, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		g.SetFault(func(string) workflowtest.Fault {
			return workflowtest.Fault{Before: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "no")}}
		})
		d.reach(2, workflow.Done)
		g.SetFault(nil)
		time.Sleep(13 * time.Hour)
		d.ask("action,old_email\nactivate,p1@old.example\n")
		d.do(d.engine.Retry, 2, bob)
		d.reach(2, workflow.Done)
		if got := d.rows(2)[0]; got != "2 failed held" {
			t.Errorf("who is held: %s", got)
		}
		d.approve(d.reach(4, workflow.AwaitingApproval))
		d.reach(4, workflow.Done)
		if d.status("acc-1") != workflow.StatusInactive || !slices.Equal(g.in("acc-2"), []string{"a", "b"}) {
			t.Errorf("acc-1 is %s, acc-2 in %v", d.status("acc-1"), g.in("acc-2"))
		}
	})
}
