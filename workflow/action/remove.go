package action

import (
	"context"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// KindRoles are the roles that an account has on the resources of a directory: FieldID, the
// resource, and FieldRoles, sorted, separated by ";".
const KindRoles workflow.FactKind = "roles"

// RolesOf asks which roles an account has on the resources of a directory.
func RolesOf(id, directory string) workflow.Fact {
	return workflow.Fact{Kind: KindRoles, AccountID: id, Endpoint: workflow.Endpoint{Place: workflow.PlaceDirectory, Directory: directory}}
}

var remove = Action{
	Name:  workflow.Remove,
	Usage: "remove <user>…",
	Help:  "take out of a directory, with all groups and roles there; nothing undoes it",
	Title: Title{
		Does: "Remove {who}", Done: "Removed {who}",
		One: "removal", More: "removals",
	},
	Becomes: becomes("not in the directory"),
	Columns: directoryColumn(),
	Subject: workflow.Subject{Hidden: true},
	Groups:  true,
	Reads: func(r *workflow.Row, f *Facts) []workflow.Fact {
		return append(membershipReads(r, f), GroupsOf(f.Account.ID))
	},
	Check: func(r *workflow.Row, f *Facts) Finding { return checkMembership(workflow.MemberNone, r, f) },
	Steps: func(r *workflow.Row, f *Facts) []workflow.Step {
		return membershipSteps(workflow.Remove, workflow.MemberNone, r, f)
	},
	Do:     removeUser,
	Absent: func(now workflow.Values) bool { return now.Get(workflow.FieldReason) != "" },
	Effects: func(d *Draft) []workflow.Effect {
		directory, _ := RowDirectory(d.Row, &d.Facts)
		groups := groupsIn(directory, d.Facts.Answers[GroupsOf(d.Facts.Account.ID)])
		return append(comesBack(d), workflow.EffectNoAccess, workflow.EffectGroupsLost.Times(len(groups)), workflow.EffectFinal)
	},
	Cost: Cost{
		Calls: map[workflow.Operation]int{OpRemove: 1},
		Reads: map[workflow.FactKind]int{workflow.KindMembership: 2, KindGroupsOf: 1, KindRoles: 1},
	},
	Aim:     Aim{Check: 4, Run: 5},
	Example: byID,
}

// removeUser takes the account out of the directory. What it is in there, and what it may do, is
// read first and written down with the call, as nothing tells of it afterwards.
func removeUser(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error) {
	groups, roles := GroupsOf(s.AccountID), RolesOf(s.AccountID, s.Directory)
	answers, err := c.Read(ctx, groups, roles)
	if err != nil {
		return nil, err
	}
	var in, may []string
	for _, g := range groupsIn(s.Directory, answers[groups]) {
		in = append(in, strings.TrimSpace(g.Name+" ("+g.ID+")"))
	}
	for _, v := range answers[roles] {
		may = append(may, v.Get(workflow.FieldID)+": "+strings.ReplaceAll(v.Get(workflow.FieldRoles), ";", ", "))
	}
	slices.Sort(in)
	slices.Sort(may)
	return c.Call(ctx, workflow.Call{
		Endpoint: s.Endpoint(), Operation: OpRemove, Action: s.Action, AccountID: s.AccountID,
		Keep: workflow.Of(workflow.FieldGroups, none(strings.Join(in, "; "))).With(workflow.FieldRoles, none(strings.Join(may, "; "))),
	})
}

// none says of a list that it is empty, so that it is not taken for one that nobody wrote down.
func none(list string) string {
	if list == "" {
		return "none"
	}
	return list
}

// groupsIn are the groups of one directory among those of an answer.
func groupsIn(directory string, answer []workflow.Values) []Group {
	var out []Group
	for _, v := range answer {
		if g := GroupFrom(v); g.Directory == directory {
			out = append(out, g)
		}
	}
	return out
}
