package sheet_test

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// One row under a header, and what is wrong with it; "" for nothing.
func TestReadCSVRowProblems(t *testing.T) {
	const id = "712020:5f0c1e0a-0001-4000-8000-000000000001"
	long := strings.Repeat("a", 250)
	tests := []struct{ name, header, row, problem string }{
		{"fine", "old_email,new_email", "a@x.example,b@x.example", ""},
		{"address as people write it", "old_email,new_email", "O'Neil+x@x.example,'+b@x.example", ""},
		{"no account", "old_email,new_email", ",b@x.example", "email (here \"old_email\") is empty"},
		{"no account by id", "account_id,new_email", ",b@x.example", "account_id is empty"},
		{"no account either way", "account_id,email,new_email", ",,b@x.example", "account_id and email are empty"},
		{
			"no column for it", "new_email", "b@x.example",
			"nothing names the account: the file needs a column account_id or old_email",
		},
		{"new address empty", "email,new_email", "a@x.example,", "new_email is empty"},
		{"new address by its other name empty", "old_email,email", "a@x.example,", "new_email (here \"email\") is empty"},
		{"fewer cells", "email,new_email", "a@x.example", "new_email is empty"},
		{
			"column missing for the row's action", "action,email", "rename,a@x.example",
			"rename needs new_email, and the file has no such column",
		},
		{"more cells", "email,new_email", "a@x.example,b@x.example,c", "more cells than there are columns"},
		{"more cells, blank", "email,new_email", "a@x.example,b@x.example,, ,", ""},

		{"no @", "email,new_email", "a.x.example,b@x.example", "email \"a.x.example\" is not an address: it has no @"},
		{"two @", "email,new_email", "a@x.example,b@@x.example", "more than one @"},
		{"no local part", "email,new_email", "a@x.example,@x.example", "nothing before the @"},
		{"no dot", "email,new_email", "a@x.example,b@x", "no dot in the domain"},
		{"dots", "email,new_email", "a@x.example,b@x..example", "a dot too many"},
		{"space inside", "email,new_email", "a@x.example,b c@x.example", "holds a space"},
		{"name and address", "email,new_email", "a@x.example,B<b@x.example>", "holds '<'"},
		{"zero width inside", "email,new_email", "a@x.example,b\u200b@x.example", "the invisible character U+200B"},
		{"too long", "email,new_email", "a@x.example," + long + "@x.example", "longer than 254"},
		{"no rename, no check", "action,email,new_email", "deactivate,a@x.example,none", ""},

		{
			"id with odd characters", "account_id,new_email", "712020/5,b@x.example",
			"account_id \"712020/5\" is not an account id: it holds '/'",
		},
		{"id is an address", "Atlassian ID,new_email", "a@x.example,b@x.example", "is an address; put it into a column old_email"},
		{"id too long", "account_id,new_email", long + ",b@x.example", "longer than 128"},

		{"NUL in an id", "account_id,new_email", "a\x00b,b@x.example", "holds '\\x00'"},
		{
			"control character", "action,email,message", "deactivate,a@x.example,be\x07ll",
			"message holds the control character U+0007",
		},
		{"lost character", "action,email,message", "deactivate,a@x.example,caf\uFFFD", "lost in an earlier conversion"},
		{"line break in a message", "action,email,message", "deactivate,a@x.example,\"two\nlines\"", ""},
		{
			"long message", "action,email,message", "deactivate,a@x.example," + strings.Repeat("é", 1001),
			"message has 1,001 characters, 1,000 are the limit",
		},
		{"message at the limit", "action,email,message", "deactivate,a@x.example," + strings.Repeat("é", 1000), ""},

		{"our organisation", "org_id,email,new_email", strings.ToUpper(ourOrg) + ",a@x.example,b@x.example", ""},
		{
			"another organisation", "org_id,email,new_email", "22222222-2222-3333-4444-555555555555,a@x.example,b@x.example",
			"is another organisation",
		},

		{"action in other spelling", "action,account_id", "DeActivate ," + id, ""},
		{"action misspelt", "action,email", "deactivte,a@x.example", "\"deactivte\" is not known; did you mean deactivate?"},
		{"action unknown", "action,email", "explode into pieces,a@x.example", "these are: rename, "},
		{"provision", "action,email,full name", "PROVISION,a@x.example,Ada Lang", ""},
		{"provision by parts of a name", "action,new_email,first name,last name", "provision,a@x.example,Ada,Lang", ""},
		{"provision nobody", "action,email", "PROVISION,a@x.example", "provision needs new_name, and the file has no such column"},
		{"a new name implies set-name", "email,new_name", "a@x.example,Ada", ""},
		{"name too long", "email,new_name", "a@x.example," + strings.Repeat("é", 101), "is not a name: it has 101 characters, 100 are the limit"},
		{"no name", "action,email,name", "set-name,a@x.example,", "set-name needs new_name, and the file has no such column"},
		{"address and name", "email,new_email,new_name", "a@x.example,b@x.example,Ada", "a new address and a new name"},
		{"address, and a column for names", "email,new_email,new_name", "a@x.example,b@x.example,", ""},

		{"two columns agree", "email,user email,new_email", "a@x.example,A@X.example,b@x.example", ""},
		{"one of two empty", "email,user email,new_email", ",a@x.example,b@x.example", ""},
		{
			"two columns differ", "email,user email,new_email", "a@x.example,c@x.example,b@x.example",
			"columns \"email\" and \"user email\" both give the email and differ; keep one of the two",
		},
		{
			"email is the old address where a better new one is there",
			"old_email,email,new_email", "a@x.example,c@x.example,b@x.example",
			"columns \"old_email\" and \"email\" both give the email and differ",
		},
		{"one column twice", "account_id,account_id,new_email", "id:1,id:2,b@x.example", "both give the account_id and differ"},
		{"two problems", "email,new_email", "a,b", "it has no @; new_email \"b\" is not an address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sheet := read(t, test.header+"\n"+test.row+"\n", "")
			if len(sheet.Rows) != 1 {
				t.Fatalf("%d rows, want 1", len(sheet.Rows))
			}
			got := sheet.Rows[0].Problem
			if (test.problem == "") != (got == "") || !strings.Contains(got, test.problem) {
				t.Errorf("problem %q, want %q", got, test.problem)
			}
		})
	}
}

