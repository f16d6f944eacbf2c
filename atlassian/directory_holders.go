package atlassian

import (
	"context"
	"iter"
	"slices"

	"github.com/countersign/countersign/workflow"
)

// holderSearch finds the holders of at most MaxEmails addresses. Where strict is true, an answer that
// shows somebody without an address is one that failed.
type holderSearch func(ctx context.Context, spellings []string, strict bool) iter.Seq2[DirectoryUser, error]

// shownAddress returns what a holder of an address lacks.
func shownAddress(u DirectoryUser) string { return lacks("email", u.Email) }

// byEmails is the search for accounts by their addresses.
func (c *Client) byEmails(ctx context.Context, spellings []string, strict bool) iter.Seq2[DirectoryUser, error] {
	find := Find{Emails: spellings}
	if strict {
		find.need = shownAddress
	}
	return c.SearchUsers(ctx, find, maxPage)
}

// searchHolders searches for the holders of addresses, of which wanted has the keys, several calls at a
// time. take is called with one holder after the other and the key of the address. The search is exact
// by the documents: whom it shows without an address holds one of those that were asked about. They are
// asked about again in halves, until it is clear which; one of whom the profile does not tell it
// either is unshown: key → account id.
func (c *Client) searchHolders(
	ctx context.Context, wanted map[string]bool, spellings []string, search holderSearch, take func(key string, u DirectoryUser),
) (unshown map[string]string, err error) {
	taken := map[string]bool{}
	hit := func(u DirectoryUser) {
		// The search is exact by the documents; a fuzzy answer must not pick the wrong account.
		if key := workflow.AddressKey(u.Email); wanted[key] {
			taken[key] = true
			take(key, u)
		}
	}
	hidden := false
	err = c.searchAll(ctx, spellings, MaxEmails, func(ctx context.Context, chunk []string) iter.Seq2[DirectoryUser, error] {
		return search(ctx, chunk, false)
	}, func(u DirectoryUser) {
		hidden = hidden || u.Email == ""
		hit(u)
	})
	if err != nil || !hidden {
		return nil, err
	}
	var open [][]string // groups of spellings of whose addresses nobody was found
	for chunk := range slices.Chunk(notTaken(spellings, taken), MaxEmails) {
		open = append(open, chunk)
	}
	unshown = map[string]string{}
	for len(open) > 0 {
		some := notTaken(open[0], taken)
		open = open[1:]
		if len(some) == 0 {
			continue
		}
		key, single := onlyKey(some)
		var without DirectoryUser
		for u, err := range search(ctx, some, false) {
			if err != nil {
				return nil, err
			}
			if hit(u); u.Email == "" {
				without = u
			}
		}
		switch {
		case without.ID == "":
		case !single:
			open = append(open, some[:len(some)/2], some[len(some)/2:])
		default:
			u, shown, err := c.holder(ctx, some, key, without, search)
			if err != nil {
				return nil, err
			}
			if shown {
				take(key, u)
			} else {
				unshown[key] = without.ID
			}
		}
	}
	return unshown, nil
}

// holder asks once more for the holder of one address, whom a search has shown without it: the search,
// as long as it makes sense to ask again, and then the profile of the account.
func (c *Client) holder(
	ctx context.Context, spellings []string, key string, without DirectoryUser, search holderSearch,
) (user DirectoryUser, shown bool, err error) {
	for u, err := range search(ctx, spellings, true) {
		switch {
		case KindOf(err) == KindIncomplete:
			p, err := c.Profile(ctx, without.ID)
			if err != nil && KindOf(err) != KindNotFound {
				return DirectoryUser{}, false, err
			}
			without.Email = p.Email
			return without, workflow.AddressKey(p.Email) == key, nil
		case err != nil:
			return DirectoryUser{}, false, err
		case workflow.AddressKey(u.Email) == key:
			return u, true, nil
		}
	}
	return DirectoryUser{}, false, nil
}

// notTaken returns the spellings of addresses of which nobody was found.
func notTaken(spellings []string, taken map[string]bool) []string {
	return slices.DeleteFunc(slices.Clone(spellings), func(s string) bool { return taken[workflow.AddressKey(s)] })
}

// onlyKey returns the key of the one address that the spellings are of; ok is false where they are of
// several.
func onlyKey(spellings []string) (key string, ok bool) {
	key = workflow.AddressKey(spellings[0])
	return key, !slices.ContainsFunc(spellings, func(s string) bool { return workflow.AddressKey(s) != key })
}

// told returns an account of a search, completed by its profile where the search does not tell whether
// it is ours, or can log in.
func (c *Client) told(ctx context.Context, u DirectoryUser) (DirectoryUser, error) {
	if u.ClaimStatus != "" && u.AccountStatus != "" {
		return u, nil
	}
	p, err := c.Profile(ctx, u.ID)
	switch {
	case KindOf(err) == KindNotFound: // only managed accounts have one
		return u, nil
	case err != nil:
		return DirectoryUser{}, err
	}
	u.ClaimStatus, u.AccountStatus = ClaimManaged, p.Status
	return u, nil
}
