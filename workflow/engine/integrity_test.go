package engine_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
)

// alter writes into the database of a desk that is closed, as somebody would who can write the
// file.
func (d *desk) alter(statements ...string) {
	d.t.Helper()
	pool, err := sql.Open("sqlite", "file:"+d.path)
	if err != nil {
		d.t.Fatal(err)
	}
	pool.SetMaxOpenConns(1)
	var drop string
	err = pool.QueryRowContext(d.t.Context(), `
		SELECT group_concat('DROP TRIGGER ' || name, ';') FROM sqlite_master WHERE type = 'trigger'`).Scan(&drop)
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range append([]string{drop}, statements...) {
		if _, err := pool.ExecContext(d.t.Context(), s); err != nil {
			d.t.Fatalf("%s: %v", s, err)
		}
	}
	if err := pool.Close(); err != nil {
		d.t.Fatal(err)
	}
}

// Whoever changes plan or approvals in the database gets no call out of it: the run stops, and says
// why.
func TestNothingRunsThatWasAltered(t *testing.T) {
	const evil = `UPDATE change SET wanted = replace(wanted, 'p2@new.example', 'evil@new.example') WHERE row = 3`
	const forged = `INSERT INTO decision (batch, seq, person, name, email, verdict, digest, reason, at)
		SELECT 1, 1, '%s', '', '', 'approve', digest, '', created FROM batch`
	soon := policy.Window{From: policy.Clock{Minute: 5}, To: policy.Clock{Hour: 12}}
	for i, tt := range []struct {
		name       string
		approve    bool
		statements []string
	}{
		{"another address in a step", true, []string{evil}},
		{"a step taken out", true, []string{`UPDATE change SET steps = '[]', state = 'blocked' WHERE row = 3`}},
		{"steps exchanged", true, []string{`UPDATE change SET steps = replace(steps, '"seq":1', '"seq":9') WHERE row = 2`}},
		{"another reason", true, []string{`UPDATE batch SET reason = 'x'`}},
		{"another requester", true, []string{`UPDATE batch SET requester_id = 'U0EVE'`}},
		{"approved by nobody", false, []string{`UPDATE batch SET state = 'approved', approved = created`}},
		{"running by nobody", false, []string{`UPDATE batch SET state = 'running', approved = created, started = created`}},
		{"no approvals needed", false, []string{`UPDATE batch SET state = 'approved', approved = created, approvals = 0`}},
		{"approved by the requester", false, []string{
			fmt.Sprintf(forged, "U0HANA"), `UPDATE batch SET state = 'approved', approved = created`,
		}},
		{"an approval of another digest", true, []string{`UPDATE decision SET digest = 'x'`}},
	} {
		if testing.Short() && i%3 != 0 { // under the race detector SQLite is slow
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, file := people(3)
				d := newDesk(t, o, func(c *engine.Config) { c.Run.Window = soon }) // it is midnight
				b := d.ask(file)
				if tt.approve {
					d.approve(b)
				}
				d.end()
				d.alter(tt.statements...)
				d.start()
				time.Sleep(6 * time.Minute)
				b = d.reach(b.Number, workflow.Paused)
				if b.Stop.Cause != workflow.StopAltered || len(o.Happened()) > 0 {
					t.Errorf("paused for %+v, %d calls", b.Stop, len(o.Happened()))
				}
				_, err := d.engine.Resume(t.Context(), b.Number, bob)
				// What nobody approved, or nobody asked for who may, is not resumed at all.
				if err != nil && !errors.As(err, new(*workflow.NeedsMoreError)) && !errors.Is(err, workflow.ErrRequesterLost) {
					t.Errorf("Resume: %v", err)
				}
				if b = d.reach(b.Number, workflow.Paused); b.Stop.Cause != workflow.StopAltered || len(o.Happened()) > 0 {
					t.Errorf("after Resume: %+v, %d calls", b.Stop, len(o.Happened()))
				}
				d.do(d.engine.Cancel, b.Number, bob)
				d.reach(b.Number, workflow.Cancelled)
				if n := len(o.Happened()); n > 0 {
					t.Errorf("%d calls in the end", n)
				}
			})
		})
	}
}

// A row that is changed while its batch runs is not called either.
func TestNothingRunsThatIsAlteredMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, file := people(3)
		d := newDesk(t, o, func(c *engine.Config) { c.Run = run.Limits{Workers: 1} })
		b := d.ask(file)
		o.Latency = time.Minute
		d.approve(b)
		time.Sleep(time.Second)
		d.alter(`UPDATE change SET wanted = replace(wanted, 'p3@new.example', 'evil@new.example') WHERE row = 4`)
		b = d.reach(b.Number, workflow.Paused)
		if b.Stop.Cause != workflow.StopAltered || o.Current("acc-3").Email != "p3@old.example" {
			t.Errorf("paused for %+v, the account shows %s", b.Stop, o.Current("acc-3").Email)
		}
	})
}
