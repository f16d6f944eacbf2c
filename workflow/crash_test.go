package workflow_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

var (
	seeds    = flag.Int("seeds", 40, "how many random lives TestWhatMustNeverHappen plays")
	oneSeed  = flag.Uint64("seed", 0, "play only this one")
	errDeath = errors.New("the power is gone")
)

// power is what a life of the program runs on. It fails after a number of effects: from then on nothing is written and
// nothing is sent, as when a machine dies between two lines.
type power struct {
	mu   sync.Mutex
	left int // effects until it fails; negative = never
	dead bool
}

// use is called before and after every effect, so that power can fail on both sides of it.
func (p *power) use() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 {
		p.dead = true
	}
	p.left--
	if p.dead {
		return errDeath
	}
	return nil
}

func (p *power) failAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = n
}

func (p *power) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// mortalStore is the store as a program sees it whose power fails.
type mortalStore struct {
	workflow.Store
	*power
}

func (m mortalStore) Create(ctx context.Context, b *workflow.Batch, original []byte) error {
	if err := m.use(); err != nil {
		return err
	}
	return errors.Join(m.Store.Create(ctx, b, original), m.use())
}

func (m mortalStore) Update(ctx context.Context, n int64, rule func(*workflow.Batch) error) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.Update(ctx, n, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) Seal(
	ctx context.Context, n int64, changes []workflow.Change, hold []string, rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.Seal(ctx, n, changes, hold, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) UpdateChange(
	ctx context.Context, n int64, row int, rule func(*workflow.Batch, *workflow.Change) error,
) (*workflow.Batch, *workflow.Change, error) {
	if err := m.use(); err != nil {
		return nil, nil, err
	}
	b, c, err := m.Store.UpdateChange(ctx, n, row, rule)
	return b, c, cmpErr(err, m.use())
}

func (m mortalStore) UpdateChanges(
	ctx context.Context, n int64, in workflow.ChangeState, each func(*workflow.Change) error,
	rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.UpdateChanges(ctx, n, in, each, rule)
	return b, cmpErr(err, m.use())
}

func (m mortalStore) Revive(
	ctx context.Context, n int64, rows []int, hold []string, each func(*workflow.Change) error, rule func(*workflow.Batch) error,
) (*workflow.Batch, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	b, err := m.Store.Revive(ctx, n, rows, hold, each, rule)
	return b, cmpErr(err, m.use())
}

func cmpErr(err, after error) error {
	if err != nil {
		return err
	}
	return after
}

// mortalDirectory is the directory as that program sees it.
type mortalDirectory struct {
	*organisation
	*power
}

func (m mortalDirectory) call(call func() error) error {
	if err := m.use(); err != nil {
		return err
	}
	return cmpErr(call(), m.use())
}

func (m mortalDirectory) SetEmail(ctx context.Context, id, address string) error {
	return m.call(func() error { return m.organisation.SetEmail(ctx, id, address) })
}

func (m mortalDirectory) Deactivate(ctx context.Context, id, message string) error {
	return m.call(func() error { return m.organisation.Deactivate(ctx, id, message) })
}

func (m mortalDirectory) Activate(ctx context.Context, id string) error {
	return m.call(func() error { return m.organisation.Activate(ctx, id) })
}

// tale counts what the lives were made of, so that lives in which nothing happens are noticed.
type tale struct{ lives, busy, torn, unknown, late, done, exchanged, putBack, retried int }

// life is one random story: people ask and decide in any order, Atlassian fails in every way, the power goes at any
// moment, and in the end everything is well again.
type life struct {
	t     *testing.T
	rng   *rand.Rand
	d     *desk
	power *power
	db    *store.DB
	need  int             // approvals
	ring  map[string]bool // the accounts that exchange their addresses
	tale  *tale

	mu    sync.Mutex
	wrong []string // what must never happen and did
}

func (l *life) violated(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

func (l *life) roll(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

// boot starts the program on the database as it was left.
func (l *life) boot() {
	db, err := store.Open(context.Background(), store.Config{Path: l.d.path, Log: zerolog.Nop()})
	if err != nil {
		l.t.Fatalf("open the database: %v", err)
	}
	l.db, l.power = db, &power{left: -1}
	l.d.store = db
	config := l.d.config
	config.Store = mortalStore{db, l.power}
	config.Directory = mortalDirectory{l.d.org, l.power}
	if l.d.engine, err = workflow.New(config); err != nil {
		l.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.d.stop, l.d.ended = cancel, make(chan struct{})
	if l.inState(workflow.ChangeRunning) > 0 {
		l.tale.torn++
	}
	if err := l.d.engine.Recover(ctx); err != nil {
		l.t.Fatalf("Recover: %v", err)
	}
	l.tale.unknown += l.inState(workflow.ChangeUnknown)
	go func() {
		defer close(l.d.ended)
		_ = l.d.engine.Run(ctx)
	}()
}

// inState counts the rows of all batches in a state.
func (l *life) inState(state workflow.ChangeState) int {
	batches, err := l.db.List(context.Background(), 0)
	if err != nil {
		l.t.Fatal(err)
	}
	n := 0
	for _, b := range batches {
		sum, err := l.db.Summary(context.Background(), b.Number)
		if err != nil {
			l.t.Fatal(err)
		}
		n += sum.State(state)
	}
	return n
}

// crash is the end of a program whose power is gone: what it still tries to do has no effect.
func (l *life) crash() {
	l.power.failAfter(0)
	_ = l.power.use()
	l.d.end()
}

// guard looks at the database at the moment of every call: it must be approved, intended, and intended while it ran.
func (l *life) guard(id string) {
	ctx := context.Background()
	running, err := l.db.List(ctx, 0, workflow.Running, workflow.Paused)
	if err != nil {
		l.violated("list at a call: %v", err)
	}
	for _, b := range running {
		changes, err := l.db.Changes(ctx, b.Number, 0, 0, workflow.ChangeRunning)
		if err != nil {
			l.violated("changes at a call: %v", err)
		}
		i := slices.IndexFunc(changes, func(c workflow.Change) bool { return c.AccountID == id })
		if i < 0 {
			continue
		}
		approvers := map[string]bool{}
		for _, d := range b.Decisions {
			if d.Verdict == workflow.Approve && d.Digest == b.Digest && d.Person.ID != b.Requester.ID {
				approvers[d.Person.ID] = true
			}
		}
		if len(approvers) < l.need {
			l.violated("a call for %s with %d approvals of %d", id, len(approvers), l.need)
		}
		begun := len(b.Parked) > 0 && l.ring[id] // an exchange is brought to its end whatever people do
		if b.State == workflow.Paused && changes[i].Called.After(b.Stop.At) && !begun {
			l.violated("a call for %s was begun after the batch had been paused", id)
		}
		if b.Ending != nil && changes[i].Called.After(b.Ending.At) && !begun {
			l.violated("a call for %s was begun after the batch had been cancelled", id)
		}
		return
	}
	l.violated("a call for %s without an intent on disk", id)
}

func TestWhatMustNeverHappen(t *testing.T) {
	first, last := uint64(1), uint64(*seeds)
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	var sum tale
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) { play(t, seed, &sum) })
		if t.Failed() {
			// The seed fixes the dice, not the order in which goroutines reach for them.
			t.Fatalf("seed %d: play it alone with -seed %d, several times if need be", seed, seed)
		}
	}
	t.Logf("seeds %d to %d: %+v", first, last, sum)
	if n := sum.lives; *oneSeed == 0 && n >= 20 && (sum.busy < n/2 || sum.torn < n/10 || sum.unknown < n/5 || sum.late < n/10) {
		t.Errorf("the lives are too dull to prove anything: %+v", sum)
	}
}

// ask is a request of every sort: renames, a chain of them that has to run from its end or a circle, and somebody who
// leaves.
func ask(rng *rand.Rand) (o *organisation, file string, ring map[string]bool) {
	n := 3 + rng.IntN(9)
	o, _ = people(n)
	ring = map[string]bool{}
	if rng.IntN(2) == 0 {
		for i := range 2 + rng.IntN(2) {
			ring[fmt.Sprintf("acc-%d", i+1)] = true
		}
	}
	file = "action,old_email,new_email\n"
	for i := 1; i <= n; i++ {
		old, wanted := fmt.Sprintf("p%d@old.example", i), fmt.Sprintf("p%d@new.example", i)
		switch {
		case i <= len(ring):
			file += fmt.Sprintf("rename,%s,p%d@old.example\n", old, i%len(ring)+1)
		case i <= 3 && i < n && len(ring) == 0: // 1 takes the address of 2, which takes that of 3, which takes that of 4
			file += fmt.Sprintf("rename,%s,p%d@old.example\n", old, i+1)
		case rng.IntN(4) == 0 && i > 4:
			file += fmt.Sprintf("deactivate,%s,\n", old)
		default:
			file += fmt.Sprintf("rename,%s,%s\n", old, wanted)
		}
	}
	return o, file, ring
}

func play(t *testing.T, seed uint64, sum *tale) {
	rng := rand.New(rand.NewPCG(seed, 1))
	o, file, ring := ask(rng)
	o.latency = time.Duration(rng.IntN(3000)) * time.Millisecond
	l := &life{t: t, rng: rng, need: 1 + rng.IntN(2), ring: ring, tale: sum}
	l.d = &desk{t: t, org: o, path: t.TempDir() + "/countersign.db"}
	l.d.config = workflow.Config{
		People: &staff{}, OrgID: "org-1", Policy: workflow.Policy{Approvals: l.need}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 100}, Log: zerolog.Nop(),
		Run: workflow.RunLimits{Workers: 1 + rng.IntN(5), Canary: rng.IntN(3), StopAfterFailures: 3, StopAtPercent: 50},
	}
	l.boot()
	o.setFault(func(id string) fault {
		l.guard(id)
		return l.fault()
	})
	b := l.d.ask(file)
	o.setDeny(func(string) error {
		if l.roll(15) == 0 {
			return workflow.ErrUnavailable
		}
		return nil
	})
	for i := range 6 + rng.IntN(12) {
		l.act(b, i)
		if l.power.gone() || l.roll(6) == 0 {
			l.crash()
			l.boot()
		}
		time.Sleep(time.Duration(l.roll(20000)) * time.Millisecond)
	}
	o.setFault(func(id string) fault { l.guard(id); return fault{} })
	o.setDeny(nil)
	l.crash()
	l.boot()
	l.settle(b.Number)
	if l.roll(2) == 0 {
		l.retry(b.Number)
	}
	l.compare(b.Number, strings.Count(file, "\n")-1)
	if a, err := l.db.Audit(context.Background()); err != nil || !a.Whole() {
		l.violated("the log does not agree with the tables: %v, %v", a.Findings, err)
	}
	l.d.end()
	for _, w := range l.wrong {
		t.Errorf("seed %d: %s", seed, w)
	}
	sum.lives++
	if len(o.happened()) > 0 {
		sum.busy++
	}
}

