package workflow

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
)

// findAccounts gives every readable row its account: by address in bulk, by id where the address does not do, in bulk too;
// one by one only where the search by id does not settle it.
func (k *check) findAccounts(ctx context.Context) error {
	if err := k.lookUp(ctx); err != nil {
		return err
	}
	var byID []*draft
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		if why := k.unknownAddress(d); why != nil {
			d.block(ReasonCouldNotCheck, whyNot(why))
			continue
		}
		if d.row.AccountID == "" {
			k.resolveByAddress(d)
			continue
		}
		if a, ok := withID(k.holders[AddressKey(d.row.Email)], d.row.AccountID); ok && d.row.Email != "" {
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
			d.block(ReasonCouldNotCheck, whyNot(failed))
		}
		return nil
	}
	var unsettled []*draft
	for _, d := range byID {
		if a, ok := found[d.row.AccountID]; ok && d.settles(a) {
			d.take(a)
			continue
		}
		unsettled = append(unsettled, d)
	}
	return k.each(ctx, foundByID, unsettled, func(ctx context.Context, d *draft) error {
		a, err := k.Reader.Account(ctx, d.row.AccountID)
		if err == nil {
			known := found[d.row.AccountID]
			a.OrgAdmin, a.Groups, a.Ranked = known.OrgAdmin, known.Groups, known.Ranked
			k.resolveByID(d, a)
		}
		return err
	}, func(d *draft, err error) {
		if errors.Is(err, ErrNotFound) {
			d.block(ReasonNoAccount, d.row.AccountID)
			return
		}
		d.block(ReasonCouldNotCheck, whyNot(err))
	})
}

// lookUp asks who holds each address of the request, current and new, piece by piece.
func (k *check) lookUp(ctx context.Context) error {
	k.holders, k.unasked = map[string][]Account{}, map[string]error{}
	var addresses []string
	seen := map[string]bool{}
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		for _, a := range []string{d.row.Email, d.target()} {
			if key := AddressKey(a); a != "" && !seen[key] {
				seen[key] = true
				addresses = append(addresses, a)
			}
		}
	}
	asked := 0
	for piece := range slices.Chunk(addresses, checkPiece) {
		var found map[string][]Account
		err := k.patience.ask(ctx, func() (err error) {
			found, err = k.Reader.ByAddress(ctx, piece)
			return err
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			for _, a := range piece {
				k.unasked[AddressKey(a)] = err
			}
		}
		maps.Copy(k.holders, found)
		asked += len(piece)
		if err := k.progress(ctx, lookedUp*asked/len(addresses)); err != nil {
			return err
		}
	}
	return nil
}

// searchByID asks for the accounts that the drafts name by id, all at once: the reader knows the cheapest way for many. What
// a search does not find is missing; failed is why there is no answer.
func (k *check) searchByID(ctx context.Context, drafts []*draft) (found map[string]Account, failed, err error) {
	var ids []string
	seen := map[string]bool{}
	for _, d := range drafts {
		if !seen[d.row.AccountID] {
			seen[d.row.AccountID] = true
			ids = append(ids, d.row.AccountID)
		}
	}
	if len(ids) == 0 {
		return nil, nil, nil
	}
	failed = k.patience.ask(ctx, func() (err error) {
		found, err = k.Reader.ByID(ctx, ids)
		return err
	})
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	return found, failed, k.progress(ctx, searchedByID)
}

// settles says whether what a search by id showed will do for the row. Where the search says that all is as wanted already
// it will not: it can lag behind, and a leaver must not stay because of that.
func (d *draft) settles(a Account) bool {
	fits := d.row.Email == "" || SameAddress(a.Email, d.row.Email)
	already := a.Status != StatusClosed && d.action.Shows(a, Step{Action: d.action.Name, To: d.target()})
	return a.Managed && a.Email != "" && fits && !already
}

// unknownAddress says why nobody could tell who holds an address that this row depends on, nil when all are known.
func (k *check) unknownAddress(d *draft) error {
	for _, a := range []string{d.row.Email, d.target()} {
		if err, bad := k.unasked[AddressKey(a)]; bad && a != "" {
			return err
		}
	}
	return nil
}

func withID(accounts []Account, id string) (Account, bool) {
	i := slices.IndexFunc(accounts, func(a Account) bool { return a.ID == id })
	if i < 0 {
		return Account{}, false
	}
	return accounts[i], true
}

func (k *check) resolveByAddress(d *draft) {
	var managed []Account
	holders := k.holders[AddressKey(d.row.Email)]
	for _, a := range holders {
		if a.Managed {
			managed = append(managed, a)
		}
	}
	switch {
	case len(managed) == 1:
		d.take(managed[0])
	case len(managed) > 1:
		ids := make([]string, len(managed))
		for i, a := range managed {
			ids[i] = a.ID
		}
		d.block(ReasonAmbiguous, d.row.Email, strings.Join(ids, ", "))
	case len(holders) > 0:
		d.block(ReasonNotManaged, d.row.Email)
	default:
		facts := []string{d.row.Email}
		if t := d.target(); t != "" && len(k.holders[AddressKey(t)]) == 1 {
			facts = append(facts, k.holders[AddressKey(t)][0].ID)
		}
		d.block(ReasonNoAccount, facts...)
	}
}

// resolveByID holds the account that was read by its id against the address that the row gives.
func (k *check) resolveByID(d *draft, a Account) {
	wanted := Step{Action: d.action.Name, To: d.target()}
	if d.row.Email == "" || SameAddress(a.Email, d.row.Email) || d.action.Shows(a, wanted) {
		d.take(a)
		return
	}
	other := ""
	if holders := k.holders[AddressKey(d.row.Email)]; len(holders) > 0 {
		other = holders[0].ID
	}
	d.block(ReasonMismatch, a.ID, a.Email, d.row.Email, other)
}

// take makes a the row's account.
func (d *draft) take(a Account) {
	d.account = a
	d.change.AccountID, d.change.Name, d.change.OldEmail = a.ID, a.Name, a.Email
}
