package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// lookUpTime bounds how long a decision waits for Atlassian to tell people apart: its limits may be
// used up for long, and whoever pressed is to hear that they can press again.
const lookUpTime = 10 * time.Second

// humans finds out what tells the people of a batch apart. The addresses of accounts that the
// settings name are those that the check found; what it was not asked about is looked up now.
func (e *Engine) humans(ctx context.Context, b *workflow.Batch, people ...workflow.Person) (workflow.Humans, error) {
	addresses := map[string]string{}
	var ask []string
	for _, p := range people {
		account := e.cfg.Policy.AccountOf(p.ID)
		if account == "" {
			continue
		}
		address, known := b.Traits.Accounts[account]
		if addresses[account] = address; !known && !slices.Contains(ask, account) {
			ask = append(ask, account)
		}
	}
	if len(ask) > 0 {
		bounded, cancel := context.WithTimeout(ctx, lookUpTime)
		defer cancel()
		found, err := workflow.OwnAddresses(bounded, e.cfg.Directory.For(b.Number), ask)
		if err != nil {
			return workflow.Humans{}, fmt.Errorf("%w: look up the accounts of people.accounts: %w", workflow.ErrOthersUnknown, err)
		}
		maps.Copy(addresses, found)
	}
	return workflow.NewHumans(e.cfg.Policy.AccountOf, addresses), nil
}

// identified is Identify with what the batch and the directory know.
func (e *Engine) identified(ctx context.Context, b *workflow.Batch, actor workflow.Actor) (workflow.Actor, error) {
	h, err := e.humans(ctx, b, append(b.People(), actor.Person)...)
	if err != nil {
		return actor, err
	}
	return h.Identify(b, actor), nil
}

// CanApprove returns who of the people could approve a batch, as Humans.CanApprove does, by what its
// check found out, and the ids of those whose own account a batch of one is about. It asks nobody outside.
func (e *Engine) CanApprove(
	ctx context.Context, b *workflow.Batch, people ...workflow.Actor,
) (able []workflow.Person, own []string, err error) {
	if own, err = e.ownersAlone(ctx, b, people); err != nil {
		return nil, nil, err
	}
	return workflow.NewHumans(e.cfg.Policy.AccountOf, b.Traits.Accounts).CanApprove(b, own, people...), own, nil
}

// ownersAlone are those of the people whose own account a batch of one is about. In larger ones nobody's
// own account can run.
func (e *Engine) ownersAlone(ctx context.Context, b *workflow.Batch, people []workflow.Actor) ([]string, error) {
	if b.Traits.Changes != 1 {
		return nil, nil
	}
	rows, err := e.store.Changes(ctx, b.Number, 0, 1, workflow.ChangeReady)
	if err != nil {
		return nil, fmt.Errorf("look at the row of batch %d: %w", b.Number, err)
	}
	owners := make([]workflow.Person, len(people))
	for i, p := range people {
		owners[i] = p.Person
	}
	guard := e.cfg.Policy.Guard(workflow.Asker{}, owners)
	var own []string
	for _, c := range rows {
		own = append(own, guard.Owners(c.AccountID, c.OldEmail(), c.NewEmail())...)
	}
	return own, nil
}

// lookUpAccounts finds the addresses of the accounts that the settings name for people: account →
// address, "" for what is not there or shows none. They tell later on whose accounts are whose,
// without the directory being asked again. What could not be looked up now is asked about at the
// click.
func (e *Engine) lookUpAccounts(ctx context.Context, b *workflow.Batch) (map[string]string, error) {
	admins, err := e.cfg.People.Admins(ctx)
	if err != nil {
		return nil, err
	}
	h, err := workflow.LookUpHumans(ctx, e.cfg.Directory.For(b.Number), e.cfg.Policy, append(admins, b.Requester, b.Author))
	if err != nil {
		e.cfg.Log.Warn().Err(err).Int64("batch", b.Number).Msg("look up the accounts of people.accounts")
		return nil, ctx.Err()
	}
	if len(h.Addresses()) == 0 {
		return nil, nil
	}
	return h.Addresses(), nil
}
