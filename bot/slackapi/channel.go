package slackapi

import (
	"context"

	"github.com/slack-go/slack"
)

// ChannelInfo is what Slack knows of a channel (conversations.info).
type ChannelInfo struct {
	Name     string
	Private  bool
	Shared   bool // with another organisation
	Archived bool
	Member   bool // we are in it
}

// Channel reads what Slack knows of a channel, now.
func (c *Client) Channel(ctx context.Context, id string) (info ChannelInfo, err error) {
	err = c.lookUp(ctx, "conversations.info", func(ctx context.Context) error {
		c, err := c.slack.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: id})
		if err == nil {
			info = ChannelInfo{c.Name, c.IsPrivate, c.IsExtShared, c.IsArchived, c.IsMember}
		}
		return err
	})
	return info, err
}

// Shared reports whether people of another organisation are in the channel.
func (c *Client) Shared(ctx context.Context, channel string) (bool, error) {
	info, err := c.Channel(ctx, channel)
	return info.Shared, err
}

// Members reads the first people of a channel (conversations.members).
func (c *Client) Members(ctx context.Context, channel string, most int) (ids []string, err error) {
	err = c.lookUp(ctx, "conversations.members", func(ctx context.Context) error {
		ids, _, err = c.slack.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Limit: most})
		return err
	})
	return ids, err
}
