package engine_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
)

// A return runs late rather than never, whoever has lost which role meanwhile.
func TestALateReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		people := &staff{}
		d := newDesk(t, o, func(c *engine.Config) { c.People = people })
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		d.end()
		lost := hana
		lost.Requester = false
		people.is(lost)
		time.Sleep(30 * 24 * time.Hour)
		d.start()
		if r := d.reach(2, workflow.Done); r.Started.Before(d.batch(1).Started.Add(30 * 24 * time.Hour)) {
			t.Errorf("started %s", r.Started)
		}
	})
}

// After the database went back in time a return may have run already: people decide.
func TestAReturnAfterARestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _ := people(2)
		var back time.Time
		d := newDesk(t, o, func(c *engine.Config) {
			c.WentBack = func(context.Context) (time.Time, error) { return back, nil }
		})
		d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
		d.reach(1, workflow.Done)
		d.end()
		time.Sleep(time.Minute)
		back = time.Now()
		d.start()
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if r := d.ret(); r.State != workflow.Approved {
			t.Fatalf("it is %s", r.State)
		}
		if _, err := d.engine.End(t.Context(), 1, bob); err != nil {
			t.Fatal(err)
		}
		d.reach(2, workflow.Done)
	})
}

// Whoever changes the database so that something else is taken back has nothing sent, also when they
// give the return the digest of what they wrote.
func TestAReturnIsWhatFollowsFromTheApprovedPlan(t *testing.T) {
	for _, sealed := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			o, _ := people(3)
			d := newDesk(t, o, nil)
			d.approve(d.askWhen(leavers, workflow.When{For: 8 * time.Hour}))
			d.reach(1, workflow.Done)
			changes, err := d.store.Changes(t.Context(), 2, 0, 0)
			if err != nil {
				t.Fatal(err)
			}
			var steps []workflow.Step
			for _, c := range changes {
				s := c.Steps[0]
				if s.AccountID == "acc-2" {
					s.AccountID = "acc-3"
				}
				steps = append(steps, s)
			}
			slices.SortFunc(steps, func(a, b workflow.Step) int { return a.Seq - b.Seq })
			digest := workflow.PlanDigest(d.batch(2), steps)
			d.end()
			alter := []string{`UPDATE change SET account_id = 'acc-3', steps = replace(steps, 'acc-2', 'acc-3') WHERE batch = 2 AND row = 3`}
			if sealed {
				alter = append(alter, fmt.Sprintf(`UPDATE batch SET digest = '%s' WHERE number = 2`, digest))
			}
			d.alter(alter...)
			d.start()
			if r := d.reach(2, workflow.Paused, workflow.Done); r.Stop.Cause != workflow.StopAltered {
				t.Errorf("%s %+v", r.State, r.Stop)
			}
			if len(o.Happened()) != 2 {
				t.Errorf("%v", o.Happened())
			}
		})
	}
}

// Wherever power fails, a return is there as soon as its batch is approved, and runs once.
func TestAReturnIsNeverLostAndNeverRunsTwice(t *testing.T) {
	step := 1
	if testing.Short() { // under the race detector SQLite is slow
		step = 9
	}
	survived := false // as it failed after all was done
	for n := 0; !survived; n += step {
		synctest.Test(t, func(t *testing.T) {
			o, _ := people(2)
			d := newDesk(t, o, nil)
			d.end()
			boot := func(after int) *power {
				p := &power{left: after}
				db, err := sqlite.Open(context.Background(), sqlite.Config{Path: d.path, Log: zerolog.Nop()})
				if err != nil {
					t.Fatal(err)
				}
				d.store = db
				config := d.config
				config.Store, config.Directory = mortalStore{db, p}, mortalDirectory{o, p}
				if d.engine, err = engine.New(config); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithCancel(context.Background())
				d.stop, d.ended = cancel, make(chan struct{})
				if err := d.engine.Recover(ctx); err != nil && !p.gone() {
					t.Fatal(err)
				}
				go func() {
					defer close(d.ended)
					_ = d.engine.Run(ctx)
				}()
				return p
			}
			boot(-1)
			b := d.askWhen(leavers, workflow.When{For: time.Hour})
			d.end()
			p := boot(n)
			approve := func() {
				if d.batch(1).State == workflow.AwaitingApproval {
					_, _ = d.engine.Decide(context.Background(), 1, alice, workflow.Approve, b.Digest, "")
				}
			}
			approve()
			check := func() {
				synctest.Wait()
				if first := d.batch(1); !first.Approved.IsZero() {
					d.ret() // one of them, and not two
				}
			}
			for end := time.Now().Add(3 * time.Hour); time.Now().Before(end); time.Sleep(time.Minute) {
				check()
				if p.gone() {
					d.end()
					p = boot(-1)
					approve()
				}
			}
			check()
			survived = p.left > 0
			if r := d.ret(); r.State != workflow.Done {
				t.Errorf("power fails after %d: the return is %s, %v %v", n, r.State, d.rows(1), d.rows(2))
			}
			effects := map[string]int{}
			for _, e := range o.Happened() {
				effects[e.ID]++
			}
			for _, id := range []string{"acc-1", "acc-2"} {
				if effects[id]%2 != 0 || effects[id] > 2 || d.status(id) != workflow.StatusActive {
					t.Errorf("power fails after %d: %s was changed %d times and is %s", n, id, effects[id], d.status(id))
				}
			}
			d.audited()
		})
		if t.Failed() {
			return
		}
	}
}
