package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// deletion returns what is known of the deletion of an account that is being deleted: by the batch that
// began it; else when Atlassian's log says that it began, and what the last night before that shows, but
// for a deactivation between the two that the log tells of.
// Without such a word of the log the nights alone show an account in deletion as a deactivated one: it
// was active if it was in the last night, and deactivated already if it has been for longer than a
// deletion takes. Else nobody knows which of the two the nights have seen.
func (e *Engine) deletion(ctx context.Context, account string) (workflow.Deletion, error) {
	const late = time.Hour // between the call and the proof of it, and what the reading of a night may take
	ours, err := e.store.Deleted(ctx, account)
	if err != nil {
		return workflow.Deletion{}, fmt.Errorf("find the deletion of an account: %w", err)
	}
	if ours != nil && time.Since(ours.Called) < workflow.Grace+late && len(ours.Steps) > 0 {
		before := workflow.AccountStatus(ours.Steps[0].Expect.Get(workflow.FieldStatus))
		return workflow.Deletion{Before: before, Since: ours.Called}, nil
	}
	trail, since, err := e.deletionLogged(ctx, account)
	if err != nil || e.cfg.Nights == nil {
		return workflow.Deletion{Since: since}, err
	}
	seen, err := e.cfg.Nights.StatusSeen(ctx, account)
	if err != nil {
		return workflow.Deletion{}, fmt.Errorf("read what the nights have seen of an account: %w", err)
	}
	out := workflow.Deletion{Since: since}
	for i, s := range seen { // the newest first
		switch {
		case s.Status == workflow.StatusActive && (i == 0 || !since.IsZero() && s.First.Before(since)):
			out.Before = workflow.StatusActive
			if trail.Deactivated(s.Last, since) {
				out.Before = workflow.StatusInactive
			}
		case s.Status == workflow.StatusInactive && !since.IsZero() && s.First.Add(late).Before(since),
			s.Status == workflow.StatusInactive && i == 0 && time.Since(s.First) > workflow.Grace+late:
			out.Before = workflow.StatusInactive
		}
		if out.Before != "" || since.IsZero() {
			break
		}
	}
	return out, nil
}

// deletionLogged is when Atlassian's log says that the deletion of an account began which is not over,
// the zero time where it does not, and what else is known to have been done to the account.
func (e *Engine) deletionLogged(ctx context.Context, account string) (trail workflow.Trail, since time.Time, err error) {
	if e.cfg.Past == nil {
		return trail, since, nil
	}
	nights, err := e.cfg.Past.Sightings(ctx, account)
	if err != nil {
		return trail, since, fmt.Errorf("find the addresses of an account: %w", err)
	}
	trail, err = e.cfg.Past.TrailOf(ctx, account, addressesOf(nights, nil))
	if err != nil {
		return trail, since, fmt.Errorf("read what Atlassian's log tells of an account: %w", err)
	}
	if at := trail.DeletionBegan(); time.Since(at) < workflow.Grace {
		since = at
	}
	return trail, since, nil
}
