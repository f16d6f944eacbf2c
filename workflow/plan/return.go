package plan

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// lookForReturns blocks what could not be taken back at the end that is asked for.
func (k *check) lookForReturns(context.Context) error {
	if k.Until == "" {
		return nil
	}
	k.relate()
	exchanged := map[*action.Draft]bool{}
	for _, b := range k.bundles {
		for _, leg := range b {
			exchanged[leg.Draft] = true
		}
	}
	for _, d := range k.live() {
		planned := workflow.Change{Row: d.Row.Line, Action: d.action.Name, AccountID: d.account().ID, Steps: d.Steps}
		if _, ok := action.Return(&planned); len(d.Steps) > 0 && (!ok || exchanged[&d.Draft]) {
			d.Block(workflow.ReasonNoReturn, string(d.action.Name))
		}
	}
	return nil
}

// askReturning lets rows run that ask for what is so already for a while only, and what is of others
// stays with them: a return would take it back, and approved they take it out of that return.
func (k *check) askReturning(ctx context.Context) error {
	if k.Returning == nil {
		return nil
	}
	asking := map[string][]*draft{}
	var accounts []string
	for _, d := range k.drafts {
		id := d.account().ID
		if id == "" || !d.Live() && !d.isSo() {
			continue
		}
		if asking[id] == nil {
			accounts = append(accounts, id)
		}
		asking[id] = append(asking[id], d)
	}
	if len(accounts) == 0 {
		return nil
	}
	back, err := k.Returning(ctx, accounts)
	if err != nil {
		return fmt.Errorf("ask what is going to be taken back: %w", err)
	}
	for i := range back {
		for _, d := range asking[back[i].AccountID] {
			d.stay(&back[i])
		}
	}
	return nil
}

// isSo reports whether all that the row asks for is so already.
func (d *draft) isSo() bool {
	return d.Change.State == workflow.ChangeUnchanged && d.Change.Reason.Code == workflow.ReasonAlready
}

// stay gives a row the steps that keep what a change of a return would take back, where it asks for
// any of that. Each expects what it sets.
func (d *draft) stay(back *workflow.Change) {
	for _, s := range back.Steps {
		it, built := action.For(s.Action)
		if !built || it.Undo == nil {
			continue
		}
		forth, ok := it.Undo(s)
		if !ok || forth.Action != d.action.Name && !slices.Contains(d.action.Parts, forth.Action) {
			continue
		}
		group := d.Change.Group()
		if group != "" && workflow.GroupKey(group) != workflow.GroupKey(back.Group()) && !action.MeansGroupOf(d.Row, &d.Facts, s) {
			continue
		}
		if d.Live() && slices.ContainsFunc(forth.Keys(), func(key string) bool { return slices.Contains(d.keys(), key) }) {
			continue // it makes the change itself
		}
		forth.Expect, forth.At, forth.Until, forth.After = forth.Set, "", "", 0
		why := workflow.NewReason(workflow.ReasonLeftAsIs, d.Change.Reason.Fact(0), strconv.FormatInt(back.Batch, 10))
		if d.isSo() {
			d.stays, d.Steps = true, nil
			d.Change.State, d.Change.Reason = workflow.ChangeReady, why
		}
		d.Steps = append(d.Steps, forth)
		if d.Change.Reason.Code == "" {
			d.Change.Reason = why
		}
	}
}
