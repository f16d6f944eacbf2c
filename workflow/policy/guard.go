package policy

import (
	"slices"

	"github.com/countersign/countersign/workflow"
)

// Guard is what a policy forbids, made ready for the rows of one batch: who asks for it, and whose
// own accounts are whose.
type Guard struct {
	policy    Policy
	protected protection
	groups    []string // of Atlassian, that the policy names
	asker     workflow.Asker
	owners    Owners
}

// Guard makes the guard of a batch that they asked for. people are those whose own accounts count.
func (p Policy) Guard(asker workflow.Asker, people []workflow.Person) workflow.Guard {
	return &Guard{
		policy: p, protected: p.protection(), groups: p.Groups(), asker: asker, owners: NewOwners(people, p.Accounts),
	}
}

// Groups returns the groups of Atlassian whose members have to be known, as GroupKey folds their
// names.
func (g *Guard) Groups() []string { return g.groups }

// Row returns why the action must not be done to the account, whatever Atlassian allows; the zero
// Reason when the policy has nothing against it. target is the address that the account would get,
// alone that the batch has no other row.
func (g *Guard) Row(
	a workflow.Account, action workflow.ActionName, subject workflow.Subject, target string, alone bool,
) workflow.Reason {
	owners := g.Owners(a.ID, a.Email, target)
	// A customer of a help center holds no role in the organisation and is in none of its groups.
	ranked := a.RolesKnown || subject.Absent || subject.Any && a.Type == workflow.TypeCustomer
	what, group := g.protected.covers(a.ID, a.Email, target), g.protected.group(a)
	switch {
	case what != "":
		return workflow.NewReason(workflow.ReasonProtected, what)
	case group != "":
		return workflow.NewReason(workflow.ReasonProtected, "", group)
	case !ranked && len(g.groups) > 0:
		return workflow.NewReason(workflow.ReasonRolesHidden, a.ID, "roles and groups")
	case !ranked:
		return workflow.NewReason(workflow.ReasonRolesHidden, a.ID, "roles")
	case a.Email == "" && !subject.Absent && !subject.Hidden:
		return workflow.NewReason(workflow.ReasonAddressHidden, a.ID)
	case a.OrgAdmin && !g.policy.allows(workflow.AdminChangeOf(a, target, action, g.groups), g.asker):
		return workflow.NewReason(workflow.ReasonOrgAdmin, a.ID)
	case len(owners) > 0 && !alone:
		return workflow.NewReason(workflow.ReasonOwnAccount, owners[0])
	case len(both(owners, g.asker.People)) > 0:
		return workflow.NewReason(workflow.ReasonOwnAlone, both(owners, g.asker.People)[0])
	}
	return workflow.Reason{}
}

// Plan returns why a plan with these traits must not run by the policy of today, as a
// *workflow.GuardError. Of a rule's groups that were not asked about at the check the stricter case
// is taken; of protected ones nothing is known, so the plan is out of date.
func (g *Guard) Plan(t workflow.Traits) error {
	for _, name := range g.groups {
		switch {
		case !g.protected.groups[name]:
		case !slices.Contains(t.Asked, name):
			return &workflow.GuardError{Code: workflow.ReasonStalePolicy, Facts: []string{name}}
		case slices.Contains(t.Groups, name): // it was a rule's when the plan was made
			return &workflow.GuardError{Code: workflow.ReasonProtected, Facts: []string{"", name}}
		}
	}
	if !g.policy.allowsAll(t, g.asker) {
		return &workflow.GuardError{Code: workflow.ReasonOrgAdmin}
	}
	return nil
}

// Protects reports whether one of the ids and addresses is protected.
func (g *Guard) Protects(what ...string) bool { return g.protected.covers(what...) != "" }

// Owners returns the people whose own account it is, or whose address it would be given.
func (g *Guard) Owners(id, address, target string) []string { return g.owners.Of(id, address, target) }
