package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// defaultConfigFile is the settings file when --config does not name one.
const defaultConfigFile = "config.yaml"

// Config is what the settings file says, with the defaults filled in; config.example.yaml explains every setting. Its
// shape mirrors the file.
type Config struct {
	Slack     Slack
	Atlassian Atlassian
	People    People
	Channels  Channels
	Approval  Approval
	Protect   []string // addresses, account ids and "group:" names
	Limits    Limits
	Emergency string // id of a Slack user group; "" when off
	Run       Run
	Reports   []Report
	Store     Store
	HTTP      HTTP
	Log       Log
	Warnings  []string // one sentence each with file and line, for the log; nothing here stops the start
}

// Slack is the connection to the workspace.
type Slack struct {
	AppToken Secret // xapp-…, opens Socket Mode connections
	BotToken Secret // xoxb-…, everything else
	APIURL   string // ends with a slash, as slack-go joins by concatenation
	Command  string // the slash command, with its slash
}

// Atlassian is the connection to the organisation.
type Atlassian struct {
	APIURL        string // without a trailing slash
	OrgID         string
	DirectoryID   string    // "" where the organisation has one directory
	APIKey        Secret    // an organisation API key made without scopes
	APIKeyExpires time.Time // midnight UTC of the day, zero when not said
	Sites         []Site
}

// Site is a Jira site for the site-… actions. No command of this version needs its token, so that is not read.
type Site struct {
	Name, URL, Email string
	APIToken         Secret
}

// People says who has which role. Ids of users begin with U or W, those of user groups with S.
type People struct {
	Admins     []string
	Requesters []string
	Accounts   map[string]string // Slack user id → Atlassian account id
}

// Channels are Slack channel ids.
type Channels struct {
	Requests string
	Reports  string
	Private  *bool // whether the two channels are private; nil when not said
}

// Approval is who must agree, and until when.
type Approval struct {
	Approvals     int
	ExpiresAfter  time.Duration // from the moment the plan stands
	StartWithin   time.Duration // from the approval
	FinishWithin  time.Duration // from the start of the run, a closed window not counted
	RemindAfter   time.Duration // from the moment the plan stands
	RequireReason bool
	Rules         []workflow.Rule
}

// Limits bound one request.
type Limits struct {
	MaxChanges int // rows
	PerDay     workflow.PerDay
}

// Run is how batches run and when they stop by themselves.
type Run struct {
	Workers              int
	Canary               int // ready changes that go one at a time before the others; 0 for none
	StopAfterFailures    int // in a row
	StopAtFailurePercent int // of the finished changes
	Window               workflow.Window
}

// Report is one scheduled report.
type Report struct {
	Name     string
	Kind     string // one of reportKinds; only managedAccounts is made by this version
	Schedule string // cron, five fields
	Timezone *time.Location
	Keep     int // nights
}

// Store is where the database is.
type Store struct {
	Path      string // absolute, or relative to the working directory
	KeepFiles time.Duration
}

// HTTP is the status server.
type HTTP struct {
	Listen string // host:port, "" for none
}

// Log is how the program logs.
type Log struct {
	Level  string // debug, info, warn or error
	Format string // json or text
}

// Need says which secrets and ids a command cannot do without; the rest may be missing, and is then empty.
type Need uint8

// The needs, to be combined with |.
const (
	NeedSlack     Need = 1 << iota // the tokens, an admin and the requests channel
	NeedAtlassian                  // the key and the organisation's id
)

// defaults are the settings that hold when the file does not say otherwise.
func defaults() *Config {
	return &Config{
		Slack:     Slack{APIURL: "https://slack.com/api/", Command: "/countersign"},
		Atlassian: Atlassian{APIURL: "https://api.atlassian.com"},
		Approval: Approval{
			Approvals:    1,
			ExpiresAfter: 24 * time.Hour,
			StartWithin:  12 * time.Hour,
			FinishWithin: 72 * time.Hour,
			RemindAfter:  2 * time.Hour,
		},
		Limits: Limits{MaxChanges: 5000},
		Run:    Run{Workers: 8, Canary: 3, StopAfterFailures: 5, StopAtFailurePercent: 10},
		Store:  Store{Path: "countersign.db", KeepFiles: 90 * day},
		Log:    Log{Level: "info", Format: "json"},
	}
}

// Load reads the settings file at path. Everything wrong with it is in one *SettingsError; what is worth a word and does
// not stop the start is in Config.Warnings.
func Load(path string, need Need) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(path, err)
	}
	return parse(path, text, need)
}

// unreadable is the error for a settings file that cannot be opened.
func unreadable(path string, err error) error {
	problem := Problem{File: path, What: reason(err), Remedy: "give the right path with --config"}
	if errors.Is(err, fs.ErrNotExist) {
		problem.Remedy = "name yours with --config, or start from config.example.yaml"
	}
	return &SettingsError{Problems: []Problem{problem}}
}

// reason is the cause in an error of package os without the path, which the caller names already.
func reason(err error) string {
	if pathErr, ok := errors.AsType[*fs.PathError](err); ok {
		return pathErr.Err.Error()
	}
	return err.Error()
}

// parse is Load for a text in hand; path names it in errors and is where relative paths start.
func parse(path string, text []byte, need Need) (*Config, error) {
	r := &reader{file: path, dir: filepath.Dir(path), need: need, getenv: os.LookupEnv}
	c := defaults()
	if root, ok := r.document(text); ok {
		r.config(root, c)
	}
	if len(r.problems) > 0 {
		slices.SortStableFunc(r.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
		return nil, &SettingsError{Problems: r.problems}
	}
	c.Warnings = r.warnings
	return c, nil
}

// SettingsError is everything that is wrong with a settings file.
type SettingsError struct{ Problems []Problem }

// Error lists the problems, one a line.
func (e *SettingsError) Error() string {
	var text []byte
	for i, p := range e.Problems {
		if i > 0 {
			text = append(text, '\n')
		}
		text = append(text, p.String()...)
	}
	return string(text)
}

// Problem is one thing wrong with a settings file.
type Problem struct {
	File   string
	Line   int    // from 1; 0 where it belongs to no line
	Key    string // with its sections, "slack.app_token"; "" where it belongs to the file
	What   string // never a secret
	Remedy string // what to do about it, "" when What says it
}

// String is "file:line: key: what; remedy".
func (p Problem) String() string {
	text := p.File
	if p.Line > 0 {
		text += fmt.Sprintf(":%d", p.Line)
	}
	if p.Key != "" {
		text += ": " + p.Key
	}
	text += ": " + p.What
	if p.Remedy != "" {
		text += "; " + p.Remedy
	}
	return text
}
