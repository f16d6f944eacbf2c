package page_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/page"
	"github.com/countersign/countersign/sandbox/workspace"
)

func newPage(t *testing.T) (*workspace.Workspace, *organisation.Organisation, *httptest.Server) {
	t.Helper()
	slack, err := workspace.New(workspace.Config{})
	if err != nil {
		t.Fatal(err)
	}
	atlassian, err := organisation.New(organisation.Config{OrgID: "org", APIKey: "key"})
	if err != nil {
		t.Fatal(err)
	}
	for i, person := range []string{"U1", "U2"} {
		slack.AddPerson(workspace.Person{ID: person, Name: []string{"ada", "ben"}[i], RealName: "Person " + person})
		slack.OpenDM(person)
	}
	slack.AddChannel(workspace.Channel{ID: "C1", Name: "open", BotMember: true, Members: []string{"U1", "U2"}})
	slack.AddChannel(workspace.Channel{ID: "C2", Name: "closed", Private: true, Members: []string{"U1"}})
	drawn, err := page.New(page.Config{Workspace: slack, Organisation: atlassian, OrganisationName: "Org"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(drawn.Handler())
	t.Cleanup(func() {
		slack.Close()
		drawn.Close()
		server.Close()
	})
	return slack, atlassian, server
}

// post sends a body as a type and returns status and answer.
func post(t *testing.T, url, kind, body string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", kind)
	return send(t, request)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return send(t, request)
}

func send(t *testing.T, request *http.Request) (int, string) {
	t.Helper()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	var body bytes.Buffer
	if _, err := body.ReadFrom(response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body.String()
}

func TestNewNeedsBothPlatforms(t *testing.T) {
	if _, err := page.New(page.Config{}); err == nil {
		t.Error("a page of nothing: no error")
	}
}

func TestStateFallsBackToWhatThePersonSees(t *testing.T) {
	_, _, server := newPage(t)
	type place struct{ Person, Channel string }
	for asked, want := range map[string]place{
		"":                        {"U1", "C1"},
		"person=U2&channel=C1":    {"U2", "C1"},
		"person=ben&channel=C1":   {"U2", "C1"}, // by the handle, as in the page's address
		"person=U1&channel=C2":    {"U1", "C2"},
		"person=U2&channel=C2":    {"U2", "C1"}, // not a member
		"person=U2&channel=D1":    {"U2", "D2"}, // somebody else's direct messages
		"person=U9&channel=C9":    {"U1", "C1"},
		"person=U0COUNTERSIGN":    {"U1", "C1"}, // nobody acts as the app
		"person=U1&thread=absent": {"U1", "C1"},
	} {
		_, body := get(t, server.URL+"/page/state?"+asked)
		var got place
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", asked, diff)
		}
	}
}

func TestRequestsMustBeWhatThePageSends(t *testing.T) {
	slack, _, server := newPage(t)
	const say = `{"person":"U1","channel":"C1","text":"hello"}`
	for name, test := range map[string]struct {
		path, kind, body string
		want             int
	}{
		"right":             {"/page/say", "application/json", say, http.StatusOK},
		"a form's type":     {"/page/say", "text/plain", say, http.StatusUnsupportedMediaType},
		"no type":           {"/page/say", "", say, http.StatusUnsupportedMediaType},
		"a misspelt field":  {"/page/say", "application/json", `{"persn":"U1"}`, http.StatusBadRequest},
		"no JSON":           {"/page/say", "application/json", `hello`, http.StatusBadRequest},
		"an upload as form": {"/page/upload", "text/plain", "a,b", http.StatusUnsupportedMediaType},
		"another method":    {"/page/state", "application/json", "{}", http.StatusMethodNotAllowed},
		"another path":      {"/page/absent", "application/json", "{}", http.StatusNotFound},
		"too large": {
			"/page/upload", "application/octet-stream", strings.Repeat("x", 13<<20), http.StatusRequestEntityTooLarge,
		},
	} {
		if got, body := post(t, server.URL+test.path, test.kind, test.body); got != test.want {
			t.Errorf("%s: status %d (%.80s), want %d", name, got, body, test.want)
		}
	}
	if got := len(slack.Messages("C1", "U1")); got != 1 {
		t.Errorf("%d messages were said, want 1", got)
	}
}

func TestRefusalsReachThePerson(t *testing.T) {
	_, _, server := newPage(t)
	for path, body := range map[string]string{
		"/page/say":    `{"person":"U2","channel":"C2","text":"hello"}`,
		"/page/click":  `{"person":"U1","channel":"C1","ts":"1.2","action":"approve"}`,
		"/page/submit": `{"person":"U1","view":"V1","values":{}}`,
		"/page/close":  `{"person":"U1","view":"V1"}`,

		"/page/tab":      `{"person":"U9","tab":"home"}`,
		"/page/shortcut": `{"person":"U1","callback":"new"}`, // no app is there
		"/page/suggest":  `{"person":"U1","view":"V1","action":"a","query":"x"}`,
		"/page/kill":     `{}`,
	} {
		status, answer := post(t, server.URL+path, "application/json", body)
		var outcome struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &outcome); err != nil || status != http.StatusOK || outcome.Error == "" {
			t.Errorf("%s: status %d, %s, want a refusal in words", path, status, answer)
		}
	}
}

func TestUploadsThatWereNotSentCanBeSentAgain(t *testing.T) {
	slack, _, server := newPage(t)
	_, answer := post(t, server.URL+"/page/upload?name=list.csv", "application/octet-stream", "a,b\n")
	var picked struct{ ID string }
	if err := json.Unmarshal([]byte(answer), &picked); err != nil {
		t.Fatal(err)
	}
	say := func(channel string) string {
		_, answer := post(t, server.URL+"/page/say", "application/json",
			`{"person":"U2","channel":"`+channel+`","text":"","files":["`+picked.ID+`"]}`)
		return answer
	}
	if got := say("C2"); !strings.Contains(got, "error") {
		t.Errorf("say where one may not: %s, want an error", got)
	}
	if got := say("C1"); strings.Contains(got, "error") {
		t.Errorf("say again elsewhere: %s", got)
	}
	if got := say("C1"); !strings.Contains(got, "pick it again") {
		t.Errorf("send the same upload twice: %s, want it gone", got)
	}
	messages := slack.Messages("C1", "U1")
	if len(messages) != 1 || len(messages[0].Files) != 1 || messages[0].Files[0].Name != "list.csv" {
		t.Errorf("messages: %+v, want one with list.csv", messages)
	}
}

func TestOrganisationIsShownAsItIs(t *testing.T) {
	_, atlassian, server := newPage(t)
	atlassian.AddDomain(organisation.Domain{Name: "one.example", Verified: true})
	for _, group := range []organisation.Group{
		{ID: "g1", Name: "finance"}, {ID: "g2", Name: "okta", Synced: true, Unmodifiable: true, Description: "all"},
	} {
		if _, err := atlassian.AddGroup(group); err != nil {
			t.Fatal(err)
		}
	}
	first := atlassian.Directories()[0].Name
	atlassian.AddDirectory(organisation.Directory{ID: "d2", Name: "Partners"})
	in := func(name, status string) any { return map[string]any{"name": name, "status": status} }
	for _, account := range []organisation.Account{
		{ID: "a1", Name: "Ada", Email: "ada@ONE.example", Managed: true, Groups: []string{"g1"}, Locks: map[string]string{
			"email.set": "externalDirectory.scim",
		}},
		{
			ID: "a3", Name: "Cem", Email: "cem@two.example", Managed: true, Memberships: map[string]string{"d2": "suspended"},
			DeleteOn: time.Date(2999, 12, 14, 9, 0, 0, 0, time.UTC),
			Tokens:   []organisation.Token{{ID: "t1", Label: "laptop"}, {ID: "t2", Label: "build"}},
		},
		{ID: "a4", Name: "Dot", Email: "dot@two.example", Managed: true, Membership: "no_membership"},
		{ID: "a2", Name: "Ben", Email: "ben@two.example", Status: "inactive", LifecycleErrors: []organisation.LifecycleError{
			{Code: "billing", Message: "last billing contact"},
		}},
	} {
		if err := atlassian.Put(account); err != nil {
			t.Fatal(err)
		}
	}
	_, body := get(t, server.URL+"/page/organisation")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"name":    "Org",
		"domains": []any{map[string]any{"name": "one.example", "verified": true, "accounts": 1.0}},
		"accounts": []any{
			map[string]any{
				"id": "a1", "name": "Ada", "email": "ada@ONE.example", "type": "atlassian", "status": "active", "managed": true,
				"groups": []any{"finance"}, "tokens": []any{},
				"directories": []any{in(first, "active"), in("Partners", "active")},
				"locks":       []any{map[string]any{"privilege": "email.set", "reason": "owned by the identity provider (SCIM)"}},
			},
			map[string]any{
				"id": "a3", "name": "Cem", "email": "cem@two.example", "type": "atlassian", "status": "inactive", "managed": true,
				"groups": []any{}, "tokens": []any{"laptop", "build"}, "locks": []any{}, "deletion": "2999-12-14",
				"directories": []any{in(first, "active"), in("Partners", "suspended")},
			},
			map[string]any{
				"id": "a4", "name": "Dot", "email": "dot@two.example", "type": "atlassian", "status": "active", "managed": true,
				"groups": []any{}, "tokens": []any{}, "locks": []any{}, "directories": []any{},
			},
			map[string]any{
				"id": "a2", "name": "Ben", "email": "ben@two.example", "type": "atlassian", "status": "inactive", "managed": false,
				"groups": []any{}, "tokens": []any{},
				"directories": []any{in(first, "active"), in("Partners", "active")},
				"locks":       []any{map[string]any{"privilege": "deactivation", "reason": "last billing contact"}},
			},
		},
		"effects": []any{},
		"groups": []any{
			map[string]any{"id": "g1", "name": "finance", "directory": first, "marks": []any{}, "members": 1.0},
			map[string]any{
				"id": "g2", "name": "okta", "directory": first, "description": "all", "members": 0.0,
				"marks": []any{"identity provider", "not modifiable"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("organisation (-want +got):\n%s", diff)
	}
}

// The page sends the blocks that it shows, so that a click on a card that is being edited is
// delivered.
func TestClickGoesByWhatIsShown(t *testing.T) {
	_, _, server := newPage(t)
	const shown = `[{"type":"actions","block_id":"b","elements":[{"type":"button","action_id":"approve",
		"text":{"type":"plain_text","text":"Approve"}}]}]`
	click := func(blocks string) string {
		t.Helper()
		_, answer := post(t, server.URL+"/page/click", "application/json",
			`{"person":"U1","channel":"C1","ts":"1.2","action":"approve","block":"b"`+blocks+`}`)
		var outcome struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &outcome); err != nil {
			t.Fatal(err)
		}
		return outcome.Error
	}
	if got := click(""); !strings.Contains(got, workspace.ErrNotFound.Error()) {
		t.Errorf("a click without blocks on a message that is gone: %q", got)
	}
	if got := click(`,"blocks":` + shown); got == "" || strings.Contains(got, workspace.ErrNotFound.Error()) {
		t.Errorf("a click on what was shown: %q, want that no app answers", got)
	}
}
