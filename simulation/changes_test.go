package simulation

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/atlassian/pace"
	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/store/storetest"
	"github.com/countersign/countersign/workflow"
)

// nights is a runner over a real database and a local Atlassian, in a bubble of its own time.
type nights struct {
	*testing.T
	org    *organisation.Organisation
	client *atlassian.Client
	dir    *atlassian.Directory
	db     *sqlite.DB
	runner *report.Runner
	told   time.Time
	takes  atomic.Int64 // nanoseconds that a reading of the directory waits before its pages
}

// Members lists the accounts as the directory does, some time after it was asked.
func (n *nights) Members(ctx context.Context) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		time.Sleep(time.Duration(n.takes.Load()))
		n.dir.Members(ctx)(yield)
	}
}

const changesReport = "nightly-changes"

func withNights(t *testing.T, accounts int, test func(*nights)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "countersign.db")
	synctest.Test(t, func(t *testing.T) {
		org, err := organisation.New(organisation.Config{OrgID: "11111111-2222-3333-4444-555555555555", APIKey: "key", PageSize: 100})
		if err != nil {
			t.Fatal(err)
		}
		org.AddDomain(organisation.Domain{Name: "new.example", Verified: true})
		for i := range accounts {
			c := storetest.Rename(i + 1)
			err := org.Put(organisation.Account{ID: c.AccountID, Name: fmt.Sprintf("Person %d", i+1), Email: c.OldEmail(), Managed: true, Billable: true})
			if err != nil {
				t.Fatal(err)
			}
		}
		client, err := atlassian.New(atlassian.Config{
			BaseURL: "http://atlassian.test", OrgID: org.OrgID(), Key: func() string { return "key" }, Log: zerolog.Nop(),
			HTTP: &http.Client{Transport: org.Transport()}, Pace: pace.Rate{Start: 10_000, Max: 10_000},
		})
		if err != nil {
			t.Fatal(err)
		}
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path, Log: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		n := &nights{T: t, org: org, client: client, db: db, dir: atlassian.NewDirectory(client)}
		n.runner, err = report.New(report.Config{
			Reports: []report.Definition{
				{Name: "nightly", Kind: report.ManagedAccounts, Schedule: "0 2 * * *"},
				{Name: changesReport, Kind: report.Changes, Schedule: "30 2 * * *", AlarmOver: new(0)},
			},
			Members: n, OrgLog: n.dir, Store: db, Log: zerolog.Nop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- n.runner.Run(ctx) }()
		defer func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			client.Close()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		test(n)
	})
}

// night lets the time pass to three in the morning and returns what the night's report of changes is.
func (n *nights) night() (report.Result, report.Message) {
	n.Helper()
	now := time.Now().UTC()
	next := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, time.UTC)
	if !next.After(now) {
		next = next.AddDate(0, 0, 1)
	}
	time.Sleep(time.Until(next))
	synctest.Wait()
	results, err := n.db.Results(n.Context(), changesReport, "", 1)
	if err != nil || len(results) != 1 || results[0].Failed || !results[0].At.After(n.told) {
		n.Fatalf("%+v, %v", results, err)
	}
	n.told = results[0].At
	m, err := n.runner.Message(n.Context(), results[0])
	if err != nil {
		n.Fatal(err)
	}
	return results[0], m
}

// table returns the cells of a result's file as it is now, without its header.
func (n *nights) table(run int64) [][]string {
	n.Helper()
	result, err := n.db.Result(n.Context(), run)
	if err != nil {
		n.Fatal(err)
	}
	file, err := n.runner.File(n.Context(), result)
	if err != nil {
		n.Fatal(err)
	}
	return n.cells(file)
}

func (n *nights) cells(f report.File) [][]string {
	n.Helper()
	var file bytes.Buffer
	if err := f.Write(n.Context(), &file); err != nil {
		n.Fatal(err)
	}
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(file.String(), "\ufeff"))).ReadAll()
	if err != nil || !slices.Equal(rows[0], []string{"account_id", "name", "email", "field", "from", "to", "at", "by"}) {
		n.Fatalf("%v, %v", rows, err)
	}
	return rows[1:]
}

