package organisation

import (
	"net/http"
	"slices"
)

// memberJSON is the schemas MultiDirectoryUser and MultiDirectoryUserDetailsData (v2: camelCase).
type memberJSON struct {
	AccountID        string            `json:"accountId"`
	AccountType      string            `json:"accountType"`
	AccountStatus    string            `json:"accountStatus"`
	MembershipStatus string            `json:"membershipStatus"`
	Status           string            `json:"status"`
	ClaimStatus      string            `json:"claimStatus"`
	ManagementSource *string           `json:"managementSource"`
	Email            string            `json:"email,omitempty"`
	EmailVerified    bool              `json:"emailVerified"`
	Name             string            `json:"name"`
	Nickname         string            `json:"nickname"`
	Picture          string            `json:"picture"`
	Avatar           string            `json:"avatar"`
	AddedToOrg       string            `json:"addedToOrg,omitempty"`
	DeactivatedOn    string            `json:"deactivatedOn,omitempty"` // details only
	JobTitle         string            `json:"jobTitle,omitempty"`
	Department       string            `json:"department,omitempty"`
	Organization     string            `json:"organization,omitempty"`
	Location         string            `json:"location,omitempty"`
	TimeZone         string            `json:"timeZone,omitempty"`
	MFAEnabled       bool              `json:"mfaEnabled"`
	PlatformRoles    *[]string         `json:"platformRoles,omitempty"`
	Groups           *[]userGroupJSON  `json:"groups,omitempty"`
	ProductAccess    *[]lastActiveJSON `json:"productAccess,omitempty"`
	Counts           *countsJSON       `json:"counts,omitempty"`
	Links            *selfJSON         `json:"links,omitempty"` // search only
}

// lastActiveJSON is the schema MultiDirectoryProductAccess.
type lastActiveJSON struct {
	ID         string `json:"id"`
	Key        string `json:"key"`
	LastActive string `json:"lastActiveTimestamp,omitempty"`
}

type countsJSON struct {
	Resources int `json:"resources"`
}

// getDirectoryUser is GET /admin/v2/orgs/{orgId}/directories/{directoryId}/users/{accountId}.
func (o *Organisation) getDirectoryUser(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	if !o.directory(x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-1", "Unknown resource", "directory not found")
	}
	found, known := o.accounts[x.path[2]]
	if !known || !found.shown() || !o.listedIn(found, x.path[1]) {
		return o.adminErrors(http.StatusNotFound, "ADMIN-404-8", "User not found", "")
	}
	shown := o.member(found, x.path[1], []string{"platformRoles", "counts.resources"})
	shown.Links = nil
	if found.Status == "inactive" {
		shown.DeactivatedOn = found.deactivatedOn.Format("2006-01-02T15:04:05.000Z")
	}
	return success(map[string]memberJSON{"data": shown})
}

// member returns an account as the v2 directory shows it.
func (o *Organisation) member(r *record, directory string, expand []string) memberJSON {
	shown := memberJSON{
		AccountID:        r.ID,
		AccountType:      r.Type,
		AccountStatus:    r.Status,
		MembershipStatus: o.membership(&r.Account),
		Status:           o.composite(&r.Account),
		ClaimStatus:      r.claim(),
		Email:            r.Email,
		EmailVerified:    !r.Unverified,
		Name:             r.Name,
		Nickname:         r.Nickname,
		Picture:          picture(r.Account),
		Avatar:           picture(r.Account),
		AddedToOrg:       r.AddedToOrg,
		JobTitle:         r.Profile.JobTitle,
		Department:       r.Profile.Department,
		Organization:     r.Profile.Organization,
		Location:         r.Profile.Location,
		TimeZone:         r.TimeZone,
		Links:            &selfJSON{Self: o.makeCursor("member", r.ID)},
	}
	if r.Managed { // unmanaged accounts: "could not be determined"
		source := "invited"
		if r.Locks["email.set"] == "externalDirectory.scim" {
			source = "synced"
		}
		shown.ManagementSource = &source
	}
	if slices.Contains(expand, "platformRoles") {
		roles := []string{}
		if r.OrgAdmin {
			roles = append(roles, "atlassian/org-admin")
		}
		shown.PlatformRoles = &roles
	}
	if slices.Contains(expand, "groups") {
		groups := o.memberships(r, directory)
		shown.Groups = &groups
	}
	if slices.Contains(expand, "counts.resources") {
		shown.Counts = &countsJSON{Resources: len(r.Products)}
	}
	if slices.Contains(expand, "productAccess") {
		products := make([]lastActiveJSON, 0, len(r.Products))
		for _, each := range r.Products {
			products = append(products, lastActiveJSON{
				ID: "ari:cloud:" + each.Key + "::site/" + o.orgID, Key: each.Key, LastActive: each.LastActive,
			})
		}
		shown.ProductAccess = &products
	}
	return shown
}

// composite returns the status that the v2 directory makes of account status and membership.
func (o *Organisation) composite(a *Account) string {
	membership := o.membership(a)
	switch {
	case !a.DeleteOn.IsZero():
		return "for_deletion"
	case a.Status == "inactive", a.Status == "closed":
		return "deactivated"
	case membership == "suspended":
		return "suspended"
	case membership == "no_membership":
		return "not_invited"
	}
	return "active"
}

func (a *Account) claim() string {
	if a.Managed {
		return "managed"
	}
	return "unmanaged"
}
