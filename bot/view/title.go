package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// actionWords are how an action is said of so many accounts. {who} stands for them: "39 accounts",
// or for one row the person's name; {group} for the group, where all rows have one.
type actionWords struct {
	does string // "Rename {who}"
	done string // "Renamed {who}"
	one  string // a row of it among rows of others: "1 rename"
	more string
}

// wordsOfActions returns the words of every action; one without an entry goes by its name.
func wordsOfActions() map[workflow.ActionName]actionWords {
	return map[workflow.ActionName]actionWords{
		workflow.Rename:       {"Rename {who}", "Renamed {who}", "rename", "renames"},
		workflow.SetName:      {"Set the name of {who}", "Set the name of {who}", "new name", "new names"},
		workflow.Deactivate:   {"Deactivate {who}", "Deactivated {who}", "deactivation", "deactivations"},
		workflow.Activate:     {"Activate {who}", "Activated {who}", "activation", "activations"},
		workflow.Suspend:      {"Suspend {who}", "Suspended {who}", "suspension", "suspensions"},
		workflow.Restore:      {"Restore {who}", "Restored {who}", "restored account", "restored accounts"},
		workflow.Remove:       {"Remove {who}", "Removed {who}", "removal", "removals"},
		workflow.Delete:       {"Delete {who}", "Started the deletion of {who}", "deletion", "deletions"},
		workflow.CancelDelete: {"Cancel the deletion of {who}", "Cancelled the deletion of {who}", "cancelled deletion", "cancelled deletions"},
		workflow.GroupAdd:     {"Add {who} to {group}", "Added {who} to {group}", "group member to add", "group members to add"},
		workflow.GroupRemove:  {"Remove {who} from {group}", "Removed {who} from {group}", "group member to remove", "group members to remove"},
		workflow.Invite:       {"Invite {who}", "Invited {who}", "invitation", "invitations"},
		workflow.RevokeTokens: {"Revoke the API tokens of {who}", "Revoked the API tokens of {who}", "account without API tokens", "accounts without API tokens"},
		workflow.SiteGroupAdd: {"Add {who} to {group} on a site", "Added {who} to {group} on a site", "site group member to add", "site group members to add"},
		workflow.SiteGroupRemove: {
			"Remove {who} from {group} on a site", "Removed {who} from {group} on a site", "site group member to remove", "site group members to remove",
		},
		workflow.SiteCreate:  {"Create {who} on a site", "Created {who} on a site", "new site user", "new site users"},
		workflow.SiteDelete:  {"Remove {who} from a site", "Removed {who} from a site", "site user to remove", "site users to remove"},
		workflow.SiteColumns: {"Reset the columns of {who}", "Reset the columns of {who}", "reset of columns", "resets of columns"},
		workflow.Provision:   {"Provision {who}", "Provisioned {who}", "new account", "new accounts"},
		workflow.Offboard:    {"Offboard {who}", "Offboarded {who}", "offboarding", "offboardings"},
	}
}

// namesGroup reports whether what is said of an action names its group.
func namesGroup(name workflow.ActionName) bool {
	return strings.Contains(wordsOfActions()[name].does, "{group}")
}

// said fills the words of an action.
func said(words, who, group string) string {
	return strings.NewReplacer("{who}", who, "{group}", cmp.Or(group, "a group")).Replace(words)
}

// Title returns a batch in one line: its state's mark, its number, and what it does or what became
// of it. only is its one row, nil where it has more, or where gist knows it; gist may be nil.
func Title(b *workflow.Batch, s workflow.Summary, only *workflow.Change, gist *Gist) string {
	only = cmp.Or(only, gist.only())
	return fmt.Sprintf("%s #%d · %s", stateMark(b, s), b.Number, became(b, s, only, gist))
}

// stateMark is a batch's state at a glance.
func stateMark(b *workflow.Batch, s workflow.Summary) string {
	switch b.State {
	case workflow.Planning:
		return "🔍"
	case workflow.AwaitingApproval:
		return "⏳"
	case workflow.Approved:
		return "👍"
	case workflow.Running:
		return "▶️"
	case workflow.Paused:
		return "⏸️"
	case workflow.Done:
		if s.State(workflow.ChangeFailed, workflow.ChangeSkipped) > 0 || len(b.Parked) > 0 {
			return "⚠️"
		}
		return "✅"
	case workflow.Rejected:
		return "⛔"
	case workflow.Expired:
		return "⌛"
	case workflow.Cancelled:
		return "🚫"
	default:
		return "➖"
	}
}

// became says what a batch is to do or, once it has ended, what became of it.
func became(b *workflow.Batch, s workflow.Summary, only *workflow.Change, gist *Gist) string {
	switch b.State {
	case workflow.Rejected:
		return "Rejected by " + byName(b)
	case workflow.Expired:
		if n := len(b.Approvers()); n > 0 {
			return fmt.Sprintf("Expired with %s of %s approvals", number(n), number(b.Approvals))
		}
		return "Expired, nobody decided"
	case workflow.Cancelled:
		word := "Cancelled by "
		if withdrawn(b) {
			word = "Withdrawn by "
		}
		if word += byName(b); !b.Started.IsZero() {
			word += ": " + lowerWord(made(s, only, gist))
		}
		return word
	case workflow.Done:
		return made(s, only, gist)
	case workflow.Empty:
		return "No row can run"
	}
	return Does(b, s, only, gist)
}

