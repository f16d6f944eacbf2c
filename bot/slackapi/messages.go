package slackapi

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Post sends a message into a channel, or into a thread of it, and gives its ts. A key goes along
// as metadata, so that find can recognise the message; "" where nobody will look for it. A person's
// id as channel is their direct messages.
func (c *Client) Post(
	ctx context.Context, channel, thread, key string, m Message, r Rank,
) (ts string, err error) {
	if err := c.Posts(channel).Wait(ctx, r); err != nil {
		return "", err
	}
	return c.PostNow(ctx, channel, thread, key, m)
}

// PostNow is post without waiting; whoever calls it has had their turn (pacer). ErrThreadGone says
// that the parent of the thread is gone, and that nothing stands in the channel instead.
func (c *Client) PostNow(ctx context.Context, to, thread, key string, m Message) (ts string, err error) {
	opts := []slack.MsgOption{slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl()}
	if thread != "" {
		opts = append(opts, slack.MsgOptionTS(thread))
	}
	if key != "" || thread != "" {
		opts = append(opts, m.metadata(key, thread))
	}
	var channel string
	var posted slack.Message
	again := false
	err = c.inTiers(ctx, OnMessage, m.Blocks, func(blocks []slack.Block) error {
		if again { // the turn was for one
			if err := c.Posts(to).Wait(ctx, RankSaid); err != nil {
				return err
			}
		}
		again = true
		with := append(Message{Text: m.Text, Blocks: blocks}.options(), opts...)
		return c.call(ctx, "chat.postMessage", func(ctx context.Context) error {
			channel, ts, posted, err = c.slack.PostMessageWithResponseContext(ctx, to, with...)
			return err
		})
	})
	if err == nil && thread != "" && posted.ThreadTimestamp == "" && posted.Timestamp != "" {
		if err := c.takeBackStray(ctx, cmp.Or(channel, to), thread, ts); err != nil {
			return "", err
		}
	}
	return ts, err
}

// Update edits a message of ours in place; whoever calls it has had their turn (updates). key as in
// post: an edit without metadata would take it away.
func (c *Client) Update(ctx context.Context, channel, ts, key string, m Message) error {
	meta := m.metadata(key, "")
	again := false
	return c.inTiers(ctx, OnMessage, m.renewed(time.Now()).Blocks, func(blocks []slack.Block) error {
		if again {
			if err := c.updates.Wait(ctx, RankCard); err != nil {
				return err
			}
		}
		again = true
		opts := append(Message{Text: m.Text, Blocks: blocks}.options(), meta)
		return c.call(ctx, "chat.update", func(ctx context.Context) error {
			_, _, _, err := c.slack.UpdateMessageContext(ctx, channel, ts, opts...)
			return err
		})
	})
}

// Find looks for a message of ours with that key, sent not before since: in the thread, or in the
// channel itself.
func (c *Client) Find(ctx context.Context, channel, thread, key string, since time.Time) (ts string, found bool, err error) {
	if now := time.Now(); since.After(now) { // the clock has been put back since
		since = now.Add(-findBack)
	}
	oldest := fmt.Sprintf("%d.000000", since.Add(-lookBack).Unix())
	cursor := ""
	for range lookPages {
		var page []Posted
		var next string
		if thread == "" {
			page, next, err = c.History(ctx, channel, oldest, cursor)
		} else {
			page, next, err = c.Replies(ctx, channel, thread, oldest, cursor)
		}
		if err != nil {
			return "", false, err
		}
		for _, m := range page {
			if m.Metadata.Type == postEvent && m.Metadata.Payload[noteKey] == key {
				return m.TS, true, nil
			}
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	return "", false, nil
}

// Permalink gives the address of a message; "" when Slack does not say soon: nothing waits for a
// link.
func (c *Client) Permalink(ctx context.Context, channel, ts string) string {
	var link string
	ctx, cancel := context.WithTimeoutCause(ctx, linkTimeout, errors.New("the link took over "+linkTimeout.String()))
	defer cancel()
	err := c.call(ctx, "chat.getPermalink", func(ctx context.Context) (err error) {
		link, err = c.slack.GetPermalinkContext(ctx, &slack.PermalinkParameters{Channel: channel, Ts: ts})
		return err
	})
	if err != nil {
		c.log.Warn().Err(err).Msg("get the link of a message")
		return ""
	}
	return link
}

// Recipient is the place of the person who is answered: what only they see, there.
type Recipient struct {
	Person   string
	Channel  string
	Thread   string
	Response string // response_url, "" when there is none
}

// errLateAnswer ends an answer that there was no time for any more.
var errLateAnswer = errors.New("the answer took over " + lateAnswer.String())

// Private answers a person so that nobody else sees it: by the response_url, else as an ephemeral
// message, else, and in direct messages, directly. Where all that fails it returns false, and the log
// says why. When ctx has ended, as what the answer is about took too long, it takes a moment all the
// same.
func (c *Client) Private(ctx context.Context, to Recipient, m Message) bool {
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(context.WithoutCancel(ctx), lateAnswer, errLateAnswer)
		defer cancel()
	}
	if to.Response != "" {
		drawn := Message{Text: m.Text, Blocks: c.Drawn(ctx, OnMessage, m.Blocks)} // what is wrong with blocks is not answered there
		err := c.call(ctx, responseMethod, func(ctx context.Context) error { return c.respond(ctx, to.Response, drawn) })
		if err == nil {
			return true
		}
		c.log.Info().Err(err).Str("person", to.Person).Msg("answer by response_url failed")
	}
	if to.Channel != "" && !to.direct() {
		err := c.inTiers(ctx, OnMessage, m.Blocks, func(blocks []slack.Block) error {
			opts := Message{Text: m.Text, Blocks: blocks}.options()
			if to.Thread != "" {
				opts = append(opts, slack.MsgOptionTS(to.Thread))
			}
			return c.call(ctx, "chat.postEphemeral", func(ctx context.Context) error {
				_, err := c.slack.PostEphemeralContext(ctx, to.Channel, to.Person, opts...)
				return err
			})
		})
		if err == nil {
			return true
		}
		c.log.Info().Err(err).Str("person", to.Person).Msg("answer privately in the channel")
	}
	if to.direct() && to.Thread != "" {
		if _, err := c.Post(ctx, to.Channel, to.Thread, "", m, RankSaid); err == nil {
			return true
		}
	}
	_, err := c.Post(ctx, to.Person, "", "", m, RankSaid)
	if err != nil {
		c.log.Warn().Err(err).Str("person", to.Person).Msg("answer privately")
	}
	return err == nil
}

// direct reports whether the channel is that of the person with the bot alone, where an answer may stay.
func (to Recipient) direct() bool { return strings.HasPrefix(to.Channel, "D") }
