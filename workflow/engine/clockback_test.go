package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// thenBack plays two lives of a program on one database. Each bubble's time begins at the same
// moment, so that to the second life the clock has been put back.
func thenBack(t *testing.T, o *workflowtest.Organisation, ahead time.Duration, first, second func(d *desk)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.db")
	live := func(begin time.Duration, act func(d *desk)) func(t *testing.T) {
		return func(t *testing.T) {
			d := &desk{t: t, org: o, path: path}
			d.config = engine.Config{
				Directory: o, People: &staff{}, OrgID: "org-1", Policy: policy.Policy{Approvals: 1}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
				Limits: workflow.ReadLimits{MaxBytes: 10 << 20, MaxRows: 5000},
				Run:    run.Limits{Workers: 2, Canary: 1, StopAfterFailures: 5, StopAtPercent: 60},
				Log:    zerolog.Nop(),
			}
			time.Sleep(begin)
			d.start()
			act(d)
			if a, err := d.store.Audit(context.Background()); err != nil || !a.Whole() {
				t.Errorf("audit: %v, %v", a.Findings, err)
			}
			d.end()
		}
	}
	synctest.Test(t, live(ahead, first))
	synctest.Test(t, live(0, second))
}

// Nothing waits for a moment that was far away only because the clock was wrong.
func TestTheClockIsPutBack(t *testing.T) {
	const year = 365 * 24 * time.Hour
	t.Run("a batch that nobody decides expires", func(t *testing.T) {
		o, file := people(2)
		thenBack(t, o, year, func(d *desk) { d.ask(file) }, func(d *desk) {
			time.Sleep(25 * time.Hour)
			synctest.Wait()
			if b := d.batch(1); b.State != workflow.Expired {
				t.Errorf("a day later it is %s, and expires at %s", b.State, b.Expires)
			}
		})
	})
	t.Run("a run goes on", func(t *testing.T) {
		o, file := people(8)
		o.Latency = 20 * time.Second
		thenBack(t, o, year, func(d *desk) {
			d.approve(d.ask(file))
			time.Sleep(3 * time.Minute)
		}, func(d *desk) {
			if n := len(o.Happened()); n == 0 || n == 8 {
				t.Fatalf("%d changes were made before the clock was put back", n)
			}
			time.Sleep(20 * time.Minute)
			synctest.Wait()
			if b := d.batch(1); b.State != workflow.Done || len(o.Happened()) != 8 {
				t.Errorf("it is %s after %d changes: %v", b.State, len(o.Happened()), d.rows(1))
			}
		})
	})
	t.Run("an approval of nobody knows when is asked for anew", func(t *testing.T) {
		o, file := people(2)
		o.Refuse = func(id, _ string) error {
			if id == "acc-2" {
				return refusal()
			}
			return nil
		}
		thenBack(t, o, year, func(d *desk) {
			d.config.Run.Canary = 0
			b := d.ask(file)
			d.approve(b)
			time.Sleep(time.Minute)
			if _, err := d.engine.Resume(context.Background(), 1, bob); err == nil {
				time.Sleep(time.Minute)
			}
			d.reach(1, workflow.Done)
		}, func(d *desk) {
			if _, err := d.engine.Retry(context.Background(), 1, bob); err != nil {
				t.Fatal(err)
			}
			d.reach(2, workflow.AwaitingApproval)
			want := fmt.Sprint(workflow.LinkRetry)
			if diff := cmp.Diff(want, fmt.Sprint(d.batch(2).Link)); diff != "" {
				t.Errorf("link (-want +got)\n%s", diff)
			}
		})
	})
}
