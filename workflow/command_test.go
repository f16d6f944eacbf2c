package workflow_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/workflow"
)

const accountID = "712020:5f0c1e0a-0001-4000-8000-000000000001"

func TestParseCommand(t *testing.T) {
	byEmail := func(action workflow.ActionName, emails ...string) []workflow.Row {
		var rows []workflow.Row
		for i, email := range emails {
			rows = append(rows, workflow.Row{Line: i + 1, Action: action, Email: email})
		}
		return rows
	}
	rename := workflow.Command{
		Name: "rename", Action: workflow.Rename, Users: []string{"ada@old.example"},
		Rows: []workflow.Row{{Line: 1, Action: workflow.Rename, Email: "ada@old.example", NewEmail: "Ada@new.example"}},
	}
	withReason := rename
	withReason.Reason = "domain move & more"
	leavers := workflow.Command{
		Name: "deactivate", Action: workflow.Deactivate, Users: []string{"a@x.example", accountID},
		Rows: []workflow.Row{
			{Line: 1, Action: workflow.Deactivate, Email: "a@x.example"},
			{Line: 2, Action: workflow.Deactivate, AccountID: accountID},
		},
	}
	told := leavers
	told.Message = "Left the company"
	told.Rows = slices.Clone(leavers.Rows)
	for i := range told.Rows {
		told.Rows[i].Message = told.Message // what the plan is made of: the person is to read it
	}
	toldWhy := told
	toldWhy.Reason = "HR-12"
	tests := []struct {
		text string
		want workflow.Command
	}{
		{"", workflow.Command{Name: "help"}},
		{" \t", workflow.Command{Name: "help"}},
		{"HELP me", workflow.Command{Name: "help"}},
		{"rename ada@old.example Ada@new.example", rename},
		{"  Rename\u00a0<mailto:ada@old.example|ada@old.example>  <mailto:Ada@new.example|Ada@new.example> ", rename},
		{"rename mailto:ada@old.example <mailto:Ada@new.example>", rename},
		{`rename "ada@old.example" “Ada@new.example”`, rename},
		{"rename ada@old.example Ada@new.example reason: domain move &amp; more", withReason},
		{`rename ada@old.example Ada@new.example REASON:"domain move &amp; more"`, withReason},
		{"deactivate a@x.example " + accountID, leavers},
		{"deactivate a@x.example " + accountID + " -- Left the company", told},
		{"deactivate a@x.example " + accountID + " — Left the company", told},
		{"deactivate a@x.example " + accountID + " –Left the company", told},
		{"deactivate a@x.example " + accountID + ` --"Left the company"`, told},
		{"deactivate a@x.example " + accountID + " -- Left the company reason: HR-12", toldWhy},
		{"deactivate a@x.example " + accountID + " --", leavers},
		{"activate a@x.example", workflow.Command{
			Name: "activate", Action: workflow.Activate, Users: []string{"a@x.example"},
			Rows: byEmail(workflow.Activate, "a@x.example"),
		}},
		{"find  Ada  Byron ", workflow.Command{Name: "find", Text: "Ada  Byron"}},
		{"find “Ada Byron”", workflow.Command{Name: "find", Text: "Ada Byron"}},
		{"find <mailto:a@x.example|a@x.example>", workflow.Command{Name: "find", Text: "a@x.example"}},
		{"find R&amp;D &lt;x&gt; -- reason: y", workflow.Command{Name: "find", Text: "R&D <x> -- reason: y"}},
		{"domains", workflow.Command{Name: "domains"}},
		{"batches", workflow.Command{Name: "batches"}},
		{"batch 42", workflow.Command{Name: "batch", Number: 42}},
		{"cancel #42", workflow.Command{Name: "cancel", Number: 42}},
		{"pause 42", workflow.Command{Name: "pause", Number: 42}},
		{"undo 3", workflow.Command{Name: "undo", Number: 3}},
		{"retry 3", workflow.Command{Name: "retry", Number: 3}},
		{"Resume #42", workflow.Command{Name: "resume", Number: 42}},
		{"report list", workflow.Command{Name: "report list"}},
		{"report run nightly-accounts", workflow.Command{Name: "report run", Report: "nightly-accounts"}},
		{"report show nightly-accounts", workflow.Command{Name: "report show", Report: "nightly-accounts"}},
		{"report show nightly-accounts 2026-11-23", workflow.Command{
			Name: "report show", Report: "nightly-accounts", Date: "2026-11-23", Dates: []string{"2026-11-23"},
		}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			test.want.Supported = true
			got, err := workflow.ParseCommand(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

// What this version does not carry out is known by name, whatever follows, and read as far as it goes.
func TestParseCommandNotSupported(t *testing.T) {
	tests := []struct {
		text string
		want workflow.Command
	}{
		{"suspend", workflow.Command{Name: "suspend", Action: workflow.Suspend}},
		{"migrate domain old.example <http://new.example|new.example>", workflow.Command{
			Name: "migrate-domain", Users: []string{"old.example", "new.example"},
		}},
		{`set-name a@x.example "Ada Byron"`, workflow.Command{
			Name: "set-name", Action: workflow.SetName, Users: []string{"a@x.example"},
			Rows: []workflow.Row{{Line: 1, Action: workflow.SetName, Email: "a@x.example", NewName: "Ada Byron"}},
		}},
		{"group add ‘jira users’ a@x.example b@x.example", workflow.Command{
			Name: "group add", Action: workflow.GroupAdd, Users: []string{"a@x.example", "b@x.example"},
			Rows: []workflow.Row{
				{Line: 1, Action: workflow.GroupAdd, Email: "a@x.example", Group: "jira users"},
				{Line: 2, Action: workflow.GroupAdd, Email: "b@x.example", Group: "jira users"},
			},
		}},
		{"group-remove g id:1", workflow.Command{
			Name: "group remove", Action: workflow.GroupRemove, Users: []string{"id:1"},
			Rows: []workflow.Row{{Line: 1, Action: workflow.GroupRemove, AccountID: "id:1", Group: "g"}},
		}},
		{"cancel delete id:1", workflow.Command{
			Name: "cancel-delete", Action: workflow.CancelDelete, Users: []string{"id:1"},
			Rows: []workflow.Row{{Line: 1, Action: workflow.CancelDelete, AccountID: "id:1"}},
		}},
		{"history id:1", workflow.Command{Name: "history", Users: []string{"id:1"}}},
		{"report diff n 2026-11-01 2026-11-02", workflow.Command{
			Name: "report diff", Report: "n", Date: "2026-11-01", Dates: []string{"2026-11-01", "2026-11-02"},
		}},
		{"new", workflow.Command{Name: "new"}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			got, err := workflow.ParseCommand(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseCommandUsage(t *testing.T) {
	tests := []struct{ text, problem, usage, nearest string }{
		{"rename", "say which account", "rename <user> <new-email>", ""},
		{"rename ada@old.example", "say the new address", "rename <user> <new-email>", ""},
		{"rename ada ada@new.example", `"ada" is neither an address nor an account id`, "rename <user> <new-email>", ""},
		{"rename <@U0ALICE> ada@new.example", "a person in Slack", "rename <user> <new-email>", ""},
		{"rename a@x.example b@x", "no dot in the domain", "rename <user> <new-email>", ""},
		{"rename a@x.example b@x.example c@x.example", "is too much", "rename <user> <new-email>", ""},
		{"deactivate -- left@x.example", "say which account", "deactivate <user>… [-- message]", ""},
		{"rename a@x.example b@x.example -- hello", "takes no message", "rename <user> <new-email>", ""},
		{"rename \"a@x.example b@x.example", "not closed", "rename <user> <new-email>", ""},
		{"deactivate reason: none named", "say which account", "deactivate <user>… [-- message]", ""},
		{
			"deactivate a@x.example -- " + strings.Repeat("x", 1001), "1001 characters, 1000 are the limit",
			"deactivate <user>… [-- message]", "",
		},
		{"batch", "number of one batch", "batch <n>", ""},
		{"batch 0", "not the number of a batch", "batch <n>", ""},
		{"cancel +4", "not the number of a batch", "cancel <n>", ""},
		{"domains all", "takes nothing", "domains", ""},
		{"find", "what to look for", "find <text>", ""},
		{"report show", "which report", "report show <name> [date]", ""},
		{"report show n yesterday", "write it like 2026-11-23", "report show <name> [date]", ""},
		{"renmae a@x.example b@x.example", `"renmae" is not a command`, "rename <user> <new-email>", "rename <user> <new-email>"},
		{"ernmae a@x.example", `"ernmae" is not a command`, "rename <user> <new-email>", "rename <user> <new-email>"},
		{"deactivat a@x.example", "is not a command", "deactivate <user>… [-- message]", "deactivate <user>… [-- message]"},
		{"report", `"report" is not a command`, "report list", "report list"},
		{"report shwo nightly", `"report shwo" is not a command`, "report show <name> [date]", "report show <name> [date]"},
		{"gruop add g a@x.example", "is not a command", "group add <group> <user>…", "group add <group> <user>…"},
		{"abracadabra", "is not a command", "help", ""},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			got, err := workflow.ParseCommand(test.text)
			usage, ok := errors.AsType[*workflow.UsageError](err)
			if !ok {
				t.Fatalf("got %+v, %v; want a UsageError", got, err)
			}
			if !strings.Contains(usage.Problem, test.problem) || usage.Usage != test.usage || usage.Nearest != test.nearest {
				t.Errorf("got %+v, want %+v", *usage, test)
			}
		})
	}
}

// Every command that help lists is understood by its own words, and has its usage.
func TestCommands(t *testing.T) {
	for _, c := range workflow.Commands() {
		got, err := workflow.ParseCommand(c.Name)
		usage, _ := errors.AsType[*workflow.UsageError](err)
		switch {
		case usage != nil && usage.Usage != c.Usage:
			t.Errorf("%s: usage %q, want %q", c.Name, usage.Usage, c.Usage)
		case usage == nil && (err != nil || got.Name != c.Name || got.Supported != c.Supported):
			t.Errorf("%s: understood as %+v, %v", c.Name, got, err)
		}
		if workflow.UsageFor(c.Name) != c.Usage {
			t.Errorf("UsageFor(%q) is %q", c.Name, workflow.UsageFor(c.Name))
		}
		action := workflow.ActionName(c.Name)
		if slices.Contains(workflow.ActionNames(), action) && workflow.Built(action) != c.Supported {
			t.Errorf("%s: Supported is %v, the action is built: %v", c.Name, c.Supported, workflow.Built(action))
		}
	}
}

func TestParseVerb(t *testing.T) {
	tests := []struct {
		text   string
		verb   workflow.ActionName
		reason string
	}{
		{"", "", ""},
		{"here is the list", "", ""},
		{"deactivate", workflow.Deactivate, ""},
		{"deactivate, left the company", workflow.Deactivate, "left the company"},
		{"Deactivate: left the company", workflow.Deactivate, "left the company"},
		{"deactivate – left the company", workflow.Deactivate, "left the company"},
		{"deactivate—left the company", workflow.Deactivate, "left the company"},
		{"deactivate -- left", workflow.Deactivate, "left"},
		{"deactivate - left", workflow.Deactivate, "left"},
		{"*deactivate*, left", workflow.Deactivate, "left"},
		{"deactivate\nleft the company\nlast week", workflow.Deactivate, "left the company\nlast week"},
		{"<@U0BOT> activate, they are back", workflow.Activate, "they are back"},
		{"rename reason: domain move", workflow.Rename, "domain move"},
		{"rename, please. Reason: R&amp;D moves to <http://new.example|new.example>", workflow.Rename, "R&D moves to new.example"},
		{"reason: domain move", "", "domain move"},
		{"for review, reason:x", "", "x"},
		{"treason: no reason", "", ""},
		{"deactivate these accounts", workflow.Deactivate, ""},
		{"deactivated accounts", "", ""},
		{"renames", "", ""},
		{"group add, for the new team", workflow.GroupAdd, "for the new team"},
		{"Set_Name", workflow.SetName, ""},
		{"cancel-delete, was a mistake", workflow.CancelDelete, "was a mistake"},
		{"delete-them", "", ""},
		{"please deactivate these", workflow.Deactivate, ""},
		{"Hi, could you please deactivate, they left", workflow.Deactivate, "they left"},
		{"please", "", ""},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			verb, reason := workflow.ParseVerb(test.text)
			if verb != test.verb || reason != test.reason {
				t.Errorf("got %q, %q; want %q, %q", verb, reason, test.verb, test.reason)
			}
		})
	}
}

func FuzzParseCommand(f *testing.F) {
	for _, c := range workflow.Commands() {
		f.Add(c.Usage)
	}
	f.Add("deactivate <mailto:a@x.example|a@x.example> ‘b — “c” reason: <@U1> &amp;\xff")
	f.Fuzz(func(t *testing.T, text string) {
		command, err := workflow.ParseCommand(text)
		usage, ok := errors.AsType[*workflow.UsageError](err)
		switch {
		case err != nil && (!ok || usage.Problem == "" || usage.Usage == ""):
			t.Errorf("error without words: %#v", err)
		case err == nil && command.Name == "":
			t.Error("neither a command nor an error")
		}
		for i, row := range command.Rows {
			if row.Line != i+1 || row.Action != command.Action || (row.AccountID == "") == (row.Email == "") {
				t.Errorf("row %d is %+v", i, row)
			}
			if strings.ContainsAny(row.Email+row.NewEmail+row.AccountID, " <>\x00\n") {
				t.Errorf("row %d holds what no account has: %+v", i, row)
			}
		}
		if command.Supported && command.Action != "" && len(command.Rows) == 0 {
			t.Error("a batch without rows")
		}
	})
}

func FuzzParseVerb(f *testing.F) {
	f.Add("deactivate, left the company")
	f.Add("<@U0BOT> group-add — reason: x &lt;")
	f.Fuzz(func(t *testing.T, text string) {
		verb, reason := workflow.ParseVerb(text)
		if verb != "" && !slices.Contains(workflow.ActionNames(), verb) {
			t.Errorf("the verb %q is no action", verb)
		}
		if len(reason) > len(text) {
			t.Errorf("the reason %q is longer than the text", reason)
		}
	})
}