func (n *nights) want(run int64, want ...[]string) {
	n.Helper()
	if diff := cmp.Diff(append([][]string{}, want...), n.table(run)); diff != "" {
		n.Errorf("(-want +got)\n%s", diff)
	}
}

// edit changes an account as somebody else.
func (n *nights) edit(who organisation.Actor, i int, edit func(*organisation.Account)) {
	n.Helper()
	if err := n.org.EditBy(who, changedID(i), edit); err != nil {
		n.Fatal(err)
	}
}

// batch renames the first accounts, as a batch does that was approved.
func (n *nights) batch(count int) int64 {
	n.Helper()
	changes, hold := storetest.Renames(count)
	b := storetest.Planned(n, n.db, changes, hold...)
	for _, c := range changes {
		_, _, err := n.db.UpdateChange(n.Context(), b.Number, c.Row, func(_ *workflow.Batch, c *workflow.Change) error {
			c.State, c.Called = workflow.ChangeRunning, time.Now()
			return nil
		})
		if err == nil {
			err = n.client.SetEmail(n.Context(), c.AccountID, c.NewEmail())
		}
		if err == nil {
			time.Sleep(time.Second)
			_, _, err = n.db.UpdateChange(n.Context(), b.Number, c.Row, func(_ *workflow.Batch, c *workflow.Change) error {
				c.Conclude(0, workflow.ChangeDone, workflow.Reason{})
				c.State, c.Finished = workflow.ChangeDone, time.Now()
				return nil
			})
		}
		if err != nil {
			n.Fatal(err)
		}
	}
	return b.Number
}

func changedID(i int) string { return storetest.Rename(i).AccountID }

func changedAddress(i int) string {
	c := storetest.Rename(i)
	return c.OldEmail()
}

var (
	ada    = organisation.Actor{ID: "712020:ada", Name: "Ada Lang", Email: "ada@example.com"}
	deploy = organisation.Actor{ID: "712020:key", Name: "Organization API key", TokenID: "t-9", TokenLabel: "deploy-bot"}
	ours   = organisation.Actor{ID: "712020:key", Name: "Organization API key", TokenID: "token-countersign", TokenLabel: "countersign"}
)

