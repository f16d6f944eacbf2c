package workflow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"
)

// How a run waits. The intervals of reading back are the product's promise; the rest is ours.
const (
	// callTime is a last resort: writers bound themselves, their wait at the rate gate included, and so do readers.
	callTime  = time.Minute
	drainTime = 6 * time.Second // for calls in flight when the program is told to end

	// unavailableBudget is how long a run goes on trying while Atlassian answers nothing; then it pauses.
	unavailableBudget = 5 * time.Minute
	// unknownBudget is how long a change may stay unknown before the batch pauses and names it.
	unknownBudget = 15 * time.Minute
	// sendsAtMost is how often a change is sent whose calls kept vanishing without an effect.
	sendsAtMost = 3
	// A lost call may still be on its way. It counts as not done when oldReadings in a row show the account as before, the
	// last of them lostFor after the call at the earliest.
	oldReadings = 2
	lostFor     = 20 * time.Second
	// lostInARow is how many calls in a row may get lost before nothing is sent for a while.
	lostInARow = 3
	// keyRetry is how long what cannot be left as it is waits for the key to work again.
	keyRetry = 30 * time.Second
	// throttledInARow is how many times in a row Atlassian may ask to wait, and nothing else, before the run pauses.
	throttledInARow = 200
	pageOfChanges   = 1000
)

// readBack are the waits before an account is read again that does not show the new value yet.
var readBack = []time.Duration{2 * time.Second, 5 * time.Second, 15 * time.Second, time.Minute}

// errHalted is an intent that was refused because the batch does not run any more.
var errHalted = errors.New("the batch is not running")

// stage is what a change of a run waits for.
type stage int

const (
	stageSend   stage = iota // to be read, compared and called
	stageProve               // accepted; to be read back until it shows the new value
	stageSettle              // unknown; to be read back until it is known
)

// task is one change on its way through a run. seq and after belong to its present step.
type task struct {
	row, seq, after int
	ahead           []place   // of the steps behind it
	step            int       // how many of its steps have been proved
	exchange        *exchange // that it belongs to; nil for most
	back            bool      // it is on the way back
	stage           stage
	active          bool      // being sent or proved, and so in the way of a canary
	reads           int       // readings since the stage began
	old             int       // of these, the last ones in a row that showed the account as before
	since           time.Time // when the stage began
	due             time.Time // when it is to be read again
	refused         Reason    // of a call that was refused, when an earlier one may have taken effect all the same
}

// place is where a step stands in the running order.
type place struct{ seq, after int }

// verdict is what a worker says about a task: it ended, or what is next and when.
type verdict struct {
	task  *task
	ended bool
	state ChangeState   // when ended
	wait  time.Duration // else: until it is taken up again; when deaf, how long Atlassian asked to wait, 0 for no word
	deaf  bool          // nothing can be sent just now, by any task
	lost  bool          // the answer to a call got lost
	heard bool          // Atlassian answered
	moved bool          // a step is proved and another one follows
	back  Reason        // why the exchange must be put back; the zero Reason when it need not
	err   error         // of the store: the run stops
}

// runner runs one batch. One goroutine, run, decides what is next; workers read, call and write down. The store is written
// before and after each call, so that a runner can be thrown away at any moment and made anew.
type runner struct {
	engine *Engine
	number int64
	nudge  <-chan struct{}

	// Only run uses these.
	waiting    []*task         // to be sent, in running order
	dependents map[int][]*task // seq → tasks that wait for it
	delayed    []*task         // to be read back
	inFlight   int             // tasks that a worker has
	active     int             // tasks that are being sent or proved
	canaries   int             // of these, the canaries
	notBefore  time.Time       // nothing is sent until then
	open       bool            // the window
	deafSince  time.Time       // since when Atlassian answers nothing
	lost       int             // calls in a row whose answers got lost
	throttled  int             // calls in a row that were asked to wait
	looked     time.Time       // when the batch was last looked at
	rowOf      map[int]int     // seq → row; not written after load
	seal       runSeal         // likewise
	exchanges  []*exchange
	results    chan verdict

	mu     sync.Mutex // held while an outcome is written, so that counters and store agree
	tally  tally
	left   int                 // changes that have not ended
	ended  map[int]ChangeState // seq → how it ended
	halted bool
	parked []int // rows that may be at a parking address just now
	goesOn bool  // exchanges that have begun go on although the batch is halted
}

