package atlassian

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian/pace"
)

// DefaultBaseURL is where the admin APIs live.
const DefaultBaseURL = "https://api.atlassian.com"

const defaultWorkers = 32

// accountID is what an account id may look like (user management API, schema AccountId). Real ids
// are not UUIDs.
var accountID = regexp.MustCompile(`^[a-zA-Z0-9_|:-]{1,128}$`)

// Memory keeps what is known of rate limits over a restart.
type Memory = pace.Memory

// memoryName is the name in Memory for the limits of the admin APIs.
const memoryName = "atlassian gate"

// Config is what New needs.
type Config struct {
	// BaseURL is scheme, host and perhaps a path in front of every call; "" means DefaultBaseURL.
	BaseURL string
	// OrgID is the id of the organisation.
	OrgID string
	// DirectoryID is the directory that reads of one directory user go to, and that is meant where
	// several would do; "" means all that the key may see. Searches always look in all: who holds
	// an address, and which groups an account is in, must not depend on it.
	DirectoryID string
	// Groups makes searches by address or id ask which groups an account is in. Only settings that
	// name groups need it.
	Groups bool
	// Key returns the organisation API key, one made without scopes. It is called for each call.
	Key func() string
	// HTTP makes the calls; nil means a client of our own. Its CheckRedirect and Timeout are
	// ignored.
	HTTP *http.Client
	Log  zerolog.Logger
	// Rand spreads the waits between repeated reads; nil means a random seed.
	Rand *rand.Rand
	// Workers is how many calls may be in flight at once, at most; 0 means 32. How many are of use is
	// learned.
	Workers int
	// Pace is how fast calls may leave while the limits are unknown; zero fields have defaults.
	Pace pace.Rate
	// Memory keeps what is known of limits over a restart; nil keeps nothing. Restore reads it.
	Memory Memory
	// OnCall is called with every call that ended. It must not block.
	OnCall func(Call)
}

// Call is one call on the wire, as it ended.
type Call struct {
	Operation string // a closed set of short names, "set email"
	Status    int    // 0 when there was no answer
	Took      time.Duration
}

// Client makes calls to the admin APIs of one organisation. It is safe for use by several
// goroutines.
type Client struct {
	admin     *caller
	org       string // escaped
	directory string // escaped
	groups    bool
	count     *directoryCount
	unsaid    *unsaidCount // of all parties
}

// New returns a client. It starts nothing and calls nobody.
func New(cfg Config) (*Client, error) {
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
	if cfg.BaseURL == "" {
		cfg.BaseURL = DefaultBaseURL
	}
	org := url.PathEscape(cfg.OrgID)
	admin, err := newCaller(host{
		base: cfg.BaseURL, owner: org, memoryName: memoryName,
		authorize: func() credential { return bearer(cfg.Key()) }, classify: classify,
	}, cfg)
	if err != nil {
		return nil, fmt.Errorf("new atlassian client: %w", err)
	}
	return &Client{
		admin: admin, org: org, directory: url.PathEscape(cfg.DirectoryID), groups: cfg.Groups, count: newDirectoryCount(),
		unsaid: &unsaidCount{},
	}, nil
}

// For returns the client for the calls of one party: at the rate limits, which all share, the parties
// take turns. The calls of the client itself are those of party 0.
func (c *Client) For(party int64) *Client {
	own := *c
	own.admin = c.admin.For(party)
	return &own
}

// Restore takes over what a Client with the same key knew of limits. It must be called before the
// first call. What is missing, damaged or old is ignored.
func (c *Client) Restore(ctx context.Context) { c.admin.gate.Restore(ctx) }

// Gate returns what is known about limits now.
func (c *Client) Gate() pace.State { return c.admin.gate.State() }

// Estimate returns how long this many more calls of each operation would take, as far as the limits
// are known now.
func (c *Client) Estimate(calls map[string]int) time.Duration { return c.admin.gate.Estimate(calls) }

// Close saves what is known of limits, and closes connections that are not in use. Calls may still
// be made, but nothing of them is saved.
func (c *Client) Close() { c.admin.close() }
