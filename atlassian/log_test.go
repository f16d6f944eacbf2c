package atlassian_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/workflow"
)

// The log is read page by page, polled with the cursor of its last page, and says who did what to
// whom; what comes late is behind the cursor all the same.
func TestLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, people(2)...)
		began := time.Now()
		boss := organisation.Actor{ID: "712020:boss", Name: "Boss", Email: "boss@example.com"}
		deploy := organisation.Actor{ID: "key", Name: "Organization API key", TokenID: "t-9", TokenLabel: "deploy-bot"}
		edit := func(who organisation.Actor, n int, name string) {
			t.Helper()
			if err := w.EditBy(who, personID(n), func(a *organisation.Account) { a.Name = name }); err != nil {
				t.Fatal(err)
			}
		}
		edit(boss, 1, "By Boss")
		w.SetFaults(organisation.Faults{EventLag: func(string) time.Duration { return time.Hour }})
		edit(deploy, 1, "By Key") // shows late
		w.SetFaults(organisation.Faults{})
		edit(organisation.Provider("Okta"), 2, "By Okta")

		named := func(n int, name string) []workflow.LogObject {
			return []workflow.LogObject{{ID: personID(n), Type: "users", Name: name, Email: person(n).Email}}
		}
		event := func(who workflow.LogActor, objects []workflow.LogObject) workflow.LogEvent {
			return workflow.LogEvent{At: began.UTC(), Kind: "user_name_changed", Actor: who, Objects: objects}
		}
		read := func(cursor string, want ...workflow.LogEvent) string {
			t.Helper()
			page, err := w.directory.LogPage(t.Context(), cursor, began.Add(-time.Hour))
			for i := range page.Events {
				if page.Events[i].ID == "" {
					t.Error("an event without an id")
				}
				page.Events[i].ID = ""
			}
			if err != nil || page.Next == "" || !cmp.Equal(want, page.Events) {
				t.Fatalf("%v, next %q (-want +got)\n%s", err, page.Next, cmp.Diff(want, page.Events))
			}
			return page.Next
		}
		next := read("",
			event(workflow.LogActor{ID: "712020:boss", Name: "Boss", Email: "boss@example.com"}, named(1, "By Key")),
			event(workflow.LogActor{ID: "scim-okta", Name: "Okta", AppID: "user-provisioning", AppType: "identity-provider"}, named(2, "By Okta")))
		next = read(next)
		time.Sleep(time.Hour)
		next = read(next, event(workflow.LogActor{
			ID: "key", Name: "Organization API key", Auth: "container-token", TokenID: "t-9", TokenLabel: "deploy-bot",
		}, named(1, "By Key")))
		read(next)

		kinds, err := w.directory.LogKinds(t.Context())
		if err != nil || len(kinds) < 10 || kinds[0].Name == "" || kinds[0].Group == "" {
			t.Errorf("kinds: %v, %v", kinds, err)
		}
		if _, err := w.directory.LogPage(t.Context(), "no cursor", time.Time{}); !errors.Is(err, workflow.ErrLogCursor) {
			t.Errorf("an unknown cursor: %v", err)
		}
		w.SetLogged(false)
		if _, err := w.directory.LogPage(t.Context(), "", began); !errors.Is(err, workflow.ErrNoLog) {
			t.Errorf("without the log: %v", err)
		}
		if _, err := w.directory.LogKinds(t.Context()); !errors.Is(err, workflow.ErrNoLog) {
			t.Errorf("kinds without the log: %v", err)
		}
	})
}

// What a log may hold that no document shows: an ARI in place of an id, an event without a readable
// time, an actor without anything. A cursor counts as refused by 400 alone, any refusal of the first
// call as a plan without the log.
func TestLogOfAnotherForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t)
		answer := func(status int, body string) {
			w.SetFaults(organisation.Faults{Before: organisation.On(http.MethodGet, "/events-stream", 0, organisation.Fault{Status: status, Body: body})})
		}
		answer(http.StatusOK, `{"data":[
			{"id":"1","attributes":{"time":"2026-11-29T02:00:00+01:00","action":"a","context":[{"id":"ari:cloud:identity::user/712020:x"},{"attributes":{"email":"A@b.example"}}]}},
			{"id":"2","attributes":{"time":"yesterday","action":"a"}}]}`)
		page, err := w.directory.LogPage(t.Context(), "", time.Time{})
		want := workflow.LogPage{Events: []workflow.LogEvent{{
			ID: "1", At: time.Date(2026, 11, 29, 1, 0, 0, 0, time.UTC), Kind: "a",
			Objects: []workflow.LogObject{{ID: "712020:x"}, {Email: "A@b.example"}},
		}}}
		if err != nil || !cmp.Equal(want, page) {
			t.Errorf("%v (-want +got)\n%s", err, cmp.Diff(want, page))
		}
		for _, test := range []struct {
			status int
			cursor string
			want   error
		}{
			{http.StatusPaymentRequired, "", workflow.ErrNoLog},
			{http.StatusForbidden, "", workflow.ErrNoLog},
			{http.StatusNotFound, "", workflow.ErrNoLog},
			{http.StatusBadRequest, "", workflow.ErrNoLog},
			{http.StatusBadRequest, "x", workflow.ErrLogCursor},
			{http.StatusForbidden, "x", workflow.ErrNoLog},
			{http.StatusUnauthorized, "", workflow.ErrKeyRefused},
			{http.StatusBadGateway, "", workflow.ErrUnavailable},
		} {
			answer(test.status, "")
			if _, err := w.directory.LogPage(t.Context(), test.cursor, time.Time{}); !errors.Is(err, test.want) {
				t.Errorf("%d for cursor %q: %v, want %v", test.status, test.cursor, err, test.want)
			}
		}
	})
}
