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
	refuseDuplicates(k.drafts) // of which some had no steps until now
	return nil
}

// isSo reports whether all that the row asks for is so already.
func (d *draft) isSo() bool {
	return d.Change.State == workflow.ChangeUnchanged && d.Change.Reason.Code == workflow.ReasonAlready
}

// stay gives a row the steps that keep what a change of a return would take back, where it asks for
// any of that. Each expects what it sets. They stand where the action makes what they keep, as they
// may have to make it after all.
func (d *draft) stay(back *workflow.Change) {
	for _, s := range back.Steps {
		forth, ok := action.Forth(d.action, s)
		if !ok || !d.action.Asks(d.Row, &d.Facts, forth) {
			continue
		}
		if d.Live() && slices.ContainsFunc(forth.Keys(), func(key string) bool { return slices.Contains(d.keys(), key) }) {
			continue // it makes the change itself
		}
		forth.Expect, forth.At, forth.Until, forth.After = forth.Set, "", "", 0
		why := workflow.NewReason(workflow.ReasonLeftAsIs, d.Change.Reason.Fact(0), strconv.FormatInt(back.Batch, 10))
		if d.isSo() {
			d.Steps = nil
			d.Change.State, d.Change.Reason = workflow.ChangeReady, why
		}
		d.insert(forth)
		if d.Change.Reason.Code == "" {
			d.Change.Reason = why
		}
	}
}

// insert puts a step among those of the row, in the order of the action's parts.
func (d *draft) insert(s workflow.Step) {
	part := func(s workflow.Step) int { return slices.Index(d.action.Parts, s.Action) }
	at := slices.IndexFunc(d.Steps, func(other workflow.Step) bool { return part(other) > part(s) })
	if at < 0 {
		at = len(d.Steps)
	}
	for i := range d.Steps {
		if d.Steps[i].After > at {
			d.Steps[i].After++
		}
	}
	d.Steps = slices.Insert(d.Steps, at, s)
	if s.Set.Get(workflow.FieldStatus) == string(workflow.StatusInactive) {
		d.keepsOut = true
	}
}
