package view

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// kinds returns the errors of package workflow by name. The test below compares the names with its
// source, so that a new kind cannot come without words.
func kinds() map[string]error {
	return map[string]error{
		"ErrNotFound": workflow.ErrNotFound, "ErrKeyRefused": workflow.ErrKeyRefused, "ErrKeyScoped": workflow.ErrKeyScoped,
		"ErrThrottled": workflow.ErrThrottled, "ErrNotSent": workflow.ErrNotSent, "ErrUnavailable": workflow.ErrUnavailable,
		"ErrUnknownOutcome": workflow.ErrUnknownOutcome, "ErrNoBatch": workflow.ErrNoBatch, "ErrGone": workflow.ErrGone,
		"ErrNoRole": workflow.ErrNoRole, "ErrNotAdmin": workflow.ErrNotAdmin, "ErrOwnBatch": workflow.ErrOwnBatch,
		"ErrSameHuman": workflow.ErrSameHuman, "ErrHiddenAddress": workflow.ErrHiddenAddress,
		"ErrOwnAccount": workflow.ErrOwnAccount, "ErrStaleDigest": workflow.ErrStaleDigest,
		"ErrNotRequester": workflow.ErrNotRequester, "ErrMayNotResume": workflow.ErrMayNotResume,
		"ErrAlready": workflow.ErrAlready, "ErrNeedsReason": workflow.ErrNeedsReason,
		"ErrNothingToRead": workflow.ErrNothingToRead, "ErrNeedsAction": workflow.ErrNeedsAction,
		"ErrUndone": workflow.ErrUndone, "ErrNothingToUndo": workflow.ErrNothingToUndo, "ErrNothingToRetry": workflow.ErrNothingToRetry,
		"ErrBeingChecked": workflow.ErrBeingChecked, "ErrOtherOrg": workflow.ErrOtherOrg, "ErrTaken": workflow.ErrTaken,
		"ErrGroupUnreadable": workflow.ErrGroupUnreadable, "ErrRequesterLost": workflow.ErrRequesterLost,
		"ErrOthersUnknown": workflow.ErrOthersUnknown, "ErrNotWaiting": workflow.ErrNotWaiting, "ErrNoReturn": workflow.ErrNoReturn,
		"ErrReturnWaits": workflow.ErrReturnWaits, "ErrTimeOver": workflow.ErrTimeOver, "ErrTimePassed": workflow.ErrTimePassed,
	}
}

func TestEveryKindHasWords(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../workflow/error.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		// ErrListedAgain goes from the reader of a list to whoever keeps it, and no further.
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Err") && v.Names[0].Name != "ErrListedAgain" {
			names = append(names, v.Names[0].Name)
		}
		return true
	})
	slices.Sort(names)
	if d := cmp.Diff(names, slices.Sorted(maps.Keys(kinds()))); d != "" {
		t.Errorf("kinds of workflow/error.go and of this test (-source +test):\n%s", d)
	}
	seen := map[string]string{}
	for name, kind := range kinds() {
		text, ok := Words(fmt.Errorf("do something: %w", kind), "/countersign")
		if !ok || text == "" {
			t.Errorf("%s has no words", name)
		}
		if other := seen[text]; other != "" {
			t.Errorf("%s and %s have the same words", name, other)
		}
		seen[text] = name
		if strings.Contains(text, "do something") {
			t.Errorf("%s shows details: %s", name, text)
		}
	}
}

