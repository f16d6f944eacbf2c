package deliver

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// The keys of posts that do not stand under the card.
func takenKey(number int64) string     { return fmt.Sprintf("batch/%d/taken", number) }
func directPrefix(number int64) string { return fmt.Sprintf("batch/%d/direct/", number) }

// forget forgets everything that was put under a card that is no longer there, so that it is put
// under the next one. The lanes below the card begin again when that stands.
func (d *Deliverer) forget(ctx context.Context, number int64, w *batchView) error {
	if err := d.takeAway(ctx, w); err != nil {
		return err
	}
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
	for on, t := range w.lanes {
		if on != onCard {
			t.shown, t.forgotten, t.rerun = 0, true, t.busy
		}
	}
	return nil
}

// putTaken answers under the message that brought the file which batch it is. A check that is
// repeated is answered where it was asked for.
func (d *Deliverer) putTaken(ctx context.Context, b *workflow.Batch, card place, t *lane) error {
	from := b.Source
	if from.Kind != workflow.SourceFile || from.Message == "" || b.Follows != 0 || card.thread == "" {
		return nil
	}
	at := place{key: takenKey(b.Number), batch: b.Number, channel: from.Channel, thread: from.Message, rank: slackapi.RankSaid}
	if _, put := t.put[at.key]; put {
		return nil
	}
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil {
		return fmt.Errorf("load post %s: %w", at.key, err)
	}
	if !known || p.TS == "" {
		m := view.Taken(b, d.api.Permalink(ctx, card.channel, card.thread))
		_, err = d.put(ctx, at, m, "", t)
		if slackapi.Refused(err) { // the message is gone, or we may not write there
			at.channel, at.thread = b.Requester.ID, ""
			_, err = d.put(ctx, at, m, "", t)
		}
		if slackapi.Refused(err) {
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

// tellDirectly tells the requester, who has approved and, as long as it waits for approval,
// everyone who may approve where the batch stands, when the channel is closed to us or keeps no
// card: once for each state, and at the end with the results. Who may approve gets the card itself,
// and can answer there. What fails here is tried again with the channel.
func (d *Deliverer) tellDirectly(ctx context.Context, look *snapshot, w *batchView, code string) {
	b := look.Batch
	if b.State == workflow.Planning || b.State == workflow.Approved {
		return // it does not stay so
	}
	finished := !b.Started.IsZero() && !b.State.Open()
	t, err := d.thread(ctx, look)
	if err != nil {
		d.log.Warn().Int64("batch", b.Number).Err(err).Msg("tell people directly")
		return
	}
	if !d.holdDirectly(ctx) {
		return
	}
	defer d.freeDirectly()
	approvers := d.mayApprove(ctx, b)
	var told []string
	for _, p := range slices.Concat([]workflow.Person{b.Requester}, b.Approvers(), approvers) {
		if slices.Contains(told, p.ID) {
			continue
		}
		told = append(told, p.ID)
		at := place{key: directKey(b, p.ID), batch: b.Number, channel: p.ID, rank: slackapi.RankSaid}
		var err error
		if slices.Contains(approvers, p) {
			err = d.putCardDirectly(ctx, look, w, at, code)
		} else {
			_, err = d.put(ctx, at, t.Direct(d.cfg.Requests, code), "", newLane())
		}
		if err == nil && finished {
			err = d.sendResults(ctx, b, p.ID)
		}
		if err != nil && ctx.Err() == nil {
			d.log.Warn().Int64("batch", b.Number).Str("person", p.ID).Err(err).Msg("tell a person directly")
		}
	}
}

// holdDirectly waits until nobody else tells people directly, false where the time of ctx is over before. It is a channel and
// no lock, since whoever has it waits for Slack.
func (d *Deliverer) holdDirectly(ctx context.Context) bool {
	select {
	case d.directly <- struct{}{}:
		return true
	case <-ctx.Done():
		return false
	}
}

func (d *Deliverer) freeDirectly() { <-d.directly }

// mayApprove are the people who may approve a batch that waits for it, as a click would find them;
// those of groups that cannot be read are left out. While Slack cannot be asked they are those whom
// the settings name.
func (d *Deliverer) mayApprove(ctx context.Context, b *workflow.Batch) (may []workflow.Person) {
	if b.State != workflow.AwaitingApproval {
		return nil
	}
	found, current := d.people.Approvers()
	if found == nil || !found.All || !current {
		if err := d.people.FindApprovers(ctx, true); err != nil {
			d.log.Warn().Int64("batch", b.Number).Err(err).Msg("find out who could approve")
			return d.namedAdmins(b)
		}
		found, _ = d.people.Approvers()
	}
	may, err := d.mayStill(ctx, b, found.Able...)
	if err != nil {
		d.log.Warn().Int64("batch", b.Number).Err(err).Msg("find out who could approve")
		return d.namedAdmins(b)
	}
	return may
}

// mayStill are those of the people whose approval could come next: each human once, and none that has
// approved, under whichever account.
func (d *Deliverer) mayStill(ctx context.Context, b *workflow.Batch, people ...workflow.Actor) (may []workflow.Person, err error) {
	var decided []workflow.Actor
	for _, p := range b.Approvers() {
		decided = append(decided, workflow.Actor{Person: p, Admin: true})
	}
	able, _, err := d.cfg.Engine.CanApprove(ctx, b, append(decided, people...)...)
	for _, p := range able {
		if !slices.ContainsFunc(decided, func(by workflow.Actor) bool { return by.ID == p.ID }) {
			may = append(may, p)
		}
	}
	return may, err
}

// admins are the settings' admins as far as they are not known to be refused an approval of the batch
// because of who they are: a card names nobody as who may approve that has, or has asked, under another
// account, or whose own account it is about.
func (d *Deliverer) admins(ctx context.Context, b *workflow.Batch) (admins []string, err error) {
	found, _ := d.people.Approvers()
	if found == nil || b.State != workflow.AwaitingApproval {
		return d.cfg.Admins, nil
	}
	for _, id := range d.cfg.Admins {
		at := slices.IndexFunc(found.Able, func(able workflow.Actor) bool { return able.ID == id })
		if at >= 0 {
			may, err := d.mayStill(ctx, b, found.Able[at])
			if err != nil {
				return nil, err
			}
			if len(may) == 0 {
				continue
			}
		}
		admins = append(admins, id)
	}
	return admins, nil
}

// namedAdmins are the admins of the settings who have not asked for the batch, by their ids alone.
func (d *Deliverer) namedAdmins(b *workflow.Batch) (named []workflow.Person) {
	for _, id := range d.cfg.Admins {
		if p := (workflow.Person{ID: id}); !workflow.IsUserGroup(id) && !b.Involves(p) {
			named = append(named, p)
		}
	}
	return named
}

// putCardDirectly gives a person the card, once, with the file of all rows before it where the card
// does not show them.
func (d *Deliverer) putCardDirectly(ctx context.Context, look *snapshot, w *batchView, at place, code string) error {
	if p, known, err := d.store.Post(ctx, at.key); err != nil || known && p.TS != "" {
		return err
	}
	c, _, err := d.card(ctx, look, w)
	if err != nil {
		return err
	}
	if c.Partial() {
		file := place{key: fmt.Sprintf("%splan/%s", directPrefix(look.Batch.Number), at.channel), batch: look.Batch.Number}
		if file.channel, err = d.api.Direct(ctx, at.channel); err != nil {
			return err
		}
		err = d.putFile(ctx, file, view.PlanFile(look.Batch.Number), "", func(ctx context.Context) ([]byte, error) {
			return d.planRows(ctx, look.Batch)
		})
		if err != nil {
			return err
		}
		if c.Plan, err = d.fileState(ctx, file.key); err != nil {
			return err
		}
	}
	_, err = d.put(ctx, at, view.DirectCard(c, d.cfg.Requests, code), "", newLane())
	return err
}

// tellEmergency tells every admin directly, once, that a batch of the emergency group needs one
// approval only. An admin who cannot be told does not keep the others from it. Once all are told
// nobody is asked for anything any more.
func (d *Deliverer) tellEmergency(ctx context.Context, t view.Thread, on *lane) error {
	b := t.Batch
	key := directPrefix(b.Number) + "emergency"
	if _, told := on.put[key]; told {
		return nil
	}
	admins, err := d.people.Admins(ctx)
	if err != nil {
		return fmt.Errorf("find the admins to tell of an emergency: %w", err)
	}
	message := sync.OnceValue(func() slackapi.Message { return t.Emergency(d.CardURL(ctx, b.Number)) })
	var failed []error
	for _, admin := range admins {
		at := place{key: key + "/" + admin.ID, batch: b.Number, channel: admin.ID, rank: slackapi.RankDecision}
		p, known, err := d.store.Post(ctx, at.key)
		if _, put := on.put[at.key]; put || err == nil && known && p.TS != "" {
			continue
		}
		if err == nil {
			_, err = d.put(ctx, at, message(), "", on)
		}
		if slackapi.Refused(err) {
			d.log.Warn().Int64("batch", b.Number).Str("person", admin.ID).Err(err).Msg("tell an admin of an emergency")
			on.put[at.key], err = "", nil
		}
		failed = append(failed, err)
	}
	if err = together(failed); err == nil {
		on.put[key] = ""
	}
	return err
}

// directKey names what a person is told of a batch's state, once in each run.
func directKey(b *workflow.Batch, person string) string {
	if view.RunNumber(b) == 1 {
		return fmt.Sprintf("%s%s/%s", directPrefix(b.Number), b.State, person)
	}
	return fmt.Sprintf("%s%d/%s/%s", directPrefix(b.Number), view.RunNumber(b), b.State, person)
}

// sendResults puts the results into a person's direct messages, once.
func (d *Deliverer) sendResults(ctx context.Context, b *workflow.Batch, person string) error {
	at := place{key: fmt.Sprintf("%sresults/%d/%s", directPrefix(b.Number), view.RunNumber(b), person), batch: b.Number}
	p, known, err := d.store.Post(ctx, at.key)
	if err != nil || known && p.TS != "" {
		return err
	}
	if at.channel, err = d.api.Direct(ctx, person); err != nil {
		return err
	}
	return d.putFile(ctx, at, view.ResultsFile(b.Number, view.RunNumber(b)), view.ResultsWords(b.Number, view.RunNumber(b)), func(ctx context.Context) ([]byte, error) {
		return d.outcomes(ctx, b)
	})
}
