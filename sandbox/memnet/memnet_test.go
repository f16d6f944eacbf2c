package memnet_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/memnet"
)

func get(t *testing.T, client *http.Client) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://any.test/", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return string(body), err
}

func TestServe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		s := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			time.Sleep(time.Hour) // fake time
			_, _ = io.WriteString(w, "late")
		}))
		transport := s.Transport()
		body, err := get(t, &http.Client{Transport: transport})
		if body != "late" || err != nil {
			t.Errorf("got %q, %v", body, err)
		}
		if got := time.Since(began); got != time.Hour {
			t.Errorf("it took %v of fake time, want 1h", got)
		}
		transport.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if _, err := s.DialContext(t.Context(), "tcp", "any.test:80"); !errors.Is(err, net.ErrClosed) {
			t.Errorf("dialled a closed server: %v", err)
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		defer func() { _ = l.Close() }()
		accepted := make(chan net.Conn, 2)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		var ends []net.Conn
		for range 2 {
			c, err := l.DialContext(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			ends = append(ends, c)
		}
		first, second := <-accepted, <-accepted
		if err := ends[0].Close(); err != nil {
			t.Error(err)
		}
		if n := l.Cut(); n != 1 {
			t.Errorf("cut %d, want the one that was open", n)
		}
		for _, c := range []net.Conn{first, second} {
			if _, err := c.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("the server reads %v, want EOF", err)
			}
			if _, err := c.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
				t.Errorf("the server writes %v, want a closed pipe", err)
			}
		}
		if _, err := ends[1].Read(make([]byte, 1)); err == nil {
			t.Error("the client still reads")
		}
		if n := l.Cut(); n != 0 {
			t.Errorf("cut %d more", n)
		}
	})
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := memnet.Serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "here")
		}))
		defer func() { _ = s.Close() }()
		transport := s.Transport()
		defer transport.CloseIdleConnections()
		transport.DisableKeepAlives = true
		unreachable := errors.New("no route to host")
		s.Refuse(unreachable)
		if _, err := get(t, &http.Client{Transport: transport}); !errors.Is(err, unreachable) {
			t.Errorf("got %v, want the refusal", err)
		}
		s.Refuse(nil)
		if body, err := get(t, &http.Client{Transport: transport}); body != "here" || err != nil {
			t.Errorf("got %q, %v after the refusal ended", body, err)
		}
	})
}

// A dial that nobody accepts ends with its context or with the listener.
func TestDialEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := memnet.Listen()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.DialContext(ctx, "tcp", ""); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the context's error", err)
		}
		go func() {
			time.Sleep(time.Second)
			_ = l.Close()
		}()
		if _, err := l.DialContext(t.Context(), "tcp", ""); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v, want a closed listener", err)
		}
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("accept says %v, want a closed listener", err)
		}
		if n := l.Cut(); n != 0 {
			t.Errorf("%d connections are left of dials that failed", n)
		}
	})
}
