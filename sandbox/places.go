package sandbox

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/site"
)

// The places beside the organisation's first directory.
const (
	partnersID = "c2f5d9a1-3b64-4e0f-8a72-1d9e6c4b7f30" // a second directory of the organisation
	oursID     = "8b1f0c7e-52a9-4d36-9f08-6e2a4c915d77" // a SCIM directory whose key we hold
	providerID = "1e7a3d94-c0b6-4f52-a8d1-f59b7e360c2a" // a SCIM directory of an identity provider

	scimKey      = "scim-sandbox-hr"
	providerKey  = "scim-sandbox-okta" // nobody but the provider has it
	siteEmail    = "jira-admin@" + oldDomain
	siteToken    = "ATATT3xFfGF0-sandbox"
	jiraID       = "ari:cloud:jira-software::site/6f0e0a52"
	confluenceID = "ari:cloud:confluence::site/6f0e0a52"
	bitbucketID  = "ari:cloud:bitbucket::site/6f0e0a52"
)

// ours is how many of the accounts that SCIM owns are in the directory of ours.
const ours = 4

// tokenOwners is how many accounts have API tokens, two each.
const tokenOwners = 40

const (
	confluenceUsers = "confluence-users"
	bitbucketUsers  = "bitbucket-users"
	contractors     = "contractors"
	allStaff        = "all-staff"
	orgAdmins       = "org-admins"
	providerGroup   = "everyone-okta"
	ourGroup        = "hr-people"
)

// workspaces returns what the company pays for. Bitbucket has no seat left.
func workspaces(bitbucketSeats int) []organisation.Workspace {
	const url = "https://northwind.atlassian.example"
	return []organisation.Workspace{
		{ID: jiraID, Name: "northwind", Type: "Jira", TypeKey: "jira-software", URL: url},
		{ID: confluenceID, Name: "northwind", Type: "Confluence", TypeKey: "confluence", URL: url + "/wiki"},
		{ID: bitbucketID, Name: "northwind", Type: "Bitbucket", TypeKey: "bitbucket", URL: url, Seats: bitbucketSeats},
	}
}

// allGroups returns the groups of the organisation's own: each kind once, and one name twice.
func allGroups() []organisation.Group {
	role := func(workspace string) []organisation.Grant {
		return []organisation.Grant{{Resource: workspace, Role: "atlassian/user"}}
	}
	return []organisation.Group{
		{Name: breakGlass, Description: "Emergency access; nobody touches these accounts"},
		{Name: jiraUsers, Description: "Everybody with Jira", Default: true, Grants: role(jiraID)},
		{Name: finance},
		{Name: confluenceUsers, Description: "Everybody with Confluence", Grants: role(confluenceID)},
		{Name: bitbucketUsers, Description: "The licence has no seat left", Grants: role(bitbucketID)},
		{Name: contractors, Description: "Paid by the day"},
		{Name: contractors, Description: "Of our partners", DirectoryID: partnersID},
		{Name: allStaff, Description: "Kept by a rule", Unmodifiable: true},
		{Name: orgAdmins, Description: "Organization admins", OrgAdmins: true},
	}
}

// directoriesOf puts an account into the directories: the partner into the second, everybody else
// into the first.
func (c *company) directoriesOf(account organisation.Account, first string) map[string]string {
	if strings.HasSuffix(account.Email, "@harbour-design.example") {
		return map[string]string{first: "no_membership"}
	}
	return map[string]string{partnersID: "no_membership"}
}

// tokensOf returns some of the free accounts two API tokens each.
func (c *company) tokensOf(account organisation.Account, random *rand.Rand) []organisation.Token {
	owners := c.free[movers : movers+tokenOwners]
	i := slices.IndexFunc(owners, func(each organisation.Account) bool { return each.ID == account.ID })
	if i < 0 {
		return nil
	}
	i += movers
	day := func(ago int) string { return c.now.AddDate(0, 0, -ago).Format(time.RFC3339) }
	return []organisation.Token{
		{
			ID: fmt.Sprintf("token-%03d-a", i), Label: "laptop", CreatedAt: day(300), LastAccess: day(random.IntN(60)),
			Expiry: day(-65),
		},
		{ID: fmt.Sprintf("token-%03d-b", i), Label: "build", CreatedAt: day(90 + random.IntN(100))},
	}
}

