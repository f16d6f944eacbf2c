package speed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/service"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
	"github.com/countersign/countersign/workflow/sheet"
)

// works is everything of the product that a batch goes through but Slack, in fake time: the engine over the real client and
// a real database, against an organisation of the sandbox. What takes no fake time, our own work, is measured elsewhere.
type works struct {
	t       testing.TB
	org     *organisation.Organisation
	client  *atlassian.Client
	store   *sqlite.DB
	engine  *engine.Engine
	latency time.Duration
	workers int
	limit   organisation.RateLimit

	mu    sync.Mutex
	calls []atlassian.Call // since they were last counted
	ended []time.Time      // of each of them, in fake time
}

// traffic is what renames meet on their way.
type traffic struct {
	limit   organisation.RateLimit
	latency time.Duration
	workers int
}

// newWorks makes them, in the present bubble; the engine runs until the test ends.
func newWorks(t testing.TB, l traffic, accounts int) *works {
	t.Helper()
	w := &works{t: t, latency: l.latency, workers: l.workers, limit: l.limit}
	var err error
	w.org, err = organisation.New(organisation.Config{OrgID: worksOrg, APIKey: worksKey})
	if err != nil {
		t.Fatal(err)
	}
	for _, domain := range []string{"northwind.example", "northwind-group.example", "script.example"} {
		w.org.AddDomain(organisation.Domain{Name: domain, Verified: true})
	}
	for i := range accounts {
		if err := w.org.Put(employee(i)); err != nil {
			t.Fatal(err)
		}
	}
	w.org.SetLimit(l.limit)
	w.org.SetFaults(organisation.Faults{Latency: func(*http.Request) time.Duration { return l.latency }})
	w.org.SetBaseURL("http://atlassian.test")
	w.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: path.Join(t.TempDir(), "countersign.db"), Log: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	w.client, err = atlassian.New(atlassian.Config{
		BaseURL: "http://atlassian.test", OrgID: worksOrg, Key: func() string { return worksKey }, Log: zerolog.Nop(),
		HTTP: &http.Client{Transport: w.org.Transport()}, Workers: l.workers, Memory: w.store, OnCall: w.note,
	})
	if err != nil {
		t.Fatal(err)
	}
	directory := atlassian.NewDirectory(w.client)
	w.engine, err = engine.New(engine.Config{
		Store: w.store, Directory: directory, Lookups: directory, Past: w.store, OrgID: worksOrg,
		People: anybody{}, Policy: policy.Policy{Approvals: 1}, ExpiresAfter: patient, StartWithin: patient, Log: zerolog.Nop(),
		Limits: workflow.ReadLimits{MaxBytes: service.MaxFileBytes, MaxRows: 100_000},
		Run:    run.Limits{Workers: l.workers, Canary: 3, StopAfterFailures: 5, StopAtPercent: 10},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.engine.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended); err != nil {
			t.Errorf("run: %v", err)
		}
		w.client.Close()
		if err := w.store.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		for _, v := range w.org.Violations() {
			t.Errorf("Atlassian: %s", v)
		}
	})
	return w
}

func (w *works) note(c atlassian.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.ended = append(w.calls, c), append(w.ended, time.Now())
}

// tally is how many calls there were of each operation, those apart that were refused for their rate.
type tally struct {
	through   map[string]int
	throttled int
}

func (c tally) all() int {
	n := c.throttled
	for _, each := range c.through {
		n += each
	}
	return n
}

// counted gives the calls since it was last asked, and of these the ones in the present minute.
func (w *works) counted() (all, recent tally) {
	w.mu.Lock()
	defer w.mu.Unlock()
	all, recent = tally{through: map[string]int{}}, tally{through: map[string]int{}}
	minute := time.Now().Truncate(time.Minute)
	for i, c := range w.calls {
		count := func(into *tally) {
			if c.Status == http.StatusTooManyRequests {
				into.throttled++
			} else {
				into.through[c.Operation]++
			}
		}
		count(&all)
		if !w.ended[i].Before(minute) {
			count(&recent)
		}
	}
	w.calls, w.ended = nil, nil
	return all, recent
}

