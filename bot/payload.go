package bot

import (
	"encoding/json"
	"strings"
	"unicode"
)

// What Slack sends is read into our own small shapes: a field that we do not need cannot make a message unreadable
// (slack-go's decoding refuses a whole event for one block that it does not know).

// event is the outer and inner part of an Events API payload (docs.slack.dev/apis/events-api).
type event struct {
	ID     string `json:"event_id"`
	Team   string `json:"team_id"`
	Shared bool   `json:"is_ext_shared_channel"`
	Inner  struct {
		Type        string `json:"type"`
		Subtype     string `json:"subtype"`
		Person      string `json:"user"`
		BotID       string `json:"bot_id"`
		Channel     string `json:"channel"`
		ChannelType string `json:"channel_type"`
		Text        string `json:"text"`
		TS          string `json:"ts"`
		Thread      string `json:"thread_ts"` // the parent, for a reply
		Deleted     string `json:"deleted_ts"`
		Files       []file `json:"files"`
	} `json:"event"`
}

// UnmarshalJSON takes an inner event whose user is an object (user_change) for one without.
func (e *event) UnmarshalJSON(data []byte) error {
	var outer struct {
		ID     string          `json:"event_id"`
		Team   string          `json:"team_id"`
		Shared bool            `json:"is_ext_shared_channel"`
		Inner  json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(data, &outer); err != nil {
		return err
	}
	e.ID, e.Team, e.Shared = outer.ID, outer.Team, outer.Shared
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(outer.Inner, &kind); err != nil {
		return err
	}
	if e.Inner.Type = kind.Type; kind.Type != "message" && kind.Type != "member_joined_channel" {
		return nil
	}
	return json.Unmarshal(outer.Inner, &e.Inner)
}

// plain says whether the event is words alone that a person writes to the bot directly.
func (e event) plain() bool {
	in := e.Inner
	return in.Type == "message" && in.Subtype == "" && len(in.Files) == 0 && in.BotID == "" && in.Person != "" &&
		(in.ChannelType == "im" || strings.HasPrefix(in.Channel, "D"))
}

// file is a file as a message brings it, or as files.info gives it.
type file struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Mimetype string `json:"mimetype"`
	Filetype string `json:"filetype"`
	Mode     string `json:"mode"`
	External bool   `json:"is_external"`
	Size     int64  `json:"size"`
	Access   string `json:"file_access"`
	URL      string `json:"url_private_download"`
	Private  string `json:"url_private"`
}

// slash is a slash command (docs.slack.dev/interactivity/implementing-slash-commands).
type slash struct {
	Command  string `json:"command"`
	Text     string `json:"text"`
	Person   string `json:"user_id"`
	Channel  string `json:"channel_id"`
	Trigger  string `json:"trigger_id"`
	Response string `json:"response_url"`
}

// interaction is a click or a submitted form (docs.slack.dev/reference/interaction-payloads).
type interaction struct {
	Type   string `json:"type"`
	Person struct {
		ID string `json:"id"`
	} `json:"user"`
	Trigger  string `json:"trigger_id"`
	Response string `json:"response_url"`
	Channel  struct {
		ID string `json:"id"`
	} `json:"channel"`
	Container struct {
		Channel string `json:"channel_id"`
		Message string `json:"message_ts"`
		Thread  string `json:"thread_ts"`
	} `json:"container"`
	Actions []struct {
		ID       string `json:"action_id"`
		Value    string `json:"value"`
		Time     string `json:"action_ts"`
		Selected struct {
			Value string `json:"value"`
		} `json:"selected_option"`
	} `json:"actions"`
	View struct {
		ID       string `json:"id"`
		Callback string `json:"callback_id"`
		Metadata string `json:"private_metadata"`
		State    struct {
			Values map[string]map[string]struct {
				Value string `json:"value"`
			} `json:"values"`
		} `json:"state"`
	} `json:"view"`
}

// The types of interaction that we take.
const (
	blockActions   = "block_actions"
	viewSubmission = "view_submission"
)

// where is the place that an interaction came from.
func (i interaction) where() where {
	channel := i.Channel.ID
	if channel == "" {
		channel = i.Container.Channel
	}
	return where{Person: i.Person.ID, Channel: channel, Thread: i.Container.Thread, Response: i.Response}
}

// reason is what was written into the form for a rejection, "" when nothing of it can be seen.
func (i interaction) reason() string {
	return strings.TrimFunc(i.View.State.Values[reasonBlock][reasonInput].Value, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
	})
}

// once identifies the interaction, so that one that is delivered twice is done once.
func (i interaction) once() string {
	if i.Trigger != "" {
		return i.Trigger
	}
	parts := []string{i.Type, i.Person.ID, i.Container.Message, i.View.ID}
	for _, a := range i.Actions {
		parts = append(parts, a.ID, a.Time)
	}
	return strings.Join(parts, "/")
}
