package workflow

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Retryable counts the changes that a retry may run again: what failed, and what was skipped because a line it waited for
// had failed. An account that was left at a parking address needs somebody's hand.
func Retryable(s Summary) int {
	n := 0
	for _, g := range s.Groups {
		if retryable(g.State, g.Code) {
			n += g.Count
		}
	}
	return n
}

func retryable(state ChangeState, code ReasonCode) bool {
	return state == ChangeFailed && code != ReasonStuck || state == ChangeSkipped && code == ReasonPredecessor
}

// Undoable counts the changes that can be undone, and those that were made and cannot.
func Undoable(s Summary) (can, cannot int) {
	for _, g := range s.Groups {
		if g.State != ChangeDone {
			continue
		}
		action, built := ActionFor(g.Action)
		if built && action.Undo != nil {
			can += g.Count
		} else {
			cannot += g.Count
		}
	}
	return can, cannot
}

// Recheck asks anew for a batch of which rows could not be checked: a new, linked batch of the same bytes. The old one, if
// it still waits for approval, is ended by the new one's check.
func (e *Engine) Recheck(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	return e.follow(ctx, number, actor, LinkRecheck, func(old *Batch) error {
		switch {
		case old.State == AwaitingApproval && !actor.Admin && actor.ID != old.Requester.ID:
			return ErrNotRequester
		case old.State != AwaitingApproval && old.State != Empty:
			return stateError(old, Planning)
		}
		return nil
	}, e.sameRequest)
}

// AskAgain asks anew for a batch that was rejected or that nobody decided in time: a new, linked batch of the same bytes,
// whose requester is who asks.
func (e *Engine) AskAgain(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	return e.follow(ctx, number, actor, LinkAgain, func(old *Batch) error {
		if old.State != Rejected && old.State != Expired {
			return stateError(old, Planning)
		}
		return nil
	}, e.sameRequest)
}

// Undo asks for the way back: a new, linked batch of the inverses of what a batch has done, from the recorded old values,
// to be checked and approved like any other. Only what is still as the batch left it can be changed back; the rest is
// found out by the check.
func (e *Engine) Undo(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	return e.follow(ctx, number, actor, LinkUndo, func(old *Batch) error {
		if old.State != Done && old.State != Cancelled {
			return stateError(old, Planning)
		}
		return nil
	}, e.wayBack)
}

// follow makes a batch of another one, unless there is an open one made in the same way: that one comes back with
// ErrBeingChecked.
func (e *Engine) follow(
	ctx context.Context, number int64, actor Actor, link Link, may func(*Batch) error,
	request func(context.Context, *Batch) (*Batch, []byte, error),
) (*Batch, error) {
	if !actor.HasRole() {
		return nil, ErrNoRole
	}
	e.following.Lock() // two clicks at once: the second finds the first one's batch
	defer e.following.Unlock()
	old, err := e.store.Batch(ctx, number)
	if err != nil {
		return nil, err
	}
	if err := may(old); err != nil {
		return old, err
	}
	before, err := e.store.Following(ctx, number)
	if err != nil {
		return nil, fmt.Errorf("look for what follows batch %d: %w", number, err)
	}
	for _, b := range before {
		switch {
		case b.Link == link && b.State.Open():
			return b, ErrBeingChecked
		case link == LinkUndo && b.Link == LinkUndo && b.State == Done:
			return b, ErrUndone
		}
	}
	b, original, err := request(ctx, old)
	if err != nil {
		return nil, err
	}
	b.OrgID, b.Follows, b.Link, b.Requester = e.cfg.OrgID, number, link, actor.Person
	if b.Author.ID == "" {
		b.Author = actor.Person
	}
	return e.create(ctx, b, original)
}

// sameRequest is a batch of the same rows of the same bytes. Its author stays who posted the file.
func (e *Engine) sameRequest(ctx context.Context, old *Batch) (*Batch, []byte, error) {
	original, err := e.store.Original(ctx, old.Number)
	return &Batch{
		Author: old.Author, Reason: old.Reason, Verb: old.Verb, Source: old.Source, Rows: old.Rows, Ignored: old.Ignored,
		Lines: old.Lines,
	}, original, err
}

// undoHeader are the columns of the file that leads back.
var undoHeader = []string{"action", "account_id", "old_email", "new_email"}

