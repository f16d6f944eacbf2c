package bot_test

import (
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/sandbox/workspace"
	"github.com/countersign/countersign/workflow"
)

// Look-ups are answered to who asks alone: who somebody is, what they have and what may be done; which
// groups there are; the domains.
func TestLookups(t *testing.T) {
	t.Parallel()
	a := newAccounts(2)
	a.locked = map[string]string{"712020:0001": "externalDirectory.scim"}
	w := newWorld(t, a)
	for _, each := range []struct {
		command string
		want    []string
	}{
		{"find Person 0", []string{
			"*Person 0* p0@old.example", "Group: few people", "Products: Confluence, Jira · last active 2026-11-20",
			"Who decides: address, name and login: your organisation", "• Possible: rename, set-name, deactivate",
		}},
		{"find p1@old.example", []string{
			"Who decides: address: your identity provider (SCIM) · name and login: your organisation",
			"• Not possible: rename. It is synced from your identity provider (SCIM); change it there", "• Possible: set-name, deactivate",
		}},
		{"find nobody at all", []string{"No account found for “nobody at all”"}},
		{"groups", []string{"*4 groups*", "• few people `g-1` · 3 members · gives Jira · may be changed"}},
		{"groups syn", []string{"• synced `g-2` · 2 members · may not be changed: it is synced from your identity provider; change its members there"}},
		{"groups none such", []string{"No group found for “none such”"}},
		{"domains", []string{"• old.example: verified"}},
		{"history nobody@old.example", []string{"Nothing is known of “nobody@old.example”"}},
		{"history p0@old.example", []string{"*Person 0* p0@old.example", "nothing is known of its past", "No night is kept"}},
	} {
		w.command("U0CAROL", "C0OTHER", each.command)
		for _, want := range each.want {
			w.told("U0CAROL", "C0OTHER", want)
		}
	}
	for _, m := range w.slack.Messages("C0OTHER", "U0ALICE") {
		t.Errorf("the others see %s", text(m))
	}
	w.command("U0DAVE", "C0OTHER", "groups") // without a role
	w.told("U0DAVE", "C0OTHER", "You cannot ask for changes")
}

// The history of an account tells every address and status since the first night, by which batch, and
// what was not by countersign; also by an address that it has no more.
func TestHistory(t *testing.T) {
	t.Parallel()
	a := newAccounts(3)
	w := newWorld(t, a)
	day := -1
	night := func() {
		t.Helper()
		a.mu.Lock()
		var members []workflow.Member
		for _, acc := range a.by {
			members = append(members, workflow.Member{Account: acc})
		}
		a.mu.Unlock()
		if _, err := w.db.TakeSnapshot(t.Context(), "nightly", time.Now().AddDate(0, 0, day), all(members)); err != nil {
			t.Fatal(err)
		}
		day++
	}
	night()
	w.command("U0CAROL", requests, "rename p0@old.example ada@new.example")
	card := w.cardSays(1, "Needs 1 approval")
	w.click("U0ALICE", card, "approve")
	w.cardSays(1, "*Done*")
	night()
	a.set(func() { // somebody else
		acc := a.by["712020:0000"]
		acc.Email, acc.Status = "lang@new.example", workflow.StatusInactive
		a.by["712020:0000"] = acc
	})
	night()
	a.set(func() { delete(a.by, "712020:0000") })
	night()
	for _, who := range []string{"712020:0000", "p0@old.example", "ADA@new.example"} {
		w.command("U0CAROL", "C0OTHER", "history "+who)
		var got workspace.Message
		w.until("the history of "+who+" is told", func() bool {
			messages := w.slack.Messages("C0OTHER", "U0CAROL")
			i := slices.IndexFunc(messages, func(m workspace.Message) bool {
				return m.Ephemeral && strings.HasPrefix(m.Text, "History of "+who)
			})
			if i >= 0 {
				got = messages[i]
			}
			return i >= 0
		})
		var lines []string
		for line := range strings.SplitSeq(text(got), "\n") {
			if strings.HasPrefix(line, "• ") {
				lines = append(lines, line)
			}
		}
		want := []string{
			"seen in the first night: p0@old.example, active",
			"address p0@old.example → ada@new.example: #1, asked for by <@U0CAROL>",
			"address ada@new.example → lang@new.example: not by countersign",
			"status active → inactive: not by countersign",
			"no longer among the managed accounts",
		}
		if len(lines) != len(want) {
			t.Fatalf("%s: %q", who, lines)
		}
		for i := range want {
			if !strings.HasSuffix(lines[i], want[i]) {
				t.Errorf("%s: line %d is %q, want %q", who, i, lines[i], want[i])
			}
		}
		if !strings.Contains(text(got), "From batches, and from 4 nights since") {
			t.Errorf("%s: %s", who, text(got))
		}
	}
}

func all(members []workflow.Member) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range members {
			if !yield(m, nil) {
				return
			}
		}
	}
}
