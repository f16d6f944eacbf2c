package sheet_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// A list says who is there, and a file of exceptions whom to leave out: what else their columns could ask for, in whatever
// words, costs nobody their row.
func TestListsNamePeopleAlone(t *testing.T) {
	t.Parallel()
	for header, row := range map[string]string{
		"email,action":             "ada@x.example,hired",
		"email,Action,new_email":   "ada@x.example,invite,tbd",
		"email,new_email":          "ada@x.example,ada@y.example",
		"email,new_email,new_name": "ada@x.example,ada@y.example,Ada Lang",
		"email,group":              "ada@x.example," + longCell,
		"email,site,products":      "ada@x.example," + longCell + "," + longCell,
		"email,message":            "ada@x.example," + longCell,
		"email,directory,username": "ada@x.example,Sales,\u202eada",
	} {
		list, err := sheet.ReadList([]byte(header+"\n"+row+"\n"), ourOrg, workflow.ReadLimits{})
		if err != nil || len(list.Bad) > 0 || len(list.Rows) != 1 || list.Rows[0].Email != "ada@x.example" {
			t.Errorf("%s: %v, %+v", header, err, list)
		}
		except, err := sheet.ReadExceptions([]byte(header+"\n"+row+"\n"), ourOrg, workflow.ReadLimits{})
		if want := []workflow.Excepted{{Line: 2, Email: "ada@x.example"}}; err != nil || !slices.Equal(except, want) {
			t.Errorf("%s, as exceptions: %v, %+v", header, err, except)
		}
	}
}

var longCell = string(slices.Repeat([]byte("x"), 2000))

// Where a list has people, and what it calls them.
func TestReadList(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]workflow.Listed{
		"email,new_name\nada@x.example,Ada Lang\n":                  {Email: "ada@x.example", Name: "Ada Lang"},
		"email,name\nada@x.example,Ada Lang\n":                      {Email: "ada@x.example", Name: "Ada Lang"},
		"email,new_name,full name\nada@x.example,,Ada Lang\n":       {Email: "ada@x.example", Name: "Ada Lang"},
		"first name,last name,mail\nAda,Lang,ada@x.example\n":       {Email: "ada@x.example", Name: "Ada Lang"},
		"new_email\nada@x.example\n":                                {Email: "ada@x.example"},
		"User id;New Address\n712020:1;ada@x.example\n":             {Email: "ada@x.example", AccountID: "712020:1"},
		"old_email,email\nada@x.example,ada@y.example\n":            {Email: "ada@x.example"},
		"email,new_email\n,ada@y.example\n":                         {Email: "ada@y.example"},
		"old_email,email\n,ada@y.example\n":                         {Email: "ada@y.example"},
		"email,mail,new e-mail\n ,,ada@y.example\n":                 {Email: "ada@y.example"},
		"email,new_email,name\nada@x.example,ada@y.example,Ada L\n": {Email: "ada@x.example", Name: "Ada L"},
	} {
		list, err := sheet.ReadList([]byte(file), ourOrg, workflow.ReadLimits{})
		if err != nil || len(list.Bad) > 0 || len(list.Rows) != 1 {
			t.Errorf("%q: %v, %+v", file, err, list)
			continue
		}
		got := list.Rows[0]
		want.Line, want.Cells = 2, got.Cells
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", file, diff)
		}
	}
	for _, file := range []string{"email,name\n,Ada\n", "email,org_id\nada@x.example,other\n", "email\nnobody\n", "account_id\na b\n", "email\na@x.example,b\n"} {
		if list, err := sheet.ReadList([]byte(file), ourOrg, workflow.ReadLimits{}); err != nil || !slices.Equal(list.Bad, []int{2}) {
			t.Errorf("%q: %v, %+v; want line 2 bad", file, err, list)
		}
	}
}

// Columns of a person's name are understood, though they mean no action: nobody is asked what they are.
func TestNamesAreUnderstood(t *testing.T) {
	t.Parallel()
	got := read(t, "email,Name,full_name,First Name,last-name,Department\na@x.example,A,A,A,B,Sales\n", "")
	if want := []workflow.UnknownColumn{{Name: "Department"}}; !got.NeedsAction || !slices.Equal(got.Unknown, want) {
		t.Errorf("not understood: %+v, want %+v", got.Unknown, want)
	}
}

// A list says what is wrong with the first line that cannot be read.
func TestListSaysWhyLinesAreBad(t *testing.T) {
	t.Parallel()
	list, err := sheet.ReadList([]byte("name,email,mail\nAda,ada@x.example,a@y.example\nBob,bob@x.example,\n,,\nx\n"), ourOrg, workflow.ReadLimits{})
	const why = `columns "email" and "mail" both give the email and differ; keep one of the two`
	if err != nil || !slices.Equal(list.Bad, []int{2, 5}) || list.BadWhy != why || len(list.Rows) != 1 {
		t.Errorf("%v, %+v", err, list)
	}
}
