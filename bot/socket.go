package bot

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/bot/slackapi"
)

// How the connections are kept (docs.slack.dev/apis/events-api/using-socket-mode).
const (
	// socketCount is how many sockets are open at once: Slack closes each every few hours, and
	// slack-go opens the next only then; a click in the gap would be lost, as clicks are not
	// delivered again.
	socketCount = 2
	// ackTimeout bounds the hand-over of an acknowledgement. It only ever takes time when the
	// socket is gone.
	ackTimeout = 500 * time.Millisecond
	// pingSilence is how long a socket may be silent before it counts as dead; Slack pings about
	// every 10 s.
	pingSilence = 30 * time.Second
	// readLimit bounds one message of Slack.
	readLimit = 8 << 20
	// A socket that lives shorter than shortLife was not wanted. Before the next one we wait
	// shortWait, twice as long each time, shortWaitMax at most. After shortLives of them in a row it
	// is said what may be behind it.
	shortLife    = 5 * time.Second
	shortLives   = 10
	shortWait    = 100 * time.Millisecond
	shortWaitMax = 30 * time.Second
	doublings    = 20 // more than it takes to any longest wait, and no overflow
	// helloMost is how long a socket may stand without Slack's hello, which comes at once.
	helloMost = 30 * time.Second
	// socketRetryMost bounds the wait before the next try while Slack cannot be reached: slack-go
	// doubles it up to five minutes, and what people click after an outage would be lost for as
	// long. Two connections that try so often stay far below what apps.connections.open allows (50
	// a minute).
	socketRetryMost = 10 * time.Second
	// readyGrace is how long we may be without any socket and still call ourselves ready.
	readyGrace = 15 * time.Second
	// handedAtMost is how many envelopes are remembered that could not be acknowledged at once;
	// more are not under way.
	handedAtMost = 100
	// deafMost is how long we may be without any socket and still rely on Slack to bring events
	// again.
	deafMost = 5 * time.Second
)

// receiver takes what Slack sends. None of its methods may block.
type receiver interface {
	// decode reads what an envelope holds. It looks at the payload alone: Slack waits for what
	// comes of it.
	decode(kind string, payload json.RawMessage) envelope
	// connected is told of each connection that stands.
	connected()
	// missed is told of one that stands after a time without any, in which Slack may have had
	// something to say.
	catchUp()
}

// envelope is what an envelope holds, decoded.
type envelope interface {
	// answer is what its acknowledgement says, nil for nothing. An envelope with a final answer needs
	// no more.
	answer() (says any, final bool)
	// room reports whether one more of its kind can be taken.
	room() bool
	// receive takes it; it has been acknowledged.
	receive()
	// asks reports whether its acknowledgement says what has to be found out first. Then ask takes
	// it, and calls acknowledge once that is known.
	asks() bool
	ask(acknowledge func(says any))
	// busy has its person told that there is no room, and reports whether that is possible.
	busy() bool
}

// runEnded is the event by which keep tells the reader that a run of slack-go has ended: what was
// sent before it is of that run.
const runEnded socketmode.EventType = "countersign_run_ended"

// sockets are all connections. They share one app token; Slack sends each envelope to any one of
// them.
type sockets struct {
	connections []*connection
	slack       *slackapi.Client
	host        string // that answers when one is opened
	to          receiver
	retryMost   time.Duration // the longest wait before the next try while Slack cannot be reached
	log         zerolog.Logger

	mu     sync.Mutex
	handed []string // envelopes whose acknowledgements were handed from one connection to another
}

func newSockets(client *slackapi.Client, to receiver, again time.Duration, log zerolog.Logger) *sockets {
	s := &sockets{slack: client, host: client.Host(), to: to, retryMost: again, log: log}
	for i := range socketCount {
		s.connections = append(s.connections, &connection{
			client: client.Socket(socketmode.OptionPingInterval(pingSilence), socketmode.OptionReadLimit(readLimit)),
			log:    log.With().Int("connection", i+1).Logger(), lostAt: time.Now(),
		})
	}
	return s
}

