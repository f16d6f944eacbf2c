package bot

import "testing"

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
