package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The forms that ids and names have.
var (
	personID   = form{regexp.MustCompile(`^[UWS][A-Z0-9]{2,}$`), "the id of a Slack user (U…, W…) or user group (S…)"}
	userID     = form{regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`), "the id of a Slack user (U… or W…)"}
	channelID  = form{regexp.MustCompile(`^[CG][A-Z0-9]{2,}$`), "the id of a Slack channel (C… or G…), not its name"}
	orgID      = form{regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`), "an id of letters, digits and hyphens"}
	accountID  = form{regexp.MustCompile(`^[A-Za-z0-9_|:-]{1,128}$`), "an Atlassian account id"}
	protected  = form{regexp.MustCompile(`@|^[A-Za-z0-9_|:-]{1,128}$`), "an address or an Atlassian account id"}
	reportName = form{regexp.MustCompile(`^[a-z0-9-]{1,40}$`), "1 to 40 of a–z, 0–9 and hyphen"}
	// Slack allows 2 to 32 characters (apps manifest reference, slash_commands.command).
	commandName = form{regexp.MustCompile(`^/[a-z0-9_-]{1,31}$`), "a slash and 1 to 31 of a–z, 0–9, hyphen and underscore"}
)

// managedAccounts is the one kind of report that this version makes.
const managedAccounts = "managed-accounts"

// reportKinds are the kinds of report there are.
var reportKinds = []string{managedAccounts, "changes", "inactive", "summary"}

// config reads the whole document. Every setting is named once, here and in the functions below; what they do not name is
// an unknown key.
func (r *reader) config(root section, c *Config) {
	root.section("slack", func(s section) { s.slack(&c.Slack) })
	root.section("atlassian", func(s section) { s.atlassian(&c.Atlassian) })
	root.section("people", func(s section) { s.people(&c.People) })
	root.section("channels", func(s section) { s.channels(&c.Channels) })
	root.section("approval", func(s section) { s.approval(&c.Approval) })
	root.protect(&c.Protect)
	root.section("limits", func(s section) { s.limits(&c.Limits) })
	root.section("emergency", func(s section) { s.matched("group", &c.Emergency, userGroupID) })
	root.section("run", func(s section) { s.run(&c.Run) })
	root.reports(&c.Reports)
	root.section("store", func(s section) {
		s.path("path", &c.Store.Path)
		s.duration("keep_files", &c.Store.KeepFiles)
	})
	root.section("http", func(s section) { s.listen("listen", &c.HTTP.Listen) })
	root.section("log", func(s section) {
		s.choice("level", &c.Log.Level, "debug", "info", "warn", "error")
		s.choice("format", &c.Log.Format, "json", "text")
	})
	root.end()
	r.contradictions(root, c)
}

func (s section) slack(c *Slack) {
	s.secret("app_token", &c.AppToken, "xapp-", NeedSlack)
	s.secret("bot_token", &c.BotToken, "xoxb-", NeedSlack)
	s.url("api_url", &c.APIURL)
	c.APIURL = strings.TrimRight(c.APIURL, "/") + "/"
	s.matched("command", &c.Command, commandName)
}

func (s section) atlassian(c *Atlassian) {
	s.url("api_url", &c.APIURL)
	c.APIURL = strings.TrimRight(c.APIURL, "/")
	s.matched("org_id", &c.OrgID, orgID)
	s.required("org_id", NeedAtlassian, "copy it from the address of admin.atlassian.com: …/o/<org_id>/…")
	s.matched("directory_id", &c.DirectoryID, orgID)
	s.secret("api_key", &c.APIKey, "", NeedAtlassian)
	s.date("api_key_expires", &c.APIKeyExpires)
	if !c.APIKeyExpires.IsZero() && !time.Now().Before(c.APIKeyExpires) {
		s.warn("api_key_expires", "the key's last day has passed", "make a new key and set its new last day")
	}
	s.list("sites", func(s section) {
		var site Site
		s.text("name", &site.Name)
		s.url("url", &site.URL)
		s.text("email", &site.Email)
		s.secret("api_token", &site.APIToken, "", never)
		c.Sites = append(c.Sites, site)
	})
	if len(c.Sites) > 0 {
		s.warn("sites", "actions on sites are not supported yet", "nothing is sent there")
	}
}

