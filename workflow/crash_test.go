package workflow_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

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

// life is one random story: people ask and decide in any order, Atlassian fails in every way, the power goes at any
// moment, and in the end everything is well again.
type life struct {
	t     *testing.T
	d     *desk
	power *power
	db    *store.DB

	mu    sync.Mutex
	rng   *rand.Rand
	wrong []string // what must never happen and did
}

// roll is a number from 0 to below n. Workers draw faults while the story draws what comes next.
func (l *life) roll(n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rng.IntN(n)
}

func (l *life) violated(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
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
	if err := l.d.engine.Recover(ctx); err != nil {
		l.t.Fatalf("Recover: %v", err)
	}
	go func() {
		defer close(l.d.ended)
		_ = l.d.engine.Run(ctx)
	}()
}

// crash is the end of a program whose power is gone: what it still tries to do has no effect.
func (l *life) crash() {
	l.power.failAfter(0)
	_ = l.power.use()
	l.d.end()
}

// guard looks at the database at the moment of every effect: it must be approved, running, and intended.
func (l *life) guard(id string, need int) {
	ctx := context.Background()
	running, err := l.db.List(ctx, 0, workflow.Running, workflow.Paused)
	if err != nil {
		l.violated("list at an effect: %v", err)
	}
	for _, b := range running {
		changes, err := l.db.Changes(ctx, b.Number, 0, 0, workflow.ChangeRunning)
		if err != nil {
			l.violated("changes at an effect: %v", err)
		}
		if !slices.ContainsFunc(changes, func(c workflow.Change) bool { return c.AccountID == id }) {
			continue
		}
		approvers := map[string]bool{}
		for _, d := range b.Decisions {
			if d.Verdict == workflow.Approve && d.Digest == b.Digest && d.Person.ID != b.Requester.ID {
				approvers[d.Person.ID] = true
			}
		}
		if len(approvers) < need {
			l.violated("an effect on %s with %d approvals of %d", id, len(approvers), need)
		}
		return
	}
	l.violated("an effect on %s without an intent on disk", id)
}

func TestWhatMustNeverHappen(t *testing.T) {
	first, last := uint64(1), uint64(*seeds)
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	for seed := first; seed <= last; seed++ {
		synctest.Test(t, func(t *testing.T) { play(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d: play it alone with -seed %d", seed, seed)
		}
	}
}

func play(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 1))
	n, need := 3+rng.IntN(10), 1+rng.IntN(2)
	o, file := people(n)
	o.latency = time.Duration(rng.IntN(3000)) * time.Millisecond
	d := &desk{t: t, org: o, path: t.TempDir() + "/countersign.db"}
	d.config = workflow.Config{
		OrgID: "org-1", Approvals: need, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 100}, Log: zerolog.Nop(),
		Run: workflow.RunLimits{Workers: 1 + rng.IntN(5), Canary: rng.IntN(3), StopAfterFailures: 3, StopAtPercent: 50},
	}
	l := &life{t: t, rng: rng, d: d}
	l.boot()
	o.setFault(func(id string) fault {
		l.guard(id, need)
		return l.fault()
	})
	b := d.ask(file)
	for range 4 + l.roll(12) {
		l.act(b)
		if l.power.gone() || l.roll(5) == 0 {
			l.crash()
			l.boot()
		}
		time.Sleep(time.Duration(l.roll(20000)) * time.Millisecond)
	}
	o.setFault(func(id string) fault { l.guard(id, need); return fault{} })
	l.crash()
	l.boot()
	l.settle(b.Number)
	l.compare(b.Number, n)
	d.end()
	for _, w := range l.wrong {
		t.Errorf("seed %d: %s", seed, w)
	}
}

// fault is what goes wrong with one call.
func (l *life) fault() fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.rng.IntN(12) {
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
		if l.rng.IntN(4) == 0 {
			return fault{before: workflow.ErrKeyRefused}
		}
	}
	return fault{}
}

// act is one thing that somebody tries; most of it is refused, as it should be.
func (l *life) act(b *workflow.Batch) {
	ctx := context.Background()
	e := l.d.engine
	l.mu.Lock()
	people := []workflow.Actor{hana, alice, bob, gus}
	who, what, digest := people[l.rng.IntN(len(people))], l.rng.IntN(12), b.Digest
	if l.rng.IntN(6) == 0 {
		digest = "another"
	}
	delay := l.rng.IntN(60)
	l.mu.Unlock()
	switch what {
	case 0, 1, 2, 3:
		_, _ = e.Decide(ctx, b.Number, who, workflow.Approve, digest, "")
	case 4:
		if who.ID == bob.ID {
			_, _ = e.Decide(ctx, b.Number, who, workflow.Reject, digest, "no")
		}
	case 5, 6:
		_, _ = e.Pause(ctx, b.Number, who)
	case 7, 8:
		_, _ = e.Resume(ctx, b.Number, who)
	case 9:
		if who.ID == alice.ID {
			_, _ = e.Cancel(ctx, b.Number, who)
		}
	default:
		l.power.failAfter(delay)
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
	effects := map[string]int{}
	for _, e := range l.d.org.happened() {
		effects[e.id]++
	}
	for _, c := range changes {
		shows := workflow.SameAddress(l.d.org.account(c.AccountID).Email, c.NewEmail)
		if (c.State == workflow.ChangeDone) != shows {
			l.violated("row %d is %s (%s), and the account shows the new address: %v", c.Row, c.State, c.Reason.Code, shows)
		}
		if effects[c.AccountID] > 1 {
			l.violated("row %d had %d effects", c.Row, effects[c.AccountID])
		}
		if !c.State.Ended() {
			l.violated("row %d is still %s", c.Row, c.State)
		}
	}
}
