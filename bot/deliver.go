package bot

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/countersign/countersign/workflow"
)

// How Slack is kept up to date.
const (
	sweepEvery     = 15 * time.Second // a look at everything, should a pulse get lost
	batchesAtOnce  = 4
	pulseGap       = 50 * time.Millisecond  // between two looks at everything: a run writes all the time
	drawGap        = 500 * time.Millisecond // between two looks at a batch that changes all the time
	progressGap    = 3 * time.Second        // between two edits of one batch's progress
	progressEvery  = 2 * time.Second        // and of all batches', so that cards are not held up by progress
	progressBurst  = 2
	deliverRetry   = time.Second      // first wait after a failure, twice as long each time
	deliverRetries = 15 * time.Second // longest
	closedRetry    = 2 * time.Minute
	approversRetry = time.Minute
)

// deliver draws batches and reports into Slack. It is level-triggered: each time it compares what the database says with
// what was posted, so that nothing depends on having seen every change.
type deliver struct {
	cfg      Config
	store    Store
	api      *api
	people   *people
	log      zerolog.Logger
	tempo    tempo
	progress *rate.Limiter
	slots    chan struct{} // batchesAtOnce
	wake     chan struct{}
	results  chan struct{} // a report has ended
	outdated chan struct{} // a card goes by an old list of who could approve

	mu    sync.Mutex
	drawn map[int64]*drawing
}

// tempo is how long deliver waits; tests are quicker.
type tempo struct {
	draw     time.Duration // between two looks at one batch
	progress time.Duration // between two edits of one batch's progress
	retry    time.Duration // after the first failure
	share    time.Duration // before the second look for a file
}

// drawing is what is remembered of one batch between two looks. Losing it costs an edit, nothing more.
type drawing struct {
	busy  bool
	again bool   // changed while busy
	urged bool   // look now, whatever is waited for
	seen  int64  // the latest revision that was heard of
	fresh bool   // what was put may not be there any more
	shown int64  // the revision that is fully shown
	card  string // ts of the card
	where string // and its channel
	nudge chan struct{}

	// of the goroutine that is busy
	put      map[string]string // key → what was put there last
	doubt    bool              // what is there has to be edited, whatever it should show
	edited   time.Time         // of the progress
	pace     pace
	failures int
}

func newDrawing() *drawing {
	return &drawing{put: map[string]string{}, nudge: make(chan struct{}, 1)}
}

func newDeliver(cfg Config, a *api, p *people) *deliver {
	return &deliver{
		cfg: cfg, store: cfg.Store, api: a, people: p, log: cfg.Log,
		tempo:    tempo{draw: drawGap, progress: progressGap, retry: deliverRetry, share: shareFirst},
		progress: rate.NewLimiter(rate.Every(progressEvery), progressBurst),
		slots:    make(chan struct{}, batchesAtOnce), wake: make(chan struct{}, 1), results: make(chan struct{}, 1),
		outdated: make(chan struct{}, 1), drawn: map[int64]*drawing{},
	}
}

// run keeps Slack up to date until ctx ends.
func (d *deliver) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if d.cfg.Results != nil {
		wg.Go(func() { d.reports(ctx) })
	}
	wg.Go(func() { d.approvers(ctx) })
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		revisions, err := d.store.Revisions(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg("look for batches whose posts are behind")
		}
		for number, revision := range revisions {
			d.start(ctx, &wg, number, revision)
		}
		if sleep(ctx, pulseGap) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-d.cfg.Engine.Changed():
		case <-d.wake:
		case <-tick.C:
		}
	}
}

// approvers finds out who could approve when a card needs to know, and has the cards looked at again. No card waits for
// it.
func (d *deliver) approvers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.outdated:
		}
		if err := d.people.lookForApprovers(ctx); err != nil && ctx.Err() == nil {
			d.log.Warn().Err(err).Dur("again_in", approversRetry).Msg("find out who could approve")
			if sleep(ctx, approversRetry) != nil {
				return
			}
		}
		d.look()
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start has the batch drawn, unless its revision is shown already or it is being drawn.
func (d *deliver) start(ctx context.Context, wg *sync.WaitGroup, number, revision int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.drawn[number]
	if w == nil {
		w = newDrawing()
		d.drawn[number] = w
	}
	changed := revision > w.seen
	w.seen = max(w.seen, revision)
	switch {
	case w.busy:
		w.again = true
		if changed {
			poke(w.nudge)
		}
	case w.shown < revision:
		w.busy = true
		wg.Go(func() { d.keep(ctx, number, w) })
	}
}

