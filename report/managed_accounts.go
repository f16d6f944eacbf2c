package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// The figures of a managed-accounts report.
const (
	FigureAccounts Figure = "accounts" // all of them, closed ones too
	FigureActive   Figure = "active"
	FigureInactive Figure = "inactive" // deactivated
	FigureBillable Figure = "billable"
)

// managedAccounts returns every account that the organisation manages, as the directory lists it.
func managedAccounts() Kind {
	return Kind{
		Name:     ManagedAccounts,
		Take:     takeManaged,
		Headline: accountsHeadline,
		Message: func(ctx context.Context, from Sources, _ Definition, r Result) (Message, error) {
			chart, err := chartOverTime(ctx, from, r, "Billable accounts", FigureBillable)
			return Message{Chart: chart}, err
		},
		Table: func(ctx context.Context, from Sources, _ Definition, r Result, w io.Writer) error {
			products, err := from.Store.SnapshotProducts(ctx, r.Snapshot)
			if err != nil {
				return err
			}
			return WriteAccounts(w, products, from.Store.SnapshotMembers(ctx, r.Snapshot))
		},
	}
}

// takeManaged records the directory as it is now. Reports that are due at the same moment share one
// night, whichever of them comes first.
func takeManaged(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	newest, err := from.Store.ListSnapshots(ctx, SnapshotQuery{Limit: 1})
	if err != nil {
		return Snapshot{}, err
	}
	if !from.due.IsZero() && len(newest) > 0 && !newest[0].At.Before(from.due) && !newest[0].At.After(at) {
		if night, ok, err := scheduled(ctx, from, newest[0]); ok || err != nil {
			return night, err
		}
	}
	return takeAccounts(ctx, from, d, at)
}

// scheduled reports whether a scheduled run stands on a night of its own report. The night returned has
// what was to be said of its reading.
func scheduled(ctx context.Context, from Sources, s Snapshot) (night Snapshot, is bool, err error) {
	results, err := from.Results.Results(ctx, s.Report, "", 0)
	for _, r := range results {
		if r.Snapshot == s.ID && !r.Failed {
			s.Note = strings.TrimSuffix(strings.TrimSuffix(r.Reason, begunAgain), "; ")
			is = is || r.By == ""
		}
	}
	return s, is, err
}

// takeAccounts records the directory as it is now. Who decides about each account is read along, once a
// night; where that fails what is known of it stays.
func takeAccounts(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	owners, unread := from.owners.read(ctx, at)
	var differs *workflow.TotalError
	members := func(yield func(workflow.Member, error) bool) {
		for m, err := range from.Members.Members(ctx) {
			if errors.As(err, &differs) {
				return
			}
			m.Owner = owners[m.ID]
			if !yield(m, err) {
				return
			}
		}
	}
	snapshot, err := from.Store.TakeSnapshot(ctx, d.Name, at, members)
	if err != nil {
		return Snapshot{}, err
	}
	from.owners.stored()
	var notes []string
	if differs != nil {
		notes = append(notes, fmt.Sprintf("Atlassian announces %s accounts and lists %s, also when it is read again",
			workflow.Number(differs.Announced), workflow.Number(differs.Listed)))
	}
	if unread != nil {
		notes = append(notes, "who decides about the accounts could not be read ("+why(unread)+"), and is as it was known before")
	}
	snapshot.Note = strings.Join(notes, "; ")
	return snapshot, nil
}

// recently is how old a snapshot may be, since it was read to its end, to do for a report that is made
// of one.
const recently = time.Hour

// recentAccounts returns a snapshot of up to an hour ago, else records the directory as it is now.
func recentAccounts(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	found, err := from.Store.ListSnapshots(ctx, SnapshotQuery{Population: ManagedPopulation, Limit: 1})
	if err != nil {
		return Snapshot{}, err
	}
	if len(found) > 0 && at.Sub(found[0].Read) <= recently {
		night, _, err := scheduled(ctx, from, found[0])
		return night, err
	}
	return takeAccounts(ctx, from, d, at)
}

// ownersEvery is how long owners that were read are not read again: a night has several reports.
const ownersEvery = 20 * time.Hour

// ownersRead reads the owners once a night. It is used by one run at a time.
type ownersRead struct {
	from    workflow.Owners // nil: nobody knows
	last    time.Time
	pending map[string]string // what was read last, until a snapshot has it
}