// retry runs what failed again, and the power goes on the way.
func (l *life) retry(number int64) {
	if _, err := l.d.engine.Retry(context.Background(), number, hana); err != nil {
		return
	}
	l.tale.retried++
	l.power.failAfter(l.roll(20))
	time.Sleep(time.Minute)
	l.crash()
	l.boot()
	l.settle(number)
}

// fault is what goes wrong with one call. What is late is so by less than a lost call is waited for.
func (l *life) fault() fault {
	switch l.roll(14) {
	case 0:
		return fault{before: workflow.ErrUnknownOutcome}
	case 1:
		return fault{after: workflow.ErrUnknownOutcome}
	case 2:
		return fault{before: workflow.ErrThrottled}
	case 3:
		return fault{before: refusal()}
	case 4:
		return fault{before: workflow.ErrNotSent}
	case 5:
		return fault{after: context.DeadlineExceeded}
	case 6:
		l.tale.late++
		return fault{before: workflow.ErrUnknownOutcome, late: time.Duration(1+l.roll(15)) * time.Second}
	case 7:
		return fault{ignored: true}
	case 8:
		if l.roll(4) == 0 {
			return fault{before: workflow.ErrKeyRefused}
		}
	}
	return fault{}
}

// act is one thing that somebody tries. At first it is mostly what lets the batch run; much of the rest is refused, as it
// should be.
func (l *life) act(b *workflow.Batch, i int) {
	ctx := context.Background()
	e := l.d.engine
	who := []workflow.Actor{hana, alice, bob, gus}[l.roll(4)]
	what, digest := l.roll(14), b.Digest
	if l.roll(6) == 0 {
		digest = "another"
	}
	if i < 2 && l.roll(5) > 0 {
		who, what, digest = []workflow.Actor{alice, bob}[i], 0, b.Digest
	}
	switch what {
	case 0, 1, 2:
		_, _ = e.Decide(ctx, b.Number, who, workflow.Approve, digest, "")
	case 3:
		if who.ID == bob.ID {
			_, _ = e.Decide(ctx, b.Number, who, workflow.Reject, digest, "no")
		}
	case 4:
		_, _ = e.Pause(ctx, b.Number, who)
	case 5, 6, 7:
		_, _ = e.Resume(ctx, b.Number, who)
	case 8:
		if who.ID == alice.ID && l.roll(2) == 0 {
			_, _ = e.Cancel(ctx, b.Number, who)
		}
	case 9:
		if _, err := e.Retry(ctx, b.Number, who); err == nil {
			l.tale.retried++
		}
	default:
		l.power.failAfter(l.roll(40))
	}
}

