package deliver

import (
	"context"
	"fmt"

	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// follow looks up what the card of a batch names: the batch it was made of, and those made of it.
func (d *Deliverer) follow(ctx context.Context, b *workflow.Batch) (from *view.Relation, to []view.Relation, err error) {
	if b.Follows != 0 {
		from = &view.Relation{Number: b.Follows, Link: b.Link, URL: d.CardURL(ctx, b.Follows)}
		if b.Link == workflow.LinkReturn { // when it was due depends on when that one began
			if from.Batch, err = d.store.Batch(ctx, b.Follows); err != nil {
				return nil, nil, fmt.Errorf("load what batch %d takes back: %w", b.Number, err)
			}
		}
	}
	following, err := d.store.Following(ctx, b.Number)
	if err != nil {
		return nil, nil, fmt.Errorf("look for what follows batch %d: %w", b.Number, err)
	}
	for _, f := range following {
		made := view.Relation{Number: f.Number, Link: f.Link, Batch: f, URL: d.CardURL(ctx, f.Number)}
		if f.Link == workflow.LinkReturn && f.State == workflow.Done {
			s, err := d.store.Summary(ctx, f.Number)
			if err != nil {
				return nil, nil, fmt.Errorf("count what batch %d took back: %w", f.Number, err)
			}
			made.All = s.State() == s.State(workflow.ChangeDone, workflow.ChangeUnchanged)
		}
		to = append(to, made)
	}
	return from, to, nil
}

// CardURL returns the address of a batch's card, "" when it does not stand or Slack does not say.
// It is asked for once.
func (d *Deliverer) CardURL(ctx context.Context, number int64) string {
	p, known, err := d.store.Post(ctx, cardKey(number))
	if err != nil || !known || p.TS == "" {
		return ""
	}
	key := p.Channel + "/" + p.TS
	d.mu.Lock()
	url, asked := d.urls[key]
	d.mu.Unlock()
	if asked {
		return url
	}
	if url = d.api.Permalink(ctx, p.Channel, p.TS); url != "" {
		d.mu.Lock()
		d.urls[key] = url
		d.mu.Unlock()
	}
	return url
}
