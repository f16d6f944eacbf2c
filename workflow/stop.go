package workflow

import (
	"fmt"
	"strconv"
)

// percentFrom is how many changes must have ended before a percentage of them means anything.
const percentFrom = 20

// tally counts outcomes for the stop rules.
type tally struct{ finished, failed, inARow int }

func (t *tally) count(state ChangeState) {
	switch state {
	case ChangeDone:
		t.finished++
		t.inARow = 0
	case ChangeFailed:
		t.finished++
		t.failed++
		t.inARow++
	}
}

// stop says which stop rule is met after another outcome, the zero Stop when none.
func (t *tally) stop(limits RunLimits, canaryFailed bool) Stop {
	switch {
	case canaryFailed:
		return Stop{Cause: StopCanary}
	case limits.StopAfterFailures > 0 && t.inARow >= limits.StopAfterFailures:
		return Stop{Cause: StopInARow, Note: strconv.Itoa(t.inARow)}
	case limits.StopAtPercent > 0 && t.finished >= percentFrom && t.failed*100 >= limits.StopAtPercent*t.finished:
		return Stop{Cause: StopPercent, Note: fmt.Sprintf("%d of %d", t.failed, t.finished)}
	}
	return Stop{}
}
