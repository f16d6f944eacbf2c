package contract_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/sandbox/contract"
)

const folder = "testdata/openapi"

func load(t *testing.T) *contract.Spec {
	t.Helper()
	spec, err := contract.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// ask returns a well-formed request.
func ask(t *testing.T, method, path, body string) *http.Request {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, "http://x.example"+path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer key")
	request.Header.Set("Content-Type", "application/json")
	return request
}

func TestCheckRequest(t *testing.T) {
	spec := load(t)
	const email, profile = "/users/557058:a/manage/email", "/users/557058:a/manage/profile"
	for _, test := range []struct {
		name         string
		method, path string
		body         string
		want         []string // what the problems say, in any order
	}{
		{"well formed", "GET", "/admin/v1/things/12345?limit=100&kinds=a&kinds=c", "", nil},
		{"literal before parameter", "GET", "/admin/v1/things/search", "", nil},
		{"unknown call", "GET", "/admin/v1/nothing", "", []string{"no such call"}},
		{"call of an older version", "GET", "/wrong/v1/old", "", []string{"no such call"}},
		{"unknown method", "PUT", "/admin/v1/things/1", "", []string{"no such call"}},
		{"deprecated", "DELETE", "/admin/v1/things/1", "", []string{"call: is deprecated"}},
		{"path parameter", "GET", "/admin/v1/things/123456", "", []string{"thingId: 6 is beyond maxLength 5"}},
		{"unknown parameter", "GET", "/admin/v1/things/1?x=1", "", []string{"query parameter x: is not declared"}},
		{"number too large", "GET", "/admin/v1/things/1?limit=101", "", []string{"limit: 101 is above 100"}},
		{"no number", "GET", "/admin/v1/things/1?limit=ten", "", []string{"limit: is string, want integer"}},
		{"twice", "GET", "/admin/v1/things/1?limit=1&limit=2", "", []string{"limit: is given 2 times"}},
		{"joined list", "GET", "/admin/v1/things/1?kinds=a,b", "", []string{"kinds[0]: a,b is none of"}},
		{
			"list too long", "GET", "/admin/v1/things/1?kinds=a&kinds=b&kinds=c", "",
			[]string{"kinds: 3 is beyond maxItems 2"},
		},
		{"body where none is declared", "GET", "/admin/v1/things/1", `{"a":1}`, []string{"has a body"}},
		{"empty object where none is declared", "POST", "/users/a/manage/lifecycle/enable", `{}`, nil},
		{"optional body left out", "POST", "/admin/v1/things/search", "", nil},
		{"required body left out", "PUT", email, "", []string{"request: has no body"}},
		{"search", "POST", "/admin/v1/things/search", `{"emails":["a","b"],"limit":1}`, nil},
		{"empty list", "POST", "/admin/v1/things/search", `{"emails":[]}`, []string{"emails: 0 is beyond minItems 1"}},
		{"twice in a list", "POST", "/admin/v1/things/search", `{"emails":["a","a"]}`, []string{"is there twice"}},
		{"null", "POST", "/admin/v1/things/search", `{"limit":null}`, []string{"limit: is null"}},
		{"fraction", "POST", "/admin/v1/things/search", `{"limit":1.5}`, []string{"limit: is number, want integer"}},
		{"unknown field", "PUT", email, `{"email":"a","notify":true}`, []string{"request.notify: is not declared"}},
		{"name in another case", "PUT", email, `{"Email":"a"}`, []string{"email is missing", "Email: is not declared"}},
		{"wrong type", "PUT", email, `{"email":1}`, []string{"request.email: is number, want string"}},
		{"no JSON", "PUT", email, `{`, []string{"request: "}},
		{"two values", "PUT", email, `{"email":"a"}{}`, []string{"more than one JSON value"}},
		{"part of a profile", "PATCH", profile, `{"name":"a"}`, nil},
		{"part of a profile, wrong", "PATCH", profile, `{"nickname":""}`, []string{"does not match .{1,3}"}},
		{"bad id", "PUT", "/users/a%2Fb/manage/email", `{"email":"a"}`, []string{"path parameter account_id"}},
		{"mended parameter", "GET", "/admin/v2/orgs/o/directories/-/users/abcd", "", []string{"accountId: 4 is beyond"}},
		{"mended path", "POST", "/admin/v1/apostrophe", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			compare(t, test.want, spec.CheckRequest(ask(t, test.method, test.path, test.body), []byte(test.body)))
		})
	}
}

func TestCheckRequestHeaders(t *testing.T) {
	spec := load(t)
	request := ask(t, "PUT", "/users/a/manage/email", "")
	request.Header.Set("Content-Type", "text/plain")
	request.Header.Set("Authorization", "Basic abc")
	want := []string{"is no Bearer key", `content type is "text/plain"`}
	compare(t, want, spec.CheckRequest(request, []byte(`{"email":"a"}`)))
}

