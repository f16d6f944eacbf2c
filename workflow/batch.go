package workflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Person is somebody in Slack as they were when they did something. ID is the Slack user id and the only thing that
// identifies; Name is for reading. Email may only ever be used to refuse, never to allow; it is "" when Slack does not
// show it.
type Person struct {
	ID    string `json:"id"`
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
}

// Actor is a person together with the roles that were read for this very act.
type Actor struct {
	Person
	Admin     bool // may ask and approve
	Requester bool // may ask
}

// HasRole says whether the person has any role at all.
func (a Actor) HasRole() bool { return a.Admin || a.Requester }

// Batch is what one person asked for at one time. It is loaded and changed whole (Store.Update); its changes are stored
// beside it. The zero time means "has not happened".
type Batch struct {
	Number    int64
	OrgID     string
	State     State
	Revision  int64 // grows with every committed change to the batch or one of its changes
	Requester Person
	Author    Person // who posted the file; the requester, for a command
	Reason    string
	Verb      ActionName // from the message or the menu; "" when the rows say it
	Source    Source

	// Follows is the batch that this one was made of, 0 when it was made of none, and Link says by what.
	Follows int64
	Link    Link
	// Lines are the rows of the request that the batch is about; nil means all of them.
	Lines []int

	Rows    int      // records in the request, readable or not
	Checked int      // of these, how many the check has dealt with while planning
	Ignored []string // columns that were carried along and ignored

	Digest    string   // of the plan, hex; "" until it is sealed
	Approvals int      // how many approvers the plan needs; rules may raise it as long as nobody has enough
	Why       []string // by which rules, in words; empty where no rule asks for more than the settings do anyway
	// Emergency is a batch of the emergency group: one approval by another person is enough, and everybody is told.
	Emergency bool
	Traits    Traits // of the plan, for the rules
	Decisions []Decision
	// Dropped are the ids of people who approved and could no longer have done so when the last approval came.
	Dropped []string

	Created  time.Time
	Planned  time.Time
	Expires  time.Time // when an undecided batch ends
	Approved time.Time
	Started  time.Time // of the first run
	Ended    time.Time

	// Stop says why the batch is paused, and PausedFrom where Resume leads back to.
	Stop       Stop
	PausedFrom State
	// Resumed is when the counters of the stop rules last started anew.
	Resumed time.Time

	// Run counts the runs, from 1: each retry opens another one. Retry is who opened the latest, nil in the first.
	Run   int
	Retry *Retry

	// Parked are the rows whose accounts may show a parking address just now. What is left when the batch has ended is to
	// be put right by hand, and is named wherever the end is told.
	Parked []int

	// Ending is who ended the batch early, and why: a rejection, a withdrawal, a cancellation. It is set while a started
	// run is still being brought to its end (Cancelling).
	Ending *Ending

	events []Event
}

// Link is why a batch was made of another one.
type Link string

// The links.
const (
	LinkRecheck Link = "recheck" // Check again: rows could not be checked
	LinkRetry   Link = "retry"   // what failed and is other than it was approved
	LinkRest    Link = "rest"    // what the approval ran out for (approval.finish_within)
	LinkUndo    Link = "undo"    // the way back
	LinkAgain   Link = "again"   // Ask again: it was rejected, or nobody decided
)

// Retry is a second look at what failed in a batch that has ended. Checked is set once the rows that may run again under
// the approval are in line.
type Retry struct {
	By      Person    `json:"by"`
	At      time.Time `json:"at"`
	Checked bool      `json:"checked,omitempty"`
}

// Source is where a request came from, and where answers to it go.
type Source struct {
	Kind     SourceKind `json:"kind"`
	Channel  string     `json:"channel,omitempty"`   // where it was asked
	Message  string     `json:"message,omitempty"`   // the message that brought the file, "" for a command
	FileName string     `json:"file_name,omitempty"` // as sent
	SHA256   string     `json:"sha256"`              // of the stored bytes, hex
	// Delivery identifies what was delivered to us, so that what comes twice is one batch. A batch that follows another
	// keeps its source and was not delivered.
	Delivery string `json:"delivery,omitempty"`
}

// SourceKind says how the stored bytes of a request are read again.
type SourceKind string

// The kinds of source.
const (
	SourceCommand SourceKind = "command" // the words after the slash command
	SourceFile    SourceKind = "file"    // a CSV
)

// Verdict is what an approver said.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
)

// Decision is one approver's verdict on one digest.
type Decision struct {
	Person  Person
	Verdict Verdict
	Digest  string
	Reason  string // of a rejection
	At      time.Time
}

