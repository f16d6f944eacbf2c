package workspace_test

import (
	"context"
	"io"
	"log"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/memnet"
	"github.com/countersign/countersign/sandbox/workspace"
)

// inBubble runs f in fake time with a workspace and a client for it.
func inBubble(t *testing.T, f func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w, err := workspace.New(workspace.Config{BaseURL: "http://slack.test"})
		if err != nil {
			t.Fatal(err)
		}
		w.AddPerson(workspace.Person{ID: alice, Name: "alice"})
		w.AddChannel(workspace.Channel{ID: requests, Name: "requests", BotMember: true, Members: []string{alice}})
		server := memnet.Serve(w.Handler())
		transport := server.Transport()
		api := slack.New(w.BotToken(), slack.OptionAPIURL("http://slack.test/api/"),
			slack.OptionAppLevelToken(w.AppToken()), slack.OptionHTTPClient(&http.Client{Transport: transport}))
		f(t, w, api, &websocket.Dialer{NetDialContext: server.DialContext})
		w.Close()
		transport.CloseIdleConnections()
		_ = server.Close()
	})
}

func TestEventsAreSentAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		began := time.Now()
		c := socketmode.New(api, socketmode.OptionDialer(dialer), socketmode.OptionLog(log.New(io.Discard, "", 0)))
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			_ = c.RunContext(ctx)
		}()
		type attempt struct {
			Retry  int
			Reason string
			After  time.Duration
		}
		var seen []attempt
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case evt := <-c.Events:
					if evt.Type == socketmode.EventTypeEventsAPI {
						r := evt.Request
						seen = append(seen, attempt{r.RetryAttempt, r.RetryReason, time.Since(began).Round(time.Second)})
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		synctest.Wait()
		if _, err := w.Say(t.Context(), alice, requests, "", "hello"); err != nil {
			t.Error(err)
		}
		time.Sleep(10 * time.Minute) // fake time
		cancel()
		<-done
		<-ran
		want := []attempt{
			{0, "", 0}, {1, "timeout", 3 * time.Second}, {2, "timeout", 66 * time.Second}, {3, "timeout", 369 * time.Second},
		}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}

func TestTriggersExpire(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		c := socketmode.New(api, socketmode.OptionDialer(dialer), socketmode.OptionLog(log.New(io.Discard, "", 0)))
		ctx, cancel := context.WithCancel(t.Context())
		ran := make(chan struct{})
		go func() {
			defer close(ran)
			_ = c.RunContext(ctx)
		}()
		triggers := make(chan string, 2)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case evt := <-c.Events:
					if command, ok := evt.Data.(slack.SlashCommand); ok {
						_ = c.Ack(*evt.Request)
						triggers <- command.TriggerID
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		synctest.Wait()
		open := func(wait time.Duration) string {
			if err := w.Command(t.Context(), alice, requests, "rename"); err != nil {
				t.Errorf("command: %v", err)
			}
			trigger := <-triggers
			time.Sleep(wait) // fake time
			_, err := api.OpenViewContext(t.Context(), trigger, modal())
			return slackCode(err)
		}
		if got := open(2 * time.Second); got != "" {
			t.Errorf("after 2 s: %q, want a view", got)
		}
		if got := open(4 * time.Second); got != "expired_trigger_id" {
			t.Errorf("after 4 s: %q, want expired_trigger_id", got)
		}
		cancel()
		<-done
		<-ran
	})
}

func TestRateLimitHealsWithTime(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, _ *websocket.Dialer) {
		refused := 0
		for range 60 {
			if _, _, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("hi", false)); err != nil {
				refused++
				time.Sleep(time.Second) // fake time: what Retry-After says
			}
		}
		if refused < 10 || refused > 55 {
			t.Errorf("%d of 60 posts in a row were refused, want a burst to pass and then one a second", refused)
		}
		for _, v := range w.Violations() {
			t.Errorf("violation: %s: %s", v.Rule, v.Detail)
		}
	})
}
