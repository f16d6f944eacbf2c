package atlassian

import (
	"cmp"
	"context"
	"net/http"
)

// Profile is an account as user management knows it (user management API, GET profile, schema
// User).
type Profile struct {
	ID     string `json:"account_id"`
	Type   string `json:"account_type"`   // atlassian, customer, app
	Status string `json:"account_status"` // active, inactive, closed
	Name   string `json:"name"`
	Email  string `json:"email"`
}

// profileAnswer is the answer about the account with the id.
type profileAnswer struct {
	Account Profile `json:"account"`
	id      string
}

func (a *profileAnswer) missing() string {
	if a.Account.ID != "" && a.Account.ID != a.id {
		return "it is about another account"
	}
	return cmp.Or(lacks("account_id", a.Account.ID), lacks("account_status", a.Account.Status))
}

// Profile reads a managed account now, within the small budget of a check. Errors: KindNotFound for
// an account that the organisation does not manage.
func (c *Client) Profile(ctx context.Context, id string) (Profile, error) {
	path, err := managePath(opProfile, id, "/profile")
	if err != nil {
		return Profile{}, err
	}
	answer := profileAnswer{id: id}
	call := request{operation: opProfile, method: http.MethodGet, path: path, account: id}
	if err := read(ctx, c.admin, call, checkBudget, &answer); err != nil {
		return Profile{}, err
	}
	return answer.Account, nil
}

// SetName gives a managed account another display name (user management API, PATCH profile; success
// is 200 with the profile).
func (c *Client) SetName(ctx context.Context, id, name string) error {
	body := struct {
		Name string `json:"name"`
	}{name}
	return c.manage(ctx, opSetName, http.MethodPatch, id, "/profile", body)
}

// SetEmail returns a managed account another address, verified at once, and ends all its sessions
// (user management API, PUT email; success is 204).
func (c *Client) SetEmail(ctx context.Context, id, email string) error {
	body := struct {
		Email string `json:"email"`
	}{email}
	return c.manage(ctx, opSetEmail, http.MethodPut, id, "/email", body)
}
