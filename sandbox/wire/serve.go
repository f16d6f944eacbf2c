package wire

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// maxBody bounds what is read of a request.
const maxBody = 1 << 20

// Faults are what goes wrong, asked for each request. The zero value is a healthy server. The
// functions may be called at the same time, with a copy of the request whose body is unread.
type Faults struct {
	// Latency is how long a request is on its way. A client that leaves in the meantime has not
	// been heard: the call has no effect.
	Latency func(*http.Request) time.Duration
	// Before comes between the client and the effect: its fault replaces the call, which has no
	// effect.
	Before func(*http.Request) *Fault
	// After comes between the effect and the client: the call has been carried out, or refused, and
	// its answer is replaced. It is not asked where Before gave an answer.
	After func(*http.Request) *Fault
}

// Answer is what goes back.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte // nil: none
}

// Server is a server as its requests see it. All functions are required.
type Server struct {
	Faults  func() Faults                                // that hold now
	Answer  func(r *http.Request, body []byte) Answer    // carries the request out
	Failure func(r *http.Request, status int) Answer     // how the platform writes a status that a fault gives
	Done    func(r *http.Request, status int, lost bool) // after the outcome is certain, before the client sees it
}

// ServeHTTP takes a request through its stages. A dropped connection is a panic with
// http.ErrAbortHandler, which net/http understands.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	// The body first: until it is read, net/http does not notice that a client has left.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	faults := s.Faults()
	if faults.Latency != nil && !Wait(r.Context(), faults.Latency(again(r, body))) {
		s.lose(r)
	}
	if before := ask(faults.Before, r, body); before != nil {
		if !before.Wait(r.Context()) || before.Drop {
			s.lose(r)
		}
		if before.Status != 0 {
			s.send(w, r, s.faulty(r, before))
			return
		}
	}
	given := s.Answer(again(r, body), body)
	if after := ask(faults.After, r, body); after != nil {
		if !after.Wait(r.Context()) || after.Drop {
			s.lose(r)
		}
		if after.Half {
			s.half(w, r, given)
		}
		if after.Status != 0 {
			given = s.faulty(r, after)
		}
	}
	s.send(w, r, given)
}

func ask(fault func(*http.Request) *Fault, r *http.Request, body []byte) *Fault {
	if fault == nil {
		return nil
	}
	return fault(again(r, body))
}

// again returns the request with its body unread.
func again(r *http.Request, body []byte) *http.Request {
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return copied
}

func (s *Server) faulty(r *http.Request, fault *Fault) Answer {
	given := s.Failure(r, fault.Status)
	if given.Header == nil {
		given.Header = make(http.Header)
	}
	maps.Copy(given.Header, fault.Header)
	if fault.Body != "" {
		given.Body = []byte(fault.Body)
	}
	return given
}

func (s *Server) send(w http.ResponseWriter, r *http.Request, given Answer) {
	s.Done(r, given.Status, false)
	maps.Copy(w.Header(), given.Header)
	w.WriteHeader(given.Status)
	_, _ = w.Write(given.Body) // the client may have left; there is nobody to tell
}

// lose cuts the connection instead of answering. It does not return.
func (s *Server) lose(r *http.Request) {
	s.Done(r, 0, true)
	panic(http.ErrAbortHandler)
}

// half sends the beginning of an answer and cuts the connection. It does not return.
func (s *Server) half(w http.ResponseWriter, r *http.Request, given Answer) {
	if len(given.Body) > 1 {
		maps.Copy(w.Header(), given.Header)
		w.Header().Set("Content-Length", strconv.Itoa(len(given.Body)))
		w.WriteHeader(given.Status)
		_, _ = w.Write(given.Body[:len(given.Body)/2])
		_ = http.NewResponseController(w).Flush() // or there is no beginning; the connection is cut all the same
	}
	s.lose(r)
}
