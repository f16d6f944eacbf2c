package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/workflow"
)

// How much is done at once, and how long it may take.
const (
	clicksAtOnce  = 8
	clicksWaiting = 500
	filesAtOnce   = 8
	filesWaiting  = 500
	actTimeout    = time.Minute
	fileTimeout   = 5 * time.Minute
	drainTimeout  = 5 * time.Second // for what is being done when Run is to end
	onceFor       = 10 * time.Minute
	firstRetry    = 500 * time.Millisecond
	longestRetry  = time.Minute

	defaultMaxFile = 10 << 20
	defaultMaxRows = 5000
)

// Config is what a Bot needs. AppToken, BotToken, Command, Requests, Admins, Engine and Store are required.
type Config struct {
	AppToken string // xapp-…
	BotToken string // xoxb-…
	APIURL   string // "" means https://slack.com/api/
	Command  string // the slash command, with its slash

	Requests string // id of the channel where people ask and cards stand
	Reports  string // id of the channel for reports; "" means Requests

	Admins        []string // ids of people (U…) and user groups (S…)
	Requesters    []string
	MostApprovals int // the most that the settings can ask for; 0 means 1

	MaxFileBytes int64 // of an uploaded file; 0 means 10 MB
	MaxRows      int   // limits.max_changes, with which a file was read; 0 means 5000

	Engine  Engine
	Store   Store
	Results Reports // nil when there are no reports

	RemindAfter time.Duration // of a plan that nobody decided on; 0 = never

	Window workflow.Window  // run.window; the zero Window is always open
	Pacer  workflow.Pacer   // how fast runs go; nil means as fast as was seen
	Shut   func() time.Time // until when Atlassian takes no calls; nil when that is not known
	// Trouble says in a clause what keeps a batch from going on just now, "" when nothing does; nil when that is not known.
	Trouble func(number int64) string

	HTTP *http.Client // nil means one with a timeout
	// Dial opens the Socket Mode connections; nil means as slack-go does, through a proxy where there is one.
	Dial    func(ctx context.Context, network, address string) (net.Conn, error)
	Rand    *rand.Rand // spreads retries; nil means one of its own
	Log     zerolog.Logger
	OnReady func() // called once, when the first connection stands
}

