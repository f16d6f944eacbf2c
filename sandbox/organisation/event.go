package organisation

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxEvents     = 500 // a page, from the parameter limit of events-stream
	defaultEvents = 200
	keptEvents    = 180 * 24 * time.Hour // how far back the log goes
	eventsMinute  = 50                   // calls a minute of events-stream, where calls are limited at all
)

// Event is one line of the organisation's audit log.
type Event struct {
	ID        string
	Time      time.Time
	Processed time.Time // when it shows in the log
	Action    string
	Actor     Actor
	AccountID string // that it happened to
	GroupID   string // of group events
}

// Actor is who did it, as the schema EventActorModel tells: a person by name and address, an API key
// by its token, an identity provider or another program as an app. The documents list the kinds of
// AuthType, and leave the types of apps and what a system is called open.
type Actor struct {
	ID, Name, Email     string
	AuthType            string // default, where there is a token: container-token
	TokenID, TokenLabel string // set for an API key
	AppID, AppType      string // set for an app
}

// Provider returns an identity provider as actor: a program that writes through SCIM. Its type of app
// is not documented; this one is invented.
func Provider(name string) Actor {
	return Actor{ID: "scim-" + strings.ToLower(name), Name: name, AppID: "user-provisioning", AppType: "identity-provider"}
}

// actions are the actions of the log by the kind of effect: the id, and how it is shown. Atlassian
// lists its own by event-actions and documents no names; these are invented, in the spelling of those
// that are public.
var actions = map[string]struct{ id, shown, group string }{
	"email":         {"user_email_changed", "Changed a user's email address", "Managed accounts"},
	"name":          {"user_name_changed", "Changed a user's full name", "Managed accounts"},
	"profile":       {"user_profile_changed", "Edited a user's profile details", "Managed accounts"},
	"disable":       {"user_deactivated", "Deactivated a managed account", "Managed accounts"},
	"enable":        {"user_reactivated", "Reactivated a managed account", "Managed accounts"},
	"delete":        {"user_deletion_scheduled", "Scheduled a managed account for deletion", "Managed accounts"},
	"cancel-delete": {"user_deletion_cancelled", "Cancelled the deletion of a managed account", "Managed accounts"},
	"token":         {"user_api_token_revoked", "Revoked an API token of a user", "API tokens"},
	"group-add":     {"user_added_to_group", "Added a user to a group", "Groups"},
	"group-remove":  {"user_removed_from_group", "Removed a user from a group", "Groups"},
	"suspend":       {"user_access_suspended", "Suspended a user's access", "Users"},
	"restore":       {"user_access_restored", "Restored a user's access", "Users"},
	"remove":        {"user_removed_from_directory", "Removed a user from the directory", "Users"},
	"invite":        {"user_invited", "Invited a user", "Users"},
	"role-add":      {"role_granted", "Granted a product role", "Product access"},
	"role-remove":   {"role_revoked", "Revoked a product role", "Product access"},
	"billable":      {"user_billing_changed", "Changed whether a user is billed", "Product access"},
	"login":         {"user_login", "Logged in", "Authentication"},
}

// keyActor is our own key as the log shows it.
var keyActor = Actor{
	ID: "712020:api-key", Name: "Organization API key", TokenID: "token-countersign", TokenLabel: "countersign",
}

// SetLogged gives the organisation a plan with the log of events, which it has at first, or takes it
// away. What calls for it answer without one is not documented; here it is 403 with a code of the
// organizations API.
func (o *Organisation) SetLogged(logged bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unlogged = !logged
}

// noLog is the answer to calls for the log where the plan has none. The caller holds o.mu.
func (o *Organisation) noLog() answer {
	return o.adminErrors(http.StatusForbidden, "ADMIN-403-3", "The audit log is not part of your plan", "")
}

// EditBy changes an account as somebody else does, in Atlassian's own pages or with a key of theirs,
// and puts an event for each thing that is different into the log; the fault EventLag holds these
// back, too. The zero Actor leaves none. The account has to be there.
func (o *Organisation) EditBy(actor Actor, id string, edit func(*Account)) error {
	before, there := o.Account(id)
	if !there {
		return fmt.Errorf("edit account %s: it is not there", id)
	}
	if err := o.Edit(id, edit); err != nil || actor == (Actor{}) {
		return err
	}
	after, _ := o.Account(id)
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, kind := range differences(before, after) {
		o.happened(Event{Action: actions[kind].id, Actor: actor, AccountID: id})
	}
	return nil
}

