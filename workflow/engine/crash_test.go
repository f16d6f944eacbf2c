package engine_test

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

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

var (
	seeds    = flag.Int("seeds", 40, "how many random lives TestWhatMustNeverHappen plays")
	oneSeed  = flag.Uint64("seed", 0, "play only this one")
	errDeath = errors.New("the power is gone")
)

// stats counts what the lives were made of, so that lives in which nothing happens are noticed.
type stats struct{ lives, busy, torn, unknown, late, done, exchanged, putBack, retried int }

// scenario is one random story: people ask and decide in any order, Atlassian fails in every way, the
// power goes at any moment, and in the end everything is well again.
type scenario struct {
	t     *testing.T
	rng   *rand.Rand
	d     *desk
	power *power
	db    *sqlite.DB
	need  int             // approvals
	ring  map[string]bool // the accounts that exchange their addresses
	stats *stats

	mu    sync.Mutex
	wrong []string // what must never happen and did
}

func (s *scenario) violated(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
}

func (s *scenario) roll(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.IntN(n)
}

// boot starts the program on the database as it was left.
func (s *scenario) boot() {
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: s.d.path, Log: zerolog.Nop()})
	if err != nil {
		s.t.Fatalf("open the database: %v", err)
	}
	s.db, s.power = db, &power{left: -1}
	s.d.store = db
	config := s.d.config
	config.Store = mortalStore{db, s.power}
	config.Directory = mortalDirectory{s.d.org, s.power}
	if s.d.engine, err = engine.New(config); err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	s.d.stop, s.d.ended = cancel, make(chan struct{})
	if s.inState(workflow.ChangeRunning) > 0 {
		s.stats.torn++
	}
	if err := s.d.engine.Recover(ctx); err != nil {
		s.t.Fatalf("Recover: %v", err)
	}
	s.stats.unknown += s.inState(workflow.ChangeUnknown)
	go func() {
		defer close(s.d.ended)
		_ = s.d.engine.Run(ctx)
	}()
}

