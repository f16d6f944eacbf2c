package wire

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// errCut is what a client sees of a connection that was cut before the answer; it wraps
// io.ErrUnexpectedEOF.
var errCut = errors.Join(errors.New("connection cut"), io.ErrUnexpectedEOF)

// Transport reaches the handler without a socket, so that a client can be tested in a
// testing/synctest bubble. As over a socket, the handler goes on when the client's context ends,
// and notices that in its request's context; a dropped connection is an error that wraps
// io.ErrUnexpectedEOF.
func Transport(handler http.Handler) http.RoundTripper { return transport{handler} }

type transport struct{ handler http.Handler }

func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close()
	}
	if err := context.Cause(r.Context()); err != nil {
		return nil, err
	}
	arrived := r.Clone(r.Context())
	arrived.Body = io.NopCloser(bytes.NewReader(body))
	arrived.RequestURI = r.URL.RequestURI()
	if arrived.Host == "" {
		arrived.Host = r.URL.Host
	}
	answered := make(chan *response, 1)
	go func() {
		w := &response{header: make(http.Header)}
		defer func() {
			switch reason := recover(); reason {
			case nil:
			case http.ErrAbortHandler:
				w.cut = true
			default:
				panic(reason)
			}
			answered <- w
		}()
		t.handler.ServeHTTP(w, arrived)
	}()
	select {
	case w := <-answered:
		if w.cut && w.status == 0 {
			return nil, errCut
		}
		return w.result(r), nil
	case <-r.Context().Done():
		return nil, context.Cause(r.Context())
	}
}

// response collects what the handler writes.
type response struct {
	header http.Header
	status int
	body   bytes.Buffer
	cut    bool // the handler aborted, before or after it had begun to answer
}

func (w *response) Header() http.Header { return w.header }

func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *response) Write(text []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	return w.body.Write(text)
}

func (w *response) result(r *http.Request) *http.Response {
	w.WriteHeader(http.StatusOK)
	body := io.Reader(&w.body)
	if w.cut {
		body = io.MultiReader(body, failing{})
	}
	return &http.Response{
		Status:        fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)),
		StatusCode:    w.status,
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        w.header.Clone(),
		Body:          io.NopCloser(body),
		ContentLength: -1,
		Request:       r,
	}
}

// failing is the place where a body was cut.
type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }
