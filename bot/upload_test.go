package bot

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/bot/view"
)

func TestReadable(t *testing.T) {
	for _, c := range []struct {
		name string
		file slackapi.File
		want string // part of the sentence, "" when the file can be read
	}{
		{"hosted", slackapi.File{Mode: "hosted", URL: "https://files.slack.com/a", Size: 100}, ""},
		{"a snippet", slackapi.File{Mode: "snippet", Private: "https://files.slack.com/a"}, ""},
		{"outside", slackapi.File{Mode: "external", External: true, URL: "https://drive.example/a"}, "kept outside Slack"},
		{"remote", slackapi.File{Mode: "remote", URL: "https://drive.example/a"}, "kept outside Slack"},
		{"deleted", slackapi.File{Mode: "tombstone"}, "was deleted"},
		{"hidden", slackapi.File{Mode: "hidden_by_limit"}, "over its limit"},
		{"denied", slackapi.File{Access: "access_denied"}, "does not let me read it"},
		{"canvas", slackapi.File{Mode: "canvas", URL: "https://files.slack.com/a"}, "not a file (canvas)"},
		{"large", slackapi.File{Mode: "hosted", URL: "https://files.slack.com/a", Size: 101}, "over 10 MB"},
		{"nowhere", slackapi.File{Mode: "hosted"}, "where its bytes are"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := readable(c.file, 100)
			if err == nil {
				if c.want != "" {
					t.Errorf("is readable, want %q", c.want)
				}
				return
			}
			if got, ok := view.Words(err, "/countersign"); !ok || c.want == "" || !strings.Contains(got, c.want) {
				t.Errorf("refused with %q, want %q", got, c.want)
			}
		})
	}
}
