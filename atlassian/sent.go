package atlassian

import (
	"context"
	"errors"
	"net"
	"net/http/httptrace"
	"sync/atomic"
)

// tracer watches how far a request gets, to tell a write that surely did not leave from one that
// may have.
type tracer struct {
	asked   atomic.Bool // for a connection: the transport reports what it does
	got     atomic.Bool // a connection
	written atomic.Bool // the first header was made ready: from here on bytes may be on their way
}

func newTracer() *tracer { return &tracer{} }

func (t *tracer) attach(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn: func(string) { t.asked.Store(true) },
		GotConn: func(httptrace.GotConnInfo) { t.got.Store(true) },
		// Called before anything is flushed, over HTTP/1 and HTTP/2 alike; WroteHeaders may come
		// after the bytes.
		WroteHeaderField: func(string, []string) { t.written.Store(true) },
	})
}

// neverLeft reports whether no byte of the request can have gone out. It wants proof: a transport
// that reports nothing proves nothing. If the context ended after there was a connection, the
// transport may still be writing.
func (t *tracer) neverLeft(err error, contextEnded bool) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return true
	}
	if !t.asked.Load() || t.written.Load() {
		return false
	}
	return !contextEnded || !t.got.Load()
}
