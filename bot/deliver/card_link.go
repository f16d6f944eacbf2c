package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// AnswerFile puts a file under a message, once for each key; where Slack does not take it, words stand
// in its place.
func (d *Deliverer) AnswerFile(ctx context.Context, key, channel, thread, name string, content slackapi.Content) error {
	at := place{key: key, channel: channel, thread: thread, rank: slackapi.RankSaid}
	return d.putContent(ctx, at, name, "", given(name, content))
}

// given is a content as it is.
func given(name string, content slackapi.Content) contentOf {
	return func(context.Context) (string, slackapi.Content, error) { return name, content, nil }
}

// SendFile puts a file into a person's direct messages with the bot, as often as it is asked for. Errors:
// *slackapi.FileRefusedError.
func (d *Deliverer) SendFile(ctx context.Context, person, name string, content slackapi.Content) error {
	channel, err := d.api.Direct(ctx, person)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("asked/%s/%d", person, time.Now().UnixNano())
	at := place{key: key, channel: channel, rank: slackapi.RankSaid}
	_, err = d.sendContent(ctx, at, name, "", given(name, content))
	return errors.Join(err, d.store.DeletePost(context.WithoutCancel(ctx), key)) // nobody asks for this one again
}

// ReportFinished has the results of reports looked at. It does not block.
func (d *Deliverer) ReportFinished() { poke(d.results) }
