package simulation

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

var (
	killRows = flag.Int("kill-rows", 150, "rows of the batch in TestKillLoop")
	killFor  = flag.Duration("kill-for", 8*time.Second, "how long TestKillLoop goes on killing the run")
	killSeed = flag.Uint64("kill-seed", 0, "the seed of TestKillLoop; 0 takes one by the clock")
)

// The program is killed at any moment of a batch's life, many times: in the milliseconds after a file was posted, while it
// is checked, while it waits for approval, at the very click, and all through the run. In the end every account was changed
// once, everything was said once, and the log of events is whole.
//
// The seed fixes the moments of the kills and which calls go wrong, as far as a clock can; what the program is doing at such
// a moment is left to the machine. go test -run KillLoop ./simulation -args -kill-for 10m goes on for longer.
func TestKillLoop(t *testing.T) {
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	for _, faulty := range []bool{false, true} {
		name := "healthy"
		if faulty {
			name = "faulty"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			playKills(t, seed, faulty)
		})
	}
}

// killing is one scenario of a batch under a program that is killed all the time.
type killing struct {
	*env
	rng   *rand.Rand
	kills map[string]int // by what the batch was at
}

func playKills(t *testing.T, seed uint64, faulty bool) {
	h := newEnv(t)
	h.world.Organisation.SetLimit(organisation.RateLimit{})
	k := &killing{env: h, rng: rand.New(rand.NewPCG(seed, 1)), kills: map[string]int{}}
	h.cfg.Run.Canary = k.rng.IntN(4)
	ids, file := h.employ(*killRows)
	// Slack sends what was not acknowledged again at once, after a minute and after five; here the minutes are seconds.
	h.world.Workspace.SetFaults(workspace.Faults{RedeliveryDelays: []time.Duration{0, time.Second, 5 * time.Second}})
	h.world.Organisation.SetFaults(wire(seed, faulty))

	k.ask(file)
	k.check()
	k.approve()
	k.run()

	p := h.launch()
	results := h.file("batch-1-results.csv")
	t.Logf("seed %d: kills %v, %d calls for %d changes", seed, k.kills, len(h.world.Organisation.Calls()), *killRows)
	h.until("the end of the batch", func() bool { return h.posts()["batch/1/end/1"] > 0 })
	h.end()
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("the program ended with %d", code)
	}
	k.changedOnce(ids)
	k.saidOnce(results)
	k.wroteDown()
	if t.Failed() {
		t.Logf("play it again with -run KillLoop/ -kill-seed %d", seed)
	}
}

// wire is the way to Atlassian: each call takes its time there and back, so that a kill finds some on the way, and on a
// faulty one some get lost, before or after they took effect.
func wire(seed uint64, faulty bool) organisation.Faults {
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 2))
	roll := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return rng.IntN(n)
	}
	return organisation.Faults{
		Latency: func(*http.Request) time.Duration { return time.Duration(roll(2)) * time.Millisecond },
		Before: func(r *http.Request) *organisation.Fault {
			if !faulty || roll(100) > 0 {
				return nil
			}
			lost := organisation.Drop()
			if r.Method == http.MethodGet && roll(2) == 0 {
				lost = organisation.Broken(http.StatusInternalServerError)
			}
			return &lost
		},
		After: func(r *http.Request) *organisation.Fault {
			late := organisation.Fault{Delay: time.Duration(roll(25)) * time.Millisecond}
			switch {
			case !faulty || r.Method != http.MethodPut:
			case roll(25) == 0:
				late.Drop = true
			case roll(25) == 0:
				late.Status = http.StatusBadGateway
			}
			return &late
		},
	}
}

// life starts the program, lets it live for that long and kills it.
func (k *killing) life(at string, long time.Duration, meanwhile func()) {
	k.t.Helper()
	p := k.launch()
	if meanwhile != nil {
		meanwhile()
	}
	timer := time.NewTimer(long)
	defer timer.Stop()
	select {
	case <-timer.C:
	case err := <-p.ended:
		k.t.Fatalf("the program ended by itself: %v", err)
	}
	k.kill(p)
	k.kills[at]++
}

func (k *killing) upTo(d time.Duration) time.Duration { return time.Duration(k.rng.Int64N(int64(d))) }

// ask posts the file and kills the program within the next milliseconds. It has written down that it has begun to listen:
// from then on no file is lost, however late the machine lets it look.
func (k *killing) ask(file string) {
	k.life("asked", k.upTo(30*time.Millisecond), func() {
		k.reached()
		k.listens()
		go k.post(file) // it returns when the program acknowledged, which it may be dead for
	})
	p := k.launch()
	k.reached()
	k.until("the card", func() bool { _, ok := k.card(1); return ok })
	k.kill(p)
}

// listens waits until the program has written down since when it listens.
func (k *killing) listens() {
	k.t.Helper()
	db, err := sqlite.OpenReadOnly(k.t.Context(), sqlite.Config{Path: k.cfg.Store.Path, Log: zerolog.Nop()})
	if err != nil {
		k.t.Fatalf("open the database: %v", err)
	}
	defer func() { _ = db.Close() }()
	for begin := time.Now(); time.Since(begin) < longestWait; time.Sleep(5 * time.Millisecond) {
		if raw, err := db.Recall(k.t.Context(), "slack/heard"); err == nil && raw != nil {
			return
		}
	}
	k.t.Fatal("the program never wrote down since when it listens")
}