// run keeps the connections until ctx ends. fail is told of an error after which trying again is of
// no use.
func (s *sockets) run(ctx context.Context, fail func(error)) {
	var wg sync.WaitGroup
	for i, l := range s.connections {
		wg.Go(func() { s.keep(ctx, l, fail) })
		wg.Go(func() { s.read(ctx, l, s.connections[(i+1)%len(s.connections)], fail) })
	}
	wg.Wait()
}

// keep runs one connection for as long as ctx lives: whatever ended it, it is opened again, unless
// Slack names a reason for which it will never open (slackapi.AppTokenRefused).
func (s *sockets) keep(ctx context.Context, l *connection, fail func(error)) {
	for {
		if s.slack.SocketAllowed(ctx) != nil {
			return
		}
		run, end := context.WithCancel(ctx)
		l.setEnd(end)
		err := permanentApp(l.client.RunContext(run))
		ended := run.Err() != nil
		end()
		if ctx.Err() != nil {
			return
		}
		if errors.As(err, new(*slackapi.PermanentError)) {
			fail(err)
			return
		}
		select {
		case l.client.Events <- socketmode.Event{Type: runEnded}:
		case <-ctx.Done():
			return
		}
		wait := l.paused()
		if !ended { // slack-go gave up by itself: after a 404, say
			wait = l.unreachable(s.retryMost)
			s.notOpened(l, err, wait)
		}
		if sleep(ctx, wait) != nil {
			return
		}
	}
}

// notOpened says that a connection could not be opened.
func (s *sockets) notOpened(l *connection, err error, wait time.Duration) {
	why := slackapi.PlainError(err)
	l.setTrouble(why)
	l.log.Warn().Str("host", s.host).Str("code", slackapi.Code(err)).Str("error", why).Dur("again_in", wait).
		Msg("connect to Slack")
}

// read takes what comes over one connection. It never waits for work: a reader that does loses the
// connection.
func (s *sockets) read(ctx context.Context, l, other *connection, fail func(error)) {
	for {
		select {
		case <-ctx.Done():
			return
		case evt := <-l.client.Events:
			s.handle(ctx, l, other, evt, fail)
		}
	}
}

