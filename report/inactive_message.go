package report

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// idleColumns are those of the file of an inactive report. An amount is of one month.
var idleColumns = []string{
	"account_id", "name", "email", "last_active", "days", "products", "billable", "cost",
}

// listSeparator stands between several things in one cell.
const listSeparator = "; "

func writeIdle(w io.Writer, idle []Idle) error {
	return sheet.WriteCSV(w, idleColumns, func(yield func([]string) bool) {
		for _, i := range idle {
			row := []string{
				i.ID, i.Name, i.Email, i.Last, strconv.Itoa(i.Days), strings.Join(productNames(i.Member), listSeparator),
				strconv.FormatBool(i.Billable), "",
			}
			if i.Priced {
				row[7] = i.Cost.String()
			}
			if !yield(row) {
				return
			}
		}
	})
}

func productNames(m workflow.Member) []string {
	names := make([]string, len(m.Products))
	for i, p := range m.Products {
		names[i] = columnOf(p)
	}
	return names
}

// idleOf returns the idle accounts of a result, counted as they were when it was made, without marks.
func idleOf(ctx context.Context, from Sources, r Result) ([]Idle, error) {
	idle, _, err := findIdle(
		from.Store.SnapshotMembers(ctx, r.Snapshot), from.Prices, r.Figures[figureIdleDay], r.Figures[figureIdleDays])
	return idle, err
}

// markIdle gives the accounts the marks that are found of them.
func markIdle(idle []Idle, find func([]workflow.Account) (map[string]workflow.Mark, error)) error {
	accounts := make([]workflow.Account, len(idle))
	for i := range idle {
		accounts[i] = idle[i].Account
	}
	marks, err := find(accounts)
	if err != nil {
		return err
	}
	for i := range idle {
		idle[i].Mark = marks[idle[i].ID]
	}
	return nil
}

// freedSeat is an account that was billed and idle, and by which field of it that is over.
type freedSeat struct {
	Idle
	field workflow.Field
	now   string
}

// freedSince returns the accounts that were billed and idle in the result, and are not billed in the
// snapshot.
func freedSince(ctx context.Context, from Sources, before Result, snapshot int64) ([]freedSeat, error) {
	members := from.Store.SnapshotMembers(ctx, before.Snapshot)
	idle, _, err := findIdle(members, from.Prices, before.Figures[figureIdleDay], before.Figures[figureIdleDays])
	if err != nil {
		return nil, err
	}
	at := map[string]int{} // of these in freed
	var freed []freedSeat
	for _, i := range idle {
		if i.Billable {
			at[i.ID] = len(freed)
			freed = append(freed, freedSeat{Idle: i, field: workflow.FieldGone})
		}
	}
	for m, err := range from.Store.SnapshotMembers(ctx, snapshot) {
		if err != nil {
			return nil, err
		}
		i, was := at[m.ID]
		switch {
		case !was:
		case !m.Billable:
			freed[i].field, freed[i].now = workflow.FieldBillable, "false"
		case m.Status != workflow.StatusActive:
			freed[i].field, freed[i].now = workflow.FieldStatus, string(m.Status)
		default:
			freed[i].field = ""
		}
	}
	return slices.DeleteFunc(freed, func(f freedSeat) bool { return f.field == "" }), nil
}

// resultBefore returns the last result of the report before the run that can be looked at; ok is false
// where there is none. Run 0 is one that has not ended.
func resultBefore(ctx context.Context, from Sources, report string, run int64) (Result, bool, error) {
	results, err := from.Results.Results(ctx, report, "", 0)
	if err != nil {
		return Result{}, false, err
	}
	for _, r := range results {
		if !r.Failed && r.Snapshot != 0 && (run == 0 || r.Run < run) {
			return r, true, nil
		}
	}
	return Result{}, false, nil
}

const (
	idleShown    = 10 // rows of the message's table
	productsSeen = 8  // bars of the chart
)

func inactiveMessage(ctx context.Context, from Sources, _ Definition, r Result) (Message, error) {
	idle, err := idleOf(ctx, from, r)
	if err != nil {
		return Message{}, err
	}
	unread := "" // why the marks could not be read, as a clause
	err = markIdle(idle, func(accounts []workflow.Account) (found map[string]workflow.Mark, err error) {
		found, unread, err = from.marks.of(ctx, from.Marks, r.Run, accounts)
		return found, err
	})
	if err != nil {
		return Message{}, err
	}
	m := Message{Look: idleLook(r.Figures, from.Prices), Chart: idleChart(idle, from.Prices), Table: idleTable(idle, from.Prices)}
	var left []Idle
	unknown := 0
	for _, i := range idle {
		switch i.Mark {
		case "":
			m.Draft++
		case workflow.MarkUnknown:
			unknown++
		default:
			left = append(left, i)
		}
	}
	freed, err := freedWords(ctx, from, r)
	if err != nil {
		return Message{}, err
	}
	for _, said := range []string{freed, leftOut(len(left)), markedNames(left), unchecked(unknown, m.Draft, unread), noActivity(r.Figures[FigureNoActivity])} {
		if said != "" {
			m.Notes = append(m.Notes, said)
		}
	}
	return m, nil
}

