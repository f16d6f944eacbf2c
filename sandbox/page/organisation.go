package page

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
)

// organisationJSON is the right panel.
type organisationJSON struct {
	Name     string        `json:"name"`
	Domains  []domainJSON  `json:"domains"`
	Accounts []accountJSON `json:"accounts"`
	Groups   []teamJSON    `json:"groups"`
	Effects  []effectJSON  `json:"effects"` // in the order in which they took effect
}

// teamJSON is a group of the organisation.
type teamJSON struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Directory   string   `json:"directory"` // its name
	Description string   `json:"description,omitempty"`
	Marks       []string `json:"marks"` // what is special about it, in a word or two each
	Members     int      `json:"members"`
}

type domainJSON struct {
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
	Accounts int    `json:"accounts"`
}

type accountJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Email   string     `json:"email"`
	Type    string     `json:"type"`
	Status  string     `json:"status"`
	Managed bool       `json:"managed"`
	Hidden  bool       `json:"hidden,omitempty"`
	Admin   bool       `json:"admin,omitempty"`
	Groups  []string   `json:"groups"` // their names
	Locks   []lockJSON `json:"locks"`

	Directories []membershipJSON `json:"directories"`        // those that it is in
	Tokens      []string         `json:"tokens"`             // labels of its API tokens
	Deletion    string           `json:"deletion,omitempty"` // day on which it is deleted for good
}

// membershipJSON is an account's status in one directory.
type membershipJSON struct {
	Name   string `json:"name"`
	Status string `json:"status"` // active or suspended
}

type lockJSON struct {
	Privilege string `json:"privilege"`
	Reason    string `json:"reason"`
}

type effectJSON struct {
	Account string `json:"account"`
	Kind    string `json:"kind"`
	From    string `json:"from"`
	To      string `json:"to"`
	At      string `json:"at"` // RFC 3339 in UTC with a fixed width, so that text order is time order
}

// effectTime is RFC 3339 with nine digits, always: RFC3339Nano drops trailing zeros.
const effectTime = "2006-01-02T15:04:05.000000000Z"

func (p *Page) getOrganisation(w http.ResponseWriter, _ *http.Request) {
	shown := organisationJSON{Name: p.name, Domains: []domainJSON{}, Accounts: []accountJSON{}, Effects: []effectJSON{}}
	counts := make(map[string]int)
	groups, directories := p.organisation.Groups(), p.organisation.Directories()
	names, members := make(map[string]string), make(map[string]int)
	for _, group := range groups {
		names[group.ID] = group.Name
	}
	for _, account := range p.organisation.Accounts() {
		listed := accountJSON{
			ID: account.ID, Name: account.Name, Email: account.Email, Type: account.Type, Status: account.Status,
			Managed: account.Managed, Hidden: account.Hidden, Admin: account.OrgAdmin, Groups: []string{},
			Locks: []lockJSON{}, Directories: []membershipJSON{}, Tokens: []string{},
		}
		for _, directory := range directories {
			if status := cmp.Or(account.Memberships[directory.ID], account.Membership); status != "no_membership" {
				listed.Directories = append(listed.Directories, membershipJSON{directory.Name, status})
			}
		}
		for _, token := range account.Tokens {
			listed.Tokens = append(listed.Tokens, token.Label)
		}
		if !account.DeleteOn.IsZero() {
			listed.Deletion = account.DeleteOn.UTC().Format(time.DateOnly)
		}
		for _, group := range account.Groups {
			members[group]++
			listed.Groups = append(listed.Groups, names[group])
		}
		for privilege, reason := range account.Locks {
			listed.Locks = append(listed.Locks, lockJSON{Privilege: privilege, Reason: plainReason(reason)})
		}
		for _, problem := range account.LifecycleErrors {
			listed.Locks = append(listed.Locks, lockJSON{Privilege: "deactivation", Reason: cmp.Or(problem.Message, problem.Code)})
		}
		slices.SortFunc(listed.Locks, func(a, b lockJSON) int { return strings.Compare(a.Privilege, b.Privilege) })
		shown.Accounts = append(shown.Accounts, listed)
		if _, name, found := strings.Cut(account.Email, "@"); found {
			counts[strings.ToLower(name)]++
		}
	}
	shown.Groups = teams(groups, directories, members)
	for _, domain := range p.organisation.Domains() {
		shown.Domains = append(shown.Domains, domainJSON{
			Name: domain.Name, Verified: domain.Verified, Accounts: counts[strings.ToLower(domain.Name)],
		})
	}
	for _, effect := range p.organisation.Effects() {
		shown.Effects = append(shown.Effects, effectJSON{
			Account: effect.AccountID, Kind: effect.Kind, From: effect.From, To: effect.To, At: effect.At.UTC().Format(effectTime),
		})
	}
	answer(w, shown)
}

// teams returns the groups, each with what an approver or a helpdesk would want to know of it.
func teams(groups []organisation.Group, directories []organisation.Directory, members map[string]int) []teamJSON {
	in := make(map[string]string)
	for _, directory := range directories {
		in[directory.ID] = directory.Name
	}
	listed := []teamJSON{}
	for _, group := range groups {
		team := teamJSON{
			ID: group.ID, Name: group.Name, Directory: in[group.DirectoryID], Description: group.Description, Marks: []string{},
			Members: members[group.ID],
		}
		twice := slices.ContainsFunc(groups, func(other organisation.Group) bool {
			return other.ID != group.ID && strings.EqualFold(other.Name, group.Name)
		})
		for _, each := range []struct {
			is   bool
			mark string
		}{
			{group.Synced, "identity provider"},
			{group.OrgAdmins, "org admins"},
			{group.Unmodifiable, "not modifiable"},
			{group.Default, "default"},
			{len(group.Grants) > 0, "gives a product"},
			{twice, "name twice"},
		} {
			if each.is {
				team.Marks = append(team.Marks, each.mark)
			}
		}
		listed = append(listed, team)
	}
	return listed
}

// plainReason words a reason key of GET /users/{id}/manage.
func plainReason(key string) string {
	switch key {
	case "externalDirectory.scim":
		return "owned by the identity provider (SCIM)"
	case "externalDirectory.google":
		return "owned by Google Workspace"
	}
	return key
}
