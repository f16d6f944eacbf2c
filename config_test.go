package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// settings are enough to serve with.
const settings = `
slack: {app_token: xapp-1-A, bot_token: xoxb-2-B}
atlassian: {org_id: 11111111-2222-3333-4444-555555555555, api_key: ATCTT-key}
people: {admins: [U0ALICE, U0BOB]}
channels: {requests: C0REQUESTS}
`

// everything names every setting there is; the example must explain each of them.
const everything = `
slack: {app_token_file: app, bot_token: "${BOT}", api_url: "http://127.0.0.1:9000/api", command: /accounts}
atlassian:
  api_url: http://localhost:9001/
  org_id: ${ORG}
  directory_id: d-1
  api_key: ${KEY}
  api_key_expires: 2999-03-01
  sites:
    - {name: main, url: https://example.atlassian.net, email: admin@example.com, api_token: "${MISSING}"}
people: {admins: [U0ALICE, S0ITADMINS], requesters: [S0HELPDESK], accounts: {U0BOB: "712020:abc"}}
channels: {requests: C0REQUESTS, reports: G0REPORTS, private: true}
approval:
  approvals: 2
  expires_after: 1d12h
  start_within: 90m
  finish_within: 7d
  remind_after: 1s
  require_reason: true
  rules: []
protect: [ceo@example.com]
limits: {max_changes: 100, per_day: {requester: 0, all: 0}}
emergency: {group: ""}
run: {workers: 64, canary: 0, stop_after_failures: 1, stop_at_failure_percent: 100, window: }
reports:
  - {name: nightly-accounts, kind: managed-accounts, schedule: "0 2 * * *", timezone: Europe/Berlin, keep: 7}
store: {path: data/bot.db, keep_files: 30d}
http: {listen: "127.0.0.1:8090"}
log: {level: debug, format: text}
`

// secrets are compared by what they hold, which they show to nobody else.
var secrets = cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })

// zones are compared by name.
var zones = cmp.Comparer(func(a, b *time.Location) bool { return a.String() == b.String() })

