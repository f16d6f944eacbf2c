package policy

import (
	"slices"

	"github.com/countersign/countersign/workflow"
)

// Owners says whose own account an account is: by the person's address in Slack, or because
// people.accounts says so.
type Owners struct {
	byAddress map[string][]string // guardKey → people
	byID      map[string][]string // guardKey of account ids → people
}

// NewOwners makes the owners of some people; accounts are people.accounts. Of people without an
// address only these count.
func NewOwners(people []workflow.Person, accounts map[string]string) Owners {
	o := Owners{byAddress: map[string][]string{}, byID: map[string][]string{}}
	add := func(to map[string][]string, key, person string) {
		if key != "" && !slices.Contains(to[key], person) {
			to[key] = append(to[key], person)
		}
	}
	for _, p := range people {
		add(o.byAddress, guardKey(p.Email), p.ID)
		add(o.byID, guardKey(accounts[p.ID]), p.ID)
	}
	return o
}

// Of returns the people whose own account it is, or whose address it would be given: they may be
// several, as an account of one can be given the address of another.
func (o Owners) Of(id, address, target string) []string {
	out := slices.Concat(o.byID[guardKey(id)], o.byAddress[guardKey(address)], o.byAddress[guardKey(target)])
	slices.Sort(out)
	return slices.Compact(out)
}
