package simulation

import (
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// simWorld is what Slack and the settings were like from a moment on.
type simWorld struct {
	from   time.Time
	people map[string]workspace.Person
	groups map[string][]string
	rules  *simRules
}

// sound reports whether somebody's account may do anything at all.
func (w *simWorld) sound(id string) bool {
	p := w.people[id]
	return p.ID != "" && !p.Deleted && !p.IsBot && !p.IsRestricted
}

// admin reports whether people.admins has somebody, directly or in the group.
func (w *simWorld) admin(id string) bool {
	return id == simDean || slices.Contains(w.groups[simAdmins], id)
}

// approver reports whether somebody is entitled to approve.
func (w *simWorld) approver(id string) bool {
	return w.sound(id) && w.admin(id) && w.people[id].Email != ""
}

// asker reports whether somebody is entitled to ask.
func (w *simWorld) asker(id string) bool {
	return w.sound(id) && (w.admin(id) || slices.Contains(w.groups[simHelpdesk], id))
}

func (w *simWorld) email(id string) string { return strings.ToLower(w.people[id].Email) }

// owns reports whether a change is about somebody's own account, or gives their address away.
func (w *simWorld) owns(id string, c workflow.Change) bool {
	mine := w.email(id)
	return c.AccountID != "" && w.rules.accounts[id] == c.AccountID ||
		mine != "" && (mine == strings.ToLower(c.OldEmail()) || mine == strings.ToLower(c.NewEmail()))
}

// protects reports whether the settings forbid everything about a change.
func (w *simWorld) protects(c workflow.Change, groups []string) bool {
	return slices.ContainsFunc(w.rules.protect, func(entry string) bool {
		if name, is := strings.CutPrefix(entry, "group:"); is {
			return slices.ContainsFunc(groups, func(g string) bool { return strings.EqualFold(g, name) })
		}
		return entry == c.AccountID || strings.EqualFold(entry, c.OldEmail()) || strings.EqualFold(entry, c.NewEmail())
	})
}

// simPlan is what a batch is about, for the rules.
type simPlan struct {
	batch   *workflow.Batch
	rows    []workflow.Change
	groups  map[string][]string // account → the groups that it is in
	moved   map[int][]string    // row → the groups, in small letters, that its account is added to or leaves
	ranked  map[string]bool     // accounts of organisation admins
	earlier int                 // changes of the same people before that surely count
}

// applies holds the conditions of a rule against some of the rows. The numbers are of the whole plan.
func (w *simWorld) applies(when policy.When, p *simPlan, rows []workflow.Change) bool {
	some := func(ok func(workflow.Change) bool) bool { return slices.ContainsFunc(rows, ok) }
	b := p.batch
	return (when.ChangesOver == nil || len(p.rows) > *when.ChangesOver) &&
		(when.ChangesOver24h == nil || len(p.rows)+p.earlier > *when.ChangesOver24h) &&
		(when.Actions == nil || some(func(c workflow.Change) bool { return slices.Contains(when.Actions, c.Action) })) &&
		(when.Accounts == nil || some(func(c workflow.Change) bool { return among(when.Accounts, c, p.groups[c.AccountID]) })) &&
		(when.Groups == nil || some(func(c workflow.Change) bool {
			return slices.ContainsFunc(when.Groups, func(name string) bool { return slices.Contains(p.moved[c.Row], strings.ToLower(name)) })
		})) &&
		(when.Requesters == nil || slices.ContainsFunc(when.Requesters, func(entry string) bool {
			members := append([]string{entry}, w.groups[entry]...)
			return slices.Contains(members, b.Requester.ID) || slices.Contains(members, b.Author.ID)
		})) &&
		(!when.OrgAdmins || some(func(c workflow.Change) bool { return p.ranked[c.AccountID] }))
}

// among reports whether a change is about one of the domains or groups.
func among(entries []string, c workflow.Change, groups []string) bool {
	return slices.ContainsFunc(entries, func(entry string) bool {
		if name, is := strings.CutPrefix(entry, "group:"); is {
			return slices.Contains(groups, name)
		}
		entry = strings.ToLower(entry)
		return strings.HasSuffix(strings.ToLower(c.OldEmail()), entry) || strings.HasSuffix(strings.ToLower(c.NewEmail()), entry)
	})
}

// lets reports whether a rule lets a change happen to an organisation admin's account.
func (w *simWorld) lets(p *simPlan, c workflow.Change) bool {
	return slices.ContainsFunc(w.rules.rules, func(r policy.Rule) bool {
		return r.Allow && r.When.OrgAdmins && w.applies(r.When, p, []workflow.Change{c})
	})
}

// urgent reports whether the batch is an emergency: of the group, with a reason of its own.
func (w *simWorld) urgent(b *workflow.Batch) bool {
	return w.rules.emergency != "" && slices.Contains(w.groups[w.rules.emergency], b.Requester.ID) && b.Reason != "" &&
		(b.Follows == 0 || b.Link == workflow.LinkRest)
}

// moment are the worlds between two moments: most often one. Where it was another one in between, what was read of which
// cannot be known, so that everything is taken as it was in the best of them.
type moment []simWorld

func (m moment) some(ok func(*simWorld) bool) bool {
	return slices.ContainsFunc(m, func(w simWorld) bool { return ok(&w) })
}

func (m moment) always(ok func(*simWorld) bool) bool {
	return len(m) > 0 && !m.some(func(w *simWorld) bool { return !ok(w) })
}

// address is somebody's, "" unless it was one and the same all the time.
func (m moment) address(id string) string {
	if len(m) == 0 || !m.always(func(w *simWorld) bool { return w.email(id) == m[0].email(id) }) {
		return ""
	}
	return m[0].email(id)
}

// need is how many people the settings of the moment ask for at least. With plain, emergencies have no say.
func (m moment) need(p *simPlan, plain bool) int {
	least := 100
	for _, each := range m {
		same := slices.DeleteFunc(slices.Clone(m), func(w simWorld) bool { return w.rules != each.rules })
		n := each.rules.approvals
		for _, r := range each.rules.rules {
			if same.always(func(w *simWorld) bool { return w.applies(r.When, p, p.rows) }) {
				n = max(n, r.Approvals)
			}
		}
		if !plain && same.some(func(w *simWorld) bool { return w.urgent(p.batch) }) {
			n = 1
		}
		least = min(least, n)
	}
	return least
}

// between are the worlds from one moment to another, both included.
func (c *actors) between(from, until time.Time) moment {
	c.mu.Lock()
	defer c.mu.Unlock()
	var out moment
	for i, w := range c.worlds {
		if !w.from.After(until) && (i+1 == len(c.worlds) || !c.worlds[i+1].from.Before(from)) {
			out = append(out, w)
		}
	}
	return out
}
