package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Shortcut is one of the app's shortcuts, as its manifest names them.
type Shortcut struct {
	Name        string `json:"name"` // up to 24 letters
	Message     bool   `json:"message"`
	CallbackID  string `json:"callback_id"`
	Description string `json:"description"`
}

// Limits of a manifest (slackapi/manifest-schema v1).
const (
	maxShortcuts    = 10
	maxShortcutName = 24
)

func checkShortcuts(all []Shortcut) error {
	if len(all) > maxShortcuts {
		return fmt.Errorf("make workspace: %d shortcuts, at most %d are allowed", len(all), maxShortcuts)
	}
	for _, s := range all {
		if n := utf8.RuneCountInString(s.Name); n < 1 || n > maxShortcutName || s.CallbackID == "" {
			return fmt.Errorf("make workspace: shortcut %q: a name of 1 to %d letters and a callback_id are needed",
				s.Name, maxShortcutName)
		}
	}
	return nil
}

// Shortcuts returns the app's shortcuts.
func (w *Workspace) Shortcuts() []Shortcut { return slices.Clone(w.cfg.Shortcuts) }

// errNoShortcut is for a shortcut that no menu shows.
var errNoShortcut = errors.New("the app has no such shortcut")

// hasShortcut reports whether a menu shows the shortcut; all are there in a workspace that was made
// without any.
func (w *Workspace) hasShortcut(callbackID string, message bool) bool {
	return len(w.cfg.Shortcuts) == 0 || slices.ContainsFunc(w.cfg.Shortcuts, func(s Shortcut) bool {
		return s.CallbackID == callbackID && s.Message == message
	})
}

// GlobalShortcut chooses a global shortcut of the app. It returns when the app acknowledged, or with
// [ErrTimeout].
func (w *Workspace) GlobalShortcut(ctx context.Context, person, callbackID string) error {
	w.mu.Lock()
	var err error
	switch {
	case w.person(person) == nil:
		err = fmt.Errorf("shortcut: person %s: %w", person, ErrNotFound)
	case !w.has("commands") || !w.hasShortcut(callbackID, false):
		err = errNoShortcut
	}
	if err != nil {
		w.mu.Unlock()
		return err
	}
	payload := w.interaction("shortcut", person)
	payload["callback_id"], payload["action_ts"] = callbackID, w.nextTS()
	d := w.dispatch(envelope{Type: "interactive", Payload: payload})
	w.mu.Unlock()
	_, err = w.request(ctx, d, ErrTimeout)
	return err
}

// MessageShortcut chooses a shortcut in the menu of a message, which may stand in a thread or in a
// channel without the app. A message that only one person sees has no such menu.
func (w *Workspace) MessageShortcut(ctx context.Context, person, channel, messageTS, callbackID string) error {
	w.mu.Lock()
	c, p := w.channel(channel), w.find(channel, messageTS)
	var err error
	switch {
	case w.person(person) == nil || c == nil || p == nil || p.Ephemeral:
		err = fmt.Errorf("shortcut: message %s: %w", messageTS, ErrNotFound)
	case (c.Private || c.IM) && !c.has(person):
		err = ErrCannotPost
	case !w.has("commands") || !w.hasShortcut(callbackID, true):
		err = errNoShortcut
	}
	if err != nil {
		w.mu.Unlock()
		return err
	}
	response := w.newResponseURL(&responseURL{person: person, channel: c.ID, message: p.TS, thread: p.ThreadTS})
	payload := w.interaction("message_action", person)
	maps.Copy(payload, map[string]any{
		"callback_id": callbackID, "action_ts": w.nextTS(), "message_ts": p.TS, "response_url": w.addressOf(response),
		"channel": map[string]any{"id": c.ID, "name": c.commandName()}, "message": w.messageWire(p, true),
	})
	d := w.dispatch(envelope{Type: "interactive", Payload: payload})
	w.mu.Unlock()
	_, err = w.request(ctx, d, ErrTimeout)
	return err
}
