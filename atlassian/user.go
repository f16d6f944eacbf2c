package atlassian

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
)

// Privileges that countersign asks for (user management API, GET manage, parameter privileges).
const (
	PrivilegeEmail      = "email.set"
	PrivilegeEnablement = "lifecycle.enablement" // disable and enable
)

// Rule is what GET manage says about one privilege.
type Rule struct {
	Allowed bool
	Reason  string // why not, "externalDirectory.scim"; an open set
}

// Profile is an account as user management knows it (user management API, GET profile, schema User).
type Profile struct {
	ID     string `json:"account_id"`
	Type   string `json:"account_type"`   // atlassian, customer, app
	Status string `json:"account_status"` // active, inactive, closed
	Name   string `json:"name"`
	Email  string `json:"email"`
}

func managePath(operation, id, rest string) (string, error) {
	if !accountID.MatchString(id) {
		return "", badID(operation)
	}
	return "/users/" + url.PathEscape(id) + "/manage" + rest, nil
}

// Manage asks what the key may do to an account; all privileges when none is named. Privileges whose answer is not one
// rule but a map of fields (profile.write) are left out. Errors: KindNotFound for an account of others.
func (c *Client) Manage(ctx context.Context, id string, privileges ...string) (map[string]Rule, error) {
	path, err := managePath(opManage, id, "")
	if err != nil {
		return nil, err
	}
	call := request{operation: opManage, method: http.MethodGet, path: path}
	if len(privileges) > 0 {
		call.query = url.Values{"privileges": privileges}
	}
	var answers map[string]json.RawMessage
	if err := c.read(ctx, call, readBudget, &answers); err != nil {
		return nil, err
	}
	rules := map[string]Rule{}
	for privilege, raw := range answers {
		var rule struct {
			Allowed *bool `json:"allowed"`
			Reason  struct {
				Key string `json:"key"`
			} `json:"reason"`
		}
		if json.Unmarshal(raw, &rule) != nil || rule.Allowed == nil {
			continue
		}
		if len(privileges) == 0 || slices.Contains(privileges, privilege) {
			rules[privilege] = Rule{Allowed: *rule.Allowed, Reason: rule.Reason.Key}
		}
	}
	return rules, nil
}

// Profile reads a managed account now, within the small budget of a check. Errors: KindNotFound for an account that
// the organisation does not manage.
func (c *Client) Profile(ctx context.Context, id string) (Profile, error) {
	path, err := managePath(opProfile, id, "/profile")
	if err != nil {
		return Profile{}, err
	}
	var answer struct {
		Account Profile `json:"account"`
	}
	call := request{operation: opProfile, method: http.MethodGet, path: path, account: id}
	if err := c.read(ctx, call, checkBudget, &answer); err != nil {
		return Profile{}, err
	}
	if answer.Account.ID == "" {
		return Profile{}, &Error{Operation: opProfile, Status: http.StatusOK, Kind: KindUnexpected, details: "no account in it"}
	}
	return answer.Account, nil
}

// SetEmail gives a managed account another address, verified at once, and ends all its sessions (user management API,
// PUT email; success is 204).
func (c *Client) SetEmail(ctx context.Context, id, email string) error {
	body := struct {
		Email string `json:"email"`
	}{email}
	return c.manage(ctx, opSetEmail, http.MethodPut, id, "/email", body)
}

// Disable deactivates a managed account; message, which may be "", is shown with the block (user management API, POST
// lifecycle/disable: a JSON object is required; success is 204).
func (c *Client) Disable(ctx context.Context, id, message string) error {
	body := struct {
		Message string `json:"message,omitempty"`
	}{message}
	return c.manage(ctx, opDisable, http.MethodPost, id, "/lifecycle/disable", body)
}

// Enable activates a managed account (user management API, POST lifecycle/enable; success is 204). An empty object is
// sent, as an empty POST without a type is answered 415 elsewhere in these APIs.
func (c *Client) Enable(ctx context.Context, id string) error {
	return c.manage(ctx, opEnable, http.MethodPost, id, "/lifecycle/enable", struct{}{})
}

func (c *Client) manage(ctx context.Context, operation, method, id, rest string, body any) error {
	path, err := managePath(operation, id, rest)
	if err != nil {
		return err
	}
	return c.write(ctx, request{operation: operation, method: method, path: path, account: id, body: body})
}
