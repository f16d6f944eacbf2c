package page

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"

	"github.com/countersign/countersign/sandbox/workspace"
)

// stateJSON is what one person sees at one moment. The page draws nothing that is not in here or in
// organisationJSON.
type stateJSON struct {
	Workspace   string           `json:"workspace"`
	Command     string           `json:"command"`
	App         personJSON       `json:"app"`
	Person      string           `json:"person"`
	People      []personJSON     `json:"people"`
	Groups      []groupJSON      `json:"groups"`
	Channels    []channelJSON    `json:"channels"`
	Channel     string           `json:"channel"`
	Messages    []messageJSON    `json:"messages"`
	Thread      []messageJSON    `json:"thread"`
	Views       []workspace.View `json:"views"` // open modals, the top one last
	Suggestions []suggestionJSON `json:"suggestions"`

	Shortcuts []workspace.Shortcut `json:"shortcuts"`
	HasHome   bool                 `json:"has_home"`       // the app has a Home tab
	Home      *workspace.View      `json:"home,omitempty"` // when the person looks at it, and the app published one
	Sockets   int                  `json:"sockets"`        // connections of the app: without any nobody answers
	CanKill   bool                 `json:"can_kill,omitempty"`
	Guide     []Step               `json:"guide"`
	GuideEnd  string               `json:"guide_end,omitempty"`
}

type personJSON struct {
	ID      string `json:"id"`
	Handle  string `json:"handle"` // as in the page's address: ?as=bob
	Name    string `json:"name"`
	Email   string `json:"email,omitempty"`
	Badge   string `json:"badge,omitempty"` // what the person is here: a group, a guest, deactivated
	Bot     bool   `json:"bot,omitempty"`
	Deleted bool   `json:"deleted,omitempty"`
}

type groupJSON struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
}

type channelJSON struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Private bool     `json:"private,omitempty"`
	IM      bool     `json:"im,omitempty"`
	Members []string `json:"members"`
	Latest  string   `json:"latest,omitempty"`     // ts of the newest message, for the unread mark
	Heard   bool     `json:"latest_app,omitempty"` // the app has written here
}

type messageJSON struct {
	TS          string          `json:"ts"`
	Channel     string          `json:"channel"`
	User        string          `json:"user"`
	Text        string          `json:"text"`
	Blocks      json.RawMessage `json:"blocks,omitempty"`
	Attachments json.RawMessage `json:"attachments,omitempty"`
	Files       []fileJSON      `json:"files,omitempty"`
	Edited      bool            `json:"edited,omitempty"`
	EditedTS    string          `json:"edited_ts,omitempty"`
	Ephemeral   bool            `json:"ephemeral,omitempty"`
	ReplyCount  int             `json:"reply_count,omitempty"`
	LatestReply string          `json:"latest_reply,omitempty"`
	Repliers    []string        `json:"repliers,omitempty"`

	Reactions []workspace.Reaction `json:"reactions,omitempty"`
}

type fileJSON struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Size  int    `json:"size"` // bytes
	URL   string `json:"url"`  // on this page's own server
}

type suggestionJSON struct {
	Words string `json:"words"`
	Text  string `json:"text"`
	Note  string `json:"note"`
}

// getState answers what person sees in channel, and in the thread there when one is named. An
// unknown person or a channel that the person cannot see falls back to the first one, so that the
// page's first question can be empty.
func (p *Page) getState(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	shown := p.state(query.Get("person"), query.Get("channel"), query.Get("thread"))
	if query.Get("tab") == "home" {
		if home, published := p.workspace.Home(shown.Person); published {
			shown.Home = &home
		}
	}
	answer(w, shown)
}

func (p *Page) state(person, channel, thread string) stateJSON {
	people := p.people()
	state := stateJSON{
		Workspace: p.workspace.TeamName(), Command: p.workspace.CommandName(), People: people,
		Groups: []groupJSON{}, Channels: []channelJSON{}, Messages: []messageJSON{}, Thread: []messageJSON{},
		Views: []workspace.View{}, Suggestions: []suggestionJSON{},
	}
	state.Shortcuts, state.HasHome = append([]workspace.Shortcut{}, p.workspace.Shortcuts()...), p.workspace.HasHome()
	state.Guide, state.GuideEnd = append([]Step{}, p.guide...), p.guideEnd
	state.Sockets, state.CanKill = p.workspace.Connections(), p.killer() != nil
	known := func(each personJSON) bool { return (each.ID == person || each.Handle == person) && !each.Bot }
	if at := slices.IndexFunc(people, known); person != "" && at >= 0 {
		person = people[at].ID
	} else {
		person = p.start
	}
	for _, each := range people {
		if each.Bot && state.App.ID == "" {
			state.App = each
		}
		if !each.Bot {
			person = cmp.Or(person, each.ID)
		}
	}
	state.Person = person
	for _, group := range p.workspace.Groups() {
		state.Groups = append(state.Groups, groupJSON{ID: group.ID, Handle: group.Handle})
	}
	state.Channels = p.channels(person)
	if len(state.Channels) > 0 {
		state.Channel = state.Channels[0].ID
	}
	// Who was reading somebody else's direct messages with the app goes on with their own.
	direct := slices.ContainsFunc(p.workspace.Channels(), func(each workspace.Channel) bool {
		return each.ID == channel && each.IM
	})
	for _, each := range state.Channels {
		if each.ID == channel || direct && each.IM {
			state.Channel = each.ID
			break
		}
	}
	for _, message := range p.workspace.Messages(state.Channel, person) {
		state.Messages = append(state.Messages, p.message(message, person))
	}
	if thread != "" {
		for _, message := range p.workspace.Thread(state.Channel, thread, person) {
			state.Thread = append(state.Thread, p.message(message, person))
		}
	}
	state.Views = append(state.Views, p.workspace.Views(person)...)
	for _, each := range p.suggestions {
		state.Suggestions = append(state.Suggestions, suggestionJSON(each))
	}
	return state
}

