package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// incompletePercent is over which share of a domain's active accounts the list is taken to be
// incomplete, so that nobody is drafted by it.
const incompletePercent = 20

// ErrNoNight says that no snapshot has been taken yet.
var ErrNoNight = errors.New("no night has been recorded yet")

// Comparison is what is different between a list of people and the directory, on the list's domains.
type Comparison struct {
	At             time.Time // when the directory was read
	Header         []string  // of the list
	Listed         int       // people in the list
	Bad            []int     // lines that cannot be read
	Active         int       // active accounts on the list's domains
	Deactivated    int       // people in the list whose account is not active
	NotInList      []Leaver  // active and not in the list, by address
	NotInDirectory []workflow.Listed
	OtherName      []Renamed
	Incomplete     []string // domains of which too many are missing for the list to be whole
}

// Leaver is an active account that a list does not have.
type Leaver struct {
	workflow.Member
	Mark workflow.Mark // why no draft has it
}

// Renamed is a person whom list and directory call otherwise.
type Renamed struct {
	Listed  workflow.Listed
	Account workflow.Account
}

// Drafts returns the accounts of which a draft of a request is offered: none where the list may be
// incomplete.
func (c *Comparison) Drafts() []workflow.Account {
	if len(c.Incomplete) > 0 {
		return nil
	}
	var accounts []workflow.Account
	for _, l := range c.NotInList {
		if l.Mark == "" {
			accounts = append(accounts, l.Account)
		}
	}
	return accounts
}

// compare sets a list beside the accounts. Apps are nobody whom a list has.
func compare(list *sheet.List, members iter.Seq2[workflow.Member, error]) (*Comparison, error) {
	byID, byAddress, domains := map[string]int{}, map[string]int{}, map[string]bool{}
	for i, l := range list.Rows {
		if l.AccountID != "" {
			byID[l.AccountID] = i
		}
		if l.Email != "" {
			byAddress[workflow.AddressKey(l.Email)] = i
			domains[workflow.Domain(l.Email)] = true
		}
	}
	c := &Comparison{Header: list.Header, Listed: len(list.Rows), Bad: list.Bad}
	found := make([]bool, len(list.Rows))
	active, missing := map[string]int{}, map[string]int{}
	for m, err := range members {
		if err != nil {
			return nil, err
		}
		domain := workflow.Domain(m.Email)
		on := m.Status == workflow.StatusActive && domains[domain] && m.Type != workflow.TypeApp
		if on {
			active[domain]++
			c.Active++
		}
		at, listed := byID[m.ID]
		if !listed && m.Email != "" {
			at, listed = byAddress[workflow.AddressKey(m.Email)]
		}
		switch {
		case !listed && on:
			missing[domain]++
			c.NotInList = append(c.NotInList, Leaver{Member: m})
		case !listed:
		default:
			found[at] = true
			if m.Status != workflow.StatusActive {
				c.Deactivated++
			}
			if l := list.Rows[at]; l.Name != "" && workflow.NameKey(l.Name) != workflow.NameKey(m.Name) {
				c.OtherName = append(c.OtherName, Renamed{l, m.Account})
			}
		}
	}
	for i, l := range list.Rows {
		if !found[i] {
			c.NotInDirectory = append(c.NotInDirectory, l)
		}
	}
	for _, domain := range slices.Sorted(maps.Keys(missing)) {
		if missing[domain]*100 > active[domain]*incompletePercent {
			c.Incomplete = append(c.Incomplete, domain)
		}
	}
	slices.SortFunc(c.NotInList, func(a, b Leaver) int {
		return cmp.Or(cmp.Compare(workflow.AddressKey(a.Email), workflow.AddressKey(b.Email)), cmp.Compare(a.ID, b.ID))
	})
	return c, nil
}

// Compare sets a list beside the newest snapshot. Errors: ErrNoNight.
func (r *Runner) Compare(ctx context.Context, list *sheet.List) (*Comparison, error) {
	newest, err := r.store.ListSnapshots(ctx, SnapshotQuery{Population: ManagedPopulation, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, fmt.Errorf("compare a list: %w", ErrNoNight)
	}
	c, err := compare(list, r.store.SnapshotMembers(ctx, newest[0].ID))
	if err != nil {
		return nil, err
	}
	c.At = newest[0].At
	accounts := make([]workflow.Account, len(c.NotInList))
	for i, l := range c.NotInList {
		accounts[i] = l.Account
	}
	marks, err := marked(ctx, r.from.Marks, accounts)
	if ctx.Err() != nil {
		return nil, err
	}
	if err != nil {
		r.log.Warn().Err(err).Msg("find the marks of who is not in a list")
	}
	for i := range c.NotInList {
		c.NotInList[i].Mark = marks[c.NotInList[i].ID]
	}
	return c, nil
}

// WriteNotInList writes the active accounts that the list does not have.
func (c *Comparison) WriteNotInList(w io.Writer) error {
	header := []string{"account_id", "name", "email", "status", "last_active", "mark"}
	return sheet.WriteCSV(w, header, func(yield func([]string) bool) {
		for _, l := range c.NotInList {
			last, _, _ := lastActive(l.Member)
			if !yield([]string{l.ID, l.Name, l.Email, string(l.Status), last, string(l.Mark)}) {
				return
			}
		}
	})
}

// WriteNotInDirectory writes the rows of the list that nobody in the directory is, as they were sent,
// with their lines.
func (c *Comparison) WriteNotInDirectory(w io.Writer) error {
	header := append(slices.Clone(c.Header), "line")
	return sheet.WriteCSV(w, header, func(yield func([]string) bool) {
		for _, l := range c.NotInDirectory {
			row := make([]string, len(header))
			copy(row, l.Cells[:min(len(l.Cells), len(c.Header))])
			row[len(header)-1] = strconv.Itoa(l.Line)
			if !yield(row) {
				return
			}
		}
	})
}
