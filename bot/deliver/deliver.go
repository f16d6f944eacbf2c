package deliver

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/people"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/report"
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

// Deliverer draws batches and reports into Slack. It is level-triggered: each time it compares what
// the database says with what was posted, so that nothing depends on having seen every change.
//
// What belongs to a batch is brought up to date on four lanes that do not wait for each other:
// people look at the card for their buttons, while a file may take seconds to be shared and
// progress has to wait for its turn among all batches.
type Deliverer struct {
	cfg       Config
	store     Store
	api       *slackapi.Client
	people    *people.Directory
	log       zerolog.Logger
	intervals Intervals
	slots     [lanes]chan struct{} // how many batches may be on a lane at once; nil means all
	wake      chan struct{}
	results   chan struct{} // a report has ended
	outdated  chan struct{} // a card goes by an old list of who could approve

	allApprovers atomic.Bool   // all admins are looked at: some of them had not been enough for a batch
	stood        chan struct{} // a card stands
	strays       chan struct{} // a message of ours stands in a channel
	directly     chan struct{} // holds one while people are told directly, one after the other

	mu        sync.Mutex
	views     map[int64]*batchView
	urls      map[string]string     // of cards, by channel and ts
	counts    map[int64]counted     // of batches that run
	unchanged map[int64]bool        // batches to be looked at although nothing of them has changed
	deleted   map[string]time.Time  // messages of the requests channel, of the last minute
	posted    []channelPost         // messages of ours that may belong into a thread
	gists     map[string]*view.Gist // plans in short, by digest
	tried     map[string]time.Time  // files that have not arrived, since when

	runs     sync.Mutex
	runsAt   time.Time // when runsLeft was read
	runsLeft []ahead
}

// Config is what a deliver needs. Requests, Reports, Admins, Engine, Store, Slack and People are
// required.
type Config struct {
	Requests string   // id of the channel where cards stand
	Reports  string   // id of the channel for reports
	Admins   []string // ids of people (U…) and user groups (S…)
	Command  string   // the slash command

	Engine  Engine
	Store   Store
	Slack   *slackapi.Client
	People  *people.Directory
	Results Reports // nil when there are no reports

	RemindAfter time.Duration // of a plan that nobody decided on; 0 = never

	Window    workflow.Window           // run.window; nil is always open
	Estimator workflow.Estimator        // how fast runs go; nil means as fast as was seen
	Shut      func() time.Time          // until when Atlassian takes no calls; nil when that is not known
	Trouble   func(number int64) string // what keeps a batch from going on, "" when nothing does; nil when that is not known

	// Asker returns where the command was given that a batch was asked for by, while that is known; nil
	// when it never is.
	Asker func(number int64) (slackapi.Recipient, bool)

	// Changed is called after writes to batches; nil for nobody. It must not block.
	Changed func()

	Intervals Intervals // zero means those that suit Slack
	Log       zerolog.Logger
}

// Engine is what is asked of the workflow (workflow.Engine).
type Engine interface {
	CanApprove(ctx context.Context, b *workflow.Batch, people ...workflow.Actor) (able []workflow.Person, own []string, err error)
	// Waits returns what the run of a batch waits for.
	Waits(number int64) workflow.RunWait
}

// Store is what is drawn, and where it is remembered what was posted (store.DB).
type Store interface {
	// Changed returns a pulse after writes to batches.
	Changed() <-chan struct{}
	Batches
	Posts
}

// Reports are the results of reports (report.Runner).
type Reports interface {
	File(ctx context.Context, r report.Result) (report.File, error)
	Message(ctx context.Context, r report.Result) (report.Message, error)
	Channel(name string) string
	Unposted(ctx context.Context) ([]report.Result, error)
}

// Intervals are how long deliver waits between two things.
type Intervals struct {
	Draw     time.Duration // between two looks at one batch
	Progress time.Duration // between two edits of one batch's progress
	Counts   time.Duration // between two edits of a card that only counts further, for each run under way
	Retry    time.Duration // after the first failure
	Share    time.Duration // before the second look for a file
	Hold     time.Duration // of the card of a command, for its plan
}

// New makes a Deliverer. It starts nothing.
func New(cfg Config) *Deliverer {
	if cfg.Window == nil {
		cfg.Window = workflow.AlwaysOpen{}
	}
	if cfg.Intervals == (Intervals{}) {
		cfg.Intervals = Intervals{
			Draw: drawGap, Progress: progressGap, Counts: countsGap, Retry: deliverRetry, Share: shareFirst, Hold: cardHold,
		}
	}
	d := &Deliverer{
		cfg: cfg, store: cfg.Store, api: cfg.Slack, people: cfg.People, log: cfg.Log, intervals: cfg.Intervals,
		wake: make(chan struct{}, 1), results: make(chan struct{}, 1), outdated: make(chan struct{}, 1),
		stood: make(chan struct{}, 1), strays: make(chan struct{}, 1), directly: make(chan struct{}, 1),
		views: map[int64]*batchView{}, urls: map[string]string{}, counts: map[int64]counted{}, unchanged: map[int64]bool{},
		deleted: map[string]time.Time{}, tried: map[string]time.Time{}, gists: map[string]*view.Gist{},
	}
	d.slots[onWords], d.slots[onFiles] = make(chan struct{}, lookersAtOnce), make(chan struct{}, lookersAtOnce)
	return d
}