func (p *Page) people() []personJSON {
	groups := p.workspace.Groups()
	people := []personJSON{}
	for _, person := range p.workspace.People() {
		shown := personJSON{
			ID: person.ID, Handle: person.Name, Name: cmp.Or(person.RealName, person.Name), Email: person.Email,
			Bot: person.IsBot, Deleted: person.Deleted,
		}
		switch {
		case person.Deleted:
			shown.Badge = "deactivated"
		case person.IsRestricted || person.IsUltraRestricted:
			shown.Badge = "guest"
		case person.IsStranger:
			shown.Badge = "from outside"
		default:
			for _, group := range groups {
				if slices.Contains(group.Users, person.ID) {
					shown.Badge = group.Name
					break
				}
			}
		}
		people = append(people, shown)
	}
	return people
}

// channels returns those that the person can see, channels before direct messages. Guests see only
// what they are in.
func (p *Page) channels(person string) []channelJSON {
	guest := slices.ContainsFunc(p.workspace.People(), func(each workspace.Person) bool {
		return each.ID == person && (each.IsRestricted || each.IsUltraRestricted || each.IsStranger)
	})
	channels := []channelJSON{}
	for _, channel := range p.workspace.Channels() {
		closed := channel.Private || channel.IM || guest
		if channel.Archived || closed && !slices.Contains(channel.Members, person) {
			continue
		}
		shown := channelJSON{
			ID: channel.ID, Name: channel.Name, Private: channel.Private, IM: channel.IM, Members: slices.Clone(channel.Members),
		}
		if shown.Members == nil {
			shown.Members = []string{}
		}
		if messages := p.workspace.Messages(channel.ID, person); len(messages) > 0 {
			shown.Latest = messages[len(messages)-1].TS
			shown.Heard = slices.ContainsFunc(messages, func(m workspace.Message) bool { return m.BotID != "" && !m.Ephemeral })
		}
		channels = append(channels, shown)
	}
	slices.SortStableFunc(channels, func(a, b channelJSON) int {
		switch {
		case a.IM == b.IM:
			return 0
		case b.IM:
			return -1
		}
		return 1
	})
	return channels
}

func (p *Page) message(message workspace.Message, person string) messageJSON {
	shown := messageJSON{
		TS: message.TS, Channel: message.Channel, User: message.User, Text: message.Text, Blocks: message.Blocks,
		Attachments: message.Attachments, Edited: message.Edited, EditedTS: message.EditedTS, Ephemeral: message.Ephemeral,
		ReplyCount: message.ReplyCount, LatestReply: message.LatestReply, Reactions: message.Reactions,
	}
	if shown.User == "" && message.BotID != "" {
		shown.User = workspace.BotUserID
	}
	for _, file := range message.Files {
		if file.Mode == "tombstone" {
			continue
		}
		shown.Files = append(shown.Files, fileJSON{
			ID: file.ID, Name: file.Name, Title: file.Title, Size: file.Size, URL: "/page/file/" + url.PathEscape(file.ID),
		})
	}
	if message.ReplyCount == 0 {
		return shown
	}
	for _, reply := range p.workspace.Thread(message.Channel, message.TS, person) {
		if reply.TS != message.TS && reply.User != "" && !slices.Contains(shown.Repliers, reply.User) {
			shown.Repliers = append(shown.Repliers, reply.User)
		}
	}
	return shown
}

func (p *Page) getSamples(w http.ResponseWriter, _ *http.Request) {
	type sampleJSON struct {
		Name    string `json:"name"`
		Note    string `json:"note"`
		Content string `json:"content"`
		Text    string `json:"text,omitempty"`
	}
	listed := []sampleJSON{}
	for _, sample := range p.samples {
		listed = append(listed, sampleJSON{
			Name: sample.Name, Note: sample.Note, Content: string(sample.Content), Text: sample.Text,
		})
	}
	answer(w, listed)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(body) // a browser that left needs no answer
}
