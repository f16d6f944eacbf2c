package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// summaryDays is how far a summary looks back where nothing is said.
const summaryDays = 90

// The groups of counts of a summary: the sum over the first two is the number of accounts, a product
// is counted for each billed account that can use it.
const (
	byDomain  = "domain "
	byOwner   = "owner "
	byProduct = "product "
)

// The figures of a summary beside those of all accounts.
const (
	figureClosed Figure = "closed" // neither active nor deactivated
	figureCost   Figure = "cost"   // of all billed accounts a month, in hundredths
)

// summary returns how many accounts of which sort there were, night by night.
func summary() Kind {
	return Kind{
		Name: Summary, Take: recentAccounts, Headline: accountsHeadline, Message: summaryMessage,
		Table: func(ctx context.Context, from Sources, d Definition, r Result, w io.Writer) error {
			nights, err := countNights(ctx, from, d, r)
			if err != nil {
				return err
			}
			return writeSummary(w, nights, from.Prices)
		},
	}
}

// night is how many accounts of which sort there were on a date.
type night struct {
	date   string
	counts Figures
}

// countNights counts the accounts on each date of the days before the result, oldest first: those of
// the result one by one, those of the nights before by what was different. Owners change without a
// difference, so that each night has them counted.
func countNights(ctx context.Context, from Sources, d Definition, r Result) ([]night, error) {
	last, err := from.Store.Snapshot(ctx, r.Snapshot)
	if err != nil {
		return nil, err
	}
	since := last.At.AddDate(0, 0, -cmp.Or(d.Days, summaryDays))
	snapshots, err := from.Store.ListSnapshots(ctx, SnapshotQuery{Population: ManagedPopulation, Since: since, Before: last.At})
	if err != nil {
		return nil, err
	}
	counts := Figures{}
	for m, err := range from.Store.SnapshotMembers(ctx, last.ID) {
		if err != nil {
			return nil, err
		}
		counts.count(m, from.Prices, 1)
	}
	location := cmp.Or(d.Location, time.UTC)
	dateOf := func(s Snapshot) string { return s.At.In(location).Format(time.DateOnly) }
	newest, err := nightCounts(ctx, from, last, counts)
	if err != nil {
		return nil, err
	}
	nights := []night{{dateOf(last), newest}}
	for _, s := range snapshots { // the newest first
		if dateOf(s) == nights[len(nights)-1].date {
			continue
		}
		for diff, err := range from.Store.Differences(ctx, last.ID, s.ID) {
			if err != nil {
				return nil, err
			}
			if diff.Before != nil {
				counts.count(*diff.Before, from.Prices, -1)
			}
			if diff.After != nil {
				counts.count(*diff.After, from.Prices, 1)
			}
		}
		before, err := nightCounts(ctx, from, s, counts)
		if err != nil {
			return nil, err
		}
		nights, last = append(nights, night{dateOf(s), before}), s
	}
	slices.Reverse(nights)
	return nights, nil
}

// nightCounts returns a copy of the counts with the owners of the night.
func nightCounts(ctx context.Context, from Sources, s Snapshot, counts Figures) (Figures, error) {
	owners, err := from.Store.SnapshotOwners(ctx, s.ID)
	if err != nil {
		return nil, err
	}
	out := maps.Clone(counts)
	for owner, n := range owners {
		out[Figure(byOwner+cmp.Or(owner, unknownSort))] = n
	}
	return out, nil
}

// count adds the account to the counts, or with -1 takes it away; by owner it is not counted.
func (f Figures) count(m workflow.Member, prices Prices, n int) {
	f[FigureAccounts] += n
	switch m.Status {
	case workflow.StatusActive:
		f[FigureActive] += n
	case workflow.StatusInactive:
		f[FigureInactive] += n
	default:
		f[figureClosed] += n
	}
	f[Figure(byDomain+cmp.Or(workflow.Domain(m.Email), unknownSort))] += n
	if !m.Billable {
		return
	}
	f[FigureBillable] += n
	cost, _ := prices.Of(m)
	f[figureCost] += n * int(cost)
	for _, p := range m.Products {
		f[Figure(byProduct+columnOf(p))] += n
	}
}

// unknownSort is the domain of an address that Atlassian hides, and the owner that was not read.
const unknownSort = "unknown"

