package bot

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"
	"unicode"

	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
)

// incoming is what Slack sends, decoded once: a slash, a press, a submission, a suggestion, a
// shortcut, a closed, a homeOpened, a message, a deletion, a joined, a personChanged or a
// groupsChanged. Each is our own small shape: a field that
// we do not need cannot make a payload unreadable (slack-go's decoding refuses a whole event for
// one block that it does not know).
type incoming interface{ incoming() }

// slash is a slash command (docs.slack.dev/interactivity/implementing-slash-commands).
type slash struct {
	Command  string `json:"command"`
	Text     string `json:"text"`
	Person   string `json:"user_id"`
	Channel  string `json:"channel_id"`
	Trigger  string `json:"trigger_id"`
	Response string `json:"response_url"`

	// Of words in a direct message; "" else.
	Thread   string    `json:"-"` // that they stand in
	Delivery string    `json:"-"` // the message's key
	Said     time.Time `json:"-"` // when they were written
}

// press is a click on a button, or a choice in a menu (block_actions).
type press struct {
	Action   string // its id
	Value    string // of a button
	Selected string // of a menu
	Message  string // ts of the message that it stands in
	View     viewed // the view that it stands in; the zero viewed for a message
	Trigger  string // opens a form within about three seconds
	By       slackapi.Recipient
	Once     string // the same when it is delivered twice
}

// submission is a form that was sent (view_submission).
type submission struct {
	Form     string // its callback id
	Metadata string // what went along when it was opened
	Fields   map[string]map[string]field
	View     viewed
	By       slackapi.Recipient
	Once     string // the same when it is delivered twice
}

// suggestion is a search as somebody types in a menu (block_suggestion).
type suggestion struct {
	Action string // the menu's id
	Text   string
	View   viewed
	By     slackapi.Recipient
}

// shortcut is a choice in the menu of the app (shortcut), or in that of a message (message_action).
type shortcut struct {
	Name    string // its callback id
	Trigger string
	Message slackapi.Posted // that it was chosen on; the zero Posted for one of the app
	By      slackapi.Recipient
}

// closed is a modal that somebody closed (view_closed).
type closed struct {
	View viewed
	By   slackapi.Recipient
}

// homeOpened is a look at the Home tab (app_home_opened).
type homeOpened struct{ Person string }

// viewed is a modal or a Home tab as it was when something was done in it
// (docs.slack.dev/reference/interaction-payloads, view).
type viewed struct {
	ID       string `json:"id"`
	Kind     string `json:"type"` // modal or home
	Hash     string `json:"hash"`
	Callback string `json:"callback_id"`
	Metadata string `json:"private_metadata"`
	State    struct {
		Values map[string]map[string]field `json:"values"`
	} `json:"state"`
}

// field is what somebody put into one field of a form.
type field struct {
	Value   string          `json:"value"`
	Option  *option         `json:"selected_option"`
	Options []option        `json:"selected_options"`
	Files   []slackapi.File `json:"files"`
}

// option is what somebody chose in a menu.
type option struct {
	Value string `json:"value"`
}

// text returns what was typed or chosen, "" for nothing.
func (f field) text() string {
	if f.Option != nil {
		return f.Option.Value
	}
	return f.Value
}

// message is a message that somebody sent, with what the event says of it besides.
type message struct {
	Event  string // its id, "" for a message that was read
	Shared bool   // in a channel that is shared with another organisation
	slackapi.Posted
	Channel     string `json:"channel"`
	ChannelType string `json:"channel_type"`
}

// deletion is a message that somebody deleted.
type deletion struct{ Channel, TS string }

// joined is a person who came into a channel.
type joined struct{ Person, Channel string }

// personChanged and groupsChanged say that something of a person, of a user group is other than it
// was.
type (
	personChanged struct{ Person string }
	groupsChanged struct{}
)

func (slash) incoming()         {}
func (press) incoming()         {}
func (submission) incoming()    {}
func (suggestion) incoming()    {}
func (shortcut) incoming()      {}
func (closed) incoming()        {}
func (homeOpened) incoming()    {}
func (message) incoming()       {}
func (deletion) incoming()      {}
func (joined) incoming()        {}
func (personChanged) incoming() {}
func (groupsChanged) incoming() {}

// decode reads what an envelope of that kind holds; nil for what is nothing to us.
func decode(kind string, payload json.RawMessage) (incoming, error) {
	switch kind {
	case socketmode.RequestTypeEventsAPI:
		return decodeEvent(payload)
	case socketmode.RequestTypeSlashCommands:
		var s slash
		err := json.Unmarshal(payload, &s)
		return s, err
	case socketmode.RequestTypeInteractive:
		return decodeInteraction(payload)
	}
	return nil, nil //nolint:nilnil // another kind is nothing to us
}