// Every name under which an address is known, in other case and with other marks between its words.
func TestReadCSVNamesOfAddresses(t *testing.T) {
	t.Parallel()
	for _, old := range []string{"old_email", "current_email", "email", "e-mail", "E Mail", "mail", "user email", "User-Email", "old address", "OLD_ADDRESS"} {
		for _, new := range []string{"new_email", "new e-mail", "New E-Mail", "new_e_mail", "target_email", "new address", "New-Address"} {
			sheet := read(t, old+","+new+"\na@x.example,b@x.example\n", "")
			if len(sheet.Rows) != 1 || sheet.Rows[0].Problem != "" || sheet.Rows[0].Action != workflow.Rename ||
				sheet.Rows[0].Email() != "a@x.example" || sheet.Rows[0].Values.Get(workflow.ColumnNewEmail) != "b@x.example" || len(sheet.Ignored) > 0 {
				t.Errorf("%s and %s: %+v", old, new, sheet)
			}
		}
	}
}

// Where the action comes from: the cell, then the columns, then the verb, then somebody is asked.
func TestReadCSVAction(t *testing.T) {
	const empty = "action is empty; say what should happen"
	tests := []struct {
		name, text string
		verb       workflow.ActionName
		actions    []workflow.ActionName
		problems   []string
		asks       bool
	}{
		{
			name: "cell, columns, verb", verb: workflow.Activate,
			text:    "action,email,new_email\ndeactivate,a@x.example,\n,b@x.example,b@y.example\n,c@x.example,\n",
			actions: []workflow.ActionName{workflow.Deactivate, workflow.Rename, workflow.Activate},
		},
		{
			name:    "an empty cell and no verb",
			text:    "action,email,new_email\ndeactivate,a@x.example,\n,c@x.example,\n",
			actions: []workflow.ActionName{workflow.Deactivate, ""}, problems: []string{"", empty},
		},
		{
			name: "no row says it", text: "action,email\n,a@x.example\n,b@x.example\n",
			actions: []workflow.ActionName{"", ""}, asks: true,
		},
		{name: "no column says it", text: "email\na@x.example\n", actions: []workflow.ActionName{""}, asks: true},
		{
			name: "a column of new addresses goes before the verb, filled or not", verb: workflow.Deactivate,
			text:    "email,new_email\na@x.example,\n",
			actions: []workflow.ActionName{workflow.Rename}, problems: []string{"new_email is empty"},
		},
		{
			name: "an old address and email", verb: workflow.Deactivate,
			text: "current-email;Email\na@x.example;b@x.example\n", actions: []workflow.ActionName{workflow.Rename},
		},
		{
			name: "the other names of addresses", verb: workflow.Deactivate,
			text: "Old Address;New E-Mail\na@x.example;b@x.example\n", actions: []workflow.ActionName{workflow.Rename},
		},
		{
			name: "mail and a new address", verb: workflow.Deactivate,
			text: "mail,new-address\na@x.example,b@x.example\n", actions: []workflow.ActionName{workflow.Rename},
		},
		{
			name: "an old address and E-Mail", verb: workflow.Deactivate,
			text: "old address,E-Mail\na@x.example,b@x.example\n", actions: []workflow.ActionName{workflow.Rename},
		},
		{name: "e-mail alone is the account", text: "e mail\na@x.example\n", actions: []workflow.ActionName{""}, asks: true},
		{
			name: "email alone is the account", verb: workflow.Deactivate, text: "email\na@x.example\n",
			actions: []workflow.ActionName{workflow.Deactivate},
		},
		{
			name: "a verb that needs more than the file has", verb: workflow.Provision, text: "email\na@x.example\n",
			actions: []workflow.ActionName{workflow.Provision}, problems: []string{"provision needs new_name, and the file has no such column"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sheet := read(t, test.text, test.verb)
			if sheet.NeedsAction != test.asks {
				t.Errorf("NeedsAction is %v, want %v", sheet.NeedsAction, test.asks)
			}
			if len(sheet.Rows) != len(test.actions) {
				t.Fatalf("%d rows, want %d", len(sheet.Rows), len(test.actions))
			}
			for i, row := range sheet.Rows {
				want := ""
				if test.problems != nil {
					want = test.problems[i]
				}
				if row.Action != test.actions[i] || row.Problem != want {
					t.Errorf("line %d: %q with problem %q, want %q with %q",
						row.Line, row.Action, row.Problem, test.actions[i], want)
				}
			}
		})
	}
}

