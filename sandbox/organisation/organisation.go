package organisation

import (
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// DefaultPageSize is how many accounts a page of GET /admin/v1/orgs/{o}/users holds. Atlassian
// documents no figure; 50 is what published scripts have seen.
const DefaultPageSize = 50

// Config is what an organisation is made from. OrgID and APIKey are required.
type Config struct {
	OrgID string // as in the paths under /admin
	// FirstDirectory is the id of the directory that New makes; default: a random one.
	FirstDirectory string
	Name           string // shown by GET /admin/v1/orgs/{o}; default "Example"

	// APIKey is an organisation API key made without scopes: it works everywhere.
	APIKey string
	// ScopedKeys were made with scopes: they work under /admin, list no organisation, and are
	// refused with 403 forbidden.insufficientScope on every /users/{id}/manage call (measured by
	// jira.js, not documented).
	ScopedKeys []string

	// BaseURL is where clients reach the organisation, without a trailing slash; the absolute links
	// of the v1 pages are built from it. Empty: taken from each request's Host.
	BaseURL string

	// Rand makes the ids of errors and domains and the secret of the page cursors; it is the
	// organisation's alone from now on. Default: the same numbers each time.
	Rand     *rand.Rand
	PageSize int       // of the v1 lists; default DefaultPageSize
	Limit    RateLimit // default: none
}

// Collision is the answer to PUT email when another account holds the address. Atlassian documents
// neither status nor key, so a client must not depend on either; the zero value answers 400 with a
// key of our invention.
type Collision struct {
	Status int    // default 400
	Key    string // default "emailAlreadyInUse"
}

// Organisation is the local organisation. All methods may be called at any time and together.
type Organisation struct {
	orgID    string
	name     string
	pageSize int
	scoped   map[string]bool
	routes   []route
	secret   []byte

	mu        sync.Mutex
	rand      *rand.Rand
	key       string
	baseURL   string
	limit     RateLimit
	windows   map[string]*window
	ahead     time.Duration
	collision Collision
	faults    Faults

	sequence     int
	nextDeletion time.Time // when expire has something to do; zero: never
	accounts     map[string]*record
	order        []*record         // by sequence, so that pages are stable while accounts come and go
	holders      map[string]string // address key → account id; hidden accounts included
	domains      []domain
	directories  []Directory
	workspaces   []Workspace
	free         bool // no paid subscription

	unlogged      bool    // the plan has no log of events
	events        []Event // by when they were processed
	eventSequence int

	groups []Group // in the order in which they were added, so that pages are stable

	calls      []*Call
	effects    []Effect
	violations []string
	pulses     map[chan struct{}]bool
}

// New returns an organisation with one directory and no accounts. It starts nothing.
func New(config Config) (*Organisation, error) {
	if config.OrgID == "" {
		return nil, errors.New("make organisation: no organisation id")
	}
	if config.APIKey == "" {
		return nil, errors.New("make organisation: no API key")
	}
	if slices.Contains(config.ScopedKeys, config.APIKey) {
		return nil, errors.New("make organisation: the API key is among the scoped keys")
	}
	if config.PageSize < 0 {
		return nil, fmt.Errorf("make organisation: page size %d is below zero", config.PageSize)
	}
	random := config.Rand
	if random == nil {
		random = rand.New(rand.NewPCG(1, 2))
	}
	o := &Organisation{
		orgID:    config.OrgID,
		name:     config.Name,
		pageSize: config.PageSize,
		scoped:   make(map[string]bool, len(config.ScopedKeys)),
		rand:     random,
		key:      config.APIKey,
		limit:    config.Limit,
		windows:  make(map[string]*window),
		accounts: make(map[string]*record),
		holders:  make(map[string]string),
		pulses:   make(map[chan struct{}]bool),
	}
	if o.name == "" {
		o.name = "Example"
	}
	if o.pageSize == 0 {
		o.pageSize = DefaultPageSize
	}
	for _, key := range config.ScopedKeys {
		o.scoped[key] = true
	}
	for range 16 {
		o.secret = append(o.secret, byte(random.UintN(256)))
	}
	o.SetBaseURL(config.BaseURL)
	o.directories = []Directory{{ID: cmp.Or(config.FirstDirectory, o.newID()), Name: o.name}}
	o.routes = o.table()
	return o, nil
}

// Handler returns the handler of all calls. Paths begin with /users/ and /admin/, as on
// api.atlassian.com; whoever serves it under a prefix strips that first and names it in the base
// URL. A dropped connection is a panic with http.ErrAbortHandler, which net/http understands.
func (o *Organisation) Handler() http.Handler { return http.HandlerFunc(o.serve) }

// Transport reaches the handler without a socket; see [wire.Transport].
func (o *Organisation) Transport() http.RoundTripper { return wire.Transport(o.Handler()) }

// SetBaseURL sets the address of the organisation, once the port is known.
func (o *Organisation) SetBaseURL(base string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.baseURL = strings.TrimRight(base, "/")
}

// SetKey replaces the unscoped API key. The old one is refused with 401 from the next call on, as a
// revoked key is.
func (o *Organisation) SetKey(key string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.key = key
}

// SetLimit replaces the rate limit and forgets what was counted.
func (o *Organisation) SetLimit(limit RateLimit) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.limit = limit
	clear(o.windows)
}

// SetClock sets how far this side's clock is ahead of ours (or behind, below 0): it stands in Date
// and in the times of the limits' headers, and the limits' windows are its own. Times in accounts
// are not moved.
func (o *Organisation) SetClock(ahead time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ahead = ahead
	clear(o.windows)
}

// SetCollision sets the answer of PUT email when the address is taken.
func (o *Organisation) SetCollision(collision Collision) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.collision = collision
}

// OrgID returns the organisation's id.
func (o *Organisation) OrgID() string { return o.orgID }

// link returns an absolute URL of this organisation, as the v1 answers hold them. The caller holds
// o.mu.
func (o *Organisation) link(r *http.Request, path string, query url.Values) string {
	base := o.baseURL
	if base == "" {
		base = "http://" + r.Host
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return base + path
}

// newID returns a random id in the form of a UUID. The caller holds o.mu, or is New.
func (o *Organisation) newID() string {
	high, low := o.rand.Uint64(), o.rand.Uint64()
	return fmt.Sprintf("%08x-%04x-4%03x-%04x-%012x",
		high>>32, high>>16&0xffff, high&0xfff, low>>48&0x3fff|0x8000, low&0xffff_ffff_ffff)
}

// Subscribe returns a channel that has something to read after the organisation changed or answered
// a call. Pulses that nobody has read are one. The function ends the subscription; it does not
// close the channel.
func (o *Organisation) Subscribe() (pulse <-chan struct{}, stop func()) {
	channel := make(chan struct{}, 1)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.pulses[channel] = true
	return channel, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		delete(o.pulses, channel)
	}
}

// pulse tells the subscribers. The caller holds o.mu.
func (o *Organisation) pulse() {
	for channel := range o.pulses {
		select {
		case channel <- struct{}{}:
		default: // a pulse is waiting there already
		}
	}
}

// now returns the time as the API writes it: UTC, to the millisecond.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
