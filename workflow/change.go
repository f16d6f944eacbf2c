package workflow

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Change is one row of a batch: one action on one account. Row is the line of the sent file where
// the record starts, or 1, 2, … for a command; it identifies the change within its batch.
type Change struct {
	Batch  int64
	Row    int
	Action ActionName

	AccountID string
	Name      string // the account's display name when planned
	Expect    Values // what the account showed when planned; before that, what the row says
	Set       Values // what is asked for, as sent

	// Steps are in running order; empty when the change will not run. Outcomes say what became of
	// each, in the same order; shorter, or nil, where nothing has yet.
	Steps    []Step
	Outcomes []StepOutcome

	State    ChangeState
	Reason   Reason // why it is in this state; the zero Reason when there is nothing to say
	Effects  []Effect
	Attempts int // calls that may have gone out
	// Back says that the bundle of steps which the change belongs to cannot be finished: its proved
	// steps are taken back, the last one first.
	Back     bool
	Called   time.Time // when the intent of the latest call was written down
	Finished time.Time

	Asked Row // as it was asked for; it does not change
}

// StepOutcome is what became of one step of a change.
type StepOutcome struct {
	// State is how the step ended: ChangeDone, ChangeUnchanged, ChangeFailed or ChangeSkipped; ""
	// for one that has not. Of those the first is the current one, and the change's state tells of
	// it.
	State    ChangeState `json:"state,omitempty"`
	Reason   Reason      `json:"reason,omitzero"`
	Attempts int         `json:"attempts,omitempty"` // calls that may have gone out since it was last put in line
	Finished time.Time   `json:"finished,omitzero"`
	Told     Values      `json:"told,omitempty"` // what the vendor answered, such as the id of what was made
}

// Outcome returns what became of the step at that place in Steps.
func (c *Change) Outcome(i int) StepOutcome {
	if i < 0 || i >= len(c.Outcomes) {
		return StepOutcome{}
	}
	return c.Outcomes[i]
}

// SetOutcome records what became of the step at that place in Steps.
func (c *Change) SetOutcome(i int, o StepOutcome) {
	outcomes := make([]StepOutcome, max(len(c.Outcomes), i+1)) // a copy: others may hold the old one
	copy(outcomes, c.Outcomes)
	outcomes[i] = o
	c.Outcomes = outcomes
}

// Proved returns how many steps have been made and proved.
func (c *Change) Proved() int {
	n := 0
	for _, o := range c.Outcomes {
		if o.State == ChangeDone {
			n++
		}
	}
	return n
}

// Current returns the place in Steps of the step that is next or under way: on the way back the
// last one that was proved, else the first one that has not ended; -1 when there is none.
func (c *Change) Current() int {
	if c.Back {
		for i, o := range slices.Backward(c.Outcomes) {
			if o.State == ChangeDone {
				return i
			}
		}
		return -1
	}
	for i := range c.Steps {
		switch c.Outcome(i).State {
		case ChangeDone, ChangeUnchanged, ChangeFailed, ChangeSkipped:
		default:
			return i
		}
	}
	return -1
}

// AsBefore reports whether what was read is what the account showed before one of the steps that
// are proved, and not what the next step starts from. That is an old reading, or somebody else
// brought the account back.
func (c *Change) AsBefore(now Values, next Step) bool {
	for i := range c.Steps {
		if c.Outcome(i).State != ChangeDone {
			continue
		}
		s := &c.Steps[i]
		for field := range s.Set.All() {
			before, expects := s.Expect.Lookup(field)
			from, needs := next.Expect.Lookup(field)
			if expects && needs && SameField(field, now.Get(field), before) && !SameField(field, now.Get(field), from) {
				return true
			}
		}
	}
	return false
}

// Via returns the parking address on the way, "" when there is none.
func (c *Change) Via() string {
	if len(c.Steps) < 2 {
		return ""
	}
	return c.Steps[0].Set.Get(FieldEmail)
}

// Move puts the change into its next state, or says that the machine has no such edge.
func (c *Change) Move(to ChangeState) error {
	if !c.State.CanBecome(to) {
		return &StateError{Number: c.Batch, Row: c.Row, State: State(c.State), Wanted: State(to)}
	}
	c.State = to
	return nil
}

// OldEmail returns the account's address when planned; before that, what the row says.
func (c *Change) OldEmail() string { return c.Expect.Get(FieldEmail) }

