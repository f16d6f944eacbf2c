package action

import (
	"cmp"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// Catalogue are the actions that are carried out, in the order people are shown them.
func Catalogue() []*Action {
	return []*Action{
		&rename, &setName, &deactivate, &activate, &suspend, &restore, &remove, &deleteAccount, &cancelDelete,
		&revokeTokens, &offboard, &groupAdd, &groupRemove, &invite,
		&provision,
		&siteGroupAdd, &siteGroupRemove, &siteCreate, &siteDelete, &siteColumnsReset,
	}
}

// For returns the action of that name; ok is false when this version does not carry it out.
func For(name workflow.ActionName) (action *Action, ok bool) {
	for _, a := range Catalogue() {
		if a.Name == name {
			return a, true
		}
	}
	return nil, false
}

// Built reports whether this version carries the action out.
func Built(name workflow.ActionName) bool {
	_, ok := For(name)
	return ok
}

// HasInverse reports whether anything of the action can be put back; it is a HasInverseFunc.
func HasInverse(name workflow.ActionName) bool {
	action, built := For(name)
	return built && action.CanUndo()
}

// Names returns the names of the actions that this version carries out, in the order of the
// catalogue.
func Names() []workflow.ActionName {
	var names []workflow.ActionName
	for _, a := range Catalogue() {
		names = append(names, a.Name)
	}
	return names
}

// AlreadySo reports whether the action would change nothing of the account, whatever came with it:
// what it needs besides the account might still differ.
func AlreadySo(name workflow.ActionName, a workflow.Account) bool {
	action, ok := For(name)
	if !ok || len(action.Needs()) > 0 {
		return false
	}
	row := workflow.Row{Action: name, Values: workflow.Of(workflow.ColumnAccountID, a.ID)}
	facts := Facts{Account: a, Known: &Known{Answers: workflow.Answers{}}}
	return action.Check(&row, &facts).State == workflow.ChangeUnchanged
}

// NextStep is the step of a change that is to be made, ok false when there is none. On the way back
// it is the inverse of the last one that was proved. One about somebody who had no account has the
// one that the answer to its call told.
func NextStep(c *workflow.Change) (workflow.Step, bool) {
	at := c.Current()
	if at < 0 {
		return workflow.Step{}, false
	}
	if !c.Back {
		return told(c, at), true
	}
	action, built := For(c.Steps[at].Action)
	if !built || action.Undo == nil {
		return workflow.Step{}, false
	}
	return action.Undo(c.Steps[at])
}

// told is a step with the account that the answer to its call told, where it had none.
func told(c *workflow.Change, at int) workflow.Step {
	s := c.Steps[at]
	s.AccountID = cmp.Or(s.AccountID, c.Outcome(at).Told.Get(workflow.FieldID))
	return s
}

// Inverse are the rows that undo what was done of a change, the last step first, or in their own
// order where the action says so; none when nothing can.
func Inverse(c *workflow.Change) []workflow.Row {
	if whole, built := For(c.Action); built && whole.Final {
		return nil
	}
	steps := joined(c)
	if whole, built := For(c.Action); !built || !whole.UndoneInOrder {
		slices.Reverse(steps)
	}
	var out []workflow.Row
	for _, s := range steps {
		action, built := For(s.Action)
		if !built || action.Undo == nil {
			continue
		}
		back, ok := action.Undo(s)
		if !ok {
			continue
		}
		out = append(out, inverseRow(cmp.Or(c.AccountID, s.AccountID), s, back))
	}
	return out
}

// inverseRow is the row that asks for the inverse of a step.
func inverseRow(account string, s, back workflow.Step) workflow.Row {
	row := workflow.Row{Action: back.Action}
	row.Set(workflow.ColumnAccountID, account)
	if _, moved := s.Set.Lookup(workflow.FieldEmail); moved { // of what was not changed nothing is asked
		row.Set(workflow.ColumnEmail, back.Expect.Get(workflow.FieldEmail))
	}
	if inverse, built := For(back.Action); built {
		for _, use := range inverse.Columns {
			if use.Value != nil {
				row.Set(use.Column, use.Value(back))
			}
		}
	}
	return row
}

// joined are the steps of a change that were made, several that set the same thing as one: from
// where the first began to what the last has set.
func joined(c *workflow.Change) []workflow.Step {
	var out []workflow.Step
	for i := range c.Steps {
		if c.Outcome(i).State != workflow.ChangeDone {
			continue
		}
		s := told(c, i)
		same := slices.IndexFunc(out, func(o workflow.Step) bool {
			return o.Action == s.Action && o.AccountID == s.AccountID && o.Endpoint() == s.Endpoint() &&
				slices.Equal(slices.Sorted(o.Set.Keys()), slices.Sorted(s.Set.Keys()))
		})
		if same >= 0 {
			out[same].Set = s.Set
			continue
		}
		out = append(out, s)
	}
	return out
}