// wayBack is a file of the inverses of what a batch has done.
func (e *Engine) wayBack(ctx context.Context, old *Batch) (*Batch, []byte, error) {
	var rows [][]string
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, old.Number, after, pageOfChanges, ChangeDone)
		if err != nil {
			return nil, nil, err
		}
		for i := range changes {
			c := &changes[i]
			after = c.Row
			if row, ok := inverse(c); ok {
				rows = append(rows, row)
			}
		}
		if len(changes) < pageOfChanges {
			break
		}
	}
	if len(rows) == 0 {
		return nil, nil, ErrNothingToUndo
	}
	var file bytes.Buffer
	if err := WriteCSV(&file, undoHeader, slices.Values(rows)); err != nil {
		return nil, nil, err
	}
	return &Batch{
		Reason: fmt.Sprintf("undo of #%d", old.Number), Rows: len(rows),
		Source: Source{Kind: SourceFile, FileName: fmt.Sprintf("undo-of-batch-%d.csv", old.Number)},
	}, file.Bytes(), nil
}

// inverse is the row that undoes a change, under undoHeader; ok false when nothing does.
func inverse(c *Change) (row []string, ok bool) {
	action, built := ActionFor(c.Action)
	if !built || action.Undo == nil || len(c.Steps) == 0 {
		return nil, false
	}
	back, ok := action.Undo(c.Steps[len(c.Steps)-1])
	if !ok {
		return nil, false
	}
	email, target := back.From, ""
	if action.Name == Rename { // not the parking address, should it have come by way of one
		target = c.OldEmail
	}
	return []string{string(back.Action), c.AccountID, email, target}, true
}

// Retry runs again what failed in a batch that has ended. What is the same when planned again runs under the approval that
// it has, as long as that is not older than StartWithin; the rest becomes a new, linked batch to be approved. Requester and
// admins may.
func (e *Engine) Retry(ctx context.Context, number int64, actor Actor) (*Batch, error) {
	if !actor.HasRole() {
		return nil, ErrNoRole
	}
	summary, err := e.store.Summary(ctx, number)
	if err != nil {
		return nil, err
	}
	b, err := e.guarded(ctx, number, func(b *Batch) error {
		switch {
		case !actor.Admin && actor.ID != b.Requester.ID:
			return ErrNotRequester
		case b.State != Done && b.State != Cancelled:
			return stateError(b, Running)
		case b.OrgID != e.cfg.OrgID:
			return ErrOtherOrg
		case Retryable(summary) == 0:
			return ErrNothingToRetry
		}
		return nil
	}, func(b *Batch) error {
		now := time.Now()
		b.Retry = &Retry{By: actor.Person, At: now}
		b.Run++
		b.Resumed, b.Ended, b.Ending, b.Stop = now, time.Time{}, nil, Stop{}
		b.Record(Event{At: now, Actor: actor.ID, Kind: "retry", Data: data(map[string]any{"run": b.Run})})
		return b.Move(Running)
	})
	return e.answer(ctx, number, b, err)
}

// retrying says whether the batch is to be looked at again before anything of it runs.
func (b *Batch) retrying() bool {
	return b.Retry != nil && !b.Retry.Checked && b.State == Running && !b.Cancelling()
}

// replan looks at the failed rows of a batch again: those that are as they were approved get in line once more.
func (e *Engine) replan(ctx context.Context, number int64) error {
	b, err := e.store.Batch(ctx, number)
	if err != nil || !b.retrying() {
		return err
	}
	sheet, err := e.requested(ctx, b)
	if err != nil && !errors.Is(err, errUnreadable) && !errors.Is(err, ErrGone) {
		return err
	}
	if err != nil { // nothing is run that cannot be checked
		e.cfg.Log.Warn().Err(err).Int64("batch", number).Msg("the request cannot be read again; nothing is retried")
		sheet = &Sheet{}
	}
	for try := 1; ; try++ {
		again, err := e.lookAgain(ctx, b, sheet.Rows)
		switch {
		case errors.Is(err, errPlanAbandoned):
			return nil
		case err != nil:
			return err
		}
		err = e.revive(ctx, b, again)
		if errors.As(err, new(*HeldError)) && try < sealTries {
			continue
		}
		return err
	}
}

// again is what a second look at failed rows has come to.
type again struct {
	same    []int          // rows that run again
	hold    []string       // and what they hold
	other   []int          // rows that may run and are other than approved
	blocked map[int]Reason // rows that may not run at all, and why
}