// employee is an account that nothing speaks against renaming.
func employee(i int) organisation.Account {
	return organisation.Account{
		ID: employeeID(i), Name: fmt.Sprintf("Employee %d", i), Email: fmt.Sprintf("Employee.%d@northwind.example", i), Managed: true,
	}
}

func employeeID(i int) string { return fmt.Sprintf("712020:%08d", i) }

// renames is a file that renames n accounts from the given one on.
func renames(header string, from, n int) []byte {
	var out strings.Builder
	out.WriteString(header)
	for i := from; i < from+n; i++ {
		if header != noID {
			out.WriteString(employeeID(i) + ",")
		}
		if header != onlyID {
			out.WriteString(employee(i).Email + ",")
		}
		fmt.Fprintf(&out, "employee.%d@northwind-group.example\n", i)
	}
	return []byte(out.String())
}

func (w *works) ask(file []byte) int64 {
	w.t.Helper()
	sheet, err := sheet.ReadCSV(bytes.Clone(file), "", worksOrg, workflow.ReadLimits{})
	if err != nil {
		w.t.Fatalf("read: %v", err)
	}
	b, err := w.engine.Submit(w.t.Context(), asker, workflow.Request{
		Requester: asker.Person, Sheet: *sheet, Original: file, Source: workflow.Source{Kind: workflow.SourceFile, FileName: "ask.csv"},
	})
	if err != nil {
		w.t.Fatalf("ask: %v", err)
	}
	return b.Number
}

// reach waits until the batch is in the state. It looks every second of fake time; what it measures stands in the batch.
func (w *works) reach(number int64, state workflow.State) *workflow.Batch {
	w.t.Helper()
	for {
		b, err := w.store.Batch(w.t.Context(), number)
		if err != nil {
			w.t.Fatal(err)
		}
		if b.State == state {
			return b
		}
		if !b.State.Open() || b.State == workflow.Paused {
			w.t.Fatalf("batch %d is %s, want %s (%+v)", number, b.State, state, b.Stop)
		}
		time.Sleep(time.Second)
	}
}

func (w *works) approve(number int64) {
	w.t.Helper()
	b := w.reach(number, workflow.AwaitingApproval)
	if _, err := w.engine.Decide(w.t.Context(), number, approver, workflow.Approve, b.Digest, ""); err != nil {
		w.t.Fatalf("approve: %v", err)
	}
}

// outcome is what a batch took, in fake time and in calls, and what an ideal client would have needed for them.
type outcome struct {
	rows         int
	checked, ran time.Duration
	floor        time.Duration
	check, run   tally
}

func (o outcome) wall() time.Duration { return o.checked + o.ran }

func (o outcome) ratio() float64 { return o.wall().Seconds() / o.floor.Seconds() }

func (o outcome) calls() int { return o.check.all() + o.run.all() }

// perThousand is how many 429s came for each 1,000 calls.
func (o outcome) perThousand() float64 {
	return 1000 * float64(o.check.throttled+o.run.throttled) / float64(o.calls())
}

// checking and running are calls for each change, those that were refused included.
func (o outcome) checking() float64 { return float64(o.check.all()) / float64(o.rows) }

func (o outcome) running() float64 { return float64(o.run.all()) / float64(o.rows) }

func (o outcome) String() string {
	return fmt.Sprintf("%d rows: %.3f × the floor (%v + %v), %.1f 429s per 1,000 calls, calls a change: %.3f %v + %.3f %v",
		o.rows, o.ratio(), o.checked.Round(time.Millisecond), o.ran.Round(time.Millisecond), o.perThousand(),
		o.checking(), o.check.through, o.running(), o.run.through)
}

// play takes a file through check, approval and run. Nobody lets it wait for the approval.
func (w *works) play(file []byte, rows int) outcome {
	w.t.Helper()
	o := outcome{rows: rows}
	w.counted()
	began := time.Now()
	number := w.ask(file)
	b := w.reach(number, workflow.AwaitingApproval)
	o.checked = b.Planned.Sub(began)
	var recent tally
	o.check, recent = w.counted()
	o.floor = w.floor(began, o.check, tally{})
	began = time.Now()
	w.approve(number)
	b = w.reach(number, workflow.Done)
	o.ran = b.Ended.Sub(began)
	o.run, _ = w.counted()
	o.floor += w.floor(began, o.run, recent)
	s, err := w.store.Summary(w.t.Context(), number)
	if err != nil {
		w.t.Fatal(err)
	}
	if done := s.State(workflow.ChangeDone); done != rows {
		w.t.Errorf("%d of %d changes are done: %+v", done, rows, s.Groups)
	}
	return o
}

