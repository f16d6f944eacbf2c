package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// guard blocks what nothing may happen to, or not in this way, whatever Atlassian allows.
func (k *check) guard(d *draft) (blocked bool) {
	why := k.Guard.Row(d.account(), d.action.Name, d.action.Subject, d.target(), len(k.drafts) == 1)
	if why.Code == "" {
		return false
	}
	d.Change.State, d.Change.Reason = workflow.ChangeBlocked, why
	return true
}

// traits returns the traits of the drafts that are live.
func (k *check) traits() workflow.Traits {
	t := workflow.Traits{Asked: k.asked, NoGroups: k.missing}
	domains, actions := map[string]bool{}, map[workflow.ActionName]bool{}
	groups, touched := map[string]bool{}, map[string]bool{}
	var names action.GroupNames
	if len(k.asked) > 0 {
		names = action.GroupNamesIn(k.known.Answers)
	}
	for _, d := range k.drafts {
		if !d.Live() {
			continue
		}
		moved, unnamed := names.Touched(&d.Draft)
		t.Unnamed = t.Unnamed || unnamed && len(k.asked) > 0
		for _, key := range k.ofAsked(moved) {
			touched[key] = true
		}
		t.Changes++
		actions[d.action.Name] = true
		for _, address := range []string{d.account().Email, d.target()} {
			if domain := workflow.Domain(address); domain != "" {
				domains[domain] = true
			}
		}
		for _, key := range k.ofAsked(d.account().Groups) {
			groups[key] = true
		}
		if d.account().OrgAdmin {
			t.OrgAdmins++
			if r := workflow.AdminChangeOf(d.account(), d.target(), d.action.Name, k.asked); !slices.ContainsFunc(t.AdminChanges, r.Same) {
				t.AdminChanges = append(t.AdminChanges, r)
			}
		}
	}
	t.Actions, t.Domains, t.Groups, t.Touched = sortedKeys(actions), sortedKeys(domains), sortedKeys(groups), sortedKeys(touched)
	return t
}

// ofAsked returns those of the groups that the settings name, as GroupKey folds them.
func (k *check) ofAsked(names []string) (keys []string) {
	for _, name := range names {
		if key := workflow.GroupKey(name); slices.Contains(k.asked, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func sortedKeys[K ~string](set map[K]bool) []K {
	var keys []K
	for k := range set {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// askGroups finds out which of the groups that the settings name are there at all. That one is not,
// or cannot be asked about, is said on the card and stops nothing: who is in a group is told with
// each account.
func (k *check) askGroups(ctx context.Context) error {
	if len(k.asked) == 0 {
		return nil
	}
	var there map[string]bool
	err := k.outage.ask(ctx, func() (err error) {
		there, err = k.Reader.GroupsNamed(ctx, k.asked)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	for _, name := range k.asked {
		if err != nil || !there[name] {
			k.missing = append(k.missing, name)
		}
	}
	return nil
}

// askBudget blocks everything when it is more than may be touched in a day: half of a request would
// be no answer.
func (k *check) askBudget(ctx context.Context) error {
	if k.Budget == nil {
		return nil
	}
	k.relate() // blocks what waits for somebody blocked
	accounts := map[string]bool{}
	for _, d := range k.live() {
		accounts[cmp.Or(d.account().ID, d.target())] = true
	}
	why, err := k.Budget(ctx, sortedKeys(accounts))
	if err != nil {
		return fmt.Errorf("ask how many accounts were touched today: %w", err)
	}
	for _, d := range k.drafts {
		if why.Code != "" && d.Live() {
			d.Change.State, d.Change.Reason = workflow.ChangeBlocked, why
		}
	}
	return nil
}
