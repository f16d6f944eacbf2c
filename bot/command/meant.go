package command

import (
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// meant are words that people use for a command, as FoldName folds them: command → its other names.
// Those of actions are workflow.Synonym's.
var meant = map[string][]string{
	helpCommand: {"?", "h", "usage", "commands", "man", "hi", "hello", "hey", "start_here", "how"},
	"find": {
		"search", "lookup", "look_up", "whois", "who_is", "who", "user", "account", "person",
		"get_user", "show_user", "user_info", "find_user",
		"check_user", "query",
	},
	"batch": {
		"status", "state", "progress", "show", "details", "detail", "info", "get", "view",
		"batch_status", "show_batch", "status_batch", "check",
		"plan_of", "card", "where",
	},
	"batches": {
		"list", "ls", "queue", "recent", "jobs", "requests", "pending", "open", "all", "list_batches",
		"show_batches", "waiting", "log",
	},
	"pause":       {"stop", "halt", "hold", "wait", "pause_batch", "suspend_batch"},
	"resume":      {"continue", "go_on", "go", "unpause", "proceed", "unhold", "resume_batch", "run"},
	"cancel":      {"abort", "kill", "end_batch", "cancel_batch", "quit", "terminate_batch", "delete_batch"},
	"retry":       {"rerun", "re_run", "redo", "again", "try_again", "retry_failed", "repeat", "retry_batch"},
	"undo":        {"rollback", "roll_back", "revert", "reverse", "back", "undo_batch", "unrename"},
	"report list": {"reports", "list_reports", "report_ls"},
	"report show": {"show_report", "get_report", "nightly"},
	"report run":  {"run_report", "make_report", "new_report"},
	"report diff": {"diff", "compare", "changes", "difference"},
	"domains":     {"domain", "list_domains", "show_domains"},
	"groups":      {"group_list", "list_groups", "show_groups"},
	"history":     {"audit_user", "user_history", "log_of", "past"},
	"new":         {"form", "request", "ask", "open_form", "new_request", "create_batch", "new_batch"},
	"migrate-domain": {
		"migrate", "move_domain", "change_domain", "domain_migrate", "rename_domain", "domain_move",
	},
	"proof": {"proofs", "totp", "enrol", "enroll", "code", "mfa"},
}

// elsewhere is what is done otherwise than by a command of Slack's: the words for it, as FoldName
// folds them, and the sentence that says how. {command} stands for the slash command.
var elsewhere = []struct {
	words []string
	say   string
}{
	{
		[]string{
			"approve", "approved", "approval", "approve_batch", "accept", "ok", "okay", "yes",
			"confirm", "allow", "lgtm", "sign", "sign_off", "grant",
		},
		"Approving is done on the batch's card, so that you see what you approve: press *Approve* " +
			"there. An admin other than the requester and " +
			"the author can. `{command} batch <n>` leads to the card.",
	},
	{
		[]string{
			"reject", "rejected", "reject_batch", "decline", "deny", "refuse", "disapprove", "veto",
			"no", "dismiss",
		},
		"Rejecting is done on the batch's card: press *Reject* there, and say why. `{command} batch " +
			"<n>` leads to the card.",
	},
	{
		[]string{"withdraw", "withdraw_batch", "take_back", "retract", "recall"},
		"The requester takes a batch back with *Withdraw* on its card; `{command} cancel <n>` ends it, " +
			"too. `{command} batch <n>` leads to the card.",
	},
	{
		[]string{"ask_again", "resubmit", "re_submit", "reopen", "re_open"},
		"A batch that was rejected or expired is asked for again with *Ask again* on its card. " +
			"`{command} batch <n>` leads to the card.",
	},
	{
		[]string{"check_again", "recheck", "re_check", "replan", "refresh"},
		"What could not be checked is checked again with *Check again* on the batch's card. `{command} " +
			"batch <n>` leads to the card.",
	},
	{
		[]string{"policy", "policies", "rule", "rules", "approvers", "who_approves", "policy_test"},
		"The card of a batch says how many people must approve it, who, and why. Before it is asked, " +
			"the operator of countersign can see it on the server: " +
			"`countersign policy --csv FILE --as U…`.",
	},
	{
		[]string{"plan", "dry_run", "dryrun", "simulate", "preview", "preflight"},
		"Ask for it: every request is checked first, the card and its plan file show what would " +
			"happen, and nothing happens before another person " +
			"has approved. On the server there is `countersign plan --csv FILE`, too.",
	},
	{
		[]string{
			"doctor", "health", "audit", "audit_verify", "audit_export", "verify", "export", "backup",
			"manifest", "version", "serve", "demo", "init", "settings",
			"config", "configure", "people", "admins", "mcp", "migrate_store", "restart", "log_level",
		},
		"That is for the operator of countersign, on the server: `countersign --help` lists it.",
	},
	{
		[]string{"csv", "file", "upload", "import", "bulk", "batch_file", "send", "attach", "list_file"},
		"Post the CSV in the requests channel or send it to me directly, and say in its message what " +
			"should happen, such as “deactivate”.",
	},
}

// unknown says which command was probably meant, or what to do instead. The longest of its first
// words that mean something count.
func unknown(words []commandWord) (usage string, say string) {
	if name := phrased(words); name != "" {
		return UsageFor(name), ""
	}
	return knownAs(words, 1)
}

// knownAs is unknown for words that have a meaning as they stand, so many of them at least.
func knownAs(words []commandWord, least int) (usage string, say string) {
	for n := min(3, len(words)); n >= least; n-- {
		var typed []string
		for _, w := range words[:n] {
			typed = append(typed, plainText(w.raw))
		}
		folded := workflow.FoldName(strings.Join(typed, " "))
		if action := workflow.Synonym(folded); action != "" {
			return UsageFor(commandOf(action)), ""
		}
		for _, c := range Commands() {
			if slices.Contains(meant[c.Name], folded) {
				return c.Usage, ""
			}
		}
		for _, e := range elsewhere {
			if slices.Contains(e.words, folded) {
				return "", e.say
			}
		}
	}
	return "", ""
}

// commandOf is the name of the command that asks for an action.
func commandOf(action workflow.ActionName) string {
	for _, c := range Commands() {
		if commandAction(c.Name) == action {
			return c.Name
		}
	}
	return helpCommand
}
