package organisation

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// maxInvited is the most addresses of an invitation; the document writes it as the maximum of a
// list, which validates nothing.
const maxInvited = 25

// invitation is the schema MultidirectoryInviteApiRequest.
type invitation struct {
	Emails           []string     `json:"emails"`
	PermissionRules  []inviteRule `json:"permissionRules"`
	AdditionalGroups []string     `json:"additionalGroups"`
	SendNotification bool         `json:"sendNotification"`
	NotificationText string       `json:"notificationText"`
}

type inviteRule struct {
	Resource string `json:"resource"`
	Role     string `json:"role"`
}

// invitedJSON is the schema AdminInviteResponse.
type invitedJSON struct {
	ID      string             `json:"id,omitempty"`
	Email   string             `json:"email"`
	Results []inviteResultJSON `json:"results"`
}

// inviteResultJSON is the schema SingleAdminInviteResult.
type inviteResultJSON struct {
	Roles  []roleResultJSON  `json:"roleAssignmentResult"`
	Groups []groupResultJSON `json:"groupAssignmentResult"`
}

type roleResultJSON struct {
	Resource string  `json:"resource"`
	Role     string  `json:"role"`
	Status   string  `json:"status"` // INVITED or ERROR
	Reason   *string `json:"statusReason,omitempty"`
}

type groupResultJSON struct {
	Group  string  `json:"group"`
	Status string  `json:"status"`
	Reason *string `json:"statusReason,omitempty"`
}

// SetFree takes the paid subscription from the organisation, or gives it back; without one it
// invites nobody (402).
func (o *Organisation) SetFree(free bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.free = free
}

// invite is POST /admin/v2/orgs/{orgId}/users/invite: 200, or 206 where at least one address could
// not be invited. What is wrong with the invitation itself refuses it whole, and so does an app
// without any seat left; where the seats end on the way, the addresses after that are errors. An
// invitation that names neither app nor group adds to the first directory, as it has to add
// somewhere.
func (o *Organisation) invite(x *exchange) answer {
	wanted, refused := o.readInvitation(x)
	if wanted == nil {
		return refused
	}
	grants := make([]Grant, 0, len(wanted.PermissionRules))
	for _, each := range wanted.PermissionRules {
		grants = append(grants, Grant(each))
	}
	all := slices.Clone(grants)
	for _, id := range wanted.AdditionalGroups {
		all = append(all, o.findGroup("-", id).Grants...)
	}
	if o.full(&record{}, all) {
		return o.adminErrors(http.StatusConflict, "ADMIN-UAM-409-3", "Product license limit exceeded", "")
	}
	status := http.StatusOK
	shown := []invitedJSON{}
	for _, address := range wanted.Emails {
		reason := ""
		if failing := o.faults.InviteError; failing != nil {
			reason = failing(address)
		}
		if reason == "" && brokenAddress(address) != "" {
			reason = "the email address is not valid"
		}
		holder := o.accounts[o.holders[addressKey(address)]]
		if reason == "" && (holder != nil && o.full(holder, all) || holder == nil && o.full(&record{}, all)) {
			reason = "the user limit is exceeded"
		}
		entry := invitedJSON{Email: address, Results: []inviteResultJSON{inviteResult(wanted, reason)}}
		if reason == "" {
			entry.ID = o.admit(holder, address, wanted, grants)
		} else {
			status = http.StatusPartialContent
		}
		shown = append(shown, entry)
	}
	return answer{status: status, body: map[string][]invitedJSON{"data": shown}}
}

