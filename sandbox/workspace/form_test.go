package workspace_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

// requestModal has one of each field that a request form needs.
func requestModal() slack.ModalViewRequest {
	option := func(value string) *slack.OptionBlockObject {
		return slack.NewOptionBlockObject(value, plainText(value), nil)
	}
	action := slack.NewInputBlock("action", plainText("What should happen?"), nil, slack.NewOptionsSelectBlockElement(
		slack.OptTypeStatic, nil, "action", option("rename"), option("deactivate")).WithInitialOption(option("rename")))
	action.DispatchAction = true
	search := slack.NewOptionsSelectBlockElement(slack.OptTypeExternal, nil, "person")
	search.MinQueryLength = new(2)
	person := slack.NewInputBlock("person", plainText("Account"), nil, search)
	person.Optional = true
	day := slack.NewInputBlock("day", plainText("On"), nil, slack.NewDatePickerBlockElement("day"))
	day.Optional = true
	when := slack.NewInputBlock("when", plainText("At"), nil, slack.NewDateTimePickerBlockElement("when"))
	when.Optional = true
	list := slack.NewInputBlock("list", plainText("CSV"), nil, slack.NewFileInputBlockElement("csv").WithMaxFiles(1))
	list.Optional = true
	reason := slack.NewInputBlock("reason", plainText("Reason"), nil, slack.NewPlainTextInputBlockElement(nil, "reason"))
	reason.Optional = true
	form := modal()
	form.CallbackID, form.Title = "request", plainText("New request")
	form.Blocks.BlockSet = []slack.Block{action, person, day, when, list, reason}
	return form
}

// formApp opens the form on a global shortcut, answers searches and redraws the form when the action
// changes. What it heard comes out of the channel.
func formApp(t *testing.T, w *workspace.Workspace, found any) <-chan slack.InteractionCallback {
	t.Helper()
	api, life := client(w), context.WithoutCancel(t.Context()) // the test may be over before the answer is read
	heard := make(chan slack.InteractionCallback, 20)
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) {
		data, is := evt.Data.(slack.InteractionCallback)
		switch {
		case is && data.Type == slack.InteractionTypeBlockSuggestion:
			_ = c.Ack(*evt.Request, found)
		default:
			_ = c.Ack(*evt.Request)
		}
		if !is {
			return
		}
		heard <- data
		switch data.Type {
		case slack.InteractionTypeShortcut:
			if _, err := api.OpenViewContext(life, data.TriggerID, requestModal()); err != nil {
				t.Errorf("open: %v", err)
			}
		case slack.InteractionTypeBlockActions:
			next := requestModal()
			next.Blocks.BlockSet = next.Blocks.BlockSet[1:]
			if _, err := api.UpdateViewContext(life, next, "", data.View.Hash, data.View.ID); err != nil {
				t.Errorf("update: %v", err)
			}
		}
	})
	return heard
}

func openForm(t *testing.T, w *workspace.Workspace) workspace.View {
	t.Helper()
	if err := w.GlobalShortcut(t.Context(), alice, "new_request"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, w, func() bool { return len(w.Views(alice)) == 1 })
	return w.Views(alice)[0]
}

