package atlassian

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// MaxGroupNames is how many names one search takes (organizations API v2,
// MultiDirectoryGroupSearchRequest).
const MaxGroupNames = 100

// MaxGroupIDs is how many ids one search takes (organizations API v2,
// MultiDirectoryGroupSearchRequest).
const MaxGroupIDs = 10

// groupARI is what stands before a group's id where an account shows its groups; the groups' own
// calls leave it away (organizations API v2, examples).
const groupARI = "ari:cloud:identity::group/"

// managedOutside is what manages a group that an identity provider owns (managedBy).
const managedOutside = "external"

// Group is a group of one of the organisation's directories (organizations API v2,
// MultiDirectoryGroup).
type Group struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	DirectoryID string `json:"directoryId"`
	Synced      bool   `json:"externalSynced"` // an identity provider owns it
	ManagedBy   string `json:"managedBy"`      // external, admins, team-members or open; "" where the answer does not say
	Access      struct {
		Modifiable *bool `json:"modifiable"` // nil where the answer does not say
	} `json:"managementAccess"`
	Counts *struct {
		Users *int `json:"users"`
	} `json:"counts"` // nil unless asked for
}

func (g Group) missing() string { return lacks("id", g.ID) }

// Fixed reports whether the answer says that the group cannot be modified.
func (g Group) Fixed() bool { return g.Access.Modifiable != nil && !*g.Access.Modifiable }

// FindGroups is what groups to search for, one of them: names, exactly and in any case, at most
// MaxGroupNames; ids, at most MaxGroupIDs; a member's account id; a piece of a name; nothing, which
// finds all. A name or id twice in one call is answered 400.
type FindGroups struct {
	Names  []string
	IDs    []string
	Member string
	Term   string
	Counts bool // ask how many members each has, too
}

func (f FindGroups) check() error {
	kinds := min(1, len(f.Names)) + min(1, len(f.IDs)) + min(1, len(f.Member)) + min(1, len(f.Term))
	if kinds > 1 || len(f.Names) > MaxGroupNames || len(f.IDs) > MaxGroupIDs {
		return fmt.Errorf("search groups: %d names, %d ids, member %q and a term of %d bytes",
			len(f.Names), len(f.IDs), f.Member, len(f.Term))
	}
	return nil
}

// groupSearch is the body of a search for groups. With a cursor the filters are left out, as they
// would be ignored.
type groupSearch struct {
	Names   []string `json:"groupNames,omitempty"`
	IDs     []string `json:"groupIds,omitempty"`
	Members []string `json:"accountIds,omitempty"`
	Term    string   `json:"searchTerm,omitempty"`
	Expand  []string `json:"expand,omitempty"`
	Limit   int      `json:"limit"`
	Cursor  string   `json:"cursor,omitempty"`
}

// expandMembers makes a search for groups tell how many members each has (organizations API v2,
// MultiDirectoryGroupSearchRequest).
const expandMembers = "counts.users"

// SearchGroups finds groups in all directories; there may be several of a name. The sequence ends
// with an error or is complete (organizations API v2, searchDirectoryGroups).
func (c *Client) SearchGroups(ctx context.Context, find FindGroups) iter.Seq2[Group, error] {
	if err := find.check(); err != nil {
		return failing[Group](err)
	}
	body := groupSearch{Names: find.Names, IDs: find.IDs, Term: find.Term, Limit: maxPage}
	if find.Member != "" {
		body.Members = []string{find.Member}
	}
	if find.Counts {
		body.Expand = []string{expandMembers}
	}
	following := func(cursor string) any { return groupSearch{Cursor: cursor, Expand: body.Expand, Limit: maxPage} }
	path := c.directoryPath(allDirectories) + "/groups/search"
	return entries(ctx, c.admin, bySearch[Group](opGroups, path, body, following))
}

// GroupsNamed is SearchGroups by names, of which there must be some.
func (c *Client) GroupsNamed(ctx context.Context, names []string) iter.Seq2[Group, error] {
	if len(names) == 0 {
		return failing[Group](errors.New("search groups: no names"))
	}
	return c.SearchGroups(ctx, FindGroups{Names: names})
}

// GroupRole is what the members of a group may do with one resource (organizations API v2,
// MultiDirectoryGroupRoleAssignment).
type GroupRole struct {
	ResourceID string   `json:"resourceId"`    // ARI
	Product    string   `json:"resourceOwner"` // its type key, "jira-software"; "" where the answer does not say
	Roles      []string `json:"roles"`
}

// missing: a role that is not told could be that of an organisation admin.
func (r GroupRole) missing() string {
	if r.Roles == nil {
		return "there are no roles"
	}
	return lacks("resourceId", r.ResourceID)
}

