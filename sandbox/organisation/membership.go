package organisation

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// What a call about a group's members may be refused with. The bodies of these refusals are not
// specified; the codes are those of the organizations file's list.
const (
	conflictDetail = "The user is already in the group or you've exceeded your user limit for an app " +
		"that the group grants access to."
	notInDirectory = "the user is not in the directory"
)

// addMembership is POST
// /admin/v2/orgs/{orgId}/directories/{directoryId}/groups/{groupId}/memberships. A member already
// and a full licence are one answer (409 with the same text), as the documents say.
func (o *Organisation) addMembership(x *exchange) answer {
	group, refused := o.ownGroup(x)
	if group == nil {
		return refused
	}
	fields, err := object(x.body)
	if err != nil {
		return o.badRequest(err.Error())
	}
	var id string
	if json.Unmarshal(fields["accountId"], &id) != nil || id == "" {
		return o.badRequest("accountId is required")
	}
	o.checkFields(x, fields, "accountId")
	member, refused := o.directoryMember(id, group.DirectoryID)
	if member == nil {
		return refused
	}
	if member.in(group.ID) || o.full(member, group.Grants) {
		return o.adminErrors(http.StatusConflict, "ADMIN-409-28", "Conflict", conflictDetail)
	}
	o.change(member, func(a *Account) { a.Groups = append(a.Groups, group.ID) })
	o.effect(Effect{AccountID: id, Kind: "group-add", To: group.ID})
	return noContent()
}

// removeMembership is DELETE …/groups/{groupId}/memberships/{accountId}. What a person who is no
// member gets is not documented: 404 here.
func (o *Organisation) removeMembership(x *exchange) answer {
	group, refused := o.ownGroup(x)
	if group == nil {
		return refused
	}
	member, refused := o.directoryMember(x.path[3], group.DirectoryID)
	if member == nil {
		return refused
	}
	if !member.in(group.ID) {
		return o.noUser("the user is not in the group")
	}
	o.change(member, func(a *Account) {
		a.Groups = slices.DeleteFunc(a.Groups, func(each string) bool { return each == group.ID })
	})
	o.effect(Effect{AccountID: member.ID, Kind: "group-remove", From: group.ID})
	return noContent()
}

// ownGroup returns the group whose members a write is about, or the answer that refuses: one that
// an identity provider owns, that cannot be modified, or that makes organisation admins. The caller
// holds o.mu.
func (o *Organisation) ownGroup(x *exchange) (*Group, answer) {
	if refused, no := o.noDirectory(x); no {
		return nil, refused
	}
	group := o.findGroup(x.path[1], x.path[2])
	switch {
	case group == nil:
		return nil, o.noGroup()
	case group.OrgAdmins:
		return nil, o.adminErrors(http.StatusForbidden, "ADMIN-403-7", "Forbidden",
			"the group grants organization admin access; assign the role instead")
	case group.Synced:
		return nil, o.adminErrors(http.StatusForbidden, "ADMIN-403-5", "Forbidden",
			"the group is synced from an identity provider")
	case group.Unmodifiable:
		return nil, o.adminErrors(http.StatusForbidden, "ADMIN-403-5", "Forbidden", "the group cannot be modified")
	default:
		return group, answer{}
	}
}

// findGroup returns the group of a directory ("-" for all) with this id, or nil. The caller holds
// o.mu.
func (o *Organisation) findGroup(directory, id string) *Group {
	id = strings.TrimPrefix(id, groupARI)
	i := slices.IndexFunc(o.groups, func(each Group) bool {
		return each.ID == id && (directory == "-" || each.DirectoryID == directory)
	})
	if i < 0 {
		return nil
	}
	return &o.groups[i]
}

func (o *Organisation) noGroup() answer {
	return o.adminErrors(http.StatusNotFound, "ADMIN-404-10", "Group not found", "")
}

// noDirectory refuses a write whose organisation or directory is not there. "-" is for reads alone:
// the documents do not offer it on writes. The caller holds o.mu.
func (o *Organisation) noDirectory(x *exchange) (answer, bool) {
	if x.path[0] != o.orgID {
		return o.noOrg(), true
	}
	if x.path[1] == "-" {
		o.violate("%s %s: a write names its directory", x.call.Method, x.call.Path)
	}
	if x.path[1] == "-" || !o.directory(x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "directory not found"), true
	}
	return answer{}, false
}

// directoryMember returns an account that is in the directory, suspended or not, or the answer that
// refuses. The caller holds o.mu.
func (o *Organisation) directoryMember(id, directory string) (*record, answer) {
	found, known := o.accounts[id]
	switch {
	case !known || !found.shown():
		return nil, o.noUser("")
	case found.membershipIn(directory) == "no_membership":
		return nil, o.noUser(notInDirectory)
	}
	return found, answer{}
}

func (o *Organisation) noUser(detail string) answer {
	return o.adminErrors(http.StatusNotFound, "ADMIN-404-8", "User not found", detail)
}

// checkFields records fields of a body that the documents do not know.
func (o *Organisation) checkFields(x *exchange, fields map[string]json.RawMessage, declared ...string) {
	for name := range fields {
		if !slices.Contains(declared, name) {
			o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
		}
	}
}
