package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"
)

// How the connections are kept (docs.slack.dev/apis/events-api/using-socket-mode).
const (
	// connections is how many sockets are open at once: Slack closes each every few hours, and slack-go opens the next only
	// then; a click in the gap would be lost, as clicks are not delivered again.
	connections = 2
	// ackTimeout bounds the hand-over of an acknowledgement. It only ever takes time when the socket is gone.
	ackTimeout = 500 * time.Millisecond
	// pingSilence is how long a socket may be silent before it counts as dead; Slack pings about every 10 s.
	pingSilence = 30 * time.Second
	// readLimit bounds one message of Slack.
	readLimit = 8 << 20
	// A socket that lives shorter than shortLife was not wanted. After shortLives of them in a row Slack does not mean to
	// let us in; in between we wait shortWait, twice as long each time.
	shortLife    = 5 * time.Second
	shortLives   = 10
	shortWait    = 100 * time.Millisecond
	shortWaitMax = 30 * time.Second
	// againAfter bounds the wait before the next try while Slack cannot be reached: slack-go doubles it up to five minutes,
	// and what people click after an outage would be lost for as long. Two connections that try so often stay far below what
	// apps.connections.open allows (50 a minute).
	againAfter = 10 * time.Second
	// readyGrace is how long we may be without any socket and still call ourselves ready.
	readyGrace = 15 * time.Second
	// handedAtMost is how many envelopes are remembered that could not be acknowledged at once; more are not under way.
	handedAtMost = 100
	// deafGap is how long we may be without any socket and still rely on Slack to bring events again.
	deafGap = 5 * time.Second
)

// receiver takes what Slack sends. Neither may block.
type receiver interface {
	// room says whether one more of the kind can be taken.
	room(kind string) bool
	// answer is what the acknowledgement of an envelope says, nil for nothing. An envelope with an answer needs no more. It
	// looks at the payload alone: Slack waits for it.
	answer(kind string, payload json.RawMessage) any
	// receive takes an envelope's payload; it has been acknowledged.
	receive(kind string, payload json.RawMessage)
	// busy answers an envelope for which there is no room, where that is possible.
	busy(kind string, payload json.RawMessage)
}

// link is one of the connections.
type link struct {
	client *socketmode.Client
	log    zerolog.Logger

	mu     sync.Mutex
	up     bool
	opened time.Time // of the latest socket
	lost   time.Time // when it was last without a socket
	short  int       // sockets in a row that lived too short

	end   func()        // ends the present run of slack-go
	tries int           // in a row that reached nobody
	pause time.Duration // before the next one
}

// sockets are all connections. They share one app token; Slack sends each envelope to any one of them.
type sockets struct {
	links []*link
	to    receiver
	log   zerolog.Logger
	fail  func(error) // told of an error after which trying again is of no use
	ready func()      // called at each hello
	// missed is called when a connection stands after a time without any, in which Slack may have had something to say.
	missed func()
	// again is againAfter; tests have less time.
	again time.Duration
	// free waits until Slack lets us open a connection, and held is told that it asks to wait.
	free func(ctx context.Context) error
	held func(ctx context.Context, wait time.Duration)

	mu     sync.Mutex
	handed []string // envelopes whose acknowledgements were handed from one connection to another
}

func newSockets(client *slack.Client, options []socketmode.Option, log zerolog.Logger, to receiver) *sockets {
	s := &sockets{to: to, log: log, fail: func(error) {}, ready: func() {}, missed: func() {}, again: againAfter}
	s.free, s.held = func(context.Context) error { return nil }, func(context.Context, time.Duration) {}
	for i := range connections {
		opts := append([]socketmode.Option{
			socketmode.OptionPingInterval(pingSilence), socketmode.OptionReadLimit(readLimit),
		}, options...)
		s.links = append(s.links, &link{
			client: socketmode.New(client, opts...), log: log.With().Int("connection", i+1).Logger(), lost: time.Now(),
		})
	}
	return s
}

// run keeps the connections until ctx ends.
func (s *sockets) run(ctx context.Context) {
	var wg sync.WaitGroup
	for i, l := range s.links {
		wg.Go(func() { s.keep(ctx, l) })
		wg.Go(func() { s.read(ctx, l, s.links[(i+1)%len(s.links)]) })
	}
	wg.Wait()
}

