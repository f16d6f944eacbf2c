package settings

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/policy"
)

// update writes what the program does now into testdata, to be read and committed.
var update = flag.Bool("update", false, "write the golden files")

// settings are enough to serve with.
const settings = `
slack: {app_token: xapp-1-A, bot_token: xoxb-2-B}
atlassian: {org_id: 11111111-2222-3333-4444-555555555555, api_key: ATCTT-key}
people: {admins: [U0ALICE, U0BOB]}
channels: {requests: C0REQUESTS}
`

// everything names every setting that is built.
const everything = `
slack: {app_token_file: app, bot_token: "${BOT}", api_url: "http://127.0.0.1:9000/api", command: /accounts}
atlassian:
  api_url: http://localhost:9001/
  org_id: ${ORG}
  api_key: ${KEY}
  api_key_expires: 2999-03-01
people: {admins: [U0ALICE, S0ITADMINS], requesters: [S0HELPDESK], accounts: {U0BOB: "712020:abc"}}
channels: {requests: C0REQUESTS, reports: G0REPORTS, private: true}
approval:
  approvals: 2
  expires_after: 1d12h
  start_within: 90m
  finish_within: 7d
  remind_after: 1s
  require_reason: true
  rules:
    - {when: {changes_over: 0, changes_over_24h: 50}, approvals: 3}
    - {when: {actions: [delete, rename], accounts: ["@old.example", "group:Finance team"], requesters: [U0CARL, S0HELPDESK]}, approvals: 2}
    - {when: {groups: [" Jira admins ", "group:finance"]}, approvals: 2}
    - {when: {org_admins: true}, allow: true, approvals: 2}
protect: [ceo@example.com, "group:break-glass"]
limits: {max_changes: 100, per_day: {requester: 20, all: 100}}
emergency: {group: S0ONCALL}
run: {workers: 64, canary: 0, stop_after_failures: 1, stop_at_failure_percent: 100, window: {from: "19:00", to: 06:00, days: [mon, Fri], timezone: Europe/Berlin}}
reports:
  - {name: nightly-accounts, kind: managed-accounts, schedule: "0 2 * * *", timezone: Europe/Berlin, keep: 7}
  - {name: nightly-changes, kind: changes, schedule: "30 2 * * *", alarm_over: 0}
  - {name: idle, kind: inactive, schedule: "0 7 * * mon", days: 60, channel: C0LICENCES}
prices: {currency: EUR, products: {jira-software: 8.15, confluence: 6}}
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
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Fatalf("want an *Error, got %v", err)
	}
	return strings.Split(err.Error(), "\n")
}

func TestLoadDefaults(t *testing.T) {
	t.Parallel()
	want := Default()
	want.Slack.AppToken, want.Slack.BotToken = NewSecret("xapp-1-A"), NewSecret("xoxb-2-B")
	want.Atlassian.OrgID, want.Atlassian.APIKey = "11111111-2222-3333-4444-555555555555", NewSecret("ATCTT-key")
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
			AppToken: NewSecret("xapp-file"), BotToken: NewSecret("xoxb-env"),
			APIURL: "http://127.0.0.1:9000/api/", Command: "/accounts",
		},
		Atlassian: Atlassian{
			APIURL: "http://localhost:9001", OrgID: "org-1", APIKey: NewSecret("ATCTT-env"),
			APIKeyExpires: time.Date(2999, 3, 1, 0, 0, 0, 0, time.UTC),
		},
		People: People{
			Admins: []string{"U0ALICE", "S0ITADMINS"}, Requesters: []string{"S0HELPDESK"},
			Accounts: map[string]string{"U0BOB": "712020:abc"},
		},
		Channels: Channels{Requests: "C0REQUESTS", Reports: "G0REPORTS", Private: &private},
		Approval: Approval{
			Approvals: 2, ExpiresAfter: 36 * time.Hour, StartWithin: 90 * time.Minute, FinishWithin: 168 * time.Hour,
			RemindAfter: time.Second, RequireReason: true,
			Rules: []policy.Rule{
				{When: policy.When{ChangesOver: new(0), ChangesOver24h: new(50)}, Approvals: 3},
				{When: policy.When{
					Actions:  []workflow.ActionName{workflow.Delete, workflow.Rename},
					Accounts: []string{"@old.example", "group:Finance team"}, Requesters: []string{"U0CARL", "S0HELPDESK"},
				}, Approvals: 2},
				{When: policy.When{Groups: []string{"Jira admins", "finance"}}, Approvals: 2},
				{When: policy.When{OrgAdmins: true}, Allow: true, Approvals: 2},
			},
		},
		Protect:   []string{"ceo@example.com", "group:break-glass"},
		Limits:    Limits{MaxChanges: 100, PerDay: PerDay{Requester: 20, All: 100}},
		Emergency: Emergency{Group: "S0ONCALL"},
		Run: Run{Workers: 64, Canary: 0, StopAfterFailures: 1, StopAtFailurePercent: 100, Window: policy.Window{
			From: policy.Clock{Hour: 19}, To: policy.Clock{Hour: 6}, Days: []time.Weekday{time.Monday, time.Friday}, Location: berlin,
		}},
		Reports: []Report{{
			Name: "nightly-accounts", Kind: "managed-accounts", Schedule: "0 2 * * *", Timezone: berlin, Keep: 7, Days: 90,
		}, {
			Name: "nightly-changes", Kind: "changes", Schedule: "30 2 * * *", Timezone: time.UTC, Keep: 400, Days: 90, AlarmOver: new(0),
		}, {
			Name: "idle", Kind: "inactive", Schedule: "0 7 * * mon", Timezone: time.UTC, Keep: 400, Days: 60, Channel: "C0LICENCES",
		}},
		Prices: Prices{Currency: "EUR", Products: map[string]report.Money{"jira-software": 815, "confluence": 600}},
		Store:  Store{Path: filepath.Join(dir, "data/bot.db"), KeepFiles: 720 * time.Hour},
		HTTP:   HTTP{Listen: "127.0.0.1:8090"},
		Log:    Log{Level: "debug", Format: "text"},
	}
	got, err := Load(filepath.Join(dir, "config.yaml"), NeedSlack|NeedAtlassian)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, secrets, zones); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// TestLoadRefuses reads testdata/settings_refused.txt: blocks of a comment, settings, and the problems with a "! " each.
func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	const file = "testdata/settings_refused.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(strings.TrimSpace(string(text)), "\n\n")
	for i, block := range blocks[1:] {
		name, rest, _ := strings.Cut(block, "\n")
		given, want, _ := strings.Cut(rest, "\n! ")
		_, err := parse("config.yaml", []byte(given+"\n"), 0)
		if _, ok := errors.AsType[*Error](err); !ok {
			t.Errorf("%s: want an *Error, got %v", name, err)
			continue
		}
		got := strings.ReplaceAll(err.Error(), "\n", "\n! ")
		if diff := cmp.Diff(want, got); diff != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		blocks[i+1] = name + "\n" + given + "\n! " + got
	}
	if *update {
		if err := os.WriteFile(file, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLoadRefusesTokens(t *testing.T) {
	t.Parallel()
	tests := []struct{ slack, want string }{
		{"app_token: xoxb-1", "slack.app_token: does not begin with xapp-;"},
		{"bot_token: xoxp-1", "slack.bot_token: does not begin with xoxb-;"},
		{`bot_token: "xoxb-1\n2"`, "slack.bot_token: has a space, a line break"},
		{"bot_token: xoxb-1, bot_token_file: x", "slack.bot_token_file: is given together with bot_token;"},
		{"bot_token_file: /", "slack.bot_token_file: cannot be read: is a directory;"},
		{"bot_token_file: " + os.DevNull, "slack.bot_token_file: names an empty file;"},
	}
	for _, test := range tests {
		got := strings.Join(problems(t, "slack: {"+test.slack+"}", NeedSlack), "\n")
		if !strings.Contains(got, "config.yaml:1: "+test.want) {
			t.Errorf("%s: want %q in\n%s", test.slack, test.want, got)
		}
	}
}

func TestLoadNeeds(t *testing.T) {
	t.Parallel()
	const without = "slack: {app_token: '${NO_APP}', bot_token_file: no-such-file}\natlassian: {api_key: '${NO_KEY}'}\n"
	slack := []string{
		"config.yaml: people.admins: is missing; list the Slack users or user groups who may approve",
		"config.yaml: channels.requests: is missing; give the id of the channel where cards are posted",
		"config.yaml:1: slack.app_token: environment variable NO_APP is not set; export it, or write the value here",
		"config.yaml:1: slack.bot_token_file: cannot be read: no such file or directory; " +
			"give the path of a file with the token alone",
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
	tests := []struct{ text, want string }{
		{"atlassian: {api_key_expires: 2020-01-01}", "atlassian.api_key_expires: the key's last day has passed;"},
		{"people: {admins: [U0ALICE]}", "people.admins: the only admin is the only one who may ask"},
	}
	for _, test := range tests {
		got := load(t, test.text, 0).Warnings
		if len(got) != 1 || !strings.HasPrefix(got[0], "config.yaml:1: "+test.want) {
			t.Errorf("%s: warnings %q, want one that begins %q", test.text, got, test.want)
		}
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
	if _, ok := errors.AsType[*Error](err); !ok {
		t.Errorf("want an *Error, got %v", err)
	}
}

func TestExampleIsTheDefaults(t *testing.T) {
	t.Setenv("SLACK_APP_TOKEN", "xapp-1")
	t.Setenv("SLACK_BOT_TOKEN", "xoxb-1")
	t.Setenv("ATLASSIAN_API_KEY", "ATCTT-1")
	want := Default()
	want.Slack.AppToken, want.Slack.BotToken = NewSecret("xapp-1"), NewSecret("xoxb-1")
	want.Atlassian.OrgID, want.Atlassian.APIKey = "11111111-2222-3333-4444-555555555555", NewSecret("ATCTT-1")
	want.People.Admins = []string{"U0ALICE", "U0BOB", "S0ITADMINS"}
	want.Channels = Channels{Requests: "C0REQUESTS", Reports: "C0REQUESTS"}
	want.Store.Path = "../countersign.db" // relative paths start at the file
	got, err := Load("../config.example.yaml", NeedSlack|NeedAtlassian)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, secrets); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// TestExampleNamesEverySetting compares the example with the keys that there are, those that are not built yet included.
func TestExampleNamesEverySetting(t *testing.T) {
	t.Parallel()
	example, err := os.ReadFile("../config.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	keys := keysOf(reflect.TypeFor[Config](), "")
	if len(keys) < 60 {
		t.Fatalf("there are %d keys, too few", len(keys))
	}
	for _, key := range keys {
		name := key[strings.LastIndex(key, ".")+1:]
		if !strings.Contains(string(example), name+":") {
			t.Errorf("config.example.yaml does not explain %s", key)
		}
	}
}

// keysOf lists the keys of a struct of settings and of those in it.
func keysOf(of reflect.Type, within string) (keys []string) {
	for of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	switch of {
	case reflect.TypeFor[policy.Rule]():
		of = reflect.TypeFor[rule]()
	case reflect.TypeFor[policy.Window]():
		of = reflect.TypeFor[window]()
	}
	if of.Kind() != reflect.Struct {
		return nil
	}
	for f := range of.Fields() {
		if key := f.Tag.Get("yaml"); key != "" {
			keys = append(keys, within+key)
			keys = append(keys, keysOf(f.Type, within+key+".")...)
		}
	}
	return keys
}

// FuzzLoad: whatever the file, the loader answers with settings or with problems, and ends.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{settings, everything, "a: &a [*a]", "log: &x {level: *x}", "? {a: b}\n: c", "\xff\xfe"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cfg, err := parse("config.yaml", text, 0) // without secrets, so that no file it names is read
		if _, ok := errors.AsType[*Error](err); (cfg == nil) != ok {
			t.Errorf("settings %v with error %v", cfg, err)
		}
	})
}

// References without quotes are understood wherever people put them, inside braces as well.
func TestReferencesInBraces(t *testing.T) {
	t.Setenv("SLACK_APP_TOKEN", "xapp-1-test")
	t.Setenv("SLACK_BOT_TOKEN", "xoxb-test")
	t.Setenv("ATLASSIAN_API_KEY", "key")
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := `slack: {app_token: ${SLACK_APP_TOKEN}, bot_token: ${SLACK_BOT_TOKEN}}
atlassian:
  org_id: 11111111-2222-3333-4444-555555555555
  api_key: ${ATLASSIAN_API_KEY}          # an organisation API key made without scopes
people: {admins: [U0ALICE, U0BOB]}
channels: {requests: C0REQUESTS}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := Load(path, NeedSlack|NeedAtlassian)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	if got := cfg.Slack.BotToken.Reveal() + " " + cfg.Slack.AppToken.Reveal() + " " + cfg.Atlassian.APIKey.Reveal(); got != "xoxb-test xapp-1-test key" {
		t.Errorf("got the secrets %q", got)
	}
}
