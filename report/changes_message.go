package report

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

const (
	changesShown   = 10 // rows of the message's table
	explainedShown = 5  // sentences about what is explained now
	namedShown     = 3  // people in the one sentence
)

func changesHeadline(now, _ Figures) []Headline {
	told := []Headline{{Number: now[FigureChanges], One: "change", Many: "changes"}}
	add := func(figure Figure, one, many string) {
		if n := now[figure]; n > 0 {
			told = append(told, Headline{Number: n, One: one, Many: many})
		}
	}
	add(FigureChanged, "account", "accounts")
	add(FigureByBatch, "by a request", "by requests")
	add(FigureByPerson, "by a person", "by people")
	add(FigureByKey, "by a key", "by keys")
	add(FigureByProvider, "by an identity provider", "by identity providers")
	add(FigureByOther, "by another actor", "by other actors")
	add(FigureUnexplained, workflow.NotByUs, workflow.NotByUs)
	for i := range told {
		told[i].Before = told[i].Number // how many there were the night before says nothing
	}
	return told
}

// outside is how many of the changes no batch made.
func outside(f Figures) int { return f[FigureChanges] - f[FigureByBatch] }

// changesMessage tells of the changes and of who made them as it is known now; what was told as nobody's
// then and is known since is said, and is no alarm any more. Beside an error stands the alarm alone, by
// what was counted then.
func changesMessage(ctx context.Context, from Sources, d Definition, r Result) (Message, error) {
	figures, m, err := toldChanges(ctx, from, d, r)
	if err != nil {
		figures, m = r.Figures, Message{}
	} else {
		m.Figures = figures
	}
	if n := figures[FigureUnexplained]; d.AlarmOver != nil && n > *d.AlarmOver {
		m.Alarm = alarmWords(n, *d.AlarmOver)
	}
	return m, err
}

func toldChanges(ctx context.Context, from Sources, d Definition, r Result) (Figures, Message, error) {
	c, _, err := from.Logbook.Told(ctx, r.Report, r.Snapshot)
	if err != nil {
		return nil, Message{}, err
	}
	explained, err := from.Logbook.Explained(ctx, r.Report, r.Snapshot)
	if err != nil {
		return nil, Message{}, err
	}
	corrected, err := from.Logbook.Corrected(ctx, r.Report, r.Snapshot)
	if err != nil {
		return nil, Message{}, err
	}
	figures, m := Figures{}, Message{}
	if c.Since == 0 {
		m.Look = "This is the first night, so there is nothing to compare it with."
	} else {
		nights, err := nightsBetween(ctx, from, c.Since, c.Snapshot)
		if err != nil {
			return nil, Message{}, err
		}
		nights.zone = d.Location
		if figures, m, err = difference(ctx, from, nights); err != nil {
			return nil, Message{}, err
		}
	}
	m.Notes = slices.Concat(m.Notes, explainedWords(corrected, d.Location), explainedWords(explained, d.Location), c.Notes)
	return figures, m, nil
}

// alarmWords says how many changes that nobody explains are too many.
func alarmWords(n, limit int) string {
	words := "changes have"
	if n == 1 {
		words = "change has"
	}
	return fmt.Sprintf("%s %s no explanation. The limit is %s.", workflow.Number(n), words, workflow.Number(limit))
}

// difference counts what is different between two nights, and returns what is said of it, as it is
// known now: who did not go through us comes first, of these whom nobody knows.
func difference(ctx context.Context, from Sources, nights between) (Figures, Message, error) {
	m := Message{}
	var top []changed
	var unexplained []changed
	figures, account := Figures{}, ""
	for change, err := range compared(ctx, from, nights) {
		if err != nil {
			return nil, m, err
		}
		figures.tally(change, account)
		account = change.ID
		if !change.By.Known() && len(unexplained) <= namedShown {
			unexplained = append(unexplained, change)
		}
		if top = append(top, change); len(top) >= 2*changesShown {
			top = mostSurprising(top)
		}
	}
	top = mostSurprising(top)
	m.Look = changesLook(figures, unexplained, nights)
	if len(top) > 0 {
		m.Table = &Table{Caption: "Changes since " + dayWords(nights.since, nights.zone), Of: figures[FigureChanges], Columns: []Column{
			{Name: "Person"}, {Name: "What"}, {Name: "From"}, {Name: "To"}, {Name: "By"},
		}}
		for _, c := range top {
			m.Table.Rows = append(m.Table.Rows, []string{cmp.Or(c.Name, c.Email, c.ID), c.Field, c.From, c.differing.To, c.By.String()})
		}
	}
	return figures, m, nil
}

// mostSurprising returns the changes of a message's table: nobody's first, then those of others, then
// our own.
func mostSurprising(all []changed) []changed {
	slices.SortStableFunc(all, func(a, b changed) int { return cmp.Compare(surprise(a.By), surprise(b.By)) })
	return all[:min(len(all), changesShown)]
}

func surprise(by workflow.By) int {
	switch {
	case !by.Known():
		return 0
	case by.Own:
		return 1
	case by.Kind == workflow.ByBatch:
		return 3
	}
	return 2
}

// changesLook is the one thing to look at.
func changesLook(f Figures, unexplained []changed, nights between) string {
	if n := f[FigureUnexplained]; n > 0 {
		var names []string
		for _, c := range unexplained[:min(len(unexplained), namedShown)] {
			names = append(names, cmp.Or(c.Email, c.Name, c.ID)+" ("+c.Field+")")
		}
		if more := n - len(names); more > 0 {
			names = append(names, workflow.Number(more)+" more")
		}
		verb := "changes were"
		if n == 1 {
			verb = "change was"
		}
		return fmt.Sprintf("%s %s not made by countersign, and nothing tells who did it: %s.", workflow.Number(n), verb, strings.Join(names, ", "))
	}
	switch n := outside(f); {
	case f[FigureChanges] == 0:
		return "Nothing is different since " + dayWords(nights.since, nights.zone) + "."
	case n == 0:
		return "Every change was made by countersign."
	case n == 1:
		return "1 change did not go through countersign; Atlassian's log tells who made it."
	default:
		return workflow.Number(n) + " changes did not go through countersign; Atlassian's log tells who made them."
	}
}

// explainedWords says who made changes that were told as not by countersign.
func explainedWords(doubts []Doubt, zone *time.Location) []string {
	var out []string
	for i, d := range doubts {
		if i == explainedShown {
			out = append(out, workflow.Number(len(doubts)-i)+" more are known now.")
			if i == len(doubts)-1 {
				out[i] = "1 more is known now."
			}
			break
		}
		out = append(out, fmt.Sprintf("Now known: %s, %s, night of %s: %s.",
			cmp.Or(d.Name, d.Email, d.AccountID), fieldName(d.Field), dayWords(d.Until, zone), d.By))
	}
	return out
}

// fieldName is what files and messages call a field.
func fieldName(f workflow.Field) string {
	if f == workflow.FieldEmail {
		return "address"
	}
	return string(f)
}

// dayWords names the day of a night by the clock of the report's schedule.
func dayWords(at time.Time, zone *time.Location) string {
	return at.In(cmp.Or(zone, time.UTC)).Format("Mon 2 Jan")
}
