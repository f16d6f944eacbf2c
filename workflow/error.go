package workflow

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kinds of what the directory answers. An implementation of Reader and Caller wraps them, or
// returns a *Refusal.
var (
	ErrNotFound       = errors.New("no such managed account")
	ErrKeyRefused     = errors.New("the Atlassian key was refused")
	ErrKeyScoped      = errors.New("the Atlassian key was made with scopes")
	ErrThrottled      = errors.New("throttled by Atlassian") // not done
	ErrNotSent        = errors.New("the call did not leave") // not done
	ErrUnavailable    = errors.New("atlassian cannot be reached")
	ErrUnknownOutcome = errors.New("the call may or may not have taken effect")
)

// RetryAfter is implemented by throttling errors that know when to come back.
type RetryAfter interface{ RetryAfter() time.Duration }

// OtherKey is implemented by errors of the kind ErrKeyRefused about another key than the
// organisation's.
type OtherKey interface{ KeyOf() string }

// KeyOf returns whose key an error is about, in words: "the SCIM directory hr"; "" where it is the
// organisation's, or nobody knows.
func KeyOf(err error) string {
	other, ok := errors.AsType[interface {
		error
		OtherKey
	}](err)
	if !ok {
		return ""
	}
	return other.KeyOf()
}

// Refusal is a clear no of the directory to one call: surely not done, and the reason why.
type Refusal struct {
	Reason Reason
	Err    error // what the client saw, for the log

	// MayBeSo says that the answer would be the same where things are as wanted already: whoever
	// made the call has to look.
	MayBeSo bool
}

func (r *Refusal) Error() string { return "refused: " + r.Reason.Words() }

func (r *Refusal) Unwrap() error { return r.Err }

// Unshown is the error of a search by addresses that finds accounts and does not show their address, nor
// does anything else: who holds these addresses is not known. What was found of the others comes with
// it.
type Unshown struct {
	// Holders are the accounts that were found, AddressKey → id: beside what is shown for an address, a
	// further one. The id is "" where only so much is known that it may be held.
	Holders map[string]string
}

func (e *Unshown) Error() string {
	return fmt.Sprintf("the holders of %d addresses are found and not shown", len(e.Holders))
}

// Unwrap makes it match ErrUnavailable: for whoever asks no further, the search has failed.
func (e *Unshown) Unwrap() error { return ErrUnavailable }

// Kinds of what the engine answers to people.
var (
	ErrNoBatch       = errors.New("no such batch")
	ErrGone          = errors.New("the stored bytes were deleted")
	ErrNoRole        = errors.New("the person has no role")
	ErrNotAdmin      = errors.New("the person is not an admin")
	ErrOwnBatch      = errors.New("requester and author may not decide")
	ErrSameHuman     = errors.New("the person has the address of the requester or the author")
	ErrHiddenAddress = errors.New("the person's address cannot be read")
	ErrOwnAccount    = errors.New("the batch is on the person's own account")
	ErrStaleDigest   = errors.New("the click belongs to another plan")
	ErrNotRequester  = errors.New("the person is not the requester")
	ErrMayNotResume  = errors.New("after a stop by the bot the requester may not resume")
	ErrAlready       = errors.New("the person approved before")
	ErrNeedsReason   = errors.New("a reason is required")
	ErrNothingToRead = errors.New("the request has no rows")
	ErrNeedsAction   = errors.New("neither file nor message names an action")
	ErrOtherOrg      = errors.New("the batch was planned for another organisation")
	ErrBeingChecked  = errors.New("there is an open batch made of this one in the same way")
	ErrUndone        = errors.New("the batch was undone")
	ErrNotWaiting    = errors.New("the batch waits for no time")
	ErrNoReturn      = errors.New("nothing of the batch is to be taken back")
	ErrReturnWaits   = errors.New("the batch is a return that waits for its moment")
	ErrTimePassed    = errors.New("the time that was asked for has passed")
	ErrTimeOver      = errors.New("the time of the batch is over")
	ErrNothingToUndo = errors.New("nothing in the batch can be undone")

	// ErrGroupUnreadable is a user group that Slack does not show us, whoever is in it.
	ErrGroupUnreadable = errors.New("the user group cannot be read")
	// ErrOthersUnknown goes with an error of People: it is not the person who clicked that cannot
	// be checked.
	ErrOthersUnknown = errors.New("who asked or approved cannot be checked")
	// ErrRequesterLost refuses an approval: who asked may not ask any more.
	ErrRequesterLost = errors.New("the requester has no role any more")

	ErrNothingToRetry = errors.New("nothing in the batch can be retried")
	ErrTaken          = errors.New("the request was taken before")
)

