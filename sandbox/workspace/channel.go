package workspace

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Channel is a public or private channel, or the direct messages of one person with the app.
type Channel struct {
	ID        string   `json:"id"`
	Name      string   `json:"name"` // without #; empty for direct messages
	Private   bool     `json:"private,omitempty"`
	Archived  bool     `json:"archived,omitempty"`
	ExtShared bool     `json:"ext_shared,omitempty"` // shared with another organisation (Slack Connect)
	IM        bool     `json:"im,omitempty"`
	BotMember bool     `json:"bot_member,omitempty"`
	Members   []string `json:"members"` // people, without the bot

	created time.Time
}

// AddChannel adds or replaces a channel, without an event.
func (w *Workspace) AddChannel(c Channel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	defer w.changed()
	c.Members, c.created = slices.Clone(c.Members), time.Now()
	if old := w.channel(c.ID); old != nil {
		*old = c
		return
	}
	w.channels = append(w.channels, &c)
}

// UpdateChannel changes a channel. Who is new in it, the bot included, is told to the app by
// member_joined_channel.
func (w *Workspace) UpdateChannel(id string, change func(*Channel)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.channel(id)
	if c == nil {
		return fmt.Errorf("update channel %s: %w", id, ErrNotFound)
	}
	before, botBefore := slices.Clone(c.Members), c.BotMember
	change(c)
	joined := without(c.Members, before)
	if c.BotMember && !botBefore {
		joined = append(joined, BotUserID)
	}
	w.changed()
	if !c.BotMember || !w.has(c.scope("read")) {
		return nil
	}
	for _, who := range joined {
		w.emit(c, map[string]any{
			"type": "member_joined_channel", "user": who, "channel": c.ID, "channel_type": c.ID[:1], "team": w.cfg.TeamID,
		})
	}
	return nil
}

// Channels returns all channels and direct messages.
func (w *Workspace) Channels() []Channel {
	w.mu.Lock()
	defer w.mu.Unlock()
	channels := make([]Channel, 0, len(w.channels))
	for _, c := range w.channels {
		copied := *c
		copied.Members = slices.Clone(c.Members)
		channels = append(channels, copied)
	}
	return channels
}

// OpenDM returns the id of the direct messages of a person with the app, made when there are none.
func (w *Workspace) OpenDM(person string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.openDM(person).ID
}

func (w *Workspace) openDM(person string) *Channel {
	id := "D" + strings.TrimLeft(person, "UW")
	if c := w.channel(id); c != nil {
		return c
	}
	c := &Channel{ID: id, IM: true, BotMember: true, Members: []string{person}, created: time.Now()}
	w.channels = append(w.channels, c)
	w.changed()
	return c
}

func (w *Workspace) channel(id string) *Channel {
	for _, c := range w.channels {
		if c.ID == id {
			return c
		}
	}
	return nil
}

// kind returns the channel_type of events and the word of scopes: channel, group or im.
func (c *Channel) kind() string {
	switch {
	case c.IM:
		return "im"
	case c.Private:
		return "group"
	}
	return "channel"
}

// scope returns the scope for a channel of this kind: scope("history") is channels:history,
// groups:history or im:history.
func (c *Channel) scope(right string) string {
	if c.IM {
		return "im:" + right
	}
	return c.kind() + "s:" + right
}

// has reports whether the person is in the channel. The bot is no person here.
func (c *Channel) has(person string) bool {
	return slices.Contains(c.Members, person) || person == BotUserID && c.BotMember
}

// commandName returns the channel_name of a slash command, which hides the names of private places
// (docs: slash commands).
func (c *Channel) commandName() string {
	switch c.kind() {
	case "im":
		return "directmessage"
	case "group":
		return "privategroup"
	}
	return c.Name
}

// channelWire returns the object of conversations.info. The caller holds w.mu.
func (w *Workspace) channelWire(c *Channel) map[string]any {
	if c.IM {
		return map[string]any{
			"id": c.ID, "created": c.created.Unix(), "is_im": true, "is_org_shared": false, "is_ext_shared": false,
			"context_team_id": w.cfg.TeamID, "user": c.Members[0], "is_archived": false, "is_open": true,
			"is_user_deleted": w.person(c.Members[0]) == nil || w.person(c.Members[0]).Deleted,
		}
	}
	return map[string]any{
		"id": c.ID, "name": c.Name, "name_normalized": c.Name, "created": c.created.Unix(), "creator": first(c.Members),
		"is_channel": !c.Private, "is_group": false, "is_im": false, "is_mpim": false, "is_private": c.Private,
		"is_archived": c.Archived, "is_general": false, "is_shared": c.ExtShared, "is_ext_shared": c.ExtShared,
		"is_org_shared": false, "is_pending_ext_shared": false, "is_member": c.BotMember, "unlinked": 0,
		"context_team_id": w.cfg.TeamID, "shared_team_ids": []string{w.cfg.TeamID}, "pending_shared": []string{},
		"previous_names": []string{},
		"topic":          map[string]any{"value": "", "creator": "", "last_set": 0},
		"purpose":        map[string]any{"value": "", "creator": "", "last_set": 0},
	}
}

func first(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
}
