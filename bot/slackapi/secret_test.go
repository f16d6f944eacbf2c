package slackapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/slack-go/slack"
)

// The log says why there is no connection, and never where the socket was.
func TestPlainError(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{errors.New("websocket: bad handshake"), "websocket: bad handshake"},
		{slack.SlackErrorResponse{Err: "internal_error"}, "internal_error"},
		{
			fmt.Errorf("connect to Slack: %w", &url.Error{
				Op: "Get", URL: "wss://wss.slack.com/link/?ticket=secret&app_id=1", Err: errors.New("no route to host"),
			}),
			`connect to Slack: Get "(address at wss.slack.com)": no route to host`,
		},
		{errors.New("dial: ticket=secret is old"), "dial: (address) is old"},
		{nil, "no reason is known"},
	} {
		if got := PlainError(c.err); got != c.want {
			t.Errorf("%v is written as %q, want %q", c.err, got, c.want)
		}
	}
}

// A redirect from https to http is not followed, the other way round it is.
func TestRedirectsStaySecure(t *testing.T) {
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
