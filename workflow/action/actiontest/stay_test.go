package actiontest

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
)

// checkBack is check while a return waits that would make these changes.
func (e *env) checkBack(back []workflow.Change, rows ...workflow.Row) *plan.Plan {
	e.t.Helper()
	for i := range rows {
		rows[i].Line = i + 1
	}
	for i := range back {
		back[i].Batch = 42
	}
	checker := plan.Checker{
		Reader: e.directory, OrgID: orgID, Batch: 1, Guard: open{}, Workers: 4, Deletion: e.store.deletion,
		Returning: func(context.Context, []string) ([]workflow.Change, error) { return back, nil },
	}
	plan, err := checker.Check(e.t.Context(), rows)
	if err != nil {
		e.t.Fatal(err)
	}
	return plan
}

// A row stays as another batch left it where it asks for just that: at the same place, for the same group,
// with the same value. A return of something else is no concern of its.
func TestStaysForWhatTheRowAsksAlone(t *testing.T) {
	held := 0
	for _, act := range action.Catalogue() {
		synctest.Test(t, func(t *testing.T) {
			e := newEnv(t)
			row, plan := e.row(act)
			e.allDone(e.run(plan))
			back := action.ReturnOf(plan.Changes)
			before := e.check(row)
			if c := before.Changes[0]; len(back) == 0 || c.State != workflow.ChangeUnchanged || c.Reason.Code != workflow.ReasonAlready {
				return
			}
			held++
			got := e.checkBack(back, row)
			if c := got.Changes[0]; c.State != workflow.ChangeReady || c.Reason.Code != workflow.ReasonLeftAsIs || len(c.Steps) == 0 {
				t.Fatalf("%s is %s (%s) with the steps %v", act.Name, c.State, c.Reason.Words(), c.Steps)
			}
			for _, s := range got.Changes[0].Steps {
				if !s.Stays() {
					t.Errorf("%s: the step expects %v and sets %v", act.Name, s.Expect, s.Set)
				}
			}
			for name, change := range map[string]func(*workflow.Step) bool{
				"another site": func(s *workflow.Step) bool {
					was := s.Site
					s.Site = "elsewhere"
					return was != ""
				},
				"another directory": func(s *workflow.Step) bool {
					_, about := s.Set.Lookup(workflow.FieldMembership)
					s.Directory = "dir-elsewhere"
					return about && s.Place == workflow.PlaceDirectory
				},
				"another group": func(s *workflow.Step) bool {
					for field, value := range s.Set.All() {
						if len(field) > 6 && field[:6] == "group:" {
							s.Set, s.Expect = workflow.Of(workflow.GroupField("g-elsewhere"), value), workflow.Of(workflow.GroupField("g-elsewhere"), s.Expect.Get(field))
							return true
						}
					}
					return false
				},
				"another value": func(s *workflow.Step) bool {
					for _, field := range []workflow.Field{workflow.FieldName, workflow.FieldEmail} {
						if _, sets := s.Set.Lookup(field); sets && s.Action == act.Name {
							s.Expect = s.Expect.With(field, "other@"+e.around.Domain)
							return true
						}
					}
					return false
				},
			} {
				other := action.ReturnOf(plan.Changes)
				applies := true
				for i := range other {
					for j := range other[i].Steps {
						applies = change(&other[i].Steps[j]) && applies
					}
				}
				if !applies {
					continue
				}
				if c := e.checkBack(other, row).Changes[0]; c.State != workflow.ChangeUnchanged {
					t.Errorf("%s stays for a return about %s: %v", act.Name, name, c.Steps)
				}
			}
		})
	}
	if held < 8 {
		t.Errorf("only %d actions were held to it", held)
	}
}

// What stays is held against the rest of the file as everything is.
func TestWhatStaysIsNoSecondRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newEnv(t)
		row := groupRow(workflow.GroupAdd, outsiderID, e.around.Group)
		plan := e.check(row)
		e.allDone(e.run(plan))
		back := action.ReturnOf(plan.Changes)
		for _, c := range e.checkBack(back, row, row).Changes {
			if c.Reason.Code != workflow.ReasonDuplicate {
				t.Errorf("one of two equal rows is %s (%s)", c.State, c.Reason.Words())
			}
		}
		for _, c := range e.checkBack(back, row, groupRow(workflow.GroupRemove, outsiderID, e.around.Group)).Changes {
			if c.Reason.Code != workflow.ReasonConflict {
				t.Errorf("one of two rows against each other is %s (%s)", c.State, c.Reason.Words())
			}
		}
	})
}
