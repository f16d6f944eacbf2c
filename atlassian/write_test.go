package atlassian_test

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

	"github.com/countersign/countersign/atlassian"
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

// Whatever happens to a write, it goes out once and its error tells if it may have been done.
func TestWriteOnce(t *testing.T) {
	t.Parallel()
	first := func(f organisation.Fault) func(*http.Request) *organisation.Fault {
		return organisation.On(http.MethodPut, "/manage/email", 0, f)
	}
	for name, test := range map[string]struct {
		faults  organisation.Faults
		want    atlassian.Kind
		effects int
	}{
		"cut after the effect":  {organisation.Faults{After: first(organisation.Drop())}, atlassian.KindUnknownOutcome, 1},
		"cut before the effect": {organisation.Faults{Before: first(organisation.Drop())}, atlassian.KindUnknownOutcome, 0},
		"500 after the effect":  {organisation.Faults{After: first(organisation.Broken(500))}, atlassian.KindUnknownOutcome, 1},
		"503 before the effect": {organisation.Faults{Before: first(organisation.Broken(503))}, atlassian.KindUnknownOutcome, 0},
		"504 after the effect":  {organisation.Faults{After: first(organisation.Broken(504))}, atlassian.KindUnknownOutcome, 1},
		"429":                   {organisation.Faults{Before: first(organisation.Throttled(time.Minute))}, atlassian.KindThrottled, 0},
		"401":                   {organisation.Faults{Before: first(organisation.Unauthorized())}, atlassian.KindKeyRefused, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := onSockets(t, nil, person(1))
			// The connection has been used before: on such a one net/http repeats what it holds for
			// repeatable.
			if _, err := w.client.Profile(t.Context(), personID(1)); err != nil {
				t.Fatal(err)
			}
			w.SetFaults(test.faults)
			err := w.client.SetEmail(t.Context(), personID(1), "new@example.com")
			if got := atlassian.KindOf(err); got != test.want {
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

// A kept connection that the server closes without a word after the effect: the request must not be
// sent again, over HTTP/1 and HTTP/2 alike.
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
					_, _ = io.WriteString(rw, `{"account":{"account_id":"a","account_status":"active"}}`)
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				puts.Add(1)
				panic(http.ErrAbortHandler)
			}))
			server.EnableHTTP2 = two
			server.StartTLS()
			t.Cleanup(server.Close)
			c, err := atlassian.New(atlassian.Config{
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
			if got := atlassian.KindOf(err); got != atlassian.KindUnknownOutcome {
				t.Errorf("kind %q, want %q (%v)", got, atlassian.KindUnknownOutcome, err)
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
			c, err := atlassian.New(atlassian.Config{BaseURL: base, OrgID: testOrg, Key: func() string { return testKey }, Pace: fast})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			if err := c.Enable(t.Context(), "a"); atlassian.KindOf(err) != atlassian.KindNotSent {
				t.Errorf("kind %q, want %q (%v)", atlassian.KindOf(err), atlassian.KindNotSent, err)
			}
		})
	}
	t.Run("certificate of others", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.NotFoundHandler())
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		c, err := atlassian.New(atlassian.Config{
			BaseURL: server.URL, OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
			HTTP: &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		if err := c.Enable(t.Context(), "a"); atlassian.KindOf(err) != atlassian.KindNotSent {
			t.Errorf("kind %q, want %q (%v)", atlassian.KindOf(err), atlassian.KindNotSent, err)
		}
	})
	t.Run("context ended at the gate", func(t *testing.T) {
		t.Parallel()
		w := onSockets(t, nil, person(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := w.client.Enable(ctx, personID(1))
		if atlassian.KindOf(err) != atlassian.KindNotSent || !errors.Is(err, context.Canceled) {
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
	if atlassian.KindOf(err) != atlassian.KindUnknownOutcome || !errors.Is(err, context.Canceled) {
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
		if atlassian.KindOf(err) != atlassian.KindUnknownOutcome || !strings.Contains(err.Error(), "took over 30s") {
			t.Errorf("got %v, want unknown with the timeout's name", err)
		}
		if took := time.Since(started); took != 30*time.Second {
			t.Errorf("took %v, want %v", took, 30*time.Second)
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

// A transport that tells nothing of what it does proves nothing: its failures count as unknown,
// unless it could not dial.
func TestSilentTransport(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err  error
		want atlassian.Kind
	}{
		"cut":  {io.ErrUnexpectedEOF, atlassian.KindUnknownOutcome},
		"read": {&net.OpError{Op: "read", Err: errors.New("reset")}, atlassian.KindUnknownOutcome},
		"dial": {&net.OpError{Op: "dial", Err: errors.New("refused")}, atlassian.KindNotSent},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := atlassian.New(atlassian.Config{
				OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
				HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, test.err })},
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Enable(t.Context(), "a"); atlassian.KindOf(err) != test.want || !errors.Is(err, test.err) {
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
		if err := c.SetEmail(t.Context(), "a", "new@example.com"); atlassian.KindOf(err) != atlassian.KindUnknownOutcome {
			t.Errorf("%d: write: %v", status, err)
		}
		if _, err := c.Profile(t.Context(), "a"); atlassian.KindOf(err) != atlassian.KindUnexpected {
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
			if atlassian.KindOf(err) != atlassian.KindInvalid {
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

// What a transport needs to send a request a second time is not there in a write.
func TestWritesCannotBeSentAgain(t *testing.T) {
	t.Parallel()
	var sent []*http.Request
	var bodies []string
	c, err := atlassian.New(atlassian.Config{
		OrgID: testOrg, Key: func() string { return testKey }, Pace: fast,
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			body, _ := io.ReadAll(r.Body)
			sent, bodies = append(sent, r), append(bodies, string(body))
			return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	for _, err := range []error{
		c.SetEmail(ctx, "a|b", `a"b@example.com`), c.Disable(ctx, "a", "left"), c.Disable(ctx, "a", ""), c.Enable(ctx, "a"),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	for i, r := range sent {
		if r.GetBody != nil || r.Body == nil || r.ContentLength <= 0 {
			t.Errorf("%s: the transport may send it again", r.URL)
		}
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			if _, ok := r.Header[name]; ok {
				t.Errorf("%s: %s tells the transport that it may send it again", r.URL, name)
			}
		}
		if r.Header.Get("Content-Type") != "application/json" || r.Header.Get("Accept") != "application/json" {
			t.Errorf("%s: header %v", r.URL, r.Header.Get("Content-Type"))
		}
		if want := []string{`{"email":"a\"b@example.com"}`, `{"message":"left"}`, `{}`, `{}`}[i]; bodies[i] != want {
			t.Errorf("%s: body %s, want %s", r.URL, bodies[i], want)
		}
	}
	if got := sent[0].URL.EscapedPath(); !strings.HasSuffix(got, "/users/a%7Cb/manage/email") {
		t.Errorf("path %s", got)
	}
}
