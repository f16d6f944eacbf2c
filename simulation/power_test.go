package simulation

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"

	"modernc.org/sqlite"
)

// errDeath is what a program whose power is gone still sees, were there anybody to see it.
var errDeath = errors.New("the power is gone")

// power is what one scenario of the service runs on. It fails after a number of effects: from then on nothing is written and
// nothing is sent, as when a machine dies between two lines. An effect is a transaction that commits, a request to Slack
// or Atlassian, the answer to one, or what is written on a socket.
type power struct {
	died chan struct{} // closed when it fails

	mu   sync.Mutex
	left int // effects until it fails; negative = never
	dead bool
}

func newPower() *power { return &power{died: make(chan struct{}), left: -1} }

// use is called before and after every effect, so that power can fail on both sides of it.
func (p *power) use() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.left == 0 && !p.dead {
		p.dead = true
		close(p.died)
	}
	p.left--
	if p.dead {
		return errDeath
	}
	return nil
}

func (p *power) failAfter(effects int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = effects
}

// fail is a power cut now.
func (p *power) fail() {
	p.failAfter(0)
	_ = p.use()
}

func (p *power) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// mains says which database runs on which power. SQLite's own hook asks it at every commit: a transaction of a program
// that is dead is rolled back, whatever part of the program wrote it.
var mains = struct {
	sync.Mutex
	hook   sync.Once
	power  map[string]*power                    // by path
	writes map[string]sqlite.ExecQuerierContext // the connection that writes
}{power: map[string]*power{}, writes: map[string]sqlite.ExecQuerierContext{}}

// plugIn puts the connections that will be opened to the database at path on that power; nil takes them off.
func plugIn(path string, p *power) {
	mains.hook.Do(func() { sqlite.RegisterConnectionHook(onConnect) })
	mains.Lock()
	defer mains.Unlock()
	delete(mains.power, path)
	delete(mains.writes, path)
	if p != nil {
		mains.power[path] = p
	}
}

func onConnect(conn sqlite.ExecQuerierContext, dsn string) error {
	path, settings, _ := strings.Cut(strings.TrimPrefix(dsn, "file:"), "?")
	mains.Lock()
	p := mains.power[path]
	mains.Unlock()
	if p == nil || !strings.Contains(settings, "_txlock=immediate") {
		return nil
	}
	// The disk of a simulation does not lose what it has: power fails by the hook alone. And nobody waits for a lock: others
	// wait meanwhile for a mutex, with which fake time stands still.
	_, err := conn.ExecContext(context.Background(), "PRAGMA synchronous = OFF; PRAGMA busy_timeout = 0", nil)
	if err != nil {
		return err
	}
	mains.Lock()
	mains.writes[path] = conn
	mains.Unlock()
	hooks, ok := conn.(sqlite.HookRegisterer)
	if !ok {
		return errors.New("the driver has no hooks")
	}
	hooks.RegisterCommitHook(func() int32 {
		if p.use() != nil {
			return 1
		}
		return 0
	})
	return nil
}

// The most pages that a database may have: as many as it has, or more than there are.
const (
	noMorePages = 1
	allPages    = 1 << 30
)

// quota bounds the pages of the database at path, as a disk does that is full. Nothing may be writing to it.
func quota(path string, pages int) error {
	mains.Lock()
	conn := mains.writes[path]
	mains.Unlock()
	if conn == nil {
		return errors.New("nobody has the database open")
	}
	_, err := conn.ExecContext(context.Background(), fmt.Sprintf("PRAGMA max_page_count = %d", pages), nil)
	return err
}

// hold takes the lock of the database at path, as another program does that does not give it back.
func hold(path string) (release func() error, err error) {
	other, err := sql.Open("sqlite", "file:"+path)
	if err != nil {
		return nil, err
	}
	other.SetMaxOpenConns(1)
	if _, err := other.ExecContext(context.Background(), "PRAGMA busy_timeout = 1000; BEGIN IMMEDIATE"); err != nil {
		return nil, errors.Join(err, other.Close())
	}
	return func() error {
		_, err := other.ExecContext(context.Background(), "ROLLBACK")
		return errors.Join(err, other.Close())
	}, nil
}

// mortal is a transport as a program sees it whose power fails.
type mortal struct {
	http.RoundTripper
	*power
}

func (m mortal) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := m.use(); err != nil {
		return nil, err
	}
	answer, err := m.RoundTripper.RoundTrip(r)
	if gone := m.use(); gone != nil {
		if err == nil {
			_ = answer.Body.Close()
		}
		return nil, gone
	}
	return answer, err
}

// mortalConn is a socket of such a program.
type mortalConn struct {
	net.Conn
	*power
}

func (m mortalConn) Write(p []byte) (int, error) {
	if err := m.use(); err != nil {
		_ = m.Close() // nobody holds the other end of it any more
		return 0, err
	}
	return m.Conn.Write(p)
}