func (s *sockets) handle(ctx context.Context, l, other *connection, evt socketmode.Event, fail func(error)) {
	switch evt.Type {
	case socketmode.EventTypeConnected:
		l.setDialled(func(again time.Duration) {
			l.log.Warn().Str("host", s.host).Int("in_a_row", l.shortLived()).Dur("again_in", again).Msg("no hello came over a connection")
		})
	case socketmode.EventTypeHello:
		deaf := s.deafFor()
		l.setUp()
		s.slack.SocketOpened()
		s.to.connected()
		if deaf >= deafMost {
			s.to.catchUp()
		}
	case runEnded:
		l.setDown()
	case socketmode.EventTypeConnecting:
		if wait := l.setDown(); wait > 0 {
			l.endRun(wait) // this reader must not wait: the next socket may stand in a moment
			l.log.Warn().Str("host", s.host).Int("in_a_row", l.shortLived()).Dur("again_in", wait).
				Msg("Slack closed a connection soon after it stood")
		}
	case socketmode.EventTypeConnectionError:
		if e, ok := evt.Data.(*slack.ConnectionErrorEvent); ok {
			s.connectionError(ctx, l, e, fail)
		}
	case socketmode.EventTypeErrorWriteFailed:
		// This socket is gone, and slack-go does not try again. The other one is tried once: were
		// that gone, too, the two would hand the envelope to and fro for as long as nobody has
		// noticed.
		if e, ok := evt.Data.(*socketmode.ErrorWriteFailed); ok && e.Response != nil && s.handOver(e.Response.EnvelopeID) {
			s.acknowledge(ctx, other, e.Response.EnvelopeID, e.Response.Payload)
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

// connectionError takes an error of a try to connect. slack-go waits by itself after one that Slack
// names; else how long is waited is up to us.
func (s *sockets) connectionError(ctx context.Context, l *connection, e *slack.ConnectionErrorEvent, fail func(error)) {
	if errors.Is(e.ErrorObj, context.Canceled) { // we ended the run
		return
	}
	if err := permanentApp(e.ErrorObj); errors.As(err, new(*slackapi.PermanentError)) {
		fail(err)
		return
	}
	wait := e.Backoff
	if hold, throttled := slackapi.RetryAfter(e.ErrorObj); throttled {
		s.slack.SocketThrottled(ctx, hold)
		wait = s.slack.SocketHeld()
		l.endRun(0) // the next run waits for as long as Slack asks, and no longer than is sensible
	} else if slackapi.Code(e.ErrorObj) == "" {
		wait = l.unreachable(s.retryMost)
	}
	s.notOpened(l, e.ErrorObj, wait)
}

// envelope acknowledges first and hands on then, but for what asks something: Slack takes the answer
// to that as the acknowledgement alone, within three seconds. An event for which there is no room is not
// acknowledged: Slack will bring it again. A click or a command would not come again, so its person
// is told; by Slack, which misses the acknowledgement, where even for that there is no room.
func (s *sockets) envelope(ctx context.Context, l *connection, id, kind string, payload json.RawMessage) {
	e := s.to.decode(kind, payload)
	answer, final := e.answer()
	switch {
	case final:
		s.acknowledge(ctx, l, id, answer)
		return
	case e.room() && e.asks():
		e.ask(func(says any) { s.acknowledge(ctx, l, id, says) })
		return
	case e.room():
		s.acknowledge(ctx, l, id, answer)
		e.receive()
		return
	}
	s.log.Warn().Str("kind", kind).Msg("too much to do; not taken")
	if kind != socketmode.RequestTypeEventsAPI && e.busy() {
		s.acknowledge(ctx, l, id, nil)
	}
}

// handOver reports whether an acknowledgement that could not be written may be tried over another
// connection: once. The ids of the latest are remembered.
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

// unread takes an envelope that slack-go could not read: it must be acknowledged all the same, and
// may be readable to us.
func (s *sockets) unread(ctx context.Context, l *connection, raw json.RawMessage) {
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

func (s *sockets) acknowledge(ctx context.Context, l *connection, id string, answer any) {
	ctx, cancel := context.WithTimeoutCause(ctx, ackTimeout, errors.New("the acknowledgement could not be handed over"))
	defer cancel()
	if err := l.client.AckCtx(ctx, id, answer); err != nil {
		l.log.Warn().Str("envelope", id).Err(err).Msg("acknowledge")
	}
}

// deafFor is how long we have been without any connection; 0 while one stands, deafGap at least
// before the first.
func (s *sockets) deafFor() time.Duration {
	longest := time.Duration(math.MaxInt64)
	for _, l := range s.connections {
		l.mu.Lock()
		up, lost, first := l.up, l.lostAt, l.openedAt.IsZero()
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

// readyNow is nil when at least one connection stands, or stood a moment ago, and Slack leaves it standing.
func (s *sockets) readyNow() error {
	longest := time.Duration(math.MaxInt64)
	var trouble string
	graced := false
	for _, l := range s.connections {
		l.mu.Lock()
		up, lost, why, unwanted, wasUp := l.up, l.lostAt, l.trouble, l.unwanted(), !l.openedAt.IsZero()
		l.mu.Unlock()
		if up && !unwanted {
			return nil
		}
		without := time.Since(lost)
		graced = graced || wasUp && !unwanted && without < readyGrace
		longest = min(longest, without)
		if why != "" {
			trouble = ": " + why
		}
	}
	if graced {
		return nil
	}
	return fmt.Errorf("no connection to Slack (%s) for %s%s", s.host, longest.Round(time.Second), trouble)
}
