package actiontest

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/sheet"
)

// leaver is an account with two tokens, in the group jira-users and in one more.
const leaver = "712020:0003"

func (e *env) inMore(groups ...organisation.Group) {
	e.t.Helper()
	for _, g := range groups {
		added, err := e.org.AddGroup(g)
		if err != nil {
			e.t.Fatal(err)
		}
		if err := e.org.Join(added.ID, leaver); err != nil {
			e.t.Fatal(err)
		}
	}
}

// A step that fails hides none of the others: each is made, has its own outcome, and the row names
// the one that failed. The order is login, tokens, groups.
func TestOffboardStepByStep(t *testing.T) {
	for _, failing := range []string{"/lifecycle/disable", "/api-tokens/", "/memberships/", ""} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			e.inMore(organisation.Group{ID: "22222222-0000-4000-8000-000000000002", Name: "finance"})
			plan := e.check(accountRow(workflow.Offboard, leaver))
			if len(plan.Steps()) != 4 {
				t.Fatalf("%d steps: %v", len(plan.Steps()), plan.Changes[0].Reason.Words())
			}
			e.org.SetFaults(organisation.Faults{Before: func(r *http.Request) *organisation.Fault {
				if failing != "" && changing(r) && strings.Contains(r.URL.Path, failing) {
					return &organisation.Fault{Status: http.StatusForbidden, Body: `{"key":"forbidden"}`}
				}
				return nil
			}})
			c := e.run(plan)[0]
			var kinds []string
			for _, effect := range e.org.Effects() {
				kinds = append(kinds, effect.Kind)
			}
			want := map[string]string{
				"/lifecycle/disable": "token token group-remove group-remove",
				"/api-tokens/":       "disable group-remove group-remove",
				"/memberships/":      "disable token token",
				"":                   "disable token token group-remove group-remove",
			}[failing]
			if got := strings.Join(kinds, " "); got != want {
				t.Errorf("with %s refused: %s, want %s", failing, got, want)
			}
			if failing == "" {
				e.allDone([]workflow.Change{c})
				return
			}
			if c.State != workflow.ChangeFailed || c.Reason.Code != workflow.ReasonPartly {
				t.Errorf("with %s refused the row is %s (%s)", failing, c.State, c.Reason.Words())
			}
			for i := range c.Steps {
				refused := map[workflow.ActionName]string{
					workflow.Deactivate: "/lifecycle/disable", workflow.RevokeTokens: "/api-tokens/", workflow.GroupRemove: "/memberships/",
				}[c.Steps[i].Action] == failing
				state := c.Outcome(i).State
				if refused != (state == workflow.ChangeFailed) || refused != strings.Contains(c.Reason.Words(), strings.TrimSpace(string(c.Steps[i].Action)+" "+c.StepGroup(i))+": ") {
					t.Errorf("with %s refused %s is %s; the row says %q", failing, c.Steps[i].Action, state, c.Reason.Words())
				}
			}
		})
	}
}

// The way back lets the person in first and then into the groups; the tokens are gone.
func TestOffboardAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.inMore(organisation.Group{ID: "22222222-0000-4000-8000-000000000002", Name: "finance"})
		plan := e.check(accountRow(workflow.Offboard, leaver))
		effects := plan.Changes[0].Effects
		for _, want := range []workflow.Effect{
			workflow.EffectTokensLost.Times(2), workflow.EffectGroupsLeft.Times(2), workflow.EffectLockedOut,
		} {
			if !slices.Contains(effects, want) {
				t.Errorf("effects %v, want %s among them", effects, want)
			}
		}
		changes := e.run(plan)
		e.allDone(changes)
		back := action.Inverse(&changes[0])
		if len(back) != 3 || back[0].Action != workflow.Activate {
			t.Fatalf("the way back is %v", back)
		}
		e.allDone(e.run(e.check(back...)))
		a, _ := e.org.Account(leaver)
		if a.Status != "active" || len(a.Groups) != 2 || len(a.Tokens) != 0 {
			t.Errorf("back again: %s, groups %v, tokens %v", a.Status, a.Groups, a.Tokens)
		}
	})
}

