package organisation

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Group is a group of accounts in one directory, as a test or the demo sets it up.
type Group struct {
	ID          string // default: a random one
	Name        string // compared with case folded; no two groups of one directory share one
	Description string
	DirectoryID string // default: the organisation's first directory
	Synced      bool   // an identity provider owns it

	Unmodifiable bool // no members may be added or removed
	OrgAdmins    bool // its members are organisation admins; it takes none by this API
	Default      bool // new accounts join it; it cannot be deleted
	Grants       []Grant
}

// AddGroup adds a group without members, and returns it with its id. A group without a name, of a
// directory that is not there, or with the id or name of another is refused, with an error and a
// violation.
func (o *Organisation) AddGroup(added Group) (Group, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	added.DirectoryID = cmp.Or(added.DirectoryID, o.directories[0].ID)
	if err := o.possibleGroup(added); err != nil {
		o.violate("add group %s: %v", added.Name, err)
		return Group{}, fmt.Errorf("add group %s: %w", added.Name, err)
	}
	if added.ID == "" {
		added.ID = o.newID()
	}
	o.groups = append(o.groups, added)
	o.pulse()
	return added, nil
}

// possibleGroup returns an error when there can be no such group. The caller holds o.mu.
func (o *Organisation) possibleGroup(added Group) error {
	if strings.TrimSpace(added.Name) == "" {
		return errors.New("it has no name")
	}
	if added.DirectoryID == "-" || !o.directory(added.DirectoryID) {
		return fmt.Errorf("directory %s is not there", added.DirectoryID)
	}
	for _, other := range o.groups {
		if other.ID == added.ID {
			return fmt.Errorf("id %s is that of group %s", added.ID, other.Name)
		}
		if other.DirectoryID == added.DirectoryID && strings.EqualFold(other.Name, added.Name) {
			return fmt.Errorf("its name is that of group %s", other.ID)
		}
	}
	return nil
}

// EditGroup changes a group: what somebody else did in the meantime. Its id stays. A group that is
// not there, or that would not be possible, is refused, with an error and a violation.
func (o *Organisation) EditGroup(id string, edit func(*Group)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := errors.New("it is not there")
	if at := slices.IndexFunc(o.groups, func(each Group) bool { return each.ID == id }); at >= 0 {
		all, next := o.groups, o.groups[at]
		edit(&next)
		next.ID = id
		o.groups = slices.Delete(slices.Clone(all), at, at+1)
		err = o.possibleGroup(next)
		if o.groups = slices.Clone(all); err == nil {
			o.groups[at] = next
		}
	}
	if err != nil {
		o.violate("edit group %s: %v", id, err)
		return fmt.Errorf("edit group %s: %w", id, err)
	}
	o.pulse()
	return nil
}

// Groups returns the groups in the order in which they were added. Who is in one stands in the
// accounts.
func (o *Organisation) Groups() []Group {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.groups)
}

// Join puts accounts into a group: what somebody else did in the meantime. Who is in it already
// stays. A group or an account that is not there is refused, with an error and a violation, and
// nobody joins.
func (o *Organisation) Join(groupID string, accountIDs ...string) error {
	return o.regroup("join", groupID, accountIDs, func(groups []string) []string { return append(groups, groupID) })
}

// Leave takes accounts out of a group; else it is as Join.
func (o *Organisation) Leave(groupID string, accountIDs ...string) error {
	return o.regroup("leave", groupID, accountIDs, func(groups []string) []string { return groups })
}

// regroup gives each account its groups without the one, and with whatever then adds to those.
func (o *Organisation) regroup(verb, groupID string, accountIDs []string, then func([]string) []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	err := func() error {
		if !o.knows(groupID) {
			return errors.New("it is not there")
		}
		for _, id := range accountIDs {
			if _, known := o.accounts[id]; !known {
				return fmt.Errorf("account %s is not there", id)
			}
		}
		return nil
	}()
	if err != nil {
		o.violate("%s group %s: %v", verb, groupID, err)
		return fmt.Errorf("%s group %s: %w", verb, groupID, err)
	}
	for _, id := range accountIDs {
		o.change(o.accounts[id], func(a *Account) {
			a.Groups = then(slices.DeleteFunc(a.Groups, func(each string) bool { return each == groupID }))
		})
	}
	return nil
}

// knows reports whether there is a group with this id. The caller holds o.mu.
func (o *Organisation) knows(groupID string) bool {
	return slices.ContainsFunc(o.groups, func(each Group) bool { return each.ID == groupID })
}

// groupARI is what stands before a group's id where an account shows its groups; the groups' own
// calls leave it away. So say the examples of the documents. Filters take either here.
const groupARI = "ari:cloud:identity::group/"

// in reports whether the account is in the group with this id.
func (r *record) in(groupID string) bool {
	return slices.Contains(r.Groups, strings.TrimPrefix(groupID, groupARI))
}

