package view

import (
	"strings"
	"testing"
	"time"

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

// An act that has nothing to do in a batch is answered with how the batch stands, then with what is not there.
func TestNothingToDoSaysTheStateFirst(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	bob := workflow.Person{ID: "U0BOB"}
	batch := func(state workflow.State, change func(*workflow.Batch)) *workflow.Batch {
		b := &workflow.Batch{Number: 42, State: state}
		b.Started, b.Ended = at, at
		if change != nil {
			change(b)
		}
		return b
	}
	endedBy := func(how workflow.State) func(*workflow.Batch) {
		return func(b *workflow.Batch) { b.Ending = &workflow.Ending{By: bob, How: how, At: at} }
	}
	batches := map[string]*workflow.Batch{
		"#42 finished":                  batch(workflow.Done, nil),
		"#42 was cancelled by <@U0BOB>": batch(workflow.Cancelled, endedBy(workflow.Cancelled)),
		"#42 was rejected by <@U0BOB>":  batch(workflow.Rejected, endedBy(workflow.Rejected)),
		"#42 expired":                   batch(workflow.Expired, nil),
		"#42 still waits for approval.": batch(workflow.AwaitingApproval, nil),
		"#42 is still being checked":    batch(workflow.Planning, nil),
		"#42 starts by itself":          batch(workflow.Approved, nil),
		"#42 starts <!date":             batch(workflow.Approved, func(b *workflow.Batch) { b.Started, b.When.At = time.Time{}, at }),
		"#42 runs since":                batch(workflow.Running, nil),
		"#42 has no row that can run.":  batch(workflow.Empty, nil),
		"#42 is paused since": batch(workflow.Paused, func(b *workflow.Batch) {
			b.Stop = workflow.Stop{Cause: workflow.StopPerson, By: bob, At: at}
		}),
	}
	for err, nothing := range map[error]string{
		workflow.ErrNothingToRetry: "Nothing in it can be retried.", workflow.ErrNothingToUndo: "Nothing in it can be undone.",
		workflow.ErrNoReturn: "It has no end time", workflow.ErrNotWaiting: "It has no start time",
	} {
		for state, b := range batches {
			text, ok := Words(&ActError{Action: string(workflow.ActRetry), Number: 42, Batch: b, Err: err}, "/countersign")
			if !ok || !strings.HasPrefix(text, state) || !strings.Contains(text, nothing) {
				t.Errorf("%v of a batch that is %s: %q, want %q and %q", err, b.State, text, state, nothing)
			}
		}
	}
}
