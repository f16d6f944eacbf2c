package workspace_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/sandbox/workspace"
)

// reply is what every method answers.
type reply struct {
	Status     int    `json:"-"`
	RetryAfter string `json:"-"`
	Scopes     string `json:"-"`
	OK         bool   `json:"ok"`
	Error      string `json:"error"`
	Needed     string `json:"needed"`
	Provided   string `json:"provided"`
	TS         string `json:"ts"`
	Channel    string `json:"channel"`
	Metadata   struct {
		Messages []string `json:"messages"`
		Warnings []string `json:"warnings"`
	} `json:"response_metadata"`
}

// post calls a method with a form body; token goes into the Authorization header when it is given.
func post(t *testing.T, w *workspace.Workspace, method, token string, form url.Values) reply {
	t.Helper()
	return send(t, w, method, token, "application/x-www-form-urlencoded", form.Encode())
}

// postJSON calls a method with a JSON body.
func postJSON(t *testing.T, w *workspace.Workspace, method, token, body string) reply {
	t.Helper()
	return send(t, w, method, token, "application/json; charset=utf-8", body)
}

func send(t *testing.T, w *workspace.Workspace, method, token, kind, body string) reply {
	t.Helper()
	address := w.BaseURL() + "/api/" + method
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	answer := reply{
		Status: response.StatusCode, RetryAfter: response.Header.Get("Retry-After"),
		Scopes: response.Header.Get("X-Oauth-Scopes"),
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil && !strings.Contains(err.Error(), "cannot unmarshal") {
		t.Fatal(err)
	}
	return answer
}

func TestTokenPlaces(t *testing.T) {
	w := start(t, workspace.Config{})
	for name, test := range map[string]struct {
		got  reply
		want string
	}{
		"form":             {post(t, w, "auth.test", "", url.Values{"token": {w.BotToken()}}), ""},
		"header":           {post(t, w, "auth.test", w.BotToken(), nil), ""},
		"JSON and header":  {postJSON(t, w, "auth.test", w.BotToken(), `{}`), ""},
		"in a JSON body":   {postJSON(t, w, "auth.test", "", `{"token":"`+w.BotToken()+`"}`), "not_authed"},
		"in the address":   {post(t, w, "auth.test?token="+w.BotToken(), "", nil), "invalid_auth"},
		"the app's token":  {post(t, w, "auth.test", w.AppToken(), nil), "not_allowed_token_type"},
		"wrong":            {post(t, w, "auth.test", "xoxb-other", nil), "invalid_auth"},
		"unknown method":   {post(t, w, "chat.shout", w.BotToken(), nil), "unknown_method"},
		"JSON that is not": {postJSON(t, w, "auth.test", w.BotToken(), `{`), "invalid_json"},
	} {
		if test.got.Error != test.want {
			t.Errorf("%s: %q, want %q", name, test.got.Error, test.want)
		}
	}
	for _, c := range w.Calls() {
		if c.Args.Has("token") {
			t.Errorf("the call %s was kept with its token", c.Method)
		}
	}
}

func TestScopesAreAskedFor(t *testing.T) {
	w := start(t, workspace.Config{Scopes: []string{"chat:write", "channels:read"}})
	answer := post(t, w, "users.info", w.BotToken(), url.Values{"user": {alice}})
	want := reply{
		Status: 200, Error: "missing_scope", Needed: "users:read", Provided: "chat:write,channels:read",
		Scopes: "chat:write,channels:read",
	}
	if diff := cmp.Diff(want, answer); diff != "" {
		t.Errorf("users.info (-want +got):\n%s", diff)
	}
	if got := post(t, w, "conversations.info", w.BotToken(), url.Values{"channel": {requests}}); !got.OK && got.Error != "" {
		t.Errorf("conversations.info: %q, want it allowed by channels:read", got.Error)
	}
	got := post(t, w, "conversations.history", w.BotToken(), url.Values{"channel": {requests}})
	if got.Error != "missing_scope" || got.Needed != "channels:history" {
		t.Errorf("conversations.history: %+v, want channels:history missing", got)
	}
}

func TestRateLimits(t *testing.T) {
	w := start(t, workspace.Config{})
	form := url.Values{"channel": {requests}, "text": {"hi"}}
	var refused reply
	for range 7 {
		if refused = post(t, w, "chat.postMessage", w.BotToken(), form); refused.Status != http.StatusOK {
			break
		}
	}
	want := reply{Status: 429, RetryAfter: "1", Error: "ratelimited", Scopes: refused.Scopes}
	if diff := cmp.Diff(want, refused); diff != "" {
		t.Errorf("too many posts (-want +got):\n%s", diff)
	}
	noViolations(t, w)
	post(t, w, "chat.postMessage", w.BotToken(), form)
	if v := w.Violations(); len(v) != 1 || v[0].Rule != "retry_after_ignored" {
		t.Errorf("violations %+v, want that Retry-After was ignored", v)
	}
	w.SetFaults(workspace.Faults{NoLimits: true})
	if got := post(t, w, "chat.postMessage", w.BotToken(), form); got.Error != "" {
		t.Errorf("without limits: %q", got.Error)
	}
}

func TestFaults(t *testing.T) {
	w := start(t, workspace.Config{})
	form := url.Values{"channel": {requests}, "text": {"hi"}}
	w.SetFaults(workspace.Faults{BeforeCall: func(method string, _ url.Values) *workspace.Reply {
		if method == "chat.postMessage" {
			return &workspace.Reply{Error: "ratelimited", RetryAfter: 30 * time.Second}
		}
		return nil
	}})
	if got := post(t, w, "chat.postMessage", w.BotToken(), form); got.Status != 429 || got.RetryAfter != "30" {
		t.Errorf("throttled: %+v, want 429 and 30", got)
	}
	w.Outage(http.StatusServiceUnavailable)
	if got := post(t, w, "chat.postMessage", w.BotToken(), form); got.Status != 503 {
		t.Errorf("outage: %+v, want 503", got)
	}
	if n := len(w.Messages(requests, alice)); n != 0 {
		t.Fatalf("%d messages after faults before the effect, want none", n)
	}
	w.SetFaults(workspace.Faults{AfterEffect: func(string) bool { return true }})
	if _, _, err := client(w).PostMessageContext(t.Context(), requests, slack.MsgOptionText("hi", false)); err == nil {
		t.Error("the answer arrived, want the connection dropped")
	}
	if n := len(w.Messages(requests, alice)); n != 1 {
		t.Errorf("%d messages after a lost answer, want the one that was posted", n)
	}
}

func TestMetadataIsToldOnlyWhenAsked(t *testing.T) {
	w := start(t, workspace.Config{})
	api := client(w)
	metadata := slack.SlackMetadata{EventType: "countersign_post", EventPayload: map[string]any{"key": "card:42"}}
	_, ts, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("#42", false),
		slack.MsgOptionMetadata(metadata))
	if err != nil {
		t.Fatal(err)
	}
	_, reply, err := api.PostMessageContext(t.Context(), requests, slack.MsgOptionText("progress", false),
		slack.MsgOptionTS(ts), slack.MsgOptionMetadata(metadata))
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range []bool{true, false} {
		history, err := api.GetConversationHistoryContext(t.Context(),
			&slack.GetConversationHistoryParameters{ChannelID: requests, IncludeAllMetadata: all})
		if err != nil {
			t.Fatal(err)
		}
		if len(history.Messages) != 1 || (history.Messages[0].Metadata.EventPayload["key"] == "card:42") != all {
			t.Errorf("history with metadata %t: %+v", all, history.Messages)
		}
		replies, _, _, err := api.GetConversationRepliesContext(t.Context(),
			&slack.GetConversationRepliesParameters{ChannelID: requests, Timestamp: ts, IncludeAllMetadata: all})
		if err != nil {
			t.Fatal(err)
		}
		if len(replies) != 2 || replies[1].Timestamp != reply || (replies[1].Metadata.EventPayload["key"] == "card:42") != all {
			t.Errorf("replies with metadata %t: %+v", all, replies)
		}
	}
	if parent := w.Messages(requests, alice); len(parent) != 1 || parent[0].ReplyCount != 1 {
		t.Errorf("channel %+v, want the parent alone with one reply", parent)
	}
	noViolations(t, w)
}

