package store

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// EventCompared is the kind of event that says which list got the number of a comparison (Compared).
const EventCompared = "list_compared"

// Compared are the facts of an event that says which list got a number. The event's actor sent it,
// at its moment.
type Compared struct {
	Number   int    `json:"comparison"`
	Delivery string `json:"delivery"`
	Author   string `json:"author"`
	File     string `json:"file"`
	SHA256   string `json:"sha256"`
}

// Comparison is a list that was compared, as it is stored.
type Comparison struct {
	Compared
	Person string // who sent it
	At     string // MomentForm
	Bytes  []byte
	Kept   bool // its bytes are there
}

// comparison returns what the log says of a list, without its bytes.
func (e *Entry) comparison() (Comparison, error) {
	c := Comparison{Person: e.Actor, At: e.At}
	err := json.Unmarshal([]byte(e.Data), &c.Compared)
	return c, err
}

// auditComparisons holds the lists that were compared against what the log says of them.
func auditComparisons(from Source, a *Audited) error {
	for c, err := range from.Comparisons() {
		if err != nil {
			return err
		}
		told, known := a.compared[c.Number]
		delete(a.compared, c.Number)
		what := fmt.Sprintf("comparison %d", c.Number)
		switch {
		case !known:
			a.Find(Finding{What: what + ": the log does not tell of it"})
		case c.Kept && HexSum(c.Bytes) != c.SHA256:
			a.Find(Finding{Seq: told.seq, What: what + ": its list is not what was sent"})
		case !c.same(told.Comparison):
			a.Find(Finding{Seq: told.seq, What: what + " is not what the log says"})
		}
	}
	for _, number := range slices.Sorted(maps.Keys(a.compared)) {
		a.Find(Finding{Seq: a.compared[number].seq, What: fmt.Sprintf("comparison %d is missing", number)})
	}
	return nil
}

// same compares all but the bytes, for which their hash stands.
func (c Comparison) same(o Comparison) bool {
	return c.Compared == o.Compared && c.Person == o.Person && c.At == o.At
}

// toldComparison is what an event says of a list.
type toldComparison struct {
	Comparison
	seq int64
}
