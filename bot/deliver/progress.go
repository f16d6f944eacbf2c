package deliver

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// Progress is how far a run is. pace is how fast it was seen to go, which this look is added to.
func (d *Deliverer) Progress(ctx context.Context, b *workflow.Batch, s workflow.Summary, pace *view.Speed) view.Progress {
	p := view.Progress{Thread: view.Thread{Batch: b, Summary: s}, Estimate: d.estimate(ctx, &snapshot{Batch: b, Summary: s})}
	p.Trouble, p.Waits = d.troubled(b), cmp.Or(d.closed(b), d.shut(b), d.waits(b))
	if b.State == workflow.Running {
		pace.Note(time.Now(), p.Finished())
	}
	p.Seen = *pace
	return p
}

// showProgress posts or edits the progress of a run, as often as Slack lets us. Its last state is
// always shown. While batches run, they take turns.
func (d *Deliverer) showProgress(ctx context.Context, l *snapshot, card place, w *batchView) error {
	if l.Batch.Started.IsZero() {
		return nil
	}
	t := w.lanes[onProgress]
	if err := d.closeProgress(ctx, l.Batch, card, t); err != nil {
		return err
	}
	name := progressName(l.Batch)
	at := below(l.Batch, card, name, slackapi.RankCounts)
	at.edit = true
	draw := func() slackapi.Message { return d.Progress(ctx, l.Batch, l.Summary, &t.pace).Draw() }
	m := draw()
	there, due, err := d.editDue(ctx, at, m.Text, t)
	if err != nil {
		return err
	}
	if !there { // what is said after a wait has to be true after it
		posts := d.api.Posts(at.channel)
		if err := posts.Wait(ctx, at.rank); err != nil {
			return err
		}
		now, err := d.load(ctx, l.Batch.Number)
		if err != nil {
			posts.Return()
			return err
		}
		if *l = *now; progressName(l.Batch) != name {
			posts.Return()
			return &laterError{}
		}
		m, at.sendTurn = draw(), true
	}
	if due {
		if l.Batch.State == workflow.Running || l.pausing() {
			if wait := d.intervals.Progress - time.Since(t.edited); wait > 0 {
				return &laterError{wait}
			}
		}
		r := slackapi.RankSaid
		switch l.Batch.State {
		case workflow.Paused:
			r = slackapi.RankLast
		case workflow.Running:
			r = slackapi.RankCounts
		}
		got, err := d.waitForTurn(ctx, t, l.Batch, r)
		if err != nil || !got {
			return cmp.Or(err, error(&laterError{}))
		}
		now, err := d.load(ctx, l.Batch.Number)
		if err != nil {
			return err
		}
		*l = *now
		m, at.editTurn = draw(), true
	}
	if _, err = d.put(ctx, at, m, m.Text, t); err != nil {
		return err
	}
	t.edited, t.counts = time.Now(), name
	if view.HasRun(l.Batch) {
		t.counts = ""
	}
	if l.Batch.State == workflow.Running { // also while nothing changes: time passes, and gates shut
		return &laterError{d.intervals.Progress}
	}
	return nil
}

// closeProgress says under the progress of a run that has ended where its outcome stands, when a
// retry began before its last count was shown: from then on the counts are those of the retry.
func (d *Deliverer) closeProgress(ctx context.Context, b *workflow.Batch, card place, t *lane) error {
	if t.counts == "" || t.counts == progressName(b) {
		return nil
	}
	at := below(b, card, t.counts, slackapi.RankSaid)
	at.edit = true
	m := view.Thread{Batch: b}.ProgressClosed()
	there, _, err := d.editDue(ctx, at, m.Text, t)
	if err == nil && there {
		_, err = d.put(ctx, at, m, m.Text, t)
	}
	if err == nil {
		t.counts = ""
	}
	return err
}

// progressName returns the key of the progress of a batch's latest run.
func progressName(b *workflow.Batch) string {
	if view.RunNumber(b) == 1 {
		return "progress"
	}
	return fmt.Sprintf("progress/%d", view.RunNumber(b))
}

// progressFirst returns how long the end of a run has to wait, so that people read its progress
// first also where the run took but a moment. It does not wait for what may never come: a progress
// that Slack does not take.
func (d *Deliverer) progressFirst(ctx context.Context, b *workflow.Batch) (time.Duration, error) {
	if time.Since(b.Ended) > endWaits {
		return 0, nil
	}
	return d.saidFirst(ctx, b.Ended, fmt.Sprintf("batch/%d/%s", b.Number, progressName(b)))
}
