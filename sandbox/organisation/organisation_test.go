package organisation_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/countersign/countersign/sandbox/organisation"
)

const (
	orgID     = "11111111-2222-3333-4444-555555555555"
	key       = "ATCTT-unscoped"
	scopedKey = "ATCTT-scoped"
)

// world is an organisation behind a real socket.
type world struct {
	*organisation.Organisation
	t      *testing.T
	url    string
	client *http.Client
	key    string
}

// start makes a world with a verified domain example.com, an unverified one, and the given
// accounts.
func start(t *testing.T, configure func(*organisation.Config), accounts ...organisation.Account) *world {
	t.Helper()
	config := organisation.Config{OrgID: orgID, APIKey: key, ScopedKeys: []string{scopedKey}}
	if configure != nil {
		configure(&config)
	}
	o, err := organisation.New(config)
	if err != nil {
		t.Fatal(err)
	}
	o.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
	o.AddDomain(organisation.Domain{Name: "pending.example", Status: "unverified"})
	for _, each := range accounts {
		if err := o.Put(each); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(o.Handler())
	t.Cleanup(server.Close)
	o.SetBaseURL(server.URL)
	return &world{Organisation: o, t: t, url: server.URL, client: server.Client(), key: key}
}

// person returns a managed account.
func person(number int) organisation.Account {
	return organisation.Account{
		ID:      fmt.Sprintf("712020:person-%04d", number),
		Name:    fmt.Sprintf("Person %d", number),
		Email:   fmt.Sprintf("Person.%d@example.com", number),
		Managed: true,
	}
}

func people(count int) []organisation.Account {
	all := make([]organisation.Account, 0, count)
	for i := range count {
		all = append(all, person(i))
	}
	return all
}

// reply is an answer with its body decoded.
type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any
	list   []any // of a body that is an array
}

// try makes a call; body nil sends none. The error is the connection's.
func (w *world) try(method, path string, body any) (reply, error) {
	w.t.Helper()
	var sent io.Reader
	if body != nil {
		text, isText := body.(string)
		if !isText {
			encoded, err := json.Marshal(body)
			if err != nil {
				w.t.Fatal(err)
			}
			text = string(encoded)
		}
		sent = strings.NewReader(text)
	}
	if !strings.HasPrefix(path, "http") {
		path = w.url + path
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, path, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.key)
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
	if text := bytes.TrimSpace(text); len(text) > 0 {
		var into any = &got.body
		if text[0] == '[' {
			into = &got.list
		}
		if err := json.Unmarshal(text, into); err != nil {
			w.t.Fatalf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return got, nil
}

// call makes a call that must be answered with this status.
func (w *world) call(status int, method, path string, body any) reply {
	w.t.Helper()
	got, err := w.try(method, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got.status != status {
		w.t.Fatalf("%s %s: status %d, want %d; body %s", method, path, got.status, status, got.text)
	}
	return got
}

// get finds a value in decoded JSON by names and indexes.
func get(t *testing.T, value any, way ...any) any {
	t.Helper()
	for _, step := range way {
		switch step := step.(type) {
		case string:
			fields, _ := value.(map[string]any)
			value = fields[step]
		case int:
			list, _ := value.([]any)
			if step >= len(list) {
				t.Fatalf("no entry %v of %v in %v", step, way, value)
			}
			value = list[step]
		}
	}
	return value
}

func manage(account organisation.Account, rest string) string {
	return "/users/" + account.ID + "/manage" + rest
}

// fields is a JSON object to send.
type fields = map[string]any

// to returns the body of PUT email.
func to(address string) fields { return fields{"email": address} }

func admin(version, rest string) string { return "/admin/" + version + "/orgs/" + orgID + rest }

// noViolations ends a test whose calls were all well formed.
func (w *world) noViolations() {
	w.t.Helper()
	for _, each := range w.Violations() {
		w.t.Errorf("violation: %s", each)
	}
}
