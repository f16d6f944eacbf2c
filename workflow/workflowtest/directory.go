package workflowtest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// Organisation is a Directory in memory that counts what was done to it. Its faults are asked
// before each call; the zero value of each is healthy.
type Organisation struct {
	Mu       sync.Mutex
	Accounts map[string]workflow.Account
	Locks    map[string]string // account id + " " + privilege → reason key
	Claims   []workflow.DomainClaim
	effects  []Effect
	Reads    int

	// Fault is asked before every call that changes something.
	Fault func(id string) Fault
	// Refuse is asked what the vendor says to giving an account an address.
	Refuse func(id, to string) error
	// Deny is asked before every read.
	Deny func(id string) error
	// Latency is how long every call takes.
	Latency time.Duration
}

// Effect is one change that really happened.
type Effect struct {
	ID, From, To string
	At           time.Time
}

// Fault is what goes wrong with one call: nothing happens, or the answer is lost after it happened,
// or it happens later than the answer, or never in spite of it.
type Fault struct {
	Before  error
	After   error
	Late    time.Duration // with before: when it happens all the same
	Ignored bool          // the call is accepted and nothing happens
}

// NewOrganisation returns an organisation with these accounts, two verified domains and one that is
// not. An account without status or type is an active one of Atlassian.
func NewOrganisation(accounts ...workflow.Account) *Organisation {
	o := &Organisation{Accounts: map[string]workflow.Account{}, Locks: map[string]string{}}
	for _, a := range accounts {
		if a.Status == "" {
			a.Status = workflow.StatusActive
		}
		if a.Type == "" {
			a.Type = "atlassian"
		}
		o.Accounts[a.ID] = a
	}
	o.Claims = []workflow.DomainClaim{
		{Name: "old.example", Verified: true}, {Name: "new.example", Verified: true}, {Name: "unverified.example"},
	}
	return o
}

// Managed returns a managed account, active once it is in an organisation.
func Managed(id, email string) workflow.Account {
	return workflow.Account{ID: id, Name: "Person " + id, Email: email, Managed: true, RolesKnown: true}
}

// Current returns the account as it is; the zero Account when there is none.
func (o *Organisation) Current(id string) workflow.Account {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	return o.Accounts[id]
}

// Set changes an account.
func (o *Organisation) Set(id string, change func(*workflow.Account)) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	a := o.Accounts[id]
	change(&a)
	o.Accounts[id] = a
}

// Happened returns the changes that really happened, oldest first.
func (o *Organisation) Happened() []Effect {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	return slices.Clone(o.effects)
}

// SetFault replaces Fault while calls may be under way.
func (o *Organisation) SetFault(f func(id string) Fault) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	o.Fault = f
}

// SetDeny replaces Deny while reads may be under way.
func (o *Organisation) SetDeny(f func(id string) error) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	o.Deny = f
}

// wait is one call's way there and back.
func (o *Organisation) wait(ctx context.Context) error {
	o.Mu.Lock()
	latency := o.Latency
	o.Mu.Unlock()
	if latency == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(latency):
		return nil
	}
}

func (o *Organisation) mayRead(id string) error {
	o.Mu.Lock()
	o.Reads++
	deny := o.Deny
	o.Mu.Unlock()
	if deny == nil {
		return nil
	}
	return deny(id) // without the lock, as it may take its time
}

// Account reads a managed account; workflow.ErrNotFound when there is none.
func (o *Organisation) Account(ctx context.Context, id string) (workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead(id)); err != nil {
		return workflow.Account{}, err
	}
	a := o.Current(id)
	if a.ID == "" || !a.Managed {
		return workflow.Account{}, workflow.ErrNotFound
	}
	a.OrgAdmin, a.Groups, a.RolesKnown = false, nil, false // only searches tell
	return a, nil
}

// Privileges reads which of the privileges are ours for the account.
func (o *Organisation) Privileges(ctx context.Context, id string, keys ...string) (map[string]workflow.Privilege, error) {
	if _, err := o.Account(ctx, id); err != nil {
		return nil, err
	}
	o.Mu.Lock()
	defer o.Mu.Unlock()
	out := map[string]workflow.Privilege{}
	for _, k := range keys {
		lock, locked := o.Locks[id+" "+k]
		out[k] = workflow.Privilege{Allowed: !locked, Key: lock}
	}
	return out, nil
}

// ByAddress implements workflow.Reader.
func (o *Organisation) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead("")); err != nil {
		return nil, err
	}
	o.Mu.Lock()
	defer o.Mu.Unlock()
	wanted := map[string]bool{}
	for _, a := range addresses {
		wanted[workflow.AddressKey(a)] = true
	}
	out := map[string][]workflow.Account{}
	for _, id := range slices.Sorted(maps.Keys(o.Accounts)) {
		a := o.Accounts[id]
		if key := workflow.AddressKey(a.Email); wanted[key] {
			out[key] = append(out[key], a)
		}
	}
	return out, nil
}

// ByID implements workflow.Reader.
func (o *Organisation) ByID(ctx context.Context, ids []string) (map[string]workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead("")); err != nil {
		return nil, err
	}
	o.Mu.Lock()
	defer o.Mu.Unlock()
	out := map[string]workflow.Account{}
	for _, id := range ids {
		if a, ok := o.Accounts[id]; ok {
			out[id] = a
		}
	}
	return out, nil
}

