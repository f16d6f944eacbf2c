package workspace

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Message is a message as a person sees it. Its id is TS within Channel.
type Message struct {
	TS          string          `json:"ts"`
	ThreadTS    string          `json:"thread_ts,omitempty"` // the thread's parent; on the parent itself its own TS
	Channel     string          `json:"channel"`
	User        string          `json:"user,omitempty"`
	BotID       string          `json:"bot_id,omitempty"`
	Subtype     string          `json:"subtype,omitempty"`
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks,omitempty"` // with block_id and action_id filled in
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Files       []File          `json:"files,omitempty"`
	Edited      bool            `json:"edited,omitempty"`
	EditedTS    string          `json:"edited_ts,omitempty"`
	Ephemeral   bool            `json:"ephemeral,omitempty"` // only For sees it
	For         string          `json:"for,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	ReplyCount  int             `json:"reply_count,omitempty"`
	LatestReply string          `json:"latest_reply,omitempty"`
	Reactions   []Reaction      `json:"reactions,omitempty"`
}

// Reaction is an emoji under a message and who put it there.
type Reaction struct {
	Name  string   `json:"name"`
	Users []string `json:"users"`
}

// post is a stored message; its files are looked up when it is read, as they change on their own.
type post struct {
	Message
	clientMsgID string
	fileIDs     []string
}

// reply reports whether the message stands in a thread under another one.
func (p *post) reply() bool { return p.ThreadTS != "" && p.ThreadTS != p.TS }

// Messages returns the messages of a channel as a person sees them, oldest first, without the
// replies in threads. An empty person sees everything but ephemeral messages. A place that the
// person cannot see has none.
func (w *Workspace) Messages(channel, as string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.visible(channel, as, func(p *post) bool { return !p.reply() || p.Subtype == "thread_broadcast" })
}

// Thread returns a parent message and the replies under it as a person sees them, oldest first.
func (w *Workspace) Thread(channel, ts, as string) []Message {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.visible(channel, as, func(p *post) bool { return p.TS == ts || p.ThreadTS == ts })
}

func (w *Workspace) visible(channel, as string, wanted func(*post) bool) []Message {
	c := w.channel(channel)
	if c == nil || as != "" && (c.Private || c.IM) && !c.has(as) {
		return nil
	}
	var messages []Message
	for _, p := range w.posts[channel] {
		if (!p.Ephemeral || p.For == as) && wanted(p) {
			messages = append(messages, w.read(p))
		}
	}
	return messages
}

// read copies a stored message with its files as they are now. The caller holds w.mu.
func (w *Workspace) read(p *post) Message {
	m := p.Message
	m.Reactions = slices.Clone(p.Reactions)
	for _, id := range p.fileIDs {
		if f := w.files[id]; f != nil {
			m.Files = append(m.Files, w.readFile(f))
		}
	}
	return m
}

// add stores a new message, counts it at its parent and gives it its TS. The caller holds w.mu.
func (w *Workspace) add(p *post) *post {
	p.TS = w.nextTS()
	if p.ThreadTS != "" && !p.Ephemeral {
		if parent := w.find(p.Channel, p.ThreadTS); parent != nil {
			p.ThreadTS = parent.root()
		}
		if parent := w.find(p.Channel, p.ThreadTS); parent != nil {
			parent.ThreadTS = parent.TS
			parent.ReplyCount++
			parent.LatestReply = p.TS
		}
	}
	w.posts[p.Channel] = append(w.posts[p.Channel], p)
	w.changed()
	return p
}

// root returns the parent of the thread that a reply to p belongs to.
func (p *post) root() string {
	if p.reply() {
		return p.ThreadTS
	}
	return p.TS
}

// find returns the message with this ts, nil when there is none. The caller holds w.mu.
func (w *Workspace) find(channel, ts string) *post {
	posts := w.posts[channel]
	at, found := slices.BinarySearchFunc(posts, ts, func(p *post, ts string) int { return strings.Compare(p.TS, ts) })
	if !found {
		return nil
	}
	return posts[at]
}

// remove takes a message away: a parent with replies leaves a tombstone, as in Slack. The caller
// holds w.mu.
func (w *Workspace) remove(p *post) {
	defer w.changed()
	if p.ReplyCount > 0 && !p.Ephemeral {
		p.Subtype, p.Text = "tombstone", "This message was deleted."
		p.Blocks, p.Attachments, p.fileIDs, p.Metadata = nil, nil, nil, nil
		return
	}
	w.posts[p.Channel] = slices.DeleteFunc(w.posts[p.Channel], func(other *post) bool { return other == p })
	if parent := w.find(p.Channel, p.ThreadTS); p.reply() && parent != nil && !p.Ephemeral {
		parent.ReplyCount--
	}
}

// Delete takes away a person's own message and sends message_deleted.
func (w *Workspace) Delete(person, channel, ts string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, p := w.channel(channel), w.find(channel, ts)
	switch {
	case c == nil || p == nil || p.Ephemeral && p.For != person:
		return fmt.Errorf("delete message %s: %w", ts, ErrNotFound)
	case p.User != person && !p.Ephemeral:
		return fmt.Errorf("delete message %s: it is not %s's own", ts, person)
	}
	w.emitDeleted(c, p)
	w.remove(p)
	return nil
}

// Edit changes the text of a person's own message and sends message_changed.
func (w *Workspace) Edit(person, channel, ts, text string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	c, p := w.channel(channel), w.find(channel, ts)
	switch {
	case c == nil || p == nil || p.Ephemeral:
		return fmt.Errorf("edit message %s: %w", ts, ErrNotFound)
	case p.User != person:
		return fmt.Errorf("edit message %s: it is not %s's own", ts, person)
	}
	before := w.messageWire(p, false)
	p.Text, p.Edited, p.EditedTS = w.format(text, true), true, w.nextTS()
	w.changed()
	w.emitChanged(c, before, p)
	return nil
}

// messageWire returns the message object of history, events and interactions. The caller holds
// w.mu.
func (w *Workspace) messageWire(p *post, metadata bool) map[string]any {
	m := map[string]any{"type": "message", "text": p.Text, "ts": p.TS, "team": w.cfg.TeamID}
	for key, value := range map[string]string{
		"user": p.User, "bot_id": p.BotID, "subtype": p.Subtype, "thread_ts": p.ThreadTS, "client_msg_id": p.clientMsgID,
	} {
		if value != "" {
			m[key] = value
		}
	}
	if p.BotID != "" {
		m["app_id"] = AppID
		m["bot_profile"] = map[string]any{
			"id": BotID, "app_id": AppID, "user_id": BotUserID, "name": w.cfg.AppName, "deleted": false,
			"team_id": w.cfg.TeamID, "updated": 0, "icons": map[string]any{},
		}
	}
	for key, value := range map[string]json.RawMessage{"blocks": p.Blocks, "attachments": p.Attachments} {
		if value != nil {
			m[key] = value
		}
	}
	if metadata && p.Metadata != nil {
		m["metadata"] = p.Metadata
	}
	if len(p.fileIDs) > 0 {
		m["files"] = w.filesWire(p.fileIDs, w.channel(p.Channel))
		m["upload"] = true
	}
	if p.Edited {
		m["edited"] = map[string]any{"user": p.User, "ts": p.EditedTS}
	}
	if p.ReplyCount > 0 {
		users := w.repliers(p)
		m["reply_count"], m["latest_reply"] = p.ReplyCount, p.LatestReply
		m["reply_users"], m["reply_users_count"] = users, len(users)
	}
	if len(p.Reactions) > 0 {
		var reactions []map[string]any
		for _, r := range p.Reactions {
			reactions = append(reactions, map[string]any{"name": r.Name, "users": r.Users, "count": len(r.Users)})
		}
		m["reactions"] = reactions
	}
	return m
}

func (w *Workspace) repliers(parent *post) []string {
	users := []string{}
	for _, p := range w.posts[parent.Channel] {
		if p.reply() && p.ThreadTS == parent.TS && !p.Ephemeral && !slices.Contains(users, p.User) {
			users = append(users, p.User)
		}
	}
	return users
}
