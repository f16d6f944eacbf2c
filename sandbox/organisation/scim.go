package organisation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// SCIMLink is the record of an account in a SCIM directory.
type SCIMLink struct {
	DirectoryID string
	UserID      string // of the record
}

// scimLinkJSON is one entry of the answers below. They are in no OpenAPI file; the names are those
// that jira.js has measured.
type scimLinkJSON struct {
	AccountID   string `json:"atlassianAccountId,omitempty"`
	DirectoryID string `json:"directoryId"`
	OrgID       string `json:"orgId"`
	UserID      string `json:"scimUserId"`
}

// Edit changes an account that is there in one step: what a SCIM directory did. A change to what
// cannot be is refused and leaves the account as it was.
func (o *Organisation) Edit(id string, edit func(*Account)) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, ok := o.accounts[id]
	if !ok {
		return fmt.Errorf("edit account %s: %w", id, errNoAccount)
	}
	next := found.clone()
	edit(&next)
	if next.ID != id {
		return fmt.Errorf("edit account %s: its id stays", id)
	}
	if err := o.possible(next); err != nil {
		return fmt.Errorf("edit account %s: %w", id, err)
	}
	o.change(found, func(a *Account) { *a = next })
	return nil
}

var errNoAccount = errors.New("the account is not there")

// Holder returns the account that holds an address, a hidden one, too.
func (o *Organisation) Holder(address string) (Account, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	id, taken := o.holders[addressKey(address)]
	if !taken || address == "" {
		return Account{}, false
	}
	return o.accounts[id].clone(), true
}

// getSCIMLinks is GET /admin/user-provisioning/v1/org/{orgId}/user/{accountId}/get-scim-links.
func (o *Organisation) getSCIMLinks(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	found, known := o.accounts[x.path[1]]
	if !known || !found.listed() {
		return o.noUser("")
	}
	return o.scimLinks(found)
}

// findSCIMLinks is POST /admin/user-provisioning/v1/org/{orgId}/get-scim-links-for-email.
func (o *Organisation) findSCIMLinks(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	fields, err := object(x.body)
	if err != nil {
		return o.badRequest(err.Error())
	}
	o.checkFields(x, fields, "email")
	var address string
	if json.Unmarshal(fields["email"], &address) != nil || address == "" {
		return o.badRequest("email is required")
	}
	found, known := o.accounts[o.holders[addressKey(address)]]
	if !known || !found.listed() {
		return success(map[string][]scimLinkJSON{"scimLinks": {}})
	}
	return o.scimLinks(found)
}

func (o *Organisation) scimLinks(r *record) answer {
	links := []scimLinkJSON{}
	for _, each := range r.SCIM {
		links = append(links, scimLinkJSON{r.ID, each.DirectoryID, o.orgID, each.UserID})
	}
	return success(map[string][]scimLinkJSON{"scimLinks": links})
}

// LinkSCIM ties the account to a record of a SCIM directory, which then owns its address, name and
// status.
func (a *Account) LinkSCIM(link SCIMLink) {
	a.SCIM = append(a.SCIM, link)
	if a.Locks == nil {
		a.Locks = make(map[string]string)
	}
	for _, each := range scimOwns {
		if a.Locks[each] == "" {
			a.Locks[each] = scimLock
		}
	}
}

// UnlinkSCIM undoes LinkSCIM.
func (a *Account) UnlinkSCIM(directory string) {
	a.SCIM = slices.DeleteFunc(a.SCIM, func(each SCIMLink) bool { return each.DirectoryID == directory })
	if len(a.SCIM) > 0 {
		return
	}
	for _, each := range scimOwns {
		if a.Locks[each] == scimLock {
			delete(a.Locks, each)
		}
	}
}

const scimLock = "externalDirectory.scim"

// scimOwns are the privileges that a SCIM directory takes from everybody else.
var scimOwns = []string{"email.set", "profile.write/name", "lifecycle.enablement"}
