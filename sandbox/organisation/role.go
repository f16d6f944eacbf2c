package organisation

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

const orgAdminRole = "atlassian/org-admin"

// roleAssignmentJSON is the schema MultiDirectoryUserRoleAssignment.
type roleAssignmentJSON struct {
	ResourceID      string         `json:"resourceId"`
	ResourceOwner   string         `json:"resourceOwner,omitempty"`
	DirectoryID     *string        `json:"directoryId"`
	RoleAssignments []roleWaysJSON `json:"roleAssignments"`
	Status          *string        `json:"userDirectoryStatus"`
}

// roleWaysJSON is the schema MultiDirectoryRoleAssignment.
type roleWaysJSON struct {
	Role string   `json:"role"`
	Ways []string `json:"roleAssignmentMethods"`
}

// groupRoleJSON is the schema MultiDirectoryGroupRoleAssignment.
type groupRoleJSON struct {
	ResourceID    string   `json:"resourceId"`
	ResourceOwner string   `json:"resourceOwner,omitempty"`
	DefaultRole   *string  `json:"defaultRole"`
	Roles         []string `json:"roles"`
}

// rolesQuery is the parameters of both lists, and with From the position of their cursor.
type rolesQuery struct {
	Of        string   `json:"o"` // account or group
	Directory string   `json:"d"`
	Dirs      []string `json:"ds,omitempty"`
	Owners    []string `json:"ow,omitempty"`
	Resources []string `json:"rs,omitempty"`
	Roles     []string `json:"ro,omitempty"`
	Limit     int      `json:"l"`
	From      int      `json:"f"`
}

var rolesParameters = []string{"cursor", "limit", "directoryIds", "resourceOwners", "resourceIds", "roleIds"}

// getUserRoles is GET …/directories/{directoryId}/users/{accountId}/role-assignments: one entry for
// each resource on which the account has a role, with its status in the directory of the resource.
// An account without roles has no entry.
func (o *Organisation) getUserRoles(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	if !o.directory(x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "directory not found")
	}
	query, refused := o.rolesQuery(x, "user-roles")
	if query == nil {
		return refused
	}
	found, known := o.accounts[x.path[2]]
	if !known || !found.shown() || !o.listedIn(found, x.path[1]) {
		return o.noUser("")
	}
	var all []roleAssignmentJSON
	if found.OrgAdmin && query.fits(Workspace{}, []string{orgAdminRole}) {
		all = append(all, roleAssignmentJSON{
			ResourceID:      "ari:cloud:platform::org/" + o.orgID,
			RoleAssignments: []roleWaysJSON{{Role: orgAdminRole, Ways: []string{"direct"}}},
		})
	}
	for _, each := range o.workspaces {
		shown := roleAssignmentJSON{
			ResourceID: each.ID, ResourceOwner: each.TypeKey, DirectoryID: &each.DirectoryID,
			RoleAssignments: o.rolesOn(found, each.ID),
		}
		status := found.membershipIn(each.DirectoryID)
		shown.Status = &status
		var roles []string
		for _, way := range shown.RoleAssignments {
			roles = append(roles, way.Role)
		}
		if len(roles) > 0 && query.fits(each, roles) {
			all = append(all, shown)
		}
	}
	return rolesPage(o, "user-roles", query, all)
}

// rolesOn returns an account's roles on a resource and how it got them. The caller holds o.mu.
func (o *Organisation) rolesOn(r *record, resource string) []roleWaysJSON {
	var roles []roleWaysJSON
	add := func(grants []Grant, way string) {
		for _, each := range grants {
			if each.Resource != resource {
				continue
			}
			i := slices.IndexFunc(roles, func(known roleWaysJSON) bool { return known.Role == each.Role })
			if i < 0 {
				i, roles = len(roles), append(roles, roleWaysJSON{Role: each.Role})
			}
			if !slices.Contains(roles[i].Ways, way) {
				roles[i].Ways = append(roles[i].Ways, way)
			}
		}
	}
	add(r.Roles, "direct")
	for _, group := range o.groups {
		if r.in(group.ID) {
			add(group.Grants, "group_direct")
		}
	}
	return roles
}

// getGroupRoles is GET …/directories/{directoryId}/groups/{groupId}/role-assignments.
func (o *Organisation) getGroupRoles(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	group := o.findGroup(x.path[1], x.path[2])
	if group == nil {
		return o.noGroup()
	}
	query, refused := o.rolesQuery(x, "group-roles")
	if query == nil {
		return refused
	}
	var all []groupRoleJSON
	if group.OrgAdmins && query.fits(Workspace{}, []string{orgAdminRole}) {
		all = append(all, groupRoleJSON{ResourceID: "ari:cloud:platform::org/" + o.orgID, Roles: []string{orgAdminRole}})
	}
	for _, each := range o.workspaces {
		shown := groupRoleJSON{ResourceID: each.ID, ResourceOwner: each.TypeKey}
		for _, grant := range group.Grants {
			if grant.Resource == each.ID {
				shown.Roles = append(shown.Roles, grant.Role)
			}
		}
		if len(shown.Roles) == 0 || !query.fits(each, shown.Roles) {
			continue
		}
		if group.Default {
			shown.DefaultRole = &shown.Roles[0]
		}
		all = append(all, shown)
	}
	return rolesPage(o, "group-roles", query, all)
}

