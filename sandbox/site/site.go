package site

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// Config is what a site is made from. URL, Email and Token are required.
type Config struct {
	URL   string // as people reach it, without a slash at the end: links are built from it
	Email string // of the account that calls
	Token string // API token of that account

	// Profile is what the organisation says of an account, when it knows it: Jira follows it. It
	// may not call the site.
	Profile func(accountID string) (name, address string, active, known bool)
	// Admit gives the id of the account of somebody who is created here: a user of a site is in its
	// organisation. nil: of none. It may not call the site.
	Admit func(address string) (accountID string)
}

// User is one user of the site. The zero values are healthy: type atlassian, active, address shown.
type User struct {
	AccountID string
	Name      string
	Email     string
	Type      string // atlassian (default), app or customer
	Inactive  bool
	HideEmail bool     // by privacy settings: emailAddress is absent
	NoAccess  bool     // is known and has no access to Jira; creating the user is refused
	Protected bool     // cannot be removed (400)
	Username  string   // legacy name, which only user/bulk/migration knows
	Key       string   // legacy key, likewise
	Groups    []string // ids
	Columns   []string // default columns of searches, by value; nil: the site's
	Products  []string // jira-software, …

	dormant bool // by what the organisation says
}

// Group is one group of the site.
type Group struct {
	ID    string
	Name  string
	Seats int // members that the licence behind the group allows; 0: as many as there are
}

// Denied is what the calling account may not do. The zero value denies nothing.
type Denied struct {
	Browse     bool // global permission "Browse users and groups": searches come back empty, reads are 403
	SiteAdmin  bool // group memberships, removal of users
	OrgAdmin   bool // creation of users
	AdminsJira bool // global permission "Administer Jira": columns of others, and of the site
}

// Effect is one write that the site carried out.
type Effect struct {
	At        time.Time
	AccountID string
	Kind      string // "group-add", "group-remove", "create", "delete" or "columns-reset"
	Group     string // id, of the group calls
	Mailed    bool   // "create" sent an invitation
}

// column is one field of the issue navigator.
type column struct{ label, value string }

// columns are the fields that this site has.
var columns = []column{
	{"Type", "issuetype"},
	{"Key", "issuekey"},
	{"Summary", "summary"},
	{"Assignee", "assignee"},
	{"Reporter", "reporter"},
	{"Priority", "priority"},
	{"Status", "status"},
	{"Resolution", "resolution"},
	{"Created", "created"},
	{"Updated", "updated"},
	{"Due date", "duedate"},
	{"Labels", "labels"},
}

// Site is the local Jira site. All methods may be called at any time and together.
type Site struct {
	wire.Journal

	config Config
	server wire.Server

	mu              sync.Mutex
	users           []*User // in the order in which they were added
	groups          []Group
	defaults        []string // columns of the site
	denied          Denied
	limit           Limit
	windows         map[string]*window
	faults          wire.Faults
	effects         []Effect
	seats           int // of Jira; 0: as many as there are
	created         int
	keepDeleted     bool
	createSuspended bool
	failsAnonymous  bool
}

// New returns a site without users and groups.
func New(config Config) (*Site, error) {
	if config.URL == "" || config.Email == "" || config.Token == "" {
		return nil, errors.New("make site: URL, email and token are required")
	}
	config.URL = strings.TrimRight(config.URL, "/")
	s := &Site{
		config: config, windows: make(map[string]*window),
		defaults: []string{"issuetype", "issuekey", "summary", "assignee", "status"},
	}
	s.server = wire.Server{Faults: s.currentFaults, Answer: s.answer, Failure: failure, Done: s.Done}
	return s, nil
}

// Handler returns the handler of the calls below /rest/api/3/.
func (s *Site) Handler() http.Handler { return &s.server }

// Transport reaches the handler without a socket; see [wire.Transport].
func (s *Site) Transport() http.RoundTripper { return wire.Transport(s.Handler()) }

// SetURL sets the address of the site, once the port is known.
func (s *Site) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.config.URL = strings.TrimRight(url, "/")
}

// AddUser adds a user, or replaces the one with the same account id. One without an id, or in a
// group that is not there, is refused.
func (s *Site) AddUser(added User) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if added.AccountID == "" {
		return errors.New("add user: no account id")
	}
	for _, id := range added.Groups {
		if s.groupAt(id) < 0 {
			return fmt.Errorf("add user %s: group %s is not there", added.AccountID, id)
		}
	}
	added.Type = cmp.Or(added.Type, "atlassian")
	added = added.clone()
	if old := s.user(added.AccountID); old != nil {
		*old = added
		return nil
	}
	s.users = append(s.users, &added)
	return nil
}

// AddGroup adds a group, or replaces the one with the same id: its name, too.
func (s *Site) AddGroup(added Group) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := s.groupAt(added.ID); i >= 0 {
		s.groups[i] = added
		return
	}
	s.groups = append(s.groups, added)
}

// User returns the user with this account id as it is now.
func (s *Site) User(accountID string) (User, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow()
	if found := s.user(accountID); found != nil {
		return found.clone(), true
	}
	return User{}, false
}

// Effects returns what was carried out, in the order in which it took effect.
func (s *Site) Effects() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.effects)
}

// SetDenied takes permissions from the calling account.
func (s *Site) SetDenied(denied Denied) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = denied
}

// SetFaults replaces the faults, for the requests that arrive from now on.
func (s *Site) SetFaults(faults wire.Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

func (s *Site) currentFaults() wire.Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// SetSeats sets how many users the licence of Jira allows; 0: as many as there are.
func (s *Site) SetSeats(seats int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seats = seats
}

// KeepDeleted makes a removed user stay as an inactive one, as some sites have shown, instead of
// 404.
func (s *Site) KeepDeleted(keep bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepDeleted = keep
}

// CreateSuspended makes new users come out inactive, as they do where a product admin creates them.
func (s *Site) CreateSuspended(suspended bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.createSuspended = suspended
}

// FailAsAnonymous makes wrong credentials count as none, as some endpoints do: searches are then
// empty instead of 401.
func (s *Site) FailAsAnonymous(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failsAnonymous = on
}

// The helpers below are called with s.mu held.

func (s *Site) user(accountID string) *User {
	for _, each := range s.users {
		if each.AccountID == accountID {
			return each
		}
	}
	return nil
}

// follow brings the users after their accounts. Someone whom only this site has switched off stays
// so.
func (s *Site) follow() {
	if s.config.Profile == nil {
		return
	}
	for _, each := range s.users {
		name, address, active, known := s.config.Profile(each.AccountID)
		if !known {
			continue
		}
		each.Name, each.Email = name, address
		if active == each.dormant {
			each.Inactive, each.dormant = !active, !active
		}
	}
}

func (s *Site) groupAt(id string) int {
	return slices.IndexFunc(s.groups, func(each Group) bool { return each.ID == id })
}

func (s *Site) effect(done Effect) {
	done.At = time.Now().UTC()
	s.effects = append(s.effects, done)
}

func (u User) clone() User {
	u.Groups, u.Columns, u.Products = slices.Clone(u.Groups), slices.Clone(u.Columns), slices.Clone(u.Products)
	return u
}
