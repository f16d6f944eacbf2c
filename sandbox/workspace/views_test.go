package workspace_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

func plainText(s string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.PlainTextType, s, false, false)
}

func modal() slack.ModalViewRequest {
	input := slack.NewInputBlock("reason", plainText("Reason"), nil, slack.NewPlainTextInputBlockElement(nil, "text"))
	return slack.ModalViewRequest{
		Type: slack.VTModal, Title: plainText("Reject #42"), Submit: plainText("Reject"), Close: plainText("Back"),
		CallbackID: "reject", PrivateMetadata: "42", Blocks: slack.Blocks{BlockSet: []slack.Block{input}},
	}
}

// opened runs an app that opens the modal on a command and answers its submission, and gives the
// open view.
func opened(
	t *testing.T, w *workspace.Workspace, answer func(slack.InteractionCallback) *slack.ViewSubmissionResponse,
) string {
	t.Helper()
	api := client(w)
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) {
		switch data := evt.Data.(type) {
		case slack.SlashCommand:
			_ = c.Ack(*evt.Request)
			if _, err := api.OpenViewContext(t.Context(), data.TriggerID, modal()); err != nil {
				t.Errorf("open: %v", err)
			}
		case slack.InteractionCallback:
			if reply := answer(data); reply != nil {
				_ = c.Ack(*evt.Request, reply)
				return
			}
			_ = c.Ack(*evt.Request)
		}
	})
	if err := w.Command(t.Context(), alice, requests, "reject 42"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, w, func() bool { return len(w.Views(alice)) == 1 })
	return w.Views(alice)[0].ID
}

func TestModalIsSubmitted(t *testing.T) {
	w := start(t, workspace.Config{})
	got := make(chan slack.InteractionCallback, 1)
	id := opened(t, w, func(s slack.InteractionCallback) *slack.ViewSubmissionResponse {
		got <- s
		return nil
	})
	var missing *workspace.ViewErrors
	if err := w.SubmitView(t.Context(), alice, id, nil); !errors.As(err, &missing) || (*missing)["reason"] == "" {
		t.Errorf("submitted without the reason: %v, want the client's own refusal", err)
	}
	if err := w.SubmitView(t.Context(), alice, id, map[string]string{"reason": "wrong list"}); err != nil {
		t.Fatal(err)
	}
	submission := <-got
	if submission.View.State.Values["reason"]["text"].Value != "wrong list" || submission.View.PrivateMetadata != "42" ||
		submission.View.CallbackID != "reject" || submission.Type != slack.InteractionTypeViewSubmission {
		t.Errorf("submission %+v", submission.View)
	}
	if n := len(w.Views(alice)); n != 0 {
		t.Errorf("%d views are open, want none", n)
	}
	noViolations(t, w)
}

func TestModalErrorsAndUpdate(t *testing.T) {
	w := start(t, workspace.Config{})
	next := slack.NewErrorsViewSubmissionResponse(map[string]string{"reason": "say more"})
	id := opened(t, w, func(slack.InteractionCallback) *slack.ViewSubmissionResponse { return next })
	fill := map[string]string{"text": "no"}
	var refused *workspace.ViewErrors
	if err := w.SubmitView(t.Context(), alice, id, fill); !errors.As(err, &refused) || (*refused)["reason"] != "say more" {
		t.Errorf("submit: %v, want the app's sentence", err)
	}
	changed := modal()
	changed.Title = plainText("Sure?")
	next = slack.NewUpdateViewSubmissionResponse(&changed)
	if err := w.SubmitView(t.Context(), alice, id, fill); err != nil {
		t.Fatal(err)
	}
	if views := w.Views(alice); len(views) != 1 || views[0].Title != "Sure?" || views[0].ID != id {
		t.Errorf("views %+v, want the same one with a new title", views)
	}
	if err := w.CloseView(t.Context(), alice, id); err != nil || len(w.Views(alice)) != 0 {
		t.Errorf("close: %v", err)
	}
	noViolations(t, w)
}

