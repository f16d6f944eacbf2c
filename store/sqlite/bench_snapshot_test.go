package sqlite

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

var (
	nightAccounts = flag.Int("night-accounts", 10_000, "accounts of BenchmarkNights")
	nightsBefore  = flag.Int("night-nights", 3, "nights of BenchmarkNights with 1 % changes each, before it reads")
)

// organisation makes up accounts, each night anew, so that none has to be in memory.
type organisation struct {
	accounts int
	night    int
	changed  float64 // part of the accounts that have another name each night
	active   float64 // part that was active on the last day
}

func (o organisation) member(n int) workflow.Member {
	dice := rand.New(rand.NewPCG(uint64(n), 7))
	id := fmt.Sprintf("712020:%08x-%04x-4%03x-8%03x-%012x", dice.Uint32(), dice.IntN(1<<16), dice.IntN(1<<12), dice.IntN(1<<12), dice.Int64N(1<<48))
	m := workflow.Member{
		Account: workflow.Account{
			ID: id, Name: fmt.Sprintf("Employee Number %d", n), Email: fmt.Sprintf("employee.%d@northwind.example", n),
			Type: "atlassian", Status: workflow.StatusActive, Managed: true,
		},
		Billable: true, Products: []workflow.Product{
			{Key: "confluence", Name: "Confluence", URL: "https://northwind.atlassian.net"},
			{Key: "jira-software", Name: "Jira", URL: "https://northwind.atlassian.net"},
		},
	}
	last := dice.IntN(200)
	for night := range o.night {
		tonight := rand.New(rand.NewPCG(uint64(n), uint64(night)))
		if tonight.Float64() < o.changed {
			m.Name = fmt.Sprintf("Employee Number %d of night %d", n, night)
		}
		if tonight.Float64() < o.active {
			last = -night
		}
	}
	day := noon.AddDate(0, 0, -last).Format(time.DateOnly)
	m.LastActive, m.Products[1].LastActive = day, day
	if dice.IntN(2) == 0 {
		m.Products[0].LastActive = noon.AddDate(0, 0, -last-dice.IntN(30)).Format(time.DateOnly)
	}
	return m
}

func (o organisation) members() iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for n := range o.accounts {
			if !yield(o.member(n), nil) {
				return
			}
		}
	}
}

// measured is what some work took of the machine.
type measured struct {
	cpu, wall time.Duration
	written   int64
	peak      uint64 // of the heap in use
}

func measureWork(b *testing.B, fn func()) (m measured) {
	b.Helper()
	runtime.GC()
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var stats runtime.MemStats
			runtime.ReadMemStats(&stats)
			m.peak = max(m.peak, stats.HeapInuse+stats.StackInuse)
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	before, start := spentNow(b), time.Now()
	fn()
	after := spentNow(b)
	m.wall = time.Since(start)
	close(done)
	<-ended
	m.cpu, m.written = after.cpu-before.cpu, after.written-before.written
	return m
}

