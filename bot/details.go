package bot

import (
	"context"
	"errors"
	"fmt"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// openDetails opens the modal that shows a batch row by row. It is for whoever has a role.
func (b *Bot) openDetails(ctx context.Context, p press, by sender) {
	number, _, ok := view.ParseValue(p.Value)
	if !ok {
		b.foreign(ctx, p.Action, by)
		return
	}
	modal, err := func() (details view.Details, err error) {
		ctx, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
		defer cancel()
		if _, err = b.actor(ctx, by); err != nil {
			return details, err
		}
		return b.details(ctx, view.Shown{Value: p.Value, Channel: by.Channel})
	}()
	if err != nil {
		b.api.Private(ctx, by.Recipient, b.say(err, fmt.Sprintf("show the details of batch %d", number)))
		return
	}
	if _, err := b.show(ctx, p.trigger(), modal.Draw()); err != nil {
		b.log.Warn().Err(err).Int64("batch", number).Msg("open the details")
		b.api.Private(ctx, by.Recipient, view.Said("I could not open the details in time. Press Details again."))
	}
}

// details reads what the modal shows of a batch. A button of another plan, or of another batch of
// that number, is workflow.ErrStaleDigest.
func (b *Bot) details(ctx context.Context, shown view.Shown) (view.Details, error) {
	number, mark, ok := view.ParseValue(shown.Value)
	if !ok {
		return view.Details{}, workflow.ErrStaleDigest
	}
	card, err := b.deliver.Card(ctx, number)
	if err != nil {
		return view.Details{}, err
	}
	if !card.Batch.IsFor(mark) {
		return view.Details{}, workflow.ErrStaleDigest
	}
	var states []workflow.ChangeState
	if shown.State != "" {
		states = append(states, shown.State)
	}
	rows, err := b.cfg.Store.Changes(ctx, number, shown.Begins(), view.DetailsRows+1, states...)
	return view.Details{Card: card, Shown: shown, Rows: rows}, err
}

// turnDetails shows other rows in an open modal.
func (b *Bot) turnDetails(ctx context.Context, p press, by sender) {
	shown, ok := view.ParseShown(p.View.Metadata)
	if !ok {
		b.foreign(ctx, p.Action, by)
		return
	}
	by.Channel = shown.Channel
	value := p.Value
	if p.Action == view.ActionRows {
		value = p.Selected
	}
	if shown, ok = shown.Turn(p.Action, value); !ok {
		b.log.Warn().Str("action", p.Action).Msg("an entry of the details that is none of ours")
		return
	}
	if _, err := b.actor(ctx, by); err != nil {
		b.api.Private(ctx, by.Recipient, b.say(err, "turn the details"))
		return
	}
	b.showDetails(ctx, p.View.ID, p.View.Hash, shown, "")
}

// downloadPlan sends the file of all rows to whoever has a role and asks for it: a modal can hold none.
func (b *Bot) downloadPlan(ctx context.Context, p press, by sender) {
	shown, ok := view.ParseShown(p.View.Metadata)
	if !ok {
		b.foreign(ctx, p.Action, by)
		return
	}
	by.Channel = shown.Channel
	said, err := func() (string, error) {
		if _, err := b.actor(ctx, by); err != nil {
			return "", err
		}
		d, err := b.details(ctx, shown)
		if err != nil {
			return "", err
		}
		batch := d.Card.Batch
		content, err := b.deliver.Plan(ctx, batch)
		if err != nil {
			return "", err
		}
		name := view.PlanFile(batch.Number)
		return view.SentDirectly(b.sendDirectly(ctx, by.Person, name, content)), nil
	}()
	if err != nil {
		said = b.say(err, "send a plan").Text
	}
	b.answer(ctx, p, by.Recipient, view.Said(said))
}

// showDetails draws the modal anew, with an answer to what was pressed in it.
func (b *Bot) showDetails(ctx context.Context, modal, hash string, shown view.Shown, said string) {
	d, err := b.details(ctx, shown)
	if err == nil {
		d.Said = said
		_, err = b.api.UpdateView(ctx, modal, hash, d.Draw())
	}
	if err != nil && !slackapi.ViewGone(err) {
		b.log.Warn().Err(err).Msg("draw the details")
	}
}

// answer tells the person what came of a press: in the modal that it was made in, which is drawn
// anew, else privately.
func (b *Bot) answer(ctx context.Context, p press, to slackapi.Recipient, m slackapi.Message) {
	if shown, ok := view.ParseShown(p.View.Metadata); ok && p.View.Callback == view.DetailsForm {
		b.showDetails(ctx, p.View.ID, "", shown, m.Text)
		return
	}
	if m.Text != "" {
		b.api.Private(ctx, to, m)
	}
}
