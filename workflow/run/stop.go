package run

import (
	"fmt"

	"github.com/countersign/countersign/workflow"
)

// percentFrom is how many changes must have ended before a percentage of them means anything.
const percentFrom = 20

// tally counts outcomes for the stop rules.
type tally struct{ finished, failed, inARow int }

func (t *tally) count(state workflow.ChangeState) {
	switch state {
	case workflow.ChangeDone:
		t.finished++
		t.inARow = 0
	case workflow.ChangeFailed:
		t.finished++
		t.failed++
		t.inARow++
	}
}

// proved counts how a change ended that was counted as made when its call was accepted.
func (t *tally) proved(state workflow.ChangeState) {
	if state == workflow.ChangeFailed {
		t.failed++
		t.inARow++
	}
}

// stop says which stop rule is met after another outcome, the zero Stop when none.
func (t *tally) stop(limits Limits, canaryFailed bool) workflow.Stop {
	switch {
	case canaryFailed:
		return workflow.Stop{Cause: workflow.StopCanary, Note: workflow.Number(limits.Canary)}
	case limits.StopAfterFailures > 0 && t.inARow >= limits.StopAfterFailures:
		return workflow.Stop{Cause: workflow.StopInARow, Note: workflow.Number(t.inARow)}
	case limits.StopAtPercent > 0 && t.finished >= percentFrom && t.failed*100 >= limits.StopAtPercent*t.finished:
		return workflow.Stop{Cause: workflow.StopPercent, Note: fmt.Sprintf("%d %% of the changes failed, %s of %s, and %d %% is the limit",
			t.failed*100/t.finished, workflow.Number(t.failed), workflow.Number(t.finished), limits.StopAtPercent)}
	}
	return workflow.Stop{}
}
