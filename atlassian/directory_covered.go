package atlassian

import (
	"context"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// WithDomains finds the accounts with an address in one of the domains, each once.
func (d *Directory) WithDomains(ctx context.Context, domains []string) ([]workflow.Account, error) {
	var sent []string
	for _, domain := range domains {
		sent = append(sent, workflow.DomainSpellings(domain)...)
	}
	return d.everybody(ctx, sent, func(chunk []string) Find { return Find{Domains: chunk, need: shownAddress} })
}

// InGroups finds the members of the groups with these names, in any directory, each once. Only a
// directory whose client asks for groups tells which of them an account is in.
func (d *Directory) InGroups(ctx context.Context, names []string) ([]workflow.Account, error) {
	var ids []string
	err := d.eachGroup(ctx, names, func(g Group) { ids = append(ids, g.ID) })
	if err != nil {
		return nil, err
	}
	return d.everybody(ctx, ids, func(chunk []string) Find { return Find{GroupIDs: chunk} })
}

// everybody returns all that searches for the values find, each account once.
func (d *Directory) everybody(ctx context.Context, values []string, by func([]string) Find) ([]workflow.Account, error) {
	slices.Sort(values)
	values = slices.Compact(values)
	var found []workflow.Account
	at := map[string]int{} // account id → its place in found
	err := d.client.searchAll(ctx, values, MaxIDs, d.client.searchBy(by), func(u DirectoryUser) {
		a := d.account(u)
		if i, twice := at[a.ID]; twice {
			found[i] = merged(found[i], a)
			return
		}
		at[a.ID] = len(found)
		found = append(found, a)
	})
	if err != nil {
		return nil, readError(err)
	}
	return found, nil
}