// A second night with seven changes: three by a batch, two by a person, one by a key, and one that
// nothing explains until its event comes, a night later.
func TestChanges(t *testing.T) {
	withNights(t, 2350, func(n *nights) {
		first, m := n.night()
		if first.Figures[report.FigureChanges] != 0 || !strings.Contains(m.Look, "first night") || len(m.Notes) != 0 {
			n.Errorf("the first night: %+v, %+v", first, m)
		}
		n.want(first.Run)
		time.Sleep(7 * time.Hour) // to ten
		batch := n.batch(3)
		n.edit(ada, 10, func(a *organisation.Account) { a.Email = "ten@new.example" })
		n.edit(ada, 11, func(a *organisation.Account) { a.Status = "inactive" })
		n.edit(deploy, 12, func(a *organisation.Account) { a.Name = "=Twelve" })
		n.edit(organisation.Actor{}, 13, func(a *organisation.Account) { a.Email = "thirteen@new.example" })
		unseen := time.Now()

		second, m := n.night()
		night := time.Date(2000, 1, 2, 2, 0, 0, 0, time.UTC)
		if got := second.Figures; got[report.FigureChanges] != 7 || got[report.FigureByBatch] != 3 || got[report.FigureByPerson] != 2 ||
			got[report.FigureByKey] != 1 || got[report.FigureUnexplained] != 1 || got[report.FigureChanged] != 7 {
			n.Errorf("figures %v", got)
		}
		at := unseen.UTC().Format(time.RFC3339)
		renamed := func(i int) []string {
			c := storetest.Rename(i)
			return []string{
				c.AccountID, fmt.Sprintf("Person %d", i), c.NewEmail(), "address", c.OldEmail(), c.NewEmail(),
				unseen.Add(time.Duration(i-3) * time.Second).UTC().Format(time.RFC3339), fmt.Sprintf("#%d", batch),
			}
		}
		thirteen := []string{changedID(13), "Person 13", "thirteen@new.example", "address", changedAddress(13), "thirteen@new.example", night.Format(time.RFC3339), "not by countersign"}
		rows := [][]string{
			renamed(1), renamed(2), renamed(3),
			{changedID(10), "Person 10", "ten@new.example", "address", changedAddress(10), "ten@new.example", at, "person: Ada Lang"},
			{changedID(11), "Person 11", changedAddress(11), "status", "active", "inactive", at, "person: Ada Lang"},
			{changedID(12), "'=Twelve", changedAddress(12), "name", "Person 12", "'=Twelve", at, "key: deploy-bot"},
			thirteen,
		}
		n.want(second.Run, rows...)
		if len(m.Table.Rows) != 7 || m.Table.Rows[0][4] != "not by countersign" || m.Table.Rows[6][4] != fmt.Sprintf("#%d", batch) {
			n.Errorf("the message's table: %v", m.Table.Rows)
		}
		if m.Look != "1 change was not made by countersign, and nothing tells who did it: thirteen@new.example (address)." ||
			m.Alarm != "1 change has no explanation. The limit is 0." || len(m.Notes) != 0 {
			n.Errorf("the message: %+v", m)
		}
		if reads := n.reads("/users"); reads != 2*24 {
			n.Errorf("the directory was read with %d calls, want 48: a report of changes stands on the scheduled night", reads)
		}

		// The event of the unexplained change shows late.
		n.org.AddEvent(organisation.Event{Time: unseen, Processed: time.Now(), Action: "user_email_changed", Actor: ada, AccountID: changedID(13)})
		n.edit(ours, 14, func(a *organisation.Account) { a.Name = "Ours" })
		n.edit(organisation.Actor{ID: "system", Name: "Okta"}, 15, func(a *organisation.Account) { a.Name = "Unknown kind" })
		n.edit(organisation.Provider("Okta"), 16, func(a *organisation.Account) { a.Billable = false })
		n.org.AddEvent(organisation.Event{Action: "user_login", Actor: ada, AccountID: changedID(17)})
		n.edit(organisation.Actor{}, 17, func(a *organisation.Account) { a.Name = "Only a login" })
		third, m := n.night()
		var by []string
		for _, row := range n.table(third.Run) {
			by = append(by, row[3]+" "+row[7])
		}
		if want := []string{
			"name key: countersign (ours, no batch)", "name actor: Okta", "billable identity provider", "name not by countersign",
		}; !slices.Equal(by, want) {
			n.Errorf("the third night: %q", by)
		}
		if !slices.Equal(m.Notes, []string{"Now known: Person 13, address, night of Sun 2 Jan: person: Ada Lang."}) {
			n.Errorf("notes %q", m.Notes)
		}
		thirteen[6], thirteen[7] = at, "person: Ada Lang" // and so the night itself is told now
		n.want(second.Run, rows...)
		again, _, err := n.runner.Show(n.Context(), changesReport, "2000-01-02")
		if err != nil || !cmp.Equal(again, second) {
			n.Errorf("the second night shown again: %v (-want +got)\n%s", err, cmp.Diff(second, again))
		}
		m, err = n.runner.Message(n.Context(), again)
		if err != nil || m.Alarm != "" || len(m.Table.Rows) != 7 || // nothing is without an explanation any more
			m.Table.Rows[3][4] != "person: Ada Lang" || m.Look != "4 changes did not go through countersign; Atlassian's log tells who made them." ||
			!slices.Equal(m.Notes, []string{"Now known: Person 13, address, night of Sun 2 Jan: person: Ada Lang."}) {
			n.Errorf("the message of the second night again: %+v, %v", m, err)
		}
		if m.Figures[report.FigureUnexplained] != 0 || m.Figures[report.FigureByPerson] != second.Figures[report.FigureByPerson]+1 {
			n.Errorf("it counts %v, told were %v", m.Figures, second.Figures)
		}
		diff, err := n.runner.Diff(n.Context(), changesReport, "2000-01-01", "2000-01-02")
		if err != nil || !cmp.Equal(rows, n.cells(diff.File)) || diff.Headline[0].Number != 7 || diff.File.Name != "nightly-changes-diff-2000-01-01-2000-01-02.csv" {
			n.Errorf("the two nights compared: %+v, %v", diff, err)
		}
		diff, err = n.runner.Diff(n.Context(), "nightly", "2000-01-01", "")
		if err != nil || diff.Headline[0].Number != 11 || len(diff.Message.Table.Rows) != 10 {
			n.Errorf("compared with the newest: %+v, %v", diff, err)
		}
		if _, err := n.runner.Diff(n.Context(), "nightly", "1999-12-31", ""); !errors.Is(err, report.ErrNoRun) {
			n.Errorf("a night that is not there: %v", err)
		}
		if _, m := n.night(); m.Look != "Nothing is different since Mon 3 Jan." || len(m.Notes) != 0 || m.Alarm != "" {
			n.Errorf("a quiet night: %+v", m)
		}
		n.edit(ada, 18, func(a *organisation.Account) { a.Status = "inactive" })
		if _, m := n.night(); m.Look != "1 change did not go through countersign; Atlassian's log tells who made it." || m.Alarm != "" {
			n.Errorf("a night with a change that the log explains: %+v", m)
		}
		if violations := n.org.Violations(); len(violations) > 0 {
			n.Error(violations)
		}
	})
}

