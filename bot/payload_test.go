package bot

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/deliver"
	"github.com/countersign/countersign/bot/people"
	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
)

func TestEventWithAPersonInIt(t *testing.T) {
	raw := `{"event_id":"Ev1","event":{"type":"user_change","user":{"id":"U0BOB"}}}`
	if in, err := decode("events_api", json.RawMessage(raw)); err != nil || in != (personChanged{"U0BOB"}) {
		t.Errorf("read as %+v, %v", in, err)
	}
}

func TestMessageWithAFile(t *testing.T) {
	raw := `{"event_id":"Ev1","is_ext_shared_channel":true,"event":{"type":"message","subtype":"file_share","user":"U0BOB",` +
		`"channel":"C1","channel_type":"group","ts":"2.0","thread_ts":"1.0","text":"deactivate","blocks":[{"text":5}],` +
		`"files":[{"id":"F1","name":"a.csv","size":12,"mode":"hosted","url_private_download":"https://files.slack.com/a"}]}}`
	got, err := decode("events_api", json.RawMessage(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := message{Event: "Ev1", Shared: true, Channel: "C1", ChannelType: "group", Posted: slackapi.Posted{
		Subtype: "file_share", Person: "U0BOB", Text: "deactivate", TS: "2.0", Thread: "1.0",
		Files: []slackapi.File{{ID: "F1", Name: "a.csv", Size: 12, Mode: "hosted", URL: "https://files.slack.com/a"}},
	}}
	if d := cmp.Diff(incoming(want), got); d != "" {
		t.Errorf("message (-want +got):\n%s", d)
	}
}

// Each payload is read as one of the kinds that are taken, or is nothing to us.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		kind, raw string
		want      incoming
	}{
		{"events_api", `{"event":{"type":"message","subtype":"message_deleted","channel":"C1","deleted_ts":"1.0"}}`, deletion{"C1", "1.0"}},
		{"events_api", `{"event":{"type":"member_joined_channel","user":"U1","channel":"C1"}}`, joined{"U1", "C1"}},
		{"events_api", `{"event":{"type":"subteam_updated","subteam":{"id":"S1"}}}`, groupsChanged{}},
		{"events_api", `{"event":{"type":"app_home_opened"}}`, nil},
		{"slash_commands", `{"command":"/c","text":"help","user_id":"U1"}`, slash{Command: "/c", Text: "help", Person: "U1"}},
		{
			"interactive", `{"type":"block_actions","user":{"id":"U1"},"actions":[{"action_id":"approve","value":"1:ab",` +
				`"action_ts":"3.0"}],"container":{"message_ts":"1.0","channel_id":"C1"}}`,
			press{
				Action: "approve", Value: "1:ab", Message: "1.0", Once: "block_actions/U1/1.0//approve/3.0",
				By: slackapi.Recipient{Person: "U1", Channel: "C1"},
			},
		},
		{"interactive", `{"type":"block_actions","actions":[]}`, nil},
		{
			"interactive", `{"type":"view_submission","trigger_id":"t","view":{"callback_id":"reject_form","private_metadata":"{}"}}`,
			submission{Form: "reject_form", Metadata: "{}", View: viewed{Callback: "reject_form", Metadata: "{}"}, Once: "t"},
		},
		{"unknown", `{}`, nil},
	} {
		got, err := decode(c.kind, json.RawMessage(c.raw))
		if err != nil {
			t.Errorf("%s: %v", c.raw, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.raw, d)
		}
	}
}

// FuzzPayloads feeds everything that Slack can send to what reads it: it is read or refused, never
// a fault.
func FuzzPayloads(f *testing.F) {
	f.Add(`{"event_id":"Ev1","event":{"type":"message","subtype":"message_deleted","channel":"C1","deleted_ts":"1.0"}}`)
	f.Add(`{"event":null}`)
	f.Add(`{"type":"block_actions","actions":[{"action_id":"approve","value":"1:ab"}],"container":{"message_ts":"1.0"}}`)
	f.Add(`{"type":"view_submission","view":{"callback_id":"reject_form","private_metadata":"{}"}}`)
	f.Add(`{"command":"/countersign","text":"help","user_id":"U1"}`)
	f.Fuzz(func(_ *testing.T, raw string) {
		b := &Bot{
			api: slackapi.New(slackapi.Config{}), lanes: newLanes(), recent: map[string]time.Time{}, greeted: map[string]time.Time{},
			commands: commands(), actions: actions(), forms: forms(),
			people: people.New(people.Config{}), deliver: deliver.New(deliver.Config{}),
		}
		for _, kind := range []string{"events_api", "slash_commands", "interactive", "unknown"} {
			d := b.decode(kind, json.RawMessage(raw))
			_, _ = d.answer()
			if d.room() {
				d.receive()
			}
			d.busy()
		}
	})
}

// A reason of which nothing can be seen is none: spaces of every sort, zero-width ones as well.
func TestReasonThatCannotBeSeen(t *testing.T) {
	for text, want := range map[string]string{
		"   ":            "",
		"\t\n\u00a0":     "",
		"\u200b":         "",
		"\u200b \ufeff ": "",
		" wrong\u200b ":  "wrong",
	} {
		form := submission{Fields: map[string]map[string]field{view.ReasonBlock: {view.ReasonInput: {Value: text}}}}
		if got := form.reason(); got != want {
			t.Errorf("reason of %q: %q, want %q", text, got, want)
		}
	}
}

// What a program writes in somebody's name is no words of theirs, also where it is read later.
func TestWordsOfAProgramThatAreRead(t *testing.T) {
	t.Parallel()
	for more, plain := range map[string]bool{
		"": true, `"bot_profile":null,`: true, `"app_id":"A1",`: false, `"bot_id":"B1",`: false, `"bot_profile":{"id":"B1"},`: false, `"subtype":"me_message",`: false,
	} {
		var m slackapi.Posted
		if err := json.Unmarshal([]byte(`{"type":"message","user":"U1","ts":"1.000001",`+more+`"text":"rename a@x.example b@x.example"}`), &m); err != nil {
			t.Fatal(err)
		}
		if got := (message{Posted: m, Channel: "D1"}).plain(); got != plain {
			t.Errorf("%s: plain %v, want %v", more, got, plain)
		}
	}
}