// Ending is who ended a batch before its time.
type Ending struct {
	By     Person    `json:"by"`
	How    State     `json:"how"` // rejected, cancelled
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Stop is why a batch is paused.
type Stop struct {
	Cause StopCause `json:"cause,omitempty"`
	By    Person    `json:"by,omitzero"` // the person who paused; the zero Person when the bot did
	Rows  []int     `json:"rows,omitempty"`
	Note  string    `json:"note,omitempty"` // a count or a percentage that belongs to the cause
	At    time.Time `json:"at,omitzero"`
}

// ByBot says whether the bot stopped the batch by itself; then the requester may not resume it.
func (s Stop) ByBot() bool { return s.Cause != "" && s.Cause != StopPerson }

// StopCause is the kind of reason for a pause.
type StopCause string

// The causes.
const (
	StopPerson      StopCause = "person"
	StopCanary      StopCause = "canary"           // one of the first changes failed
	StopInARow      StopCause = "failures_in_row"  // too many failures in a row
	StopPercent     StopCause = "failures_percent" // too large a part of the finished changes failed
	StopKeyRefused  StopCause = "key_refused"      // Atlassian refused the key, or it was made with scopes
	StopUnknown     StopCause = "unknown"          // changes could not be read back for a quarter of an hour
	StopUnavailable StopCause = "unavailable"      // Atlassian could not be reached within the budget
	StopLateStart   StopCause = "late_start"       // it did not run for longer than approval.start_within
	StopOtherOrg    StopCause = "other_org"        // the settings name another organisation than the plan
	StopAltered     StopCause = "altered"          // plan or approvals are not what people approved: the database was changed
	StopStuck       StopCause = "stuck"            // an account could not be brought away from its parking address
)

// Move puts the batch into its next state, or says that the machine has no such edge.
func (b *Batch) Move(to State) error {
	if !b.State.CanBecome(to) {
		return &StateError{Number: b.Number, State: b.State, Wanted: to}
	}
	b.State = to
	return nil
}

// pause stops the batch and remembers where Resume leads back to.
func (b *Batch) pause(stop Stop) error {
	from := b.State
	if err := b.Move(Paused); err != nil {
		return err
	}
	b.PausedFrom, b.Stop = from, stop
	return nil
}

// end moves the batch into a state that it does not leave by itself.
func (b *Batch) end(to State, at time.Time) error {
	if err := b.Move(to); err != nil {
		return err
	}
	b.Ended = at
	return nil
}

// involves says whether the person is the batch's requester or author, by id.
func (b *Batch) involves(p Person) bool { return p.ID == b.Requester.ID || p.ID == b.Author.ID }

// askedAs says whether the person has the address of requester or author, as they were when they asked.
func (b *Batch) askedAs(p Person) bool { return sameHuman(p, b.Requester) || sameHuman(p, b.Author) }

// Approvers are the people who approved the digest that stands and whose approval counts, each once, in the order they did.
func (b *Batch) Approvers() []Person {
	var out []Person
	for _, d := range b.Decisions {
		same := func(p Person) bool { return p.ID == d.Person.ID }
		counts := d.Verdict == Approve && d.Digest == b.Digest && !slices.Contains(b.Dropped, d.Person.ID)
		if counts && !slices.ContainsFunc(out, same) {
			out = append(out, d.Person)
		}
	}
	return out
}

// Missing is how many more approvals the batch needs.
func (b *Batch) Missing() int { return max(b.Approvals-len(b.Approvers()), 0) }

// Cancelling says whether an approved or started batch is being brought to its end because somebody cancelled it: calls
// in flight finish, the rest will be skipped.
func (b *Batch) Cancelling() bool {
	return b.Ending != nil && (b.State == Approved || b.State == Running || b.State == Paused)
}

// Event is one line of the append-only log: what was done to which batch, by whom. The store adds number, hash and the
// hash before it, in the transaction that makes it true.
type Event struct {
	At    time.Time
	Batch int64  // 0 when it belongs to no batch
	Row   int    // 0 when it belongs to no row
	Actor string // a Slack user id, or "countersign"
	Kind  string
	Data  json.RawMessage // facts, never secrets; {} when there are none
}

// Bot is the actor of what countersign does by itself.
const Bot = "countersign"

// Record adds an event to be written in the same transaction as the change to the batch.
func (b *Batch) Record(e Event) {
	e.Batch = b.Number
	if e.Data == nil {
		e.Data = json.RawMessage("{}")
	}
	b.events = append(b.events, e)
}

// TakeEvents gives the events recorded since it was last called. The store calls it once in each transaction.
func (b *Batch) TakeEvents() []Event {
	out := b.events
	b.events = nil
	return out
}

// data encodes the facts of an event. They are maps of plain values, so that encoding cannot fail.
func data(facts map[string]any) json.RawMessage {
	raw, err := json.Marshal(facts)
	if err != nil {
		panic(fmt.Sprintf("workflow: facts of an event: %v", err)) // a fault of this package, not of any input
	}
	return raw
}