func (n *nights) reads(end string) int {
	count := 0
	for _, c := range n.org.Calls() {
		if c.Method == http.MethodGet && strings.HasSuffix(c.Path, end) {
			count++
		}
	}
	return count
}

// Without a log in the plan batches alone explain changes: it is asked for until the refusal has lasted to
// the second night, and said once.
func TestChangesWithoutLog(t *testing.T) {
	withNights(t, 5, func(n *nights) {
		n.org.SetLogged(false)
		var notes []string
		for i := range 4 {
			_, m := n.night()
			notes = append(notes, m.Notes...)
			if i == 0 {
				n.batch(1)
			}
			n.edit(ada, 2, func(a *organisation.Account) { a.Name = fmt.Sprint("Name ", i) })
		}
		if want := []string{"Your Atlassian plan has no log of events, so only batches explain changes."}; !slices.Equal(notes, want) {
			n.Errorf("notes %q", notes)
		}
		if asked := n.reads("/event-actions") + n.reads("/events-stream"); asked != 2 {
			n.Errorf("the log was asked for %d times", asked)
		}
		results, err := n.db.Results(n.Context(), changesReport, "2000-01-02", 1)
		if err != nil || len(results) != 1 || results[0].Figures[report.FigureByBatch] != 1 || results[0].Figures[report.FigureUnexplained] != 1 {
			n.Errorf("%+v, %v", results, err)
		}
	})
}

// A log that cannot be read is no reason for a report to fail; a cursor that is refused, and a time that
// the log does not reach back to any more, lose nothing else, and the latter is said.
func TestLogInTrouble(t *testing.T) {
	withNights(t, 5, func(n *nights) {
		n.night()
		n.edit(ada, 1, func(a *organisation.Account) { a.Name = "One" })
		n.org.SetFaults(organisation.Faults{Before: organisation.On(http.MethodGet, "/events-stream", 0, organisation.Broken(http.StatusBadGateway))})
		if r, m := n.night(); r.Figures[report.FigureUnexplained] != 1 || len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "could not be read to its end (Atlassian could not be reached)") {
			n.Errorf("broken: %v, %q", r.Figures, m.Notes)
		}
		n.org.SetFaults(organisation.Faults{})
		if _, m := n.night(); !slices.Equal(m.Notes, []string{"Now known: Person 1, name, night of Sun 2 Jan: person: Ada Lang."}) &&
			!slices.Equal(m.Notes, []string{"Now known: One, name, night of Sun 2 Jan: person: Ada Lang."}) {
			n.Errorf("whole again: %q", m.Notes)
		}
		reading, err := n.db.LogReading(n.Context())
		if err != nil {
			n.Fatal(err)
		}
		reading.Cursor = "of another log"
		if err := n.db.SaveLog(n.Context(), reading, nil); err != nil {
			n.Fatal(err)
		}
		n.edit(ada, 2, func(a *organisation.Account) { a.Name = "Two" })
		if r, m := n.night(); r.Figures[report.FigureByPerson] != 1 || len(m.Notes) != 0 {
			n.Errorf("a cursor that is refused: %v, %q", r.Figures, m.Notes)
		}
		reading.Read = time.Now().AddDate(0, 0, -200)
		if err := n.db.SaveLog(n.Context(), reading, nil); err != nil {
			n.Fatal(err)
		}
		if _, m := n.night(); len(m.Notes) != 1 || !strings.Contains(m.Notes[0], "from then to 1999-07-09 it explains nothing") {
			n.Errorf("a gap: %q", m.Notes)
		}
		if _, m := n.night(); len(m.Notes) != 0 {
			n.Errorf("said again: %q", m.Notes)
		}
	})
}

