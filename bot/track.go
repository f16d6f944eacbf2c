package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The tracks of a batch.
const (
	onCard     = iota // the card
	onWords           // what is said in its thread
	onProgress        // the one message there that says how far the run is
	onFiles
	tracks
)

// drawing is what is remembered of one batch between two looks. Losing it costs an edit, nothing more.
type drawing struct {
	seen   int64  // the latest revision that was heard of
	card   string // ts of the card, "" as long as none stands
	where  string // and its channel
	tracks [tracks]*track

	// under is held for reading by whoever puts something under the card, so that the card is not replaced meanwhile.
	under sync.RWMutex
}

// track is what is remembered of one batch on one track.
type track struct {
	busy  bool
	again bool  // changed while busy
	urged bool  // look now, whatever is waited for
	fresh bool  // what was put may not be there any more
	shown int64 // the revision that is fully shown
	nudge chan struct{}

	// of the goroutine that is busy
	put      map[string]string // key → what was put there last
	doubt    bool              // what is there has to be edited, whatever it should show
	edited   time.Time         // when it last counted further
	counts   string            // the progress that still counts: its run had not ended when it was last shown
	pressed  string            // the buttons that the card shows, in short
	pace     pace
	failures int
}

func newTrack() *track { return &track{put: map[string]string{}, nudge: make(chan struct{}, 1)} }

func newDrawing() *drawing {
	w := &drawing{}
	for on := range w.tracks {
		w.tracks[on] = newTrack()
	}
	return w
}

// idle says whether nobody works on the batch but on one track, and nothing new was heard of it. The caller holds
// deliver.mu.
func (w *drawing) idle(but int) bool {
	for on, t := range w.tracks {
		if t.again || t.fresh || t.busy && on != but {
			return false
		}
	}
	return true
}

// laterError says that all is shown but for a count that is shown a little later.
type laterError struct{ wait time.Duration }

func (e *laterError) Error() string { return "shown in " + e.wait.String() }

// keep looks at one batch on one track until it is fully shown there.
func (d *deliver) keep(ctx context.Context, number int64, w *drawing, on int) {
	t := w.tracks[on]
	for {
		d.begin(t)
		b, err := d.bring(ctx, number, w, on)
		wait := d.tempo.draw
		later, counting := err.(*laterError) //nolint:errorlint // it alone: beside a real failure it does not count
		switch {
		case ctx.Err() != nil:
		case counting:
			t.failures, wait = 0, max(later.wait, wait)
		case err != nil:
			wait = d.failed(number, t, err)
		default:
			t.failures = 0
		}
		if err == nil {
			var rests bool
			if rests, err = d.rest(ctx, w, on, b); rests {
				return
			}
		}
		if b != nil && (counting || closedChannel(err)) {
			err = d.pause(ctx, t, b, wait)
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
func (d *deliver) failed(number int64, t *track, err error) time.Duration {
	t.failures++
	wait := min(d.tempo.retry<<min(t.failures-1, 10), deliverRetries)
	if closedChannel(err) {
		wait = closedRetry
	}
	d.log.Warn().Int64("batch", number).Err(err).Dur("again_in", wait).Msg("bring Slack up to date")
	return wait
}

// begin forgets what was put when that is doubtful.
func (d *deliver) begin(t *track) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t.urged = false
	if t.doubt = t.fresh; t.fresh {
		t.fresh, t.put = false, map[string]string{}
	}
}

// rest ends the work on a track, unless the batch changed meanwhile.
func (d *deliver) rest(ctx context.Context, w *drawing, on int, b *workflow.Batch) (bool, error) {
	t := w.tracks[on]
	d.mu.Lock()
	t.shown = b.Revision
	if t.again {
		t.again = false
		d.mu.Unlock()
		return false, nil
	}
	d.mu.Unlock()
	if err := d.settled(ctx, w, on, b); err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if t.again {
		t.again = false
		return false, nil
	}
	t.busy = false
	return true, nil
}

// bring puts everything of one batch on one track into Slack as it should be.
func (d *deliver) bring(ctx context.Context, number int64, w *drawing, on int) (*workflow.Batch, error) {
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
	switch on {
	case onCard:
		err = d.lookAtCard(ctx, look, w)
	case onWords:
		err = d.under(w, func(card place) error { return d.lookAtWords(ctx, look, card, w) })
	case onProgress:
		err = d.under(w, func(card place) error { return d.lookAtProgress(ctx, look, card, w) })
	default:
		err = d.under(w, func(card place) error { return d.lookAtFiles(ctx, look, card) })
	}
	if closedChannel(err) {
		d.tellDirectly(ctx, look.Batch, look.Summary, slackCode(err))
	}
	return look.Batch, err
}

// under does something under the card, which is not replaced meanwhile.
func (d *deliver) under(w *drawing, do func(card place) error) error {
	w.under.RLock()
	defer w.under.RUnlock()
	d.mu.Lock()
	card := place{channel: w.where, thread: w.card}
	d.mu.Unlock()
	if card.thread == "" {
		return &laterError{} // a new one is being posted
	}
	return do(card)
}

// pause waits while there is nothing to do but to count further, or the channel is closed to us. It ends early when the
// batch takes a turn, or somebody has done something.
func (d *deliver) pause(ctx context.Context, t *track, was *workflow.Batch, wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := time.AfterFunc(wait, func() { cancel(errOver) })
	defer over.Stop()
	for !d.turned(ctx, t, was) {
		select {
		case <-ctx.Done():
			return waited(ctx)
		case <-t.nudge:
		}
		if d.turned(ctx, t, was) {
			return nil
		}
		if sleep(ctx, d.tempo.draw) != nil { // a run writes all the time
			return waited(ctx)
		}
	}
	return nil
}

// turned says whether a batch is in another state than it was, or somebody wants it to be looked at.
func (d *deliver) turned(ctx context.Context, t *track, was *workflow.Batch) bool {
	d.mu.Lock()
	now := t.fresh || t.urged
	d.mu.Unlock()
	if now {
		return true
	}
	b, err := d.store.Batch(ctx, was.Number)
	return err == nil && (b.State != was.State || b.Cancelling() != was.Cancelling() || len(b.Decisions) != len(was.Decisions))
}

// errOver says that a wait took as long as it was meant to.
var errOver = errors.New("the wait is over")

func waited(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != errOver { //nolint:errorlint // this very value
		return cause
	}
	return nil
}

// turn waits for a turn to edit something; false when the batch took a turn itself meanwhile, so that it has to be looked
// at again first.
func (d *deliver) turn(ctx context.Context, t *track, was *workflow.Batch, r rank) (bool, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	got := make(chan error, 1)
	go func() { got <- d.api.updates.wait(waiting, r) }()
	for {
		select {
		case err := <-got:
			return err == nil, err
		case <-t.nudge:
		}
		if !d.turned(ctx, t, was) {
			continue
		}
		cancel()
		if err := <-got; err == nil {
			d.api.updates.back()
		}
		return false, ctx.Err()
	}
}
