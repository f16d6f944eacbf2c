package deliver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

const (
	// cardHold is how long the card of a command waits for its plan. Most plans are there sooner, and
	// a card has to stand within five seconds.
	cardHold = 1500 * time.Millisecond
	// privateTries is how many times an answer is tried that reaches nobody; then the card says it.
	privateTries = 5
)

// answeredPrivately is in the place of the ts of an answer that has none.
const answeredPrivately = "private"

func answerKey(number int64) string { return fmt.Sprintf("batch/%d/answer", number) }

// hold keeps back the card of a command: one of which no row can run makes no card, and whoever asked
// is answered privately. held is true where there is nothing else to do for now. A card that stands,
// or is on its way, stays; and a row that could not be checked needs a card for its button.
func (d *Deliverer) hold(ctx context.Context, l *snapshot, w *batchView) (held bool, err error) {
	b := l.Batch
	if !mayHold(b) {
		return false, nil
	}
	if _, known, err := d.store.Post(ctx, cardKey(b.Number)); err != nil || known {
		return false, err
	}
	if b.State == workflow.Planning {
		if w.heldSince.IsZero() {
			w.heldSince = time.Now()
		}
		if wait := d.intervals.Hold - time.Since(w.heldSince); wait > 0 {
			return true, &laterError{wait}
		}
		return false, nil
	}
	if workflow.Unchecked(l.Summary) > 0 || w.lanes[onCard].failures >= privateTries {
		return false, nil
	}
	return true, d.answerPrivately(ctx, l, w)
}

// mayHold reports whether a batch may turn out to need no card. What follows another batch was asked
// for on a card.
func mayHold(b *workflow.Batch) bool {
	if b.Source.Kind != workflow.SourceCommand || b.Follows != 0 {
		return false
	}
	return b.State == workflow.Planning || b.State == workflow.Empty || view.GivenUp(b) != ""
}

// answerPrivately says once to whoever asked why no row can run. After a crash in between it may be
// said twice: Slack has no way to look for what one person alone can see.
func (d *Deliverer) answerPrivately(ctx context.Context, l *snapshot, w *batchView) error {
	b := l.Batch
	if !d.Answered(ctx, b.Number) {
		t, err := d.thread(ctx, l)
		if err != nil {
			return err
		}
		if t.Holders, err = d.holders(ctx, b.Number); err != nil {
			return err
		}
		rows, err := d.store.Changes(ctx, b.Number, 0, view.FailedRows)
		if err != nil {
			return fmt.Errorf("load the first changes of batch %d: %w", b.Number, err)
		}
		to := slackapi.Recipient{Person: b.Requester.ID, Channel: b.Source.Channel}
		if d.cfg.Asker != nil {
			if asker, known := d.cfg.Asker(b.Number); known {
				to = asker
			}
		}
		if !d.api.Private(ctx, to, t.NotAsked(rows)) {
			return errors.New("whoever asked cannot be answered")
		}
	}
	p := workflow.Post{Key: answerKey(b.Number), Batch: b.Number, Channel: b.Source.Channel, TS: answeredPrivately, Version: b.Revision}
	if err := d.store.SavePost(context.WithoutCancel(ctx), p); err != nil {
		return fmt.Errorf("note that batch %d was answered: %w", b.Number, err)
	}
	d.mu.Lock()
	for _, t := range w.lanes { // nothing stands below a card that there is not
		t.shown = b.Revision
	}
	d.mu.Unlock()
	poke(d.stood)
	return nil
}

// Answered reports whether whoever asked for a batch was told privately that no row of it can run.
func (d *Deliverer) Answered(ctx context.Context, number int64) bool {
	p, known, err := d.store.Post(ctx, answerKey(number))
	return err == nil && known && p.TS != ""
}
