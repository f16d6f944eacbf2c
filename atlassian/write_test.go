package atlassian

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestWrites(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil, person(1))
	for _, err := range []error{
		w.client.SetEmail(t.Context(), personID(1), "new@example.com"),
		w.client.Disable(t.Context(), personID(1), "left"),
		w.client.Enable(t.Context(), personID(1)),
		w.client.Disable(t.Context(), personID(1), ""),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	want := []organisation.Effect{
		{AccountID: personID(1), Kind: "email", From: "Person.1@example.com", To: "new@example.com"},
		{AccountID: personID(1), Kind: "disable", From: "active", To: "inactive", Message: "left"},
		{AccountID: personID(1), Kind: "enable", From: "inactive", To: "active"},
		{AccountID: personID(1), Kind: "disable", From: "active", To: "inactive"},
	}
	if diff := cmp.Diff(want, w.Effects(), cmpopts.IgnoreFields(organisation.Effect{}, "At")); diff != "" {
		t.Errorf("effects (-want +got)\n%s", diff)
	}
}

// Whatever happens to a write, it goes out once and its error says whether it may have been done.
func TestWriteOnce(t *testing.T) {
	t.Parallel()
	first := func(f organisation.Fault) func(*http.Request) *organisation.Fault {
		return organisation.On(http.MethodPut, "/manage/email", 0, f)
	}
	for name, test := range map[string]struct {
		faults  organisation.Faults
		want    Kind
		effects int
	}{
		"cut after the effect":  {organisation.Faults{After: first(organisation.Drop())}, KindUnknownOutcome, 1},
		"cut before the effect": {organisation.Faults{Before: first(organisation.Drop())}, KindUnknownOutcome, 0},
		"500 after the effect":  {organisation.Faults{After: first(organisation.Broken(500))}, KindUnknownOutcome, 1},
		"503 before the effect": {organisation.Faults{Before: first(organisation.Broken(503))}, KindUnknownOutcome, 0},
		"504 after the effect":  {organisation.Faults{After: first(organisation.Broken(504))}, KindUnknownOutcome, 1},
		"429":                   {organisation.Faults{Before: first(organisation.Throttled(time.Minute))}, KindThrottled, 0},
		"401":                   {organisation.Faults{Before: first(organisation.Unauthorized())}, KindKeyRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSockets(t, nil, person(1))
			// The connection has been used before: on such a one net/http repeats what it holds for repeatable.
			if _, err := w.client.Profile(t.Context(), personID(1)); err != nil {
				t.Fatal(err)
			}
			w.SetFaults(test.faults)
			err := w.client.SetEmail(t.Context(), personID(1), "new@example.com")
			if got := KindOf(err); got != test.want {
				t.Errorf("kind %q, want %q (%v)", got, test.want, err)
			}
			if got := len(w.Effects()); got != test.effects {
				t.Errorf("%d effects, want %d", got, test.effects)
			}
			if got := len(w.Calls()); got != 2 {
				t.Errorf("%d calls, want the read and one write", got)
			}
		})
	}
}

// A kept connection that the server closes without a word after the effect: the request must not be sent again, over
// HTTP/1 and HTTP/2 alike.
func TestWriteIsNotReplayed(t *testing.T) {
	t.Parallel()
	for _, two := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1", true: "HTTP/2"}[two]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var puts, others atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPut {
					others.Add(1)
					_, _ = io.WriteString(rw, `{"account":{"account_id":"a"}}`)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				puts.Add(1)
				panic(http.ErrAbortHandler)
			}))
			server.EnableHTTP2 = two
			server.StartTLS()
			t.Cleanup(server.Close)
			c, err := New(Config{
				BaseURL: server.URL, OrgID: testOrg, Key: func() string { return testKey }, HTTP: server.Client(), Pace: fast,
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if _, err := c.Profile(t.Context(), "a"); err != nil {
					t.Fatal(err)
				}
			}
			err = c.SetEmail(t.Context(), "a", "new@example.com")
			if got := KindOf(err); got != KindUnknownOutcome {
				t.Errorf("kind %q, want %q (%v)", got, KindUnknownOutcome, err)
			}
			if puts.Load() != 1 || others.Load() != 3 {
				t.Errorf("%d writes and %d reads arrived, want 1 and 3", puts.Load(), others.Load())
			}
		})
	}
}

