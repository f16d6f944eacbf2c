package scim_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/scim"
)

type fields = map[string]any

// world is an organisation with a directory of ours and one of an identity provider.
type world struct {
	*scim.Server
	t      *testing.T
	org    *organisation.Organisation
	client *http.Client
	key    string
}

func start(t *testing.T) *world {
	t.Helper()
	org, err := organisation.New(organisation.Config{OrgID: "org", APIKey: orgKey, BaseURL: "https://api.test"})
	if err != nil {
		t.Fatal(err)
	}
	org.AddDomain(organisation.Domain{Name: "example.com", Verified: true})
	for _, id := range []string{"1", "2", "3"} {
		err := org.Put(organisation.Account{
			ID: "712020:" + id, Name: "Person " + id, Email: "p" + id + "@example.com", Managed: true,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := scim.New(scim.Config{Organisation: org, URL: "https://api.test"})
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []scim.Directory{
		{ID: ours, Name: "HR", Key: "key-hr"}, {ID: theirs, Name: "Okta", Key: "key-okta", Provider: "Okta"},
	} {
		if err := s.AddDirectory(each); err != nil {
			t.Fatal(err)
		}
	}
	return &world{Server: s, t: t, org: org, client: &http.Client{Transport: s.Transport()}, key: "key-hr"}
}

func (w *world) try(method, path string, body any) (int, map[string]any, error) {
	w.t.Helper()
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			w.t.Fatal(err)
		}
		sent = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, "https://api.test/scim/directory/"+path, sent)
	if err != nil {
		w.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+w.key)
	if body != nil {
		request.Header.Set("Content-Type", "application/scim+json; charset=utf-8")
	}
	response, err := w.client.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, nil, err
	}
	var got map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &got); err != nil {
			w.t.Fatalf("%s %s: %v in %q", method, path, err, text)
		}
	}
	return response.StatusCode, got, nil
}

func (w *world) call(status int, method, path string, body any) map[string]any {
	w.t.Helper()
	got, answer, err := w.try(method, path, body)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	if got != status {
		w.t.Fatalf("%s %s: status %d, want %d; %v", method, path, got, status, answer)
	}
	return answer
}

// add puts an account into a directory.
func (w *world) add(directory, account string) scim.User {
	w.t.Helper()
	user, err := w.AddUser(directory, account)
	if err != nil {
		w.t.Fatal(err)
	}
	return user
}

func (w *world) account(id string) organisation.Account {
	w.t.Helper()
	account, known := w.org.Account(id)
	if !known {
		w.t.Fatalf("account %s is not there", id)
	}
	return account
}

func (w *world) effects(want ...scim.Effect) {
	w.t.Helper()
	got := w.Effects()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.IgnoreFields(scim.Effect{}, "At", "Was", "Is")); diff != "" {
		w.t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func (w *world) noViolations() {
	w.t.Helper()
	for _, each := range append(w.Violations(), w.org.Violations()...) {
		w.t.Errorf("violation: %s", each)
	}
}

func patch(operations ...fields) fields {
	return fields{"schemas": []string{patchSchema}, "Operations": append([]fields{}, operations...)}
}

func replace(path string, value any) fields {
	return fields{"op": "replace", "path": path, "value": value}
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
