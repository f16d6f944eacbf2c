package workspace

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a message (docs: chat.postMessage, chat.update).
const (
	adviseText   = 4_000  // letters; longer ones may be shown cut
	maxText      = 40_000 // letters; chat.postMessage cuts there
	maxUpdate    = 4_000  // letters; chat.update refuses more
	maxMarkdown  = 12_000 // letters of markdown_text
	maxMetadata  = 16_000 // bytes (not documented exactly)
	maxEmojiName = 100
)

// content is what a message shows.
type content struct {
	text                          string
	blocks, attachments, metadata json.RawMessage // nil when not given, [] when emptied
}

// readContent checks text, blocks, attachments and metadata of a call.
func (w *Workspace) readContent(c *call) (content, error) {
	got := content{text: c.arg("text")}
	if markdown := c.arg("markdown_text"); markdown != "" {
		switch {
		case got.text != "" || c.arg("blocks") != "":
			return got, refuse("markdown_text_conflict")
		case utf8.RuneCountInString(markdown) > maxMarkdown:
			return got, refuse("msg_too_long")
		}
		got.text = markdown
	}
	var err error
	if got.blocks, err = w.readBlocks(c.arg("blocks"), InMessage); err != nil {
		return got, err
	}
	if got.attachments, err = w.readAttachments(c.arg("attachments"), got.blocks); err != nil {
		return got, err
	}
	if text := c.arg("metadata"); text != "" {
		if got.metadata, err = readMetadata(text); err != nil {
			return got, err
		}
	}
	if got.text == "" && emptyList(got.blocks) && emptyList(got.attachments) {
		return got, refuse("no_text")
	}
	if got.text == "" && !emptyList(got.blocks) {
		c.warnings = append(c.warnings, "missing_text_in_message")
		w.violate(c.name, "missing_text_in_message", "blocks without text: notifications and screen readers have nothing to say")
	}
	return got, nil
}

func emptyList(list json.RawMessage) bool { return len(list) == 0 || string(list) == "[]" }

// readMetadata checks message metadata (docs: message metadata).
func readMetadata(text string) (json.RawMessage, error) {
	var metadata struct {
		Type    string         `json:"event_type"`
		Payload map[string]any `json:"event_payload"`
	}
	if json.Unmarshal([]byte(text), &metadata) != nil {
		return nil, refuse("invalid_metadata_format")
	}
	if metadata.Type == "" && metadata.Payload == nil {
		return nil, nil // {} takes the metadata of a message away
	}
	if metadata.Type == "" || metadata.Payload == nil || len(text) > maxMetadata {
		return nil, refuse("invalid_metadata_schema")
	}
	return json.RawMessage(text), nil
}

// target returns the channel that a message goes to: a channel id, or a person's id for direct
// messages.
func (w *Workspace) target(id string) (*Channel, error) {
	if p := w.person(id); p != nil {
		if p.Deleted {
			return nil, refuse("user_disabled")
		}
		return w.openDM(id), nil
	}
	c := w.channel(id)
	switch {
	case c == nil || (c.Private || c.IM) && !c.BotMember:
		return nil, refuse("channel_not_found")
	case c.Archived:
		return nil, refuse("is_archived")
	case !c.BotMember && !w.has("chat:write.public"):
		return nil, refuse("not_in_channel")
	}
	return c, nil
}

// threadIn returns the thread that a reply goes to: none when its parent is gone, as Slack then
// posts to the channel without a word (slack-go#1571).
func (w *Workspace) threadIn(to *Channel, thread string) string {
	if thread == "" || w.find(to.ID, thread) != nil {
		return thread
	}
	return ""
}

// own makes a message of the app.
func own(c *Channel, thread string, got content) *post {
	return &post{Message: Message{
		Channel: c.ID, ThreadTS: thread, User: BotUserID, BotID: BotID, Text: got.text, Blocks: got.blocks,
		Attachments: got.attachments, Metadata: got.metadata,
	}}
}

func chatPostMessage(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("channel"); err != nil {
		return nil, err
	}
	to, err := w.target(c.arg("channel"))
	if err != nil {
		return nil, err
	}
	got, err := w.readContent(c)
	if err != nil {
		return nil, err
	}
	length := utf8.RuneCountInString(got.text)
	if length > adviseText {
		w.violate(c.name, "text_over_4000", fmt.Sprintf("a text of %d letters", length))
	}
	if length > maxText {
		c.warnings = append(c.warnings, "message_truncated")
		got.text = string([]rune(got.text)[:maxText])
	}
	p := w.add(own(to, w.threadIn(to, c.arg("thread_ts")), got))
	w.emitMessage(to, p)
	return map[string]any{"channel": to.ID, "ts": p.TS, "message": w.messageWire(p, true)}, nil
}

func chatPostEphemeral(w *Workspace, c *call) (map[string]any, error) {
	if err := c.need("channel", "user"); err != nil {
		return nil, err
	}
	to, err := w.target(c.arg("channel"))
	if err != nil {
		return nil, err
	}
	if who := c.arg("user"); !to.has(who) {
		return nil, refuse("user_not_in_channel")
	}
	got, err := w.readContent(c)
	if err != nil {
		return nil, err
	}
	p := own(to, w.threadIn(to, c.arg("thread_ts")), got)
	p.Ephemeral, p.For = true, c.arg("user")
	w.add(p)
	return map[string]any{"message_ts": p.TS}, nil
}