func TestWriteNotSent(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	for name, base := range map[string]string{
		"nobody listens": closed.URL,
		"no TLS there":   strings.Replace(plain.URL, "http:", "https:", 1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := New(Config{BaseURL: base, OrgID: testOrg, Key: func() string { return testKey }, Pace: fast})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if err := c.Enable(t.Context(), "a"); KindOf(err) != KindNotSent {
				t.Errorf("kind %q, want %q (%v)", KindOf(err), KindNotSent, err)
			}
		})
	}
	t.Run("certificate of others", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		c, err := New(Config{
			BaseURL: server.URL, OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
			HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if err := c.Enable(t.Context(), "a"); KindOf(err) != KindNotSent {
			t.Errorf("kind %q, want %q (%v)", KindOf(err), KindNotSent, err)
		}
	})
	t.Run("context ended at the gate", func(t *testing.T) {
		t.Parallel()
		w := onSockets(t, nil, person(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := w.client.Enable(ctx, personID(1))
		if KindOf(err) != KindNotSent || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want not sent, by the context", err)
		}
		if n := len(w.Calls()); n != 0 {
			t.Errorf("%d calls went out", n)
		}
	})
}

// The other side takes the connection and never answers.
func TestWriteContextEndsUnderWay(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	c, _ := answering(t, func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the client left
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	err := c.Enable(ctx, "a")
	if KindOf(err) != KindUnknownOutcome || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want unknown, by the context", err)
	}
}

func TestWriteTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := inBubble(t, person(1))
		w.SetFaults(organisation.Faults{
			Before: organisation.On(http.MethodPut, "/email", 0, organisation.Late(time.Minute)),
		})
		started := time.Now()
		err := w.client.SetEmail(t.Context(), personID(1), "new@example.com")
		if KindOf(err) != KindUnknownOutcome || !strings.Contains(err.Error(), "took over 30s") {
			t.Errorf("got %v, want unknown with the timeout's name", err)
		}
		if took := time.Since(started); took != callTimeout {
			t.Errorf("took %v, want %v", took, callTimeout)
		}
		if n := len(w.Effects()); n != 0 {
			t.Errorf("%d effects already", n)
		}
		time.Sleep(time.Minute) // of the bubble: the call arrives after we gave up on it
		if n := len(w.Effects()); n != 1 {
			t.Errorf("%d effects, want the late one", n)
		}
	})
}

// A transport that tells nothing of what it does proves nothing: its failures count as unknown, unless it could not dial.
func TestSilentTransport(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want Kind
	}{
		"cut":  {io.ErrUnexpectedEOF, KindUnknownOutcome},
		"read": {&net.OpError{Op: "read", Err: errors.New("reset")}, KindUnknownOutcome},
		"dial": {&net.OpError{Op: "dial", Err: errors.New("refused")}, KindNotSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := New(Config{
				OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
				HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, test.err })},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Enable(t.Context(), "a"); KindOf(err) != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %v, want %q around %v", err, test.want, test.err)
			}
		})
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Redirects carry the key to where the other side wants it.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var elsewhere atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	t.Cleanup(other.Close)
	for _, status := range []int{301, 302, 307, 308} {
		c, _ := answering(t, func(rw http.ResponseWriter, r *http.Request) { http.Redirect(rw, r, other.URL, status) })
		if err := c.SetEmail(t.Context(), "a", "new@example.com"); KindOf(err) != KindUnknownOutcome {
			t.Errorf("%d: write: %v", status, err)
		}
		if _, err := c.Profile(t.Context(), "a"); KindOf(err) != KindUnexpected {
			t.Errorf("%d: read: %v", status, err)
		}
	}
	if n := elsewhere.Load(); n != 0 {
		t.Errorf("%d requests followed a redirect", n)
	}
}

func TestBadIDsAreNotSent(t *testing.T) {
	t.Parallel()
	w := onSockets(t, nil)
	for _, id := range []string{"", "a/b", "..", "a?b", "a b", "ä", "a\n", strings.Repeat("a", 129)} {
		_, profile := w.client.Profile(t.Context(), id)
		_, manage := w.client.Manage(t.Context(), id)
		_, user := w.client.DirectoryUser(t.Context(), id)
		email, enable := w.client.SetEmail(t.Context(), id, "a@example.com"), w.client.Enable(t.Context(), id)
		for _, err := range []error{profile, manage, user, email, enable} {
			if KindOf(err) != KindInvalid {
				t.Errorf("id %q: %v", id, err)
			}
		}
	}
	if n := len(w.Calls()); n != 0 {
		t.Errorf("%d calls went out", n)
	}
	odd := person(1)
	odd.ID = "557058:a|b_c-d"
	if err := w.Put(odd); err != nil {
		t.Fatal(err)
	}
	if p, err := w.client.Profile(t.Context(), odd.ID); err != nil || p.ID != odd.ID {
		t.Errorf("id with odd characters: %+v, %v", p, err)
	}
}
