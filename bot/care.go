package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

// How our channels are looked at for admins whose Home is kept. Who is in them is asked about slowly:
// decisions ask Slack for people, too.
const (
	channelsEvery = time.Hour
	channelsRetry = 5 * time.Minute
	membersMost   = 100 // people of a channel who are looked at
	membersGap    = 3   // tenths of Config.HomeEvery between two of them
)

// care is what an admin should look after: what doctor would say of key, groups and channels, as far
// as a running bot knows it.
func (b *Bot) care(ctx context.Context) []string {
	var out []string
	if b.cfg.Care != nil {
		out = append(out, b.cfg.Care()...)
	}
	for _, id := range b.admins {
		if !workflow.IsUserGroup(id) {
			continue
		}
		members, err := b.people.Members(ctx, id, workflow.Freshness{Age: time.Minute})
		switch {
		case errors.Is(err, workflow.ErrGroupUnreadable):
			out = append(out, "Slack does not show me the user group "+id+" of people.admins; countersign doctor says what to do")
		case err == nil && len(members) == 0:
			out = append(out, "the user group "+id+" of people.admins is empty, so nobody may approve by it")
		}
	}
	for _, held := range b.api.Held(heldMost) {
		out = append(out, "Slack takes no calls of "+held.Method+" until "+held.Until.UTC().Format("15:04 MST"))
	}
	return out
}

// watch has our channels looked at, if that is due. It does not block.
func (h *homes) watch() {
	select {
	case h.admins <- struct{}{}:
	default:
	}
}

// channelCare is what needs care of our channels, as it was last looked at.
func (h *homes) channelCare() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.channels
}

// watchChannels looks at our channels every hour for as long as an admin's tab is kept, until ctx ends.
func (h *homes) watchChannels(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.admins:
		}
		lines, err := h.bot.lookAtChannels(ctx)
		wait := channelsEvery
		if err != nil {
			h.bot.log.Warn().Err(err).Msg("look at our channels")
			wait = channelsRetry
		} else {
			h.mu.Lock()
			h.channels = lines
			h.mu.Unlock()
			h.changed()
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// lookAtChannels returns what doctor would say of our channels, a clause each. An error means that Slack
// could not be asked.
func (b *Bot) lookAtChannels(ctx context.Context) ([]string, error) {
	channels, err := b.channels(ctx)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, c := range channels {
		info, err := b.api.Channel(ctx, c.id)
		if slackapi.Refused(err) {
			out = append(out, fmt.Sprintf("Slack does not show me the channel of %s (%s): check its id, and invite me there", c.setting, slackapi.Code(err)))
			continue
		}
		if err != nil {
			return nil, err
		}
		name := "#" + info.Name
		if info.Archived {
			out = append(out, name+" is archived")
		}
		if !info.Member {
			out = append(out, "I am not in "+name+": invite me there with /invite")
		}
		if info.Shared {
			out = append(out, name+" is shared with another organisation, so nobody can decide there")
		}
		if !info.Private {
			out = append(out, name+" is public: everybody in the workspace can read who is renamed or deactivated")
		}
		guests, err := b.guestsIn(ctx, c.id)
		if err != nil {
			return nil, err
		}
		if len(guests) > 0 {
			out = append(out, "guests can read "+name+": "+strings.Join(guests, ", "))
		}
	}
	return out, nil
}

// namedChannel is a channel by its setting.
type namedChannel struct{ id, setting string }

// channels are those that the settings name, each once.
func (b *Bot) channels(ctx context.Context) ([]namedChannel, error) {
	named := []namedChannel{{b.cfg.Requests, "channels.requests"}, {b.cfg.Reports, "channels.reports"}}
	if b.cfg.Results != nil {
		reports, err := b.cfg.Results.List(ctx)
		if err != nil {
			return nil, err
		}
		for _, r := range reports {
			named = append(named, namedChannel{b.cfg.Results.Channel(r.Name), "the report " + r.Name})
		}
	}
	var once []namedChannel
	for _, c := range named {
		if c.id != "" && !slices.ContainsFunc(once, func(o namedChannel) bool { return o.id == c.id }) {
			once = append(once, c)
		}
	}
	return once, nil
}

// guestsIn returns the names of the guests among the first people of a channel; nobody where Slack does
// not say who is in it.
func (b *Bot) guestsIn(ctx context.Context, channel string) ([]string, error) {
	members, err := b.api.Members(ctx, channel, membersMost)
	if slackapi.Refused(err) {
		return nil, nil
	}
	var guests []string
	for _, id := range members {
		if err != nil {
			break
		}
		person, wrong := b.api.Person(ctx, id)
		switch {
		case slackapi.Refused(wrong): // somebody whom Slack does not show us
		case wrong != nil:
			err = wrong
		case person.IsRestricted || person.IsUltraRestricted:
			guests = append(guests, person.Name)
		}
		if err == nil {
			err = sleep(ctx, membersGap*b.cfg.HomeEvery/10)
		}
	}
	slices.Sort(guests)
	return guests, err
}
