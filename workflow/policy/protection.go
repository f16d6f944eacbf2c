package policy

import (
	"slices"
	"strings"

	"golang.org/x/text/unicode/norm"

	"github.com/countersign/countersign/workflow"
)

// protection is the part of a policy that forbids, made ready for many rows.
type protection struct {
	accounts map[string]bool // guardKey of addresses and ids
	domains  map[string]bool // DomainKey of entries with an @ before them
	groups   map[string]bool // GroupKey
}

func (p Policy) protection() protection {
	out := protection{accounts: map[string]bool{}, domains: map[string]bool{}, groups: map[string]bool{}}
	for _, entry := range p.Protect {
		if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
			out.groups[workflow.GroupKey(name)] = true
		} else if domain, ok := strings.CutPrefix(entry, "@"); ok {
			out.domains[workflow.DomainKey(domain)] = true
		} else {
			out.accounts[guardKey(entry)] = true
		}
	}
	return out
}

// guardKey returns the key of an address or id that something is not to happen to, by letters that
// are the same in their compatibility form, too ("ﬁ" is "fi" here). It is coarser than AddressKey,
// and may be: it only refuses.
func guardKey(s string) string { return workflow.AddressKey(norm.NFKC.String(s)) }

// covers returns which of the ids and addresses is protected, by itself or by its domain, "" when
// none is.
func (p protection) covers(what ...string) string {
	for _, w := range what {
		if w != "" && (p.accounts[guardKey(w)] || p.domains[workflow.Domain(w)]) {
			return w
		}
	}
	return ""
}

// group returns which protected group the account is in, "" when in none.
func (p protection) group(a workflow.Account) string {
	for _, g := range a.Groups {
		if p.groups[workflow.GroupKey(g)] {
			return g
		}
	}
	return ""
}

// Coverage counts which accounts each entry of Protect protects, by what decides about a row.
type Coverage struct {
	entries []protection
	covered []map[string]bool // for each entry, the ids of its accounts
}

// Coverage returns a Coverage of the policy's entries, in their order.
func (p Policy) Coverage() *Coverage {
	c := &Coverage{}
	for _, entry := range p.Protect {
		c.entries = append(c.entries, Policy{Protect: []string{entry}}.protection())
		c.covered = append(c.covered, map[string]bool{})
	}
	return c
}

// Add takes the account into account; a second time it changes nothing.
func (c *Coverage) Add(a workflow.Account) {
	for i, entry := range c.entries {
		if entry.covers(a.ID, a.Email) != "" || entry.group(a) != "" {
			c.covered[i][a.ID] = true
		}
	}
}

// Counts returns how many of the accounts each entry protects.
func (c *Coverage) Counts() []int {
	counts := make([]int, len(c.covered))
	for i, ids := range c.covered {
		counts[i] = len(ids)
	}
	return counts
}

// Bars returns why no batch may touch the account, whoever asks, as far as one answer about it
// tells: searches by words and reads of one account do not tell roles and groups.
func (p Policy) Bars(a workflow.Account) workflow.Reason {
	protected := p.protection()
	allow := func(r Rule) bool { return r.Allow && r.When.OrgAdmins }
	if what := protected.covers(a.ID, a.Email); what != "" {
		return workflow.NewReason(workflow.ReasonProtected, what)
	}
	if group := protected.group(a); group != "" {
		return workflow.NewReason(workflow.ReasonProtected, "", group)
	}
	if a.OrgAdmin && !slices.ContainsFunc(p.Rules, allow) {
		return workflow.NewReason(workflow.ReasonOrgAdmin, a.ID)
	}
	return workflow.Reason{}
}
