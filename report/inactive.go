package report

import (
	"cmp"
	"context"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// The figures of an inactive report, beside those of the accounts as a whole.
const (
	FigureIdle         Figure = "idle"          // active accounts without activity for so long
	FigureIdleBillable Figure = "idle_billable" // those of them that are billed
	FigureIdleCost     Figure = "idle_cost"     // what these cost a month, in hundredths
	FigureNoActivity   Figure = "no_activity"   // active accounts of which no activity is known
	FigureFreed        Figure = "freed"         // billed and idle the time before, and billed no more
	FigureFreedCost    Figure = "freed_cost"    // what they had cost a month, in hundredths
	figureIdleDay      Figure = "idle_day"      // the day from which was counted, in days since 1970
	figureIdleDays     Figure = "idle_days"     // after how many of them an account is inactive
)

// idleDays is after how many days without activity an account is inactive where nothing is said.
const idleDays = 90

// inactive returns the active accounts that nobody has used for a while, and what they cost.
func inactive() Kind {
	return Kind{
		Name: Inactive, Take: takeInactive, Headline: inactiveHeadline, Message: inactiveMessage, Draft: inactiveDraft,
		Table: func(ctx context.Context, from Sources, _ Definition, r Result, w io.Writer) error {
			idle, err := idleOf(ctx, from, r)
			if err != nil {
				return err
			}
			return writeIdle(w, idle)
		},
	}
}

func inactiveHeadline(now, before Figures) []Headline {
	of := func(name Figure) func(Figures) int { return func(f Figures) int { return f[name] } }
	return []Headline{
		headline(now, before, of(FigureIdle), "inactive account", "inactive accounts"),
		headline(now, before, of(FigureIdleBillable), "billed", "billed"),
		headline(now, before, of(FigureActive), "active in all", "active in all"),
	}
}

// Idle is an account that nobody has used for a while.
type Idle struct {
	workflow.Member
	Last   string        // its latest activity in any product, as sent
	Days   int           // since then
	Cost   Money         // a month
	Priced bool          // Cost is known
	Mark   workflow.Mark // why no draft has it
}

// clockDay is the number of the day of t, as the days of activity are counted.
func clockDay(t time.Time) int { return int(t.Unix() / int64(24*time.Hour/time.Second)) }

// lastActive returns the latest activity that is known of the account, in any product, as sent, and its
// day; known is false where there is none.
func lastActive(m workflow.Member) (last string, day int, known bool) {
	consider := func(text string) {
		at, err := time.Parse(time.DateOnly, text[:min(len(text), len(time.DateOnly))])
		if err == nil && (!known || clockDay(at) > day) {
			last, day, known = text, clockDay(at), true
		}
	}
	consider(m.LastActive)
	for _, p := range m.Products {
		consider(p.LastActive)
	}
	return last, day, known
}

// findIdle returns the active accounts without activity in the days before the day, and counts them.
// Whose activity is not known is not inactive. Billed ones come first, of these the dearest, then those
// that have been idle for longest.
func findIdle(members iter.Seq2[workflow.Member, error], prices Prices, day, days int) ([]Idle, Figures, error) {
	figures := Figures{figureIdleDay: day, figureIdleDays: days}
	var all []Idle
	for m, err := range members {
		if err != nil {
			return nil, nil, err
		}
		if m.Status != workflow.StatusActive {
			continue
		}
		last, at, known := lastActive(m)
		switch {
		case !known:
			figures[FigureNoActivity]++
			continue
		case day-at < days:
			continue
		}
		idle := Idle{Member: m, Last: last, Days: day - at}
		idle.Cost, idle.Priced = prices.Of(m)
		figures[FigureIdle]++
		figures[FigureIdleCost] += int(idle.Cost)
		if m.Billable {
			figures[FigureIdleBillable]++
		}
		all = append(all, idle)
	}
	slices.SortFunc(all, func(a, b Idle) int {
		if a.Billable != b.Billable {
			if a.Billable {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(b.Cost, a.Cost), cmp.Compare(b.Days, a.Days), cmp.Compare(a.ID, b.ID))
	})
	return all, figures, nil
}

// takeInactive records the directory and counts who is idle in it, and what was freed since the time
// before.
func takeInactive(ctx context.Context, from Sources, d Definition, at time.Time) (Snapshot, error) {
	snapshot, err := recentAccounts(ctx, from, d, at)
	if err != nil {
		return Snapshot{}, err
	}
	location := cmp.Or(d.Location, time.UTC)
	y, month, dayOf := at.In(location).Date()
	day := clockDay(time.Date(y, month, dayOf, 0, 0, 0, 0, time.UTC))
	_, figures, err := findIdle(from.Store.SnapshotMembers(ctx, snapshot.ID), from.Prices, day, cmp.Or(d.Days, idleDays))
	if err != nil {
		return Snapshot{}, err
	}
	before, ok, err := resultBefore(ctx, from, d.Name, 0)
	if err != nil {
		return Snapshot{}, err
	}
	if ok {
		freed, err := freedSince(ctx, from, before, snapshot.ID)
		if err != nil {
			return Snapshot{}, err
		}
		for _, f := range freed {
			figures[FigureFreed]++
			figures[FigureFreedCost] += int(f.Cost)
		}
	}
	snapshot.Figures = joined(snapshot.Figures, figures)
	return snapshot, nil
}

func joined(all ...Figures) Figures {
	out := Figures{}
	for _, figures := range all {
		maps.Copy(out, figures)
	}
	return out
}