// write puts files into a new folder and returns it.
func write(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load reads the settings and fails the test when they are refused.
func load(t *testing.T, text string, need Need) *Config {
	t.Helper()
	cfg, err := parse("config.yaml", []byte(text), need)
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return cfg
}

// problems are the lines of the error with which the settings are refused.
func problems(t *testing.T, text string, need Need) []string {
	t.Helper()
	_, err := parse("config.yaml", []byte(text), need)
	if _, ok := errors.AsType[*SettingsError](err); !ok {
		t.Fatalf("want a SettingsError, got %v", err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	want := defaults()
	want.Slack.AppToken, want.Slack.BotToken = newSecret("xapp-1-A"), newSecret("xoxb-2-B")
	want.Atlassian.OrgID, want.Atlassian.APIKey = "11111111-2222-3333-4444-555555555555", newSecret("ATCTT-key")
	want.People.Admins = []string{"U0ALICE", "U0BOB"}
	want.Channels = Channels{Requests: "C0REQUESTS", Reports: "C0REQUESTS"}
	got := load(t, settings, NeedSlack|NeedAtlassian)
	if diff := cmp.Diff(want, got, secrets); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoadEverything(t *testing.T) {
	t.Setenv("BOT", "xoxb-env")
	t.Setenv("ORG", "org-1")
	t.Setenv("KEY", "ATCTT-env")
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"config.yaml": everything, "app": "xapp-file\r\n"})
	private := true
	want := &Config{
		Slack: Slack{
			AppToken: newSecret("xapp-file"), BotToken: newSecret("xoxb-env"),
			APIURL: "http://127.0.0.1:9000/api/", Command: "/accounts",
		},
		Atlassian: Atlassian{
			APIURL: "http://localhost:9001", OrgID: "org-1", DirectoryID: "d-1", APIKey: newSecret("ATCTT-env"),
			APIKeyExpires: time.Date(2999, 3, 1, 0, 0, 0, 0, time.UTC),
			Sites:         []Site{{Name: "main", URL: "https://example.atlassian.net", Email: "admin@example.com"}},
		},
		People: People{
			Admins: []string{"U0ALICE", "S0ITADMINS"}, Requesters: []string{"S0HELPDESK"},
			Accounts: map[string]string{"U0BOB": "712020:abc"},
		},
		Channels: Channels{Requests: "C0REQUESTS", Reports: "G0REPORTS", Private: &private},
		Approval: Approval{
			Approvals: 2, ExpiresAfter: 36 * time.Hour, StartWithin: 90 * time.Minute, FinishWithin: 168 * time.Hour,
			RemindAfter: time.Second, RequireReason: true,
		},
		Protect: []string{"ceo@example.com"},
		Limits:  Limits{MaxChanges: 100},
		Run:     Run{Workers: 64, Canary: 0, StopAfterFailures: 1, StopAtFailurePercent: 100},
		Reports: []Report{{
			Name: "nightly-accounts", Kind: managedAccounts, Schedule: "0 2 * * *", Timezone: berlin, Keep: 7,
		}},
		Store: Store{Path: filepath.Join(dir, "data/bot.db"), KeepFiles: 720 * time.Hour},
		HTTP:  HTTP{Listen: "127.0.0.1:8090"},
		Log:   Log{Level: "debug", Format: "text"},
		Warnings: []string{
			dir + "/config.yaml:9: atlassian.sites: actions on sites are not supported yet; nothing is sent there",
		},
	}
	got, err := Load(filepath.Join(dir, "config.yaml"), NeedSlack|NeedAtlassian)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, secrets, zones); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"unknown section", "slak: {}", "config.yaml:1: slak: unknown key; did you mean slack?"},
		{"unknown key", "run:\n  worker: 3", "config.yaml:2: run.worker: unknown key; did you mean workers?"},
		{"unknown key, no near one", "log: {colour: red}", "config.yaml:1: log.colour: unknown key; the keys here are format, level"},
		{"key twice", "log:\n  level: info\n  level: info", "config.yaml:3: log.level: is given twice, first in line 2; keep one"},
		{"section twice", "log: {}\nlog: {}", "config.yaml:2: log: is given twice, first in line 1; keep one"},
		{"merge key", "log:\n  <<: {level: info}", "config.yaml:2: log.<<: unknown key; the keys here are format, level"},
		{"section as list", "log: [a]", "config.yaml:1: log: is a list, not a section; put its settings under it, indented"},
		{"value as section", "log: {level: {a: b}}", "config.yaml:1: log.level: is a section, not a single value; write it as level: value"},
		{"list as value", "protect: a@example.com", "config.yaml:1: protect: is a single value, not a list; write it as [a, b]"},
		{"file as list", "- a", "config.yaml:1: the file is a list, not sections of settings; start from config.example.yaml"},
		{"text as number", `run: {workers: "8"}`, `config.yaml:1: run.workers: "8" is a text; write the number without quotes`},
		{"number too small", "run: {workers: 0}", `config.yaml:1: run.workers: "0" is not a whole number from 1 to 64`},
		{"number too large", "run: {workers: 65}", `config.yaml:1: run.workers: "65" is not a whole number from 1 to 64`},
		{"percent", "run: {stop_at_failure_percent: 0}", `"0" is not a whole number from 1 to 100`},
		{"canary", "run: {canary: -1}", `"-1" is not a whole number from 0 to 1000000`},
		{"no approvals", "approval: {approvals: 0}", `config.yaml:1: approval.approvals: "0" is not a whole number from 1 to 10`},
		{"yes", "approval: {require_reason: yes}", `"yes" is neither true nor false; write true or false without quotes`},
		{"duration", "approval: {expires_after: 5}", `"5" is not a duration; write it as 90d, 12h, 30m or 1h30m, from 1s`},
		{"short duration", "approval: {expires_after: 999ms}", `"999ms" is under a second;`},
		{"negative duration", "approval: {expires_after: 1d-2h}", `"1d-2h" is not a duration;`},
		{"huge duration", "approval: {expires_after: 99999d2562047h}", "is not a duration;"},
		{"day", "atlassian: {api_key_expires: 2027-02-30}", `"2027-02-30" is not a day; write it as 2027-03-01`},
		{"http", "slack: {api_url: http://slack.com/api/}", "slack.api_url: http:// would send the token in clear; use https://"},
		{"http, site", "atlassian: {sites: [{url: http://10.0.0.1}]}", "atlassian.sites.url: http:// would send"},
		{"scheme", "atlassian: {api_url: ftp://localhost}", "atlassian.api_url: is not an address; write it as https://host/path"},
		{"password in address", "atlassian: {api_url: https://a:hunter2@x}", "api_url: has more than a host and a path; leave out user,"},
		{"user id", "people: {admins: ['@alice']}", `people.admins: "@alice" is not the id of a Slack user (U…, W…) or user group`},
		{"account of a group", "people: {accounts: {S0X1: a}}", "people.accounts.S0X1: is not the id of a Slack user (U… or W…);"},
		{"channel name", "channels: {requests: '#requests'}", `"#requests" is not the id of a Slack channel (C… or G…), not its name`},
		{"organisation", "atlassian: {org_id: a/b}", `atlassian.org_id: "a/b" is not an id of letters, digits and hyphens`},
		{"command", "slack: {command: countersign}", `slack.command: "countersign" is not a slash and up to 31`},
		{"level", "log: {level: loud}", `log.level: "loud" is not known; choose one of debug, info, warn, error`},
		{"listen", "http: {listen: ':99999'}", `http.listen: ":99999" is not an address to listen on; write it as 127.0.0.1:8090`},
		{"app token's kind", "slack: {app_token: xoxb-1}", "slack.app_token: does not begin with xapp-;"},
		{"bot token's kind", "slack: {bot_token: xoxp-1}", "slack.bot_token: does not begin with xoxb-;"},
		{"token with a break", `slack: {bot_token: "xoxb-1\n2"}`, "slack.bot_token: has a space, a line break"},
		{"token twice", "slack: {bot_token: xoxb-1, bot_token_file: x}", "slack.bot_token_file: is given together with bot_token; keep one"},
		{"report's name", "reports: [{name: A, kind: changes, schedule: 0 2 * * *}]", `reports.name: "A" is not 1 to 40`},
		{"report without a name", "reports: [{kind: changes, schedule: 0 2 * * *}]", "config.yaml:1: reports.name: is missing;"},
		{"report's kind", "reports: [{name: a, kind: b, schedule: 0 2 * * *}]", `reports.kind: "b" is not known; choose one of managed-accounts`},
		{"schedule", "reports: [{name: a, kind: changes, schedule: 0 25 * * *}]", `reports.schedule: "0 25 * * *" is not a cron line;`},
		{"schedule with a zone", "reports: [{name: a, kind: changes, schedule: TZ=UTC 0 2 * * *}]", "reports.schedule: has a time zone in it;"},
		{"zone alone", "reports: [{name: a, kind: changes, schedule: CRON_TZ=UTC}]", "reports.schedule: has a time zone in it;"},
		{"schedule that never comes", "reports: [{name: a, kind: changes, schedule: 0 2 30 2 *}]", `"0 2 30 2 *" never comes;`},
		{"interval", "reports: [{name: a, kind: changes, schedule: '@every 5h'}]", `"@every 5h" has no times of day;`},
		{"zone", "reports: [{name: a, kind: changes, schedule: '@daily', timezone: Mars}]", `reports.timezone: "Mars" is not a time zone;`},
		{"local zone", "reports: [{name: a, kind: changes, schedule: '@daily', timezone: Local}]", `"Local" is not a time zone;`},
		{"missing variable", "store:\n  path: ${NOT_SET_HERE}", "config.yaml:2: store.path: environment variable NOT_SET_HERE is not set;"},
		{"broken variable", "store: {path: '${NOT SET'}", "store.path: ${ begins an environment variable's name"},
		{"not YAML", "a: b: c", "config.yaml:1: not YAML: "},
		{"two documents", "log: {}\n---\nlog: {}", "config.yaml:2: a second document begins here;"},
		{"rules", "approval:\n  rules:\n    - {when: {changes_over: 2}}", "config.yaml:2: approval.rules: not supported yet;"},
		{"window", "run: {window: {from: '19:00'}}", "config.yaml:1: run.window: not supported yet;"},
		{"emergency", "emergency: {group: S0X1}", "config.yaml:1: emergency.group: not supported yet;"},
		{"per day", "limits: {per_day: {all: 5}}", "config.yaml:1: limits.per_day.all: not supported yet;"},
		{"protected group", "protect:\n  - group:x", "config.yaml:2: protect: protection by group is not supported yet;"},
		{"too few admins", "approval: {approvals: 3}\npeople: {admins: [U0A, U0B, U0A]}", "3 approvals are asked for and people.admins has 2"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, test.text, 0)
			if !strings.Contains(strings.Join(got, "\n"), test.want) {
				t.Errorf("want %q in\n%s", test.want, strings.Join(got, "\n"))
			}
		})
	}
}

