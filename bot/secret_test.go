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
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/sandbox/workspace"
)

// Addresses that are secrets by themselves: who has them may answer for us, or send the bytes of a
// file.
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

// However a call to Slack fails, also when what answers sends back what it was sent: neither error
// nor words nor log hold a token or one of the addresses that are secrets.
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
				b := botOver(t, fail, slackapi.Pace{}, zerolog.New(log))
				for method, do := range everyCall(t.Context(), b.api) {
					err := do()
					if err == nil {
						continue
					}
					said, _ := view.Words(err, "/countersign")
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
func botOver(t *testing.T, transport http.RoundTripper, pace slackapi.Pace, log zerolog.Logger) *Bot {
	t.Helper()
	workspace, err := NewSlack(SlackConfig{
		AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: "http://slack.test/api/",
		Admins: []string{"U0ALICE"}, HTTP: &http.Client{Transport: transport}, Pace: pace, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := New(Config{
		Slack: workspace, Command: "/countersign", Requests: requests, Engine: idleEngine{}, Store: idleStore{}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// everyCall are all calls that the bot makes of Slack.
func everyCall(ctx context.Context, a *slackapi.Client) map[string]func() error {
	m := view.Said("hello")
	return map[string]func() error{
		"auth.test":        func() error { _, err := a.Self(ctx); return err },
		"chat.postMessage": func() error { _, err := a.Post(ctx, requests, "1.0", "key", m, slackapi.RankSaid); return err },
		"chat.update":      func() error { return a.Update(ctx, requests, "1.0", "key", m) },
		"chat.getPermalink": func() error {
			if link := a.Permalink(ctx, requests, "1.0"); link != "" {
				return errors.New(link)
			}
			return nil
		},
		"answer": func() error {
			a.Private(ctx, slackapi.Recipient{Person: "U0CAROL", Channel: requests, Response: leakyResponse}, m)
			return nil
		},
		"users.info":            func() error { _, err := a.Person(ctx, "U0CAROL"); return err },
		"usergroups.users.list": func() error { _, err := a.Group(ctx, "S0IT", func() {}); return err },
		"usergroups.list":       func() error { _, err := a.Groups(ctx, func() {}); return err },
		"conversations.info":    func() error { _, err := a.Shared(ctx, requests); return err },
		"conversations.open":    func() error { _, err := a.Direct(ctx, "U0CAROL"); return err },
		"conversations.replies": func() error { _, _, err := a.Replies(ctx, requests, "1.0", "", ""); return err },
		"conversations.history": func() error { _, _, err := a.History(ctx, requests, "", ""); return err },
		"users.conversations":   func() error { _, err := a.Directs(ctx); return err },
		"views.open": func() error {
			_, err := a.OpenView(ctx, "trigger", view.RejectModal(view.FormData{Value: "1:ab"}))
			return err
		},
		"files.info":                 func() error { _, err := a.FileInfo(ctx, "F1"); return err },
		"files.getUploadURLExternal": func() error { _, _, err := a.StartUpload(ctx, "a.csv", 1); return err },
		"files.completeUploadExternal": func() error {
			return a.FinishUpload(ctx, "F1", leakyUpload, "a.csv", requests, "1.0", "", slackapi.Bytes([]byte("x")))
		},
		"download": func() error { _, err := a.Download(ctx, "http://slack.test/files/a.csv", 100); return err },
		"apps.connections.open": func() error {
			_, _, err := a.Socket().OpenContext(ctx)
			return errors.New(slackapi.PlainError(permanentApp(err)))
		},
		"a socket": func() error {
			refused := slack.StatusCodeError{Code: http.StatusForbidden, Status: leakyTicket}
			return errors.New(slackapi.PlainError(fmt.Errorf("dial %s: %w", leakyTicket, refused)))
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
		b := botOver(t, leading, slackapi.Pace{Post: time.Millisecond}, zerolog.Nop())
		for _, do := range everyCall(t.Context(), b.api) {
			_ = do() // what is said of it is looked at above
		}
	}
	for len(got) > 0 {
		if s := <-got; leaks(s) {
			t.Errorf("another host was sent %s", s)
		}
	}
}

// idleEngine and idleStore are never asked for anything but what changed.
type idleEngine struct{ Engine }

type idleStore struct{ Store }

func (idleStore) Changed() <-chan struct{} { return nil }

func (idleStore) Revisions(context.Context) (map[int64]int64, error) { return nil, nil }

func (idleStore) LastNumber(context.Context) (int64, error) { return 0, nil }

func (idleStore) Recall(context.Context, string) ([]byte, error) { return nil, nil }

func (idleStore) Remember(context.Context, string, []byte) error { return nil }

// logged is a log that is searched.
type logged struct {
	mu  sync.Mutex
	out strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

const requests = "C0REQUESTS"
