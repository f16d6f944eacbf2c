package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// What doctor allows itself.
const (
	doctorTime    = time.Minute // everything
	slackCallTime = 10 * time.Second
	helloTime     = 5 * time.Second // for Slack's first word on a connection
	mostMembers   = 200             // people of a channel who are looked at
	ownLinks      = 2               // connections that a running bot has

	throttledTries = 5 // of a call that Slack throttles; each waits as long as Slack asks
)

// errUnwell is doctor's verdict when something has to be mended; what, it has printed.
var errUnwell = errors.New("something has to be mended first")

// doctor looks at everything that the settings name and says, a line each, whether it is right and what to do.
type doctor struct {
	cfg    *Config
	out    io.Writer
	slack  *slack.Client
	scopes []string // that the bot token has, from the headers of its answers
	wrong  int
}

// runDoctor is the command doctor. It changes nothing.
func runDoctor(ctx context.Context, cfg *Config, out io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, doctorTime, errors.New("the checks took over a minute"))
	defer cancel()
	d := &doctor{cfg: cfg, out: out}
	d.slack = slack.New(cfg.Slack.BotToken.Reveal(),
		slack.OptionAppLevelToken(cfg.Slack.AppToken.Reveal()), slack.OptionAPIURL(cfg.Slack.APIURL),
		slack.OptionHTTPClient(&http.Client{Timeout: slackCallTime}), slack.OptionRetry(throttledTries),
		slack.OptionOnResponseHeaders(func(_ string, h http.Header) { d.noteScopes(h) }))
	if team := d.botToken(ctx); team != "" {
		d.appToken(ctx)
		d.channel(ctx, "channels.requests", cfg.Channels.Requests)
		if cfg.Channels.Reports != cfg.Channels.Requests {
			d.channel(ctx, "channels.reports", cfg.Channels.Reports)
		}
		d.people(ctx)
	}
	if err := d.atlassian(ctx); err != nil {
		return err
	}
	if d.wrong > 0 {
		return errUnwell
	}
	return nil
}

func (d *doctor) say(mark, format string, args ...any) {
	_, _ = fmt.Fprintf(d.out, "%-5s %s\n", mark, oneLine(fmt.Sprintf(format, args...)))
}

func (d *doctor) ok(format string, args ...any)   { d.say("ok", format, args...) }
func (d *doctor) warn(format string, args ...any) { d.say("warn", format, args...) }

func (d *doctor) bad(format string, args ...any) {
	d.wrong++
	d.say("wrong", format, args...)
}

// noteScopes keeps what Slack says the token may do (header X-OAuth-Scopes of every Web API answer).
func (d *doctor) noteScopes(h http.Header) {
	if list := h.Get("X-OAuth-Scopes"); list != "" && len(d.scopes) == 0 {
		for s := range strings.SplitSeq(list, ",") {
			d.scopes = append(d.scopes, strings.TrimSpace(s))
		}
	}
}

// slackSays puts an error of Slack's into its code; anything else is about the way there.
func slackSays(err error) string {
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return answer.Err
	}
	if throttled, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return fmt.Sprintf("asked to wait %s", throttled.RetryAfter)
	}
	return "no usable answer; check slack.api_url and the network"
}

func (d *doctor) botToken(ctx context.Context) (team string) {
	who, err := d.slack.AuthTestContext(ctx)
	if err != nil {
		d.bad("slack.bot_token: Slack says %s; take the Bot User OAuth Token of the app (OAuth & Permissions)", slackSays(err))
		return ""
	}
	d.ok("slack.bot_token: %s in %s", who.User, who.Team)
	if len(d.scopes) == 0 {
		d.warn("slack.bot_token: Slack does not say which scopes it has; compare them with `countersign manifest`")
		return who.Team
	}
	var missing []string
	for _, scope := range botScopes(d.cfg) {
		if !slices.Contains(d.scopes, scope) {
			missing = append(missing, scope)
		}
	}
	if len(missing) > 0 {
		d.bad("slack.bot_token: lacks the scopes %s; update the app from `countersign manifest` and install it again",
			strings.Join(missing, ", "))
	} else {
		d.ok("slack.bot_token: has the scopes it needs")
	}
	return who.Team
}