func (k *killing) post(file string) {
	_, _ = k.world.Workspace.Say(k.t.Context(), sandbox.Hana, sandbox.Requests, "", "",
		workspace.Upload{Name: "ask.csv", Content: []byte(file)})
}

// check kills the program while it checks the rows.
func (k *killing) check() {
	for range 4 {
		k.life("planning", k.upTo(600*time.Millisecond), nil)
	}
}

// approve kills the program around the click that approves: the click comes as soon as it can be heard.
func (k *killing) approve() {
	p := k.launch()
	k.awaitButton("Approve")
	k.kill(p)
	k.kills["waiting"]++
	for range 3 {
		k.life("clicked", k.upTo(40*time.Millisecond), func() {
			k.reached()
			go k.clickAgain()
		})
	}
	p = k.launch()
	k.reached()
	k.until("an approved batch", func() bool {
		m, _ := k.card(1)
		if buttons(m)["Approve"] == "" {
			return true
		}
		k.clickAgain() // nobody saw the earlier clicks, or they did no good
		return false
	})
	k.kill(p)
}

// clickAgain is a person who sees the button on the card and presses it.
func (k *killing) clickAgain() {
	m, ok := k.card(1)
	action := buttons(m)["Approve"]
	if ok && action != "" { // what becomes of the click is seen on the card
		_ = k.world.Workspace.Click(k.t.Context(), sandbox.Alice, sandbox.Requests, m.TS, action, "")
	}
}

// run kills the program over and over while the batch runs.
func (k *killing) run() {
	for begin := time.Now(); time.Since(begin) < *killFor && len(k.world.Organisation.Effects()) < *killRows; {
		long := k.upTo(600 * time.Millisecond)
		if k.rng.IntN(4) == 0 { // long enough for a row in doubt to be read back
			long += 2 * time.Second
		}
		k.life("running", long, nil)
	}
}

// changedOnce compares the organisation's own record with what was asked.
func (k *killing) changedOnce(ids []string) {
	k.t.Helper()
	changed := map[string]int{}
	for _, e := range k.world.Organisation.Effects() {
		changed[e.AccountID]++
		if want := strings.Replace(e.From, "@northwind.", "@northwind-group.", 1); e.To != want {
			k.t.Errorf("account %s was given %s, want %s", e.AccountID, e.To, want)
		}
	}
	for _, id := range ids {
		if changed[id] != 1 {
			k.t.Errorf("account %s was changed %d times", id, changed[id])
		}
		delete(changed, id)
	}
	if len(changed) > 0 {
		k.t.Errorf("accounts were changed that nobody asked for: %v", changed)
	}
	for _, v := range k.world.Organisation.Violations() {
		k.t.Errorf("Atlassian: %s", v)
	}
}

// saidOnce looks at what people see: all rows done, one card, one of everything under it.
func (k *killing) saidOnce(results [][]string) {
	k.t.Helper()
	if n := len(results) - 1; n != *killRows {
		k.t.Errorf("the results have %d rows, want %d", n, *killRows)
	}
	for i, status := range column(k.t, results, "status") {
		if status != "done" {
			k.t.Errorf("row %d is %s: %q", i+2, status, results[i+1])
		}
	}
	for key, n := range k.posts() {
		if n != 1 {
			k.t.Errorf("%s was posted %d times", key, n)
		}
		if strings.HasPrefix(key, "batch/2/") {
			k.t.Errorf("the file was taken twice: %s", key)
		}
	}
	for _, v := range k.world.Workspace.Violations() {
		if v.Rule != "retry_after_ignored" { // a program that was killed has forgotten what it was asked
			k.t.Errorf("Slack: %+v", v)
		}
	}
}

// wroteDown looks at the database that is left.
func (k *killing) wroteDown() {
	k.t.Helper()
	db, err := sqlite.Open(k.t.Context(), sqlite.Config{Path: k.cfg.Store.Path, Log: zerolog.Nop()})
	if err != nil {
		k.t.Fatalf("open the database: %v", err)
	}
	defer func() { _ = db.Close() }()
	if _, _, err := db.VerifyEvents(k.t.Context()); err != nil {
		k.t.Errorf("the log of events: %v", err)
	}
	b, err := db.Batch(k.t.Context(), 1)
	if err != nil {
		k.t.Fatal(err)
	}
	if b.State != workflow.Done || len(b.Decisions) != 1 {
		k.t.Errorf("the batch is %s with %d decisions, want done with one", b.State, len(b.Decisions))
	}
	if all, err := db.List(k.t.Context(), 0); err != nil || len(all) != 1 {
		k.t.Errorf("%d batches, want one (%v)", len(all), err)
	}
}

// keyOf is the key under which the bot knows a message of its own, "" for any other.
func keyOf(metadata json.RawMessage) string {
	var m struct {
		Payload struct {
			Key string `json:"key"`
		} `json:"event_payload"`
	}
	if json.Unmarshal(metadata, &m) != nil {
		return ""
	}
	return m.Payload.Key
}
