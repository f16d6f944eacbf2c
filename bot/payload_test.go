package bot

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestEventWithAPersonInIt(t *testing.T) {
	var e event
	raw := `{"event_id":"Ev1","event":{"type":"user_change","user":{"id":"U0BOB"}}}`
	if err := json.Unmarshal([]byte(raw), &e); err != nil || e.Inner.Type != "user_change" {
		t.Errorf("read as %+v, %v", e.Inner, err)
	}
}

func TestMessageWithAFile(t *testing.T) {
	var e event
	raw := `{"event_id":"Ev1","is_ext_shared_channel":true,"event":{"type":"message","subtype":"file_share","user":"U0BOB",` +
		`"channel":"C1","channel_type":"group","ts":"2.0","thread_ts":"1.0","text":"deactivate","blocks":[{"text":5}],` +
		`"files":[{"id":"F1","name":"a.csv","size":12,"mode":"hosted","url_private_download":"https://files.slack.com/a"}]}}`
	if err := json.Unmarshal([]byte(raw), &e); err != nil {
		t.Fatal(err)
	}
	want := []file{{ID: "F1", Name: "a.csv", Size: 12, Mode: "hosted", URL: "https://files.slack.com/a"}}
	if d := cmp.Diff(want, e.Inner.Files); d != "" {
		t.Errorf("files (-want +got):\n%s", d)
	}
	if !e.Shared || e.Inner.Thread != "1.0" {
		t.Errorf("read as %+v", e)
	}
}

// FuzzPayloads feeds everything that Slack can send to what reads it: it is read or refused, never a fault.
func FuzzPayloads(f *testing.F) {
	f.Add(`{"event_id":"Ev1","event":{"type":"message","subtype":"message_deleted","channel":"C1","deleted_ts":"1.0"}}`)
	f.Add(`{"event":null}`)
	f.Add(`{"type":"block_actions","actions":[{"action_id":"approve","value":"1:ab"}],"container":{"message_ts":"1.0"}}`)
	f.Add(`{"type":"view_submission","view":{"callback_id":"reject_form","private_metadata":"{}"}}`)
	f.Add(`{"command":"/countersign","text":"help","user_id":"U1"}`)
	f.Fuzz(func(_ *testing.T, raw string) {
		b := &Bot{
			clicks: newQueue(10), files: newQueue(10), once: map[string]time.Time{},
			people: newPeople(nil, nil, nil), deliver: newDeliver(Config{}, nil, nil),
		}
		for _, kind := range []string{"events_api", "slash_commands", "interactive", "unknown"} {
			b.receive(kind, json.RawMessage(raw))
			b.busy(kind, json.RawMessage(raw))
		}
		var i interaction
		if json.Unmarshal([]byte(raw), &i) == nil {
			_ = i.key()
		}
	})
}

func FuzzParseChoice(f *testing.F) {
	f.Add("deactivate F1 U1 1.0")
	f.Fuzz(func(t *testing.T, value string) {
		if c, ok := parseChoice(value); ok && c.String() != value {
			t.Errorf("%q is read as %+v and written as %q", value, c, c.String())
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
		var i interaction
		i.View.State.Values = map[string]map[string]struct {
			Value string `json:"value"`
		}{reasonBlock: {reasonInput: {Value: text}}}
		if got := i.reason(); got != want {
			t.Errorf("reason of %q: %q, want %q", text, got, want)
		}
	}
}
