package view

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slack-go/slack"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// cardOf is a card that waits for approval of these rows.
func cardOf(rows ...workflow.Change) Card {
	c := sealedBatch()
	c.Batch.Reason, c.First, c.Summary.Groups, c.Gist = "because", nil, nil, &Gist{}
	for i := range rows {
		rows[i].State = workflow.ChangeReady
		c.Summary.Groups = append(c.Summary.Groups, workflow.Group{Action: rows[i].Action, State: workflow.ChangeReady, Count: 1})
		c.Gist.Add(&rows[i])
		if i < TableRows {
			c.First = append(c.First, rows[i])
		}
	}
	return c
}

// textsOf are all texts of blocks, plain and others.
func textsOf(t *testing.T, blocks []slack.Block) string {
	t.Helper()
	raw, err := json.Marshal(blocks)
	if err != nil {
		t.Fatal(err)
	}
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		t.Fatal(err)
	}
	var out []string
	eachText(value, func(_, text string) { out = append(out, text) })
	return strings.Join(out, "\n")
}

func pressable(c Card, action string) bool {
	return slices.ContainsFunc(c.buttons(), func(e slack.BlockElement) bool {
		b, is := e.(*slack.ButtonBlockElement)
		return is && b.ActionID == action
	})
}

// Whatever an action takes besides the account stands on the card and in Details, and so does the
// address of somebody who has no account yet; for one row and for several, alike and different.
func TestAllThatIsApprovedIsOnTheCard(t *testing.T) {
	t.Parallel()
	for _, name := range action.Names() {
		it, _ := action.For(name)
		row := func(n string) (ch workflow.Change, values []string) {
			ch = workflow.Change{Row: 1, Action: name, Name: "Ada", AccountID: "712020:a", Expect: workflow.Of(workflow.FieldEmail, "ada@x.example")}
			if it.Subject.Absent {
				ch.Name, ch.AccountID, ch.Expect = "", "", nil
				ch.Set = ch.Set.With(workflow.FieldEmail, "new-"+n+"@x.example")
				values = append(values, "new-"+n+"@x.example")
			}
			for _, use := range it.Columns {
				value := "in-" + string(use.Column) + "-" + n
				switch use.Column {
				case workflow.ColumnSite, workflow.ColumnDirectory:
					ch.Asked.Values = ch.Asked.Values.With(use.Column, value)
				case workflow.ColumnGroup, workflow.ColumnProducts:
					ch.Set = ch.Set.With(use.Field, value+";"+value+"-too")
					values = append(values, value+"-too")
				default:
					if use.Field == "" {
						continue
					}
					ch.Set = ch.Set.With(use.Field, value)
				}
				values = append(values, value)
			}
			return ch, values
		}
		one, values := row("1")
		other, more := row("2")
		for _, c := range []struct {
			rows   []workflow.Change
			values []string
		}{
			{[]workflow.Change{one}, values}, {[]workflow.Change{one, one}, values}, {[]workflow.Change{one, other}, append(values, more...)},
		} {
			card := cardOf(c.rows...)
			details := Details{Card: card, Rows: card.First}.Draw()
			for where, text := range map[string]string{
				"the card": textsOf(t, card.Draw().Blocks), "Details": textsOf(t, details.Blocks.BlockSet),
			} {
				for _, value := range c.values {
					if !strings.Contains(text, value) {
						t.Errorf("%s, %d rows: %s does not show %q:\n%s", name, len(c.rows), where, value, text)
					}
				}
			}
		}
	}
}

// What is too long for the card is cut there with a word about it; Details shows it whole, and nobody
// approves before the file with all of it is there, or will never be.
func TestCutTextsAreWholeInDetails(t *testing.T) {
	t.Parallel()
	long := func(n int, end string) string { return strings.Repeat("lorem ipsum ", n/12) + end }
	set := func(field workflow.Field, value string) workflow.Change {
		return workflow.Change{
			Row: 2, Action: workflow.Invite, Set: workflow.Of(workflow.FieldEmail, "ada@x.example").With(field, value),
		}
	}
	named := func(n int) (names []string) {
		for i := range n {
			names = append(names, fmt.Sprintf("group-%d", i))
		}
		return names
	}
	for name, c := range map[string]struct {
		card   Card
		cut    bool
		whole  []string
		reason string
	}{
		"short":            {cardOf(set(workflow.FieldMessage, "Welcome")), false, []string{"Welcome"}, ""},
		"one long message": {cardOf(set(workflow.FieldMessage, long(950, "END"))), false, []string{long(950, "END")}, ""},
		"one message of marks": {
			cardOf(set(workflow.FieldMessage, strings.Repeat("&", 900)+"END")), true, []string{strings.Repeat("&", 900) + "END"}, "",
		},
		"two long messages": {
			cardOf(set(workflow.FieldMessage, long(950, "END")), set(workflow.FieldMessage, long(950, "FIN"))), true,
			[]string{long(950, "END"), long(950, "FIN")},
			"",
		},
		"four messages": {
			cardOf(set(workflow.FieldMessage, "a1"), set(workflow.FieldMessage, "b2"), set(workflow.FieldMessage, "c3"), set(workflow.FieldMessage, "d4")),
			true,
			[]string{"a1", "b2", "c3", "d4"},
			"",
		},
		"a message for one of two": {cardOf(set(workflow.FieldMessage, "a1"), set(workflow.FieldProducts, "jira")), false, []string{"a1"}, ""},
		"a long group":             {cardOf(set(workflow.FieldGroups, long(250, "END"))), true, []string{long(250, "END")}, ""},
		"twenty groups":            {cardOf(set(workflow.FieldGroups, strings.Join(named(20), ";"))), true, named(20), ""},
		"a long address":           {cardOf(set(workflow.FieldEmail, strings.Repeat("a", 200)+"@x.example")), true, []string{strings.Repeat("a", 200) + "@x.example"}, ""},
		"a long reason":            {cardOf(set(workflow.FieldMessage, "a1")), true, []string{long(900, "END")}, long(900, "END")},
	} {
		if c.reason != "" {
			c.card.Batch.Reason = c.reason
		}
		c.card.Plan = File{}
		card := textsOf(t, c.card.Draw().Blocks)
		if says := strings.Contains(card, "*Details* shows them whole"); says != c.cut {
			t.Errorf("%s: the card says that it is cut: %v, want %v:\n%s", name, says, c.cut, card)
		}
		waits := c.cut && c.reason == "" // which is in no file
		if says := strings.Contains(card, "Approve appears when"); says != waits || pressable(c.card, ActionApprove) == waits {
			t.Errorf("%s: without the file the card says that it waits: %v, want %v", name, says, waits)
		}
		for _, plan := range []File{{There: true}, {Refused: "file_uploads_disabled"}} {
			if c.card.Plan = plan; !pressable(c.card, ActionApprove) {
				t.Errorf("%s: nobody can approve with %+v", name, plan)
			}
		}
		details := textsOf(t, Details{Card: c.card, Rows: c.card.First}.Draw().Blocks.BlockSet)
		for _, want := range c.whole {
			if !strings.Contains(details, strings.TrimSpace(want)) {
				t.Errorf("%s: Details does not show %q:\n%s", name, want, details)
			}
		}
	}
}