func (s section) people(c *People) {
	s.ids("admins", &c.Admins, personID)
	s.required("admins", NeedSlack, "list the Slack users or user groups who may approve")
	s.ids("requesters", &c.Requesters, personID)
	s.accounts("accounts", &c.Accounts)
}

func (s section) channels(c *Channels) {
	s.matched("requests", &c.Requests, channelID)
	s.required("requests", NeedSlack, "give the id of the channel where cards are posted")
	c.Reports = c.Requests
	s.matched("reports", &c.Reports, channelID)
	s.optionalBool("private", &c.Private)
}

func (s section) approval(c *Approval) {
	s.number("approvals", &c.Approvals, 1, mostApprovals)
	s.duration("expires_after", &c.ExpiresAfter)
	s.duration("start_within", &c.StartWithin)
	s.duration("finish_within", &c.FinishWithin)
	s.duration("remind_after", &c.RemindAfter)
	s.bool("require_reason", &c.RequireReason)
	s.rules("rules", &c.Rules)
}

func (s section) protect(c *[]string) {
	s.texts("protect", func(entry value) {
		if name, isGroup := strings.CutPrefix(entry.text, workflow.GroupPrefix); isGroup && strings.TrimSpace(name) == "" {
			entry.problem("names no group", "write it as group:name")
			return
		}
		if strings.HasPrefix(entry.text, workflow.GroupPrefix) || entry.match(protected) {
			*c = append(*c, entry.text)
		}
	})
}

func (s section) limits(c *Limits) {
	s.number("max_changes", &c.MaxChanges, 1, 1_000_000)
	s.section("per_day", func(s section) {
		s.number("requester", &c.PerDay.Requester, 0, 1_000_000)
		s.number("all", &c.PerDay.All, 0, 1_000_000)
	})
}

func (s section) run(c *Run) {
	s.number("workers", &c.Workers, 1, 64)
	s.number("canary", &c.Canary, 0, 1_000_000)
	s.number("stop_after_failures", &c.StopAfterFailures, 1, 1_000_000)
	s.number("stop_at_failure_percent", &c.StopAtFailurePercent, 1, 100)
	s.window("window", &c.Window)
}

func (s section) reports(c *[]Report) {
	lines := make(map[string]int)
	s.list("reports", func(s section) {
		report := Report{Timezone: time.UTC, Keep: 400}
		s.matched("name", &report.Name, reportName)
		s.required("name", always, "give the report a name; commands and files use it")
		s.choice("kind", &report.Kind, reportKinds...)
		s.required("kind", always, "say which report it is: "+strings.Join(reportKinds, ", "))
		s.schedule("schedule", &report.Schedule)
		s.required("schedule", always, `say when it runs, as "0 2 * * *" for every night at two`)
		s.timezone("timezone", &report.Timezone)
		s.number("keep", &report.Keep, 1, 100_000)
		if line, twice := lines[report.Name]; twice && report.Name != "" {
			s.problem("name", fmt.Sprintf("line %d has a report %q, too", line, report.Name), "give each its own name")
		}
		lines[report.Name] = s.line("name")
		if slices.Contains(reportKinds[1:], report.Kind) {
			s.warn("kind", report.Kind+" is not supported yet", "this report does not run")
		}
		*c = append(*c, report)
	})
}

// contradictions are settings that are right one by one and cannot all hold. An empty or unreadable user group is not
// one: that is known only to Slack, and may change.
func (r *reader) contradictions(root section, c *Config) {
	if slices.ContainsFunc(c.People.Admins, workflow.IsUserGroup) || len(c.People.Admins) == 0 {
		return
	}
	distinct := slices.Compact(slices.Sorted(slices.Values(c.People.Admins)))
	if most := c.Approval.most(); most > len(distinct) {
		approval, _ := root.child("approval")
		key := "approvals"
		if most > c.Approval.Approvals {
			key = "rules"
		}
		approval.problem(key, fmt.Sprintf("%d approvals are asked for and people.admins has %d people",
			most, len(distinct)), "lower it, or add admins")
	}
	if len(distinct) == 1 && len(c.People.Requesters) == 0 {
		people, _ := root.child("people")
		people.warn("admins", "the only admin is the only one who may ask, and nobody approves their own batch",
			"add an admin or requesters")
	}
}
