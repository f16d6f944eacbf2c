package workflow

import (
	"context"
	"iter"
	"time"
)

// AccountStatus is whether an account can log in, as the vendor words it.
type AccountStatus string

// The statuses (user management API, GET profile: account_status).
const (
	StatusActive   AccountStatus = "active"
	StatusInactive AccountStatus = "inactive" // deactivated
	StatusClosed   AccountStatus = "closed"   // deleted, or in its 14 days of grace
)

// Account is an Atlassian account as one read showed it.
type Account struct {
	ID      string
	Name    string
	Email   string // may be "" where privacy hides it
	Type    string // atlassian, app, customer
	Status  AccountStatus
	Managed bool // claimed by our organisation

	// What only ByAddress and ByID say; Ranked says that the answer told it.
	OrgAdmin bool     // holds the role of an organisation admin
	Groups   []string // names of its groups, where the directory was made to ask for them
	Ranked   bool
}

// DomainClaim is one domain of the organisation and whether it is verified.
type DomainClaim struct {
	Name     string // folded
	Verified bool
	Status   string // as the vendor words it: verified, unverified, …
}

// Privilege is the answer of GET /users/{id}/manage for one privilege. Key says why not, in the vendor's words
// ("externalDirectory.scim"), "" when allowed.
type Privilege struct {
	Allowed bool
	Key     string
}

// Member is a managed account as the nightly export lists it, values as the API gives them.
type Member struct {
	Account
	Billable   bool
	LastActive string // as sent, "" when never or unknown
	Products   []Product
}

// Product is one product that an account can use.
type Product struct {
	Key        string
	Name       string
	URL        string
	LastActive string
}

// Reader reads the directory. Every error matches one of the kinds in error.go: ErrNotFound, ErrKeyRefused, ErrKeyScoped,
// ErrUnavailable or ErrThrottled (after the reader's own retries) or is a *Refusal. Reads bound themselves, but for waiting
// until a rate limit lets them through, which ends with the context.
type Reader interface {
	// Account reads one account now.
	Account(ctx context.Context, id string) (Account, error)
	// Privileges asks what we may do to the account; only the keys asked for, those that are not answered are missing.
	Privileges(ctx context.Context, id string, keys ...string) (map[string]Privilege, error)
	// ByAddress finds the accounts that hold the addresses, exactly and with case folded: AddressKey → accounts. What
	// is not found is missing. Any number of addresses.
	ByAddress(ctx context.Context, addresses []string) (map[string][]Account, error)
	// ByID finds accounts by their ids: id → account. What is not found is missing, and may still be there: what the search
	// shows can lag behind, and some accounts are hidden from it, so Account has the last word. Any number of ids.
	ByID(ctx context.Context, ids []string) (map[string]Account, error)
	// Search finds accounts by a piece of name or address, at most limit, for people to look at.
	Search(ctx context.Context, text string, limit int) ([]Account, error)
	// Domains lists the organisation's domains.
	Domains(ctx context.Context) ([]DomainClaim, error)
}

// Groups knows the organisation's groups.
type Groups interface {
	// GroupsNamed says which of the names, compared with case folded, are those of groups: AddressKey(name) → it is there.
	// Any number of names. Errors are those of Reader.
	GroupsNamed(ctx context.Context, names []string) (map[string]bool, error)
}

// Writer makes the calls that change something, one call each, never repeated by itself. A nil error means that the
// vendor said yes, not that it is so. Errors: *Refusal (surely not done, for a reason), ErrThrottled (surely not done,
// try later), ErrNotSent (surely not done: the request did not leave), ErrKeyRefused, ErrKeyScoped, ErrNotFound;
// anything else means that the call may or may not have taken effect, ErrUnknownOutcome among them. A call that cannot leave
// within seconds, because of a rate limit, is not made: what was read before it would be stale.
type Writer interface {
	SetEmail(ctx context.Context, id, address string) error
	Deactivate(ctx context.Context, id, message string) error
	Activate(ctx context.Context, id string) error
}

// People knows who is who in Slack. An error means that Slack could not be asked; its words are the implementation's.
type People interface {
	// Standing reads a person and their roles now: whether they are an admin, or else whether they have any role. Whoever may
	// do nothing (deactivated, a guest, gone, without a role) comes back without a role and without an error.
	Standing(ctx context.Context, id string, admin bool) (Actor, error)
	// Members reads who is in a user group; what was read less than age ago will do. A group that Slack will not show is
	// ErrGroupUnreadable.
	Members(ctx context.Context, group string, age time.Duration) ([]string, error)
	// Admins are the people who may approve, as of lately, with their addresses as far as Slack shows them.
	Admins(ctx context.Context) ([]Person, error)
}

// BatchOf says for which batch a read or a call is made; 0 for what belongs to none, as when somebody asks who an account
// is. A directory that has to make its callers wait can let the batches take turns.
func BatchOf(ctx context.Context) int64 {
	number, _ := ctx.Value(batchKey{}).(int64)
	return number
}

// forBatch is the context of work on a batch.
func forBatch(ctx context.Context, number int64) context.Context {
	return context.WithValue(ctx, batchKey{}, number)
}

type batchKey struct{}

// Outlook is how fast changes go through, as far as the vendor's limits are known.
type Outlook struct {
	PerMinute float64       // changes
	ToGo      time.Duration // until all of them are through
}

// Pacer knows how busy the vendor lets us be. left are the changes that have not ended, of all running batches together.
type Pacer interface {
	Outlook(left map[ActionName]int) Outlook
}