// userGroupJSON is the schema MultiDirectoryUserGroup.
type userGroupJSON struct {
	ID          string  `json:"id"`
	Name        *string `json:"name"`
	Description *string `json:"description"`
}

// memberships returns the groups of an account "within the requested directory"; "-" is all of
// them. The caller holds o.mu.
func (o *Organisation) memberships(r *record, directory string) []userGroupJSON {
	shown := []userGroupJSON{}
	for _, each := range o.groups {
		if !r.in(each.ID) || directory != "-" && directory != each.DirectoryID {
			continue
		}
		group := userGroupJSON{ID: groupARI + each.ID, Name: &each.Name}
		if each.Description != "" {
			group.Description = &each.Description
		}
		shown = append(shown, group)
	}
	return shown
}

// groupJSON is the schema MultiDirectoryGroup.
type groupJSON struct {
	ID               string           `json:"id"`
	Name             string           `json:"name"`
	Description      string           `json:"description,omitempty"`
	DirectoryID      string           `json:"directoryId"`
	ExternalSynced   bool             `json:"externalSynced"`
	ManagedBy        string           `json:"managedBy"`
	ManagementAccess accessJSON       `json:"managementAccess"`
	Counts           *groupCountsJSON `json:"counts,omitempty"`
	Links            selfJSON         `json:"links"`
}

// accessJSON is the schema ManagementAccess.
type accessJSON struct {
	Deletable  bool `json:"deletable"`
	Modifiable bool `json:"modifiable"`
	Readable   bool `json:"readable"`
}

// groupCountsJSON is the schema GroupCounts; what was not asked for is absent.
type groupCountsJSON struct {
	Users     *int `json:"users,omitempty"`
	Resources *int `json:"resources,omitempty"`
}

// groupsRequest is the schema MultiDirectoryGroupSearchRequest.
type groupsRequest struct {
	AccountIDs     []string   `json:"accountIds,omitempty"`
	Cursor         string     `json:"cursor,omitempty"`
	DirectoryIDs   []string   `json:"directoryIds,omitempty"`
	Expand         []string   `json:"expand,omitempty"`
	GroupIDs       []string   `json:"groupIds,omitempty"`
	GroupNames     []string   `json:"groupNames,omitempty"`
	Limit          *int       `json:"limit,omitempty"`
	ResourceIDs    []string   `json:"resourceIds,omitempty"`
	ResourceOwners []string   `json:"resourceOwners,omitempty"`
	RoleIDs        []string   `json:"roleIds,omitempty"`
	SearchTerm     string     `json:"searchTerm,omitempty"`
	SortBy         []sortJSON `json:"sortBy,omitempty"`
}

var (
	// groupsFields are the names that the schema declares, compared exactly.
	groupsFields = []string{
		"accountIds", "cursor", "directoryIds", "expand", "groupIds", "groupNames", "limit", "resourceIds", "resourceOwners",
		"roleIds", "searchTerm", "sortBy",
	}
	groupExpansions = []string{"counts.resources", "counts.users"}
)

// groupsPosition is what a cursor of groups/search carries: the whole request, as the others are
// ignored beside a cursor, and where to go on. No group ever goes away, so counting is enough.
type groupsPosition struct {
	Request   groupsRequest `json:"r"`
	Directory string        `json:"d"`
	Turn      int           `json:"t,omitempty"` // of endless pages
	From      int           `json:"f"`           // how many were shown
}

// searchGroups is POST /admin/v2/orgs/{orgId}/directories/{directoryId}/groups/search.
func (o *Organisation) searchGroups(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	if !o.directory(x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "directory not found")
	}
	var request groupsRequest
	problem := o.readSearch(x, groupsFields, &request)
	if problem == "" {
		problem = request.problem()
	}
	if problem != "" {
		return o.badRequest(problem)
	}
	at := groupsPosition{Request: request, Directory: x.path[1]}
	if request.Cursor != "" {
		at = groupsPosition{} // nothing of what stands beside the cursor counts
		if !o.readCursor("groups", request.Cursor, &at) || at.Directory != x.path[1] {
			return o.badCursor()
		}
		request = at.Request
	}
	limit := defaultLimit
	if request.Limit != nil {
		limit = *request.Limit
	}
	found := o.matchingGroups(request, at.Directory)
	page := struct {
		Data  []groupJSON `json:"data"`
		Links linksJSON   `json:"links"`
	}{Data: []groupJSON{}, Links: linksJSON{Self: o.makeCursor("groups", at)}}
	if o.endless(x) {
		at.Turn++
		page.Links.Next = o.makeCursor("groups", at)
		return success(page)
	}
	end := min(at.From+limit, len(found))
	for _, each := range found[min(at.From, end):end] {
		page.Data = append(page.Data, o.groupShown(each, request.Expand))
	}
	if end < len(found) {
		at.From = end
		page.Links.Next = o.makeCursor("groups", at)
	}
	return success(page)
}

