package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

// How a run waits. The intervals of reading back are the product's promise; the rest is ours.
const (
	// callTime is a last resort: callers bound themselves, their wait at the rate gate included,
	// and so do readers.
	callTime  = time.Minute
	drainTime = 6 * time.Second // for calls in flight when the program is told to end

	// unavailableBudget is how long a run goes on trying while Atlassian answers nothing; then it
	// pauses.
	unavailableBudget = 5 * time.Minute
	// unknownBudget is how long a change may stay unknown before the batch pauses and names it.
	unknownBudget = 15 * time.Minute
	// sendsAtMost is how often a step is sent whose calls kept vanishing without an effect.
	sendsAtMost = 3
	// A lost call may still be on its way. It counts as not done when oldReadings in a row show the
	// account as before, the last of them lostFor after the call at the earliest.
	oldReadings = 2
	lostFor     = 20 * time.Second
	// absentFor is how long apart two readings are of which the first shows an effect by nothing
	// but an absence.
	absentFor = 15 * time.Second
	// newReadings and newLostFor are the same for somebody who is to get an account.
	newReadings = 4
	newLostFor  = 3 * time.Minute
	// lostInARow is how many calls in a row may get lost before nothing is sent for a while.
	lostInARow = 3
	// keyRetry is how long what cannot be left as it is waits for the key to work again.
	keyRetry      = 30 * time.Second
	pageOfChanges = 1000

	// heldAtMost is how long a place that asked to wait is left alone before it is asked for again:
	// what is known of a limit may be other by then, and whoever keeps it lets no call out too soon.
	heldAtMost = time.Minute

	// lookAgainAfter is how long a run rests at most when nothing wakes it, so that no batch hangs
	// on a lost wake-up.
	lookAgainAfter = 30 * time.Second
	// recordTime bounds one transaction that records what has happened already, and so must not be
	// given up lightly.
	recordTime = 5 * time.Second
)

// readBack are the waits before an account is read again that does not show the new value yet.
var readBack = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute}

// errHalted is an intent that was refused because the batch does not run any more.
var errHalted = errors.New("the batch is not running")

// Limits bound how a batch runs. The percentage counts from 20 finished changes.
type Limits struct {
	Workers           int             // calls at the same time, at least 1
	Canary            int             // first changes that go one at a time; a failure among them pauses
	StopAfterFailures int             // in a row; 0 = never
	StopAtPercent     int             // of the finished changes; 0 = never
	Window            workflow.Window // nil is always open
}

// Config is what a run needs.
type Config struct {
	Store     Store
	Directory workflow.Directory
	Limits    Limits
	OrgID     string
	// WentBack reports whether the database went back in time since the batch was asked for; nil
	// when nobody knows.
	WentBack func(context.Context) (bool, error)
	// Acting reports whether another batch that may share what the step changes is acting on it: a
	// call of it is under way, or nobody knows what became of one. nil when none ever is.
	Acting func(ctx context.Context, step workflow.Step) (bool, error)
	// Touched returns the accounts that other batches have changed since the moment; nil when nobody
	// knows.
	Touched func(ctx context.Context, since time.Time) ([]string, error)
	// Waits is told what the run waits for whenever that changes; may be nil.
	Waits func(workflow.RunWait)
	Log   zerolog.Logger
}

// Store is the part of a store that a run reads and writes.
type Store interface {
	Batch(ctx context.Context, number int64) (*workflow.Batch, error)
	Update(ctx context.Context, number int64, rule func(*workflow.Batch) error) (*workflow.Batch, error)
	Change(ctx context.Context, number int64, row int) (*workflow.Change, error)
	Changes(ctx context.Context, number int64, after, limit int, states ...workflow.ChangeState) ([]workflow.Change, error)
	UpdateChange(ctx context.Context, number int64, row int, rule func(*workflow.Batch, *workflow.Change) error) (*workflow.Batch, *workflow.Change, error)
}

// stage is what a change of a run waits for.
type stage int

const (
	stageSend   stage = iota // to be read, compared and called
	stageProve               // accepted; to be read back until it shows the new value
	stageSettle              // unknown; to be read back until it is known
)

// task is one change on its way through a run. Only one goroutine has it at a time: run, or the
// worker that it was given.
type task struct {
	row     int
	spot            // of the step that is next or under way
	ahead   []spot  // the steps behind it
	step    int     // how many of its steps have ended
	bundle  *bundle // that it belongs to; nil for most
	lane    *lane   // of the rows on its account; nil where it is the only one
	over    bool    // it has ended
	ended   bool    // and was counted; stop is what that came to
	stop    workflow.Stop
	back    bool // it is on the way back
	stage   stage
	active  bool             // being sent or proved, and so in the way of a canary
	reads   int              // readings since the stage began
	old     int              // of these, the last ones in a row that showed the account as before
	missing int              // the last readings in a row that did not find the account
	since   time.Time        // when the stage began
	due     time.Time        // when it is to be read again
	refused workflow.Reason  // of a call that was refused, when an earlier one may have taken effect all the same
	absent  time.Time        // when an absence was read first that shows the effect; zero where the last reading showed none
	read    workflow.Answers // together with others, for the next time that it is to be read
	counted bool             // by the stop rules, as made
	made    bool             // its last call was accepted
	fields  []workflow.Field // that a search is to show
	unseen  time.Duration    // how long after its call a search did not show it; 0 where none was asked
	doubt   doubt            // about a refusal that may mean that all is as wanted already
	refusal bool             // how the step ends was decided by a call that is not counted yet
}

