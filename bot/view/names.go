package view

import (
	"fmt"

	"github.com/countersign/countersign/workflow"
)

// PlanFile returns the name of the file with the plan of a batch.
func PlanFile(number int64) string { return fmt.Sprintf("batch-%d-plan.csv", number) }

// BadRowsFile returns the name of the file with the rows that cannot run.
func BadRowsFile(number int64) string { return fmt.Sprintf("batch-%d-bad-rows.csv", number) }

// ResultsFile returns the name of the results file, from the batch; that of a retry after its run,
// too.
func ResultsFile(number int64, run int) string {
	if run == 1 {
		return fmt.Sprintf("batch-%d-results.csv", number)
	}
	return fmt.Sprintf("batch-%d-results-%d.csv", number, run)
}

// PlannedStates returns the states of changes that are part of the plan.
func PlannedStates() []workflow.ChangeState {
	return []workflow.ChangeState{
		workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeDone, workflow.ChangeFailed,
		workflow.ChangeSkipped,
	}
}

// HasRun reports whether a batch was run and has ended.
func HasRun(b *workflow.Batch) bool {
	return !b.Started.IsZero() && (b.State == workflow.Done || b.State == workflow.Cancelled)
}

// RunNumber returns the number of the run that a batch is in or has been in, from 1.
func RunNumber(b *workflow.Batch) int { return max(b.Run, 1) }

// BadRowsWords come with the rows that cannot run. No other sentence speaks of a file that may not
// be there.
func BadRowsWords(b *workflow.Batch) string {
	return fmt.Sprintf("%s these rows of #%d will not run; each says why. Correct them, then send this file.",
		mention(b.Requester.ID), b.Number)
}

// ResultsWords come with the results of a run.
func ResultsWords(number int64, run int) string {
	return "Every row is in " + ResultsFile(number, run) + "."
}

// File is what became of a file that belongs into a thread. The zero File is on its way.
type File struct {
	There   bool
	Refused string // why Slack will never have it, "" when it may
}
