package atlassian

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/rs/zerolog"
)

const (
	testOrg   = "11111111-2222-3333-4444-555555555555"
	testKey   = "ATCTT-the-key-of-these-tests"
	scopedKey = "ATCTT-a-key-made-with-scopes"
)

// fast is a pace that does not slow a test down.
var fast = Pace{Start: 10_000, Max: 10_000}

// world is an organisation and a client of it.
type world struct {
	*organisation.Organisation
	client    *Client
	directory *Directory

	mu    sync.Mutex
	calls []Call
}

func (w *world) made() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]Call(nil), w.calls...)
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

func newWorld(t testing.TB, o *organisation.Organisation, base string, change func(*Config)) *world {
	t.Helper()
	o.SetBaseURL(base)
	w := &world{Organisation: o}
	cfg := Config{
		BaseURL: base, OrgID: testOrg, Key: func() string { return testKey }, Log: zerolog.Nop(), Pace: fast,
		OnCall: func(c Call) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.calls = append(w.calls, c)
		},
	}
	if change != nil {
		change(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.client, w.directory = client, NewDirectory(client)
	return w
}

// onSockets is a world behind a real server.
func onSockets(t *testing.T, change func(*Config), accounts ...organisation.Account) *world {
	t.Helper()
	o := newOrganisation(t, accounts...)
	server := httptest.NewServer(o.Handler())
	t.Cleanup(server.Close)
	w := newWorld(t, o, server.URL, change)
	t.Cleanup(w.client.Close)
	return w
}

// inBubble is a world without sockets, for testing/synctest.
func inBubble(t *testing.T, accounts ...organisation.Account) *world {
	t.Helper()
	o := newOrganisation(t, accounts...)
	return newWorld(t, o, "http://atlassian.test", func(c *Config) {
		c.HTTP = &http.Client{Transport: o.Transport()}
	})
}

// person is a managed account.
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

// answering is a client of a server that the test writes itself, and what it logs.
func answering(t *testing.T, handler http.HandlerFunc) (*Client, *logged) {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	log := &logged{}
	client, err := New(Config{
		BaseURL: server.URL, OrgID: testOrg, Key: func() string { return testKey }, Log: zerolog.New(log), Pace: fast,
	})
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
	good := func() Config { return Config{OrgID: testOrg, Key: func() string { return testKey }} }
	for name, spoil := range map[string]func(*Config){
		"no organisation":       func(c *Config) { c.OrgID = "" },
		"organisation a path":   func(c *Config) { c.OrgID = "a/../b" },
		"directory a path":      func(c *Config) { c.DirectoryID = "a/b" },
		"no key":                func(c *Config) { c.Key = nil },
		"base without a scheme": func(c *Config) { c.BaseURL = "api.atlassian.com" },
		"base with a password":  func(c *Config) { c.BaseURL = "https://me:" + testKey + "@api.atlassian.com" },
		"base with a query":     func(c *Config) { c.BaseURL = "https://api.atlassian.com?a=b" },
		"workers below none":    func(c *Config) { c.Workers = -1 },
		"pace that falls":       func(c *Config) { c.Pace = Pace{Start: 5, Max: 1} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := good()
			spoil(&cfg)
			if _, err := New(cfg); err == nil {
				t.Error("accepted")
			} else if strings.Contains(err.Error(), testKey) {
				t.Errorf("the error holds the key: %v", err)
			}
		})
	}
	if _, err := New(good()); err != nil {
		t.Errorf("the default settings are refused: %v", err)
	}
}
