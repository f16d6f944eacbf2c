package view

import (
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
