package actiontest

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

var update = flag.Bool("update", false, "write the golden texts of steps anew")

// Run holds one action to the suite.
func Run(t *testing.T, act *action.Action) {
	for name, test := range map[string]func(*env, *action.Action){
		"checking twice gives the same":    checksAlike,
		"the text of the steps is golden":  keepsItsText,
		"what was done is proved and done": isDone,
		"undo gives back what was":         isUndone,
		"drift is seen and costs no call":  seesDrift,
		"an answer lost before the effect": settlesLostBefore,
		"an answer lost after the effect":  settlesLostAfter,
		"a refused key uses up no row":     keepsRows,
		"what it is of is said":            saysWhatItIs,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(newEnv(t), act) })
		})
	}
}

func checksAlike(e *env, action *action.Action) {
	row, first := e.row(action)
	second := e.check(row)
	if diff := cmp.Diff(first.Changes, second.Changes); diff != "" {
		e.t.Errorf("the second check (-first +second)\n%s", diff)
	}
	if e.doings() > 0 {
		e.t.Errorf("checking changed something: %v, %v", e.org.Effects(), e.site.Effects())
	}
	for i, s := range first.Steps() {
		if s.Seq != i+1 || s.Row != row.Line || s.Place == "" || len(s.Set) == 0 {
			e.t.Errorf("step %d is not complete: %+v", i+1, s)
		}
	}
}

func keepsItsText(e *env, action *action.Action) {
	_, plan := e.row(action)
	var got bytes.Buffer
	for _, s := range plan.Steps() {
		if err := json.Indent(&got, s.Text(), "", "  "); err != nil {
			e.t.Fatal(err)
		}
		got.WriteString("\n" + strings.Join(s.Keys(), "\n") + "\n")
	}
	path := filepath.Join("testdata", string(action.Name)+".txt")
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil { //nolint:gosec // a test's data
			e.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		e.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		e.t.Errorf("%s (-want +got)\n%s", path, diff)
	}
}

func isDone(e *env, action *action.Action) {
	row, plan := e.row(action)
	e.allDone(e.run(plan))
	if again := e.check(row).Changes[0]; again.State != workflow.ChangeUnchanged {
		e.t.Errorf("asked for again it is %s (%s), want unchanged", again.State, again.Reason.Words())
	}
}

func (e *env) allDone(changes []workflow.Change) {
	e.t.Helper()
	for _, c := range changes {
		if c.State != workflow.ChangeDone {
			e.t.Errorf("row %d is %s: %s", c.Row, c.State, c.Reason.Words())
		}
		for i := range c.Steps {
			if o := c.Outcome(i); o.State != workflow.ChangeDone && o.State != workflow.ChangeUnchanged {
				e.t.Errorf("row %d, step %d is %q: %s", c.Row, i+1, o.State, o.Reason.Words())
			}
		}
	}
}

func isUndone(e *env, act *action.Action) {
	_, plan := e.row(act)
	var undoable []workflow.Step
	for _, s := range plan.Steps() {
		if part, ok := action.For(s.Action); ok && part.Undo != nil && !act.Final {
			undoable = append(undoable, s)
		}
	}
	before := e.shown(undoable)
	changes := e.run(plan)
	e.allDone(changes)
	back := action.Inverse(&changes[0])
	if len(back) != len(undoable) || act.CanUndo() != (len(back) > 0) {
		e.t.Fatalf("%d rows lead back, want %d", len(back), len(undoable))
	}
	for _, row := range back { // the last step first; a row may need that the one before has run
		plan := e.check(row)
		if plan.Ready() != 1 {
			e.t.Fatalf("the way back is %s: %s", plan.Changes[0].State, plan.Changes[0].Reason.Words())
		}
		e.allDone(e.run(plan))
	}
	if act.Name == workflow.Provision { // nothing deletes a record: it stays, deactivated
		for fact := range before {
			before[fact] = []workflow.Values{workflow.Of(workflow.FieldMembership, workflow.MemberSuspended)}
		}
	}
	if diff := cmp.Diff(before, e.shown(undoable)); diff != "" {
		e.t.Errorf("what is shown (-before +after)\n%s", diff)
	}
}

// seesDrift changes each thing that the first step expects, one at a time: to something that nobody
// asked for, or, where a thing can be only one of two, to what the step sets, which is then no
// change.
func seesDrift(e *env, action *action.Action) {
	_, plan := e.row(action)
	for field := range plan.Steps()[0].Expect.All() {
		e := newEnv(e.t)
		_, plan := e.row(action)
		want := workflow.ChangeFailed
		if e.disturb(plan.Steps()[0], field) {
			want = workflow.ChangeUnchanged
		}
		c := e.run(plan)[0]
		o := c.Outcome(0)
		if o.State != want || want == workflow.ChangeFailed && o.Reason.Code != workflow.ReasonDrifted {
			e.t.Errorf("with another %s the step is %q (%s), want %s", field, o.State, o.Reason.Words(), want)
		}
		if n := e.doings(); len(c.Steps) == 1 && n > 0 {
			e.t.Errorf("with another %s something was done: %v, %v", field, e.org.Effects(), e.site.Effects())
		}
	}
}

