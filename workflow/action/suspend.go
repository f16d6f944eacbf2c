package action

import (
	"context"

	"github.com/countersign/countersign/workflow"
)

// Calls about an account's membership of one directory (organizations API v2, users/{id}).
const (
	OpSuspend workflow.Operation = "suspend"
	OpRestore workflow.Operation = "restore"
	OpRemove  workflow.Operation = "remove"
)

var suspend = Action{
	Name:  workflow.Suspend,
	Usage: "suspend <user>…",
	Help:  "take product access away in one directory; the login stays, and restore undoes it",
	Title: Title{
		Does: "Suspend {who}", Done: "Suspended {who}",
		One: "suspension", More: "suspensions",
	},
	Becomes: becomes("suspended"),
	Columns: directoryColumn(),
	Subject: workflow.Subject{Hidden: true},
	Locks:   true,
	Reads:   membershipReads,
	Check:   func(r *workflow.Row, f *Facts) Finding { return checkMembership(workflow.MemberSuspended, r, f) },
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		return membershipSteps(workflow.Suspend, workflow.MemberSuspended, r, f)
	},
	Do: doMembership(OpSuspend),
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		return turned(s, workflow.Restore, workflow.MemberSuspended, workflow.MemberActive), true
	},
	Effects: func(d *Draft) []workflow.Effect { return append(comesBack(d), workflow.EffectNoAccess) },
	Cost:    membershipCost(OpSuspend),
	Aim:     Aim{Check: 3, Run: 3},
	Example: byID,
}

var restore = Action{
	Name:  workflow.Restore,
	Usage: "restore <user>…",
	Help:  "give the product access back that suspend took, with its groups",
	Title: Title{
		Does: "Restore {who}", Done: "Restored {who}",
		One: "restored account", More: "restored accounts",
	},
	Becomes: becomes("active"),
	Columns: directoryColumn(),
	Subject: workflow.Subject{Hidden: true},
	Reads:   membershipReads,
	Check:   func(r *workflow.Row, f *Facts) Finding { return checkMembership(workflow.MemberActive, r, f) },
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		return membershipSteps(workflow.Restore, workflow.MemberActive, r, f)
	},
	Do: doMembership(OpRestore),
	Undo: func(s workflow.Step) (workflow.Step, bool) {
		return turned(s, workflow.Suspend, workflow.MemberActive, workflow.MemberSuspended), true
	},
	Effects: func(d *Draft) []workflow.Effect { return append(comesBack(d), workflow.EffectAccess) },
	Cost:    membershipCost(OpRestore),
	Aim:     Aim{Check: 3, Run: 3},
	Example: byID,
}

// byID is an example that needs nothing but the account.
func byID(a workflow.Account, _ Surroundings) workflow.RowValues {
	return workflow.Of(workflow.ColumnAccountID, a.ID)
}

// turned is the inverse of a step that has changed a membership.
func turned(s workflow.Step, name workflow.ActionName, from, to string) workflow.Step {
	s.Action, s.Expect, s.Set = name, s.Expect.With(workflow.FieldMembership, from), workflow.Of(workflow.FieldMembership, to)
	return s
}

// directoryColumn is the column by which a row names its directory, for actions that go to one.
func directoryColumn() []ColumnUse {
	return []ColumnUse{{Column: workflow.ColumnDirectory, Value: func(s workflow.Step) string { return s.Directory }}}
}

func membershipCost(op workflow.Operation) Cost {
	return Cost{Calls: map[workflow.Operation]int{op: 1}, Reads: map[workflow.FactKind]int{workflow.KindMembership: 2}}
}

// membershipReads are the facts about a membership: which directories there are, then how the
// account stands in the one that is meant.
func membershipReads(r *workflow.Row, f *Facts) []workflow.Fact {
	out := []workflow.Fact{Directories()}
	if id, _ := RowDirectory(r, f); id != "" {
		out = append(out, workflow.MembershipOf(f.Account.ID, id))
	}
	return out
}

// membership is how the account stands in the directory that a row means, as far as is known: the
// value of FieldMembership, "" where nothing tells.
func membership(r *workflow.Row, f *Facts) (directory, status string, known bool) {
	directory, _ = RowDirectory(r, f)
	answer, known := f.Answers[workflow.MembershipOf(f.Account.ID, directory)]
	if directory == "" || !known {
		return directory, "", false
	}
	if len(answer) > 0 {
		status = answer[0].Get(workflow.FieldMembership)
	}
	return directory, status, true
}

// checkMembership judges a row by how the account stands in its directory; wanted is how it is to.
func checkMembership(wanted string, r *workflow.Row, f *Facts) Finding {
	if _, finding := RowDirectory(r, f); finding.State != workflow.ChangeReady {
		return finding
	}
	directory, status, known := membership(r, f)
	name := knownDirectoryName(directory, f)
	switch {
	case !known:
		return Ready()
	case status == wanted:
		return Unchanged(workflow.ReasonAlready, memberWords(status, name))
	case status == workflow.MemberNone:
		return Blocked(workflow.ReasonNotInDirectory, f.Account.ID, name)
	case status == "":
		return Blocked(workflow.ReasonCouldNotCheck, "Atlassian does not tell how the account stands in the directory "+name)
	}
	return Ready()
}

// memberWords say how an account stands in a directory.
func memberWords(status, directory string) string {
	if status == workflow.MemberNone {
		return "not in the directory " + directory
	}
	return status + " in the directory " + directory
}

// membershipSteps is the step that changes how the account stands in its directory, once that is
// known.
func membershipSteps(name workflow.ActionName, to string, r *workflow.Row, f *Facts) []workflow.Step {
	directory, from, known := membership(r, f)
	if !known {
		return nil
	}
	return []workflow.Step{{
		Action: name, Place: workflow.PlaceDirectory, Directory: directory, AccountID: f.Account.ID,
		Expect: workflow.Of(workflow.FieldEmail, f.Account.Email).With(workflow.FieldMembership, from),
		Set:    workflow.Of(workflow.FieldMembership, to),
	}}
}

func doMembership(op workflow.Operation) func(context.Context, workflow.Caller, workflow.Step) (workflow.Values, error) {
	return func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
		return c.Call(ctx, workflow.Call{Endpoint: s.Endpoint(), Operation: op, Action: s.Action, AccountID: s.AccountID})
	}
}
