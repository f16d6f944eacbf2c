package command_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

// Pasted lines are read as helpdesk has them: from mail programs, spreadsheets and Slack. What is no
// account is a bad row with its line, and hides no other.
func TestReadLines(t *testing.T) {
	for _, test := range []struct {
		action workflow.ActionName
		text   string
		want   []string
	}{
		{workflow.Deactivate, "ada@x.example\n\n  Bo Lee <bo@x.example>\n", []string{"1 ada@x.example", "3 bo@x.example"}},
		{workflow.Deactivate, "<mailto:ada@x.example|ada@x.example>; 712020:0001", []string{"1 ada@x.example", "2 712020:0001"}},
		{workflow.Deactivate, "Lang, Ada <ada@x.example>, Lee, Bo <bo@x.example>", []string{"1 ada@x.example", "2 bo@x.example"}},
		{workflow.Deactivate, "not bo@x.example\nada@x.example", []string{"1 bad", "2 ada@x.example"}},
		{workflow.Deactivate, "<mailto:ada@x.example|bo@x.example>", []string{"1 bad"}},
		{workflow.Rename, "ada@x.example → ada@y.example\nbo@x.example -> bo@y.example", []string{
			"1 ada@x.example new_email=ada@y.example", "2 bo@x.example new_email=bo@y.example",
		}},
		{workflow.Rename, "ada@x.example\tada@y.example\nbo@x.example, <mailto:bo@y.example|bo@y.example>\ncy@x.example cy@y.example", []string{
			"1 ada@x.example new_email=ada@y.example", "2 bo@x.example new_email=bo@y.example", "3 cy@x.example new_email=cy@y.example",
		}},
		{workflow.Rename, "ada@x.example\n712020:0001 => id@y.example", []string{"1 bad", "2 712020:0001 new_email=id@y.example"}},
		{workflow.SetName, "ada@x.example → Ada Lang\nbo@x.example Bo \"the\" Lee", []string{
			"1 ada@x.example new_name=Ada Lang", "2 bo@x.example new_name=Bo \"the\" Lee",
		}},
		{workflow.Invite, "new@x.example\nno address", []string{"1 new@x.example group=finance", "2 bad"}},
		{workflow.GroupAdd, "ada@x.example", []string{"1 ada@x.example group=finance"}},
	} {
		given := workflow.RowValues{}
		if test.action == workflow.Invite || test.action == workflow.GroupAdd {
			given.Set(workflow.ColumnGroup, "finance")
		}
		sheet, err := command.ReadLines(test.action, test.text, given, "org", workflow.ReadLimits{})
		if err != nil {
			t.Errorf("%s %q: %v", test.action, test.text, err)
			continue
		}
		var got []string
		for _, row := range sheet.Rows {
			words := []string{fmt.Sprint(row.Line), row.Values.Get(workflow.ColumnAccountID) + row.Values.Get(workflow.ColumnEmail)}
			for _, column := range []workflow.Column{workflow.ColumnNewEmail, workflow.ColumnNewName, workflow.ColumnGroup} {
				if value := row.Values.Get(column); value != "" {
					words = append(words, string(column)+"="+value)
				}
			}
			if row.Problem != "" {
				words = []string{fmt.Sprint(row.Line), "bad"}
			}
			got = append(got, strings.Join(words, " "))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %q (-want +got):\n%s", test.action, test.text, diff)
		}
	}
	if _, err := command.ReadLines(workflow.Deactivate, " \n", nil, "org", workflow.ReadLimits{}); err == nil {
		t.Error("no line is read as something")
	}
}
