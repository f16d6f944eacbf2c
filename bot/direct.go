package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// command reports whether the words of a message are those of a command. Words that only come near one
// are, where they name something: an address, a number. "Hello" comes near "help", and is none.
func (m message) command(words said) bool {
	usage, is := errors.AsType[*command.UsageError](words.err)
	if !is || !usage.Unknown {
		return m.Text != ""
	}
	return (usage.Nearest != "" || usage.Say != "") && strings.ContainsAny(m.Text, "@0123456789")
}

// receiveWords takes what somebody writes to the bot directly: the words of a command, or a greeting.
// What Slack delivers again is done once: as long as this process lives, and what makes a batch after that,
// too.
func (b *Bot) receiveWords(m message, words said) {
	key := m.key()
	if m.command(words) {
		if b.first(key) {
			b.given(m.words(), words)
		}
		return
	}
	to := m.words().by()
	greet := b.guarded("greeting", actTimeout, to, func(ctx context.Context) { b.greet(ctx, key, m.TS, to) })
	if b.mayGreet(m.Person) && !b.lanes[greeting].put("", m.Person, greet) {
		b.notGreeted(m.Person)
	}
}

// wordsMissed takes what somebody wrote to the bot directly and nobody dealt with. A request is one as when
// it was written: it needs approval all the same. Whoever wrote another command may want something
// else today, and is told that it was not done.
func (b *Bot) wordsMissed(ctx context.Context, m message) error {
	words, key := read(m.Text), m.key()
	if !m.command(words) {
		return nil
	}
	seen, err := b.cfg.Store.WasSeen(ctx, key)
	if err != nil {
		return fmt.Errorf("look whether words came before: %w", err)
	}
	if seen || !b.first(key) { // dealt with, or being so
		return nil
	}
	if c := words.command; words.err == nil && (c.Action != "" || c.Move != nil) {
		b.given(m.words(), words)
		return nil
	}
	to := m.words().by()
	b.enlist(asking, "", "command", actTimeout, to, func(ctx context.Context) {
		if b.api.Private(ctx, to, view.WasAway(command.Plain(m.Text), momentOf(m.TS))) {
			b.intake.endDelivery(context.WithoutCancel(ctx), key, true) // said is said, also where the bot ends meanwhile
		}
	})
	return nil
}

// greet answers words that are no command with what the bot can do.
func (b *Bot) greet(ctx context.Context, key, ts string, to slackapi.Recipient) {
	if !b.intake.beginDelivery(ctx, key, ts) {
		return
	}
	b.reply(ctx, to, b.help())
	b.intake.endDelivery(context.WithoutCancel(ctx), key, true)
}

// offerForm answers a command that lacks a word, where no form can be opened, as a message brought them: a
// button does, and carries the words. usage is nil where the form itself was asked for.
func (b *Bot) offerForm(ctx context.Context, words string, by sender, usage *command.UsageError) {
	if _, err := b.actor(ctx, by); err != nil {
		b.api.Private(ctx, by.Recipient, b.say(err, "offer the form"))
		return
	}
	says := view.Said(view.FormOffered)
	if usage != nil {
		says = b.say(usage, "read a command")
	}
	b.api.Private(ctx, by.Recipient, view.OfferForm(says, words))
}

// formOffered opens the form that was offered, filled in with the words that there were.
func (b *Bot) formOffered(ctx context.Context, p press, by sender) {
	draft := view.Draft{}
	if usage, is := errors.AsType[*command.UsageError](read(p.Value).err); is && usage.Missing != nil {
		draft = draftOf(usage.Missing)
	}
	b.openForm(ctx, p.trigger(), by, draft)
}

// offerAct answers a command to decide or to let go on, which a message brought, with the button that does
// it: a message can come from a program that holds somebody's token, a click cannot.
func (b *Bot) offerAct(ctx context.Context, c given, act workflow.Act, by sender) {
	batch, summary, err := b.mayAct(ctx, c.Number, act, by)
	if err != nil {
		b.api.Private(ctx, by.Recipient, b.acted(ctx, by.Recipient, string(act.Name), c.Number, nil, err))
		return
	}
	b.api.Private(ctx, by.Recipient, view.OfferAct(batch, summary, act))
}

// mayAct reads the batch that an act is for, and refuses what the click would be refused for.
func (b *Bot) mayAct(ctx context.Context, number int64, act workflow.Act, by sender) (batch *workflow.Batch, s workflow.Summary, err error) {
	actor, err := b.actor(ctx, by)
	if err != nil {
		return nil, s, err
	}
	if batch, err = b.cfg.Store.Batch(ctx, number); err != nil {
		return nil, s, err
	}
	if batch, err = b.returnFor(ctx, batch, act); err != nil {
		return nil, s, err
	}
	if err = workflow.May(act.Name, batch, actor); err != nil {
		return nil, s, err
	}
	s, err = b.cfg.Store.Summary(ctx, batch.Number)
	if err == nil && act.Name == workflow.ActRetry && workflow.Retryable(s) == 0 {
		err = workflow.ErrNothingToRetry
	}
	return batch, s, err
}

// returnFor is the return of a batch, which is what an act like End is for; for other acts the batch.
func (b *Bot) returnFor(ctx context.Context, batch *workflow.Batch, act workflow.Act) (*workflow.Batch, error) {
	if act.Name != workflow.ActEnd && act.Name != workflow.ActKeep || batch.Link == workflow.LinkReturn {
		return batch, nil
	}
	following, err := b.cfg.Store.Following(ctx, batch.Number)
	if err != nil {
		return nil, err
	}
	return workflow.ReturnAmong(following)
}
