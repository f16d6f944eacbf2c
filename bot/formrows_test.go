package bot

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/slack-go/slack"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// Who is left out of a draft is named by address or id, however it was written; what names nobody in
// it is refused, and so is a draft of which nothing is left.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	rows := []workflow.Row{
		{Action: workflow.Rename, Values: workflow.Of(workflow.ColumnAccountID, "712020:a").With(workflow.ColumnNewEmail, "b@x.example")},
		{Action: workflow.Rename, Values: workflow.Of(workflow.ColumnEmail, "b@x.example").With(workflow.ColumnNewEmail, "c@x.example")},
		{Action: workflow.Rename, Values: workflow.Of(workflow.ColumnAccountID, "712020:c").With(workflow.ColumnEmail, "Éva@x.example")},
	}
	for text, want := range map[string]struct {
		left, named []string
		all         bool
	}{
		"":                                 {left: []string{"712020:a", "b@x.example", "712020:c"}},
		"b@x.example":                      {left: []string{"712020:a", "712020:c"}},
		"Bob B. <B@X.example>, 712020:c":   {left: []string{"712020:a"}},
		"<mailto:b@x.example|b@x.example>": {left: []string{"712020:a", "712020:c"}},
		"éva@x.example\n\n712020:a":        {left: []string{"b@x.example"}},
		"b@x.exampel":                      {named: []string{"b@x.exampel"}},
		"712020:A":                         {named: []string{"712020:A"}},
		"Bob and Eva\nb@x.example":         {named: []string{"Bob and Eva"}},
		"c@x.example":                      {named: []string{"c@x.example"}}, // a new address is nobody's
		"712020:a b@x.example 712020:c":    {all: true},
	} {
		left, err := listedRows(rows, view.Draft{LeaveOut: text})
		var got []string
		for _, row := range left {
			got = append(got, row.Values.Get(workflow.ColumnAccountID))
			if row.AccountID() == "" {
				got[len(got)-1] = row.Email()
			}
		}
		refused, is := errors.AsType[*view.NotListedError](err)
		if is != (want.all || want.named != nil) || is && (refused.All != want.all || !slices.Equal(refused.Named, want.named)) {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(want.left, got); diff != "" {
			t.Errorf("%q (-want +got)\n%s", text, diff)
		}
		if words, known := view.Words(err, "/countersign"); is && (!known || words == "") {
			t.Errorf("%q has no words", text)
		}
	}
}

// The rows of a draft are held to what their action needs, as those of a file are, also when another
// action was chosen or the form says something wrong for all of them.
func TestListedRowsAreChecked(t *testing.T) {
	t.Parallel()
	account := func() []workflow.Row {
		return []workflow.Row{
			{Line: 7, Action: workflow.Suspend, Values: workflow.Of(workflow.ColumnAccountID, "712020:a"), Cells: []string{"x"}},
			{Line: 9, Action: workflow.Suspend, Values: workflow.Of(workflow.ColumnAccountID, "712020:b").With(workflow.ColumnEmail, "=b@x.example")},
			{Line: 11, Action: workflow.Suspend, Problem: "it is odd"},
		}
	}
	given := func(column workflow.Column, value string) map[workflow.Column]string {
		return map[workflow.Column]string{column: value}
	}
	for name, c := range map[string]struct {
		draft view.Draft
		want  []string // in the problem of each row; "" for none
	}{
		"as drafted":          {view.Draft{}, []string{"", "", "it is odd"}},
		"the same action":     {view.Draft{Action: workflow.Suspend}, []string{"", "", "it is odd"}},
		"without an address":  {view.Draft{Action: workflow.Rename}, []string{"new_email", "new_email", "new_email"}},
		"without a group":     {view.Draft{Action: workflow.GroupAdd}, []string{"group", "group", "group"}},
		"with a group":        {view.Draft{Action: workflow.GroupAdd, Values: given(workflow.ColumnGroup, "users")}, []string{"", "", "account"}},
		"with a wrong site":   {view.Draft{Action: workflow.SiteDelete, Values: given(workflow.ColumnSite, "a\u0000b")}, []string{"site", "site", "site"}},
		"with another action": {view.Draft{Action: workflow.Deactivate}, []string{"", "", "account"}},
	} {
		rows, err := listedRows(account(), c.draft)
		if err == nil {
			err = checkListed(rows, "org", workflow.ReadLimits{MaxRows: 100})
		}
		if err != nil || len(rows) != 3 {
			t.Errorf("%s: %d rows, %v", name, len(rows), err)
			continue
		}
		for i, want := range c.want {
			if (rows[i].Problem == "") != (want == "") || !strings.Contains(rows[i].Problem, want) {
				t.Errorf("%s: the problem of row %d is %q, want %q", name, i, rows[i].Problem, want)
			}
		}
		if rows[0].Line != 7 || len(rows[0].Cells) != 1 || rows[1].Email() != "=b@x.example" {
			t.Errorf("%s: rows %+v", name, rows[:2])
		}
	}
}

// What stands in the empty fields for times is how a time may be written, each of it.
func TestPlaceholdersOfTimesAreTimes(t *testing.T) {
	t.Parallel()
	modal := view.Asked{}.Draw()
	for _, b := range modal.Blocks.BlockSet {
		input, is := b.(*slack.InputBlock)
		if !is {
			continue
		}
		element, is := input.Element.(*slack.PlainTextInputBlockElement)
		if !is || !slices.Contains([]string{view.FieldAt, view.FieldUntil, view.FieldFor}, element.ActionID) {
			continue
		}
		for text := range strings.SplitSeq(strings.ReplaceAll(element.Placeholder.Text, " or ", ", "), ", ") {
			times := command.Times{At: text}
			if element.ActionID == view.FieldFor {
				times = command.Times{For: text}
			}
			if _, err := times.When(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC), time.UTC); err != nil {
				t.Errorf("%s: %q: %v", element.ActionID, text, err)
			}
		}
	}
}
