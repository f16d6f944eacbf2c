package plan

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/countersign/countersign/workflow"
)

// findAccounts gives every readable row its account: by address in bulk, by id where the address
// does not do, in bulk too; one by one only where the search by id does not settle it.
func (k *check) findAccounts(ctx context.Context) error {
	if err := k.lookUp(ctx); err != nil {
		return err
	}
	var byID []*draft
	for _, d := range k.drafts {
		if !d.Live() {
			continue
		}
		if k.blockUnknown(d) {
			continue
		}
		if d.action.Subject.Absent { // who has no account yet has none to be found
			continue
		}
		if d.Row.AccountID() == "" {
			k.resolveByAddress(d)
			continue
		}
		if a, ok := withID(k.known.Holders[workflow.AddressKey(d.Row.Email())], d.Row.AccountID()); ok && d.Row.Email() != "" {
			d.take(a)
			continue
		}
		byID = append(byID, d)
	}
	found, failed, err := k.searchByID(ctx, byID)
	if err != nil {
		return err
	}
	if failed != nil { // only a search tells of an organisation admin, so that reading one by one is no way around it
		for _, d := range byID {
			d.Block(workflow.ReasonCouldNotCheck, whyNot(failed))
		}
		return nil
	}
	var unsettled []*draft
	for _, d := range byID {
		if a, ok := found[d.Row.AccountID()]; ok && d.settles(a) {
			d.take(a)
			continue
		}
		unsettled = append(unsettled, d)
	}
	err = k.each(ctx, foundByID, unsettled, func(ctx context.Context, d *draft) error {
		var a workflow.Account
		err := k.outage.ask(ctx, func() (err error) {
			a, err = workflow.ReadAccount(ctx, k.Reader, d.Row.AccountID())
			return err
		})
		if err == nil {
			known := found[d.Row.AccountID()]
			a.OrgAdmin, a.Groups, a.RolesKnown, a.Synced = known.OrgAdmin, known.Groups, known.RolesKnown, known.Synced
			k.resolveByID(d, a)
		}
		return err
	}, func(d *draft, err error) {
		a, known := found[d.Row.AccountID()]
		switch {
		case errors.Is(err, workflow.ErrNotFound) && known && d.suits(a): // only managed accounts can be read
			k.resolveByID(d, a)
		case errors.Is(err, workflow.ErrNotFound):
			d.noAccount(d.Row.AccountID(), "")
		default:
			d.unreadable(err)
		}
	})
	k.keepTargets()
	return err
}

// keepTargets forgets the holders of addresses that no row takes: each row has its account now, and in a large file they
// are a tenth of what the check remembers.
func (k *check) keepTargets() {
	targets := map[string]bool{}
	for _, d := range k.drafts {
		if to := d.target(); to != "" {
			targets[workflow.AddressKey(to)] = true
		}
	}
	kept := map[string][]workflow.Account{}
	for key, holders := range k.known.Holders {
		if targets[key] {
			kept[key] = holders
		}
	}
	k.known.Holders = kept
}

// suits reports whether the action may happen to the account as far as its claim goes.
func (d *draft) suits(a workflow.Account) bool { return a.Managed || !d.action.Subject.Managed }

// noAccount blocks a row of whose account nothing is known; holder is the account that has the new address.
// Where any account of the organisation would do, a managed one is not asked for.
func (d *draft) noAccount(what, holder string) {
	facts := []string{what, holder}
	if !d.action.Subject.Managed {
		facts = append(facts, "this organisation")
	}
	d.Block(workflow.ReasonNoAccount, facts...)
}

// unreadable blocks a row about whose account a reading failed: with the reason of a refusal, which
// lasts, or else as one that could not be checked for now.
func (d *draft) unreadable(err error) {
	if refusal, refused := errors.AsType[*workflow.Refusal](err); refused {
		d.Block(refusal.Reason.Code, refusal.Reason.Facts...)
		return
	}
	d.Block(workflow.ReasonCouldNotCheck, whyNot(err))
}

// lookUp asks who holds each address of the request, current and new, piece by piece.
func (k *check) lookUp(ctx context.Context) error {
	var addresses []string
	seen := map[string]bool{}
	for _, d := range k.drafts {
		if !d.Live() {
			continue
		}
		for _, a := range []string{d.Row.Email(), d.target()} {
			if key := workflow.AddressKey(a); a != "" && !seen[key] {
				seen[key] = true
				addresses = append(addresses, a)
			}
		}
	}
	asked := 0
	for piece := range slices.Chunk(addresses, checkPiece) {
		found, err := k.holders(ctx, piece)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			for _, a := range piece {
				k.known.Unread[workflow.Holders(a)] = err
			}
		}
		if err := k.complete(ctx, found); err != nil {
			return err
		}
		maps.Copy(k.known.Holders, found)
		asked += len(piece)
		if err := k.progress(ctx, lookedUp*asked/len(addresses)); err != nil {
			return err
		}
	}
	return nil
}

