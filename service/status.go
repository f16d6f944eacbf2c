package service

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/countersign/countersign/settings"
)

const (
	// longestSocketPath is what every system takes: sun_path has 104 bytes with its zero on macOS and BSD, 108 on Linux.
	longestSocketPath = 103

	askTimeout    = 3 * time.Second // for health to get its answer
	headerTimeout = 5 * time.Second // for a client of the status server to send its request
	longestAnswer = 4 << 10         // of what health reads of an answer
)

// statusServer answers whether the bot lives and is ready: always on a socket beside the database, for `countersign
// health`, and on http.listen where that is set, for whatever watches the machine.
type statusServer struct {
	server *http.Server
	addr   net.Addr // of http.listen, nil without
}

// startStatus starts the status server, which goes on until Stop. /healthz answers 200 while the process lives; /readyz
// answers 200 when ready returns nil, else 503 with the reason; /metrics says that it is not supported yet, with 501. The
// caller holds the lock on the database, so that a socket left there by a crash may be removed.
func startStatus(ctx context.Context, on Network, cfg *settings.Config, ready func() error) (*statusServer, error) {
	path := socketPath(cfg.Store.Path)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("remove the old status socket: %w", err)
	}
	socket, err := on.listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("open the status socket: %w", err)
	}
	listeners := []net.Listener{socket}
	closeAll := func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}
	if err := os.Chmod(path, 0o600); err != nil {
		closeAll()
		return nil, fmt.Errorf("open the status socket: %w", err)
	}
	s := &statusServer{server: &http.Server{Handler: statusHandler(ready), ReadHeaderTimeout: headerTimeout}}
	if cfg.HTTP.Listen != "" {
		tcp, err := on.listen(ctx, "tcp", cfg.HTTP.Listen)
		if err != nil {
			closeAll()
			return nil, fmt.Errorf("listen on http.listen: %w", err)
		}
		s.addr = tcp.Addr()
		listeners = append(listeners, tcp)
	}
	for _, l := range listeners {
		// Serve ends with the listener, and Stop closes that; before it accept only fails for a moment and is repeated.
		go func() { _ = s.server.Serve(l) }()
	}
	return s, nil
}

// Stop closes the listeners and waits for answers under way until the context ends.
func (s *statusServer) Stop(ctx context.Context) error {
	if err := s.server.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop the status server: %w", errors.Join(err, s.server.Close()))
	}
	return nil
}

func statusHandler(ready func() error) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "alive\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "/metrics is not supported yet", http.StatusNotImplemented)
	})
	return mux
}

// socketPath is the status socket of the database at path: beside it, or in the system's temporary folder, under a name
// made of the path, where that is too long for a socket.
func socketPath(path string) string {
	if beside := path + ".sock"; len(beside) <= longestSocketPath {
		return beside
	}
	if absolute, err := filepath.Abs(path); err == nil {
		path = absolute
	}
	sum := sha256.Sum256([]byte(path))
	return filepath.Join(os.TempDir(), fmt.Sprintf("countersign-%x.sock", sum[:8]))
}

// AskReady asks the bot that runs on the database at path whether it is ready; the error says why not.
func AskReady(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, askTimeout, fmt.Errorf("no answer within %s", askTimeout))
	defer cancel()
	socket := socketPath(path)
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://countersign/readyz", http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if ctx.Err() != nil {
		return fmt.Errorf("not ready: %w", context.Cause(ctx))
	}
	if err != nil {
		return fmt.Errorf("not running on %s: nothing answers at %s", path, socket)
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return fmt.Errorf("not ready: read the answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", strings.TrimSpace(string(answer)))
	}
	return nil
}