// runBatch runs an approved batch to its end, or as far as it may.
func (e *Engine) runBatch(ctx context.Context, number int64, nudge <-chan struct{}) error {
	if err := e.doubt(ctx, number); err != nil { // an earlier runner of ours may have broken off
		return err
	}
	if err := e.replan(ctx, number); err != nil {
		return fmt.Errorf("look again at what failed in batch %d: %w", number, err)
	}
	r := &runner{engine: e, number: number, nudge: nudge, results: make(chan verdict)}
	b, err := r.start(ctx)
	if err != nil {
		return fmt.Errorf("run batch %d: %w", number, err)
	}
	if err := r.load(ctx, b); err != nil {
		return fmt.Errorf("run batch %d: %w", number, err)
	}
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("run batch %d: %w", number, err)
	}
	if ctx.Err() != nil {
		return nil //nolint:nilerr // the bot stops; the batch stays in its run and goes on at the next start
	}
	return r.close(ctx)
}

// start moves an approved batch into its run.
func (r *runner) start(ctx context.Context) (*Batch, error) {
	return r.engine.store.Update(ctx, r.number, func(b *Batch) error {
		if b.State != Approved || b.Cancelling() || !r.engine.cfg.Run.Window.Open(time.Now()) {
			return nil
		}
		if b.Missing() > 0 {
			return r.engine.pauseByBot(b, Stop{Cause: StopAltered, Note: fmt.Sprintf("approvals missing: %d", b.Missing())})
		}
		if b.OrgID != r.engine.cfg.OrgID {
			return r.engine.pauseByBot(b, Stop{Cause: StopOtherOrg})
		}
		now := time.Now()
		if b.Started.IsZero() {
			b.Started = now
		}
		b.Record(Event{At: now, Actor: Bot, Kind: "started", Data: data(map[string]any{"digest": b.Digest})})
		return b.Move(Running)
	})
}

// load reads where every change of the batch stands.
func (r *runner) load(ctx context.Context, b *Batch) error {
	r.ended, r.rowOf, r.dependents = map[int]ChangeState{}, map[int]int{}, map[int][]*task{}
	r.saw(b)
	var finished []Change
	var open []*task
	circles := circles{}
	for after := 0; ; {
		changes, err := r.engine.store.Changes(ctx, r.number, after, pageOfChanges)
		if err != nil {
			return err
		}
		for i := range changes {
			c := &changes[i]
			after = c.Row
			if len(c.Steps) == 0 {
				continue
			}
			r.seal.note(c.Steps)
			t := r.task(c)
			circles.add(c, t)
			switch {
			case c.State.Ended():
				finished = append(finished, Change{State: c.State, Finished: c.Finished, Reason: Reason{Code: c.Reason.Code}})
				continue
			case c.State == ChangeReady:
				open = append(open, t)
			default:
				t.stage, t.due = stageSettle, time.Now().Add(readBack[0])
				r.delayed = append(r.delayed, t)
				if r.canary(t) {
					r.activate(t, true)
				}
			}
			r.left++
		}
		if len(changes) < pageOfChanges {
			break
		}
	}
	r.seal.close(b)
	r.exchanges = circles.exchanges()
	slices.SortFunc(open, func(a, b *task) int { return cmp.Compare(a.seq, b.seq) })
	for _, t := range open {
		if !t.parks() || !t.back { // it goes back last
			r.queue(t)
		}
	}
	r.recount(finished, b.Resumed)
	return r.resumePuttingBack(ctx)
}

// task makes the task of a change that is to run or has run, and notes how its steps ended.
func (r *runner) task(c *Change) *task {
	t := &task{row: c.Row, step: c.Step, back: c.Back, since: time.Now()}
	for i, step := range c.Steps {
		r.rowOf[step.Seq] = c.Row
		switch {
		case i < c.Step:
			r.ended[step.Seq] = ChangeDone
		case c.State.Ended():
			r.ended[step.Seq] = c.State
		}
	}
	at := min(c.Step, len(c.Steps)-1)
	t.seq = c.Steps[at].Seq
	if t.back {
		if !c.State.Ended() {
			delete(r.ended, t.seq)
		}
		return t
	}
	t.after = c.Steps[at].After
	for _, step := range c.Steps[at+1:] {
		t.ahead = append(t.ahead, place{step.Seq, step.After})
	}
	return t
}