// decodeEvent reads the outer and inner part of an Events API payload
// (docs.slack.dev/apis/events-api). The user of some events is an object, so that the inner part is
// read by its type.
func decodeEvent(payload json.RawMessage) (incoming, error) {
	var outer struct {
		ID     string          `json:"event_id"`
		Shared bool            `json:"is_ext_shared_channel"`
		Inner  json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(payload, &outer); err != nil {
		return nil, err
	}
	var kind struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(outer.Inner, &kind); err != nil {
		return nil, err
	}
	switch kind.Type {
	case "user_change":
		return decodePersonChanged(outer.Inner)
	case "subteam_members_changed", "subteam_updated":
		return groupsChanged{}, nil
	case "app_home_opened":
		return decodeHomeOpened(outer.Inner)
	case "message", "member_joined_channel":
	default:
		return nil, nil //nolint:nilnil // another event is nothing to us
	}
	in := struct {
		message
		Deleted string `json:"deleted_ts"`
	}{message: message{Event: outer.ID, Shared: outer.Shared}}
	if err := json.Unmarshal(outer.Inner, &in); err != nil {
		return nil, err
	}
	switch {
	case kind.Type == "member_joined_channel":
		return joined{in.Person, in.Channel}, nil
	case in.Subtype == "message_deleted":
		return deletion{in.Channel, in.Deleted}, nil
	}
	return in.message, nil
}

// decodePersonChanged reads a user_change, whose user is an object.
func decodePersonChanged(inner json.RawMessage) (incoming, error) {
	var in struct {
		User struct {
			ID string `json:"id"`
		} `json:"user"`
	}
	err := json.Unmarshal(inner, &in)
	return personChanged{in.User.ID}, err
}

// decodeHomeOpened reads an app_home_opened, which comes for the tab of messages, too.
func decodeHomeOpened(inner json.RawMessage) (incoming, error) {
	var in struct {
		Person string `json:"user"`
		Tab    string `json:"tab"`
	}
	if err := json.Unmarshal(inner, &in); err != nil || in.Tab != "home" {
		return nil, err
	}
	return homeOpened{in.Person}, nil
}

// decodeInteraction reads a click or a form (docs.slack.dev/reference/interaction-payloads).
func decodeInteraction(payload json.RawMessage) (incoming, error) {
	var i struct {
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
			Selected field  `json:"selected_option"`
		} `json:"actions"`
		View     viewed          `json:"view"`
		Callback string          `json:"callback_id"` // of a shortcut
		Message  slackapi.Posted `json:"message"`     // that it was chosen on
		Action   string          `json:"action_id"`   // of a search, with what was typed
		Value    string          `json:"value"`
	}
	if err := json.Unmarshal(payload, &i); err != nil {
		return nil, err
	}
	by := slackapi.Recipient{
		Person: i.Person.ID, Channel: cmp.Or(i.Channel.ID, i.Container.Channel), Thread: i.Container.Thread,
		Response: i.Response,
	}
	once := i.Trigger
	if once == "" {
		parts := []string{i.Type, i.Person.ID, i.Container.Message, i.View.ID}
		for _, a := range i.Actions {
			parts = append(parts, a.ID, a.Time)
		}
		once = strings.Join(parts, "/")
	}
	switch {
	case i.Type == "block_actions" && len(i.Actions) == 1:
		a := i.Actions[0]
		return press{
			Action: a.ID, Value: a.Value, Selected: a.Selected.Value, Message: i.Container.Message, View: i.View, Trigger: i.Trigger,
			By: by, Once: once,
		}, nil
	case i.Type == "view_submission":
		return submission{
			Form: i.View.Callback, Metadata: i.View.Metadata, Fields: i.View.State.Values, View: i.View, By: by, Once: once,
		}, nil
	case i.Type == "block_suggestion":
		return suggestion{Action: i.Action, Text: i.Value, View: i.View, By: by}, nil
	case i.Type == "shortcut":
		return shortcut{Name: i.Callback, Trigger: i.Trigger, By: by}, nil
	case i.Type == "message_action":
		return shortcut{Name: i.Callback, Trigger: i.Trigger, Message: i.Message, By: by}, nil
	case i.Type == "view_closed":
		return closed{i.View, by}, nil
	}
	return nil, nil //nolint:nilnil // another interaction is nothing to us
}

// direct reports whether the message was sent to the bot alone.
func (m message) direct() bool { return m.ChannelType == "im" || strings.HasPrefix(m.Channel, "D") }

// plain reports whether the message is words alone that a person writes to the bot directly, without a
// program in between.
func (m message) plain() bool {
	byProgram := m.BotID != "" || m.App != "" || len(m.Bot) > 0 && string(m.Bot) != "null"
	return m.Subtype == "" && len(m.Files) == 0 && !byProgram && m.Person != "" && m.direct()
}

// key is under which it is remembered that the message was dealt with: the same for its event and where it
// is read.
func (m message) key() string { return "message/" + m.Channel + "/" + m.TS }

// words are those of a message as if a slash command had brought them.
func (m message) words() slash {
	return slash{
		Text: m.Text, Person: m.Person, Channel: m.Channel, Thread: m.Thread, Delivery: m.key(), Said: momentOf(m.TS),
	}
}

// reason returns what was written into the form for a rejection, "" when nothing of it can be seen.
func (s submission) reason() string {
	return strings.TrimFunc(s.Fields[view.ReasonBlock][view.ReasonInput].Value, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r)
	})
}
