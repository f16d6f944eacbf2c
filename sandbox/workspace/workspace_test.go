package workspace_test

import (
	"context"
	"errors"
	"io"
	"log"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

const (
	alice    = "U0ALICE"
	bob      = "U0BOB"
	requests = "C0REQUESTS"
	waitTime = 10 * time.Second
)

// start runs a workspace with two people and one channel on a loopback port.
func start(t *testing.T, cfg workspace.Config) *workspace.Workspace {
	t.Helper()
	w, err := workspace.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.AddPerson(workspace.Person{ID: alice, Name: "alice", RealName: "Alice Ahlgren", Email: "alice@northwind.example"})
	w.AddPerson(workspace.Person{ID: bob, Name: "bob", RealName: "Bob Brennan", Email: "bob@northwind.example"})
	w.AddChannel(workspace.Channel{
		ID: requests, Name: "account-requests", BotMember: true, Members: []string{alice, bob},
	})
	w.AddGroup(workspace.Group{ID: "S0ADMINS", Handle: "admins", Name: "Admins", Users: []string{alice}})
	server := httptest.NewServer(w.Handler())
	w.SetBaseURL(server.URL)
	t.Cleanup(func() {
		w.Close()
		server.Close()
	})
	return w
}

func client(w *workspace.Workspace) *slack.Client {
	return slack.New(w.BotToken(), slack.OptionAPIURL(w.BaseURL()+"/api/"), slack.OptionAppLevelToken(w.AppToken()))
}

// app is a running Socket Mode client; what it heard comes out of events.
type app struct {
	*socketmode.Client
	events chan socketmode.Event
}

// connect runs a Socket Mode client and waits for its hello. handle gets everything that wants an
// acknowledgement.
func connect(t *testing.T, w *workspace.Workspace, handle func(*socketmode.Client, socketmode.Event)) *app {
	t.Helper()
	before := w.Connections()
	a := &app{
		Client: socketmode.New(client(w), socketmode.OptionLog(log.New(io.Discard, "", 0))),
		events: make(chan socketmode.Event, 1000),
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case evt := <-a.Events:
				if evt.Request != nil && evt.Request.EnvelopeID != "" && handle != nil {
					handle(a.Client, evt)
				}
				a.events <- evt
			case <-ctx.Done():
				return
			}
		}
	}()
	ran := make(chan struct{})
	go func() {
		defer close(ran)
		_ = a.RunContext(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		<-ran
	})
	waitFor(t, w, func() bool { return w.Connections() > before })
	a.next(t, socketmode.EventTypeHello)
	return a
}

// next waits for an event of a type; others are passed over.
func (a *app) next(t *testing.T, kind socketmode.EventType) socketmode.Event {
	t.Helper()
	timer := time.NewTimer(waitTime)
	defer timer.Stop()
	for {
		select {
		case evt := <-a.events:
			if evt.Type == kind {
				return evt
			}
		case <-timer.C:
			t.Fatalf("no event %s came", kind)
		}
	}
}

// ack acknowledges everything, without a payload.
func ack(c *socketmode.Client, evt socketmode.Event) { _ = c.Ack(*evt.Request) }

func waitFor(t *testing.T, w *workspace.Workspace, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTime)
	defer cancel()
	if err := w.WaitFor(ctx, done); err != nil {
		t.Fatal(err)
	}
}

func noViolations(t *testing.T, w *workspace.Workspace) {
	t.Helper()
	for _, v := range w.Violations() {
		t.Errorf("violation in %s: %s: %s", v.Where, v.Rule, v.Detail)
	}
}

func slackCode(err error) string {
	if answer, ok := errors.AsType[slack.SlackErrorResponse](err); ok {
		return answer.Err
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func card(value string) slack.MsgOption {
	label := slack.NewTextBlockObject(slack.PlainTextType, "Approve", false, false)
	button := slack.NewButtonBlockElement("approve", value, label)
	button.Confirm = slack.NewConfirmationBlockObject(
		slack.NewTextBlockObject(slack.PlainTextType, "Approve #42?", false, false),
		slack.NewTextBlockObject(slack.MarkdownType, "214 people will be signed out.", false, false),
		slack.NewTextBlockObject(slack.PlainTextType, "Approve", false, false),
		slack.NewTextBlockObject(slack.PlainTextType, "Back", false, false),
	)
	return slack.MsgOptionBlocks(
		slack.NewSectionBlock(slack.NewTextBlockObject(slack.MarkdownType, "*#42* rename 3 accounts", false, false), nil, nil),
		slack.NewActionBlock("card-"+value, button),
	)
}

func TestCommandIsAcknowledgedAndAnswered(t *testing.T) {
	w := start(t, workspace.Config{})
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) {
		_ = c.Ack(*evt.Request, map[string]any{"response_type": "ephemeral", "text": "these are the commands"})
	})
	if err := w.Command(t.Context(), alice, requests, "help"); err != nil {
		t.Fatalf("command: %v", err)
	}
	mine, others := w.Messages(requests, alice), w.Messages(requests, bob)
	if len(mine) != 1 || !mine[0].Ephemeral || mine[0].Text != "these are the commands" {
		t.Errorf("alice sees %+v, want the ephemeral answer", mine)
	}
	if len(others) != 0 {
		t.Errorf("bob sees %+v, want nothing", others)
	}
	noViolations(t, w)
}