// owned returns a message that the app may change; code is the refusal for somebody else's.
func (w *Workspace) owned(c *call, code string) (*Channel, *post, error) {
	if err := c.need("channel", "ts"); err != nil {
		return nil, nil, err
	}
	in := w.channel(c.arg("channel"))
	if in == nil {
		return nil, nil, refuse("channel_not_found")
	}
	p := w.find(in.ID, c.arg("ts"))
	switch {
	case p == nil || p.Ephemeral || p.Subtype == "tombstone":
		return nil, nil, refuse("message_not_found")
	case p.BotID != BotID:
		return nil, nil, refuse(code)
	case in.Archived:
		return nil, nil, refuse("is_archived")
	case !in.BotMember:
		return nil, nil, refuse("not_in_channel")
	}
	return in, p, nil
}

func chatUpdate(w *Workspace, c *call) (map[string]any, error) {
	in, p, err := w.owned(c, "cant_update_message")
	if err != nil {
		return nil, err
	}
	if utf8.RuneCountInString(c.arg("text")) > maxUpdate {
		return nil, refuse("msg_too_long")
	}
	got, err := w.readContent(c)
	if err != nil {
		return nil, err
	}
	w.checkBlockIDs(c.name, p.Blocks, got.blocks)
	before := w.messageWire(p, false)
	if got.text != "" {
		p.Text = got.text
	}
	// Blocks and attachments that are not in the call stay as they are; an empty list takes them
	// away (docs: chat.update).
	if got.blocks != nil {
		p.Blocks = got.blocks
	}
	if got.attachments != nil {
		p.Attachments = got.attachments
	}
	if c.arg("metadata") != "" {
		p.Metadata = got.metadata
	}
	p.Edited, p.EditedTS = true, w.nextTS()
	w.changed()
	w.emitChanged(in, before, p)
	return map[string]any{"channel": in.ID, "ts": p.TS, "text": p.Text, "message": w.messageWire(p, true)}, nil
}

func chatDelete(w *Workspace, c *call) (map[string]any, error) {
	in, p, err := w.owned(c, "cant_delete_message")
	if err != nil {
		return nil, err
	}
	w.emitDeleted(in, p)
	w.remove(p)
	return map[string]any{"channel": in.ID, "ts": p.TS}, nil
}

func chatGetPermalink(w *Workspace, c *call) (map[string]any, error) {
	in := w.channel(c.arg("channel"))
	if in == nil {
		return nil, refuse("channel_not_found")
	}
	p := w.find(in.ID, c.arg("message_ts"))
	if p == nil || p.Ephemeral {
		return nil, refuse("message_not_found")
	}
	link := w.baseURL + "/archives/" + in.ID + "/p" + strings.ReplaceAll(p.TS, ".", "")
	if p.reply() {
		link += "?thread_ts=" + p.ThreadTS + "&cid=" + in.ID
	}
	return map[string]any{"channel": in.ID, "permalink": link}, nil
}

// reacted finds the message that a reaction is for.
func (w *Workspace) reacted(c *call) (*post, error) {
	if err := c.need("channel", "timestamp", "name"); err != nil {
		return nil, err
	}
	in := w.channel(c.arg("channel"))
	switch {
	case in == nil:
		return nil, refuse("channel_not_found")
	case in.Archived:
		return nil, refuse("is_archived")
	case !in.BotMember:
		return nil, refuse("not_in_channel")
	case len(c.arg("name")) > maxEmojiName || strings.ContainsAny(c.arg("name"), ": "):
		return nil, refuse("invalid_name")
	}
	p := w.find(in.ID, c.arg("timestamp"))
	if p == nil || p.Ephemeral {
		return nil, refuse("message_not_found")
	}
	return p, nil
}

func reactionsAdd(w *Workspace, c *call) (map[string]any, error) {
	p, err := w.reacted(c)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(p.Reactions, func(r Reaction) bool { return r.Name == c.arg("name") })
	if at < 0 {
		p.Reactions, at = append(p.Reactions, Reaction{Name: c.arg("name")}), len(p.Reactions)
	}
	if slices.Contains(p.Reactions[at].Users, BotUserID) {
		return nil, refuse("already_reacted")
	}
	p.Reactions[at].Users = append(slices.Clone(p.Reactions[at].Users), BotUserID)
	w.changed()
	return nil, nil
}

func reactionsRemove(w *Workspace, c *call) (map[string]any, error) {
	p, err := w.reacted(c)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(p.Reactions, func(r Reaction) bool {
		return r.Name == c.arg("name") && slices.Contains(r.Users, BotUserID)
	})
	if at < 0 {
		return nil, refuse("no_reaction")
	}
	p.Reactions[at].Users = without(p.Reactions[at].Users, []string{BotUserID})
	if len(p.Reactions[at].Users) == 0 {
		p.Reactions = slices.Delete(p.Reactions, at, at+1)
	}
	w.changed()
	return nil, nil
}
