package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// guard is an entry that says whom a setting is about.
type guard struct{ setting, entry string }

// guards returns the entries of protect, then those of the rules.
func (d *doctor) guards() (all []guard) {
	for _, entry := range d.cfg.Protect {
		all = append(all, guard{"protect", entry})
	}
	for i, rule := range d.cfg.Approval.Rules {
		for _, entry := range rule.When.Accounts {
			all = append(all, guard{ruleNumber(i), entry})
		}
	}
	return all
}

// ruleNumber names a rule as the settings count it.
func ruleNumber(i int) string { return fmt.Sprintf("approval.rules, number %d", i+1) }

// protect says how many accounts each entry of protect and of a rule's accounts covers today, by what a row is
// refused by. there tells which groups Atlassian has; of another one groups has said so.
func (d *doctor) protect(ctx context.Context, client *atlassian.Client, there map[string]bool) {
	all := d.guards()
	if len(all) == 0 {
		return
	}
	coverage, unshown, err := d.coverage(ctx, atlassian.NewDirectory(client), all)
	if err != nil {
		d.bad("%s: cannot count whom its entries cover: %v", all[0].setting, err)
		return
	}
	for i, n := range coverage.Counts() {
		setting, entry := all[i].setting, all[i].entry
		name, isGroup := strings.CutPrefix(entry, policy.GroupPrefix)
		switch {
		case unshown[workflow.AddressKey(entry)]:
			d.warn("%s: %s cannot be counted: Atlassian finds accounts and does not show their addresses", setting, entry)
		case n > 0:
			d.ok("%s: %s covers %s", setting, entry, counted(n, "account"))
		case isGroup && !there[workflow.GroupKey(name)]:
		case isGroup:
			d.warn("%s: %s covers nobody today: the group has no member that Atlassian shows", setting, entry)
		case strings.HasPrefix(entry, "@"):
			d.warn("%s: %s covers nobody today: no account that Atlassian shows has an address there", setting, entry)
		case strings.Contains(entry, "@"):
			d.warn("%s: %s covers nobody today: no account that Atlassian shows has this address", setting, entry)
		default:
			d.warn("%s: %s covers nobody today: Atlassian shows no account with this id", setting, entry)
		}
	}
}

// coverage looks up the accounts that the entries may mean. unshown has the keys of addresses of which
// Atlassian does not show who holds them.
func (d *doctor) coverage(
	ctx context.Context, directory *atlassian.Directory, guards []guard,
) (coverage *policy.Coverage, unshown map[string]bool, err error) {
	var entries, addresses, ids, domains, groups []string
	for _, g := range guards {
		entries = append(entries, g.entry)
		if name, is := strings.CutPrefix(g.entry, policy.GroupPrefix); is {
			groups = append(groups, name)
		} else if domain, is := strings.CutPrefix(g.entry, "@"); is {
			domains = append(domains, domain)
		} else if strings.Contains(g.entry, "@") {
			addresses = append(addresses, g.entry)
		} else {
			ids = append(ids, g.entry)
		}
	}
	coverage = policy.Policy{Protect: entries}.Coverage()
	add := func(accounts []workflow.Account, err error) error {
		for _, a := range accounts {
			coverage.Add(a)
		}
		return err
	}
	byAddress, err := directory.ByAddress(ctx, addresses)
	unshown = map[string]bool{}
	if hidden, some := errors.AsType[*workflow.Unshown](err); some {
		for key := range hidden.Holders {
			unshown[key] = true
		}
		err = nil
	}
	if err == nil {
		err = add(slices.Concat(slices.Collect(maps.Values(byAddress))...), nil)
	}
	if err == nil {
		var byID map[string]workflow.Account
		byID, err = directory.ByID(ctx, ids)
		err = add(slices.Collect(maps.Values(byID)), err)
	}
	if err == nil {
		err = add(directory.WithDomains(ctx, domains))
	}
	if err == nil {
		err = add(directory.InGroups(ctx, groups))
	}
	return coverage, unshown, err
}

// accounts warns of accounts that people.accounts names and Atlassian does not show: nobody is known by them.
func (d *doctor) accounts(ctx context.Context, client *atlassian.Client) {
	named := d.cfg.People.Accounts
	if len(named) == 0 {
		return
	}
	var ids []string // Atlassian's have no capitals, whatever the settings write
	for _, id := range named {
		ids = append(ids, id, strings.ToLower(id))
	}
	found, err := atlassian.NewDirectory(client).ByID(ctx, ids)
	if err != nil {
		d.bad("people.accounts: cannot look up the accounts: %v", err)
		return
	}
	there := 0
	for _, person := range slices.Sorted(maps.Keys(named)) {
		_, as := found[named[person]]
		if _, ok := found[strings.ToLower(named[person])]; ok || as {
			there++
			continue
		}
		d.warn("people.accounts: Atlassian shows no account %s, so that nothing is known to be %s's own by it; correct the id",
			named[person], person)
	}
	if there > 0 {
		d.ok("people.accounts: %s found", counted(there, "account"))
	}
}
