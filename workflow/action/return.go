package action

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Returned is the inverse of one step as a return makes it.
type Returned struct {
	Of   workflow.Step // as it was planned
	Step workflow.Step // its inverse, to be made when the other's effect ends; Seq and After are those of Of
	Row  workflow.Row  // that asks for it
}

// Forth gives the step, of an action or of one of its parts, that a step of a return takes back.
func Forth(of *Action, back workflow.Step) (forth workflow.Step, ok bool) {
	for _, name := range append([]workflow.ActionName{of.Name}, of.Parts...) {
		forth = back
		forth.Action, forth.Expect, forth.Set = name, nil, nil
		for field, value := range back.Set.All() {
			forth.Expect.Set(field, value)
			forth.Set.Set(field, back.Expect.Get(field))
		}
		if it, built := For(name); built && it.Undo != nil && len(forth.Set) > 0 {
			if undo, can := it.Undo(forth); can && undo.Action == back.Action {
				return forth, true
			}
		}
	}
	return workflow.Step{}, false
}

// Asks reports whether a row asks for what a step sets: at its place, for its group, with its value.
// A row that names no group of an action of several parts asks for all of them.
func (a *Action) Asks(r *workflow.Row, f *Facts, s workflow.Step) bool {
	switch {
	case s.Action != a.Name && !slices.Contains(a.Parts, s.Action), s.Site != SiteOf(r):
		return false
	case a.Takes(workflow.ColumnGroup) && len(groupsOfStep(s)) > 0:
		if s.Site != "" {
			return namesSiteGroup(r, f, groupOfStep(s))
		}
		return meansGroupOf(r, f, s)
	}
	if _, about := s.Set.Lookup(workflow.FieldMembership); about && s.Place == workflow.PlaceDirectory {
		directory, _ := RowDirectory(r, f)
		return s.Directory == directory
	}
	if name, sets := s.Set.Lookup(workflow.FieldName); sets && name != r.Values.Get(workflow.ColumnNewName) {
		return false
	}
	address, sets := s.Set.Lookup(workflow.FieldEmail)
	return !sets || a.Target != nil && workflow.SameAddress(address, a.Target(r))
}

// Return gives what takes a change back when its end has come, in the order in which it is made: the
// last step first, or in their own order where the action says so. ok is false where that cannot be
// known before the change was made: nothing of it has an inverse, the account is not there yet, it
// is one of several that exchange addresses, or one inverse would not do: what ends a deletion leaves
// the account active, and groups may want an active account.
func Return(c *workflow.Change) (out []Returned, ok bool) {
	steps := slices.Clone(c.Steps)
	if whole, built := For(c.Action); !built || !whole.UndoneInOrder {
		slices.Reverse(steps)
	}
	for _, s := range steps {
		action, built := For(s.Action)
		if !built || action.Undo == nil {
			continue
		}
		back, can := action.Undo(s)
		if !can || s.Bundle != 0 || s.AccountID == "" || !Built(back.Action) || len(back.Set) == 0 {
			return nil, false
		}
		active := back.Set.Get(workflow.FieldStatus) == string(workflow.StatusActive)
		if back.Action == workflow.CancelDelete && !active || active && len(out) > 0 {
			return nil, false
		}
		back.Row, back.At, back.Until = s.Row, s.Until, ""
		row := inverseRow(s.AccountID, s, back)
		row.Line = c.Row
		out = append(out, Returned{s, back, row})
	}
	return out, len(out) > 0
}

// ReturnOf plans what takes a plan back when its end has come: for each change that is ready its
// inverse under the same row, what was made last first. It depends on the plan alone, so that it can
// be made again to be compared with what is stored.
func ReturnOf(changes []workflow.Change) []workflow.Change {
	var out []workflow.Change
	last := 0 // the number of the last step of the plan
	for i := range changes {
		for _, s := range changes[i].Steps {
			last = max(last, s.Seq)
		}
	}
	seq := func(of int) int { return last + 1 - of }
	waits := map[int]int{} // the step that waited, for the one that it waited for
	for i := range changes {
		c := &changes[i]
		back, ok := Return(c)
		if !ok {
			continue
		}
		var places []int // of the row, in running order
		for _, b := range back {
			places = append(places, seq(b.Of.Seq))
		}
		slices.Sort(places)
		r := workflow.Change{
			Row: c.Row, Action: back[0].Step.Action, AccountID: c.AccountID, Name: c.Name, Expect: back[0].Step.Expect,
			State: workflow.ChangeReady,
		}
		for j, b := range back {
			b.Step.Seq, b.Step.After = places[j], 0
			if b.Of.After != 0 {
				waits[seq(b.Of.After)] = b.Step.Seq
			}
			r.Steps = append(r.Steps, b.Step)
			if b.Step.Action == r.Action {
				r.Set = b.Step.Set
			}
		}
		if c.Group() != "" {
			r.Set = r.Set.With(workflow.FieldGroups, returnedGroups(c, back))
		}
		if _, told := r.Expect.Lookup(workflow.FieldEmail); !told && c.OldEmail() != "" { // for people to know whom it is about
			r.Expect = r.Expect.With(workflow.FieldEmail, c.OldEmail())
		}
		r.Asked = Asking(c.AccountID, r.Steps)[0]
		r.Asked.Line = c.Row
		out = append(out, r)
	}
	compact(out, waits)
	return out
}

// returnedGroups names the groups of a return, in the order of its steps.
func returnedGroups(c *workflow.Change, back []Returned) string {
	var names []string
	for _, b := range back {
		at := slices.IndexFunc(c.Steps, func(s workflow.Step) bool { return s.Seq == b.Of.Seq })
		if name := c.StepGroup(at); name != "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ";")
}

// Asking are rows that ask for steps of a return, in their order: one for what can stand in one row.
func Asking(account string, steps []workflow.Step) []workflow.Row {
	var out []workflow.Row
	for _, s := range steps {
		row := inverseRow(account, s, s)
		last := len(out) - 1
		if last < 0 || !together(out[last], row) {
			out = append(out, row)
			continue
		}
		out[last].Set(workflow.ColumnGroup, out[last].Values.Get(workflow.ColumnGroup)+";"+row.Values.Get(workflow.ColumnGroup))
	}
	return out
}

// together reports whether two rows ask for the same but for the group.
func together(a, b workflow.Row) bool {
	if a.Action != b.Action || b.Values.Get(workflow.ColumnGroup) == "" {
		return false
	}
	return a.Values.With(workflow.ColumnGroup, "").Equal(b.Values.With(workflow.ColumnGroup, ""))
}

// AskedInPart reports whether a change has steps that its row does not ask for: what takes several
// actions back stands in one row of a return, and no row asks for several actions.
func AskedInPart(c *workflow.Change) bool {
	whole, built := For(c.Action)
	return built && slices.ContainsFunc(c.Steps, func(s workflow.Step) bool {
		return s.Action != c.Action && !slices.Contains(whole.Parts, s.Action)
	})
}

// compact numbers the steps from 1, as some of the plan may have no inverse, and has those wait whose
// inverse was waited for.
func compact(changes []workflow.Change, waits map[int]int) {
	var all []int
	for i := range changes {
		for _, s := range changes[i].Steps {
			all = append(all, s.Seq)
		}
	}
	slices.Sort(all)
	number := func(seq int) int {
		at, found := slices.BinarySearch(all, seq)
		if !found {
			return 0
		}
		return at + 1
	}
	for i := range changes {
		for j := range changes[i].Steps {
			s := &changes[i].Steps[j]
			s.After = number(waits[s.Seq])
			s.Seq = number(s.Seq)
		}
	}
}
