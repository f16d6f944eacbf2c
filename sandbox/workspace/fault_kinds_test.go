package workspace_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

func TestConnectionsOpenIsNotFoundOnce(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	w.SetFaults(workspace.Faults{BeforeCall: workspace.NotFoundOnce()})
	if _, _, err := api.StartSocketModeContext(t.Context()); err == nil {
		t.Error("the first call passed")
	} else if status, is := errors.AsType[slack.StatusCodeError](err); is && status.Code != http.StatusNotFound {
		t.Errorf("first call: %v, want HTTP 404", err)
	}
	if _, _, err := api.StartSocketModeContext(t.Context()); err != nil {
		t.Errorf("second call: %v", err)
	}
}

// Sockets that are cut after their hello come back, as often as the fault says and no more.
func TestSocketsAreCutAfterHello(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, dialer *websocket.Dialer) {
		w.SetFaults(workspace.Faults{CutHellos: 10, CutHelloAfter: 300 * time.Millisecond})
		c := socketmode.New(api, socketmode.OptionDialer(dialer), socketmode.OptionLog(log.New(io.Discard, "", 0)))
		ctx, cancel := context.WithCancel(t.Context())
		ran, hellos := make(chan struct{}), 0
		go func() {
			defer close(ran)
			_ = c.RunContext(ctx)
		}()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				select {
				case evt := <-c.Events:
					if evt.Type == socketmode.EventTypeHello {
						hellos++
					}
				case <-ctx.Done():
					return
				}
			}
		}()
		time.Sleep(time.Hour) // fake time
		synctest.Wait()
		if n := w.Connections(); n != 1 {
			t.Errorf("%d connections are open in the end", n)
		}
		cancel()
		<-done
		<-ran
		if hellos != 11 {
			t.Errorf("%d hellos, want 11: ten that were cut", hellos)
		}
	})
}

func TestCardIsDeletedTheMomentItIsPosted(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	posts := 0
	w.SetFaults(workspace.Faults{DeletePosted: func(channel, _ string) bool {
		posts++
		return channel == requests && posts == 1
	}})
	_, gone, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#1", false))
	if err != nil {
		t.Fatal(err)
	}
	_, kept, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#2", false))
	if err != nil {
		t.Fatal(err)
	}
	if all := w.Messages(requests, alice); len(all) != 1 || all[0].TS != kept {
		t.Errorf("messages %+v, want the second alone", all)
	}
	_, _, _, err = api.UpdateMessageContext(t.Context(), requests, gone, slack.MsgOptionText("#1 again", false))
	if got := slackCode(err); got != "message_not_found" {
		t.Errorf("an edit of it: %q, want message_not_found", got)
	}
}

func TestUploadsAreRefusedForAMinute(t *testing.T) {
	inBubble(t, func(t *testing.T, w *workspace.Workspace, api *slack.Client, _ *websocket.Dialer) {
		w.SetFaults(workspace.Faults{BeforeCall: workspace.For(time.Minute, workspace.RefuseUploads())})
		upload := func() error {
			_, err := api.UploadFileContext(t.Context(), slack.UploadFileParameters{
				Filename: "plan.csv", Content: "a,b\n", FileSize: 4, Channel: requests,
			})
			return err
		}
		if got := slackCode(upload()); got != "file_uploads_disabled" {
			t.Errorf("at once: %q", got)
		}
		time.Sleep(59 * time.Second) // fake time
		if upload() == nil {
			t.Error("it passed before the minute was over")
		}
		time.Sleep(time.Second)
		if err := upload(); err != nil {
			t.Errorf("after a minute: %v", err)
		}
	})
}

func TestNewBlocksAreRefused(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	table := slack.MsgOptionBlocks(slack.NewTableBlock("t").AddRow(slack.NewTableRawTextCell("a")))
	post := func(options ...slack.MsgOption) string {
		t.Helper()
		_, _, err := api.PostMessageContext(t.Context(), requests, append(options, slack.MsgOptionText("rows", false))...)
		return slackCode(err)
	}
	if got := post(table); got != "" {
		t.Fatalf("a table: %q", got)
	}
	for _, kind := range workspace.NewBlocks() {
		w.SetFaults(workspace.Faults{RefusedBlocks: []string{kind}, NoLimits: true})
		want := ""
		if kind == "table" {
			want = "invalid_blocks"
		}
		if got := post(table); got != want {
			t.Errorf("a table where %s is refused: %q, want %q", kind, got, want)
		}
		if got := post(card("42:abc")); got != "" {
			t.Errorf("an old block where %s is refused: %q", kind, got)
		}
	}
	for _, known := range []string{"section", "actions", "divider"} {
		if slices.Contains(workspace.NewBlocks(), known) {
			t.Errorf("%s is no new block", known)
		}
	}
}

func TestMethodIsHeldBack(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	w.SetFaults(workspace.Faults{BeforeCall: workspace.HoldBack("chat.postMessage", 100*24*time.Hour)})
	_, _, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("hi", false))
	if limited, is := errors.AsType[*slack.RateLimitedError](err); !is || limited.RetryAfter != 100*24*time.Hour {
		t.Errorf("got %v, want a Retry-After of 100 days", err)
	}
	if _, err := api.AuthTestContext(t.Context()); err != nil {
		t.Errorf("another method: %v", err)
	}
}

func TestChannelIsClosed(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	post := func() string {
		_, _, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("hi", false))
		return slackCode(err)
	}
	if err := w.Archive(requests); err != nil {
		t.Fatal(err)
	}
	if got := post(); got != "is_archived" {
		t.Errorf("archived: %q", got)
	}
	err := w.UpdateChannel(requests, func(c *workspace.Channel) { c.Archived, c.Private = false, true })
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Expel(requests); err != nil {
		t.Fatal(err)
	}
	if got := post(); got != "channel_not_found" {
		t.Errorf("out of a private channel: %q", got)
	}
	if err := w.Expel("C0NONE"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("no such channel: %v", err)
	}
}