func TestWords(t *testing.T) {
	batch := func(state workflow.State, change func(*workflow.Batch)) error {
		c := sealedBatch()
		approve(&c, state)
		c.Batch.Ended = at(30)
		if change != nil {
			change(c.Batch)
		}
		return &workflow.StateError{Number: 42, State: state, Wanted: workflow.Approved, Batch: c.Batch}
	}
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{
			"rejected", batch(workflow.Rejected, func(b *workflow.Batch) {
				b.Ending = &workflow.Ending{By: alice, How: workflow.Rejected, Reason: "no <!here>", At: at(9)}
			}),
			"#42 was rejected by <@U0ALICE> " + moment(at(9)) + ": “no &lt;!here&gt;”.",
		},
		{"expired", batch(workflow.Expired, func(b *workflow.Batch) { b.Decisions = nil }), "#42 expired " + moment(at(30)) +
			". Nobody decided in time."},
		{"withdrawn", batch(workflow.Cancelled, func(b *workflow.Batch) {
			b.Started = time.Time{}
			b.Ending = &workflow.Ending{By: carol, How: workflow.Cancelled, Reason: "withdrawn", At: at(9)}
		}), "#42 was withdrawn by <@U0CAROL> " + moment(at(9)) + "."},
		{"running", batch(workflow.Running, nil), "#42 was already approved by <@U0BOB> " + moment(at(10)) +
			", and runs since " + moment(at(10)) + "."},
		{"done", batch(workflow.Done, nil), "#42 was already approved by <@U0BOB> " + moment(at(10)) +
			". It finished " + moment(at(30)) + "."},
		{
			"not loaded", &workflow.StateError{Number: 3, State: workflow.AwaitingApproval},
			"#3 is awaiting approval.",
		},
		{
			"no run", fmt.Errorf("show: %w", &report.NoRunError{Report: "nightly-accounts", Last: "2026-11-29"}),
			"No nightly-accounts for that day. Last one: 2026-11-29.",
		},
		{
			"user groups", &workflow.UnreadGroupsError{Groups: []string{"S0A", "S0C"}, Rules: []string{"S0A", "S0C"}, Emergency: "S0C"},
			"Slack does not show me the user groups S0A (approval.rules) and S0C (approval.rules and emergency.group), so I " +
				"cannot tell how many approvals this needs. Nothing was done. `countersign doctor` says what Slack says of them.",
		},
		{
			"never a run", &report.NoRunError{Report: "nightly-accounts"},
			"No nightly-accounts yet. `/countersign report list` says when it runs.",
		},
		{
			"too many rows", &workflow.LimitError{Rows: 6000, Limit: 5000},
			"6,000 rows are over the limit of 5,000 (limits.max_changes). Nothing was taken. Send the file in parts.",
		},
		{
			"a file", &sheet.FileError{
				Problem: "the first line has no known column", Remedy: "name the columns",
				Columns: []string{"a", "b"},
			},
			"This file cannot be used: the first line has no known column. Name the columns: `a`, `b`.",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok := Words(c.err, "/countersign")
			if !ok {
				t.Fatal("no words")
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("words (-want +got):\n%s", d)
			}
		})
	}
	if text, ok := Words(errors.New("sql: secret"), "/countersign"); ok {
		t.Errorf("an unknown error has words: %s", text)
	}
}

// Each cause of a pause has words of its own, also one that comes later: they are read from the
// source.
func TestEveryStopHasWords(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), "../../workflow/batch.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var causes []workflow.StopCause
	ast.Inspect(parsed, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Stop") {
			if literal, ok := v.Values[0].(*ast.BasicLit); ok {
				causes = append(causes, workflow.StopCause(strings.Trim(literal.Value, `"`)))
			}
		}
		return true
	})
	if len(causes) < 10 || !slices.Contains(causes, workflow.StopStuck) {
		t.Fatalf("found only the causes %q", causes)
	}
	seen := map[string]workflow.StopCause{}
	for _, cause := range causes {
		text := stopWords(workflow.Stop{Cause: cause, By: bob, Rows: []int{3, 9}, Note: "5"})
		if strings.HasPrefix(text, string(cause)) || !strings.Contains(text, "3 and 9") {
			t.Errorf("%s: %s", cause, text)
		}
		if other := seen[text]; other != "" {
			t.Errorf("%s and %s have the same words", cause, other)
		}
		seen[text] = cause
	}
}

