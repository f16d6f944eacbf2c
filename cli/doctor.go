package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/settings"
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

// errUnwell is doctor's verdict when something is wrong; what, it has printed.
var errUnwell = errors.New("fix what is marked wrong, then run doctor again")

// doctor looks at everything that the settings name and says, a line each, whether it is right and what to do.
type doctor struct {
	cfg    *settings.Config
	report *report
	slack  *slack.Client
	scopes []string // that the bot token has, from the headers of its answers
}

func (p *program) doctor(ctx context.Context) error {
	cfg, err := p.load(settings.NeedSlack | settings.NeedAtlassian)
	if err != nil {
		return err
	}
	return runDoctor(ctx, cfg, p.out)
}

// runDoctor is the command doctor. It changes nothing.
func runDoctor(ctx context.Context, cfg *settings.Config, out io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, doctorTime, errors.New("the checks took over a minute"))
	defer cancel()
	d := &doctor{cfg: cfg, report: &report{out: out, style: styleOf(out)}}
	d.slack = newSlackClient(cfg, d.noteScopes)
	d.report.section("Slack")
	if team := d.botToken(ctx); team != "" {
		d.appToken(ctx)
		d.channel(ctx, "channels.requests", cfg.Channels.Requests)
		if cfg.Channels.Reports != cfg.Channels.Requests {
			d.channel(ctx, "channels.reports", cfg.Channels.Reports)
		}
		seen := []string{cfg.Channels.Requests, cfg.Channels.Reports}
		for _, r := range cfg.Reports {
			if r.Channel != "" && !slices.Contains(seen, r.Channel) {
				seen = append(seen, r.Channel)
				d.channel(ctx, "reports, channel of "+r.Name, r.Channel)
			}
		}
		d.report.section("People")
		d.people(ctx)
		d.report.section("Database")
		d.restored(ctx)
	}
	if err := d.atlassian(ctx); err != nil {
		return err
	}
	return d.report.close()
}

// newSlackClient makes the client of a command that asks Slack a few things. note gets the headers of every answer; nil
// for none.
func newSlackClient(cfg *settings.Config, note func(http.Header)) *slack.Client {
	if note == nil {
		note = func(http.Header) {}
	}
	return slack.New(cfg.Slack.BotToken.Reveal(),
		slack.OptionAppLevelToken(cfg.Slack.AppToken.Reveal()), slack.OptionAPIURL(cfg.Slack.APIURL),
		slack.OptionHTTPClient(&http.Client{Timeout: slackCallTime}), slack.OptionRetry(throttledTries),
		slack.OptionOnResponseHeaders(func(_ string, h http.Header) { note(h) }))
}

func (d *doctor) ok(format string, args ...any)   { d.report.say(markOK, format, args...) }
func (d *doctor) warn(format string, args ...any) { d.report.say(markWarn, format, args...) }
func (d *doctor) bad(format string, args ...any)  { d.report.say(markWrong, format, args...) }

// noteScopes keeps what Slack says the token may do (header X-OAuth-Scopes of every Web API answer).
func (d *doctor) noteScopes(h http.Header) {
	if list := h.Get("X-OAuth-Scopes"); list != "" && len(d.scopes) == 0 {
		for s := range strings.SplitSeq(list, ",") {
			d.scopes = append(d.scopes, strings.TrimSpace(s))
		}
	}
}

// slackSays puts an error of Slack's into its code; anything else is about the way there, and names
// the host and what it answered.
func slackSays(apiURL string, err error) string {
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return answer.Err
	}
	if throttled, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return fmt.Sprintf("asked to wait %s", throttled.RetryAfter)
	}
	host := apiURL
	if at, err := url.Parse(host); err == nil {
		host = at.Host
	}
	if answer, ok := errors.AsType[slack.StatusCodeError](err); ok {
		return fmt.Sprintf("nothing usable: %s answered %d %s; check slack.api_url and the network", host, answer.Code,
			http.StatusText(answer.Code))
	}
	return fmt.Sprintf("nothing: no usable answer of %s (%s); check slack.api_url and the network", host, slackapi.PlainError(err))
}

