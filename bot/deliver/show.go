package deliver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// snapshot is one batch as the database has it at one moment.
type snapshot struct {
	Batch   *workflow.Batch
	Summary workflow.Summary
}

// pausing reports whether the run pauses and calls are still under way: what is counted then is not
// the last count.
func (l *snapshot) pausing() bool {
	return l.Batch.State == workflow.Paused && l.Summary.State(workflow.ChangeRunning) > 0
}

func (d *Deliverer) load(ctx context.Context, number int64) (*snapshot, error) {
	b, err := d.store.Batch(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("load batch %d: %w", number, err)
	}
	summary, err := d.count(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("count the changes of batch %d: %w", number, err)
	}
	return &snapshot{b, summary}, nil
}

// counted is how far a run was when it was last counted, and until when that is believed.
type counted struct {
	run     int
	summary workflow.Summary
	until   time.Time
}

// countsWorth is how many times as long as it took a count is believed while the batch runs: of
// 50,000 rows it takes some time, and a run is looked at all the time.
const countsWorth = 50

// count counts the changes of a batch; while it runs and there are many, not each time.
func (d *Deliverer) count(ctx context.Context, b *workflow.Batch) (workflow.Summary, error) {
	began := time.Now()
	if b.State == workflow.Running {
		d.mu.Lock()
		last, known := d.counts[b.Number]
		d.mu.Unlock()
		if known && last.run == view.RunNumber(b) && began.Before(last.until) {
			return last.summary, nil
		}
	}
	s, err := d.store.Summary(ctx, b.Number)
	d.mu.Lock()
	defer d.mu.Unlock()
	if took := time.Since(began); err == nil && b.State == workflow.Running {
		d.counts[b.Number] = counted{view.RunNumber(b), s, began.Add(min(countsWorth*took, runningFor))}
	} else {
		delete(d.counts, b.Number)
	}
	return s, err
}

