package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/page"
	"github.com/countersign/countersign/sandbox/scim"
	"github.com/countersign/countersign/sandbox/site"
	"github.com/countersign/countersign/sandbox/workspace"
)

// DefaultAddr takes any free port.
const DefaultAddr = "127.0.0.1:0"

// slackOrigin is the Origin that slack-go names when it opens a socket.
const slackOrigin = "https://api.slack.com"

// headerTimeout ends connections that never say what they want.
const headerTimeout = 10 * time.Second

// The credentials and ids of the sandbox. They open nothing but itself, and are no secret.
const (
	appToken  = "xapp-1-A0COUNTERSIGN-sandbox"
	botToken  = "xoxb-sandbox-countersign"
	apiKey    = "ATCTT3xFfGN0-sandbox"
	scopedKey = "ATCTT3xFfGN0-sandbox-scoped"
	orgID     = "7d0c5f1e-4b7a-4c8e-9a55-0f6c2b1d9e30"
)

// Shortcut is one of the app's shortcuts.
type Shortcut = workspace.Shortcut

// Config is where a sandbox listens and who is in it. The zero value works.
type Config struct {
	// Addr is a loopback address with a port, 0 for any free one; DefaultAddr when empty.
	Addr string
	// Seed picks the company: names, addresses, who is locked. The same number gives the same on
	// the same day.
	Seed uint64
	// Accounts is how many the organisation has; FewestAccounts when 0. With many there is a sample file
	// of many rows.
	Accounts int
	// Command is the app's slash command; "/countersign" when empty.
	Command string
	// Shortcuts are the app's, as its manifest has them; without any the page shows none, and every
	// callback_id is one.
	Shortcuts []workspace.Shortcut
	NoHome    bool // the app's manifest has its Home tab off
	// Log gets a line for each call of the workspace and for each error of the server; none when
	// nil.
	Log func(format string, args ...any)
}

// Sandbox is a running sandbox.
type Sandbox struct {
	URL          string // of the page, without a slash at the end: http://127.0.0.1:8780
	Workspace    *workspace.Workspace
	Organisation *organisation.Organisation
	SCIM         *scim.Server // a directory of ours and one of an identity provider
	Site         *site.Site   // of Jira

	samples []Sample
	page    *page.Page
	server  *http.Server
	served  chan error
}

// Start seeds a workspace and an organisation and serves them until Close. The context ends only
// the start.
func Start(ctx context.Context, config Config) (*Sandbox, error) {
	addr := cmp.Or(config.Addr, DefaultAddr)
	if err := requireLoopback(addr); err != nil {
		return nil, err
	}
	sandbox, err := build(config, time.Now())
	if err != nil {
		return nil, err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		sandbox.Workspace.Close()
		return nil, fmt.Errorf("listen for the sandbox: %w", err)
	}
	sandbox.URL = "http://" + listener.Addr().String()
	sandbox.Workspace.SetBaseURL(sandbox.URL)
	sandbox.Organisation.SetBaseURL(sandbox.AtlassianURL())
	sandbox.SCIM.SetURL(sandbox.AtlassianURL())
	sandbox.Site.SetURL(sandbox.SiteURL())
	sandbox.server = &http.Server{
		Handler: sandbox.handler(), ReadHeaderTimeout: headerTimeout, ErrorLog: log.New(lines(config.Log), "", 0),
	}
	go func() { sandbox.served <- sandbox.server.Serve(listener) }()
	return sandbox, nil
}

// lines hands what a log.Logger writes to a function.
type lines func(format string, args ...any)

func (l lines) Write(line []byte) (int, error) {
	if l != nil {
		l("%s", strings.TrimSuffix(string(line), "\n"))
	}
	return len(line), nil
}

