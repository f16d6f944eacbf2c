package atlassian

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// MaxEmails is how many addresses one search takes (organizations API v2, MultiDirectoryUserSearchRequest).
const MaxEmails = 100

// MaxIDs is how many account ids one search takes (organizations API v2, MultiDirectoryUserSearchRequest).
const MaxIDs = 10

// maxPage is the largest page of the v2 calls.
const maxPage = 100

// allDirectories stands for every directory that the key may see; for reads only.
const allDirectories = "-"

// What an account of a search can be (organizations API v2, MultiDirectoryUser).
const (
	ClaimManaged      = "managed"
	StatusForDeletion = "for_deletion" // a managed account in its days of grace
)

// RoleOrgAdmin is the platform role of an organisation admin (organizations API v2, PlatformRole).
const RoleOrgAdmin = "atlassian/org-admin"

// What a search can be made to tell beside the account itself (organizations API v2, MultiDirectoryUserSearchRequest).
const (
	expandRoles  = "platformRoles"
	expandGroups = "groups"
)

// DirectoryUser is an account as the v2 calls show it (organizations API v2, MultiDirectoryUser).
type DirectoryUser struct {
	ID               string `json:"accountId"`
	Type             string `json:"accountType"`
	AccountStatus    string `json:"accountStatus"`    // active, inactive, closed
	MembershipStatus string `json:"membershipStatus"` // active, suspended, no_membership
	Status           string `json:"status"`           // active, suspended, not_invited, deactivated, for_deletion
	ClaimStatus      string `json:"claimStatus"`      // managed, unmanaged
	ManagementSource string `json:"managementSource"` // invited, synced or ""
	Email            string `json:"email"`
	Name             string `json:"name"`
	Nickname         string `json:"nickname"`
	DeactivatedOn    string `json:"deactivatedOn"` // of one account only

	// nil where the answer does not say.
	PlatformRoles *[]string    `json:"platformRoles"`
	Groups        *[]UserGroup `json:"groups"`
}

// UserGroup is a group that an account is in (organizations API v2, MultiDirectoryUserGroup).
type UserGroup struct {
	ID   string `json:"id"`   // may be written otherwise than the groups' own calls write it
	Name string `json:"name"` // "" where the answer has none
}

// Find is what to search for, one of them: addresses, exactly, at most MaxEmails; account ids, at most MaxIDs; a piece of
// name or address; a claim, which finds all accounts of that sort. Addresses and a piece at once are answered 400.
type Find struct {
	Emails []string
	IDs    []string
	Term   string
	Claim  string // ClaimManaged
}

func (f Find) check() error {
	kinds := min(1, len(f.Emails)) + min(1, len(f.IDs)) + min(1, len(f.Term)) + min(1, len(f.Claim))
	if kinds != 1 || len(f.Emails) > MaxEmails || len(f.IDs) > MaxIDs {
		return fmt.Errorf("search users: %d addresses, %d ids, a term of %d bytes and claim %q",
			len(f.Emails), len(f.IDs), len(f.Term), f.Claim)
	}
	return nil
}

// expand is what the search asks for beside the accounts: nothing for people who look somebody up, who need no more.
func (f Find) expand(groups bool) []string {
	switch {
	case f.Term != "":
		return nil
	case groups:
		return []string{expandRoles, expandGroups}
	default:
		return []string{expandRoles}
	}
}

// search is the body of a v2 search. With a cursor the filters are left out, as they would be ignored; expand, which is
// none, is said again.
type search struct {
	Emails []string `json:"emails,omitempty"`
	IDs    []string `json:"accountIds,omitempty"`
	Term   string   `json:"searchTerm,omitempty"`
	Expand []string `json:"expand,omitempty"`
	Claim  string   `json:"claimStatus,omitempty"`
	Limit  int      `json:"limit"`
	Cursor string   `json:"cursor,omitempty"`
}

// userPage is a page of the v2 lists. links.next is a bare cursor there, not a URL.
type userPage[T any] struct {
	Data  []T `json:"data"`
	Links struct {
		Next string `json:"next"`
	} `json:"links"`
}

// directoryPath is where the v2 calls of a directory begin.
func (c *Client) directoryPath(directory string) string {
	return "/admin/v2/orgs/" + c.org + "/directories/" + directory
}

// SearchUsers finds accounts of the organisation, managed or not, in all its directories, in pages of at most size (1 to
// 100); one that is in several may come several times. By address or id it asks for roles too, and for groups where the
// client was made to. The sequence ends with an error or is complete (organizations API v2, searchDirectoryUsers).
func (c *Client) SearchUsers(ctx context.Context, find Find, size int) iter.Seq2[DirectoryUser, error] {
	return func(yield func(DirectoryUser, error) bool) {
		if err := find.check(); err != nil {
			yield(DirectoryUser{}, err)
			return
		}
		body := search{
			Emails: find.Emails, IDs: find.IDs, Term: find.Term, Claim: find.Claim, Expand: find.expand(c.groups),
			Limit: min(max(size, 1), maxPage),
		}
		path := c.directoryPath(allDirectories) + "/users/search"
		for seen := map[string]bool{}; ; {
			var p userPage[DirectoryUser]
			call := request{operation: opSearch, method: http.MethodPost, path: path, body: body}
			if err := c.read(ctx, call, readBudget, &p); err != nil {
				yield(DirectoryUser{}, err)
				return
			}
			for _, u := range p.Data {
				if !yield(u, nil) {
					return
				}
			}
			next := p.Links.Next
			if next == "" {
				return
			}
			if seen[next] {
				yield(DirectoryUser{}, circle(opSearch))
				return
			}
			seen[next] = true
			body = search{Cursor: next, Expand: body.Expand, Limit: body.Limit}
		}
	}
}

// DirectoryUser reads one account of the organisation, managed or not (organizations API v2, getDirectoryUserDetails).
func (c *Client) DirectoryUser(ctx context.Context, id string) (DirectoryUser, error) {
	if !accountID.MatchString(id) {
		return DirectoryUser{}, badID(opUser)
	}
	var answer struct {
		Data DirectoryUser `json:"data"`
	}
	path := c.directoryPath(c.directory) + "/users/" + url.PathEscape(id)
	call := request{operation: opUser, method: http.MethodGet, path: path}
	if err := c.read(ctx, call, readBudget, &answer); err != nil {
		return DirectoryUser{}, err
	}
	return answer.Data, nil
}

func circle(operation string) *Error {
	err := errors.New("the page cursors lead in a circle")
	return &Error{Operation: operation, Kind: KindUnexpected, cause: err, details: err.Error()}
}