// byName is who ended a batch early, by name: a title can mention nobody.
func byName(b *workflow.Batch) string {
	e := ending(b)
	if e == nil || e.By.ID == "" || e.By.ID == workflow.Bot {
		return "countersign"
	}
	return cmp.Or(oneLine(e.By.Name, tableCell), e.By.ID)
}

// Does says what a batch is to do: "Rename 39 accounts", "3 renames, 2 deactivations".
func Does(b *workflow.Batch, s workflow.Summary, only *workflow.Change, gist *Gist) string {
	only = cmp.Or(only, gist.only())
	counts := s.Actions()
	switch {
	case len(counts) > 0:
		return doing(counts, only, gist, func(w actionWords) string { return w.does }, accountsOf)
	case b.Source.Move != nil && b.Rows == 0:
		return "Rename all of " + plainDomain(b.Source.Move.Old)
	case len(askedFor(b, s)) > 0:
		return doing(askedFor(b, s), nil, gist, func(w actionWords) string { return w.does }, accountsOf)
	case b.Verb != "":
		return doing(map[workflow.ActionName]int{b.Verb: b.Rows}, nil, gist, func(w actionWords) string { return w.does }, accountsOf)
	}
	return many(b.Rows, "row", "rows")
}

// askedFor counts the rows by action where none of them is to run.
func askedFor(b *workflow.Batch, s workflow.Summary) map[workflow.ActionName]int {
	out := map[workflow.ActionName]int{}
	for _, g := range s.Groups {
		if g.Action != "" && b.State != workflow.Planning {
			out[g.Action] += g.Count
		}
	}
	return out
}

// made says what a run came to: "Renamed 39 accounts", "Renamed 4 of 5 accounts".
func made(s workflow.Summary, only *workflow.Change, gist *Gist) string {
	planned := s.Actions()
	done := map[workflow.ActionName]int{}
	for _, g := range s.Groups {
		if g.State == workflow.ChangeDone {
			done[g.Action] += g.Count
		}
	}
	if len(planned) == 0 { // by the time of each call its row was as asked for
		return "Nothing to change"
	}
	if len(planned) > 1 {
		var all, n int
		for _, count := range planned {
			all += count
		}
		for _, count := range done {
			n += count
		}
		return fmt.Sprintf("Made %s of %s", number(n), many(all, "change", "changes"))
	}
	for name, all := range planned {
		n := done[name]
		surely := s.State(workflow.ChangeFailed, workflow.ChangeSkipped) == 1
		if surely && all == 1 && cmp.Or(only, gist.only()) != nil {
			return "Did not " + lowerWord(doing(planned, only, gist, func(w actionWords) string { return w.does }, accountsOf))
		}
		if n < all {
			return doing(planned, nil, gist, func(w actionWords) string { return w.done }, func(all int) string {
				return fmt.Sprintf("%s of %s", number(n), many(all, "account", "accounts"))
			})
		}
	}
	return doing(planned, only, gist, func(w actionWords) string { return w.done }, accountsOf)
}

func accountsOf(n int) string { return many(n, "account", "accounts") }

// doing says one action of its accounts, or counts several.
func doing(
	counts map[workflow.ActionName]int, only *workflow.Change, gist *Gist, pick func(actionWords) string, accounts func(int) string,
) string {
	known := wordsOfActions()
	var several []string
	for _, name := range inOrder(counts) {
		n := counts[name]
		words, ok := known[name]
		if len(counts) == 1 {
			if !ok {
				words = actionWords{does: string(name) + " {who}", done: string(name) + " {who}"}
			}
			who := ""
			if n == 1 && only != nil {
				who = oneLine(cmp.Or(only.Name, only.OldEmail(), only.NewEmail(), only.AccountID), tableCell)
			}
			if who == "" {
				who = accounts(n)
			}
			return said(pick(words), who, gist.group())
		}
		if !ok {
			words.one, words.more = string(name), string(name)
		}
		several = append(several, many(n, words.one, words.more))
	}
	return strings.Join(several, ", ")
}

// inOrder lists actions in the order in which people are shown them.
func inOrder(counts map[workflow.ActionName]int) []workflow.ActionName {
	var names []workflow.ActionName
	for name := range counts {
		names = append(names, name)
	}
	order := workflow.ActionNames()
	slices.SortFunc(names, func(a, b workflow.ActionName) int {
		return cmp.Or(cmp.Compare(slices.Index(order, a), slices.Index(order, b)), cmp.Compare(a, b))
	})
	return names
}

// lowerWord makes the beginning of a sentence the middle of one.
func lowerWord(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// plainDomain is a domain where nothing is read as mrkdwn.
func plainDomain(domain string) string { return oneLine(workflow.DisplayDomain(domain), tableCell) }
