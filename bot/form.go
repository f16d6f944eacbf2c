package bot

import (
	"context"
	"errors"
	"maps"
	"strings"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// openForm opens the form for a request, filled in with a draft. Who may not ask is told whom to ask.
func (b *Bot) openForm(ctx context.Context, at trigger, by sender, draft view.Draft) {
	known, cancel := context.WithTimeoutCause(ctx, beforeForm, errors.New("the look took over "+beforeForm.String()))
	defer cancel()
	if _, err := b.actor(known, by); err != nil {
		b.noForm(ctx, at, by, b.say(err, "open the form"))
		return
	}
	if draft.Action == "" && draft.File == nil && draft.Lines == "" {
		draft.Action = workflow.Rename
	}
	asked := b.asked(view.Carried{Key: b.newKey(), Channel: by.Channel, Draft: draft}, "")
	b.unsent.put(asked.Key, openForm{person: by.Person, draft: draft})
	if _, err := b.show(ctx, at, asked.Draw()); err != nil {
		b.unsent.forget(asked.Key)
		b.log.Warn().Err(err).Str("person", by.Person).Msg("open the form for a request")
		b.api.Private(ctx, by.Recipient, view.Said("I could not open the form in time. Try again."))
	}
}

// noForm says why the form is not opened: in a message where there is a place for one, else in a
// modal.
func (b *Bot) noForm(ctx context.Context, at trigger, by sender, m slackapi.Message) {
	if at.onTop || by.Response == "" && by.Channel == "" {
		if _, err := b.show(ctx, at, view.Notice("New request", m.Text)); err == nil {
			return
		}
	}
	b.api.Private(ctx, by.Recipient, m)
}

// trigger opens a modal within about three seconds.
type trigger struct {
	id    string
	onTop bool // of the modal in which it was pressed
}

func (p press) trigger() trigger { return trigger{p.Trigger, p.View.Kind == "modal"} }

// show opens a modal, and returns it.
func (b *Bot) show(ctx context.Context, at trigger, modal slack.ModalViewRequest) (viewed, error) {
	open := b.api.OpenView
	if at.onTop {
		open = b.api.PushView
	}
	v, err := open(ctx, at.id, modal)
	return viewed{ID: v.ID}, err
}

// asked is what the form is drawn from.
func (b *Bot) asked(c view.Carried, said string) view.Asked {
	return view.Asked{Carried: c, Said: said, Sites: b.cfg.SiteNames, NeedsReason: b.cfg.NeedsReason}
}

// newRequest opens the form for the command new.
func (b *Bot) newRequest(ctx context.Context, c given, by sender) {
	if c.trigger == "" {
		b.offerForm(ctx, c.text, by, nil)
		return
	}
	b.openForm(ctx, trigger{id: c.trigger}, by, view.Draft{})
}

// formFor opens the form for a command with a word missing, filled in with those that are there.
func (b *Bot) formFor(ctx context.Context, s slash, usage *command.UsageError) {
	by := sender{Recipient: s.by(), came: b.people.Now()}
	if s.Trigger == "" {
		b.offerForm(ctx, s.Text, by, usage)
		return
	}
	b.openForm(ctx, trigger{id: s.Trigger}, by, draftOf(usage.Missing))
}

// draftOf is the form for what a command says.
func draftOf(c *command.Command) view.Draft {
	d := view.Draft{
		Action: c.Action, Lines: strings.Join(c.Users, "\n"), Values: map[workflow.Column]string{},
		Reason: c.Reason, At: strings.TrimSpace(c.Times.At), Until: strings.TrimSpace(c.Times.Until), For: strings.TrimSpace(c.Times.For),
	}
	if c.Message != "" {
		d.Values[workflow.ColumnMessage] = c.Message
	}
	maps.Insert(d.Values, c.Given.All())
	if m := c.Move; m != nil {
		d.Action, d.Move = view.MoveAction, view.DraftMove{Old: m.Old, New: m.New, Group: m.Group, Names: m.Names, Except: c.Except}
	}
	return d
}

// fieldsOf are the fields of a view by their ids.
func fieldsOf(values map[string]map[string]field) map[string]field {
	out := map[string]field{}
	for _, block := range values {
		maps.Copy(out, block)
	}
	return out
}

// filledIn is a draft with what stands in the fields of its form.
func filledIn(d view.Draft, fields map[string]field) view.Draft {
	for id, to := range map[string]*string{
		view.FieldLines: &d.Lines, view.FieldLeave: &d.LeaveOut, view.FieldOld: &d.Move.Old, view.FieldNew: &d.Move.New,
		view.FieldOnly: &d.Move.Group, view.FieldReason: &d.Reason, view.FieldAt: &d.At, view.FieldUntil: &d.Until, view.FieldFor: &d.For,
	} {
		if f, there := fields[id]; there {
			*to = strings.TrimSpace(f.text())
		}
	}
	if f, there := fields[view.FieldAction]; there {
		if name, ok := view.ParseAction(f.text()); ok {
			d.Action = name
		}
	}
	if f, there := fields[view.FieldNames]; there {
		d.Move.Names = len(f.Options) > 0
	}
	values := maps.Clone(d.Values)
	if values == nil {
		values = map[workflow.Column]string{}
	}
	for id, f := range fields {
		if column, is := view.ColumnOf(id); is {
			values[column] = strings.TrimSpace(f.text())
		}
	}
	d.Values = values
	if files := fields[view.FieldFile].Files; len(files) > 0 {
		d.File = &view.FormFile{ID: files[0].ID, Name: files[0].Name}
	}
	return d
}

// formOf is the form that was pressed or sent, as it is filled in; ok is false for one of another
// version of the program, or one that was forgotten and does not carry its draft. What was checked is
// what the view shows, whatever has been filled in under the same key since.
func (b *Bot) formOf(v viewed, person string) (c view.Carried, f openForm, ok bool) {
	c, ok = view.ParseCarried(v.Metadata)
	if !ok {
		return c, f, false
	}
	f, known := b.unsent.get(c.Key, person)
	filling := v.Callback == view.RequestForm
	switch {
	case !known && c.Needs, c.Cut && !filling && (!known || !c.Is(f.draft)):
		return c, f, false
	case known && c.Cut:
		c.Draft = f.draft
	}
	f.person = person
	if filling {
		c.Draft = filledIn(c.Draft, fieldsOf(v.State.Values))
	}
	return c, f, true
}

// formChanged redraws the form after something was chosen in it: an action, which has other fields,
// or a person, who becomes a line.
func (b *Bot) formChanged(ctx context.Context, p press, by sender) {
	c, f, ok := b.formOf(p.View, by.Person)
	if !ok {
		b.formGone(ctx, p.View)
		return
	}
	if _, err := b.actor(ctx, by); err != nil {
		b.showForm(ctx, p.View, c, f, b.say(err, "change the form").Text)
		return
	}
	switch p.Action {
	case view.FieldAction:
		name, known := view.ParseAction(p.Selected)
		if !known {
			return
		}
		c.Draft.Action = name
	case view.FieldPerson:
		if p.Selected == "" {
			return
		}
		c.Draft, c.Turn = c.Draft.With(view.ParseAccountRef(p.Selected)), c.Turn+1
	case view.ActionNoFile:
		c.Draft.File, c.Turn = nil, c.Turn+1
	}
	b.showForm(ctx, p.View, c, f, "")
}

// showForm draws the form anew in the place of a view.
func (b *Bot) showForm(ctx context.Context, v viewed, c view.Carried, f openForm, said string) {
	f.draft, f.stop = c.Draft, nil
	b.unsent.put(c.Key, f)
	hash := v.Hash
	if v.Callback != view.RequestForm {
		hash = ""
	}
	_, err := b.api.UpdateView(ctx, v.ID, hash, b.asked(c, said).Draw())
	if err != nil && !slackapi.ViewGone(err) {
		b.log.Warn().Err(err).Msg("draw the form")
	}
}

// formGone says what became of a form that is not known any more.
func (b *Bot) formGone(ctx context.Context, v viewed) {
	_, err := b.api.UpdateView(ctx, v.ID, "", b.gone(ctx, v))
	if err != nil && !slackapi.ViewGone(err) {
		b.log.Warn().Err(err).Msg("draw a form that is gone")
	}
}

// gone is what is shown of a form that is not known any more: it was sent, or the program was started
// anew since it was filled in, or it is over an hour old.
func (b *Bot) gone(ctx context.Context, v viewed) slack.ModalViewRequest {
	c, ours := view.ParseCarried(v.Metadata)
	if !ours {
		return view.Notice("New request", view.FormGone)
	}
	number, sent, err := b.sentAs(ctx, c.Key)
	switch {
	case err != nil:
		return view.Notice("New request", b.say(err, "look what became of a form").Text)
	case sent:
		return view.SentBefore(number, b.cfg.Requests)
	}
	return view.Notice("New request", view.FormGone)
}

// formDelivery is under which it is remembered that a form was sent.
func formDelivery(key string) string { return "form/" + key }

// sentAs returns the request that a form became, 0 for one that is long ago; sent is false where it
// was not sent.
func (b *Bot) sentAs(ctx context.Context, key string) (number int64, sent bool, err error) {
	if sent, err = b.cfg.Store.WasSeen(ctx, formDelivery(key)); err != nil || !sent {
		return 0, false, err
	}
	recent, err := b.cfg.Store.List(ctx, homeRecent)
	if err != nil {
		return 0, false, err
	}
	for _, batch := range recent {
		if batch.Source.Delivery == formDelivery(key) && batch.Follows == 0 {
			number = batch.Number
		}
	}
	return number, true, nil
}

// fixRows leads from what a check came to back to the form.
func (b *Bot) fixRows(ctx context.Context, p press, by sender) {
	c, f, ok := b.formOf(p.View, by.Person)
	if !ok {
		b.formGone(ctx, p.View)
		return
	}
	c.Turn++
	b.showForm(ctx, p.View, c, f, "")
}

// formClosed forgets a form whose modal was closed, and ends its check.
func (b *Bot) formClosed(c closed) {
	if carried, ok := view.ParseCarried(c.View.Metadata); ok {
		if _, theirs := b.unsent.get(carried.Key, c.By.Person); theirs {
			b.unsent.forget(carried.Key)
		}
	}
}

// newByShortcut opens the form for the shortcut of the app.
func (b *Bot) newByShortcut(ctx context.Context, s shortcut, by sender) {
	b.openForm(ctx, trigger{id: s.Trigger}, by, view.Draft{})
}
