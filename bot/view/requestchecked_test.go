package view

import (
	"encoding/json"
	"strings"
	"testing"

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