// read returns the owner of each account, by id; nothing where a snapshot has them that were read a
// short while ago. A night that is tried again has those of its first try.
func (o *ownersRead) read(ctx context.Context, now time.Time) (map[string]string, error) {
	if o == nil || o.from == nil || now.Sub(o.last) < ownersEvery && !now.Before(o.last) {
		return o.unstored(), nil
	}
	owners := map[string]string{}
	for owned, err := range o.from.Owners(ctx) {
		if err != nil {
			return nil, err
		}
		if owners[owned.AccountID] != workflow.OwnerSynced { // in several directories, held in one
			owners[owned.AccountID] = owned.Owner
		}
	}
	o.last, o.pending = now, owners
	return owners, nil
}

func (o *ownersRead) unstored() map[string]string {
	if o == nil {
		return nil
	}
	return o.pending
}

// stored is called when a snapshot has what was read.
func (o *ownersRead) stored() {
	if o != nil {
		o.pending = nil
	}
}

func accountsHeadline(now, before Figures) []Headline {
	of := func(name Figure) func(Figures) int { return func(f Figures) int { return f[name] } }
	// Closed are the accounts that are neither active nor deactivated: deleted, or in their days of
	// grace.
	closed := func(f Figures) int { return f[FigureAccounts] - f[FigureActive] - f[FigureInactive] }
	told := []Headline{
		headline(now, before, of(FigureAccounts), "account", "accounts"),
		headline(now, before, of(FigureActive), "active", "active"),
		headline(now, before, of(FigureInactive), "deactivated", "deactivated"),
	}
	if h := headline(now, before, closed, "closed", "closed"); h.Number > 0 || h.Before > 0 {
		told = append(told, h)
	}
	return append(told, headline(now, before, of(FigureBillable), "billable", "billable"))
}

// columns are what every managed account has; one column for each product comes after them.
var columns = []string{
	"account_id", "name", "email", "account_type", "account_status", "access_billable", "last_active",
}

// used is the cell of a product that the account can use and of which no activity is known.
const used = "yes"

// WriteAccounts writes the table of a managed-accounts report: one row an account, in the order of
// members, values as the API gives them. Behind the fixed columns stands one for each product that
// any account can use, which products has to list, named "Jira (example.atlassian.net)" and sorted by
// name: when the account was last active there, "yes" when that is not known, empty when it cannot
// use it.
func WriteAccounts(w io.Writer, products []workflow.Product, members iter.Seq2[workflow.Member, error]) error {
	header := slices.Clone(columns)
	for _, p := range products {
		header = append(header, columnOf(p))
	}
	slices.Sort(header[len(columns):])
	header = slices.Compact(header)
	at := map[productKey]int{}
	for _, p := range products {
		at[keyOf(p)] = slices.Index(header[len(columns):], columnOf(p)) + len(columns)
	}
	var failed error
	row := make([]string, len(header))
	err := sheet.WriteCSV(w, header, func(yield func([]string) bool) {
		for m, err := range members {
			if err != nil {
				failed = err
				return
			}
			clear(row)
			if failed = fill(row, &m, at); failed != nil || !yield(row) {
				return
			}
		}
	})
	return cmp.Or(failed, err)
}

// productKey is a product whatever was done there.
type productKey struct{ key, name, url string }

func keyOf(p workflow.Product) productKey { return productKey{p.Key, p.Name, p.URL} }

// fill writes the cells of an account into a row of empty ones.
func fill(row []string, m *workflow.Member, at map[productKey]int) error {
	row[0], row[1], row[2], row[3], row[4] = m.ID, m.Name, m.Email, m.Type, string(m.Status)
	row[5], row[6] = strconv.FormatBool(m.Billable), m.LastActive
	for _, p := range m.Products {
		column, ok := at[keyOf(p)]
		if !ok {
			return fmt.Errorf("account %s can use %s, which has no column", m.ID, columnOf(p))
		}
		row[column] = cmp.Or(p.LastActive, used)
	}
	return nil
}

// columnOf names the column of a product: its name, and the site it is on where the API says so.
func columnOf(p workflow.Product) string {
	name := cmp.Or(p.Name, p.Key)
	if p.URL == "" {
		return name
	}
	site := p.URL
	if u, err := url.Parse(p.URL); err == nil && u.Host != "" {
		site = u.Host
	}
	return fmt.Sprintf("%s (%s)", name, site)
}
