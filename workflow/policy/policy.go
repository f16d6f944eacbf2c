// Package policy is what the settings demand of a plan before it may run, and what they forbid: how
// many people must approve it, which accounts nothing may happen to, whose own accounts are whose,
// how many accounts a day may be touched, and when batches may run.
//
// All of it is pure: nothing here reads Slack, Atlassian, the store or the clock. What has to be
// known of people, accounts and time comes in as values, so that the check, the click, Resume and
// `countersign policy` reach one verdict by one function. What is not known is taken for the
// stricter case, in what is demanded as in what is allowed.
package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// Policy is what the settings ask of a plan before it may run: how many people must approve it,
// which accounts nothing may happen to, and how many accounts a day may be touched. It is pure:
// what it has to know of people and accounts comes in.
type Policy struct {
	Approvals int    // other people who must approve where no rule asks for more, at least 1
	Rules     []Rule // the strictest of those that apply wins
	// Emergency is the Slack user group whose batches need one approval by another person whatever
	// the rules say; "" = none.
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

// GroupPrefix marks a group of Atlassian among protected accounts and in rules.
const GroupPrefix = "group:"

// Groups returns the groups of Atlassian that the policy asks about, as GroupKey folds their names:
// who is in them, or is put in or taken out.
func (p Policy) Groups() []string {
	var names []string
	for _, entry := range p.Protect {
		if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
			names = append(names, workflow.GroupKey(name))
		}
	}
	for _, r := range p.Rules {
		for _, entry := range r.When.Accounts {
			if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
				names = append(names, workflow.GroupKey(name))
			}
		}
		for _, name := range r.When.Groups {
			names = append(names, workflow.GroupKey(name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// AsksGroups reports whether the policy names a group of Atlassian at all.
func (p Policy) AsksGroups() bool { return len(p.Groups()) > 0 }

// EmergencyGroup returns the Slack user group whose batches need one approval; "" when there is
// none.
func (p Policy) EmergencyGroup() string { return p.Emergency }

// AccountOf returns the id of the account that people.accounts names for a person in Slack, "" when
// it names none.
func (p Policy) AccountOf(person string) string { return p.Accounts[person] }

// UserGroups returns the Slack user groups that the policy has to know the members of.
func (p Policy) UserGroups() []string {
	ids := p.RuleGroups()
	if p.Emergency != "" && !slices.Contains(ids, p.Emergency) {
		ids = append(ids, p.Emergency)
	}
	slices.Sort(ids)
	return ids
}

// RuleGroups returns the Slack user groups that the rules name.
func (p Policy) RuleGroups() []string {
	var ids []string
	for _, r := range p.Rules {
		for _, id := range r.When.Requesters {
			if workflow.IsUserGroup(id) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Check returns what of the policy contradicts itself, nil when nothing does.
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
