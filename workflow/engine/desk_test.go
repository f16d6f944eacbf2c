package engine_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/sheet"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// desk is one life of the program on a database: an engine that runs until it is stopped.
type desk struct {
	t      *testing.T
	path   string
	org    *workflowtest.Organisation
	config engine.Config

	engine *engine.Engine
	store  *sqlite.DB
	stop   context.CancelFunc
	ended  chan struct{}
}

// newDesk starts an engine on a new database. It is to be used inside a synctest bubble.
func newDesk(t *testing.T, o *workflowtest.Organisation, change func(*engine.Config)) *desk {
	t.Helper()
	d := &desk{t: t, org: o, path: filepath.Join(t.TempDir(), "countersign.db")}
	d.config = engine.Config{
		Directory: o, People: &staff{}, OrgID: "org-1", Policy: policy.Policy{Approvals: 1}, ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 10 << 20, MaxRows: 5000},
		Run:    run.Limits{Workers: 4, Canary: 3, StopAfterFailures: 5, StopAtPercent: 10},
		Log:    zerolog.Nop(),
	}
	if change != nil {
		change(&d.config)
	}
	d.start()
	t.Cleanup(d.end)
	return d
}

// policyOf is the policy of a configuration to be changed. An engine that was started with it keeps
// what it had.
func policyOf(c *engine.Config) *policy.Policy {
	changed := new(policy.Policy)
	switch p := c.Policy.(type) {
	case policy.Policy:
		*changed = p
	case *policy.Policy:
		*changed = *p
	}
	c.Policy = changed
	return changed
}

func (d *desk) start() {
	d.t.Helper()
	db, err := sqlite.Open(context.Background(), sqlite.Config{Path: d.path, Log: zerolog.Nop()})
	if err != nil {
		d.t.Fatalf("open the database: %v", err)
	}
	d.store = db
	d.config.Store = db
	d.engine, err = engine.New(d.config)
	if err != nil {
		d.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop, d.ended = cancel, make(chan struct{})
	if err := d.engine.Recover(ctx); err != nil {
		d.t.Fatalf("Recover: %v", err)
	}
	go func() {
		defer close(d.ended)
		if err := d.engine.Run(ctx); err != nil {
			d.t.Errorf("Run: %v", err)
		}
	}()
}

func (d *desk) end() {
	if d.stop == nil {
		return
	}
	d.stop()
	<-d.ended
	if err := d.store.Close(); err != nil {
		d.t.Errorf("close the database: %v", err)
	}
	d.stop = nil
}

func (d *desk) restart() {
	d.t.Helper()
	d.end()
	d.start()
}

// sheetOf reads a file as the bot does.
func sheetOf(t *testing.T, csv string) workflow.Sheet {
	t.Helper()
	sheet, err := sheet.ReadCSV([]byte(csv), "", "org-1", workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return *sheet
}

func (d *desk) ask(csv string) *workflow.Batch {
	d.t.Helper()
	b, err := d.engine.Submit(context.Background(), hana, workflow.Request{
		Requester: hana.Person, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"},
		Original: []byte(csv), Sheet: sheetOf(d.t, csv),
	})
	if err != nil {
		d.t.Fatalf("Submit: %v", err)
	}
	return d.reach(b.Number, workflow.AwaitingApproval, workflow.Empty)
}

func (d *desk) approve(b *workflow.Batch) {
	d.t.Helper()
	if _, err := d.engine.Decide(context.Background(), b.Number, alice, workflow.Approve, b.Digest, ""); err != nil {
		d.t.Fatalf("Decide: %v", err)
	}
}

func (d *desk) batch(number int64) *workflow.Batch {
	d.t.Helper()
	b, err := d.store.Batch(context.Background(), number)
	if err != nil {
		d.t.Fatalf("load batch %d: %v", number, err)
	}
	return b
}

// reach lets time pass until the batch is in one of the states. It looks every second at first, and
// after hours every few minutes: each look is a read of the database.
func (d *desk) reach(number int64, states ...workflow.State) *workflow.Batch {
	d.t.Helper()
	const limit = 48 * time.Hour
	for begin := time.Now(); time.Since(begin) < limit; {
		synctest.Wait()
		if b := d.batch(number); slices.Contains(states, b.State) {
			return b
		}
		time.Sleep(max(time.Second, time.Since(begin)/100)) // of the bubble
	}
	b := d.batch(number)
	d.t.Fatalf("batch %d is %s (%+v), never %s", number, b.State, b.Stop, states)
	return nil
}

// rows gives every row as "row state code".
func (d *desk) rows(number int64) []string {
	d.t.Helper()
	changes, err := d.store.Changes(context.Background(), number, 0, 0)
	if err != nil {
		d.t.Fatalf("load the changes of batch %d: %v", number, err)
	}
	out := make([]string, len(changes))
	for i, c := range changes {
		out[i] = strings.TrimSpace(fmt.Sprintf("%d %s %s", c.Row, c.State, c.Reason.Code))
	}
	return out
}

// people makes n accounts p1@old.example … and the file that moves them to new.example.
func people(n int) (*workflowtest.Organisation, string) {
	o := workflowtest.NewOrganisation()
	file := "old_email,new_email\n"
	for i := 1; i <= n; i++ {
		id, old := fmt.Sprintf("acc-%d", i), fmt.Sprintf("p%d@old.example", i)
		o.Accounts[id] = workflow.Account{
			ID: id, Name: id, Email: old, Type: "atlassian", Status: workflow.StatusActive, Managed: true,
			RolesKnown: true,
		}
		file += fmt.Sprintf("%s,p%d@new.example\n", old, i)
	}
	return o, file
}
