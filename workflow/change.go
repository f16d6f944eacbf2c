package workflow

import (
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// Change is one row of a batch: one action on one account. Row is the line of the sent file where the record starts, or
// 1, 2, … for a command; it identifies the change within its batch.
type Change struct {
	Batch  int64
	Row    int
	Action ActionName

	AccountID string
	Name      string // the account's display name when planned
	OldEmail  string // the account's address when planned; before that, what the row says
	NewEmail  string // as sent
	Message   string
	Group     string

	// Steps are in running order; empty when the change will not run. Step is how many of them have been proved.
	Steps []Step
	Step  int

	State    ChangeState
	Reason   Reason // why it is in this state; the zero Reason when there is nothing to say
	Effect   Effect
	Attempts int // calls that may have gone out
	Tried    int // of these, the calls for the step that is next
	// Back says that the exchange of addresses which the change belongs to cannot be finished: its proved steps are taken
	// back, the last one first.
	Back     bool
	Called   time.Time // when the intent of the latest call was written down
	Finished time.Time

	// Cells are the row as it was sent, for the file of bad rows; nil for commands.
	Cells []string
}

// Next is the step that is to be made, ok false when all are proved. On the way back it is the inverse of the last one
// that was proved.
func (c *Change) Next() (Step, bool) {
	if c.Back {
		if c.Step == 0 {
			return Step{}, false
		}
		last := c.Steps[c.Step-1]
		action, built := ActionFor(last.Action)
		if !built {
			return Step{}, false
		}
		return action.Undo(last)
	}
	if c.Step >= len(c.Steps) {
		return Step{}, false
	}
	return c.Steps[c.Step], true
}

// asBefore says whether the account shows an address that it had before one of the steps that are proved, and not the one
// from which the next step starts. That is an old reading, or somebody else brought the account back.
func (c *Change) asBefore(a Account, next Step) bool {
	for _, s := range c.Steps[:min(c.Step, len(c.Steps))] {
		if s.Action == Rename && SameAddress(a.Email, s.From) && !SameAddress(a.Email, next.From) {
			return true
		}
	}
	return false
}

// Via is the parking address on the way, "" when there is none.
func (c *Change) Via() string {
	if len(c.Steps) < 2 {
		return ""
	}
	return c.Steps[0].To
}

// Move puts the change into its next state, or says that the machine has no such edge.
func (c *Change) Move(to ChangeState) error {
	if !c.State.CanBecome(to) {
		return &StateError{Number: c.Batch, Row: c.Row, State: State(c.State), Wanted: State(to)}
	}
	c.State = to
	return nil
}

// Step is one call that changes something, and the condition under which it may be made: the account must show the
// address From and have ExpectedStatus. The hash of a step, over these fields without Seq and After, is
// what people approve.
type Step struct {
	Seq            int           `json:"seq"`             // running order within the batch, from 1
	After          int           `json:"after,omitempty"` // the step that must be proved first; 0 = none
	Row            int           `json:"row"`
	Action         ActionName    `json:"action"`
	AccountID      string        `json:"account_id"`
	Directory      string        `json:"directory,omitempty"`
	Group          string        `json:"group,omitempty"`
	ExpectedStatus AccountStatus `json:"expected_status"`
	From           string        `json:"from"`         // the address that the account must show
	To             string        `json:"to,omitempty"` // a rename's new address, as sent
	Message        string        `json:"message,omitempty"`
}

func foldAddress(s string) string {
	s = strings.TrimSpace(s)
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return cases.Fold().String(s)
		}
	}
	return strings.ToLower(s) // the same for ASCII, without the cost of a Caser
}

// SameAddress compares two addresses as Atlassian does: with case folded.
func SameAddress(a, b string) bool { return a == b || foldAddress(a) == foldAddress(b) }

// AddressKey is the form of an address under which it is looked up and held.
func AddressKey(address string) string { return foldAddress(address) }

// Domain is the part of an address behind the last @, folded; "" when there is none.
func Domain(address string) string {
	_, domain, ok := lastCut(foldAddress(address), "@")
	if !ok {
		return ""
	}
	return domain
}

func lastCut(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
