package slackapi

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
)

// strictForm reads a form as the strictest servers do: it has a length, one file, and nothing
// behind its final boundary (RFC 2046, 5.1.1).
func strictForm(r *http.Request) (name string, content []byte, err error) {
	if r.ContentLength < 0 {
		return "", nil, errors.New("no length")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return "", nil, err
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return "", nil, fmt.Errorf("a %q: %w", kind, err)
	}
	final := []byte("--" + params["boundary"] + "--\r\n")
	if at := bytes.Index(body, final); at < 0 || at+len(final) != len(body) {
		return "", nil, fmt.Errorf("%d bytes behind the final boundary", len(body)-at-len(final))
	}
	form := multipart.NewReader(bufio.NewReader(bytes.NewReader(body)), params["boundary"])
	part, err := form.NextPart()
	if err != nil {
		return "", nil, err
	}
	if content, err = io.ReadAll(part); err != nil {
		return "", nil, err
	}
	if _, err := form.NextPart(); !errors.Is(err, io.EOF) {
		return "", nil, fmt.Errorf("another part: %w", err)
	}
	return part.FileName(), content, nil
}

// The bytes of a file are sent so that any server takes them, without our token.
func TestUploadIsTakenByAStrictServer(t *testing.T) {
	t.Parallel()
	for _, content := range [][]byte{[]byte("a"), []byte("a,b\r\n--\r\n1,2\r\n"), bytes.Repeat([]byte("ü\n"), 1<<20)} {
		var refused error
		var got []byte
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/files.completeUploadExternal":
				_, _ = io.WriteString(w, `{"ok":true,"files":[{"id":"F1"}]}`)
			case r.Header.Get("Authorization") != "":
				refused = errors.New("it came with a token")
			default:
				var name string
				if name, got, refused = strictForm(r); name != "batch-1-plan.csv" && refused == nil {
					refused = fmt.Errorf("named %q", name)
				}
			}
			if refused != nil {
				w.WriteHeader(http.StatusBadRequest)
			}
		}))
		c := New(Config{Token: "xoxb-1", URL: server.URL, Log: zerolog.Nop()})
		err := c.FinishUpload(t.Context(), "F1", server.URL+"/upload/secret", "batch-1-plan.csv", "C1", "1.0", "", Bytes(content))
		server.Close()
		if err != nil || refused != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: %v, refused for %v, %d bytes came", len(content), err, refused, len(got))
		}
	}
}

// A file that cannot be written to its end is not shared, and the error is that of the writing; what
// the server refuses ends the writing.
func TestAFileThatIsNotWhole(t *testing.T) {
	t.Parallel()
	cut := errors.New("cut")
	writes := func(end error) Content {
		return Content{Size: 4 << 20, Write: func(_ context.Context, w io.Writer) error {
			for range 4 << 10 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil || end != nil {
					return cmp.Or(end, err)
				}
			}
			return nil
		}}
	}
	for name, c := range map[string]struct {
		content Content
		status  int
		want    func(error) bool
	}{
		"the content fails":  {writes(cut), http.StatusOK, func(err error) bool { return errors.Is(err, cut) }},
		"the server refuses": {writes(nil), http.StatusForbidden, func(err error) bool { return err != nil && !errors.Is(err, io.ErrClosedPipe) }},
		"it is too short":    {Content{Size: 9, Write: Bytes([]byte("a")).Write}, http.StatusOK, func(err error) bool { return err != nil }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var shared atomic.Bool
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				shared.Store(shared.Load() || r.URL.Path == "/files.completeUploadExternal")
				if c.status == http.StatusOK {
					_, _ = io.Copy(io.Discard, r.Body)
				}
				w.WriteHeader(c.status)
			}))
			defer server.Close()
			api := New(Config{Token: "xoxb-1", URL: server.URL, Log: zerolog.Nop()})
			err := api.FinishUpload(t.Context(), "F1", server.URL+"/upload/x", "a.csv", "C1", "1.0", "", c.content)
			if !c.want(err) || shared.Load() {
				t.Errorf("%v; shared: %t", err, shared.Load())
			}
		})
	}
}

// An answer that Slack took does not come a second time another way, whatever Slack says of it.
func TestAnAnswerComesOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		body   string
		want   int64 // other calls
	}{
		{200, "ok", 0},
		{200, "", 0},
		{200, `{"ok":false,"error":"nobody_knows"}`, 0},
		{200, "<html>fine</html>", 0},
		{204, "", 0},
		{202, "{", 0},
		{404, `{"ok":false,"error":"expired_url"}`, 1},
		{410, "ok", 1},
	} {
		t.Run(fmt.Sprintf("%d %s", c.status, c.body), func(t *testing.T) {
			t.Parallel()
			var others atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasPrefix(r.URL.Path, "/commands/") {
					w.WriteHeader(c.status)
					_, _ = io.WriteString(w, c.body)
					return
				}
				others.Add(1)
				_, _ = io.WriteString(w, `{"ok":true,"ts":"1.0","message_ts":"1.0","channel":"C1"}`)
			}))
			defer server.Close()
			api := New(Config{Token: "xoxb-1", URL: server.URL, Log: zerolog.Nop()})
			to := Recipient{Person: "U1", Channel: "C1", Response: server.URL + "/commands/secret"}
			if !api.Private(t.Context(), to, Message{Text: "hello"}) || others.Load() != c.want {
				t.Errorf("%d other calls, want %d", others.Load(), c.want)
			}
		})
	}
}

// What failed is named with host, and status or code.
func TestFailuresAreNamed(t *testing.T) {
	t.Parallel()
	reply := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/chat.update" {
			_, _ = io.WriteString(w, `{"ok":false,"error":"is_archived"}`)
			return
		}
		w.WriteHeader(http.StatusBadGateway)
	})
	server := httptest.NewServer(reply)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	api := New(Config{Token: "xoxb-1", URL: server.URL, Log: zerolog.Nop()})
	_, err := api.PostNow(t.Context(), "C1", "", "", Message{Text: "hello"})
	if want := "chat.postMessage at " + host + ": slack server error: 502 Bad Gateway"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	err = api.Update(t.Context(), "C1", "1.0", "", Message{Text: "hello"})
	if want := "chat.update at " + host + ": is_archived"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	err = api.call(t.Context(), responseMethod, func(ctx context.Context) error {
		return api.respond(ctx, server.URL+"/commands/secret", Message{Text: "hello"})
	})
	if want := "response_url at " + host + ": slack server error: 502 Bad Gateway"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// However Slack asks to wait, it is understood, and never for longer than anybody means.
func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]time.Duration{
		"30": 30 * time.Second, "0": 0, "-5": 0, "": defaultThrottled, "soon": defaultThrottled,
		"Sun, 29 Nov 2026 10:00:00 GMT": defaultThrottled, "86400": retryMost, "9999999999": retryMost,
		"10000000000": retryMost, "99999999999999999999": retryMost,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		api := slack.New("xoxb-1", slack.OptionAPIURL(server.URL+"/"))
		_, err := api.AuthTestContext(t.Context())
		server.Close()
		wait, throttled := RetryAfter(err)
		c := New(Config{Log: zerolog.Nop()})
		c.retryAfter(t.Context(), "some.method", wait)
		if got, _ := c.gate("some.method").retryAfter(); !throttled || max(got, 0).Round(time.Second) != want {
			t.Errorf("Retry-After %q: throttled is %v, waits for %s, want %s", header, throttled, got, want)
		}
	}
}
