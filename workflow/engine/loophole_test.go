package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/plan"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// dana is a second account of Hana's, and an admin's.
var dana = workflow.Actor{Person: workflow.Person{ID: "U0DANA", Name: "Dana", Email: "HANA@corp.example"}, Admin: true}

// guarded compares the code by which a plan was refused.
func guarded(t *testing.T, err error, code workflow.ReasonCode) {
	t.Helper()
	if g, ok := errors.AsType[*workflow.GuardError](err); !ok || g.Code != code {
		t.Errorf("got %v, want a GuardError of %s", err, code)
	}
}

// What cannot be read makes rules apply that ask for more, and must not make those apply that allow
// something.
func TestAnUnreadableGroupAllowsNothing(t *testing.T) {
	t.Parallel()
	o, _ := people(1)
	o.Set("acc-1", func(a *workflow.Account) { a.OrgAdmin, a.RolesKnown = true, true })
	demands := policy.Policy{Approvals: 1, Rules: []policy.Rule{{
		When: policy.When{OrgAdmins: true, Requesters: []string{"S0SECURITY"}}, Allow: true, Approvals: 2,
	}}}
	row := workflow.Row{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, "acc-1")}
	for _, tt := range []struct {
		name  string
		asker workflow.Asker
		want  workflow.ReasonCode
	}{
		{"in the group", workflow.Asker{People: []string{"U0HANA"}, Groups: []string{"S0SECURITY"}}, ""},
		{"not in the group", workflow.Asker{People: []string{"U0HANA"}}, workflow.ReasonOrgAdmin},
		{"nobody knows", workflow.Asker{People: []string{"U0HANA"}, Unread: []string{"S0SECURITY"}}, workflow.ReasonOrgAdmin},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			plan := checkOf(t, o, plan.Checker{Guard: demands.Guard(tt.asker, nil)}, row)
			if c := plan.Changes[0]; c.Reason.Code != tt.want {
				t.Errorf("%s %s, want %q", c.State, c.Reason.Words(), tt.want)
			}
		})
	}
}

// Whether organisation admins may be changed is found out again at the click, by the rules and the
// groups of then.
func TestOrganisationAdminsAtTheClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(2)
		o.Set("acc-1", func(a *workflow.Account) { a.OrgAdmin, a.RolesKnown = true, true })
		allow := func(w policy.When) []policy.Rule {
			w.OrgAdmins = true
			return []policy.Rule{{When: w, Allow: true, Approvals: 1}}
		}
		d, s := office(t, o, func(c *engine.Config) {
			policyOf(c).Rules = allow(policy.When{Requesters: []string{"S0SECURITY"}})
		})
		in := func(members ...string) {
			s.set(func(s *staff) { s.groups = map[string][]string{"S0SECURITY": slices.Concat([]string{}, members)} })
		}
		in("U0HANA")
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		if b.Traits.OrgAdmins != 1 {
			t.Fatalf("%d organisation admins in the plan", b.Traits.OrgAdmins)
		}
		approve := func() error {
			_, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
			return err
		}
		in()
		guarded(t, approve(), workflow.ReasonOrgAdmin)
		s.set(func(s *staff) { s.groups = nil }) // Slack does not show it
		guarded(t, approve(), workflow.ReasonOrgAdmin)
		for _, rules := range [][]policy.Rule{
			allow(policy.When{Actions: []workflow.ActionName{workflow.Deactivate}}),
			allow(policy.When{Accounts: []string{"@other.example"}}),
			allow(policy.When{Accounts: []string{"group:not-asked-about"}}),
			nil,
		} {
			d.end()
			policyOf(&d.config).Rules = rules
			d.start()
			guarded(t, approve(), workflow.ReasonOrgAdmin)
		}
		d.end()
		policyOf(&d.config).Rules = allow(policy.When{Accounts: []string{"@NEW.example"}})
		d.start()
		if err := approve(); err != nil {
			t.Error(err)
		}
	})
}