// sorts returns the names of the counts of a group on any of the nights, sorted.
func sorts(nights []night, group string) []Figure {
	found := map[Figure]bool{}
	for _, n := range nights {
		for name, count := range n.counts {
			if strings.HasPrefix(string(name), group) && count != 0 {
				found[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// writeSummary writes a row a date, with a column for each domain, owner and product.
func writeSummary(w io.Writer, nights []night, prices Prices) error {
	figures := []Figure{FigureAccounts, FigureActive, FigureInactive, figureClosed, FigureBillable}
	header := []string{"date", "accounts", "active", "inactive", "closed", "billable", "cost"}
	groups := slices.Concat(sorts(nights, byDomain), sorts(nights, byOwner), sorts(nights, byProduct))
	for _, name := range groups {
		header = append(header, string(name))
	}
	return sheet.WriteCSV(w, header, func(yield func([]string) bool) {
		for _, n := range nights {
			row := []string{n.date}
			for _, name := range figures {
				row = append(row, strconv.Itoa(n.counts[name]))
			}
			cost := ""
			if prices.Known() {
				cost = Money(n.counts[figureCost]).String()
			}
			row = append(row, cost)
			for _, name := range groups {
				row = append(row, strconv.Itoa(n.counts[name]))
			}
			if !yield(row) {
				return
			}
		}
	})
}

func summaryMessage(ctx context.Context, from Sources, d Definition, r Result) (Message, error) {
	nights, err := countNights(ctx, from, d, r)
	if err != nil {
		return Message{}, err
	}
	return Message{
		Look: summaryLook(nights, from.Prices), Chart: summaryChart(nights), Table: summaryTable(nights, from.Prices),
		Notes: []string{"Counted are the managed accounts, by the nights that are kept."},
	}, nil
}

func summaryLook(nights []night, prices Prices) string {
	first, now := nights[0], nights[len(nights)-1]
	if len(nights) == 1 {
		return "This is the first night; from the next one on there is something to compare."
	}
	billed := now.counts[FigureBillable] - first.counts[FigureBillable]
	cost := Money(now.counts[figureCost] - first.counts[figureCost])
	direction := "more"
	if billed < 0 {
		direction = "fewer"
	}
	accounts := "accounts " + direction + " are"
	if billed == 1 || billed == -1 {
		accounts = "account " + direction + " is"
	}
	look := fmt.Sprintf("%s %s billed than on %s", workflow.Number(max(billed, -billed)), accounts, dayLabel(first.date))
	if billed == 0 {
		look = fmt.Sprintf("As many accounts are billed as on %s", dayLabel(first.date))
	}
	if prices.Known() {
		look += fmt.Sprintf(": about %s a month", prices.Words(Money(now.counts[figureCost])))
		switch {
		case cost > 0:
			look += ", " + prices.Words(cost) + " more"
		case cost < 0:
			look += ", " + prices.Words(-cost) + " less"
		}
	}
	return look + "."
}

// summaryChart shows active and billable accounts over time, at dates as far apart as fits.
func summaryChart(nights []night) *Chart {
	if len(nights) < 2 {
		return nil
	}
	c := &Chart{Kind: Lines, Series: []Series{{Name: "active"}, {Name: "billable"}}}
	shown := min(len(nights), ChartCategories)
	label := dayLabels(nights[0].date, nights[len(nights)-1].date)
	for i := range shown { // the first and the last are among them
		n := nights[i*(len(nights)-1)/(shown-1)]
		c.Categories = append(c.Categories, label(n.date))
		c.Series[0].Values = append(c.Series[0].Values, float64(n.counts[FigureActive]))
		c.Series[1].Values = append(c.Series[1].Values, float64(n.counts[FigureBillable]))
	}
	if !c.Valid() {
		return nil
	}
	c.Title = "Accounts, " + c.period()
	return c
}

// sortsShown is how many domains, owners and products each a summary's table has.
const sortsShown = 5

// summaryTable sets the newest night beside the oldest; the first night stands alone.
func summaryTable(nights []night, prices Prices) *Table {
	first, now := nights[0], nights[len(nights)-1]
	t := &Table{Caption: "Accounts then and now", Columns: []Column{
		{Name: "What"}, {Name: dayLabel(now.date), Number: true},
	}}
	if len(nights) == 1 {
		t.Caption = "Accounts"
	} else {
		t.Columns = append(t.Columns, Column{Name: dayLabel(first.date), Number: true}, Column{Name: "Difference", Number: true})
	}
	add := func(words string, write func(int) string, name Figure) {
		n, then := now.counts[name], first.counts[name]
		t.Rows = append(t.Rows, []string{words, write(n), write(then), write(n - then)}[:len(t.Columns)])
	}
	for _, each := range []struct {
		words string
		name  Figure
	}{
		{"All accounts", FigureAccounts},
		{"Active", FigureActive},
		{"Deactivated", FigureInactive},
		{"Closed", figureClosed},
		{"Billed", FigureBillable},
	} {
		add(each.words, strconv.Itoa, each.name)
	}
	if prices.Known() {
		add(prices.Currency+" a month", func(n int) string { return Money(n).String() }, figureCost)
	}
	for _, group := range []string{byDomain, byOwner, byProduct} {
		names := sorts(nights, group)
		largest := slices.SortedFunc(slices.Values(names), func(a, b Figure) int {
			return cmp.Or(cmp.Compare(now.counts[b], now.counts[a]), cmp.Compare(a, b))
		})
		for _, name := range largest[:min(len(largest), sortsShown)] {
			add(sortWords(name), strconv.Itoa, name)
		}
	}
	t.Of = len(t.Rows)
	return t
}

// sortWords says what a count is of.
func sortWords(name Figure) string {
	if owner, is := strings.CutPrefix(string(name), byOwner); is {
		switch owner {
		case workflow.OwnerSynced:
			return "Held by an identity provider"
		case workflow.OwnerInvited:
			return "Held by the organisation"
		}
		return "Owner " + owner
	}
	_, rest, _ := strings.Cut(string(name), " ")
	return rest
}
