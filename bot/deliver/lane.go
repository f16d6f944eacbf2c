package deliver

import (
	"context"
	"errors"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// The lanes of a batch.
const (
	onCard     = iota // the card
	onWords           // what is said in its thread
	onProgress        // the one message there that says how far the run is
	onFiles
	lanes
)

// batchView is what is remembered of one batch between two looks. Losing it costs an edit, nothing
// more.
type batchView struct {
	seen  int64  // the latest revision that was heard of
	card  string // ts of the card, "" as long as none stands
	where string // and its channel

	heldSince time.Time // the card, for its plan; zero when it was not

	deletions int       // of the card, one soon after the other
	deletedAt time.Time // the latest
	deleted   string    // and its ts

	lanes [lanes]*lane

	// What is under way under the card; what takes the card away ends it and waits for it.
	under int
	away  chan struct{} // closed when the card is taken away
	free  chan struct{} // closed when nothing is under way any more; nil unless somebody waits
}

// lane is how far one batch is shown on one of its lanes.
type lane struct {
	busy      bool
	rerun     bool  // changed while busy
	urged     bool  // look now, whatever is waited for
	forgotten bool  // what was put may not be there any more
	shown     int64 // the revision that is fully shown
	nudge     chan struct{}

	// of the goroutine that is busy
	put      map[string]string // key → what was put there last
	recheck  bool              // the next look has to see whether it is there
	stale    bool              // what is there has to be edited, whatever it should show
	edited   time.Time         // when it last counted further
	counts   string            // the progress that still counts: its run had not ended when it was last shown
	pressed  string            // the buttons that the card shows, in short
	pace     view.Speed
	failures int
}

func newLane() *lane { return &lane{put: map[string]string{}, nudge: make(chan struct{}, 1)} }

func newBatchView() *batchView {
	w := &batchView{away: make(chan struct{})}
	for on := range w.lanes {
		w.lanes[on] = newLane()
	}
	return w
}

// idle reports whether nobody works on the batch but on one lane, and nothing new was heard of it.
// The caller holds deliver.mu.
func (w *batchView) idle(exclude int) bool {
	for on, t := range w.lanes {
		if t.rerun || t.forgotten || t.busy && on != exclude {
			return false
		}
	}
	return true
}

// laterError says that all is shown but for a count that is shown a little later.
type laterError struct{ wait time.Duration }

func (e *laterError) Error() string { return "shown in " + e.wait.String() }

// keepLane looks at one batch on one lane until it is fully shown there.
func (d *Deliverer) keepLane(ctx context.Context, number int64, w *batchView, on int) {
	t := w.lanes[on]
	for {
		d.startLook(t)
		b, err := d.showLane(ctx, number, w, on)
		wait := d.intervals.Draw
		later, counting := err.(*laterError) //nolint:errorlint // it alone: beside a real failure it does not count
		if err == nil {
			var rests bool
			if rests, err = d.restLane(ctx, w, on, b); rests {
				return
			}
		}
		switch {
		case ctx.Err() != nil:
		case counting:
			t.failures, wait = 0, max(later.wait, wait)
		case err != nil:
			wait = d.failed(number, t, err)
		default:
			t.failures = 0
		}
		if b != nil && (counting || slackapi.ChannelClosed(err)) {
			err = d.pauseLane(ctx, t, b, wait)
		} else {
			err = sleep(ctx, wait)
		}
		if err != nil {
			d.mu.Lock()
			t.busy = false
			d.mu.Unlock()
			return
		}
	}
}

// failed counts a failure and says how long to wait after it.
func (d *Deliverer) failed(number int64, t *lane, err error) time.Duration {
	t.failures++
	wait := d.retryIn(t.failures, err)
	d.log.Warn().Int64("batch", number).Err(err).Dur("again_in", wait).Msg("bring Slack up to date")
	return wait
}

// retryIn is how long to wait after so many failures, of which err is the last.
func (d *Deliverer) retryIn(failures int, err error) time.Duration {
	if slackapi.ChannelClosed(err) {
		return closedRetry
	}
	return min(d.intervals.Retry<<min(failures-1, 10), deliverRetries)
}

// startLook forgets what was put when that is doubtful.
func (d *Deliverer) startLook(t *lane) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.urged = false
	t.stale = t.forgotten || t.recheck
	t.recheck = false
	if t.forgotten {
		t.forgotten, t.put = false, map[string]string{}
	}
}

// restLane ends the work on a lane, unless the batch changed meanwhile.
func (d *Deliverer) restLane(ctx context.Context, w *batchView, on int, b *workflow.Batch) (bool, error) {
	t := w.lanes[on]
	d.mu.Lock()
	t.shown = b.Revision
	if t.rerun {
		t.rerun = false
		d.mu.Unlock()
		return false, nil
	}
	d.mu.Unlock()
	if err := d.laneShown(ctx, w, on, b); err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.rerun {
		t.rerun = false
		return false, nil
	}
	t.busy, t.failures = false, 0
	return true, nil
}

