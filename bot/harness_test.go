package bot_test

import (
	"cmp"
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

	"github.com/countersign/countersign/bot"
	"github.com/countersign/countersign/bot/deliver"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/sandbox/memnet"
	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/engine"
	"github.com/countersign/countersign/workflow/policy"
	"github.com/countersign/countersign/workflow/run"
)

const (
	requests = "C0REQUESTS"
	waitFor  = 20 * time.Second // for something to show in Slack; a test that waits this long has failed
)

// The people whom tests hand to the engine themselves.
var (
	aliceOfSlack = workflow.Person{ID: "U0ALICE", Name: "Alice", Email: "alice@example.com"}
	carolOfSlack = workflow.Person{ID: "U0CAROL", Name: "Carol", Email: "carol@example.com"}
)

// full is the bar of a progress that is at its end.
var full = strings.Repeat("█", 20)

// dateOf is a time as messages say it (formatting message text, date formatting).
func dateOf(t time.Time) string {
	return fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", t.Unix(), t.UTC().Format("2006-01-02 15:04 UTC"))
}

// world is the whole service with a Slack workspace, all on this machine.
type world struct {
	t         *testing.T
	slack     *workspace.Workspace
	db        *sqlite.DB
	engine    *engine.Engine
	accounts  *accounts
	bot       *bot.Bot
	people    atomic.Pointer[bot.Slack] // for the engine
	url       string
	reports   bot.Reports
	wrap      func(bot.Engine) bot.Engine // around the engine, for the next bot; may be nil
	refused   string                      // what Slack is told to refuse, which is then no fault of ours; codes with spaces between them
	admins    []string                    // U0ALICE and U0BOB when nil
	approvals int                         // that each batch needs; 1 when 0
	also      []workspace.Person          // besides those of every world, in the requests channel
	emergency string                      // the group whose batches need one approval; none when ""
	quick     bool
	remind    time.Duration
	expires   time.Duration // a plan that nobody decided on; 0 means a day
	window    policy.Window
	own       map[string]string // people.accounts: a person's account
	pacer     workflow.Estimator
	shut      func() time.Time
	bubble    bool // in fake time, with connections in memory
	dial      func(context.Context, string, string) (net.Conn, error)
	transport http.RoundTripper
	log       *logged

	organisation atomic.Pointer[string] // its name; nil before it is known

	stopBot func() error
	drain   time.Duration // what is being done may take so long to end when the bot stops; 0 is a moment
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
	if w.slack, err = workspace.New(workspace.Config{Shortcuts: shortcuts()}); err != nil {
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
	for _, p := range w.also {
		w.slack.AddPerson(p)
		people = append(people, p.ID)
	}
	w.slack.AddGroup(workspace.Group{ID: "S0HELPDESK", Handle: "helpdesk", Name: "Helpdesk", Users: []string{"U0CAROL"}})
	w.slack.AddChannel(workspace.Channel{ID: requests, Name: "requests", Private: true, BotMember: true, Members: people})
	w.slack.AddChannel(workspace.Channel{ID: "C0OTHER", Name: "other", BotMember: true, Members: people})
	path := filepath.Join(t.TempDir(), "bot.db")
	if w.db, err = sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: zerolog.Nop()}); err != nil {
		t.Fatal(err)
	}
	w.engine, err = engine.New(engine.Config{
		Store: w.db, Directory: w.accounts, Lookups: w.accounts, Past: w.db, OrgID: "org", Policy: policy.Policy{Approvals: max(w.approvals, 1), Emergency: w.emergency, Accounts: w.own}, People: whoIsWho{w},
		ExpiresAfter: cmp.Or(w.expires, 24*time.Hour), StartWithin: 12 * time.Hour,
		Limits: workflow.ReadLimits{MaxBytes: 10 << 20, MaxRows: 5000},
		Run:    run.Limits{Workers: 4, Canary: 1, StopAfterFailures: 5, StopAtPercent: 50, Window: w.window}, Log: zerolog.Nop(),
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
			if slices.Contains(strings.Fields(w.refused), v.Rule) {
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

// shortcuts are the bot's, as the workspace has them.
func shortcuts() (all []workspace.Shortcut) {
	for _, s := range bot.Shortcuts() {
		all = append(all, workspace.Shortcut{Name: s.Name, Message: s.Message, CallbackID: s.Callback, Description: s.Description})
	}
	return all
}

// serve puts the workspace on the network, and gives what takes it off.
func (w *world) serve() (stop func()) {
	if !w.bubble {
		server := httptest.NewServer(w.slack.Handler())
		w.url = server.URL
		return server.Close
	}
	w.url = "http://slack.test"
	server := memnet.Serve(w.slack.Handler())
	transport := server.Transport()
	w.dial, w.transport = server.DialContext, transport
	return func() {
		transport.CloseIdleConnections()
		_ = server.Close()
	}
}

// faults makes Slack misbehave.
func (w *world) faults(f workspace.Faults) {
	if f.NoLimits = w.quick; w.quick && f.ShareDelay == 0 {
		f.ShareDelay = 10 * time.Millisecond
	}
	w.slack.SetFaults(f)
}

// whoIsWho asks the latest bot's directory of people: tests start bots with other admins.
type whoIsWho struct{ world *world }

func (r whoIsWho) Standing(
	ctx context.Context, id string, admin bool, since workflow.LogicalTime,
) (workflow.Actor, error) {
	return r.world.people.Load().People().Standing(ctx, id, admin, since)
}

func (r whoIsWho) Members(ctx context.Context, group string, fresh workflow.Freshness) ([]string, error) {
	return r.world.people.Load().People().Members(ctx, group, fresh)
}

func (r whoIsWho) Admins(ctx context.Context) ([]workflow.Person, error) {
	return r.world.people.Load().People().Admins(ctx)
}

// workspace reaches the world's Slack, and becomes the engine's directory of people.
func (w *world) workspace() *bot.Slack {
	w.t.Helper()
	cfg := bot.SlackConfig{
		AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: w.url + "/api/",
		Admins: w.admins, Requesters: []string{"S0HELPDESK"}, Memory: w.db, Log: zerolog.New(w.log),
		HTTP: &http.Client{Transport: w.transport, Timeout: 10 * time.Second}, Dial: w.dial,
	}
	if w.quick { // the sandbox's own limits are lifted, too
		cfg.Pace = slackapi.Pace{Post: time.Millisecond, Update: time.Millisecond, Unmetered: true}
	}
	slack, err := bot.NewSlack(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	w.people.Store(slack)
	return slack
}

// startBot starts a bot, over another view of the store when one is given, and waits until Slack
// reaches it.
func (w *world) startBot(over bot.Store) {
	w.t.Helper()
	if over == nil {
		over = w.db
	}
	if w.admins == nil {
		w.admins = []string{"U0ALICE", "U0BOB"}
	}
	ready := make(chan struct{})
	engine := bot.Engine(w.engine)
	if w.wrap != nil {
		engine = w.wrap(engine)
	}
	cfg := bot.Config{
		Slack: w.workspace(), Command: "/countersign", Requests: requests, Reports: "C0REPORTS", Results: w.reports,
		Engine: engine, Store: over, RemindAfter: w.remind, Window: w.window, Estimator: w.pacer, Shut: w.shut,
		Log: zerolog.New(w.log), OnReady: func() { close(ready) },
	}
	cfg.Organisation = func() string {
		if name := w.organisation.Load(); name != nil {
			return *name
		}
		return ""
	}
	if w.quick {
		cfg.Drain, cfg.Settle, cfg.HomeEvery = cmp.Or(w.drain, 100*time.Millisecond), 200*time.Millisecond, 20*time.Millisecond
		cfg.Deliver = deliver.Intervals{
			Draw: 20 * time.Millisecond, Progress: 20 * time.Millisecond, Counts: 20 * time.Millisecond,
			Retry: 50 * time.Millisecond, Share: 20 * time.Millisecond, Hold: time.Second,
		}
	}
	bot, err := bot.New(cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	done := make(chan error, 1)
	w.bot = bot
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
		if strings.Contains(m.Text, fmt.Sprintf(" #%d · ", number)) && m.User == workspace.BotUserID {
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

// click waits for the button: a card offers Approve when all its rows can be seen.
func (w *world) click(person string, card workspace.Message, action string) {
	w.t.Helper()
	w.until("there is the button "+action, func() bool {
		return slices.ContainsFunc(w.slack.Messages(card.Channel, person), func(m workspace.Message) bool {
			return m.TS == card.TS && pressable(m, action)
		})
	})
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
