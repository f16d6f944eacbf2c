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

// search is the body of a v2 search. With a cursor the filters are left out, as they would be ignored.
type search struct {
	Emails []string `json:"emails,omitempty"`
	IDs    []string `json:"accountIds,omitempty"`
	Term   string   `json:"searchTerm,omitempty"`
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

func (c *Client) usersPath() string {
	return "/admin/v2/orgs/" + c.org + "/directories/" + c.directory + "/users"
}

// SearchUsers finds accounts of the organisation, managed or not, in pages of at most size (1 to 100). The sequence
// ends with an error or is complete (organizations API v2, searchDirectoryUsers).
func (c *Client) SearchUsers(ctx context.Context, find Find, size int) iter.Seq2[DirectoryUser, error] {
	return func(yield func(DirectoryUser, error) bool) {
		if err := find.check(); err != nil {
			yield(DirectoryUser{}, err)
			return
		}
		body := search{
			Emails: find.Emails, IDs: find.IDs, Term: find.Term, Claim: find.Claim, Limit: min(max(size, 1), maxPage),
		}
		for seen := map[string]bool{}; ; {
			var p userPage[DirectoryUser]
			call := request{operation: opSearch, method: http.MethodPost, path: c.usersPath() + "/search", body: body}
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
			body = search{Cursor: next, Limit: body.Limit}
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
	call := request{operation: opUser, method: http.MethodGet, path: c.usersPath() + "/" + url.PathEscape(id)}
	if err := c.read(ctx, call, readBudget, &answer); err != nil {
		return DirectoryUser{}, err
	}
	return answer.Data, nil
}

func circle(operation string) *Error {
	err := errors.New("the page cursors lead in a circle")
	return &Error{Operation: operation, Kind: KindUnexpected, cause: err, details: err.Error()}
}