// differences lists the kinds of effects that lead from one account to the other.
func differences(before, after Account) []string {
	var kinds []string
	add := func(differs bool, kind string) {
		if differs {
			kinds = append(kinds, kind)
		}
	}
	add(before.Email != after.Email, "email")
	add(before.Name != after.Name, "name")
	add(before.Status != after.Status && after.Status == "active", "enable")
	add(before.Status != after.Status && after.Status != "active", "disable")
	add(before.Billable != after.Billable, "billable")
	add(len(after.Products) > len(before.Products), "role-add")
	add(len(after.Products) < len(before.Products), "role-remove")
	return kinds
}

// happened logs an event that happens now; EventLag says how late it shows. The caller holds o.mu.
func (o *Organisation) happened(e Event) {
	e.Time = now()
	if lag := o.faults.EventLag; lag != nil {
		e.Processed = e.Time.Add(lag(e.Action))
	}
	o.log(e)
}

// AddEvent puts into the log what somebody else did. Time and Processed default to now, ID to the
// next number.
func (o *Organisation) AddEvent(added Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.log(added)
}

// log adds an event. The caller holds o.mu.
func (o *Organisation) log(added Event) {
	if added.Time.IsZero() {
		added.Time = now()
	}
	if added.Processed.IsZero() {
		added.Processed = added.Time
	}
	o.eventSequence++
	added.ID = cmp.Or(added.ID, o.sign("event", strconv.AppendInt(nil, int64(o.eventSequence), 10)))
	at, _ := slices.BinarySearchFunc(o.events, added.Processed, func(each Event, moment time.Time) int {
		return cmp.Or(each.Processed.Compare(moment), -1) // behind those of the same moment
	})
	o.events = slices.Insert(o.events, at, added)
	if len(o.events) > maxCalls {
		o.events = slices.Delete(o.events, 0, len(o.events)-maxCalls)
	}
	o.pulse()
}

// eventJSON is the schema PollingEventModel.
type eventJSON struct {
	ID         string `json:"id"`
	Type       string `json:"type"`
	Attributes struct {
		Time      string       `json:"time"`
		Processed string       `json:"processedAt"`
		Action    string       `json:"action"`
		Actor     actorJSON    `json:"actor"`
		Context   []objectJSON `json:"context"`
		Container []objectJSON `json:"container"`
	} `json:"attributes"`
	Links selfJSON `json:"links"`
}

type actorJSON struct {
	ID    string    `json:"id"`
	Name  string    `json:"name,omitempty"`
	Email string    `json:"email,omitempty"`
	Auth  *authJSON `json:"auth,omitempty"`
	App   *appJSON  `json:"app,omitempty"`
}

type authJSON struct {
	Type  string `json:"authType"`
	ID    string `json:"tokenId"`
	Label string `json:"tokenLabel"`
}

type appJSON struct {
	ID   string `json:"id"`
	Type string `json:"type,omitempty"`
}

// objectJSON is the schema EventObjectModel.
type objectJSON struct {
	ID         string            `json:"id"`
	Type       string            `json:"type"`
	Attributes map[string]string `json:"attributes,omitempty"`
}

// eventsPosition is what a cursor of events-stream carries.
type eventsPosition struct {
	After      int64 `json:"a"` // events processed up to here were shown, in milliseconds
	Skip       int   `json:"k"` // and so many of the millisecond
	From, To   int64 // milliseconds; 0: none
	Descending bool  `json:"d"`
	Limit      int   `json:"l"`
}

// getEventsStream is GET /admin/v1/orgs/{orgId}/events-stream. meta.next is there on the last page,
// too: a client polls with it. No 404 is documented: another organisation is 400.
func (o *Organisation) getEventsStream(x *exchange) answer {
	bad := func(code, title string) answer { return o.adminErrors(http.StatusBadRequest, code, title, "") }
	if x.path[0] != o.orgID {
		return bad("ADMIN-400-19", "Request syntax is not valid")
	}
	if o.unlogged {
		return o.noLog()
	}
	position := eventsPosition{Limit: defaultEvents, Descending: x.query.Get("sortOrder") == "desc"}
	for name, into := range map[string]*int64{"from": &position.From, "to": &position.To} {
		if text := x.query.Get(name); text != "" {
			moment, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return bad("ADMIN-400-3", "Invalid time date")
			}
			*into = moment
		}
	}
	if text := x.query.Get("limit"); text != "" {
		limit, err := strconv.Atoi(text)
		if err != nil || limit < 1 || limit > maxEvents {
			return bad("ADMIN-400-21", "limit must be from 1 to 500")
		}
		position.Limit = limit
	}
	if cursor := x.query.Get("cursor"); cursor != "" && !o.readCursor("events", cursor, &position) {
		return o.badCursor()
	}
	page := struct {
		Data  []eventJSON `json:"data"`
		Links linksJSON   `json:"links"`
		Meta  struct {
			Next string `json:"next"`
			Size int    `json:"page_size"`
		} `json:"meta"`
	}{Data: []eventJSON{}}
	for _, each := range o.eventsAfter(&position) {
		page.Data = append(page.Data, o.eventShown(x, each))
	}
	page.Meta.Next, page.Meta.Size = o.makeCursor("events", position), len(page.Data)
	page.Links.Self = o.link(x.request, "/admin/v1/orgs/"+o.orgID+"/events-stream", nil)
	return success(page)
}

