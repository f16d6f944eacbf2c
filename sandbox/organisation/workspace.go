package organisation

import (
	"errors"
	"fmt"
	"slices"
)

// Workspace is an app on a site that an organisation pays seats for.
type Workspace struct {
	ID          string // ARI, such as ari:cloud:jira-software::site/1
	Name        string
	Type        string // as people read it, such as "Jira"
	TypeKey     string // such as jira-software
	URL         string // of the site
	DirectoryID string // default: the organisation's first directory
	Seats       int    // accounts that its licence allows; 0: as many as there are
}

// Grant is a role on a workspace, as a group gives it to its members or an account has it directly.
type Grant struct {
	Resource string // ARI of a workspace
	Role     string // atlassian/user, atlassian/admin, …
}

// freeRoles are the roles that cost no seat, from the description of roleIds in the organizations
// file.
var freeRoles = []string{
	"atlassian/customer", "atlassian/contributor", "atlassian/basic", "atlassian/stakeholder", "atlassian/user-access-admin",
}

// AddWorkspace adds a workspace, or replaces the one with the same id. One without an id or of a
// directory that is not there is refused, with an error and a violation.
func (o *Organisation) AddWorkspace(added Workspace) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if added.DirectoryID == "" {
		added.DirectoryID = o.directories[0].ID
	}
	var err error
	switch {
	case added.ID == "":
		err = errors.New("it has no id")
	case added.DirectoryID == "-" || !o.directory(added.DirectoryID):
		err = fmt.Errorf("directory %s is not there", added.DirectoryID)
	}
	if err != nil {
		o.violate("add workspace %s: %v", added.Name, err)
		return fmt.Errorf("add workspace %s: %w", added.Name, err)
	}
	defer o.pulse()
	if i := o.workspaceIndex(added.ID); i >= 0 {
		o.workspaces[i] = added
		return nil
	}
	o.workspaces = append(o.workspaces, added)
	return nil
}

// Workspaces returns the workspaces in the order in which they were added.
func (o *Organisation) Workspaces() []Workspace {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.workspaces)
}

func (o *Organisation) workspaceIndex(id string) int {
	return slices.IndexFunc(o.workspaces, func(each Workspace) bool { return each.ID == id })
}

// full reports whether one of the grants would give the account a seat where none is left. The
// caller holds o.mu.
func (o *Organisation) full(r *record, grants []Grant) bool {
	for _, each := range grants {
		i := o.workspaceIndex(each.Resource)
		if i < 0 || slices.Contains(freeRoles, each.Role) {
			continue
		}
		workspace := o.workspaces[i]
		if workspace.Seats > 0 && !o.seated(r, workspace) && o.taken(workspace) >= workspace.Seats {
			return true
		}
	}
	return false
}

// taken returns how many seats of a workspace are in use. The caller holds o.mu.
func (o *Organisation) taken(workspace Workspace) int {
	seats := 0
	for _, each := range o.order {
		if each.Status == "active" && each.membershipIn(workspace.DirectoryID) == "active" && o.seated(each, workspace) {
			seats++
		}
	}
	return seats
}

// seated reports whether the account has a role on the workspace that costs a seat, suspended or
// not. The caller holds o.mu.
func (o *Organisation) seated(r *record, workspace Workspace) bool {
	paid := func(each Grant) bool {
		return each.Resource == workspace.ID && !slices.Contains(freeRoles, each.Role)
	}
	if slices.ContainsFunc(r.Roles, paid) {
		return true
	}
	return slices.ContainsFunc(o.groups, func(group Group) bool {
		return r.in(group.ID) && slices.ContainsFunc(group.Grants, paid)
	})
}

// membershipIn returns the account's membership status in one directory.
func (a *Account) membershipIn(directory string) string {
	if status, special := a.Memberships[directory]; special {
		return status
	}
	return a.Membership
}