// redraw has a batch drawn whatever was drawn before: its card may not show what we think.
func (d *deliver) redraw(number int64) {
	d.mu.Lock()
	if w := d.drawn[number]; w != nil {
		w.shown, w.fresh, w.again = 0, true, w.busy
		poke(w.nudge)
	}
	d.mu.Unlock()
	poke(d.wake)
}

// look has every batch that is remembered looked at again, without editing what has not changed.
func (d *deliver) look() {
	d.mu.Lock()
	for _, w := range d.drawn {
		w.shown, w.again = 0, w.busy
	}
	d.mu.Unlock()
	poke(d.wake)
}

// back is told that we are in the channel again: what could not be put there is put now.
func (d *deliver) back() {
	d.mu.Lock()
	for _, w := range d.drawn {
		w.shown, w.again, w.urged = 0, w.busy, true
		poke(w.nudge)
	}
	d.mu.Unlock()
	poke(d.wake)
}

// gone is told that somebody deleted a message: if it was the card of an open batch, it is posted again.
func (d *deliver) gone(channel, ts string) {
	if channel != d.cfg.Requests || ts == "" {
		return
	}
	d.mu.Lock()
	number := int64(0)
	for n, w := range d.drawn {
		if w.card == ts {
			number = n
		}
	}
	d.mu.Unlock()
	if number != 0 {
		d.redraw(number)
	}
}

// keep draws one batch until it is fully shown.
func (d *deliver) keep(ctx context.Context, number int64, w *drawing) {
	for {
		d.begin(w)
		b, err := d.bring(ctx, number, w)
		wait := d.tempo.draw
		switch {
		case ctx.Err() != nil:
		case err == errLater: //nolint:errorlint // it alone: beside a real failure it does not count
			w.failures = 0
		case err != nil:
			w.failures++
			wait = min(d.tempo.retry<<min(w.failures-1, 10), deliverRetries)
			if closedChannel(err) {
				wait = closedRetry
			}
			d.log.Warn().Int64("batch", number).Err(err).Dur("again_in", wait).Msg("bring Slack up to date")
		default:
			w.failures = 0
		}
		if err == nil && d.rest(number, w, b) {
			return
		}
		if closedChannel(err) && b != nil {
			err = d.outside(ctx, w, b, wait)
		} else {
			err = sleep(ctx, wait)
		}
		if err != nil {
			d.mu.Lock()
			w.busy = false
			d.mu.Unlock()
			return
		}
	}
}

// outside waits while the channel is closed to us. It ends early when there is something to tell people directly, or a
// reason to think that the channel is open again.
func (d *deliver) outside(ctx context.Context, w *drawing, was *workflow.Batch, wait time.Duration) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	over := time.AfterFunc(wait, func() { cancel(errOver) })
	defer over.Stop()
	for {
		select {
		case <-ctx.Done():
			return waited(ctx)
		case <-w.nudge:
		}
		d.mu.Lock()
		now := w.fresh || w.urged
		d.mu.Unlock()
		if b, err := d.store.Batch(ctx, was.Number); now || err == nil && b.State != was.State {
			return nil
		}
		if sleep(ctx, d.tempo.draw) != nil { // a run writes all the time
			return waited(ctx)
		}
	}
}

// errOver says that a wait took as long as it was meant to.
var errOver = errors.New("the wait is over")

func waited(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != errOver { //nolint:errorlint // this very value
		return cause
	}
	return nil
}

// begin forgets what was put when that is doubtful.
func (d *deliver) begin(w *drawing) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.urged = false
	if w.doubt = w.fresh; w.fresh {
		w.fresh, w.put = false, map[string]string{}
	}
}

// rest ends the drawing of a batch, unless it changed meanwhile.
func (d *deliver) rest(number int64, w *drawing, b *workflow.Batch) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	w.shown = b.Revision
	if w.again {
		w.again = false
		return false
	}
	w.busy = false
	if !b.State.Open() {
		delete(d.drawn, number) // its posts carry its revision; should it ever change, it is drawn from there
	}
	return true
}

// errLater says that all is shown but the latest progress, which may be edited only so often.
var errLater = errors.New("the progress is shown a little later")

// bring draws everything of one batch that is not in Slack as it should be. Its first card does not wait until other
// batches have been drawn: people look for it within seconds.
func (d *deliver) bring(ctx context.Context, number int64, w *drawing) (*workflow.Batch, error) {
	if w.card == "" {
		if b, err := d.show(ctx, number, w, false); err != nil {
			return b, err
		}
	}
	select {
	case d.slots <- struct{}{}:
		defer func() { <-d.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return d.show(ctx, number, w, true)
}
