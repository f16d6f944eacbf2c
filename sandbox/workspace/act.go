package workspace

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// ErrCannotPost is what a person sees who may not write in a place: not in it, or it is archived.
var ErrCannotPost = errors.New("you cannot post here")

// Say posts a message as a person, with files when there are some, and tells the app. It returns
// when the app acknowledged or the three seconds passed; that the app missed it is no error, as
// nobody sees it. Names after @, addresses and the letters & < > in the text are turned into what
// Slack's clients send. A person who is no longer active may still speak: their client has not
// noticed yet.
func (w *Workspace) Say(ctx context.Context, person, channel, threadTS, text string, files ...Upload) (Message, error) {
	return w.say(ctx, person, channel, threadTS, text, "file_share", func() (ids []string) {
		for _, u := range files {
			ids = append(ids, w.store(w.newID("F", 9), person, u.Name, u.Name, u.Content).ID)
		}
		return ids
	})
}

// Share posts files that are in the workspace already, whoever put them there, as Say does. With
// broadcast it is a reply that is sent to the channel, too (thread_broadcast).
func (w *Workspace) Share(
	ctx context.Context, person, channel, threadTS, text string, broadcast bool, files ...string,
) (Message, error) {
	subtype := "file_share"
	if broadcast {
		subtype = "thread_broadcast"
	}
	return w.say(ctx, person, channel, threadTS, text, subtype, func() []string { return files })
}

func (w *Workspace) say(
	ctx context.Context, person, channel, threadTS, text, subtype string, files func() []string,
) (Message, error) {
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
	if ids := files(); len(ids) > 0 {
		p.Subtype = subtype
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

// format makes what a client sends of what a person types. What is a token already stays. escape is
// for & < >. The caller holds w.mu.
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

// Command sends the app's slash command with the text after it. It returns when the app
// acknowledged, or with [ErrDispatchFailed]. What the app acknowledges with is posted.
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