// settle plays the people who want the batch to end, when nothing fails any more.
func (l *life) settle(number int64) {
	ctx := context.Background()
	for range 200 {
		synctest.Wait()
		b := l.d.batch(number)
		switch {
		case !b.State.Open():
			return
		case b.State == workflow.Paused && !b.Cancelling():
			_, _ = l.d.engine.Resume(ctx, number, bob)
		case b.State == workflow.AwaitingApproval:
			time.Sleep(25 * time.Hour)
		}
		time.Sleep(time.Minute)
	}
	b := l.d.batch(number)
	l.violated("the batch does not end: it is %s (%+v), rows %v", b.State, b.Stop, l.d.rows(number))
}

// compare holds the database against the organisation, row by row.
func (l *life) compare(number int64, n int) {
	changes, err := l.db.Changes(context.Background(), number, 0, 0)
	if err != nil || len(changes) != n {
		l.violated("%d of %d rows are left: %v", len(changes), n, err)
	}
	effects := map[string][]effect{}
	for _, e := range l.d.org.happened() {
		effects[e.id] = append(effects[e.id], e)
	}
	for _, c := range changes {
		l.compareRow(c, effects[c.AccountID])
	}
}

// compareRow holds one row against its account and what was done to it.
func (l *life) compareRow(c workflow.Change, effects []effect) {
	a := l.d.org.account(c.AccountID)
	shows := workflow.SameAddress(a.Email, c.NewEmail)
	if c.Action == workflow.Deactivate {
		shows = a.Status == workflow.StatusInactive
	}
	if (c.State == workflow.ChangeDone) != shows {
		l.violated("row %d is %s (%s), and the account shows the new value: %v", c.Row, c.State, c.Reason.Code, shows)
	}
	stuck := c.Reason.Code == workflow.ReasonStuck
	if c.State != workflow.ChangeDone && c.Action == workflow.Rename && a.Email != c.OldEmail && !stuck {
		l.violated("row %d is %s (%s), and the account is left at %s", c.Row, c.State, c.Reason.Code, a.Email)
	}
	if stuck != strings.HasPrefix(a.Email, "countersign-park-") {
		l.violated("row %d is %s (%s), and the account shows %s", c.Row, c.State, c.Reason.Words(), a.Email)
	}
	if most := 1; len(effects) > most && !l.ring[c.AccountID] {
		l.violated("row %d had %d effects", c.Row, len(effects))
	}
	runs := l.d.batch(c.Batch).Run // an exchange that was put back goes the same way again
	for i, e := range effects {
		if (runs == 1 || !l.ring[c.AccountID]) && slices.ContainsFunc(effects[:i], func(f effect) bool { return f.from == e.from && f.to == e.to }) {
			l.violated("row %d was given %s twice", c.Row, e.to)
		}
	}
	if !c.State.Ended() {
		l.violated("row %d is still %s", c.Row, c.State)
	}
	switch {
	case c.State == workflow.ChangeDone && len(c.Steps) > 1:
		l.tale.exchanged++
	case c.Reason.Code == workflow.ReasonPutBack:
		l.tale.putBack++
	}
	if c.State == workflow.ChangeDone {
		l.tale.done++
	}
}

