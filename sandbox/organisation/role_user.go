package organisation

import (
	"encoding/json"
	"net/http"
	"slices"
)

// userRole returns the path's account and the role that a v1 write names; resource is ignored for
// atlassian/org-admin. The caller holds o.mu.
func (o *Organisation) userRole(x *exchange, platform bool) (*record, Grant, answer) {
	if x.path[0] != o.orgID {
		return nil, Grant{}, o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-3", "Not found", "")
	}
	fields, err := object(x.body)
	if err != nil {
		return nil, Grant{}, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-1", "Bad request", err.Error())
	}
	declared := []string{"role"}
	if !platform {
		declared = append(declared, "resource")
	}
	o.checkFields(x, fields, declared...)
	var grant Grant
	_, resource := fields["resource"]
	if json.Unmarshal(fields["role"], &grant.Role) != nil || platform && grant.Role != orgAdminRole ||
		resource && json.Unmarshal(fields["resource"], &grant.Resource) != nil {
		return nil, Grant{}, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-1", "Bad request", "role is not valid")
	}
	found, known := o.accounts[x.path[1]]
	if !known || !found.shown() {
		return nil, Grant{}, o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-3", "Not found", "")
	}
	if grant.Role == orgAdminRole {
		return found, Grant{Role: orgAdminRole}, answer{}
	}
	if !slices.Contains(canonicalRoles, grant.Role) {
		return nil, Grant{}, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-3", "Invalid role for the resource", "")
	}
	if o.workspaceIndex(grant.Resource) < 0 {
		return nil, Grant{}, o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-3", "Not found", "unknown resource")
	}
	return found, grant, answer{}
}

// assignRole is POST /admin/v1/orgs/{orgId}/users/{userId}/roles/assign. Assigning what is there is
// 204 without an effect.
func (o *Organisation) assignRole(x *exchange) answer { return o.giveRole(x, false) }

// assignPlatformRole is POST …/users/{userId}/role-assignments/assign, which knows
// atlassian/org-admin alone. It takes effect at once here, up to 30 s later there.
func (o *Organisation) assignPlatformRole(x *exchange) answer { return o.giveRole(x, true) }

func (o *Organisation) giveRole(x *exchange, platform bool) answer {
	found, grant, refused := o.userRole(x, platform)
	switch {
	case found == nil:
		return refused
	case grant.Role == orgAdminRole && found.OrgAdmin, slices.Contains(found.Roles, grant):
		return noContent()
	case grant.Resource != "" && found.membershipIn(o.grantDirectory(grant)) == "no_membership":
		return o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-3", "Not found", notInDirectory)
	case o.full(found, []Grant{grant}):
		return o.adminErrors(http.StatusConflict, "ADMIN-UAM-409-3", "Product license limit exceeded", "")
	}
	o.change(found, func(a *Account) {
		if grant.Role == orgAdminRole {
			a.OrgAdmin = true
			return
		}
		a.Roles = append(a.Roles, grant)
	})
	o.effect(Effect{AccountID: found.ID, Kind: "role-add", To: grant.text()})
	return noContent()
}

// revokeRole is POST /admin/v1/orgs/{orgId}/users/{userId}/roles/revoke. Revoking what is not there
// is 204 without an effect.
func (o *Organisation) revokeRole(x *exchange) answer { return o.takeRole(x, false) }

// revokePlatformRole is POST …/users/{userId}/role-assignments/revoke.
func (o *Organisation) revokePlatformRole(x *exchange) answer { return o.takeRole(x, true) }

func (o *Organisation) takeRole(x *exchange, platform bool) answer {
	found, grant, refused := o.userRole(x, platform)
	if found == nil {
		return refused
	}
	if grant.Role == orgAdminRole && !found.OrgAdmin || grant.Role != orgAdminRole && !slices.Contains(found.Roles, grant) {
		return noContent()
	}
	o.change(found, func(a *Account) {
		if grant.Role == orgAdminRole {
			a.OrgAdmin = false
			return
		}
		a.Roles = slices.DeleteFunc(a.Roles, func(each Grant) bool { return each == grant })
	})
	o.effect(Effect{AccountID: found.ID, Kind: "role-remove", From: grant.text()})
	return noContent()
}

// text returns the grant as an effect names it.
func (g Grant) text() string {
	if g.Resource == "" {
		return g.Role
	}
	return g.Role + " " + g.Resource
}
