package slackapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// How Slack is called. The rates stay below Slack's own (docs.slack.dev/apis/web-api/rate-limits):
// chat.postMessage about one a second in a channel, with short bursts, chat.update 50 a minute over
// everything.
const (
	defaultURL       = "https://slack.com/api/"
	callTimeout      = 15 * time.Second
	linkTimeout      = 2 * time.Second // for the link of a message, without which everything can do
	lateAnswer       = 5 * time.Second // for an answer when the time for everything is over
	throttledTries   = 5
	defaultThrottled = time.Second // where Slack does not say how long to wait
	postEvery        = 1050 * time.Millisecond
	postBurst        = 5
	updateEvery      = 1300 * time.Millisecond
	updateBurst      = 16
	updateMost       = 50             // in any minute, so that it does not matter when Slack's begins
	lookBack         = time.Minute    // clocks may differ: how much earlier than our send a message may be dated
	findBack         = 24 * time.Hour // how far a message is looked for whose time lies ahead of the clock
	lookPages        = 5
	lookPageSize     = 100
	placesPage       = 200
	postEvent        = "countersign_post" // event_type of the metadata of our posts
	noteKey          = "key"              // and what its payload holds
	noteThread       = "thread"
	noteRevision     = "revision"
)

// Config is what a Client needs. Token is required.
type Config struct {
	Token    string // of the bot, xoxb-…
	AppToken string // for connections of Socket Mode, xapp-…
	URL      string // "" means https://slack.com/api/

	HTTP *http.Client // nil means one with a timeout
	// Dial opens the connections of Socket Mode; nil means as slack-go does, through a proxy where
	// there is one.
	Dial   func(ctx context.Context, network, address string) (net.Conn, error)
	Memory Memory // keeps over a restart what Slack asks for; nil forgets it
	Pace   Pace   // the zero Pace is Slack's
	// Version is the program's: which blocks a workspace refuses is found out anew by each.
	Version string
	Log     zerolog.Logger
}

// Pace is how fast Slack is called.
type Pace struct {
	Post   time.Duration // between two messages in a channel after a burst; 0 means what suits Slack
	Update time.Duration // between two edits after a burst, likewise
	// Unmetered has methods called as often as somebody wants, until Slack asks to slow down.
	Unmetered bool
}

// Client is Slack's Web API as the bot needs it: paced, with timeouts, and with errors told apart.
// Its methods may be called from any goroutine.
type Client struct {
	slack   *slack.Client
	opener  *slack.Client // of connections of Socket Mode
	http    *http.Client  // with url and token for what slack cannot read
	url     string
	host    string // of url
	token   string
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	log     zerolog.Logger
	updates *Pacer
	every   time.Duration        // between two messages in a channel
	allowed map[string]allowance // by method; those that are not named go unpaced until Slack asks to slow down

	version       string
	recalledTiers sync.Once // what it holds of tiers has been taken up

	memory   Memory     // nil when there is none
	recalled sync.Once  // what it holds has been taken up
	noting   sync.Mutex // notes are written in the order in which they came to be

	dead chan struct{} // closed when the token is of no use any more
	die  sync.Once
	err  error // why, once dead is closed

	mu    sync.Mutex
	self  *Identity              // once Slack has said who we are
	posts map[string]*Pacer      // by channel
	gates map[string]*gate       // by method
	tiers map[string]refusedTier // by workspace and surface
}

// New makes a Client. It calls nobody.
func New(cfg Config) *Client {
	if cfg.URL == "" {
		cfg.URL = defaultURL
	}
	if !strings.HasSuffix(cfg.URL, "/") { // slack-go puts the method's name right behind it
		cfg.URL += "/"
	}
	if cfg.HTTP == nil { // slack-go's own has no timeout
		cfg.HTTP = &http.Client{Timeout: transferTimeout}
	}
	client := staying(cfg.HTTP)
	c := &Client{
		slack: slack.New(cfg.Token, slack.OptionAppLevelToken(cfg.AppToken), slack.OptionAPIURL(cfg.URL),
			slack.OptionHTTPClient(client)),
		http: client, url: cfg.URL, host: hostOf(cfg.URL), token: cfg.Token, dial: cfg.Dial, log: cfg.Log,
		updates: newUpdates(cmp.Or(cfg.Pace.Update, updateEvery)), every: cmp.Or(cfg.Pace.Post, postEvery),
		memory: cfg.Memory, version: cfg.Version, dead: make(chan struct{}), posts: map[string]*Pacer{}, gates: map[string]*gate{},
	}
	c.opener = slack.New(cfg.Token, slack.OptionAppLevelToken(cfg.AppToken), slack.OptionAPIURL(cfg.URL),
		slack.OptionHTTPClient(opening{c}))
	if !cfg.Pace.Unmetered {
		c.allowed = allowances()
	}
	return c
}

// Dead is closed when Slack refuses the token for good; Err says why.
func (c *Client) Dead() <-chan struct{} { return c.dead }

// Err returns a *PermanentError once Dead is closed, and nil before.
func (c *Client) Err() error {
	select {
	case <-c.dead:
		return c.err
	default:
		return nil
	}
}

func (c *Client) giveUp(err error) {
	c.die.Do(func() {
		c.err = err
		close(c.dead)
	})
}

// Identity is whom a bot token belongs to.
type Identity struct {
	Person     string // the bot's own id as a person of Slack
	Team       string // its workspace
	Enterprise string // and the organisation that it belongs to, "" when none
}

