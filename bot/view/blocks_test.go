package view

import (
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"
)

// A text that is too long is cut where Slack still reads the rest as it was meant, and lines are not cut
// at all while there is another section for them.
func TestLongTexts(t *testing.T) {
	for text, want := range map[string]string{
		"see `/a <n>` and `/b &lt;n&gt;` it":     "see `/a <n>` and…",
		"all of it & more, escaped: &amp; cut":   "all of it & more, escaped:…",
		"who <@U0HANA> and <@U0ALICE123456>":     "who <@U0HANA> and…",
		"one line\nand one that is far too long": "one line\nand one that is far…",
		"short":                                  "short",
	} {
		if got := clipMrkdwn(text, 30); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	var lines []string
	for i := range 400 {
		lines = append(lines, strings.Repeat("x", i%90)+" `end "+strconv.Itoa(i)+"`")
	}
	var shown []string
	ids := map[string]bool{}
	for _, b := range paragraphs("p", strings.Join(lines, "\n")) {
		s, ok := b.(*slack.SectionBlock)
		if !ok || utf8.RuneCountInString(s.Text.Text) > maxSection || ids[s.BlockID] {
			t.Fatalf("a block that Slack would refuse: %+v", b)
		}
		ids[s.BlockID] = true
		shown = append(shown, strings.Split(s.Text.Text, "\n")...)
	}
	if diff := cmp.Diff(lines, shown); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
}
