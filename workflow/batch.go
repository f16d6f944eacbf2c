package workflow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"
)

// Person is somebody in Slack as they were when they did something. ID is the Slack user id and the
// only thing that identifies; Name is for reading. Email may only ever be used to refuse, never to
// allow; it is "" when Slack does not show it.
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

	// Saw is what the button was for that was pressed: the digest of a plan, or a batch's token
	// where there was none yet. It is "" for a command, which names a batch by its number alone.
	Saw string
	// Same are the ids of people of the batch who are the same human, by what the settings and the
	// directory tell (Humans).
	Same []string
	// Zone is the IANA name of the time zone that the person has in Slack; "" where it is not known.
	Zone string
	// Received is when the act reached us; 0 means now.
	Received LogicalTime
}

// HasRole reports whether the person has any role at all.
func (a Actor) HasRole() bool { return a.Admin || a.Requester }

// Location returns the time zone in which the person reads clocks, UTC where it is not known.
func (a Actor) Location() *time.Location {
	if zone, err := time.LoadLocation(a.Zone); err == nil {
		return zone
	}
	return time.UTC
}

// Batch is what one person asked for at one time: the request, its plan, the approval of the plan,
// and the run. It is loaded and changed whole (Store.Update); its changes are stored beside it. The
// zero time means "has not happened".
type Batch struct {
	Number   int64
	OrgID    string
	State    State
	Revision int64 // grows with every committed change to the batch or one of its changes

	BatchRequest
	BatchPlan
	BatchApproval
	BatchRun

	events  []Event
	brought []Brought
}

// Brought is a batch that is written in the transaction that changes another one, with its plan.
type Brought struct {
	Batch   *Batch
	Changes []Change
	// Seal is the rule by which the batch gets its plan, once it has its number.
	Seal func(*Batch) error
}

// Bring has a batch written in the same transaction as the change to this one.
func (b *Batch) Bring(other Brought) { b.brought = append(b.brought, other) }

// TakeBrought returns what was brought since it was last called.
func (b *Batch) TakeBrought() []Brought {
	brought := b.brought
	b.brought = nil
	return brought
}

// BatchRequest is what was asked for, by whom. It does not change.
type BatchRequest struct {
	// Token is a random id of the batch, by which its buttons know it before there is a digest:
	// numbers are given anew when a database is restored.
	Token     string
	Requester Person
	Author    Person // who posted the file; the requester, for a command
	Agent     string // the program that proposed it, by name; "" when a person asked by themselves
	Reason    string
	OwnReason bool       // the requester wrote `reason: …` themselves
	Verb      ActionName // from the message or the menu; "" when the rows say it
	When      When
	Source    Source

	// Follows is the batch that this one was made of, 0 when it was made of none, and Link says by
	// what.
	Follows int64
	Link    Link

	Rows    int      // records in the request, readable or not; they are stored as changes
	Header  []string // of the file, as sent; nil when there was none
	Ignored []string // columns that were carried along and ignored
	Created time.Time
}

// BatchPlan is what the check came to. It does not change once it is sealed.
type BatchPlan struct {
	Checked int    // rows of the request that the check has dealt with while planning
	Digest  string // hex; "" until the plan is sealed
	Traits  Traits // for the rules
	Planned time.Time
}

// BatchApproval is what the plan needs before it may run, and what it has.
type BatchApproval struct {
	Approvals int      // how many approvers the plan needs; rules may raise it as long as nobody has enough
	Why       []string // by which rules, in words; empty where no rule asks for more than the settings do anyway
	// Emergency is a batch of the emergency group: one approval by another person is enough, and
	// everybody is told.
	Emergency bool
	Decisions []Decision
	// Dropped are the ids of people who approved and could no longer have done so when the last
	// approval came.
	Dropped []string

	Expires  time.Time // when an undecided batch ends
	Approved time.Time
}

// BatchRun is how far the batch has come since, and how it ended.
type BatchRun struct {
	Started time.Time // of the first run
	Ended   time.Time

	// Stop says why the batch is paused, and PausedFrom where Resume leads back to.
	Stop       Stop
	PausedFrom State
	// Resumed is when the counters of the stop rules last started anew.
	Resumed time.Time

	// ResumedBy is who last let it go on, and when; nil where nobody had to.
	ResumedBy *Release
	// Restarted is the last restart of the program during a run; nil where there was none.
	Restarted *Restart

	// Run counts the runs, from 1: each retry opens another one. Retry is who opened the latest,
	// nil in the first.
	Run   int
	Retry *Retry

	// Released is who let the batch start before its time: Start now, or End now of a return.
	Released *Release
	// Over says that the time of the batch has come to its end: nothing of it runs any more, its
	// return does.
	Over bool

	// Parked are the rows whose accounts may show a parking address. What is left when the batch
	// has ended is to be put right by hand, and is named wherever the end is told.
	Parked []int

	// Ending is who ended the batch early, and why: a rejection, a withdrawal, a cancellation. It
	// is set while a started run is still being brought to its end (Cancelling).
	Ending *Ending
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
	LinkReturn  Link = "return"  // takes back what was done for a while, under the same approval
)

