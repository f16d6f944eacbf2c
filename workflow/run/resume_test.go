package run

import (
	"testing"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The counters of the stop rules start anew at a Resume, whoever sees it first: a worker that was under way when somebody
// resumed the batch, or the reading that the Resume asks for. A transaction of before it changes nothing.
func TestCountersStartAnewAtAResume(t *testing.T) {
	paused := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	batch := func(revision int64, state workflow.State, resumed time.Time) *workflow.Batch {
		b := &workflow.Batch{Revision: revision, State: state}
		b.Resumed = resumed
		return b
	}
	r := &runner{tally: tally{finished: 9, failed: 5, inARow: 5}, halted: true, seen: 6, resumed: paused}
	r.saw(batch(5, workflow.Running, paused)) // from before the pause, and late
	if r.startAnew(); r.tally.inARow != 5 || !r.isHalted() {
		t.Errorf("what is of before the pause made of it %+v, halted %v", r.tally, r.isHalted())
	}
	again := paused.Add(time.Hour)
	r.saw(batch(8, workflow.Running, again)) // a worker
	r.saw(batch(8, workflow.Running, again)) // the reading
	if r.startAnew(); r.tally != (tally{}) || r.isHalted() {
		t.Errorf("after the Resume the counters are %+v, halted %v", r.tally, r.isHalted())
	}
	r.tally.inARow = 1
	r.saw(batch(9, workflow.Running, again))
	if r.startAnew(); r.tally.inARow != 1 {
		t.Errorf("one Resume counts twice: %+v", r.tally)
	}
}