func TestCheckAnswer(t *testing.T) {
	spec := load(t)
	const (
		thing = "GET /admin/v1/things/1"
		email = "PUT /users/a/manage/email"
		user  = "GET /admin/v2/orgs/o/directories/-/users/abc"
	)
	for _, test := range []struct {
		name, call string
		status     int
		body       string
		want       []string
	}{
		{"whole", thing, 200, `{"id":"557058:a","at":"2026-11-24T01:02:03Z","note":null,"share":1.5,"tags":{"x":true}}`, nil},
		{"free object", thing, 200, `{"id":"a","anything":{"x":1}}`, nil},
		{"missing", thing, 200, `{}`, []string{"answer 200: id is missing"}},
		{"unknown beside an allOf", thing, 200, `{"id":"a","tag":{}}`, []string{"answer 200.tag: is not declared"}},
		{"unknown where forbidden", thing, 200, `{"id":"a","fixed":{"b":1}}`, []string{"fixed.b: is not declared"}},
		{"additional of a wrong type", thing, 200, `{"id":"a","tags":{"x":"y"}}`, []string{"tags.x: is string"}},
		{"too few", thing, 200, `{"id":"a","tags":{}}`, []string{"tags: 0 is beyond minProperties 1"}},
		{"no time", thing, 200, `{"id":"a","at":"yesterday"}`, []string{`"yesterday" is no date-time`}},
		{"not listed", thing, 409, `{}`, []string{"answer 409: is not listed"}},
		{"limits are the gateway's", thing, 429, ``, nil},
		{"outages, too", thing, 503, `<html>`, nil},
		{"no body where one is declared", thing, 200, ``, []string{"answer 200: EOF"}},
		{"body where none is declared", email, 204, `{}`, []string{"answer 204: has a body"}},
		{"branch by key", email, 400, `{"key":"detailed"}`, []string{"answer 400: context is missing"}},
		{"key of no branch", email, 400, `{"key":"other"}`, nil},
		{"no branch", email, 400, `{}`, []string{"key is missing"}},
		{"mended collision", email, 409, `{"key":"taken"}`, nil},
		{"mended scope", email, 403, `{"key":"forbidden.insufficientScope","context":{"a":1}}`, nil},
		{"other 403", email, 403, `{"key":"no"}`, []string{"no is none of"}},
		{"mended gateway form", user, 401, `{"code":401,"message":"Unauthorized"}`, nil},
		{"documented form", user, 401, `{"errors":[]}`, nil},
		{"neither form", user, 401, `{"key":"unauthorized"}`, []string{"answer 401.key: is not declared"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.call, " ")
			header := http.Header{"Content-Type": {"application/json;charset=UTF-8"}}
			compare(t, test.want, spec.CheckAnswer(ask(t, method, path, ""), test.status, header, []byte(test.body)))
		})
	}
	html := http.Header{"Content-Type": {"text/html"}}
	got := spec.CheckAnswer(ask(t, "GET", "/admin/v1/things/1", ""), 200, html, nil)
	compare(t, []string{`content type is "text/html"`}, got)
}

// compare wants one problem for each text, which contains it.
func compare(t *testing.T, want, got []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("problems %q, want %d: %q", got, len(want), want)
	}
	for _, each := range want {
		if !slices.ContainsFunc(got, func(problem string) bool { return strings.Contains(problem, each) }) {
			t.Errorf("problems %q, want one with %q", got, each)
		}
	}
}

func TestLoadRefuses(t *testing.T) {
	if _, err := contract.Load(t.TempDir()); err == nil {
		t.Error("an empty folder is no error")
	}
}

func TestUnder(t *testing.T) {
	spec := load(t).Under("/atlassian/")
	compare(t, nil, spec.CheckRequest(ask(t, "GET", "/atlassian/admin/v1/things/1", ""), nil))
	compare(t, []string{"no such call"}, spec.CheckRequest(ask(t, "GET", "/admin/v1/things/1", ""), nil))
}

func TestTransportAndWrap(t *testing.T) {
	spec := load(t)
	var server, client []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"name":"a"}`))
	})
	listening := httptest.NewServer(spec.Wrap(handler, func(problem string) { server = append(server, problem) }))
	defer listening.Close()
	base := listening.Client().Transport
	caller := &http.Client{Transport: contract.Transport(base, spec, func(problem string) {
		client = append(client, problem)
	})}
	call := func(method, path string) error {
		request := ask(t, method, path, "")
		request.RequestURI = ""
		request.Body = nil
		request.URL.Host = strings.TrimPrefix(listening.URL, "http://")
		response, err := caller.Do(request)
		if err == nil {
			_ = response.Body.Close()
		}
		return err
	}
	if err := call(http.MethodGet, "/admin/v1/things/1?x=1"); err != nil {
		t.Fatal(err)
	}
	if err := call(http.MethodPost, "/admin/v1/apostrophe?x=1"); err == nil {
		t.Fatal("a dropped call has an answer")
	}
	listening.Close() // waits for the handler
	want := []string{
		"GET /admin/v1/things/1: query parameter x: is not declared",
		"GET /admin/v1/things/1: answer 200: id is missing",
		"GET /admin/v1/things/1: answer 200.name: is not declared",
		"POST /admin/v1/apostrophe: query parameter x: is not declared",
	}
	if diff := cmp.Diff(want, client); diff != "" {
		t.Errorf("seen by the client (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, server); diff != "" {
		t.Errorf("seen by the server (-want +got):\n%s", diff)
	}
}