// disturb does what somebody else might to a field that a step expects. asSet reports that it is as
// the step sets it now.
func (e *env) disturb(s workflow.Step, field workflow.Field) (asSet bool) {
	e.t.Helper()
	if s.Place == workflow.PlaceSite {
		return e.disturbSite(s, field)
	}
	if s.AccountID == "" { // somebody else invites them
		err := e.org.Put(organisation.Account{ID: "712020:0099", Name: "Other", Email: s.Set.Get(workflow.FieldEmail), Managed: true})
		if err != nil {
			e.t.Fatal(err)
		}
		if s.Place == workflow.PlaceSCIM { // or provisions them
			if _, err := e.scim.AddUser(s.Directory, "712020:0099"); err != nil {
				e.t.Fatal(err)
			}
		}
		return false
	}
	value, sets := s.Set.Lookup(field)
	kind, id, _ := strings.Cut(string(field), ":")
	err := e.org.Edit(s.AccountID, func(a *organisation.Account) {
		switch {
		case field == workflow.FieldEmail:
			a.Email = "somebody.else@example.com"
		case field == workflow.FieldName:
			a.Name = "Somebody Else"
		case field == workflow.FieldStatus && !a.DeleteOn.IsZero():
			a.DeleteOn = time.Time{}
		case field == workflow.FieldStatus && a.Status == "active":
			a.Status, asSet = "inactive", value == "inactive"
		case field == workflow.FieldStatus:
			a.Status, asSet = "active", value == "active"
		case field == workflow.FieldMembership && value == workflow.MemberNone:
			a.Membership = "suspended"
		case field == workflow.FieldMembership:
			a.Membership = "no_membership"
		case kind == "group" && slices.Contains(a.Groups, id):
			a.Groups, asSet = slices.DeleteFunc(slices.Clone(a.Groups), func(g string) bool { return g == id }), sets
		case kind == "group":
			a.Groups, asSet = append(slices.Clone(a.Groups), id), sets
		default:
			e.t.Fatalf("the suite cannot disturb %s (to be %q)", field, value)
		}
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return asSet
}

// disturbSite is disturb at a site.
func (e *env) disturbSite(s workflow.Step, field workflow.Field) (asSet bool) {
	e.t.Helper()
	if s.AccountID == "" { // somebody else creates them
		if err := e.site.AddUser(site.User{AccountID: e.org.Admit(s.Set.Get(workflow.FieldEmail))}); err != nil {
			e.t.Fatal(err)
		}
		return true
	}
	u, _ := e.site.User(s.AccountID)
	switch kind, id, _ := strings.Cut(string(field), ":"); {
	case kind == "group" && slices.Contains(u.Groups, id):
		u.Groups, asSet = nil, true
	case kind == "group":
		u.Groups, asSet = []string{id}, true
	case field == workflow.FieldMembership:
		u.Inactive, asSet = true, true // as good as gone
	case field == workflow.FieldColumns:
		u.Columns = []string{"labels"}
	default:
		e.t.Fatalf("the suite cannot disturb %s at a site", field)
	}
	if err := e.site.AddUser(u); err != nil {
		e.t.Fatal(err)
	}
	return asSet
}

func settlesLostBefore(e *env, action *action.Action) {
	_, plan := e.row(action)
	e.fail(once(organisation.Drop()), nil)
	e.allDone(e.run(plan))
	if n := e.doings(); n != e.wanted(action) {
		e.t.Errorf("%d effects, want %d: %v", n, e.wanted(action), e.org.Effects())
	}
}

func settlesLostAfter(e *env, action *action.Action) {
	_, plan := e.row(action)
	e.fail(nil, once(organisation.Drop()))
	e.allDone(e.run(plan))
	if n := e.doings(); n != e.wanted(action) {
		e.t.Errorf("%d effects, want %d: %v", n, e.wanted(action), e.org.Effects())
	}
}

// once gives the fault to the first request that changes something.
func once(fault organisation.Fault) func(*http.Request) *organisation.Fault {
	met := false
	return func(r *http.Request) *organisation.Fault {
		if met || !changing(r) {
			return nil
		}
		met = true
		return &fault
	}
}

func (e *env) doings() int {
	return len(e.org.Effects()) + len(e.site.Effects()) + len(e.scim.Effects())
}

// wanted is how many effects the example has where nothing goes wrong.
func (e *env) wanted(action *action.Action) int {
	e.t.Helper()
	sound := newEnv(e.t)
	_, plan := sound.row(action)
	sound.allDone(sound.run(plan))
	return sound.doings()
}

func keepsRows(e *env, action *action.Action) {
	_, plan := e.row(action)
	e.fail(once(organisation.Unauthorized()), nil)
	c := e.run(plan)[0]
	b, _ := e.store.Batch(e.t.Context(), 1)
	if c.State != workflow.ChangeReady || b.State != workflow.Paused || b.Stop.Cause != workflow.StopKeyRefused {
		e.t.Errorf("the row is %s, the batch %s (%s)", c.State, b.State, b.Stop.Cause)
	}
	if n := e.doings(); n != 0 {
		e.t.Errorf("%d effects, want none", n)
	}
}

func saysWhatItIs(e *env, action *action.Action) {
	if action.Help == "" || action.Usage == "" || action.Name == "" {
		e.t.Errorf("help %q, usage %q", action.Help, action.Usage)
	}
	if t := action.Title; t.Does == "" || t.Done == "" || t.One == "" || t.More == "" {
		e.t.Errorf("title %+v", t)
	}
	for _, use := range action.Columns {
		if use.Required && use.Value == nil {
			e.t.Errorf("column %s cannot be filled from a step, so that nothing can be undone by this action", use.Column)
		}
	}
	row, _ := e.row(action)
	for column := range row.Values.All() {
		_, uses := action.Uses(column)
		if !uses && column != workflow.ColumnAccountID && column != workflow.ColumnEmail {
			e.t.Errorf("the example fills %s, which the action does not use", column)
		}
	}
	if action.Do == nil && action.DoMany == nil && len(action.Parts) == 0 {
		e.t.Error("nothing makes its steps")
	}
}
