package site_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/sandbox/site"
)

type fields = map[string]any

// world is a site and somebody who calls it.
type world struct {
	*site.Site
	t            *testing.T
	client       *http.Client
	email, token string
}

func user(number string) site.User {
	return site.User{
		AccountID: "712020:" + number, Name: "Person " + number, Email: "p" + number + "@example.com",
		Username: "jdoe" + number, Key: "JIRAUSER1000" + number,
	}
}

func start(t *testing.T, users ...site.User) *world {
	t.Helper()
	s, err := site.New(site.Config{URL: "https://one.test", Email: "admin@example.com", Token: "token"})
	if err != nil {
		t.Fatal(err)
	}
	s.AddGroup(site.Group{ID: "g-1", Name: "jira-users"})
	s.AddGroup(site.Group{ID: "g-2", Name: "small", Seats: 1})
	for _, each := range users {
		if err := s.AddUser(each); err != nil {
			t.Fatal(err)
		}
	}
	return &world{
		Site: s, t: t, client: &http.Client{Transport: s.Transport()}, email: "admin@example.com", token: "token",
	}
}

// reply is an answer; JSON is decoded.
type reply struct {
	status int
	header http.Header
	text   string
	value  any
}

func (w *world) try(method, path string, body any) (reply, error) {
	w.t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, "https://one.test/rest/api/3/"+path, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.email != "" {
		request.SetBasicAuth(w.email, w.token)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := w.client.Do(request)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	got := reply{status: response.StatusCode, header: response.Header, text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got.value); err != nil {
			w.t.Fatalf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return got, nil
}

func (w *world) call(status int, method, path string, body any) reply {
	w.t.Helper()
	got, err := w.try(method, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.status != status {
		w.t.Fatalf("%s %s: status %d, want %d; %s", method, path, got.status, status, got.text)
	}
	return got
}

func (w *world) get(path string) any {
	w.t.Helper()
	return w.call(http.StatusOK, http.MethodGet, path, nil).value
}

// ids returns a field of each entry of a list.
func ids(list any, field string) []string {
	all := []string{}
	entries, _ := list.([]any)
	for _, each := range entries {
		entry, _ := each.(map[string]any)
		text, _ := entry[field].(string)
		all = append(all, text)
	}
	return all
}

func (w *world) effects(want ...site.Effect) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.Effects(), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(site.Effect{}, "At")); diff != "" {
		w.t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func (w *world) noViolations() {
	w.t.Helper()
	for _, each := range w.Violations() {
		w.t.Errorf("violation: %s", each)
	}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
