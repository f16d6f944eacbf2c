package site

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/wire"
)

// What lists give, from the document.
const (
	searchWindow  = 1000 // hits of user/search that can be paged through
	defaultSearch = 50
	defaultBulk   = 10
	mostUsers     = 1000
	mostBulk      = 200
)

// products are what POST user takes.
var products = []string{"jira-core", "jira-servicedesk", "jira-product-discovery", "jira-software"}

// userJSON is the schema User; expansions are absent unless asked for.
type userJSON struct {
	Self        string            `json:"self"`
	AccountID   string            `json:"accountId"`
	AccountType string            `json:"accountType"`
	Email       string            `json:"emailAddress,omitempty"`
	AvatarURLs  map[string]string `json:"avatarUrls"`
	DisplayName string            `json:"displayName"`
	Active      bool              `json:"active"`
	TimeZone    string            `json:"timeZone,omitempty"`
	Locale      string            `json:"locale,omitempty"`
	Groups      *groupsJSON       `json:"groups,omitempty"`
	Roles       *rolesJSON        `json:"applicationRoles,omitempty"`
	Expand      string            `json:"expand,omitempty"`
}

type groupsJSON struct {
	Size  int             `json:"size"`
	Items []groupNameJSON `json:"items"`
}

type rolesJSON struct {
	Size  int   `json:"size"`
	Items []any `json:"items"`
}

// shown returns a user as Jira shows it. The caller holds s.mu.
func (s *Site) shown(u *User) userJSON {
	shown := userJSON{
		Self:      s.config.URL + base + "user?accountId=" + url.QueryEscape(u.AccountID),
		AccountID: u.AccountID, AccountType: u.Type, DisplayName: u.Name, Active: !u.Inactive, TimeZone: "Europe/Berlin",
		AvatarURLs: map[string]string{"48x48": "https://avatars.example.com/" + url.PathEscape(u.AccountID) + "/48"},
	}
	if !u.HideEmail {
		shown.Email = u.Email
	}
	return shown
}

// found returns the user that the call is about, or the refusal.
func (s *Site) found(c *call, denied bool) (*User, wire.Answer) {
	if denied {
		return nil, forbidden()
	}
	user := s.user(c.query.Get("accountId"))
	if user == nil {
		return nil, errorOf(http.StatusNotFound,
			"Specified user does not exist or you do not have required permissions")
	}
	return user, wire.Answer{}
}

func (s *Site) myself(*call) wire.Answer {
	for _, each := range s.users {
		if strings.EqualFold(each.Email, s.config.Email) {
			shown := s.shown(each)
			shown.Locale, shown.Expand = "en_US", "groups,applicationRoles"
			return jsonOf(http.StatusOK, shown)
		}
	}
	return jsonOf(http.StatusOK, s.shown(s.caller()))
}

// callerID is the account of who calls where no user of the site has the address.
const callerID = "712020:caller"

// caller is who calls, where no user of the site has the address.
func (s *Site) caller() *User {
	return &User{AccountID: callerID, Type: "atlassian", Name: s.config.Email, Email: s.config.Email}
}

func (s *Site) getUser(c *call) wire.Answer {
	user, refused := s.found(c, s.denied.Browse)
	if user == nil && !s.denied.Browse && c.query.Get("accountId") == callerID { // the link of myself
		user = s.caller()
	}
	if user == nil {
		return refused
	}
	shown := s.shown(user)
	shown.Locale, shown.Expand = "en_US", "groups,applicationRoles"
	for expand := range strings.SplitSeq(c.query.Get("expand"), ",") {
		switch expand {
		case "groups":
			items := s.groupNames(user)
			shown.Groups = &groupsJSON{len(items), items}
		case "applicationRoles":
			shown.Roles = &rolesJSON{Items: []any{}}
		}
	}
	return jsonOf(http.StatusOK, shown)
}

// createUser creates a user and mails an invitation. Someone who has access already is 201, too.
func (s *Site) createUser(c *call) wire.Answer {
	if s.denied.OrgAdmin {
		return forbidden()
	}
	var fields map[string]json.RawMessage
	var address string
	var wanted []string
	if json.Unmarshal(c.body, &fields) != nil || json.Unmarshal(fields["emailAddress"], &address) != nil ||
		json.Unmarshal(fields["products"], &wanted) != nil || wanted == nil {
		return errorOf(http.StatusBadRequest, "emailAddress and products are required.")
	}
	if name, domain, at := strings.Cut(address, "@"); !at || name == "" || domain == "" {
		return jsonOf(http.StatusBadRequest, errorJSON{
			Messages: []string{}, Errors: map[string]string{"email": "You must specify a valid email address"},
		})
	}
	for _, each := range wanted {
		if !slices.Contains(products, each) {
			return errorOf(http.StatusBadRequest, "Unknown product: "+each)
		}
	}
	i := slices.IndexFunc(s.users, func(each *User) bool { return strings.EqualFold(each.Email, address) })
	switch {
	case i >= 0 && s.users[i].NoAccess:
		return errorOf(http.StatusBadRequest, "A user with that email address exists and has no access to Jira.")
	case i >= 0:
		return jsonOf(http.StatusCreated, s.shown(s.users[i]))
	case s.seats > 0 && s.active() >= s.seats:
		return errorOf(http.StatusBadRequest, "LicenceExceededException: the user limit of your licence is reached.")
	}
	s.created++
	name, _, _ := strings.Cut(address, "@")
	added := &User{
		AccountID: fmt.Sprintf("712020:site-%06d", s.created), Name: name, Email: address, Type: "atlassian",
		Inactive: s.createSuspended, Products: wanted,
	}
	if s.config.Admit != nil {
		added.AccountID = s.config.Admit(address)
	}
	s.users = append(s.users, added)
	s.effect(Effect{AccountID: added.AccountID, Kind: "create", Mailed: true})
	return jsonOf(http.StatusCreated, s.shown(added))
}

