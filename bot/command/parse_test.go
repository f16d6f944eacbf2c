package command_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

const accountID = "712020:5f0c1e0a-0001-4000-8000-000000000001"

// Several accounts are named as people write lists. What is no list is refused as before.
func TestUsersAsAList(t *testing.T) {
	for text, want := range map[string]string{
		"deactivate a@x.example and b@x.example":                                        "a@x.example b@x.example",
		"deactivate a@x.example, b@x.example, and c@x.example -- Left":                  "a@x.example b@x.example c@x.example",
		"deactivate a@x.example,b@x.example;c@x.example":                                "a@x.example b@x.example c@x.example",
		"deactivate <mailto:a@x.example|a@x.example>, <mailto:b@x.example|b@x.example>": "a@x.example b@x.example",
		"activate a@x.example &amp; b@x.example":                                        "a@x.example b@x.example",
		"activate a@x.example , b@x.example":                                            "a@x.example b@x.example",
		"group add finance a@x.example and b@x.example":                                 "a@x.example b@x.example",
		"offboard a@x.example, " + accountID:                                            "a@x.example " + accountID,
		"invite a@x.example, b@x.example and c@x.example to finance":                    "a@x.example b@x.example c@x.example",
		"deactivate a@x.example and":                                                    "",
		"deactivate and a@x.example":                                                    "",
		`deactivate a@x.example "and" b@x.example`:                                      "",
		`deactivate a@x.example then b@x.example`:                                       "",
		"rename a@x.example b@x.example and c@x.example d@x.example":                    "",
		"deactivate ,": "",
	} {
		got, err := command.Parse(text)
		if users := strings.Join(got.Users, " "); users != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", text, users, err)
		}
		if err == nil && len(got.Rows) != len(got.Users) {
			t.Errorf("%s: %d rows of %d users", text, len(got.Rows), len(got.Users))
		}
	}
}

