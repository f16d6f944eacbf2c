package bot

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// beforeForm is how long it may take to see whether a form is to be opened at all: its trigger
// lives about three seconds.
const beforeForm = 1500 * time.Millisecond

// pressed does what a button says. Everything about who may is read then, not taken from the
// message.
func (b *Bot) pressed(ctx context.Context, p press, by sender) {
	number, digest, ok := view.ParseValue(p.Value)
	if !ok {
		b.foreign(ctx, p.Action, by)
		return
	}
	by.Channel = p.channel()
	batch, err := b.act(ctx, p.Action, number, digest, by)
	if errors.Is(err, workflow.ErrTimePassed) && p.Action == view.ActionAgain {
		b.openDraft(ctx, p.trigger(), by, view.DraftingWords, func(ctx context.Context) (drafting, error) { return b.askedAgain(ctx, number) })
		return
	}
	b.answer(ctx, p, by.Recipient, b.acted(ctx, by.Recipient, p.Action, number, batch, err))
	if words := view.Made(p.Action, number, batch); err == nil && words != "" {
		b.links.answer(ctx, by.Recipient, words, batch.Number)
	}
}

// foreign answers a click on a button that says of no batch which one it is: of an earlier build,
// or none of ours.
func (b *Bot) foreign(ctx context.Context, action string, by sender) {
	b.log.Warn().Str("action", action).Str("person", by.Person).Msg("a button that is none of ours")
	b.api.Private(ctx, by.Recipient, b.say(workflow.ErrStaleDigest, action))
}

// openRejection opens the form for a reason at once, as its trigger dies soon; the person is
// checked when it comes back.
func (b *Bot) openRejection(ctx context.Context, p press, by sender) {
	number, digest, ok := view.ParseValue(p.Value)
	if !ok {
		b.foreign(ctx, p.Action, by)
		return
	}
	by.Channel = p.channel()
	if b.refused(ctx, p, number, digest, by) {
		return
	}
	form, open := view.FormData{Value: p.Value, Channel: by.Channel}, b.api.OpenView
	if p.View.Callback == view.DetailsForm {
		form.View, form.Shown, open = p.View.ID, p.View.Metadata, b.api.PushView
	}
	if _, err := open(ctx, p.Trigger, view.RejectModal(form)); err != nil {
		b.log.Warn().Err(err).Msg("open the form for a rejection")
		b.answer(ctx, p, by.Recipient,
			view.Said("I could not open the form for the reason in time; nothing was done. Click again."))
	}
}

// channel returns where a press was made: of one in a modal, where that was opened.
func (p press) channel() string {
	if shown, ok := view.ParseShown(p.View.Metadata); ok && p.View.Callback == view.DetailsForm {
		return shown.Channel
	}
	return p.By.Channel
}

// refused tells a person at once when they surely may not reject: what is known of them may be a
// minute old, which is good enough for a no. Everything else is decided when the form comes back.
func (b *Bot) refused(ctx context.Context, p press, number int64, digest string, by sender) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
	defer cancel()
	err := func() error {
		batch, err := b.cfg.Store.Batch(ctx, number)
		switch {
		case err != nil:
			return err
		}
		someAdmin := workflow.Actor{Person: workflow.Person{ID: by.Person}, Admin: true, Saw: digest}
		if err := workflow.May(workflow.ActReject, batch, someAdmin); err != nil { // whatever their role
			return err
		}
		if digest != batch.Digest {
			return workflow.ErrStaleDigest
		}
		actor, err := b.actor(ctx, by)
		if ineligible, is := errors.AsType[*workflow.IneligibleError](err); is && ineligible.Kind == workflow.NotCheckable {
			return nil
		}
		if err != nil {
			return err
		}
		return workflow.WhoMay(workflow.ActReject, batch).Admits(actor)
	}()
	if err == nil || ctx.Err() != nil {
		return false
	}
	ctx = context.WithoutCancel(ctx)
	b.answer(ctx, p, by.Recipient, b.acted(ctx, by.Recipient, view.ActionReject, number, nil, err))
	return true
}