func TestLoadListsAllProblemsInOrder(t *testing.T) {
	t.Parallel()
	got := problems(t, "log: {level: loud}\nrun:\n  workers: 0\n  worker: 1\nhttp: {listen: x}\n", 0)
	want := []string{
		`config.yaml:1: log.level: "loud" is not known; choose one of debug, info, warn, error`,
		`config.yaml:3: run.workers: "0" is not a whole number from 1 to 64`,
		`config.yaml:4: run.worker: unknown key; did you mean workers?`,
		`config.yaml:5: http.listen: "x" is not an address to listen on; write it as 127.0.0.1:8090`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func TestLoadNeeds(t *testing.T) {
	t.Parallel()
	const without = "slack: {app_token: '${NO_APP}', bot_token_file: no-such-file}\natlassian: {api_key: '${NO_KEY}'}\n"
	slack := []string{
		"config.yaml: people.admins: is missing; list the Slack users or user groups who may approve",
		"config.yaml: channels.requests: is missing; give the id of the channel where cards are posted",
		"config.yaml:1: slack.app_token: environment variable NO_APP is not set; export it, or write the value here",
		"config.yaml:1: slack.bot_token_file: cannot be read: no such file or directory; give the path of a file with the token alone",
	}
	atlassian := []string{
		"config.yaml:2: atlassian.org_id: is missing; copy it from the address of admin.atlassian.com: …/o/<org_id>/…",
		"config.yaml:2: atlassian.api_key: environment variable NO_KEY is not set; export it, or write the value here",
	}
	load(t, without, 0)
	if diff := cmp.Diff(slack, problems(t, without, NeedSlack)); diff != "" {
		t.Errorf("with NeedSlack (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(atlassian, problems(t, without, NeedAtlassian)); diff != "" {
		t.Errorf("with NeedAtlassian (-want +got):\n%s", diff)
	}
	all := problems(t, "", NeedSlack|NeedAtlassian)
	if len(all) != 6 {
		t.Errorf("an empty file has %d problems, want 6:\n%s", len(all), strings.Join(all, "\n"))
	}
}

func TestLoadWarns(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"kind", "reports: [{name: a, kind: inactive, schedule: '@daily'}]", "config.yaml:1: reports.kind: inactive is not supported yet;"},
		{"expired key", "atlassian: {api_key_expires: 2020-01-01}", "config.yaml:1: atlassian.api_key_expires: the key's last day has passed;"},
		{"one admin", "people: {admins: [U0ALICE]}", "config.yaml:1: people.admins: the only admin is the only one who may ask"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := load(t, test.text, 0).Warnings
			if len(got) != 1 || !strings.HasPrefix(got[0], test.want) {
				t.Errorf("warnings %q, want one that begins %q", got, test.want)
			}
		})
	}
}

