package view

import (
	"strings"
	"testing"

	"github.com/countersign/countersign/workflow"
)

// Each act on a batch can be done in Slack, and whoever may not is told who may.
func TestEveryActHasItsButton(t *testing.T) {
	t.Parallel()
	views := actViews()
	for _, act := range workflow.Acts() {
		view, ok := views[act.Name]
		delete(views, act.Name)
		if act.Name == workflow.ActAsk { // there is no batch yet, and no button
			continue
		}
		switch {
		case !ok || view.Label == "" || view.Verb == "":
			t.Errorf("%s has no button or no words", act.Name)
		case act.Confirm != (view.Dialog != nil):
			t.Errorf("%s asks once more: %v, and has a dialog: %v", act.Name, act.Confirm, view.Dialog != nil)
		case (act.Makes != "") != (view.Made != nil):
			t.Errorf("%s makes a batch by the link %q, which is not said or said for nothing", act.Name, act.Makes)
		case act.Command != "" && act.Makes == "" && view.Done == "":
			t.Errorf("%s is done by the command %s without an answer", act.Name, act.Command)
		case whoMay(act.Who) == "":
			t.Errorf("%s is for %s, which has no words", act.Name, act.Who)
		}
	}
	for name := range views {
		t.Errorf("%s is no act", name)
	}
}

// Whoever has a part in a batch is told in the words of what they pressed: only an approval is spoken
// of as one.
func TestPartWordsAreOfTheAct(t *testing.T) {
	t.Parallel()
	for act, view := range actViews() {
		for _, err := range []error{workflow.ErrOwnBatch, workflow.ErrSameHuman, workflow.ErrOwnAccount, workflow.ErrAlready} {
			text, ok := Words(&ActError{Action: string(act), Number: 42, Err: err}, "/countersign")
			says := strings.Contains(text, "approve")
			named := act == workflow.ActApprove || act == workflow.ActReject || strings.Contains(text, "*"+view.Label+"*")
			if !ok || says != (act == workflow.ActApprove) || !named {
				t.Errorf("%s, %v: %q", act, err, text)
			}
		}
	}
}
