package bot

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/bot/slackapi"
)

// connection is one of the connections.
type connection struct {
	client *socketmode.Client
	log    zerolog.Logger

	mu       sync.Mutex
	up       bool
	dialled  *time.Timer // set while a socket stands whose hello has not come
	openedAt time.Time   // of the latest socket
	lostAt   time.Time   // when it was last without a socket
	short    int         // sockets in a row that lived too short
	trouble  string      // what went wrong last, "" once a socket has lived

	end   func()        // ends the present run of slack-go
	tries int           // in a row that reached nobody
	pause time.Duration // before the next one
}

// setEnd notes how to end the run of slack-go that begins now.
func (l *connection) setEnd(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = end
}

// unreachable ends slack-go's own waiting after a try that reached nobody, and gives the wait
// before the next one: twice as long each time, up to longest.
func (l *connection) unreachable(longest time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = min(shortWait<<min(l.tries, doublings), longest)
	l.tries++
	if !l.up {
		l.end()
	}
	return l.pause
}

// endRun ends the present run of slack-go; the next one begins after the pause.
func (l *connection) endRun(pause time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pause = pause
	l.end()
}

func (l *connection) paused() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pause
}

func (l *connection) setTrouble(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = why
}

// setDialled notes that a socket stands. Slack begins with a hello; where none comes, the socket is given
// up, and done is called.
func (l *connection) setDialled(done func(again time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var waits *time.Timer
	waits = time.AfterFunc(helloMost, func() {
		l.mu.Lock()
		if l.dialled != waits {
			l.mu.Unlock()
			return
		}
		l.dialled = nil
		again := l.livedShort(noHello)
		l.pause = again
		l.end()
		l.mu.Unlock()
		done(again)
	})
	l.dialled = waits
}

func (l *connection) setUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.undialled()
	l.up, l.openedAt, l.tries = true, time.Now(), 0
	if l.short < shortLives {
		l.trouble = "" // it was opened
	}
}

// undialled ends the wait for a hello, and reports whether there was one. The caller holds l.mu.
func (l *connection) undialled() bool {
	if l.dialled == nil {
		return false
	}
	l.dialled.Stop()
	l.dialled = nil
	return true
}

// livedShort counts a socket that lived too short, and says how long to wait before the next. The caller
// holds l.mu.
func (l *connection) livedShort(why string) time.Duration {
	if l.short++; l.short >= shortLives {
		l.trouble = why
	}
	return min(shortWait<<min(l.short-1, doublings), shortWaitMax)
}

// setDown notes that there is no socket, and says how long to wait before the next one is opened:
// nothing, unless the sockets before it lived too short.
func (l *connection) setDown() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.undialled() {
		return l.livedShort(closedAtOnce)
	}
	if !l.up {
		return 0
	}
	l.up, l.lostAt = false, time.Now()
	if time.Since(l.openedAt) >= shortLife {
		l.short, l.trouble = 0, ""
		return 0
	}
	return l.livedShort(closedAtOnce)
}

// unwanted reports whether Slack has closed one socket after another soon after it stood, so that neither one
// that stands nor one that stood a moment ago says anything. The caller holds l.mu.
func (l *connection) unwanted() bool {
	return l.short >= shortLives && (!l.up || time.Since(l.openedAt) < shortLife)
}

// closedAtOnce is what may be behind it that no socket lives.
const closedAtOnce = "Slack closes each connection soon after it stands; is Socket Mode switched off in the app's settings, " +
	"or does something else use its app token?"

// noHello is said of sockets on which Slack says nothing.
const noHello = "connections to Slack stand and no hello comes over them; does a proxy hold them back?"

// shortLived is how many sockets in a row lived too short.
func (l *connection) shortLived() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.short
}

// permanentApp makes a *PermanentError of an answer of apps.connections.open after which trying
// again is of no use. slack-go gives up by itself for some of them, is deaf for ever with the
// others, and gives up after a 404, which a gateway says in passing.
func permanentApp(err error) error {
	if err == nil {
		return errors.New("connect to Slack: the connection ended")
	}
	if code := slackapi.Code(err); slackapi.AppTokenRefused(code) {
		return &slackapi.PermanentError{Token: "app", Code: code}
	}
	return fmt.Errorf("connect to Slack: %w", err)
}