// The list of tokens when it runs counts: one that is made behind the check is deleted, too.
func TestOffboardRevokesWhatIsMadeMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		if err := e.org.EditBy(organisation.Actor{}, leaver, func(a *organisation.Account) { a.Tokens = nil }); err != nil {
			t.Fatal(err)
		}
		plan := e.check(accountRow(workflow.Offboard, leaver))
		if effects := plan.Changes[0].Effects; slices.ContainsFunc(effects, func(f workflow.Effect) bool {
			return strings.HasPrefix(string(f), string(workflow.EffectTokensLost))
		}) {
			t.Errorf("tokens are counted that are not there: %v", effects)
		}
		if err := e.org.EditBy(organisation.Actor{}, leaver, func(a *organisation.Account) { a.Tokens = []organisation.Token{{ID: "meanwhile", Label: "x"}} }); err != nil {
			t.Fatal(err)
		}
		e.allDone(e.run(plan))
		if a, _ := e.org.Account(leaver); len(a.Tokens) > 0 {
			t.Errorf("the tokens %v are left", a.Tokens)
		}
	})
}

// Groups that cannot be left stay, and the row says so; who cannot be locked out is not offboarded
// at all.
func TestOffboardWhatStays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.inMore(
			organisation.Group{ID: "22222222-0000-4000-8000-000000000002", Name: "synced", Synced: true},
			organisation.Group{ID: "22222222-0000-4000-8000-000000000003", Name: "fixed", Unmodifiable: true},
			organisation.Group{ID: "22222222-0000-4000-8000-000000000004", Name: "admins", OrgAdmins: true},
		)
		plan := e.check(accountRow(workflow.Offboard, leaver))
		c := plan.Changes[0]
		if c.Reason.Code != workflow.ReasonStays || c.Reason.Fact(0) != "the groups admins, fixed, synced" || len(c.Steps) != 3 {
			t.Errorf("%d steps, %s (%s)", len(c.Steps), c.State, c.Reason.Words())
		}
		e.allDone(e.run(plan))
		if again := e.check(accountRow(workflow.Offboard, leaver)).Changes[0]; again.State != workflow.ChangeUnchanged {
			t.Errorf("asked for again it is %s (%s)", again.State, again.Reason.Words())
		}
	})
	for privilege, want := range map[string]workflow.ReasonCode{
		"lifecycle.enablement": workflow.ReasonNotAllowed, "apiToken.delete": workflow.ReasonStays, "apiToken.read": workflow.ReasonStays,
	} {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			if err := e.org.EditBy(organisation.Actor{}, leaver, func(a *organisation.Account) { a.Locks = map[string]string{privilege: "externalDirectory.scim"} }); err != nil {
				t.Fatal(err)
			}
			c := e.check(accountRow(workflow.Offboard, leaver)).Changes[0]
			if c.Reason.Code != want || (c.State == workflow.ChangeBlocked) != (want == workflow.ReasonNotAllowed) {
				t.Errorf("without %s the row is %s (%s)", privilege, c.State, c.Reason.Words())
			}
		})
	}
}

// People read of groups by name, also where a row gives none or its id: the plan of an offboarding, what became
// of each of its steps, and the row that puts somebody back, with the id behind the name there.
func TestGroupsAreReadByName(t *testing.T) {
	const finance = "22222222-0000-4000-8000-000000000002"
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		e.inMore(organisation.Group{ID: finance, Name: "finance"})
		planned := e.check(accountRow(workflow.Offboard, leaver))
		if got, want := planned.Changes[0].Group(), "jira-users;finance"; got != want {
			t.Errorf("the plan names %q, want %q", got, want)
		}
		c := e.run(planned)[0]
		var named []string
		for i := range c.Steps {
			named = append(named, c.StepGroup(i))
		}
		if want := []string{"", "", "jira-users", "finance"}; !slices.Equal(named, want) {
			t.Errorf("its steps are about %q, want %q", named, want)
		}
		if steps := sheet.ResultRow(c)[len(sheet.ResultsHeader())-1]; !strings.Contains(steps, "group-remove finance: done") {
			t.Errorf("the results say %q", steps)
		}
		e.run(e.check(accountRow(workflow.Activate, leaver)))
		back := e.check(groupRow(workflow.GroupAdd, leaver, finance))
		if got, want := back.Changes[0].Group(), "finance ("+finance+")"; got != want || len(back.Steps()) != 1 {
			t.Errorf("the row that puts it back names %q, want %q, with %d steps", got, want, len(back.Steps()))
		}
		e.allDone(e.run(back))
		both := e.check(groupRow(workflow.GroupRemove, leaver, "FINANCE")).Changes[0]
		if both.Group() != "FINANCE" || both.StepGroup(0) != "FINANCE" {
			t.Errorf("a row that names the group has %q", both.Group())
		}
	})
}
