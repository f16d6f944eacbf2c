// Package settings reads the settings file of countersign. Load returns a Config in which every default is filled in and
// every value is checked, or one Error that names, for everything that is wrong, the line, the key and the remedy: unknown
// keys, doubled keys, bad values, missing secrets. Settings in which parts contradict each other are refused as well.
// No secret is in an error, and a Secret shows itself to nobody who prints it.
//
// A key is one line of a struct. Its tags: yaml, the key; default, the value that holds where it is left out; need, the
// command that cannot do without it, with missing, what to do about that; is, the form of a text (values.go); range, the
// bounds of a number; choice, the words to choose from; prefix, how a token begins. A key of type Later is not built yet.
package settings

import (
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// DefaultFile is the settings file when --config does not name one.
const DefaultFile = "config.yaml"

// Config is what the settings file says, with the defaults filled in; config.example.yaml explains every setting. Its
// shape mirrors the file.
type Config struct {
	Slack     Slack     `yaml:"slack"`
	Atlassian Atlassian `yaml:"atlassian"`
	People    People    `yaml:"people"`
	Channels  Channels  `yaml:"channels"`
	Approval  Approval  `yaml:"approval"`
	Protect   []string  `yaml:"protect" is:"guard"` // addresses, account ids, "@domain" and "group:" names
	Limits    Limits    `yaml:"limits"`
	Emergency Emergency `yaml:"emergency"`
	Run       Run       `yaml:"run"`
	Agents    Later     `yaml:"agents"`
	Prices    Prices    `yaml:"prices"`
	Reports   []Report  `yaml:"reports"`
	Store     Store     `yaml:"store"`
	HTTP      HTTP      `yaml:"http"`
	Log       Log       `yaml:"log"`
	Warnings  []string  // one sentence each with file and line, for the log; nothing here stops the start
}

// Slack is the connection to the workspace.
type Slack struct {
	AppToken Secret `yaml:"app_token" need:"slack" prefix:"xapp-"` // opens Socket Mode connections
	BotToken Secret `yaml:"bot_token" need:"slack" prefix:"xoxb-"` // everything else
	APIURL   string `yaml:"api_url" is:"url" default:"https://slack.com/api"`
	Command  string `yaml:"command" is:"command" default:"/countersign"` // the slash command, with its slash
}

// Atlassian is the connection to the organisation.
type Atlassian struct {
	APIURL        string    `yaml:"api_url" is:"url" default:"https://api.atlassian.com"`
	OrgID         string    `yaml:"org_id" is:"org" need:"atlassian" missing:"copy it from the address of admin.atlassian.com: …/o/<org_id>/…"`
	DirectoryID   string    `yaml:"directory_id" is:"directory"` // to which calls go that are about one directory; "" where it is the only one
	APIKey        Secret    `yaml:"api_key" need:"atlassian"`    // an organisation API key made without scopes
	APIKeyExpires time.Time `yaml:"api_key_expires"`             // midnight UTC of the day, zero when not said
	Sites         []Site    `yaml:"sites"`
	SCIM          []SCIM    `yaml:"scim"`
}

// Site is a Jira site, for the actions that are about one.
type Site struct {
	Name     string `yaml:"name" is:"site" need:"always" missing:"give the site a name; commands and files use it"`
	URL      string `yaml:"url" is:"url" need:"always" missing:"give the site's address, as https://example.atlassian.net"`
	Email    string `yaml:"email" is:"address" need:"always" missing:"give the address of the account whose API token it is"`
	APIToken Secret `yaml:"api_token" need:"atlassian"` // of that account
}

// SCIM is a SCIM directory of ours, where no identity provider writes.
type SCIM struct {
	Name        string `yaml:"name" is:"scim" need:"always" missing:"give the directory a name; files, cards and commands use it"`
	DirectoryID string `yaml:"directory_id" is:"directory" need:"always" missing:"give the directory's id: it is in the address at which it is provisioned (…/scim/directory/<id>)"`
	APIKey      Secret `yaml:"api_key" need:"atlassian"` // of that directory, not the organisation's
}

// check refuses two sites of one name, and two SCIM directories of one name or id.
func (a *Atlassian) check(s section) {
	a.checkSCIM(s)
	seen := map[string]bool{}
	for _, site := range a.Sites {
		if site.Name != "" && seen[site.Name] {
			s.problem("sites", "has two sites called "+site.Name, "give each another name")
		}
		seen[site.Name] = true
	}
}

func (a *Atlassian) checkSCIM(s section) {
	names, ids := map[string]bool{}, map[string]bool{}
	for _, d := range a.SCIM {
		if d.Name != "" && names[d.Name] {
			s.problem("scim", "has two directories called "+d.Name, "give each another name")
		}
		if d.DirectoryID != "" && ids[d.DirectoryID] {
			s.problem("scim", "has the directory "+d.DirectoryID+" twice", "leave one of the two out")
		}
		names[d.Name], ids[d.DirectoryID] = true, true
	}
}

// People are who has which role, by the ids of Slack users (U…, W…) and user groups (S…).
type People struct {
	Admins     []string          `yaml:"admins" is:"person" need:"slack" missing:"list the Slack users or user groups who may approve"`
	Requesters []string          `yaml:"requesters" is:"person"`
	Accounts   map[string]string `yaml:"accounts" is:"account"` // Slack user id → Atlassian account id
}

// Channels are Slack channel ids.
type Channels struct {
	Requests string `yaml:"requests" is:"channel" need:"slack" missing:"give the id of the channel where cards are posted"`
	Reports  string `yaml:"reports" is:"channel"` // default: requests
	Private  *bool  `yaml:"private"`              // whether the two channels are private; nil when not said
}

// Approval is who must agree, and until when.
type Approval struct {
	Approvals     int           `yaml:"approvals" range:"1-100" default:"1"`
	ExpiresAfter  time.Duration `yaml:"expires_after" default:"24h"` // from the moment the plan stands
	StartWithin   time.Duration `yaml:"start_within" default:"12h"`  // from the approval
	FinishWithin  time.Duration `yaml:"finish_within" default:"72h"` // from the start of the run, a closed window not counted
	RemindAfter   time.Duration `yaml:"remind_after" default:"2h"`   // from the moment the plan stands
	RequireReason bool          `yaml:"require_reason"`
	Proof         Later         `yaml:"proof"`
	Rules         []policy.Rule `yaml:"rules"` // see rules.go
}

// Limits bound one request.
type Limits struct {
	MaxChanges int    `yaml:"max_changes" range:"1-1000000" default:"5000"` // rows
	PerDay     PerDay `yaml:"per_day"`
}

// PerDay bounds the accounts that are touched in 24 hours; 0 is no limit.
type PerDay struct {
	Requester int `yaml:"requester" range:"0-1000000"`
	All       int `yaml:"all" range:"0-1000000"`
}

// Emergency names the Slack user group whose batches need one approval; "" when off.
type Emergency struct {
	Group string `yaml:"group" is:"usergroup"`
}

// Run is how batches run and when they stop by themselves.
type Run struct {
	Workers              int           `yaml:"workers" range:"1-64" default:"32"`
	Canary               int           `yaml:"canary" range:"0-1000000" default:"3"` // ready changes that go one at a time before the others
	StopAfterFailures    int           `yaml:"stop_after_failures" range:"1-1000000" default:"5"`
	StopAtFailurePercent int           `yaml:"stop_at_failure_percent" range:"1-100" default:"10"` // of the finished changes
	Window               policy.Window `yaml:"window"`                                             // see window.go
}

// Report is one scheduled report.
type Report struct {
	Name      string         `yaml:"name" is:"report" need:"always" missing:"give the report a name; commands and files use it"`
	Kind      string         `yaml:"kind" choice:"managed-accounts,changes,inactive,summary,site-users" need:"always" missing:"say which report it is: managed-accounts, changes, inactive, summary, site-users"`
	Schedule  string         `yaml:"schedule" is:"cron" need:"always" missing:"say when it runs, as \"0 2 * * *\" for every night at two"` // weekdays from 0
	Timezone  *time.Location `yaml:"timezone" default:"UTC"`
	Keep      int            `yaml:"keep" range:"1-100000" default:"400"` // nights
	AlarmOver *int           `yaml:"alarm_over" range:"0-1000000"`        // of changes: how many that nothing explains are no alarm; nil: any number
	Days      int            `yaml:"days" range:"1-3650" default:"90"`    // of inactive: without activity; of summary: looked back
	Channel   string         `yaml:"channel" is:"channel"`                // default: channels.reports
	Site      string         `yaml:"site" is:"site"`                      // of site-users: a name of atlassian.sites
}

// Prices are what a seat of each product costs a month.
type Prices struct {
	Currency string                  `yaml:"currency" is:"currency"`
	Products map[string]report.Money `yaml:"products" is:"product"` // by the product's key
}

// check refuses amounts of which nobody knows the currency.
func (p *Prices) check(s section) {
	switch {
	case len(p.Products) > 0 && !s.filled("currency"):
		s.problem("currency", "is missing", "say what the prices are in, as EUR")
	case s.filled("currency") && !s.filled("products"):
		s.problem("products", "is missing", "give each product's price of one seat a month, as {jira-software: 8.15}")
	}
}

// Store is where the database is.
type Store struct {
	Path      string        `yaml:"path" is:"path" default:"countersign.db"` // absolute, or relative to the working directory
	URL       Later         `yaml:"url"`
	URLFile   Later         `yaml:"url_file"`
	KeepFiles time.Duration `yaml:"keep_files" default:"90d"`
}

// HTTP is the status server.
type HTTP struct {
	Listen string `yaml:"listen" is:"listen"` // host:port, "" for none
}

// Log is how the program logs.
type Log struct {
	Level  string `yaml:"level" choice:"debug,info,warn,error" default:"info"`
	Format string `yaml:"format" choice:"json,text" default:"json"`
}

// check refuses the kinds of report that are not built yet, and keys that are another kind's.
func (r *Report) check(s section) {
	kind := report.KindName(r.Kind)
	if r.Kind != "" && !kind.Supported() {
		s.problem("kind", r.Kind+" is not supported yet", "leave this report out")
	}
	for _, key := range []struct {
		name string
		of   []report.KindName
	}{
		{"alarm_over", []report.KindName{report.Changes}},
		{"days", []report.KindName{report.Inactive, report.Summary}},
		{"site", []report.KindName{report.SiteUsers}},
	} {
		if _, line := s.find(key.name); line > 0 && r.Kind != "" && !slices.Contains(key.of, kind) {
			s.problem(key.name, "is not for reports of kind "+r.Kind, "leave it out")
		}
	}
	if kind == report.SiteUsers && kind.Supported() && !s.filled("site") {
		s.problem("site", "is missing", "give the name of one of atlassian.sites")
	}
}

// check completes what one key takes from another, and refuses settings that are right one by one and cannot all hold. An
// empty or unreadable user group is no contradiction: that is known only to Slack, and may change.
func (c *Config) check(s section) {
	c.Slack.APIURL += "/" // slack-go joins by concatenation
	if c.Channels.Reports == "" {
		c.Channels.Reports = c.Channels.Requests
	}
	if expires := c.Atlassian.APIKeyExpires; !expires.IsZero() && !time.Now().Before(expires) {
		s.child("atlassian").warn("api_key_expires", "the key's last day has passed", "make a new key and set its new last day")
	}
	for i, each := range c.Reports {
		if j := slices.IndexFunc(c.Reports[:i], func(r Report) bool { return r.Name == each.Name }); j >= 0 && each.Name != "" {
			entries := s.entries("reports")
			entries[i].problem("name", fmt.Sprintf("line %d has a report %q, too", entries[j].line("name"), each.Name),
				"give each its own name")
		}
		known := func(site Site) bool { return site.Name == each.Site }
		if each.Site != "" && !slices.ContainsFunc(c.Atlassian.Sites, known) {
			s.entries("reports")[i].problem("site", fmt.Sprintf("atlassian.sites has no site called %s", each.Site), "name one of them, or add it")
		}
	}
	if slices.ContainsFunc(c.People.Admins, workflow.IsUserGroup) || len(c.People.Admins) == 0 {
		return
	}
	people := len(slices.Compact(slices.Sorted(slices.Values(c.People.Admins))))
	if most := c.Approval.Most(); most > people {
		key := "approvals"
		if most > c.Approval.Approvals {
			key = "rules"
		}
		s.child("approval").problem(key, fmt.Sprintf("%d approvals are asked for and people.admins has %d people",
			most, people), "lower it, or add admins")
	}
	if people == 1 && len(c.People.Requesters) == 0 {
		s.child("people").warn("admins", "the only admin is the only one who may ask, and nobody approves their own batch",
			"add an admin or requesters")
	}
}

// Policy is what the settings ask of a plan before it may run.
func (c *Config) Policy() policy.Policy {
	return policy.Policy{
		Approvals: c.Approval.Approvals, Rules: c.Approval.Rules, Emergency: c.Emergency.Group, Protect: c.Protect,
		PerDay: policy.PerDay(c.Limits.PerDay), Accounts: c.People.Accounts,
	}
}

// Most is how many approvals these settings can ask for at the most.
func (a Approval) Most() int {
	most := a.Approvals
	for _, r := range a.Rules {
		most = max(most, r.Approvals)
	}
	return most
}

// IsUserID reports whether the text is the id of a Slack user, as U0BOB.
func IsUserID(text string) bool { return forms["user"].pattern.MatchString(text) }