// acts are what the engine does for each act on a batch. An approval is for the plan that the
// person saw.
func acts() map[workflow.ActName]func(Engine, context.Context, int64, workflow.Actor) (*workflow.Batch, error) {
	return map[workflow.ActName]func(Engine, context.Context, int64, workflow.Actor) (*workflow.Batch, error){
		workflow.ActResume:   Engine.Resume,
		workflow.ActRetry:    Engine.Retry,
		workflow.ActWithdraw: Engine.Withdraw,
		workflow.ActCancel:   Engine.Cancel,
		workflow.ActPause:    Engine.Pause,
		workflow.ActRecheck:  Engine.Recheck,
		workflow.ActUndo:     Engine.Undo,
		workflow.ActAskAgain: Engine.AskAgain,
		workflow.ActStart:    Engine.Start,
		workflow.ActEnd:      Engine.End,
		workflow.ActKeep:     Engine.Keep,
	}
}

// act does what one of the buttons or commands on a batch says. digest is what the button carried,
// "" for a command.
func (b *Bot) act(ctx context.Context, name string, number int64, digest string, by sender) (*workflow.Batch, error) {
	act, _ := workflow.ActNamed(workflow.ActName(name))
	if b.ownBatch(ctx, act.Name, number, digest, by.Person) {
		return nil, workflow.ErrOwnBatch
	}
	actor, err := b.actor(ctx, by)
	ineligible, is := errors.AsType[*workflow.IneligibleError](err)
	if is && ineligible.Kind == workflow.WithoutRole && act.Who == workflow.RequesterAlone {
		err = nil // who asked may take it back also when they have no role any more
	}
	if err != nil {
		return nil, err
	}
	actor.Saw = digest
	if act.Name == workflow.ActApprove {
		return b.cfg.Engine.Decide(ctx, number, actor, workflow.Approve, digest, "")
	}
	do, known := acts()[act.Name]
	if !known {
		return nil, fmt.Errorf("unknown act %q", name)
	}
	return do(b.cfg.Engine, ctx, number, actor)
}

// ownBatch reports whether a decision is about somebody's own batch, before Slack is asked who they are, which others
// wait for: no answer would allow it.
func (b *Bot) ownBatch(ctx context.Context, act workflow.ActName, number int64, digest, person string) bool {
	batch, err := b.cfg.Store.Batch(ctx, number)
	someAdmin := workflow.Actor{Person: workflow.Person{ID: person}, Admin: true, Saw: digest}
	return err == nil && errors.Is(workflow.May(act, batch, someAdmin), workflow.ErrOwnBatch)
}

// acted returns what the person is told when something was refused, the empty message when it was
// not, and has the card redrawn: it may be an old one. made is the batch that was made of it, or
// that had been.
func (b *Bot) acted(
	ctx context.Context, to slackapi.Recipient, action string, number int64, made *workflow.Batch, err error,
) slackapi.Message {
	doing := fmt.Sprintf("%s batch %d", action, number)
	if err == nil {
		b.deliver.Prioritize(number)
		b.log.Info().Str("person", to.Person).Msg(doing)
		return slackapi.Message{}
	}
	b.deliver.Redraw(number)
	b.noteRefusal(ctx, to.Person, action, number, err)
	refused := &view.ActError{Action: action, Number: number, Err: err}
	if made != nil && made.Number != number {
		refused.Made = fmt.Sprintf("#%d.", made.Number)
		if url := b.deliver.CardURL(ctx, made.Number); url != "" {
			refused.Made += view.CardLink(url)
		}
	}
	if batch, err := b.cfg.Store.Batch(ctx, number); err == nil {
		refused.Exclude, refused.Batch = []string{batch.Requester.ID, batch.Author.ID}, batch
	}
	return b.say(refused, doing)
}

// rejected takes the form for a rejection, which is a decision: who it is, is read then.
func (b *Bot) rejected(ctx context.Context, s submission, by sender) {
	f, ok := view.ParseForm(s.Metadata)
	number, digest, isValue := view.ParseValue(f.Value)
	if !ok || !isValue {
		b.log.Warn().Msg("a form without its batch")
		return
	}
	by.Recipient = slackapi.Recipient{Person: by.Person, Channel: f.Channel}
	behind := press{View: viewed{ID: f.View, Metadata: f.Shown}} // what the form stands on
	if f.View != "" {
		behind.View.Callback = view.DetailsForm
	}
	reason := s.reason()
	if reason == "" {
		b.answer(ctx, behind, by.Recipient, view.Said(view.NeedsReason))
		return
	}
	actor, err := b.actor(ctx, by)
	if err == nil {
		actor.Saw = digest
		_, err = b.cfg.Engine.Decide(ctx, number, actor, workflow.Reject, digest, reason)
	}
	b.answer(ctx, behind, by.Recipient, b.acted(ctx, by.Recipient, view.ActionReject, number, nil, err))
}