// recount takes what ended since the last Resume into the counters of the stop rules.
func (r *runner) recount(finished []Change, since time.Time) {
	slices.SortStableFunc(finished, func(a, b Change) int { return a.Finished.Compare(b.Finished) })
	for _, c := range finished {
		if c.Finished.After(since) && c.Reason.Code != ReasonPutBack {
			r.tally.count(c.State)
		}
	}
}

// saw takes in how the batch stands after a transaction; but for load, the caller holds mu.
func (r *runner) saw(b *Batch) {
	r.halted = b.State != Running || b.Cancelling()
	r.parked, r.goesOn = b.Parked, exchangesGoOn(b) && b.OrgID == r.engine.cfg.OrgID
}

// queue puts a task where it belongs: behind what it waits for, else in line.
func (r *runner) queue(t *task) {
	t.begin(stageSend)
	if _, ended := r.outcome(t.after); t.after != 0 && !ended {
		r.dependents[t.after] = append(r.dependents[t.after], t)
		return
	}
	at, _ := slices.BinarySearchFunc(r.waiting, t, func(a, b *task) int { return cmp.Compare(a.seq, b.seq) })
	r.waiting = slices.Insert(r.waiting, at, t)
}

// begin takes the task into its next stage.
func (t *task) begin(s stage) { t.stage, t.reads, t.old, t.since = s, 0, 0, time.Now() }

// outcome is how the change with that place in the running order ended.
func (r *runner) outcome(seq int) (state ChangeState, ended bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	state, ended = r.ended[seq]
	return state, ended
}

// run gives out work until nothing is left that can be done now: all changes have ended, or the batch is halted and every
// call is accounted for.
func (r *runner) run(ctx context.Context) error {
	work, stop := afterwards(ctx, drainTime)
	defer stop()
	r.looked = time.Now()
	for ctx.Err() == nil {
		r.handOut(ctx, work)
		if r.inFlight == 0 && r.idle() {
			return nil
		}
		timer := time.NewTimer(time.Until(r.next()))
		var err error
		select {
		case v := <-r.results:
			err = r.take(ctx, v)
		case <-timer.C:
			if time.Since(r.looked) >= lookAgain { // no batch hangs on a lost wake-up
				err = r.look(ctx)
			}
		case <-r.nudge:
			err = r.look(ctx)
		case <-ctx.Done():
		}
		timer.Stop()
		if err != nil && ctx.Err() == nil {
			return errors.Join(err, r.await(ctx))
		}
	}
	return r.await(ctx)
}

// await lets the workers that are under way finish. What they leave in doubt is found out by the next runner.
func (r *runner) await(ctx context.Context) error {
	var failed error
	for r.inFlight > 0 {
		failed = errors.Join(failed, r.take(ctx, <-r.results))
	}
	return failed
}

// idle says that nothing can be done now. What stands behind a predecessor is in line as soon as that has ended.
func (r *runner) idle() bool {
	return len(r.delayed) == 0 && (len(r.waiting) == 0 || r.isHalted() && !slices.ContainsFunc(r.waiting, r.mayGo))
}

func (r *runner) isHalted() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.halted
}

// mayGo says whether a task in line may be sent: the batch runs, or the task belongs to an exchange that has begun.
func (r *runner) mayGo(t *task) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.halted && r.open || t.exchange != nil && r.goesOn && slices.Contains(r.parked, t.exchange.first.row)
}

// next is when something is due by the clock.
func (r *runner) next() time.Time {
	next := time.Now().Add(lookAgain)
	if r.inFlight >= r.engine.cfg.Run.Workers {
		return next // a worker that is done is heard, not waited for
	}
	for _, t := range r.delayed {
		if t.due.Before(next) {
			next = t.due
		}
	}
	if changes := r.engine.cfg.Run.Window.NextChange(time.Now()); !r.open && len(r.waiting) > 0 && !changes.IsZero() {
		next = earlier(next, changes)
	}
	if len(r.waiting) > 0 && r.notBefore.After(time.Now()) && r.notBefore.Before(next) {
		next = r.notBefore
	}
	return next
}