// markShown records that everything of an ended batch is shown as it is now. Until then its posts
// carry an older revision, so that after a crash the whole batch is looked at again.
func (d *Deliverer) markShown(ctx context.Context, b *workflow.Batch) error {
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

// showCard posts or edits the card. It is drawn once more when its turn has come, which may take a
// while.
func (d *Deliverer) showCard(ctx context.Context, l *snapshot, w *batchView) error {
	t := w.lanes[onCard]
	if wait := d.deletedAgain(w); wait > 0 {
		t.recheck = true
		d.tellDirectly(ctx, l, w, view.CardDeleted)
		return &laterError{wait}
	}
	if held, err := d.hold(ctx, l, w); held || err != nil {
		return err
	}
	c, at, err := d.card(ctx, l, w)
	if err != nil {
		return err
	}
	there, due, err := d.editDue(ctx, at, c.Mark(), t)
	if err != nil {
		return err
	}
	if due {
		if wait := d.tooSoon(ctx, l, c.Mark(), t); wait > 0 {
			return &laterError{wait}
		}
		got, err := d.waitForTurn(ctx, t, l.Batch, rankOf(c, t))
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
		at.editTurn = true
	}
	m := c.Draw()
	m.Revision = l.Batch.Revision
	p, err := d.put(ctx, at, m, c.Mark(), t)
	if p.TS != "" {
		d.cardStands(l.Batch.Number, w, p)
	}
	if p.TS != "" && !there && l.Batch.Follows != 0 {
		d.Redraw(l.Batch.Follows) // it can lead here now
	}
	if err == nil {
		t.edited, t.pressed = time.Now(), c.Pressed()
	}
	return err
}

// card returns the card of a batch, and where it belongs.
func (d *Deliverer) card(ctx context.Context, l *snapshot, w *batchView) (view.Card, place, error) {
	b := l.Batch
	c := view.Card{Batch: b, Summary: l.Summary, Waits: d.closed(b)}
	at := place{key: cardKey(b.Number), batch: b.Number, channel: d.cfg.Requests, edit: true, rank: slackapi.RankCard}
	at.repost = func() error { return d.forget(ctx, b.Number, w) }
	if b.State.Open() {
		at.version = b.Revision
	}
	var err error
	if c.Admins, err = d.admins(ctx, b); err != nil {
		return c, at, err
	}
	if c.From, c.Relations, err = d.follow(ctx, b); err != nil {
		return c, at, err
	}
	if b.Digest != "" {
		if err := d.readRows(ctx, &c); err != nil {
			return c, at, err
		}
		if c.Plan, err = d.planFile(ctx, b); err != nil {
			return c, at, err
		}
	}
	if view.HasRun(b) {
		if c.Results, err = d.fileState(ctx, below(b, at, resultsName(b), slackapi.RankSaid).key); err != nil {
			return c, at, err
		}
	}
	if b.State == workflow.AwaitingApproval {
		var current bool
		if c.Nobody, current, err = d.unapproved(ctx, b); err != nil {
			return c, at, err
		}
		if !current {
			poke(d.outdated)
		}
	}
	return c, at, nil
}

// Card returns what the card of a batch is drawn from, as it is now.
func (d *Deliverer) Card(ctx context.Context, number int64) (view.Card, error) {
	l, err := d.load(ctx, number)
	if err != nil {
		return view.Card{}, err
	}
	c, _, err := d.card(ctx, l, newBatchView())
	return c, err
}

// readRows reads the rows that the card shows, and what all of them come to.
func (d *Deliverer) readRows(ctx context.Context, c *view.Card) (err error) {
	b := c.Batch
	c.First, err = d.store.Changes(ctx, b.Number, 0, view.TableRows, view.PlannedStates()...)
	if err != nil {
		return fmt.Errorf("load the first changes of batch %d: %w", b.Number, err)
	}
	if c.Summary.State(workflow.ChangeFailed) > 0 {
		c.Failed, err = d.store.Changes(ctx, b.Number, 0, view.FailedRows, workflow.ChangeFailed)
		if err != nil {
			return fmt.Errorf("load the failed changes of batch %d: %w", b.Number, err)
		}
	}
	c.Gist, err = d.gist(ctx, b)
	return err
}

// tooSoon returns how long an edit of the card has to wait that only counts further: edits are few
// (Tier 3).
func (d *Deliverer) tooSoon(ctx context.Context, l *snapshot, mark string, t *lane) time.Duration {
	counts := !t.stale && view.Steady(mark) == view.Steady(t.put[cardKey(l.Batch.Number)])
	gap := time.Duration(0)
	switch {
	case l.Batch.State == workflow.Planning, counts && l.pausing():
		gap = d.intervals.Progress
	case counts && l.Batch.State == workflow.Running:
		gap = d.intervals.Counts * time.Duration(max(len(d.running(ctx)), 1))
	}
	return gap - time.Since(t.edited)
}

// cardStands records where the card is; what belongs under it can be put there now.
func (d *Deliverer) cardStands(number int64, w *batchView, p workflow.Post) {
	d.mu.Lock()
	first := w.card == ""
	w.card, w.where = p.TS, p.Channel // the settings may name another channel now
	_, deleted := d.deleted[p.TS]
	delete(d.deleted, p.TS)
	d.mu.Unlock()
	if deleted { // before we heard that it was posted
		d.cardDeleted(number, w, p.TS)
	}
	if first {
		poke(d.wake)
		poke(d.stood)
	}
}

func cardKey(number int64) string { return fmt.Sprintf("batch/%d/card", number) }

// CardNumber returns the batch whose card has that key; ok is false where it is the key of
// something else.
func CardNumber(key string) (number int64, ok bool) {
	digits := strings.TrimSuffix(strings.TrimPrefix(key, "batch/"), "/card")
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, err == nil && number > 0 && cardKey(number) == key
}

// below returns a place of that name under the card.
func below(b *workflow.Batch, card place, name string, r slackapi.Rank) place {
	card.key, card.batch, card.rank = fmt.Sprintf("batch/%d/%s", b.Number, name), b.Number, r
	return card
}

// together joins errors; a single one stays what it is.
func together(failed []error) error {
	failed = slices.DeleteFunc(failed, func(err error) bool { return err == nil })
	if len(failed) == 1 {
		return failed[0]
	}
	return errors.Join(failed...)
}

// shareFiles puts the files into the thread.
func (d *Deliverer) shareFiles(ctx context.Context, l *snapshot, card place) error {
	b := l.Batch
	var failed []error
	share := func(name string, due bool, file, comment string, content func(context.Context) ([]byte, error)) {
		if due {
			failed = append(failed, d.putFileInTime(ctx, below(b, card, name, slackapi.RankSaid), file, comment, content))
		}
	}
	share(planName, b.Digest != "", view.PlanFile(b.Number), "", func(ctx context.Context) ([]byte, error) {
		return d.planRows(ctx, b)
	})
	bad := l.Summary.State(workflow.ChangeBad, workflow.ChangeBlocked) > 0
	share(badRowsName, bad && b.State != workflow.Planning, view.BadRowsFile(b.Number), view.BadRowsWords(b),
		func(ctx context.Context) ([]byte, error) { return d.badRows(ctx, b) })
	theirs := 0
	if b.Source.Move != nil && b.State != workflow.Planning {
		var err error
		if theirs, err = d.countTheirs(ctx, l, below(b, card, theirsName, slackapi.RankSaid).key); err != nil {
			failed = append(failed, err)
		}
	}
	share(theirsName, theirs > 0, view.IdentityProviderFile(b.Number), view.IdentityProviderWords(b.Number, theirs),
		func(ctx context.Context) ([]byte, error) { return d.theirs(ctx, b) })
	run := view.RunNumber(b)
	if view.HasRun(b) { // people read the end first
		wait, err := d.saidFirst(ctx, b.Ended, below(b, card, endName(b), slackapi.RankSaid).key)
		if err != nil || wait > 0 {
			return together(append(failed, cmp.Or(err, error(&laterError{wait}))))
		}
	}
	share(resultsName(b), view.HasRun(b), view.ResultsFile(b.Number, run), view.ResultsWords(b.Number, run),
		func(ctx context.Context) ([]byte, error) { return d.outcomes(ctx, b) })
	return together(failed)
}

// resultsName names the file with what became of every row in a run.
func resultsName(b *workflow.Batch) string { return fmt.Sprintf("results/%d", view.RunNumber(b)) }

// The names of the files with every row, and with those that will not run.
const (
	planName    = "plan"
	badRowsName = "bad-rows"
)

// Plan is the file with every row of a batch's plan, as it was approved.
func (d *Deliverer) Plan(ctx context.Context, b *workflow.Batch) (slackapi.Content, error) {
	content, err := d.planRows(ctx, b)
	return slackapi.Bytes(content), err
}

// planRows are the rows of a plan, as a file.
func (d *Deliverer) planRows(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	seal := workflow.Seal(b.Digest)
	row := func(c workflow.Change) []string { return sheet.PlanRow(c, seal) }
	return d.rows(ctx, b.Number, sheet.PlanHeader(), row)
}

// outcomes are the results of a run that has ended, as a file.
func (d *Deliverer) outcomes(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	content, err := d.rows(ctx, b.Number, sheet.ResultsHeader(), sheet.ResultRow)
	if err != nil {
		return nil, err
	}
	now, err := d.store.Batch(ctx, b.Number)
	if err == nil && (!view.HasRun(now) || view.RunNumber(now) != view.RunNumber(b)) {
		err = fmt.Errorf("write the results of run %d: another run has begun", view.RunNumber(b))
	}
	return content, err
}

// holders returns the open batches that hold rows of this one.
func (d *Deliverer) holders(ctx context.Context, number int64) ([]int64, error) {
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
		if err == nil && !slices.Contains(out, holder) && len(out) < view.RowsShown {
			out = append(out, holder)
		}
	}
	slices.Sort(out)
	return out, nil
}
