package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/slackapi"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// compareShown is how many of those who are not in a list a message shows.
const compareShown = 10

// Compared says what is different between a list and the directory, under the list; now is the moment
// from which a draft lives a day.
func Compared(number int, name string, c *report.Comparison, now time.Time) slackapi.Message {
	text := fmt.Sprintf("Comparison %d: %s (%s) and the directory as of %s.", number, coded(name, tableCell),
		many(c.Listed, "person", "people"), moment(c.At))
	said := []string{text}
	if c.First {
		said = append(said, "No night was recorded yet, so I read the directory for this comparison.")
	}
	if c.Note != "" {
		said = append(said, ":warning: "+quoted(c.Note, reasonText)+".")
	}
	counts := fmt.Sprintf("• *%s* of %s on the list's domains not in the list", workflow.Number(len(c.NotInList)), many(c.Active, "active account", "active accounts"))
	marked, unknown := 0, 0
	for _, l := range c.NotInList {
		switch l.Mark {
		case "":
		case workflow.MarkUnknown:
			unknown++
		default:
			marked++
		}
	}
	if marked > 0 {
		counts += fmt.Sprintf(", %s marked", workflow.Number(marked))
	}
	said = append(said, counts)
	if unknown > 0 {
		said = append(said, fmt.Sprintf("• I could not check whether %s protected or an admin's, so a draft leaves %s out. Send the list again to retry.",
			many(unknown, "of them is", "of them are"), plural(unknown, "it", "them")))
	}
	said = append(said, fmt.Sprintf("• *%s* in the list and not in the directory", workflow.Number(len(c.NotInDirectory))))
	if c.Nameless {
		said = append(said, "• Names are not compared: the list has no column of them that I know, such as `name`")
	} else {
		said = append(said, fmt.Sprintf("• *%s* with another name", workflow.Number(len(c.OtherName))))
	}
	if c.Deactivated > 0 {
		said = append(said, fmt.Sprintf("• *%s* in the list whose account is not active", workflow.Number(c.Deactivated)))
	}
	if len(c.Twice) > 0 {
		said = append(said, fmt.Sprintf("• %s somebody whom the list has already: %s", many(len(c.Twice), "line names", "lines name"), lines(c.Twice)))
	}
	if len(c.Bad) > 0 {
		said = append(said, fmt.Sprintf("• %s of the list cannot be read: %s. Line %d: %s",
			many(len(c.Bad), "line", "lines"), lines(c.Bad), c.Bad[0], quoted(c.BadWhy, reasonText)))
	}
	m := slackapi.Message{Text: text, Blocks: []slack.Block{section("compared", strings.Join(said, "\n"))}}
	if len(c.Incomplete) > 0 {
		m.Blocks = append(m.Blocks, section("incomplete", fmt.Sprintf(
			":warning: More than 20 %% of the active accounts on %s are not in the list. Is the list complete? I offer no draft.", quoted(list(c.Incomplete), lineText))))
	} else if n := len(c.Drafts()); n > 0 {
		draft := button(ActionDraft, "Draft a request", fmt.Sprintf("%s%d/%d", draftOfCompare, number, now.Unix()), "", nil)
		m.Blocks = append(m.Blocks, slack.NewActionBlock("draft", draft))
	}
	if len(c.NotInList) > 0 {
		m.Blocks = append(m.Blocks, reportTable(leavers(c)))
	}
	if words := otherNames(c); words != "" {
		m.Blocks = append(m.Blocks, note("names", words))
	}
	return m
}

func leavers(c *report.Comparison) *report.Table {
	t := &report.Table{Caption: "Active and not in the list", Of: len(c.NotInList), Columns: []report.Column{
		{Name: "Name"}, {Name: "Address"}, {Name: "Last active"}, {Name: "Mark"},
	}}
	for _, l := range c.NotInList[:min(len(c.NotInList), compareShown)] {
		t.Rows = append(t.Rows, []string{l.Name, l.Email, l.Last(), string(l.Mark)})
	}
	return t
}

func otherNames(c *report.Comparison) string {
	var words []string
	for _, r := range c.OtherName[:min(len(c.OtherName), compareShown)] {
		words = append(words, fmt.Sprintf("Line %d: %s in the list, %s in the directory", r.Listed.Line, quoted(r.Listed.Name, tableCell), quoted(r.Account.Name, tableCell)))
	}
	if more := len(c.OtherName) - len(words); more > 0 {
		words = append(words, "and "+workflow.Number(more)+" more with another name")
	}
	return strings.Join(words, "\n")
}

// NotInListFile and NotInDirectoryFile name the files of a comparison.
func NotInListFile(number int) string { return fmt.Sprintf("compare-%d-not-in-list.csv", number) }

// NotInDirectoryFile names the file of those in the list whom the directory does not have.
func NotInDirectoryFile(number int) string {
	return fmt.Sprintf("compare-%d-not-in-directory.csv", number)
}

// CompareDraftFile names the file of a draft that was made of a comparison.
func CompareDraftFile(number int) string { return fmt.Sprintf("draft-compare-%d.csv", number) }