// What was typed and chosen is in the state of every payload, a change of the action included, and
// stays under the same ids when the app redraws the form.
func TestFormKeepsWhatWasTyped(t *testing.T) {
	w := start(t, workspace.Config{Shortcuts: []workspace.Shortcut{{Name: "New request", CallbackID: "new_request"}}})
	hits := slack.OptionsResponse{Options: []*slack.OptionBlockObject{
		slack.NewOptionBlockObject("712020:1", plainText("Emil Wagner"), plainText("active")),
	}}
	heard := formApp(t, w, hits)
	view := openForm(t, w)
	if got := <-heard; got.Type != slack.InteractionTypeShortcut || got.CallbackID != "new_request" || got.User.ID != alice {
		t.Errorf("shortcut %+v", got)
	}
	file := w.AddFile(alice, workspace.Upload{Name: "people.csv", Content: []byte(table)})
	if err := w.FillView(alice, view.ID, map[string]string{"reason": "they left", "list": file}); err != nil {
		t.Fatal(err)
	}
	if err := w.ClickView(t.Context(), alice, view.ID, "action", "deactivate"); err != nil {
		t.Fatal(err)
	}
	click := <-heard
	values := click.View.State.Values
	if got := values["action"]["action"].SelectedOption.Value; got != "deactivate" {
		t.Errorf("the state's action is %q", got)
	}
	if got := values["reason"]["reason"].Value; got != "they left" {
		t.Errorf("the state's reason is %q", got)
	}
	if got := values["list"]["csv"].Files; len(got) != 1 || got[0].Name != "people.csv" {
		t.Errorf("the state's files are %+v", got)
	}
	waitFor(t, w, func() bool { return w.Views(alice)[0].Hash != view.Hash })

	if err := w.SubmitView(t.Context(), alice, view.ID, map[string]string{"person": "712020:1"}); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("chose an account that nobody offered: %v", err)
	}
	if options, err := w.Suggest(t.Context(), alice, view.ID, "person", "e"); err != nil || options != nil {
		t.Errorf("one letter: %v %v, want no search", options, err)
	}
	options, err := w.Suggest(t.Context(), alice, view.ID, "person", "emil")
	if err != nil {
		t.Fatal(err)
	}
	want := []workspace.Option{{Text: "Emil Wagner", Description: "active", Value: "712020:1"}}
	if diff := cmp.Diff(want, options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if got := <-heard; got.Value != "emil" || got.ActionID != "person" || got.BlockID != "person" || got.View.ID != view.ID {
		t.Errorf("search %+v", got)
	}
	err = w.SubmitView(t.Context(), alice, view.ID, map[string]string{
		"person": "712020:1", "day": "2026-12-01", "when": "1764579600",
	})
	if err != nil {
		t.Fatal(err)
	}
	values = (<-heard).View.State.Values
	if _, stale := values["action"]; stale {
		t.Error("the state holds a field that is no longer there")
	}
	got := fmt.Sprint(values["person"]["person"].SelectedOption.Value, " ", values["day"]["day"].SelectedDate, " ",
		values["when"]["when"].SelectedDateTime, " ", values["reason"]["reason"].Value)
	if want := "712020:1 2026-12-01 1764579600 they left"; got != want {
		t.Errorf("submitted %q, want %q", got, want)
	}
	noViolations(t, w)
}

// A value that no client can send is refused before the app hears of it.
func TestFormFieldsAreChecked(t *testing.T) {
	w := start(t, workspace.Config{})
	formApp(t, w, nil)
	view := openForm(t, w)
	for id, value := range map[string]string{"day": "1.12.2026", "when": "tomorrow", "list": "F0NONE", "action": "delete"} {
		if err := w.FillView(alice, view.ID, map[string]string{id: value}); err == nil {
			t.Errorf("%s took %q", id, value)
		}
	}
	err := w.SubmitView(t.Context(), alice, view.ID, map[string]string{"reason": strings.Repeat("x", 3001)})
	if refused, is := errors.AsType[*workspace.ViewErrors](err); !is || (*refused)["reason"] == "" {
		t.Errorf("a reason of 3001 letters: %v", err)
	}
	if err := w.FillView(bob, view.ID, nil); err == nil {
		t.Error("bob typed into alice's form")
	}
}

func TestSearchAnswersAreChecked(t *testing.T) {
	many := slack.OptionsResponse{}
	for i := range 101 {
		many.Options = append(many.Options, slack.NewOptionBlockObject(fmt.Sprint(i), plainText("x"), nil))
	}
	long := slack.OptionsResponse{Options: []*slack.OptionBlockObject{
		slack.NewOptionBlockObject("1", plainText(strings.Repeat("x", 76)), nil),
	}}
	for name, found := range map[string]any{"101 options": many, "a text of 76 letters": long, "no object": []string{"x"}} {
		t.Run(name, func(t *testing.T) {
			w := start(t, workspace.Config{})
			formApp(t, w, found)
			view := openForm(t, w)
			if options, err := w.Suggest(t.Context(), alice, view.ID, "person", "emil"); err == nil {
				t.Errorf("shown %v", options)
			}
			if v := w.Violations(); len(v) != 1 || v[0].Rule != "invalid_options" {
				t.Errorf("violations %+v, want invalid_options", v)
			}
		})
	}
}

