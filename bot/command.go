package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// recentBatches is how many of them the command batches lists.
const recentBatches = 10

// given is a slash command, understood.
type given struct {
	command.Command
	text    string // as it was sent
	channel string
	trigger string // opens a form within about three seconds; "" where a message brought the words

	delivery string    // of that message; "" of a slash command
	said     time.Time // when that was written; zero of a slash command
}

// when are the moments that the command's times mean for somebody. What was written while the bot was away
// counts from then, and what is past when it comes is refused.
func (c given) when(actor workflow.Actor) (workflow.When, error) {
	now := time.Now()
	said := now
	if !c.said.IsZero() && c.said.Before(now) {
		said = c.said
	}
	when, err := c.Times.When(said, actor.Location())
	if err == nil && !when.IsZero() {
		err = when.Check(now)
	}
	return when, err
}

// by is who gave a command, and where they are answered.
func (s slash) by() slackapi.Recipient {
	return slackapi.Recipient{Person: s.Person, Channel: s.Channel, Thread: s.Thread, Response: s.Response}
}

// given has a command done, as its entry says.
func (b *Bot) given(s slash, words said) {
	c, err := words.command, words.err
	if missing, is := errors.AsType[*command.UsageError](err); is && missing.Missing != nil {
		b.enlist(deciding, "", "command", actTimeout, s.by(), func(ctx context.Context) {
			b.formFor(ctx, s, missing)
			b.dealtWith(ctx, s.Delivery)
		})
		return
	}
	if err != nil {
		b.enlist(asking, "", "command", actTimeout, s.by(), func(ctx context.Context) {
			b.api.Private(ctx, s.by(), b.say(err, "read a command"))
			b.dealtWith(ctx, s.Delivery)
		})
		return
	}
	put(b, "command", b.commands, c.Name, given{c, s.Text, s.Channel, s.Trigger, s.Delivery, s.Said}, s.by())
}

// dealtWith notes that the words of a message were answered, so that they are not found as missed.
func (b *Bot) dealtWith(ctx context.Context, delivery string) {
	if delivery != "" {
		b.intake.endDelivery(context.WithoutCancel(ctx), delivery, ctx.Err() == nil)
	}
}

// commands are the commands by name. Those on a batch are its buttons, and who gives one is read as
// for them.
func commands() map[string]entry[given] {
	all := map[string]entry[given]{}
	for _, c := range command.Commands() { // those that ask for changes, and those that are not supported yet
		all[c.Name] = entry[given]{do: (*Bot).ask}
	}
	for _, act := range workflow.Acts() {
		if act.Command != "" {
			all[act.Command] = entry[given]{lane: deciding, fresh: act.Fresh, do: (*Bot).commandOn}
		}
	}
	for name, do := range map[string]answers{
		"find": (*Bot).find, "history": (*Bot).history, "groups": (*Bot).groups, "domains": (*Bot).domains,
		"site find": (*Bot).findAtSite, "batches": (*Bot).batches, "batch": (*Bot).batch,
		"report list": (*Bot).report, "report show": (*Bot).report, "report run": (*Bot).report, "report diff": (*Bot).reportDiff,
	} {
		all[name] = entry[given]{do: answered(do)}
	}
	all["new"] = entry[given]{lane: deciding, do: (*Bot).newRequest}
	all["migrate-domain"] = entry[given]{do: (*Bot).moveDomain}
	all["help"] = entry[given]{do: func(b *Bot, ctx context.Context, _ given, by sender) { // for everybody
		b.api.Private(ctx, by.Recipient, b.help())
	}}
	for name, e := range all {
		do := e.do
		e.do = func(b *Bot, ctx context.Context, c given, by sender) {
			do(b, ctx, c, by)
			b.dealtWith(ctx, c.delivery)
		}
		all[name] = e
	}
	return all
}

// answers does what a command asks and returns what is said about it; an empty message where that
// is said later.
type answers func(b *Bot, ctx context.Context, c given, actor workflow.Actor) (slackapi.Message, error)

// answered answers a command privately, once it is known who gave it.
func answered(do answers) func(*Bot, context.Context, given, sender) {
	return func(b *Bot, ctx context.Context, c given, by sender) {
		m, err := func() (slackapi.Message, error) {
			actor, err := b.actor(ctx, by)
			switch {
			case err != nil:
				return slackapi.Message{}, err
			case !c.Supported:
				return view.NotSupported(b.cfg.Command + " " + c.Name), nil
			}
			return do(b, ctx, c, actor)
		}()
		if errors.Is(err, workflow.ErrTaken) { // it was answered when it came first
			return
		}
		if err != nil {
			m = b.say(err, c.Name)
		}
		if m.Text != "" {
			b.api.Private(ctx, by.Recipient, m)
		}
	}
}

