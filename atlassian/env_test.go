package atlassian_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
)

const (
	testOrg   = "11111111-2222-3333-4444-555555555555"
	testKey   = "ATCTT-the-key-of-these-tests"
	scopedKey = "ATCTT-a-key-made-with-scopes"
)

// fast is a pace that does not slow a test down.
var fast = pace.Rate{Start: 10_000, Max: 10_000}

// env is an organisation and a client of it.
type env struct {
	*organisation.Organisation
	client    *atlassian.Client
	directory *atlassian.Directory

	mu    sync.Mutex
	calls []atlassian.Call
}

func (w *env) made() []atlassian.Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]atlassian.Call(nil), w.calls...)
}

// newOrganisation has a verified domain, an unverified one, and the accounts.
func newOrganisation(t testing.TB, accounts ...organisation.Account) *organisation.Organisation {
	t.Helper()
	o, err := organisation.New(organisation.Config{
		OrgID: testOrg, Name: "Example", APIKey: testKey, ScopedKeys: []string{scopedKey}, PageSize: 20,
	})
	if err != nil {
		t.Fatal(err)
	}
	o.AddDomain(organisation.Domain{Name: "Example.com", Verified: true})
	o.AddDomain(organisation.Domain{Name: "pending.example", Status: "unverified"})
	for _, a := range accounts {
		if err := o.Put(a); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, v := range o.Violations() {
			t.Errorf("violation: %s", v)
		}
	})
	return o
}

// inGroup adds a group with members.
func inGroup(t testing.TB, o *organisation.Organisation, g organisation.Group, members ...string) {
	t.Helper()
	g, err := o.AddGroup(g)
	if err == nil {
		err = o.Join(g.ID, members...)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func newEnv(t testing.TB, o *organisation.Organisation, base string, change func(*atlassian.Config)) *env {
	t.Helper()
	o.SetBaseURL(base)
	w := &env{Organisation: o}
	cfg := atlassian.Config{
		BaseURL: base, OrgID: testOrg, Key: func() string { return testKey }, Log: zerolog.Nop(), Pace: fast,
		OnCall: func(c atlassian.Call) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, c)
		},
	}
	if change != nil {
		change(&cfg)
	}
	client, err := atlassian.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.client, w.directory = client, atlassian.NewDirectory(client)
	return w
}

// onSockets returns a env behind a real server.
func onSockets(t *testing.T, change func(*atlassian.Config), accounts ...organisation.Account) *env {
	t.Helper()
	o := newOrganisation(t, accounts...)
	server := httptest.NewServer(o.Handler())
	t.Cleanup(server.Close)
	w := newEnv(t, o, server.URL, change)
	t.Cleanup(w.client.Close)
	return w
}

// inBubble returns a env without sockets, for testing/synctest.
func inBubble(t *testing.T, accounts ...organisation.Account) *env {
	t.Helper()
	o := newOrganisation(t, accounts...)
	return newEnv(t, o, "http://atlassian.test", func(c *atlassian.Config) {
		c.HTTP = &http.Client{Transport: o.Transport()}
	})
}

// person returns a managed account.
func person(n int) organisation.Account {
	return organisation.Account{
		ID: personID(n), Name: fmt.Sprintf("Person %d", n), Email: fmt.Sprintf("Person.%d@example.com", n), Managed: true,
		Billable: true, LastActive: "2026-11-20T08:00:00Z",
		Products: []organisation.Product{{Key: "jira-software", Name: "Jira", URL: "https://example.atlassian.net"}},
	}
}

func personID(n int) string { return fmt.Sprintf("712020:person-%04d", n) }

func people(n int) []organisation.Account {
	all := make([]organisation.Account, n)
	for i := range all {
		all[i] = person(i + 1)
	}
	return all
}

// answering returns a client of a server that the test writes itself, and what it logs.
func answering(t *testing.T, handler http.HandlerFunc, change ...func(*atlassian.Config)) (*atlassian.Client, *logged) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	log := &logged{}
	cfg := atlassian.Config{
		BaseURL: server.URL, OrgID: testOrg, Key: func() string { return testKey }, Log: zerolog.New(log), Pace: fast,
	}
	for _, each := range change {
		each(&cfg)
	}
	client, err := atlassian.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client, log
}

// logged keeps what was logged.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := func() atlassian.Config {
		return atlassian.Config{OrgID: testOrg, Key: func() string { return testKey }}
	}
	for name, spoil := range map[string]func(*atlassian.Config){
		"no organisation":       func(c *atlassian.Config) { c.OrgID = "" },
		"organisation a path":   func(c *atlassian.Config) { c.OrgID = "a/../b" },
		"directory a path":      func(c *atlassian.Config) { c.DirectoryID = "a/b" },
		"no key":                func(c *atlassian.Config) { c.Key = nil },
		"base without a scheme": func(c *atlassian.Config) { c.BaseURL = "api.atlassian.com" },
		"base with a password":  func(c *atlassian.Config) { c.BaseURL = "https://me:" + testKey + "@api.atlassian.com" },
		"base with a query":     func(c *atlassian.Config) { c.BaseURL = "https://api.atlassian.com?a=b" },
		"workers below none":    func(c *atlassian.Config) { c.Workers = -1 },
		"pace that falls":       func(c *atlassian.Config) { c.Pace = pace.Rate{Start: 5, Max: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			spoil(&cfg)
			if _, err := atlassian.New(cfg); err == nil {
				t.Error("accepted")
			} else if strings.Contains(err.Error(), testKey) {
				t.Errorf("the error holds the key: %v", err)
			}
		})
	}
	if _, err := atlassian.New(good()); err != nil {
		t.Errorf("the default settings are refused: %v", err)
	}
}
