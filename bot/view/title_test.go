package view

import (
	"slices"
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// Whatever a batch is and whatever became of its rows, its title says something behind its number.
func TestEveryTitleSaysSomething(t *testing.T) {
	t.Parallel()
	rows := append(workflow.ChangeStates(), "")
	for _, state := range workflow.States() {
		for _, row := range rows {
			for _, action := range []workflow.ActionName{workflow.Rename, ""} {
				b := sealedBatch().Batch
				b.State, b.Rows = state, 1
				var s workflow.Summary
				if row != "" {
					s.Groups = []workflow.Group{{Action: action, State: row, Count: 1}}
				}
				if title := Title(b, s, nil, nil); strings.HasSuffix(strings.TrimSpace(title), "·") || strings.Contains(title, ": ") && strings.HasSuffix(title, ": ") {
					t.Errorf("%s with a row that is %q: %q", state, row, title)
				}
			}
		}
	}
}

// A batch of one row goes by the person's name, by the address of whoever has none, or at least by
// the account's id: wherever it is named, and also when nothing of it was done.
func TestABatchOfOneHasAName(t *testing.T) {
	t.Parallel()
	for want, row := range map[string]workflow.Change{
		"Carlos Abadi":      {Name: "Carlos Abadi", AccountID: "712020:1", Expect: workflow.Of(workflow.FieldEmail, "carlos@x.example")},
		"carlos@x.example":  {AccountID: "712020:1", Expect: workflow.Of(workflow.FieldEmail, "carlos@x.example")},
		"712020:1":          {AccountID: "712020:1"},
		"invited@x.example": {Set: workflow.Of(workflow.FieldEmail, "invited@x.example")},
	} {
		row.Action, row.State = workflow.Deactivate, workflow.ChangeReady
		c := sealedBatch()
		c.Summary.Groups = []workflow.Group{{Action: row.Action, State: row.State, Count: 1}, {Action: row.Action, State: workflow.ChangeBlocked, Count: 3}}
		c.First, c.Gist = nil, &Gist{}
		c.Gist.Add(&row)
		thread := Thread{Batch: c.Batch, Summary: c.Summary, Gist: c.Gist, Admins: c.Admins}
		said := map[string]string{
			"title": c.title(), "dialog": c.approving(), "call": thread.Waiting().Text, "next": thread.Next(nil).Text, "direct": thread.Direct("C1", "x").Text,
			"emergency": thread.Emergency("").Text,
		}
		for _, state := range workflow.ChangeStates() {
			if c.Summary.Groups[0].State = state; slices.Contains([]workflow.ChangeState{workflow.ChangeDone, workflow.ChangeFailed, workflow.ChangeSkipped}, state) {
				c.Batch.State = workflow.Done
				said["done, "+string(state)] = c.title()
				c.Batch.State, c.Batch.Started = workflow.Cancelled, at(3)
				said["cancelled, "+string(state)] = c.title()
			}
		}
		for where, text := range said {
			if !strings.Contains(text, want) || strings.Contains(text, "1 account") {
				t.Errorf("%s of %s: %q", where, want, text)
			}
		}
	}
}
