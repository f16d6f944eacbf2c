package scim

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/wire"
)

// Config is what a server is made from. All fields are required.
type Config struct {
	Organisation *organisation.Organisation
	URL          string // of the server, without a slash at the end: meta.location is built from it
}

// Directory is one SCIM directory.
type Directory struct {
	ID       string
	Name     string
	Key      string // its own; not the organisation's
	Provider string // the identity provider that writes to it; empty: nobody but us
}

// User is one record of a directory.
type User struct {
	ID         string
	UserName   string // unique in the directory, compared with case folded
	ExternalID string
	AccountID  string // that it is tied to; empty: none any more

	DisplayName                       string
	Formatted, GivenName, FamilyName  string
	NickName, Title, Department       string
	Organization, TimeZone, Languages string
	Emails                            []Email
	Active                            bool
	Created, Modified                 time.Time
}

// Email is one address of a record.
type Email struct {
	Value   string
	Type    string // such as work
	Primary bool
}

// Group is one group of a directory.
type Group struct {
	ID         string
	Name       string   // cannot be changed
	ExternalID string   //
	Members    []string // ids of records
	// OrganisationID is the group of the organisation that it is synced to; empty for a built-in
	// name, which is answered and never synced.
	OrganisationID    string
	Created, Modified time.Time
}

// Effect is one write that a directory carried out.
type Effect struct {
	At        time.Time
	Directory string
	Kind      string // "create", "patch", "delete", "group-create", "member-add" or "member-remove"
	UserID    string
	AccountID string
	GroupID   string
	Fields    []string // of "patch": the paths, sorted
	Was, Is   User     // of "patch": the record before and after
}

// builtIn are group names that are answered and never synced.
var builtIn = []string{"administrators", "site-admins", "org-admins", "system-administrators"}

// Server is the SCIM directories of one organisation. All methods may be called at any time and
// together.
type Server struct {
	wire.Journal

	organisation *organisation.Organisation
	url          string
	server       wire.Server

	mu          sync.Mutex
	directories []*directory
	faults      wire.Faults
	effects     []Effect
	sequence    int
	extension   string
	limit       int // calls a minute; 0: no limit
	minute      time.Time
	calls       int
}

type directory struct {
	Directory
	users  []*User
	groups []*Group
}

// New returns a server without directories.
func New(config Config) (*Server, error) {
	if config.Organisation == nil || config.URL == "" {
		return nil, errors.New("make SCIM server: organisation and URL are required")
	}
	s := &Server{
		organisation: config.Organisation, url: strings.TrimRight(config.URL, "/"), extension: "1.0",
	}
	s.server = wire.Server{Faults: s.currentFaults, Answer: s.answer, Failure: s.failure, Done: s.Done}
	return s, nil
}

// Handler returns the handler of the calls below /scim/directory/.
func (s *Server) Handler() http.Handler { return &s.server }

// Transport reaches the handler without a socket; see [wire.Transport].
func (s *Server) Transport() http.RoundTripper { return wire.Transport(s.Handler()) }

// AddDirectory adds an empty directory. One without id or key, or with those of another, is
// refused.
func (s *Server) AddDirectory(added Directory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, each := range s.directories {
		if each.ID == added.ID || each.Key == added.Key {
			return fmt.Errorf("add directory %s: its id or key is that of %s", added.Name, each.Name)
		}
	}
	if added.ID == "" || added.Key == "" {
		return fmt.Errorf("add directory %s: id and key are required", added.Name)
	}
	s.directories = append(s.directories, &directory{Directory: added})
	return nil
}

// SetURL sets the address of the server, once the port is known.
func (s *Server) SetURL(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.url = strings.TrimRight(url, "/")
}

