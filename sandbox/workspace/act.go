package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// ErrCannotPost is what a person sees who may not write in a place: not in it, or it is archived.
var ErrCannotPost = errors.New("you cannot post here")

// Say posts a message as a person, with files when there are some, and tells the app. It returns when the app acknowledged
// or the three seconds passed; that the app missed it is no error, as nobody sees it. Names after @, addresses and
// the letters & < > in the text are turned into what Slack's clients send. A person who is no longer active may still speak:
// their client has not noticed yet.
func (w *Workspace) Say(ctx context.Context, person, channel, threadTS, text string, files ...Upload) (Message, error) {
	w.mu.Lock()
	c := w.channel(channel)
	var err error
	switch {
	case w.person(person) == nil:
		err = fmt.Errorf("say: person %s: %w", person, ErrNotFound)
	case c == nil:
		err = fmt.Errorf("say: channel %s: %w", channel, ErrNotFound)
	case c.Archived || !c.has(person):
		err = ErrCannotPost
	case threadTS != "" && w.find(channel, threadTS) == nil:
		err = fmt.Errorf("say: thread %s: %w", threadTS, ErrNotFound)
	}
	if err != nil {
		w.mu.Unlock()
		return Message{}, err
	}
	p := &post{
		clientMsgID: strings.ToLower(w.newID("", 8) + "-" + w.newID("", 12)),
		Message:     Message{Channel: channel, ThreadTS: threadTS, User: person, Text: w.format(text, true)},
	}
	var heard <-chan struct{}
	if len(files) > 0 {
		var ids []string
		for _, u := range files {
			ids = append(ids, w.store(w.newID("F", 9), person, u.Name, u.Name, u.Content).ID)
		}
		heard = w.share(c, p, ids)
	} else {
		heard = w.emitMessage(c, w.add(p))
	}
	said := w.read(p)
	w.mu.Unlock()
	if heard == nil {
		return said, nil
	}
	select {
	case <-heard:
		return said, nil
	case <-ctx.Done():
		return said, context.Cause(ctx)
	}
}