// plainly is what the same rows take to be decoded, as pages of an API, and inserted in their order by
// one prepared statement.
func plainly(b *testing.B, o organisation) (decode, insert time.Duration) {
	b.Helper()
	type product struct {
		Key        string `json:"key"`
		Name       string `json:"name"`
		URL        string `json:"url"`
		LastActive string `json:"last_active"`
	}
	type listed struct {
		ID         string    `json:"account_id"`
		Type       string    `json:"account_type"`
		Status     string    `json:"account_status"`
		Name       string    `json:"name"`
		Email      string    `json:"email"`
		Billable   bool      `json:"access_billable"`
		LastActive string    `json:"last_active"`
		Products   []product `json:"product_access"`
	}
	const page = 1000
	var list []listed
	for n := range page {
		m := o.member(n)
		l := listed{m.ID, m.Type, string(m.Status), m.Name, m.Email, m.Billable, m.LastActive, nil}
		for _, p := range m.Products {
			l.Products = append(l.Products, product(p))
		}
		list = append(list, l)
	}
	slices.SortFunc(list, func(a, b listed) int { return strings.Compare(a.ID, b.ID) })
	spelled, err := json.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	pages := max(o.accounts/page, 1)
	decode = measureWork(b, func() {
		for range pages {
			var into []listed
			if err := json.Unmarshal(spelled, &into); err != nil {
				b.Fatal(err)
			}
		}
	}).cpu
	products := text(list[0].Products)
	plain, err := openPool(dsn(filepath.Join(b.TempDir(), "plain.db"), "immediate", writerCache, false))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	plain.SetMaxOpenConns(1)
	_, err = plain.ExecContext(b.Context(), `CREATE TABLE a (id TEXT PRIMARY KEY, name TEXT, email TEXT, type TEXT, status TEXT,
		billable INTEGER, last_active TEXT, products TEXT) WITHOUT ROWID`)
	if err != nil {
		b.Fatal(err)
	}
	insert = measureWork(b, func() {
		tx, err := plain.BeginTx(b.Context(), nil)
		if err != nil {
			b.Fatal(err)
		}
		statement, err := tx.PrepareContext(b.Context(), "INSERT INTO a VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
		if err != nil {
			b.Fatal(err)
		}
		defer func() { _ = statement.Close() }()
		for i := range pages {
			for _, l := range list {
				id := fmt.Sprintf("%06d%s", i, l.ID)
				if _, err := statement.ExecContext(b.Context(), id, l.Name, l.Email, l.Type, l.Status, l.Billable, l.LastActive, products); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := tx.Commit(); err != nil {
			b.Fatal(err)
		}
	}).cpu
	return decode, insert
}

// size is how large the database is once its log is in it.
func size(b *testing.B, db *DB) int64 {
	b.Helper()
	if _, err := db.writer.ExecContext(b.Context(), "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		b.Fatal(err)
	}
	var pages, free int64
	for pragma, into := range map[string]*int64{"page_count": &pages, "freelist_count": &free} {
		if err := db.writer.QueryRowContext(b.Context(), "PRAGMA "+pragma).Scan(into); err != nil {
			b.Fatal(err)
		}
	}
	return (pages - free) * 4096
}

// waits writes all the time beside something else, and returns the longest that a write took.
func waits(b *testing.B, db *DB, fn func()) (p99, most time.Duration) {
	b.Helper()
	var over atomic.Bool
	var took []time.Duration
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for !over.Load() {
			start := time.Now()
			if err := db.Remember(context.Background(), "bench", []byte("x")); err != nil {
				b.Error(err)
			}
			took = append(took, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
	}()
	fn()
	over.Store(true)
	<-ended
	slices.Sort(took)
	return took[len(took)*99/100], took[len(took)-1]
}

// BenchmarkNights takes nights of one organisation, as multiples of what the same rows take to be
// decoded and inserted plainly, and reads them.
func BenchmarkNights(b *testing.B) {
	defer debug.SetGCPercent(debug.SetGCPercent(50)) // as serve does
	db := openAt(b, filepath.Join(b.TempDir(), "countersign.db"))
	o := organisation{accounts: *nightAccounts}
	p99, most := waits(b, db, func() { time.Sleep(3 * time.Second) })
	b.Logf("a write beside nothing: p99 %v, at most %v", p99, most)
	decode, insert := plainly(b, o)
	b.Logf("plainly: decoded in %v, inserted in %v of processor", decode, insert)
	before := size(b, db)
	night := func(name string, next organisation) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				o = next
				made := measureWork(b, func() {
					for _, err := range o.members() { // what it takes to make them up
						if err != nil {
							b.Fatal(err)
						}
					}
				})
				var most, p99 time.Duration
				took := measureWork(b, func() {
					p99, most = waits(b, db, func() { takeAt(b, db, o) })
				})
				own := took.cpu - made.cpu
				after := size(b, db)
				b.ReportMetric(float64(own)/float64(decode+insert), "x-decode-and-insert")
				b.ReportMetric(float64(o.accounts)/own.Seconds()/1000, "k-accounts/cpu-s")
				b.ReportMetric(float64(most.Microseconds())/1000, "ms-wait-most")
				b.ReportMetric(float64(p99.Microseconds())/1000, "ms-wait-p99")
				b.ReportMetric(float64(took.written)/1e6, "MB-written")
				b.ReportMetric(float64(after-before)/1e6, "MB-growth")
				b.ReportMetric(float64(took.peak)/1e6, "MB-peak")
				b.ReportMetric(0, "ns/op")
				before = after
			}
		})
	}
	night("First", o)
	night("Quiet", o)
	o.changed, o.night = 0.01, 1
	night("OnePercent", o)
	o.changed, o.active, o.night = 0, 0.6, 2
	night("Weekday", o)
	o.changed = 0.01
	o.active = 0
	for range *nightsBefore {
		o.night++
		takeAt(b, db, o)
	}
	b.Logf("%d nights, %.1f MB", *nightsBefore+4, float64(size(b, db))/1e6)
	list, err := db.ListSnapshots(b.Context(), report.SnapshotQuery{})
	if err != nil {
		b.Fatal(err)
	}
	readNights(b, db, o, list)
}

func takeAt(b *testing.B, db *DB, o organisation) {
	b.Helper()
	_, err := db.TakeSnapshot(b.Context(), "nightly", noon.AddDate(0, 0, o.night), o.members())
	if err != nil {
		b.Fatal(err)
	}
}

func readNights(b *testing.B, db *DB, o organisation, list []report.Snapshot) {
	read := func(name string, fn func() int) {
		b.Run(name, func(b *testing.B) {
			n := 0
			var took measured
			for range b.N {
				took = measureWork(b, func() { n = fn() })
			}
			b.ReportMetric(float64(took.cpu.Microseconds())/1000, "cpu-ms")
			b.ReportMetric(float64(took.wall.Microseconds())/1000, "wall-ms")
			b.ReportMetric(float64(took.peak)/1e6, "MB-peak")
			b.ReportMetric(float64(n), "found")
			b.ReportMetric(0, "ns/op")
		})
	}
	csv := func(id int64) func() int {
		return func() int {
			products, err := db.SnapshotProducts(b.Context(), id)
			if err == nil {
				err = report.WriteAccounts(io.Discard, products, db.SnapshotMembers(b.Context(), id))
			}
			if err != nil {
				b.Fatal(err)
			}
			return o.accounts
		}
	}
	differences := func(from, to int64) func() int {
		return func() (n int) {
			for _, err := range db.Differences(b.Context(), from, to) {
				if err != nil {
					b.Fatal(err)
				}
				n++
			}
			return n
		}
	}
	newest, oldest := list[0].ID, list[len(list)-1].ID
	read("CSV/newest", csv(newest))
	read("CSV/oldest", csv(oldest))
	read("Differences/neighbours", differences(list[1].ID, newest))
	read("Differences/all", differences(oldest, newest))
	m := o.member(o.accounts / 2)
	read("History", func() int {
		versions, err := db.AccountHistory(b.Context(), report.ManagedPopulation, m.ID)
		if err != nil {
			b.Fatal(err)
		}
		return len(versions)
	})
	read("WhoHad", func() int {
		ids, err := db.WhoHad(b.Context(), m.Email)
		if err != nil {
			b.Fatal(err)
		}
		return len(ids)
	})
}
