package view

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// drawn is a modal as Slack is sent it.
func drawn(t *testing.T, modal any) string {
	t.Helper()
	raw, err := json.Marshal(modal)
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(raw))
}

// preview is of one row that can run.
func preview(demand workflow.Demand) *workflow.Preview {
	changes := []workflow.Change{{Row: 1, Action: workflow.Deactivate, State: workflow.ChangeReady, AccountID: "a"}}
	return &workflow.Preview{Changes: changes, Summary: workflow.Summarise(changes), Demand: demand}
}

// What would be an emergency is said before it is sent.
func TestCheckedEmergency(t *testing.T) {
	t.Parallel()
	for _, emergency := range []bool{true, false} {
		modal := drawn(t, Checked{Preview: preview(workflow.Demand{Approvals: 1, Emergency: emergency})}.Draw())
		if strings.Contains(modal, "This will be an emergency") != emergency {
			t.Errorf("emergency %v:\n%s", emergency, modal)
		}
	}
}

// The check shows what the card will: the messages of a file's rows, groups, products, times and what is
// to be looked at twice. Nobody sends for approval what they could not see.
func TestCheckShowsWhatTheCardShows(t *testing.T) {
	t.Parallel()
	row := func(n int, name workflow.ActionName, set workflow.Values, warns workflow.ReasonCode) workflow.Change {
		return workflow.Change{
			Row: n, Action: name, State: workflow.ChangeReady, AccountID: "a", Name: "Ada Lang", Set: set,
			Reason: workflow.Reason{Code: warns}, Effects: []workflow.Effect{workflow.EffectLockedOut},
		}
	}
	hour := workflow.When{At: time.Date(2026, 12, 1, 18, 0, 0, 0, time.UTC), Zone: "UTC"}
	for name, c := range map[string]struct {
		changes []workflow.Change
		when    workflow.When
		title   string
		says    []string
	}{
		"messages of a file": {
			changes: []workflow.Change{
				row(2, workflow.Deactivate, workflow.Of(workflow.FieldMessage, "Thank you"), ""),
				row(3, workflow.Deactivate, workflow.Of(workflow.FieldMessage, "Goodbye"), ""),
			},
			title: "Deactivate 2 accounts",
			says:  []string{"Message to 1 of 2: “Thank you”", "Message to 1 of 2: “Goodbye”", "2 people can no longer log in"},
		},
		"one group": {
			changes: []workflow.Change{
				row(1, workflow.GroupAdd, workflow.Of(workflow.FieldGroups, "finance"), ""),
				row(2, workflow.GroupAdd, workflow.Of(workflow.FieldGroups, "finance"), ""),
			},
			title: "Add 2 accounts to finance",
		},
		"one person, at a time": {
			changes: []workflow.Change{row(1, workflow.GroupRemove, workflow.Of(workflow.FieldGroups, "finance"), "")},
			when:    hour, title: "Remove Ada Lang from finance", says: []string{"starts <!date^1796148000"},
		},
		"products and a warning": {
			changes: []workflow.Change{
				row(1, workflow.Invite, workflow.Of(workflow.FieldProducts, "jira-software"), workflow.ReasonOddAddress),
				row(2, workflow.Rename, workflow.Of(workflow.FieldEmail, "b@new.example"), ""),
			},
			title: "1 rename, 1 invitation", says: []string{"Product: jira-software", "1 new address is written oddly: look twice"},
		},
	} {
		preview := &workflow.Preview{Changes: c.changes, Summary: workflow.Summarise(c.changes), Demand: workflow.Demand{Approvals: 1}}
		checked := Checked{Preview: preview, When: c.when}
		modal := drawn(t, checked.Draw())
		if title := `{"type":"plain_text","text":"` + c.title + `"`; !strings.Contains(modal, title) {
			t.Errorf("%s: the title is not %q:\n%s", name, c.title, modal)
		}
		for _, want := range c.says {
			if !strings.Contains(modal, want) {
				t.Errorf("%s: it does not say %q:\n%s", name, want, modal)
			}
		}
	}
}
