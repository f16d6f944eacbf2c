package view

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
)

// tableRows is how many rows a table block has at most, with its head (docs.slack.dev, table block).
const tableRows = 100

// A page of details has at most 99 rows, with the head as many as a table takes, and 9,000 letters, whatever the rows hold, and More leads on
// behind the last one that is shown.
func TestDetailsPages(t *testing.T) {
	for _, name := range []string{"Ada", strings.Repeat("long name ", 40)} {
		d := Details{Card: sealedBatch(), Shown: Shown{Value: "42:ab"}}
		for i := range DetailsRows + 1 {
			d.Rows = append(d.Rows, workflow.Change{
				Row: i + 2, Action: workflow.Rename, Name: name, State: workflow.ChangeBlocked,
				Reason: workflow.NewReason(workflow.ReasonNoAccount, strings.Repeat("x", 500)),
			})
		}
		letters, rows, more := 0, 0, ""
		for _, b := range d.Draw().Blocks.BlockSet {
			switch b := b.(type) {
			case *slack.DataTableBlock:
				if rows = len(b.Rows) - 1; len(b.Rows) > tableRows {
					t.Errorf("a table of %d rows with its head", len(b.Rows))
				}
				for _, row := range b.Rows {
					for _, cell := range row {
						letters += utf8.RuneCountInString(cell.(*slack.DataTableRawTextCell).Text)
					}
				}
			case *slack.ActionBlock:
				for _, e := range b.Elements.ElementSet {
					if button, is := e.(*slack.ButtonBlockElement); is && button.ActionID == ActionMore {
						more = button.Value
					}
				}
			}
		}
		if rows == 0 || rows > DetailsRows || letters > detailsLetters || more != fmt.Sprint(rows+1) {
			t.Errorf("%d rows of %d letters; More leads behind row %q", rows, letters, more)
		}
	}
}

// Who decides in the details reads there all that the card says before its buttons, and nothing of a
// file that is not there.
func TestDetailsSayWhatTheCardSays(t *testing.T) {
	all := cards()
	gets := sealedBatch()
	gets.Batch.Agent, gets.Batch.When = "helper", workflow.When{At: at(600), For: time.Hour}
	for _, message := range []string{"Farewell", "Thank you"} {
		gets.Gist.Add(&workflow.Change{Action: workflow.Deactivate, State: workflow.ChangeReady, Set: workflow.Of(workflow.FieldMessage, message)})
	}
	gets.Summary.Groups = append(gets.Summary.Groups, workflow.Group{
		Action: workflow.Rename, State: workflow.ChangeReady, Code: workflow.ReasonOddAddress, Count: 2,
	})
	all["gets"] = gets
	for name, c := range all {
		d := Details{Card: c, Shown: Shown{Value: "42:ab"}}
		d.Rows = []workflow.Change{{Row: 9, Action: workflow.Deactivate, State: workflow.ChangeReady, Set: workflow.Of(workflow.FieldMessage, "Thank you")}}
		shown := map[string]bool{}
		modal := d.Draw()
		for _, b := range modal.Blocks.BlockSet {
			if s, is := b.(*slack.SectionBlock); is {
				shown[s.Text.Text] = true
			}
		}
		for _, b := range c.Draw().Blocks {
			if s, is := b.(*slack.SectionBlock); is && !shown[s.Text.Text] && s.Text.Text != cutWords {
				t.Errorf("%s: the details do not say %q", name, s.Text.Text)
			}
		}
		raw := drawn(t, modal)
		if there := strings.Contains(raw, PlanFile(42)); there != (c.Plan.There && c.Batch.Digest != "") && name != "mixed" {
			t.Errorf("%s: the plan's file is named: %v", name, there)
		}
		if strings.Contains(raw, `"text":"Thank you"`) != (name == "gets" || name == "invite") {
			t.Errorf("%s: a row's own message:\n%s", name, raw)
		}
	}
}

// What goes with a modal fits into its metadata, however far somebody has turned the pages, and
// however much a form holds; what is none of ours is refused.
func TestMetadataFits(t *testing.T) {
	s := Shown{Value: "42:" + strings.Repeat("a", 64), Channel: "C0123456789", State: workflow.ChangeReady}
	for i := range 1000 {
		s, _ = s.Turn(ActionMore, fmt.Sprint(1_000_000+i))
	}
	if n := len(s.String()); n > maxMetadata {
		t.Errorf("%d letters of metadata after a thousand pages", n)
	}
	if back, ok := ParseShown(s.String()); !ok || back.Begins() != 1_000_999 {
		t.Errorf("read back as %+v", back)
	}
	for action, value := range map[string]string{ActionMore: "-1", ActionRows: "nonsense", "other": ""} {
		if _, ok := s.Turn(action, value); ok {
			t.Errorf("%s %q is taken", action, value)
		}
	}
	for _, d := range []Draft{
		{Action: workflow.Rename, Lines: "a@x.example", Reason: "small"},
		{
			Action: workflow.Rename, Lines: strings.Repeat("ä\n", 3000), Reason: strings.Repeat("r", 1000), From: strings.Repeat("f", 5000),
			File: &FormFile{ID: "F1", Name: strings.Repeat("n", 9000)}, Author: "U1",
		},
	} {
		c := Carried{Key: "key", Draft: d}
		back, ok := ParseCarried(c.String())
		if n := len(c.String()); n > maxMetadata || !ok || back.Cut != (len(d.Lines) > 100) || !back.Cut && back.Draft.Lines != d.Lines {
			t.Errorf("%d letters, read back as %+v", n, back)
		}
		if kept := back.Draft.Author == d.Author && (back.Draft.From == "") == (d.From == ""); !kept && !back.Needs {
			t.Errorf("who wrote it is lost, and the form could be read without: %+v", back)
		}
	}
	for _, old := range []string{"", "{}", "1:ab", `{"value":"1:ab"}`, "[]"} {
		if _, ok := ParseCarried(old); ok {
			t.Errorf("%q is taken for a form", old)
		}
	}
}
