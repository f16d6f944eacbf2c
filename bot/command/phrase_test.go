package command

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// What people write in a sentence leads to the command that does it, also where it begins with the word
// of another one. None of it is done.
func TestPhrasesLeadToCommands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"add ada@old.example to group finance":                                     "group add",
		"please add <mailto:ada@old.example|ada@old.example> to the group finance": "group add",
		"add user ada@old.example to finance group":                                "group add",
		"put ada@old.example into group finance":                                   "group add",
		"give ada@old.example the group finance":                                   "group add",
		"add group finance to ada@old.example":                                     "group add",
		"give ada@old.example access to jira":                                      "group add",
		"remove ada@old.example from group finance":                                "group remove",
		"remove ada@old.example from the finance group":                            "group remove",
		"take ada@old.example out of group finance":                                "group remove",
		"kick ada@old.example from groups":                                         "group remove",
		"delete ada@old.example from group finance":                                "group remove",
		"add ada@old.example to group finance, Ben is out":                         "group add",
		"get ada@old.example out of group finance":                                 "group remove",
		"move ada@old.example off group finance":                                   "group remove",
		"please put ada@old.example out of the finance group":                      "group remove",
		"get ada@old.example out of group devs on site main":                       "site group remove",
		"add ada@old.example to group devs on site main":                           "site group add",
		"remove ada@old.example from group devs on site main":                      "site group remove",
		"create ada@old.example on site main":                                      "site create",
		"add ada@old.example to site main":                                         "site create",
		"remove ada@old.example from site main":                                    "site delete",
		"delete ada@old.example from the site main":                                "site delete",
		"reset columns of ada@old.example on main":                                 "site columns reset",
		"delete tokens of ada@old.example":                                         "revoke-tokens",
		"delete all api tokens of ada@old.example":                                 "revoke-tokens",
		"revoke the tokens of ada@old.example":                                     "revoke-tokens",
		"remove access for ada@old.example":                                        "suspend",
		"take away the licence of ada@old.example":                                 "suspend",
		"give ada@old.example her access back":                                     "restore",
		"cancel deletion of ada@old.example":                                       "cancel-delete",
		"undo the deletion of ada@old.example":                                     "cancel-delete",
		"restore deleted account ada@old.example":                                  "cancel-delete",
		"stop deleting ada@old.example":                                            "cancel-delete",
		"change the name of ada@old.example to Ada Lang":                           "set-name",
		"set display name of ada@old.example to Ada Lang":                          "set-name",
		"rename the display name of ada@old.example":                               "set-name",
		"change the email address of ada@old.example to a@b.example":               "rename",
		"update address ada@old.example a@b.example":                               "rename",
		"ada@old.example → a@b.example":                                            "rename",
		"ada@old.example to a@b.example":                                           "rename",
		"change ada@old.example to a@b.example":                                    "rename",
		"move ada@old.example to a@b.example":                                      "rename",
		"rename ada@old.example to a@b.example":                                    "rename",
		"move everyone from old.example to new.example":                            "migrate-domain",
		"rename all accounts of old.example to new.example":                        "migrate-domain",
		"change the domain old.example to new.example":                             "migrate-domain",
		"old.example -> new.example":                                               "migrate-domain",
		"send an invitation to ada@old.example":                                    "invite",
		"add ada@old.example":                                                      "invite",
		"create user ada@old.example":                                              "invite",
		"create a scim user ada@old.example":                                       "provision",
		"ada@old.example left the company":                                         "offboard",
		"ada@old.example has left":                                                 "offboard",
		"leaver ada@old.example":                                                   "offboard",
		"add ada@old.example to the leavers":                                       "offboard",
		"activate ada@old.example again, she left by mistake":                      "activate",
		"reactivate ada@old.example, she left by mistake":                          "activate",
		"switch on ada@old.example, who left by mistake":                           "activate",
		"deactivate ada@old.example who left the company":                          "deactivate",
		"please disable ada@old.example who left":                                  "deactivate",
		"restore ada@old.example who left by mistake":                              "restore",
		"restore access for ada@old.example":                                       "restore",
		"suspend access for ada@old.example":                                       "suspend",
		"lock out ada@old.example":                                                 "deactivate",
		"disable the account of ada@old.example":                                   "deactivate",
		"block ada@old.example":                                                    "deactivate",
		"please deactivate ada@old.example":                                        "deactivate",
		"unlock ada@old.example":                                                   "activate",
		"switch on ada@old.example":                                                "activate",
		"unsuspend ada@old.example":                                                "restore",
		"erase ada@old.example":                                                    "delete",
		"kick ada@old.example":                                                     "remove",
		"what happened to ada@old.example":                                         "history",
		"who is ada":                                                               "find",
		"suspend batch 3":                                                          "pause",
		"cancel batch 3":                                                           "cancel",
		"stop 3":                                                                   "pause",
	} {
		_, err := Parse(text)
		usage, is := errors.AsType[*UsageError](err)
		if !is {
			t.Errorf("%s: taken as it is, %v", text, err)
			continue
		}
		if usage.Usage != UsageFor(want) {
			t.Errorf("%s: leads to %q, want %q", text, usage.Usage, UsageFor(want))
		}
		if usage.Nearest == "" && !strings.HasPrefix(text, want) {
			t.Errorf("%s: it does not ask whether %s is meant", text, want)
		}
	}
}

