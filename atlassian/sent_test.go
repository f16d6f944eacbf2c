package atlassian

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

func TestNeverLeft(t *testing.T) {
	t.Parallel()
	other := errors.New("other")
	for name, test := range map[string]struct {
		asked, got, written, ended bool
		err                        error
		want                       bool
	}{
		"nothing known":                     {err: other, want: false},
		"dial":                              {err: &net.OpError{Op: "dial", Err: other}, want: true},
		"no connection":                     {asked: true, err: other, want: true},
		"no connection in time":             {asked: true, ended: true, err: other, want: true},
		"closed before writing":             {asked: true, got: true, err: other, want: true},
		"ended while it may begin to write": {asked: true, got: true, ended: true, err: other, want: false},
		"written":                           {asked: true, got: true, written: true, err: other, want: false},
		"read error": {
			asked: true, got: true, written: true, err: &net.OpError{Op: "read", Err: other}, want: false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var seen tracer
			seen.asked.Store(test.asked)
			seen.got.Store(test.got)
			seen.written.Store(test.written)
			if got := seen.neverLeft(test.err, test.ended); got != test.want {
				t.Errorf("never left: %v, want %v", got, test.want)
			}
		})
	}
}

// What a transport needs to send a request a second time is not there in a write.
func TestWritesCannotBeSentAgain(t *testing.T) {
	t.Parallel()
	var sent []*http.Request
	var bodies []string
	c, err := New(Config{
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
