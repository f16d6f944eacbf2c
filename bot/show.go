package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// look is one batch as the database has it at one moment.
type look struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
}

func (d *deliver) load(ctx context.Context, number int64) (*look, error) {
	b, err := d.store.Batch(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("load batch %d: %w", number, err)
	}
	summary, err := d.count(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("count the changes of batch %d: %w", number, err)
	}
	return &look{b, summary}, nil
}

// tallied is how far a run was when it was last counted, and until when that is believed.
type tallied struct {
	run     int
	summary workflow.Summary
	until   time.Time
}

// countsWorth is how many times as long as it took a count is believed while the batch runs: of 50,000 rows it takes some
// time, and a run is looked at all the time.
const countsWorth = 50

// count counts the changes of a batch; while it runs and there are many, not each time.
func (d *deliver) count(ctx context.Context, b *workflow.Batch) (workflow.Summary, error) {
	began := time.Now()
	if b.State == workflow.Running {
		d.mu.Lock()
		last, known := d.counts[b.Number]
		d.mu.Unlock()
		if known && last.run == run(b) && began.Before(last.until) {
			return last.summary, nil
		}
	}
	s, err := d.store.Summary(ctx, b.Number)
	d.mu.Lock()
	defer d.mu.Unlock()
	if took := time.Since(began); err == nil && b.State == workflow.Running {
		d.counts[b.Number] = tallied{run(b), s, began.Add(min(countsWorth*took, runningFor))}
	} else {
		delete(d.counts, b.Number)
	}
	return s, err
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

// lookAtCard posts or edits the card. It is drawn once more when its turn has come, which may take a while.
func (d *deliver) lookAtCard(ctx context.Context, l *look, w *drawing) error {
	t := w.tracks[onCard]
	c, at, err := d.card(ctx, l, w)
	if err != nil {
		return err
	}
	there, due, err := d.due(ctx, at, c.mark(), t)
	if err != nil {
		return err
	}
	if due {
		if wait := d.tooSoon(ctx, l.Batch, c.mark(), t); wait > 0 {
			return &laterError{wait}
		}
		got, err := d.turn(ctx, t, l.Batch, c.rank(t))
		if err != nil || !got {
			return cmp.Or(err, error(&laterError{}))
		}
		now, err := d.load(ctx, l.Batch.Number)
		if err != nil {
			return err
		}
		*l = *now
		if c, at, err = d.card(ctx, l, w); err != nil {
			return err
		}
		at.paid = true
	}
	p, err := d.put(ctx, at, c.draw(), c.mark(), t)
	if p.TS != "" {
		d.stands(w, p)
	}
	if p.TS != "" && !there && l.Batch.Follows != 0 {
		d.redraw(l.Batch.Follows) // it can lead here now
	}
	if err == nil {
		t.edited, t.pressed = time.Now(), c.pressed()
	}
	return err
}

// card is the card of a batch, and where it belongs.
func (d *deliver) card(ctx context.Context, l *look, w *drawing) (card, place, error) {
	b := l.Batch
	c := card{Batch: b, Summary: l.Summary, Admins: d.cfg.Admins, Now: time.Now(), Waits: d.closed(b)}
	at := place{key: cardKey(b.Number), batch: b.Number, channel: d.cfg.Requests, edit: true, rank: rankCard}
	at.anew = func() error { return d.forget(ctx, b.Number, w) }
	if b.State.Open() {
		at.version = b.Revision
	}
	var err error
	if c.From, c.Links, err = d.follow(ctx, b); err != nil {
		return c, at, err
	}
	if b.Digest != "" {
		c.First, err = d.store.Changes(ctx, b.Number, 0, tableRows, planned()...)
		if err != nil {
			return c, at, fmt.Errorf("load the first changes of batch %d: %w", b.Number, err)
		}
	}
	if b.State == workflow.AwaitingApproval {
		var current bool
		if c.Nobody, current = d.people.unapproved(b.Approvals, b.Requester.ID, b.Author.ID); !current {
			poke(d.outdated)
		}
	}
	return c, at, nil
}

// tooSoon is how long an edit of the card has to wait that only counts further: edits are few (Tier 3).
func (d *deliver) tooSoon(ctx context.Context, b *workflow.Batch, mark string, t *track) time.Duration {
	gap := time.Duration(0)
	switch {
	case b.State == workflow.Planning:
		gap = d.tempo.progress
	case b.State == workflow.Running && !t.doubt && steady(mark) == steady(t.put[cardKey(b.Number)]):
		gap = d.tempo.counts * time.Duration(max(len(d.running(ctx)), 1))
	}
	return gap - time.Since(t.edited)
}

// stands notes where the card is; what belongs under it can be put there now.
func (d *deliver) stands(w *drawing, p workflow.Post) {
	d.mu.Lock()
	first := w.card == ""
	w.card, w.where = p.TS, p.Channel // the settings may name another channel by now
	d.mu.Unlock()
	if first {
		poke(d.wake)
	}
}

// planned are the states of changes that are part of the plan.
func planned() []workflow.ChangeState {
	return []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeFailed,
		workflow.ChangeSkipped,
	}
}