// An account may be one person's own, and be given the address of another.
func TestAnAccountOfSeveralPeople(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := workflowtest.NewOrganisation(workflowtest.Managed("acc-1", "alice@old.example"), workflowtest.Managed("acc-2", "bob@old.example"))
		d, s := office(t, o, func(c *engine.Config) {
			policyOf(c).Accounts = map[string]string{"U0CARL": "acc-2"}
		})
		at := func(who workflow.Actor) workflow.Actor {
			who.Email = strings.ToLower(who.Name) + "@old.example"
			s.is(who)
			return who
		}
		me, ann, bert := at(hana), at(alice), at(bob)
		ask := func(row string) *workflow.Batch {
			b, err := d.engine.Submit(t.Context(), me, workflow.Request{
				Requester: me.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "x.csv"},
				Original: []byte("action,old_email,new_email\n" + row + "\n"), Sheet: sheetOf(t, "action,old_email,new_email\n"+row+"\n"),
			})
			if err != nil {
				t.Fatal(err)
			}
			return d.reach(b.Number, workflow.AwaitingApproval, workflow.Empty)
		}
		b := ask("rename,alice@old.example,hana@old.example") // takes over an admin's account
		if c, err := d.store.Change(t.Context(), b.Number, 2); err != nil || c.Reason.Code != workflow.ReasonOwnAlone {
			t.Errorf("an admin's account given the requester's address: %s %+v, %v", b.State, c, err)
		}
		b = ask("deactivate,bob@old.example,") // Carl's by the settings, Bob's by the address
		for _, who := range []workflow.Actor{bert, carl} {
			_, err := d.engine.Decide(t.Context(), b.Number, who, workflow.Approve, b.Digest, "")
			if !errors.Is(err, workflow.ErrOwnAccount) {
				t.Errorf("%s approves what is on their own account: %v", who.Name, err)
			}
		}
		d.decide(b, ann, nil)
		d.reach(b.Number, workflow.Done)
	})
}

// What has become the own account of requester or an earlier approver since is found at the click.
func TestOwnAccountsAtTheClick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d, s := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 2 })
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		moved := func(who workflow.Actor, email string) { who.Email = email; s.is(who) }
		moved(hana, "p2@old.example")
		_, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
		guarded(t, err, workflow.ReasonOwnAlone)
		moved(hana, hana.Email)
		d.decide(b, alice, nil)
		moved(alice, "P3@new.example")
		if got := d.decide(b, bob, nil); !slices.Equal(got.Dropped, []string{"U0ALICE"}) || got.Missing() != 1 {
			t.Errorf("dropped %v, %d missing", got.Dropped, got.Missing())
		}
	})
}

// Resume looks at who asked and who approved, as the last approval did.
func TestRightsLostBeforeResume(t *testing.T) {
	noRole := func(who workflow.Actor) workflow.Actor { return workflow.Actor{Person: who.Person} }
	synctest.Test(t, func(t *testing.T) {
		o, file := people(8)
		o.Latency = time.Second
		o.SetFault(func(string) workflowtest.Fault {
			return workflowtest.Fault{Before: &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonInvalid)}}
		})
		d, s := office(t, o, nil)
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		d.decide(b, alice, nil)
		d.reach(b.Number, workflow.Paused) // by the bot: a canary failed
		resume := func(who workflow.Actor) error {
			_, err := d.engine.Resume(t.Context(), b.Number, who)
			return err
		}
		if err := resume(dana); !errors.Is(err, workflow.ErrMayNotResume) {
			t.Errorf("the requester's second account resumes after a stop by the bot: %v", err)
		}
		s.is(noRole(hana))
		if err := resume(bob); !errors.Is(err, workflow.ErrRequesterLost) {
			t.Errorf("the requester has no role any more: %v", err)
		}
		s.is(hana)
		s.is(noRole(alice))
		more, ok := errors.AsType[*workflow.NeedsMoreError](resume(bob))
		if want := (&workflow.NeedsMoreError{Need: 1, Lost: []string{"U0ALICE"}}); !ok || !cmp.Equal(want, more) {
			t.Errorf("the approver has no role any more: %v", more)
		}
		s.is(alice)
		o.SetFault(nil)
		if err := resume(bob); err != nil {
			t.Error(err)
		}
		d.reach(b.Number, workflow.Done)
	})
}

// Of two earlier approvers who turn out to be one human one counts.
func TestTwoApproversOfOneHuman(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, func(c *engine.Config) { policyOf(c).Approvals = 3 })
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		d.decide(b, alice, nil)
		d.decide(b, carl, nil)
		s.is(workflow.Actor{Person: workflow.Person{ID: carl.ID, Email: "Alice@corp.example"}, Admin: true})
		if got := d.decide(b, bob, nil); !slices.Equal(got.Dropped, []string{"U0CARL"}) || got.State != workflow.AwaitingApproval {
			t.Errorf("dropped %v, the batch is %s", got.Dropped, got.State)
		}
	})
}

