package cli

import (
	"context"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
)

// The manifest as Slack's schema has it (slackapi/manifest-schema v1), as far as the bot uses it.
type (
	appManifest struct {
		Metadata    manifestMetadata    `yaml:"_metadata"`
		Display     manifestDisplay     `yaml:"display_information"`
		Features    manifestFeatures    `yaml:"features"`
		OAuthConfig manifestOAuthConfig `yaml:"oauth_config"`
		Settings    manifestSettings    `yaml:"settings"`
	}
	manifestMetadata struct {
		Major int `yaml:"major_version"`
		Minor int `yaml:"minor_version"`
	}
	manifestDisplay struct {
		Name        string `yaml:"name"`        // up to 35 characters
		Description string `yaml:"description"` // up to 140 characters
	}
	manifestFeatures struct {
		Home      manifestHome       `yaml:"app_home"`
		Bot       manifestBot        `yaml:"bot_user"`
		Commands  []manifestCommand  `yaml:"slash_commands"`
		Shortcuts []manifestShortcut `yaml:"shortcuts"`
	}
	manifestShortcut struct {
		Name        string `yaml:"name"` // up to 24 characters
		Type        string `yaml:"type"` // global or message
		Callback    string `yaml:"callback_id"`
		Description string `yaml:"description"`
	}
	manifestHome struct {
		Home         bool `yaml:"home_tab_enabled"`
		Messages     bool `yaml:"messages_tab_enabled"`
		MessagesOnly bool `yaml:"messages_tab_read_only_enabled"`
	}
	manifestBot struct {
		Name         string `yaml:"display_name"`
		AlwaysOnline bool   `yaml:"always_online"`
	}
	manifestCommand struct {
		Command     string `yaml:"command"`
		Description string `yaml:"description"`
		Hint        string `yaml:"usage_hint"`
		Escape      bool   `yaml:"should_escape"`
	}
	manifestOAuthConfig struct {
		Scopes manifestScopes `yaml:"scopes"`
	}
	manifestScopes struct {
		Bot []string `yaml:"bot"`
	}
	manifestSettings struct {
		Events        manifestEvents        `yaml:"event_subscriptions"`
		Interactivity manifestInteractivity `yaml:"interactivity"`
		OrgDeploy     bool                  `yaml:"org_deploy_enabled"`
		SocketMode    bool                  `yaml:"socket_mode_enabled"`
		TokenRotation bool                  `yaml:"token_rotation_enabled"`
	}
	manifestEvents struct {
		Bot []string `yaml:"bot_events"`
	}
	manifestInteractivity struct {
		Enabled bool `yaml:"is_enabled"`
	}
)

func (p *program) manifest(context.Context) error {
	cfg, err := p.loadOrDefaults()
	if err != nil {
		return err
	}
	text, err := manifest(cfg)
	if err != nil {
		return err
	}
	_, err = p.out.Write(text)
	return err
}

// manifest is the Slack app manifest, in YAML, with just the scopes and events that these settings need. It needs no
// secret and no network.
func manifest(cfg *settings.Config) ([]byte, error) {
	text, err := yaml.Dump(manifestOf(cfg))
	if err != nil {
		return nil, fmt.Errorf("write the manifest: %w", err)
	}
	return text, nil
}

func manifestOf(cfg *settings.Config) appManifest {
	return appManifest{
		Metadata: manifestMetadata{Major: 1, Minor: 1},
		Display: manifestDisplay{
			Name:        "countersign",
			Description: "Bulk changes of Atlassian accounts, approved by a second person",
		},
		Features: manifestFeatures{
			Home: manifestHome{Home: true, Messages: true},
			Bot:  manifestBot{Name: "countersign", AlwaysOnline: true},
			Commands: []manifestCommand{{
				Command:     cfg.Slack.Command,
				Description: "Ask for a change of Atlassian accounts",
				Hint:        "help | new | rename <user> <new-email> | batches",
			}},
			Shortcuts: shortcuts(),
		},
		OAuthConfig: manifestOAuthConfig{Scopes: manifestScopes{Bot: botScopes(cfg)}},
		Settings: manifestSettings{
			Events:        manifestEvents{Bot: botEvents(cfg)},
			Interactivity: manifestInteractivity{Enabled: true},
			SocketMode:    true,
		},
	}
}

// shortcuts are those that the bot answers to.
func shortcuts() (all []manifestShortcut) {
	for _, s := range bot.Shortcuts() {
		kind := "global"
		if s.Message {
			kind = "message"
		}
		all = append(all, manifestShortcut{Name: s.Name, Type: kind, Callback: s.Callback, Description: s.Description})
	}
	return all
}

// botScopes are the scopes of the bot token that these settings need; doctor compares them with what the token has.
func botScopes(cfg *settings.Config) []string {
	scopes := []string{
		"commands",
		"chat:write",                // cards, progress, private answers
		"files:read", "files:write", // CSV in, plans and results out
		"users:read", "users:read.email", // who may approve; the same human under a second account
		"im:history", "im:read", "im:write", // files sent to the bot and answers there
	}
	if namesUserGroups(cfg) {
		scopes = append(scopes, "usergroups:read")
	}
	for _, kind := range channelKinds(cfg) {
		// read: is the channel shared with another company; history: files posted there, own posts after a crash
		scopes = append(scopes, kind+":read", kind+":history")
	}
	return scopes
}

// botEvents are the events that these settings need.
func botEvents(cfg *settings.Config) []string {
	events := []string{"app_home_opened", "message.im", "user_change", "member_joined_channel"}
	for _, kind := range channelKinds(cfg) {
		events = append(events, "message."+kind)
	}
	if namesUserGroups(cfg) {
		events = append(events, "subteam_members_changed")
	}
	return events
}

// channelKinds are Slack's words for the sorts of channel that the two channels may be.
func channelKinds(cfg *settings.Config) []string {
	switch {
	case cfg.Channels.Private == nil:
		return []string{"channels", "groups"}
	case *cfg.Channels.Private:
		return []string{"groups"}
	default:
		return []string{"channels"}
	}
}

// namesUserGroups reports whether the settings name a user group of Slack anywhere: as a role, in a rule, or for emergencies.
func namesUserGroups(cfg *settings.Config) bool {
	return len(cfg.Policy().UserGroups()) > 0 ||
		slices.ContainsFunc(slices.Concat(cfg.People.Admins, cfg.People.Requesters), workflow.IsUserGroup)
}
