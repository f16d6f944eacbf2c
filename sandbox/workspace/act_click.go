package workspace

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Click presses a button of a message as it is now: action and block are found in it, an empty
// blockID fits every block. A confirm dialog is taken as confirmed. It returns when the app
// acknowledged, or with [ErrTimeout] or [ErrDispatchFailed].
func (w *Workspace) Click(ctx context.Context, person, channel, messageTS, actionID, blockID string) error {
	return w.ClickValue(ctx, person, channel, messageTS, actionID, blockID, "")
}

// ClickValue chooses the option with a value in a menu or an overflow, a person, channel, date or
// time by its value; of several buttons with the action_id it presses the one with the value.
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

// ClickStale presses a button of a copy of a message that a client still shows, though the message
// may have changed or gone since. The payload's message is the one that Slack holds, if it still
// does.
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

// ClickShown is ClickValue on the blocks that a client shows (JSON, as [Message.Blocks]): an edit
// that it has not drawn yet does not lose the click. The message may be gone by the time of the
// click, unless only this person saw it.
func (w *Workspace) ClickShown(
	ctx context.Context, person, channel, messageTS string, shown json.RawMessage, actionID, blockID, value string,
) error {
	w.mu.Lock()
	message := Message{Channel: channel, TS: messageTS}
	if held := w.find(channel, messageTS); held != nil {
		if held.Ephemeral && held.For != person {
			w.mu.Unlock()
			return fmt.Errorf("click: message %s: %w", messageTS, ErrNotFound)
		}
		message = w.read(held)
	}
	message.Blocks = shown
	d, err := w.clickMessage(person, message, actionID, blockID, value)
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
	element, block := findElement(m.Blocks, actionID, blockID, value)
	if element == nil {
		return nil, fmt.Errorf("click: no element %s in message %s: %w", actionID, m.TS, ErrNotFound)
	}
	action, err := w.choose(person, element, block, value)
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

// stateOf returns the state of a message after an action: menus and the like show what was chosen,
// buttons have none.
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

// interaction returns what all interactive payloads share. The caller holds w.mu.
func (w *Workspace) interaction(kind, person string) map[string]any {
	p := w.person(person)
	return map[string]any{
		"type": kind, "token": "sandbox", "api_app_id": AppID, "enterprise": nil, "is_enterprise_install": false,
		"trigger_id": w.newTrigger(person),
		"team":       map[string]any{"id": w.cfg.TeamID, "domain": w.domain()},
		"user":       map[string]any{"id": p.ID, "username": p.Name, "name": p.Name, "team_id": p.TeamID},
	}
}

// findElement finds an interactive element by action_id and its block. Of several buttons it is the
// one with the value, else the first.
func findElement(blocks []byte, actionID, blockID, value string) (element, block map[string]any) {
	all, err := decodeList(string(blocks))
	if err != nil {
		return nil, nil
	}
	for _, object := range nestedBlocks(all) {
		if blockID != "" && object["block_id"] != blockID {
			continue
		}
		for _, candidate := range interactive(object) {
			if candidate["action_id"] != actionID {
				continue
			}
			if candidate["type"] != "button" || candidate["value"] == value {
				return candidate, object
			}
			if element == nil {
				element, block = candidate, object
			}
		}
	}
	return element, block
}

// choose makes the action of a payload: the element's identity and what was chosen.
func (w *Workspace) choose(person string, element, block map[string]any, value string) (map[string]any, error) {
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
	chosen, err := w.fill(person, element, value)
	if err != nil {
		return nil, fmt.Errorf("choose in %v: %w", element["action_id"], err)
	}
	maps.Copy(action, chosen)
	return action, nil
}

// fill returns the value object of an element: selected_option, value, files… for a value in words;
// an empty one is nothing chosen. A date and time is given in seconds. The caller holds w.mu.
func (w *Workspace) fill(person string, element map[string]any, value string) (map[string]any, error) {
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
	case kind == "datetimepicker":
		at, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("date and time %q: %w", value, err)
		}
		return map[string]any{"type": kind, single[kind]: at}, nil
	case single[kind] != "":
		if layout := layouts[kind]; layout != "" {
			if _, err := time.Parse(layout, value); err != nil {
				return nil, fmt.Errorf("fill in a %s: %w", kind, err)
			}
		}
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
	options, err := pick(element, w.offered[person+" "+asText(element["action_id"])], kind, words)
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

// layouts are how the pickers write what was picked.
var layouts = map[string]string{"datepicker": time.DateOnly, "timepicker": "15:04"}

// pick finds the options with these values in a menu, or among those that the app offered.
func pick(element, offered map[string]any, kind string, values []string) ([]any, error) {
	all, _ := element["options"].([]any)
	all = slices.Clone(all)
	if strings.HasSuffix(kind, "external_select") {
		begun, _ := element["initial_options"].([]any)
		all = append(slices.Collect(maps.Values(offered)), element["initial_option"])
		all = append(all, begun...)
	}
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

// asText returns the string in an untyped value, empty when there is none.
func asText(v any) string {
	s, _ := v.(string)
	return s
}