// searchByID asks for the accounts that the drafts name by id, all at once: the reader knows the
// cheapest way for many. What a search does not find is missing; failed is why there is no answer.
func (k *check) searchByID(ctx context.Context, drafts []*draft) (found map[string]workflow.Account, failed, err error) {
	var ids []string
	seen := map[string]bool{}
	for _, d := range drafts {
		if !seen[d.Row.AccountID()] {
			seen[d.Row.AccountID()] = true
			ids = append(ids, d.Row.AccountID())
		}
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	failed = k.outage.ask(ctx, func() (err error) {
		found, err = k.Reader.ByID(ctx, ids)
		return err
	})
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	return found, failed, k.progress(ctx, searchedByID)
}

// settles reports whether what a search by id showed will do for the row. Where the search says
// that all is as wanted already it will not: it can lag behind, and a leaver must not stay because
// of that.
func (d *draft) settles(a workflow.Account) bool {
	fits := d.Row.Email() == "" || workflow.SameAddress(a.Email, d.Row.Email())
	already := !deleted(a) && d.already(a)
	return d.suits(a) && a.Email != "" && a.Status != "" && fits && !already
}

// deleted reports whether the account is deleted, or being deleted.
func deleted(a workflow.Account) bool {
	return a.Status == workflow.StatusClosed || a.Status == workflow.StatusDeleting
}

// holders asks who holds addresses. An address whose holder is not shown is not known: that is no reason
// to know nothing of the others.
func (k *check) holders(ctx context.Context, addresses []string) (found map[string][]workflow.Account, err error) {
	var unshown *workflow.Unshown
	err = k.outage.ask(ctx, func() (err error) {
		var some bool
		found, err = k.Reader.ByAddress(ctx, addresses)
		if unshown, some = errors.AsType[*workflow.Unshown](err); some {
			return nil
		}
		return err
	})
	if err == nil && unshown != nil {
		for key := range unshown.Holders {
			k.known.Unread[workflow.Holders(key)] = unshown
		}
	}
	return found, err
}

// complete reads holders of addresses of which the search does not tell enough. Only managed accounts can
// be read.
func (k *check) complete(ctx context.Context, found map[string][]workflow.Account) error {
	for key, holders := range found {
		for i := range holders {
			if holders[i].Status != "" {
				continue
			}
			var now workflow.Account
			err := k.outage.ask(ctx, func() (err error) {
				now, err = workflow.ReadAccount(ctx, k.Reader, holders[i].ID)
				return err
			})
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			switch {
			case err == nil:
				holders[i].Managed, holders[i].Type, holders[i].Status = true, now.Type, now.Status
			case !errors.Is(err, workflow.ErrNotFound):
				k.known.Unread[workflow.Holders(key)] = err
			}
		}
	}
	return nil
}

// blockUnknown blocks a row of which nobody could tell who holds an address that it depends on.
func (k *check) blockUnknown(d *draft) (blocked bool) {
	for _, a := range []string{d.Row.Email(), d.target()} {
		why, bad := k.known.Unread[workflow.Holders(a)]
		if a == "" || !bad {
			continue
		}
		unshown, found := errors.AsType[*workflow.Unshown](why)
		switch id := ""; {
		case !found:
			d.Block(workflow.ReasonCouldNotCheck, whyNot(why))
		default:
			id = unshown.Holders[workflow.AddressKey(a)]
			switch {
			case id == "":
				d.Block(workflow.ReasonCouldNotCheck, whyNot(why))
			case a == d.target():
				d.Block(workflow.ReasonHolderHidden, a, id)
			default:
				d.Block(workflow.ReasonAddressHidden, id, a)
			}
		}
		return true
	}
	return false
}

func withID(accounts []workflow.Account, id string) (workflow.Account, bool) {
	i := slices.IndexFunc(accounts, func(a workflow.Account) bool { return a.ID == id })
	if i < 0 {
		return workflow.Account{}, false
	}
	return accounts[i], true
}

func (k *check) resolveByAddress(d *draft) {
	var suiting []workflow.Account
	holders := k.known.Holders[workflow.AddressKey(d.Row.Email())]
	for _, a := range holders {
		if d.suits(a) {
			suiting = append(suiting, a)
		}
	}
	switch {
	case len(suiting) == 1:
		d.take(suiting[0])
	case len(suiting) > 1:
		ids := make([]string, len(suiting))
		for i, a := range suiting {
			ids[i] = a.ID
		}
		d.Block(workflow.ReasonAmbiguous, d.Row.Email(), strings.Join(ids, ", "))
	case len(holders) > 0:
		d.Block(workflow.ReasonNotManaged, d.Row.Email())
	default:
		holder := ""
		if t := d.target(); t != "" && len(k.known.Holders[workflow.AddressKey(t)]) == 1 {
			holder = k.known.Holders[workflow.AddressKey(t)][0].ID
		}
		d.noAccount(d.Row.Email(), holder)
	}
}

// resolveByID holds the account that was read by its id against the address that the row gives.
func (k *check) resolveByID(d *draft, a workflow.Account) {
	if d.Row.Email() == "" || workflow.SameAddress(a.Email, d.Row.Email()) || d.already(a) {
		d.take(a)
		return
	}
	if a.Email == "" {
		d.Block(workflow.ReasonAddressHidden, a.ID, d.Row.Email())
		return
	}
	other := ""
	if holders := k.known.Holders[workflow.AddressKey(d.Row.Email())]; len(holders) > 0 {
		other = holders[0].ID
	}
	d.Block(workflow.ReasonMismatch, a.ID, a.Email, d.Row.Email(), other)
}

// take makes a the row's account.
func (d *draft) take(a workflow.Account) {
	d.Facts.Account = a
	d.Change.AccountID, d.Change.Name = a.ID, a.Name
	if d.Change.OldEmail() != a.Email {
		d.Change.Expect = d.Change.Expect.With(workflow.FieldEmail, a.Email)
	}
}

// already reports whether the row would change nothing of the account.
func (d *draft) already(a workflow.Account) bool {
	facts := d.Facts
	facts.Account = a
	return d.action.Check(d.Row, &facts).State == workflow.ChangeUnchanged
}
