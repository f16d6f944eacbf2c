package bot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// show draws the card and, if all is wanted, what belongs to it.
func (d *deliver) show(ctx context.Context, number int64, w *drawing, all bool) (*workflow.Batch, error) {
	b, err := d.store.Batch(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("load batch %d: %w", number, err)
	}
	summary, err := d.store.Summary(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("count the changes of batch %d: %w", number, err)
	}
	card, err := d.putCard(ctx, b, summary, w)
	if all && (err == nil || err == errLater) { //nolint:errorlint // it alone
		if taken := d.putTaken(ctx, b, card, w); taken != nil {
			err = errors.Join(err, taken)
		}
	}
	if all && err == nil {
		err = d.putThread(ctx, b, summary, card, w)
	}
	if closedChannel(err) {
		d.tellDirectly(ctx, b, summary, slackCode(err))
	}
	if all && err == nil && !b.State.Open() {
		err = d.settle(ctx, b)
	}
	return b, err
}

// settle notes that everything of an ended batch is shown as it is now. Until then its posts carry an older revision, so
// that after a crash the whole batch is looked at again.
func (d *deliver) settle(ctx context.Context, b *workflow.Batch) error {
	posts, err := d.store.Posts(ctx, b.Number)
	if err != nil {
		return fmt.Errorf("settle the posts of batch %d: %w", b.Number, err)
	}
	for _, p := range posts {
		if p.Version == b.Revision && p.Sending.IsZero() {
			continue
		}
		p.Version, p.Sending = b.Revision, time.Time{}
		if err := d.store.SavePost(ctx, p); err != nil {
			return fmt.Errorf("settle the posts of batch %d: %w", b.Number, err)
		}
	}
	return nil
}

// putCard posts or edits the card, and gives where it stands.
func (d *deliver) putCard(ctx context.Context, b *workflow.Batch, s workflow.Summary, w *drawing) (place, error) {
	c := card{Batch: b, Summary: s, Admins: d.cfg.Admins}
	if b.Digest != "" {
		var err error
		c.First, err = d.store.Changes(ctx, b.Number, 0, tableRows, planned()...)
		if err != nil {
			return place{}, fmt.Errorf("load the first changes of batch %d: %w", b.Number, err)
		}
	}
	if b.State == workflow.AwaitingApproval {
		var current bool
		if c.Nobody, current = d.people.unapproved(b.Requester.ID, b.Author.ID); !current {
			poke(d.outdated)
		}
	}
	at := place{key: cardKey(b.Number), batch: b.Number, channel: d.cfg.Requests, edit: true, urgent: true}
	at.anew = func() error { return d.forget(ctx, b.Number, w) }
	if b.State.Open() {
		at.version = b.Revision
	}
	if b.State == workflow.Planning { // "checking 1,200 of 5,000" is worth few edits
		if w.card != "" && time.Since(w.edited) < d.tempo.progress {
			at.channel, at.thread = w.where, w.card
			return at, errLater
		}
		w.edited = time.Now()
	}
	p, err := d.put(ctx, at, c.draw(), c.mark(), w) // edited only when it says something new, not with every revision
	d.mu.Lock()
	w.card, w.where = p.TS, p.Channel
	d.mu.Unlock()
	at.channel, at.thread = p.Channel, p.TS // the settings may name another channel by now
	return at, err
}

// planned are the states of changes that are part of the plan.
func planned() []workflow.ChangeState {
	return []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeFailed,
		workflow.ChangeSkipped,
	}
}

func cardKey(number int64) string { return fmt.Sprintf("batch/%d/card", number) }

// putThread brings everything under the card up to date, in the order in which people read it.
func (d *deliver) putThread(ctx context.Context, b *workflow.Batch, s workflow.Summary, card place, w *drawing) error {
	under := func(name string) place {
		at := card
		at.key, at.edit, at.urgent, at.anew = fmt.Sprintf("batch/%d/%s", b.Number, name), false, false, nil
		return at
	}
	if b.State == workflow.Planning {
		return nil
	}
	t := thread{Batch: b, Summary: s, Admins: d.cfg.Admins}
	if b.State == workflow.Empty {
		var err error
		if t.Holders, err = d.holders(ctx, b.Number); err != nil {
			return err
		}
	}
	var failed []error // what cannot be put does not hold up the rest
	say := func(name string, due bool, draw func() message) {
		if due {
			_, err := d.put(ctx, under(name), draw(), "", w)
			failed = append(failed, err)
		}
	}
	share := func(name string, due bool, file string, content func(context.Context) ([]byte, error)) {
		if due {
			failed = append(failed, d.putFile(ctx, under(name), file, content))
		}
	}
	started := !b.Started.IsZero()
	ended := started && (b.State == workflow.Done || b.State == workflow.Cancelled)
	say("empty", b.State == workflow.Empty, t.empty)
	say("admins", b.State == workflow.AwaitingApproval, t.admins)
	say(fmt.Sprintf("pause/%d", b.Stop.At.UnixMilli()), b.State == workflow.Paused, t.paused)
	share("plan", b.Digest != "", planFile(b.Number), func(ctx context.Context) ([]byte, error) {
		return d.rows(ctx, b.Number, workflow.PlanHeader(), workflow.PlanRow)
	})
	share("bad-rows", s.State(workflow.ChangeBad, workflow.ChangeBlocked) > 0, badRowsFile(b.Number),
		func(ctx context.Context) ([]byte, error) { return d.badRows(ctx, b) })
	if started {
		failed = append(failed, d.putProgress(ctx, under("progress"), t, w))
	}
	say("end/1", ended, t.end)
	share("results/1", ended, resultsFile(b.Number), func(ctx context.Context) ([]byte, error) {
		return d.rows(ctx, b.Number, workflow.ResultsHeader(), workflow.ResultRow)
	})
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// holders are the open batches that hold rows of this one.
func (d *deliver) holders(ctx context.Context, number int64) ([]int64, error) {
	blocked, err := d.store.Changes(ctx, number, 0, pageOfChanges, workflow.ChangeBlocked)
	if err != nil {
		return nil, fmt.Errorf("look for what holds batch %d: %w", number, err)
	}
	var out []int64
	for _, c := range blocked {
		if c.Reason.Code != workflow.ReasonHeld || len(c.Reason.Facts) == 0 {
			continue
		}
		holder, err := strconv.ParseInt(c.Reason.Facts[0], 10, 64)
		if err == nil && !slices.Contains(out, holder) && len(out) < rowsShown {
			out = append(out, holder)
		}
	}
	slices.Sort(out)
	return out, nil
}

// putProgress edits the progress, as often as Slack lets us. The last state of a run is always shown.
func (d *deliver) putProgress(ctx context.Context, at place, t thread, w *drawing) error {
	at.edit = true
	now := time.Now()
	if t.Batch.State == workflow.Running {
		w.pace.note(now, t.finished())
		if now.Sub(w.edited) < d.tempo.progress {
			return errLater
		}
		if !d.progress.Allow() {
			return errLater
		}
	}
	m := t.progress(w.pace)
	_, err := d.put(ctx, at, m, m.Text, w)
	w.edited = now
	return err
}
