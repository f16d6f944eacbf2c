package deliver

import (
	"context"

	"github.com/countersign/countersign/bot/slackapi"
)

// CardsStand pulses when a card stands that did not before.
func (d *Deliverer) CardsStand() <-chan struct{} { return d.stood }

// CardStands reports whether the card of a batch is posted.
func (d *Deliverer) CardStands(ctx context.Context, number int64) bool {
	p, ok, err := d.store.Post(ctx, cardKey(number))
	return err == nil && ok && p.TS != ""
}

// Answer says something under a message, once for each key. The error is Slack's when it could not
// be said.
func (d *Deliverer) Answer(ctx context.Context, key, channel, thread string, m slackapi.Message) error {
	_, err := d.put(ctx, place{key: key, channel: channel, thread: thread, rank: slackapi.RankSaid}, m, "", newLane())
	return err
}

// ReportFinished has the results of reports looked at. It does not block.
func (d *Deliverer) ReportFinished() { poke(d.results) }
