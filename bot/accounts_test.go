package bot_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// accounts is an organisation's directory in memory.
type accounts struct {
	mu    sync.Mutex
	by    map[string]workflow.Account
	calls int             // that changed something
	hold  chan struct{}   // when not nil, a change waits for it to be closed
	free  map[string]bool // accounts whose changes do not wait
	// refuse are accounts whose changes the organisation refuses.
	refuse map[string]bool
	takes  time.Duration     // each change
	deny   error             // what each change is answered with
	locked map[string]string // accounts whose address is not ours to set, and the vendor's word for why
	list   chan struct{}     // when not nil, a list of all accounts waits for it after its first page
}

func newAccounts(n int) *accounts {
	a := &accounts{by: map[string]workflow.Account{}}
	for i := range n {
		id := fmt.Sprintf("712020:%04d", i)
		a.by[id] = workflow.Account{
			ID: id, Name: fmt.Sprintf("Person %d", i), Email: fmt.Sprintf("p%d@old.example", i), Type: "atlassian",
			Status: workflow.StatusActive, Managed: true, RolesKnown: true,
		}
	}
	return a
}

func (a *accounts) Account(_ context.Context, id string) (workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if acc, ok := a.by[id]; ok {
		return acc, nil
	}
	return workflow.Account{}, workflow.ErrNotFound
}

func (a *accounts) ByAddress(_ context.Context, addresses []string) (map[string][]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string][]workflow.Account{}
	for _, acc := range a.by {
		if slices.ContainsFunc(addresses, func(s string) bool { return workflow.SameAddress(s, acc.Email) }) {
			key := workflow.AddressKey(acc.Email)
			out[key] = append(out[key], acc)
		}
	}
	return out, nil
}

func (a *accounts) ByID(_ context.Context, ids []string) (map[string]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]workflow.Account{}
	for _, id := range ids {
		if acc, ok := a.by[id]; ok {
			out[id] = acc
		}
	}
	return out, nil
}

func (a *accounts) Search(_ context.Context, text string, limit int) ([]workflow.Account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []workflow.Account
	for _, id := range slices.Sorted(maps.Keys(a.by)) {
		if acc := a.by[id]; len(out) < limit && strings.Contains(acc.Name+acc.Email, text) {
			out = append(out, acc)
		}
	}
	return out, nil
}

func (a *accounts) GroupsNamed(context.Context, []string) (map[string]bool, error) {
	return map[string]bool{}, nil
}

func (a *accounts) For(int64) workflow.Directory { return a }

func (a *accounts) Domains(context.Context) ([]workflow.DomainClaim, error) {
	return []workflow.DomainClaim{
		{Name: "old.example", Verified: true, Status: "verified"}, {Name: "new.example", Verified: true, Status: "verified"},
	}, nil
}

func (a *accounts) change(ctx context.Context, id string, do func(*workflow.Account)) error {
	if a.hold != nil && !a.free[id] {
		select {
		case <-a.hold:
		case <-ctx.Done():
			return workflow.ErrNotSent
		}
	}
	if a.takes > 0 && pass(ctx, a.takes) != nil {
		return workflow.ErrNotSent
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	acc, ok := a.by[id]
	if !ok {
		return workflow.ErrNotFound
	}
	if a.deny != nil {
		return a.deny
	}
	if a.refuse[id] {
		return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, "403", "not today")}
	}
	do(&acc)
	a.by[id] = acc
	a.calls++
	return nil
}

// set changes the organisation itself.
func (a *accounts) set(do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	do()
}

func (a *accounts) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	out := workflow.Answers{}
	for _, fact := range facts {
		switch fact.Kind {
		case workflow.KindProfile:
			acc, err := a.Account(ctx, fact.AccountID)
			if err != nil {
				return nil, err
			}
			out[fact] = []workflow.Values{workflow.ProfileValues(acc)}
		case workflow.KindManage:
			a.mu.Lock()
			key := a.locked[fact.AccountID]
			a.mu.Unlock()
			if fact.Arg != "email.set" {
				key = ""
			}
			allowed := workflow.Privilege{Allowed: key == "", Key: key}
			out[fact] = []workflow.Values{workflow.PrivilegeValues("", allowed), workflow.PrivilegeValues(workflow.FieldName, allowed)}
		case action.KindGroupNamed:
			for id, g := range groupsOfTests {
				if workflow.GroupKey(g.Name) == workflow.GroupKey(fact.Arg) || id == fact.Arg {
					out[fact] = append(out[fact], action.Group{ID: id, Name: g.Name}.Values())
				}
			}
		}
	}
	return out, nil
}

func (a *accounts) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	return nil, a.change(ctx, call.AccountID, func(acc *workflow.Account) {
		switch call.Operation {
		case action.OpSetEmail:
			acc.Email = call.Args.Get(workflow.FieldEmail)
		case action.OpDisable:
			acc.Status = workflow.StatusInactive
		case action.OpEnable:
			acc.Status = workflow.StatusActive
		}
	})
}

// pass waits for so long, or until ctx ends.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// groupsOfTests are the groups that there are, by id. Those of a name that begins with "few" have the
// first three accounts.
var groupsOfTests = map[string]workflow.FoundGroup{
	"g-1": {ID: "g-1", Name: "few people", Members: 3, Gives: []string{"jira-software"}},
	"g-2": {ID: "g-2", Name: "synced", Members: 2, Closed: workflow.GroupSynced},
	"g-3": {ID: "g-3", Name: "twins", Members: 0},
	"g-4": {ID: "g-4", Name: "Twins", Members: 0},
}

// Managed implements workflow.Lookups, two accounts a page.
func (a *accounts) Managed(
	ctx context.Context, progress func(listed, announced int) error,
) ([]workflow.Account, int, error) {
	a.mu.Lock()
	var all []workflow.Account
	for _, id := range slices.Sorted(maps.Keys(a.by)) {
		all = append(all, a.by[id])
	}
	list := a.list
	a.mu.Unlock()
	for n := 0; n < len(all); n += 2 {
		if err := progress(min(n+2, len(all)), len(all)); err != nil {
			return nil, 0, err
		}
		if list == nil {
			continue
		}
		select {
		case <-list:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
	return all, len(all), nil
}

// GroupMembers implements workflow.Lookups.
func (a *accounts) GroupMembers(_ context.Context, id string) (map[string]bool, error) {
	members := map[string]bool{}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, account := range slices.Sorted(maps.Keys(a.by)) {
		if len(members) < groupsOfTests[id].Members {
			members[account] = true
		}
	}
	return members, nil
}

// SearchGroups implements workflow.Lookups.
func (a *accounts) SearchGroups(_ context.Context, text string, limit int) (groups []workflow.FoundGroup, more bool, err error) {
	for _, id := range slices.Sorted(maps.Keys(groupsOfTests)) {
		if g := groupsOfTests[id]; strings.Contains(strings.ToLower(g.Name), strings.ToLower(text)) {
			groups = append(groups, g)
		}
	}
	return groups[:min(limit, len(groups))], len(groups) > limit, nil
}

// Details implements workflow.Lookups.
func (a *accounts) Details(_ context.Context, ids []string) (map[string]workflow.Detail, error) {
	out := map[string]workflow.Detail{}
	for _, id := range ids {
		out[id] = workflow.Detail{
			Status: "active", Groups: []string{"few people"},
			Products: []workflow.ProductUse{{Key: "jira-software", LastActive: "2026-11-20T10:00:00Z"}, {Key: "confluence"}},
		}
	}
	return out, nil
}
