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

// ErrNoNight says that no snapshot has been taken yet; one is being taken.
var ErrNoNight = errors.New("no night has been recorded yet")

// SentList is a list as somebody sent it to be compared.
type SentList struct {
	Delivery string // by which it came: the same one is the same comparison
	FileName string
	By       string // who sent it, by their Slack user id
	Author   string // who uploaded the file
	At       time.Time
	Content  []byte
}

// Lists keeps the lists that were compared. They have numbers of their own, from 1.
type Lists interface {
	// NumberList gives a list the number that its delivery has, or else the next one, keeps its bytes
	// and leaves an event.
	NumberList(ctx context.Context, list SentList) (number int, err error)
	// ComparedList returns the list of that number; workflow.ErrGone where there is none, or its bytes
	// are no longer kept (store.keep_files).
	ComparedList(ctx context.Context, number int) (SentList, error)
}

// Comparison is what is different between a list of people and the directory, on the list's domains.
type Comparison struct {
	At             time.Time // when the directory was read
	First          bool      // it was read for this comparison, as no night had been recorded
	Note           string    // what is to be said of that reading, as a clause; "" for nothing
	Header         []string  // of the list
	Listed         int       // people in the list, each once
	Twice          []int     // lines that name somebody whom an earlier one names
	Bad            []int     // lines that cannot be read
	BadWhy         string    // the first of them, as a clause
	Active         int       // active accounts on the list's domains
	Deactivated    int       // people in the list whose account is not active
	NotInList      []Leaver  // active and not in the list, by address
	NotInDirectory []workflow.Listed
	OtherName      []Renamed
	Nameless       bool     // the list calls nobody anything, so names were not compared
	Incomplete     []string // domains of which too many are missing for the list to be whole
}

// Leaver is an active account that a list does not have.
type Leaver struct {
	workflow.Member
	Mark workflow.Mark // why no draft has it
}

// Last returns when the account was last active in any product, as sent; "" where that is not known.
func (l Leaver) Last() string {
	last, _, _ := lastActive(l.Member)
	return last
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

// listedPerson is somebody in a list: the rows with the same account or the same address.
type listedPerson struct {
	rows  []workflow.Listed
	found bool
}

// named reports whether one of the rows calls the person so, or none calls them anything.
func (p *listedPerson) named(name string) bool {
	nameless := true
	for _, l := range p.rows {
		if l.Name != "" && workflow.NameKey(l.Name) == workflow.NameKey(name) {
			return true
		}
		nameless = nameless && l.Name == ""
	}
	return nameless
}

// listedPeople returns the people of a list, in its order, by account id and by the key of their
// addresses.
func listedPeople(list *sheet.List) (people []*listedPerson, byID, byAddress map[string]*listedPerson) {
	byID, byAddress = map[string]*listedPerson{}, map[string]*listedPerson{}
	put := func(p *listedPerson, rows ...workflow.Listed) {
		for _, l := range rows {
			if l.AccountID != "" {
				byID[l.AccountID] = p
			}
			if l.Email != "" {
				byAddress[workflow.AddressKey(l.Email)] = p
			}
		}
		p.rows = append(p.rows, rows...)
	}
	for _, l := range list.Rows {
		p, same := byID[l.AccountID], (*listedPerson)(nil)
		if l.Email != "" {
			same = byAddress[workflow.AddressKey(l.Email)]
		}
		if p == nil {
			p, same = same, nil
		}
		if p == nil {
			p = &listedPerson{}
			people = append(people, p)
		}
		if same != nil && same != p { // this row has the id of one and the address of the other
			put(p, same.rows...)
			same.rows = nil
		}
		put(p, l)
	}
	people = slices.DeleteFunc(people, func(p *listedPerson) bool { return len(p.rows) == 0 })
	for _, p := range people {
		slices.SortFunc(p.rows, func(a, b workflow.Listed) int { return cmp.Compare(a.Line, b.Line) })
	}
	return people, byID, byAddress
}

// compare sets a list beside the accounts. Apps are nobody whom a list has.
func compare(list *sheet.List, members iter.Seq2[workflow.Member, error]) (*Comparison, error) {
	people, byID, byAddress := listedPeople(list)
	domains := map[string]bool{}
	for _, l := range list.Rows {
		if l.Email != "" {
			domains[workflow.Domain(l.Email)] = true
		}
	}
	c := &Comparison{Header: list.Header, Listed: len(people), Bad: list.Bad, BadWhy: list.BadWhy}
	c.Nameless = !slices.ContainsFunc(list.Rows, func(l workflow.Listed) bool { return l.Name != "" })
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
		p := byID[m.ID]
		if m.Email != "" {
			if by := byAddress[workflow.AddressKey(m.Email)]; p == nil {
				p = by
			} else if by != nil { // the list has the account in one row and its address in another
				by.found = true
			}
		}
		switch {
		case p == nil && on:
			missing[domain]++
			c.NotInList = append(c.NotInList, Leaver{Member: m})
		case p == nil:
		default:
			p.found = true
			if m.Status != workflow.StatusActive {
				c.Deactivated++
			}
			if !p.named(m.Name) {
				c.OtherName = append(c.OtherName, Renamed{p.rows[0], m.Account})
			}
		}
	}
	for _, p := range people {
		if !p.found {
			c.NotInDirectory = append(c.NotInDirectory, p.rows[0])
		}
		for _, l := range p.rows[1:] {
			c.Twice = append(c.Twice, l.Line)
		}
	}
	slices.Sort(c.Twice)
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

// Compare sets a list beside the newest snapshot; where there is none it has one taken, and waits for
// that for a while. Errors: ErrNoNight while it goes on; what a reading of the directory ends with.
func (r *Runner) Compare(ctx context.Context, list *sheet.List) (*Comparison, error) {
	night, first, err := r.newest(ctx)
	if err != nil {
		return nil, fmt.Errorf("compare a list: %w", err)
	}
	c, err := compare(list, r.store.SnapshotMembers(ctx, night.ID))
	if err != nil {
		return nil, err
	}
	c.At, c.First, c.Note = night.At, first, night.Note
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
			if !yield([]string{l.ID, l.Name, l.Email, string(l.Status), l.Last(), string(l.Mark)}) {
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