// appToken opens one connection to learn how many there are, and closes it at Slack's first word. A click that Slack sends
// there in that moment has to be made again.
func (d *doctor) appToken(ctx context.Context) {
	_, url, err := d.slack.StartSocketModeContext(ctx)
	if err != nil {
		d.bad("slack.app_token: Slack says %s; make an app-level token with connections:write (Basic Information) and switch "+
			"Socket Mode on", slackSays(err))
		return
	}
	links, err := countLinks(ctx, url)
	switch {
	case err != nil:
		d.warn("slack.app_token: accepted, but the connection did not stand; does a proxy keep web sockets out?")
	case links > ownLinks:
		d.bad("slack.app_token: %d other connections; a running bot has %d, so another program takes part of the clicks: "+
			"use an app of its own for each installation", links, ownLinks)
	case links > 0:
		d.ok("slack.app_token: accepted; %s, as one running bot has", counted(links, "other connection"))
	default:
		d.ok("slack.app_token: accepted; no other connection")
	}
}

// countLinks reads the hello of a Socket Mode connection: num_connections counts this one, too.
func countLinks(ctx context.Context, url string) (others int, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, helloTime, errors.New("slack's hello took over 5 s"))
	defer cancel()
	conn, answer, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if answer != nil && answer.Body != nil {
		defer func() { _ = answer.Body.Close() }()
	}
	if err != nil {
		return 0, errors.New("connect: the socket was refused") // the address carries a ticket
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetReadDeadline(time.Now().Add(helloTime)); err != nil {
		return 0, err
	}
	var hello struct {
		Type        string `json:"type"`
		Connections int    `json:"num_connections"`
	}
	if err := conn.ReadJSON(&hello); err != nil {
		return 0, err
	}
	return max(hello.Connections-1, 0), nil
}

func (d *doctor) channel(ctx context.Context, setting, id string) {
	info, err := d.slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
	if err != nil {
		d.bad("%s: Slack says %s; check the id, and invite the bot with /invite", setting, slackSays(err))
		return
	}
	wrong := d.wrong
	if info.IsArchived {
		d.bad("%s: #%s is archived", setting, info.Name)
	}
	if !info.IsMember {
		d.bad("%s: the bot is not in #%s; invite it there with /invite", setting, info.Name)
	}
	if info.IsExtShared {
		d.bad("%s: #%s is shared with another company; nobody can decide there, use a channel of your own", setting, info.Name)
	}
	if !info.IsPrivate {
		d.warn("%s: #%s is public: everybody in the workspace can read who is renamed or deactivated", setting, info.Name)
	}
	d.guests(ctx, setting, info)
	if d.wrong == wrong {
		d.ok("%s: the bot is in #%s", setting, info.Name)
	}
}

// guests warns of guests who can read the channel.
func (d *doctor) guests(ctx context.Context, setting string, info *slack.Channel) {
	members, _, err := d.slack.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{
		ChannelID: info.ID, Limit: mostMembers,
	})
	if err != nil {
		d.warn("%s: cannot see who is in #%s (Slack says %s)", setting, info.Name, slackSays(err))
		return
	}
	var guests []string
	for _, id := range members {
		u, err := d.slack.GetUserInfoContext(ctx, id)
		if err != nil {
			d.warn("%s: looked at only some of the people in #%s (Slack says %s)", setting, info.Name, slackSays(err))
			break
		}
		if u.IsRestricted || u.IsUltraRestricted {
			guests = append(guests, u.Name)
		}
	}
	if len(guests) > 0 {
		d.warn("%s: guests can read #%s: %s", setting, info.Name, strings.Join(guests, ", "))
	}
}

// people looks at who may ask and approve.
func (d *doctor) people(ctx context.Context) {
	able := map[string]bool{}
	for _, id := range d.members(ctx, "people.admins", d.cfg.People.Admins) {
		able[id] = true
	}
	d.members(ctx, "people.requesters", d.cfg.People.Requesters)
	if d.cfg.Emergency != "" {
		d.members(ctx, "emergency.group", []string{d.cfg.Emergency})
	}
	for i, rule := range d.cfg.Approval.Rules {
		for _, id := range rule.When.Requesters {
			if workflow.IsUserGroup(id) {
				d.members(ctx, fmt.Sprintf("approval.rules, number %d", i+1), []string{id})
			}
		}
	}
	switch need := d.cfg.Approval.Approvals; {
	case len(able) < need:
		d.bad("people.admins: %d can approve, and %d are needed", len(able), need)
	case len(able) < d.cfg.Approval.most():
		d.bad("people.admins: %d can approve, and a rule asks for %d: what it applies to can never be approved",
			len(able), d.cfg.Approval.most())
	case len(able) == d.cfg.Approval.most() && need < d.cfg.Approval.most():
		d.warn("people.admins: %d can approve, just as many as a rule asks for: what one of them asks for then cannot be approved",
			len(able))
	case len(able) == need:
		d.warn("people.admins: %d can approve, just as many as are needed: what one of them asks for cannot be approved",
			len(able))
	default:
		d.ok("people.admins: %d can approve", len(able))
	}
}

