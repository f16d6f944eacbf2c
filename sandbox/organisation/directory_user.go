package organisation

import (
	"net/http"
	"slices"
)

// suspendUser is POST /admin/v2/orgs/{orgId}/directories/{directoryId}/users/{accountId}/suspend:
// the account loses its access by this directory and keeps its groups and roles there. Suspending
// twice is 204, and an effect; an organisation admin is refused, as in the console (whether the API
// does is not documented).
func (o *Organisation) suspendUser(x *exchange) answer {
	return o.setMembership(x, "suspend", "suspended")
}

// restoreUser is POST …/users/{accountId}/restore. It is refused where a licence has no seat for
// the account (ADMIN-400-32, from the call that it replaced).
func (o *Organisation) restoreUser(x *exchange) answer {
	return o.setMembership(x, "restore", "active")
}

func (o *Organisation) setMembership(x *exchange, kind, to string) answer {
	if refused, no := o.emptyBody(x); no {
		return refused
	}
	if refused, no := o.noDirectory(x); no {
		return refused
	}
	found, refused := o.directoryMember(x.path[2], x.path[1])
	if found == nil {
		return refused
	}
	from := found.membershipIn(x.path[1])
	switch {
	case kind == "suspend" && found.OrgAdmin:
		return o.adminErrors(http.StatusForbidden, "ADMIN-UAM-403-1", "Forbidden", "the user is an organization admin")
	case from == "suspended" && to == "active" && o.noSeats(found, x.path[1]):
		return o.adminErrors(http.StatusBadRequest, "ADMIN-400-32", "Too many licence breaches", "")
	}
	o.change(found, func(a *Account) { o.putMembership(a, x.path[1], to) })
	o.effect(Effect{AccountID: found.ID, Kind: kind, Directory: x.path[1], From: from, To: to})
	return noContent()
}

// removeUser is DELETE …/users/{accountId}: the groups and roles of the directory are lost. A
// managed account stays in the list with no_membership; another that is in no directory any more is
// gone from it, and goes on holding its address.
func (o *Organisation) removeUser(x *exchange) answer {
	if refused, no := o.noDirectory(x); no {
		return refused
	}
	directory := x.path[1]
	found, refused := o.directoryMember(x.path[2], directory)
	if found == nil {
		return refused
	}
	if found.OrgAdmin {
		return o.adminErrors(http.StatusForbidden, "ADMIN-UAM-403-1", "Forbidden", "the user is an organization admin")
	}
	from := found.membershipIn(directory)
	o.change(found, func(a *Account) {
		o.putMembership(a, directory, "no_membership")
		a.Groups = slices.DeleteFunc(a.Groups, func(id string) bool { return o.groupDirectory(id) == directory })
		a.Roles = slices.DeleteFunc(a.Roles, func(each Grant) bool { return o.grantDirectory(each) == directory })
		a.Hidden = a.Hidden || !a.Managed && o.membership(a) == "no_membership"
	})
	o.effect(Effect{AccountID: found.ID, Kind: "remove", Directory: directory, From: from, To: "no_membership"})
	return noContent()
}

// membership returns the status that the v2 directory shows: the best that the account has in any
// directory, so that one suspension of two does not show. The caller holds o.mu.
func (o *Organisation) membership(a *Account) string {
	best := "no_membership"
	for _, each := range o.directories {
		switch a.membershipIn(each.ID) {
		case "active":
			return "active"
		case "suspended":
			best = "suspended"
		}
	}
	return best
}

// putMembership sets the status in one directory. The caller holds o.mu.
func (o *Organisation) putMembership(a *Account, directory, status string) {
	if len(o.directories) == 1 {
		a.Membership, a.Memberships = status, nil
		return
	}
	if a.Memberships == nil {
		a.Memberships = make(map[string]string)
	}
	a.Memberships[directory] = status
}

// noSeats reports whether a licence is full that the account would use again. The caller holds
// o.mu.
func (o *Organisation) noSeats(r *record, directory string) bool {
	for _, each := range o.workspaces {
		if each.DirectoryID == directory && each.Seats > 0 && o.seated(r, each) && o.taken(each) >= each.Seats {
			return true
		}
	}
	return false
}

func (o *Organisation) groupDirectory(id string) string {
	for _, each := range o.groups {
		if each.ID == id {
			return each.DirectoryID
		}
	}
	return ""
}

func (o *Organisation) grantDirectory(grant Grant) string {
	if i := o.workspaceIndex(grant.Resource); i >= 0 {
		return o.workspaces[i].DirectoryID
	}
	return ""
}
