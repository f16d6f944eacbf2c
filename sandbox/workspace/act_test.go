package workspace_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]workspace.Config{
		"xapp-": {AppToken: "xoxb-1"}, "xoxb-": {BotToken: "xapp-1"}, "slash": {Command: "countersign"},
	} {
		if _, err := workspace.New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New(%+v): %v, want an error with %q", cfg, err, want)
		}
	}
}

func TestEscapedCommand(t *testing.T) {
	w := start(t, workspace.Config{EscapeCommands: true, Command: "/accounts"})
	a := connect(t, w, ack)
	if err := w.Command(t.Context(), alice, requests, `find @bob in #account-requests for x@y.example & co`); err != nil {
		t.Fatal(err)
	}
	got, _ := a.next(t, socketmode.EventTypeSlashCommand).Data.(slack.SlashCommand)
	want := "find <@U0BOB> in <#C0REQUESTS|account-requests> for <mailto:x@y.example|x@y.example> & co"
	if got.Text != want || got.Command != "/accounts" || got.ChannelName != "account-requests" || got.UserID != alice {
		t.Errorf("command %+v\nwant the text %q", got, want)
	}
}

func TestCommandInDirectMessages(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	if err := w.Command(t.Context(), alice, w.OpenDM(alice), "help"); err != nil {
		t.Fatal(err)
	}
	got, _ := a.next(t, socketmode.EventTypeSlashCommand).Data.(slack.SlashCommand)
	if got.ChannelName != "directmessage" {
		t.Errorf("channel name %q, want directmessage", got.ChannelName)
	}
	if err := w.Command(t.Context(), bob, w.OpenDM(alice), "help"); !errors.Is(err, workspace.ErrCannotPost) {
		t.Errorf("bob in alice's direct messages: %v", err)
	}
}

func TestMenuInAMessage(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	menu := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText("What shall be done?"), "verb",
		slack.NewOptionBlockObject("rename|F1", plainText("Rename"), nil),
		slack.NewOptionBlockObject("deactivate|F1", plainText("Deactivate"), nil))
	_, ts, err := client(w).PostMessageContext(t.Context(), requests, slack.MsgOptionText("which?", false),
		slack.MsgOptionBlocks(slack.NewActionBlock("ask", menu)))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.ClickValue(t.Context(), alice, requests, ts, "verb", "ask", "deactivate|F1"); err != nil {
		t.Fatal(err)
	}
	click, _ := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
	if got := click.ActionCallback.BlockActions[0].SelectedOption.Value; got != "deactivate|F1" {
		t.Errorf("chosen %q", got)
	}
	if got := click.BlockActionState.Values["ask"]["verb"].SelectedOption.Value; got != "deactivate|F1" {
		t.Errorf("state holds %q", got)
	}
	if err := w.ClickValue(t.Context(), alice, requests, ts, "verb", "", "delete"); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("an option that is not there: %v", err)
	}
}

func TestHomeTab(t *testing.T) {
	view := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{
		slack.NewActionBlock("", slack.NewButtonBlockElement("new", "1", plainText("New"))),
	}}}
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	request := slack.PublishViewContextRequest{UserID: alice, View: view}
	if _, err := client(w).PublishViewContext(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	home, ok := w.Home(alice)
	if !ok || home.Type != "home" {
		t.Fatalf("home %+v", home)
	}
	if err := w.ClickView(t.Context(), alice, home.ID, "new", ""); err != nil {
		t.Fatal(err)
	}
	evt := a.next(t, socketmode.EventTypeInteractive)
	if click, _ := evt.Data.(slack.InteractionCallback); click.View.ID != home.ID || evt.Request.AcceptsResponsePayload {
		t.Errorf("click %+v, want one in the view that accepts no payload", click)
	}
	off := start(t, workspace.Config{NoHome: true})
	_, err := client(off).PublishViewContext(t.Context(), request)
	if slackCode(err) != "not_enabled" {
		t.Errorf("without a Home tab: %v, want not_enabled", err)
	}
}

func TestFileInputOfAModal(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	files := make(chan []slack.File, 1)
	form := modal()
	form.Blocks.BlockSet = []slack.Block{
		slack.NewInputBlock("list", plainText("List"), nil, slack.NewFileInputBlockElement("csv")),
	}
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) {
		_ = c.Ack(*evt.Request)
		switch data := evt.Data.(type) {
		case slack.SlashCommand:
			if _, err := api.OpenViewContext(t.Context(), data.TriggerID, form); err != nil {
				t.Errorf("open: %v", err)
			}
		case slack.InteractionCallback:
			files <- data.View.State.Values["list"]["csv"].Files
		}
	})
	if err := w.Command(t.Context(), alice, requests, "new"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, w, func() bool { return len(w.Views(alice)) == 1 })
	id := w.AddFile(alice, workspace.Upload{Name: "people.csv", Content: []byte(table)})
	if err := w.SubmitView(t.Context(), alice, w.Views(alice)[0].ID, map[string]string{"list": id}); err != nil {
		t.Fatal(err)
	}
	got := <-files
	if len(got) != 1 || got[0].Name != "people.csv" {
		t.Fatalf("files %+v", got)
	}
	var content strings.Builder
	if err := api.GetFileContext(t.Context(), got[0].URLPrivateDownload, &content); err != nil || content.String() != table {
		t.Errorf("download %q, %v", content.String(), err)
	}
	noViolations(t, w)
}

func TestReactions(t *testing.T) {
	w := start(t, workspace.Config{})
	said, err := w.Say(t.Context(), alice, requests, "", "thanks")
	if err != nil {
		t.Fatal(err)
	}
	api, ref := client(w), slack.NewRefToMessage(requests, said.TS)
	if err := api.AddReactionContext(t.Context(), "eyes", ref); err != nil {
		t.Fatal(err)
	}
	if err := api.AddReactionContext(t.Context(), "eyes", ref); slackCode(err) != "already_reacted" {
		t.Errorf("again: %v, want already_reacted", err)
	}
	if got := w.Messages(requests, bob)[0].Reactions; len(got) != 1 || got[0].Name != "eyes" {
		t.Errorf("reactions %+v", got)
	}
	if err := api.RemoveReactionContext(t.Context(), "eyes", ref); err != nil {
		t.Fatal(err)
	}
	if err := api.RemoveReactionContext(t.Context(), "eyes", ref); slackCode(err) != "no_reaction" {
		t.Errorf("again: %v, want no_reaction", err)
	}
}
