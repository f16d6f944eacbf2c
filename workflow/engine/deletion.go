package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// deletion returns what is known of the deletion of an account that is being deleted. What it was
// before is told by the batch that began the deletion; else by the nights. These show an account
// in deletion as a deactivated one: it was active if it was in the last night, and deactivated
// already if it has been for longer than a deletion takes. Else nobody knows which of the two the
// nights have seen.
func (e *Engine) deletion(ctx context.Context, account string) (workflow.Deletion, error) {
	const late = time.Hour // between the call and the proof of it
	ours, err := e.store.Deleted(ctx, account)
	if err != nil {
		return workflow.Deletion{}, fmt.Errorf("find the deletion of an account: %w", err)
	}
	if ours != nil && time.Since(ours.Called) < workflow.Grace+late && len(ours.Steps) > 0 {
		before := workflow.AccountStatus(ours.Steps[0].Expect.Get(workflow.FieldStatus))
		return workflow.Deletion{Before: before, Since: ours.Called}, nil
	}
	if e.cfg.Nights == nil {
		return workflow.Deletion{}, nil
	}
	seen, err := e.cfg.Nights.StatusSeen(ctx, account)
	if err != nil {
		return workflow.Deletion{}, fmt.Errorf("read what the nights have seen of an account: %w", err)
	}
	if len(seen) == 0 {
		return workflow.Deletion{}, nil
	}
	switch last := seen[0]; {
	case last.Status == workflow.StatusActive:
		return workflow.Deletion{Before: workflow.StatusActive}, nil
	case last.Status == workflow.StatusInactive && time.Since(last.First) > workflow.Grace+late:
		return workflow.Deletion{Before: workflow.StatusInactive}, nil
	}
	return workflow.Deletion{}, nil
}
