package workflow

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"
)

// guardRows is how many rows a refusal names.
const guardRows = 5

// protection is the part of a policy that forbids, made ready for many rows.
type protection struct {
	accounts map[string]bool // guardKey of addresses and ids
	groups   map[string]bool // folded names
}

func (p Policy) protection() protection {
	out := protection{accounts: map[string]bool{}, groups: map[string]bool{}}
	for _, entry := range p.Protect {
		if name, ok := strings.CutPrefix(entry, GroupPrefix); ok {
			out.groups[AddressKey(name)] = true
		} else {
			out.accounts[guardKey(entry)] = true
		}
	}
	return out
}

// guardKey is the form under which an address or id is known that something is not to happen to: letters that only are put
// together in another way, or are wider, are the same here. It may only refuse.
func guardKey(s string) string { return norm.NFKC.String(AddressKey(norm.NFKC.String(s))) }

// covers says which of the ids and addresses is protected, "" when none is.
func (p protection) covers(what ...string) string {
	for _, w := range what {
		if w != "" && p.accounts[guardKey(w)] {
			return w
		}
	}
	return ""
}

// group says which protected group the account is in, "" when in none.
func (p protection) group(a Account) string {
	for _, g := range a.Groups {
		if p.groups[AddressKey(g)] {
			return g
		}
	}
	return ""
}

// bars says why no batch may touch the account, whoever asks, as far as one answer about it tells: searches by words and
// reads of one account do not tell roles and groups.
func (p Policy) bars(a Account) Reason {
	protected := p.protection()
	allow := func(r Rule) bool { return r.Allow && r.When.OrgAdmins }
	if what := protected.covers(a.ID, a.Email); what != "" {
		return NewReason(ReasonProtected, what)
	}
	if group := protected.group(a); group != "" {
		return NewReason(ReasonProtected, "", group)
	}
	if a.OrgAdmin && !slices.ContainsFunc(p.Rules, allow) {
		return NewReason(ReasonOrgAdmin, a.ID)
	}
	return Reason{}
}

// Owners says whose own account an account is: by the person's address in Slack, or because people.accounts says so.
type Owners struct {
	byAddress map[string][]string // guardKey → people
	byID      map[string][]string // account id → people
}

// NewOwners makes the owners of some people; accounts are people.accounts. Of people without an address only these count.
func NewOwners(people []Person, accounts map[string]string) Owners {
	o := Owners{byAddress: map[string][]string{}, byID: map[string][]string{}}
	add := func(to map[string][]string, key, person string) {
		if key != "" && !slices.Contains(to[key], person) {
			to[key] = append(to[key], person)
		}
	}
	for _, p := range people {
		add(o.byAddress, guardKey(p.Email), p.ID)
		add(o.byID, accounts[p.ID], p.ID)
	}
	return o
}

// Of are the people whose own account it is, or whose address it would be given: they may be several, as an account of one
// can be given the address of another.
func (o Owners) Of(id, address, target string) []string {
	out := slices.Concat(o.byID[id], o.byAddress[guardKey(address)], o.byAddress[guardKey(target)])
	slices.Sort(out)
	return slices.Compact(out)
}

// guard blocks what nothing may happen to, or not in this way, whatever Atlassian allows.
func (k *check) guard(d *draft) (blocked bool) {
	a := d.account
	owners := k.Owners.Of(a.ID, a.Email, d.target())
	what, group := k.protected.covers(a.ID, a.Email, d.target()), k.protected.group(a)
	switch {
	case what != "":
		d.block(ReasonProtected, what)
	case group != "":
		d.block(ReasonProtected, "", group)
	case !a.Ranked && len(k.asked) > 0:
		d.block(ReasonCouldNotCheck, "Atlassian does not say which roles and groups the account has")
	case !a.Ranked:
		d.block(ReasonCouldNotCheck, "Atlassian does not say which roles the account has")
	case a.Email == "":
		d.block(ReasonCouldNotCheck, "Atlassian does not show the address of the account")
	case a.OrgAdmin && !k.Policy.allows(ranked(a, d.target(), d.action.Name, k.asked), k.Asker):
		d.block(ReasonOrgAdmin, a.ID)
	case len(owners) > 0 && len(k.drafts) > 1:
		d.block(ReasonOwnAccount, owners[0])
	case len(both(owners, k.Asker.People)) > 0:
		d.block(ReasonOwnAlone, both(owners, k.Asker.People)[0])
	default:
		return false
	}
	return true
}

