package service

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/countersign/countersign/settings"
)

// startTestStatus starts the status server on a database path and stops it with the test.
func startTestStatus(t *testing.T, cfg *settings.Config, ready func() error) *statusServer {
	t.Helper()
	s, err := startStatus(t.Context(), Network{}, cfg, ready)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStatus(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bot.db")
	var reason atomic.Pointer[error]
	ready := func() error {
		if err := reason.Load(); err != nil {
			return *err
		}
		return nil
	}
	cfg := &settings.Config{Store: settings.Store{Path: path}, HTTP: settings.HTTP{Listen: "127.0.0.1:0"}}
	s := startTestStatus(t, cfg, ready)
	get := func(page string) (int, string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.addr.String()+page, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(text)
	}

	if err := AskReady(t.Context(), path); err != nil {
		t.Errorf("ready bot: %v", err)
	}
	if code, text := get("/readyz"); code != http.StatusOK || text != "ready\n" {
		t.Errorf("/readyz of a ready bot: %d %q", code, text)
	}
	refused := errors.New("slack has not said hello")
	reason.Store(&refused)
	if err := AskReady(t.Context(), path); err == nil || err.Error() != "not ready: slack has not said hello" {
		t.Errorf("bot that is not ready: %v", err)
	}
	if code, text := get("/readyz"); code != http.StatusServiceUnavailable || text != "slack has not said hello\n" {
		t.Errorf("/readyz of a bot that is not ready: %d %q", code, text)
	}
	if code, text := get("/healthz"); code != http.StatusOK || text != "alive\n" {
		t.Errorf("/healthz: %d %q", code, text)
	}
	if code, text := get("/metrics"); code != http.StatusNotImplemented || text != "/metrics is not supported yet\n" {
		t.Errorf("/metrics: %d %q", code, text)
	}
	if info, err := os.Stat(path + ".sock"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is not the owner's alone: %v %v", info, err)
	}
}

func TestStatusAfterACrash(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bot.db")
	if err := os.WriteFile(path+".sock", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	startTestStatus(t, &settings.Config{Store: settings.Store{Path: path}}, func() error { return nil })
	if err := AskReady(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestStatusOnALongPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), strings.Repeat("a-long-folder/", 10), "bot.db")
	if got := socketPath(path); len(got) > longestSocketPath || got == socketPath(path+"2") {
		t.Fatalf("socket %s is too long, or shared with another database", got)
	}
	startTestStatus(t, &settings.Config{Store: settings.Store{Path: path}}, func() error { return nil })
	if err := AskReady(t.Context(), path); err != nil {
		t.Error(err)
	}
}

func TestHealthWhenNothingRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bot.db")
	if err := AskReady(t.Context(), path); err == nil || !strings.HasPrefix(err.Error(), "not running on "+path) {
		t.Errorf("nothing runs: %v", err)
	}
}

func TestHealthOfABotThatHangs(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "bot.db")
	asked, release := make(chan struct{}), make(chan struct{})
	startTestStatus(t, &settings.Config{Store: settings.Store{Path: path}}, func() error {
		close(asked)
		<-release
		return nil
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-asked
		cancel(errors.New("no answer in time"))
	}()
	if err := AskReady(ctx, path); err == nil || err.Error() != "not ready: no answer in time" {
		t.Errorf("bot that hangs: %v", err)
	}
	close(release)
}