// floor is what an ideal client needs from that moment on for calls that it all has at hand: it knows the limit, and makes
// each call as soon as limit and workers let it. before are those of the minute that were made before that moment.
func (w *works) floor(began time.Time, calls, before tally) time.Duration {
	each := w.latency / time.Duration(w.workers)
	all := calls.all() - calls.throttled
	floor := time.Duration(all) * each
	longest := func(limit int, size time.Duration, before tally) {
		if w.limit.Shared {
			floor = max(floor, inWindows(began, all, before.all()-before.throttled, limit, size, each))
			return
		}
		for operation, n := range calls.through {
			floor = max(floor, inWindows(began, n, before.through[operation], limit, size, each))
		}
	}
	if n := w.limit.PerMinute; n > 0 {
		longest(n, time.Minute, before)
	}
	if n := w.limit.Burst; n > 0 {
		longest(n, time.Second, tally{})
	}
	return floor
}

// inWindows is how long n calls take when so many fit into each window of the clock, used are gone of the first, and each
// takes so long by itself.
func inWindows(began time.Time, n, used, limit int, size, each time.Duration) time.Duration {
	first := began.Truncate(size).Add(size).Sub(began)
	inFirst := max(0, min(n, limit-used))
	if each > 0 {
		inFirst = min(inFirst, int(first/each))
	}
	if n -= inFirst; n == 0 {
		return time.Duration(inFirst) * each
	}
	full := (n - 1) / limit
	return first + time.Duration(full)*size + time.Duration(n-full*limit)*each
}

// script makes the calls of so many renames one after the other, as people's scripts do, first those that check and then
// those that change: a minute's rest after each 429 that does not say how long. It says how long that takes.
func (w *works) script(rows int) time.Duration {
	w.t.Helper()
	client := &http.Client{Transport: w.org.Transport()}
	call := func(method, path, body string) {
		for {
			r, err := http.NewRequestWithContext(w.t.Context(), method, "http://atlassian.test"+path, strings.NewReader(body))
			if err != nil {
				w.t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+worksKey)
			r.Header.Set("Content-Type", "application/json")
			answer, err := client.Do(r)
			if err != nil {
				w.t.Fatal(err)
			}
			if err := answer.Body.Close(); err != nil {
				w.t.Fatal(err)
			}
			switch {
			case answer.StatusCode < http.StatusMultipleChoices:
				return
			case answer.StatusCode != http.StatusTooManyRequests:
				w.t.Fatalf("%s %s: %s", method, path, answer.Status)
			}
			rest := time.Minute
			if n, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil {
				rest = time.Duration(n) * time.Second
			}
			time.Sleep(rest)
		}
	}
	began := time.Now()
	for i := range rows {
		call(http.MethodGet, "/users/"+employeeID(i)+"/manage?privileges=email.set", "")
	}
	for i := range rows {
		account := "/users/" + employeeID(i) + "/manage"
		call(http.MethodGet, account+"/profile", "")
		call(http.MethodPut, account+"/email", fmt.Sprintf(`{"email":"employee.%d@script.example"}`, i))
		call(http.MethodGet, account+"/profile", "")
	}
	return time.Since(began)
}

// anybody may do everything, and is nobody's account.
type anybody struct{}

func (anybody) Standing(_ context.Context, id string, _ bool, _ workflow.LogicalTime) (workflow.Actor, error) {
	return workflow.Actor{Person: workflow.Person{ID: id, Email: id + "@corp.example"}, Admin: true, Requester: true}, nil
}

func (anybody) Members(context.Context, string, workflow.Freshness) ([]string, error) {
	return nil, nil
}

func (anybody) Admins(context.Context) ([]workflow.Person, error) { return nil, nil }
