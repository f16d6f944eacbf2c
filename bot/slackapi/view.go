package slackapi

import (
	"context"
	"slices"

	"github.com/slack-go/slack"
)

// PushView puts a modal on top of the one that the trigger was pressed in.
func (c *Client) PushView(ctx context.Context, trigger string, view slack.ModalViewRequest) (pushed slack.View, err error) {
	err = c.inTiers(ctx, OnModal, view.Blocks.BlockSet, func(blocks []slack.Block) error {
		view.Blocks.BlockSet = blocks
		return c.call(ctx, "views.push", func(ctx context.Context) error {
			answer, err := c.slack.PushViewContext(ctx, trigger, view)
			if err == nil {
				pushed = answer.View
			}
			return err
		})
	})
	return pushed, err
}

// ViewGone reports whether the person has closed the view, or done something else in it since.
func ViewGone(err error) bool {
	return slices.Contains([]string{"not_found", "view_not_found", "hash_conflict"}, Code(err))
}
