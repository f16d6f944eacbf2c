package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Preview checks a request as it would be checked once it is asked for, and keeps nothing: it takes no
// number and no hold, and is in no list. A request for a whole domain is listed for it
// (Source.Move). Errors are those of Submit and SubmitMove; a row that cannot be checked is blocked
// in the preview.
func (e *Engine) Preview(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Preview, error) {
	if err := workflow.May(workflow.ActAsk, nil, actor); err != nil {
		return nil, err
	}
	if e.cfg.RequireReason && strings.TrimSpace(req.Reason) == "" {
		return nil, workflow.ErrNeedsReason
	}
	if err := checkWhen(&req); err != nil {
		return nil, err
	}
	if req.Author.ID == "" {
		req.Author = req.Requester
	}
	b := &workflow.Batch{OrgID: e.cfg.OrgID, State: workflow.Planning, BatchRequest: workflow.BatchRequest{
		Requester: req.Requester, Author: req.Author, Reason: req.Reason, OwnReason: req.OwnReason, Verb: req.Verb,
		When: req.When, Source: req.Source, Created: time.Now(),
	}}
	rows, err := e.previewed(ctx, b, req)
	if err != nil {
		return nil, err
	}
	checker, err := e.checker(ctx, b, nil)
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	checked, err := checker.Check(ctx, rows)
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	if checked.Traits.Accounts, err = e.lookUpAccounts(ctx, b); err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	b.Traits = checked.Traits
	asker, err := e.asker(ctx, b, workflow.Freshness{Age: askAge})
	if err != nil {
		return nil, fmt.Errorf("preview: %w", err)
	}
	p := &workflow.Preview{Changes: checked.Changes, Summary: workflow.Summarise(checked.Changes)}
	p.Demand, err = e.demand(ctx, b, asker, b.Requester, b.Author)
	return p, err
}

// previewed returns the rows of a request, as its batch would have them.
func (e *Engine) previewed(ctx context.Context, b *workflow.Batch, req workflow.Request) ([]workflow.Row, error) {
	rows := req.Rows
	if req.Source.Move != nil {
		if e.cfg.Lookups == nil {
			return nil, errors.New("preview: nobody lists accounts")
		}
		move, err := e.canMove(ctx, *req.Source.Move)
		if err != nil {
			return nil, err
		}
		b.Source.Move, b.Verb = &move, workflow.Rename
		if rows, err = e.moved(ctx, b); err != nil {
			return nil, err
		}
	} else if req.NeedsAction {
		return nil, &workflow.NeedsActionError{Unknown: req.Unknown, Rows: len(req.Rows)}
	}
	if len(rows) == 0 {
		return nil, workflow.ErrNothingToRead
	}
	return rows, e.withinLimit(rows)
}