// inState counts the rows of all batches in a state.
func (s *scenario) inState(state workflow.ChangeState) int {
	batches, err := s.db.List(context.Background(), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	n := 0
	for _, b := range batches {
		sum, err := s.db.Summary(context.Background(), b.Number)
		if err != nil {
			s.t.Fatal(err)
		}
		n += sum.State(state)
	}
	return n
}

// crash is the end of a program whose power is gone: what it still tries to do has no effect.
func (s *scenario) crash() {
	s.power.failAfter(0)
	_ = s.power.use()
	s.d.end()
}

// guard looks at the database at the moment of every call: it must be approved, intended, and
// intended while it ran.
func (s *scenario) guard(id string) {
	ctx := context.Background()
	running, err := s.db.List(ctx, 0, workflow.Running, workflow.Paused)
	if err != nil {
		s.violated("list at a call: %v", err)
	}
	for _, b := range running {
		changes, err := s.db.Changes(ctx, b.Number, 0, 0, workflow.ChangeRunning)
		if err != nil {
			s.violated("changes at a call: %v", err)
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
		if len(approvers) < s.need {
			s.violated("a call for %s with %d approvals of %d", id, len(approvers), s.need)
		}
		begun := len(b.Parked) > 0 && s.ring[id] // an exchange is brought to its end whatever people do
		if b.State == workflow.Paused && changes[i].Called.After(b.Stop.At) && !begun {
			s.violated("a call for %s was begun after the batch had been paused", id)
		}
		if b.Ending != nil && changes[i].Called.After(b.Ending.At) && !begun {
			s.violated("a call for %s was begun after the batch had been cancelled", id)
		}
		return
	}
	s.violated("a call for %s without an intent on disk", id)
}

func TestWhatMustNeverHappen(t *testing.T) {
	first, last := uint64(1), uint64(*seeds)
	if *oneSeed != 0 {
		first, last = *oneSeed, *oneSeed
	}
	var sum stats
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

// ask is a request of every sort: renames, a chain of them that has to run from its end or a
// circle, and somebody who leaves.
func ask(rng *rand.Rand) (o *workflowtest.Organisation, file string, ring map[string]bool) {
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

func play(t *testing.T, seed uint64, sum *stats) {
	rng := rand.New(rand.NewPCG(seed, 1))
	o, file, ring := ask(rng)
	o.Latency = time.Duration(rng.IntN(3000)) * time.Millisecond
	s := &scenario{t: t, rng: rng, need: 1 + rng.IntN(2), ring: ring, stats: sum}
	s.d = &desk{t: t, org: o, path: t.TempDir() + "/countersign.db"}
	s.d.config = engine.Config{
		People: &staff{}, OrgID: "org-1", Policy: policy.Policy{Approvals: s.need}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 1 << 20, MaxRows: 100}, Log: zerolog.Nop(),
		Run: run.Limits{Workers: 1 + rng.IntN(5), Canary: rng.IntN(3), StopAfterFailures: 3, StopAtPercent: 50},
	}
	s.boot()
	o.SetFault(func(id string) workflowtest.Fault {
		s.guard(id)
		return s.fault()
	})
	b := s.d.ask(file)
	o.SetDeny(func(string) error {
		if s.roll(15) == 0 {
			return workflow.ErrUnavailable
		}
		return nil
	})
	for i := range 6 + rng.IntN(12) {
		s.act(b, i)
		if s.power.gone() || s.roll(6) == 0 {
			s.crash()
			s.boot()
		}
		time.Sleep(time.Duration(s.roll(20000)) * time.Millisecond)
	}
	o.SetFault(func(id string) workflowtest.Fault { s.guard(id); return workflowtest.Fault{} })
	o.SetDeny(nil)
	s.crash()
	s.boot()
	s.settle(b.Number)
	if s.roll(2) == 0 {
		s.retry(b.Number)
	}
	s.compare(b.Number, strings.Count(file, "\n")-1)
	if a, err := s.db.Audit(context.Background()); err != nil || !a.Whole() {
		s.violated("the log does not agree with the tables: %v, %v", a.Findings, err)
	}
	s.d.end()
	for _, w := range s.wrong {
		t.Errorf("seed %d: %s", seed, w)
	}
	sum.lives++
	if len(o.Happened()) > 0 {
		sum.busy++
	}
}

// settle plays the people who want the batch to end, when nothing fails any more.
func (s *scenario) settle(number int64) {
	ctx := context.Background()
	for range 200 {
		synctest.Wait()
		b := s.d.batch(number)
		switch {
		case !b.State.Open():
			return
		case b.State == workflow.Paused && !b.Cancelling():
			_, _ = s.d.engine.Resume(ctx, number, bob)
		case b.State == workflow.AwaitingApproval:
			time.Sleep(25 * time.Hour)
		}
		time.Sleep(time.Minute)
	}
	b := s.d.batch(number)
	s.violated("the batch does not end: it is %s (%+v), rows %v", b.State, b.Stop, s.d.rows(number))
}

// compare holds the database against the organisation, row by row.
func (s *scenario) compare(number int64, n int) {
	changes, err := s.db.Changes(context.Background(), number, 0, 0)
	if err != nil || len(changes) != n {
		s.violated("%d of %d rows are left: %v", len(changes), n, err)
	}
	effects := map[string][]workflowtest.Effect{}
	for _, e := range s.d.org.Happened() {
		effects[e.ID] = append(effects[e.ID], e)
	}
	for _, c := range changes {
		s.compareRow(c, effects[c.AccountID])
	}
}

// compareRow holds one row against its account and what was done to it.
func (s *scenario) compareRow(c workflow.Change, effects []workflowtest.Effect) {
	a := s.d.org.Current(c.AccountID)
	shows := workflow.SameAddress(a.Email, c.NewEmail())
	if c.Action == workflow.Deactivate {
		shows = a.Status == workflow.StatusInactive
	}
	if (c.State == workflow.ChangeDone) != shows {
		s.violated("row %d is %s (%s), and the account shows the new value: %v", c.Row, c.State, c.Reason.Code, shows)
	}
	stuck := c.Reason.Code == workflow.ReasonStuck
	if c.State != workflow.ChangeDone && c.Action == workflow.Rename && a.Email != c.OldEmail() && !stuck {
		s.violated("row %d is %s (%s), and the account is left at %s", c.Row, c.State, c.Reason.Code, a.Email)
	}
	if stuck != strings.HasPrefix(a.Email, "countersign-park-") {
		s.violated("row %d is %s (%s), and the account shows %s", c.Row, c.State, c.Reason.Words(), a.Email)
	}
	if most := 1; len(effects) > most && !s.ring[c.AccountID] {
		s.violated("row %d had %d effects", c.Row, len(effects))
	}
	runs := s.d.batch(c.Batch).Run // an exchange that was put back goes the same way again
	for i, e := range effects {
		if (runs == 1 || !s.ring[c.AccountID]) && slices.ContainsFunc(effects[:i], func(f workflowtest.Effect) bool { return f.From == e.From && f.To == e.To }) {
			s.violated("row %d was given %s twice", c.Row, e.To)
		}
	}
	if !c.State.Ended() {
		s.violated("row %d is still %s", c.Row, c.State)
	}
	switch {
	case c.State == workflow.ChangeDone && len(c.Steps) > 1:
		s.stats.exchanged++
	case c.Reason.Code == workflow.ReasonPutBack:
		s.stats.putBack++
	}
	if c.State == workflow.ChangeDone {
		s.stats.done++
	}
}
