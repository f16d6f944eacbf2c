package slackapi

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrThreadGone means that the message is gone below which something was to stand. Slack posts it
// into the channel without a word, and only its answer has no thread_ts (slack-go/slack#1571). What
// was seen there has been taken back; what comes later is told of (TakeBackStray).
var ErrThreadGone = errors.New("the message is gone that the thread hangs on")

// ThreadGone reports whether an error says that there is no such thread (any more).
func ThreadGone(err error) bool {
	return errors.Is(err, ErrThreadGone) || slices.Contains([]string{"thread_not_found", "message_not_found"}, Code(err))
}

// tombstoned marks a message that was deleted and still has a thread.
const tombstoned = "tombstone"

// takeBackStray deletes a message of ours that Slack's answer does not place in the thread where it
// should be, and returns ErrThreadGone. It stays where the thread itself has it, or Slack does not
// let the thread be read. Any other error means that it may stand in the channel still.
func (c *Client) takeBackStray(ctx context.Context, channel, thread, ts string) error {
	stands, err := c.stands(ctx, channel, thread, ts)
	switch {
	case Refused(err):
		c.log.Warn().Err(err).Str("channel", channel).Msg("look whether a message stands in its thread")
		return nil
	case err != nil || stands:
		return err
	}
	switch err := c.Delete(ctx, channel, ts); {
	case Refused(err):
		c.log.Warn().Err(err).Str("channel", channel).Msg("take back a message that stands outside its thread")
	case err != nil:
		return err
	}
	return ErrThreadGone
}

// TakeBackStray deletes a message of ours that stands in a channel if it belongs into a thread.
func (c *Client) TakeBackStray(ctx context.Context, channel, ts string) (was bool, err error) {
	m, stands, err := c.inChannel(ctx, channel, ts)
	if err != nil || !stands || !m.Stray() {
		return false, err
	}
	return true, c.Delete(ctx, channel, ts)
}

// Strays are the ts of our messages that stand in a channel since then and belong into a thread, as far
// as messages are looked through.
func (c *Client) Strays(ctx context.Context, channel string, since time.Time) (found []string, err error) {
	cursor := ""
	for range lookPages {
		page, next, err := c.History(ctx, channel, fmt.Sprintf("%d.000000", since.Unix()), cursor)
		if err != nil {
			return found, err
		}
		for _, m := range page {
			if m.Person == c.SelfID() && m.Stray() {
				found = append(found, m.TS)
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return found, nil
}

// stands reports whether a thread has the message, or a parent below which it can be.
func (c *Client) stands(ctx context.Context, channel, thread, ts string) (bool, error) {
	page, _, err := c.Replies(ctx, channel, thread, secondBefore(ts), "")
	switch {
	case ThreadGone(err), Code(err) == "missing_scope": // the answer to the post has to do
		return false, nil
	case err != nil:
		return false, err
	}
	return slices.ContainsFunc(page, func(m Posted) bool {
		return m.TS == ts || m.TS == thread && m.Subtype != tombstoned
	}), nil
}

// Stands reports whether a message of a channel is there.
func (c *Client) Stands(ctx context.Context, channel, ts string) (bool, error) {
	answer, err := c.read(ctx, "conversations.replies", url.Values{"channel": {channel}, "ts": {ts}, "limit": {"1"}})
	switch {
	case ThreadGone(err):
		return false, nil
	case err != nil:
		return false, err
	}
	return slices.ContainsFunc(answer.Messages, func(m Posted) bool { return m.TS == ts && m.Subtype != tombstoned }), nil
}

// secondBefore returns a ts that is a second earlier, for reading from there.
func secondBefore(ts string) string {
	whole, _, _ := strings.Cut(ts, ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%d.000000", seconds-1)
}

// Delete takes a message of ours away. One that is not there is taken away already.
func (c *Client) Delete(ctx context.Context, channel, ts string) error {
	err := c.call(ctx, "chat.delete", func(ctx context.Context) error {
		_, _, err := c.slack.DeleteMessageContext(ctx, channel, ts)
		return err
	})
	if Code(err) == "message_not_found" {
		return nil
	}
	return err
}
