package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

const (
	recentBatches = 10
	// An answer waits so many looks for the card that it is to link to.
	cardLooks = 20
	cardLook  = 250 * time.Millisecond
)

// command answers a slash command, privately. What it starts is shown on a card.
func (b *Bot) command(ctx context.Context, s slash, to where) {
	c, err := workflow.ParseCommand(s.Text)
	if err != nil {
		b.api.private(ctx, to, b.say(err, "read a command"))
		return
	}
	if c.Name == "help" {
		b.api.private(ctx, to, help(b.cfg.Command))
		return
	}
	if action, ok := onBatch(c); ok {
		b.commandOn(ctx, action, c, to)
		return
	}
	actor, err := b.people.asking(ctx, s.Person, s.Channel)
	if err != nil {
		b.api.private(ctx, to, b.say(err, c.Name))
		return
	}
	if !c.Supported {
		b.api.private(ctx, to, said("`"+escape(b.cfg.Command+" "+c.Name)+"` is not supported yet."))
		return
	}
	m, err := b.told(ctx, c, s, actor)
	if err != nil {
		m = b.say(err, c.Name)
	}
	b.api.private(ctx, to, m)
}

// commandOn does what a command on a batch says: the same as its button, by whoever may press that.
func (b *Bot) commandOn(ctx context.Context, action string, c workflow.Command, to where) {
	if c.Number == 0 {
		usage := &workflow.UsageError{Problem: "the number of a batch is missing", Usage: workflow.UsageFor(c.Name)}
		b.api.private(ctx, to, b.say(usage, c.Name))
		return
	}
	batch, err := b.act(ctx, action, c.Number, "", to)
	b.acted(ctx, to, action, c.Number, batch, err)
	if err != nil {
		return
	}
	done, card := fmt.Sprintf("#%d: %s.", c.Number, doneWords(action)), c.Number
	if words := madeWords(action, c.Number, batch); words != "" {
		done, card = words, batch.Number
	}
	b.api.private(ctx, to, said(done+b.cardLink(ctx, card)))
}

// onBatch says which button a command stands for.
func onBatch(c workflow.Command) (action string, ok bool) {
	switch c.Name {
	case "cancel":
		return actionCancel, true
	case "pause":
		return actionPause, true
	case "resume":
		return actionResume, true
	case "retry":
		return actionRetry, true
	case "undo":
		return actionUndo, true
	}
	return "", false
}

func doneWords(action string) string {
	return map[string]string{
		actionCancel: "cancelled", actionPause: "paused", actionResume: "goes on", actionRetry: "what failed is looked at again",
	}[action]
}

// told does what a command asks and gives what is said about it.
func (b *Bot) told(ctx context.Context, c workflow.Command, s slash, actor workflow.Actor) (message, error) {
	switch c.Name {
	case "find":
		accounts, err := b.cfg.Engine.Find(ctx, c.Text)
		if err != nil {
			return message{}, err
		}
		return found(c.Text, accounts), nil
	case "domains":
		claims, err := b.cfg.Engine.Domains(ctx)
		if err != nil {
			return message{}, err
		}
		return domains(claims), nil
	case "batches":
		return b.batches(ctx)
	case "batch":
		batch, err := b.cfg.Store.Batch(ctx, c.Number)
		if err != nil {
			return message{}, err
		}
		line, err := b.summarised(ctx, batch)
		if err != nil {
			return message{}, err
		}
		return one(line), nil
	case "report list", "report show", "report run":
		return b.report(ctx, c, actor)
	}
	if c.Action == "" {
		return message{}, fmt.Errorf("no answer to the command %q", c.Name)
	}
	return b.ask(ctx, c, s, actor)
}

// ask makes a batch of a command.
func (b *Bot) ask(ctx context.Context, c workflow.Command, s slash, actor workflow.Actor) (message, error) {
	batch, err := b.cfg.Engine.Submit(ctx, actor, workflow.Request{
		Requester: actor.Person, Author: actor.Person, Reason: c.Reason, Verb: c.Action, Original: []byte(s.Text),
		Source: workflow.Source{Kind: workflow.SourceCommand, Channel: s.Channel},
	})
	if err != nil {
		return message{}, err
	}
	b.log.Info().Int64("batch", batch.Number).Str("person", actor.ID).Msg("asked by command")
	b.deliver.redraw(batch.Number)
	return said(fmt.Sprintf("#%d is being checked.%s", batch.Number, b.cardLink(ctx, batch.Number))), nil
}

// cardLink is " <link>" to the card of a batch, once it is posted; "" when that takes too long.
func (b *Bot) cardLink(ctx context.Context, number int64) string {
	for range cardLooks {
		p, ok, err := b.cfg.Store.Post(ctx, cardKey(number))
		if err != nil {
			return ""
		}
		if ok && p.TS != "" {
			if link := b.api.permalink(ctx, p.Channel, p.TS); link != "" {
				return " <" + link + "|Look at its card>."
			}
			return ""
		}
		timer := time.NewTimer(cardLook)
		select {
		case <-timer.C:
			continue
		case <-b.ending: // nobody draws the card now
		case <-ctx.Done():
		}
		timer.Stop()
		return ""
	}
	return ""
}

func (b *Bot) batches(ctx context.Context) (message, error) {
	list, err := b.cfg.Store.List(ctx, recentBatches)
	if err != nil {
		return message{}, err
	}
	var out []summarised
	for _, batch := range list {
		line, err := b.summarised(ctx, batch)
		if err != nil {
			return message{}, err
		}
		out = append(out, line)
	}
	return recent(out), nil
}

func (b *Bot) summarised(ctx context.Context, batch *workflow.Batch) (summarised, error) {
	s, err := b.cfg.Store.Summary(ctx, batch.Number)
	if err != nil {
		return summarised{}, err
	}
	out := summarised{Batch: batch, Summary: s}
	p, ok, err := b.cfg.Store.Post(ctx, cardKey(batch.Number))
	if err != nil {
		return summarised{}, err
	}
	if ok && p.TS != "" {
		out.Link = b.api.permalink(ctx, p.Channel, p.TS)
	}
	return out, nil
}

var errNoReports = errors.New("no reports are set up")
