package view

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// namesGroup reports whether what is said of an action names its group.
func namesGroup(name workflow.ActionName) bool {
	return strings.Contains(titleOf(name).Does, "{group}")
}

// titleOf returns how an action is said of accounts; one that is not built goes by its name.
func titleOf(name workflow.ActionName) action.Title {
	if a, built := action.For(name); built {
		return a.Title
	}
	return action.Title{Does: string(name) + " {who}", Done: string(name) + " {who}", One: string(name), More: string(name)}
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
		return doing(counts, only, gist, func(t action.Title) string { return t.Does }, accountsOf)
	case b.Source.Move != nil && b.Rows == 0:
		return "Rename all of " + plainDomain(b.Source.Move.Old)
	case len(askedFor(b, s)) > 0:
		return doing(askedFor(b, s), nil, gist, func(t action.Title) string { return t.Does }, accountsOf)
	case b.Verb != "":
		return doing(map[workflow.ActionName]int{b.Verb: b.Rows}, nil, gist, func(t action.Title) string { return t.Does }, accountsOf)
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
			return "Did not " + lowerWord(doing(planned, only, gist, func(t action.Title) string { return t.Does }, accountsOf))
		}
		if n < all {
			return doing(planned, nil, gist, func(t action.Title) string { return t.Done }, func(all int) string {
				return fmt.Sprintf("%s of %s", number(n), many(all, "account", "accounts"))
			})
		}
	}
	return doing(planned, only, gist, func(t action.Title) string { return t.Done }, accountsOf)
}

func accountsOf(n int) string { return many(n, "account", "accounts") }

// doing says one action of its accounts, or counts several.
func doing(
	counts map[workflow.ActionName]int, only *workflow.Change, gist *Gist, pick func(action.Title) string, accounts func(int) string,
) string {
	var several []string
	for _, name := range inOrder(counts) {
		n, title := counts[name], titleOf(name)
		if len(counts) == 1 {
			who := ""
			if n == 1 && only != nil {
				who = oneLine(cmp.Or(only.Name, only.OldEmail(), only.NewEmail(), only.AccountID), tableCell)
			}
			if who == "" {
				who = accounts(n)
			}
			return said(pick(title), who, gist.group())
		}
		several = append(several, many(n, title.One, title.More))
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
