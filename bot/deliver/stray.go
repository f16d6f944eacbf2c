package deliver

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
)

// Slack puts what is posted below a message that is gone into the channel, without a word, and also
// after we hung up: a file comes some time after its upload, and a call that was cut takes effect all
// the same. Nobody waits for it then; but Slack tells of every message, and each of ours carries where
// it belongs.

// channelPost is a message of ours that stands in a channel itself.
type channelPost struct{ channel, ts string }

// MessagePosted is told of a message of ours that stands in a channel itself: if it belongs into a
// thread it is taken back. It does not block.
func (d *Deliverer) MessagePosted(channel, ts string) {
	d.mu.Lock()
	d.posted = append(d.posted, channelPost{channel, ts})
	d.mu.Unlock()
	poke(d.strays)
}

// FindStrays takes back what came into our channels since then and belongs into a thread, while nobody
// heard of it.
func (d *Deliverer) FindStrays(ctx context.Context, since time.Time) error {
	for _, channel := range slices.Compact([]string{d.cfg.Requests, d.cfg.Reports}) {
		strays, err := d.api.Strays(ctx, channel, since)
		switch {
		case slackapi.Refused(err):
			d.log.Warn().Err(err).Str("channel", channel).Msg("look for messages that belong into a thread")
		case err != nil:
			return fmt.Errorf("look for messages that belong into a thread: %w", err)
		}
		for _, ts := range strays {
			d.MessagePosted(channel, ts)
		}
	}
	return nil
}

// clearStrays takes back what stands in a channel and belongs into a thread, until ctx ends.
func (d *Deliverer) clearStrays(ctx context.Context) {
	again := time.NewTimer(0)
	defer again.Stop()
	for failures := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-d.strays:
		case <-again.C:
		}
		if sleep(ctx, d.intervals.Draw) != nil { // by then it is known which of them are cards
			return
		}
		err := d.clearPosted(ctx)
		if err == nil || ctx.Err() != nil {
			failures = 0
			continue
		}
		failures++
		wait := d.retryIn(failures, err)
		d.log.Warn().Err(err).Dur("again_in", wait).Msg("take back what stands in the channel and belongs below a card")
		again.Reset(wait)
	}
}

// clearPosted looks at all messages that were told of. It forgets those that are dealt with.
func (d *Deliverer) clearPosted(ctx context.Context) error {
	d.mu.Lock()
	posted := d.posted
	d.posted = nil
	cards := map[string]bool{}
	for _, w := range d.views {
		cards[w.card] = true
	}
	d.mu.Unlock()
	var failed []error
	for _, p := range posted {
		if cards[p.ts] {
			continue
		}
		was, err := d.api.TakeBackStray(ctx, p.channel, p.ts)
		switch {
		case err == nil && was:
			d.log.Info().Str("channel", p.channel).Str("ts", p.ts).Msg("took back what belongs below a message that is gone")
		case err == nil:
		case slackapi.Refused(err) && !slackapi.ChannelClosed(err):
			d.log.Warn().Err(err).Str("channel", p.channel).Msg("look whether a message belongs into a thread")
		default:
			failed = append(failed, err)
			d.mu.Lock()
			d.posted = append(d.posted, p)
			d.mu.Unlock()
		}
	}
	return errors.Join(failed...)
}