// inactiveDraft returns the idle accounts of the result that have no mark as of now and are idle in the
// newest snapshot, too, as they are there: a draft may be made of a report that is old. An error where
// that cannot be found out.
func inactiveDraft(ctx context.Context, from Sources, _ Definition, r Result) ([]workflow.Account, error) {
	idle, err := idleOf(ctx, from, r)
	if err != nil {
		return nil, err
	}
	err = markIdle(idle, func(accounts []workflow.Account) (map[string]workflow.Mark, error) {
		return marked(ctx, from.Marks, accounts)
	})
	if err != nil {
		return nil, err
	}
	still, err := stillIdle(ctx, from, r)
	if err != nil {
		return nil, err
	}
	var accounts []workflow.Account
	for _, i := range idle {
		if now, is := still[i.ID]; is && i.Mark == "" {
			accounts = append(accounts, now)
		}
	}
	return accounts, nil
}

// stillIdle returns the accounts by id that are idle in the newest snapshot, for as long as the report
// asked.
func stillIdle(ctx context.Context, from Sources, r Result) (map[string]workflow.Account, error) {
	newest, err := from.Store.ListSnapshots(ctx, SnapshotQuery{Population: ManagedPopulation, Limit: 1})
	if err != nil {
		return nil, err
	}
	if len(newest) == 0 {
		return nil, ErrNoSnapshot
	}
	day := max(r.Figures[figureIdleDay], clockDay(newest[0].At))
	idle, _, err := findIdle(from.Store.SnapshotMembers(ctx, newest[0].ID), from.Prices, day, r.Figures[figureIdleDays])
	if err != nil {
		return nil, err
	}
	still := make(map[string]workflow.Account, len(idle))
	for _, i := range idle {
		still[i.ID] = i.Account
	}
	return still, nil
}

func idleLook(f Figures, prices Prices) string {
	billed, days := f[FigureIdleBillable], workflow.Number(f[figureIdleDays])
	if f[FigureIdle] == 0 {
		return fmt.Sprintf("Nobody has been inactive for %s days.", days)
	}
	if billed == 0 {
		return fmt.Sprintf("Nobody who has been inactive for %s days is billed.", days)
	}
	verb := "people have not been active for %s days and are billed"
	if billed == 1 {
		verb = "person has not been active for %s days and is billed"
	}
	look := workflow.Number(billed) + " " + fmt.Sprintf(verb, days)
	if cost := Money(f[FigureIdleCost]); cost > 0 {
		look += fmt.Sprintf(" (about %s a month, %s a year)", prices.Words(cost), prices.Words(12*cost))
	}
	return look + "."
}

func leftOut(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 account is marked; a draft leaves it out."
	}
	return workflow.Number(n) + " accounts are marked; a draft leaves them out."
}

// How long the name of a marked account may get, and those of all of them together, so that a message
// shows how many more there are.
const (
	markedName = 60
	markedText = 400
)

// markedNames says which accounts are marked, and why; the file does not say so.
func markedNames(idle []Idle) string {
	if len(idle) == 0 {
		return ""
	}
	said := "Marked: "
	for n, i := range idle {
		one := fmt.Sprintf("%s (%s)", workflow.CutAt(cmp.Or(i.Name, i.Email, i.ID), markedName), i.Mark)
		if n > 0 && utf8.RuneCountInString(said+one) > markedText {
			return said + ", and " + workflow.Number(len(idle)-n) + " more."
		}
		if n > 0 {
			said += ", "
		}
		said += one
	}
	return said + "."
}

// unchecked says of how many accounts nobody knows whether a draft may have them, and why.
func unchecked(n, draft int, why string) string {
	if n == 0 {
		return ""
	}
	accounts, them := "1 account is", "it"
	if n > 1 {
		accounts, them = workflow.Number(n)+" accounts are", "them"
	}
	said := "I could not check whether " + accounts + " protected or an admin's"
	if why != "" {
		said += " (" + why + ")"
	}
	if draft == 0 {
		return said + ", so no draft is offered. Run the report again."
	}
	return said + ", so a draft leaves " + them + " out."
}

func noActivity(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "Of 1 active account no activity is known; it does not count as inactive."
	}
	return "Of " + workflow.Number(n) + " active accounts no activity is known; they do not count as inactive."
}

// freedWords says which seats were freed since the report before, and by which batches.
func freedWords(ctx context.Context, from Sources, r Result) (string, error) {
	if r.Figures[FigureFreed] == 0 {
		return "", nil
	}
	before, ok, err := resultBefore(ctx, from, r.Report, r.Run)
	if err != nil || !ok {
		return "", err
	}
	seats := "seats were"
	if r.Figures[FigureFreed] == 1 {
		seats = "seat was"
	}
	said := fmt.Sprintf("Saved since %s: %s %s freed", before.Date, workflow.Number(r.Figures[FigureFreed]), seats)
	if cost := Money(r.Figures[FigureFreedCost]); cost > 0 {
		said += fmt.Sprintf(", about %s a month", from.Prices.Words(cost))
	}
	freed, err := freedSince(ctx, from, before, r.Snapshot)
	if err != nil {
		return "", err
	}
	nights, err := nightsBetween(ctx, from, before.Snapshot, r.Snapshot)
	if err != nil {
		return "", err
	}
	batches, others, err := freedBy(ctx, from, freed, nights)
	if err != nil {
		return "", err
	}
	return said + " (" + freedByWords(batches, others) + ").", nil
}

