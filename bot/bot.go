package bot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/deliver"
	"github.com/countersign/countersign/bot/people"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// How much is done at once, and how long it may take.
const (
	actTimeout   = time.Minute
	fileTimeout  = 5 * time.Minute
	drainTimeout = 5 * time.Second // for what is being done when Run is to end
	settleTime   = 700 * time.Millisecond
	onceFor      = 10 * time.Minute
	firstRetry   = 500 * time.Millisecond
	longestRetry = time.Minute

	defaultMaxFile = 10 << 20
	defaultMaxRows = 5000
)

// Config is what a Bot needs. Slack (with its app token), Command, Requests, Engine and Store are
// required.
type Config struct {
	Slack   *Slack
	Command string // the slash command, with its slash

	Requests string // id of the channel where people ask and cards stand
	Reports  string // id of the channel for reports; "" means Requests

	OrgID        string // of Atlassian, for the rows of a file that name one
	MaxFileBytes int64  // of an uploaded file; 0 means 10 MB
	MaxRows      int    // limits.max_changes; 0 means 5000

	Engine  Engine
	Store   Store
	Results Reports // nil when there are no reports

	RemindAfter time.Duration // of a plan that nobody decided on; 0 = never

	Window    workflow.Window // run.window; nil is always open
	Sites     workflow.Sites  // whose users people look for
	SiteNames []string        // of the settings, for the form
	// NeedsReason says that a request needs a reason (approval.require_reason).
	NeedsReason bool
	Estimator   workflow.Estimator // how fast runs go; nil means as fast as was seen
	Shut        func() time.Time   // until when Atlassian takes no calls; nil when that is not known
	// Trouble returns in a clause what keeps a batch from going on, "" when nothing does; nil when
	// that is not known.
	Trouble func(number int64) string
	// Care returns what the admins should look after outside Slack, as the end of a key, a clause each;
	// nil for nothing.
	Care func() []string

	// Organisation returns the name of Atlassian's organisation, for Home, "" where it is not known; nil
	// when it never is.
	Organisation func() string

	Version string     // of this build, for Home; "" where it is not known
	Rand    *rand.Rand // spreads retries; nil means one of its own
	Log     zerolog.Logger
	OnReady func() // called once, when the first connection stands

	Deliver deliver.Intervals // zero means those that suit Slack
	Drain   time.Duration     // how long Run lets what is being done finish; 0 means 5 s
	// Settle is how long a form that was answered with another view is left alone: an update that
	// overtook the answer would be lost. 0 means 700 ms.
	Settle time.Duration
	// HomeEvery is the least time between two drawings of Home tabs; 0 means 10 s.
	HomeEvery time.Duration
}

