package atlassian

import (
	"context"
	"iter"
	"net/http"
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

// ProductAccess is a product that an account uses.
type ProductAccess struct {
	Key        string `json:"key"`
	Name       string `json:"name"`
	URL        string `json:"url"`
	LastActive string `json:"last_active"`
}

func (c *Client) accountPages() request {
	return request{operation: opAccounts, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org + "/users"}
}

// ManagedAccounts lists every managed account, each once. The sequence ends with an error or is complete.
func (c *Client) ManagedAccounts(ctx context.Context) iter.Seq2[ManagedAccount, error] {
	return func(yield func(ManagedAccount, error) bool) {
		seen := map[string]bool{} // accounts move between pages while they are listed
		for p, err := range pages[ManagedAccount](ctx, c, c.accountPages(), pageBudget) {
			if err != nil {
				yield(ManagedAccount{}, err)
				return
			}
			for _, a := range p.Data {
				if seen[a.ID] {
					continue
				}
				seen[a.ID] = true
				if !yield(a, nil) {
					return
				}
			}
		}
	}
}
