package workspace_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
)

// event is what the tests look at in an events_api envelope.
type event struct {
	Type    string `json:"type"`
	Subtype string `json:"subtype"`
	User    any    `json:"user"`
	Text    string `json:"text"`
	BotID   string `json:"bot_id"`
	Deleted string `json:"deleted_ts"`
	Group   string `json:"subteam_id"`
	Added   []string
	Removed []string
	Shared  bool `json:"-"`
}

// nextEvent reads the next event and acknowledges it.
func nextEvent(t *testing.T, conn *websocket.Conn) event {
	t.Helper()
	var envelope struct {
		ID      string `json:"envelope_id"`
		Type    string `json:"type"`
		Payload struct {
			EventID        string          `json:"event_id"`
			Shared         bool            `json:"is_ext_shared_channel"`
			Event          json.RawMessage `json:"event"`
			Authorizations []struct {
				UserID string `json:"user_id"`
			} `json:"authorizations"`
		} `json:"payload"`
	}
	if err := conn.ReadJSON(&envelope); err != nil {
		t.Fatal(err)
	}
	p := envelope.Payload
	if envelope.Type != "events_api" || p.EventID == "" || len(p.Authorizations) != 1 ||
		p.Authorizations[0].UserID != workspace.BotUserID {
		t.Fatalf("envelope %+v, want an event for the app", envelope)
	}
	if err := conn.WriteJSON(map[string]string{"envelope_id": envelope.ID}); err != nil {
		t.Fatal(err)
	}
	got := event{Shared: p.Shared}
	var lists struct {
		Added   []string `json:"added_users"`
		Removed []string `json:"removed_users"`
	}
	if json.Unmarshal(p.Event, &got) != nil || json.Unmarshal(p.Event, &lists) != nil {
		t.Fatalf("event %s", p.Event)
	}
	got.Added, got.Removed = lists.Added, lists.Removed
	return got
}

func TestMessageEvents(t *testing.T) {
	w := start(t, workspace.Config{})
	w.AddChannel(workspace.Channel{
		ID: "C0SHARED", Name: "shared", ExtShared: true, BotMember: true, Members: []string{alice},
	})
	conn := dial(t, w)
	told := make(chan workspace.Message, 1)
	go func() {
		defer close(told)
		said, err := w.Say(t.Context(), alice, "C0SHARED", "", "hello")
		if err != nil {
			t.Errorf("say: %v", err)
		}
		told <- said
	}()
	want := event{Type: "message", User: alice, Text: "hello", Shared: true}
	if diff := cmp.Diff(want, nextEvent(t, conn)); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	said := <-told
	if err := w.Edit(alice, "C0SHARED", said.TS, "hello all"); err != nil {
		t.Fatal(err)
	}
	if got := nextEvent(t, conn); got.Subtype != "message_changed" {
		t.Errorf("edited: %+v", got)
	}
	if err := w.Delete(alice, "C0SHARED", said.TS); err != nil {
		t.Fatal(err)
	}
	if got := nextEvent(t, conn); got.Subtype != "message_deleted" || got.Deleted != said.TS {
		t.Errorf("deleted: %+v", got)
	}
	if n := len(w.Messages("C0SHARED", alice)); n != 0 {
		t.Errorf("%d messages are left", n)
	}
}

func TestEventsNeedTheirScopes(t *testing.T) {
	w := start(t, workspace.Config{Scopes: []string{"chat:write", "commands", "usergroups:read"}})
	conn := dial(t, w)
	if _, err := w.Say(t.Context(), alice, requests, "", "the app may not hear this"); err != nil {
		t.Fatal(err)
	}
	if err := w.UpdatePerson(bob, func(p *workspace.Person) { p.Title = "CFO" }); err != nil {
		t.Fatal(err)
	}
	if err := w.SetGroupMembers("S0ADMINS", nil); err != nil {
		t.Fatal(err)
	}
	if got := nextEvent(t, conn); got.Type != "subteam_members_changed" {
		t.Errorf("first event %+v, want the group's", got)
	}
}

func TestReplyToAMessageThatIsGoneGoesToTheChannel(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("card", false))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.DeleteMessageContext(t.Context(), requests, ts); err != nil {
		t.Fatal(err)
	}
	_, _, err = api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("progress", false), slack.MsgOptionTS(ts))
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Messages(requests, alice); len(got) != 1 || got[0].Text != "progress" || got[0].ThreadTS != "" {
		t.Errorf("channel %+v, want the reply as a message of its own", got)
	}
}

func TestParentWithRepliesLeavesATombstone(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("card", false))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Say(t.Context(), alice, requests, ts, "why?"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := api.DeleteMessageContext(t.Context(), requests, ts); err != nil {
		t.Fatal(err)
	}
	if got := w.Thread(requests, ts, alice); len(got) != 2 || got[0].Subtype != "tombstone" || got[1].Text != "why?" {
		t.Errorf("thread %+v, want a tombstone and the reply", got)
	}
	_, _, _, err = api.UpdateMessageContext(t.Context(), requests, ts, slack.MsgOptionText("x", false))
	if slackCode(err) != "message_not_found" {
		t.Errorf("update of a tombstone: %v, want message_not_found", err)
	}
}

func TestWorkspaceEvents(t *testing.T) {
	w := start(t, workspace.Config{})
	w.AddPerson(workspace.Person{ID: "U0NEW", Name: "new"})
	conn := dial(t, w)
	for _, step := range []struct {
		name string
		do   func() error
		want event
	}{
		{
			"the app's own message", func() error {
				_, _, err := client(w).PostMessageContext(t.Context(), requests, slack.MsgOptionText("hi", false))
				return err
			},
			event{Type: "message", User: workspace.BotUserID, Text: "hi", BotID: workspace.BotID},
		},
		{
			"a person joins", func() error {
				return w.UpdateChannel(requests, func(c *workspace.Channel) { c.Members = append(c.Members, "U0NEW") })
			},
			event{Type: "member_joined_channel", User: "U0NEW"},
		},
		{
			"a group changes", func() error { return w.SetGroupMembers("S0ADMINS", []string{bob}) },
			event{Type: "subteam_members_changed", Group: "S0ADMINS", Added: []string{bob}, Removed: []string{alice}},
		},
	} {
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if diff := cmp.Diff(step.want, nextEvent(t, conn)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
	if err := w.UpdatePerson(bob, func(p *workspace.Person) { p.Deleted = true }); err != nil {
		t.Fatal(err)
	}
	got := nextEvent(t, conn)
	if person, is := got.User.(map[string]any); got.Type != "user_change" || !is || person["deleted"] != true {
		t.Errorf("a person changes: %+v, want user_change with the person", got)
	}
}