// doubt is a refusal of which only looking tells what it means.
type doubt struct {
	reason workflow.Reason // the zero Reason where there is none
	since  time.Time
	looks  int // since then
}

// spot is where a step stands in the running order, and where it is made.
type spot struct {
	seq, after int
	at         *endpoint
	with       string // what the steps of one call share; "" where each has its own call
}

// lane are the rows on one account: they run one after the other, in running order.
type lane struct{ tasks []*task }

// isTurnOf reports whether every row of the lane that comes before the task has ended.
func (l *lane) isTurnOf(t *task) bool {
	return !slices.ContainsFunc(l.tasks, func(o *task) bool { return o != t && !o.over && o.seq < t.seq })
}

// runner runs one batch. One goroutine, run, decides what is next; workers read, call and write
// down, and say by an outcome what their work came to. The store is written before and after each
// call, so that a runner can be thrown away at any moment and made anew.
type runner struct {
	cfg    Config
	number int64
	nudge  <-chan struct{}

	// Written by load alone, and read by all.
	rowOf     map[int]int     // seq → row
	bulk      bool            // what was made is proved by searches
	touched   map[string]bool // accounts that another batch changed recently
	integrity integrity

	// Only run uses these.
	waiting    []*task         // to be sent, in running order
	dependents map[int][]*task // seq → tasks that wait for it
	delayed    []*task         // to be read back
	unproved   []*task         // accepted, and to be searched for together
	searching  int             // searches under way
	scouting   bool            // one of them is for scouts
	inFlight   int             // tasks that a worker has
	active     int             // tasks that are being sent or proved
	canaries   int             // of these, the canaries
	open       bool            // the window
	looked     time.Time       // when the batch was last looked at
	endpoints  map[workflow.Endpoint]*endpoint
	bundles    []*bundle
	results    chan result

	mu      sync.Mutex // guards these; held for moments only, never while the store works
	lags    map[workflow.Field]*searchLag
	resumed time.Time // when the batch was last resumed; anew: that is still to take effect
	anew    bool
	begun   time.Time // when that Resume, or the load, took effect: nothing that was waited for before counts
	seen    int64     // the newest revision of the batch that was taken in
	tally   tally
	left    int                          // changes that have not ended
	made    int                          // of these, those whose last call was accepted: as far as is known nothing of them is left to be sent
	ended   map[int]workflow.ChangeState // seq → how it ended
	halted  bool
	parked  []int // rows of bundles that have begun
	goesOn  bool  // bundles that have begun go on although the batch is halted
}

// result is what a worker's work on a task came to.
type result struct {
	task *task
	outcome
	more     bool // the worker has more tasks of the same call
	searched bool // the call was a search
}

// Run runs an approved batch to its end, or as far as it may. left is how many of its changes have
// not ended; that of a context which ended is of no use. What the batch becomes then is up to the
// caller, but that its last change ends it.
func (c Config) Run(ctx context.Context, number int64, nudge <-chan struct{}) (left int, err error) {
	r := &runner{cfg: c, number: number, nudge: nudge, results: make(chan result), lags: map[workflow.Field]*searchLag{}}
	b, err := r.start(ctx)
	if err != nil {
		return 0, err
	}
	if err := r.load(ctx, b); err != nil {
		return 0, err
	}
	err = r.run(ctx)
	return r.left, err
}

// start moves an approved batch into its run.
func (r *runner) start(ctx context.Context) (*workflow.Batch, error) {
	return r.cfg.Store.Update(ctx, r.number, func(b *workflow.Batch) error {
		if b.State != workflow.Approved || b.Cancelling() || b.Early(time.Now()) || !r.cfg.Limits.Window.Open(time.Now()) {
			return nil
		}
		if b.Missing() > 0 {
			return b.PauseByBot(workflow.Stop{Cause: workflow.StopAltered, Note: fmt.Sprintf("approvals missing: %d", b.Missing())})
		}
		if b.OrgID != r.cfg.OrgID {
			return b.PauseByBot(workflow.Stop{Cause: workflow.StopOtherOrg})
		}
		now := time.Now()
		if b.Started.IsZero() {
			b.Started = now
		}
		b.Record(workflow.Event{At: now, Actor: workflow.Bot, Kind: "started", Data: workflow.EventData(map[string]any{"digest": b.Digest})})
		return b.Move(workflow.Running)
	})
}

