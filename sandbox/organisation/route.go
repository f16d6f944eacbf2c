package organisation

import (
	"net/http"
	"net/url"
	"strings"
)

// route is one call that the organisation knows.
type route struct {
	method string
	path   string   // {} stands for one segment
	query  []string // the parameters that the documents declare
	body   bodyKind
	serve  func(*exchange) answer // called with o.mu held

	// unscoped is set where the documents list no scope, on a write: a key with scopes gets 401.
	unscoped bool
	// perMinute is a published limit, where calls are limited at all; 0: none is published.
	perMinute int
}

// bodyKind is what a call does with its body.
type bodyKind int

const (
	noBody   bodyKind = iota // none is declared; an empty JSON object is tolerated
	jsonBody                 // without Content-Type: application/json the answer is 415
)

// table returns the calls of the two APIs that are answered here. What Atlassian has beyond these
// is not in this organisation, and calling it is a violation.
func (o *Organisation) table() []route {
	get, post, put, patch, del := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete
	return append([]route{
		{method: get, path: "/users/{}/manage", query: []string{"privileges"}, serve: o.getManage},
		{method: get, path: "/users/{}/manage/profile", serve: o.getProfile},
		{method: patch, path: "/users/{}/manage/profile", body: jsonBody, serve: o.patchProfile},
		{method: put, path: "/users/{}/manage/email", body: jsonBody, serve: o.putEmail},
		{method: post, path: "/users/{}/manage/lifecycle/disable", body: jsonBody, serve: o.disable},
		{method: post, path: "/users/{}/manage/lifecycle/enable", serve: o.enable},
		{method: post, path: "/users/{}/manage/lifecycle/delete", serve: o.scheduleDeletion},
		{method: post, path: "/users/{}/manage/lifecycle/cancel-delete", serve: o.cancelDeletion},
		{method: get, path: "/users/{}/manage/api-tokens", serve: o.getTokens},
		{method: del, path: "/users/{}/manage/api-tokens/{}", serve: o.deleteToken},

		{method: get, path: "/admin/v1/orgs", query: []string{"cursor"}, serve: o.getOrgs},
		{method: get, path: "/admin/v1/orgs/{}", serve: o.getOrg},
		{method: get, path: "/admin/v1/orgs/{}/users", query: []string{"cursor"}, serve: o.getUsers},
		{method: get, path: "/admin/v1/orgs/{}/domains", query: []string{"cursor"}, serve: o.getDomains},

		{
			method: get, path: "/admin/v2/orgs/{}/directories",
			query: []string{"accountId", "directoryIds", "searchTerm", "cursor", "limit"},
			serve: o.getDirectories,
		},
		{method: post, path: "/admin/v2/orgs/{}/directories/{}/users/search", body: jsonBody, serve: o.searchUsers},
		{method: get, path: "/admin/v2/orgs/{}/directories/{}/users/{}", serve: o.getDirectoryUser},
		{method: post, path: "/admin/v2/orgs/{}/directories/{}/groups/search", body: jsonBody, serve: o.searchGroups},
		{method: get, path: "/admin/v1/orgs/{}/domains/{}", serve: o.getDomain},
		{method: get, path: "/admin/v2/orgs/{}/directories/{}/groups/{}", serve: o.getGroup},
		{
			method: get, path: "/admin/v2/orgs/{}/directories/{}/users/{}/role-assignments",
			query: rolesParameters, serve: o.getUserRoles,
		},
		{
			method: get, path: "/admin/v2/orgs/{}/directories/{}/groups/{}/role-assignments",
			query: rolesParameters, serve: o.getGroupRoles,
		},
		{method: post, path: "/admin/v2/orgs/{}/workspaces", body: jsonBody, serve: o.searchWorkspaces},
		{
			method: get, path: "/admin/v1/orgs/{}/events-stream", query: []string{"cursor", "from", "to", "limit", "sortOrder"},
			serve: o.getEventsStream, perMinute: eventsMinute,
		},
		{method: get, path: "/admin/v1/orgs/{}/event-actions", serve: o.getEventActions},
		{
			method: get, path: "/admin/user-provisioning/v1/org/{}/user/{}/get-scim-links", serve: o.getSCIMLinks,
		},
		{
			method: post, path: "/admin/user-provisioning/v1/org/{}/get-scim-links-for-email", body: jsonBody,
			serve: o.findSCIMLinks,
		},
	}, o.writes()...)
}