func TestLoadShowsNoSecret(t *testing.T) {
	t.Setenv("WRONG_PLACE", "hunter2")
	const text = `
slack: {app_token: "xoxb-hunter2", bot_token: "hunter2 hunter2", command: xoxb-hunter2}
atlassian: {api_key: "hun\tter2", org_id: "${WRONG_PLACE}/"}
people: {admins: [ATATT3hunter2]}
log: {level: "${WRONG_PLACE}"}
run: {ATCTThunter2: 1}
`
	for _, line := range problems(t, text, NeedSlack|NeedAtlassian) {
		if strings.Contains(line, "hunter2") || strings.Contains(line, "hun\tter2") {
			t.Errorf("shows the secret: %s", line)
		}
	}
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), 0)
	if _, ok := errors.AsType[*SettingsError](err); !ok {
		t.Errorf("want a SettingsError, got %v", err)
	}
}

func TestExampleIsTheDefaults(t *testing.T) {
	t.Setenv("SLACK_APP_TOKEN", "xapp-1")
	t.Setenv("SLACK_BOT_TOKEN", "xoxb-1")
	t.Setenv("ATLASSIAN_API_KEY", "ATCTT-1")
	want := defaults()
	want.Slack.AppToken, want.Slack.BotToken = newSecret("xapp-1"), newSecret("xoxb-1")
	want.Atlassian.OrgID, want.Atlassian.APIKey = "11111111-2222-3333-4444-555555555555", newSecret("ATCTT-1")
	want.People.Admins = []string{"U0ALICE", "U0BOB", "S0ITADMINS"}
	want.Channels = Channels{Requests: "C0REQUESTS", Reports: "C0REQUESTS"}
	got, err := Load("config.example.yaml", NeedSlack|NeedAtlassian)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, secrets); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// TestExampleNamesEverySetting compares the example with the keys that the loader knows, which everything names all.
func TestExampleNamesEverySetting(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	r := &reader{file: "config.yaml", getenv: func(string) (string, bool) { return "x", true }}
	root, ok := r.document([]byte(everything))
	if !ok {
		t.Fatal(r.problems)
	}
	r.config(root, defaults())
	if len(r.known) < 50 {
		t.Fatalf("the loader asked for %d keys; does everything still name all?", len(r.known))
	}
	for _, key := range r.known {
		name := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(string(example), name+":") {
			t.Errorf("config.example.yaml does not explain %s", key)
		}
	}
}

// FuzzLoad: whatever the file, the loader answers with settings or with problems, and ends.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{settings, everything, "a: &a [*a]", "log: &x {level: *x}", "? {a: b}\n: c", "- - -", "\xff\xfe"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parse("config.yaml", text, NeedSlack)
		if _, ok := errors.AsType[*SettingsError](err); (cfg == nil) != ok {
			t.Errorf("settings %v with error %v", cfg, err)
		}
	})
}