// Self returns who we are (auth.test). It is asked until Slack has answered once.
func (c *Client) Self(ctx context.Context) (Identity, error) {
	c.mu.Lock()
	known := c.self
	c.mu.Unlock()
	if known != nil {
		return *known, nil
	}
	var self Identity
	err := c.call(ctx, "auth.test", func(ctx context.Context) error {
		answer, err := c.slack.AuthTestContext(ctx)
		if err == nil {
			self = Identity{Person: answer.UserID, Team: answer.TeamID, Enterprise: answer.EnterpriseID}
		}
		return err
	})
	if err != nil {
		return Identity{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.self = &self
	return self, nil
}

// SelfID returns our own id as a person of Slack, "" before Self has learned it.
func (c *Client) SelfID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.self == nil {
		return ""
	}
	return c.self.Person
}

// Updates returns the pacer of all edits.
func (c *Client) Updates() *Pacer { return c.updates }

// Posts returns the pacer of the messages into a channel.
func (c *Client) Posts(channel string) *Pacer {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.posts[channel]
	if p == nil {
		p = newPosts(c.every)
		c.posts[channel] = p
	}
	return p
}

func (c *Client) gate(method string) *gate {
	c.mu.Lock()
	defer c.mu.Unlock()
	g := c.gates[method]
	if g == nil {
		g = newGate(c.allowed[method])
		c.gates[method] = g
	}
	return g
}

// call makes one call, waits as Slack asks when it throttles, and gives up with ctx. Nothing else
// is retried here: after a cut it is not known whether a message was posted.
func (c *Client) call(ctx context.Context, method string, do func(context.Context) error) error {
	c.recall(ctx)
	g := c.gate(method)
	for try := 1; ; try++ {
		leave, err := g.pass(ctx)
		if err != nil {
			return fmt.Errorf("%s: wait as Slack asks: %w", method, err)
		}
		err = bounded(ctx, method, do)
		wait, throttled := RetryAfter(err)
		if throttled {
			c.log.Debug().Str("method", method).Dur("wait", wait).Msg("slack asks to slow down")
			c.retryAfter(ctx, method, wait)
		} else {
			g.answered()
		}
		leave()
		if !throttled || try == throttledTries {
			if err == nil {
				return nil
			}
			if TokenRefused(Code(err)) {
				c.giveUp(&PermanentError{Token: "bot", Code: Code(err)})
			}
			return c.failed(method, err)
		}
	}
}

// failed names the call that failed and whom it went to; err says with which status or code.
func (c *Client) failed(method string, err error) error {
	if e, ok := errors.AsType[*postError](err); ok { // not to the Web API
		return fmt.Errorf("%s at %s: %w", method, e.host, e.err)
	}
	return fmt.Errorf("%s at %s: %w", method, c.host, err)
}

// Host is the name of the machine that answers the Web API.
func (c *Client) Host() string { return c.host }

// lookUp is call for what changes nothing: one that was cut, or that Slack could not answer, is
// made once more. A decision takes several reads, and one cut line is no reason to have it clicked
// again.
func (c *Client) lookUp(ctx context.Context, method string, do func(context.Context) error) error {
	err := c.call(ctx, method, do)
	if err != nil && !HadNoEffect(err) && ctx.Err() == nil {
		c.log.Debug().Err(err).Str("method", method).Msg("look up once more")
		err = c.call(ctx, method, do)
	}
	return err
}

// bounded makes a call that takes at most callTimeout.
func bounded(ctx context.Context, method string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("%s took over %s", method, callTimeout))
	defer cancel()
	err := scrub(do(ctx))
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Person reads one person from Slack, now.
func (c *Client) Person(ctx context.Context, id string) (u *slack.User, err error) {
	err = c.lookUp(ctx, "users.info", func(ctx context.Context) error {
		u, err = c.slack.GetUserInfoContext(ctx, id)
		return err
	})
	return u, err
}

// Group reads the members of a user group, now. asking is called right before each request.
func (c *Client) Group(ctx context.Context, id string, asking func()) (members []string, err error) {
	err = c.lookUp(ctx, "usergroups.users.list", func(ctx context.Context) error {
		asking()
		members, err = c.slack.GetUserGroupMembersContext(ctx, id)
		return err
	})
	return members, err
}

// Groups gives the members of all user groups that are not disabled, by the ids of these
// (usergroups.list). asking is called right before each request that is sent.
func (c *Client) Groups(ctx context.Context, asking func()) (members map[string][]string, err error) {
	err = c.lookUp(ctx, "usergroups.list", func(ctx context.Context) error {
		asking()
		groups, err := c.slack.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
		members = map[string][]string{}
		for i := range groups {
			if g := &groups[i]; g.Users != nil && g.DateDelete == 0 {
				members[g.ID] = g.Users
			}
		}
		return err
	})
	return members, err
}

// GroupWaits is how long a call of Group, and one of Groups, would wait now for its turn.
func (c *Client) GroupWaits() (one, all time.Duration) {
	return c.gate("usergroups.users.list").delay(), c.gate("usergroups.list").delay()
}

// Direct gives the channel of a person's direct messages with us (conversations.open); files need
// its id.
func (c *Client) Direct(ctx context.Context, person string) (channel string, err error) {
	err = c.call(ctx, "conversations.open", func(ctx context.Context) error {
		c, _, _, err := c.slack.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{person}})
		if err == nil && c == nil {
			err = errors.New("slack opened direct messages and does not say which")
		}
		if err == nil {
			channel = c.ID
		}
		return err
	})
	return channel, err
}
