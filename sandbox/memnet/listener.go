package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener is a net.Listener whose connections are in memory. Its methods may be called from any
// goroutine.
type Listener struct {
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once

	mu      sync.Mutex
	refused error
	open    map[*conn]struct{} // the ends that DialContext returned
}

// Listen returns a listener that nobody has dialled yet.
func Listen() *Listener {
	return &Listener{
		incoming: make(chan net.Conn), closed: make(chan struct{}), open: make(map[*conn]struct{}),
	}
}

// Accept waits for a dial and returns the server's end of it, or net.ErrClosed once the listener is
// closed.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.incoming:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept and every dial, now and later. Like that of a TCP listener it leaves alone the
// connections that were accepted. Calling it again does nothing.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns an address of network "memory".
func (l *Listener) Addr() net.Addr { return addr{} }

// DialContext connects to the listener, whatever address is asked for, and waits until the
// connection is accepted. It has the form that http.Transport and websocket.Dialer want. It fails
// with the error of Refuse, with the context's, or with net.ErrClosed.
func (l *Listener) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	l.mu.Lock()
	refused := l.refused
	l.mu.Unlock()
	if refused != nil {
		return nil, refused
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	client, server := net.Pipe()
	c := &conn{Conn: client, of: l}
	l.mu.Lock()
	l.open[c] = struct{}{} // before it is accepted, so that no cut misses it
	l.mu.Unlock()
	select {
	case l.incoming <- server:
		return c, nil
	case <-ctx.Done():
		_ = c.Close() // a pipe's never fails
		return nil, ctx.Err()
	case <-l.closed:
		_ = c.Close()
		return nil, net.ErrClosed
	}
}

// Refuse fails every new dial with err until it is called with nil. Connections that are open stay.
func (l *Listener) Refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
}

// Cut breaks every open connection without a goodbye: the server reads io.EOF and writes fail at
// both ends. It returns how many there were.
func (l *Listener) Cut() int {
	l.mu.Lock()
	open := make([]*conn, 0, len(l.open))
	for c := range l.open {
		open = append(open, c)
	}
	l.mu.Unlock()
	for _, c := range open {
		_ = c.Close()
	}
	return len(open)
}

// conn is the client's end, which its listener can cut.
type conn struct {
	net.Conn
	of *Listener
}

func (c *conn) Close() error {
	c.of.mu.Lock()
	delete(c.of.open, c)
	c.of.mu.Unlock()
	return c.Conn.Close()
}

type addr struct{}

func (addr) Network() string { return "memory" }
func (addr) String() string  { return "memory" }
