package slackapi

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// Where a surface takes no table, every cell that the table had stands there whole, and no section is
// longer than Slack takes.
func TestTableAsText(t *testing.T) {
	t.Parallel()
	for _, letters := range []int{1, 200, 2_000} {
		table := slack.NewTableBlock("rows")
		for range maxCellLetters / (letters + 3) / 3 {
			table.AddRow(slack.NewTableRawTextCell(strings.Repeat("ä", letters)+"END"), slack.NewTableRawTextCell("b"))
		}
		whole := 0
		for _, b := range textOf(table) {
			text := b.(*slack.SectionBlock).Text.Text
			if n := utf8.RuneCountInString(text); n > maxSectionText {
				t.Errorf("cells of %d letters: a section of %d", letters, n)
			}
			whole += strings.Count(text, "END · b")
		}
		if whole != len(table.Rows) || whole == 0 {
			t.Errorf("cells of %d letters: %d rows of %d are whole", letters, whole, len(table.Rows))
		}
	}
}