// handOut starts what may be started: readings that are due first, then the next changes in line.
func (r *runner) handOut(ctx, work context.Context) {
	now := time.Now()
	r.delayed = slices.DeleteFunc(r.delayed, func(t *task) bool {
		if t.due.After(now) || r.inFlight >= r.engine.cfg.Run.Workers {
			return false
		}
		r.give(ctx, work, t)
		return true
	})
	if now.Before(r.notBefore) {
		return
	}
	r.open = r.engine.cfg.Run.Window.Open(now)
	for i := 0; i < len(r.waiting) && r.inFlight < r.engine.cfg.Run.Workers; {
		t := r.waiting[i]
		if !r.mayGo(t) {
			i++
			continue
		}
		if r.canaries > 0 || r.canary(t) && r.active > 0 {
			return
		}
		if i == 0 {
			r.waiting = r.waiting[1:]
		} else {
			r.waiting = slices.Delete(r.waiting, i, i+1)
		}
		r.activate(t, true)
		r.give(ctx, work, t)
	}
}

func (r *runner) canary(t *task) bool { return t.seq <= r.engine.cfg.Run.Canary }

func (r *runner) activate(t *task, active bool) {
	if t.active == active {
		return
	}
	t.active = active
	n := 1
	if !active {
		n = -1
	}
	r.active += n
	if r.canary(t) {
		r.canaries += n
	}
}

func (r *runner) give(ctx, work context.Context, t *task) {
	r.inFlight++
	go func() {
		var v verdict
		switch t.stage {
		case stageSend:
			v = r.send(ctx, work, t)
		case stageProve:
			v = r.prove(work, t)
		case stageSettle:
			v = r.settle(work, t)
		}
		v.task = t
		r.results <- v
	}()
}

// take takes a worker's verdict in.
func (r *runner) take(ctx context.Context, v verdict) error {
	t := v.task
	r.inFlight--
	if v.err != nil {
		return v.err
	}
	if v.heard {
		r.deafSince, r.lost, r.throttled = time.Time{}, 0, 0
	}
	// A canary is in the way of the others until it is known what became of it.
	if v.ended || t.stage == stageSend || t.stage == stageSettle && !r.canary(t) {
		r.activate(t, false)
	}
	switch {
	case v.ended:
		return r.after(ctx, t, v.state)
	case v.back.Code != "":
		r.activate(t, false)
		return r.putBack(ctx, t.exchange, v.back)
	case v.moved:
		r.activate(t, false)
		seq := t.seq
		t.seq, t.after, t.ahead = t.ahead[0].seq, t.ahead[0].after, t.ahead[1:]
		t.step++
		r.queue(t)
		return r.release(ctx, seq, t.row, ChangeDone)
	case t.stage == stageSend:
		r.queue(t)
	default:
		t.due = time.Now().Add(v.wait)
		r.delayed = append(r.delayed, t)
	}
	switch {
	case t.stage == stageSettle && time.Since(t.since) > unknownBudget:
		return r.pause(ctx, Stop{Cause: StopUnknown, Rows: r.unknownRows()})
	case v.deaf && v.wait > 0: // asked to wait, which is an answer
		r.notBefore = latest(r.notBefore, time.Now().Add(v.wait))
		if r.throttled++; r.throttled >= throttledInARow {
			return r.pause(ctx, Stop{Cause: StopUnavailable, Note: "it kept asking to wait"})
		}
	case v.deaf:
		return r.rest(ctx)
	case v.lost:
		if r.lost++; r.lost >= lostInARow {
			return r.rest(ctx)
		}
	}
	return nil
}

// after goes on behind a change that has ended.
func (r *runner) after(ctx context.Context, t *task, state ChangeState) error {
	if t.back {
		return r.nextBack(ctx, t.exchange)
	}
	return r.release(ctx, t.seq, t.row, state)
}

