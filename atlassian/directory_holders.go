package atlassian

import (
	"context"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

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

// hiddenTime is how long finding out takes at most whose address a search does not show, of all
// addresses together.
const hiddenTime = time.Minute

// searchHolders searches for the holders of addresses, of which wanted has the keys, several calls at a
// time. take is called with one holder after the other and the key of the address. The search is exact
// by the documents: whom it shows without an address holds one of those that were asked about. Their
// profiles mostly tell which; for the others the addresses are asked about again in halves. One of whom
// that does not tell either is unshown: key → account id, or "" for an address that may be theirs
// where there was no time to find out.
func (c *Client) searchHolders(
	ctx context.Context, wanted map[string]bool, spellings []string, search holderSearch, take func(key string, u DirectoryUser),
) (unshown map[string]string, err error) {
	h := &hiddenSearch{
		client: c, wanted: wanted, search: search, take: take,
		taken: map[string]bool{}, shown: map[string]bool{}, open: map[string][]DirectoryUser{}, unshown: map[string]string{},
	}
	var mu sync.Mutex // guards chunks and vague
	chunks := map[string][]string{}
	vague := map[string]bool{} // keys that were asked about alone, of which the answer shows others, too
	err = c.searchAll(ctx, spellings, MaxEmails, func(ctx context.Context, chunk []string) iter.Seq2[DirectoryUser, error] {
		return func(yield func(DirectoryUser, error) bool) {
			key, single := onlyKey(chunk)
			for u, err := range search(ctx, chunk, false) {
				mu.Lock()
				switch {
				case err != nil:
				case u.Email == "":
					chunks[u.ID] = chunk
				case single && workflow.AddressKey(u.Email) != key:
					vague[key] = true
				}
				mu.Unlock()
				if !yield(u, err) {
					return
				}
			}
		}
	}, h.hit)
	for id := range h.open { // whoever comes with others need not be a second holder
		if key, single := onlyKey(chunks[id]); single && vague[key] && h.taken[key] {
			delete(h.open, id)
		}
	}
	if err != nil || len(h.open) == 0 {
		return nil, err
	}
	budget := hiddenTime
	if end, ok := ctx.Deadline(); ok { // what was found is to be of use
		budget = min(budget, time.Until(end)/2)
	}
	bounded, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	h.readProfiles(bounded)
	byChunk := map[*string][]string{} // the ids that are still open, by the chunk that found them
	for id := range h.open {
		first := &chunks[id][0]
		byChunk[first] = append(byChunk[first], id)
	}
	for chunk := range slices.Chunk(spellings, MaxEmails) {
		if err := h.halve(bounded, chunk, byChunk[&chunk[0]]); err != nil && bounded.Err() == nil {
			return nil, err
		}
	}
	if err := h.again(bounded, spellings); err != nil && bounded.Err() == nil {
		return nil, err
	}
	return h.unshown, ctx.Err()
}

// hiddenSearch finds out which addresses the accounts hold that a search shows without one.
type hiddenSearch struct {
	client *Client
	wanted map[string]bool // keys of the addresses
	search holderSearch
	take   func(key string, u DirectoryUser)

	taken   map[string]bool            // keys of which somebody was found
	shown   map[string]bool            // ids that were shown with an address
	open    map[string][]DirectoryUser // by id, those of whom nothing tells the address yet
	unshown map[string]string          // key → id
}

// hit takes what a search shows.
func (h *hiddenSearch) hit(u DirectoryUser) {
	key := workflow.AddressKey(u.Email)
	switch {
	case u.Email == "" && h.shown[u.ID]: // by the search in another directory
	case u.Email == "":
		h.open[u.ID] = append(h.open[u.ID], u)
	case h.wanted[key]: // a fuzzy answer must not pick the wrong account
		h.taken[key], h.shown[u.ID] = true, true
		delete(h.open, u.ID)
		h.take(key, u)
	}
}

// readProfiles asks the profiles of those who are open, several at a time. What one does not tell is
// left to the search.
func (h *hiddenSearch) readProfiles(ctx context.Context) {
	told := map[string]string{}
	var mu sync.Mutex // guards told
	var wg sync.WaitGroup
	slots := make(chan struct{}, min(mostSearches, h.client.admin.workers))
	for _, id := range slices.Sorted(maps.Keys(h.open)) {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if p, err := h.client.Profile(ctx, id); err == nil && h.wanted[workflow.AddressKey(p.Email)] {
				mu.Lock()
				told[id] = p.Email
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id, email := range told {
		for _, u := range h.open[id] {
			u.Email = email
			h.hit(u)
		}
	}
}

// halve finds by halves which addresses of a chunk the accounts with the ids hold: first among those that
// nobody was found for, then, for a second holder, among the others.
func (h *hiddenSearch) halve(ctx context.Context, chunk, ids []string) error {
	var free, held []string
	for _, s := range chunk {
		if h.taken[workflow.AddressKey(s)] {
			held = append(held, s)
		} else {
			free = append(free, s)
		}
	}
	left := func() int { // how many of the ids are nowhere yet
		n := 0
		for _, id := range ids {
			if _, open := h.open[id]; open {
				n++
			}
		}
		return n
	}
	for _, all := range [][]string{free, held} {
		groups := [][]string{all}
		for len(groups) > 0 && left() > 0 {
			some := groups[0]
			groups = groups[1:]
			if len(some) == 0 {
				continue
			}
			found, exact, err := h.ask(ctx, some)
			if err != nil {
				h.giveUp(append(groups, some), held, left())
				return err
			}
			key, single := onlyKey(some)
			switch {
			case len(found) == 0, single && !exact && h.taken[key]:
			case single:
				h.unshown[key] = found[0]
				for _, id := range found {
					delete(h.open, id)
				}
			default:
				groups = append(groups, some[:len(some)/2], some[len(some)/2:])
			}
		}
	}
	return nil
}

// ask asks about some addresses and returns who of the open accounts is still shown without one; exact is
// false where the answer shows other addresses, too.
func (h *hiddenSearch) ask(ctx context.Context, some []string) (hidden []string, exact bool, err error) {
	exact = true
	keys := map[string]bool{}
	for _, s := range some {
		keys[workflow.AddressKey(s)] = true
	}
	for u, err := range h.search(ctx, some, false) {
		switch _, open := h.open[u.ID]; {
		case err != nil:
			return nil, false, err
		case u.Email != "":
			exact = exact && keys[workflow.AddressKey(u.Email)]
			for _, before := range h.open[u.ID] { // of other directories
				before.Email = u.Email
				h.hit(before)
			}
			if !h.shown[u.ID] || open {
				h.hit(u)
			}
		case open && !slices.Contains(hidden, u.ID):
			hidden = append(hidden, u.ID)
		case !open && !h.shown[u.ID]: // it came in between
			hidden = append(hidden, u.ID)
		}
	}
	return slices.DeleteFunc(hidden, func(id string) bool { return h.shown[id] }), exact, nil
}

// giveUp leaves addresses as not known, whoever holds them: those of the groups, and those that are held
// already where more accounts are left than the groups have addresses.
func (h *hiddenSearch) giveUp(groups [][]string, held []string, left int) {
	keys := map[string]bool{}
	for _, s := range slices.Concat(groups...) {
		keys[workflow.AddressKey(s)] = true
	}
	if left > len(keys) {
		for _, s := range held {
			keys[workflow.AddressKey(s)] = true
		}
	}
	for key := range keys {
		if _, known := h.unshown[key]; !known {
			h.unshown[key] = ""
		}
	}
}

// again asks once more for those who are unshown, one call for all as long as it makes sense to ask
// again: an answer may leave an address out for a moment.
func (h *hiddenSearch) again(ctx context.Context, spellings []string) error {
	var some []string
	for _, s := range spellings {
		if h.unshown[workflow.AddressKey(s)] != "" && len(some) < MaxEmails {
			some = append(some, s)
		}
	}
	if len(some) == 0 {
		return nil
	}
	var found []DirectoryUser
	for u, err := range h.search(ctx, some, true) {
		if KindOf(err) == KindIncomplete {
			return nil
		}
		if err != nil {
			return err
		}
		found = append(found, u)
	}
	for _, u := range found {
		if key := workflow.AddressKey(u.Email); h.unshown[key] == u.ID {
			delete(h.unshown, key)
			h.hit(u)
		}
	}
	return nil
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