// NewEmail returns the address that the account is to have, as sent; "" where the change gives
// none.
func (c *Change) NewEmail() string { return c.Set.Get(FieldEmail) }

// Touches returns whom the change touches: the account's id, or the address of somebody who has no
// account yet.
func (c *Change) Touches() string { return cmp.Or(c.AccountID, c.NewEmail()) }

// At returns when the change is made at the earliest, as its steps spell it; "" for at once.
func (c *Change) At() string {
	if len(c.Steps) == 0 {
		return ""
	}
	return c.Steps[0].At
}

// Until returns when the change is taken back, as its steps spell it; "" for never.
func (c *Change) Until() string {
	if len(c.Steps) == 0 {
		return ""
	}
	return c.Steps[0].Until
}

// Message returns what the person is shown, "" for nothing.
func (c *Change) Message() string { return c.Set.Get(FieldMessage) }

// Group returns the group that the row names, as sent; "" where it names none.
func (c *Change) Group() string { return c.Set.Get(FieldGroups) }

// StepGroup returns how people read of the group that a step is about: its name, or its id where no name
// is known; of a step about several all of them, "" of one about none.
func (c *Change) StepGroup(at int) string {
	names := strings.Split(c.Group(), ";")
	own, nth, all := "", 0, 0
	for i := range c.Steps {
		var ids []string
		for field := range c.Steps[i].Set.Keys() {
			if kind, id, is := strings.Cut(string(field), ":"); is && kind == "group" {
				ids = append(ids, id)
			}
		}
		switch {
		case len(ids) > 1 && i == at:
			return cmp.Or(c.Group(), strings.Join(ids, ";"))
		case len(ids) == 1 && i == at:
			own, nth = ids[0], all
		}
		all += len(ids)
	}
	if own != "" && len(names) == all && names[nth] != "" {
		return names[nth]
	}
	return own
}

// CountCalls counts the calls of the current step.
func (c *Change) CountCalls(n int) {
	at := c.Current()
	o := c.Outcome(at)
	o.Attempts += n
	c.SetOutcome(at, o)
}

// Tried returns how many calls may have gone out for the current step.
func (c *Change) Tried() int { return c.Outcome(c.Current()).Attempts }

// Conclude records how a step ended.
func (c *Change) Conclude(at int, to ChangeState, reason Reason) {
	o := c.Outcome(at)
	o.State, o.Reason, o.Finished = to, reason, time.Now().UTC()
	c.SetOutcome(at, o)
}

// Sum returns what the outcomes of several steps come to: done when each is, unchanged when there
// was nothing to do, else failed with each step named that was not made, in part where another one was.
func (c *Change) Sum() (ChangeState, Reason) {
	counts := map[ChangeState]int{}
	var words []string
	for i, s := range c.Steps {
		o := c.Outcome(i)
		counts[o.State]++
		if o.State == ChangeFailed || o.State == ChangeSkipped || o.State == "" {
			words = append(words, strings.TrimSpace(string(s.Action)+" "+c.StepGroup(i))+": "+o.Reason.Words())
		}
	}
	switch {
	case counts[ChangeUnchanged] == len(c.Steps):
		return ChangeUnchanged, c.Outcome(0).Reason
	case counts[ChangeSkipped] == len(c.Steps):
		return ChangeSkipped, c.Outcome(0).Reason
	case len(words) == 0:
		return ChangeDone, Reason{}
	case counts[ChangeDone] > 0:
		return ChangeFailed, NewReason(ReasonPartly, slices.Clip(words)...)
	}
	return ChangeFailed, NewReason(ReasonSteps, slices.Clip(words)...)
}

// Refused reports whether a step of the change failed for that reason.
func (c *Change) Refused(code ReasonCode) bool {
	return slices.ContainsFunc(c.Outcomes, func(o StepOutcome) bool { return o.State == ChangeFailed && o.Reason.Code == code })
}

// LineUp puts a change in line again: all of its steps, or those alone that were not made.
func (c *Change) LineUp(onlyOpen bool) {
	outcomes := c.Outcomes
	c.Reason, c.Finished, c.Back, c.Outcomes = Reason{}, time.Time{}, false, nil
	if !onlyOpen {
		return
	}
	for i, o := range outcomes {
		if o.State == ChangeDone || o.State == ChangeUnchanged {
			c.SetOutcome(i, o)
		}
	}
}