// commandOn does what a command on a batch says: the same as its button, by whoever may press that.
func (b *Bot) commandOn(ctx context.Context, c given, by sender) {
	if c.Number == 0 {
		usage := &command.UsageError{Problem: "the number of a batch is missing", Usage: command.UsageFor(c.Name)}
		b.api.Private(ctx, by.Recipient, b.say(usage, c.Name))
		return
	}
	act, _ := workflow.ActOfCommand(c.Name)
	if c.delivery != "" && act.Fresh {
		b.offerAct(ctx, c, act, by)
		return
	}
	action := string(act.Name)
	batch, err := b.act(ctx, action, c.Number, "", by)
	if m := b.acted(ctx, by.Recipient, action, c.Number, batch, err); err != nil {
		b.api.Private(ctx, by.Recipient, m)
		return
	}
	done, card := fmt.Sprintf("#%d: %s.", c.Number, view.DoneWords(action)), c.Number
	if words := view.Made(action, c.Number, batch); words != "" {
		done, card = words, batch.Number
	}
	b.links.answer(ctx, by.Recipient, done, card)
}

func (b *Bot) batch(ctx context.Context, c given, _ workflow.Actor) (slackapi.Message, error) {
	batch, err := b.cfg.Store.Batch(ctx, c.Number)
	if err != nil {
		return slackapi.Message{}, err
	}
	line, err := b.summarised(ctx, batch)
	if err != nil {
		return slackapi.Message{}, err
	}
	return view.One(line), nil
}

// ask makes a batch of a command. The answer is given when the card stands that it names.
func (b *Bot) ask(ctx context.Context, c given, by sender) {
	answered(func(b *Bot, ctx context.Context, c given, actor workflow.Actor) (slackapi.Message, error) {
		when, err := c.when(actor)
		if err != nil {
			return slackapi.Message{}, err
		}
		batch, err := b.cfg.Engine.Submit(ctx, actor, workflow.Request{
			Requester: actor.Person, Author: actor.Person, Reason: c.Reason, OwnReason: c.Reason != "", Verb: c.Action, When: when,
			Source: workflow.Source{Kind: workflow.SourceCommand, Channel: c.channel, Delivery: c.delivery},
			Sheet:  workflow.Sheet{Rows: c.Rows}, Original: []byte(c.text),
		})
		if err != nil {
			return slackapi.Message{}, err
		}
		b.log.Info().Int64("batch", batch.Number).Str("person", actor.ID).Msg("asked by command")
		b.deliver.Redraw(batch.Number)
		b.links.asked(ctx, by.Recipient, view.BeingChecked(batch), batch.Number)
		return slackapi.Message{}, nil
	})(b, ctx, c, by)
}

func (b *Bot) batches(ctx context.Context, _ given, _ workflow.Actor) (slackapi.Message, error) {
	list, err := b.cfg.Store.List(ctx, recentBatches)
	if err != nil {
		return slackapi.Message{}, err
	}
	var out []view.Summarised
	for _, batch := range list {
		line, err := b.summarised(ctx, batch)
		if err != nil {
			return slackapi.Message{}, err
		}
		out = append(out, line)
	}
	return view.Recent(out), nil
}

// summarised is a batch in a line, with the link to its card.
func (b *Bot) summarised(ctx context.Context, batch *workflow.Batch) (view.Summarised, error) {
	out, err := b.counted(ctx, batch)
	if err == nil {
		out.Link = b.deliver.CardURL(ctx, batch.Number)
	}
	return out, err
}

// counted is a batch in a line: with the account by name where it has one.
func (b *Bot) counted(ctx context.Context, batch *workflow.Batch) (out view.Summarised, err error) {
	out.Batch = batch
	if out.Summary, err = b.cfg.Store.Summary(ctx, batch.Number); err != nil {
		return out, err
	}
	if out.Summary.State(view.PlannedStates()...) != 1 {
		return out, nil
	}
	rows, err := b.cfg.Store.Changes(ctx, batch.Number, 0, 1, view.PlannedStates()...)
	if err == nil && len(rows) == 1 {
		out.Only = &rows[0]
	}
	return out, err
}
