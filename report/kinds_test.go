package report_test

import (
	"bytes"
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/countersign/countersign/report"
	"github.com/countersign/countersign/store/sqlite"
	"github.com/countersign/countersign/workflow"
)

// organisation is a directory with a site that a test sets. It counts how often owners are read.
type organisation struct {
	members []workflow.Member
	owners  map[string]string
	users   []workflow.SiteUser
	asked   int
	down    atomic.Bool // Atlassian goes away at the end of the list of members
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, one := range all {
			if !yield(one, nil) {
				return
			}
		}
	}
}

func (o *organisation) Members(context.Context) iter.Seq2[workflow.Member, error] {
	return func(yield func(workflow.Member, error) bool) {
		for _, m := range o.members {
			if !yield(m, nil) {
				return
			}
		}
		if o.down.Load() {
			yield(workflow.Member{}, workflow.ErrUnavailable)
		}
	}
}

func (o *organisation) SiteMembers(context.Context, string) iter.Seq2[workflow.SiteUser, error] {
	return each(o.users)
}

func (o *organisation) Owners(context.Context) iter.Seq2[workflow.Owned, error] {
	o.asked++
	var all []workflow.Owned
	for id, owner := range o.owners {
		all = append(all, workflow.Owned{AccountID: id, Owner: owner})
	}
	return each(all)
}

// deeds is a database in which batches did things to accounts, by the accounts' ids.
type deeds struct {
	*sqlite.DB
	by map[string][]workflow.Deed
}

func (d deeds) Trails(_ context.Context, accounts []report.Subject) (map[string]workflow.Trail, error) {
	trails := map[string]workflow.Trail{}
	for _, a := range accounts {
		trails[a.ID] = workflow.Trail{Deeds: d.by[a.ID]}
	}
	return trails, nil
}

// made runs a report and returns its result, what a message shows, and its file.
func (b *bench) made(name string) (report.Result, report.Message, string) {
	b.Helper()
	if err := b.runner.RunNow(b.Context(), name, "U0ALICE"); err != nil {
		b.Fatal(err)
	}
	synctest.Wait()
	result, file, err := b.runner.Show(b.Context(), name, "")
	if err != nil || result.Failed {
		b.Fatalf("%s: %+v, %v", name, result, err)
	}
	shown, err := b.runner.Message(b.Context(), result)
	if err != nil {
		b.Fatal(err)
	}
	var content bytes.Buffer
	if err := file.Write(b.Context(), &content); err != nil {
		b.Fatal(err)
	}
	return result, shown, strings.TrimPrefix(strings.ReplaceAll(content.String(), "\r\n", "\n"), "\ufeff")
}

func seat(id, address, last string, billable bool, products ...string) workflow.Member {
	m := workflow.Member{
		Account:  workflow.Account{ID: id, Name: id, Email: address, Type: "atlassian", Status: workflow.StatusActive},
		Billable: billable, LastActive: last,
	}
	for _, p := range products {
		m.Products = append(m.Products, workflow.Product{Key: p, Name: p, URL: "https://one.atlassian.net"})
	}
	return m
}