// Directory is both.
type Directory interface {
	Reader
	Writer
}

// Members lists every managed account, for the nightly export. A sequence ends with an error or is complete.
type Members interface {
	Members(ctx context.Context) iter.Seq2[Member, error]
}

// Store is where batches live. Each method is one transaction: all of it is on disk when it returns nil, none of it
// otherwise. Functions passed in are pure rules: they may be refused and must not call the store.
type Store interface {
	Batches
	Changes
}

// Batches stores what is true of a batch as a whole.
type Batches interface {
	// Create records a request in state planning with the bytes it came as, gives it the next number and writes its
	// events. A delivery (Source) that was dealt with before is ErrTaken, and nothing is stored.
	Create(ctx context.Context, b *Batch, original []byte) error
	// Batch loads one batch; ErrNoBatch when there is none of that number.
	Batch(ctx context.Context, number int64) (*Batch, error)
	// List gives the batches in any of the states (all when none is named), newest first, at most limit (0 = all).
	List(ctx context.Context, limit int, states ...State) ([]*Batch, error)
	// Update loads the batch, applies the rule and writes batch, new decisions and events. An error of the rule leaves
	// everything as it was and comes back as it is. A batch that ends gives up its holds.
	Update(ctx context.Context, number int64, rule func(*Batch) error) (*Batch, error)
	// Following gives the batches that were made of the given one, oldest first. Whenever one of them changes its state, the
	// revision of the given one grows, too.
	Following(ctx context.Context, number int64) ([]*Batch, error)
	// Original gives back the bytes of the request; ErrGone when they were deleted after store.keep_files.
	Original(ctx context.Context, number int64) ([]byte, error)
	// Held says which open batch holds each of the keys (HoldKeys), and whether it is acting on the row just now.
	Held(ctx context.Context, keys []string) (map[string]Hold, error)
}

// Changes stores the rows of a batch.
type Changes interface {
	// Seal stores the changes of a plan and applies the rule, in one transaction. hold are the keys to hold from now on;
	// when another open batch holds one of them nothing is written and the error is a *HeldError.
	Seal(ctx context.Context, number int64, changes []Change, hold []string, rule func(*Batch) error) (*Batch, error)
	// Change loads one row.
	Change(ctx context.Context, number int64, row int) (*Change, error)
	// Changes lists rows in any of the states (all when none is named) by row, after row `after`, at most limit (0 = all).
	Changes(ctx context.Context, number int64, after, limit int, states ...ChangeState) ([]Change, error)
	// UpdateChange loads batch and change, applies the rule and writes both and the events.
	UpdateChange(ctx context.Context, number int64, row int, rule func(*Batch, *Change) error) (*Batch, *Change, error)
	// UpdateChanges does the same for all rows in the given state at once: the batch rule first, so that a refusal costs
	// nothing; then each, in row order. Used for recovery and for ending a batch.
	UpdateChanges(
		ctx context.Context, number int64, in ChangeState, each func(*Change) error, rule func(*Batch) error,
	) (*Batch, error)
	// Revive puts rows in line again that had ended, applying the batch's rule first; hold are the keys that they hold from
	// now on, with the errors of Seal.
	Revive(
		ctx context.Context, number int64, rows []int, hold []string, each func(*Change) error, rule func(*Batch) error,
	) (*Batch, error)
	// Summary counts the changes.
	Summary(ctx context.Context, number int64) (Summary, error)
	// Lately counts the changes that other batches of these people, as requester or author, were to make and that were asked
	// for since the moment: those of batches that have not ended without a run.
	Lately(ctx context.Context, since time.Time, people []string, but int64) (int, error)
	// Touched gives the accounts for which calls went out since the moment, or that an approved batch is about to touch, by
	// batches other than but, and of these people where any are named.
	Touched(ctx context.Context, since time.Time, people []string, but int64) ([]string, error)
}

// Hold is an open batch's claim on an account or an address.
type Hold struct {
	Batch  int64
	Row    int
	Acting bool // the row's change is running or unknown just now
}

// Summary counts the changes of a batch by what became of them.
type Summary struct {
	Groups []Group
}

// Group is how many changes of a batch share action, state, reason code and side effect.
type Group struct {
	Action ActionName
	State  ChangeState
	Code   ReasonCode
	Effect Effect
	Count  int
}

// State counts the changes in any of the states; all of them when none is named.
func (s Summary) State(states ...ChangeState) int {
	n := 0
	for _, g := range s.Groups {
		if len(states) == 0 {
			n += g.Count
		}
		for _, want := range states {
			if g.State == want {
				n += g.Count
			}
		}
	}
	return n
}

// Effects counts the side effects of what is ready, running or done, by kind.
func (s Summary) Effects() map[Effect]int {
	out := map[Effect]int{}
	for _, g := range s.Groups {
		switch g.State {
		case ChangeReady, ChangeRunning, ChangeUnknown, ChangeDone:
			if g.Effect != "" {
				out[g.Effect] += g.Count
			}
		}
	}
	return out
}

// Actions counts the changes that are not blocked, bad or unchanged by action.
func (s Summary) Actions() map[ActionName]int {
	out := map[ActionName]int{}
	for _, g := range s.Groups {
		switch g.State {
		case ChangeBlocked, ChangeBad, ChangeUnchanged:
		default:
			out[g.Action] += g.Count
		}
	}
	return out
}