// Run keeps Slack up to date until ctx ends.
func (d *Deliverer) Run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	if d.cfg.Results != nil {
		wg.Go(func() { d.reports(ctx) })
	}
	wg.Go(func() { d.approvers(ctx) })
	wg.Go(func() { d.clearStrays(ctx) })
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
		case <-d.store.Changed():
			if d.cfg.Changed != nil {
				d.cfg.Changed()
			}
		case <-d.wake:
		case <-window:
			window = d.turnOfWindow()
			d.LookAgain()
		case <-tick.C:
		}
	}
}

// approvers finds out who could approve when a card needs to know, and has the cards looked at
// again. No card waits for it.
func (d *Deliverer) approvers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.outdated:
		}
		if err := d.people.FindApprovers(ctx, d.allApprovers.Load()); err != nil && ctx.Err() == nil {
			d.log.Warn().Err(err).Dur("again_in", approversRetry).Msg("find out who could approve")
			if sleep(ctx, approversRetry) != nil {
				return
			}
		}
		d.LookAgain()
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// start has the batch looked at on every lane, but for those on which its revision is shown already
// or is being looked at. What stands under the card waits until there is one.
func (d *Deliverer) start(ctx context.Context, wg *sync.WaitGroup, number, revision int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	w := d.views[number]
	if w == nil {
		w = newBatchView()
		d.views[number] = w
	}
	changed := revision > w.seen
	w.seen = max(w.seen, revision)
	for on, t := range w.lanes {
		switch {
		case t.busy:
			t.rerun = true
			if changed {
				poke(t.nudge)
			}
		case t.shown < revision && (on == onCard || w.card != ""):
			t.busy = true
			wg.Go(func() { d.keepLane(ctx, number, w, on) })
		}
	}
}

// each does something to every lane that is remembered, and has the batches looked at.
func (d *Deliverer) each(do func(w *batchView, on int, t *lane)) {
	d.mu.Lock()
	for _, w := range d.views {
		for on, t := range w.lanes {
			do(w, on, t)
		}
	}
	d.mu.Unlock()
	poke(d.wake)
}

// Redraw has the card of a batch drawn whatever was drawn before: it may not show what we think.
func (d *Deliverer) Redraw(number int64) {
	d.mu.Lock()
	w := d.views[number]
	if w == nil {
		w = newBatchView()
		d.views[number] = w
	}
	t := w.lanes[onCard]
	t.shown, t.forgotten, t.rerun = 0, true, t.busy
	poke(t.nudge)
	d.unchanged[number] = true
	d.mu.Unlock()
	poke(d.wake)
}

// withOthers adds the batches that are to be looked at although nothing of them has changed. Those
// that do not exist are forgotten.
func (d *Deliverer) withOthers(ctx context.Context, revisions map[int64]int64) map[int64]int64 {
	d.mu.Lock()
	others := d.unchanged
	d.unchanged = map[int64]bool{}
	d.mu.Unlock()
	for number := range others {
		if _, there := revisions[number]; there {
			continue
		}
		b, err := d.store.Batch(ctx, number)
		if err != nil {
			d.mu.Lock()
			delete(d.views, number)
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

// Prioritize has a batch looked at now: somebody did something to it.
func (d *Deliverer) Prioritize(number int64) {
	d.mu.Lock()
	if w := d.views[number]; w != nil {
		for _, t := range w.lanes {
			t.urged = true
			poke(t.nudge)
		}
	}
	d.mu.Unlock()
	poke(d.wake)
}

// LookAgain has every batch that is remembered looked at again, without editing what has not
// changed.
func (d *Deliverer) LookAgain() {
	d.each(func(_ *batchView, _ int, t *lane) { t.shown, t.rerun = 0, t.busy })
}

// Rejoined is called when the bot is in the channel again: what could not be put there is put now.
func (d *Deliverer) Rejoined() {
	d.each(func(_ *batchView, _ int, t *lane) {
		t.shown, t.rerun, t.urged = 0, t.busy, true
		poke(t.nudge)
	})
}

// laneShown records that a lane shows a revision. When all of an ended batch is shown that is
// noted, and the batch need not be remembered: its posts carry its revision, and should it ever
// change, it is drawn from there.
func (d *Deliverer) laneShown(ctx context.Context, w *batchView, on int, b *workflow.Batch) error {
	if b.State.Open() || !d.allShown(w, b.Revision) {
		return nil
	}
	if gone, err := d.cardGone(ctx, b.Number, w); gone || err != nil {
		return err
	}
	if err := d.markShown(ctx, b); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.seen <= b.Revision && w.idle(on) {
		delete(d.views, b.Number)
	}
	return nil
}

func (d *Deliverer) allShown(w *batchView, revision int64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range w.lanes {
		if t.shown < revision {
			return false
		}
	}
	return true
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
