package view

import (
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
)

// A comparison as it is told: with the latest activity in any product, who is listed twice, and of whom
// nobody knows whether a draft may have them.
func TestComparedGolden(t *testing.T) {
	leaver := func(name string, mark workflow.Mark, last string, products ...workflow.Product) report.Leaver {
		return report.Leaver{Mark: mark, Member: workflow.Member{
			Account: workflow.Account{ID: "712020:" + name, Name: name, Email: name + "@a.example", Status: workflow.StatusActive}, LastActive: last, Products: products,
		}}
	}
	c := &report.Comparison{
		At: at(0), Listed: 40, Active: 42, Twice: []int{7}, Bad: []int{9, 12}, BadWhy: "columns \"email\" and \"mail\" both give the email and differ; keep one of the two", Deactivated: 1,
		NotInList: []report.Leaver{
			leaver("ada", "", "2026-10-01", workflow.Product{Key: "jira-software", LastActive: "2026-11-20"}),
			leaver("bob", workflow.MarkProtected, ""), leaver("cy", workflow.MarkUnknown, "2026-11-02"),
		},
		NotInDirectory: []workflow.Listed{{Line: 3, Email: "new@a.example"}},
		OtherName:      []report.Renamed{{Listed: workflow.Listed{Line: 5, Name: "Dan"}, Account: workflow.Account{Name: "Daniel"}}},
	}
	golden(t, "compared", Compared(7, "hr.csv", c, at(1)))
	c.First, c.Note = true, "Atlassian announces 43 accounts and lists 42, also when it is read again"
	golden(t, "compared_first", Compared(7, "hr.csv", c, at(1)))

	c.Nameless, c.OtherName = true, nil
	said := Compared(7, "hr.csv", c, at(1)).Blocks[0].(*slack.SectionBlock).Text.Text
	if !strings.Contains(said, "• Names are not compared: ") || strings.Contains(said, "another name") {
		t.Errorf("of a list without names it says %s", said)
	}
}