// writes returns the calls of the organizations API that change something.
func (o *Organisation) writes() []route {
	post, del := http.MethodPost, http.MethodDelete
	const user = "/admin/v2/orgs/{}/directories/{}/users/{}"
	const group = "/admin/v2/orgs/{}/directories/{}/groups/{}"
	all := []route{
		{method: post, path: group + "/memberships", body: jsonBody, serve: o.addMembership},
		{method: del, path: group + "/memberships/{}", serve: o.removeMembership},
		{method: post, path: user + "/suspend", body: jsonBody, serve: o.suspendUser},
		{method: post, path: user + "/restore", body: jsonBody, serve: o.restoreUser},
		{method: del, path: user, serve: o.removeUser},
		{method: post, path: "/admin/v2/orgs/{}/users/invite", body: jsonBody, serve: o.invite},
		{method: post, path: group + "/role-assignments/assign", body: jsonBody, serve: o.assignGroupRole},
		{method: post, path: group + "/role-assignments/revoke", body: jsonBody, serve: o.revokeGroupRole},
		{method: post, path: "/admin/v1/orgs/{}/users/{}/roles/assign", body: jsonBody, serve: o.assignRole},
		{method: post, path: "/admin/v1/orgs/{}/users/{}/roles/revoke", body: jsonBody, serve: o.revokeRole},
		{
			method: post, path: "/admin/v1/orgs/{}/users/{}/role-assignments/assign", body: jsonBody,
			serve: o.assignPlatformRole,
		},
		{
			method: post, path: "/admin/v1/orgs/{}/users/{}/role-assignments/revoke", body: jsonBody,
			serve: o.revokePlatformRole,
		},
	}
	for i := range all {
		all[i].unscoped = true
	}
	return all
}

// dead is what Atlassian has switched off (v1, 2026-06-30) or will (the v2 lists, 2027-06-30; this
// organisation behaves as after that day).
var dead = []struct{ method, path string }{
	{http.MethodPost, "/admin/v1/orgs/{}/directory/users/{}/suspend-access"},
	{http.MethodPost, "/admin/v1/orgs/{}/directory/users/{}/restore-access"},
	{http.MethodDelete, "/admin/v1/orgs/{}/directory/users/{}"},
	{http.MethodPost, "/admin/v1/orgs/{}/users/search"},
	{http.MethodPost, "/admin/v1/orgs/{}/users/invite"},
	{http.MethodPost, "/admin/v1/orgs/{}/groups/search"},
	{http.MethodPost, "/admin/v1/orgs/{}/directory/groups"},
	{http.MethodDelete, "/admin/v1/orgs/{}/directory/groups/{}"},
	{http.MethodPost, "/admin/v1/orgs/{}/directory/groups/{}/memberships"},
	{http.MethodDelete, "/admin/v1/orgs/{}/directory/groups/{}/memberships/{}"},
	{http.MethodPost, "/admin/v1/orgs/{}/directory/groups/{}/roles/assign"},
	{http.MethodPost, "/admin/v1/orgs/{}/directory/groups/{}/roles/revoke"},
	{http.MethodGet, "/admin/v2/orgs/{}/directories/{}/users"},
	{http.MethodGet, "/admin/v2/orgs/{}/directories/{}/groups"},
}

// find looks the route up and fills in the path's parameters. More literal segments win:
// users/search over users/{}.
func (o *Organisation) find(x *exchange) (route, bool) {
	best, most := route{path: "unknown"}, -1
	for _, each := range o.routes {
		if each.method != x.call.Method {
			continue
		}
		values, ok := match(each.path, x.call.Path)
		if literals := strings.Count(each.path, "/") - len(values); ok && literals > most {
			best, most, x.path = each, literals, values
		}
	}
	return best, most >= 0
}

// match compares an escaped path with a pattern and returns what stands for each {}.
func match(pattern, path string) ([]string, bool) {
	wanted, given := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(wanted) != len(given) {
		return nil, false
	}
	var values []string
	for i, segment := range given {
		if wanted[i] != "{}" {
			if wanted[i] != segment {
				return nil, false
			}
			continue
		}
		value, err := url.PathUnescape(segment)
		if err != nil || value == "" {
			return nil, false
		}
		values = append(values, value)
	}
	return values, true
}

// unknown answers a call that is not in the table, and records it.
func (o *Organisation) unknown(x *exchange) answer {
	reason := "no such call in this organisation"
	for _, each := range dead {
		if _, ok := match(each.path, x.call.Path); ok && each.method == x.call.Method {
			reason = "switched off by Atlassian"
		}
	}
	o.violate("%s %s: %s", x.call.Method, x.call.Path, reason)
	if strings.HasPrefix(x.call.Path, "/admin/") {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "")
	}
	return keyed(http.StatusNotFound, "notFound")
}
