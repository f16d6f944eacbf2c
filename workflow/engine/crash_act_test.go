package engine_test

import (
	"context"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/workflowtest"
)

// retry runs what failed again, and the power goes on the way.
func (s *scenario) retry(number int64) {
	if _, err := s.d.engine.Retry(context.Background(), number, hana); err != nil {
		return
	}
	s.stats.retried++
	s.power.failAfter(s.roll(20))
	time.Sleep(time.Minute)
	s.crash()
	s.boot()
	s.settle(number)
}

// Fault is what goes wrong with one call. What is late is so by less than a lost call is waited
// for.
func (s *scenario) fault() workflowtest.Fault {
	switch s.roll(14) {
	case 0:
		return workflowtest.Fault{Before: workflow.ErrUnknownOutcome}
	case 1:
		return workflowtest.Fault{After: workflow.ErrUnknownOutcome}
	case 2:
		return workflowtest.Fault{Before: workflow.ErrThrottled}
	case 3:
		return workflowtest.Fault{Before: refusal()}
	case 4:
		return workflowtest.Fault{Before: workflow.ErrNotSent}
	case 5:
		return workflowtest.Fault{After: context.DeadlineExceeded}
	case 6:
		s.stats.late++
		return workflowtest.Fault{Before: workflow.ErrUnknownOutcome, Late: time.Duration(1+s.roll(15)) * time.Second}
	case 7:
		return workflowtest.Fault{Ignored: true}
	case 8:
		if s.roll(4) == 0 {
			return workflowtest.Fault{Before: workflow.ErrKeyRefused}
		}
	}
	return workflowtest.Fault{}
}

// act is one thing that somebody tries. At first it is mostly what lets the batch run; much of the
// rest is refused, as it should be.
func (s *scenario) act(b *workflow.Batch, i int) {
	ctx := context.Background()
	e := s.d.engine
	who := []workflow.Actor{hana, alice, bob, gus}[s.roll(4)]
	what, digest := s.roll(14), b.Digest
	if s.roll(6) == 0 {
		digest = "another"
	}
	if i < 2 && s.roll(5) > 0 {
		who, what, digest = []workflow.Actor{alice, bob}[i], 0, b.Digest
	}
	switch what {
	case 0, 1, 2:
		_, _ = e.Decide(ctx, b.Number, who, workflow.Approve, digest, "")
	case 3:
		if who.ID == bob.ID {
			_, _ = e.Decide(ctx, b.Number, who, workflow.Reject, digest, "no")
		}
	case 4:
		_, _ = e.Pause(ctx, b.Number, who)
	case 5, 6, 7:
		_, _ = e.Resume(ctx, b.Number, who)
	case 8:
		if who.ID == alice.ID && s.roll(2) == 0 {
			_, _ = e.Cancel(ctx, b.Number, who)
		}
	case 9:
		if _, err := e.Retry(ctx, b.Number, who); err == nil {
			s.stats.retried++
		}
	default:
		s.power.failAfter(s.roll(40))
	}
}