// Engine is what the bot asks of the workflow (workflow.Engine, which documents each).
type Engine interface {
	Decisions
	Withdraw(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Cancel(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Pause(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Resume(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error)
	Follows
	Answers
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
	Decide(
		ctx context.Context, number int64, actor workflow.Actor, verdict workflow.Verdict, digest, reason string,
	) (*workflow.Batch, error)
}

// Answers are what the workflow knows of the directory, and the pulse that tells that something in the store changed.
type Answers interface {
	Find(ctx context.Context, text string) ([]workflow.Found, error)
	Domains(ctx context.Context) ([]workflow.DomainClaim, error)
	Approvable(ctx context.Context, b *workflow.Batch, actor workflow.Actor) error
	Changed() <-chan struct{}
}

// Store is what the bot reads, and where it remembers what it has posted (store.DB).
type Store interface {
	Batches
	Posts
	Memory
	// NoteGroup writes down who is in a user group, when it is not who was in it when it was last read.
	NoteGroup(ctx context.Context, group string, members []string) error
	NotedGroup(ctx context.Context, group string) ([]string, error) // nil when none was noted
	// LogEvent writes down what belongs to no change of a batch.
	LogEvent(ctx context.Context, e workflow.Event) error
}

// Batches reads batches and their changes; workflow.Store describes each.
type Batches interface {
	Batch(ctx context.Context, number int64) (*workflow.Batch, error)
	List(ctx context.Context, limit int, states ...workflow.State) ([]*workflow.Batch, error)
	Following(ctx context.Context, number int64) ([]*workflow.Batch, error)
	Summary(ctx context.Context, number int64) (workflow.Summary, error)
	Changes(
		ctx context.Context, number int64, after, limit int, states ...workflow.ChangeState,
	) ([]workflow.Change, error)
	Original(ctx context.Context, number int64) ([]byte, error)
}

// Posts remembers what is in Slack, and what came from there.
type Posts interface {
	// Post gives one post; false when there is none of that key.
	Post(ctx context.Context, key string) (workflow.Post, bool, error)
	SavePost(ctx context.Context, p workflow.Post) error
	Posts(ctx context.Context, batch int64) ([]workflow.Post, error)
	DeletePost(ctx context.Context, key string) error
	// Seen remembers an id from Slack; first is false when it was there before.
	Seen(ctx context.Context, id string, at time.Time) (first bool, err error)
	// WasSeen says whether an id is remembered.
	WasSeen(ctx context.Context, id string) (bool, error)
	// Revisions gives the batches whose posts may be behind, with their revisions.
	Revisions(ctx context.Context) (map[int64]int64, error)
}

// Memory keeps a little over a restart, by name.
type Memory interface {
	Remember(ctx context.Context, name string, value []byte) error
	Recall(ctx context.Context, name string) ([]byte, error) // nil when there is nothing of that name
}

// Bot is the Slack side, made by New and at work while Run is.
type Bot struct {
	cfg     Config
	log     zerolog.Logger
	api     *api
	people  *people
	sockets *sockets
	deliver *deliver
	intake  *intake

	clicks *queue
	files  *queue
	drain  time.Duration   // drainTimeout; tests are quicker
	self   string          // our own id as a person of Slack
	ending <-chan struct{} // closed when Run is to end

	mu    sync.Mutex
	once  map[string]time.Time // interactions of the last minutes
	fail  context.CancelCauseFunc
	ready sync.Once
}

// New makes a Bot and checks its settings; it starts nothing and calls nobody.
func New(cfg Config) (*Bot, error) {
	switch {
	case cfg.AppToken == "" || cfg.BotToken == "":
		return nil, errors.New("bot: app token and bot token are required")
	case cfg.Command == "" || cfg.Requests == "" || len(cfg.Admins) == 0:
		return nil, errors.New("bot: command, requests channel and admins are required")
	case cfg.Engine == nil || cfg.Store == nil:
		return nil, errors.New("bot: engine and store are required")
	}
	if cfg.APIURL == "" {
		cfg.APIURL = defaultAPIURL
	}
	if !strings.HasSuffix(cfg.APIURL, "/") { // slack-go puts the method's name right behind it
		cfg.APIURL += "/"
	}
	if cfg.Reports == "" {
		cfg.Reports = cfg.Requests
	}
	if cfg.MaxFileBytes == 0 {
		cfg.MaxFileBytes = defaultMaxFile
	}
	if cfg.MaxRows == 0 {
		cfg.MaxRows = defaultMaxRows
	}
	if cfg.HTTP == nil {
		cfg.HTTP = defaultHTTP()
	}
	cfg.HTTP = staying(cfg.HTTP)
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())) //nolint:gosec // spreads retries, guards nothing
	}
	client := slack.New(cfg.BotToken, slack.OptionAppLevelToken(cfg.AppToken), slack.OptionAPIURL(cfg.APIURL),
		slack.OptionHTTPClient(cfg.HTTP))
	b := &Bot{
		cfg: cfg, log: cfg.Log, clicks: newQueue(clicksWaiting), files: newQueue(filesWaiting),
		once: map[string]time.Time{}, fail: func(error) {}, drain: drainTimeout,
	}
	b.api = newAPI(client, cfg.Log, b.giveUp)
	b.api.http, b.api.url, b.api.token = cfg.HTTP, cfg.APIURL, cfg.BotToken
	b.api.memory = cfg.Store
	b.people = newPeople(b.api, cfg.Admins, cfg.Requesters)
	b.people.most = cfg.MostApprovals
	b.people.groups.noticed = func(ctx context.Context, id string, members []string) {
		if err := cfg.Store.NoteGroup(ctx, id, members); err != nil {
			b.log.Error().Err(err).Str("group", id).Msg("write down who is in a user group")
		}
	}
	b.people.groups.noted = func(ctx context.Context, id string) []string {
		members, err := cfg.Store.NotedGroup(ctx, id)
		if err != nil {
			b.log.Error().Err(err).Str("group", id).Msg("look up who was in a user group")
		}
		return members
	}
	var options []socketmode.Option
	if cfg.Dial != nil {
		dialer := websocket.Dialer{NetDialContext: cfg.Dial, HandshakeTimeout: callTimeout}
		options = append(options, socketmode.OptionDialer(&dialer))
	}
	b.sockets = newSockets(client, options, cfg.Log, b)
	b.sockets.fail = b.giveUp
	b.sockets.ready = func() {
		if cfg.OnReady != nil {
			b.ready.Do(cfg.OnReady)
		}
	}
	b.deliver = newDeliver(cfg, b.api, b.people)
	b.intake = newIntake(b)
	b.sockets.missed = b.intake.look
	b.sockets.free = func(ctx context.Context) error { return b.api.free(ctx, openSocket) }
	b.sockets.held = func(ctx context.Context, wait time.Duration) { b.api.hold(ctx, openSocket, wait) }
	return b, nil
}

