package report_test

import (
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

// directory is an organisation whose reading can fail or take its time.
type directory struct {
	mu       sync.Mutex
	accounts int
	takes    time.Duration
	err      error
	reads    []time.Time
	reading  int
	overlap  bool
}

// set changes how the directory answers from now on.
func (d *directory) set(change func(*directory)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(d)
}

func (d *directory) Members(ctx context.Context) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		d.set(func(d *directory) {
			d.reads = append(d.reads, time.Now())
			d.reading++
			d.overlap = d.overlap || d.reading > 1
		})
		defer d.set(func(d *directory) { d.reading-- })
		var takes time.Duration
		var accounts int
		var end error
		d.set(func(d *directory) { takes, accounts, end = d.takes, d.accounts, d.err })
		select {
		case <-ctx.Done():
			yield(workflow.Member{}, ctx.Err())
			return
		case <-time.After(takes):
		}
		for n := range accounts {
			m := workflow.Member{Account: workflow.Account{
				ID: fmt.Sprint("id-", n), Email: fmt.Sprintf("u%d@example.com", n), Status: workflow.StatusActive, Managed: true,
			}}
			if !yield(m, nil) {
				return
			}
		}
		if end != nil {
			yield(workflow.Member{}, end)
		}
	}
}

// figures returns those of so many active accounts.
func figures(active int) report.Figures {
	return report.Figures{
		report.FigureAccounts: active, report.FigureActive: active, report.FigureInactive: 0, report.FigureBillable: 0,
	}
}

// bench is a runner over a real database, in a bubble of its own time.
type bench struct {
	*testing.T
	db       *sqlite.DB
	dir      *directory
	reports  []report.Definition
	runner   *report.Runner
	stop     func()
	finished atomic.Int64
}

func inBubble(t *testing.T, reports []report.Definition, test func(*bench)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.db")
	synctest.Test(t, func(t *testing.T) {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		b := &bench{T: t, db: db, dir: &directory{accounts: 3}, reports: reports, stop: func() {}}
		defer func() {
			b.stop()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		test(b)
	})
}

// start starts the program anew, with the settings as they are.
func (b *bench) start() {
	b.Helper()
	b.stop()
	b.run(report.Config{Members: b.dir, Finished: func() { b.finished.Add(1) }})
}

// run starts a runner of the reports.
func (b *bench) run(cfg report.Config) {
	b.Helper()
	var err error
	cfg.Reports, cfg.Log = b.reports, zerolog.Nop()
	if cfg.Store == nil {
		cfg.Store = b.db
	}
	b.runner, err = report.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.runner.Run(ctx) }()
	b.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
		b.stop = func() {}
	}
	synctest.Wait()
}

// until lets time pass until the moment (RFC 3339).
func (b *bench) until(moment string) {
	b.Helper()
	at, err := time.Parse(time.RFC3339, moment)
	if err != nil {
		b.Fatal(err)
	}
	time.Sleep(time.Until(at))
	synctest.Wait()
}

// results returns the ended runs of nightly, oldest first, as "date state".
func (b *bench) results() []string {
	b.Helper()
	list, err := b.db.Results(b.Context(), "nightly", "", 0)
	if err != nil {
		b.Fatal(err)
	}
	var out []string
	for _, r := range list {
		state := "done"
		if r.Failed {
			state = "failed"
		}
		out = append([]string{r.Date + " " + state}, out...)
	}
	return out
}

func (b *bench) want(want ...string) {
	b.Helper()
	if diff := cmp.Diff(want, b.results()); diff != "" {
		b.Errorf("at %v (-want +got)\n%s", time.Now().UTC(), diff)
	}
}

func (b *bench) wantReads(want ...string) {
	b.Helper()
	var got []string
	b.dir.set(func(d *directory) {
		for _, at := range d.reads {
			got = append(got, at.UTC().Format(time.RFC3339))
		}
	})
	if diff := cmp.Diff(want, got); diff != "" {
		b.Errorf("the directory was read at (-want +got)\n%s", diff)
	}
}

func nightly(t *testing.T, line string) []report.Definition {
	t.Helper()
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	return []report.Definition{{Name: "nightly", Kind: report.ManagedAccounts, Schedule: line, Location: berlin}}
}
