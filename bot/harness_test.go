package bot

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store"
	"github.com/countersign/countersign/workflow"
)

const (
	requests = "C0REQUESTS"
	waitFor  = 20 * time.Second // for something to show in Slack; a test that waits this long has failed
)

// accounts is an organisation's directory in memory.
type accounts struct {
	mu    sync.Mutex
	by    map[string]workflow.Account
	calls int           // that changed something
	hold  chan struct{} // when not nil, a change waits for it to be closed
	// refuse are accounts whose changes the organisation refuses.
	refuse map[string]bool
	takes  time.Duration // each change
	deny   error         // what each change is answered with
}

func newAccounts(n int) *accounts {
	a := &accounts{by: map[string]workflow.Account{}}
	for i := range n {
		id := fmt.Sprintf("712020:%04d", i)
		a.by[id] = workflow.Account{
			ID: id, Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("p%d@old.example", i), Type: "atlassian",
			Status: workflow.StatusActive, Managed: true, Ranked: true,
		}
	}
	return a
}

func (a *accounts) Account(_ context.Context, id string) (workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if acc, ok := a.by[id]; ok {
		return acc, nil
	}
	return workflow.Account{}, workflow.ErrNotFound
}

func (a *accounts) Privileges(_ context.Context, _ string, keys ...string) (map[string]workflow.Privilege, error) {
	out := map[string]workflow.Privilege{}
	for _, k := range keys {
		out[k] = workflow.Privilege{Allowed: true}
	}
	return out, nil
}

func (a *accounts) ByAddress(_ context.Context, addresses []string) (map[string][]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string][]workflow.Account{}
	for _, acc := range a.by {
		if slices.ContainsFunc(addresses, func(s string) bool { return workflow.SameAddress(s, acc.Email) }) {
			key := workflow.AddressKey(acc.Email)
			out[key] = append(out[key], acc)
		}
	}
	return out, nil
}

func (a *accounts) ByID(_ context.Context, ids []string) (map[string]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]workflow.Account{}
	for _, id := range ids {
		if acc, ok := a.by[id]; ok {
			out[id] = acc
		}
	}
	return out, nil
}

func (a *accounts) Search(_ context.Context, text string, limit int) ([]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []workflow.Account
	for _, id := range slices.Sorted(maps.Keys(a.by)) {
		if acc := a.by[id]; len(out) < limit && strings.Contains(acc.Name+acc.Email, text) {
			out = append(out, acc)
		}
	}
	return out, nil
}

func (a *accounts) Domains(context.Context) ([]workflow.DomainClaim, error) {
	return []workflow.DomainClaim{
		{Name: "old.example", Verified: true, Status: "verified"}, {Name: "new.example", Verified: true, Status: "verified"},
	}, nil
}

func (a *accounts) change(ctx context.Context, id string, do func(*workflow.Account)) error {
	if a.hold != nil {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return workflow.ErrNotSent
		}
	}
	if a.takes > 0 && sleep(ctx, a.takes) != nil {
		return workflow.ErrNotSent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, ok := a.by[id]
	if !ok {
		return workflow.ErrNotFound
	}
	if a.deny != nil {
		return a.deny
	}
	if a.refuse[id] {
		return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "403", "not today")}
	}
	do(&acc)
	a.by[id] = acc
	a.calls++
	return nil
}