// Run connects and works until ctx ends, gives what is being done drainTimeout to finish, and returns nil; or until Slack
// refuses a token for good, and returns a *PermanentError. It may be called once.
func (b *Bot) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	b.mu.Lock()
	b.fail = cancel
	b.mu.Unlock()
	b.api.recall(ctx)
	if err := b.introduce(ctx); err != nil {
		return err
	}
	b.ending = ctx.Done()
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var links, workers sync.WaitGroup
	links.Go(func() { b.sockets.run(ctx) })
	links.Go(func() { b.deliver.run(ctx) })
	links.Go(func() { b.intake.run(ctx) })
	workers.Go(func() { b.clicks.work(work, ctx.Done(), clicksAtOnce) })
	workers.Go(func() { b.files.work(work, ctx.Done(), filesAtOnce) })
	<-ctx.Done()
	drain := time.AfterFunc(b.drain, stopWork)
	defer drain.Stop()
	links.Wait()
	workers.Wait()
	return permanent(ctx)
}

// permanent is the error for which the context was ended from inside, nil when it was ended from outside.
func permanent(ctx context.Context) error {
	if e, ok := errors.AsType[*PermanentError](context.Cause(ctx)); ok {
		return e
	}
	return nil
}

func (b *Bot) giveUp(err error) {
	b.mu.Lock()
	fail := b.fail
	b.mu.Unlock()
	b.log.Error().Str("error", err.Error()).Msg("Slack refuses us for good")
	fail(err)
}

// introduce learns who we are, and goes on trying while Slack is away (auth.test).
func (b *Bot) introduce(ctx context.Context) error {
	wait := firstRetry
	for {
		var answer *slack.AuthTestResponse
		err := b.api.call(ctx, "auth.test", func(ctx context.Context) (err error) {
			answer, err = b.api.client.AuthTestContext(ctx)
			return err
		})
		if err == nil {
			b.self = answer.UserID
			b.people.team, b.people.enterprise = answer.TeamID, answer.EnterpriseID
			return nil
		}
		if ctx.Err() != nil {
			return permanent(ctx)
		}
		b.log.Warn().Err(err).Dur("again_in", wait).Msg("ask Slack who we are")
		if sleep(ctx, wait) != nil {
			return permanent(ctx)
		}
		wait = min(2*wait, longestRetry)
	}
}

// Ready is nil when Slack reaches us: a connection stands, or stood a moment ago (readyGrace).
func (b *Bot) Ready() error { return b.sockets.readyNow() }

func (b *Bot) room(kind string) bool {
	if kind == socketmode.RequestTypeEventsAPI {
		return b.files.room()
	}
	return b.clicks.room()
}

// answer holds back a rejection without a reason while its form is still open.
func (b *Bot) answer(kind string, payload json.RawMessage) any {
	var i interaction
	if kind != socketmode.RequestTypeInteractive || json.Unmarshal(payload, &i) != nil {
		return nil
	}
	if i.Type != viewSubmission || i.View.Callback != rejectForm || i.reason() != "" {
		return nil
	}
	return slack.NewErrorsViewSubmissionResponse(map[string]string{reasonBlock: needsReason})
}

