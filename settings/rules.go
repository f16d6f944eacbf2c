package settings

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// rule is an entry of approval.rules as it is written.
type rule struct {
	When      when  `yaml:"when"`
	Approvals int   `yaml:"approvals" range:"1-100"`
	Allow     bool  `yaml:"allow"`
	Proof     Later `yaml:"proof"`
}

// when are the conditions of a rule. Those that are left out hold always.
type when struct {
	ChangesOver    *int                  `yaml:"changes_over" range:"0-1000000"`
	ChangesOver24h *int                  `yaml:"changes_over_24h" range:"0-1000000"`
	Actions        []workflow.ActionName `yaml:"actions"`
	Accounts       []string              `yaml:"accounts" is:"scope"`
	Groups         []string              `yaml:"groups" is:"group"`
	Requesters     []string              `yaml:"requesters" is:"person"`
	OrgAdmins      *bool                 `yaml:"org_admins"`
	Agents         Later                 `yaml:"agents"`
}

// policy is the rule as plans are held against it.
func (r *rule) policy() policy.Rule {
	return policy.Rule{
		When: policy.When{
			ChangesOver: r.When.ChangesOver, ChangesOver24h: r.When.ChangesOver24h, Actions: r.When.Actions,
			Accounts: r.When.Accounts, Groups: r.When.Groups, Requesters: r.When.Requesters, OrgAdmins: r.When.orgAdmins(),
		},
		Approvals: max(r.Approvals, 1), Allow: r.Allow,
	}
}

func (w *when) orgAdmins() bool { return w.OrgAdmins != nil && *w.OrgAdmins }

func (r *rule) check(s section) {
	switch {
	case !s.filled("when"):
		s.problem("when", "is missing", "say when the rule applies; approval.approvals is for every batch")
	case r.Approvals == 0 && !r.Allow && !s.filled("approvals"):
		s.problem("approvals", "is missing", "say how many people must approve then")
	case r.Allow && !r.When.orgAdmins():
		s.problem("allow", "lets nothing happen without when.org_admins", "add org_admins: true to when, or remove it")
	case r.Allow && (r.When.ChangesOver != nil || r.When.ChangesOver24h != nil):
		s.problem("allow", "cannot depend on how many changes there are", "put the number into a rule of its own")
	case r.Allow && len(r.When.Groups) > 0:
		s.problem("allow", "cannot depend on the groups that accounts are added to or leave", "put the groups into a rule of its own")
	}
}

func (w *when) check(s section) {
	for _, key := range []string{"actions", "accounts", "groups", "requesters"} {
		if node, _ := s.find(key); node != nil && node.Kind == yaml.SequenceNode && len(node.Content) == 0 {
			s.problem(key, "is an empty list, which would hold always", "name something, or remove it")
		}
	}
	if w.OrgAdmins != nil && !*w.OrgAdmins {
		s.problem("org_admins", "can only be true", "leave it out where the rule does not ask about organisation admins")
	}
}

func parseAction(v value) (any, error) {
	action := workflow.ActionName(v.text)
	if !slices.Contains(workflow.ActionNames(), action) {
		return nil, refuse(`"`+shown+`" is not an action`, "the actions are "+joined(workflow.ActionNames()))
	}
	return action, nil
}

func joined[S ~string](words []S) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
