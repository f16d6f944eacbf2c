package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is what the settings ask of a plan before it may run: how many people must approve it, which accounts nothing may
// happen to, and how many accounts a day may be touched. It is pure: what it has to know of people and accounts comes in.
type Policy struct {
	Approvals int    // other people who must approve where no rule asks for more, at least 1
	Rules     []Rule // the strictest of those that apply wins
	// Emergency is the Slack user group whose batches need one approval by another person whatever the rules say; "" = none.
	Emergency string
	Protect   []string // addresses, account ids and "group:" names that nothing may happen to
	PerDay    PerDay
	Accounts  map[string]string // Slack user id → account id, where the person's Slack address is not the account's
}

// PerDay limits how many accounts may be touched in 24 hours; 0 is no limit.
type PerDay struct {
	Requester int // by the batches of one requester
	All       int
}

// dayLong is the day of limits.per_day and changes_over_24h: the last 24 hours, whatever the calendar says.
const dayLong = 24 * time.Hour

// GroupPrefix marks a group of Atlassian among protected accounts and in rules.
const GroupPrefix = "group:"

// Rule asks for approvals when all of its conditions hold.
type Rule struct {
	When      When
	Approvals int  // at least 1
	Allow     bool // lets organisation admins be changed where the rule applies; they are blocked else
}

// When are the conditions of a rule; those that are not set hold always, and of a list one entry must apply.
type When struct {
	ChangesOver    *int // more changes that would run than that
	ChangesOver24h *int // the same, with the requester's other changes of the last 24 hours
	Actions        []ActionName
	Accounts       []string // "@domain" of the old or the new address, "group:name"
	Requesters     []string // Slack users (U…, W…) and user groups (S…) that the requester or the author is or is in
	OrgAdmins      bool     // an organisation admin's account is among them
}