func TestMessagesThatAreRefused(t *testing.T) {
	w := start(t, workspace.Config{})
	w.SetFaults(workspace.Faults{NoLimits: true})
	w.AddChannel(workspace.Channel{ID: "C0OLD", Name: "old", Archived: true, BotMember: true})
	w.AddChannel(workspace.Channel{ID: "C0OTHER", Name: "other", Members: []string{alice}})
	w.AddChannel(workspace.Channel{ID: "G0SECRET", Name: "secret", Private: true, Members: []string{alice}})
	said, err := w.Say(t.Context(), alice, requests, "", "mine")
	if err != nil {
		t.Fatal(err)
	}
	type form = url.Values
	room, hi := []string{requests}, []string{"hi"}
	for name, test := range map[string]struct {
		method string
		form   form
		want   string
	}{
		"archived":         {"chat.postMessage", form{"channel": {"C0OLD"}, "text": hi}, "is_archived"},
		"not in":           {"chat.postMessage", form{"channel": {"C0OTHER"}, "text": hi}, "not_in_channel"},
		"private":          {"chat.postMessage", form{"channel": {"G0SECRET"}, "text": hi}, "channel_not_found"},
		"nothing":          {"chat.postMessage", form{"channel": room}, "no_text"},
		"somebody else's":  {"chat.update", form{"channel": room, "ts": {said.TS}, "text": hi}, "cant_update_message"},
		"gone":             {"chat.update", form{"channel": room, "ts": {"1.1"}, "text": hi}, "message_not_found"},
		"delete another's": {"chat.delete", form{"channel": room, "ts": {said.TS}}, "cant_delete_message"},
		"outsider":         {"chat.postEphemeral", form{"channel": room, "user": {"U0X"}, "text": hi}, "user_not_in_channel"},
		"metadata": {
			"chat.postMessage", form{"channel": room, "text": hi, "metadata": {"{"}}, "invalid_metadata_format",
		},
		"group":   {"usergroups.users.list", form{"usergroup": {"S0NONE"}}, "no_such_subteam"},
		"person":  {"users.info", form{"user": {"U0NOBODY"}}, "user_not_found"},
		"address": {"users.lookupByEmail", form{"email": {"x@y.example"}}, "users_not_found"},
	} {
		if got := post(t, w, test.method, w.BotToken(), test.form); got.Error != test.want {
			t.Errorf("%s: %q, want %q", name, got.Error, test.want)
		}
	}
	long := post(t, w, "chat.postMessage", w.BotToken(), form{"channel": room, "text": {letters(40_001)}})
	if diff := cmp.Diff([]string{"message_truncated"}, long.Metadata.Warnings); diff != "" || !long.OK {
		t.Errorf("40,001 letters: %+v, want them cut", long)
	}
}