// AddUser puts an account of the organisation into a directory, as provisioning has done before,
// and returns the record.
func (s *Server) AddUser(directoryID, accountID string) (User, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.directory(directoryID)
	if in == nil {
		return User{}, fmt.Errorf("add user: directory %s is not there", directoryID)
	}
	account, known := s.organisation.Account(accountID)
	if !known {
		return User{}, fmt.Errorf("add user: account %s is not there", accountID)
	}
	moment := time.Now().UTC()
	user := &User{
		ID: s.newID(), UserName: account.Email, AccountID: accountID, DisplayName: account.Name, Formatted: account.Name,
		Emails: []Email{{Value: account.Email, Type: "work", Primary: true}}, Active: account.Status == "active",
		Created: moment, Modified: moment,
	}
	if in.Provider != "" { // providers write their own id of whom they provision
		user.ExternalID = "ext-" + accountID
	}
	if err := s.tie(in, user); err != nil {
		return User{}, fmt.Errorf("add user: %w", err)
	}
	in.users = append(in.users, user)
	return user.clone(), nil
}

// AddGroup adds a group without members, synced to the organisation.
func (s *Server) AddGroup(directoryID, name string) (Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.directory(directoryID)
	if in == nil {
		return Group{}, fmt.Errorf("add group: directory %s is not there", directoryID)
	}
	group, err := s.newGroup(in, name, "")
	if err != nil {
		return Group{}, fmt.Errorf("add group: %w", err)
	}
	return group.clone(), nil
}

// Join puts records into a group, as provisioning has done before.
func (s *Server) Join(directoryID, groupID string, userIDs ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.directory(directoryID)
	if in == nil || in.group(groupID) == nil {
		return fmt.Errorf("join: group %s is not there", groupID)
	}
	members := slices.Clone(in.group(groupID).Members)
	for _, id := range userIDs {
		if in.user(id) == nil {
			return fmt.Errorf("join: record %s is not there", id)
		}
		if !slices.Contains(members, id) {
			members = append(members, id)
		}
	}
	return s.setMembers(in, in.group(groupID), members)
}

// Push is a write of the identity provider: it edits a record and brings the account after it. It
// is no effect.
func (s *Server) Push(directoryID, userID string, edit func(*User)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.directory(directoryID)
	if in == nil {
		return fmt.Errorf("push: directory %s is not there", directoryID)
	}
	user := in.user(userID)
	if user == nil {
		return fmt.Errorf("push: record %s is not there", userID)
	}
	next := user.clone()
	edit(&next)
	if err := s.sync(in, user, &next); err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}

// Users returns the records of a directory in the order in which they came.
func (s *Server) Users(directoryID string) []User {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []User
	if in := s.directory(directoryID); in != nil {
		for _, each := range in.users {
			all = append(all, each.clone())
		}
	}
	return all
}

// Effects returns what was carried out, in the order in which it took effect.
func (s *Server) Effects() []Effect {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.effects)
}

// SetFaults replaces the faults, for the requests that arrive from now on.
func (s *Server) SetFaults(faults wire.Faults) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults
}

func (s *Server) currentFaults() wire.Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults
}

// SetExtension sets the version ("1.0" or "1.1") of the extension that names the account; both are
// in use.
func (s *Server) SetExtension(version string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extension = version
}

// SetLimit bounds the calls of each minute of the clock, over all directories; 0 ends that.
// Atlassian publishes no figure.
func (s *Server) SetLimit(perMinute int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit, s.calls = perMinute, 0
}

// The helpers below are called with s.mu held.

func (s *Server) directory(id string) *directory {
	for _, each := range s.directories {
		if each.ID == id {
			return each
		}
	}
	return nil
}

func (d *directory) user(id string) *User {
	for _, each := range d.users {
		if each.ID == id {
			return each
		}
	}
	return nil
}

func (d *directory) group(id string) *Group {
	for _, each := range d.groups {
		if each.ID == id {
			return each
		}
	}
	return nil
}

func (s *Server) newID() string {
	s.sequence++
	return fmt.Sprintf("50202593-bc47-45df-8fa0-%012d", s.sequence)
}

func (s *Server) effect(in *directory, done Effect) {
	done.At, done.Directory = time.Now().UTC(), in.ID
	s.effects = append(s.effects, done)
}

func (u User) clone() User {
	u.Emails = slices.Clone(u.Emails)
	return u
}

func (g Group) clone() Group {
	g.Members = slices.Clone(g.Members)
	return g
}

// primary returns the address that is the account's.
func (u *User) primary() string {
	for _, each := range u.Emails {
		if each.Primary {
			return each.Value
		}
	}
	return ""
}