// A problem that repeats a cell repeats it so that it cannot break out of where it is shown.
func TestReadCSVProblemsQuoteCells(t *testing.T) {
	sheet := read(t, "email,new_email\na@x.example,\"<!channel>\n"+strings.Repeat("x", 500)+"\"\n", "")
	problem := sheet.Rows[0].Problem
	if strings.Contains(problem, "\n") || len(problem) > 200 {
		t.Errorf("problem %q holds a line break or the whole cell", problem)
	}
}

func TestReadCSVIgnoredColumns(t *testing.T) {
	sheet := read(t, "email, Department ,,new_email,,newemail\na@x.example,R&D,,b@x.example,stray,\n", "")
	want := " Department |column 5, which has no name|newemail"
	if got := strings.Join(sheet.Ignored, "|"); got != want {
		t.Errorf("ignored %q, want %q", got, want)
	}
}

// Of somebody who has no account yet a row gives the address alone, as email or else as new_email.
func TestAddressesOfNobody(t *testing.T) {
	for file, want := range map[string]string{
		"email,products\na@x.example,confluence\n":      "a@x.example ",
		"new_email\na@x.example\n":                      "a@x.example ",
		"email,new_email\na@x.example,b@x.example\n":    "a@x.example rename",
		"account_id,email\n712020:1,a@x.example\n":      "takes an address",
		"email,group\n,finance\n":                       "the address is empty",
		"account_id,email\n,not an address\n":           "is not an address",
		"group,email\nfinance;jira-users,a@x.example\n": "a@x.example ",
	} {
		got, err := sheet.ReadCSV([]byte(file), workflow.Invite, "", workflow.ReadLimits{})
		if err != nil {
			t.Fatal(err)
		}
		row := got.Rows[0]
		is := row.Address() + " " + row.Problem
		if row.Action == workflow.Rename {
			is = row.Address() + " rename"
		}
		if (row.Problem == "") != strings.HasPrefix(want, "a@") || !strings.Contains(is, want) {
			t.Errorf("%q: %q as %s, want %q", file, is, row.Action, want)
		}
	}
}