func cardKey(number int64) string { return fmt.Sprintf("batch/%d/card", number) }

// below is a place of that name under the card.
func below(b *workflow.Batch, card place, name string, r rank) place {
	card.key, card.batch, card.rank = fmt.Sprintf("batch/%d/%s", b.Number, name), b.Number, r
	return card
}

// ran says whether a batch was run and has ended.
func ran(b *workflow.Batch) bool {
	return !b.Started.IsZero() && (b.State == workflow.Done || b.State == workflow.Cancelled)
}

// run is the number of the run that a batch is in or has been in, from 1.
func run(b *workflow.Batch) int { return max(b.Run, 1) }

// lookAtWords says in the thread what is to be said, in the order in which people read it.
func (d *deliver) lookAtWords(ctx context.Context, l *look, card place, w *drawing) error {
	b := l.Batch
	failed := []error{d.putTaken(ctx, b, card, w.tracks[onWords])} // what cannot be put does not hold up the rest
	t := thread{Batch: b, Summary: l.Summary, Admins: d.cfg.Admins}
	if b.State == workflow.Empty {
		var err error
		if t.Holders, err = d.holders(ctx, b.Number); err != nil {
			return err
		}
	}
	say := func(name string, due bool, draw func() message) {
		if due {
			_, err := d.put(ctx, below(b, card, name, rankSaid), draw(), "", w.tracks[onWords])
			failed = append(failed, err)
		}
	}
	say("empty", b.State == workflow.Empty, t.empty)
	say("admins", b.State == workflow.AwaitingApproval, t.admins)
	if b.Emergency {
		failed = append(failed, d.tellEmergency(ctx, l, card, w.tracks[onWords]))
	}
	failed = append(failed, d.remind(ctx, t, card, w.tracks[onWords]))
	say(fmt.Sprintf("pause/%d", b.Stop.At.UnixMilli()), b.State == workflow.Paused, t.paused)
	if ran(b) {
		var err error
		if _, t.Links, err = d.follow(ctx, b); err != nil {
			return err
		}
		wait, err := d.progressFirst(ctx, b)
		if err != nil || wait > 0 {
			return together(append(failed, cmp.Or(err, error(&laterError{wait}))))
		}
	}
	say(fmt.Sprintf("end/%d", run(b)), ran(b), t.end)
	return together(failed)
}

// progressFirst is how long the end of a run has to wait, so that people read its progress first also where the run took but a
// moment. It does not wait for what may never come: a progress that Slack does not take.
func (d *deliver) progressFirst(ctx context.Context, b *workflow.Batch) (time.Duration, error) {
	if time.Since(b.Ended) > endWaits {
		return 0, nil
	}
	p, _, err := d.store.Post(ctx, fmt.Sprintf("batch/%d/%s", b.Number, progressName(b)))
	if err != nil {
		return 0, fmt.Errorf("look for the progress of batch %d: %w", b.Number, err)
	}
	if p.TS != "" {
		return 0, nil
	}
	return endLooks, nil
}