// keep runs one connection. slack-go connects again by itself, and gives up when that is of no use; should it end for
// another reason, it is started anew.
func (s *sockets) keep(ctx context.Context, l *link) {
	for {
		if s.free(ctx) != nil {
			return
		}
		run, end := context.WithCancel(ctx)
		l.begin(end)
		err := permanentApp(l.client.RunContext(run))
		anew := run.Err() != nil
		end()
		if ctx.Err() != nil {
			return
		}
		if anew {
			if sleep(ctx, l.paused()) != nil {
				return
			}
			continue
		}
		if errors.As(err, new(*PermanentError)) {
			s.fail(err)
			return
		}
		l.log.Warn().Str("error", plainError(err)).Msg("a connection to Slack ended")
		if sleep(ctx, shortLife) != nil {
			return
		}
	}
}

// read takes what comes over one connection. It never waits for work: a reader that does loses the connection.
func (s *sockets) read(ctx context.Context, l, other *link) {
	for {
		select {
		case <-ctx.Done():
			return
		case evt := <-l.client.Events:
			s.take(ctx, l, other, evt)
		}
	}
}

func (s *sockets) take(ctx context.Context, l, other *link, evt socketmode.Event) {
	switch evt.Type {
	case socketmode.EventTypeHello:
		deaf := s.deafFor()
		l.hello()
		s.ready()
		if deaf >= deafGap {
			s.missed()
		}
	case socketmode.EventTypeConnecting:
		if wait := l.down(); wait > 0 {
			if l.hopeless() && other.hopeless() {
				s.fail(&PermanentError{Token: "app", Code: codeLinkDisabled})
			}
			_ = sleep(ctx, wait) // there is no socket just now that could have to wait; ctx is looked at by the caller
		}
	case socketmode.EventTypeConnectionError:
		if e, ok := evt.Data.(*slack.ConnectionErrorEvent); ok {
			if err := permanentApp(e.ErrorObj); errors.As(err, new(*PermanentError)) {
				s.fail(err)
				return
			}
			if wait, throttled := throttle(e.ErrorObj); throttled {
				s.held(ctx, wait)
			}
			wait := e.Backoff
			if _, throttled := throttle(e.ErrorObj); !throttled && slackCode(e.ErrorObj) == "" {
				wait = l.unreachable(s.again)
			}
			l.log.Warn().Str("error", plainError(e.ErrorObj)).Dur("again_in", wait).Msg("connect to Slack")
		}
	case socketmode.EventTypeErrorWriteFailed:
		// This socket is gone, and slack-go does not try again. The other one is tried once: were that gone, too, the two
		// would hand the envelope to and fro for as long as nobody has noticed.
		if e, ok := evt.Data.(*socketmode.ErrorWriteFailed); ok && e.Response != nil && s.handOver(e.Response.EnvelopeID) {
			s.ack(ctx, other, e.Response.EnvelopeID, e.Response.Payload)
		}
	case socketmode.EventTypeErrorBadMessage:
		if e, ok := evt.Data.(*socketmode.ErrorBadMessage); ok {
			s.unread(ctx, l, e.Message)
		}
	case socketmode.EventTypeEventsAPI, socketmode.EventTypeInteractive, socketmode.EventTypeSlashCommand:
		if r := evt.Request; r != nil {
			s.envelope(ctx, l, r.EnvelopeID, r.Type, r.Payload)
		}
	}
}

// envelope acknowledges first and hands on then. An event for which there is no room is not acknowledged: Slack will
// bring it again. A click or a command would not come again, so its person is told.
func (s *sockets) envelope(ctx context.Context, l *link, id, kind string, payload json.RawMessage) {
	if answer := s.to.answer(kind, payload); answer != nil {
		s.ack(ctx, l, id, answer)
		return
	}
	if s.to.room(kind) {
		s.ack(ctx, l, id, nil)
		s.to.receive(kind, payload)
		return
	}
	s.log.Warn().Str("kind", kind).Msg("too much to do; not taken")
	if kind == socketmode.RequestTypeEventsAPI {
		return
	}
	s.ack(ctx, l, id, nil)
	s.to.busy(kind, payload)
}

