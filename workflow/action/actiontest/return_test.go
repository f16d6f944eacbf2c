package actiontest_test

import (
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// What one inverse would not put right has no return: what ends a deletion leaves active whoever was deactivated before it,
// and groups that come back before the login may be refused.
func TestReturnsThatWouldNotDo(t *testing.T) {
	step := func(name workflow.ActionName, expect, set workflow.Values) workflow.Step {
		return workflow.Step{Action: name, Place: workflow.PlaceAccount, AccountID: "712020:0003", Expect: expect, Set: set}
	}
	status := func(s workflow.AccountStatus) workflow.Values { return workflow.Of(workflow.FieldStatus, string(s)) }
	left := step(workflow.GroupRemove, workflow.Of[workflow.Field]("group:g", "in"), workflow.Of[workflow.Field]("group:g", "out"))
	for name, tt := range map[string]struct {
		steps []workflow.Step
		ok    bool
	}{
		"deactivated": {[]workflow.Step{step(workflow.Deactivate, status(workflow.StatusActive), status(workflow.StatusInactive))}, true},
		"deleted while active": {
			[]workflow.Step{step(workflow.Delete, status(workflow.StatusActive), status(workflow.StatusDeleting))}, true,
		},
		"deleted while deactivated": {
			[]workflow.Step{step(workflow.Delete, status(workflow.StatusInactive), status(workflow.StatusDeleting))}, false,
		},
		"locked out and out of a group": {
			[]workflow.Step{step(workflow.Deactivate, status(workflow.StatusActive), status(workflow.StatusInactive)), left}, false,
		},
		"out of two groups": {[]workflow.Step{left, left}, true},
	} {
		if _, ok := action.Return(&workflow.Change{Row: 1, AccountID: "712020:0003", Steps: tt.steps}); ok != tt.ok {
			t.Errorf("%s: a return is planned: %v, want %v", name, ok, tt.ok)
		}
	}
	locked := step(workflow.Deactivate, status(workflow.StatusActive), status(workflow.StatusInactive))
	other := step(workflow.GroupRemove, workflow.Of[workflow.Field]("group:h", "in"), workflow.Of[workflow.Field]("group:h", "out"))
	left.Seq, other.Seq, locked.Seq = 2, 3, 1
	back := action.ReturnOf([]workflow.Change{
		{Row: 1, Action: workflow.Offboard, AccountID: "712020:0003", Steps: []workflow.Step{locked, left, other}},
		{Row: 2, Action: workflow.GroupRemove, AccountID: "712020:0003", Steps: []workflow.Step{left, other}},
	})
	if len(back) != 2 {
		t.Fatalf("%d rows are taken back, want both", len(back))
	}
	if first := back[0].Steps[0]; first.Action != workflow.Activate || first.Seq > back[0].Steps[1].Seq || first.Seq > back[0].Steps[2].Seq {
		t.Errorf("offboard is taken back by %+v, want the login first", back[0].Steps)
	}
	if group := back[1].Asked.Values.Get(workflow.ColumnGroup); group != "h;g" {
		t.Errorf("the row of two groups asks for %q", group)
	}
}

// Plan and results of a return say whom each row is about, by the address that the account had.
func TestAReturnSaysWhomItIsAbout(t *testing.T) {
	t.Parallel()
	for _, c := range action.ReturnOf([]workflow.Change{
		{
			Row: 2, Action: workflow.GroupAdd, AccountID: "id:1", Expect: workflow.Of(workflow.FieldEmail, "a@old.example"),
			Steps: []workflow.Step{action.GroupStep(workflow.GroupAdd, "id:1", action.Group{ID: "g", Directory: "d"})},
		},
		{
			Row: 3, Action: workflow.Rename, AccountID: "id:2", Expect: workflow.Of(workflow.FieldEmail, "b@old.example"),
			Steps: []workflow.Step{{
				Seq: 1, Action: workflow.Rename, Place: workflow.PlaceAccount, AccountID: "id:2",
				Expect: workflow.Of(workflow.FieldEmail, "b@old.example"), Set: workflow.Of(workflow.FieldEmail, "b@new.example"),
			}},
		},
	}) {
		want := map[int]string{2: "a@old.example", 3: "b@new.example"}[c.Row]
		if c.OldEmail() != want {
			t.Errorf("line %d is about %q, want %q", c.Row, c.OldEmail(), want)
		}
	}
}

// The steps of a return are of the row that they take back: it is in the hash of each.
func TestStepsOfAReturnAreOfItsRow(t *testing.T) {
	t.Parallel()
	values := workflow.Of[workflow.Field]
	for name, set := range map[workflow.ActionName][2]workflow.Values{
		workflow.GroupAdd:     {values("group:g", "out"), values("group:g", "in")},
		workflow.GroupRemove:  {values("group:g", "in"), values("group:g", "out")},
		workflow.Rename:       {values(workflow.FieldEmail, "a@x.example"), values(workflow.FieldEmail, "b@x.example")},
		workflow.SetName:      {values(workflow.FieldName, "A"), values(workflow.FieldName, "B")},
		workflow.Deactivate:   {values(workflow.FieldStatus, "active"), values(workflow.FieldStatus, "inactive")},
		workflow.Activate:     {values(workflow.FieldStatus, "inactive"), values(workflow.FieldStatus, "active")},
		workflow.Delete:       {values(workflow.FieldStatus, "active"), values(workflow.FieldStatus, "for_deletion")},
		workflow.Suspend:      {values(workflow.FieldMembership, "active"), values(workflow.FieldMembership, "suspended")},
		workflow.Restore:      {values(workflow.FieldMembership, "suspended"), values(workflow.FieldMembership, "active")},
		workflow.SiteGroupAdd: {values("group:g", "out"), values("group:g", "in")},
	} {
		of := workflow.Step{Seq: 1, Row: 7, Action: name, AccountID: "712020:1", Until: "+60", Expect: set[0], Set: set[1]}
		back := action.ReturnOf([]workflow.Change{{Row: 7, Action: name, AccountID: "712020:1", Steps: []workflow.Step{of}}})
		if len(back) != 1 || len(back[0].Steps) != 1 {
			t.Errorf("%s: it is taken back by %+v, want one step", name, back)
			continue
		}
		if step := back[0].Steps[0]; step.Row != 7 || step.At != "+60" {
			t.Errorf("%s: it is taken back by a step of row %d at %q, want 7 at +60", name, step.Row, step.At)
		}
	}
}