func TestMessageShortcut(t *testing.T) {
	use := workspace.Shortcut{Name: "Use this CSV", Message: true, CallbackID: "use_csv"}
	w := start(t, workspace.Config{Shortcuts: []workspace.Shortcut{use}})
	a := connect(t, w, ack)
	said, err := w.Say(t.Context(), bob, requests, "", "leavers", workspace.Upload{Name: "leavers.csv", Content: []byte(table)})
	if err != nil {
		t.Fatal(err)
	}
	reply, err := w.Say(t.Context(), bob, requests, said.TS, "and these", workspace.Upload{Name: "more.csv", Content: []byte(table)})
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range []struct{ ts, thread, file string }{{said.TS, said.TS, "leavers.csv"}, {reply.TS, said.TS, "more.csv"}} {
		if err := w.MessageShortcut(t.Context(), alice, requests, each.ts, "use_csv"); err != nil {
			t.Fatal(err)
		}
		evt := a.next(t, socketmode.EventTypeInteractive)
		got, _ := evt.Data.(slack.InteractionCallback)
		if got.Type != slack.InteractionTypeMessageAction || got.CallbackID != "use_csv" || got.User.ID != alice ||
			got.Message.User != bob || got.MessageTs != each.ts || got.Channel.ID != requests || got.TriggerID == "" ||
			got.ResponseURL == "" || got.Message.ThreadTimestamp != each.thread || evt.Request.AcceptsResponsePayload {
			t.Errorf("payload %+v", got)
		}
		if files := got.Message.Files; len(files) != 1 || files[0].Name != each.file {
			t.Errorf("files %+v, want %s", files, each.file)
		}
	}
	if err := w.MessageShortcut(t.Context(), alice, requests, said.TS, "other"); err == nil {
		t.Error("a shortcut that no menu shows was chosen")
	}
	if err := w.GlobalShortcut(t.Context(), alice, "use_csv"); err == nil {
		t.Error("a message's shortcut was chosen without a message")
	}
	if _, err := workspace.New(workspace.Config{Shortcuts: []workspace.Shortcut{{Name: strings.Repeat("x", 25), CallbackID: "x"}}}); err == nil {
		t.Error("a shortcut's name of 25 letters was taken")
	}
}

func TestTabsOfTheApp(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	if err := w.OpenHome(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if err := w.OpenMessages(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"home", "messages"} {
		evt, _ := a.next(t, socketmode.EventTypeEventsAPI).Data.(slackevents.EventsAPIEvent)
		opened, is := evt.InnerEvent.Data.(*slackevents.AppHomeOpenedEvent)
		if !is || opened.Tab != want || opened.User != alice || opened.Channel == "" {
			t.Errorf("event %+v, want the tab %s", evt.InnerEvent.Data, want)
		}
	}
	if err := start(t, workspace.Config{NoHome: true}).OpenHome(t.Context(), alice); err == nil {
		t.Error("opened a Home tab that is off")
	}
}

// Home is published over what it was: by the hash where one is given. Who opens it again brings it
// along.
func TestHomeIsPublishedAgain(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	home := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{slack.NewDividerBlock()}}}
	publish := func(hash string) (string, error) {
		request := slack.PublishViewContextRequest{UserID: alice, View: home}
		if hash != "" {
			request.Hash = &hash
		}
		response, err := client(w).PublishViewContext(t.Context(), request)
		if err != nil {
			return "", err
		}
		return response.Hash, nil
	}
	first, err := publish("")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := publish(first); err != nil {
		t.Errorf("with the hash that it has: %v", err)
	}
	if _, err := publish(first); slackCode(err) != "hash_conflict" {
		t.Errorf("with the hash that it had: %v, want hash_conflict", err)
	}
	if err := w.OpenHome(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	evt, _ := a.next(t, socketmode.EventTypeEventsAPI).Data.(slackevents.EventsAPIEvent)
	opened, is := evt.InnerEvent.Data.(*slackevents.AppHomeOpenedEvent)
	if shown, _ := w.Home(alice); !is || opened.View.ID != shown.ID || opened.View.Hash != shown.Hash {
		t.Errorf("event %+v, want the view %s with it", evt.InnerEvent.Data, shown.ID)
	}
	if _, err := client(w).PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: "U0NONE", View: home}); err == nil {
		t.Error("published for nobody")
	}
}