// Search implements workflow.Reader.
func (o *Organisation) Search(ctx context.Context, text string, limit int) ([]workflow.Account, error) {
	if err := o.mayRead(""); err != nil {
		return nil, err
	}
	o.Mu.Lock()
	defer o.Mu.Unlock()
	var out []workflow.Account
	for _, id := range slices.Sorted(maps.Keys(o.Accounts)) {
		if a := o.Accounts[id]; strings.Contains(a.Name+a.Email, text) && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, ctx.Err()
}

// Domains implements workflow.Reader.
func (o *Organisation) Domains(ctx context.Context) ([]workflow.DomainClaim, error) {
	return o.Claims, errors.Join(o.wait(ctx), o.mayRead(""))
}

// GroupsNamed implements workflow.Reader: every name is that of a group.
func (o *Organisation) GroupsNamed(ctx context.Context, names []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, name := range names {
		out[workflow.GroupKey(name)] = true
	}
	return out, ctx.Err()
}

// For implements engine.Directory; nobody takes turns here.
func (o *Organisation) For(int64) workflow.Directory { return o }

// SetEmail gives the account another address.
func (o *Organisation) SetEmail(ctx context.Context, id, address string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Email = a.Email, address
		return from, address
	})
}

// Deactivate makes the account inactive.
func (o *Organisation) Deactivate(ctx context.Context, id, _ string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Status = string(a.Status), workflow.StatusInactive
		return from, string(a.Status)
	})
}

// Activate makes the account active.
func (o *Organisation) Activate(ctx context.Context, id string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Status = string(a.Status), workflow.StatusActive
		return from, string(a.Status)
	})
}

func (o *Organisation) write(ctx context.Context, id string, change func(*workflow.Account) (from, to string)) error {
	if err := o.wait(ctx); err != nil {
		return err
	}
	o.Mu.Lock()
	defer o.Mu.Unlock()
	var f Fault
	if o.Fault != nil {
		f = o.Fault(id)
	}
	if f.Late > 0 {
		go func() {
			time.Sleep(f.Late)
			o.Mu.Lock()
			defer o.Mu.Unlock()
			_ = o.apply(id, change)
		}()
	}
	if f.Before != nil || f.Ignored {
		return f.Before
	}
	if err := o.apply(id, change); err != nil {
		return err
	}
	return f.After
}

// apply lets a call take effect; the caller holds the lock.
func (o *Organisation) apply(id string, change func(*workflow.Account) (from, to string)) error {
	a := o.Accounts[id]
	from, to := change(&a)
	if o.Refuse != nil {
		if err := o.Refuse(id, to); err != nil {
			return err
		}
	}
	if strings.Contains(to, "@") {
		for other, b := range o.Accounts {
			if other != id && workflow.SameAddress(b.Email, to) {
				return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonCollision, to)}
			}
		}
	}
	o.Accounts[id] = a
	o.effects = append(o.effects, Effect{ID: id, From: from, To: to, At: time.Now()})
	return nil
}

// Read implements workflow.Reader.
func (o *Organisation) Read(ctx context.Context, facts ...workflow.Fact) (workflow.Answers, error) {
	return answers(ctx, o, facts)
}

// Call implements workflow.Caller.
func (o *Organisation) Call(ctx context.Context, call workflow.Call) (workflow.Values, error) {
	return nil, carryOut(ctx, o, call)
}

// teller is a fake in the words of accounts.
type teller interface {
	Account(ctx context.Context, id string) (workflow.Account, error)
	Privileges(ctx context.Context, id string, keys ...string) (map[string]workflow.Privilege, error)
}

// answers answers facts by what a fake tells of accounts.
func answers(ctx context.Context, from teller, facts []workflow.Fact) (workflow.Answers, error) {
	out := workflow.Answers{}
	var keys []string
	for _, fact := range facts {
		switch fact.Kind {
		case workflow.KindProfile:
			a, err := from.Account(ctx, fact.AccountID)
			if err != nil {
				return nil, err
			}
			out[fact] = []workflow.Values{workflow.ProfileValues(a)}
		case workflow.KindManage:
			keys = append(keys, fact.Arg)
		case action.KindLinks, action.KindSCIMGroups, action.KindSCIMDirectories: // there are no SCIM directories of ours
			out[fact] = nil
		default:
			return nil, fmt.Errorf("%s is not answered here", fact.Kind)
		}
	}
	if len(keys) == 0 {
		return out, nil
	}
	privileges, err := from.Privileges(ctx, facts[0].AccountID, keys...)
	for key, p := range privileges {
		out[workflow.Manage(facts[0].AccountID, key)] = []workflow.Values{workflow.PrivilegeValues("", p)}
	}
	return out, err
}

// doer is a fake in the words of the calls.
type doer interface {
	SetEmail(ctx context.Context, id, address string) error
	Deactivate(ctx context.Context, id, message string) error
	Activate(ctx context.Context, id string) error
}

// carryOut makes a call by what a fake can do.
func carryOut(ctx context.Context, by doer, call workflow.Call) error {
	switch call.Operation {
	case action.OpSetEmail:
		return by.SetEmail(ctx, call.AccountID, call.Args.Get(workflow.FieldEmail))
	case action.OpDisable:
		return by.Deactivate(ctx, call.AccountID, call.Args.Get(workflow.FieldMessage))
	case action.OpEnable:
		return by.Activate(ctx, call.AccountID)
	default:
		return fmt.Errorf("%s is not carried out here", call.Operation)
	}
}