func TestViewsAreChecked(t *testing.T) {
	w := start(t, workspace.Config{})
	w.SetFaults(workspace.Faults{NoLimits: true})
	a := connect(t, w, ack)
	api := client(w)
	trigger := func() string {
		if err := w.Command(t.Context(), alice, requests, ""); err != nil {
			t.Fatal(err)
		}
		command, _ := a.next(t, socketmode.EventTypeSlashCommand).Data.(slack.SlashCommand)
		return command.TriggerID
	}
	long, silent, big := modal(), modal(), modal()
	long.Title = plainText(strings.Repeat("x", 25))
	silent.Submit = nil
	big.PrivateMetadata = strings.Repeat("x", 250_001)
	for _, test := range []struct {
		view slack.ModalViewRequest
		want string
	}{{long, "invalid_arguments"}, {silent, "invalid_arguments"}, {big, "view_too_large"}} {
		if _, err := api.OpenViewContext(t.Context(), trigger(), test.view); slackCode(err) != test.want {
			t.Errorf("open: %v, want %s", err, test.want)
		}
	}
	id := trigger()
	view, err := api.OpenViewContext(t.Context(), id, modal())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.OpenViewContext(t.Context(), id, modal()); slackCode(err) != "exchanged_trigger_id" {
		t.Errorf("the same trigger again: %v", err)
	}
	if _, err := api.OpenViewContext(t.Context(), "made.up", modal()); slackCode(err) != "invalid_trigger_id" {
		t.Errorf("a made-up trigger: %v", err)
	}
	if _, err := api.UpdateViewContext(t.Context(), modal(), "", "old", view.ID); slackCode(err) != "hash_conflict" {
		t.Errorf("update with an old hash: %v", err)
	}
	if _, err := api.UpdateViewContext(t.Context(), modal(), "", view.Hash, view.ID); err != nil {
		t.Errorf("update: %v", err)
	}
	for n := range 3 {
		want := map[bool]string{true: "push_limit_reached"}[n == 2]
		if _, err := api.PushViewContext(t.Context(), trigger(), modal()); slackCode(err) != want {
			t.Errorf("push %d: %v, want %q", n+1, err, want)
		}
	}
}

func TestResponseURL(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	if err := w.Command(t.Context(), alice, requests, "help"); err != nil {
		t.Fatal(err)
	}
	command, _ := a.next(t, socketmode.EventTypeSlashCommand).Data.(slack.SlashCommand)
	for n := range 6 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, command.ResponseURL,
			strings.NewReader(`{"text":"answer"}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if want := map[bool]int{true: 200, false: 404}[n < 5]; response.StatusCode != want {
			t.Errorf("post %d: %d, want %d", n+1, response.StatusCode, want)
		}
	}
	if n := len(w.Messages(requests, alice)); n != 5 {
		t.Errorf("%d answers, want 5", n)
	}
	if n := len(w.Messages(requests, bob)); n != 0 {
		t.Errorf("bob sees %d of them", n)
	}
}

func TestEphemeralButtonIsReplaced(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	api := client(w)
	_, err := api.PostEphemeralContext(t.Context(), requests, alice, slack.MsgOptionText("sure?", false), card("42"))
	if err != nil {
		t.Fatal(err)
	}
	shown := w.Messages(requests, alice)[0]
	if err := w.Click(t.Context(), bob, requests, shown.TS, "approve", ""); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("bob clicked what he cannot see: %v", err)
	}
	if err := w.Click(t.Context(), alice, requests, shown.TS, "approve", ""); err != nil {
		t.Fatal(err)
	}
	click, _ := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
	if !click.Container.IsEphemeral {
		t.Error("the click does not say that the message is ephemeral")
	}
	_, _, err = api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("done", false),
		slack.MsgOptionReplaceOriginal(click.ResponseURL))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Messages(requests, alice); len(got) != 1 || got[0].Text != "done" {
		t.Errorf("after replacing: %+v", got)
	}
}

// A click on what a client shows of a view arrives, though the app has drawn the view anew since,
// and what stood in a field that is gone is no error.
func TestShownClickInAViewArrives(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	publish := func(blocks ...slack.Block) {
		t.Helper()
		home := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
		if _, err := client(w).PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: alice, View: home}); err != nil {
			t.Fatal(err)
		}
	}
	option := slack.NewOptionBlockObject("10", plainText("10"), nil)
	publish(slack.NewActionBlock("row",
		slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("Page"), "page", option),
		slack.NewButtonBlockElement("details", "42:abc", plainText("Details"))))
	shown, _ := w.Home(alice)
	publish(slack.NewSectionBlock(plainText("Nothing waits for you"), nil, nil))
	click := func(action string) error {
		return w.ClickViewShown(t.Context(), alice, shown.ID, shown.Blocks, map[string]string{"page": "10"}, "row", action, "42:abc")
	}
	if err := click("details"); err != nil {
		t.Fatalf("click: %v", err)
	}
	got, ok := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
	if !ok || got.ActionCallback.BlockActions[0].Value != "42:abc" || got.View.ID != shown.ID {
		t.Errorf("click %+v, want the button that was shown", got)
	}
	if err := click("approve"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an element that was not shown: %v, want not found", err)
	}
	noViolations(t, w)
}