// Groups are the groups of Atlassian that the policy has to know the members of, as AddressKey folds their names.
func (p Policy) Groups() []string {
	var names []string
	for _, entry := range p.Protect {
		if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
			names = append(names, AddressKey(name))
		}
	}
	for _, r := range p.Rules {
		for _, entry := range r.When.Accounts {
			if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
				names = append(names, AddressKey(name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AsksGroups says whether the policy names a group of Atlassian at all.
func (p Policy) AsksGroups() bool { return len(p.Groups()) > 0 }

// UserGroups are the Slack user groups that the policy has to know the members of.
func (p Policy) UserGroups() []string {
	var ids []string
	if p.Emergency != "" {
		ids = append(ids, p.Emergency)
	}
	for _, r := range p.Rules {
		for _, id := range r.When.Requesters {
			if IsUserGroup(id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// IsUserGroup says whether a Slack id is one of a user group.
func IsUserGroup(id string) bool { return strings.HasPrefix(id, "S") }

// Check says what of the policy contradicts itself, nil when nothing does.
func (p Policy) Check() error {
	if p.Approvals < 1 {
		return errors.New("at least one approval is required")
	}
	for i, r := range p.Rules {
		if r.Approvals < 1 {
			return fmt.Errorf("rule %d asks for fewer than one approval", i+1)
		}
	}
	return nil
}

// Traits are what rules ask about a plan. They are stored with it, so that a decision can be held against the rules of its
// day without asking Atlassian again.
type Traits struct {
	Changes   int          `json:"changes,omitempty"` // that would run
	Actions   []ActionName `json:"actions,omitempty"`
	Domains   []string     `json:"domains,omitempty"`    // of old and new addresses
	Groups    []string     `json:"groups,omitempty"`     // of those that the settings name, these have members in the plan
	OrgAdmins int          `json:"org_admins,omitempty"` // accounts of organisation admins
	Ranked    []Ranked     `json:"ranked,omitempty"`     // what would happen to these, each kind once
	Asked     []string     `json:"asked,omitempty"`      // the groups that the settings named when it was checked
	NoGroups  []string     `json:"no_groups,omitempty"`  // of these, Atlassian has none of that name
}

// Ranked is one kind of change to accounts of organisation admins: as much of it as the rules that allow it ask about.
type Ranked struct {
	Action  ActionName `json:"action"`
	Domains []string   `json:"domains,omitempty"` // of the old and the new address
	Groups  []string   `json:"groups,omitempty"`  // of those that the settings name
}

// ranked says what kind of change it is to an organisation admin's account, as far as rules about the asked groups go.
func ranked(a Account, target string, action ActionName, asked []string) Ranked {
	r := Ranked{Action: action}
	for _, address := range []string{a.Email, target} {
		if domain := Domain(address); domain != "" {
			r.Domains = append(r.Domains, domain)
		}
	}
	for _, g := range a.Groups {
		if key := AddressKey(g); slices.Contains(asked, key) {
			r.Groups = append(r.Groups, key)
		}
	}
	return r
}

func (r Ranked) same(s Ranked) bool {
	return r.Action == s.Action && slices.Equal(r.Domains, s.Domains) && slices.Equal(r.Groups, s.Groups)
}

// traitsOf reads the traits off the drafts that are live.
func traitsOf(drafts []*draft, asked, missing []string) Traits {
	t := Traits{Asked: asked, NoGroups: missing}
	domains, actions, groups := map[string]bool{}, map[ActionName]bool{}, map[string]bool{}
	for _, d := range drafts {
		if !d.live() {
			continue
		}
		t.Changes++
		actions[d.action.Name] = true
		for _, address := range []string{d.account.Email, d.target()} {
			if domain := Domain(address); domain != "" {
				domains[domain] = true
			}
		}
		for _, g := range d.account.Groups {
			if key := AddressKey(g); slices.Contains(asked, key) {
				groups[key] = true
			}
		}
		if d.account.OrgAdmin {
			t.OrgAdmins++
			if r := ranked(d.account, d.target(), d.action.Name, asked); !slices.ContainsFunc(t.Ranked, r.same) {
				t.Ranked = append(t.Ranked, r)
			}
		}
	}
	t.Actions, t.Domains, t.Groups = sortedKeys(actions), sortedKeys(domains), sortedKeys(groups)
	return t
}

func sortedKeys[K ~string](set map[K]bool) []K {
	var keys []K
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Asker is who asked for a batch: the ids of requester and author, with the user groups of the policy that one of them is
// in. Of those in Unread nobody knows.
type Asker struct {
	People []string
	Groups []string
	Unread []string
	// Emergency says that the requester is in the emergency group.
	Emergency bool
}

// Demand is how many people must approve a plan, and why.
type Demand struct {
	Approvals int
	Why       []string // what the rules that ask for as many go by, in words; empty where no rule asks for more
	Emergency bool
}

// Demand says what the policy asks of a plan with these traits. lately are the requester's other changes of the last 24
// hours. What is not known is taken for the stricter case.
func (p Policy) Demand(t Traits, asker Asker, lately int) Demand {
	if asker.Emergency {
		return Demand{Approvals: 1, Emergency: true}
	}
	out := Demand{Approvals: max(p.Approvals, 1)}
	for _, r := range p.Applied(t, asker, lately) {
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
func (p Policy) Applied(t Traits, asker Asker, lately int) []AppliedRule {
	out := make([]AppliedRule, len(p.Rules))
	for i, r := range p.Rules {
		why, applies := r.When.applies(t, asker, lately)
		out[i] = AppliedRule{Rule: r, Applies: applies, Why: why}
	}
	return out
}

// Words says in a few words when the rule applies.
func (w When) Words() string {
	var words []string
	if w.ChangesOver != nil {
		words = append(words, fmt.Sprintf("more than %d changes", *w.ChangesOver))
	}
	if w.ChangesOver24h != nil {
		words = append(words, fmt.Sprintf("more than %d changes by one requester in 24 hours", *w.ChangesOver24h))
	}
	if len(w.Actions) > 0 {
		words = append(words, "the action "+join(w.Actions))
	}
	if len(w.Accounts) > 0 {
		words = append(words, "accounts of "+join(w.Accounts))
	}
	if len(w.Requesters) > 0 {
		words = append(words, "asked for by "+join(w.Requesters))
	}
	if w.OrgAdmins {
		words = append(words, "accounts of organisation admins")
	}
	return strings.Join(words, " and ")
}

// NeedsLately says whether a rule asks what the requester asked for in the last 24 hours.
func (p Policy) NeedsLately() bool {
	return slices.ContainsFunc(p.Rules, func(r Rule) bool { return r.When.ChangesOver24h != nil })
}

// Asker finds out in which of the policy's user groups requester and author ("" = the same) are. What is known of the groups
// may be as old as age.
func (p Policy) Asker(ctx context.Context, people People, requester, author string, age time.Duration) (Asker, error) {
	a := Asker{People: []string{requester}}
	if author != "" && author != requester {
		a.People = append(a.People, author)
	}
	for _, group := range p.UserGroups() {
		members, err := people.Members(ctx, group, age)
		switch {
		case errors.Is(err, ErrGroupUnreadable):
			a.Unread = append(a.Unread, group)
		case err != nil:
			return a, err
		case len(both(a.People, members)) > 0:
			a.Groups = append(a.Groups, group)
			a.Emergency = a.Emergency || group == p.Emergency && slices.Contains(members, requester)
		}
	}
	return a, nil
}

// applies says whether all conditions hold, and by what words they do.
func (w When) applies(t Traits, asker Asker, lately int) (why string, ok bool) {
	var words []string
	if w.ChangesOver != nil {
		if t.Changes <= *w.ChangesOver {
			return "", false
		}
		words = append(words, fmt.Sprintf("more than %d changes, here %d", *w.ChangesOver, t.Changes))
	}
	if w.ChangesOver24h != nil {
		all := t.Changes + lately
		if all <= *w.ChangesOver24h {
			return "", false
		}
		words = append(words, fmt.Sprintf("more than %d changes by one requester in 24 hours, here %d", *w.ChangesOver24h, all))
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
		words = append(words, fmt.Sprintf("accounts of organisation admins, here %d", t.OrgAdmins))
	}
	return strings.Join(words, " and "), true
}

// accounts are the entries that apply to the plan. A group that the check did not ask about may have anybody in it.
func (w When) accounts(t Traits) []string {
	var hit []string
	for _, entry := range w.Accounts {
		if name, isGroup := strings.CutPrefix(entry, GroupPrefix); isGroup {
			if key := AddressKey(name); slices.Contains(t.Groups, key) || !slices.Contains(t.Asked, key) {
				hit = append(hit, "the group "+name)
			}
		} else if slices.Contains(t.Domains, AddressKey(strings.TrimPrefix(entry, "@"))) {
			hit = append(hit, entry)
		}
	}
	return hit
}

func (w When) askedBy(a Asker) bool {
	return len(both(w.Requesters, a.People)) > 0 || len(both(w.Requesters, a.Groups)) > 0 ||
		len(both(w.Requesters, a.Unread)) > 0
}

// allows says whether a rule lets that happen to an organisation admin's account. Here what is not known is no reason to
// take a condition for met: a group that was not asked about has nobody in it.
func (p Policy) allows(r Ranked, asker Asker) bool {
	one := Traits{
		Changes: 1, Actions: []ActionName{r.Action}, OrgAdmins: 1, Asked: p.Groups(), Domains: r.Domains, Groups: r.Groups,
	}
	asker.Unread = nil
	return slices.ContainsFunc(p.Rules, func(r Rule) bool {
		w := r.When
		w.ChangesOver, w.ChangesOver24h = nil, nil // they ask about the plan, not about an account
		_, applies := w.applies(one, asker, 0)
		return r.Allow && w.OrgAdmins && applies
	})
}

// allowsAll says whether the rules let happen what a plan with these traits does to accounts of organisation admins.
func (p Policy) allowsAll(t Traits, asker Asker) bool {
	if t.OrgAdmins > 0 && len(t.Ranked) == 0 { // nobody knows what
		return false
	}
	return !slices.ContainsFunc(t.Ranked, func(r Ranked) bool { return !p.allows(r, asker) })
}

// both are the entries of a that are in b, too.
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
