package workflow

import (
	"slices"
	"strings"
)

// Traits are what rules ask about a plan. They are stored with it, so that a decision can be held
// against the rules of its day without asking Atlassian again.
type Traits struct {
	Changes      int           `json:"changes,omitempty"` // that would run
	Actions      []ActionName  `json:"actions,omitempty"`
	Domains      []string      `json:"domains,omitempty"`    // of old and new addresses
	Groups       []string      `json:"groups,omitempty"`     // of those that the settings name, these have members in the plan
	OrgAdmins    int           `json:"org_admins,omitempty"` // accounts of organisation admins
	AdminChanges []AdminChange `json:"ranked,omitempty"`     // what would happen to these, each kind once
	Asked        []string      `json:"asked,omitempty"`      // the groups that the settings named when it was checked
	NoGroups     []string      `json:"no_groups,omitempty"`  // of these, Atlassian has none of that name
	Touched      []string      `json:"touched,omitempty"`    // of these, what accounts are added to or leave
	Unnamed      bool          `json:"unnamed,omitempty"`    // accounts are added to a group, or leave one, whose name nobody knows
	// Accounts are the addresses of the accounts that the settings name for people, by their ids:
	// "" for those not found.
	Accounts map[string]string `json:"accounts,omitempty"`
}

// AdminChange is one kind of change to accounts of organisation admins: as much of it as the rules
// that allow it ask about.
type AdminChange struct {
	Action  ActionName `json:"action"`
	Domains []string   `json:"domains,omitempty"` // of the old and the new address
	Groups  []string   `json:"groups,omitempty"`  // of those that the settings name
}

// AdminChangeOf returns what kind of change the action makes of an organisation admin's account, as
// far as rules about the asked groups go.
func AdminChangeOf(a Account, target string, action ActionName, asked []string) AdminChange {
	r := AdminChange{Action: action}
	for _, address := range []string{a.Email, target} {
		if domain := Domain(address); domain != "" {
			r.Domains = append(r.Domains, domain)
		}
	}
	for _, g := range a.Groups {
		if key := GroupKey(g); slices.Contains(asked, key) {
			r.Groups = append(r.Groups, key)
		}
	}
	return r
}

// Same reports whether both are one kind of change.
func (r AdminChange) Same(s AdminChange) bool {
	return r.Action == s.Action && slices.Equal(r.Domains, s.Domains) && slices.Equal(r.Groups, s.Groups)
}

// Asker is who asked for a batch: the ids of requester and author, with the user groups of the
// policy that one of them is in. Of those in Unread nobody knows.
type Asker struct {
	People []string
	Groups []string
	Unread []string
	// Emergency says that requester and author are in the emergency group.
	Emergency bool
	// Unclear says that they may be in it, and that the batch would be an emergency then: Slack does not
	// show the group.
	Unclear bool
}

// Demand is how many people must approve a plan, and why.
type Demand struct {
	Approvals int
	Why       []string // what the rules that ask for as many go by, in words; empty where no rule asks for more
	Emergency bool
}

// IsUserGroup reports whether a Slack id is one of a user group.
func IsUserGroup(id string) bool { return strings.HasPrefix(id, "S") }
