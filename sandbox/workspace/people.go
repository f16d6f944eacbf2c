package workspace

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Person is somebody with an account in the workspace, or in another one that shares a channel with
// it. The flags are those of users.info; what a zero value means is a plain, active member.
type Person struct {
	ID       string `json:"id"`
	Name     string `json:"name"`      // handle, without @
	RealName string `json:"real_name"` // as shown
	Email    string `json:"email"`     // only told to apps with users:read.email; may be empty (hidden)
	Title    string `json:"title,omitempty"`
	TZ       string `json:"tz,omitempty"` // IANA zone; "Europe/Amsterdam" when empty

	TeamID       string `json:"team_id"` // the workspace's own when empty
	EnterpriseID string `json:"enterprise_id,omitempty"`

	Deleted           bool `json:"deleted,omitempty"` // deactivated
	IsBot             bool `json:"is_bot,omitempty"`
	IsAppUser         bool `json:"is_app_user,omitempty"`
	IsWorkflowBot     bool `json:"is_workflow_bot,omitempty"`
	IsConnectorBot    bool `json:"is_connector_bot,omitempty"`
	IsAdmin           bool `json:"is_admin,omitempty"`
	IsRestricted      bool `json:"is_restricted,omitempty"`       // guest
	IsUltraRestricted bool `json:"is_ultra_restricted,omitempty"` // single-channel guest
	IsStranger        bool `json:"is_stranger,omitempty"`         // outsider known only through a shared channel
	IsInvitedUser     bool `json:"is_invited_user,omitempty"`     // has not signed in yet
	EmailUnconfirmed  bool `json:"email_unconfirmed,omitempty"`
}

// Group is a user group.
type Group struct {
	ID     string   `json:"id"`
	Handle string   `json:"handle"`
	Name   string   `json:"name"`
	Users  []string `json:"users"`

	updated time.Time
}

// ErrNotFound is what the Go API answers for a person, channel, message, view or file that the
// workspace does not have.
var ErrNotFound = errors.New("not found")

// AddPerson adds or replaces a person, without an event.
func (w *Workspace) AddPerson(p Person) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed()
	if p.TeamID == "" {
		p.TeamID = w.cfg.TeamID
	}
	if old := w.person(p.ID); old != nil {
		*old = p
		return
	}
	w.people = append(w.people, &p)
}

// UpdatePerson changes a person and sends user_change.
func (w *Workspace) UpdatePerson(id string, change func(*Person)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.person(id)
	if p == nil {
		return fmt.Errorf("update person %s: %w", id, ErrNotFound)
	}
	change(p)
	w.changed()
	if w.has("users:read") {
		w.emit(nil, map[string]any{"type": "user_change", "user": w.personWire(p), "cache_ts": time.Now().Unix()})
	}
	return nil
}

// AddGroup adds or replaces a user group, without an event.
func (w *Workspace) AddGroup(g Group) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed()
	g.Users, g.updated = slices.Clone(g.Users), time.Now()
	if old := w.group(g.ID); old != nil {
		*old = g
		return
	}
	w.groups = append(w.groups, &g)
}

// SetGroupMembers replaces the members of a user group and sends subteam_members_changed.
func (w *Workspace) SetGroupMembers(id string, users []string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	g := w.group(id)
	if g == nil {
		return fmt.Errorf("set members of group %s: %w", id, ErrNotFound)
	}
	added, removed := without(users, g.Users), without(g.Users, users)
	before := g.updated
	g.Users, g.updated = slices.Clone(users), time.Now()
	w.changed()
	if w.has("usergroups:read") {
		w.emit(nil, map[string]any{
			"type": "subteam_members_changed", "subteam_id": id, "team_id": w.cfg.TeamID,
			"date_previous_update": before.Unix(), "date_update": g.updated.Unix(),
			"added_users": added, "added_users_count": len(added),
			"removed_users": removed, "removed_users_count": len(removed),
		})
	}
	return nil
}

// without returns what of list is not in other.
func without(list, other []string) []string {
	left := []string{}
	for _, s := range list {
		if !slices.Contains(other, s) {
			left = append(left, s)
		}
	}
	return left
}

// People returns all people, the app's bot user included, in the order in which they were added.
func (w *Workspace) People() []Person {
	w.mu.Lock()
	defer w.mu.Unlock()
	people := make([]Person, 0, len(w.people))
	for _, p := range w.people {
		people = append(people, *p)
	}
	return people
}

// Groups returns all user groups.
func (w *Workspace) Groups() []Group {
	w.mu.Lock()
	defer w.mu.Unlock()
	groups := make([]Group, 0, len(w.groups))
	for _, g := range w.groups {
		copied := *g
		copied.Users = slices.Clone(g.Users)
		groups = append(groups, copied)
	}
	return groups
}

func (w *Workspace) person(id string) *Person {
	for _, p := range w.people {
		if p.ID == id {
			return p
		}
	}
	return nil
}

func (w *Workspace) group(id string) *Group {
	for _, g := range w.groups {
		if g.ID == id {
			return g
		}
	}
	return nil
}

// personWire returns the user object of users.info, the address only with its scope. The caller
// holds w.mu.
func (w *Workspace) personWire(p *Person) map[string]any {
	zone := p.TZ
	if zone == "" {
		zone = "Europe/Amsterdam"
	}
	offset := 0
	if place, err := time.LoadLocation(zone); err == nil {
		_, offset = time.Now().In(place).Zone()
	}
	profile := map[string]any{
		"real_name": p.RealName, "real_name_normalized": p.RealName, "display_name": p.Name,
		"display_name_normalized": p.Name, "title": p.Title, "team": p.TeamID, "avatar_hash": "g" + strings.ToLower(p.ID),
	}
	if p.Email != "" && w.has("users:read.email") {
		profile["email"] = p.Email
	}
	user := map[string]any{
		"id": p.ID, "team_id": p.TeamID, "name": p.Name, "real_name": p.RealName, "deleted": p.Deleted, "profile": profile,
		"is_bot": p.IsBot, "is_app_user": p.IsAppUser, "updated": time.Now().Unix(),
	}
	if p.IsBot {
		profile["bot_id"], profile["api_app_id"] = BotID, AppID
	}
	if !p.Deleted { // Slack leaves all other flags out for a deactivated person (users.info)
		maps.Copy(user, map[string]any{
			"tz": zone, "tz_label": zone, "tz_offset": offset, "is_admin": p.IsAdmin, "is_owner": false,
			"is_primary_owner": false, "is_restricted": p.IsRestricted, "is_ultra_restricted": p.IsUltraRestricted,
			"is_email_confirmed": !p.EmailUnconfirmed, "who_can_share_contact_card": "EVERYONE",
		})
	}
	for key, flag := range map[string]bool{
		"is_stranger": p.IsStranger, "is_workflow_bot": p.IsWorkflowBot, "is_connector_bot": p.IsConnectorBot,
		"is_invited_user": p.IsInvitedUser,
	} {
		if flag {
			user[key] = true
		}
	}
	if p.EnterpriseID != "" {
		user["enterprise_user"] = map[string]any{
			"id": p.ID, "enterprise_id": p.EnterpriseID, "enterprise_name": "", "is_admin": false, "is_owner": false,
			"teams": []string{p.TeamID},
		}
	}
	return user
}
