package atlassian

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// UserRole is what an account may do with one resource (organizations API v2,
// MultiDirectoryUserRoleAssignment).
type UserRole struct {
	ResourceID  string `json:"resourceId"` // ARI
	DirectoryID string `json:"directoryId"`
	// Status is how the account stands in that directory: active, suspended or no_membership; "" for
	// roles of the organisation.
	Status      string `json:"userDirectoryStatus"`
	Assignments []struct {
		Role string `json:"role"`
	} `json:"roleAssignments"`
}

func (r UserRole) missing() string { return lacks("resourceId", r.ResourceID) }

// UserRoles lists what an account may do, as far as a directory shows it, within the small budget of
// a check (organizations API v2, GET user role-assignments). An account without roles has no entry.
// Errors: KindNotFound where the directory does not show the account.
func (c *Client) UserRoles(ctx context.Context, directory, id string) ([]UserRole, error) {
	if !accountID.MatchString(directory) || !accountID.MatchString(id) {
		return nil, badID(opUserRoles)
	}
	l := byCursor[UserRole](opUserRoles, c.userPath(directory, id)+"/role-assignments")
	l.first.account, l.budget = id, checkBudget
	var all []UserRole
	for r, err := range entries(ctx, c.admin, l) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// SuspendUser takes an account's product access away in one directory; its groups and roles stay
// (organizations API v2, POST suspend; success is 204).
func (c *Client) SuspendUser(ctx context.Context, directory, id string) error {
	return c.directoryWrite(ctx, opSuspend, http.MethodPost, directory, id, "/suspend", struct{}{})
}

// RestoreUser gives it back (organizations API v2, POST restore; success is 204). KindLicenceFull: a
// product has no seat left.
func (c *Client) RestoreUser(ctx context.Context, directory, id string) error {
	return c.directoryWrite(ctx, opRestore, http.MethodPost, directory, id, "/restore", struct{}{})
}

// RemoveUser takes an account out of a directory; its groups and roles there are lost
// (organizations API v2, DELETE user; success is 204). KindNotFound: it is not in it.
func (c *Client) RemoveUser(ctx context.Context, directory, id string) error {
	return c.directoryWrite(ctx, opRemove, http.MethodDelete, directory, id, "", nil)
}

// directoryWrite makes a call that changes an account in one directory. It is sent with {} where it
// has no body of its own: without one these calls answer 415.
func (c *Client) directoryWrite(ctx context.Context, operation, method, directory, id, rest string, body any) error {
	if directory == allDirectories || !accountID.MatchString(directory) || !accountID.MatchString(id) {
		return badID(operation)
	}
	return c.admin.write(ctx, request{operation: operation, method: method, path: c.userPath(directory, id) + rest, account: id, body: body})
}

func (c *Client) userPath(directory, id string) string {
	return c.directoryPath(url.PathEscape(directory)) + "/users/" + url.PathEscape(id)
}

// directoriesFor is how long it is believed how many directories there are.
const directoriesFor = time.Minute

// directoryCount knows for a while how many directories there are.
type directoryCount struct {
	turn chan struct{} // of who may look; a wait for it ends with its context
	n    int
	read time.Time
}

func newDirectoryCount() *directoryCount { return &directoryCount{turn: make(chan struct{}, 1)} }

// onlyDirectory reports whether the organisation has one directory alone.
func (c *Client) onlyDirectory(ctx context.Context) (bool, error) {
	select {
	case c.count.turn <- struct{}{}:
		defer func() { <-c.count.turn }()
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if c.count.n > 0 && time.Since(c.count.read) < directoriesFor {
		return c.count.n == 1, nil
	}
	all, err := c.Directories(ctx)
	if err != nil {
		return false, err
	}
	c.count.n, c.count.read = len(all), time.Now()
	return len(all) == 1, nil
}

// Membership is how an account stands in one directory.
type Membership struct {
	User   DirectoryUser // as it is shown there, or elsewhere; unfilled where nobody shows it
	Status string        // active, suspended, no_membership; "" where nothing tells
	Absent bool          // that it is not there shows by nothing but that nobody shows it there
}

// Membership reads how an account stands in one directory. An account's own entry tells where the
// organisation has no other directory, or where it is the same in all: membershipStatus is
// suspended only when it is suspended in all that the key may see. Else its roles tell
// (userDirectoryStatus), and of one without roles the entry again, which then may say active of one
// that is suspended. A managed account that is in no directory is still listed; that another is not
// there shows by 404 for its roles and a complete search by id that does not find it.
func (c *Client) Membership(ctx context.Context, directory, id string) (Membership, error) {
	only, err := c.onlyDirectory(ctx)
	if err != nil {
		return Membership{}, err
	}
	user, err := c.directoryUser(ctx, directory, id, checkBudget)
	switch {
	case KindOf(err) == KindNotFound:
		return c.absence(ctx, directory, id)
	case err != nil:
		return Membership{}, err
	case only || user.MembershipStatus != MembershipActive:
		return Membership{User: user, Status: user.MembershipStatus}, nil
	}
	status, err := c.statusByRoles(ctx, directory, id)
	if err != nil && KindOf(err) != KindNotFound {
		return Membership{}, err
	}
	if status == "" {
		status = user.MembershipStatus
	}
	return Membership{User: user, Status: status}, nil
}

// statusByRoles is how an account stands in a directory by the roles that it has there, "" where it
// has none.
func (c *Client) statusByRoles(ctx context.Context, directory, id string) (string, error) {
	roles, err := c.UserRoles(ctx, directory, id)
	if err != nil {
		return "", err
	}
	for _, r := range roles {
		if r.DirectoryID == directory && r.Status != "" {
			return r.Status, nil
		}
	}
	return "", nil
}

// absence finds out about an account of which a directory has no entry.
func (c *Client) absence(ctx context.Context, directory, id string) (Membership, error) {
	status, err := c.statusByRoles(ctx, directory, id)
	rolesGone := KindOf(err) == KindNotFound
	if err != nil && !rolesGone {
		return Membership{}, err
	}
	if status != "" {
		return Membership{Status: status}, nil
	}
	for u, err := range c.SearchUsers(ctx, Find{IDs: []string{id}}, maxPage) {
		switch {
		case err != nil:
			return Membership{}, err
		case u.ID != id:
		case u.MembershipStatus == MembershipNone:
			return Membership{User: u, Status: MembershipNone}, nil
		case rolesGone: // it is in another directory
			return Membership{User: u, Status: MembershipNone, Absent: true}, nil
		default:
			return Membership{User: u}, nil
		}
	}
	if !rolesGone {
		return Membership{}, nil
	}
	switch _, err := c.Profile(ctx, id); {
	case KindOf(err) == KindNotFound:
		return Membership{Status: MembershipNone, Absent: true}, nil
	case err != nil:
		return Membership{}, err
	}
	return Membership{}, nil // managed, so that it must be listed: the search has not shown all
}

// memberships are the values of workflow for those of the vendor.
var memberships = map[string]string{
	MembershipActive: workflow.MemberActive, MembershipSuspended: workflow.MemberSuspended, MembershipNone: workflow.MemberNone,
}

func readMembership(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		m, err := c.Membership(ctx, fact.Directory, fact.AccountID)
		if err != nil {
			return nil, err
		}
		v := workflow.Of(workflow.FieldMembership, memberships[m.Status]).With(workflow.FieldEmail, m.User.Email).
			With(workflow.FieldName, m.User.Name).With(workflow.FieldStatus, string(statusOf(m.User)))
		if m.Absent {
			v.Set(workflow.FieldReason, "absent")
		}
		answers[fact] = []workflow.Values{v}
	}
	return answers, nil
}

// readRoles answers which roles an account has on the resources of a directory; none where the
// directory does not show it.
func readRoles(ctx context.Context, c *Client, facts []workflow.Fact) (workflow.Answers, error) {
	answers := workflow.Answers{}
	for _, fact := range facts {
		answers[fact] = nil
		roles, err := c.UserRoles(ctx, fact.Directory, fact.AccountID)
		if err != nil && KindOf(err) != KindNotFound {
			return nil, err
		}
		for _, r := range roles {
			if r.DirectoryID != "" && r.DirectoryID != fact.Directory {
				continue
			}
			names := make([]string, len(r.Assignments))
			for i, a := range r.Assignments {
				names[i] = a.Role
			}
			slices.Sort(names)
			answers[fact] = append(answers[fact], workflow.Of(workflow.FieldID, r.ResourceID).
				With(workflow.FieldRoles, strings.Join(names, ";")))
		}
	}
	return answers, nil
}

func callSuspend(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.SuspendUser(ctx, call.Directory, call.AccountID)
}

func callRestore(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.RestoreUser(ctx, call.Directory, call.AccountID)
}

func callRemove(ctx context.Context, c *Client, call workflow.Call) (workflow.Values, error) {
	return nil, c.RemoveUser(ctx, call.Directory, call.AccountID)
}