// getGroup is GET /admin/v2/orgs/{orgId}/directories/{directoryId}/groups/{groupId}.
func (o *Organisation) getGroup(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	group := o.findGroup(x.path[1], x.path[2])
	if group == nil {
		return o.noGroup()
	}
	return success(map[string]groupJSON{"data": o.groupShown(*group, groupExpansions)})
}

// problem returns what breaks the schema's bounds, or nothing.
func (g *groupsRequest) problem() string {
	if g.GroupNames != nil && (g.SearchTerm != "" || g.GroupIDs != nil) {
		return "groupNames is mutually exclusive with searchTerm and groupIds"
	}
	lists := []bounds{
		{"accountIds", g.AccountIDs, maxFilter, nil},
		{"directoryIds", g.DirectoryIDs, maxFilter, nil},
		{"expand", g.Expand, len(groupExpansions), groupExpansions},
		{"groupIds", g.GroupIDs, maxFilter, nil},
		{"groupNames", g.GroupNames, maxNames, nil},
		{"resourceIds", g.ResourceIDs, maxResources, nil},
		{"resourceOwners", g.ResourceOwners, maxFilter, nil},
		{"roleIds", g.RoleIDs, maxFilter, nil},
	}
	if problem := outOfBounds(lists); problem != "" {
		return problem
	}
	for _, list := range lists {
		if !distinct(list.values) {
			return list.name + " must be unique"
		}
	}
	switch {
	case g.Limit != nil && (*g.Limit < 1 || *g.Limit > maxLimit):
		return "limit must be from 1 to 100"
	case g.SortBy != nil && (len(g.SortBy) != 1 || g.SortBy[0].Field != "name" ||
		!slices.Contains([]string{"asc", "desc"}, g.SortBy[0].Direction)):
		return "sortBy must be one entry with field name and direction asc or desc"
	}
	return ""
}

// matchingGroups returns the groups of a directory that fit, in order. No group has a role or a
// resource here. The caller holds o.mu.
func (o *Organisation) matchingGroups(request groupsRequest, directory string) []Group {
	var found []Group
	for _, each := range o.groups {
		if (directory == "-" || directory == each.DirectoryID) && o.groupMatches(request, each) {
			found = append(found, each)
		}
	}
	if len(request.SortBy) > 0 {
		slices.SortStableFunc(found, func(a, b Group) int {
			if request.SortBy[0].Direction == "desc" {
				a, b = b, a
			}
			return strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		})
	}
	return found
}

func (o *Organisation) groupMatches(request groupsRequest, group Group) bool {
	among := func(values []string, fits func(string) bool) bool {
		return len(values) == 0 || slices.ContainsFunc(values, fits)
	}
	return len(request.ResourceIDs) == 0 && len(request.ResourceOwners) == 0 && len(request.RoleIDs) == 0 &&
		among(request.DirectoryIDs, func(id string) bool { return id == group.DirectoryID }) &&
		among(request.GroupIDs, func(id string) bool { return strings.TrimPrefix(id, groupARI) == group.ID }) &&
		among(request.GroupNames, func(name string) bool { return strings.EqualFold(name, group.Name) }) &&
		among(request.AccountIDs, func(id string) bool {
			member, known := o.accounts[id]
			return known && member.shown() && member.in(group.ID)
		}) &&
		strings.Contains(strings.ToLower(group.Name), strings.ToLower(request.SearchTerm))
}

// groupShown returns a group as the v2 directory shows it.
func (o *Organisation) groupShown(group Group, expand []string) groupJSON {
	shown := groupJSON{
		ID: group.ID, Name: group.Name, Description: group.Description, DirectoryID: group.DirectoryID,
		ExternalSynced: group.Synced, ManagedBy: "admins",
		ManagementAccess: accessJSON{
			Deletable:  !group.Synced && !group.Unmodifiable && !group.OrgAdmins && !group.Default,
			Modifiable: !group.Synced && !group.Unmodifiable && !group.OrgAdmins,
			Readable:   true,
		},
		Links: selfJSON{Self: o.makeCursor("group", group.ID)},
	}
	if group.Synced {
		shown.ManagedBy = "external"
	}
	if len(expand) == 0 {
		return shown
	}
	shown.Counts = new(groupCountsJSON)
	if slices.Contains(expand, "counts.users") {
		members := 0
		for _, each := range o.order {
			if each.shown() && each.in(group.ID) {
				members++
			}
		}
		shown.Counts.Users = &members
	}
	if slices.Contains(expand, "counts.resources") {
		shown.Counts.Resources = new(int)
	}
	return shown
}