// managedAccounts says how many there are, as far as the key's check has seen.
func managedAccounts(found atlassian.KeyReport) string {
	if found.More {
		return "at least " + counted(found.Accounts, "managed account")
	}
	return counted(found.Accounts, "managed account")
}

func (d *doctor) botToken(ctx context.Context) (team string) {
	who, err := d.slack.AuthTestContext(ctx)
	if err != nil {
		d.bad("slack.bot_token: Slack says %s; take the Bot User OAuth Token of the app (OAuth & Permissions)", slackSays(d.cfg.Slack.APIURL, err))
		return ""
	}
	d.ok("slack.bot_token: %s in %s", cmp.Or(who.User, who.UserID), who.Team)
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
			"Socket Mode on", slackSays(d.cfg.Slack.APIURL, err))
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
		d.bad("%s: Slack says %s; check the id, and invite the bot with /invite", setting, slackSays(d.cfg.Slack.APIURL, err))
		return
	}
	wrong := d.report.counts[markWrong]
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
	if d.report.counts[markWrong] == wrong {
		d.ok("%s: the bot is in #%s", setting, info.Name)
	}
}

// guests warns of guests who can read the channel.
func (d *doctor) guests(ctx context.Context, setting string, info *slack.Channel) {
	members, _, err := d.slack.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{
		ChannelID: info.ID, Limit: mostMembers,
	})
	if err != nil {
		d.warn("%s: cannot see who is in #%s (Slack says %s)", setting, info.Name, slackSays(d.cfg.Slack.APIURL, err))
		return
	}
	var guests []string
	for _, id := range members {
		u, err := d.slack.GetUserInfoContext(ctx, id)
		if err != nil {
			d.warn("%s: looked at only some of the people in #%s (Slack says %s)", setting, info.Name, slackSays(d.cfg.Slack.APIURL, err))
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

// atlassian looks at the key and what it opens.
func (d *doctor) atlassian(ctx context.Context) error {
	d.report.section("Atlassian")
	seen := &answers{base: http.DefaultTransport}
	client, err := service.NewClient(d.cfg, service.Network{Atlassian: &http.Client{Transport: seen}}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	defer client.Close()
	found, err := client.CheckKey(ctx)
	switch problem := keyProblem(found, err); {
	case errors.Is(err, atlassian.ErrNoAccounts):
		d.warn("atlassian.api_key: accepted; the organisation has no managed account to test it on")
	case problem != "":
		d.bad("atlassian.api_key: %s", problem)
	default:
		d.ok("atlassian.api_key: made without scopes; %s", managedAccounts(found))
	}
	if err == nil || errors.Is(err, atlassian.ErrNoAccounts) {
		if found.Verified == 0 {
			d.bad("atlassian: no verified domain; verify one, new addresses must be on it (Atlassian admin, Settings, Domains)")
		} else {
			d.ok("atlassian: %s of %s domains are verified", workflow.Number(found.Verified), workflow.Number(found.Domains))
		}
	}
	if err == nil {
		d.directories(ctx, client)
		d.protect(ctx, client, d.groups(ctx, client))
		d.accounts(ctx, client)
	}
	d.expiry()
	if err := errors.Join(d.sites(ctx), d.scim(ctx)); err != nil {
		return err
	}
	if found.Works {
		d.report.section("Assumptions (docs/assumptions.md)")
		d.assumptions(ctx, client, seen)
	}
	return nil
}

// keyProblem returns what is wrong with a key by what trying it found, and what to do; "" when nothing is.
func keyProblem(found atlassian.KeyReport, err error) string {
	switch {
	case err == nil, errors.Is(err, atlassian.ErrNoAccounts):
		return ""
	case found.Scoped:
		return "made with scopes, so it cannot change accounts; make a key without scopes (Atlassian admin, Settings, API keys)"
	case atlassian.KindOf(err) == atlassian.KindKeyRefused:
		return "refused; it expired or was revoked (a key lives a week by default); make a new key"
	}
	return fmt.Sprintf("%v; check atlassian.org_id and atlassian.api_url", err)
}

// sites looks whether each site takes its key, and whether the account may see users there.
func (d *doctor) sites(ctx context.Context) error {
	sites, err := service.NewSites(d.cfg, service.Network{}, nil, zerolog.Nop())
	if err != nil {
		return err
	}
	for _, site := range sites {
		name, err := site.Check(ctx)
		switch {
		case err == nil:
			d.ok("atlassian.sites: %s takes the key of %s, who may browse users", site.Name(), name)
		case atlassian.KindOf(err) == atlassian.KindKeyRefused:
			d.bad("atlassian.sites: %s refuses the key; make an API token for the account (id.atlassian.com, Security)", site.Name())
		case atlassian.KindOf(err) == atlassian.KindForbidden:
			d.bad("atlassian.sites: at %s the account may not browse users, so that nobody would be found; give it the global "+
				"permission Browse users and groups, and site administration", site.Name())
		default:
			d.bad("atlassian.sites: %s: %v; check its url", site.Name(), err)
		}
		site.Close()
	}
	return nil
}

// directories looks whether it is clear to which directory calls go.
func (d *doctor) directories(ctx context.Context, client *atlassian.Client) {
	all, err := client.Directories(ctx)
	named := d.cfg.Atlassian.DirectoryID
	var words []string
	found := false
	for _, each := range all {
		words = append(words, each.ID+" ("+each.Name+")")
		found = found || each.ID == named
	}
	switch list := strings.Join(words, ", "); {
	case err != nil:
		d.bad("atlassian: cannot list the directories: %v", err)
	case len(all) == 0:
		d.bad("atlassian: the organisation lists no directory for this API key, so that no row finds one. Give a key without scopes " +
			"(docs/setup.md)")
	case named != "" && !found:
		d.bad("atlassian.directory_id: there is no directory %s; these are: %s", named, list)
	case named == "" && len(all) > 1:
		d.warn("atlassian.directory_id: not set, and there are several directories (%s); rows that do not name one are blocked "+
			"where several would do", list)
	case named != "":
		d.ok("atlassian.directory_id: %s is there", named)
	}
}

// groups looks whether Atlassian has the groups that protect and rules name, and returns the keys of
// those it has.
func (d *doctor) groups(ctx context.Context, client *atlassian.Client) map[string]bool {
	names := d.cfg.Policy().Groups()
	if len(names) == 0 {
		return nil
	}
	there, err := atlassian.NewDirectory(client).GroupsNamed(ctx, names)
	if err != nil {
		d.bad("atlassian: cannot look up the groups that protect and approval.rules name: %v", err)
		return nil
	}
	for _, name := range names {
		if there[name] {
			d.ok("atlassian: the group %s is there", name)
		} else {
			d.bad("atlassian: there is no group %s, which protect or approval.rules name; correct the name", name)
		}
	}
	return there
}

// expiry warns of the end of the key's life, which Atlassian does not tell.
func (d *doctor) expiry() {
	expires := d.cfg.Atlassian.APIKeyExpires
	switch days, known := service.KeyLife(expires, time.Now()); {
	case !known:
		d.warn("atlassian.api_key_expires: not set; set it, and countersign warns before the key expires")
	case days < 0:
		d.bad("atlassian.api_key_expires: the key's life ended on %s", expires.Format(time.DateOnly))
	case days <= service.KeyWarning:
		d.warn("atlassian.api_key_expires: %s left; make a new key", counted(days, "day"))
	default:
		d.ok("atlassian.api_key_expires: %s left", counted(days, "day"))
	}
}