// lookAgain checks the rows of a batch that a retry is about, without those that a linked batch has taken over already.
func (e *Engine) lookAgain(ctx context.Context, b *Batch, rows []Row) (*again, error) {
	failed := map[int]Change{}
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, b.Number, after, pageOfChanges, ChangeFailed, ChangeSkipped)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			after = c.Row
			if retryable(c.State, c.Reason.Code) {
				failed[c.Row] = c
			}
		}
		if len(changes) < pageOfChanges {
			break
		}
	}
	taken, err := e.takenOver(ctx, b)
	if err != nil {
		return nil, err
	}
	rows = slices.DeleteFunc(slices.Clone(rows), func(r Row) bool {
		_, ok := failed[r.Line]
		return !ok || slices.Contains(taken, r.Line)
	})
	checker, err := e.checker(ctx, b, func(ctx context.Context, _ int) error {
		if b, err := e.store.Batch(ctx, b.Number); err != nil || !b.retrying() {
			return cmp.Or(err, errPlanAbandoned)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	plan, err := checker.Check(ctx, rows)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	overdue := now.After(e.cfg.Run.Window.firstOpen(b.Approved).Add(e.cfg.StartWithin)) ||
		b.Approved.After(now.Add(clockSlack)) // by a clock that has been put back since: nobody knows when it was
	out := &again{blocked: map[int]Reason{}}
	for i := range plan.Changes {
		c := &plan.Changes[i]
		switch {
		case c.State == ChangeReady && !overdue && sameSteps(failed[c.Row].Steps, c.Steps):
			out.same = append(out.same, c.Row)
		case c.State == ChangeReady:
			out.other = append(out.other, c.Row)
		case c.State == ChangeBlocked:
			out.blocked[c.Row] = c.Reason
		}
	}
	out.hold = plan.holds(out.same)
	return out, nil
}

// sameSteps says whether two rows would make the same calls under the same conditions.
func sameSteps(a, b []Step) bool {
	return slices.EqualFunc(a, b, func(a, b Step) bool { return a.Hash() == b.Hash() })
}

// takenOver are the rows that a batch made by this very retry has already.
func (e *Engine) takenOver(ctx context.Context, b *Batch) ([]int, error) {
	following, err := e.store.Following(ctx, b.Number)
	if err != nil {
		return nil, err
	}
	for _, f := range following {
		if f.Link == LinkRetry && !f.Created.Before(b.Retry.At) {
			return f.Lines, nil
		}
	}
	return nil, nil
}

// revive asks anew for what is other than it was approved, and puts what is the same in line. A crash in between finds the
// new batch and leaves its rows to it.
func (e *Engine) revive(ctx context.Context, b *Batch, found *again) error {
	for row, why := range found.blocked {
		_, _, err := e.store.UpdateChange(ctx, b.Number, row, func(_ *Batch, c *Change) error {
			c.Reason = why
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(found.other) > 0 {
		if err := e.splitOff(ctx, b, LinkRetry, found.other, b.Retry.By); err != nil {
			return err
		}
	}
	_, err := e.store.Revive(ctx, b.Number, found.same, found.hold, func(c *Change) error {
		c.Reason, c.Finished, c.Tried, c.Back, c.Step = Reason{}, time.Time{}, 0, false, 0
		return c.Move(ChangeReady)
	}, func(b *Batch) error {
		if !b.retrying() {
			return errPlanAbandoned
		}
		again := *b.Retry
		again.Checked = true
		b.Retry = &again
		b.Record(Event{At: time.Now(), Actor: Bot, Kind: "retrying", Data: data(map[string]any{
			"rows": found.same, "asked_anew": found.other,
		})})
		return nil
	})
	if errors.Is(err, errPlanAbandoned) {
		return nil
	}
	return err
}

// splitOff makes a linked batch of some rows of another one.
func (e *Engine) splitOff(ctx context.Context, b *Batch, link Link, lines []int, by Person) error {
	original, err := e.store.Original(ctx, b.Number)
	if err != nil {
		return err
	}
	_, err = e.create(ctx, &Batch{
		OrgID: b.OrgID, Requester: by, Author: b.Author, Reason: b.Reason, Verb: b.Verb, Source: b.Source,
		Rows: len(lines), Ignored: b.Ignored, Follows: b.Number, Link: link, Lines: lines,
	}, original)
	return err
}

// errUnreadable is a request whose stored bytes cannot be read with today's settings.
var errUnreadable = errors.New("the stored request cannot be read")

type unreadableError struct{ error }

func (e *unreadableError) Is(target error) bool { return target == errUnreadable }

func (e *unreadableError) Unwrap() error { return e.error }

// requested reads the rows that a batch is about from the bytes of its request.
func (e *Engine) requested(ctx context.Context, b *Batch) (*Sheet, error) {
	original, err := e.store.Original(ctx, b.Number)
	if err != nil {
		return nil, err
	}
	sheet, err := e.read(b.Source.Kind, original, b.Verb)
	if err != nil {
		return nil, &unreadableError{err}
	}
	if b.Lines != nil {
		wanted := map[int]bool{}
		for _, line := range b.Lines {
			wanted[line] = true
		}
		sheet.Rows = slices.DeleteFunc(sheet.Rows, func(r Row) bool { return !wanted[r.Line] })
	}
	return sheet, nil
}
