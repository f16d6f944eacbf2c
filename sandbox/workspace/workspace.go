package workspace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The identity of the installed app, the same in every workspace.
const (
	AppID     = "A0COUNTERSIGN"
	BotID     = "B0COUNTERSIGN"
	BotUserID = "U0COUNTERSIGN"
)

// Tokens that a Config without tokens gets.
const (
	DefaultAppToken = "xapp-1-A0COUNTERSIGN-sandbox"
	DefaultBotToken = "xoxb-sandbox"
)

// Config is what a workspace is made from. The zero value works.
type Config struct {
	TeamID   string // "T0NORTHWIND" when empty
	TeamName string // "Northwind" when empty
	AppName  string // name of the app's bot user; "countersign" when empty

	AppToken string // xapp-…, for apps.connections.open
	BotToken string // xoxb-…, for every other method

	// BaseURL is scheme and host under which Handler is reached, without a slash at the end. All
	// addresses that are given out begin with it. See SetBaseURL.
	BaseURL string

	Rand    *rand.Rand // picks ids and the connection of each envelope; fixed when nil
	Command string     // the app's slash command; "/countersign" when empty
	Scopes  []string   // the bot token's scopes; all but chat:write.public when empty
	NoHome  bool       // the Home tab is off: views.publish answers not_enabled

	Shortcuts []Shortcut // of the app; without any, every callback_id is one

	// EscapeCommands is the manifest's should_escape: people and channels in a command's text
	// arrive as <@U…> and <#C…>, addresses as <mailto:…>.
	EscapeCommands bool

	// Log gets one line per call and envelope; none when nil. It must not call the workspace.
	Log func(format string, args ...any)
}

// Workspace is a running workspace. Its methods may be called from any goroutine.
type Workspace struct {
	cfg     Config
	mux     *http.ServeMux
	methods map[string]method
	ctx     context.Context // the life of the workspace's own goroutines, ended by Close
	stop    context.CancelFunc
	work    sync.WaitGroup

	mu       sync.Mutex
	closed   bool
	baseURL  string
	rand     *rand.Rand
	lastTS   int64 // microseconds of the last message or event
	watchers map[chan struct{}]bool

	people   []*Person
	channels []*Channel
	groups   []*Group
	posts    map[string][]*post // by channel, in the order of ts
	files    map[string]*storedFile
	uploads  map[string]*upload // by the secret part of the upload URL

	triggers  map[string]*trigger
	responses map[string]*responseURL
	views     map[string][]*View // open modals of each person, the top one last
	homes     map[string]*View
	offered   map[string]map[string]any // "person action_id" → value → option, of external selects

	tickets   map[string]time.Time
	conns     []*conn
	envelopes map[string]*delivery

	botRevoked bool
	faults     Faults
	cutHellos  int // sockets that were cut after their hello since the faults were set
	dials      int // sockets that stood since the faults were set
	buckets    map[string]*bucket
	held       map[string]time.Time // bucket → when its Retry-After ends
	calls      []Call
	violations []Violation
}

// New returns a workspace with the app's bot user in it and no channel. It starts nothing.
func New(cfg Config) (*Workspace, error) {
	setDefault(&cfg.TeamID, "T0NORTHWIND")
	setDefault(&cfg.TeamName, "Northwind")
	setDefault(&cfg.AppName, "countersign")
	setDefault(&cfg.AppToken, DefaultAppToken)
	setDefault(&cfg.BotToken, DefaultBotToken)
	setDefault(&cfg.Command, "/countersign")
	switch {
	case !strings.HasPrefix(cfg.AppToken, "xapp-"):
		return nil, errors.New("make workspace: the app token does not begin with xapp-")
	case !strings.HasPrefix(cfg.BotToken, "xoxb-"):
		return nil, errors.New("make workspace: the bot token does not begin with xoxb-")
	case !strings.HasPrefix(cfg.Command, "/"):
		return nil, fmt.Errorf("make workspace: the command %q does not begin with a slash", cfg.Command)
	}
	if err := checkShortcuts(cfg.Shortcuts); err != nil {
		return nil, err
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.New(rand.NewPCG(1, 2)) // a repeatable sandbox, nothing secret
	}
	if cfg.Scopes = slices.Clone(cfg.Scopes); len(cfg.Scopes) == 0 {
		cfg.Scopes = slices.Clone(allScopes)
	}
	if cfg.Log == nil {
		cfg.Log = func(string, ...any) {}
	}
	w := &Workspace{
		cfg:       cfg,
		baseURL:   strings.TrimSuffix(cfg.BaseURL, "/"),
		rand:      cfg.Rand,
		watchers:  make(map[chan struct{}]bool),
		posts:     make(map[string][]*post),
		files:     make(map[string]*storedFile),
		uploads:   make(map[string]*upload),
		triggers:  make(map[string]*trigger),
		responses: make(map[string]*responseURL),
		views:     make(map[string][]*View),
		homes:     make(map[string]*View),
		offered:   make(map[string]map[string]any),
		tickets:   make(map[string]time.Time),
		envelopes: make(map[string]*delivery),
		buckets:   make(map[string]*bucket),
		held:      make(map[string]time.Time),
		methods:   methods(),
	}
	w.ctx, w.stop = context.WithCancel(context.Background())
	w.people = append(w.people, &Person{
		ID: BotUserID, Name: cfg.AppName, RealName: cfg.AppName, IsBot: true, IsAppUser: true, TeamID: cfg.TeamID,
	})
	w.mux = http.NewServeMux()
	w.mux.HandleFunc("/api/{method...}", w.serveAPI)
	w.mux.HandleFunc("GET /link/{$}", w.serveSocket)
	w.mux.HandleFunc("POST /files-up/{secret}", w.serveUpload)
	w.mux.HandleFunc("GET /files-pri/{file}/{rest...}", w.serveDownload)
	w.mux.HandleFunc("GET /files-pri/signin", serveSignIn)
	w.mux.HandleFunc("POST /commands/{team}/{secret}", w.serveResponseURL)
	return w, nil
}