// readInvitation reads the body, or refuses the whole call. The caller holds o.mu.
func (o *Organisation) readInvitation(x *exchange) (*invitation, answer) {
	if x.path[0] != o.orgID {
		return nil, o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-2", "Organization not found", "")
	}
	bad := func(detail string) (*invitation, answer) {
		return nil, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-1", "Bad request", detail)
	}
	fields, err := object(x.body)
	if err != nil {
		return bad(err.Error())
	}
	o.checkFields(x, fields, "emails", "permissionRules", "additionalGroups", "sendNotification", "notificationText")
	wanted := new(invitation)
	if json.Unmarshal(x.body, wanted) != nil {
		return bad("a field has the wrong type")
	}
	if len(wanted.Emails) < 1 || len(wanted.Emails) > maxInvited {
		return bad(fmt.Sprintf("emails must have 1 to %d entries", maxInvited))
	}
	if o.free {
		return nil, o.adminErrors(http.StatusPaymentRequired, "ADMIN-UAM-402-1", "Payment required", "")
	}
	for _, each := range wanted.PermissionRules {
		switch {
		case !slices.Contains(canonicalRoles, each.Role):
			return nil, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-3", "Invalid role for the resource", each.Role)
		case o.workspaceIndex(each.Resource) < 0:
			return nil, o.adminErrors(http.StatusBadRequest, "ADMIN-UAM-400-4", "Product not licensed", each.Resource)
		}
	}
	for _, id := range wanted.AdditionalGroups {
		group := o.findGroup("-", id)
		if group == nil {
			return nil, o.adminErrors(http.StatusNotFound, "ADMIN-UAM-404-3", "Group not found", id)
		}
		if group.Synced || group.Unmodifiable || group.OrgAdmins {
			return nil, o.adminErrors(http.StatusForbidden, "ADMIN-UAM-403-1", "Forbidden", "the group takes no members: "+id)
		}
	}
	return wanted, answer{}
}

func inviteResult(wanted *invitation, reason string) inviteResultJSON {
	status, why := "INVITED", (*string)(nil)
	if reason != "" {
		status, why = "ERROR", &reason
	}
	result := inviteResultJSON{Roles: []roleResultJSON{}, Groups: []groupResultJSON{}}
	for _, each := range wanted.PermissionRules {
		result.Roles = append(result.Roles, roleResultJSON{each.Resource, each.Role, status, why})
	}
	for _, id := range wanted.AdditionalGroups {
		result.Groups = append(result.Groups, groupResultJSON{id, status, why})
	}
	return result
}

// Admit gives the id of the account that holds an address, and makes one where nobody does: what
// happens when somebody is created on one of the organisation's sites. They are in the first
// directory then.
func (o *Organisation) Admit(address string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	holder := o.accounts[o.holders[addressKey(address)]]
	if holder == nil {
		holder = o.newHolder(address)
	}
	o.change(holder, func(a *Account) {
		if a.membershipIn(o.directories[0].ID) == "no_membership" {
			o.putMembership(a, o.directories[0].ID, "active")
		}
	})
	return holder.ID
}

// newHolder adds an account for an address, in no directory yet. The caller holds o.mu.
func (o *Organisation) newHolder(address string) *record {
	name, _, _ := strings.Cut(address, "@")
	o.sequence++
	holder := &record{sequence: o.sequence, Account: Account{
		ID: "712020:" + o.newID(), Name: name, Nickname: cut(name, maxNickname), Email: address, Type: "atlassian",
		Status: "active", Membership: "no_membership", Managed: o.verified(domainOf(address)),
		AddedToOrg: now().Format("2006-01-02T15:04:05.000Z"),
	}}
	o.accounts[holder.ID] = holder
	o.order = append(o.order, holder)
	o.holders[addressKey(address)] = holder.ID
	return holder
}

// admit adds the holder of the address, or a new account, and returns its id. The caller holds
// o.mu.
func (o *Organisation) admit(holder *record, address string, wanted *invitation, grants []Grant) string {
	if holder == nil {
		holder = o.newHolder(address)
	}
	var directories []string
	for _, each := range grants {
		directories = append(directories, o.grantDirectory(each))
	}
	for _, id := range wanted.AdditionalGroups {
		directories = append(directories, o.findGroup("-", id).DirectoryID)
	}
	if len(directories) == 0 {
		directories = []string{o.directories[0].ID}
	}
	o.change(holder, func(a *Account) {
		a.Hidden = false
		for _, each := range directories {
			if a.membershipIn(each) == "no_membership" {
				o.putMembership(a, each, "active")
			}
		}
		for _, each := range grants {
			if !slices.Contains(a.Roles, each) {
				a.Roles = append(a.Roles, each)
			}
		}
		for _, id := range wanted.AdditionalGroups {
			if id = strings.TrimPrefix(id, groupARI); !slices.Contains(a.Groups, id) {
				a.Groups = append(a.Groups, id)
			}
		}
	})
	done := Effect{AccountID: holder.ID, Kind: "invite", To: address, Mailed: wanted.SendNotification}
	if done.Mailed {
		done.Message = wanted.NotificationText
	}
	o.effect(done)
	return holder.ID
}
