package atlassian

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// Privileges that countersign asks for (user management API, GET manage, parameter privileges).
const (
	PrivilegeEmail      = "email.set"
	PrivilegeEnablement = "lifecycle.enablement" // disable and enable
	PrivilegeTokenRead  = "apiToken.read"
	PrivilegeTokens     = "apiToken.delete"
	PrivilegeProfile    = "profile.write" // a map of fields
)

// Rule is what GET manage says about one privilege.
type Rule struct {
	Allowed bool
	Reason  string // why not, "externalDirectory.scim"; an open set

	// Fields are the rules of each field, by its path, of a privilege that is a map of them
	// (profile.write); the rest is unfilled then.
	Fields map[string]Rule
}

// Manage reads what the key may do to an account; all privileges if none is named. What is
// neither a rule nor a map of rules is left out. Errors: KindNotFound for
// an account that the organisation does not manage.
func (c *Client) Manage(ctx context.Context, id string, privileges ...string) (map[string]Rule, error) {
	path, err := managePath(opManage, id, "")
	if err != nil {
		return nil, err
	}
	call := request{operation: opManage, method: http.MethodGet, path: path}
	if len(privileges) > 0 {
		call.query = url.Values{"privileges": privileges}
	}
	answer := manageAnswer{asked: privileges, once: c.unsaid.often()}
	err = read(ctx, c.admin, call, readBudget, &answer)
	what := answer.unsaid()
	if e, ok := errors.AsType[*Error](err); ok && e.lacks && answer.some {
		c.unsaid.add()
		return nil, &unsaidError{e, what}
	}
	if err != nil {
		return nil, err
	}
	if what != "" {
		return nil, &unsaidError{&Error{Operation: opManage, Status: http.StatusOK, Kind: KindIncomplete, details: what}, what}
	}
	return answer.rules, nil
}

// Of how many accounts a privilege that is left out is asked for again, within which time: of all of a
// large file it would take hours.
const (
	mostUnsaid  = 3
	unsaidWhile = 10 * time.Minute
)

// unsaidCount counts the accounts of which asking again did not tell a privilege.
type unsaidCount struct {
	mu   sync.Mutex
	n    int
	last time.Time
}

// often reports whether asking again has been of no use too often for it to be done.
func (u *unsaidCount) often() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if time.Since(u.last) > unsaidWhile {
		u.n = 0
	}
	return u.n >= mostUnsaid
}

func (u *unsaidCount) add() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n, u.last = u.n+1, time.Now()
}

// unsaidError is that of a privilege of which an answer says nothing, asked for as long as that makes
// sense, while it is one about what may be done: it is not the answer that failed.
type unsaidError struct {
	err  *Error
	what string
}

func (e *unsaidError) Error() string { return e.err.Error() }
func (e *unsaidError) Unwrap() error { return e.err }

// manageAnswer is what may be done to an account. Each of the privileges that were asked for needs
// its rule.
type manageAnswer struct {
	asked []string
	once  bool // a privilege that is left out is not asked for again
	some  bool // it tells of some privilege
	rules map[string]Rule
}

func (a *manageAnswer) UnmarshalJSON(raw []byte) error {
	var answers map[string]json.RawMessage
	if err := json.Unmarshal(raw, &answers); err != nil {
		return err
	}
	a.rules, a.some = map[string]Rule{}, len(answers) > 0
	for privilege, raw := range answers {
		if rule, ok := ruleOf(raw); ok && (len(a.asked) == 0 || slices.Contains(a.asked, privilege)) {
			a.rules[privilege] = rule
		}
	}
	return nil
}

func (a *manageAnswer) missing() string {
	if a.once && a.some {
		return ""
	}
	return a.unsaid()
}

// unsaid returns which privilege has no rule, in words.
func (a *manageAnswer) unsaid() string {
	for _, privilege := range a.asked {
		if _, ok := a.rules[privilege]; !ok {
			return "there is no rule for " + privilege
		}
	}
	return ""
}

// ruleOf decodes a rule, or a map of rules by field.
func ruleOf(raw json.RawMessage) (Rule, bool) {
	type answer struct {
		Allowed *bool `json:"allowed"`
		Reason  struct {
			Key string `json:"key"`
		} `json:"reason"`
	}
	var one answer
	if json.Unmarshal(raw, &one) == nil && one.Allowed != nil {
		return Rule{Allowed: *one.Allowed, Reason: one.Reason.Key}, true
	}
	var many map[string]json.RawMessage
	if json.Unmarshal(raw, &many) != nil {
		return Rule{}, false
	}
	fields := map[string]Rule{}
	for path, raw := range many {
		var field answer
		if json.Unmarshal(raw, &field) == nil && field.Allowed != nil {
			fields[path] = Rule{Allowed: *field.Allowed, Reason: field.Reason.Key}
		}
	}
	return Rule{Fields: fields}, len(fields) > 0
}

func managePath(operation, id, rest string) (string, error) {
	if !accountID.MatchString(id) {
		return "", badID(operation)
	}
	return "/users/" + url.PathEscape(id) + "/manage" + rest, nil
}

func (c *Client) manage(ctx context.Context, operation, method, id, rest string, body any) error {
	path, err := managePath(operation, id, rest)
	if err != nil {
		return err
	}
	return c.admin.write(ctx, request{operation: operation, method: method, path: path, account: id, body: body})
}