// rolesQuery reads the parameters of a list of roles, or refuses them.
func (o *Organisation) rolesQuery(x *exchange, kind string) (*rolesQuery, answer) {
	query := &rolesQuery{
		Of: x.path[2], Directory: x.path[1], Dirs: x.query["directoryIds"], Owners: x.query["resourceOwners"],
		Resources: x.query["resourceIds"], Roles: x.query["roleIds"],
	}
	limit, problem := limitOf(x.query)
	if problem == "" {
		problem = outOfBounds([]bounds{
			{"directoryIds", query.Dirs, maxFilter, nil},
			{"resourceOwners", query.Owners, maxFilter, nil},
			{"resourceIds", query.Resources, maxResources, nil},
			{"roleIds", query.Roles, maxFilter, canonicalRoles},
		})
	}
	if problem != "" {
		return nil, o.badRequest(problem)
	}
	query.Limit = limit
	if cursor := x.query.Get("cursor"); cursor != "" {
		if !o.readCursor(kind, cursor, query) || query.Of != x.path[2] || query.Directory != x.path[1] {
			return nil, o.badCursor()
		}
	}
	return query, answer{}
}

// limitOf reads the parameter limit of a v2 list.
func limitOf(query url.Values) (limit int, problem string) {
	text := query.Get("limit")
	if text == "" {
		return defaultLimit, ""
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxLimit {
		return 0, "limit must be a number from 1 to 100"
	}
	return limit, ""
}

// fits reports whether a resource with these roles is asked for. A role of the whole organisation
// comes with the zero workspace and is in no directory.
func (q *rolesQuery) fits(workspace Workspace, roles []string) bool {
	among := func(values []string, value string) bool { return len(values) == 0 || slices.Contains(values, value) }
	return among(q.Dirs, workspace.DirectoryID) && among(q.Owners, workspace.TypeKey) &&
		among(q.Resources, workspace.ID) &&
		(q.Directory == "-" || workspace.DirectoryID == "" || q.Directory == workspace.DirectoryID) &&
		(len(q.Roles) == 0 || slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(q.Roles, role) }))
}

// rolesPage returns one page of a list of roles.
func rolesPage[T any](o *Organisation, kind string, query *rolesQuery, all []T) answer {
	page := struct {
		Data  []T       `json:"data"`
		Links linksJSON `json:"links"`
	}{Data: []T{}, Links: linksJSON{Self: o.makeCursor(kind, query)}}
	end := min(query.From+query.Limit, len(all))
	page.Data = append(page.Data, all[min(query.From, end):end]...)
	if end < len(all) {
		query.From = end
		page.Links.Next = o.makeCursor(kind, query)
	}
	return success(page)
}

// assignGroupRole is POST …/groups/{groupId}/role-assignments/assign, for which 200 is documented.
func (o *Organisation) assignGroupRole(x *exchange) answer {
	group, grant, refused := o.groupRole(x)
	if group == nil {
		return refused
	}
	if slices.Contains(group.Grants, grant) {
		return answer{status: http.StatusOK}
	}
	for _, each := range o.order {
		if each.in(group.ID) && o.full(each, []Grant{grant}) {
			return o.adminErrors(http.StatusConflict, "ADMIN-409-3", "License limit exceeded", "")
		}
	}
	group.Grants = append(slices.Clone(group.Grants), grant)
	o.effect(Effect{AccountID: group.ID, Kind: "role-add", To: grant.text()})
	o.pulse()
	return answer{status: http.StatusOK}
}

// revokeGroupRole is POST …/groups/{groupId}/role-assignments/revoke.
func (o *Organisation) revokeGroupRole(x *exchange) answer {
	group, grant, refused := o.groupRole(x)
	if group == nil {
		return refused
	}
	if !slices.Contains(group.Grants, grant) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "the group has no such role")
	}
	group.Grants = slices.DeleteFunc(slices.Clone(group.Grants), func(each Grant) bool { return each == grant })
	o.effect(Effect{AccountID: group.ID, Kind: "role-remove", From: grant.text()})
	o.pulse()
	return noContent()
}

// groupRole reads a write of a group's role. The caller holds o.mu.
func (o *Organisation) groupRole(x *exchange) (*Group, Grant, answer) {
	if refused, no := o.noDirectory(x); no {
		return nil, Grant{}, refused
	}
	group := o.findGroup(x.path[1], x.path[2])
	if group == nil {
		return nil, Grant{}, o.noGroup()
	}
	fields, err := object(x.body)
	if err != nil {
		return nil, Grant{}, o.badRequest(err.Error())
	}
	var grant Grant
	if json.Unmarshal(fields["resourceId"], &grant.Resource) != nil || json.Unmarshal(fields["roleId"], &grant.Role) != nil {
		return nil, Grant{}, o.badRequest("resourceId and roleId are required")
	}
	o.checkFields(x, fields, "resourceId", "roleId")
	if problem, no := o.noGrant(grant); no {
		return nil, Grant{}, problem
	}
	return group, grant, answer{}
}

// noGrant refuses a role or a resource that is not there. The caller holds o.mu.
func (o *Organisation) noGrant(grant Grant) (answer, bool) {
	switch {
	case !slices.Contains(canonicalRoles, grant.Role) || grant.Role == orgAdminRole:
		return o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-3", "Invalid role for the resource", ""), true
	case o.workspaceIndex(grant.Resource) < 0:
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", ""), true
	}
	return answer{}, false
}
