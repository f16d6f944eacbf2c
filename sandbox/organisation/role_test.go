package organisation_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

const confluence = "ari:cloud:confluence::site/1"

// workspaces adds Jira in the first directory and Confluence in the second.
func (w *world) workspaces(jiraSeats int) {
	w.t.Helper()
	for _, each := range []organisation.Workspace{
		{ID: jira, Name: "Jira", Type: "Jira", TypeKey: "jira-software", URL: "https://one.example", Seats: jiraSeats},
		{ID: confluence, Name: "Wiki", Type: "Confluence", TypeKey: "confluence", DirectoryID: "dir-2"},
	} {
		if err := w.AddWorkspace(each); err != nil {
			w.t.Fatal(err)
		}
	}
}

// names lists a field of each entry of the page's data.
func names(t *testing.T, answer reply, field string) []string {
	t.Helper()
	all := []string{}
	for _, each := range get(t, answer.body, "data").([]any) {
		all = append(all, get(t, each, field).(string))
	}
	return all
}

func TestUserRoleAssignments(t *testing.T) {
	chief := person(1)
	chief.OrgAdmin = true
	w := start(t, twoDirectories, chief, person(2))
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(0)
	w.group(organisation.Group{
		Name: "jira-users", Grants: []organisation.Grant{{Resource: jira, Role: "atlassian/user"}},
	}, chief.ID)
	assign := admin("v1", "/users/"+chief.ID+"/roles/assign")
	w.call(http.StatusNoContent, http.MethodPost, assign, fields{"role": "atlassian/user", "resource": jira})
	w.call(http.StatusNoContent, http.MethodPost, assign, fields{"role": "atlassian/admin", "resource": confluence})
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(2), "/suspend"), `{}`)

	all := w.call(http.StatusOK, http.MethodGet, user("-", chief, "/role-assignments"), nil)
	want := []any{
		fields{
			"resourceId": "ari:cloud:platform::org/" + orgID, "directoryId": nil, "userDirectoryStatus": nil,
			"roleAssignments": []any{fields{"role": "atlassian/org-admin", "roleAssignmentMethods": []any{"direct"}}},
		},
		fields{
			"resourceId": jira, "resourceOwner": "jira-software", "directoryId": "dir-1", "userDirectoryStatus": "active",
			"roleAssignments": []any{
				fields{"role": "atlassian/user", "roleAssignmentMethods": []any{"direct", "group_direct"}},
			},
		},
		fields{
			"resourceId": confluence, "resourceOwner": "confluence", "directoryId": "dir-2", "userDirectoryStatus": "active",
			"roleAssignments": []any{fields{"role": "atlassian/admin", "roleAssignmentMethods": []any{"direct"}}},
		},
	}
	if diff := cmp.Diff(want, get(t, all.body, "data")); diff != "" {
		t.Errorf("assignments (-want +got):\n%s", diff)
	}
	for query, want := range map[string][]string{
		"?directoryIds=dir-2":                               {confluence},
		"?resourceIds=" + jira:                              {jira},
		"?resourceOwners=confluence":                        {confluence},
		"?roleIds=atlassian/org-admin":                      {"ari:cloud:platform::org/" + orgID},
		"?resourceIds=" + jira + "&roleIds=atlassian/admin": {},
	} {
		answer := w.call(http.StatusOK, http.MethodGet, user("-", chief, "/role-assignments"+query), nil)
		if diff := cmp.Diff(want, names(t, answer, "resourceId")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	first := w.call(http.StatusOK, http.MethodGet, user("-", chief, "/role-assignments?limit=2"), nil)
	next, _ := get(t, first.body, "links", "next").(string)
	rest := w.call(http.StatusOK, http.MethodGet, user("-", chief, "/role-assignments?cursor="+next), nil)
	if diff := cmp.Diff([]string{confluence}, names(t, rest, "resourceId")); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	none := w.call(http.StatusOK, http.MethodGet, user("dir-1", person(2), "/role-assignments"), nil)
	if got := names(t, none, "resourceId"); len(got) != 0 {
		t.Errorf("an account without roles has %q", got)
	}
	w.call(http.StatusBadRequest, http.MethodGet, user("-", person(2), "/role-assignments?cursor="+next), nil)
	w.call(http.StatusNotFound, http.MethodGet, user("-", person(9), "/role-assignments"), nil)
	w.noViolations()
}

// The status of a directory shows on the roles in it, where membershipStatus does not.
func TestSuspensionShowsOnRoles(t *testing.T) {
	w := start(t, twoDirectories, person(1))
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(0)
	for _, resource := range []string{jira, confluence} {
		w.call(http.StatusNoContent, http.MethodPost, admin("v1", "/users/"+person(1).ID+"/roles/assign"),
			fields{"role": "atlassian/user", "resource": resource})
	}
	w.call(http.StatusNoContent, http.MethodPost, user("dir-1", person(1), "/suspend"), `{}`)
	all := w.call(http.StatusOK, http.MethodGet, user("-", person(1), "/role-assignments"), nil)
	if diff := cmp.Diff([]string{"suspended", "active"}, names(t, all, "userDirectoryStatus")); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	w.noViolations()
}

func TestRoles(t *testing.T) {
	elsewhere := person(3)
	elsewhere.Memberships = map[string]string{"dir-1": "no_membership"}
	w := start(t, twoDirectories, person(1), person(2), elsewhere)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(1)
	roles := func(number int, rest string) string { return admin("v1", "/users/"+person(number).ID+rest) }
	for _, test := range []struct {
		path string
		body fields
		want int
		code any
	}{
		{roles(1, "/roles/assign"), fields{"role": "atlassian/user", "resource": jira}, 204, nil},
		{roles(1, "/roles/assign"), fields{"role": "atlassian/user", "resource": jira}, 204, nil},
		{roles(2, "/roles/assign"), fields{"role": "atlassian/user", "resource": jira}, 409, "ADMIN-UAM-409-3"},
		{roles(2, "/roles/assign"), fields{"role": "atlassian/king", "resource": jira}, 400, "ADMIN-UAM-400-3"},
		{roles(2, "/roles/assign"), fields{"role": "atlassian/user", "resource": "ari:none"}, 404, "ADMIN-UAM-404-3"},
		{roles(3, "/roles/assign"), fields{"role": "atlassian/customer", "resource": jira}, 404, "ADMIN-UAM-404-3"},
		{roles(9, "/roles/assign"), fields{"role": "atlassian/org-admin"}, 404, "ADMIN-UAM-404-3"},
		{roles(1, "/roles/revoke"), fields{"role": "atlassian/user", "resource": jira}, 204, nil},
		{roles(1, "/roles/revoke"), fields{"role": "atlassian/user", "resource": jira}, 204, nil},
		{roles(2, "/role-assignments/assign"), fields{"role": "atlassian/user"}, 400, "ADMIN-UAM-400-1"},
		{roles(2, "/role-assignments/assign"), fields{"role": "atlassian/org-admin"}, 204, nil},
		{roles(2, "/role-assignments/revoke"), fields{"role": "atlassian/org-admin"}, 204, nil},
	} {
		answer := w.call(test.want, http.MethodPost, test.path, test.body)
		if test.code != nil && get(t, answer.body, "errors", 0, "code") != test.code {
			t.Errorf("%s %v: %s, want %v", test.path, test.body, answer.text, test.code)
		}
	}
	one, two := person(1).ID, person(2).ID
	w.effects(
		organisation.Effect{AccountID: one, Kind: "role-add", To: "atlassian/user " + jira},
		organisation.Effect{AccountID: one, Kind: "role-remove", From: "atlassian/user " + jira},
		organisation.Effect{AccountID: two, Kind: "role-add", To: "atlassian/org-admin"},
		organisation.Effect{AccountID: two, Kind: "role-remove", From: "atlassian/org-admin"},
	)
	w.noViolations()
}

func TestGroupRoles(t *testing.T) {
	w := start(t, twoDirectories, people(3)...)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(1)
	group := w.group(organisation.Group{Name: "finance", Default: true}, person(1).ID)
	path := admin("v2", "/directories/dir-1/groups/"+group.ID)
	grant := fields{"resourceId": jira, "roleId": "atlassian/user"}
	w.call(http.StatusOK, http.MethodPost, path+"/role-assignments/assign", grant)
	shown := w.call(http.StatusOK, http.MethodGet, path+"/role-assignments", nil)
	want := []any{fields{
		"resourceId": jira, "resourceOwner": "jira-software", "defaultRole": "atlassian/user",
		"roles": []any{"atlassian/user"},
	}}
	if diff := cmp.Diff(want, get(t, shown.body, "data")); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	crowd := w.group(organisation.Group{Name: "crowd"}, person(2).ID)
	w.call(http.StatusConflict, http.MethodPost,
		admin("v2", "/directories/dir-1/groups/"+crowd.ID+"/role-assignments/assign"), grant)
	w.call(http.StatusNoContent, http.MethodPost, path+"/role-assignments/revoke", grant)
	w.call(http.StatusNotFound, http.MethodPost, path+"/role-assignments/revoke", grant)
	w.call(http.StatusBadRequest, http.MethodPost, path+"/role-assignments/assign", fields{"resourceId": jira})
	w.call(http.StatusNotFound, http.MethodGet, admin("v2", "/directories/dir-1/groups/none/role-assignments"), nil)
	one := w.call(http.StatusOK, http.MethodGet, path, nil)
	if n := get(t, one.body, "data", "counts", "users"); n != 1.0 {
		t.Errorf("the group has %v members", n)
	}
	if get(t, one.body, "data", "managementAccess", "deletable") != false {
		t.Error("a default group can be deleted")
	}
	w.call(http.StatusNotFound, http.MethodGet, admin("v2", "/directories/dir-2/groups/"+group.ID), nil)
	w.noViolations()
}
