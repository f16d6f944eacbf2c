package view

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/bot/slackapi"
)

// Restored is what Slack shows and the database does not know, because it was put back to an
// earlier state.
type Restored struct {
	Number    int64   `json:"number,omitempty"`    // of the latest batch that has a card and is above Last; 0 for none
	Last      int64   `json:"last,omitempty"`      // the last number that the database gave
	Forgotten int64   `json:"forgotten,omitempty"` // a batch that it knows, with a card that it does not know; 0 for none
	Newer     []int64 `json:"newer,omitempty"`     // batches whose cards show a later state than it knows
	Event     int64   `json:"event,omitempty"`     // of the log, told by the last report, that it does not have; 0 for none
	Events    int64   `json:"events,omitempty"`    // the last event that it has

	At time.Time `json:"at,omitzero"` // when it was said
}

// Nothing reports whether the database knows all that was looked at.
func (r Restored) Nothing() bool {
	return r.Number == 0 && r.Forgotten == 0 && len(r.Newer) == 0 && r.Event == 0
}

// Same reports whether said tells of the same, so that it need not be said again: numbers that were
// skipped and events that were written since do not make it another.
func (r Restored) Same(said Restored) bool {
	forgotten := r.Forgotten == 0 || r.Forgotten == said.Forgotten
	newer := !slices.ContainsFunc(r.Newer, func(number int64) bool { return !slices.Contains(said.Newer, number) })
	return !said.At.IsZero() && r.Number <= said.Number && r.Event <= said.Event && forgotten && newer
}

// Words returns what is known, in sentences without marks of any kind.
func (r Restored) Words() string {
	var out []string
	if r.Number > 0 {
		out = append(out, fmt.Sprintf("Slack shows batch #%d, and the database knows batches up to #%d.", r.Number, r.Last))
	}
	if r.Forgotten > 0 {
		out = append(out, fmt.Sprintf("It does not know the card of #%d.", r.Forgotten))
	}
	if len(r.Newer) > 0 {
		names := make([]string, len(r.Newer))
		for i, n := range r.Newer {
			names[i] = fmt.Sprintf("#%d", n)
		}
		out = append(out, fmt.Sprintf("It does not know what became of %s since.", list(names)))
	}
	if r.Event > 0 {
		out = append(out, fmt.Sprintf("The last report ended with event %d of the log, which is not in it; its last event is %d.",
			r.Event, r.Events))
	}
	return strings.Join(out, " ")
}

// WentBack says in the channel that the database was put back, what that means, and what to do.
func WentBack(r Restored) slackapi.Message {
	text := "*The database went back in time*: it is older than what stands here. " + r.Words() + "\n"
	if r.Number > 0 {
		first := fmt.Sprintf("#%d", r.Last+1)
		if r.Last+1 < r.Number {
			first = fmt.Sprintf("#%d to #%d", r.Last+1, r.Number)
		}
		text += fmt.Sprintf("New requests get numbers from #%d on. What became of %s is not known any more; their buttons do "+
			"nothing, and accounts may already show what they did: see the results in their threads.\n", r.Number+1, first)
	}
	return Said(text + "Files that were posted since may be taken anew, as new requests to be approved. What was decided or " +
		"done since that state is not in the log. Of batches that were running then each account is read " +
		"before anything is sent.")
}
