package bot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
)

// Addresses that are secrets by themselves: who has them may answer for us, or send the bytes of a file.
const (
	leakyTicket   = "wss://wss.slack.test/link/?ticket=a-ticket-that-must-not-show"
	leakyUpload   = "https://files.slack.test/upload/v1/an-upload-that-must-not-show"
	leakyResponse = "https://hooks.slack.test/commands/a-response-that-must-not-show"
)

func leaks(text string) bool {
	for _, secret := range []string{workspace.DefaultAppToken, workspace.DefaultBotToken, "that-must-not-show"} {
		if strings.Contains(text, secret) {
			return true
		}
	}
	return false
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// sent is everything of a request that could hold a secret.
func sent(r *http.Request) string {
	body := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return err.Error()
		}
		body = string(raw)
	}
	return fmt.Sprint(r.URL, r.Header, body)
}

// However a call to Slack fails, also when what answers sends back what it was sent: neither error nor words nor log hold a
// token or one of the addresses that are secrets.
func TestTokensDoNotLeak(t *testing.T) {
	t.Parallel()
	echo := func(status int, kind, body string) roundTrip {
		return func(r *http.Request) (*http.Response, error) {
			what := strings.NewReplacer("\n", " ", `"`, "'", `\`, "").Replace(sent(r))
			return &http.Response{
				StatusCode: status, Status: strconv.Itoa(status) + " " + what, Request: r,
				Header: http.Header{"Content-Type": {kind}, "Location": {"http://" + r.URL.Host + "/" + workspace.DefaultBotToken}},
				Body:   io.NopCloser(strings.NewReader(strings.ReplaceAll(body, "SENT", what))),
			}, nil
		}
	}
	const page, refusal = "<html><body>SENT</body></html>", `{"ok":false,"error":"SENT","needed":"SENT","errors":["SENT"]}`
	fails := map[string]roundTrip{
		"the transport fails": func(*http.Request) (*http.Response, error) { return nil, errors.New("cannot send") },
		"an HTML page":        echo(http.StatusOK, "text/html", page),
		"an error of no form": echo(http.StatusOK, "application/json", refusal),
		"wrong types":         echo(http.StatusOK, "application/json", `{"ok":"SENT","error":["SENT"],"messages":"SENT"}`),
		"nothing":             echo(http.StatusOK, "application/json", ""),
	}
	for _, status := range []int{302, 307, 400, 401, 403, 404, 429, 500, 502, 503} {
		fails[strconv.Itoa(status)] = echo(status, "text/html", page)
	}
	for name, fail := range fails {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := &logged{}
				b := botOver(t, fail, zerolog.New(log))
				for method, do := range everyCall(t.Context(), b.api) {
					err := do()
					if err == nil {
						continue
					}
					said, _ := words(err, "/countersign")
					said += b.say(err, method).Text
					if leaks(err.Error()) || leaks(fmt.Sprintf("%+v %q", err, said)) {
						t.Errorf("%s: %+v; said %q", method, err, said)
					}
				}
				if leaks(log.String()) {
					t.Errorf("the log has a secret:\n%s", log)
				}
			})
		})
	}
}

// botOver is a bot that reaches Slack over a transport.
func botOver(t *testing.T, transport http.RoundTripper, log zerolog.Logger) *Bot {
	t.Helper()
	b, err := New(Config{
		AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: "http://slack.test/api/",
		Command: "/countersign", Requests: requests, Admins: []string{"U0ALICE"},
		Engine: idleEngine{}, Store: idleStore{}, Log: log, HTTP: &http.Client{Transport: transport},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everyCall are all calls that the bot makes of Slack.
func everyCall(ctx context.Context, a *api) map[string]func() error {
	m := said("hello")
	return map[string]func() error{
		"auth.test":        func() error { _, err := a.client.AuthTestContext(ctx); return fit(err) },
		"chat.postMessage": func() error { _, err := a.post(ctx, requests, "1.0", "key", m, rankSaid); return err },
		"chat.update":      func() error { return a.update(ctx, requests, "1.0", "key", m) },
		"chat.getPermalink": func() error {
			if link := a.permalink(ctx, requests, "1.0"); link != "" {
				return errors.New(link)
			}
			return nil
		},
		"answer": func() error {
			a.private(ctx, where{Person: "U0CAROL", Channel: requests, Response: leakyResponse}, m)
			return nil
		},
		"users.info":                 func() error { _, err := a.person(ctx, "U0CAROL"); return err },
		"usergroups.users.list":      func() error { _, err := a.group(ctx, "S0IT", func() {}); return err },
		"conversations.info":         func() error { _, err := a.shared(ctx, requests); return err },
		"conversations.open":         func() error { _, err := a.direct(ctx, "U0CAROL"); return err },
		"conversations.replies":      func() error { _, _, err := a.replies(ctx, requests, "1.0", "", ""); return err },
		"conversations.history":      func() error { _, _, err := a.history(ctx, requests, "", ""); return err },
		"users.conversations":        func() error { _, err := a.directs(ctx); return err },
		"views.open":                 func() error { return a.openForm(ctx, "trigger", rejectModal(formData{Value: "1:ab"})) },
		"files.info":                 func() error { _, err := a.file(ctx, "F1"); return err },
		"files.getUploadURLExternal": func() error { _, _, err := a.startUpload(ctx, "a.csv", 1); return err },
		"files.completeUploadExternal": func() error {
			return a.finishUpload(ctx, "F1", leakyUpload, "a.csv", requests, "1.0", []byte("x"))
		},
		"download": func() error { _, err := a.download(ctx, "http://slack.test/files/a.csv", 100); return err },
		"apps.connections.open": func() error {
			_, _, err := a.client.StartSocketModeContext(ctx)
			return errors.New(plainError(permanentApp(err)))
		},
		"a socket": func() error {
			refused := slack.StatusCodeError{Code: http.StatusForbidden, Status: leakyTicket}
			return errors.New(plainError(fmt.Errorf("dial %s: %w", leakyTicket, refused)))
		},
	}
}

// A redirect takes no token along: not to another host, and not to one that can be listened to.
func TestRedirectsTakeNoToken(t *testing.T) {
	t.Parallel()
	got := make(chan string, 100)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got <- sent(r)
		_, _ = w.Write([]byte(`{"ok":true}`))
	}))
	defer elsewhere.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		to := strings.Replace(elsewhere.URL, "127.0.0.1", "localhost", 1) + "/api"
		leading := roundTrip(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host != "slack.test" {
				return http.DefaultTransport.RoundTrip(r)
			}
			return &http.Response{
				StatusCode: status, Header: http.Header{"Location": {to}}, Body: http.NoBody, Request: r,
			}, nil
		})
		b := botOver(t, leading, zerolog.Nop())
		b.api.every = time.Millisecond
		for _, do := range everyCall(t.Context(), b.api) {
			_ = do() // what is said of it is looked at above
		}
	}
	for len(got) > 0 {
		if s := <-got; leaks(s) {
			t.Errorf("another host was sent %s", s)
		}
	}
	client := staying(http.DefaultClient)
	secure, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://slack.test/api", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	open, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://slack.test/api", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if err := client.CheckRedirect(open, []*http.Request{secure}); !errors.Is(err, errLeads) {
		t.Errorf("from https to http: %v", err)
	}
	if err := client.CheckRedirect(secure, []*http.Request{open}); err != nil {
		t.Errorf("from http to https: %v", err)
	}
}
