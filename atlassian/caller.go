package atlassian

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian/pace"
)

// idleConnection is kept well under the minute after which load balancers hang up: a write on a
// connection that the other side has just closed would count as unknown.
const idleConnection = 30 * time.Second

// host is what one place of calls has of its own.
type host struct {
	base       string // scheme, host and perhaps a path in front of every call
	owner      string // with base and secret, whom the limits belong to
	memoryName string // under which what is known of its limits is kept
	authorize  func() credential
	classify   classifier
	limits     func(http.Header, time.Time) pace.Limits // what an answer says of them; nil: pace.ReadLimits
}

// credential is what a call is authorised with.
type credential struct {
	header string // the value of Authorization
	secret string // the part of it that neither error nor log may hold
	coded  string // the secret as the header has it, where that is another text; neither may be held
}

// classifier returns what an answer that is no success means. clean makes text fit for errors.
type classifier func(call request, status int, body []byte, clean func(string) string) *Error

// bearer returns the credential of an API key.
func bearer(key string) credential { return credential{header: "Bearer " + key, secret: key} }

// cleaner returns a function that makes text fit for errors and logs, without the secret.
func (c credential) cleaner() func(string) string { return cleaner(c.secret, c.coded) }

// sendable reports whether the secret can stand in a header. What cannot is not tried, as the
// transport's own refusal would not prove that nothing left.
func (c credential) sendable() bool {
	return c.secret != "" && !strings.ContainsFunc(c.secret, func(r rune) bool { return r <= ' ' || r > '~' })
}

// caller makes the calls to one host: with its credential, at its pace, with its kinds of errors.
type caller struct {
	base      *url.URL
	authorize func() credential
	classify  classifier
	limits    func(http.Header, time.Time) pace.Limits
	http      *http.Client
	gate      *pace.Gate
	log       zerolog.Logger
	onCall    func(Call)
	party     int64 // for whom the calls are made
	workers   int
	spread    *spread
}

// spread is chance for the waits between repeated reads, for several goroutines.
type spread struct {
	mu   sync.Mutex // guards rand
	rand *rand.Rand
}

// Of returns a random time from 0 to the whole.
func (s *spread) Of(whole time.Duration) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Duration(s.rand.Int64N(int64(whole)))
}

// For returns the caller for the calls of one party, at the pace of all of them together.
func (c *caller) For(party int64) *caller {
	own := *c
	own.party = party
	return &own
}

// newCaller returns a caller for the host. Of the Config it takes what all hosts share.
func newCaller(h host, cfg Config) (*caller, error) {
	base, err := parseBase(h.base)
	if err != nil {
		return nil, err
	}
	if cfg.Workers < 0 {
		return nil, fmt.Errorf("%d workers", cfg.Workers)
	}
	if cfg.Workers == 0 {
		cfg.Workers = defaultWorkers
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	}
	if cfg.OnCall == nil {
		cfg.OnCall = func(Call) {}
	}
	if h.limits == nil {
		h.limits = pace.ReadLimits
	}
	gate, err := pace.New(pace.Config{
		Workers: cfg.Workers, Rate: cfg.Pace, Memory: cfg.Memory, Name: h.memoryName, Log: cfg.Log,
		Owner: func() string { return base.String() + "\n" + h.owner + "\n" + h.authorize().secret },
	})
	if err != nil {
		return nil, err
	}
	return &caller{
		base: base, authorize: h.authorize, classify: h.classify, limits: h.limits, http: httpClient(cfg), gate: gate, log: cfg.Log,
		onCall: cfg.OnCall, workers: cfg.Workers, spread: &spread{rand: cfg.Rand},
	}, nil
}

func (c *caller) close() {
	c.gate.Close()
	c.http.CloseIdleConnections()
}

func parseBase(raw string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimRight(raw, "/"))
	if err != nil || base.Host == "" || base.Scheme != "https" && base.Scheme != "http" {
		return nil, errors.New("the base URL is not an http or https address")
	}
	if base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("the base URL must be scheme, host and path only")
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
	// A timeout would end a call without the call's context knowing, by which "not sent" is proved.
	own.Timeout = 0
	// A redirect would carry the key elsewhere, or turn a write into something that was not asked
	// for.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}
