package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/settings"
	"github.com/countersign/countersign/workflow"
)

// slackFindings are what init has read of the workspace.
type slackFindings struct {
	team   string
	groups []slack.UserGroup
	names  map[string]string // user id → name
}

// foundChannel is the channel that was chosen.
type foundChannel struct {
	id, name string
	private  bool
}

// botToken finds the bot token and tries it.
func (s *setup) botToken(ctx context.Context) error {
	if s.options.BotTokenFile == "" && s.options.AppTokenFile == "" && !s.silent() {
		link, err := appLink()
		if err != nil {
			return err
		}
		s.ask.say("Create the Slack app with this link, then install it to your workspace:\n\n  %s\n", link)
	}
	found, err := s.credential(ctx, s.options.BotTokenFile, "bot-token-file", "SLACK_BOT_TOKEN",
		"Bot User OAuth Token, from OAuth & Permissions (xoxb-…)", func(secret settings.Secret) error {
			if !strings.HasPrefix(secret.Reveal(), "xoxb-") {
				return errors.New("a bot token begins with xoxb-")
			}
			s.cfg.Slack.BotToken = secret
			ctx, cancel := context.WithTimeout(ctx, initTime)
			defer cancel()
			who, err := s.slack().AuthTestContext(ctx)
			if err != nil {
				return fmt.Errorf("slack says %s; take the Bot User OAuth Token of the app", slackSays(s.cfg.Slack.APIURL, err))
			}
			s.known = &slackFindings{team: who.Team, names: map[string]string{}}
			return nil
		})
	s.bot = found
	if err == nil && !s.silent() {
		s.ask.say("  %s", "right: workspace "+oneLine(s.known.team))
	}
	return err
}

// appToken finds the app-level token and tries whether it opens a connection.
func (s *setup) appToken(ctx context.Context) error {
	found, err := s.credential(ctx, s.options.AppTokenFile, "app-token-file", "SLACK_APP_TOKEN",
		"App-level token with connections:write, from Basic Information (xapp-…)", func(secret settings.Secret) error {
			if !strings.HasPrefix(secret.Reveal(), "xapp-") {
				return errors.New("an app-level token begins with xapp-")
			}
			s.cfg.Slack.AppToken = secret
			ctx, cancel := context.WithTimeout(ctx, initTime)
			defer cancel()
			if _, _, err := s.slack().StartSocketModeContext(ctx); err != nil {
				return fmt.Errorf("slack says %s; generate a token with connections:write and switch Socket Mode on",
					slackSays(s.cfg.Slack.APIURL, err))
			}
			return nil
		})
	s.app = found
	return err
}

func (s *setup) slack() *slack.Client { return newSlackClient(s.cfg, nil) }

// requestsChannel finds the channel among those that the bot is in. The only one is taken.
func (s *setup) requestsChannel(ctx context.Context) error {
	channels, err := s.channels(ctx)
	for err == nil && len(channels) == 0 && s.options.Requests == "" {
		if _, err = s.ask.line(ctx, "The bot is in no channel. Type /invite @countersign in your requests channel, then press Enter"); err == nil {
			channels, err = s.channels(ctx)
		}
	}
	if err != nil {
		return err
	}
	if s.options.Requests == "" {
		if len(channels) == 1 {
			s.channel = channels[0]
			s.ask.say("Requests go to #%s, the only channel the bot is in.", s.channel.name)
			return nil
		}
		s.ask.say("The bot is in these channels:")
		for i, c := range channels {
			s.ask.say("  %d  #%s%s", i+1, oneLine(c.name), map[bool]string{false: " (public)"}[c.private])
		}
	}
	return s.answer(ctx, s.options.Requests, "requests", "Requests channel", func(text string) error {
		for i, c := range channels {
			if text == c.id || strings.TrimPrefix(text, "#") == c.name || text == strconv.Itoa(i+1) {
				s.channel = c
				return nil
			}
		}
		return fmt.Errorf("the bot is in no channel %q; invite it there with /invite, or take another", text)
	})
}

// channels are those that the bot is in and that belong to this workspace alone.
func (s *setup) channels(ctx context.Context) ([]foundChannel, error) {
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	var all []foundChannel
	for cursor := ""; ; {
		page, next, err := s.slack().GetConversationsForUserContext(ctx, &slack.GetConversationsForUserParameters{
			Types: []string{"public_channel", "private_channel"}, ExcludeArchived: true, Limit: mostMembers, Cursor: cursor,
		})
		if err != nil {
			return nil, fmt.Errorf("list the bot's channels: Slack says %s", slackSays(s.cfg.Slack.APIURL, err))
		}
		for i := range page {
			if !page[i].IsExtShared {
				all = append(all, foundChannel{id: page[i].ID, name: page[i].Name, private: page[i].IsPrivate})
			}
		}
		if cursor = next; cursor == "" {
			return all, nil
		}
	}
}

