package atlassian

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// maxEvents is the largest page of events-stream (organizations API, pollEvents, parameter limit).
const maxEvents = 500

const (
	opEvents       = "poll events"
	opEventActions = "list event actions"
)

// EventActor is who did something (organizations API, schema EventActorModel).
type EventActor struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Auth  struct {
		Type  string `json:"authType"`
		ID    string `json:"tokenId"`
		Label string `json:"tokenLabel"`
	} `json:"auth"`
	App struct {
		ID   string `json:"id"`
		Type string `json:"type"`
	} `json:"app"`
}

// EventObject is what an event was done to (organizations API, schema EventObjectModel). Its
// attributes are an open map; of users they were seen to hold email and name.
type EventObject struct {
	ID         string         `json:"id"`
	Type       string         `json:"type"`
	Attributes map[string]any `json:"attributes"`
}

func (o EventObject) attribute(name string) string {
	text, _ := o.Attributes[name].(string)
	return text
}

// Event is one line of the organisation's audit log (organizations API, schema PollingEventModel).
type Event struct {
	ID         string `json:"id"`
	Attributes struct {
		Time    string        `json:"time"` // RFC 3339
		Action  string        `json:"action"`
		Actor   EventActor    `json:"actor"`
		Context []EventObject `json:"context"`
	} `json:"attributes"`
}

func (e Event) missing() string { return lacks("id", e.ID) }

// EventPage is one page of the audit log.
type EventPage struct {
	Data []Event `json:"data"`
	Meta struct {
		Next string `json:"next"` // there on the last page, too: it is polled with
	} `json:"meta"`
}

func (p *EventPage) missing() string {
	return (&page[Event]{Data: p.Data}).missing()
}

// Events reads one page of the audit log, events in the order in which they were processed: what
// comes behind the cursor, or, where that is "", what happened from the moment on (organizations API,
// pollEvents). The log goes back 180 days, and is part of some plans alone.
func (c *Client) Events(ctx context.Context, cursor string, from time.Time) (EventPage, error) {
	query := url.Values{"limit": {strconv.Itoa(maxEvents)}, "sortOrder": {"asc"}}
	if cursor != "" {
		query.Set("cursor", cursor)
	} else if !from.IsZero() {
		query.Set("from", strconv.FormatInt(from.UnixMilli(), 10))
	}
	var answer EventPage
	call := request{operation: opEvents, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org + "/events-stream", query: query}
	err := read(ctx, c.admin, call, pageBudget, &answer)
	return answer, err
}

// EventAction is a kind of events (organizations API, schema EventActionModel).
type EventAction struct {
	ID         string `json:"id"`
	Attributes struct {
		Name  string `json:"displayName"`
		Group string `json:"groupDisplayName"`
	} `json:"attributes"`
}

func (a EventAction) missing() string { return lacks("id", a.ID) }

// EventActions lists the kinds of events (organizations API, getEventActions: one answer with all).
func (c *Client) EventActions(ctx context.Context) ([]EventAction, error) {
	var answer page[EventAction]
	call := request{operation: opEventActions, method: http.MethodGet, path: "/admin/v1/orgs/" + c.org + "/event-actions"}
	err := read(ctx, c.admin, call, readBudget, &answer)
	return answer.Data, err
}
