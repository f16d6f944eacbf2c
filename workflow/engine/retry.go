package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
)

// Retry runs again what failed in a batch that has ended. What is the same when planned again runs
// under the approval that it has, as long as that is not older than StartWithin; the rest becomes a
// new, linked batch to be approved. Requester and admins may.
func (e *Engine) Retry(ctx context.Context, number int64, actor workflow.Actor) (*workflow.Batch, error) {
	summary, err := e.store.Summary(ctx, number)
	if err != nil {
		return nil, err
	}
	b, err := e.guarded(ctx, number, actor, func(b *workflow.Batch) error {
		if err := workflow.May(workflow.ActRetry, b, actor); err != nil {
			return err
		}
		switch {
		case b.OrgID != e.cfg.OrgID:
			return workflow.ErrOtherOrg
		case b.Over || !b.When.End(b.Started).IsZero() && !time.Now().Before(b.When.End(b.Started)):
			return workflow.ErrTimeOver
		case workflow.Retryable(summary) == 0:
			return workflow.ErrNothingToRetry
		}
		return nil
	}, func(b *workflow.Batch) error {
		now := time.Now()
		b.Retry = &workflow.Retry{By: actor.Person, At: now}
		if b.Link == workflow.LinkReturn {
			b.Retry.Ended = b.Ended
		}
		b.Run++
		b.Resumed, b.Ended, b.Ending, b.Stop = now, time.Time{}, nil, workflow.Stop{}
		b.Record(workflow.Event{At: now, Actor: actor.ID, Kind: "retry", Data: workflow.EventData(map[string]any{"run": b.Run})})
		return b.Move(workflow.Running)
	})
	return e.answer(ctx, number, b, err)
}

// replan looks at the failed rows of a batch again: those that are as they were approved get in
// line once more.
func (e *Engine) replan(ctx context.Context, number int64) error {
	b, err := e.store.Batch(ctx, number)
	if err != nil || !b.Retrying() {
		return err
	}
	rows, err := e.store.Rows(ctx, number)
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		again, err := e.lookAgain(ctx, b, rows)
		switch {
		case errors.Is(err, plan.ErrAbandoned):
			return nil
		case err != nil:
			return err
		}
		err = e.revive(ctx, b, again)
		if errors.As(err, new(*workflow.HeldError)) && try < planTries {
			continue
		}
		return err
	}
}

// retryPlan is what a second look at failed rows has come to.
type retryPlan struct {
	same  []int              // rows that run again
	open  map[int]bool       // of these, those of which only some steps are left to be made
	hold  []string           // and what they hold
	other []int              // rows that may run and are other than approved
	ended map[int]secondLook // rows that do not run again
}