func TestEmptyPayloadIsNoPayload(t *testing.T) {
	w := start(t, workspace.Config{})
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) { _ = c.Ack(*evt.Request, map[string]any{}) })
	if _, err := w.Say(t.Context(), alice, requests, "", "hello"); err != nil {
		t.Fatal(err)
	}
	if err := w.Command(t.Context(), alice, requests, "help"); err != nil {
		t.Errorf("command: %v", err)
	}
	if n := len(w.Messages(requests, alice)); n != 1 {
		t.Errorf("%d messages, want only what alice said", n)
	}
	noViolations(t, w)
}

func TestCommandWithoutAppFails(t *testing.T) {
	w := start(t, workspace.Config{})
	if err := w.Command(t.Context(), alice, requests, "help"); !errors.Is(err, workspace.ErrDispatchFailed) {
		t.Errorf("command without a connection: %v, want dispatch_failed", err)
	}
}

func TestMessageReachesTheApp(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	said, err := w.Say(t.Context(), alice, requests, "", "please rename <all> for @bob, ask carol@northwind.example")
	if err != nil {
		t.Fatal(err)
	}
	evt := a.next(t, socketmode.EventTypeEventsAPI)
	outer, ok := evt.Data.(slackevents.EventsAPIEvent)
	if !ok {
		t.Fatalf("data is %T", evt.Data)
	}
	message, ok := outer.InnerEvent.Data.(*slackevents.MessageEvent)
	if !ok {
		t.Fatalf("inner event is %T", outer.InnerEvent.Data)
	}
	want := "please rename &lt;all&gt; for <@U0BOB>, ask <mailto:carol@northwind.example|carol@northwind.example>"
	if message.Text != want || message.TimeStamp != said.TS || message.User != alice || message.ChannelType != "channel" {
		t.Errorf("event %+v, want text %q of %s", message, want, alice)
	}
	noViolations(t, w)
}

func TestClickCarriesTheButton(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	_, ts, err := client(w).PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false), card("42:abc"))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Click(t.Context(), bob, requests, ts, "approve", ""); err != nil {
		t.Fatalf("click: %v", err)
	}
	evt := a.next(t, socketmode.EventTypeInteractive)
	click, ok := evt.Data.(slack.InteractionCallback)
	if !ok {
		t.Fatalf("data is %T", evt.Data)
	}
	actions := click.ActionCallback.BlockActions
	if len(actions) != 1 || actions[0].Value != "42:abc" || actions[0].ActionID != "approve" {
		t.Errorf("actions %+v, want the button", actions)
	}
	if click.User.ID != bob || click.Container.MessageTs != ts || click.Message.Timestamp != ts || click.TriggerID == "" {
		t.Errorf("click %+v, want bob's on message %s", click, ts)
	}
	if !evt.Request.AcceptsResponsePayload {
		t.Error("a click in a message accepts a payload")
	}
	noViolations(t, w)
}

// A click on what a client shows arrives, though the message has been edited or deleted since.
func TestShownClickArrives(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	api := client(w)
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false), card("42:abc"))
	if err != nil {
		t.Fatal(err)
	}
	shown := w.Messages(requests, bob)[0].Blocks
	click := func(want string) {
		t.Helper()
		if err := w.ClickShown(t.Context(), bob, requests, ts, shown, "approve", "", ""); err != nil {
			t.Fatalf("click: %v", err)
		}
		got, ok := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
		if !ok || got.ActionCallback.BlockActions[0].Value != "42:abc" || got.Message.Text != want ||
			got.Container.MessageTs != ts {
			t.Errorf("click %+v, want the button that was shown, on a message that says %q", got, want)
		}
	}
	click("#42")
	decided := []slack.MsgOption{slack.MsgOptionText("approved", false), slack.MsgOptionBlocks()}
	_, _, _, err = api.UpdateMessageContext(t.Context(), requests, ts, decided...)
	if err != nil {
		t.Fatal(err)
	}
	click("approved")
	if _, _, err := api.DeleteMessageContext(t.Context(), requests, ts); err != nil {
		t.Fatal(err)
	}
	click("")
	for name, test := range map[string]struct{ person, action string }{
		"an element that was not shown": {bob, "reject"}, "a stranger": {"U0NOBODY", "approve"},
	} {
		err := w.ClickShown(t.Context(), test.person, requests, ts, shown, test.action, "", "")
		if !errors.Is(err, workspace.ErrNotFound) {
			t.Errorf("%s: %v, want not found", name, err)
		}
	}
	_, err = api.PostEphemeralContext(t.Context(), requests, alice, slack.MsgOptionText("only you", false), card("42:abc"))
	if err != nil {
		t.Fatal(err)
	}
	private := w.Messages(requests, alice)
	ts = private[len(private)-1].TS
	if err := w.ClickShown(t.Context(), bob, requests, ts, shown, "approve", "", ""); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("a click on what only Alice sees: %v, want not found", err)
	}
	noViolations(t, w)
}

func TestStaleClickStillArrives(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	api := client(w)
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false), card("42:abc"))
	if err != nil {
		t.Fatal(err)
	}
	old := w.Messages(requests, bob)[0]
	decided := []slack.MsgOption{slack.MsgOptionText("approved", false), slack.MsgOptionBlocks()}
	_, _, _, err = api.UpdateMessageContext(t.Context(), requests, ts, decided...)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Click(t.Context(), bob, requests, ts, "approve", ""); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("click on the current message: %v, want that it has no such button", err)
	}
	if err := w.ClickStale(t.Context(), bob, requests, old, "approve"); err != nil {
		t.Fatalf("stale click: %v", err)
	}
	click, ok := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
	if !ok || click.ActionCallback.BlockActions[0].Value != "42:abc" || click.Message.Text != "approved" {
		t.Errorf("stale click %+v, want the old button with the message as it is now", click)
	}
	noViolations(t, w)
}