func build(config Config, now time.Time) (*Sandbox, error) {
	random := rand.New(rand.NewPCG(config.Seed, 1)) // a repeatable company, nothing secret
	slack, err := workspace.New(workspace.Config{
		AppToken: appToken, BotToken: botToken, Command: config.Command, Rand: random, Log: config.Log,
		Shortcuts: config.Shortcuts, NoHome: config.NoHome,
	})
	if err != nil {
		return nil, fmt.Errorf("start the sandbox's workspace: %w", err)
	}
	atlassian, err := organisation.New(organisation.Config{
		OrgID: orgID, Name: companyName, APIKey: apiKey, ScopedKeys: []string{scopedKey},
		Rand:  rand.New(rand.NewPCG(config.Seed, 2)),
		Limit: organisation.RateLimit{PerMinute: callsPerMinute, Headers: true},
	})
	if err != nil {
		slack.Close()
		return nil, fmt.Errorf("start the sandbox's organisation: %w", err)
	}
	company, err := newCompany(config.Seed, cmp.Or(config.Accounts, FewestAccounts), now)
	if err != nil {
		slack.Close()
		return nil, err
	}
	populate(slack)
	if err := company.move(atlassian); err != nil {
		slack.Close()
		return nil, err
	}
	directories, jira, err := company.places(atlassian)
	if err != nil {
		slack.Close()
		return nil, err
	}
	samples := company.samples()
	drawn, err := page.New(page.Config{
		Workspace: slack, Organisation: atlassian, OrganisationName: companyName,
		Samples: samples, Suggestions: company.suggestions(slack.CommandName()), Start: Hana, Guide: []page.Step{
			{Words: "Send a sample file as Hana", Do: "samples", Until: "asked"},
			{Words: "Switch to Alice and approve", Do: "person", Person: "alice", Until: "changed"},
			{Words: "Watch the accounts on the right", Do: "panel", Until: "changed"},
		},
		GuideEnd: "Next: press Undo. Or break something: Faults, at the bottom right.",
	})
	if err != nil {
		slack.Close()
		return nil, fmt.Errorf("start the sandbox's page: %w", err)
	}
	return &Sandbox{
		Workspace: slack, Organisation: atlassian, SCIM: directories, Site: jira,
		samples: samples, page: drawn, served: make(chan error, 1),
	}, nil
}

// requireLoopback refuses to serve anybody else: the sandbox has no login, and whoever reaches it
// acts as everyone.
func requireLoopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("read the sandbox's address %q: %w", addr, err)
	}
	if host == "localhost" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err != nil || !ip.IsLoopback() {
		return fmt.Errorf("read the sandbox's address %q: it must be on loopback, such as 127.0.0.1:8780", addr)
	}
	return nil
}

func (s *Sandbox) handler() http.Handler {
	slack := s.Workspace.Handler()
	mux := http.NewServeMux()
	// Pages of other sites reach this address, too, from the browser of whoever runs the sandbox.
	for _, path := range []string{"/api/", "/files-up/", "/files-pri/", "/commands/"} {
		mux.Handle(path, page.SameOrigin(slack))
	}
	mux.Handle("/link/", page.SameOrigin(slack, slackOrigin))
	mux.Handle("/atlassian/scim/", page.SameOrigin(http.StripPrefix("/atlassian", s.SCIM.Handler())))
	mux.Handle("/jira/", page.SameOrigin(http.StripPrefix("/jira", s.Site.Handler())))
	mux.Handle("/atlassian/", page.SameOrigin(http.StripPrefix("/atlassian", s.Organisation.Handler())))
	mux.Handle("/", s.page.Handler())
	return page.Guard(mux)
}

// SlackAPIURL returns the base of the Web API with a slash at the end, as slack-go's OptionAPIURL
// wants it.
func (s *Sandbox) SlackAPIURL() string { return s.URL + "/api/" }

// AtlassianURL returns what stands in the place of https://api.atlassian.com.
func (s *Sandbox) AtlassianURL() string { return s.URL + "/atlassian" }

// SiteURL returns what stands in the place of https://example.atlassian.net.
func (s *Sandbox) SiteURL() string { return s.URL + "/jira" }

// AppToken returns the xapp- token for Socket Mode.
func (s *Sandbox) AppToken() string { return appToken }

// OnKill gives the page a switch that kills the bot's process; who calls it starts the bot again.
func (s *Sandbox) OnKill(kill func()) { s.page.OnKill(kill) }

// BotToken returns the xoxb- token for the Web API.
func (s *Sandbox) BotToken() string { return botToken }

// APIKey returns the organisation's API key, made without scopes.
func (s *Sandbox) APIKey() string { return apiKey }

// ScopedKey returns a key of the organisation that was made with scopes: it may list and not
// manage.
func (s *Sandbox) ScopedKey() string { return scopedKey }

// OrgID returns the Atlassian organisation's id.
func (s *Sandbox) OrgID() string { return orgID }

// Close ends sockets and event streams, lets other requests finish until the context ends, and
// returns when nothing runs any more.
func (s *Sandbox) Close(ctx context.Context) error {
	s.Workspace.Close()
	s.page.Close()
	err := s.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(fmt.Errorf("close the sandbox: %w", err), s.server.Close())
	}
	if served := <-s.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, fmt.Errorf("serve the sandbox: %w", served))
	}
	return err
}
