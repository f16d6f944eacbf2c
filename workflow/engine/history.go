package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Past is what the store keeps of accounts (store.Past, which documents each).
type Past interface {
	Sightings(ctx context.Context, account string) ([]workflow.Sighting, error)
	MadeOf(ctx context.Context, account string) ([]workflow.Made, error)
	KnownAs(ctx context.Context, address string) ([]string, error)
	KnownOn(ctx context.Context, domain string) ([]string, error)
	NightsKept(ctx context.Context) (n int, since time.Time, err error)
	TrailOf(ctx context.Context, account string, addresses []string) (workflow.Trail, error)
}

// historyLimit is of how many accounts an address tells that several had one after the other.
const historyLimit = 3

// History tells what happened to an account: that of an id, or those that have or had an address. No
// account of which anything is known is an empty list. What the directory cannot tell is left out
// where the database tells of the account.
func (e *Engine) History(ctx context.Context, user string) ([]workflow.AccountHistory, error) {
	if e.cfg.Past == nil {
		return nil, errors.New("nobody keeps the past of accounts")
	}
	ctx, cancel := context.WithTimeoutCause(ctx, findTime, fmt.Errorf("%w within %s", workflow.ErrUnavailable, findTime))
	defer cancel()
	ids, now, err := e.meant(ctx, strings.TrimSpace(user))
	if err != nil {
		return nil, fmt.Errorf("find whose history is meant: %w", err)
	}
	nights, since, err := e.cfg.Past.NightsKept(ctx)
	if err != nil {
		return nil, err
	}
	var out []workflow.AccountHistory
	for _, id := range ids[:min(len(ids), historyLimit)] {
		h, err := e.pastOf(ctx, id)
		if err != nil {
			return nil, err
		}
		if current, known := now[id]; known {
			h.Name, h.Email = cmp.Or(current.Name, h.Name), cmp.Or(current.Email, h.Email)
		} else if len(h.Past) == 0 {
			continue // nobody of that id
		}
		h.Nights, h.Since = nights, since
		out = append(out, h)
	}
	return out, nil
}

// meant returns the ids of the accounts that are meant, those that hold the address now first, and
// how they look now as far as is known.
func (e *Engine) meant(ctx context.Context, user string) (ids []string, now map[string]workflow.Account, err error) {
	now = map[string]workflow.Account{}
	if !strings.Contains(user, "@") {
		a, err := workflow.ReadAccount(ctx, e.cfg.Directory, user)
		if err == nil {
			now[user] = a
		}
		return []string{user}, now, nil
	}
	known, err := e.cfg.Past.KnownAs(ctx, user)
	if err != nil {
		return nil, nil, err
	}
	found, asked := e.cfg.Directory.ByAddress(ctx, []string{user})
	hidden := ""
	if unshown, some := errors.AsType[*workflow.Unshown](asked); some {
		hidden = unshown.Holders[workflow.AddressKey(user)]
	}
	if asked != nil && hidden == "" && len(known) == 0 && len(found) == 0 {
		if ctx.Err() != nil {
			asked = context.Cause(ctx)
		}
		return nil, nil, asked
	}
	for _, a := range found[workflow.AddressKey(user)] {
		now[a.ID] = a
		ids = append(ids, a.ID)
	}
	if hidden != "" {
		now[hidden] = workflow.Account{ID: hidden, Email: user}
		ids = append(ids, hidden)
	}
	for _, id := range known {
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, now, nil
}

// pastOf puts together what the database knows of an account.
func (e *Engine) pastOf(ctx context.Context, id string) (workflow.AccountHistory, error) {
	h := workflow.AccountHistory{ID: id}
	nights, err := e.cfg.Past.Sightings(ctx, id)
	if err != nil {
		return h, err
	}
	made, err := e.cfg.Past.MadeOf(ctx, id)
	if err != nil {
		return h, err
	}
	if n := len(made); n > 0 {
		h.Name, h.Email = made[n-1].Name, made[n-1].OldEmail()
	}
	if n := len(nights); n > 0 {
		h.Name, h.Email = nights[n-1].Name, nights[n-1].Email
	}
	trail, err := e.cfg.Past.TrailOf(ctx, id, addressesOf(nights, made))
	if err != nil {
		return h, err
	}
	h.Past = workflow.Happenings(nights, made, trail)
	return h, nil
}

// addressesOf are the addresses that an account has or had, as far as nights and batches tell.
func addressesOf(nights []workflow.Sighting, made []workflow.Made) []string {
	var out []string
	for _, n := range nights {
		out = append(out, n.Email)
	}
	for i := range made {
		out = append(out, made[i].OldEmail(), made[i].NewEmail())
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(a string) bool { return a == "" })
}