// An account of which no search tells may be an organisation admin's, and one without an address
// anybody's.
func TestAccountsOfWhichTooLittleIsKnown(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*workflow.Account)
		want   workflow.ReasonCode
	}{
		"known":                       {func(*workflow.Account) {}, ""},
		"no search tells its roles":   {func(a *workflow.Account) { a.RolesKnown = false }, workflow.ReasonRolesHidden},
		"nobody is shown its address": {func(a *workflow.Account) { a.Email = "" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := people(1)
			o.Set("acc-1", tt.change)
			row := workflow.Row{
				Line: 2, Action: workflow.Deactivate,
				Values: workflow.Of(workflow.ColumnAccountID, "acc-1"),
			}
			plan := checkOf(t, o, plan.Checker{}, row)
			if c := plan.Changes[0]; c.Reason.Code != tt.want {
				t.Errorf("%s %s, want %q", c.State, c.Reason.Words(), tt.want)
			}
		})
	}
}

// What is protected is protected in every spelling of its letters.
func TestOtherSpellingsOfWhatIsProtected(t *testing.T) {
	t.Parallel()
	o := workflowtest.NewOrganisation(
		workflowtest.Managed("acc-1", "jos\u00e9@old.example"), workflowtest.Managed("acc-2", "p2@old.example"), workflowtest.Managed("acc-3", "p3@old.example"))
	demands := policy.Policy{Approvals: 1, Protect: []string{"jose\u0301@old.example", "CEO@new.example"}}
	plan := checkOf(t, o, plan.Checker{
		Guard: demands.Guard(workflow.Asker{}, []workflow.Person{{ID: "U0HANA", Email: "h\u00e5na@new.example"}}),
	},
		workflow.Row{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, "acc-1")},
		workflow.Row{
			Line: 3, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, "acc-2").With(workflow.ColumnNewEmail, "\uff43eo@new.example"),
		},
		workflow.Row{
			Line: 4, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnAccountID, "acc-3").With(workflow.ColumnNewEmail, "ha\u030ana@new.example"),
		})
	for i, want := range []workflow.ReasonCode{workflow.ReasonProtected, workflow.ReasonProtected, workflow.ReasonOwnAccount} {
		if c := plan.Changes[i]; c.Reason.Code != want {
			t.Errorf("line %d: %s %s, want %s", c.Row, c.State, c.Reason.Words(), want)
		}
	}
}

// A user group that cannot be read now refuses the click; it does not raise for good what the batch
// needs.
func TestAGroupThatCannotBeReadAtTheClick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d, s := office(t, o, func(c *engine.Config) {
			policyOf(c).Rules = []policy.Rule{{When: policy.When{Requesters: []string{"S0TEMPS"}}, Approvals: 9}}
		})
		s.set(func(s *staff) { s.groups = map[string][]string{"S0TEMPS": {}} })
		b := d.reach(d.ask(file).Number, workflow.AwaitingApproval)
		s.set(func(s *staff) { delete(s.groups, "S0TEMPS") })
		if got := d.decide(b, alice, workflow.ErrGroupUnreadable); got.Approvals != 1 || got.Missing() != 1 {
			t.Errorf("needs %d, lacks %d", got.Approvals, got.Missing())
		}
		s.set(func(s *staff) { s.groups["S0TEMPS"] = []string{} })
		d.decide(b, alice, nil)
		d.reach(b.Number, workflow.Done)
	})
}

// Who was known to be in a group because a rule asked about it is known to be in it when it is
// protected later on, too.
func TestAGroupOfARuleThatIsProtectedByNow(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		member string // the account that is in the group
		want   workflow.ReasonCode
	}{
		{"with a member", "acc-2", workflow.ReasonProtected},
		{"without", "acc-4", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				o, _ := people(4)
				o.Set(tt.member, func(a *workflow.Account) { a.Groups = []string{"Finance"} })
				d, _ := office(t, o, func(c *engine.Config) {
					policyOf(c).Rules = []policy.Rule{{
						When: policy.When{Accounts: []string{"group:finance"}}, Approvals: 1,
					}}
				})
				b := d.ask("account_id,new_email\nacc-1,q1@new.example\nacc-2,q2@new.example\n")
				b = d.reach(b.Number, workflow.AwaitingApproval)
				d.end()
				policyOf(&d.config).Protect = []string{"group:FINANCE"}
				d.start()
				_, err := d.engine.Decide(t.Context(), b.Number, alice, workflow.Approve, b.Digest, "")
				if tt.want != "" {
					guarded(t, err, tt.want)
				} else if err != nil {
					t.Errorf("a plan without members: %v", err)
				}
			})
		})
	}
}

// checkOf is the plan of some rows.
func checkOf(t *testing.T, o *workflowtest.Organisation, c plan.Checker, rows ...workflow.Row) *plan.Plan {
	t.Helper()
	c.Reader, c.Workers = o, 4
	if c.Guard == nil {
		c.Guard = policy.Policy{}.Guard(workflow.Asker{}, nil)
	}
	p, err := c.Check(t.Context(), rows)
	if err != nil {
		t.Fatalf("Check: %v", err)
	}
	return p
}