// handOver says whether an acknowledgement that could not be written may be tried over another connection: once. The ids
// of the latest are remembered.
func (s *sockets) handOver(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.Contains(s.handed, id) {
		return false
	}
	s.handed = append(s.handed, id)
	if len(s.handed) > handedAtMost {
		s.handed = s.handed[1:]
	}
	return true
}

// unread takes an envelope that slack-go could not read: it must be acknowledged all the same, and may be readable to us.
func (s *sockets) unread(ctx context.Context, l *link, raw json.RawMessage) {
	var e struct {
		ID      string          `json:"envelope_id"`
		Type    string          `json:"type"`
		Payload json.RawMessage `json:"payload"`
	}
	if err := json.Unmarshal(raw, &e); err != nil || e.ID == "" {
		s.log.Warn().Int("bytes", len(raw)).Msg("Slack sent something that is no envelope")
		return
	}
	s.log.Info().Str("kind", e.Type).Msg("an envelope that slack-go could not read")
	s.envelope(ctx, l, e.ID, e.Type, e.Payload)
}

func (s *sockets) ack(ctx context.Context, l *link, id string, answer any) {
	ctx, cancel := context.WithTimeoutCause(ctx, ackTimeout, errors.New("the acknowledgement could not be handed over"))
	defer cancel()
	if err := l.client.AckCtx(ctx, id, answer); err != nil {
		l.log.Warn().Str("envelope", id).Err(err).Msg("acknowledge")
	}
}

// deafFor is how long we have been without any connection; 0 while one stands, deafGap at least before the first.
func (s *sockets) deafFor() time.Duration {
	longest := time.Duration(math.MaxInt64)
	for _, l := range s.links {
		l.mu.Lock()
		up, lost, first := l.up, l.lost, l.opened.IsZero()
		l.mu.Unlock()
		switch {
		case up:
			return 0
		case !first:
			longest = min(longest, time.Since(lost))
		}
	}
	return longest
}

// readyNow is nil when at least one connection stands, or stood a moment ago.
func (s *sockets) readyNow() error {
	var longest time.Duration
	for i, l := range s.links {
		l.mu.Lock()
		up, lost := l.up, l.lost
		l.mu.Unlock()
		if up {
			return nil
		}
		if d := time.Since(lost); i == 0 || d < longest {
			longest = d
		}
	}
	if longest < readyGrace && slices.ContainsFunc(s.links, (*link).everUp) {
		return nil
	}
	return fmt.Errorf("no connection to Slack for %s", longest.Round(time.Second))
}

func (l *link) everUp() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.opened.IsZero()
}

// begin notes how to end the run of slack-go that begins now.
func (l *link) begin(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = end
}

// unreachable ends slack-go's own waiting after a try that reached nobody, and gives the wait before the next one: twice as
// long each time, up to longest.
func (l *link) unreachable(longest time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = min(shortWait<<min(l.tries, 20), longest)
	l.tries++
	if !l.up {
		l.end()
	}
	return l.pause
}

func (l *link) paused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

func (l *link) hello() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.up, l.opened, l.tries = true, time.Now(), 0
}

// down notes that the connection is being opened (again), and says how long to wait before: nothing, unless the sockets
// before it lived too short.
func (l *link) down() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return 0
	}
	l.up, l.lost = false, time.Now()
	if time.Since(l.opened) >= shortLife {
		l.short = 0
		return 0
	}
	l.short++
	return min(shortWait<<(l.short-1), shortWaitMax)
}

func (l *link) hopeless() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.short >= shortLives
}

// permanentApp makes a *PermanentError of an answer of apps.connections.open after which trying again is of no use. slack-go
// gives up by itself only for some of them, and is deaf for ever with the others.
func permanentApp(err error) error {
	if err == nil {
		return errors.New("connect to Slack: the connection ended")
	}
	if status, ok := errors.AsType[slack.StatusCodeError](err); ok && status.Code == http.StatusNotFound {
		return &PermanentError{Token: "app", Code: codeNotFound}
	}
	code := slackCode(err)
	if slices.Contains([]string{"missing_scope", "forbidden_team"}, code) || permanentBot(code) {
		return &PermanentError{Token: "app", Code: code}
	}
	return fmt.Errorf("connect to Slack: %w", err)
}
