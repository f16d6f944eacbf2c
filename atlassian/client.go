// Package atlassian is a thin typed client of the Atlassian Cloud admin APIs: user management (/users/{id}/manage…),
// organizations v1 (managed accounts, domains) and v2 (users/search, groups/search, directories). It covers the calls that
// countersign makes and no others; calls that Atlassian has switched off or marked deprecated are not among them.
//
// What it promises:
//
//   - A call that changes something leaves at most once for each call of its method: neither the client nor the
//     transport under it repeats one, and no redirect is followed.
//   - A call that changes something and fails says which it was: surely not done, or perhaps done (KindUnknownOutcome).
//     When in doubt it is the latter.
//   - A call that reads is repeated within a named budget; the context always wins.
//   - Every error is an *Error with a Kind, or the error of a context that ended. Neither errors nor logs hold the key
//     or a body; text from the other side is cut to known short fields.
//   - All calls of a Client go through one gate (pace.go), which obeys what the answers say about limits.
//
// Directory, in directory.go, puts this into the words of package workflow; nothing else here knows that package.
package atlassian

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// DefaultBaseURL is where the admin APIs live.
const DefaultBaseURL = "https://api.atlassian.com"

const (
	defaultWorkers = 8

	// idleConnection is kept well under the minute after which load balancers hang up: a write on a connection that the
	// other side has just closed would count as unknown.
	idleConnection = 30 * time.Second
)

// accountID is what an account id may look like (user management API, schema AccountId). Real ids are not UUIDs.
var accountID = regexp.MustCompile(`^[a-zA-Z0-9_|:-]{1,128}$`)

// Config is what a Client needs.
type Config struct {
	// BaseURL is scheme, host and perhaps a path in front of every call; "" means DefaultBaseURL.
	BaseURL string
	// OrgID is the id of the organisation.
	OrgID string
	// DirectoryID is the directory that reads of one directory user go to; "" means all that the key may see. Searches
	// always look in all: who holds an address, and which groups an account is in, must not depend on it.
	DirectoryID string
	// Groups makes searches by address or id ask which groups an account is in. Only settings that name groups need it.
	Groups bool
	// Key gives the organisation API key, one made without scopes; asked for at each call.
	Key func() string
	// HTTP makes the calls. nil means a client of our own. Its CheckRedirect and Timeout are not used.
	HTTP *http.Client
	Log  zerolog.Logger
	// Rand spreads the waits between repeated reads. nil means a random seed.
	Rand *rand.Rand
	// Workers is how many calls may be under way at once; 0 means 8.
	Workers int
	// Pace is how fast calls may leave while nothing is known about limits; zero fields have defaults.
	Pace Pace
	// Memory keeps what is known of limits over a restart; nil: nothing is kept. Restore reads it.
	Memory Memory
	// Party says for whom a call with that context is made: parties take turns. nil: all are one.
	Party func(context.Context) int64
	// OnCall is told of every call that ended, for whoever counts them. It must not block.
	OnCall func(Call)
}

// Call is one call on the wire, as it ended.
type Call struct {
	Operation string // a closed set of short names, "set email"
	Status    int    // 0 when there was no answer
	Took      time.Duration
}

// Client makes calls; safe for use by several goroutines.
type Client struct {
	base      *url.URL
	org       string // escaped
	directory string // escaped
	groups    bool
	key       func() string
	http      *http.Client
	log       zerolog.Logger
	onCall    func(Call)
	party     func(context.Context) int64
	workers   int
	gate      *gate
	keeper    keeper

	dice sync.Mutex // guards rand
	rand *rand.Rand
}

// New makes a client. It starts nothing and calls nobody.
func New(cfg Config) (*Client, error) {
	base, err := parseBase(cfg.BaseURL)
	if err != nil {
		return nil, err
	}
	if !accountID.MatchString(cfg.OrgID) {
		return nil, errors.New("new atlassian client: the organisation id is missing or has characters no id has")
	}
	if cfg.DirectoryID == "" {
		cfg.DirectoryID = allDirectories
	}
	if !accountID.MatchString(cfg.DirectoryID) {
		return nil, errors.New("new atlassian client: the directory id has characters no id has")
	}
	if cfg.Key == nil {
		return nil, errors.New("new atlassian client: no key")
	}
	if cfg.Workers < 0 {
		return nil, fmt.Errorf("new atlassian client: %d workers", cfg.Workers)
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	gate, err := newGate(cfg.Pace, cfg.Workers)
	if err != nil {
		return nil, fmt.Errorf("new atlassian client: %w", err)
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if cfg.OnCall == nil {
		cfg.OnCall = func(Call) {}
	}
	if cfg.Party == nil {
		cfg.Party = func(context.Context) int64 { return 0 }
	}
	c := &Client{
		base: base, org: url.PathEscape(cfg.OrgID), directory: url.PathEscape(cfg.DirectoryID), groups: cfg.Groups, key: cfg.Key,
		http: httpClient(cfg), log: cfg.Log, onCall: cfg.OnCall, party: cfg.Party, workers: cfg.Workers,
		gate: gate, rand: cfg.Rand, keeper: keeper{memory: cfg.Memory},
	}
	c.keeper.save, gate.changed = c.remember, c.keeper.changed
	return c, nil
}

// Gate is what is known about limits just now.
func (c *Client) Gate() GateState { return c.gate.state() }

// Close writes down what is known of limits, and lets go of connections that are not in use. Calls may still be made, but
// nothing of them is kept.
func (c *Client) Close() {
	c.keeper.close()
	c.http.CloseIdleConnections()
}

func parseBase(raw string) (*url.URL, error) {
	if raw == "" {
		raw = DefaultBaseURL
	}
	base, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("new atlassian client: the base URL is not an http or https address")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("new atlassian client: the base URL must be scheme, host and path only")
	}
	return base, nil
}

func httpClient(cfg Config) *http.Client {
	var own http.Client
	if cfg.HTTP != nil {
		own = *cfg.HTTP
	} else {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true}
		if std, ok := http.DefaultTransport.(*http.Transport); ok {
			transport = std.Clone()
		}
		transport.MaxIdleConnsPerHost = cfg.Workers
		transport.IdleConnTimeout = idleConnection
		own.Transport = transport
	}
	own.Timeout = 0 // it would end a call without the call's context knowing, which the proof of "not sent" goes by
	// A redirect would carry the key somewhere else, or turn a write into something that the caller did not ask for.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