// active returns how many seats are in use.
func (s *Site) active() int {
	count := 0
	for _, each := range s.users {
		if !each.Inactive && each.Type == "atlassian" && !each.NoAccess {
			count++
		}
	}
	return count
}

// deleteUser removes the user from this site alone.
func (s *Site) deleteUser(c *call) wire.Answer {
	user, refused := s.found(c, s.denied.SiteAdmin)
	if user == nil {
		return refused
	}
	if user.Protected {
		return errorOf(http.StatusBadRequest, "The user cannot be removed.")
	}
	if user.Groups = nil; s.keepDeleted {
		user.Inactive = true
	} else {
		s.users = slices.DeleteFunc(s.users, func(each *User) bool { return each == user })
	}
	s.effect(Effect{AccountID: user.AccountID, Kind: "delete"})
	return empty(http.StatusNoContent)
}

// searchUsers finds active users whose name or address begins with the query, word by word. Who may
// not browse users gets an empty list.
func (s *Site) searchUsers(c *call) wire.Answer {
	query, id := c.query.Get("query"), c.query.Get("accountId")
	if (query == "") == (id == "") {
		return errorOf(http.StatusBadRequest, "Either query or accountId must be given.")
	}
	found := []userJSON{}
	for _, each := range s.users {
		if !c.known || s.denied.Browse || each.Inactive || len(found) == searchWindow {
			continue
		}
		if id != "" && each.AccountID == id || query != "" && begins(each, query) {
			found = append(found, s.shown(each))
		}
	}
	part, _, bad := cut(c, found, defaultSearch, mostUsers)
	if bad != nil {
		return *bad
	}
	return jsonOf(http.StatusOK, part)
}

func begins(u *User, query string) bool {
	query = strings.ToLower(query)
	if !u.HideEmail && strings.HasPrefix(strings.ToLower(u.Email), query) {
		return true
	}
	name := strings.ToLower(u.Name)
	return strings.HasPrefix(name, query) || slices.ContainsFunc(strings.Fields(name), func(word string) bool {
		return strings.HasPrefix(word, query)
	})
}

// allUsers lists everybody: inactive users and apps, too.
func (s *Site) allUsers(c *call) wire.Answer {
	if !c.known || s.denied.Browse {
		return forbidden()
	}
	all := []userJSON{}
	for _, each := range s.users {
		all = append(all, s.shown(each))
	}
	part, _, bad := cut(c, all, defaultSearch, mostUsers)
	if bad != nil {
		return *bad
	}
	return jsonOf(http.StatusOK, part)
}

func (s *Site) bulkUsers(c *call) wire.Answer {
	ids := c.query["accountId"]
	if len(ids) == 0 {
		return errorOf(http.StatusBadRequest, "accountId is required.")
	}
	found := []userJSON{}
	for _, id := range ids {
		if user := s.user(id); user != nil {
			found = append(found, s.shown(user))
		}
	}
	return pageOf(s, c, found, defaultBulk, mostBulk)
}

// migrationJSON is the schema UserMigrationBean.
type migrationJSON struct {
	Username  string `json:"username,omitempty"`
	Key       string `json:"key,omitempty"`
	AccountID string `json:"accountId"`
}

// migrate resolves legacy usernames and keys; those that nobody has are left out.
func (s *Site) migrate(c *call) wire.Answer {
	usernames, keys := c.query["username"], c.query["key"]
	if len(usernames)+len(keys) == 0 {
		return errorOf(http.StatusBadRequest, "username or key is required.")
	}
	found := []migrationJSON{}
	for _, each := range s.users {
		if each.Username != "" && slices.Contains(usernames, each.Username) ||
			each.Key != "" && slices.Contains(keys, each.Key) {
			found = append(found, migrationJSON{each.Username, each.Key, each.AccountID})
		}
	}
	part, _, bad := cut(c, found, defaultBulk, mostBulk)
	if bad != nil {
		return *bad
	}
	return jsonOf(http.StatusOK, part)
}

// columnJSON is the schema ColumnItem.
type columnJSON struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

func columnsOf(values []string) wire.Answer {
	shown := []columnJSON{}
	for _, value := range values {
		i := slices.IndexFunc(columns, func(each column) bool { return each.value == value })
		if i >= 0 {
			shown = append(shown, columnJSON{columns[i].label, value})
		}
	}
	return jsonOf(http.StatusOK, shown)
}

func (s *Site) userColumns(c *call) wire.Answer {
	user, refused := s.found(c, s.denied.AdminsJira)
	if user == nil {
		return refused
	}
	if user.Columns == nil {
		return columnsOf(s.defaults)
	}
	return columnsOf(user.Columns)
}

// resetColumns puts the user back on the site's columns. No 404 is documented: an unknown user is
// 403.
func (s *Site) resetColumns(c *call) wire.Answer {
	user, _ := s.found(c, s.denied.AdminsJira)
	if user == nil {
		return forbidden()
	}
	user.Columns = nil
	s.effect(Effect{AccountID: user.AccountID, Kind: "columns-reset"})
	return empty(http.StatusNoContent)
}

func (s *Site) siteColumns(*call) wire.Answer {
	if s.denied.AdminsJira {
		return forbidden()
	}
	return columnsOf(s.defaults)
}