// askGroups finds out which of the groups that the settings name are there at all. That one is not, or cannot be asked
// about, is said on the card and stops nothing: who is in a group is told with each account.
func (k *check) askGroups(ctx context.Context) error {
	if len(k.asked) == 0 || k.Groups == nil {
		return nil
	}
	var there map[string]bool
	err := k.patience.ask(ctx, func() (err error) {
		there, err = k.Groups.GroupsNamed(ctx, k.asked)
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

// askBudget blocks everything when it is more than may be touched in a day: half of a request would be no answer.
func (k *check) askBudget(ctx context.Context) error {
	if k.Budget == nil {
		return nil
	}
	chain(k.drafts, k.holders) // blocks what waits for somebody blocked
	accounts := map[string]bool{}
	for _, d := range k.drafts {
		if d.live() {
			accounts[d.account.ID] = true
		}
	}
	why, err := k.Budget(ctx, sortedKeys(accounts))
	if err != nil {
		return fmt.Errorf("ask how many accounts were touched today: %w", err)
	}
	for _, d := range k.drafts {
		if why.Code != "" && d.live() {
			d.change.State, d.change.Reason = ChangeBlocked, why
		}
	}
	return nil
}

// guardPlan holds a plan against what the settings of today forbid. The directory is not asked. It gives the accounts that
// the plan is about, and of the people given whose own accounts are among them, with the rows; those of requester and
// author are refused.
func (e *Engine) guardPlan(
	ctx context.Context, b *Batch, asker Asker, people []Person,
) (accounts []string, owned map[string][]int, err error) {
	policy := e.cfg.Policy
	protected, own := policy.protection(), NewOwners(people, policy.Accounts)
	for _, name := range policy.Groups() { // of a rule's groups the stricter case is taken; of protected ones nothing is known
		switch {
		case !protected.groups[name]:
		case !slices.Contains(b.Traits.Asked, name):
			return nil, nil, &GuardError{Code: ReasonStalePolicy, Facts: []string{name}}
		case slices.Contains(b.Traits.Groups, name): // it was a rule's when the plan was made
			return nil, nil, &GuardError{Code: ReasonProtected, Facts: []string{"", name}}
		}
	}
	if !policy.allowsAll(b.Traits, asker) {
		return nil, nil, &GuardError{Code: ReasonOrgAdmin}
	}
	owned = map[string][]int{}
	var hit []int
	for after := 0; ; {
		page, err := e.store.Changes(ctx, b.Number, after, pageOfChanges,
			ChangeReady, ChangeRunning, ChangeUnknown, ChangeFailed, ChangeSkipped)
		if err != nil {
			return nil, nil, fmt.Errorf("look at the rows of batch %d: %w", b.Number, err)
		}
		for i := range page {
			c := &page[i]
			after = c.Row
			for _, person := range own.Of(c.AccountID, c.OldEmail, c.NewEmail) {
				owned[person] = append(owned[person], c.Row)
			}
			if protected.covers(c.AccountID, c.OldEmail, c.NewEmail) != "" {
				hit = append(hit, c.Row)
			}
			accounts = append(accounts, c.AccountID)
		}
		if len(page) < pageOfChanges {
			break
		}
	}
	if len(hit) > 0 {
		return nil, nil, &GuardError{Code: ReasonProtected, Rows: hit[:min(len(hit), guardRows)]}
	}
	for _, id := range []string{b.Requester.ID, b.Author.ID} {
		if rows := owned[id]; rows != nil {
			return nil, nil, &GuardError{Code: ReasonOwnAlone, Rows: rows[:min(len(rows), guardRows)]}
		}
	}
	return accounts, owned, nil
}

// budget says why the accounts may not be touched today, the zero Reason when they may (limits.per_day).
func (e *Engine) budget(ctx context.Context, accounts, people []string, number int64) (Reason, error) {
	limits := e.cfg.Policy.PerDay
	for _, each := range []struct {
		whose string
		limit int
		of    []string
	}{{"requester", limits.Requester, people}, {"all", limits.All, nil}} {
		if each.limit == 0 {
			continue
		}
		touched, err := e.store.Touched(ctx, time.Now().Add(-dayLong), each.of, number)
		if err != nil {
			return Reason{}, err
		}
		all := map[string]bool{}
		for _, id := range touched {
			all[id] = true
		}
		before := len(all)
		for _, id := range accounts {
			all[id] = true
		}
		if len(all) > each.limit && len(all) > before {
			return NewReason(ReasonDayLimit, each.whose,
				strconv.Itoa(each.limit), strconv.Itoa(before), strconv.Itoa(len(accounts))), nil
		}
	}
	return Reason{}, nil
}
