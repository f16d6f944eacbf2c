package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Rule asks for approvals when all of its conditions hold.
type Rule struct {
	When      When
	Approvals int  // at least 1
	Allow     bool // lets organisation admins be changed where the rule applies; they are blocked else
}

// When are the conditions of a rule; those that are not set hold always, and of a list one entry
// must apply.
type When struct {
	ChangesOver    *int // more changes that would run than that
	ChangesOver24h *int // the same, with the requester's other changes of the last 24 hours
	Actions        []workflow.ActionName
	Accounts       []string // "@domain" of the old or the new address, "group:name"
	Groups         []string // names of groups that accounts are added to or leave
	Requesters     []string // Slack users (U…, W…) and user groups (S…) that the requester or the author is or is in
	OrgAdmins      bool     // an organisation admin's account is among them
}

// Demand says what the policy asks of a plan with these traits. recent are the requester's other
// changes of the last 24 hours. What is not known is taken for the stricter case.
func (p Policy) Demand(t workflow.Traits, asker workflow.Asker, recent int) workflow.Demand {
	if asker.Emergency {
		return workflow.Demand{Approvals: 1, Emergency: true}
	}
	out := workflow.Demand{Approvals: max(p.Approvals, 1)}
	for _, r := range p.Applied(t, asker, recent) {
		switch {
		case !r.Applies || r.Approvals < out.Approvals:
		case r.Approvals > out.Approvals:
			out.Approvals, out.Why = r.Approvals, []string{r.Why}
		case !slices.Contains(out.Why, r.Why):
			out.Why = append(out.Why, r.Why)
		}
	}
	return out
}

// AppliedRule is a rule held against a plan.
type AppliedRule struct {
	Rule
	Applies bool
	Why     string // by what, in words; "" when it does not apply
}

// Applied holds every rule against a plan, in the order of the settings.
func (p Policy) Applied(t workflow.Traits, asker workflow.Asker, recent int) []AppliedRule {
	out := make([]AppliedRule, len(p.Rules))
	for i, r := range p.Rules {
		why, applies := r.When.applies(t, asker, recent)
		out[i] = AppliedRule{Rule: r, Applies: applies, Why: why}
	}
	return out
}

// Words says in a few words when the rule applies.
func (w When) Words() string {
	var words []string
	if w.ChangesOver != nil {
		words = append(words, fmt.Sprintf("more than %s changes", workflow.Number(*w.ChangesOver)))
	}
	if w.ChangesOver24h != nil {
		words = append(words, fmt.Sprintf("more than %s changes by one requester in 24 hours", workflow.Number(*w.ChangesOver24h)))
	}
	if len(w.Actions) > 0 {
		words = append(words, "the action "+join(w.Actions))
	}
	if len(w.Accounts) > 0 {
		words = append(words, "accounts of "+join(w.Accounts))
	}
	if len(w.Groups) > 0 {
		words = append(words, "accounts into or out of the group "+join(w.Groups))
	}
	if len(w.Requesters) > 0 {
		words = append(words, "asked for by "+join(w.Requesters))
	}
	if w.OrgAdmins {
		words = append(words, "accounts of organisation admins")
	}
	return strings.Join(words, " and ")
}

// NeedsRecent reports whether a rule asks what the requester asked for in the last 24 hours.
func (p Policy) NeedsRecent() bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.When.ChangesOver24h != nil })
}

