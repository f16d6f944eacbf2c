package workflow_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
)

// organisation is a Directory in memory that counts what was done to it. Its faults are asked before each call; the zero
// value of each is healthy.
type organisation struct {
	mu       sync.Mutex
	accounts map[string]workflow.Account
	locks    map[string]string // account id + " " + privilege → reason key
	domains  []workflow.DomainClaim
	effects  []effect
	reads    int

	// fault is asked before every call that changes something.
	fault func(id string) fault
	// refuse is asked what the vendor says to giving an account an address.
	refuse func(id, to string) error
	// deny is asked before every read.
	deny func(id string) error
	// latency is how long every call takes.
	latency time.Duration
}

// effect is one change that really happened.
type effect struct {
	id, from, to string
	at           time.Time
}

// fault is what goes wrong with one call: nothing happens, or the answer is lost after it happened, or it happens later
// than the answer, or never in spite of it.
type fault struct {
	before  error
	after   error
	late    time.Duration // with before: when it happens all the same
	ignored bool          // the call is accepted and nothing happens
}

func newOrganisation(accounts ...workflow.Account) *organisation {
	o := &organisation{accounts: map[string]workflow.Account{}, locks: map[string]string{}}
	for _, a := range accounts {
		if a.Status == "" {
			a.Status = workflow.StatusActive
		}
		if a.Type == "" {
			a.Type = "atlassian"
		}
		o.accounts[a.ID] = a
	}
	o.domains = []workflow.DomainClaim{
		{Name: "old.example", Verified: true}, {Name: "new.example", Verified: true}, {Name: "unverified.example"},
	}
	return o
}

func managed(id, email string) workflow.Account {
	return workflow.Account{ID: id, Name: "Person " + id, Email: email, Managed: true, Ranked: true}
}

func (o *organisation) account(id string) workflow.Account {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.accounts[id]
}

func (o *organisation) set(id string, change func(*workflow.Account)) {
	o.mu.Lock()
	defer o.mu.Unlock()
	a := o.accounts[id]
	change(&a)
	o.accounts[id] = a
}

func (o *organisation) happened() []effect {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.effects)
}

func (o *organisation) setFault(f func(id string) fault) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault = f
}

func (o *organisation) setDeny(f func(id string) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.deny = f
}

// wait is one call's way there and back.
func (o *organisation) wait(ctx context.Context) error {
	if o.latency == 0 {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(o.latency):
		return nil
	}
}

func (o *organisation) mayRead(id string) error {
	o.mu.Lock()
	o.reads++
	deny := o.deny
	o.mu.Unlock()
	if deny == nil {
		return nil
	}
	return deny(id) // without the lock, as it may take its time
}

func (o *organisation) Account(ctx context.Context, id string) (workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead(id)); err != nil {
		return workflow.Account{}, err
	}
	a := o.account(id)
	if a.ID == "" || !a.Managed {
		return workflow.Account{}, workflow.ErrNotFound
	}
	a.OrgAdmin, a.Groups, a.Ranked = false, nil, false // only searches tell
	return a, nil
}

func (o *organisation) Privileges(ctx context.Context, id string, keys ...string) (map[string]workflow.Privilege, error) {
	if _, err := o.Account(ctx, id); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]workflow.Privilege{}
	for _, k := range keys {
		lock, locked := o.locks[id+" "+k]
		out[k] = workflow.Privilege{Allowed: !locked, Key: lock}
	}
	return out, nil
}

func (o *organisation) ByAddress(ctx context.Context, addresses []string) (map[string][]workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead("")); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	wanted := map[string]bool{}
	for _, a := range addresses {
		wanted[workflow.AddressKey(a)] = true
	}
	out := map[string][]workflow.Account{}
	for _, id := range slices.Sorted(maps.Keys(o.accounts)) {
		a := o.accounts[id]
		if key := workflow.AddressKey(a.Email); wanted[key] {
			out[key] = append(out[key], a)
		}
	}
	return out, nil
}

func (o *organisation) ByID(ctx context.Context, ids []string) (map[string]workflow.Account, error) {
	if err := errors.Join(o.wait(ctx), o.mayRead("")); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	out := map[string]workflow.Account{}
	for _, id := range ids {
		if a, ok := o.accounts[id]; ok {
			out[id] = a
		}
	}
	return out, nil
}

func (o *organisation) Search(ctx context.Context, text string, limit int) ([]workflow.Account, error) {
	if err := o.mayRead(""); err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var out []workflow.Account
	for _, id := range slices.Sorted(maps.Keys(o.accounts)) {
		if a := o.accounts[id]; strings.Contains(a.Name+a.Email, text) && len(out) < limit {
			out = append(out, a)
		}
	}
	return out, ctx.Err()
}

func (o *organisation) Domains(ctx context.Context) ([]workflow.DomainClaim, error) {
	return o.domains, errors.Join(o.wait(ctx), o.mayRead(""))
}

func (o *organisation) SetEmail(ctx context.Context, id, address string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Email = a.Email, address
		return from, address
	})
}

func (o *organisation) Deactivate(ctx context.Context, id, _ string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Status = string(a.Status), workflow.StatusInactive
		return from, string(a.Status)
	})
}

func (o *organisation) Activate(ctx context.Context, id string) error {
	return o.write(ctx, id, func(a *workflow.Account) (from, to string) {
		from, a.Status = string(a.Status), workflow.StatusActive
		return from, string(a.Status)
	})
}

func (o *organisation) write(ctx context.Context, id string, change func(*workflow.Account) (from, to string)) error {
	if err := o.wait(ctx); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var f fault
	if o.fault != nil {
		f = o.fault(id)
	}
	if f.late > 0 {
		go func() {
			time.Sleep(f.late)
			o.mu.Lock()
			defer o.mu.Unlock()
			_ = o.apply(id, change)
		}()
	}
	if f.before != nil || f.ignored {
		return f.before
	}
	if err := o.apply(id, change); err != nil {
		return err
	}
	return f.after
}

// apply lets a call take effect; the caller holds the lock.
func (o *organisation) apply(id string, change func(*workflow.Account) (from, to string)) error {
	a := o.accounts[id]
	from, to := change(&a)
	if o.refuse != nil {
		if err := o.refuse(id, to); err != nil {
			return err
		}
	}
	if strings.Contains(to, "@") {
		for other, b := range o.accounts {
			if other != id && workflow.SameAddress(b.Email, to) {
				return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonCollision, to)}
			}
		}
	}
	o.accounts[id] = a
	o.effects = append(o.effects, effect{id: id, from: from, to: to, at: time.Now()})
	return nil
}
