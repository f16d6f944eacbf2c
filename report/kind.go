package report

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Kind is what a report is about: how one is made, summarised and written. There is one file for
// each; what is common to all of them, as schedules, tries, keeping and posting, is the runner's.
type Kind struct {
	Name KindName
	// Take records what a report of this moment is made of, whole or not at all. Errors are those
	// of what it reads, in the kinds of workflow.
	Take func(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error)
	// Headline lists what a message says about the report, in order; before are the figures of the
	// time before, nil when there was none.
	Headline func(now, before Figures) []Headline
	// Message says what a message shows beside the headline. It may read the snapshot several
	// times. nil: nothing.
	Message func(ctx context.Context, from Sources, d Definition, r Result) (Message, error)
	// Draft returns the accounts of which a draft of a request is offered, none that is marked. nil:
	// none is offered.
	Draft func(ctx context.Context, from Sources, d Definition, r Result) ([]workflow.Account, error)
	// Table writes the file: CSV. It may read the snapshot several times.
	Table func(ctx context.Context, from Sources, d Definition, r Result, w io.Writer) error
}

// Sources are where a kind finds what it is about.
type Sources struct {
	Members workflow.Members
	Store   Snapshots
	Results Results // what was reported before
	Prices  Prices
	Marks   Marks // nil: nobody is marked
	Sites   workflow.SiteMembers
	Log     workflow.Log // the organisation's own; nil: it is not asked
	Logbook Logbook
	owners  *ownersRead
	marks   *marksOfRun
	due     time.Time // of the run, where a schedule made it; zero: somebody asked for it
}

// Figures are the numbers of a report by name. What is not among them is 0.
type Figures map[Figure]int

// Figure names a number of a report; the name is stored, so that it stays once it was used.
type Figure string

// Headline is a number in a message, with its value the time before.
type Headline struct {
	Number, Before int
	One, Many      string // what there is of it: "account" and "accounts"
}

// Message is what a message shows of a result beside its headline. What comes from outside, as
// names, is in it as it is: whoever draws it makes it harmless.
type Message struct {
	// Alarm is why somebody has to look at once, as a sentence; "" for a report like any other. It
	// mentions the admins.
	Alarm string
	// Look is the one thing to look at, as a sentence; "" for nothing.
	Look string
	// Notes are further sentences, of less weight.
	Notes []string
	Chart *Chart
	Table *Table
	// Figures are those of the result as they are known now; nil where they stay as they were.
	Figures Figures
	// Draft is how many accounts a draft of a request would have; 0 where none is offered.
	Draft int
}

// Table is the top rows of a report.
type Table struct {
	Caption string // "" for none
	Columns []Column
	Rows    [][]string
	Of      int // how many rows there are in all
}

// Column is a column of a Table.
type Column struct {
	Name   string
	Number bool // its cells are numbers, or empty
}

// headline tells a figure; without a time before it, nothing is different.
func headline(now, before Figures, figure func(Figures) int, one, many string) Headline {
	h := Headline{Number: figure(now), One: one, Many: many}
	if h.Before = h.Number; before != nil {
		h.Before = figure(before)
	}
	return h
}

// KindName is the word for a kind in the settings and in commands.
type KindName string

// The kinds that there are to be; which of them are made is what kinds lists.
const (
	ManagedAccounts KindName = "managed-accounts"
	Changes         KindName = "changes"
	Inactive        KindName = "inactive"
	Summary         KindName = "summary"
	SiteUsers       KindName = "site-users"
)

// kinds returns the catalogue of the kinds that are made.
func kinds() []Kind {
	return []Kind{managedAccounts(), changes(), inactive(), summary(), siteUsers()}
}

// KindNames lists the names of all kinds, made or not.
func KindNames() []KindName {
	return []KindName{ManagedAccounts, Changes, Inactive, Summary, SiteUsers}
}

// KindFor returns the kind of that name; ok is false where it is not made.
func KindFor(name KindName) (kind Kind, ok bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return all[i], true
}

// Supported reports whether reports of the kind are made.
func (n KindName) Supported() bool {
	_, ok := KindFor(n)
	return ok
}

// Headline lists what a message says about the result, in order; nothing where its kind is not made
// any more.
func (r Result) Headline() []Headline {
	kind, ok := KindFor(r.Kind)
	if !ok {
		return nil
	}
	return kind.Headline(r.Figures, r.Before)
}