// applies reports whether all conditions hold, and by what words they do.
func (w When) applies(t workflow.Traits, asker workflow.Asker, recent int) (why string, ok bool) {
	var words []string
	if w.ChangesOver != nil {
		if t.Changes <= *w.ChangesOver {
			return "", false
		}
		words = append(words, fmt.Sprintf("more than %s changes, here %s", workflow.Number(*w.ChangesOver), workflow.Number(t.Changes)))
	}
	if w.ChangesOver24h != nil {
		all := t.Changes + recent
		if all <= *w.ChangesOver24h {
			return "", false
		}
		words = append(words, fmt.Sprintf("more than %s changes by one requester in 24 hours, here %s",
			workflow.Number(*w.ChangesOver24h), workflow.Number(all)))
	}
	if len(w.Actions) > 0 {
		hit := both(w.Actions, t.Actions)
		if len(hit) == 0 {
			return "", false
		}
		words = append(words, "the action "+join(hit))
	}
	if len(w.Accounts) > 0 {
		hit := w.accounts(t)
		if len(hit) == 0 {
			return "", false
		}
		words = append(words, "accounts of "+join(hit))
	}
	if len(w.Groups) > 0 {
		hit := w.groups(t)
		if len(hit) == 0 {
			return "", false
		}
		words = append(words, "accounts into or out of the group "+join(hit))
	}
	if len(w.Requesters) > 0 {
		if !w.askedBy(asker) {
			return "", false
		}
		words = append(words, "who asked")
	}
	if w.OrgAdmins {
		if t.OrgAdmins == 0 {
			return "", false
		}
		words = append(words, fmt.Sprintf("accounts of organisation admins, here %s", workflow.Number(t.OrgAdmins)))
	}
	return strings.Join(words, " and "), true
}

// accounts returns the entries that apply to the plan. A group that the check did not ask about may
// have anybody in it.
func (w When) accounts(t workflow.Traits) []string {
	var hit []string
	for _, entry := range w.Accounts {
		if name, isGroup := strings.CutPrefix(entry, GroupPrefix); isGroup {
			if key := workflow.GroupKey(name); slices.Contains(t.Groups, key) || !slices.Contains(t.Asked, key) {
				hit = append(hit, "the group "+name)
			}
		} else if slices.Contains(t.Domains, workflow.DomainKey(strings.TrimPrefix(entry, "@"))) {
			hit = append(hit, entry)
		}
	}
	return hit
}

// groups returns the groups that accounts are added to or leave. A group that the check did not ask
// about, or whose name it could not learn, may be any of them; where nothing is done about groups, it is none.
func (w When) groups(t workflow.Traits) []string {
	var hit []string
	for _, name := range w.Groups {
		key := workflow.GroupKey(name)
		if slices.Contains(t.Touched, key) || t.Unnamed || !slices.Contains(t.Asked, key) {
			hit = append(hit, name)
		}
	}
	return hit
}

func (w When) askedBy(a workflow.Asker) bool {
	return len(both(w.Requesters, a.People)) > 0 || len(both(w.Requesters, a.Groups)) > 0 ||
		len(both(w.Requesters, a.Unread)) > 0
}

// allows reports whether a rule lets that happen to an organisation admin's account. Here what is
// not known is no reason to take a condition for met: a group that was not asked about has nobody
// in it.
func (p Policy) allows(r workflow.AdminChange, asker workflow.Asker) bool {
	one := workflow.Traits{
		Changes: 1, Actions: []workflow.ActionName{r.Action}, OrgAdmins: 1, Asked: p.Groups(), Domains: r.Domains, Groups: r.Groups,
	}
	asker.Unread = nil
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		w := r.When
		w.ChangesOver, w.ChangesOver24h = nil, nil // they ask about the plan, not about an account
		_, applies := w.applies(one, asker, 0)
		return r.Allow && w.OrgAdmins && applies
	})
}

// allowsAll reports whether the rules let happen what a plan with these traits does to accounts of
// organisation admins.
func (p Policy) allowsAll(t workflow.Traits, asker workflow.Asker) bool {
	if t.OrgAdmins > 0 && len(t.AdminChanges) == 0 { // nobody knows what
		return false
	}
	return !slices.ContainsFunc(t.AdminChanges, func(r workflow.AdminChange) bool { return !p.allows(r, asker) })
}

// both returns the entries of a that are in b, too.
func both[S ~string](a, b []S) []S {
	return slices.DeleteFunc(slices.Clone(a), func(s S) bool { return !slices.Contains(b, s) })
}

func join[S ~string](words []S) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = string(w)
	}
	return strings.Join(out, ", ")
}