// A night that takes two hours to read: what was done meanwhile is in it, and whoever did it is named. It
// is fresh from its end on, so that nobody reads the directory a second time.
func TestChangesOfALongNight(t *testing.T) {
	withNights(t, 5, func(n *nights) {
		n.night()
		n.takes.Store(int64(2 * time.Hour))
		time.Sleep(24*time.Hour + 30*time.Minute) // to half past three
		n.edit(ada, 1, func(a *organisation.Account) { a.Name = "Meanwhile" })
		time.Sleep(time.Hour)
		results, err := n.db.Results(n.Context(), changesReport, "2000-01-02", 1)
		if err != nil || len(results) != 1 || results[0].Failed {
			n.Fatalf("%+v, %v", results, err)
		}
		at := time.Date(2000, 1, 2, 3, 30, 0, 0, time.UTC).Format(time.RFC3339)
		n.want(results[0].Run, []string{changedID(1), "Meanwhile", changedAddress(1), "name", "Person 1", "Meanwhile", at, "person: Ada Lang"})
		if reads := n.reads("/users"); reads != 2 {
			n.Errorf("the directory was read %d times in two nights", reads)
		}
	})
}

// A refusal that passes is no plan without a log: it is asked for again in the next night, which tells who
// did what was done meanwhile.
func TestLogIsRefusedOnce(t *testing.T) {
	withNights(t, 5, func(n *nights) {
		n.night()
		n.edit(ada, 1, func(a *organisation.Account) { a.Name = "One" })
		for _, status := range []int{http.StatusForbidden, http.StatusNotFound} {
			n.org.SetFaults(organisation.Faults{Before: organisation.On(http.MethodGet, "/events-stream", 0, organisation.Broken(status))})
			if r, m := n.night(); !slices.Equal(m.Notes, []string{"Atlassian refused to show its log; what it explains comes with the next report."}) {
				n.Errorf("refused with %d: %v, %q", status, r.Figures, m.Notes)
			}
			n.org.SetFaults(organisation.Faults{})
			_, m := n.night()
			if len(m.Notes) > 1 || status == http.StatusForbidden && len(m.Notes) == 0 || len(m.Notes) == 1 && !strings.HasPrefix(m.Notes[0], "Now known: ") {
				n.Errorf("shown again: %q", m.Notes)
			}
			if reading, err := n.db.LogReading(n.Context()); err != nil || reading.State != report.LogThere || !reading.Refused.IsZero() {
				n.Errorf("the log stands as %+v, %v", reading, err)
			}
		}
		n.org.SetLogged(false)
		var notes []string
		for range 5 {
			_, m := n.night()
			notes = append(notes, m.Notes...)
		}
		if want := []string{
			"Atlassian refused to show its log; what it explains comes with the next report.",
			"Your Atlassian plan has no log of events, so only batches explain changes.",
		}; !slices.Equal(notes, want) {
			n.Errorf("a plan that has none any more: %q", notes)
		}
		n.org.SetLogged(true)
		time.Sleep(31 * 24 * time.Hour)
		n.night()
		if reading, err := n.db.LogReading(n.Context()); err != nil || reading.State != report.LogThere {
			n.Errorf("a plan that has one again: %+v, %v", reading, err)
		}
	})
}
