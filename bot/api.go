package bot

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// How Slack is called. The rates stay below Slack's own (docs.slack.dev/apis/web-api/rate-limits): chat.postMessage about
// one a second in a channel, with short bursts, chat.update 50 a minute over everything.
const (
	defaultAPIURL    = "https://slack.com/api/"
	callTimeout      = 15 * time.Second
	throttledTries   = 5
	defaultThrottled = time.Second // where Slack does not say how long to wait
	postEvery        = 1050 * time.Millisecond
	postBurst        = 5
	updateEvery      = 1300 * time.Millisecond
	updateBurst      = 16
	updateMost       = 50          // in any minute, so that it does not matter when Slack's begins
	lookBack         = time.Minute // clocks may differ: how much earlier than our send a message may be dated
	lookPages        = 5
	lookPageSize     = 100
	placesPage       = 200
	postEvent        = "countersign_post" // event_type of the metadata of our posts
)

// api is Slack's Web API as the bot needs it: paced, with timeouts, and with errors told apart.
type api struct {
	client  *slack.Client
	http    *http.Client // with url and token for what client cannot read
	url     string
	token   string
	log     zerolog.Logger
	fatal   func(error) // told when the bot token is of no use any more
	updates *pacer
	every   time.Duration        // between two messages in a channel
	allowed map[string]allowance // by method; those that are not named go unpaced until Slack asks to slow down

	memory Memory     // of what Slack asks for; nil in tests that have none
	noting sync.Mutex // notes are written in the order in which they came to be

	mu    sync.Mutex
	posts map[string]*pacer // by channel
	gates map[string]*gate  // by method
}

func newAPI(client *slack.Client, log zerolog.Logger, fatal func(error)) *api {
	return &api{
		client: client, log: log, fatal: fatal, posts: map[string]*pacer{}, gates: map[string]*gate{}, every: postEvery,
		allowed: allowances(), updates: newUpdates(),
	}
}

func (a *api) pacer(channel string) *pacer {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.posts[channel]
	if p == nil {
		p = newPosts(a.every)
		a.posts[channel] = p
	}
	return p
}

func (a *api) gate(method string) *gate {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := a.gates[method]
	if g == nil {
		g = newGate(a.allowed[method])
		a.gates[method] = g
	}
	return g
}

// call makes one call, waits as Slack asks when it throttles, and gives up with ctx. Nothing else is retried here: after
// a cut it is not known whether a message was posted.
func (a *api) call(ctx context.Context, method string, do func(context.Context) error) error {
	g := a.gate(method)
	for try := 1; ; try++ {
		leave, err := g.pass(ctx)
		if err != nil {
			return fmt.Errorf("%s: wait as Slack asks: %w", method, err)
		}
		err = bounded(ctx, method, do)
		wait, throttled := throttle(err)
		if throttled {
			a.log.Debug().Str("method", method).Dur("wait", wait).Msg("slack asks to slow down")
			a.hold(ctx, method, wait)
		}
		leave()
		if !throttled || try == throttledTries {
			if err == nil {
				return nil
			}
			if permanentBot(slackCode(err)) {
				a.fatal(&PermanentError{Token: "bot", Code: slackCode(err)})
			}
			return fmt.Errorf("%s: %w", method, err)
		}
	}
}

// lookUp is call for what changes nothing: one that was cut, or that Slack could not answer, is made once more. A decision
// takes several reads, and one cut line is no reason to have it clicked again.
func (a *api) lookUp(ctx context.Context, method string, do func(context.Context) error) error {
	err := a.call(ctx, method, do)
	if err != nil && !surelyNot(err) && ctx.Err() == nil {
		a.log.Debug().Err(err).Str("method", method).Msg("look up once more")
		err = a.call(ctx, method, do)
	}
	return err
}

// bounded makes a call that takes at most callTimeout.
func bounded(ctx context.Context, method string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("%s took over %s", method, callTimeout))
	defer cancel()
	err := fit(do(ctx))
	if err != nil && ctx.Err() != nil {
		err = errors.Join(err, context.Cause(ctx))
	}
	return err
}