// Of the buttons of a list, each with the same action_id, the one with the value is pressed.
func TestButtonsOfATableAreToldApart(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	row := func(value string) []slack.DataTableCell {
		return []slack.DataTableCell{
			slack.NewDataTableRawTextCell(value),
			slack.NewDataTableActionCell(slack.NewButtonBlockElement("review", value, plainText("Review"))),
		}
	}
	rows := [][]slack.DataTableCell{
		{slack.NewDataTableRawTextCell("Request"), slack.NewDataTableRawTextCell("Do")}, row("8"), row("10"),
	}
	home := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: []slack.Block{
		&slack.DataTableBlock{Type: slack.MBTDataTable, Caption: "Waiting", Rows: rows},
	}}}
	if _, err := client(w).PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: alice, View: home}); err != nil {
		t.Fatal(err)
	}
	shown, _ := w.Home(alice)
	if err := w.ClickView(t.Context(), alice, shown.ID, "review", "10"); err != nil {
		t.Fatal(err)
	}
	click, _ := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
	if got := click.ActionCallback.BlockActions[0].Value; got != "10" {
		t.Errorf("pressed %q, want 10", got)
	}
	noViolations(t, w)
}

// A workspace that does not take a block on one surface takes it on the others; being refused is no
// violation.
func TestBlocksAreRefusedBySurface(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	api := client(w)
	rows := [][]slack.DataTableCell{{slack.NewDataTableRawTextCell("a")}, {slack.NewDataTableRawTextCell("b")}}
	blocks := []slack.Block{&slack.DataTableBlock{Type: slack.MBTDataTable, Caption: "Rows", Rows: rows}}
	send := map[workspace.Surface]func() error{
		workspace.InMessage: func() error {
			_, _, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("x", false), slack.MsgOptionBlocks(blocks...))
			return err
		},
		workspace.InModal: func() error {
			if err := w.GlobalShortcut(t.Context(), alice, "new"); err != nil {
				t.Fatal(err)
			}
			trigger, _ := a.next(t, socketmode.EventTypeInteractive).Data.(slack.InteractionCallback)
			view := slack.ModalViewRequest{Type: slack.VTModal, Title: plainText("Rows"), Blocks: slack.Blocks{BlockSet: blocks}}
			_, err := api.OpenViewContext(t.Context(), trigger.TriggerID, view)
			return err
		},
		workspace.InHome: func() error {
			home := slack.HomeTabViewRequest{Type: slack.VTHomeTab, Blocks: slack.Blocks{BlockSet: blocks}}
			_, err := api.PublishViewContext(t.Context(), slack.PublishViewContextRequest{UserID: alice, View: home})
			return err
		},
	}
	for on := range send {
		w.SetFaults(workspace.Faults{NoLimits: true, Refused: []workspace.RefusedBlock{
			{Type: "data_table", On: on}, {Type: "layout"}, {Type: "table", Code: "invalid_arguments"},
		}})
		for other, try := range send {
			want := ""
			if on == other {
				want = "invalid_blocks"
			}
			if got := slackCode(try()); got != want {
				t.Errorf("refused on %s, sent to %s: %q, want %q", on, other, got, want)
			}
		}
	}
	noViolations(t, w)
}
