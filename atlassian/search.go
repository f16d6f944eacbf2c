package atlassian

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"sync"
)

const (
	manyIDs    = 200 // from so many ids on, ByID begins by going through all managed accounts
	trialPages = 5   // after each so many pages it looks whether that is worth it
)

// mostSearches is how many searches searchAll has in flight at once.
const mostSearches = 4

// chunkSearch finds the accounts for some values.
type chunkSearch func(ctx context.Context, values []string) iter.Seq2[DirectoryUser, error]

// searchBy is the search for what find makes of values.
func (c *Client) searchBy(find func([]string) Find) chunkSearch {
	return func(ctx context.Context, values []string) iter.Seq2[DirectoryUser, error] {
		return c.SearchUsers(ctx, find(values), maxPage)
	}
}

// searchAll searches for all values, size of them a call and several calls at a time. take is
// called with one account after the other. All of it is within ListTimeout.
func (c *Client) searchAll(
	ctx context.Context, values []string, size int, search chunkSearch, take func(DirectoryUser),
) error {
	bounded, end := c.admin.bound(ctx, opSearch, ListTimeout)
	return end(c.searchChunks(bounded, values, size, search, take))
}

func (c *Client) searchChunks(
	ctx context.Context, values []string, size int, search chunkSearch, take func(DirectoryUser),
) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		mu     sync.Mutex // guards failed and what take writes
		failed error      // the first error, which stops the others
		wg     sync.WaitGroup
		slots  = make(chan struct{}, min(mostSearches, c.admin.workers))
	)
	for chunk := range slices.Chunk(values, size) {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			for u, err := range search(ctx, chunk) {
				if err != nil {
					mu.Lock()
					failed = cmp.Or(failed, err)
					mu.Unlock()
					cancel()
					return
				}
				mu.Lock()
				take(u)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return cmp.Or(failed, ctx.Err())
}

// goThrough looks for accounts among all managed ones. It stops when few are left, or when its last
// pages found fewer than as many searches by id would have. So it costs few calls more than those
// in a large organisation, and a tenth of them where most accounts are wanted. Errors are left to
// the search for the rest.
func (c *Client) goThrough(ctx context.Context, wanted map[string]bool, take func(DirectoryUser)) {
	found := map[string]bool{}
	seen, before := 0, 0
	for u, err := range c.SearchUsers(ctx, Find{Claim: ClaimManaged}, maxPage) {
		if err != nil {
			return
		}
		if wanted[u.ID] {
			found[u.ID] = true
			take(u)
		}
		if seen++; seen%maxPage == 0 && len(wanted)-len(found) <= MaxIDs {
			return
		}
		if seen%(trialPages*maxPage) == 0 {
			if len(found)-before < trialPages*MaxIDs {
				return
			}
			before = len(found)
		}
	}
}
