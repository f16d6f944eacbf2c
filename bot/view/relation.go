package view

import (
	"fmt"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
)

// relationsShown is how many of the batches that were made of one its card names; the latest.
const relationsShown = 5

// Relation is a batch that the card of another one names.
type Relation struct {
	Number int64
	Link   workflow.Link
	Batch  *workflow.Batch
	URL    string // of its card, "" when that does not stand
	// All is set where it is a return that took back everything that the batch had done.
	All bool
}

// plainNumber returns the number as words of their own, so that "undone by #43" can be read and
// searched for; the way to the card comes behind it.
func (l Relation) plainNumber() string {
	if l.URL == "" {
		return fmt.Sprintf("#%d", l.Number)
	}
	return fmt.Sprintf("#%d (<%s|card>)", l.Number, l.URL)
}

func (l Relation) linkedNumber() string {
	if l.URL == "" {
		return fmt.Sprintf("#%d", l.Number)
	}
	return fmt.Sprintf("<%s|#%d>", l.URL, l.Number)
}

// madeFrom says of which batch another one was made, and how: "undoes #42".
func (l Relation) madeFrom() string {
	switch l.Link {
	case workflow.LinkRetry:
		return "new approval for rows of " + l.linkedNumber() + " that changed since"
	case workflow.LinkRest:
		return "rest of " + l.linkedNumber() + " (its approval expired)"
	case workflow.LinkUndo:
		return "undoes " + l.linkedNumber()
	case workflow.LinkReturn:
		return "takes back " + l.linkedNumber() + ", as approved with it"
	case workflow.LinkAgain:
		return "asks again for " + l.linkedNumber()
	default:
		return "checks " + l.linkedNumber() + " again"
	}
}

// madeAs returns in words what was made of a batch: "Undone by #43". end is when what it did is taken
// back, the zero time where that is said elsewhere or not known. lasting leaves out what will soon be
// another: how a batch stands that is not over.
func (l Relation) madeAs(end time.Time, lasting bool) string {
	if l.Link == workflow.LinkReturn {
		return returning(l, end)
	}
	is := " (" + plainState(l.Batch) + ")."
	if lasting && l.Batch.State.Open() {
		is = "."
	}
	switch l.Link {
	case workflow.LinkRetry:
		return "Rows that changed since the approval are " + l.linkedNumber() + is
	case workflow.LinkRest:
		return "The approval expired. The rest is " + l.linkedNumber() + is
	case workflow.LinkAgain:
		return "Asked again as " + l.linkedNumber() + is
	case workflow.LinkUndo:
		switch {
		case l.Batch.State == workflow.Done:
			return "Undone by " + l.plainNumber() + " " + moment(l.Batch.Ended) + "."
		case l.Batch.State.Open() && lasting:
			return "Undo requested in " + l.plainNumber() + "."
		case l.Batch.State.Open():
			return "Undo requested in " + l.plainNumber() + ", " + plainState(l.Batch) + "."
		}
		return "Undo " + l.linkedNumber() + " was " + pastState(l.Batch) + "."
	default:
		return "Checked again as " + l.linkedNumber() + is
	}
}

// pastState says how a batch that was not done has ended: "rejected".
func pastState(b *workflow.Batch) string {
	if b.State == workflow.Empty {
		return "empty: no row could run"
	}
	return plainState(b)
}

// relationLines returns what was made of a batch, in words. Once it is over they say when it ends, as
// nothing else does then. lasting is for what is said once and stays.
func relationLines(b *workflow.Batch, all []Relation, lasting bool) string {
	var end time.Time
	if over(b.State) {
		end = b.When.End(b.Started)
	}
	var out []string
	for _, l := range all[max(len(all)-relationsShown, 0):] {
		out = append(out, l.madeAs(end, lasting))
	}
	return strings.Join(out, "\n")
}

// latestRelation returns the latest batch that was made in that way, the zero linked when none was.
func latestRelation(all []Relation, by workflow.Link) (last Relation) {
	for _, l := range all {
		if l.Link == by {
			last = l
		}
	}
	return last
}