func TestKindsOverNights(t *testing.T) {
	b := []report.Definition{
		{Name: "idle", Kind: report.Inactive},
		{Name: "weekly", Kind: report.Summary},
		{Name: "users", Kind: report.SiteUsers, Site: "main"},
		{Name: "nightly", Kind: report.ManagedAccounts},
	}
	inBubble(t, b, func(b *bench) {
		gone := seat("eve", "eve@b.example", "2015-01-01", false)
		gone.Status = workflow.StatusInactive
		org := &organisation{
			members: []workflow.Member{
				seat("ada", "ada@a.example", "1999-01-01", true, "jira", "wiki"), seat("bob", "bob@a.example", "1999-01-01", true, "jira"),
				seat("cy", "", "1999-12-31", true, "wiki"), gone,
			},
			owners: map[string]string{"ada": workflow.OwnerSynced, "bob": workflow.OwnerInvited, "cy": workflow.OwnerNone, "eve": workflow.OwnerInvited},
			users: []workflow.SiteUser{
				{ID: "ada", Name: "=Ada", Email: "ada@a.example", Type: workflow.TypePerson, Active: true},
				{ID: "app", Name: "App", Type: workflow.TypeApp, Active: true},
				{ID: "cy", Name: "Cy", Type: workflow.TypePerson},
			},
		}
		did := map[string][]workflow.Deed{}
		b.run(report.Config{
			Members: org, Sites: org, Owners: org, Store: deeds{b.db, did},
			Prices: report.Prices{Currency: "EUR", Seats: map[string]report.Money{"jira": 800, "wiki": 550}},
		})
		time.Sleep(time.Until(time.Date(2000, 1, 10, 12, 0, 0, 0, time.UTC)))

		_, shown, _ := b.made("idle")
		if len(shown.Notes) > 0 || shown.Draft != 2 || !strings.Contains(shown.Look, "2 people") {
			b.Errorf("the first night shows %+v", shown)
		}
		_, shown, file := b.made("weekly")
		want := "date,accounts,active,inactive,closed,billable,cost,domain a.example,domain b.example,domain unknown," +
			"owner invited,owner none,owner synced,product jira (one.atlassian.net),product wiki (one.atlassian.net)\n" +
			"2000-01-10,4,3,1,0,3,27.00,2,1,1,2,1,1,2,2\n"
		if diff := cmp.Diff(want, file); diff != "" {
			b.Errorf("summary of one night (-want +got)\n%s", diff)
		}
		if shown.Chart != nil || !strings.Contains(shown.Look, "first night") {
			b.Errorf("a summary of one night shows %+v", shown)
		}
		if t := shown.Table; len(t.Columns) != 2 || len(t.Rows[0]) != 2 {
			b.Errorf("one night is set beside itself: %+v", t)
		}
		result, shown, file := b.made("users")
		want = "account_id,name,email,account_type,active\nada,'=Ada,ada@a.example,atlassian,true\napp,App,,app,true\ncy,Cy,,atlassian,false\n"
		if diff := cmp.Diff(want, file); diff != "" {
			b.Errorf("users of a site (-want +got)\n%s", diff)
		}
		figures := report.Figures{
			report.FigureAccounts: 3, report.FigureActive: 2, report.FigureInactive: 1, report.FigureBillable: 0,
			report.FigurePeople: 2, report.FigureApps: 1, report.FigureHidden: 1,
		}
		if diff := cmp.Diff(figures, result.Figures); diff != "" {
			b.Errorf("figures of a site (-want +got)\n%s", diff)
		}
		if !slices.Contains(shown.Notes, "Atlassian hides the address of 1 person; their cell is empty.") {
			b.Errorf("a hidden address is not said: %q", shown.Notes)
		}
		if org.asked != 1 {
			b.Errorf("owners were read %d times in one night", org.asked)
		}

		time.Sleep(24 * time.Hour)
		deed := func(action workflow.ActionName, batch int64, ago time.Duration) workflow.Deed {
			at := time.Now().Add(-ago)
			return workflow.Deed{Action: action, Began: at, Ended: at, Batch: batch, Proved: true}
		}
		// Others freed nothing: one was before the first night, one only gave her another name.
		did["ada"] = []workflow.Deed{deed(workflow.Suspend, 7, 48*time.Hour), deed(workflow.Suspend, 42, time.Hour), deed(workflow.SetName, 50, time.Minute)}
		did["bob"] = []workflow.Deed{deed(workflow.SetName, 50, time.Minute)}
		org.members[0].Billable = false                 // by batch 42
		org.members[1].Status = workflow.StatusInactive // by nobody whom we know
		org.members[1].Billable = false                 //
		org.members = append(org.members, seat("dan", "dan@b.example", "2000-01-10", true, "jira"))
		result, shown, _ = b.made("idle")
		saved := "Saved since 2000-01-10: 2 seats were freed, about €22 a month (1 by #42, 1 not by countersign)."
		if !slices.Contains(shown.Notes, saved) || result.Figures[report.FigureFreed] != 2 || result.Figures[report.FigureFreedCost] != 2150 {
			b.Errorf("what was saved: %q, %v", shown.Notes, result.Figures)
		}
		_, shown, file = b.made("weekly")
		want = "date,accounts,active,inactive,closed,billable,cost,domain a.example,domain b.example,domain unknown," +
			"owner invited,owner none,owner synced,owner unknown,product jira (one.atlassian.net),product wiki (one.atlassian.net)\n" +
			"2000-01-10,4,3,1,0,3,27.00,2,1,1,2,1,1,0,2,2\n" +
			"2000-01-11,5,3,2,0,2,13.50,2,2,1,2,1,1,1,1,1\n"
		if diff := cmp.Diff(want, file); diff != "" {
			b.Errorf("summary of two nights (-want +got)\n%s", diff)
		}
		look := "1 account fewer is billed than on 10 Jan: about €14 a month, €14 less."
		if shown.Look != look || !shown.Chart.Valid() || len(shown.Chart.Categories) != 2 {
			b.Errorf("a summary of two nights shows %q and %+v", shown.Look, shown.Chart)
		}
		if t := shown.Table; len(t.Columns) != 4 || !slices.Equal(t.Rows[0], []string{"All accounts", "5", "4", "1"}) {
			b.Errorf("two nights beside each other: %+v", t)
		}
		if _, shown, _ = b.made("nightly"); shown.Chart != nil {
			b.Errorf("one night is drawn over time: %+v", shown.Chart)
		}
		if org.asked != 2 {
			b.Errorf("owners were read %d times in two nights", org.asked)
		}

		time.Sleep(24 * time.Hour)
		org.members = org.members[1:]                   // ada is gone,
		org.members[1].Status = workflow.StatusInactive // cy is locked out,
		org.owners["bob"] = workflow.OwnerSynced        // and bob is other in his owner alone
		_, _, file = b.made("weekly")
		want = "date,accounts,active,inactive,closed,billable,cost,domain a.example,domain b.example,domain unknown," +
			"owner invited,owner none,owner synced,owner unknown,product jira (one.atlassian.net),product wiki (one.atlassian.net)\n" +
			"2000-01-10,4,3,1,0,3,27.00,2,1,1,2,1,1,0,2,2\n" +
			"2000-01-11,5,3,2,0,2,13.50,2,2,1,2,1,1,1,1,1\n" +
			"2000-01-12,4,1,3,0,2,13.50,1,2,1,1,1,1,1,1,1\n"
		if diff := cmp.Diff(want, file); diff != "" {
			b.Errorf("summary of three nights (-want +got)\n%s", diff)
		}
	})
}