// Release is somebody's decision that a batch goes on: it need not wait for its time, or is resumed.
type Release struct {
	By Person    `json:"by"`
	At time.Time `json:"at"`
}

// Restart is a stop and start of the program while a batch ran. Rows are those whose calls were under
// way, so that their outcome had to be read back.
type Restart struct {
	At   time.Time `json:"at"`
	Rows []int     `json:"rows,omitempty"`
}

// Retry is a second look at what failed in a batch that has ended. Checked is set once the rows
// that may run again under the approval are in line.
type Retry struct {
	By      Person    `json:"by"`
	At      time.Time `json:"at"`
	Checked bool      `json:"checked,omitempty"`
	Ended   time.Time `json:"ended,omitzero"` // of a return: when the run before ended
}

// Source is where a request came from, and where answers to it go.
type Source struct {
	Kind     SourceKind `json:"kind"`
	Channel  string     `json:"channel,omitempty"`   // where it was asked
	Message  string     `json:"message,omitempty"`   // the message that brought the file, "" for a command
	FileName string     `json:"file_name,omitempty"` // as sent
	SHA256   string     `json:"sha256"`              // of the bytes as they were sent, hex; "" when there were none
	// Delivery identifies what was delivered to us, so that what comes twice is one batch. A batch
	// that follows another keeps its source and was not delivered.
	Delivery string `json:"delivery,omitempty"`
	// Move is the whole domain that the request is for; nil for one that names its accounts.
	Move *DomainMove `json:"move,omitempty"`
	// Report is the run of the report that the request was drafted from, 0 for none. Its night is kept.
	Report int64 `json:"report,omitempty"`
}

// SourceKind is the kind of thing that a request was read from.
type SourceKind string

// The kinds of source.
const (
	SourceCommand SourceKind = "command" // the words after the slash command
	SourceFile    SourceKind = "file"    // a CSV
	SourceForm    SourceKind = "form"    // the lines that were typed into the form
	SourceBatch   SourceKind = "batch"   // what another batch has done (Undo)
)

// Verdict is what an approver said.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Reject  Verdict = "reject"
	Keep    Verdict = "keep" // of a return: what was done for a while stays
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
	Note  string    `json:"note,omitempty"` // what belongs to the cause: a count, a percentage, which key
	At    time.Time `json:"at,omitzero"`
}

// ByBot reports whether the bot stopped the batch by itself; then the requester may not resume it.
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
	StopLicence     StopCause = "licence_full"     // no seat is left of a product
	StopStart       StopCause = "start_refused"    // its time has come, and it may not start by the people and settings of now
)

// Move puts the batch into its next state, or says that the machine has no such edge.
func (b *Batch) Move(to State) error {
	if !b.State.CanBecome(to) {
		return &StateError{Number: b.Number, State: b.State, Wanted: to}
	}
	b.State = to
	return nil
}

// Pause stops the batch and remembers where Resume leads back to.
func (b *Batch) Pause(stop Stop) error {
	from := b.State
	if err := b.Move(Paused); err != nil {
		return err
	}
	b.PausedFrom, b.Stop = from, stop
	return nil
}

// PauseByBot stops the batch without anybody having asked for it.
func (b *Batch) PauseByBot(stop Stop) error {
	stop.At = time.Now()
	b.Record(Event{At: stop.At, Actor: Bot, Kind: "paused", Data: EventData(map[string]any{
		"cause": stop.Cause, "rows": stop.Rows, "note": stop.Note,
	})})
	return b.Pause(stop)
}

// End moves the batch into a state that it does not leave by itself.
func (b *Batch) End(to State, at time.Time) error {
	if err := b.Move(to); err != nil {
		return err
	}
	b.Ended = at
	return nil
}

// Involves reports whether the person is the batch's requester or author, by id.
func (b *Batch) Involves(p Person) bool { return p.ID == b.Requester.ID || p.ID == b.Author.ID }

// askedAs reports whether the person is the same human as requester or author, as these were when
// they asked.
func (b *Batch) askedAs(p Actor) bool { return p.sameAs(b.Requester) || p.sameAs(b.Author) }

// IsFor reports whether a button that brings this back is one of this batch: it carries the digest,
// or from before there was one the token.
func (b *Batch) IsFor(saw string) bool {
	return saw != "" && (saw == b.Digest || saw == b.Token)
}

// Mark is what the batch's buttons carry.
func (b *Batch) Mark() string { return cmp.Or(b.Digest, b.Token) }

// Approvers returns the people who approved the digest that stands and whose approval counts, each
// once, in the order they did.
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

// Missing returns how many more approvals the batch needs. A return needs none of its own: it was
// approved with what it takes back.
func (b *Batch) Missing() int {
	if b.Link == LinkReturn {
		return 0
	}
	return max(b.Approvals-len(b.Approvers()), 0)
}