// set changes the organisation itself.
func (a *accounts) set(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

func (a *accounts) SetEmail(ctx context.Context, id, address string) error {
	return a.change(ctx, id, func(acc *workflow.Account) { acc.Email = address })
}

func (a *accounts) Deactivate(ctx context.Context, id, _ string) error {
	return a.change(ctx, id, func(acc *workflow.Account) { acc.Status = workflow.StatusInactive })
}

func (a *accounts) Activate(ctx context.Context, id string) error {
	return a.change(ctx, id, func(acc *workflow.Account) { acc.Status = workflow.StatusActive })
}

// world is the whole service with a Slack workspace, all on this machine.
type world struct {
	t         *testing.T
	slack     *workspace.Workspace
	db        *store.DB
	engine    *workflow.Engine
	accounts  *accounts
	bot       *Bot
	roster    atomic.Pointer[Bot] // bot, for the engine
	url       string
	reports   Reports
	wrap      func(Engine) Engine // around the engine, for the next bot; may be nil
	refused   string              // what Slack is told to refuse, which is then no fault of ours
	admins    []string            // U0ALICE and U0BOB when nil
	quick     bool
	remind    time.Duration
	window    workflow.Window
	pacer     workflow.Pacer
	shut      func() time.Time
	bubble    bool // in fake time, with connections in memory
	dial      func(context.Context, string, string) (net.Conn, error)
	transport http.RoundTripper
	log       *logged

	stopBot func() error
}

// logged keeps the log, to be shown when the test fails and searched for secrets.
type logged struct {
	mu  sync.Mutex
	out strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// newWorld is a world in which nobody waits for rate limits.
func newWorld(t *testing.T, a *accounts) *world {
	t.Helper()
	return startWorld(t, &world{t: t, accounts: a, log: &logged{}, quick: true})
}

func startWorld(t *testing.T, w *world) *world {
	t.Helper()
	var err error
	if w.slack, err = workspace.New(workspace.Config{}); err != nil {
		t.Fatal(err)
	}
	stopServer := w.serve()
	w.slack.SetBaseURL(w.url)
	w.faults(workspace.Faults{})
	people := []string{"U0ALICE", "U0BOB", "U0CAROL", "U0DAVE"}
	for _, id := range people {
		name := strings.ToLower(strings.TrimPrefix(id, "U0"))
		w.slack.AddPerson(workspace.Person{ID: id, Name: name, RealName: name, Email: name + "@example.com"})
	}
	w.slack.AddGroup(workspace.Group{ID: "S0HELPDESK", Handle: "helpdesk", Name: "Helpdesk", Users: []string{"U0CAROL"}})
	w.slack.AddChannel(workspace.Channel{ID: requests, Name: "requests", Private: true, BotMember: true, Members: people})
	w.slack.AddChannel(workspace.Channel{ID: "C0OTHER", Name: "other", BotMember: true, Members: people})
	path := filepath.Join(t.TempDir(), "bot.db")
	if w.db, err = store.Open(t.Context(), store.Config{Path: path, Log: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	w.engine, err = workflow.New(workflow.Config{
		Store: w.db, Directory: w.accounts, OrgID: "org", Policy: workflow.Policy{Approvals: 1}, People: roster{w},
		ExpiresAfter: 24 * time.Hour, StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: defaultMaxFile, MaxRows: 5000},
		Run:    workflow.RunLimits{Workers: 4, Canary: 1, StopAfterFailures: 5, StopAtPercent: 50, Window: w.window}, Log: zerolog.Nop(),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var running sync.WaitGroup
	running.Go(func() { _ = w.engine.Run(ctx) })
	w.startBot(nil)
	t.Cleanup(func() {
		if err := w.stopBot(); err != nil {
			t.Errorf("the bot ended with %v", err)
		}
		cancel()
		running.Wait()
		w.slack.Close()
		stopServer()
		if err := w.db.Close(); err != nil {
			t.Error(err)
		}
		for _, secret := range []string{workspace.DefaultAppToken, workspace.DefaultBotToken, "ticket="} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("the log contains the secret %s", secret)
			}
		}
		for _, v := range w.slack.Violations() {
			if v.Rule == w.refused {
				continue
			}
			t.Errorf("Slack does not like %s: %s: %s", v.Where, v.Rule, v.Detail)
		}
		if t.Failed() {
			t.Logf("log of the bot:\n%s", w.log)
		}
	})
	return w
}

// serve puts the workspace on the network, and gives what takes it off.
func (w *world) serve() (stop func()) {
	if !w.bubble {
		server := httptest.NewServer(w.slack.Handler())
		w.url = server.URL
		return server.Close
	}
	w.url = "http://slack.test"
	listener := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
	server := &http.Server{Handler: w.slack.Handler(), ReadHeaderTimeout: time.Minute}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	transport := &http.Transport{DialContext: listener.dial}
	w.dial, w.transport = listener.dial, transport
	return func() {
		transport.CloseIdleConnections()
		_ = server.Close()
		<-served
	}
}

// pipes is a listener whose connections are in memory, so that fake time runs over them.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.done) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-p.done:
		return nil, net.ErrClosed
	}
}

// faults makes Slack misbehave.
func (w *world) faults(f workspace.Faults) {
	if f.NoLimits = w.quick; w.quick && f.ShareDelay == 0 {
		f.ShareDelay = 10 * time.Millisecond
	}
	w.slack.SetFaults(f)
}

// startBot starts a bot, over another view of the store when one is given, and waits until Slack reaches it.
// roster asks the world's bot who is who.
type roster struct{ world *world }

func (r roster) Standing(ctx context.Context, id string, admin bool) (workflow.Actor, error) {
	return r.world.roster.Load().People().Standing(ctx, id, admin)
}

func (r roster) Members(ctx context.Context, group string, age time.Duration) ([]string, error) {
	return r.world.roster.Load().People().Members(ctx, group, age)
}

func (r roster) Admins(ctx context.Context) ([]workflow.Person, error) {
	return r.world.roster.Load().People().Admins(ctx)
}

func (w *world) startBot(over Store) {
	w.t.Helper()
	if over == nil {
		over = w.db
	}
	if w.admins == nil {
		w.admins = []string{"U0ALICE", "U0BOB"}
	}
	ready := make(chan struct{})
	engine := Engine(w.engine)
	if w.wrap != nil {
		engine = w.wrap(engine)
	}
	bot, err := New(Config{
		AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: w.url + "/api/",
		Command: "/countersign", Requests: requests, Admins: w.admins, Requesters: []string{"S0HELPDESK"},
		Reports: "C0REPORTS", Results: w.reports, Engine: engine, Store: over,
		RemindAfter: w.remind, Window: w.window, Pacer: w.pacer, Shut: w.shut,
		HTTP: &http.Client{Transport: w.transport, Timeout: 10 * time.Second}, Dial: w.dial,
		Log: zerolog.New(w.log), OnReady: func() { close(ready) },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	w.bot = bot
	w.roster.Store(bot)
	if w.quick { // the sandbox's own limits are lifted, too
		bot.api.every, bot.api.allowed = time.Millisecond, nil
		bot.api.updates.every = time.Millisecond
		bot.drain = 100 * time.Millisecond
		bot.deliver.tempo = tempo{
			draw: 20 * time.Millisecond, progress: 20 * time.Millisecond, counts: 20 * time.Millisecond,
			retry: 50 * time.Millisecond, share: 20 * time.Millisecond,
		}
	}
	go func() { done <- bot.Run(ctx) }()
	w.stopBot = sync.OnceValue(func() error { cancel(); return <-done })
	select {
	case <-ready:
	case <-time.After(waitFor):
		w.t.Fatalf("the bot is not reached by Slack:\n%s", w.log)
	}
}

// until waits until something is so in Slack.
func (w *world) until(what string, so func() bool) {
	w.t.Helper()
	patience := waitFor
	if w.bubble {
		patience = 10 * time.Minute // costs nothing
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	if err := w.slack.WaitFor(ctx, so); err != nil {
		w.t.Fatalf("waited in vain until %s: %v", what, err)
	}
}

// eventually waits for something that nobody tells of.
func (w *world) eventually(what string, so func() bool) {
	w.t.Helper()
	limit := time.After(waitFor)
	for !so() {
		select {
		case <-time.After(10 * time.Millisecond):
		case <-limit:
			w.t.Fatalf("waited in vain until %s", what)
		}
	}
}

// card is the card of a batch as it is now.
func (w *world) card(number int64) (workspace.Message, bool) {
	for _, m := range w.slack.Messages(requests, "U0ALICE") {
		if strings.HasPrefix(m.Text, fmt.Sprintf("#%d ", number)) && m.User == workspace.BotUserID {
			return m, true
		}
	}
	return workspace.Message{}, false
}

// cardSays waits until the card of a batch contains the words.
func (w *world) cardSays(number int64, words string) workspace.Message {
	w.t.Helper()
	var card workspace.Message
	w.until(fmt.Sprintf("the card of #%d says %q", number, words), func() bool {
		m, ok := w.card(number)
		card = m
		return ok && strings.Contains(text(m), words)
	})
	return card
}

// text is everything that a message says.
func text(m workspace.Message) string {
	var out []string
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if s, ok := v["text"].(string); ok {
				out = append(out, s)
			}
			for _, k := range slices.Sorted(maps.Keys(v)) {
				walk(v[k])
			}
		case []any:
			for _, x := range v {
				walk(x)
			}
		}
	}
	var blocks any
	if len(m.Blocks) > 0 {
		if err := json.Unmarshal(m.Blocks, &blocks); err != nil {
			return err.Error()
		}
	}
	walk(blocks)
	return m.Text + "\n" + strings.Join(out, "\n")
}

// told waits until the person was told something privately in the channel.
func (w *world) told(person, channel, words string) {
	w.t.Helper()
	w.until(fmt.Sprintf("%s is told %q", person, words), func() bool {
		return slices.ContainsFunc(w.slack.Messages(channel, person), func(m workspace.Message) bool {
			return m.Ephemeral && strings.Contains(text(m), words)
		})
	})
}

// inThread waits until the thread under a message of the requests channel contains the words.
func (w *world) inThread(ts, words string) workspace.Message {
	w.t.Helper()
	var found workspace.Message
	w.until(fmt.Sprintf("the thread says %q", words), func() bool {
		for _, m := range w.slack.Thread(requests, ts, "U0ALICE")[1:] {
			if strings.Contains(text(m), words) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// fileInThread waits for a file of that name in the thread and gives its content.
func (w *world) fileInThread(ts, name string) string {
	w.t.Helper()
	var content []byte
	w.until("the thread has "+name, func() bool {
		for _, m := range w.slack.Thread(requests, ts, "U0ALICE") {
			for _, f := range m.Files {
				if f.Name == name {
					_, content, _ = w.slack.File(f.ID)
					return true
				}
			}
		}
		return false
	})
	return string(content)
}

// renames is a CSV that renames the first n accounts.
func renames(n int) workspace.Upload {
	var out strings.Builder
	out.WriteString("account_id,new_email\n")
	for i := range n {
		fmt.Fprintf(&out, "712020:%04d,p%d@new.example\n", i, i)
	}
	return workspace.Upload{Name: "renames.csv", Content: []byte(out.String())}
}

// say has Carol, who may ask, post a message.
func (w *world) say(channel, words string, files ...workspace.Upload) workspace.Message {
	w.t.Helper()
	m, err := w.slack.Say(w.t.Context(), "U0CAROL", channel, "", words, files...)
	if err != nil {
		w.t.Fatal(err)
	}
	return m
}

func (w *world) click(person string, card workspace.Message, action string) {
	w.t.Helper()
	if err := w.slack.Click(w.t.Context(), person, card.Channel, card.TS, action, ""); err != nil {
		w.t.Fatalf("%s clicks %s: %v", person, action, err)
	}
}

func (w *world) command(person, channel, words string) {
	w.t.Helper()
	if err := w.slack.Command(w.t.Context(), person, channel, words); err != nil {
		w.t.Fatalf("%s commands %s: %v", person, words, err)
	}
}
