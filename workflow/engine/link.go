package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/sheet"
)

// Recheck asks anew for a batch of which rows could not be checked: a new, linked batch of the same
// rows. The old one, if it still waits for approval, is ended by the new one's check.
func (e *Engine) Recheck(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	return e.follow(ctx, number, actor, workflow.ActRecheck, e.sameRequest)
}

// AskAgain asks anew for a batch that was rejected or that nobody decided in time: a new, linked
// batch of the same rows, whose requester is who asks.
func (e *Engine) AskAgain(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	return e.follow(ctx, number, actor, workflow.ActAskAgain, e.sameRequest)
}

// Undo asks for the way back: a new, linked batch of the inverses of what a batch has done, from
// the recorded old values, to be checked and approved like any other. Only what is still as the
// batch left it can be changed back; the rest is found out by the check.
func (e *Engine) Undo(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	return e.follow(ctx, number, actor, workflow.ActUndo, e.wayBack)
}

// follow makes a batch of another one, unless there is an open one made in the same way: that one
// comes back with ErrBeingChecked. Of two clicks at once, here or in another process, the second
// finds the first one's batch.
func (e *Engine) follow(
	ctx context.Context, number int64, actor workflow.Actor, name workflow.ActName, request func(context.Context, *workflow.Batch) (workflow.Request, error),
) (*workflow.Batch, error) {
	act, _ := workflow.ActNamed(name)
	old, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := workflow.May(name, old, actor); err != nil {
		return old, err
	}
	req, err := request(ctx, old)
	if err == nil {
		err = e.withinLimit(req.Rows)
	}
	if err != nil {
		return nil, err
	}
	if req.Author.ID == "" {
		req.Author = actor.Person
	}
	var there *workflow.Batch
	var why error
	b, err := e.create(ctx, &workflow.Batch{OrgID: e.cfg.OrgID, BatchRequest: workflow.BatchRequest{
		Requester: actor.Person, Author: req.Author, Reason: req.Reason, Verb: req.Verb, When: req.When, Source: req.Source,
		Header: req.Header, Ignored: req.Ignored, Follows: number, Link: act.Makes,
	}}, req.Rows, req.Original, func(before []*workflow.Batch) error {
		there, why = mayFollow(before, act)
		return why
	})
	if why != nil {
		return there, why
	}
	return b, err
}

// mayFollow refuses a second open batch made in the same way, and to undo what is undone.
func mayFollow(before []*workflow.Batch, act workflow.Act) (*workflow.Batch, error) {
	for _, b := range before {
		switch {
		case b.Link == act.Makes && b.State.Open():
			return b, workflow.ErrBeingChecked
		case act.Name == workflow.ActUndo && b.Link == workflow.LinkUndo && b.State == workflow.Done:
			return b, workflow.ErrUndone
		}
	}
	return nil, nil
}

// sameRequest asks for the same rows. Their author stays who posted the file.
func (e *Engine) sameRequest(ctx context.Context, old *workflow.Batch) (workflow.Request, error) {
	if old.When.Passed(time.Now()) {
		return workflow.Request{}, workflow.ErrTimePassed
	}
	rows, err := e.store.Rows(ctx, old.Number)
	if err != nil {
		return workflow.Request{}, err
	}
	sheet.Again(rows, old.Header, old.Verb, e.cfg.OrgID)
	original, err := e.kept(ctx, old)
	return workflow.Request{
		Author: old.Author, Reason: old.Reason, Verb: old.Verb, When: old.When, Source: old.Source, Original: original,
		Sheet: workflow.Sheet{Rows: rows, Header: old.Header, Ignored: old.Ignored},
	}, err
}

// kept gives the bytes that a batch was read from, nil where there are none, or none any more.
func (e *Engine) kept(ctx context.Context, b *workflow.Batch) ([]byte, error) {
	original, err := e.store.Original(ctx, b.Number)
	if errors.Is(err, workflow.ErrGone) {
		return nil, nil
	}
	return original, err
}

// wayBack asks for the inverses of what a batch has done.
func (e *Engine) wayBack(ctx context.Context, old *workflow.Batch) (workflow.Request, error) {
	var rows []workflow.Row
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, old.Number, after, pageOfRows, workflow.ChangeDone, workflow.ChangeFailed)
		if err != nil {
			return workflow.Request{}, err
		}
		for i := range changes {
			c := &changes[i]
			after = c.Row
			if c.State == workflow.ChangeFailed && c.Reason.Code != workflow.ReasonPartly {
				continue
			}
			for _, row := range action.Inverse(c) {
				row.Line = len(rows) + 1 // as commands count them
				rows = append(rows, row)
			}
		}
		if len(changes) < pageOfRows {
			break
		}
	}
	if len(rows) == 0 {
		return workflow.Request{}, workflow.ErrNothingToUndo
	}
	return workflow.Request{
		Reason: fmt.Sprintf("undo of #%d", old.Number), Source: workflow.Source{Kind: workflow.SourceBatch}, Sheet: workflow.Sheet{Rows: rows},
	}, nil
}
