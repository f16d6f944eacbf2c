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
