package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// beforeForm is how long it may take to see whether a form is to be opened at all: its trigger lives about three seconds.
const beforeForm = 1500 * time.Millisecond

// key puts what is pressed on one card in order; what belongs to no card waits for none.
func (i interaction) key() string {
	value := ""
	switch {
	case len(i.Actions) == 1 && i.Actions[0].ID == actionChoose:
		return "file/" + i.Container.Message
	case len(i.Actions) == 1:
		value = i.Actions[0].Value
	case i.View.Callback == rejectForm:
		m, ok := parseForm(i.View.Metadata)
		if !ok {
			return ""
		}
		value = m.Value
	}
	if n, _, ok := parseValue(value); ok {
		return fmt.Sprintf("batch/%d", n)
	}
	return ""
}

// click does what a button says. Everything about who may is read now, not taken from the message.
func (b *Bot) click(ctx context.Context, i interaction, to where) {
	action := i.Actions[0]
	if action.ID == actionChoose {
		b.chosen(ctx, i, to)
		return
	}
	number, digest, ok := parseValue(action.Value)
	if !ok {
		b.log.Warn().Str("action", action.ID).Str("person", to.Person).Msg("a button that is none of ours")
		return
	}
	if action.ID == actionReject && b.refused(ctx, number, digest, to) {
		return
	}
	if action.ID == actionReject { // the form at once, as its trigger dies soon; the person is checked when it comes back
		form := rejectModal(formData{Value: action.Value, Channel: to.Channel})
		if err := b.api.openForm(ctx, i.Trigger, form); err != nil {
			b.log.Warn().Err(err).Msg("open the form for a rejection")
			b.api.private(ctx, to, said("I could not open the form for the reason in time; nothing was done. Click again."))
		}
		return
	}
	batch, err := b.act(ctx, action.ID, number, digest, to)
	b.acted(ctx, to, action.ID, number, batch, err)
	if words := madeWords(action.ID, number, batch); err == nil && words != "" {
		b.api.private(ctx, to, said(words+b.cardLink(ctx, batch.Number)))
	}
}

// refused tells a person at once when they surely may not reject: what is known of them may be a minute old, which is good
// enough for a no. Everything else is decided when the form comes back.
func (b *Bot) refused(ctx context.Context, number int64, digest string, to where) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
	defer cancel()
	err := func() error {
		batch, err := b.cfg.Store.Batch(ctx, number)
		switch {
		case err != nil:
			return err
		case batch.State != workflow.AwaitingApproval:
			return &workflow.StateError{Number: number, State: batch.State, Wanted: workflow.Rejected, Batch: batch}
		case to.Person == batch.Requester.ID || to.Person == batch.Author.ID:
			return workflow.ErrOwnBatch
		case digest != batch.Digest:
			return workflow.ErrStaleDigest
		}
		actor, err := b.people.asking(ctx, to.Person, to.Channel)
		if stranger, is := errors.AsType[*StrangerError](err); is && stranger.Kind == NotCheckable {
			return nil
		}
		if err == nil && !actor.Admin {
			err = workflow.ErrNotAdmin
		}
		return err
	}()
	if err == nil || ctx.Err() != nil {
		return false
	}
	b.acted(context.WithoutCancel(ctx), to, actionReject, number, nil, err)
	return true
}

// act does what one of the buttons or commands on a batch says.
func (b *Bot) act(ctx context.Context, action string, number int64, digest string, to where) (*workflow.Batch, error) {
	engine := b.cfg.Engine
	ctx = withStamp(ctx, to.Came)
	switch action {
	case actionApprove, actionResume, actionRetry:
		actor, err := b.people.deciding(ctx, to.Person, to.Channel, to.Came)
		if err != nil {
			return nil, err
		}
		switch action {
		case actionApprove:
			return engine.Decide(ctx, number, actor, workflow.Approve, digest, "")
		case actionRetry:
			return engine.Retry(ctx, number, actor)
		}
		return engine.Resume(ctx, number, actor)
	}
	actor, err := b.people.asking(ctx, to.Person, to.Channel)
	if stranger, is := errors.AsType[*StrangerError](err); is && stranger.Kind == WithoutRole && action == actionWithdraw {
		err = nil // who asked may take it back also when they have no role any more
	}
	if err != nil {
		return nil, err
	}
	switch action {
	case actionWithdraw:
		batch, err := b.cfg.Store.Batch(ctx, number)
		if err == nil && batch.State != workflow.AwaitingApproval { // whoever clicks learns first that it is too late
			err = &workflow.StateError{Number: number, State: batch.State, Wanted: workflow.Cancelled, Batch: batch}
		}
		if err != nil {
			return nil, err
		}
		return engine.Withdraw(ctx, number, actor)
	case actionCancel:
		return engine.Cancel(ctx, number, actor)
	case actionPause:
		return engine.Pause(ctx, number, actor)
	case actionRecheck:
		return engine.Recheck(ctx, number, actor)
	case actionUndo:
		return engine.Undo(ctx, number, actor)
	case actionAgain:
		return engine.AskAgain(ctx, number, actor)
	default:
		return nil, fmt.Errorf("unknown button %q", action)
	}
}

// acted tells the person privately when something was refused, and has the card redrawn: it may be an old one.
// made is the batch that was made of it, or that had been.
func (b *Bot) acted(ctx context.Context, to where, action string, number int64, made *workflow.Batch, err error) {
	doing := fmt.Sprintf("%s batch %d", action, number)
	if err == nil {
		b.deliver.hurry(number)
		b.log.Info().Str("person", to.Person).Msg(doing)
		return
	}
	b.deliver.redraw(number)
	b.noteRefusal(ctx, to.Person, action, number, err)
	refused := &actError{Action: action, Number: number, Err: err}
	if made != nil && made.Number != number {
		refused.Made = fmt.Sprintf("#%d.%s", made.Number, b.cardLink(ctx, made.Number))
	}
	if batch, err := b.cfg.Store.Batch(ctx, number); err == nil {
		refused.But = []string{batch.Requester.ID, batch.Author.ID}
	}
	b.api.private(ctx, to, b.say(refused, doing))
}

// formData goes through a form and back: which button opened it, and where its answer goes.
type formData struct {
	Value   string `json:"value"`
	Channel string `json:"channel"`
}

func (f formData) String() string {
	raw, err := json.Marshal(f)
	if err != nil {
		return "" // two strings: cannot fail
	}
	return string(raw)
}

func parseForm(s string) (f formData, ok bool) {
	return f, json.Unmarshal([]byte(s), &f) == nil
}

// submitted takes a form. A rejection is a decision: who it is, is read now.
func (b *Bot) submitted(ctx context.Context, i interaction, came stamp) {
	if i.View.Callback != rejectForm {
		b.log.Warn().Str("form", i.View.Callback).Msg("a form that is none of ours")
		return
	}
	f, ok := parseForm(i.View.Metadata)
	number, digest, isValue := parseValue(f.Value)
	if !ok || !isValue {
		b.log.Warn().Msg("a form without its batch")
		return
	}
	to := where{Person: i.Person.ID, Channel: f.Channel, Came: came}
	reason := i.reason()
	if reason == "" {
		b.api.private(ctx, to, said(needsReason))
		return
	}
	actor, err := b.people.deciding(ctx, to.Person, to.Channel, to.Came)
	if err == nil {
		_, err = b.cfg.Engine.Decide(ctx, number, actor, workflow.Reject, digest, reason)
	}
	b.acted(ctx, to, actionReject, number, nil, err)
}