func TestParse(t *testing.T) {
	byEmail := func(action workflow.ActionName, emails ...string) []workflow.Row {
		var rows []workflow.Row
		for i, email := range emails {
			rows = append(rows, workflow.Row{
				Line: i + 1, Action: action,
				Values: workflow.Of(workflow.ColumnEmail, email),
			})
		}
		return rows
	}
	rename := command.Command{
		Name: "rename", Action: workflow.Rename, Users: []string{"ada@old.example"},
		Rows: []workflow.Row{{
			Line: 1, Action: workflow.Rename,
			Values: workflow.Of(workflow.ColumnEmail, "ada@old.example").With(workflow.ColumnNewEmail, "Ada@new.example"),
		}},
	}
	withReason := rename
	withReason.Reason = "domain move & more"
	leavers := command.Command{
		Name: "deactivate", Action: workflow.Deactivate, Users: []string{"a@x.example", accountID},
		Rows: []workflow.Row{
			{Line: 1, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnEmail, "a@x.example")},
			{Line: 2, Action: workflow.Deactivate, Values: workflow.Of(workflow.ColumnAccountID, accountID)},
		},
	}
	told := leavers
	told.Message = "Left the company"
	told.Rows = slices.Clone(leavers.Rows)
	for i := range told.Rows {
		told.Rows[i].Values = slices.Clone(told.Rows[i].Values)
		told.Rows[i].Set(workflow.ColumnMessage, told.Message) // what the plan is made of: the person is to read it
	}
	toldWhy := told
	toldWhy.Reason = "HR-12"
	tests := []struct {
		text string
		want command.Command
	}{
		{"", command.Command{Name: "help"}},
		{" \t", command.Command{Name: "help"}},
		{"HELP me", command.Command{Name: "help"}},
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
		{"activate a@x.example", command.Command{
			Name: "activate", Action: workflow.Activate, Users: []string{"a@x.example"},
			Rows: byEmail(workflow.Activate, "a@x.example"),
		}},
		{"find  Ada  Byron ", command.Command{Name: "find", Text: "Ada  Byron"}},
		{"find “Ada Byron”", command.Command{Name: "find", Text: "Ada Byron"}},
		{"find <mailto:a@x.example|a@x.example>", command.Command{Name: "find", Text: "a@x.example"}},
		{"find R&amp;D &lt;x&gt; -- reason: y", command.Command{Name: "find", Text: "R&D <x> -- reason: y"}},
		{"domains", command.Command{Name: "domains"}},
		{"batches", command.Command{Name: "batches"}},
		{"batch 42", command.Command{Name: "batch", Number: 42}},
		{"cancel #42", command.Command{Name: "cancel", Number: 42}},
		{"pause 42", command.Command{Name: "pause", Number: 42}},
		{"undo 3", command.Command{Name: "undo", Number: 3}},
		{"retry 3", command.Command{Name: "retry", Number: 3}},
		{"Resume #42", command.Command{Name: "resume", Number: 42}},
		{"report list", command.Command{Name: "report list"}},
		{"report run nightly-accounts", command.Command{Name: "report run", Report: "nightly-accounts"}},
		{"report show nightly-accounts", command.Command{Name: "report show", Report: "nightly-accounts"}},
		{"report diff n 2026-11-01 2026-11-02", command.Command{
			Name: "report diff", Report: "n", Date: "2026-11-01", Dates: []string{"2026-11-01", "2026-11-02"},
		}},
		{"report show nightly-accounts 2026-11-23", command.Command{
			Name: "report show", Report: "nightly-accounts", Date: "2026-11-23", Dates: []string{"2026-11-23"},
		}},
		{"group add ‘jira users’ a@x.example b@x.example", command.Command{
			Name: "group add", Action: workflow.GroupAdd, Users: []string{"a@x.example", "b@x.example"},
			Rows: []workflow.Row{
				{
					Line: 1, Action: workflow.GroupAdd,
					Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnGroup, "jira users"),
				},
				{
					Line: 2, Action: workflow.GroupAdd,
					Values: workflow.Of(workflow.ColumnEmail, "b@x.example").With(workflow.ColumnGroup, "jira users"),
				},
			},
		}},
		{"group-remove g id:1", command.Command{
			Name: "group remove", Action: workflow.GroupRemove, Users: []string{"id:1"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.GroupRemove,
				Values: workflow.Of(workflow.ColumnAccountID, "id:1").With(workflow.ColumnGroup, "g"),
			}},
		}},
		{`invite <mailto:a@x.example|a@x.example> b@x.example to finance "Jira users" products jira-software — Welcome & hello`, command.Command{
			Name: "invite", Action: workflow.Invite, Users: []string{"a@x.example", "b@x.example"}, Message: "Welcome & hello",
			Rows: []workflow.Row{
				{
					Line: 1, Action: workflow.Invite,
					Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnGroup, "finance;Jira users").
						With(workflow.ColumnProducts, "jira-software").With(workflow.ColumnMessage, "Welcome & hello"),
				},
				{
					Line: 2, Action: workflow.Invite,
					Values: workflow.Of(workflow.ColumnEmail, "b@x.example").With(workflow.ColumnGroup, "finance;Jira users").
						With(workflow.ColumnProducts, "jira-software").With(workflow.ColumnMessage, "Welcome & hello"),
				},
			},
		}},
		{"invite a@x.example products confluence, jira-software@one.example to finance", command.Command{
			Name: "invite", Action: workflow.Invite, Users: []string{"a@x.example"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.Invite,
				Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnGroup, "finance").
					With(workflow.ColumnProducts, "confluence;jira-software@one.example"),
			}},
		}},
		{`site group add Main "Jira users" a@x.example id:1`, command.Command{
			Name: "site group add", Action: workflow.SiteGroupAdd, Users: []string{"a@x.example", "id:1"},
			Rows: []workflow.Row{
				{
					Line: 1, Action: workflow.SiteGroupAdd,
					Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnGroup, "Jira users").With(workflow.ColumnSite, "main"),
				},
				{
					Line: 2, Action: workflow.SiteGroupAdd,
					Values: workflow.Of(workflow.ColumnAccountID, "id:1").With(workflow.ColumnGroup, "Jira users").With(workflow.ColumnSite, "main"),
				},
			},
		}},
		{"site create main a@x.example products jira-software", command.Command{
			Name: "site create", Action: workflow.SiteCreate, Users: []string{"a@x.example"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.SiteCreate,
				Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnProducts, "jira-software").With(workflow.ColumnSite, "main"),
			}},
		}},
		{"site columns reset main id:1", command.Command{
			Name: "site columns reset", Action: workflow.SiteColumns, Users: []string{"id:1"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.SiteColumns,
				Values: workflow.Of(workflow.ColumnAccountID, "id:1").With(workflow.ColumnSite, "main"),
			}},
		}},
		{"site find Main Ada  Byron", command.Command{Name: "site find", Site: "main", Text: "Ada  Byron"}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			test.want.Supported = true
			got, err := command.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

// What this version does not carry out is known by name, whatever follows, and read as far as it
// goes; what it carries out is read in the same way.
func TestParseNotSupported(t *testing.T) {
	tests := []struct {
		text string
		want command.Command
	}{
		{`set-name a@x.example "Ada Byron"`, command.Command{
			Name: "set-name", Action: workflow.SetName, Users: []string{"a@x.example"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.SetName,
				Values: workflow.Of(workflow.ColumnEmail, "a@x.example").With(workflow.ColumnNewName, "Ada Byron"),
			}},
		}},
		{"provision new@x.example Ada Byron", command.Command{
			Name: "provision", Action: workflow.Provision, Users: []string{"new@x.example"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.Provision,
				Values: workflow.Of(workflow.ColumnEmail, "new@x.example").With(workflow.ColumnNewName, "Ada Byron"),
			}},
		}},
		{"cancel delete id:1", command.Command{
			Name: "cancel-delete", Action: workflow.CancelDelete, Users: []string{"id:1"},
			Rows: []workflow.Row{{
				Line: 1, Action: workflow.CancelDelete,
				Values: workflow.Of(workflow.ColumnAccountID, "id:1"),
			}},
		}},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			test.want.Supported = action.Built(test.want.Action)
			got, err := command.Parse(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseUsage(t *testing.T) {
	tests := []struct{ text, problem, usage, nearest string }{
		{"rename", "say which account, and the new address", "rename <user> <new-email>", ""},
		{"set-name a@x.example", "say the new name", "set-name <user> <new name>", ""},
		{
			"set-name a@x.example " + strings.Repeat("x", 1001), "is not a name: it has 1,001 characters",
			"set-name <user> <new name>", "",
		},
		{"group add finance", "say which group, and which accounts", "group add <group> <user>…", ""},
		{
			"site group add main finance", "say at which site, which group, and which accounts",
			"site group add <site> <group> <user>…", "",
		},
		{"site delete a@x.example main", "is not a site: it is an address; the site comes first", "site delete <site> <user>…", ""},
		{
			"invite reason: new", "say whom, by address",
			"invite <email>… [to <group>…] [products <product>…] [-- message]", "",
		},
		{
			"invite a@x.example to", "say to which group, or which products",
			"invite <email>… [to <group>…] [products <product>…] [-- message]", "",
		},
		{"rename ada@old.example", "say the new address", "rename <user> <new-email>", ""},
		{"rename ada ada@new.example", `"ada" is neither an address nor an account id`, "rename <user> <new-email>", ""},
		{"deactivate &lt;ada@old.example&gt;", `"<ada@old.example>" is not an address: it holds '<'`, "deactivate <user>… [-- message]", ""},
		{"deactivate a@x.example, r&amp;d; b@x.example", `"r&d" is neither an address nor an account id`, "deactivate <user>… [-- message]", ""},
		{"rename <@U0ALICE> ada@new.example", "a person in Slack", "rename <user> <new-email>", ""},
		{"rename a@x.example b@x", "no dot in the domain", "rename <user> <new-email>", ""},
		{"rename a@x.example b@x.example c@x.example", "one account at a time (\"c@x.example\" is left over)", "rename <user> <new-email>", ""},
		{"deactivate -- left@x.example", "say which account", "deactivate <user>… [-- message]", ""},
		{"rename a@x.example b@x.example -- hello", "takes no message", "rename <user> <new-email>", ""},
		{"rename \"a@x.example b@x.example", "not closed", "rename <user> <new-email>", ""},
		{"deactivate reason: none named", "say which account", "deactivate <user>… [-- message]", ""},
		{
			"deactivate a@x.example -- " + strings.Repeat("x", 1001), "1,001 characters, 1,000 are the limit",
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
			got, err := command.Parse(test.text)
			usage, ok := errors.AsType[*command.UsageError](err)
			if !ok {
				t.Fatalf("got %+v, %v; want a UsageError", got, err)
			}
			if !strings.Contains(usage.Problem, test.problem) || usage.Usage != test.usage || usage.Nearest != test.nearest {
				t.Errorf("got %+v, want %+v", *usage, test)
			}
		})
	}
}

// Every action has a command, whose words are its name.
func TestActionsHaveCommands(t *testing.T) {
	for _, a := range action.Catalogue() {
		if got := workflow.ActionName(strings.ReplaceAll(a.Command(), " ", "-")); got != a.Name {
			t.Errorf("%s begins with %q", a.Name, a.Command())
		}
	}
}

// Every command that help lists is understood by its own words, and has its usage.
func TestCommands(t *testing.T) {
	for _, c := range command.Commands() {
		got, err := command.Parse(c.Name)
		usage, _ := errors.AsType[*command.UsageError](err)
		switch {
		case usage != nil && usage.Usage != c.Usage:
			t.Errorf("%s: usage %q, want %q", c.Name, usage.Usage, c.Usage)
		case usage == nil && (err != nil || got.Name != c.Name || got.Supported != c.Supported):
			t.Errorf("%s: understood as %+v, %v", c.Name, got, err)
		}
		if command.UsageFor(c.Name) != c.Usage {
			t.Errorf("UsageFor(%q) is %q", c.Name, command.UsageFor(c.Name))
		}
		act := workflow.ActionName(c.Name)
		if slices.Contains(workflow.ActionNames(), act) && action.Built(act) != c.Supported {
			t.Errorf("%s: Supported is %v, the action is built: %v", c.Name, c.Supported, action.Built(act))
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
		{"here is the list", "", "here is the list"},
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
		{"treason: no reason", "", "treason: no reason"},
		{"deactivate these accounts", workflow.Deactivate, ""},
		{"deactivated accounts", "", "deactivated accounts"},
		{"renames", "", "renames"},
		{"group add, for the new team", workflow.GroupAdd, "for the new team"},
		{"Set_Name", workflow.SetName, ""},
		{"cancel-delete, was a mistake", workflow.CancelDelete, "was a mistake"},
		{"delete-them", "", "delete-them"},
		{"please deactivate these", workflow.Deactivate, ""},
		{"Hi, could you please deactivate, they left", workflow.Deactivate, "they left"},
		{"please", "", ""},
		{"disable", workflow.Deactivate, ""},
		{"disable, left the company", workflow.Deactivate, "left the company"},
		{"*Lock out* these: they left", workflow.Deactivate, "these: they left"},
		{"please lock-out, they left", workflow.Deactivate, "they left"},
		{"disable user; left", workflow.Deactivate, "left"},
		{"unlock – are back", workflow.Activate, "are back"},
		{"re-enable: are back", workflow.Activate, "are back"},
		{"Change_Email, new domain", workflow.Rename, "new domain"},
		{"undelete. A mistake", workflow.CancelDelete, "A mistake"},
		{"add to group, new team", workflow.GroupAdd, "new team"},
		{":lock: here is the list", "", "here is the list"},
		{":lock: activate, are back", workflow.Activate, "are back"},
		{"<@U0BOT> :wave::skin-tone-3: :unlock: rename, new domain", workflow.Rename, "new domain"},
		{": deactivate", workflow.Deactivate, ""},
		{"1,200 accounts; deactivate", "", "1,200 accounts; deactivate"},
		{"< deactivate", "", "< deactivate"},
		{"disabled accounts", "", "disabled accounts"},
		{"update: the list of last week", "", "update: the list of last week"},
		{"change of plans", "", "change of plans"},
		{"mail from HR", "", "mail from HR"},
		{"erase, they left", "", "erase, they left"}, // what cannot be taken back has its own word
		{"kick, they left", "", "kick, they left"},
		{"<@U0BOT> *Northwind Group* from Monday", "", "Northwind Group from Monday"},
		{"deactivate because they left", workflow.Deactivate, "because they left"},
		{"Please rename these accounts, thanks!", workflow.Rename, ""},
		{"rename these as HR-12 says", workflow.Rename, "these as HR-12 says"},
		{"4711", "", "4711"},
	}
	for _, test := range tests {
		t.Run(test.text, func(t *testing.T) {
			verb, reason := command.ParseVerb(test.text)
			if verb != test.verb || reason != test.reason {
				t.Errorf("got %q, %q; want %q, %q", verb, reason, test.verb, test.reason)
			}
		})
	}
}

// The message with a file may name the group, in quotes or up to a mark behind which the reason
// stands.
func TestNoteNamesTheGroup(t *testing.T) {
	for text, want := range map[string][2]string{
		"group add jira-users":                        {"jira-users", ""},
		"group add jira-users, for the new team":      {"jira-users", "for the new team"},
		"group-add “Jira: users, all”; for the team":  {"Jira: users, all", "for the team"},
		"please group remove paid by the day - done":  {"paid by the day", "done"},
		"*group add* jira-users\nfor the new team":    {"jira-users", "for the new team"},
		"group add jira-users reason: for a-new team": {"jira-users", "for a-new team"},
		"group add, for the new team":                 {"", "for the new team"},
		"group add":                                   {"", ""},
		"deactivate jira-users":                       {"", "jira-users"},
	} {
		note := command.ParseNote(text)
		if got := note.Values.Get(workflow.ColumnGroup); got != want[0] || note.Reason != want[1] {
			t.Errorf("%q: group %q and reason %q, want %q", text, got, note.Reason, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range command.Commands() {
		f.Add(c.Usage)
	}
	f.Add("deactivate <mailto:a@x.example|a@x.example> ‘b — “c” reason: <@U1> &amp;\xff")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := command.Parse(text)
		usage, ok := errors.AsType[*command.UsageError](err)
		switch {
		case err != nil && (!ok || usage.Problem == "" || usage.Usage == ""):
			t.Errorf("error without words: %#v", err)
		case err == nil && got.Name == "":
			t.Error("neither a command nor an error")
		}
		for i, row := range got.Rows {
			if row.Line != i+1 || row.Action != got.Action || (row.AccountID() == "") == (row.Email() == "") {
				t.Errorf("row %d is %+v", i, row)
			}
			if strings.ContainsAny(row.Email()+row.NewEmail()+row.AccountID(), " <>\x00\n") {
				t.Errorf("row %d holds what no account has: %+v", i, row)
			}
		}
		if got.Supported && got.Action != "" && len(got.Rows) == 0 {
			t.Error("a batch without rows")
		}
	})
}

func FuzzParseVerb(f *testing.F) {
	f.Add("deactivate, left the company")
	f.Add("<@U0BOT> group-add — reason: x &lt;")
	f.Fuzz(func(t *testing.T, text string) {
		verb, reason := command.ParseVerb(text)
		if verb != "" && !slices.Contains(workflow.ActionNames(), verb) {
			t.Errorf("the verb %q is no action", verb)
		}
		if len(reason) > len(text) {
			t.Errorf("the reason %q is longer than the text", reason)
		}
	})
}

// A command whose people are those of a button does what an act says, and each command of an act is
// known.
func TestCommandsOfActs(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, c := range command.Commands() {
		known[c.Name] = true
		if act, ok := workflow.ActOfCommand(c.Name); ok != (c.Who == workflow.AsTheButton && c.Supported) {
			t.Errorf("%s is for %s, and does the act %q", c.Name, c.Who, act.Name)
		}
	}
	for _, act := range workflow.Acts() {
		if act.Command != "" && !known[act.Command] {
			t.Errorf("%s has the command %s, which is none", act.Name, act.Command)
		}
	}
}

// A new address is refused in a command as it is in a file.
func TestNewAddress(t *testing.T) {
	t.Parallel()
	for _, address := range []string{".ada@new.example", "ada.@new.example", "a..da@new.example", "ada@ne*w.example"} {
		if _, err := command.Parse("rename 712020:1 " + address); !errors.As(err, new(*command.UsageError)) {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// What is too long for a command is a list, and lists come as files.
func TestLengthIsBounded(t *testing.T) {
	t.Parallel()
	_, err := command.Parse("find " + strings.Repeat("a", 20_000))
	usage, ok := errors.AsType[*command.UsageError](err)
	if !ok || !strings.Contains(usage.Problem, "send a CSV") {
		t.Errorf("a long command: %v", err)
	}
}