// StateError refuses an act on a batch or a change whose state does not lead to the wanted one.
// Somebody else was faster, or the card is old: Batch tells who did what.
type StateError struct {
	Number int64
	Row    int // 0 for the batch itself
	State  State
	Wanted State
	Batch  *Batch // as it is; nil when it was not loaded
}

func (e *StateError) Error() string {
	if e.Row != 0 {
		return fmt.Sprintf("batch %d row %d is %s and cannot become %s", e.Number, e.Row, e.State, e.Wanted)
	}
	return fmt.Sprintf("batch %d is %s and cannot become %s", e.Number, e.State, e.Wanted)
}

// NewStateError returns the error of an act on the batch that its state does not allow.
func NewStateError(b *Batch, wanted State) error {
	return &StateError{Number: b.Number, State: b.State, Wanted: wanted, Batch: b}
}

// LimitError refuses a request with more rows than limits.max_changes.
type LimitError struct{ Rows, Limit int }

func (e *LimitError) Error() string {
	return Number(e.Rows) + " rows are more than the limit of " + Number(e.Limit)
}

// GuardError refuses a decision on a plan that the settings of today, or what happened since, speak
// against. Code is one of ReasonProtected, ReasonOrgAdmin, ReasonOwnAlone, ReasonDayLimit and
// ReasonStalePolicy.
type GuardError struct {
	Code  ReasonCode
	Rows  []int    // the first that it is about, at most guardRows; nil when it is about all
	Facts []string // as the code's entry names them
}

func (e *GuardError) Error() string {
	return fmt.Sprintf("the plan may not run: %s %v %v", e.Code, e.Facts, e.Rows)
}

// NeedsMoreError refuses to go on with a batch for which the rules now ask for more approvals than
// it has.
type NeedsMoreError struct {
	Has, Need int
	Why       []string
	Lost      []string // who approved and could not any more
}

func (e *NeedsMoreError) Error() string {
	return fmt.Sprintf("the rules ask for %d approvals and the batch has %d", e.Need, e.Has)
}

// HeldError refuses a plan of which other open batches hold some of the keys.
type HeldError struct{ Holds map[string]Hold }

func (e *HeldError) Error() string {
	return fmt.Sprintf("%d accounts or addresses are held by other batches", len(e.Holds))
}

// NeedsActionError is ErrNeedsAction with the columns that were not understood: one of them may
// have been meant to say it.
type NeedsActionError struct {
	Unknown []UnknownColumn
	Rows    int // of the file; 0 where that is not known
}

func (e *NeedsActionError) Error() string { return ErrNeedsAction.Error() + e.Words() }

// Unwrap makes it match ErrNeedsAction.
func (e *NeedsActionError) Unwrap() error { return ErrNeedsAction }

// Words names the columns, each with the known one that was probably meant, as a sentence without a
// full stop to stand behind another one; "" when all are known.
func (e *NeedsActionError) Words() string {
	if len(e.Unknown) == 0 {
		return ""
	}
	names := make([]string, len(e.Unknown))
	for i, c := range e.Unknown {
		names[i] = QuoteCell(c.Name)
		if c.Nearest != "" {
			names[i] += fmt.Sprintf(" (did you mean %s?)", c.Nearest)
		}
	}
	return ". Not understood: " + strings.Join(names, ", ")
}

// TotalError says that a list announces another number of entries than it gave, also when it was
// read again.
type TotalError struct{ Listed, Announced int }

func (e *TotalError) Error() string {
	return fmt.Sprintf("the list announces %d entries and gave %d", e.Announced, e.Listed)
}

// DatabaseError is an error of the database that tells whoever looks after the program what to do.
type DatabaseError interface {
	error
	// Trouble says in clauses what is wrong and what to do; both are "" where only the log tells.
	Trouble() (what, remedy string)
}

// UnreadGroupsError names the user groups of the settings without which nobody can tell how many
// approvals a plan needs. It is an ErrGroupUnreadable.
type UnreadGroupsError struct {
	Groups    []string
	Rules     []string // which of them approval.rules name
	Emergency string   // which of them is the emergency group, if any
}

func (e *UnreadGroupsError) Error() string {
	return fmt.Sprintf("%s: %s", ErrGroupUnreadable, strings.Join(e.Groups, ", "))
}

func (e *UnreadGroupsError) Unwrap() error { return ErrGroupUnreadable }
