package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// The keys of posts that do not stand under the card.
func takenKey(number int64) string     { return fmt.Sprintf("batch/%d/taken", number) }
func directPrefix(number int64) string { return fmt.Sprintf("batch/%d/direct/", number) }

// forget forgets everything that was put under a card that is no longer there, so that it is put under the next one. The
// tracks below the card begin anew when that stands.
func (d *deliver) forget(ctx context.Context, number int64, w *drawing) error {
	w.under.Lock()
	defer w.under.Unlock()
	posts, err := d.store.Posts(ctx, number)
	if err != nil {
		return fmt.Errorf("forget the thread of batch %d: %w", number, err)
	}
	for _, p := range posts {
		if p.Key == cardKey(number) || p.Key == takenKey(number) || strings.HasPrefix(p.Key, directPrefix(number)) {
			continue
		}
		if err := d.store.DeletePost(ctx, p.Key); err != nil {
			return fmt.Errorf("forget the thread of batch %d: %w", number, err)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for on, t := range w.tracks {
		if on != onCard {
			t.shown, t.fresh, t.again = 0, true, t.busy
		}
	}
	w.card = ""
	return nil
}

// putTaken answers under the message that brought the file which batch it is. A check that is repeated is answered where
// it was asked for.
func (d *deliver) putTaken(ctx context.Context, b *workflow.Batch, card place, t *track) error {
	from := b.Source
	if from.Kind != workflow.SourceFile || from.Message == "" || b.Follows != 0 || card.thread == "" {
		return nil
	}
	at := place{key: takenKey(b.Number), batch: b.Number, channel: from.Channel, thread: from.Message, rank: rankSaid}
	if _, put := t.put[at.key]; put {
		return nil
	}
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if !known || p.TS == "" {
		m := said(takenWords(b, d.api.permalink(ctx, card.channel, card.thread)))
		_, err = d.put(ctx, at, m, "", t)
		if refused(err) { // the message is gone, or we may not write there
			at.channel, at.thread = b.Requester.ID, ""
			_, err = d.put(ctx, at, m, "", t)
		}
		if refused(err) {
			d.log.Warn().Int64("batch", b.Number).Err(err).Msg("answer under a file")
			err = nil
		}
		if err != nil {
			return err
		}
	}
	t.put[at.key] = ""
	return nil
}

// refused says that Slack said no, and will say so again.
func refused(err error) bool {
	_, throttled := throttle(err)
	return slackCode(err) != "" && surelyNot(err) && !throttled
}

func takenWords(b *workflow.Batch, link string) string {
	text := fmt.Sprintf("%s is #%d", quoted(b.Source.FileName, lineText), b.Number)
	if b.State == workflow.Planning {
		text += ", and is being checked"
	}
	if link != "" {
		text += ". <" + link + "|Look at its card>"
	}
	return text + "."
}

// tellDirectly tells requester and approvers where the batch stands, when the channel is closed to us: once for each
// state, and at the end with the results. What fails here is tried again with the channel.
func (d *deliver) tellDirectly(ctx context.Context, b *workflow.Batch, s workflow.Summary, code string) {
	if b.State == workflow.Planning || b.State == workflow.Approved {
		return // it does not stay so
	}
	state := ended(b)
	finished := !b.Started.IsZero() && !b.State.Open()
	switch {
	case finished:
		state = thread{Batch: b, Summary: s}.outcome()
	case b.State == workflow.Running:
		state = sentence(plainState(b)) // its progress cannot be seen
	}
	d.direct.Lock()
	defer d.direct.Unlock()
	m := said(fmt.Sprintf("I cannot write into <#%s> (%s), so I tell you here: %s: %s",
		d.cfg.Requests, code, escape(batchTitle(b, s)), state))
	var told []string
	for _, p := range append([]workflow.Person{b.Requester}, b.Approvers()...) {
		if slices.Contains(told, p.ID) {
			continue
		}
		told = append(told, p.ID)
		at := place{key: directKey(b, p.ID), batch: b.Number, channel: p.ID, rank: rankSaid}
		_, err := d.put(ctx, at, m, "", newTrack())
		if err == nil && finished {
			err = d.sendResults(ctx, b, p.ID)
		}
		if err != nil && ctx.Err() == nil {
			d.log.Warn().Int64("batch", b.Number).Str("person", p.ID).Err(err).Msg("tell a person directly")
		}
	}
}

// tellEmergency tells every admin directly, once, that a batch of the emergency group needs one approval only. An admin who
// cannot be told does not keep the others from it.
func (d *deliver) tellEmergency(ctx context.Context, l *look, card place, t *track) error {
	admins, err := d.people.Admins(ctx)
	if err != nil {
		return fmt.Errorf("find the admins to tell of an emergency: %w", err)
	}
	b := l.Batch
	text := fmt.Sprintf(":rotating_light: *Emergency*: %s, asked for by %s. Reason: %s. "+
		"One approval by another person is enough.",
		escape(batchTitle(b, l.Summary)), mention(b.Requester.ID), quoted(b.Reason, reasonText))
	if link := d.api.permalink(ctx, card.channel, card.thread); link != "" {
		text += " <" + link + "|Look at its card>."
	}
	var failed []error
	for _, admin := range admins {
		at := place{key: directPrefix(b.Number) + "emergency/" + admin.ID, batch: b.Number, channel: admin.ID, rank: rankDecision}
		if _, put := t.put[at.key]; put {
			continue
		}
		_, err := d.put(ctx, at, said(text), "", t)
		if refused(err) {
			d.log.Warn().Int64("batch", b.Number).Str("person", admin.ID).Err(err).Msg("tell an admin of an emergency")
			t.put[at.key], err = "", nil
		}
		failed = append(failed, err)
	}
	return together(failed)
}

// directKey names what a person is told of a batch's state, once in each run.
func directKey(b *workflow.Batch, person string) string {
	if run(b) == 1 {
		return fmt.Sprintf("%s%s/%s", directPrefix(b.Number), b.State, person)
	}
	return fmt.Sprintf("%s%d/%s/%s", directPrefix(b.Number), run(b), b.State, person)
}

// sendResults puts the results into a person's direct messages, once.
func (d *deliver) sendResults(ctx context.Context, b *workflow.Batch, person string) error {
	at := place{key: fmt.Sprintf("%sresults/%d/%s", directPrefix(b.Number), run(b), person), batch: b.Number}
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil || known && p.TS != "" {
		return err
	}
	if at.channel, err = d.api.direct(ctx, person); err != nil {
		return err
	}
	return d.putFile(ctx, at, resultsFile(b.Number, run(b)), func(ctx context.Context) ([]byte, error) {
		return d.outcomes(ctx, b)
	})
}