// GroupRoles lists what the members of a group may do (organizations API v2, GET group
// role-assignments).
func (c *Client) GroupRoles(ctx context.Context, directory, group string) ([]GroupRole, error) {
	if !accountID.MatchString(directory) || !accountID.MatchString(group) {
		return nil, badID(opGroupRoles)
	}
	var all []GroupRole
	path := c.groupPath(directory, group) + "/role-assignments"
	for r, err := range entries(ctx, c.admin, byCursor[GroupRole](opGroupRoles, path)) {
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// memberSearch is the body of a search for one account in one directory.
type memberSearch struct {
	IDs    []string `json:"accountIds"`
	Groups []string `json:"groupIds,omitempty"`
	Expand []string `json:"expand,omitempty"`
	Limit  int      `json:"limit"`
}

// InGroup reports whether the account is in the group, within the small budget of a check
// (organizations API v2, searchDirectoryUsers by account and group).
func (c *Client) InGroup(ctx context.Context, directory, group, id string) (bool, error) {
	if !accountID.MatchString(group) {
		return false, badID(opSearch)
	}
	users, err := c.member(ctx, directory, id, memberSearch{Groups: []string{group}})
	return len(users) > 0, err
}

// Member finds an account in one directory; found is false where the directory does not list it. A
// managed account that is in no directory is listed in each, with MembershipNone.
func (c *Client) Member(ctx context.Context, directory, id string) (user DirectoryUser, found bool, err error) {
	users, err := c.member(ctx, directory, id, memberSearch{Expand: []string{expandGroups}})
	if err != nil || len(users) == 0 {
		return DirectoryUser{}, false, err
	}
	return users[0], true, nil
}

// groupIDs returns the ids of the groups that an account of a search is in, in one directory or in all.
// An answer without them says nothing: then the groups are asked, which ones have it as a member.
func (c *Client) groupIDs(ctx context.Context, directory string, u DirectoryUser) (ids []string, err error) {
	if u.Groups != nil {
		for _, g := range *u.Groups {
			ids = append(ids, strings.TrimPrefix(g.ID, groupARI))
		}
		return ids, nil
	}
	for g, err := range c.SearchGroups(ctx, FindGroups{Member: u.ID}) {
		if err != nil {
			return nil, err
		}
		if directory == allDirectories || g.DirectoryID == directory {
			ids = append(ids, g.ID)
		}
	}
	return ids, nil
}

func (c *Client) member(ctx context.Context, directory, id string, body memberSearch) ([]DirectoryUser, error) {
	if !accountID.MatchString(directory) || !accountID.MatchString(id) {
		return nil, badID(opSearch)
	}
	body.IDs, body.Limit = []string{id}, maxPage
	following := func(cursor string) any {
		return search{Cursor: cursor, Expand: body.Expand, Limit: body.Limit}
	}
	l := bySearch[DirectoryUser](opSearch, c.directoryPath(url.PathEscape(directory))+"/users/search", body, following)
	l.first.account, l.budget = id, checkBudget
	var users []DirectoryUser
	for u, err := range entries(ctx, c.admin, l) {
		if err != nil {
			return nil, err
		}
		if u.ID == id { // an answer that ignores the filter must not pass for a member
			users = append(users, u)
		}
	}
	return users, nil
}

// searchMembers finds the holders of addresses, at most MaxEmails, in all directories, with their
// groups.
func (c *Client) searchMembers(ctx context.Context, addresses []string, strict bool) iter.Seq2[DirectoryUser, error] {
	body := search{Emails: addresses, Expand: []string{expandGroups}, Limit: maxPage}
	following := func(cursor string) any { return search{Cursor: cursor, Expand: body.Expand, Limit: body.Limit} }
	l := bySearch[DirectoryUser](opSearch, c.directoryPath(allDirectories)+"/users/search", body, following)
	l.need = func(u DirectoryUser) string {
		what := lacks("membershipStatus", u.MembershipStatus)
		if what == "" && strict {
			what = shownAddress(u)
		}
		return what
	}
	return entries(ctx, c.admin, l)
}

// searchDetails finds accounts by id, at most MaxIDs, in all directories, with their groups and
// products.
func (c *Client) searchDetails(ctx context.Context, ids []string) iter.Seq2[DirectoryUser, error] {
	body := search{IDs: ids, Expand: []string{expandGroups, expandAccess}, Limit: maxPage}
	following := func(cursor string) any { return search{Cursor: cursor, Expand: body.Expand, Limit: body.Limit} }
	l := bySearch[DirectoryUser](opSearch, c.directoryPath(allDirectories)+"/users/search", body, following)
	return entries(ctx, c.admin, l)
}

// AddToGroup puts an account into a group of the same directory (organizations API v2, POST
// memberships; success is 204). KindMemberOrFull: it is in it already, or a licence has no seat
// left.
func (c *Client) AddToGroup(ctx context.Context, directory, group, id string) error {
	body := struct {
		AccountID string `json:"accountId"`
	}{id}
	return c.membership(ctx, opGroupAdd, http.MethodPost, directory, group, id, "", body)
}

// RemoveFromGroup takes an account out of a group (organizations API v2, DELETE memberships;
// success is 204). KindNotFound: it is not in it, or one of the three is not there.
func (c *Client) RemoveFromGroup(ctx context.Context, directory, group, id string) error {
	return c.membership(ctx, opGroupRemove, http.MethodDelete, directory, group, id, "/"+url.PathEscape(id), nil)
}

func (c *Client) membership(ctx context.Context, operation, method, directory, group, id, rest string, body any) error {
	if directory == allDirectories || slices.ContainsFunc([]string{directory, group, id}, func(s string) bool {
		return !accountID.MatchString(s)
	}) {
		return badID(operation)
	}
	path := c.groupPath(directory, group) + "/memberships" + rest
	return c.admin.write(ctx, request{operation: operation, method: method, path: path, account: id, body: body})
}

func (c *Client) groupPath(directory, group string) string {
	return c.directoryPath(url.PathEscape(directory)) + "/groups/" + url.PathEscape(group)
}

// failing returns a list that cannot be asked for.
func failing[T any](err error) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		yield(none, err)
	}
}
