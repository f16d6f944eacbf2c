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
}

// bodyKind is what a call does with its body.
type bodyKind int

const (
	noBody   bodyKind = iota // none is declared; an empty JSON object is tolerated
	jsonBody                 // without Content-Type: application/json the answer is 415
)

// table is the calls of the two APIs that are answered here. What Atlassian has beyond these is not in this
// organisation, and calling it is a violation.
func (o *Organisation) table() []route {
	get, post, put, patch := http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch
	return []route{
		{get, "/users/{}/manage", []string{"privileges"}, noBody, o.getManage},
		{get, "/users/{}/manage/profile", nil, noBody, o.getProfile},
		{patch, "/users/{}/manage/profile", nil, jsonBody, o.patchProfile},
		{put, "/users/{}/manage/email", nil, jsonBody, o.putEmail},
		{post, "/users/{}/manage/lifecycle/disable", nil, jsonBody, o.disable},
		{post, "/users/{}/manage/lifecycle/enable", nil, noBody, o.enable},

		{get, "/admin/v1/orgs", []string{"cursor"}, noBody, o.getOrgs},
		{get, "/admin/v1/orgs/{}", nil, noBody, o.getOrg},
		{get, "/admin/v1/orgs/{}/users", []string{"cursor"}, noBody, o.getUsers},
		{get, "/admin/v1/orgs/{}/domains", []string{"cursor"}, noBody, o.getDomains},

		{
			get, "/admin/v2/orgs/{}/directories",
			[]string{"accountId", "directoryIds", "searchTerm", "cursor", "limit"},
			noBody, o.getDirectories,
		},
		{post, "/admin/v2/orgs/{}/directories/{}/users/search", nil, jsonBody, o.searchUsers},
		{get, "/admin/v2/orgs/{}/directories/{}/users/{}", nil, noBody, o.getDirectoryUser},
		{post, "/admin/v2/orgs/{}/directories/{}/groups/search", nil, jsonBody, o.searchGroups},
	}
}

// dead is what Atlassian has switched off (v1, 2026-06-30) or will (the v2 lists, 2027-06-30; this organisation behaves
// as after that day).
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

// find looks the route up and fills in the path's parameters. More literal segments win: users/search over users/{}.
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
