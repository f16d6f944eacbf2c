package bot

import (
	"context"
	"fmt"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// linksShown is how many of the batches that were made of one its card names; the latest.
const linksShown = 5

// linked is a batch that the card of another one names.
type linked struct {
	Number int64
	Link   workflow.Link
	Batch  *workflow.Batch
	URL    string // of its card, "" when that does not stand
}

// plain is the number as words of their own, so that "undone by #43" can be read and searched for; the way to the card
// comes behind it.
func (l linked) plain() string {
	if l.URL == "" {
		return fmt.Sprintf("#%d", l.Number)
	}
	return fmt.Sprintf("#%d (<%s|look at it>)", l.Number, l.URL)
}

func (l linked) name() string {
	if l.URL == "" {
		return fmt.Sprintf("#%d", l.Number)
	}
	return fmt.Sprintf("<%s|#%d>", l.URL, l.Number)
}

// from says of which batch another one was made, and how: "undoes #42".
func (l linked) from() string {
	switch l.Link {
	case workflow.LinkRetry:
		return "retries what failed in " + l.name() + " and is other than it was approved"
	case workflow.LinkRest:
		return "does what the approval of " + l.name() + " ran out for"
	case workflow.LinkUndo:
		return "undoes " + l.name()
	case workflow.LinkAgain:
		return "asks again for " + l.name()
	default:
		return "checks " + l.name() + " again"
	}
}

// to says what was made of a batch: "Undone by #43".
func (l linked) to() string {
	is := " (" + plainState(l.Batch) + ")."
	switch l.Link {
	case workflow.LinkRetry:
		return "What failed and is other than it was approved is " + l.name() + is
	case workflow.LinkRest:
		return "The approval ran out (approval.finish_within); the rest is " + l.name() + is
	case workflow.LinkAgain:
		return "Asked for again as " + l.name() + is
	case workflow.LinkUndo:
		switch {
		case l.Batch.State == workflow.Done:
			return "Undone by " + l.plain() + " " + moment(l.Batch.Ended) + "."
		case l.Batch.State.Open():
			return "Being undone by " + l.plain() + is
		}
		return l.name() + " was to undo it" + is
	default:
		return "Checked again as " + l.name() + is
	}
}

// links are what was made of a batch, in words.
func links(all []linked) string {
	var out []string
	for _, l := range all[max(len(all)-linksShown, 0):] {
		out = append(out, l.to())
	}
	return strings.Join(out, "\n")
}

// latest gives the latest batch that was made in that way, the zero linked when none was.
func latest(all []linked, by workflow.Link) (last linked) {
	for _, l := range all {
		if l.Link == by {
			last = l
		}
	}
	return last
}

// follow looks up what the card of a batch names: the batch it was made of, and those made of it.
func (d *deliver) follow(ctx context.Context, b *workflow.Batch) (from *linked, to []linked, err error) {
	if b.Follows != 0 {
		from = &linked{Number: b.Follows, Link: b.Link, URL: d.cardURL(ctx, b.Follows)}
	}
	following, err := d.store.Following(ctx, b.Number)
	if err != nil {
		return nil, nil, fmt.Errorf("look for what follows batch %d: %w", b.Number, err)
	}
	for _, f := range following {
		to = append(to, linked{Number: f.Number, Link: f.Link, Batch: f, URL: d.cardURL(ctx, f.Number)})
	}
	return from, to, nil
}

// cardURL is the address of a batch's card, "" when it does not stand or Slack does not say. It is asked for once.
func (d *deliver) cardURL(ctx context.Context, number int64) string {
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
	if url = d.api.permalink(ctx, p.Channel, p.TS); url != "" {
		d.mu.Lock()
		d.urls[key] = url
		d.mu.Unlock()
	}
	return url
}
