package report

import (
	"cmp"
	"context"
	"io"
	"iter"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// The figures of a changes report.
const (
	FigureChanges     Figure = "changes"
	FigureChanged     Figure = "accounts_changed"
	FigureByBatch     Figure = "changes_by_batch"
	FigureByPerson    Figure = "changes_by_person"
	FigureByKey       Figure = "changes_by_key"
	FigureByProvider  Figure = "changes_by_identity_provider"
	FigureByOther     Figure = "changes_by_others"
	FigureUnexplained Figure = "changes_unexplained"
)

const (
	// freshFor is how old a scheduled snapshot may be that a report of changes stands on, since it was
	// read to its end.
	freshFor = time.Hour
	// comparedAtOnce is for how many accounts it is looked up at once who changed them.
	comparedAtOnce = 500
	// doubtsKept is how many differences of one run that nobody explains are looked at again later.
	doubtsKept = 10_000
)

// changes returns what is different since the report last ran, and who did it.
func changes() Kind {
	return Kind{
		Name: Changes, Take: takeChanges, Headline: changesHeadline, Message: changesMessage,
		Table: func(ctx context.Context, from Sources, _ Definition, r Result, w io.Writer) error {
			nights, err := nightsOf(ctx, from, r)
			if err != nil {
				return err
			}
			return writeChanges(ctx, w, from, nights)
		},
	}
}

// changed is one field of one account that two nights show otherwise.
type changed struct {
	workflow.Account        // as it is now; of one that is gone, as it was
	Field            string // as files and messages call it
	From             string
	differing        workflow.Differing
	By               workflow.By
	At               time.Time // when it was done; where nobody knows, the night that showed it
}

// between are two nights that are compared.
type between struct {
	from, to     int64 // from 0: there is none to compare with
	since, until time.Time
	read         time.Time // when the later one had been read
	zone         *time.Location
}

// nightsBetween returns the two snapshots as nights.
func nightsBetween(ctx context.Context, from Sources, since, snapshot int64) (between, error) {
	b := between{from: since, to: snapshot}
	later, err := from.Store.Snapshot(ctx, snapshot)
	if err != nil {
		return b, err
	}
	b.until, b.read = later.At, later.Read
	if since == 0 {
		return b, nil
	}
	earlier, err := from.Store.Snapshot(ctx, since)
	b.since = earlier.At
	return b, err
}

// nightsOf returns the nights that a result stands on.
func nightsOf(ctx context.Context, from Sources, r Result) (between, error) {
	c, ok, err := from.Logbook.Told(ctx, r.Report, r.Snapshot)
	if err == nil && !ok {
		err = ErrNoSnapshot
	}
	if err != nil {
		return between{}, err
	}
	return nightsBetween(ctx, from, c.Since, c.Snapshot)
}

// compared returns what is different between the two nights and who did it, by account id. What the
// log has told since is in it, whatever was told before.
func compared(ctx context.Context, from Sources, nights between) iter.Seq2[changed, error] {
	return func(yield func(changed, error) bool) {
		if nights.from == 0 {
			return
		}
		var page []changed
		accounts := 0
		give := func() bool {
			err := attribute(ctx, from, page)
			for _, c := range page {
				if err == nil && !yield(c, nil) {
					return false
				}
			}
			page, accounts = page[:0], 0
			return err == nil || yield(changed{}, err) && false
		}
		for d, err := range from.Store.Differences(ctx, nights.from, nights.to) {
			if err != nil {
				yield(changed{}, err)
				return
			}
			page = append(page, fieldsOf(d, nights)...)
			if accounts++; accounts == comparedAtOnce && !give() {
				return
			}
		}
		give()
	}
}

// attribute finds out who made the changes.
func attribute(ctx context.Context, from Sources, page []changed) error {
	var accounts []Subject
	for _, c := range page {
		if n := len(accounts); n == 0 || accounts[n-1].ID != c.ID {
			accounts = append(accounts, Subject{ID: c.ID, Emails: []string{c.Email}})
		}
		if c.differing.Field == workflow.FieldEmail {
			last := &accounts[len(accounts)-1]
			last.Emails = append(last.Emails, c.From)
		}
	}
	if len(accounts) == 0 {
		return nil
	}
	trails, err := from.Logbook.Trails(ctx, accounts)
	if err != nil {
		return err
	}
	for i := range page {
		c := &page[i]
		if c.By, c.At = trails[c.ID].WhoDid(c.differing); !c.By.Known() {
			c.At = c.differing.Until
		}
	}
	return nil
}

// fieldsOf returns the fields that are different.
func fieldsOf(d Difference, nights between) []changed {
	var out []changed
	add := func(m *workflow.Member, field workflow.Field, name, was, now string) *changed {
		out = append(out, changed{Account: m.Account, Field: name, From: was, differing: workflow.Differing{
			Field: field, To: now, Since: nights.since, Until: nights.until, Read: nights.read,
		}})
		return &out[len(out)-1]
	}
	before, after := d.Before, d.After
	switch {
	case before == nil && after == nil:
		return nil
	case before == nil:
		add(after, workflow.FieldNew, "new", "", after.Email)
		return out
	case after == nil:
		add(before, workflow.FieldGone, "gone", before.Email, "")
		return out
	}
	if before.Email != after.Email {
		add(after, workflow.FieldEmail, "address", before.Email, after.Email)
	}
	if before.Name != after.Name {
		add(after, workflow.FieldName, "name", before.Name, after.Name)
	}
	if before.Status != after.Status {
		add(after, workflow.FieldStatus, "status", string(before.Status), string(after.Status))
	}
	if before.Billable != after.Billable {
		add(after, workflow.FieldBillable, "billable", strconv.FormatBool(before.Billable), strconv.FormatBool(after.Billable))
	}
	was, now := productNames(*before), productNames(*after)
	if !slices.Equal(was, now) {
		c := add(after, workflow.FieldProducts, "products", strings.Join(was, listSeparator), strings.Join(now, listSeparator))
		missing := func(in, from []string) bool {
			return slices.ContainsFunc(in, func(p string) bool { return !slices.Contains(from, p) })
		}
		c.differing.Gained, c.differing.Lost = missing(now, was), missing(was, now)
	}
	return out
}

// changesColumns are those of the file.
var changesColumns = []string{"account_id", "name", "email", "field", "from", "to", "at", "by"}

func writeChanges(ctx context.Context, w io.Writer, from Sources, nights between) error {
	var failed error
	err := sheet.WriteCSV(w, changesColumns, func(yield func([]string) bool) {
		for c, err := range compared(ctx, from, nights) {
			if err != nil {
				failed = err
				return
			}
			row := []string{
				c.ID, c.Name, c.Email, c.Field, c.From, c.differing.To, c.At.UTC().Format(time.RFC3339), c.By.String(),
			}
			if !yield(row) {
				return
			}
		}
	})
	return cmp.Or(failed, err)
}

// tally adds a change to the figures; before is the account of the one before it.
func (f Figures) tally(c changed, before string) {
	f[FigureChanges]++
	if c.ID != before { // they come by account
		f[FigureChanged]++
	}
	switch c.By.Kind {
	case "":
		f[FigureUnexplained]++
	case workflow.ByBatch:
		f[FigureByBatch]++
	case workflow.ByPerson:
		f[FigureByPerson]++
	case workflow.ByKey:
		f[FigureByKey]++
	case workflow.ByProvider:
		f[FigureByProvider]++
	default:
		f[FigureByOther]++
	}
}

// takeChanges stands on a night, reads the log, compares, and writes down what is told.
func takeChanges(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	last, _, err := resultBefore(ctx, from, d.Name, 0)
	if err != nil {
		return Snapshot{}, err
	}
	snapshot, err := nightFor(ctx, from, d, at, last.Snapshot)
	if err != nil {
		return Snapshot{}, err
	}
	c := Told{Report: d.Name, Snapshot: snapshot.ID, Since: last.Snapshot}
	if c.Since == 0 {
		if c.Since, err = nightBefore(ctx, from, snapshot.ID); err != nil {
			return Snapshot{}, err
		}
	}
	said, err := readLog(ctx, from, time.Now())
	if err != nil {
		return Snapshot{}, err
	}
	reading, err := from.Logbook.LogReading(ctx)
	if err != nil {
		return Snapshot{}, err
	}
	c.Notes = logNotes(reading, last.At)
	if said != "" {
		c.Notes = append(c.Notes, said)
	}
	snapshot.Figures, err = tell(ctx, from, c)
	return snapshot, err
}

// nightBefore returns the snapshot before one, 0 where there is none.
func nightBefore(ctx context.Context, from Sources, snapshot int64) (int64, error) {
	nights, err := from.Store.ListSnapshots(ctx, SnapshotQuery{})
	for _, s := range nights {
		if s.ID < snapshot {
			return s.ID, err
		}
	}
	return 0, err
}

// nightFor returns the night that a report of changes stands on: a scheduled snapshot under an hour
// old, or else a new one. The one that the report stood on the last time would show nothing.
func nightFor(ctx context.Context, from Sources, d Definition, at time.Time, last int64) (Snapshot, error) {
	newest, err := from.Store.ListSnapshots(ctx, SnapshotQuery{})
	if err != nil {
		return Snapshot{}, err
	}
	for _, s := range newest {
		if s.ID <= last || at.Sub(s.Read) > freshFor {
			break
		}
		if night, ok, err := scheduled(ctx, from, s); ok || err != nil {
			return night, err
		}
	}
	return takeAccounts(ctx, from, d, at)
}

// tell compares, writes down what nobody explains and what is explained now, and counts.
func tell(ctx context.Context, from Sources, c Told) (Figures, error) {
	nights, err := nightsBetween(ctx, from, c.Since, c.Snapshot)
	if err != nil {
		return nil, err
	}
	figures := Figures{FigureChanges: 0}
	var unexplained []Doubt
	account := ""
	for change, err := range compared(ctx, from, nights) {
		if err != nil {
			return nil, err
		}
		figures.tally(change, account)
		account = change.ID
		if !change.By.Known() && len(unexplained) < doubtsKept {
			unexplained = append(unexplained, Doubt{
				AccountID: change.ID, Name: change.Name, Email: change.Email, From: change.From, Differing: change.differing,
			})
		}
	}
	explained, err := explainedSince(ctx, from, c, nights.until)
	if err != nil {
		return nil, err
	}
	return figures, from.Logbook.SaveTold(ctx, c, unexplained, explained)
}

// explainedSince returns the doubts of earlier runs of which it is known now who it was.
func explainedSince(ctx context.Context, from Sources, c Told, now time.Time) ([]Doubt, error) {
	doubts, err := from.Logbook.OpenDoubts(ctx, c.Report, c.Snapshot, now.Add(-logKept), doubtsKept)
	if err != nil {
		return nil, err
	}
	var explained []Doubt
	for chunk := range slices.Chunk(doubts, comparedAtOnce) {
		accounts := make([]Subject, 0, len(chunk))
		for _, d := range chunk {
			accounts = append(accounts, Subject{ID: d.AccountID, Emails: []string{d.Email, d.From}})
		}
		trails, err := from.Logbook.Trails(ctx, accounts)
		if err != nil {
			return nil, err
		}
		for _, d := range chunk {
			if by, at := trails[d.AccountID].WhoDid(d.Differing); by.Known() {
				d.By, d.At = by.String(), at
				explained = append(explained, d)
			}
		}
	}
	return explained, nil
}
