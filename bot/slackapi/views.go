package slackapi

import (
	"context"

	"github.com/slack-go/slack"
)

// OpenView opens a modal, and returns it as it stands, for UpdateView; the trigger lives about three
// seconds and once.
func (c *Client) OpenView(ctx context.Context, trigger string, view slack.ModalViewRequest) (opened slack.View, err error) {
	err = c.inTiers(ctx, OnModal, view.Blocks.BlockSet, func(blocks []slack.Block) error {
		view.Blocks.BlockSet = blocks
		return c.call(ctx, "views.open", func(ctx context.Context) error {
			answer, err := c.slack.OpenViewContext(ctx, trigger, view)
			if err == nil {
				opened = answer.View
			}
			return err
		})
	})
	return opened, err
}

// UpdateView puts another view in the place of one that is open. hash is that of the view as it was
// seen, "" to put it there whatever stands; Slack answers hash_conflict where it changed meanwhile.
func (c *Client) UpdateView(ctx context.Context, id, hash string, view slack.ModalViewRequest) (updated slack.View, err error) {
	err = c.inTiers(ctx, OnModal, view.Blocks.BlockSet, func(blocks []slack.Block) error {
		view.Blocks.BlockSet = blocks
		return c.call(ctx, "views.update", func(ctx context.Context) error {
			answer, err := c.slack.UpdateViewContext(ctx, view, "", hash, id)
			if err == nil {
				updated = answer.View
			}
			return err
		})
	})
	return updated, err
}

// PublishHome puts a view into a person's Home.
func (c *Client) PublishHome(ctx context.Context, person string, view slack.HomeTabViewRequest) error {
	return c.inTiers(ctx, OnHome, view.Blocks.BlockSet, func(blocks []slack.Block) error {
		view.Blocks.BlockSet = blocks
		return c.call(ctx, "views.publish", func(ctx context.Context) error {
			_, err := c.slack.PublishViewContext(ctx, slack.PublishViewContextRequest{UserID: person, View: view})
			return err
		})
	})
}
