package bot

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/bot/command"
	"github.com/countersign/countersign/bot/view"
	"github.com/countersign/countersign/workflow"
)

// Who may give each command, and which button it stands for.
func TestCommandsAndTheirButtons(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, c := range command.Commands() {
		act, ok := workflow.ActOfCommand(c.Name)
		fmt.Fprintf(&got, "%s: %s · %v %s\n", c.Name, c.Who, ok, act.Name)
	}
	want, err := os.ReadFile("testdata/commands.txt")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("commands (-want +got):\n%s", d)
	}
}

// Every command and every act on a batch is taken, and what decides is so by people read after it
// came.
func TestTablesAreWhole(t *testing.T) {
	t.Parallel()
	given, pressed := commands(), actions()
	for _, c := range command.Commands() {
		e, ok := given[c.Name]
		act, acts := workflow.ActOfCommand(c.Name)
		if !ok || e.do == nil || e.fresh != (acts && act.Fresh) {
			t.Errorf("the command %s is taken %v, with people read afresh %v", c.Name, ok, e.fresh)
		}
		delete(given, c.Name)
	}
	for name := range given {
		t.Errorf("there is no command %s", name)
	}
	for _, act := range workflow.Acts() {
		if act.Name == workflow.ActAsk { // there is no batch yet, and no button
			continue
		}
		e, ok := pressed[string(act.Name)]
		fresh := act.Fresh && act.Name != workflow.ActReject // its form is what decides
		if !ok || e.do == nil || e.fresh != fresh || e.key == nil {
			t.Errorf("the button %s is taken %v, with people read afresh %v", act.Name, ok, e.fresh)
		}
		if done := acts()[act.Name] != nil; done == (act.Name == workflow.ActApprove || act.Name == workflow.ActReject) {
			t.Errorf("the engine does %s: %v", act.Name, done)
		}
	}
	for name, e := range forms() {
		asks := name == view.RequestForm || name == view.CheckedForm // of these no one decides
		if (e.do == nil) == (e.answers == nil) || e.fresh == asks {
			t.Errorf("the form %s is taken with people read afresh %v", name, e.fresh)
		}
	}
}