func (b *Bot) receive(kind string, payload json.RawMessage) {
	switch kind {
	case socketmode.RequestTypeEventsAPI:
		b.receiveEvent(payload)
	case socketmode.RequestTypeSlashCommands:
		var s slash
		if b.decoded(kind, payload, &s) && b.first(s.Trigger) {
			to := where{Person: s.Person, Channel: s.Channel, Response: s.Response, Came: b.people.groups.now()}
			b.clicks.put("", b.guarded("command", actTimeout, to, func(ctx context.Context) { b.command(ctx, s, to) }))
		}
	case socketmode.RequestTypeInteractive:
		var i interaction
		if !b.decoded(kind, payload, &i) || !b.first(i.once()) {
			return
		}
		to := i.where()
		to.Came = b.people.groups.now()
		switch {
		case i.Type == blockActions && len(i.Actions) == 1:
			b.clicks.put(i.key(), b.guarded("click", actTimeout, to, func(ctx context.Context) { b.click(ctx, i, to) }))
		case i.Type == viewSubmission:
			b.clicks.put(i.key(), b.guarded("form", actTimeout, to, func(ctx context.Context) { b.submitted(ctx, i, to.Came) }))
		}
	}
}

func (b *Bot) receiveEvent(payload json.RawMessage) {
	var e event
	if !b.decoded("event", payload, &e) {
		return
	}
	in := e.Inner
	switch {
	case in.Type == "user_change":
		b.people.changed()
	case in.Type == "subteam_members_changed" || in.Type == "subteam_updated":
		b.people.groups.drop()
		b.deliver.look() // a card may say that nobody can approve it
	case in.Type == "member_joined_channel" && in.Person == b.self && in.Channel == b.cfg.Requests:
		b.deliver.back()
		b.intake.look()
	case in.Type == "message" && in.Subtype == "message_deleted":
		b.deliver.gone(in.Channel, in.Deleted)
	case e.plain() && in.Person != b.self:
		to := where{Person: in.Person, Channel: in.Channel, Thread: in.Thread}
		b.files.put("", b.guarded("message", actTimeout, to, func(ctx context.Context) { b.greet(ctx, e, to) }))
	case in.Type == "message" && len(in.Files) > 0:
		to := where{Person: in.Person, Channel: in.Channel, Thread: cmp.Or(in.Thread, in.TS)}
		b.files.put("", b.guarded("file", fileTimeout, to, func(ctx context.Context) { b.filesShared(ctx, e, to) }))
	}
}

// busy tells the person that nothing was done. It goes beside the queue, which is full.
func (b *Bot) busy(kind string, payload json.RawMessage) {
	var to where
	switch kind {
	case socketmode.RequestTypeSlashCommands:
		var s slash
		if !b.decoded(kind, payload, &s) {
			return
		}
		to = where{Person: s.Person, Channel: s.Channel, Response: s.Response}
	default:
		var i interaction
		if !b.decoded(kind, payload, &i) {
			return
		}
		to = i.where()
	}
	b.files.put("busy", b.guarded("busy", actTimeout, to, func(ctx context.Context) {
		b.api.private(ctx, to, said("I have too much to do just now; nothing was done. Try again in a minute."))
	}))
}

func (b *Bot) decoded(kind string, payload json.RawMessage, into any) bool {
	if err := json.Unmarshal(payload, into); err != nil {
		b.log.Warn().Str("kind", kind).Err(err).Msg("read what Slack sent")
		return false
	}
	return true
}

// first says whether an interaction is seen for the first time. Slack does not deliver clicks again, so that memory is
// enough; what they change is guarded by the database.
func (b *Bot) first(id string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	for k, at := range b.once {
		if now.Sub(at) > onceFor {
			delete(b.once, k)
		}
	}
	if _, there := b.once[id]; there && id != "" {
		return false
	}
	b.once[id] = now
	return true
}

// guarded bounds a piece of work in time, and keeps a fault in it from taking everything else along.
func (b *Bot) guarded(what string, limit time.Duration, to where, do func(context.Context)) func(context.Context) {
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the %s took over %s", what, limit))
		defer cancel()
		defer func() {
			if fault := recover(); fault != nil {
				ref := b.reference()
				b.log.Error().Str("reference", ref).Str("what", what).Any("fault", fault).Bytes("stack", debug.Stack()).
					Msg("a fault of countersign")
				b.api.private(ctx, to, said(unknownWords(ref)))
			}
		}()
		do(ctx)
	}
}

// reference is a short word by which a line of the log is found again.
func (b *Bot) reference() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%06x", b.cfg.Rand.IntN(1<<24))
}