// The power goes while a call is on its way, and the call lands after the next start: it must not be sent a second time in
// between.
func TestACallThatOutlivesTheProgramIsNotRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		l := &life{t: t, rng: rand.New(rand.NewPCG(1, 1)), need: 1, tale: &tale{}}
		l.d = &desk{t: t, org: o, path: t.TempDir() + "/countersign.db"}
		l.d.config = workflow.Config{
			People: &staff{}, OrgID: "org-1", Policy: workflow.Policy{Approvals: 1}, ExpiresAfter: time.Hour, StartWithin: time.Hour,
			Limits: workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 100}, Log: zerolog.Nop(), Run: workflow.RunLimits{Workers: 1},
		}
		l.boot()
		o.setFault(func(string) fault {
			o.fault = nil // the caller holds the lock
			l.power.failAfter(0)
			return fault{before: workflow.ErrUnknownOutcome, late: 10 * time.Second}
		})
		b := l.d.ask(file)
		l.d.approve(b)
		synctest.Wait()
		if !l.power.gone() {
			t.Fatal("the call was never made")
		}
		l.crash()
		l.boot()
		l.d.reach(b.Number, workflow.Done)
		if n := len(o.happened()); n != 1 {
			t.Errorf("%d effects, want 1", n)
		}
		l.d.end()
	})
}

// A refusal of a repeated call is not believed before the account was read: the first one may have got through.
func TestARefusalAfterALostCallIsReadBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(1)
		d := newDesk(t, o, nil)
		b := d.ask(file)
		calls := 0
		o.setFault(func(id string) fault {
			if calls++; calls == 1 {
				return fault{before: workflow.ErrUnknownOutcome}
			}
			a := o.accounts[id] // the first call lands at this very moment
			a.Email = "p1@new.example"
			o.accounts[id] = a
			return fault{before: refusal()}
		})
		d.approve(b)
		d.reach(b.Number, workflow.Done)
		if diff := cmp.Diff([]string{"2 done"}, d.rows(b.Number)); diff != "" || calls != 2 {
			t.Errorf("after %d calls, rows (-want +got):\n%s", calls, diff)
		}
	})
}
