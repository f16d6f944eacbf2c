package workflow

import (
	"cmp"
	"context"
	"slices"
	"strings"
)

// Humans knows which people in Slack are one human: those with one address, by its key, or with one
// Atlassian account. An account is a person's by the settings (people.accounts) or by its address,
// which is the person's in Slack.
type Humans struct {
	accounts  func(person string) string // by the settings; "" for none
	addresses map[string]string          // account id → its address, as far as it is known
}

// NewHumans makes Humans of the accounts that the settings name, and of their addresses by id.
func NewHumans(accounts func(person string) string, addresses map[string]string) Humans {
	return Humans{accounts: accounts, addresses: addresses}
}

// Same reports whether two people in Slack are one human, as far as can be told. It may only
// refuse.
func (h Humans) Same(a, b Person) bool {
	if a.ID != "" && a.ID == b.ID {
		return true
	}
	ours := h.marks(a)
	return slices.ContainsFunc(h.marks(b), func(mark string) bool { return slices.Contains(ours, mark) })
}

// Addresses are those of the accounts, by their ids, as far as they were looked up.
func (h Humans) Addresses() map[string]string { return h.addresses }

// marks are what tells a human: the keys of their addresses, and the id of their account.
func (h Humans) marks(p Person) []string {
	var out []string
	if p.Readable() {
		out = append(out, AddressKey(p.Email))
	}
	if h.accounts == nil {
		return out
	}
	account := h.accounts(p.ID)
	if account == "" {
		return out
	}
	out = append(out, "account:"+AddressKey(account)) // in whatever case the settings write it
	if address := h.addresses[account]; address != "" {
		out = append(out, AddressKey(address))
	}
	return out
}

// among returns the ids of those who are the same human as the person.
func (h Humans) among(p Person, others ...Person) []string {
	var ids []string
	for _, o := range others {
		if o.ID != "" && !slices.Contains(ids, o.ID) && h.Same(p, o) {
			ids = append(ids, o.ID)
		}
	}
	return ids
}

// Readable reports whether Slack shows the person's address. Who does not show one cannot be told
// from others.
func (p Person) Readable() bool { return strings.Contains(strings.Trim(AddressKey(p.Email), "@"), "@") }

// UntoldApart is what a plan needs besides the rules where the address of requester or author
// cannot be read: nobody can be told apart from them, so that one approval may be their own.
// Emergencies need it, too.
func UntoldApart(d Demand, askers ...Person) Demand {
	const least = 2
	hidden := func(p Person) bool { return !p.Readable() }
	if !slices.ContainsFunc(askers, hidden) || d.Approvals > least {
		return d
	}
	const why = "the address of who asked, or of the file's author, cannot be read in Slack, so nobody can be told apart from them"
	if d.Approvals < least {
		d.Approvals, d.Why = least, nil
	}
	d.Why = append(slices.Clone(d.Why), why)
	return d
}

// Identify is the actor of an act on a batch, with those of its people who are the same human.
func (h Humans) Identify(b *Batch, actor Actor) Actor {
	actor.Same = h.among(actor.Person, b.People()...)
	return actor
}

// MayApprove returns why somebody may not approve a batch, nil when they may. own are the people whose
// own account a batch of one is about.
func (h Humans) MayApprove(b *Batch, own []string, actor Actor) error {
	if err := May(ActApprove, b, h.Identify(b, actor)); err != nil {
		return err
	}
	return Require(!slices.Contains(own, actor.ID), ErrOwnAccount)
}

// CanApprove returns who of the people could approve a batch, by MayApprove: each human once, and as
// if nobody had approved yet. It is what a click is decided by.
func (h Humans) CanApprove(b *Batch, own []string, people ...Actor) []Person {
	waiting := &Batch{State: AwaitingApproval, BatchRequest: BatchRequest{Requester: b.Requester, Author: b.Author}}
	var able []Person
	for _, p := range people {
		if h.MayApprove(waiting, own, p) != nil {
			continue
		}
		able = append(able, p.Person)
		waiting.Decisions = append(waiting.Decisions, Decision{Person: p.Person, Verdict: Approve})
	}
	return able
}

// LookUpHumans makes Humans of some people, looking up the accounts that the policy names for them.
// Errors are those of the reader.
func LookUpHumans(ctx context.Context, reader Reader, policy Policy, people []Person) (Humans, error) {
	var ids []string
	for _, p := range people {
		if id := policy.AccountOf(p.ID); id != "" && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	addresses, err := OwnAddresses(ctx, reader, ids)
	return NewHumans(policy.AccountOf, addresses), err
}

// OwnAddresses looks up the addresses of accounts by their ids as the settings write them: in whatever
// capitals, while Atlassian's have none. It is "" for one that is not there, or shows none.
func OwnAddresses(ctx context.Context, reader Reader, ids []string) (map[string]string, error) {
	out := map[string]string{}
	if len(ids) == 0 {
		return out, nil
	}
	var ask []string
	for _, id := range ids {
		for _, spelled := range []string{id, strings.ToLower(id)} {
			if !slices.Contains(ask, spelled) {
				ask = append(ask, spelled)
			}
		}
	}
	found, err := reader.ByID(ctx, ask)
	if err != nil {
		return out, err
	}
	for _, id := range ids {
		out[id] = cmp.Or(found[id].Email, found[strings.ToLower(id)].Email)
	}
	return out, nil
}

// People are requester, author and who decided, as they were when they did.
func (b *Batch) People() []Person {
	out := []Person{b.Requester, b.Author}
	for _, d := range b.Decisions {
		out = append(out, d.Person)
	}
	return out
}