// saw takes in how the batch stands after a transaction, unless a later one is known.
func (r *runner) saw(b *workflow.Batch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if b.Resumed.After(r.resumed) {
		r.resumed, r.anew = b.Resumed, true
	}
	if b.Revision < r.seen {
		return
	}
	r.seen = b.Revision
	r.halted = b.State != workflow.Running || b.Cancelling()
	r.parked, r.goesOn = b.Parked, b.BundlesGoOn() && b.OrgID == r.cfg.OrgID
}

// startAnew has the counters of the stop rules start anew, and what is shut tried again, if somebody
// has resumed the batch.
func (r *runner) startAnew() {
	r.mu.Lock()
	anew := r.anew
	if r.anew = false; anew {
		r.tally, r.begun = tally{}, time.Now()
	}
	r.mu.Unlock()
	if !anew {
		return
	}
	for _, at := range r.endpoints {
		*at = endpoint{Endpoint: at.Endpoint}
	}
}

// unsettledFor is how long it has been unknown what became of a change's call, or since somebody resumed
// the batch: each Resume gives the time anew, also to a reading that is under way.
func (r *runner) unsettledFor(t *task) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(notSooner(t.since, r.begun))
}

// halt takes in that the store let no call out.
func (r *runner) halt() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.halted = true
}

// begin takes the task into its next stage.
func (t *task) begin(s stage) {
	t.stage, t.reads, t.old, t.missing, t.since, t.absent, t.unseen = s, 0, 0, 0, time.Now(), time.Time{}, 0
}

// how is how the step with that place in the running order ended.
func (r *runner) how(seq int) (state workflow.ChangeState, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state, ended = r.ended[seq]
	return state, ended
}

// run gives out work until nothing is left that can be done now: all changes have ended, or the
// batch is halted and every call is accounted for.
func (r *runner) run(ctx context.Context) error {
	work, stop := afterwards(ctx, drainTime)
	defer stop()
	r.looked = time.Now()
	for ctx.Err() == nil {
		r.startAnew()
		r.handOut(ctx, work)
		if r.inFlight == 0 {
			if err := r.pauseShut(ctx); err != nil {
				return err
			}
			if r.idle() {
				return nil
			}
		}
		if r.cfg.Waits != nil {
			r.cfg.Waits(r.waits(time.Now()))
		}
		timer := time.NewTimer(time.Until(r.next()))
		var err error
		select {
		case res := <-r.results:
			err = r.applyResult(ctx, res)
		case <-timer.C:
			if time.Since(r.looked) >= lookAgainAfter { // no batch hangs on a lost wake-up
				err = r.readBatch(ctx)
			}
		case <-r.nudge:
			err = r.readBatch(ctx)
		case <-ctx.Done():
		}
		timer.Stop()
		if err != nil && ctx.Err() == nil {
			return errors.Join(err, r.await(ctx))
		}
	}
	return r.await(ctx)
}

// await lets the workers that are under way finish. What they leave in doubt is found out by the
// next runner.
func (r *runner) await(ctx context.Context) error {
	var failed error
	for r.inFlight > 0 {
		failed = errors.Join(failed, r.applyResult(ctx, <-r.results))
	}
	return failed
}

func (r *runner) isHalted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halted
}

// readBatch takes in what somebody did to the batch.
func (r *runner) readBatch(ctx context.Context) error {
	r.looked = time.Now()
	b, err := r.cfg.Store.Batch(ctx, r.number)
	if err != nil {
		return err
	}
	if b.State == workflow.Approved {
		if b, err = r.start(ctx); err != nil {
			return err
		}
	}
	r.saw(b)
	return nil
}

// pause stops the batch by the bot; a batch that was stopped by somebody else first stays as it is, and
// so does one that somebody resumed meanwhile, as what speaks against going on is of before. That it was
// altered speaks against it for good.
func (r *runner) pause(ctx context.Context, stop workflow.Stop) error {
	r.mu.Lock()
	resumed, anew := r.resumed, r.anew
	r.mu.Unlock()
	b, err := r.cfg.Store.Update(ctx, r.number, func(b *workflow.Batch) error {
		if b.State != workflow.Running || b.Cancelling() {
			return nil
		}
		if stop.Cause != workflow.StopAltered && (anew || b.Resumed.After(resumed)) {
			return nil
		}
		return b.PauseByBot(stop)
	})
	if err == nil {
		r.saw(b)
	}
	return err
}

// afterwards gives a context for work that must be finished and written down although ctx ended: it
// lives on for the time that is given.
func afterwards(ctx context.Context, more time.Duration) (context.Context, context.CancelFunc) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.NewTimer(more)
		defer timer.Stop()
		select {
		case <-late.Done():
		case <-timer.C:
			cancel()
		}
	})
	return late, func() { stop(); cancel() }
}

// soonest is the earlier of two moments.
func soonest(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// notSooner is the later of two moments.
func notSooner(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