func setDefault(field *string, value string) {
	if *field == "" {
		*field = value
	}
}

// Handler serves everything that the app reaches: /api/, /link/, /files-up/, /files-pri/ and
// /commands/.
func (w *Workspace) Handler() http.Handler { return w.mux }

// SetBaseURL sets scheme and host of all addresses given out from now on, for a server whose port
// is known only after start.
func (w *Workspace) SetBaseURL(base string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.baseURL = strings.TrimSuffix(base, "/")
}

// BaseURL returns scheme and host of the addresses given out.
func (w *Workspace) BaseURL() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.baseURL
}

// AppToken returns the xapp- token that opens sockets.
func (w *Workspace) AppToken() string { return w.cfg.AppToken }

// BotToken returns the xoxb- token of every other method.
func (w *Workspace) BotToken() string { return w.cfg.BotToken }

// CommandName returns the app's slash command with its slash.
func (w *Workspace) CommandName() string { return w.cfg.Command }

// TeamID returns the workspace's id.
func (w *Workspace) TeamID() string { return w.cfg.TeamID }

// TeamName returns the workspace's name.
func (w *Workspace) TeamName() string { return w.cfg.TeamName }

// Close ends all sockets and goroutines and waits for them. Redeliveries that were due are dropped.
func (w *Workspace) Close() {
	w.mu.Lock()
	w.closed = true
	conns := slices.Clone(w.conns)
	w.mu.Unlock()
	w.stop()
	for _, c := range conns {
		c.cut()
	}
	w.work.Wait()
}

// spawn runs f in a goroutine that Close waits for; f must end with w.ctx. The caller holds w.mu.
// It reports false when the workspace is closed.
func (w *Workspace) spawn(f func()) bool {
	if w.closed {
		return false
	}
	w.work.Go(f)
	return true
}

// sleep waits for d, or for the end of ctx or of the workspace; it reports whether d passed.
func (w *Workspace) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil && w.ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
	case <-w.ctx.Done():
	}
	return false
}

// Subscribe returns a channel with a pulse after every change: several changes may share one.
// cancel ends it.
func (w *Workspace) Subscribe() (pulses <-chan struct{}, cancel func()) {
	c := make(chan struct{}, 1)
	w.mu.Lock()
	w.watchers[c] = true
	w.mu.Unlock()
	return c, func() {
		w.mu.Lock()
		delete(w.watchers, c)
		w.mu.Unlock()
	}
}

// WaitFor waits until done reports true. It asks at once and after every change of the workspace.
func (w *Workspace) WaitFor(ctx context.Context, done func() bool) error {
	pulses, cancel := w.Subscribe()
	defer cancel()
	for !done() {
		select {
		case <-pulses:
		case <-ctx.Done():
			return fmt.Errorf("wait for the workspace: %w", context.Cause(ctx))
		case <-w.ctx.Done():
			return errors.New("wait for the workspace: it is closed")
		}
	}
	return nil
}

// changed wakes everyone who watches. The caller holds w.mu.
func (w *Workspace) changed() {
	for c := range maps.Keys(w.watchers) {
		select {
		case c <- struct{}{}:
		default: // a pulse is waiting already
		}
	}
}

// nextTS returns a new message id: seconds and microseconds, unique and rising in the workspace.
// The caller holds w.mu.
func (w *Workspace) nextTS() string {
	w.lastTS = max(time.Now().UnixMicro(), w.lastTS+1)
	return fmt.Sprintf("%d.%06d", w.lastTS/1e6, w.lastTS%1e6)
}

const idLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

// newID returns prefix, a zero and n random letters and digits. The caller holds w.mu.
func (w *Workspace) newID(prefix string, n int) string {
	id := make([]byte, n)
	for i := range id {
		id[i] = idLetters[w.rand.IntN(len(idLetters))]
	}
	return prefix + "0" + string(id)
}