// together joins errors; a single one stays what it is.
func together(failed []error) error {
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// lookAtFiles puts the files into the thread.
func (d *deliver) lookAtFiles(ctx context.Context, l *look, card place) error {
	b := l.Batch
	var failed []error
	share := func(name string, due bool, file string, content func(context.Context) ([]byte, error)) {
		if due {
			failed = append(failed, d.putFile(ctx, below(b, card, name, rankSaid), file, content))
		}
	}
	share("plan", b.Digest != "", planFile(b.Number), func(ctx context.Context) ([]byte, error) {
		seal := workflow.Seal(b.Digest)
		row := func(c workflow.Change) []string { return workflow.PlanRow(c, seal) }
		return d.rows(ctx, b.Number, workflow.PlanHeader(), row)
	})
	bad := l.Summary.State(workflow.ChangeBad, workflow.ChangeBlocked) > 0
	share("bad-rows", bad && b.State != workflow.Planning, badRowsFile(b.Number),
		func(ctx context.Context) ([]byte, error) { return d.badRows(ctx, b) })
	share(fmt.Sprintf("results/%d", run(b)), ran(b), resultsFile(b.Number, run(b)), func(ctx context.Context) ([]byte, error) {
		return d.outcomes(ctx, b)
	})
	return together(failed)
}

// outcomes are the results of a run that has ended, as a file.
func (d *deliver) outcomes(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	content, err := d.rows(ctx, b.Number, workflow.ResultsHeader(), workflow.ResultRow)
	if err != nil {
		return nil, err
	}
	now, err := d.store.Batch(ctx, b.Number)
	if err == nil && (!ran(now) || run(now) != run(b)) {
		err = fmt.Errorf("write the results of run %d: another run has begun", run(b))
	}
	return content, err
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

// lookAtProgress posts or edits the progress of a run, as often as Slack lets us. Its last state is always shown. While
// batches run, they take turns.
func (d *deliver) lookAtProgress(ctx context.Context, l *look, card place, w *drawing) error {
	if l.Batch.Started.IsZero() {
		return nil
	}
	t := w.tracks[onProgress]
	if err := d.closeProgress(ctx, l.Batch, card, t); err != nil {
		return err
	}
	name := progressName(l.Batch)
	at := below(l.Batch, card, name, rankCounts)
	at.edit = true
	draw := func() message {
		p := progress{thread: thread{Batch: l.Batch, Summary: l.Summary}, Outlook: d.outlook(ctx, l)}
		p.Waits = cmp.Or(d.troubled(l.Batch), d.closed(l.Batch), d.shut(l.Batch))
		if l.Batch.State == workflow.Running {
			t.pace.note(time.Now(), p.finished())
		}
		p.Seen = t.pace
		return p.draw()
	}
	m := draw()
	there, due, err := d.due(ctx, at, m.Text, t)
	if err != nil {
		return err
	}
	if !there { // what is said after a wait has to be true after it
		posts := d.api.pacer(at.channel)
		if err := posts.wait(ctx, at.rank); err != nil {
			return err
		}
		now, err := d.load(ctx, l.Batch.Number)
		if err != nil {
			posts.back()
			return err
		}
		if *l = *now; progressName(l.Batch) != name {
			posts.back()
			return &laterError{}
		}
		m, at.sends = draw(), true
	}
	if due {
		r := rankSaid
		if l.Batch.State == workflow.Running {
			r = rankCounts
			if wait := d.tempo.progress - time.Since(t.edited); wait > 0 {
				return &laterError{wait}
			}
		}
		got, err := d.turn(ctx, t, l.Batch, r)
		if err != nil || !got {
			return cmp.Or(err, error(&laterError{}))
		}
		now, err := d.load(ctx, l.Batch.Number)
		if err != nil {
			return err
		}
		*l = *now
		m, at.paid = draw(), true
	}
	if _, err = d.put(ctx, at, m, m.Text, t); err != nil {
		return err
	}
	t.edited, t.counts = time.Now(), name
	if ran(l.Batch) {
		t.counts = ""
	}
	if l.Batch.State == workflow.Running { // also while nothing changes: time passes, and gates shut
		return &laterError{d.tempo.progress}
	}
	return nil
}

// closeProgress says under the progress of a run that has ended where its outcome stands, when a retry began before its
// last count was shown: from then on the counts are those of the retry.
func (d *deliver) closeProgress(ctx context.Context, b *workflow.Batch, card place, t *track) error {
	if t.counts == "" || t.counts == progressName(b) {
		return nil
	}
	at := below(b, card, t.counts, rankSaid)
	at.edit = true
	m := thread{Batch: b}.progressClosed()
	there, _, err := d.due(ctx, at, m.Text, t)
	if err == nil && there {
		_, err = d.put(ctx, at, m, m.Text, t)
	}
	if err == nil {
		t.counts = ""
	}
	return err
}

// progressName is the key of the progress of a batch's latest run.
func progressName(b *workflow.Batch) string {
	if run(b) == 1 {
		return "progress"
	}
	return fmt.Sprintf("progress/%d", run(b))
}