// A night whose first try failed has the owners that were read with it, and nobody reads them again.
func TestOwnersOfANightThatIsTriedAgain(t *testing.T) {
	inBubble(t, []report.Definition{{Name: "nightly", Kind: report.ManagedAccounts}}, func(b *bench) {
		org := &organisation{members: []workflow.Member{seat("ada", "ada@a.example", "1999-01-01", true)}}
		org.down.Store(true)
		org.owners = map[string]string{"ada": workflow.OwnerSynced}
		b.run(report.Config{Members: org, Owners: org})
		if err := b.runner.RunNow(b.Context(), "nightly", "U0ALICE"); err != nil {
			b.Fatal(err)
		}
		synctest.Wait()
		org.down.Store(false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		b.want("2000-01-01 done")
		for m, err := range b.db.SnapshotMembers(b.Context(), 1) {
			if err != nil || m.Owner != workflow.OwnerSynced {
				b.Errorf("the owner is %q, %v", m.Owner, err)
			}
		}
		if org.asked != 1 {
			b.Errorf("owners were read %d times", org.asked)
		}
		org.owners["ada"] = workflow.OwnerInvited
		b.made("nightly") // in the same night
		time.Sleep(24 * time.Hour)
		result, _, _ := b.made("nightly")
		if owners, err := b.db.SnapshotOwners(b.Context(), result.Snapshot); err != nil || owners[workflow.OwnerInvited] != 1 || org.asked != 2 {
			b.Errorf("the night after: %v, %v; read %d times", owners, err, org.asked)
		}
	})
}

// marking is marks that cannot be read, or that are as they are.
type marking struct {
	err   error
	marks map[string]workflow.Mark
}

func (m *marking) Marked(context.Context, []workflow.Account) (map[string]workflow.Mark, error) {
	return m.marks, m.err
}

// Where nobody knows whom a draft may have, none is offered of them, and the message says why.
func TestMarksThatCannotBeRead(t *testing.T) {
	inBubble(t, []report.Definition{{Name: "idle", Kind: report.Inactive}}, func(b *bench) {
		org := &organisation{members: []workflow.Member{
			seat("ada", "ada@a.example", "1999-01-01", true), seat("bob", "bob@a.example", "1999-01-01", true), seat("cy", "cy@a.example", "1999-01-01", true),
		}}
		marks := &marking{}
		b.run(report.Config{Members: org, Marks: marks})
		for _, test := range []struct {
			marking
			draft int
			notes []string
		}{
			{marking{err: workflow.ErrUnavailable}, 0, []string{
				"I could not check whether 3 accounts are protected or an admin's (Atlassian could not be reached), so no draft is offered. Run the report again.",
			}},
			{marking{marks: map[string]workflow.Mark{"ada": workflow.MarkUnknown, "bob": workflow.MarkAdmin}}, 1, []string{
				"1 account is marked; a draft leaves it out.", "Marked: bob (admin).",
				"I could not check whether 1 account is protected or an admin's, so a draft leaves it out.",
			}},
			{marking{}, 3, nil},
		} {
			*marks = test.marking
			_, shown, file := b.made("idle")
			if header, _, _ := strings.Cut(file, "\n"); header != "account_id,name,email,last_active,days,products,billable,cost" {
				b.Errorf("the file has %s", header)
			}
			if shown.Draft != test.draft || !slices.Equal(shown.Notes, test.notes) {
				b.Errorf("%+v: a draft of %d, %q", test.marking, shown.Draft, shown.Notes)
			}
			time.Sleep(time.Hour)
		}
	})
}

// A chart over time says from when to when it is, whatever the days between its nights; a day that comes
// twice in it has its year.
func TestChartSaysItsDates(t *testing.T) {
	for want, days := range map[string]int{
		"Billable accounts, 1 Jan to 5 Jan":           1,
		"Billable accounts, 1 Jan to 29 Jan":          7,
		"Billable accounts, 2000-01-01 to 2001-12-21": 180,
	} {
		inBubble(t, []report.Definition{{Name: "nightly", Kind: report.ManagedAccounts}}, func(b *bench) {
			b.run(report.Config{Members: &organisation{}})
			var last report.Run
			for n := range 5 {
				due := time.Now().AddDate(0, 0, n*days)
				night, err := b.db.TakeSnapshot(b.Context(), "nightly", due, each[workflow.Member](nil))
				if err != nil {
					b.Fatal(err)
				}
				last, err = b.db.CreateRun(b.Context(), report.Run{
					Report: "nightly", Kind: report.ManagedAccounts, Due: due, Date: due.Format(time.DateOnly), State: report.RunDone,
					Finished: due, Snapshot: night.ID,
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			result, err := b.db.Result(b.Context(), last.ID)
			if err != nil {
				b.Fatal(err)
			}
			shown, err := b.runner.Message(b.Context(), result)
			if err != nil || shown.Chart == nil || shown.Chart.Title != want || len(shown.Chart.Categories) != 5 {
				b.Errorf("%+v, %v, want %q", shown.Chart, err, want)
			}
		})
	}
}