func freedByWords(batches map[int64]int, others int) string {
	var by []string
	for _, number := range slices.Sorted(maps.Keys(batches)) {
		by = append(by, fmt.Sprintf("%s by #%d", workflow.Number(batches[number]), number))
	}
	if others > 0 {
		by = append(by, workflow.Number(others)+" not by countersign")
	}
	return strings.Join(by, ", ")
}

// freedBy counts the accounts by the batch that brought it about between the nights, and those of which
// no batch did, whatever else it changed of them.
func freedBy(ctx context.Context, from Sources, freed []freedSeat, nights between) (batches map[int64]int, others int, err error) {
	accounts := make([]Subject, len(freed))
	for i, f := range freed {
		accounts[i] = Subject{ID: f.ID, Emails: []string{f.Email}}
	}
	trails, err := from.Logbook.Trails(ctx, accounts)
	if err != nil {
		return nil, 0, err
	}
	batches = map[int64]int{}
	for _, f := range freed {
		by, _ := trails[f.ID].WhoDid(workflow.Differing{
			Field: f.field, To: f.now, Since: nights.since, Until: nights.until, Read: nights.read,
		})
		if by.Kind == workflow.ByBatch {
			batches[by.Batch]++
		} else {
			others++
		}
	}
	return batches, others, nil
}

// idleChart shows what idle seats cost by product; without prices, how many there are.
func idleChart(idle []Idle, prices Prices) *Chart {
	cost, seats := map[string]Money{}, map[string]int{}
	label := seatLabels(idle)
	for _, i := range idle {
		if !i.Billable {
			continue
		}
		for _, p := range i.Products {
			name := label(p)
			cost[name] += prices.Seats[p.Key]
			seats[name]++
		}
	}
	value := func(name string) float64 { return float64(seats[name]) }
	c := &Chart{Title: "Idle seats that are billed", Kind: Bars, Series: []Series{{Name: "seats"}}}
	if prices.Known() {
		value = func(name string) float64 { return float64(cost[name]) / 100 }
		c.Title, c.Series[0].Name = "Idle seats, "+prices.Currency+" a month", prices.Currency+" a month"
	}
	c.fill(maps.Keys(seats), value, productsSeen)
	if !c.Valid() {
		return nil
	}
	return c
}

// seatLabels returns how a chart names products: without their site, where each product is on one.
func seatLabels(idle []Idle) func(workflow.Product) string {
	site := map[string]string{}
	several := false
	for _, i := range idle {
		for _, p := range i.Products {
			name := cmp.Or(p.Name, p.Key)
			if known, is := site[name]; is && known != p.URL {
				several = true
			}
			site[name] = p.URL
		}
	}
	return func(p workflow.Product) string {
		name := cmp.Or(p.Name, p.Key)
		if u, err := url.Parse(p.URL); several && err == nil && u.Host != "" {
			host, _, _ := strings.Cut(u.Host, ".")
			name = host + ": " + name
		}
		return name
	}
}

// fill takes the largest of the values into a chart of one series, at most so many, the largest first;
// of the others the sum.
func (c *Chart) fill(names iter.Seq[string], value func(string) float64, most int) {
	sorted := slices.SortedFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(value(b), value(a)), cmp.Compare(a, b))
	})
	rest := 0.0
	for i, name := range sorted {
		switch v := value(name); {
		case v == 0:
		case i >= most:
			rest += v
		default:
			c.Categories, c.Series[0].Values = append(c.Categories, name), append(c.Series[0].Values, v)
		}
	}
	if rest > 0 {
		c.Categories, c.Series[0].Values = append(c.Categories, otherCategory), append(c.Series[0].Values, rest)
	}
}

// otherCategory is what a chart calls all that has no bar of its own.
const otherCategory = "all others"

func idleTable(idle []Idle, prices Prices) *Table {
	if len(idle) == 0 {
		return nil
	}
	t := &Table{Caption: "Inactive accounts", Of: len(idle), Columns: []Column{
		{Name: "Name"}, {Name: "Address"}, {Name: "Last active"}, {Name: "Days", Number: true}, {Name: "Billed"},
	}}
	if prices.Known() {
		t.Columns = append(t.Columns, Column{Name: prices.Currency + " a month", Number: true})
	}
	t.Columns = append(t.Columns, Column{Name: "Mark"})
	for _, i := range idle[:min(len(idle), idleShown)] {
		billed := "no"
		if i.Billable {
			billed = "yes"
		}
		row := []string{i.Name, i.Email, i.Last, strconv.Itoa(i.Days), billed}
		if prices.Known() {
			cost := ""
			if i.Priced {
				cost = i.Cost.String()
			}
			row = append(row, cost)
		}
		t.Rows = append(t.Rows, append(row, string(i.Mark)))
	}
	return t
}