// Cancelling reports whether an approved or started batch is being brought to its end because
// somebody cancelled it: calls in flight finish, the rest will be skipped.
func (b *Batch) Cancelling() bool {
	return b.Ending != nil && (b.State == Approved || b.State == Running || b.State == Paused)
}

// Waiting reports whether the batch is approved and its time has not come (When.At). That of a
// return is counted from what it takes back: see Returns.
func (b *Batch) Waiting() bool {
	return b.State == Approved && b.Started.IsZero() && b.Released == nil && !b.When.At.IsZero() && !b.Cancelling()
}

// Early reports whether the batch must not start yet.
func (b *Batch) Early(now time.Time) bool {
	return b.Waiting() && b.Link != LinkReturn && now.Before(b.When.At)
}

// Due returns from when on the approval of the batch can be used: its time, when it was released
// from it, or the last approval.
func (b *Batch) Due() time.Time {
	due := b.Approved
	switch {
	case b.Released != nil && b.Released.At.After(due):
		due = b.Released.At
	case b.Released == nil && b.When.At.After(due):
		due = b.When.At
	}
	return due
}

// Returns reports whether the batch is a return that waits for its moment.
func (b *Batch) Returns() bool {
	return b.Link == LinkReturn && b.State == Approved && b.Started.IsZero()
}

// Unseen reports whether the batch is a return that has not begun: it stands on the card of what it
// takes back, and has none of its own.
func (b *Batch) Unseen() bool {
	return b.Link == LinkReturn && b.Started.IsZero() && (b.State == Approved || !b.State.Open())
}

// Keepers returns who wants to keep what the return would take back, in the order they did.
func (b *Batch) Keepers() []Person {
	var out []Person
	for _, d := range b.Decisions {
		if d.Verdict == Keep && d.Digest == b.Digest {
			out = append(out, d.Person)
		}
	}
	return out
}

// Event is one line of the append-only log: what was done to which batch, by whom. The store adds
// number, hash and the hash before it, in the transaction that makes it true.
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

// TakeEvents returns the events recorded since it was last called. The store calls it once in each
// transaction.
func (b *Batch) TakeEvents() []Event {
	out := b.events
	b.events = nil
	return out
}

// EventData encodes the facts of an event. They are maps of plain values, so that encoding cannot
// fail.
func EventData(facts map[string]any) json.RawMessage {
	raw, err := json.Marshal(facts)
	if err != nil {
		panic(fmt.Sprintf("workflow: facts of an event: %v", err)) // a fault of this package, not of any input
	}
	return raw
}

// Finish ends a batch of which every change has ended.
func (b *Batch) Finish() error {
	now := time.Now()
	b.Stop = Stop{}
	b.Record(Event{At: now, Actor: Bot, Kind: "done"})
	return b.End(Done, now)
}

// Park records that the row's account may show its parking address from now on.
func (b *Batch) Park(row int) {
	if !slices.Contains(b.Parked, row) {
		b.Parked = append(slices.Clone(b.Parked), row)
	}
}

// Unpark records that it does not any more.
func (b *Batch) Unpark(row int) {
	b.Parked = slices.DeleteFunc(slices.Clone(b.Parked), func(r int) bool { return r == row })
}

// BundlesGoOn reports whether bundles that have begun go on although the batch is halted: always,
// but where no call could or should be made at all.
func (b *Batch) BundlesGoOn() bool {
	if b.Cancelling() {
		return true
	}
	switch b.Stop.Cause {
	case StopKeyRefused, StopUnavailable, StopOtherOrg, StopAltered:
		return false
	default:
		return b.State == Running || b.State == Paused
	}
}

// Decide records a verdict. An approval that had dropped out and is given again counts again; it
// stays one decision.
func (b *Batch) Decide(d Decision) {
	b.Record(Event{At: d.At, Actor: d.Person.ID, Kind: string(d.Verdict), Data: EventData(map[string]any{
		"digest": d.Digest, "reason": d.Reason,
	})})
	if i := slices.Index(b.Dropped, d.Person.ID); i >= 0 && d.Verdict == Approve {
		b.Dropped = slices.Delete(slices.Clone(b.Dropped), i, i+1)
		return
	}
	b.Decisions = append(b.Decisions, d)
}

// Reading reports whether the rows of the batch are still to be found in the directory.
func (b *Batch) Reading() bool { return b.State == Planning && b.Source.Move != nil && b.Rows == 0 }

// Retrying reports whether the failed rows of the batch are to be checked again before anything of
// it runs.
func (b *Batch) Retrying() bool {
	return b.Retry != nil && !b.Retry.Checked && b.State == Running && !b.Cancelling()
}

// ReturnAmong returns the return among the batches that were made of one; ErrNoReturn where there is none.
func ReturnAmong(following []*Batch) (*Batch, error) {
	for _, f := range following {
		if f.Link == LinkReturn {
			return f, nil
		}
	}
	return nil, ErrNoReturn
}