func throttle(err error) (time.Duration, bool) {
	if limited, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return max(limited.RetryAfter, 0), true
	}
	code := slackCode(err)
	return defaultThrottled, code == "rate_limited" || code == "ratelimited"
}

// slackCode is the error that Slack named in a well-formed answer, "" when there was none.
func slackCode(err error) string {
	if e, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return e.Err
	}
	return ""
}

// surelyNot says whether the call surely had no effect: Slack answered and refused. Its own faults are no refusal
// ("possible some aspect succeeded", chat.postMessage, internal_error and fatal_error).
func surelyNot(err error) bool {
	if _, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return true
	}
	switch slackCode(err) {
	case "", "internal_error", "fatal_error", "service_unavailable", "request_timeout":
		return false
	}
	return true
}

// permanentBot says whether the bot token is of no use any more.
func permanentBot(code string) bool {
	return slices.Contains([]string{
		"invalid_auth", "account_inactive", "not_authed", "token_revoked", "token_expired", "not_allowed_token_type",
	}, code)
}

// closedChannel says whether the error means that we cannot write into the channel at all.
func closedChannel(err error) bool {
	code := slackCode(err)
	return slices.Contains([]string{
		"channel_not_found", "not_in_channel", "is_archived", "channel_is_limited_access", "is_inactive",
	}, code) || strings.HasPrefix(code, "restricted_action")
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

// post sends a message into a channel, or into a thread of it, and gives its ts. A key goes along as metadata, so that
// find can recognise the message; "" where nobody will look for it. A person's id as channel is their direct messages.
func (a *api) post(
	ctx context.Context, channel, thread, key string, m message, r rank,
) (ts string, err error) {
	if err := a.pacer(channel).wait(ctx, r); err != nil {
		return "", err
	}
	return a.postNow(ctx, channel, thread, key, m)
}

// postNow is post without waiting; whoever calls it has had their turn (pacer).
func (a *api) postNow(ctx context.Context, channel, thread, key string, m message) (ts string, err error) {
	opts := append(m.options(), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl())
	if thread != "" {
		opts = append(opts, slack.MsgOptionTS(thread))
	}
	if key != "" {
		opts = append(opts, slack.MsgOptionMetadata(slack.SlackMetadata{
			EventType: postEvent, EventPayload: map[string]any{"key": key},
		}))
	}
	err = a.call(ctx, "chat.postMessage", func(ctx context.Context) error {
		_, ts, err = a.client.PostMessageContext(ctx, channel, opts...)
		return err
	})
	return ts, err
}

func (m message) options() []slack.MsgOption {
	return []slack.MsgOption{slack.MsgOptionText(m.fallback(), false), slack.MsgOptionBlocks(m.Blocks...)}
}

// update edits a message of ours in place; whoever calls it has had their turn (updates). key as in post: an edit without
// metadata would take it away.
func (a *api) update(ctx context.Context, channel, ts, key string, m message) error {
	opts := append(m.anew(time.Now()).options(), slack.MsgOptionMetadata(slack.SlackMetadata{
		EventType: postEvent, EventPayload: map[string]any{"key": key},
	}))
	return a.call(ctx, "chat.update", func(ctx context.Context) error {
		_, _, _, err := a.client.UpdateMessageContext(ctx, channel, ts, opts...)
		return err
	})
}

// find looks for a message of ours with that key, sent not before since: in the thread, or in the channel itself.
func (a *api) find(ctx context.Context, channel, thread, key string, since time.Time) (ts string, found bool, err error) {
	if now := time.Now(); since.After(now) { // the clock has been put back since
		since = now.Add(-lookBackMost)
	}
	oldest := fmt.Sprintf("%d.000000", since.Add(-lookBack).Unix())
	cursor := ""
	for range lookPages {
		var page []posted
		var next string
		if thread == "" {
			page, next, err = a.history(ctx, channel, oldest, cursor)
		} else {
			page, next, err = a.replies(ctx, channel, thread, oldest, cursor)
		}
		if err != nil {
			return "", false, err
		}
		for _, m := range page {
			if m.Metadata.Type == postEvent && m.Metadata.Payload["key"] == key {
				return m.TS, true, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", false, nil
}

// permalink gives the address of a message; "" when Slack does not say.
func (a *api) permalink(ctx context.Context, channel, ts string) string {
	var link string
	err := a.call(ctx, "chat.getPermalink", func(ctx context.Context) (err error) {
		link, err = a.client.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: channel, Ts: ts})
		return err
	})
	if err != nil {
		a.log.Warn().Err(err).Msg("get the link of a message")
		return ""
	}
	return link
}

// where is the place of the person who is answered: what only they see, there.
type where struct {
	Person   string
	Channel  string
	Thread   string
	Response string // response_url, "" when there is none
	Came     stamp  // when what they did reached us
}

// private answers a person so that nobody else sees it: by the response_url, else as an ephemeral message, else directly.
// It says nothing where all three fail; the log does, and false.
func (a *api) private(ctx context.Context, to where, m message) bool {
	if to.Response != "" {
		err := a.call(ctx, "response_url", func(ctx context.Context) error {
			_, _, err := a.client.PostMessageContext(ctx, to.Channel,
				append(m.options(), slack.MsgOptionResponseURL(to.Response, slack.ResponseTypeEphemeral))...)
			return err
		})
		if err == nil {
			return true
		}
		a.log.Info().Str("person", to.Person).Msg("answer by response_url failed") // the address in err is a secret
	}
	if to.Channel != "" {
		opts := m.options()
		if to.Thread != "" {
			opts = append(opts, slack.MsgOptionTS(to.Thread))
		}
		err := a.call(ctx, "chat.postEphemeral", func(ctx context.Context) error {
			_, err := a.client.PostEphemeralContext(ctx, to.Channel, to.Person, opts...)
			return err
		})
		if err == nil {
			return true
		}
		a.log.Info().Err(err).Str("person", to.Person).Msg("answer privately in the channel")
	}
	_, err := a.post(ctx, to.Person, "", "", m, rankSaid)
	if err != nil {
		a.log.Warn().Err(err).Str("person", to.Person).Msg("answer privately")
	}
	return err == nil
}

// person reads one person from Slack, now.
func (a *api) person(ctx context.Context, id string) (u *slack.User, err error) {
	err = a.lookUp(ctx, "users.info", func(ctx context.Context) error {
		u, err = a.client.GetUserInfoContext(ctx, id)
		return err
	})
	return u, err
}

// group reads the members of a user group, now. asking is called right before each request.
func (a *api) group(ctx context.Context, id string, asking func()) (members []string, err error) {
	err = a.lookUp(ctx, "usergroups.users.list", func(ctx context.Context) error {
		asking()
		members, err = a.client.GetUserGroupMembersContext(ctx, id)
		return err
	})
	return members, err
}

// shared says whether people of another organisation are in the channel (conversations.info, is_ext_shared).
func (a *api) shared(ctx context.Context, channel string) (ext bool, err error) {
	err = a.lookUp(ctx, "conversations.info", func(ctx context.Context) error {
		c, err := a.client.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel})
		if err == nil {
			ext = c.IsExtShared
		}
		return err
	})
	return ext, err
}

// direct gives the channel of a person's direct messages with us (conversations.open); files need its id.
func (a *api) direct(ctx context.Context, person string) (channel string, err error) {
	err = a.call(ctx, "conversations.open", func(ctx context.Context) error {
		c, _, _, err := a.client.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{person}})
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

// openForm opens a modal; the trigger lives about three seconds and once.
func (a *api) openForm(ctx context.Context, trigger string, view slack.ModalViewRequest) error {
	return a.call(ctx, "views.open", func(ctx context.Context) error {
		_, err := a.client.OpenViewContext(ctx, trigger, view)
		return err
	})
}

// defaultHTTP is the client where none is given: slack-go's own has no timeout.
func defaultHTTP() *http.Client { return &http.Client{Timeout: transferTimeout} }
