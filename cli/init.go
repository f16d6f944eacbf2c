package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/countersign/countersign/settings"
)

// initOptions are the flags of init. With the first six there is nothing left to ask.
type initOptions struct {
	AppTokenFile, BotTokenFile, APIKeyFile string
	Org, Requests, Admins                  string
	SlackAPI, AtlassianAPI                 string // "" for the defaults
}

// initTime is what all questions to Slack and Atlassian after one answer may take.
const initTime = time.Minute

func (p *program) initialise() *cobra.Command {
	var o initOptions
	cmd := p.command("init", "Set up: ask what cannot be found out, write config.yaml, run doctor", func(ctx context.Context) error {
		return p.runInit(ctx, o)
	})
	flags := cmd.Flags()
	flags.StringVar(&o.AppTokenFile, "app-token-file", "", "`file` with Slack's app-level token (xapp-…)")
	flags.StringVar(&o.BotTokenFile, "bot-token-file", "", "`file` with the bot token (xoxb-…)")
	flags.StringVar(&o.APIKeyFile, "api-key-file", "", "`file` with the organisation's API key")
	flags.StringVar(&o.Org, "org", "", "`id` of the Atlassian organisation")
	flags.StringVar(&o.Requests, "requests", "", "requests `channel`: its id or #name")
	flags.StringVar(&o.Admins, "admins", "", "`people` who may approve: ids, addresses or @groups, with commas between")
	flags.StringVar(&o.SlackAPI, "slack-api-url", os.Getenv("SLACK_API_URL"), "`address` of Slack's API, for GovSlack")
	flags.StringVar(&o.AtlassianAPI, "atlassian-api-url", os.Getenv("ATLASSIAN_API_URL"), "`address` of Atlassian's API, for a sandbox")
	return cmd
}

// setup is what init has found out so far.
type setup struct {
	options initOptions
	ask     *prompt
	file    string // of the settings, that is to be written
	cfg     *settings.Config

	bot, app, key credential
	known         *slackFindings
	channel       foundChannel
	requesters    []string
	directories   []string // in words, where the organisation has several
	expires       string   // YYYY-MM-DD, "" when not said
}

// runInit is the command init. Each answer is checked as soon as it is given, and nothing is written before the last one.
func (p *program) runInit(ctx context.Context, options initOptions) error {
	if _, err := os.Lstat(p.settings); err == nil {
		return fmt.Errorf("%s is there already, and init writes over no settings; run `countersign doctor`, or name another file with --config", p.settings)
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("look for %s: %w", p.settings, errors.Unwrap(err))
	}
	s := &setup{options: options, ask: newPrompt(p.in, p.out), file: p.settings, cfg: settings.Default()}
	if err := s.addresses(); err != nil {
		return err
	}
	if err := s.roomForSecrets(); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{
		s.botToken, s.appToken, s.apiKey, s.requestsChannel, s.admins, s.otherRequesters, s.keyExpiry,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	written, err := s.write()
	if err != nil {
		return err
	}
	for _, file := range written {
		s.ask.say("Wrote %s", file)
	}
	s.ask.say("")
	cfg, err := p.load(settings.NeedSlack | settings.NeedAtlassian)
	if err != nil {
		return err
	}
	if err := runDoctor(ctx, cfg, p.out); err != nil {
		return err
	}
	s.ask.say("Start the bot: countersign serve%s", p.configFlag())
	return nil
}

// addresses takes the addresses of the APIs: tokens go there before there are settings that would be checked.
func (s *setup) addresses() error {
	for _, each := range []struct {
		option, given string
		to            *string
		end           string
	}{
		{"slack-api-url", s.options.SlackAPI, &s.cfg.Slack.APIURL, "/"},
		{"atlassian-api-url", s.options.AtlassianAPI, &s.cfg.Atlassian.APIURL, ""},
	} {
		if each.given == "" {
			continue
		}
		address, err := settings.ParseURL(each.given)
		if err != nil {
			return fmt.Errorf("--%s: the address %w", each.option, err)
		}
		*each.to = address + each.end
	}
	return nil
}

// configFlag is the option by which other commands find these settings, "" where they do so anyway.
func (p *program) configFlag() string {
	if p.settings == settings.DefaultFile {
		return ""
	}
	return " --config " + p.settings
}

// credential is a secret and where the settings find it: in a file, or in the environment. One that was typed in is in
// neither yet.
type credential struct {
	secret   settings.Secret
	file     string // as given, "" for none
	variable string // name of the environment variable, "" for none
}

// credential finds a secret, in the file of an option, in the environment, or by asking, and has it checked at once.
func (s *setup) credential(
	ctx context.Context, file, option, variable, question string, check func(settings.Secret) error,
) (credential, error) {
	switch fromEnv := os.Getenv(variable); {
	case file != "":
		secret, err := settings.ReadSecret(file)
		if err == nil {
			err = check(secret)
		}
		if err != nil {
			return credential{}, fmt.Errorf("--%s: %w", option, err)
		}
		return credential{secret: secret, file: file}, nil
	case fromEnv != "":
		secret, err := settings.ParseSecret(fromEnv)
		if err == nil {
			err = check(secret)
		}
		if err != nil {
			return credential{}, fmt.Errorf("%s: %w", variable, err)
		}
		return credential{secret: secret, variable: variable}, nil
	}
	for {
		text, err := s.ask.secret(ctx, question)
		if err != nil {
			return credential{}, fmt.Errorf("--%s FILE is missing: %w", option, err)
		}
		secret, err := settings.ParseSecret(text)
		if err == nil {
			err = check(secret)
		}
		if err == nil {
			return credential{secret: secret}, nil
		}
		s.ask.say("  %v", err)
	}
}

// answer finds a value, by an option or by asking until one is right.
func (s *setup) answer(ctx context.Context, given, option, question string, check func(string) error) error {
	if given != "" {
		if err := check(given); err != nil {
			return fmt.Errorf("--%s: %w", option, err)
		}
		return nil
	}
	for {
		text, err := s.ask.line(ctx, question)
		if err != nil {
			return fmt.Errorf("--%s is missing: %w", option, err)
		}
		if err = check(text); err == nil {
			return nil
		}
		s.ask.say("  %v", err)
	}
}

// silent reports whether nobody is to be asked: who gives all options wants to read no questions.
func (s *setup) silent() bool {
	o := s.options
	return o.AppTokenFile != "" && o.BotTokenFile != "" && o.APIKeyFile != "" && o.Org != "" && o.Requests != "" && o.Admins != ""
}

// fromSettings is a path as the settings file beside it writes it: relative where it is below.
func fromSettings(settingsFile, path string) (string, error) {
	folder, err := filepath.Abs(filepath.Dir(settingsFile))
	if err != nil {
		return "", err
	}
	whole, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if below, err := filepath.Rel(folder, whole); err == nil && filepath.IsLocal(below) {
		return filepath.ToSlash(below), nil
	}
	return whole, nil
}
