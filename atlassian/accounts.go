package atlassian

import (
	"cmp"
	"context"
	"hash/maphash"
	"time"
)

// ManagedAccount is an account of the v1 list (organizations API, getUsers, schema User).
type ManagedAccount struct {
	ID         string          `json:"account_id"`
	Type       string          `json:"account_type"`
	Status     string          `json:"account_status"`
	Name       string          `json:"name"`
	Email      string          `json:"email"` // "" where its owner hides it
	Billable   bool            `json:"access_billable"`
	LastActive string          `json:"last_active"` // as sent; "" when never or unknown
	Products   []ProductAccess `json:"product_access"`
}

func (a ManagedAccount) missing() string {
	return cmp.Or(lacks("account_id", a.ID), lacks("account_status", a.Status))
}

// ProductAccess is a product that an account uses.
type ProductAccess struct {
	Key        string `json:"key"`
	Name       string `json:"name"`
	URL        string `json:"url"`
	LastActive string `json:"last_active"`
}

// accounts returns the list of all managed accounts.
func (c *Client) accounts(budget time.Duration) list[ManagedAccount] {
	return byLink[ManagedAccount](c.admin, opAccounts, "/admin/v1/orgs/"+c.org+"/users", budget)
}

// NotAnnounced is the total of a list that does not announce one.
const NotAnnounced = -1

// AccountList is the list of managed accounts.
type AccountList struct {
	Accounts  []ManagedAccount // each once
	Announced int              // how many there are by the list's own meta.total; or NotAnnounced
}

// ManagedAccounts lists every managed account. Accounts move between pages when others come or go
// while the list is read, so that some are lost or listed twice. If that shows, by an account that
// comes twice or by the announced total, the list is read once more; what that finds is returned
// even if it differs from its total again, and the caller has both numbers. All of it is within
// ListTimeout.
func (c *Client) ManagedAccounts(ctx context.Context) (AccountList, error) {
	return c.WatchAccounts(ctx, func(int, int) error { return nil })
}

// WatchAccounts is ManagedAccounts with a function that is called after each page with how many
// accounts were listed so far, and how many there are by the list; NotAnnounced where it does not
// say. Its error ends the reading, and comes back as it is.
func (c *Client) WatchAccounts(ctx context.Context, page func(listed, announced int) error) (AccountList, error) {
	var l AccountList
	seen := map[string]bool{}
	take := func(p AccountPage) error {
		if p.Again {
			l.Accounts = nil
			clear(seen)
		}
		for _, a := range p.Accounts {
			if !seen[a.ID] {
				seen[a.ID] = true
				l.Accounts = append(l.Accounts, a)
			}
		}
		return page(p.Listed, p.Announced)
	}
	var err error
	if l.Announced, err = c.EachPageOfAccounts(ctx, take); err != nil {
		return AccountList{Announced: NotAnnounced}, err
	}
	return l, nil
}

// AccountPage is a page of the list of managed accounts.
type AccountPage struct {
	Accounts  []ManagedAccount // an account may come on several pages
	Listed    int              // how many there were up to here, each counted once
	Announced int              // how many there are by the list so far; or NotAnnounced
	Again     bool             // the list is read once more from here: what came before counts no more
}

// EachPageOfAccounts calls take with each page of the list as it comes, so that no more than one is in
// memory. Like ManagedAccounts it goes through the list a second time where it moved. An error of
// take ends the reading, and comes back as it is.
func (c *Client) EachPageOfAccounts(ctx context.Context, take func(AccountPage) error) (announced int, err error) {
	bounded, end := c.admin.bound(ctx, opAccounts, ListTimeout)
	var refused error
	announced, err = c.eachPage(bounded, func(p AccountPage) error {
		refused = take(p)
		return refused
	})
	if refused != nil {
		_ = end(nil)
		return NotAnnounced, refused
	}
	return announced, end(err)
}

func (c *Client) eachPage(ctx context.Context, take func(AccountPage) error) (announced int, err error) {
	listed, announced, moved, err := c.readAccounts(ctx, false, take)
	differs := func() bool { return announced != NotAnnounced && announced != listed }
	if err != nil || !moved && !differs() {
		return announced, err
	}
	c.admin.log.Info().Int("listed", listed).Int("announced", announced).
		Msg("the list of managed accounts changed while it was read; it is read again")
	if listed, announced, _, err = c.readAccounts(ctx, true, take); err == nil && differs() {
		c.admin.log.Warn().Int("listed", listed).Int("announced", announced).
			Msg("the list of managed accounts differs from its announced total")
	}
	return announced, err
}

// readAccounts reads the list once, and reports whether it moved meanwhile. Of the accounts that it
// has listed it remembers a few bytes each.
func (c *Client) readAccounts(
	ctx context.Context, again bool, take func(AccountPage) error,
) (listed, announced int, moved bool, err error) {
	announced = NotAnnounced
	seen, seed := map[uint64]struct{}{}, maphash.MakeSeed()
	list := c.accounts(pageBudget)
	list.within = ListTimeout
	for p, err := range pages(ctx, c.admin, list) {
		if err != nil {
			return 0, NotAnnounced, false, err
		}
		if total := p.announced(); total != NotAnnounced {
			moved = moved || announced != NotAnnounced && announced != total
			announced = total
		}
		before := len(seen)
		for i := range p.Data {
			seen[maphash.String(seed, p.Data[i].ID)] = struct{}{}
		}
		moved = moved || len(seen) < before+len(p.Data)
		if err := take(AccountPage{Accounts: p.Data, Listed: len(seen), Announced: announced, Again: again}); err != nil {
			return 0, NotAnnounced, false, err
		}
		again = false
	}
	return len(seen), announced, moved, nil
}