// lookAgain checks the rows of a batch that a retry is about, without those that a linked batch has
// taken over already.
func (e *Engine) lookAgain(ctx context.Context, b *workflow.Batch, rows []workflow.Row) (*retryPlan, error) {
	failed, err := e.retryable(ctx, b)
	if err != nil {
		return nil, err
	}
	checker, err := e.checker(ctx, b, func(ctx context.Context, _ int) error {
		if b, err := e.store.Batch(ctx, b.Number); err != nil || !b.Retrying() {
			return cmp.Or(err, plan.ErrAbandoned)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	plan, err := checker.Check(ctx, rowsOf(failed, rows))
	if err != nil {
		return nil, err
	}
	restored, err := e.wentBack(ctx, b)
	if err != nil {
		return nil, err
	}
	out := &retryPlan{ended: map[int]secondLook{}, open: map[int]bool{}}
	overdue := e.overdue(b)
	beyondPlan := map[int][]string{} // what rows are to change that no new plan tells
	for i := range plan.Changes {
		c := &plan.Changes[i]
		before := failed[c.Row]
		if beyond := out.place(&before, c, overdue, restored); len(beyond) > 0 {
			beyondPlan[c.Row] = beyond
		}
	}
	if err := e.leaveHeld(ctx, b, plan, beyondPlan, out); err != nil {
		return nil, err
	}
	for row, look := range out.ended {
		out.ended[row] = look.ofPart(failed[row])
	}
	return out, nil
}

// retryable are the changes of a batch that a retry is about, by row.
func (e *Engine) retryable(ctx context.Context, b *workflow.Batch) (map[int]workflow.Change, error) {
	failed := map[int]workflow.Change{}
	for after := 0; ; {
		changes, err := e.store.Changes(ctx, b.Number, after, pageOfRows, workflow.ChangeFailed, workflow.ChangeSkipped)
		if err != nil {
			return nil, err
		}
		for _, c := range changes {
			after = c.Row
			if workflow.CanRetry(c.State, c.Reason.Code) {
				failed[c.Row] = c
			}
		}
		if len(changes) < pageOfRows {
			break
		}
	}
	taken, err := e.takenOver(ctx, b)
	for _, row := range taken {
		delete(failed, row)
	}
	return failed, err
}

// rowsOf are the rows of those changes, to be checked again. Each is about the account that was approved,
// whatever address that has now; one about nobody yet is about the address.
func rowsOf(failed map[int]workflow.Change, rows []workflow.Row) []workflow.Row {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r workflow.Row) bool {
		_, ok := failed[r.Line]
		return !ok
	})
	for i := range rows {
		c := failed[rows[i].Line]
		if c.AccountID == "" {
			continue // the address is all that it has
		}
		rows[i].Values = slices.Clone(rows[i].Values)
		rows[i].Set(workflow.ColumnAccountID, c.AccountID)
		if asks := slices.ContainsFunc(c.Steps, func(s workflow.Step) bool { return s.Expect.Get(workflow.FieldEmail) != "" }); !asks {
			rows[i].Values.Set(workflow.ColumnEmail, "") // another row of the batch may have changed it
		}
	}
	return rows
}

// overdue reports whether the approval of a batch is too old for its rows to run again.
func (e *Engine) overdue(b *workflow.Batch) bool {
	now := time.Now()
	since := b.Due()
	if b.Link == workflow.LinkReturn {
		since = b.Retry.Ended
	}
	return now.After(e.cfg.Run.Window.FirstOpen(since).Add(e.cfg.StartWithin)) ||
		b.Approved.After(now.Add(clockSlack)) // by a clock that has been put back since: nobody knows when it was
}

// place says what becomes of a row: before is its change as it failed, c as it was planned again. beyond
// is what the row is to change although no new plan tells of it.
func (p *retryPlan) place(before, c *workflow.Change, overdue, restored bool) (beyond []string) {
	open := openSteps(*before)
	asked := action.AskedInPart(before) // the row says nothing of some of its steps
	switch {
	case c.State == workflow.ChangeUnchanged && asked && overdue:
		p.other = append(p.other, c.Row)
	case c.State == workflow.ChangeUnchanged && inPart(*before) && overdue:
		p.ended[c.Row] = secondLook{before.State, before.Reason}
	case c.State == workflow.ChangeUnchanged && (inPart(*before) || asked),
		c.State == workflow.ChangeReady && asked && !overdue && len(c.Steps) <= len(open) && sameSteps(open[:len(c.Steps)], c.Steps):
		// That the whole is as wanted says nothing of a step that was to follow; each is looked at by itself.
		p.same, p.open[c.Row] = append(p.same, c.Row), true
		return keysOf(open)
	case c.State != workflow.ChangeReady:
		p.ended[c.Row] = lookedAt(before, c, restored)
	case !overdue && sameSteps(before.Steps, c.Steps):
		p.same = append(p.same, c.Row)
	case !overdue && sameSteps(open, unmade(before, c.Steps)):
		p.same, p.open[c.Row] = append(p.same, c.Row), true
	default:
		p.other = append(p.other, c.Row)
	}
	return nil
}

// leaveHeld ends the rows, each alone, that another open batch holds up, and finds what the others
// hold. What goes on although another batch holds it leaves the hold where it is: a return, and what
// locks out, is held up only by what is acting now.
func (e *Engine) leaveHeld(ctx context.Context, b *workflow.Batch, found *plan.Plan, beyond map[int][]string, out *retryPlan) error {
	keys := map[int][]string{}
	yields := map[int]bool{}
	for i := range found.Changes {
		c := &found.Changes[i]
		keys[c.Row] = slices.Concat(keysOf(c.Steps), beyond[c.Row])
		act, _ := action.For(c.Action)
		yields[c.Row] = act.Locks
	}
	var all []string
	for _, row := range slices.Concat(out.same, out.other) {
		all = append(all, keys[row]...)
	}
	held, err := e.store.Held(ctx, compact(all))
	if err != nil {
		return err
	}
	stays := func(row int, yields bool) bool {
		for _, key := range keys[row] {
			if h, taken := held[key]; taken && (h.Acting || !yields) {
				out.ended[row] = secondLook{workflow.ChangeFailed, workflow.NewReason(workflow.ReasonHeld, strconv.FormatInt(h.Batch, 10))}
				delete(out.open, row)
				return true
			}
		}
		return false
	}
	out.same = slices.DeleteFunc(out.same, func(row int) bool { return stays(row, yields[row] || b.Link == workflow.LinkReturn) })
	out.other = slices.DeleteFunc(out.other, func(row int) bool { return stays(row, yields[row]) }) // a new batch is no return
	hold := found.Holds(out.same)
	for _, row := range out.same {
		hold = append(hold, beyond[row]...)
	}
	out.hold = slices.DeleteFunc(compact(hold), func(key string) bool {
		_, taken := held[key]
		return taken
	})
	return nil
}

// compact sorts keys and leaves out what is there twice.
func compact(keys []string) []string {
	slices.Sort(keys)
	return slices.Compact(keys)
}

// sameSteps reports whether two rows would make the same calls under the same conditions.
func sameSteps(a, b []workflow.Step) bool {
	return slices.EqualFunc(a, b, func(a, b workflow.Step) bool { return a.Hash() == b.Hash() })
}

// unmade are the steps of a new plan without those that were made: an offboarding is planned with its
// tokens although none is left.
func unmade(before *workflow.Change, steps []workflow.Step) []workflow.Step {
	made := map[string]bool{}
	for i := range before.Steps {
		if state := before.Outcome(i).State; state == workflow.ChangeDone || state == workflow.ChangeUnchanged {
			made[before.Steps[i].Hash()] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(steps), func(s workflow.Step) bool { return made[s.Hash()] })
}

// openSteps are the steps of a change that were not made.
func openSteps(c workflow.Change) []workflow.Step {
	var out []workflow.Step
	for i, s := range c.Steps {
		if state := c.Outcome(i).State; state != workflow.ChangeDone && state != workflow.ChangeUnchanged {
			out = append(out, s)
		}
	}
	return out
}

// inPart reports whether some of a row's steps were made that do not belong together with others,
// and some were not.
func inPart(c workflow.Change) bool {
	return len(c.Steps) > 1 && c.Steps[0].Bundle == 0 && c.Proved() > 0 && len(openSteps(c)) > 0
}

func keysOf(steps []workflow.Step) []string {
	var out []string
	for i := range steps {
		out = append(out, steps[i].Keys()...)
	}
	return out
}

// takenOver are the rows that a batch made by this very retry has already.
func (e *Engine) takenOver(ctx context.Context, b *workflow.Batch) ([]int, error) {
	following, err := e.store.Following(ctx, b.Number)
	if err != nil {
		return nil, err
	}
	for _, f := range following {
		if f.Link == workflow.LinkRetry && !f.Created.Before(b.Retry.At) {
			rows, err := e.store.Rows(ctx, f.Number)
			lines := make([]int, len(rows))
			for i := range rows {
				lines[i] = rows[i].Line
			}
			return lines, err
		}
	}
	return nil, nil
}

// revive writes down what was found of rows that do not run again, asks anew for what is other than
// it was approved, and puts what is the same in line. A crash in between finds the new batch and
// leaves its rows to it.
func (e *Engine) revive(ctx context.Context, b *workflow.Batch, found *retryPlan) error {
	for _, row := range slices.Sorted(maps.Keys(found.ended)) {
		_, _, err := e.store.UpdateChange(ctx, b.Number, row, func(b *workflow.Batch, c *workflow.Change) error {
			return found.ended[row].apply(b, c)
		})
		if err != nil {
			return err
		}
	}
	if len(found.other) > 0 {
		if err := e.splitOff(ctx, b, workflow.LinkRetry, found.other, b.Retry.By, b.Retry.At); err != nil {
			return err
		}
	}
	_, err := e.store.Revive(ctx, b.Number, found.same, found.hold, func(c *workflow.Change) error {
		c.LineUp(found.open[c.Row])
		return c.Move(workflow.ChangeReady)
	}, func(b *workflow.Batch) error {
		if !b.Retrying() {
			return plan.ErrAbandoned
		}
		again := *b.Retry
		again.Checked = true
		b.Retry = &again
		b.Record(workflow.Event{At: time.Now(), Actor: workflow.Bot, Kind: "retrying", Data: workflow.EventData(map[string]any{
			"rows": found.same, "asked_anew": found.other,
		})})
		return nil
	})
	if errors.Is(err, plan.ErrAbandoned) {
		return nil
	}
	return err
}

// errSplitOff says that the rows were split off already, by this engine before a crash or by
// another one.
var errSplitOff = errors.New("the rows are in a new batch already")

// splitOff makes a linked batch of some rows of another one, once since the moment.
func (e *Engine) splitOff(ctx context.Context, b *workflow.Batch, link workflow.Link, lines []int, by workflow.Person, since time.Time) error {
	rows, err := e.store.Rows(ctx, b.Number)
	if err != nil {
		return err
	}
	rows = slices.DeleteFunc(rows, func(r workflow.Row) bool {
		_, wanted := slices.BinarySearch(lines, r.Line)
		return !wanted
	})
	if rows, err = e.wholeRows(ctx, b, rows); err != nil {
		return err
	}
	original, err := e.kept(ctx, b)
	if err != nil {
		return err
	}
	source := b.Source
	source.Move = nil // it is for these rows, and for no domain
	_, err = e.create(ctx, &workflow.Batch{OrgID: b.OrgID, BatchRequest: workflow.BatchRequest{
		Requester: by, Author: b.Author, Reason: b.Reason, OwnReason: b.OwnReason && by.ID == b.Requester.ID, Verb: b.Verb, When: b.When.Rest(b.Started, time.Now()),
		Source: source, Header: b.Header, Ignored: b.Ignored, Follows: b.Number, Link: link,
	}}, rows, original, func(before []*workflow.Batch) error {
		made := func(f *workflow.Batch) bool { return f.Link == link && !f.Created.Before(since) }
		return workflow.Require(!slices.ContainsFunc(before, made), errSplitOff)
	})
	if errors.Is(err, errSplitOff) {
		return nil
	}
	return err
}

// wholeRows are rows that ask for all that is left of changes of a return: the first one of each
// stands in its line, the others behind all lines.
func (e *Engine) wholeRows(ctx context.Context, b *workflow.Batch, rows []workflow.Row) ([]workflow.Row, error) {
	if b.Link != workflow.LinkReturn {
		return rows, nil
	}
	all, err := e.store.Rows(ctx, b.Number)
	if err != nil {
		return nil, err
	}
	last := 0
	for i := range all {
		last = max(last, all[i].Line)
	}
	var out, more []workflow.Row
	for _, row := range rows {
		c, err := e.store.Change(ctx, b.Number, row.Line)
		if err != nil {
			return nil, err
		}
		asks := []workflow.Row{row}
		if open := openSteps(*c); action.AskedInPart(c) && len(open) > 0 {
			asks = action.Asking(c.AccountID, open)
			asks[0].Line = row.Line
		}
		for i := 1; i < len(asks); i++ {
			last++
			asks[i].Line = last
		}
		out, more = append(out, asks[0]), append(more, asks[1:]...)
	}
	return append(out, more...), nil
}
