package workspace_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
	"github.com/slack-go/slack/slackevents"
	"github.com/slack-go/slack/socketmode"

	"github.com/countersign/countersign/sandbox/workspace"
)

func TestListsComeInPages(t *testing.T) {
	w := start(t, workspace.Config{})
	for n := range 5 {
		w.AddPerson(workspace.Person{ID: fmt.Sprintf("U0P%d", n), Name: fmt.Sprintf("p%d", n)})
		w.AddChannel(workspace.Channel{ID: fmt.Sprintf("C0P%d", n), Name: fmt.Sprintf("p%d", n), Archived: n == 4})
	}
	w.AddChannel(workspace.Channel{ID: "G0HIDDEN", Name: "hidden", Private: true, Members: []string{alice}})
	w.AddChannel(workspace.Channel{ID: "G0OURS", Name: "ours", Private: true, BotMember: true, Members: []string{alice}})
	api := client(w)
	people, err := api.GetUsersContext(t.Context(), slack.GetUsersOptionLimit(3))
	if err != nil {
		t.Fatal(err)
	}
	if len(people) != 8 || len(people) != len(w.People()) {
		t.Errorf("%d people, want the bot, alice, bob and five more", len(people))
	}
	var names []string
	cursor, pages := "", 0
	for more := true; more; more = cursor != "" {
		var channels []slack.Channel
		channels, cursor, err = api.GetConversationsContext(t.Context(), &slack.GetConversationsParameters{
			Cursor: cursor, Limit: 2, ExcludeArchived: true, Types: []string{"public_channel", "private_channel"},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range channels {
			names = append(names, c.Name)
		}
		pages++
	}
	if want := []string{"account-requests", "p0", "p1", "p2", "p3", "ours"}; !cmp.Equal(want, names) || pages != 3 {
		t.Errorf("channels %v in %d pages, want %v in 3", names, pages, want)
	}
	mine, _, err := api.GetConversationsForUserContext(t.Context(), &slack.GetConversationsForUserParameters{
		Types: []string{"public_channel", "private_channel"},
	})
	if err != nil || len(mine) != 2 {
		t.Errorf("the app is in %d channels, %v, want 2", len(mine), err)
	}
	members, _, err := api.GetUsersInConversationContext(t.Context(),
		&slack.GetUsersInConversationParameters{ChannelID: requests})
	if want := []string{alice, bob, workspace.BotUserID}; err != nil || !cmp.Equal(want, members) {
		t.Errorf("members %v, %v, want %v", members, err, want)
	}
	groups, err := api.GetUserGroupsContext(t.Context(), slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil || len(groups) != 1 || groups[0].Handle != "admins" || !cmp.Equal(groups[0].Users, []string{alice}) {
		t.Errorf("groups %+v, %v", groups, err)
	}
	team, err := api.GetTeamInfoContext(t.Context())
	if err != nil || team.Name != "Northwind" {
		t.Errorf("team %+v, %v", team, err)
	}
	bot, err := api.GetBotInfoContext(t.Context(), slack.GetBotInfoParameters{Bot: workspace.BotID})
	if err != nil || bot.UserID != workspace.BotUserID {
		t.Errorf("bot %+v, %v", bot, err)
	}
	noViolations(t, w)
}

func TestAddressNeedsItsScope(t *testing.T) {
	for scope, want := range map[string]string{"users:read.email": "alice@northwind.example", "commands": ""} {
		w := start(t, workspace.Config{Scopes: []string{"users:read", scope}})
		person, err := client(w).GetUserInfoContext(t.Context(), alice)
		if err != nil || person.Profile.Email != want {
			t.Errorf("with %s: %q, %v, want %q", scope, person.Profile.Email, err, want)
		}
	}
}

func TestAttachments(t *testing.T) {
	w := start(t, workspace.Config{})
	for name, test := range map[string]struct{ attachments, want string }{
		"plain":      {`[{"text":"more"}]`, ""},
		"with table": {`[{"blocks":[` + tableBlock(2, 2, 2) + `]}]`, ""},
		"two tables": {`[{"blocks":[` + tableBlock(2, 2, 2) + `,` + tableBlock(2, 2, 2) + `]}]`, "invalid_attachments"},
		"too many":   {times(101, func(int) string { return `{"text":"x"}` }), "too_many_attachments"},
		"no JSON":    {`{`, "invalid_attachments"},
	} {
		got := post(t, w, "chat.postMessage", w.BotToken(), url.Values{
			"channel": {requests}, "text": {"x"}, "attachments": {test.attachments},
		})
		if got.Error != test.want {
			t.Errorf("%s: %q, want %q", name, got.Error, test.want)
		}
	}
}

func TestFileCanChangeUnderTheApp(t *testing.T) {
	w := start(t, workspace.Config{})
	a := connect(t, w, ack)
	file := said(t, w, a, requests)
	api := client(w)
	external := func(f *workspace.File) { f.IsExternal, f.Mode = true, "external" }
	if err := w.UpdateFile(file.ID, []byte("other"), external); err != nil {
		t.Fatal(err)
	}
	info, _, _, err := api.GetFileInfoContext(t.Context(), file.ID, 0, 0)
	if err != nil || !info.IsExternal || info.Mode != "external" || info.Size != 5 || info.URLPrivateDownload != "" {
		t.Errorf("files.info %+v, %v, want an external file", info, err)
	}
	if err := api.DeleteFileContext(t.Context(), file.ID); slackCode(err) != "cant_delete_file" {
		t.Errorf("delete alice's file: %v, want cant_delete_file", err)
	}
	w.Outage(http.StatusServiceUnavailable)
	if err := api.GetFileContext(t.Context(), file.URLPrivateDownload, &strings.Builder{}); err == nil {
		t.Error("downloaded in an outage")
	}
}

func TestHomeIsOpenedAndModalsAreClosed(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	heard := make(chan string, 10)
	form := modal()
	form.NotifyOnClose = true
	connect(t, w, func(c *socketmode.Client, evt socketmode.Event) {
		_ = c.Ack(*evt.Request)
		switch data := evt.Data.(type) {
		case slackevents.EventsAPIEvent:
			heard <- data.InnerEvent.Type
		case slack.SlashCommand:
			if _, err := api.OpenViewContext(t.Context(), data.TriggerID, form); err != nil {
				t.Errorf("open: %v", err)
			}
		case slack.InteractionCallback:
			heard <- string(data.Type)
		}
	})
	if err := w.OpenHome(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if err := w.Command(t.Context(), alice, requests, "reject"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, w, func() bool { return len(w.Views(alice)) == 1 })
	if err := w.CloseView(t.Context(), alice, w.Views(alice)[0].ID); err != nil {
		t.Fatal(err)
	}
	got := []string{<-heard, <-heard}
	slices.Sort(got)
	if want := []string{"app_home_opened", "view_closed"}; !cmp.Equal(want, got) {
		t.Errorf("heard %v, want %v", got, want)
	}
	noViolations(t, w)
}

func TestOneConnectionIsRefreshedAlone(t *testing.T) {
	w := start(t, workspace.Config{})
	first, second := connect(t, w, ack), connect(t, w, ack)
	w.DisconnectOne("refresh_requested")
	first.next(t, socketmode.EventTypeHello)
	select {
	case evt := <-second.events:
		t.Errorf("the second connection got %s", evt.Type)
	default:
	}
}
