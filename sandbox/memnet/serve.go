package memnet

import (
	"net/http"
	"time"
)

// headerTimeout ends connections on which no request is sent.
const headerTimeout = time.Minute

// Server is an HTTP server in memory and the listener that it serves.
type Server struct {
	*Listener

	server *http.Server
	served chan struct{}
}

// Serve serves the handler until Close. Inside a bubble the handler must belong to the bubble, too.
func Serve(handler http.Handler) *Server {
	s := &Server{
		Listener: Listen(), served: make(chan struct{}),
		server: &http.Server{Handler: handler, ReadHeaderTimeout: headerTimeout},
	}
	go func() {
		defer close(s.served)
		_ = s.server.Serve(s.Listener) // http.ErrServerClosed: nothing else ends it
	}()
	return s
}

// Transport returns a new transport whose every request reaches the server, whatever its host. Its
// idle connections are to be closed before the bubble ends.
func (s *Server) Transport() *http.Transport {
	return &http.Transport{DialContext: s.DialContext}
}

// Close stops serving, ends connections, hijacked ones too, and returns when the listener is no
// longer served.
func (s *Server) Close() error {
	err := s.server.Close()
	<-s.served
	s.Cut() // hijacked ones: the server does not know them any more
	return err
}
