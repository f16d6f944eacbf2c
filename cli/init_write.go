package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/settings"
)

// appLink is the address at which Slack makes the app from our manifest (docs.slack.dev, app manifests). The app may read
// user groups, for admins may be one.
func appLink() (string, error) {
	cfg := settings.Default()
	cfg.People.Admins = []string{"S0ADMINS"}
	text, err := manifest(cfg)
	if err != nil {
		return "", err
	}
	var whole any
	if err := yaml.Load(text, &whole); err != nil {
		return "", fmt.Errorf("read the manifest: %w", err)
	}
	short, err := json.Marshal(whole)
	if err != nil {
		return "", fmt.Errorf("write the manifest: %w", err)
	}
	return "https://api.slack.com/apps?new_app=1&manifest_json=" + url.QueryEscape(string(short)), nil
}

// secretsFolder holds the secrets that were typed in, beside the settings. What is in it goes into no repository.
const secretsFolder = "secrets"

// typed are the secrets that are typed in unless an option or the environment has them, and their files.
func (s *setup) typed() []typedSecret {
	return []typedSecret{
		{&s.app, "slack-app-token", "app-token-file", s.options.AppTokenFile, "SLACK_APP_TOKEN"},
		{&s.bot, "slack-bot-token", "bot-token-file", s.options.BotTokenFile, "SLACK_BOT_TOKEN"},
		{&s.key, "atlassian-api-key", "api-key-file", s.options.APIKeyFile, "ATLASSIAN_API_KEY"},
	}
}

type typedSecret struct {
	of                            *credential
	name, option, given, variable string
}

// path is the file of a secret that is typed in.
func (s *setup) path(t typedSecret) string {
	return filepath.Join(filepath.Dir(s.file), secretsFolder, t.name)
}

// roomForSecrets refuses, before anything is asked, where the file of a secret is there that would be typed in.
func (s *setup) roomForSecrets() error {
	for _, t := range s.typed() {
		if t.given != "" || os.Getenv(t.variable) != "" {
			continue
		}
		at := s.path(t)
		if _, err := os.Lstat(at); err == nil {
			return fmt.Errorf("%s is there already, and init writes over nothing; use it with --%s %s, or move it away", at, t.option, at)
		} else if !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("look for %s: %w", at, errors.Unwrap(err))
		}
	}
	return nil
}

// write writes the secrets that were typed in, then the settings, none over a file that is there. The settings are read
// as every command reads them before they get their name; where that fails, nothing is left behind.
func (s *setup) write() (written []string, err error) {
	defer func() {
		if err == nil {
			return
		}
		for _, path := range written {
			_ = os.Remove(path)
		}
		written = nil
	}()
	for _, t := range s.typed() {
		if t.of.file != "" || t.of.variable != "" {
			continue
		}
		if err := s.secretsFolder(); err != nil {
			return written, err
		}
		t.of.file = s.path(t)
		if err := createFile(t.of.file, t.of.secret.Reveal()+"\n"); err != nil {
			return written, err
		}
		written = append(written, t.of.file)
	}
	text, err := s.text()
	if err != nil {
		return written, err
	}
	if _, err := settings.Parse(s.file, []byte(text), settings.NeedSlack|settings.NeedAtlassian); err != nil {
		return written, err
	}
	if err := createFile(s.file, text); err != nil {
		return written, err
	}
	return append(written, s.file), nil
}

// secretsFolder makes the folder of the secrets, with a file that keeps git from taking any of it.
func (s *setup) secretsFolder() error {
	at := filepath.Join(filepath.Dir(s.file), secretsFolder)
	if err := os.MkdirAll(at, 0o700); err != nil {
		return fmt.Errorf("make the folder of the secrets: %w", err)
	}
	ignore := filepath.Join(at, ".gitignore")
	if _, err := os.Lstat(ignore); err == nil {
		return nil
	}
	return createFile(ignore, "*\n")
}

// createFile writes a new file for its owner alone; one that could not be written whole goes again.
func createFile(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, and init writes over nothing; move it away", path)
	}
	if err == nil {
		_, err = file.WriteString(text)
		if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
			_ = os.Remove(path)
		}
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// line is the key of a secret with where it is found.
func (c credential) line(settingsFile, key string) (string, error) {
	if c.variable != "" {
		return key + ": ${" + c.variable + "}", nil
	}
	path, err := fromSettings(settingsFile, c.file)
	return key + "_file: " + strconv.Quote(path), err
}

// text is the settings file.
func (s *setup) text() (string, error) {
	app, err := s.app.line(s.file, "app_token")
	bot, botErr := s.bot.line(s.file, "bot_token")
	key, keyErr := s.key.line(s.file, "api_key")
	if err := errors.Join(err, botErr, keyErr); err != nil {
		return "", err
	}
	defaults := settings.Default()
	slackURL, atlassianURL := "", ""
	if s.cfg.Slack.APIURL != defaults.Slack.APIURL {
		slackURL = "  api_url: " + strconv.Quote(s.cfg.Slack.APIURL) + "\n"
	}
	if s.cfg.Atlassian.APIURL != defaults.Atlassian.APIURL {
		atlassianURL = "  api_url: " + strconv.Quote(s.cfg.Atlassian.APIURL) + "\n"
	}
	expires := "  # The key's last day: countersign warns 30, 7 and 1 day before.\n  # api_key_expires: 2027-03-01\n"
	if s.expires != "" {
		expires = "  api_key_expires: " + s.expires + "\n"
	}
	directories := ""
	if len(s.directories) > 0 {
		directories = "  # Several directories: name the one that suspend, restore, remove and groups mean where a row names none.\n"
		for _, d := range s.directories {
			directories += "  # directory_id: " + d + "\n"
		}
	}
	requesters := "  # Who may ask and not approve.\n  # requesters: [S0HELPDESK]\n"
	if len(s.requesters) > 0 {
		requesters = "  requesters: " + list(s.requesters) + "\n"
	}
	return fmt.Sprintf(settingsText, app, bot, slackURL, s.cfg.Atlassian.OrgID, key, atlassianURL, expires, directories,
		list(s.cfg.People.Admins), requesters, s.channel.id, "#"+oneLine(s.channel.name), s.channel.private), nil
}

// list is a list in YAML.
func list(words []string) string { return "[" + strings.Join(words, ", ") + "]" }

const settingsText = `# The settings of countersign, written by "countersign init". config.example.yaml explains every key and its default.
# After a change: countersign doctor, then restart the bot.

slack:
  %s
  %s
%s
atlassian:
  org_id: %s
  %s
%s%s%s
people:
  # Who may ask and approve: Slack users (U…) and user groups (S…).
  admins: %s
%s
channels:
  # Where people ask and cards are posted.
  requests: %s # %s
  # Where reports go; without it, to the requests channel.
  # reports: C0REPORTS
  private: %v

approval:
  # How many must approve. Nobody approves what they asked for.
  approvals: 1
  # rules:
  #   - {when: {changes_over: 200}, approvals: 2}

# What no request may touch: addresses, account ids, "@domain", "group:name".
# protect: [ceo@example.com, "group:break-glass"]

# Every night the accounts are recorded: Home, history and the other kinds of report show what that knows.
reports:
  - {name: nightly-accounts, kind: managed-accounts, schedule: "0 2 * * *", timezone: UTC} # or Europe/Berlin

store:
  path: countersign.db
`
