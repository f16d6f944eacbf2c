package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/countersign/countersign/workflow"
)

// Marked reads roles and groups of the accounts, a hundred a call, and who the admins are. An account
// that the search does not tell of, or of which it does not tell roles and groups, is
// workflow.MarkUnknown.
func (e *Engine) Marked(ctx context.Context, accounts []workflow.Account) (map[string]workflow.Mark, error) {
	admins, err := e.cfg.People.Admins(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the admins: %w", err)
	}
	policy := e.cfg.Policy
	guard := policy.Guard(workflow.Asker{}, admins)
	found, err := e.rolesOf(ctx, accounts)
	if err != nil {
		return nil, fmt.Errorf("read roles and groups: %w", err)
	}
	marked := map[string]workflow.Mark{}
	for _, a := range accounts {
		full, known := found[a.ID]
		switch {
		case policy.Bars(a).Code == workflow.ReasonProtected, policy.Bars(full).Code == workflow.ReasonProtected:
			marked[a.ID] = workflow.MarkProtected
		case full.OrgAdmin:
			marked[a.ID] = workflow.MarkOrgAdmin
		case len(guard.Owners(a.ID, a.Email, full.Email)) > 0:
			marked[a.ID] = workflow.MarkAdmin
		case !known || !full.RolesKnown:
			marked[a.ID] = workflow.MarkUnknown
		}
	}
	return marked, nil
}

// rolesOf returns the accounts with their roles and groups, by id.
func (e *Engine) rolesOf(ctx context.Context, accounts []workflow.Account) (map[string]workflow.Account, error) {
	var addresses, ids []string
	for _, a := range accounts {
		if a.Email != "" {
			addresses = append(addresses, a.Email)
		}
	}
	byAddress, err := e.cfg.Directory.ByAddress(ctx, addresses)
	if err != nil && !errors.As(err, new(*workflow.Unshown)) { // those are found by id
		return nil, err
	}
	found := map[string]workflow.Account{}
	for _, holders := range byAddress {
		for _, a := range holders {
			found[a.ID] = a
		}
	}
	for _, a := range accounts {
		if _, known := found[a.ID]; !known {
			ids = append(ids, a.ID)
		}
	}
	byID, err := e.cfg.Directory.ByID(ctx, ids)
	maps.Copy(found, byID)
	return found, err
}
