package page

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/countersign/countersign/sandbox/workspace"
)

// stateJSON is what one person sees at one moment. The page draws nothing that is not in here or in organisationJSON.
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
}

type personJSON struct {
	ID      string `json:"id"`
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
	Latest  string   `json:"latest,omitempty"` // ts of the newest message, for the unread mark
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

// getState answers what person sees in channel, and in the thread there when one is named. An unknown person or a channel
// that the person cannot see falls back to the first one, so that the page's first question can be empty.
func (p *Page) getState(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	answer(w, p.state(query.Get("person"), query.Get("channel"), query.Get("thread")))
}

func (p *Page) state(person, channel, thread string) stateJSON {
	people := p.people()
	state := stateJSON{
		Workspace: p.workspace.TeamName(), Command: p.workspace.CommandName(), People: people,
		Groups: []groupJSON{}, Channels: []channelJSON{}, Messages: []messageJSON{}, Thread: []messageJSON{},
		Views: []workspace.View{}, Suggestions: []suggestionJSON{},
	}
	known := func(each personJSON) bool { return each.ID == person && !each.Bot }
	if !slices.ContainsFunc(people, known) {
		person = ""
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
			ID: person.ID, Name: cmp.Or(person.RealName, person.Name), Email: person.Email,
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

// channels are those that the person can see, channels before direct messages. Guests see only what they are in.
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

// organisationJSON is the right panel.
type organisationJSON struct {
	Name     string        `json:"name"`
	Domains  []domainJSON  `json:"domains"`
	Accounts []accountJSON `json:"accounts"`
	Effects  []effectJSON  `json:"effects"` // in the order in which they took effect
}

type domainJSON struct {
	Name     string `json:"name"`
	Verified bool   `json:"verified"`
	Accounts int    `json:"accounts"`
}

type accountJSON struct {
	ID      string     `json:"id"`
	Name    string     `json:"name"`
	Email   string     `json:"email"`
	Type    string     `json:"type"`
	Status  string     `json:"status"`
	Managed bool       `json:"managed"`
	Hidden  bool       `json:"hidden,omitempty"`
	Admin   bool       `json:"admin,omitempty"`
	Groups  []string   `json:"groups"` // their names
	Locks   []lockJSON `json:"locks"`
}

type lockJSON struct {
	Privilege string `json:"privilege"`
	Reason    string `json:"reason"`
}

type effectJSON struct {
	Account string `json:"account"`
	Kind    string `json:"kind"`
	From    string `json:"from"`
	To      string `json:"to"`
	At      string `json:"at"` // RFC 3339 in UTC with a fixed width, so that text order is time order
}

// effectTime is RFC 3339 with nine digits, always: RFC3339Nano drops trailing zeros.
const effectTime = "2006-01-02T15:04:05.000000000Z"

func (p *Page) getOrganisation(w http.ResponseWriter, _ *http.Request) {
	shown := organisationJSON{Name: p.name, Domains: []domainJSON{}, Accounts: []accountJSON{}, Effects: []effectJSON{}}
	counts := make(map[string]int)
	groups := p.organisation.Groups()
	for _, account := range p.organisation.Accounts() {
		listed := accountJSON{
			ID: account.ID, Name: account.Name, Email: account.Email, Type: account.Type, Status: account.Status,
			Managed: account.Managed, Hidden: account.Hidden, Admin: account.OrgAdmin, Groups: []string{},
			Locks: []lockJSON{},
		}
		for _, group := range groups {
			if slices.Contains(account.Groups, group.ID) {
				listed.Groups = append(listed.Groups, group.Name)
			}
		}
		for privilege, reason := range account.Locks {
			listed.Locks = append(listed.Locks, lockJSON{Privilege: privilege, Reason: plainReason(reason)})
		}
		for _, problem := range account.LifecycleErrors {
			listed.Locks = append(listed.Locks, lockJSON{Privilege: "deactivation", Reason: cmp.Or(problem.Message, problem.Code)})
		}
		slices.SortFunc(listed.Locks, func(a, b lockJSON) int { return strings.Compare(a.Privilege, b.Privilege) })
		shown.Accounts = append(shown.Accounts, listed)
		if _, name, found := strings.Cut(account.Email, "@"); found {
			counts[strings.ToLower(name)]++
		}
	}
	for _, domain := range p.organisation.Domains() {
		shown.Domains = append(shown.Domains, domainJSON{
			Name: domain.Name, Verified: domain.Verified, Accounts: counts[strings.ToLower(domain.Name)],
		})
	}
	for _, effect := range p.organisation.Effects() {
		shown.Effects = append(shown.Effects, effectJSON{
			Account: effect.AccountID, Kind: effect.Kind, From: effect.From, To: effect.To, At: effect.At.UTC().Format(effectTime),
		})
	}
	answer(w, shown)
}

// plainReason words a reason key of GET /users/{id}/manage.
func plainReason(key string) string {
	switch key {
	case "externalDirectory.scim":
		return "owned by the identity provider (SCIM)"
	case "externalDirectory.google":
		return "owned by Google Workspace"
	}
	return key
}

func (p *Page) getSamples(w http.ResponseWriter, _ *http.Request) {
	type sampleJSON struct {
		Name    string `json:"name"`
		Note    string `json:"note"`
		Content string `json:"content"`
	}
	listed := []sampleJSON{}
	for _, sample := range p.samples {
		listed = append(listed, sampleJSON{Name: sample.Name, Note: sample.Note, Content: string(sample.Content)})
	}
	answer(w, listed)
}

func answer(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = json.NewEncoder(w).Encode(body) // a browser that left needs no answer
}
