package bot

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
)

// command reports whether the words of a message are those of a command. Words that only come near one
// are, where they name something: an address, a number. "Hello" comes near "help", and is none.
func (m message) command() bool {
	_, err := command.Parse(m.Text)
	usage, is := errors.AsType[*command.UsageError](err)
	if !is || !usage.Unknown {
		return m.Text != ""
	}
	return usage.Nearest != "" && strings.ContainsAny(m.Text, "@0123456789")
}

// receiveWords takes what somebody writes to the bot directly: the words of a command, or a greeting.
// What Slack delivers again is done once, as long as this process lives: what it took was acknowledged.
func (b *Bot) receiveWords(m message) {
	key := "event/" + cmp.Or(m.Event, m.Channel+"/"+m.TS)
	if m.command() {
		if b.first(key) {
			b.given(m.words())
		}
		return
	}
	to := m.words().by()
	greet := b.guarded("greeting", actTimeout, to, func(ctx context.Context) { b.greet(ctx, key, m.TS, to) })
	if b.mayGreet(m.Person) && !b.lanes[greeting].put("", m.Person, greet) {
		b.notGreeted(m.Person)
	}
}

// greet answers words that are no command with what the bot can do.
func (b *Bot) greet(ctx context.Context, key, ts string, to slackapi.Recipient) {
	if !b.intake.beginDelivery(ctx, key, ts) {
		return
	}
	b.reply(ctx, to, b.help())
	b.intake.endDelivery(ctx, key, true)
}

// offerForm answers words that lack one, where no form can be opened, as a message brought them: a
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
	_, err := command.Parse(p.Value)
	if usage, is := errors.AsType[*command.UsageError](err); is && usage.Missing != nil {
		draft = draftOf(usage.Missing)
	}
	b.openForm(ctx, p.trigger(), by, draft)
}