// members gives the people behind ids and groups who could act, and says what is wrong with the others.
func (d *doctor) members(ctx context.Context, setting string, ids []string) (able []string) {
	for _, id := range ids {
		people := []string{id}
		if workflow.IsUserGroup(id) {
			var err error
			people, err = d.slack.GetUserGroupMembersContext(ctx, id)
			if err != nil {
				d.bad("%s: group %s: Slack says %s", setting, id, slackSays(err))
				continue
			}
			if len(people) == 0 {
				d.warn("%s: group %s is empty", setting, id)
			}
		}
		for _, p := range people {
			u, err := d.slack.GetUserInfoContext(ctx, p)
			switch {
			case err != nil:
				d.bad("%s: %s: Slack says %s", setting, p, slackSays(err))
			case u.Deleted:
				d.warn("%s: %s (%s) is deactivated in Slack and may do nothing", setting, u.Name, p)
			case u.IsRestricted, u.IsUltraRestricted, u.IsBot:
				d.warn("%s: %s (%s) is a guest or a bot and may do nothing", setting, u.Name, p)
			case !slices.Contains(able, p):
				able = append(able, p)
			}
		}
	}
	return able
}

// atlassian looks at the key and what it opens.
func (d *doctor) atlassian(ctx context.Context) error {
	client, err := newClient(d.cfg, network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.CheckKey(ctx)
	switch {
	case errors.Is(err, atlassian.ErrNoAccounts):
		d.warn("atlassian.api_key: accepted, but there is no managed account to try it on")
	case found.Scoped:
		d.bad("atlassian.api_key: made with scopes, with which accounts cannot be managed; make one without scopes " +
			"(Atlassian admin, Settings, API keys, API keys without scopes)")
	case atlassian.KindOf(err) == atlassian.KindKeyRefused:
		d.bad("atlassian.api_key: refused; it has expired or was revoked (a key lives a week unless told otherwise): " +
			"make a new one")
	case err != nil:
		d.bad("atlassian.api_key: %v; check atlassian.org_id and atlassian.api_url", err)
	default:
		d.ok("atlassian.api_key: made without scopes; %s", counted(found.Accounts, "managed account"))
	}
	if err == nil || errors.Is(err, atlassian.ErrNoAccounts) {
		if found.Verified == 0 {
			d.bad("atlassian: no verified domain; addresses can only go to one (Atlassian admin, Settings, Domains)")
		} else {
			d.ok("atlassian: %d of %d domains are verified", found.Verified, found.Domains)
		}
	}
	if err == nil {
		d.groups(ctx, client)
	}
	d.expiry()
	return nil
}

// groups looks whether Atlassian has the groups that protect and rules name.
func (d *doctor) groups(ctx context.Context, client *atlassian.Client) {
	names := d.cfg.policy().Groups()
	if len(names) == 0 {
		return
	}
	there, err := atlassian.NewDirectory(client).GroupsNamed(ctx, names)
	if err != nil {
		d.bad("atlassian: cannot look up the groups that protect and approval.rules name: %v", err)
		return
	}
	for _, name := range names {
		if there[name] {
			d.ok("atlassian: the group %s is there", name)
		} else {
			d.bad("atlassian: there is no group %s, which protect or approval.rules name; correct the name", name)
		}
	}
}

// expiry warns of the end of the key's life, which Atlassian does not tell.
func (d *doctor) expiry() {
	expires := d.cfg.Atlassian.APIKeyExpires
	switch days, known := keyLife(expires, time.Now()); {
	case !known:
		d.warn("atlassian.api_key_expires: not set; a key lives a year at most, and nobody is warned")
	case days < 0:
		d.bad("atlassian.api_key_expires: the key's life ended on %s", expires.Format(time.DateOnly))
	case days <= keyWarning:
		d.warn("atlassian.api_key_expires: %s left; make a new key", counted(days, "day"))
	default:
		d.ok("atlassian.api_key_expires: %s left", counted(days, "day"))
	}
}
