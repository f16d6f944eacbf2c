package sheet_test

import (
	"slices"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// A list's own columns of names are the new name where the action takes one, and mean no action by
// themselves; a column new_name goes before them.
func TestNamesOfAList(t *testing.T) {
	for name, test := range map[string]struct {
		text, want string
		verb       workflow.ActionName
		ignored    []string
	}{
		"name":               {"email,name\na@x.example,Ada Lang\n", "Ada Lang", workflow.SetName, nil},
		"full name":          {"email,Full Name\na@x.example,Ada Lang\n", "Ada Lang", workflow.SetName, nil},
		"first and last":     {"email,first name,last_name\na@x.example,Ada,Lang\n", "Ada Lang", workflow.SetName, nil},
		"new_name before":    {"email,name,new_name\na@x.example,Ada Lang,Ada Byron\n", "Ada Byron", "", []string{"name"}},
		"half a name":        {"email,first name,last name,new_name\na@x.example,Ada,,A\n", "A", "", []string{"first name", "last name"}},
		"of another action":  {"email,name\na@x.example,Ada Lang\n", "", workflow.Deactivate, []string{"name"}},
		"action by its cell": {"action,email,name\nset name,a@x.example,Ada Lang\n", "Ada Lang", "", nil},
	} {
		sheet := read(t, test.text, test.verb)
		if row := sheet.Rows[0]; row.Values.Get(workflow.ColumnNewName) != test.want || row.Problem != "" {
			t.Errorf("%s: new name %q (%s), want %q", name, row.Values.Get(workflow.ColumnNewName), row.Problem, test.want)
		}
		if !slices.Equal(sheet.Ignored, test.ignored) {
			t.Errorf("%s: not used %v, want %v", name, sheet.Ignored, test.ignored)
		}
	}
	if !read(t, "email,name\na@x.example,Ada Lang\n", "").NeedsAction {
		t.Error("a name alone means an action")
	}
}