// Engine is what the bot asks of the workflow (workflow.Engine, which documents each).
type Engine interface {
	Decisions
	// Preview checks what somebody would ask for, and keeps nothing.
	Preview(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Preview, error)
	// SearchAccounts finds accounts by a piece of name or address, as Atlassian searches.
	SearchAccounts(ctx context.Context, text string, limit int) ([]workflow.Account, error)
	Withdraw(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Cancel(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Pause(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Resume(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Timed
	Follows
	Answers
}

// Timed are the acts on a batch that waits for its time, and on one that is taken back at its end.
type Timed interface {
	Start(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	End(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Keep(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
}

// Follows makes of a batch another one, or another run.
type Follows interface {
	Recheck(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	AskAgain(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Undo(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Retry(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
}

// Decisions takes requests in, and verdicts on them.
type Decisions interface {
	Submit(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Batch, error)
	SubmitMove(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Batch, error)
	Decide(
		ctx context.Context, number int64, actor workflow.Actor, verdict workflow.Verdict, digest, reason string,
	) (*workflow.Batch, error)
}

// Answers are what the workflow knows of the directory.
type Answers interface {
	Find(ctx context.Context, text string) ([]workflow.Found, error)
	FindGroups(ctx context.Context, text string) (groups []workflow.FoundGroup, more bool, err error)
	History(ctx context.Context, user string) ([]workflow.AccountHistory, error)
	Domains(ctx context.Context) ([]workflow.DomainClaim, error)
	CanApprove(ctx context.Context, b *workflow.Batch, people ...workflow.Actor) (able []workflow.Person, own []string, err error)
	Waits(number int64) workflow.RunWait
}

// Store is what the bot reads, and where it remembers what it has posted (store.Driver).
type Store interface {
	deliver.Store
	// Seen remembers an id from Slack; first is false when it was there before.
	Seen(ctx context.Context, id string, at time.Time) (first bool, err error)
	// WasSeen reports whether an id is remembered.
	WasSeen(ctx context.Context, id string) (bool, error)
	slackapi.Memory
	Past
	Nights
	// Rows and Original are those of a request, as they were sent; workflow.ErrGone for bytes that are
	// no longer kept.
	Rows(ctx context.Context, number int64) ([]workflow.Row, error)
	Original(ctx context.Context, number int64) ([]byte, error)
	report.Lists
	// SkipNumbers sees to it that the next batch gets a number above to, with an event that says so.
	SkipNumbers(ctx context.Context, to int64, e workflow.Event) (skipped bool, err error)
	// LogEvent writes down what belongs to no change of a batch.
	LogEvent(ctx context.Context, e workflow.Event) error
}

// Bot is the Slack side, made by New and at work while Run is.
type Bot struct {
	cfg     Config
	log     zerolog.Logger
	api     *slackapi.Client
	people  *people.Directory
	admins  []string
	sockets *sockets
	deliver *deliver.Deliverer
	intake  *intake

	lanes lanes
	links *links

	mayTake chan struct{} // closed when requests may be taken

	unsent formStore // forms that people fill in
	night  nightSearch
	homes  *homes

	commands  map[string]entry[given]
	actions   map[string]entry[press]
	forms     map[string]entry[submission]
	shortcuts map[string]entry[shortcut]

	mu      sync.Mutex
	recent  map[string]time.Time // interactions of the last minutes
	greeted map[string]time.Time // who was greeted in the last minutes
	ready   sync.Once
}

// New makes a Bot and checks its settings; it starts nothing and calls nobody.
func New(cfg Config) (*Bot, error) {
	switch {
	case cfg.Slack == nil || cfg.Slack.cfg.AppToken == "":
		return nil, errors.New("bot: a workspace with its app token is required")
	case cfg.Command == "" || cfg.Requests == "":
		return nil, errors.New("bot: command and requests channel are required")
	case cfg.Engine == nil || cfg.Store == nil:
		return nil, errors.New("bot: engine and store are required")
	}
	cfg.Reports = cmp.Or(cfg.Reports, cfg.Requests)
	cfg.MaxFileBytes = cmp.Or(cfg.MaxFileBytes, defaultMaxFile)
	cfg.MaxRows = cmp.Or(cfg.MaxRows, defaultMaxRows)
	cfg.Drain = cmp.Or(cfg.Drain, drainTimeout)
	cfg.Settle = cmp.Or(cfg.Settle, settleTime)
	cfg.HomeEvery = cmp.Or(cfg.HomeEvery, homeEvery)
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // spreads retries, guards nothing
	}
	slack := cfg.Slack
	homes, links := newHomes(nil), newLinks(nil)
	b := &Bot{
		cfg: cfg, log: cfg.Log, api: slack.client, people: slack.people, admins: slack.cfg.Admins,
		lanes: newLanes(), mayTake: make(chan struct{}), recent: map[string]time.Time{}, greeted: map[string]time.Time{},
		commands: commands(), actions: actions(), forms: forms(), shortcuts: shortcuts(), unsent: formStore{open: map[string]*openForm{}}, homes: homes, links: links,
		deliver: deliver.New(deliver.Config{
			Requests: cfg.Requests, Reports: cfg.Reports, Admins: slack.cfg.Admins, Command: cfg.Command, Engine: cfg.Engine, Store: cfg.Store,
			Slack: slack.client, People: slack.people, Results: cfg.Results, RemindAfter: cfg.RemindAfter,
			Window: cfg.Window, Estimator: cfg.Estimator, Shut: cfg.Shut,
			Trouble: cfg.Trouble, Intervals: cfg.Deliver, Log: cfg.Log,
			Changed: homes.changed, Asker: links.asker,
		}),
	}
	homes.bot, links.bot = b, b
	b.sockets = newSockets(slack.client, b, socketRetryMost, cfg.Log)
	b.intake = newIntake(b)
	return b, nil
}

// Run connects and works until ctx ends, gives what is being done Config.Drain to finish, and
// returns nil; or until Slack refuses a token for good, and returns a *slackapi.PermanentError. It
// may be called once.
func (b *Bot) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	giveUp := func(err error) {
		b.log.Error().Str("error", err.Error()).Msg("Slack refuses us for good")
		cancel(err)
	}
	var links, workers sync.WaitGroup
	links.Go(func() {
		select {
		case <-b.api.Dead():
			giveUp(b.api.Err())
		case <-ctx.Done():
		}
	})
	if b.cfg.Slack.introduce(ctx) == nil {
		work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
		defer stopWork()
		b.lookRestored(ctx, &links)
		links.Go(func() { b.sockets.run(ctx, giveUp) })
		links.Go(func() { b.deliver.Run(ctx) })
		links.Go(func() { b.intake.run(ctx) })
		links.Go(func() { b.homes.run(ctx) })
		links.Go(func() { b.homes.watchChannels(ctx) })
		workers.Go(func() { b.links.run(work, ctx.Done()) })
		workers.Go(func() { b.lanes.work(work, ctx.Done()) })
		<-ctx.Done()
		drain := time.AfterFunc(b.cfg.Drain, stopWork)
		defer drain.Stop()
	}
	links.Wait()
	workers.Wait()
	return permanent(ctx)
}

// permanent is the error for which the context was ended from inside, nil when it was ended from
// outside.
func permanent(ctx context.Context) error {
	if e, ok := errors.AsType[*slackapi.PermanentError](context.Cause(ctx)); ok {
		return e
	}
	return nil
}

// connected is told that a connection stands.
func (b *Bot) connected() {
	if b.cfg.OnReady != nil {
		b.ready.Do(b.cfg.OnReady)
	}
}

// catchUp is told that a connection stands after a time without any.
func (b *Bot) catchUp() { b.intake.requestCatchUp() }

// heldMost is how long Slack may hold a method back before we no longer call ourselves ready.
const heldMost = 5 * time.Minute

// Ready is nil when Slack can be worked with: a connection stands, or stood a moment ago
// (readyGrace), and Slack holds no method back for long. The error names everything that is wrong.
func (b *Bot) Ready() error {
	wrong := []error{b.sockets.readyNow()}
	for _, h := range b.api.Held(heldMost) {
		wrong = append(wrong, fmt.Errorf("Slack (%s) takes no calls of %s until %s", b.api.Host(), h.Method,
			h.Until.UTC().Format(time.RFC3339)))
	}
	return errors.Join(wrong...)
}
