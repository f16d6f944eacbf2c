package bot

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// How Slack is kept up to date.
const (
	sweepEvery     = 15 * time.Second       // a look at everything, should a pulse get lost
	lookersAtOnce  = 4                      // batches whose words are brought up to date at the same time; files likewise
	pulseGap       = 50 * time.Millisecond  // between two looks at everything: a run writes all the time
	drawGap        = 500 * time.Millisecond // between two looks at a batch that changes all the time
	progressGap    = 3 * time.Second        // between two edits of one batch's progress
	countsGap      = 20 * time.Second       // between two edits of a card that only counts further, for each run under way
	deliverRetry   = time.Second            // first wait after a failure, twice as long each time
	deliverRetries = 15 * time.Second       // longest
	closedRetry    = 2 * time.Minute
	approversRetry = time.Minute
	endWaits       = 3 * time.Second // for the progress of a run, at most, before its end is told
	endLooks       = 100 * time.Millisecond
)

// deliver draws batches and reports into Slack. It is level-triggered: each time it compares what the database says with
// what was posted, so that nothing depends on having seen every change.
//
// What belongs to a batch is brought up to date on four tracks that do not wait for each other: people look at the card
// for their buttons, while a file may take seconds to be shared and progress has to wait for its turn among all batches.
type deliver struct {
	cfg      Config
	store    Store
	api      *api
	people   *people
	log      zerolog.Logger
	tempo    tempo
	slots    [tracks]chan struct{} // how many batches may be on a track at once; nil means all
	wake     chan struct{}
	results  chan struct{} // a report has ended
	outdated chan struct{} // a card goes by an old list of who could approve
	direct   sync.Mutex    // people are told directly one after the other

	mu     sync.Mutex
	drawn  map[int64]*drawing
	urls   map[string]string // of cards, by channel and ts
	counts map[int64]tallied // of batches that run
	also   map[int64]bool    // batches to be looked at although nothing of them has changed

	runs     sync.Mutex
	runsAt   time.Time // when runsLeft was read
	runsLeft []ahead
}

// tempo is how long deliver waits; tests are quicker.
type tempo struct {
	draw     time.Duration // between two looks at one batch
	progress time.Duration // between two edits of one batch's progress
	counts   time.Duration // between two edits of a card that only counts further, for each run under way
	retry    time.Duration // after the first failure
	share    time.Duration // before the second look for a file
}

func newDeliver(cfg Config, a *api, p *people) *deliver {
	d := &deliver{
		cfg: cfg, store: cfg.Store, api: a, people: p, log: cfg.Log,
		tempo: tempo{draw: drawGap, progress: progressGap, counts: countsGap, retry: deliverRetry, share: shareFirst},
		wake:  make(chan struct{}, 1), results: make(chan struct{}, 1), outdated: make(chan struct{}, 1),
		drawn: map[int64]*drawing{}, urls: map[string]string{}, counts: map[int64]tallied{}, also: map[int64]bool{},
	}
	d.slots[onWords], d.slots[onFiles] = make(chan struct{}, lookersAtOnce), make(chan struct{}, lookersAtOnce)
	return d
}

// run keeps Slack up to date until ctx ends.
func (d *deliver) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if d.cfg.Results != nil {
		wg.Go(func() { d.reports(ctx) })
	}
	wg.Go(func() { d.approvers(ctx) })
	if d.cfg.RemindAfter > 0 {
		wg.Go(func() { d.reminders(ctx) })
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	window := d.turnOfWindow()
	for {
		revisions, err := d.store.Revisions(ctx)
		if err != nil && ctx.Err() == nil {
			d.log.Error().Err(err).Msg("look for batches whose posts are behind")
		}
		for number, revision := range d.withOthers(ctx, revisions) {
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
		case <-window:
			window = d.turnOfWindow()
			d.look()
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

// start has the batch looked at on every track, but for those on which its revision is shown already or is being looked
// at. What stands under the card waits until there is one.
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
	for on, t := range w.tracks {
		switch {
		case t.busy:
			t.again = true
			if changed {
				poke(t.nudge)
			}
		case t.shown < revision && (on == onCard || w.card != ""):
			t.busy = true
			wg.Go(func() { d.keep(ctx, number, w, on) })
		}
	}
}

// each does something to every track that is remembered, and has the batches looked at.
func (d *deliver) each(do func(w *drawing, on int, t *track)) {
	d.mu.Lock()
	for _, w := range d.drawn {
		for on, t := range w.tracks {
			do(w, on, t)
		}
	}
	d.mu.Unlock()
	poke(d.wake)
}

// redraw has the card of a batch drawn whatever was drawn before: it may not show what we think.
func (d *deliver) redraw(number int64) {
	d.mu.Lock()
	w := d.drawn[number]
	if w == nil {
		w = newDrawing()
		d.drawn[number] = w
	}
	t := w.tracks[onCard]
	t.shown, t.fresh, t.again = 0, true, t.busy
	poke(t.nudge)
	d.also[number] = true
	d.mu.Unlock()
	poke(d.wake)
}

// withOthers adds the batches that are to be looked at although nothing of them has changed. Those that do not exist are
// forgotten.
func (d *deliver) withOthers(ctx context.Context, revisions map[int64]int64) map[int64]int64 {
	d.mu.Lock()
	others := d.also
	d.also = map[int64]bool{}
	d.mu.Unlock()
	for number := range others {
		if _, there := revisions[number]; there {
			continue
		}
		b, err := d.store.Batch(ctx, number)
		if err != nil {
			d.mu.Lock()
			delete(d.drawn, number)
			d.mu.Unlock()
			continue
		}
		if revisions == nil {
			revisions = map[int64]int64{}
		}
		revisions[number] = b.Revision
	}
	return revisions
}

// hurry has a batch looked at now: somebody did something to it.
func (d *deliver) hurry(number int64) {
	d.mu.Lock()
	if w := d.drawn[number]; w != nil {
		for _, t := range w.tracks {
			t.urged = true
			poke(t.nudge)
		}
	}
	d.mu.Unlock()
	poke(d.wake)
}

// look has every batch that is remembered looked at again, without editing what has not changed.
func (d *deliver) look() {
	d.each(func(_ *drawing, _ int, t *track) { t.shown, t.again = 0, t.busy })
}

// back is told that we are in the channel again: what could not be put there is put now.
func (d *deliver) back() {
	d.each(func(_ *drawing, _ int, t *track) {
		t.shown, t.again, t.urged = 0, t.busy, true
		poke(t.nudge)
	})
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

// settled is told that a track shows a revision. When all of an ended batch is shown that is noted, and the batch need not
// be remembered: its posts carry its revision, and should it ever change, it is drawn from there.
func (d *deliver) settled(ctx context.Context, w *drawing, on int, b *workflow.Batch) error {
	if b.State.Open() || !d.allShown(w, b.Revision) {
		return nil
	}
	if err := d.settle(ctx, b); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.seen <= b.Revision && w.idle(on) {
		delete(d.drawn, b.Number)
	}
	return nil
}

func (d *deliver) allShown(w *drawing, revision int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range w.tracks {
		if t.shown < revision {
			return false
		}
	}
	return true
}