// eventsAfter returns the next page of what the log shows at this moment; position moves behind it.
func (o *Organisation) eventsAfter(position *eventsPosition) []Event {
	moment := now()
	visible := make([]Event, 0, len(o.events))
	for _, each := range o.events {
		processed := each.Processed.UnixMilli()
		if !each.Processed.After(moment) && moment.Sub(each.Processed) < keptEvents &&
			processed >= position.From && (position.To == 0 || processed <= position.To) {
			visible = append(visible, each)
		}
	}
	if position.Descending {
		slices.Reverse(visible)
	}
	skipped := 0
	var shown []Event
	for _, each := range visible {
		processed := each.Processed.UnixMilli()
		past := processed < position.After
		if position.Descending {
			past = position.After != 0 && processed > position.After
		}
		if past {
			continue
		}
		if processed == position.After && skipped < position.Skip {
			skipped++
			continue
		}
		if len(shown) == position.Limit {
			break
		}
		shown = append(shown, each)
	}
	for _, each := range shown {
		if processed := each.Processed.UnixMilli(); processed != position.After {
			position.After, position.Skip = processed, 0
		}
		position.Skip++
	}
	return shown
}

func (o *Organisation) eventShown(x *exchange, each Event) eventJSON {
	shown := eventJSON{ID: each.ID, Type: "events"}
	shown.Attributes.Time = each.Time.UTC().Format("2006-01-02T15:04:05.000Z")
	shown.Attributes.Processed = each.Processed.UTC().Format("2006-01-02T15:04:05.000Z")
	shown.Attributes.Action = each.Action
	shown.Attributes.Actor = actorShown(each.Actor)
	shown.Attributes.Context = []objectJSON{}
	for _, id := range []string{each.AccountID, each.GroupID} {
		if id != "" {
			shown.Attributes.Context = append(shown.Attributes.Context, o.objectShown(id))
		}
	}
	shown.Attributes.Container = []objectJSON{{ID: o.orgID, Type: "orgs"}}
	shown.Links.Self = o.link(x.request, "/admin/v1/orgs/"+o.orgID+"/events/"+each.ID, nil)
	return shown
}

// objectShown is what an event says of the account or the group that it is about. The caller holds o.mu.
func (o *Organisation) objectShown(id string) objectJSON {
	if i := slices.IndexFunc(o.groups, func(g Group) bool { return g.ID == id }); i >= 0 {
		return objectJSON{id, "groups", map[string]string{"name": o.groups[i].Name}}
	}
	shown := objectJSON{ID: id, Type: "users"}
	if held, there := o.accounts[id]; there {
		shown.Attributes = map[string]string{"email": held.Email, "name": held.Name}
	}
	return shown
}

func actorShown(who Actor) actorJSON {
	shown := actorJSON{ID: who.ID, Name: who.Name, Email: who.Email}
	if who.TokenID != "" || who.AuthType != "" {
		shown.Auth = &authJSON{cmp.Or(who.AuthType, "container-token"), who.TokenID, who.TokenLabel}
	}
	if who.AppID != "" {
		shown.App = &appJSON{who.AppID, who.AppType}
	}
	return shown
}

// getEventActions is GET /admin/v1/orgs/{orgId}/event-actions.
func (o *Organisation) getEventActions(x *exchange) answer {
	if x.path[0] != o.orgID {
		return o.noOrg()
	}
	if o.unlogged {
		return o.noLog()
	}
	type attributes struct {
		Name  string `json:"displayName"`
		Group string `json:"groupDisplayName"`
	}
	type action struct {
		ID         string     `json:"id"`
		Type       string     `json:"type"`
		Attributes attributes `json:"attributes"`
	}
	all := []action{}
	for _, each := range actions {
		all = append(all, action{each.id, "event-actions", attributes{each.shown, each.group}})
	}
	slices.SortFunc(all, func(a, b action) int { return cmp.Compare(a.ID, b.ID) })
	return success(map[string][]action{"data": all})
}
