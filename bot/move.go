package bot

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// moveDomain makes a batch of a whole domain. The answer is given when the card stands that it
// names.
func (b *Bot) moveDomain(ctx context.Context, c given, by sender) {
	answered(func(b *Bot, ctx context.Context, c given, actor workflow.Actor) (slackapi.Message, error) {
		when, err := c.when(actor)
		if err != nil {
			return slackapi.Message{}, err
		}
		batch, err := b.cfg.Engine.SubmitMove(ctx, actor, workflow.Request{
			Requester: actor.Person, Author: actor.Person, Reason: c.Reason, OwnReason: c.Reason != "", When: when,
			Source:   workflow.Source{Kind: workflow.SourceCommand, Channel: c.channel, Move: c.Move, Delivery: c.delivery},
			Original: []byte(c.text),
		})
		if err != nil {
			return slackapi.Message{}, err
		}
		b.log.Info().Int64("batch", batch.Number).Str("person", actor.ID).Msg("asked by command")
		b.deliver.Redraw(batch.Number)
		b.links.asked(ctx, by.Recipient, fmt.Sprintf("#%d: I list the accounts on %s.", batch.Number, view.DomainWords(c.Move.Old)), batch.Number)
		return slackapi.Message{}, nil
	})(b, ctx, c, by)
}

// submitExceptions hands in a request for a whole domain but for the accounts of a file.
func (b *Bot) submitExceptions(
	ctx context.Context, source workflow.Source, actor workflow.Actor, author workflow.Person, note command.Note, content []byte,
) (*workflow.Batch, error) {
	limits := workflow.ReadLimits{MaxBytes: int(b.cfg.MaxFileBytes), MaxRows: b.cfg.MaxRows}
	except, err := sheet.ReadExceptions(content, b.cfg.OrgID, limits)
	if err != nil {
		return nil, err
	}
	move := *note.Move.Move
	move.Except = except
	source.Move = &move
	when, err := note.When(time.Now(), actor.Location())
	if err != nil {
		return nil, err
	}
	return b.cfg.Engine.SubmitMove(ctx, actor, workflow.Request{
		Requester: actor.Person, Author: author, Reason: note.Reason, OwnReason: note.Stated, When: when, Source: source, Original: content,
	})
}
