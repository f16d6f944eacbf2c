package organisation_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
)

// actions polls the log once and returns the actions and the next cursor.
func (w *world) actions(query string) ([]string, string) {
	w.t.Helper()
	page := w.call(http.StatusOK, http.MethodGet, admin("v1", "/events-stream"+query), nil)
	all := []string{}
	for _, each := range get(w.t, page.body, "data").([]any) {
		all = append(all, get(w.t, each, "attributes", "action").(string))
	}
	return all, get(w.t, page.body, "meta", "next").(string)
}

func TestEventsStream(t *testing.T) {
	bubbleWorld(t, people(3), func(w *world) {
		same := func(what string, got []string, want ...string) {
			t.Helper()
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		_, next := w.actions("")
		w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/disable"), `{}`)
		w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/enable"), `{}`)
		got, next := w.actions("?cursor=" + next)
		same("new events", got, "user_deactivated", "user_reactivated")
		got, next = w.actions("?cursor=" + next)
		same("nothing new", got)

		w.SetFaults(organisation.Faults{EventLag: func(string) time.Duration { return time.Minute }})
		w.call(http.StatusNoContent, http.MethodPost, manage(person(1), "/lifecycle/disable"), `{}`)
		w.AddEvent(organisation.Event{Action: "by_hand", AccountID: person(2).ID, Actor: organisation.Actor{ID: "712020:boss"}})
		got, next = w.actions("?cursor=" + next)
		same("before the lag is over", got, "by_hand")
		time.Sleep(time.Minute) // fake time
		got, next = w.actions("?cursor=" + next)
		same("after the lag", got, "user_deactivated")
		got, _ = w.actions("?cursor=" + next)
		same("once each", got)

		got, next = w.actions("?limit=2")
		same("first page", got, "user_deactivated", "user_reactivated")
		got, _ = w.actions("?cursor=" + next)
		same("second page", got, "by_hand", "user_deactivated")
		got, _ = w.actions("?sortOrder=desc&limit=1")
		same("newest", got, "user_deactivated")

		page := w.call(http.StatusOK, http.MethodGet, admin("v1", "/events-stream"), nil)
		if auth := get(t, page.body, "data", 0, "attributes", "actor", "auth", "tokenLabel"); auth != "countersign" {
			t.Errorf("our own change was made with %v", auth)
		}
		if auth := get(t, page.body, "data", 2, "attributes", "actor", "auth"); auth != nil {
			t.Errorf("a person's change was made with %v", auth)
		}
		w.call(http.StatusBadRequest, http.MethodGet, admin("v1", "/events-stream?limit=501"), nil)
		w.call(http.StatusBadRequest, http.MethodGet, admin("v1", "/events-stream?from=now"), nil)
		w.call(http.StatusBadRequest, http.MethodGet, admin("v1", "/events-stream?cursor=x"), nil)

		w.SetLimit(organisation.RateLimit{PerMinute: 1000})
		for range 50 {
			w.actions("?limit=1")
		}
		w.call(http.StatusTooManyRequests, http.MethodGet, admin("v1", "/events-stream"), nil)
		w.noViolations()
	})
}

// What others do leaves events that say who: a person, a key, an identity provider, a kind of actor
// that no document knows, or nobody at all. A plan without the log answers no call for it.
func TestEventsOfOthers(t *testing.T) {
	w := start(t, nil, person(1))
	boss := organisation.Actor{ID: "712020:boss", Name: "Boss", Email: "boss@example.com"}
	robot := organisation.Actor{ID: "robot", AuthType: "wand"}
	deploy := organisation.Actor{ID: "712020:key", Name: "key", TokenID: "t-9", TokenLabel: "deploy-bot"}
	for i, who := range []organisation.Actor{boss, deploy, organisation.Provider("Okta"), robot, {}} {
		if err := w.EditBy(who, person(1).ID, func(a *organisation.Account) { a.Name = fmt.Sprint("Name ", i) }); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.EditBy(boss, "nobody", func(*organisation.Account) {}); err == nil {
		t.Error("nobody was changed")
	}
	page := w.call(http.StatusOK, http.MethodGet, admin("v1", "/events-stream"), nil)
	actors := []any{}
	for _, each := range get(t, page.body, "data").([]any) {
		if action, who := get(t, each, "attributes", "action"), get(t, each, "attributes", "context", 0, "id"); action != "user_name_changed" || who != person(1).ID {
			t.Errorf("%v of %v", action, who)
		}
		actors = append(actors, get(t, each, "attributes", "actor"))
	}
	want := []any{
		map[string]any{"id": "712020:boss", "name": "Boss", "email": "boss@example.com"},
		map[string]any{"id": "712020:key", "name": "key", "auth": map[string]any{"authType": "container-token", "tokenId": "t-9", "tokenLabel": "deploy-bot"}},
		map[string]any{"id": "scim-okta", "name": "Okta", "app": map[string]any{"id": "user-provisioning", "type": "identity-provider"}},
		map[string]any{"id": "robot", "auth": map[string]any{"authType": "wand", "tokenId": "", "tokenLabel": ""}},
	}
	if diff := cmp.Diff(want, actors); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	w.SetLogged(false)
	w.call(http.StatusForbidden, http.MethodGet, admin("v1", "/events-stream"), nil)
	w.call(http.StatusForbidden, http.MethodGet, admin("v1", "/event-actions"), nil)
	w.SetLogged(true)
	w.call(http.StatusOK, http.MethodGet, admin("v1", "/events-stream"), nil)
	w.noViolations()
}

func TestEventActions(t *testing.T) {
	w := start(t, nil)
	page := w.call(http.StatusOK, http.MethodGet, admin("v1", "/event-actions"), nil)
	if got := names(t, page, "id"); len(got) < 10 {
		t.Errorf("actions %q", got)
	}
	w.call(http.StatusNotFound, http.MethodGet, "/admin/v1/orgs/other/event-actions", nil)
	w.noViolations()
}

func TestWorkspaces(t *testing.T) {
	w := start(t, twoDirectories)
	w.AddDirectory(organisation.Directory{ID: "dir-2", Name: "Second"})
	w.workspaces(7)
	path := admin("v2", "/workspaces")
	for _, test := range []struct {
		query any
		want  []string
	}{
		{nil, []string{jira, confluence}},
		{fields{"searchWorkspaces": "wik"}, []string{confluence}},
		{fields{"field": fields{"name": "typeKey", "values": []string{"jira-software"}}}, []string{jira}},
		{fields{"nor": []fields{{"searchWorkspaces": "jira"}}}, []string{confluence}},
		{fields{"and": []fields{{"searchWorkspaces": "jira"}, {"searchWorkspaces": "wiki"}}}, []string{}},
	} {
		page := w.call(http.StatusOK, http.MethodPost, path, fields{"query": test.query, "limit": 1000})
		if diff := cmp.Diff(test.want, names(t, page, "id")); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.query, diff)
		}
	}
	first := w.call(http.StatusOK, http.MethodPost, path, fields{"limit": 1})
	if seats := get(t, first.body, "data", 0, "attributes", "capacity"); seats != 7.0 {
		t.Errorf("capacity %v", seats)
	}
	cursor := get(t, first.body, "links", "next")
	rest := w.call(http.StatusOK, http.MethodPost, path, fields{"cursor": cursor})
	if diff := cmp.Diff([]string{confluence}, names(t, rest, "id")); diff != "" {
		t.Errorf("second page (-want +got):\n%s", diff)
	}
	w.call(http.StatusBadRequest, http.MethodPost, path, fields{"cursor": cursor, "limit": 1})
	w.call(http.StatusBadRequest, http.MethodPost, path, fields{"limit": 1001})
	w.noViolations()
}

// What links.self of a domain names is there.
func TestDomainAnswersAtItsLink(t *testing.T) {
	w := start(t, nil)
	list := w.call(http.StatusOK, http.MethodGet, admin("v1", "/domains"), nil)
	for i, each := range get(t, list.body, "data").([]any) {
		one := w.call(http.StatusOK, http.MethodGet, get(t, each, "links", "self").(string), nil)
		if diff := cmp.Diff(each, get(t, one.body, "data")); diff != "" {
			t.Errorf("domain %d (-list +own):\n%s", i, diff)
		}
	}
	w.call(http.StatusNotFound, http.MethodGet, admin("v1", "/domains/none"), nil)
	w.call(http.StatusForbidden, http.MethodGet, "/admin/v1/orgs/other/domains/none", nil)
	w.noViolations()
}
