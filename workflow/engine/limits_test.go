package engine_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
)

// The bubble's clock begins on 2000-01-01 at midnight UTC, a Saturday.
var evenings = policy.Window{From: policy.Clock{Hour: 19}, To: policy.Clock{Hour: 21}}

func TestRunsInItsWindowAlone(t *testing.T) {
	for _, latency := range []time.Duration{43 * time.Second, time.Minute} {
		t.Run(latency.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runInItsWindow(t, latency) })
		})
	}
}

// Calls take so long that the window closes between the reading of an account and its call.
func runInItsWindow(t *testing.T, latency time.Duration) {
	const rows = 150
	o, file := people(rows)
	o.Latency = latency
	d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1, Window: evenings} })
	b := d.ask(file)
	d.approve(b)
	time.Sleep(time.Hour)
	if b := d.batch(b.Number); b.State != workflow.Approved || len(o.Happened()) > 0 {
		t.Errorf("while the window is closed the batch is %s and %d calls had an effect", b.State, len(o.Happened()))
	}
	d.restart()
	time.Sleep(3 * 24 * time.Hour)
	b = d.reach(b.Number, workflow.Done)
	if got := count(d.rows(b.Number), "done"); got != rows {
		t.Errorf("%d rows are done", got)
	}
	nights := map[int]int{}
	for _, e := range o.Happened() {
		closed := time.Date(2000, 1, e.At.UTC().Day(), 21, 0, 0, 0, time.UTC)
		if began := e.At.Add(-latency); began.UTC().Hour() < 19 && e.At.UTC().Hour() < 19 || !began.Before(closed) {
			t.Errorf("a call from %s to %s", began.UTC(), e.At.UTC())
		}
		nights[e.At.UTC().Day()]++
	}
	if len(nights) < 2 {
		t.Errorf("effects by day: %v", nights)
	}
}

func TestStartWithinCountsFromTheWindow(t *testing.T) {
	for _, tt := range []struct {
		down time.Duration
		want workflow.State
	}{{30 * time.Hour, workflow.Approved}, {32 * time.Hour, workflow.Paused}} {
		t.Run(fmt.Sprint(tt.down), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(1)
				d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1, Window: evenings} })
				b := d.ask(file)
				d.approve(b) // at midnight; the window opens at 19:00, and start_within is 12 h
				d.end()
				time.Sleep(tt.down)
				d.start()
				synctest.Wait()
				if got := d.batch(b.Number); got.State != tt.want {
					t.Errorf("after %s the batch is %s (%+v), want %s", tt.down, got.State, got.Stop, tt.want)
				}
			})
		})
	}
}

// A window of a minute a day is not open for 12 h within a year: what began in it goes on after a
// restart.
func TestRestartInANarrowWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rows = 8
		o, file := people(rows)
		o.Latency = 5 * time.Second
		minute := policy.Window{To: policy.Clock{Minute: 1}}
		d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1, Window: minute} })
		d.ask(file)
		d.approve(d.batch(1))
		time.Sleep(time.Hour)
		if made := count(d.rows(1), "done"); made == 0 || made == rows {
			t.Fatalf("%d rows are done in the first night", made)
		}
		d.restart()
		synctest.Wait()
		if got := d.batch(1); got.State != workflow.Running {
			t.Errorf("after the restart the batch is %s (%+v)", got.State, got.Stop)
		}
		time.Sleep(3 * 24 * time.Hour)
		if made := count(d.rows(d.reach(1, workflow.Done).Number), "done"); made != rows {
			t.Errorf("%d rows are done", made)
		}
	})
}

// The limit is kept to the second, also when it is shorter than the time between two looks at all
// batches.
func TestFinishWithinSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(12)
		d := newDesk(t, o, func(c *engine.Config) {
			c.Run, c.FinishWithin = run.Limits{Workers: 1}, 5*time.Second
		})
		b := d.ask(file)
		o.Latency = time.Second
		d.approve(b)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b = d.batch(b.Number)
		if made := count(d.rows(b.Number), "done"); b.State != workflow.Done || made == 0 || made > 3 {
			t.Errorf("ten seconds after its start it is %s, rows %v", b.State, d.rows(b.Number))
		}
	})
}

// What is not finished within the limit is asked for anew, and not a row of it runs under the old
// approval.
func TestFinishWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(6)
		d := newDesk(t, o, func(c *engine.Config) {
			c.Run, c.FinishWithin = run.Limits{Workers: 1}, 72*time.Hour
		})
		b := d.ask(file)
		o.Latency = time.Minute
		d.approve(b)
		time.Sleep(5 * time.Minute)
		d.do(d.engine.Pause, b.Number, alice)
		time.Sleep(71 * time.Hour)
		if got := d.batch(b.Number); got.State != workflow.Paused {
			t.Fatalf("too early: %s", got.State)
		}
		d.restart()
		time.Sleep(2 * time.Hour)
		b = d.reach(b.Number, workflow.Done)
		made := count(d.rows(b.Number), "done")
		if made == 0 || made == 6 || count(d.rows(b.Number), "skipped") != 6-made {
			t.Errorf("rows %v", d.rows(b.Number))
		}
		rest := d.reach(2, workflow.AwaitingApproval)
		if diff := cmp.Diff([]string{"2 rest awaiting_approval"}, d.following(b.Number)); diff != "" || rest.Rows != 6-made {
			t.Errorf("%d rows are asked for anew: %s", rest.Rows, diff)
		}
		if got := count(d.rows(2), "ready"); got != 6-made || rest.Requester.ID != hana.ID {
			t.Errorf("asked anew by %s: %v", rest.Requester.ID, d.rows(2))
		}
	})
}
