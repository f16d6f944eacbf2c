package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
)

// guardRows is how many rows a refusal names.
const guardRows = 5

// dayLong is the day of limits.per_day and changes_over_24h: the last 24 hours, whatever the
// calendar says.
const dayLong = 24 * time.Hour

// guardPlan holds a plan against what the settings of today forbid. The directory is not asked. It
// returns the accounts that the plan is about, and of the people given whose own accounts are among
// them, with the rows; those of requester and author are refused.
func (e *Engine) guardPlan(
	ctx context.Context, b *workflow.Batch, asker workflow.Asker, people []workflow.Person,
) (accounts []string, owned map[string][]int, err error) {
	guard := e.cfg.Policy.Guard(asker, people)
	if err := guard.Plan(b.Traits); err != nil {
		return nil, nil, err
	}
	owned = map[string][]int{}
	var hit []int
	for after := 0; ; {
		page, err := e.store.Changes(ctx, b.Number, after, pageOfRows,
			workflow.ChangeReady, workflow.ChangeRunning, workflow.ChangeUnknown, workflow.ChangeFailed, workflow.ChangeSkipped)
		if err != nil {
			return nil, nil, fmt.Errorf("look at the rows of batch %d: %w", b.Number, err)
		}
		for i := range page {
			c := &page[i]
			after = c.Row
			for _, person := range guard.Owners(c.AccountID, c.OldEmail(), c.NewEmail()) {
				owned[person] = append(owned[person], c.Row)
			}
			if guard.Protects(c.AccountID, c.OldEmail(), c.NewEmail()) {
				hit = append(hit, c.Row)
			}
			accounts = append(accounts, c.Touches())
		}
		if len(page) < pageOfRows {
			break
		}
	}
	if len(hit) > 0 {
		return nil, nil, &workflow.GuardError{Code: workflow.ReasonProtected, Rows: hit[:min(len(hit), guardRows)]}
	}
	for _, id := range []string{b.Requester.ID, b.Author.ID} {
		if rows := owned[id]; rows != nil {
			return nil, nil, &workflow.GuardError{Code: workflow.ReasonOwnAlone, Rows: rows[:min(len(rows), guardRows)]}
		}
	}
	return accounts, owned, nil
}

// budget returns why the accounts may not be touched today, the zero Reason when they may
// (limits.per_day).
func (e *Engine) budget(ctx context.Context, accounts, people []string, number int64) (workflow.Reason, error) {
	requester, all := e.cfg.Policy.DayLimits()
	since := time.Now().Add(-dayLong)
	var byRequester, byAll []string
	var err error
	if requester {
		if byRequester, err = e.store.Touched(ctx, since, people, number); err != nil {
			return workflow.Reason{}, err
		}
	}
	if all {
		if byAll, err = e.store.Touched(ctx, since, nil, number); err != nil {
			return workflow.Reason{}, err
		}
	}
	return e.cfg.Policy.OverDay(accounts, byRequester, byAll), nil
}