// What is said of a plan that may not go on says what became of it, and fits a batch that has
// ended, too.
func TestRefusedPlans(t *testing.T) {
	t.Parallel()
	why := []string{"more than 5 changes, here 8"}
	for want, err := range map[string]error{
		"Line 4 changes the account of the person who asked. Nothing was done. Another person must ask for it."://
		&workflow.GuardError{Code: workflow.ReasonOwnAlone, Rows: []int{4}},
		"The settings now protect the account in lines 4 and 5. Nothing was done. " + askAnew: &workflow.GuardError{
			Code: workflow.ReasonProtected, Rows: []int{4, 5},
		},
		"An account in it is in the group finance, which is protected by countersign's settings (protect). " +
			"Nothing was done. " + askAnew: &workflow.GuardError{
			Code: workflow.ReasonProtected, Facts: []string{"", "finance"},
		},
		"This now needs 2 approvals and has 1 (more than 5 changes, here 8). Nothing was done. " + askAnew://
		&workflow.NeedsMoreError{Has: 1, Need: 2, Why: why},
		"The approval of <@U0ALICE> does not count any more: they may not approve now. This now needs 1 approval " +
			"and has 0. Nothing was done. " + askAnew: &workflow.NeedsMoreError{Need: 1, Lost: []string{"U0ALICE"}},
	} {
		if got, ok := Words(err, "/countersign"); !ok || got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// Who cannot go on because of other batches is told which.
func TestHeldNamesTheBatches(t *testing.T) {
	got, ok := Words(fmt.Errorf("retry: %w", &workflow.HeldError{Holds: map[string]workflow.Hold{
		"account:1": {Batch: 9, Row: 2}, "account:2": {Batch: 7, Row: 3}, "email:a@b.example": {Batch: 9, Row: 2},
	}}), "/countersign")
	want := "Accounts or addresses in it are in open batch #7 and #9. Nothing was done. Wait for those batches, then try again."
	if !ok || got != want {
		t.Errorf("%v %q, want %q", ok, got, want)
	}
}

func TestUsageNamesWhatWasMeant(t *testing.T) {
	want := "&lt;x&gt; is not a command. Did you mean `/countersign rename &lt;user&gt; &lt;new-email&gt;`?"
	if got := Usage("/countersign", "<x> is not a command", "help", "rename <user> <new-email>").Text; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Who wants to stop what is done already is told how to put it back, where it can be.
func TestTooLateToStop(t *testing.T) {
	t.Parallel()
	for name, can := range map[workflow.ActionName]bool{workflow.Rename: true, workflow.Remove: false} {
		for wanted, stops := range map[workflow.State]bool{workflow.Paused: true, workflow.Cancelled: true, workflow.Running: false} {
			b := sealedBatch().Batch
			b.State, b.Ended, b.Traits.Actions = workflow.Done, at(30), []workflow.ActionName{name}
			text := stateWords(&workflow.StateError{Number: 42, State: workflow.Done, Wanted: wanted, Batch: b})
			if says := strings.Contains(text, "Press *Undo* on its card"); says != (can && stops) {
				t.Errorf("%s, wanted %s: %q", name, wanted, text)
			}
		}
	}
}

// Who wants to start what is done already is told so in the words of that act.
func TestTooLateToStart(t *testing.T) {
	t.Parallel()
	for act, want := range map[workflow.ActName]string{workflow.ActStart: "started", workflow.ActResume: "resumed"} {
		b := sealedBatch().Batch
		b.State, b.Ended = workflow.Done, at(30)
		err := &workflow.StateError{Number: 42, State: workflow.Done, Wanted: workflow.Running, Batch: b}
		text, ok := Words(&ActError{Action: string(act), Number: 42, Err: err}, "/countersign")
		if !ok || !strings.HasSuffix(text, "so it cannot be "+want+".") {
			t.Errorf("%s: %q", act, text)
		}
	}
}