// Each command stays what it is, whatever its words may sound like.
func TestPhrasesDoNotTakeCommands(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"remove ada@old.example reason: left the group":       "remove",
		"deactivate ada@old.example -- you left the company":  "deactivate",
		"group remove finance ada@old.example":                "group remove",
		"invite ada@old.example to finance":                   "invite",
		"site delete main ada@old.example":                    "site delete",
		"find group access":                                   "find",
		"set-name ada@old.example Group Site Token":           "set-name",
		"delete ada@old.example reason: deletion of all data": "delete",
		"cancel 3": "cancel",
	} {
		if c, err := Parse(text); err != nil || c.Name != want {
			t.Errorf("%s: %q, %v", text, c.Name, err)
		}
	}
}

// Where a message beside a file names no action, it is known how it would say what it seems to.
func TestNoteMeans(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"remove these from group finance":    "group remove <group>",
		"please add them to the group sales": "group add <group>",
		"delete the api tokens of these":     "revoke-tokens",
		"they left":                          "offboard",
		"deactivate these, they left":        "",
		"hello":                              "",
		"the list of today":                  "",
	} {
		if n := ParseNote(text); n.Meant != want {
			t.Errorf("%s: %q, want %q", text, n.Meant, want)
		}
	}
}

// A message beside a file that begins with the word of one action and says another one names none: it is
// asked what is meant. What stands behind a mark is the reason.
func TestNoteThatSaysAnotherAction(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]workflow.ActionName{
		"remove these from group finance":           "",
		"please remove them from the finance group": "",
		"delete these from site main":               "",
		"delete the api tokens of these":            "",
		"remove access for these people":            "",
		"restore the deleted accounts":              "",
		"deactivate these tokens":                   "",
		"disable these api keys":                    "",
		"delete names":                              "",
		"please suspend these groups":               "",
		"deactivate everybody on site main":         "",
		"invite them to these groups":               "",
		"group add site admins":                     workflow.GroupAdd,
		"revoke tokens":                             workflow.RevokeTokens,
		"set name":                                  workflow.SetName,
		"deactivate - no names known":               workflow.Deactivate,
		"remove, they left the finance group":       workflow.Remove,
		"remove these accounts: left group finance": workflow.Remove,
		"delete these, the site is gone":            workflow.Delete,
		"deactivate these, they left the company":   workflow.Deactivate,
		"group remove finance":                      workflow.GroupRemove,
		"deactivate everyone who left":              workflow.Deactivate,
		"suspend their access for now":              workflow.Suspend,
		"revoke-tokens":                             workflow.RevokeTokens,
		"remove":                                    workflow.Remove,
		"delete reason: remove from group x too":    workflow.Delete,
	} {
		if n := ParseNote(text); n.Verb != want {
			t.Errorf("%s: %q, want %q", text, n.Verb, want)
		}
	}
}

// Everybody can send a text of nothing but words that mean nothing: to read it does not become slow.
func TestPoliteWordsAreReadOnce(t *testing.T) {
	for _, word := range []string{"/a ", "please ", "<@U1> "} {
		work := func(words int) float64 {
			text := "please " + strings.Repeat(word, words) + "x"
			return testing.AllocsPerRun(1, func() { _, _ = Parse(text) })
		}
		if few, many := work(200), work(1600); many > 2*few {
			t.Errorf("8 times as many of %q take %.0f allocations, not about %.0f", word, many, few)
		}
	}
	_, err := Parse(strings.Repeat("please ", 20) + "rename")
	if usage, ok := errors.AsType[*UsageError](err); !ok || !strings.HasPrefix(usage.Nearest, "rename") {
		t.Errorf("behind twenty polite words: %v", err)
	}
}