// showLane puts everything of one batch on one lane into Slack as it should be.
func (d *Deliverer) showLane(ctx context.Context, number int64, w *batchView, on int) (*workflow.Batch, error) {
	if slots := d.slots[on]; slots != nil {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	look, err := d.load(ctx, number)
	if err != nil {
		return nil, err
	}
	if look.Batch.Unseen() {
		return look.Batch, d.sayKept(ctx, look.Batch, w)
	}
	switch on {
	case onCard:
		err = d.showCard(ctx, look, w)
	case onWords:
		err = d.under(ctx, number, w, func(ctx context.Context, card place) error { return d.sayWords(ctx, look, card, w) })
	case onProgress:
		err = d.under(ctx, number, w, func(ctx context.Context, card place) error { return d.showProgress(ctx, look, card, w) })
	default:
		err = d.under(ctx, number, w, func(ctx context.Context, card place) error { return d.shareFiles(ctx, look, card) })
	}
	// A code that we do not know says as much when it comes again and again.
	if slackapi.ChannelClosed(err) || on == onCard && slackapi.Refused(err) && w.lanes[on].failures >= refusedOften {
		d.tellDirectly(ctx, look, w, slackapi.Code(err))
	}
	return look.Batch, err
}

// refusedOften is how many times in a row Slack refuses a card before the people are told directly.
const refusedOften = 3

// cardMissed is called when something was posted below a card that is not there any more. If that
// card is still thought to stand, it is posted again.
func (d *Deliverer) cardMissed(number int64, w *batchView, card string) {
	d.mu.Lock()
	stands := w.card == card
	d.mu.Unlock()
	if stands {
		d.cardDeleted(number, w, card)
	}
}

// errCardAway ends what is done under a card that is taken away.
var errCardAway = errors.New("the card is gone")

// under does something under the card. Its context ends when the card is taken away.
func (d *Deliverer) under(
	ctx context.Context, number int64, w *batchView, do func(ctx context.Context, card place) error,
) error {
	d.mu.Lock()
	card, away := place{channel: w.where, thread: w.card}, w.away
	if card.thread == "" {
		d.mu.Unlock()
		return &laterError{} // a new one is being posted
	}
	w.under++
	d.mu.Unlock()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case <-away:
			cancel(errCardAway)
		case <-ctx.Done():
		}
	}()
	err := do(ctx, card)
	if errors.Is(err, slackapi.ErrThreadGone) {
		d.cardMissed(number, w, card.thread)
		err = &laterError{}
	}
	if err != nil && context.Cause(ctx) == errCardAway { //nolint:errorlint // this very value
		err = &laterError{}
	}
	cancel(nil)
	<-watched
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.under--; w.under == 0 && w.free != nil {
		close(w.free)
		w.free = nil
	}
	return err
}

// takeAway ends what is under way under the card, and returns when nothing is, or ctx ends. Nothing
// is put there until another card stands.
func (d *Deliverer) takeAway(ctx context.Context, w *batchView) error {
	d.mu.Lock()
	w.card = ""
	close(w.away)
	w.away = make(chan struct{})
	if w.under == 0 {
		d.mu.Unlock()
		return nil
	}
	idle := make(chan struct{})
	w.free = idle
	d.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pauseLane waits while there is nothing to do but to count further, or the channel is closed to
// us. It ends early when the batch takes a turn, or somebody has done something.
func (d *Deliverer) pauseLane(ctx context.Context, t *lane, was *workflow.Batch, wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := time.AfterFunc(wait, func() { cancel(errWaited) })
	defer over.Stop()
	for !d.hasTurned(ctx, t, was) {
		select {
		case <-ctx.Done():
			return waited(ctx)
		case <-t.nudge:
		}
		if d.hasTurned(ctx, t, was) {
			return nil
		}
		if sleep(ctx, d.intervals.Draw) != nil { // a run writes all the time
			return waited(ctx)
		}
	}
	return nil
}

// hasTurned reports whether a batch is in another state than it was, or somebody wants it to be
// looked at.
func (d *Deliverer) hasTurned(ctx context.Context, t *lane, was *workflow.Batch) bool {
	d.mu.Lock()
	now := t.forgotten || t.urged
	d.mu.Unlock()
	if now {
		return true
	}
	b, err := d.store.Batch(ctx, was.Number)
	return err == nil && (b.State != was.State || b.Cancelling() != was.Cancelling() || len(b.Decisions) != len(was.Decisions))
}

// errWaited says that a wait took as long as it was meant to.
var errWaited = errors.New("the wait is over")

func waited(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != errWaited { //nolint:errorlint // this very value
		return cause
	}
	return nil
}

// waitForTurn waits for a turn to edit something; false when the batch took a turn itself
// meanwhile, so that it has to be looked at again first.
func (d *Deliverer) waitForTurn(ctx context.Context, t *lane, was *workflow.Batch, r slackapi.Rank) (bool, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan error, 1)
	go func() { got <- d.api.Updates().Wait(waiting, r) }()
	for {
		select {
		case err := <-got:
			return err == nil, err
		case <-t.nudge:
		}
		if !d.hasTurned(ctx, t, was) {
			continue
		}
		cancel()
		if err := <-got; err == nil {
			d.api.Updates().Return()
		}
		return false, ctx.Err()
	}
}