// provision puts the accounts that SCIM owns into its directories: a few into ours, the others into
// that of the identity provider.
func (c *company) provision(into *scim.Server) error {
	for _, each := range []scim.Directory{
		{ID: oursID, Name: "HR", Key: scimKey}, {ID: providerID, Name: "Okta", Key: providerKey, Provider: "Okta"},
	} {
		if err := into.AddDirectory(each); err != nil {
			return fmt.Errorf("seed the SCIM directories: %w", err)
		}
	}
	for i, account := range c.scim {
		directory := providerID
		if i >= len(c.scim)-ours {
			directory = oursID
		}
		if _, err := into.AddUser(directory, account.ID); err != nil {
			return fmt.Errorf("seed the SCIM directories: %w", err)
		}
	}
	for _, each := range [][2]string{{oursID, ourGroup}, {providerID, providerGroup}} {
		group, err := into.AddGroup(each[0], each[1])
		if err != nil {
			return fmt.Errorf("seed the SCIM directories: %w", err)
		}
		var members []string
		for _, user := range into.Users(each[0]) {
			members = append(members, user.ID)
		}
		if err := into.Join(each[0], group.ID, members...); err != nil {
			return fmt.Errorf("seed the SCIM directories: %w", err)
		}
	}
	return nil
}

// The groups of the Jira site.
var siteGroups = []site.Group{
	{ID: "0c1d7a52-7f3e-4b8a-9a41-5e6f2d903b11", Name: "jira-software-users"},
	{ID: "5a9e4f10-2c66-4d0b-8b7d-91f3c8a0e244", Name: "site-admins"},
	{ID: "9d83b7c4-1e05-4f9a-a6c2-3b70d5e8f163", Name: "jira-servicedesk-users", Seats: 2},
}

// fillSite puts everybody with Jira onto the site. Every tenth has a legacy name, every seventh hides
// the address, every ninth has chosen columns.
func (c *company) fillSite(on *site.Site) error {
	for _, group := range siteGroups {
		on.AddGroup(group)
	}
	seats := siteGroups[2].Seats
	for i, account := range c.accounts() {
		if account.Hidden || len(account.Products) == 0 {
			continue
		}
		user := site.User{
			AccountID: account.ID, Name: account.Name, Email: account.Email, Type: account.Type,
			Inactive: account.Status == "inactive", Products: []string{"jira-software"}, Groups: []string{siteGroups[0].ID},
			HideEmail: i%7 == 0,
		}
		if i%10 == 0 {
			user.Username, user.Key = localPart(account.Name), fmt.Sprintf("JIRAUSER%05d", 10000+i)
		}
		if i%9 == 0 {
			user.Columns = []string{"issuekey", "summary", "duedate"}
		}
		if account.Type == "" && !user.Inactive && seats > 0 {
			user.Groups, seats = append(user.Groups, siteGroups[2].ID), seats-1
		}
		if err := on.AddUser(user); err != nil {
			return fmt.Errorf("seed the site: %w", err)
		}
	}
	return nil
}

// places makes what stands beside the organisation.
func (c *company) places(of *organisation.Organisation) (*scim.Server, *site.Site, error) {
	// The addresses are those of the sandbox, which are known once it listens.
	directories, err := scim.New(scim.Config{Organisation: of, URL: "http://localhost"})
	if err != nil {
		return nil, nil, fmt.Errorf("start the sandbox's SCIM directories: %w", err)
	}
	jira, err := site.New(site.Config{
		URL: "http://localhost", Email: siteEmail, Token: siteToken,
		Profile: func(accountID string) (name, address string, active, known bool) {
			account, known := of.Account(accountID)
			return account.Name, account.Email, account.Status == "active", known
		},
		Admit: of.Admit,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start the sandbox's site: %w", err)
	}
	if err := c.provision(directories); err != nil {
		return nil, nil, err
	}
	return directories, jira, c.fillSite(jira)
}
