package report

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/sheet"
)

// The figures of a site-users report, beside how many there are and how many of them are active.
const (
	FigurePeople    Figure = "people"
	FigureApps      Figure = "apps"
	FigureCustomers Figure = "customers"
	FigureHidden    Figure = "hidden_addresses" // of people, which Atlassian does not show
)

// siteUsers returns every user of one Jira site.
func siteUsers() Kind {
	return Kind{
		Name: SiteUsers, Take: takeSiteUsers, Headline: siteHeadline, Message: siteMessage,
		Table: func(ctx context.Context, from Sources, _ Definition, r Result, w io.Writer) error {
			return writeSiteUsers(w, from.Store.SnapshotMembers(ctx, r.Snapshot))
		},
	}
}

// takeSiteUsers records who is a user of the site.
func takeSiteUsers(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	if from.Sites == nil || d.Site == "" {
		return Snapshot{}, errors.New("a report on the users of a site needs one")
	}
	members := func(yield func(workflow.Member, error) bool) {
		for u, err := range from.Sites.SiteMembers(ctx, d.Site) {
			m := workflow.Member{Account: workflow.Account{ID: u.ID, Name: u.Name, Email: u.Email, Type: u.Type, Status: workflow.StatusInactive}}
			if u.Active {
				m.Status = workflow.StatusActive
			}
			if !yield(m, err) {
				return
			}
		}
	}
	snapshot, err := from.Store.TakeSnapshotOf(ctx, SitePopulation(d.Site), d.Name, at, members)
	if err != nil {
		return Snapshot{}, err
	}
	figures := Figures{}
	for m, err := range from.Store.SnapshotMembers(ctx, snapshot.ID) {
		if err != nil {
			return Snapshot{}, err
		}
		figures[typeFigure(m.Type)]++
		if m.Email == "" && m.Type == workflow.TypePerson {
			figures[FigureHidden]++
		}
	}
	snapshot.Figures = joined(snapshot.Figures, figures)
	return snapshot, nil
}

func typeFigure(accountType string) Figure {
	switch accountType {
	case workflow.TypeApp:
		return FigureApps
	case workflow.TypeCustomer:
		return FigureCustomers
	}
	return FigurePeople
}

func siteHeadline(now, before Figures) []Headline {
	of := func(name Figure) func(Figures) int { return func(f Figures) int { return f[name] } }
	return []Headline{
		headline(now, before, of(FigureAccounts), "user", "users"),
		headline(now, before, of(FigureActive), "active", "active"),
		headline(now, before, of(FigurePeople), "person", "people"),
		headline(now, before, of(FigureApps), "app", "apps"),
		headline(now, before, of(FigureCustomers), "customer", "customers"),
	}
}

func siteMessage(ctx context.Context, from Sources, d Definition, r Result) (Message, error) {
	chart, err := chartOverTime(ctx, from, r, "Active users", FigureActive)
	if err != nil {
		return Message{}, err
	}
	m := Message{Chart: chart}
	if d.Site != "" {
		m.Notes = append(m.Notes, "Users of the site "+d.Site+".")
	}
	if n := r.Figures[FigureHidden]; n > 0 {
		word := "people"
		if n == 1 {
			word = "person"
		}
		m.Notes = append(m.Notes, fmt.Sprintf("Atlassian hides the address of %s %s; their cell is empty.", workflow.Number(n), word))
	}
	return m, nil
}

var siteColumns = []string{"account_id", "name", "email", "account_type", "active"}

func writeSiteUsers(w io.Writer, members iter.Seq2[workflow.Member, error]) error {
	var failed error
	err := sheet.WriteCSV(w, slices.Clone(siteColumns), func(yield func([]string) bool) {
		for m, err := range members {
			if err != nil {
				failed = err
				return
			}
			if !yield([]string{m.ID, m.Name, m.Email, m.Type, strconv.FormatBool(m.Status == workflow.StatusActive)}) {
				return
			}
		}
	})
	return cmp.Or(failed, err)
}
