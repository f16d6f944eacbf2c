package command_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/workflow"
)

// Words that are no command lead to the one that was meant, or say what to do instead.
func TestWrongWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"disable ada@old.example": "deactivate", "lock ada@old.example": "deactivate", "*disable* ada@old.example": "deactivate",
		"Disable-User ada@old.example": "deactivate", "disable user ada@old.example": "deactivate", "enable ada@old.example": "activate",
		"re-enable ada@old.example": "activate", "delete-user ada@old.example": "delete",
		"remove_user a@b.example": "remove", "change email a@b.example c@d.example": "rename", "change-name a@b.example Ada": "set-name",
		"add to group x a@b.example": "group add", "create user a@b.example": "invite", "undelete a@b.example": "cancel-delete",
		"status 42": "batch", "show 42": "batch", "list": "batches", "search ada": "find", "whois ada": "find", "stop 42": "pause",
		"continue 42": "resume", "abort 42": "cancel", "rerun 42": "retry", "retry-failed 42": "retry", "roll back 42": "undo", "revert 42": "undo",
		"reports": "report list", "compare nightly": "report diff", "form": "new", "usage": "help", "leaver a@b.example": "offboard",
		"approve 42": "press *Approve*", "approve": "press *Approve*", "APPROVE #42": "press *Approve*", "*approve* 42": "press *Approve*",
		"accept 42": "press *Approve*", "reject 42": "press *Reject*", "decline 42": "press *Reject*", "withdraw 42": "*Withdraw*",
		"ask again 42": "*Ask again*", "check-again 42": "*Check again*", "policy": "The card of a batch says", "plan": "checked first",
		"please deactivate a@b.example": "deactivate", "Hi, can you disable a@b.example": "deactivate", "/countersign rename a@b.example": "rename",
		"please undo 42": "undo", "<@U0BOT> group add x a@b.example": "group add", "hello there": "help",
		"doctor": "on the server", "audit verify": "on the server", "version": "on the server", "upload": "Post the CSV",
	} {
		_, err := command.Parse(text)
		usage, is := errors.AsType[*command.UsageError](err)
		switch {
		case !is:
			t.Errorf("%s: %v", text, err)
		case usage.Say != "" && !strings.Contains(usage.Say, want), usage.Say == "" && usage.Nearest != command.UsageFor(want):
			t.Errorf("%s leads to %q %q, want %s", text, usage.Nearest, usage.Say, want)
		case !strings.Contains(usage.Problem, "is not a command"):
			t.Errorf("%s: %s", text, usage.Problem)
		}
	}
}

// A longer word that people use for another action is not taken for the action that it begins with.
func TestVerbsThatBeginAsAnother(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]workflow.ActionName{
		"delete tokens": "", "Delete-token, left": "", "remove tokens": "", "please remove access": "", "remove from group finance": workflow.GroupRemove,
		"delete users": workflow.Delete, "delete user": workflow.Delete, "remove account": workflow.Remove, "delete these": workflow.Delete,
		"restore access": workflow.Restore, "restore deleted": workflow.CancelDelete, "delete access tokens": "", "delete API tokens": "",
	} {
		if verb, _ := command.ParseVerb(text); verb != want {
			t.Errorf("%s: %q, want %q", text, verb, want)
		}
	}
}

// No synonym is a command of ours, or means two things.
func TestSynonymsAreNoCommands(t *testing.T) {
	t.Parallel()
	for _, c := range command.Commands() {
		if _, err := command.Parse(c.Name + " x"); err != nil {
			if usage, is := errors.AsType[*command.UsageError](err); !is || strings.Contains(usage.Problem, "is not a command") {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
		if s := workflow.Synonym(c.Name); s != "" && c.Supported {
			t.Errorf("the command %s is said to mean %s", c.Name, s)
		}
	}
	for _, action := range workflow.ActionNames() {
		if s := workflow.Synonym(string(action)); s != "" {
			t.Errorf("the action %s is said to mean %s", action, s)
		}
	}
}
