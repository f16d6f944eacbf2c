package deliver

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/workflow"
)

const (
	// cardRounds is how many times a card comes back at once that somebody deletes. Then people are
	// told directly, and it comes back after a while.
	cardRounds = 3
	cardRest   = 10 * time.Minute // a card that stood so long begins anew
	// deletedFor is how long a deletion is remembered of a message that we may not know of yet.
	deletedFor = time.Minute
)

// MessageDeleted is told that somebody deleted a message: if it was the card of an open batch, it
// is posted again. That can come before the answer to the post itself.
func (d *Deliverer) MessageDeleted(channel, ts string) {
	if channel != d.cfg.Requests || ts == "" {
		return
	}
	d.mu.Lock()
	var view *batchView
	number, now := int64(0), time.Now()
	for n, w := range d.views {
		if w.card == ts {
			number, view = n, w
		}
	}
	for old, at := range d.deleted {
		if now.Sub(at) > deletedFor {
			delete(d.deleted, old)
		}
	}
	if view == nil {
		d.deleted[ts] = now
	}
	d.mu.Unlock()
	if view != nil {
		d.cardDeleted(number, view, ts)
	}
}

// cardDeleted notes that the card of a batch was deleted, and has it posted again.
func (d *Deliverer) cardDeleted(number int64, w *batchView, ts string) {
	d.mu.Lock()
	now := time.Now()
	if now.Sub(w.deletedAt) > cardRest {
		w.deletions = 0
	}
	if w.deleted != ts { // else it was found out before
		w.deletions, w.deletedAt, w.deleted = w.deletions+1, now, ts
	}
	d.mu.Unlock()
	d.Redraw(number)
}

// cardGone looks whether the card of a batch stands that has ended and is to be let go, and has it
// posted again where it does not: that it was deleted while the last words were on their way may be
// heard too late.
func (d *Deliverer) cardGone(ctx context.Context, number int64, w *batchView) (bool, error) {
	d.mu.Lock()
	card, channel := w.card, w.where
	d.mu.Unlock()
	if card == "" {
		return false, nil
	}
	stands, err := d.api.Stands(ctx, channel, card)
	switch {
	case slackapi.Refused(err):
		d.log.Warn().Err(err).Int64("batch", number).Msg("look whether a card stands")
		return false, nil
	case err != nil:
		return false, fmt.Errorf("look whether the card of batch %d stands: %w", number, err)
	case !stands:
		d.cardMissed(number, w, card)
	}
	return !stands, nil
}

// FindDeletedCards posts the cards of open batches again that were deleted while nobody heard of it.
func (d *Deliverer) FindDeletedCards(ctx context.Context) error {
	open, err := d.store.List(ctx, 0,
		workflow.Planning, workflow.AwaitingApproval, workflow.Approved, workflow.Running, workflow.Paused)
	if err != nil {
		return fmt.Errorf("look for cards that were deleted: %w", err)
	}
	for _, b := range open {
		if b.Unseen() { // its buttons stand on another card, which may be older or newer than the database
			d.Redraw(b.Follows)
			continue
		}
		p, known, err := d.store.Post(ctx, cardKey(b.Number))
		if err != nil {
			return fmt.Errorf("load post %s: %w", cardKey(b.Number), err)
		}
		if !known || p.TS == "" {
			continue
		}
		stands, err := d.api.Stands(ctx, p.Channel, p.TS)
		switch {
		case slackapi.Refused(err):
			d.log.Warn().Err(err).Int64("batch", b.Number).Msg("look whether a card stands")
		case err != nil:
			return fmt.Errorf("look for cards that were deleted: %w", err)
		case !stands:
			d.log.Info().Int64("batch", b.Number).Msg("its card was deleted unnoticed; posting it again")
			d.Redraw(b.Number)
		}
	}
	return nil
}

// deletedAgain is how long a card that is deleted again and again has to wait before it is posted
// once more.
func (d *Deliverer) deletedAgain(w *batchView) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.deletions <= cardRounds {
		return 0
	}
	return closedRetry - time.Since(w.deletedAt)
}
