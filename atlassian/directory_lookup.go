package atlassian

import (
	"context"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/countersign/countersign/workflow"
)

var _ workflow.Lookups = (*Directory)(nil)

// Managed lists every managed account; the list has more than searches show.
func (d *Directory) Managed(
	ctx context.Context, progress func(listed, announced int) error,
) (accounts []workflow.Account, announced int, err error) {
	var refused error
	l, err := d.client.WatchAccounts(ctx, func(listed, announced int) error {
		refused = progress(listed, announced)
		return refused
	})
	switch {
	case refused != nil:
		return nil, NotAnnounced, refused
	case err != nil:
		return nil, NotAnnounced, readError(err)
	}
	accounts = make([]workflow.Account, len(l.Accounts))
	for i, a := range l.Accounts {
		accounts[i] = managed(a)
	}
	return accounts, l.Announced, nil
}

// managed converts an account of the list.
func managed(a ManagedAccount) workflow.Account {
	return workflow.Account{
		ID: a.ID, Name: a.Name, Email: a.Email, Type: a.Type, Status: workflow.AccountStatus(a.Status), Managed: true,
	}
}

// GroupMembers returns who is in a group, 100 accounts a call.
func (d *Directory) GroupMembers(ctx context.Context, id string) (map[string]bool, error) {
	members := map[string]bool{}
	by := func(chunk []string) Find { return Find{GroupIDs: chunk} }
	err := d.client.searchAll(ctx, []string{id}, 1, d.client.searchBy(by), func(u DirectoryUser) { members[u.ID] = true })
	if err != nil {
		return nil, readError(err)
	}
	return members, nil
}

// groupsAtOnce is of how many groups the roles are read at the same time.
const groupsAtOnce = 8

// SearchGroups finds groups by a piece of their name, and reads what the members of each may do.
func (d *Directory) SearchGroups(ctx context.Context, text string, limit int) (groups []workflow.FoundGroup, more bool, err error) {
	var found []Group
	for g, err := range d.client.SearchGroups(ctx, FindGroups{Term: text, Counts: true}) {
		if err != nil {
			return nil, false, readError(err)
		}
		if more = len(found) == limit; more {
			break
		}
		found = append(found, g)
	}
	groups = make([]workflow.FoundGroup, len(found))
	asking, bounded := errgroup.WithContext(ctx)
	asking.SetLimit(groupsAtOnce)
	for i, g := range found {
		asking.Go(func() error {
			known, err := d.client.groupRights(bounded, g)
			if err != nil {
				return err
			}
			groups[i] = workflow.FoundGroup{
				ID: g.ID, Name: g.Name, Directory: g.DirectoryID, Members: membersOf(g), Closed: known.Closed, Gives: known.Gives,
			}
			return nil
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, false, readError(err)
	}
	return groups, more, nil
}

// membersOf returns how many members a group has, -1 where the answer does not say.
func membersOf(g Group) int {
	if g.Counts == nil || g.Counts.Users == nil {
		return -1
	}
	return *g.Counts.Users
}

// Details returns groups and products of accounts, 10 accounts a call.
func (d *Directory) Details(ctx context.Context, ids []string) (map[string]workflow.Detail, error) {
	details := map[string]workflow.Detail{}
	var sent []string
	for _, id := range ids {
		if accountID.MatchString(id) && !slices.Contains(sent, id) { // another could make the whole call fail
			sent = append(sent, id)
		}
	}
	for chunk := range slices.Chunk(sent, MaxIDs) {
		for u, err := range d.client.searchDetails(ctx, chunk) {
			if err != nil {
				return nil, readError(err)
			}
			if !slices.Contains(chunk, u.ID) { // an answer that ignores the filter
				continue
			}
			details[u.ID] = withDetail(details[u.ID], u)
		}
	}
	return details, nil
}

// withDetail adds what an answer tells: an account of several directories comes several times.
func withDetail(known workflow.Detail, u DirectoryUser) workflow.Detail {
	known.Status = u.Status
	if u.Groups != nil {
		known.Groups = append([]string{}, known.Groups...)
		for _, g := range *u.Groups {
			if g.Name != "" {
				known.Groups = append(known.Groups, g.Name)
			}
		}
		slices.Sort(known.Groups)
		known.Groups = slices.Compact(known.Groups)
	}
	if u.Products != nil {
		known.Products = append([]workflow.ProductUse{}, known.Products...)
		for _, p := range *u.Products {
			use := workflow.ProductUse{Key: p.Key, LastActive: p.LastActive}
			if !slices.Contains(known.Products, use) {
				known.Products = append(known.Products, use)
			}
		}
	}
	return known
}