var (
	sentTokens = regexp.MustCompile(`<(?:[@#!][^<>]+|(?:https?://|mailto:)[^<>]+)>`)
	addresses  = regexp.MustCompile(`[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)
	mentions   = regexp.MustCompile(`(^|\s)([@#])([a-z0-9][a-z0-9._-]*)`)
)

// format makes what a client sends of what a person types. What is a token already stays. escape is for & < >. The caller
// holds w.mu.
func (w *Workspace) format(text string, escape bool) string {
	var out strings.Builder
	rest := text
	for rest != "" {
		from, to := len(rest), len(rest)
		if at := sentTokens.FindStringIndex(rest); at != nil {
			from, to = at[0], at[1]
		}
		out.WriteString(w.formatPlain(rest[:from], escape))
		out.WriteString(rest[from:to])
		rest = rest[to:]
	}
	return out.String()
}

func (w *Workspace) formatPlain(text string, escape bool) string {
	if escape {
		text = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
	}
	text = addresses.ReplaceAllString(text, "<mailto:$0|$0>")
	return mentions.ReplaceAllStringFunc(text, func(found string) string {
		parts := mentions.FindStringSubmatch(found)
		name := strings.TrimRight(parts[3], ".")
		tail := parts[3][len(name):]
		for _, p := range w.people {
			if parts[2] == "@" && p.Name == name {
				return parts[1] + "<@" + p.ID + ">" + tail
			}
		}
		for _, g := range w.groups {
			if parts[2] == "@" && g.Handle == name {
				return parts[1] + "<!subteam^" + g.ID + ">" + tail
			}
		}
		for _, c := range w.channels {
			if parts[2] == "#" && c.Name == name && !c.IM {
				return parts[1] + "<#" + c.ID + "|" + c.Name + ">" + tail
			}
		}
		return found
	})
}

// Command sends the app's slash command with the text after it. It returns when the app acknowledged, or with
// [ErrDispatchFailed]. What the app acknowledges with is posted.
func (w *Workspace) Command(ctx context.Context, person, channel, text string) error {
	w.mu.Lock()
	p, c := w.person(person), w.channel(channel)
	var err error
	switch {
	case p == nil:
		err = fmt.Errorf("command: person %s: %w", person, ErrNotFound)
	case c == nil:
		err = fmt.Errorf("command: channel %s: %w", channel, ErrNotFound)
	case !c.has(person) && (c.Private || c.IM):
		err = ErrCannotPost
	case !w.has("commands"):
		err = errors.New("invalid_command")
	}
	if err != nil {
		w.mu.Unlock()
		return err
	}
	if w.cfg.EscapeCommands {
		text = w.format(text, false)
	}
	response := w.newResponseURL(&responseURL{person: person, channel: channel})
	d := w.dispatch(envelope{Type: "slash_commands", Accepts: true, Payload: map[string]any{
		"token": "sandbox", "team_id": w.cfg.TeamID, "team_domain": w.domain(), "channel_id": c.ID,
		"channel_name": c.commandName(), "user_id": p.ID, "user_name": p.Name, "command": w.cfg.Command, "text": text,
		"api_app_id": AppID, "is_enterprise_install": "false", "response_url": w.addressOf(response),
		"trigger_id": w.newTrigger(person),
	}})
	w.mu.Unlock()
	payload, err := w.request(ctx, d, ErrDispatchFailed)
	if err != nil || payload == nil {
		return err
	}
	if err := w.respond(response, payload); err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.violate("socket", "invalid_ack_payload", err.Error())
		return ErrDispatchFailed
	}
	return nil
}

// Click presses a button of a message as it is now: action and block are found in it, an empty blockID fits every block.
// A confirm dialog is taken as confirmed. It returns when the app acknowledged, or with [ErrTimeout] or
// [ErrDispatchFailed].
func (w *Workspace) Click(ctx context.Context, person, channel, messageTS, actionID, blockID string) error {
	return w.ClickValue(ctx, person, channel, messageTS, actionID, blockID, "")
}

// ClickValue chooses the option with a value in a menu or an overflow, a person, channel, date or time by its value; for a
// button the value is not looked at.
func (w *Workspace) ClickValue(ctx context.Context, person, channel, messageTS, actionID, blockID, value string) error {
	w.mu.Lock()
	p := w.find(channel, messageTS)
	if p == nil || p.Ephemeral && p.For != person {
		w.mu.Unlock()
		return fmt.Errorf("click: message %s: %w", messageTS, ErrNotFound)
	}
	d, err := w.clickMessage(person, w.read(p), actionID, blockID, value)
	w.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = w.request(ctx, d, ErrTimeout)
	return err
}

// ClickStale presses a button of a copy of a message that a client still shows, though the message may have changed or gone
// since. The payload's message is the one that Slack holds, if it still does.
func (w *Workspace) ClickStale(ctx context.Context, person, _ string, msg Message, actionID string) error {
	w.mu.Lock()
	d, err := w.clickMessage(person, msg, actionID, "", "")
	w.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = w.request(ctx, d, ErrTimeout)
	return err
}

// clickMessage sends block_actions for an element of a message. The caller holds w.mu.
func (w *Workspace) clickMessage(person string, m Message, actionID, blockID, value string) (*delivery, error) {
	c := w.channel(m.Channel)
	if w.person(person) == nil || c == nil {
		return nil, fmt.Errorf("click %s: %w", actionID, ErrNotFound)
	}
	if (c.Private || c.IM) && !c.has(person) {
		return nil, ErrCannotPost
	}
	element, block := findElement(m.Blocks, actionID, blockID)
	if element == nil {
		return nil, fmt.Errorf("click: no element %s in message %s: %w", actionID, m.TS, ErrNotFound)
	}
	action, err := w.choose(element, block, value)
	if err != nil {
		return nil, err
	}
	container := map[string]any{
		"type": "message", "message_ts": m.TS, "channel_id": c.ID, "is_ephemeral": m.Ephemeral,
	}
	if m.ThreadTS != "" {
		container["thread_ts"] = m.ThreadTS
	}
	name := c.Name
	if c.IM {
		name = "directmessage"
	} else if c.Private {
		name = "privategroup"
	}
	response := w.newResponseURL(&responseURL{person: person, channel: c.ID, message: m.TS, thread: m.ThreadTS})
	payload := w.interaction("block_actions", person)
	maps.Copy(payload, map[string]any{
		"container": container, "channel": map[string]any{"id": c.ID, "name": name}, "actions": []map[string]any{action},
		"response_url": w.addressOf(response), "state": map[string]any{"values": stateOf(action)},
	})
	if !m.Ephemeral {
		if held := w.find(c.ID, m.TS); held != nil {
			payload["message"] = w.messageWire(held, true)
		} else {
			payload["message"] = w.messageWire(&post{Message: m}, true)
		}
	}
	return w.dispatch(envelope{Type: "interactive", Payload: payload, Accepts: true}), nil
}

// stateOf is the state of a message after an action: menus and the like show what was chosen, buttons have none.
func stateOf(action map[string]any) map[string]any {
	kind, _ := action["type"].(string)
	if kind == "button" || kind == "overflow" {
		return map[string]any{}
	}
	value := maps.Clone(action)
	for _, key := range []string{"action_id", "block_id", "action_ts", "placeholder", "confirm"} {
		delete(value, key)
	}
	return map[string]any{asText(action["block_id"]): map[string]any{asText(action["action_id"]): value}}
}

// interaction is what all interactive payloads share. The caller holds w.mu.
func (w *Workspace) interaction(kind, person string) map[string]any {
	p := w.person(person)
	return map[string]any{
		"type": kind, "token": "sandbox", "api_app_id": AppID, "enterprise": nil, "is_enterprise_install": false,
		"trigger_id": w.newTrigger(person),
		"team":       map[string]any{"id": w.cfg.TeamID, "domain": w.domain()},
		"user":       map[string]any{"id": p.ID, "username": p.Name, "name": p.Name, "team_id": p.TeamID},
	}
}

// findElement finds an interactive element by action_id and its block.
func findElement(blocks []byte, actionID, blockID string) (element, block map[string]any) {
	all, err := decodeList(string(blocks))
	if err != nil {
		return nil, nil
	}
	for _, one := range all {
		object, is := one.(map[string]any)
		if !is || blockID != "" && object["block_id"] != blockID {
			continue
		}
		for _, candidate := range interactive(object) {
			if candidate["action_id"] == actionID {
				return candidate, object
			}
		}
	}
	return nil, nil
}

// choose makes the action of a payload: the element's identity and what was chosen.
func (w *Workspace) choose(element, block map[string]any, value string) (map[string]any, error) {
	action := map[string]any{
		"type": element["type"], "action_id": element["action_id"], "block_id": block["block_id"],
		"action_ts": fmt.Sprintf("%d.%06d", time.Now().Unix(), time.Now().Nanosecond()/1000),
	}
	for _, key := range []string{"placeholder", "confirm"} {
		if element[key] != nil {
			action[key] = element[key]
		}
	}
	if element["type"] == "button" {
		for _, key := range []string{"text", "value", "style", "url"} {
			if element[key] != nil {
				action[key] = element[key]
			}
		}
		return action, nil
	}
	chosen, err := w.fill(element, value)
	if err != nil {
		return nil, fmt.Errorf("choose in %v: %w", element["action_id"], err)
	}
	maps.Copy(action, chosen)
	return action, nil
}

// fill is the value object of an element: selected_option, value, files… for a value in words; an empty one is nothing
// chosen. The caller holds w.mu.
func (w *Workspace) fill(element map[string]any, value string) (map[string]any, error) {
	kind := asText(element["type"])
	words := slices.DeleteFunc(strings.Split(value, ","), func(s string) bool { return s == "" })
	single := map[string]string{
		"users_select": "selected_user", "conversations_select": "selected_conversation",
		"channels_select": "selected_channel", "datepicker": "selected_date", "timepicker": "selected_time",
		"datetimepicker": "selected_date_time", "plain_text_input": "value", "email_text_input": "value",
		"url_text_input": "value", "number_input": "value",
	}
	several := map[string]string{
		"multi_users_select": "selected_users", "multi_conversations_select": "selected_conversations",
		"multi_channels_select": "selected_channels",
	}
	switch {
	case single[kind] != "" && value == "":
		return map[string]any{"type": kind, single[kind]: nil}, nil
	case single[kind] != "":
		return map[string]any{"type": kind, single[kind]: value}, nil
	case several[kind] != "":
		return map[string]any{"type": kind, several[kind]: append([]string{}, words...)}, nil
	case kind == "file_input":
		files := []map[string]any{}
		for _, id := range words {
			if w.files[id] == nil {
				return nil, fmt.Errorf("file %s: %w", id, ErrNotFound)
			}
			files = append(files, w.fileWire(w.files[id]))
		}
		return map[string]any{"type": kind, "files": files}, nil
	}
	options, err := pick(element, kind, words)
	if err != nil {
		return nil, err
	}
	if kind == "checkboxes" || strings.HasPrefix(kind, "multi_") {
		return map[string]any{"type": kind, "selected_options": options}, nil
	}
	if len(options) == 0 {
		return map[string]any{"type": kind, "selected_option": nil}, nil
	}
	return map[string]any{"type": kind, "selected_option": options[0]}, nil
}

// pick finds the options with these values in a menu.
func pick(element map[string]any, kind string, values []string) ([]any, error) {
	all, _ := element["options"].([]any)
	groups, _ := element["option_groups"].([]any)
	for _, group := range groups {
		object, _ := group.(map[string]any)
		options, _ := object["options"].([]any)
		all = append(all, options...)
	}
	picked := []any{}
	for _, value := range values {
		at := slices.IndexFunc(all, func(option any) bool {
			object, _ := option.(map[string]any)
			return object["value"] == value
		})
		if at < 0 {
			return nil, fmt.Errorf("option %q of a %s: %w", value, kind, ErrNotFound)
		}
		picked = append(picked, all[at])
	}
	return picked, nil
}

// asText is the string in an untyped value, empty when there is none.
func asText(v any) string {
	s, _ := v.(string)
	return s
}
