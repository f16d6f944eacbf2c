package sheet_test

import (
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// For somebody who has no account yet the address is email, else new_email: also in a file that has both
// columns. A row that gives both is the rename that its columns imply.
func TestAddressOfWhoHasNoAccount(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		file string
		verb workflow.ActionName
		want workflow.ActionName
	}{
		{"email,new_email\n,ada@x.example\n", workflow.Invite, workflow.Invite},
		{"email,new_email\nada@x.example,\n", workflow.Invite, workflow.Invite},
		{"email,new_email,site\nada@x.example,,main\n", workflow.SiteCreate, workflow.SiteCreate},
		{"email,new_email,name\nada@x.example,,Ada\n", workflow.Provision, workflow.Provision},
		{"email,new_email,action\n,ada@x.example,invite\n", "", workflow.Invite},
		{"email,new_email\nada@x.example,ada@y.example\n", workflow.Invite, workflow.Rename},
	} {
		got, err := sheet.ReadCSV([]byte(tt.file), tt.verb, ourOrg, workflow.ReadLimits{})
		if err != nil {
			t.Fatal(err)
		}
		row := got.Rows[0]
		if row.Problem != "" || row.Action != tt.want || tt.want != workflow.Rename && row.Address() != "ada@x.example" {
			t.Errorf("%q with %s: %s of %q, %q", tt.file, tt.verb, row.Action, row.Address(), row.Problem)
		}
	}
	// What the message names is of rows that do not say it themselves.
	given := workflow.Of(workflow.ColumnSite, "main").With(workflow.ColumnGroup, "jira-users")
	got, err := sheet.ReadCSVWith([]byte("email,site\nada@x.example,\nbo@x.example,other\n"), workflow.SiteGroupAdd, given, ourOrg, workflow.ReadLimits{})
	if err != nil {
		t.Fatal(err)
	}
	for i, site := range []string{"main", "other"} {
		if row := got.Rows[i]; row.Problem != "" || row.Values.Get(workflow.ColumnSite) != site || row.Values.Get(workflow.ColumnGroup) != "jira-users" {
			t.Errorf("row %d: %+v", i, row)
		}
	}
}