// admins finds who may approve.
func (s *setup) admins(ctx context.Context) error {
	if err := s.readGroups(ctx); err != nil {
		return err
	}
	if s.options.Admins == "" {
		s.listGroups(ctx)
	}
	return s.answer(ctx, s.options.Admins, "admins", "Who may ask and approve (numbers, @groups, addresses or ids, with commas between)",
		func(text string) error {
			ids, people, err := s.people(ctx, text)
			if err != nil {
				return err
			}
			if len(people) == 0 {
				return errors.New("that is nobody who can approve; name at least two people")
			}
			s.cfg.People.Admins = ids
			if !s.silent() {
				s.ask.say("  may approve: %s", strings.Join(people, ", "))
			}
			return nil
		})
}

// otherRequesters finds who may ask besides; that is nobody's where nobody is to be asked.
func (s *setup) otherRequesters(ctx context.Context) error {
	if s.silent() {
		return nil
	}
	return s.optional(ctx, "Who else may ask (Enter for nobody)", func(text string) error {
		ids, _, err := s.people(ctx, text)
		s.requesters = ids
		return err
	})
}

// optional asks for what may be left out.
func (s *setup) optional(ctx context.Context, question string, check func(string) error) error {
	for {
		text, err := s.ask.line(ctx, question)
		if errors.Is(err, errNobody) || err == nil && text == "" {
			return nil
		}
		if err != nil {
			return err
		}
		if err = check(text); err == nil {
			return nil
		}
		s.ask.say("  %v", err)
	}
}

// readGroups reads the user groups, none where the token may not.
func (s *setup) readGroups(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	groups, err := s.slack().GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil && slackSays(s.cfg.Slack.APIURL, err) != "missing_scope" {
		return fmt.Errorf("list the user groups: Slack says %s", slackSays(s.cfg.Slack.APIURL, err))
	}
	s.known.groups = groups
	return nil
}

func (s *setup) listGroups(ctx context.Context) {
	if len(s.known.groups) == 0 {
		return
	}
	s.ask.say("User groups of the workspace:")
	for i, g := range s.known.groups {
		const shown = 5
		var names []string
		for _, id := range g.Users[:min(len(g.Users), shown)] {
			if name, _ := s.person(ctx, id); name != "" {
				names = append(names, name)
			}
		}
		if more := len(g.Users) - shown; more > 0 {
			names = append(names, counted(more, "other"))
		}
		s.ask.say("  %d  @%s: %s", i+1, oneLine(g.Handle), strings.Join(names, ", "))
	}
}

// people reads a list of people and groups: their ids, and the names of the people who can act.
func (s *setup) people(ctx context.Context, text string) (ids, able []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, initTime)
	defer cancel()
	for word := range strings.SplitSeq(text, ",") {
		word = strings.TrimSpace(word)
		if word == "" {
			continue
		}
		id, members, err := s.named(ctx, word)
		if err != nil {
			return nil, nil, err
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
		for _, member := range members {
			if name, can := s.person(ctx, member); can && !slices.Contains(able, name) {
				able = append(able, name)
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil, errors.New("name somebody")
	}
	return ids, able, nil
}

// named finds the person or group that one word means, and the people behind it.
func (s *setup) named(ctx context.Context, word string) (id string, members []string, err error) {
	for i, g := range s.known.groups {
		if word == strconv.Itoa(i+1) || word == g.ID || strings.TrimPrefix(word, "@") == g.Handle {
			return g.ID, g.Users, nil
		}
	}
	switch {
	case settings.IsUserID(word):
		if _, err := s.slack().GetUserInfoContext(ctx, word); err != nil {
			return "", nil, fmt.Errorf("%s: Slack says %s", word, slackSays(s.cfg.Slack.APIURL, err))
		}
		return word, []string{word}, nil
	case strings.Contains(strings.TrimPrefix(word, "@"), "@"):
		u, err := s.slack().GetUserByEmailContext(ctx, word)
		if err != nil {
			return "", nil, fmt.Errorf("%s: Slack says %s", word, slackSays(s.cfg.Slack.APIURL, err))
		}
		return u.ID, []string{u.ID}, nil
	case workflow.IsUserGroup(word):
		return "", nil, fmt.Errorf("there is no user group %s; a group needs the scope usergroups:read", word)
	}
	return "", nil, fmt.Errorf("%q is no user group, address or id", word)
}

// person is the name of a person, and whether they can act at all: neither deactivated, nor a guest, nor a program.
func (s *setup) person(ctx context.Context, id string) (name string, can bool) {
	u, err := s.slack().GetUserInfoContext(ctx, id)
	if err != nil {
		return "", false
	}
	return oneLine(u.Name), !u.Deleted && !u.IsBot && !u.IsRestricted && !u.IsUltraRestricted
}
