package atlassian

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"time"
)

// MaxEmails is how many addresses one search takes (organizations API v2,
// MultiDirectoryUserSearchRequest).
const MaxEmails = 100

// MaxIDs is how many account ids, domains or group ids one search takes (organizations API v2,
// MultiDirectoryUserSearchRequest).
const MaxIDs = 10

// What an account of a search can be (organizations API v2, MultiDirectoryUser).
const (
	ClaimManaged      = "managed"
	StatusForDeletion = "for_deletion" // a managed account in its days of grace
	SourceSynced      = "synced"       // an identity provider holds it

	MembershipActive    = "active"
	MembershipSuspended = "suspended"
	MembershipNone      = "no_membership"
)

// RoleOrgAdmin is the platform role of an organisation admin (organizations API v2, PlatformRole).
const RoleOrgAdmin = "atlassian/org-admin"

// What a search can be made to tell beside the account itself (organizations API v2,
// MultiDirectoryUserSearchRequest).
const (
	expandRoles  = "platformRoles"
	expandGroups = "groups"
	expandAccess = "productAccess"
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
	Products      *[]Activity  `json:"productAccess"`
}

// Activity is a product that an account can use, and when it last did (organizations API v2,
// MultiDirectoryProductAccess).
type Activity struct {
	Key        string `json:"key"`
	LastActive string `json:"lastActiveTimestamp"` // "" when never or unknown
}

func (u DirectoryUser) missing() string { return lacks("accountId", u.ID) }

// UserGroup is a group that an account is in (organizations API v2, MultiDirectoryUserGroup).
type UserGroup struct {
	ID   string `json:"id"`   // may be written otherwise than the groups' own calls write it
	Name string `json:"name"` // "" where the answer has none
}

// Find is what to search for, one of them: addresses, exactly, at most MaxEmails; account ids,
// domains of addresses, or ids of groups, at most MaxIDs of each; a piece of a name or address; a
// claim, which finds all accounts of that sort. Addresses and a piece at once are answered 400.
type Find struct {
	Emails   []string
	IDs      []string
	Domains  []string
	GroupIDs []string
	Term     string
	Claim    string // ClaimManaged

	need func(DirectoryUser) string // as that of a list
}

func (f Find) check() error {
	kinds := min(1, len(f.Emails)) + min(1, len(f.IDs)) + min(1, len(f.Domains)) + min(1, len(f.GroupIDs)) +
		min(1, len(f.Term)) + min(1, len(f.Claim))
	if kinds != 1 || len(f.Emails) > MaxEmails || max(len(f.IDs), len(f.Domains), len(f.GroupIDs)) > MaxIDs {
		return fmt.Errorf("search users: %d addresses, %d ids, %d domains, %d groups, a term of %d bytes and claim %q",
			len(f.Emails), len(f.IDs), len(f.Domains), len(f.GroupIDs), len(f.Term), f.Claim)
	}
	return nil
}

// many reports whether the search may find any number of accounts.
func (f Find) many() bool { return f.Claim != "" || len(f.Domains) > 0 || len(f.GroupIDs) > 0 }

// expand returns what the search asks for beside the accounts: nothing for people who look somebody
// up, who need no more.
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

// search is the body of a v2 search. With a cursor the filters are left out, as they would be
// ignored; expand is no filter and is sent again.
type search struct {
	Emails   []string `json:"emails,omitempty"`
	IDs      []string `json:"accountIds,omitempty"`
	Domains  []string `json:"emailDomains,omitempty"`
	GroupIDs []string `json:"groupIds,omitempty"`
	Term     string   `json:"searchTerm,omitempty"`
	Expand   []string `json:"expand,omitempty"`
	Claim    string   `json:"claimStatus,omitempty"`
	Limit    int      `json:"limit"`
	Cursor   string   `json:"cursor,omitempty"`
}

// SearchUsers finds accounts of the organisation, managed or not, in all its directories, in pages
// of at most size (1 to 100); one that is in several may come several times. By address or id it
// asks for roles too, and for groups if the client was made to. The sequence ends with an error or
// is complete (organizations API v2, searchDirectoryUsers).
func (c *Client) SearchUsers(ctx context.Context, find Find, size int) iter.Seq2[DirectoryUser, error] {
	if err := find.check(); err != nil {
		return failing[DirectoryUser](err)
	}
	body := search{
		Emails: find.Emails, IDs: find.IDs, Domains: find.Domains, GroupIDs: find.GroupIDs, Term: find.Term,
		Claim: find.Claim, Expand: find.expand(c.groups), Limit: min(max(size, 1), maxPage),
	}
	following := func(cursor string) any { return search{Cursor: cursor, Expand: body.Expand, Limit: body.Limit} }
	path := c.directoryPath(allDirectories) + "/users/search"
	l := bySearch[DirectoryUser](opSearch, path, body, following)
	l.need = find.need
	if find.many() {
		l.within = ListTimeout
	}
	return entries(ctx, c.admin, l)
}

// userAnswer is the answer about the account with the id.
type userAnswer struct {
	Data DirectoryUser `json:"data"`
	id   string
}

func (a *userAnswer) missing() string {
	if a.Data.ID != "" && a.Data.ID != a.id {
		return "it is about another account"
	}
	return a.Data.missing()
}

// DirectoryUser reads one account of the organisation, managed or not (organizations API v2,
// getDirectoryUserDetails).
func (c *Client) DirectoryUser(ctx context.Context, id string) (DirectoryUser, error) {
	return c.directoryUser(ctx, c.directory, id, readBudget)
}

// directoryUser is DirectoryUser in one directory, or in all of them.
func (c *Client) directoryUser(ctx context.Context, directory, id string, budget time.Duration) (DirectoryUser, error) {
	if !accountID.MatchString(directory) || !accountID.MatchString(id) {
		return DirectoryUser{}, badID(opUser)
	}
	answer := userAnswer{id: id}
	call := request{operation: opUser, method: http.MethodGet, path: c.userPath(directory, id), account: id}
	if err := read(ctx, c.admin, call, budget, &answer); err != nil {
		return DirectoryUser{}, err
	}
	return answer.Data, nil
}
