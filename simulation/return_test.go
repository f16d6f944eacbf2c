package simulation

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// returnSlack is how long after its moment a return is still in time at the end of a scenario.
const returnSlack = time.Minute

// takesBack holds a return for which calls were seen against what it takes back: no call before the end, none for what the first
// batch did not do.
func (s *scenario) takesBack(ret, first *workflow.Batch, back, planned []workflow.Change) {
	end := first.When.End(first.Started)
	s.mu.Lock()
	calls := slices.Clone(s.calls)
	s.mu.Unlock()
	for _, c := range calls {
		if c.batch == ret.Number && (end.IsZero() || c.at.Before(end)) && ret.Released == nil {
			s.violated("#%d took something of #%d back %s before its end", ret.Number, first.Number, end.Sub(c.at))
		}
	}
	for _, c := range back {
		i := slices.IndexFunc(planned, func(p workflow.Change) bool { return p.Row == c.Row })
		if c.Attempts > 0 && (i < 0 || planned[i].Proved() == 0) {
			s.violated("#%d, line %d, took back what #%d did not do", ret.Number, c.Row, first.Number)
		}
	}
}

// returned looks for returns that were lost, or are there twice: whatever was approved for a while has one, and once its end has
// passed and all is over that has ended, and what it did is what it says.
func (s *scenario) returned(batches []*workflow.Batch) {
	for _, b := range batches {
		if !b.When.Ends() || b.Approved.IsZero() {
			continue
		}
		following, err := s.db().Following(context.Background(), b.Number)
		if err != nil {
			s.violated("list what follows #%d: %v", b.Number, err)
			continue
		}
		var rets []*workflow.Batch
		for _, f := range following {
			if f.Link == workflow.LinkReturn {
				rets = append(rets, f)
			}
		}
		if len(rets) != 1 {
			s.violated("#%d was approved for a while and has %d returns", b.Number, len(rets))
			continue
		}
		s.stats.Returns++
		end := b.When.End(b.Started)
		if over := !end.IsZero() && time.Since(end) > returnSlack; over && rets[0].Returns() && !s.wentBack {
			s.violated("#%d ended %s ago, and its return waits", b.Number, time.Since(end))
		}
		if rets[0].State == workflow.Done {
			s.stats.TakenBack++
		}
	}
}
