package bot

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/sandbox/workspace"
)

func TestPermanentErrors(t *testing.T) {
	for _, c := range []struct {
		method, code, token string
	}{
		{method: "apps.connections.open", code: "invalid_auth", token: "app"},
		{method: "apps.connections.open", code: "account_inactive", token: "app"},
		{method: "apps.connections.open", code: "not_authed", token: "app"},
		{method: "apps.connections.open", code: "token_revoked", token: "app"},
		{method: "apps.connections.open", code: "missing_scope", token: "app"},
		{method: "apps.connections.open", code: "not_allowed_token_type", token: "app"},
		{method: "apps.connections.open", code: "token_expired", token: "app"},
		{method: "apps.connections.open", code: "forbidden_team", token: "app"},
		{method: "auth.test", code: "invalid_auth", token: "bot"},
		{method: "auth.test", code: "token_revoked", token: "bot"},
	} {
		t.Run(c.token+" "+c.code, func(t *testing.T) {
			t.Parallel()
			slack, err := workspace.New(workspace.Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer slack.Close()
			server := httptest.NewServer(slack.Handler())
			defer server.Close()
			slack.SetBaseURL(server.URL)
			slack.SetFaults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
				if method != c.method {
					return nil
				}
				return &workspace.Reply{Error: c.code}
			}})
			reached, err := NewSlack(SlackConfig{
				AppToken: workspace.DefaultAppToken, BotToken: workspace.DefaultBotToken, APIURL: server.URL + "/api",
				Admins: []string{"U0ALICE"}, Log: zerolog.Nop(),
			})
			if err != nil {
				t.Fatal(err)
			}
			bot, err := New(Config{
				Slack: reached, Command: "/countersign", Requests: requests, Engine: idleEngine{}, Store: idleStore{},
				Log: zerolog.Nop(),
			})
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err = bot.Run(ctx)
			got, ok := errors.AsType[*slackapi.PermanentError](err)
			if !ok {
				t.Fatalf("Run ended with %v, want a *PermanentError", err)
			}
			if d := cmp.Diff(&slackapi.PermanentError{Token: c.token, Code: c.code}, got); d != "" {
				t.Errorf("error (-want +got):\n%s", d)
			}
			if bot.Ready() == nil {
				t.Error("the bot calls itself ready")
			}
		})
	}
}
