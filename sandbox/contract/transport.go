package contract

import (
	"bytes"
	"io"
	"net/http"
)

// Transport checks each exchange that passes through it and reports what does not fit. Requests and
// answers pass unchanged; a call without an answer is checked for its request. report may be called
// from several goroutines.
//
// A body that can be sent again stays so, and one that cannot does not become so: GetBody is left
// alone.
func Transport(base http.RoundTripper, spec *Spec, report func(string)) http.RoundTripper {
	return &transport{base: base, spec: spec, report: report}
}

type transport struct {
	base   http.RoundTripper
	spec   *Spec
	report func(string)
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	sent, err := drain(r.Body)
	if err != nil {
		return nil, err
	}
	passed := r.Clone(r.Context())
	if r.Body != nil {
		passed.Body = io.NopCloser(bytes.NewReader(sent))
	}
	response, err := t.base.RoundTrip(passed)
	if err != nil {
		t.tell(t.spec.CheckRequest(r, sent))
		return nil, err
	}
	body, err := drain(response.Body)
	if err != nil { // cut in the middle: there is no whole answer to check, and the client shall meet the same error
		t.tell(t.spec.CheckRequest(r, sent))
		response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return response, nil //nolint:nilerr // the error is in the body, where the client meets it
	}
	t.tell(t.spec.Check(r, sent, response.StatusCode, response.Header, body))
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

func (t *transport) tell(problems []string) {
	for _, each := range problems {
		t.report(each)
	}
}

// Wrap checks each exchange of a handler and reports what does not fit. A handler that aborts is
// checked for its request.
func (s *Spec) Wrap(handler http.Handler, report func(string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, err := drain(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(sent))
		recorded := &recorder{ResponseWriter: w}
		defer func() {
			for _, each := range s.Check(r, sent, recorded.status, w.Header(), recorded.body.Bytes()) {
				report(each)
			}
		}()
		handler.ServeHTTP(recorded, r)
		if recorded.status == 0 {
			recorded.status = http.StatusOK
		}
	})
}

// recorder keeps a copy of what a handler writes.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(text []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	r.body.Write(text)
	return r.ResponseWriter.Write(text)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// drain reads a body to its end and closes it; what was read before an error is returned with it.
func drain(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	read, err := io.ReadAll(body)
	_ = body.Close()
	return read, err
}

// failing is a reader that only fails.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