func TestPeopleAndPlaces(t *testing.T) {
	w := start(t, workspace.Config{})
	w.AddPerson(workspace.Person{ID: "U0GUS", Name: "gus", IsRestricted: true})
	w.AddPerson(workspace.Person{ID: "U0DORA", Name: "dora", Deleted: true})
	api := client(w)
	gus, err := api.GetUserInfoContext(t.Context(), "U0GUS")
	if err != nil || !gus.IsRestricted || gus.TeamID != w.TeamID() {
		t.Errorf("guest %+v, %v", gus, err)
	}
	dora, err := api.GetUserInfoContext(t.Context(), "U0DORA")
	if err != nil || !dora.Deleted {
		t.Errorf("deactivated %+v, %v", dora, err)
	}
	members, err := api.GetUserGroupMembersContext(t.Context(), "S0ADMINS")
	if err != nil || !cmp.Equal(members, []string{alice}) {
		t.Errorf("group %v, %v", members, err)
	}
	channel, err := api.GetConversationInfoContext(t.Context(), &slack.GetConversationInfoInput{ChannelID: requests})
	if err != nil || channel.Name != "account-requests" || channel.IsExtShared || !channel.IsMember {
		t.Errorf("channel %+v, %v", channel, err)
	}
	dm, _, _, err := api.OpenConversationContext(t.Context(), &slack.OpenConversationParameters{Users: []string{alice}})
	if err != nil || dm.ID != w.OpenDM(alice) {
		t.Errorf("direct messages %+v, %v", dm, err)
	}
	if _, _, err := api.PostMessageContext(t.Context(), alice, slack.MsgOptionText("psst", false)); err != nil {
		t.Errorf("message to a person: %v", err)
	}
	if n := len(w.Messages(dm.ID, alice)); n != 1 {
		t.Errorf("%d direct messages, want one", n)
	}
	if n := len(w.Messages(dm.ID, bob)); n != 0 {
		t.Errorf("bob sees %d of alice's direct messages", n)
	}
	link, err := api.GetPermalinkContext(t.Context(), &slack.PermalinkParameters{
		Channel: dm.ID, Ts: w.Messages(dm.ID, alice)[0].TS,
	})
	if err != nil || !strings.HasPrefix(link, w.BaseURL()+"/archives/"+dm.ID+"/p") {
		t.Errorf("permalink %q, %v", link, err)
	}
	if err := w.SetGroupMembers("S0NONE", nil); !errors.Is(err, workspace.ErrNotFound) {
		t.Errorf("unknown group: %v", err)
	}
	noViolations(t, w)
}