// release lets go what waited for a step that has ended: it may be sent, or is skipped with it. A row at its parking
// address is neither: its exchange is put back.
func (r *runner) release(ctx context.Context, seq, row int, state ChangeState) error {
	behind := r.dependents[seq]
	delete(r.dependents, seq)
	for _, d := range behind {
		if state == ChangeDone || state == ChangeUnchanged {
			r.queue(d)
			continue
		}
		if d.parks() && d.step > 0 {
			if err := r.putBack(ctx, d.exchange, NewReason(ReasonPutBack, strconv.Itoa(row))); err != nil {
				return err
			}
			continue
		}
		if err := r.finish(ctx, d, ChangeSkipped, NewReason(ReasonPredecessor, strconv.Itoa(row)), nil); err != nil {
			return err
		}
		if err := r.release(ctx, d.seq, d.row, ChangeSkipped); err != nil {
			return err
		}
	}
	return nil
}

// rest stops sending for a while because Atlassian does not answer, and pauses the batch when that goes on for too long.
func (r *runner) rest(ctx context.Context) error {
	now := time.Now()
	if r.deafSince.IsZero() {
		r.deafSince = now
	}
	silent := now.Sub(r.deafSince)
	if silent >= unavailableBudget {
		r.deafSince = time.Time{}
		return r.pause(ctx, Stop{Cause: StopUnavailable, Note: silent.Round(time.Second).String()})
	}
	// The longer the silence, the longer the wait: from 1 s to half a minute.
	r.notBefore = latest(r.notBefore, now.Add(min(time.Second+silent/2, 30*time.Second)))
	return nil
}

func (r *runner) unknownRows() []int {
	var rows []int
	for _, t := range r.delayed {
		if t.stage == stageSettle {
			rows = append(rows, t.row)
		}
	}
	slices.Sort(rows)
	return rows
}

// look takes in what somebody did to the batch.
func (r *runner) look(ctx context.Context) error {
	r.looked = time.Now()
	r.mu.Lock() // over the reading, too, so that no stop in between is taken for a Resume
	defer r.mu.Unlock()
	b, err := r.engine.store.Batch(ctx, r.number)
	if err != nil {
		return err
	}
	if b.State == Approved {
		if b, err = r.start(ctx); err != nil {
			return err
		}
	}
	// Resumed: the counters of the stop rules start anew.
	if running := b.State == Running && !b.Cancelling(); r.halted && running {
		r.tally = tally{}
		r.deafSince, r.notBefore, r.lost, r.throttled = time.Time{}, time.Time{}, 0, 0
		for _, t := range r.delayed {
			t.since = time.Now()
		}
	}
	r.saw(b)
	return nil
}

// pause stops the batch by the bot; a batch that was stopped by somebody else first stays as it is.
func (r *runner) pause(ctx context.Context, stop Stop) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, err := r.engine.store.Update(ctx, r.number, func(b *Batch) error {
		if b.State != Running || b.Cancelling() {
			return nil
		}
		return r.engine.pauseByBot(b, stop)
	})
	if err == nil {
		r.saw(b)
	}
	return err
}

// close ends a run in which nothing is left to do, or that somebody cancelled.
func (r *runner) close(ctx context.Context) error {
	b, err := r.engine.store.Batch(ctx, r.number)
	if err != nil {
		return err
	}
	switch {
	case b.Cancelling() && b.Ending.How == Done:
		return r.engine.endRunOut(ctx, b)
	case b.Cancelling():
		why := NewReason(ReasonNotRun, "cancelled", nameOf(b.Ending.By))
		_, err = r.engine.endUnstarted(ctx, r.number, why, func(b *Batch) error {
			now := time.Now()
			b.Parked = nil
			b.Record(Event{At: now, Actor: Bot, Kind: "cancelled", Data: data(map[string]any{"by": b.Ending.By.ID})})
			return b.end(Cancelled, now)
		})
	case r.left == 0 && (b.State == Running || b.State == Paused): // nothing was left when the run was taken up
		_, err = r.engine.store.Update(ctx, r.number, func(b *Batch) error { return r.done(b) })
	}
	return err
}

func (r *runner) done(b *Batch) error {
	now := time.Now()
	b.Stop = Stop{}
	b.Record(Event{At: now, Actor: Bot, Kind: "done"})
	return b.end(Done, now)
}

// afterwards gives a context for work that must be finished and written down although ctx ended: it lives on for the time
// that is given.
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
