package workflow

import (
	"context"
	"errors"
	"iter"
	"time"
)

// AccountStatus is whether an account can log in, as the vendor words it.
type AccountStatus string

// The statuses (user management API, GET profile: account_status).
const (
	StatusActive   AccountStatus = "active"
	StatusInactive AccountStatus = "inactive" // deactivated
	StatusClosed   AccountStatus = "closed"   // deleted
	// StatusDeleting is the status of an account in its 14 days of grace, which only the
	// organisation's directory tells (organizations API v2, status: for_deletion); elsewhere it looks
	// deactivated.
	StatusDeleting AccountStatus = "for_deletion"
)

// Grace is how long a deletion can be cancelled (user management API, POST lifecycle/delete).
const Grace = 14 * 24 * time.Hour

// The types of accounts (user management API, GET profile: account_type).
const (
	TypePerson   = "atlassian"
	TypeApp      = "app"
	TypeCustomer = "customer" // of a help center; no member of the organisation
)

// Account is an Atlassian account as one read showed it.
type Account struct {
	ID      string
	Name    string
	Email   string        // may be "" where privacy hides it
	Type    string        // atlassian, app, customer
	Status  AccountStatus // "" where a search does not tell enough to judge the account by
	Managed bool          // claimed by our organisation
	Synced  bool          // an identity provider made it, as far as a search tells

	// Filled by ByAddress and ByID alone, and only where RolesKnown is true.
	OrgAdmin   bool     // holds the role of an organisation admin
	Groups     []string // names of its groups, where the directory was made to ask for them
	RolesKnown bool
}

// Same reports whether the two show the same of what a snapshot keeps of an account itself.
func (a Account) Same(b Account) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Email == b.Email && a.Type == b.Type && a.Status == b.Status
}

// DomainClaim is one domain of the organisation and whether it is verified.
type DomainClaim struct {
	Name     string // folded
	Verified bool
	Status   string // as the vendor words it: verified, unverified, …
}

// Privilege is the answer of GET /users/{id}/manage for one privilege. Key says why not, in the
// vendor's words ("externalDirectory.scim"), "" when allowed.
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
	Owner      string // who decides about it (managementSource of a search); "" where that was not read
}

// Product is one product that an account can use.
type Product struct {
	Key        string
	Name       string
	URL        string
	LastActive string
}

// Deletion is what is known of the deletion of an account that is being deleted.
type Deletion struct {
	Before AccountStatus // what the account was before; "" where nobody knows
	Since  time.Time     // when it began; zero where neither a batch of ours nor Atlassian's log tells
}

// SeenStatus is a status that an account had in the nights from First to Last.
type SeenStatus struct {
	Status      AccountStatus
	First, Last time.Time
}

// Nights is what the nightly snapshots have kept of accounts.
type Nights interface {
	// StatusSeen returns which statuses an account had, the newest first, each with the nights in a
	// row that showed it.
	StatusSeen(ctx context.Context, account string) ([]SeenStatus, error)
}

// Reader reads the directory. Every error matches one of the kinds in error.go: ErrNotFound,
// ErrKeyRefused, ErrKeyScoped, ErrUnavailable or ErrThrottled (after the reader's own retries) or
// is a *Refusal. Each read is bounded as a whole, waiting for a rate limit
// and its own retries included.
type Reader interface {
	// Read answers questions about one subject, all at once: an account, or what is no account's.
	// What there is nothing of is answered by an empty list; ErrNotFound means that there is no
	// such account among ours.
	Read(ctx context.Context, facts ...Fact) (Answers, error)
	// ByAddress finds the accounts that hold the addresses, by AddressKey, whatever their spelling:
	// key → accounts. What is not found is missing. Any number of addresses. *Unshown comes with what
	// was found.
	ByAddress(ctx context.Context, addresses []string) (map[string][]Account, error)
	// ByID finds accounts by their ids: id → account. What is not found is missing, and may still
	// be there: what the search shows can lag behind, and some accounts are hidden from it, so Read
	// has the last word. Any number of ids.
	ByID(ctx context.Context, ids []string) (map[string]Account, error)
	// Search finds accounts by a piece of name or address, at most limit, for people to look at.
	Search(ctx context.Context, text string, limit int) ([]Account, error)
	// Domains lists the organisation's domains.
	Domains(ctx context.Context) ([]DomainClaim, error)
	// GroupsNamed reports which of the names, compared by GroupKey, are those of groups:
	// GroupKey(name) → it is there. Any number of names.
	GroupsNamed(ctx context.Context, names []string) (map[string]bool, error)
}

// SiteUser is a user of a Jira site, for people to look at.
type SiteUser struct {
	ID, Name string
	Email    string // "" where privacy hides it
	Type     string // atlassian, app, customer
	Active   bool
	Groups   []string // names
}

// Sites finds users of the sites whose key we hold.
type Sites interface {
	// FindAtSite finds users of the site of that name by a piece of name or address, an account id, or
	// a legacy username or user key, at most limit. Errors are those of Reader.
	FindAtSite(ctx context.Context, site, text string, limit int) ([]SiteUser, error)
}

// Owned is who decides about an account, as a search tells it.
type Owned struct {
	AccountID string
	Owner     string // OwnerSynced, OwnerInvited, OwnerNone, or a word of the vendor that we do not know
}

// The owners of accounts.
const (
	OwnerSynced  = "synced"  // an identity provider
	OwnerInvited = "invited" // the organisation
	OwnerNone    = "none"    // the search names none
)

// Owners lists who decides about each managed account, for the nightly export. A sequence ends with an
// error or is complete; one account may come twice.
type Owners interface {
	Owners(ctx context.Context) iter.Seq2[Owned, error]
}

// SiteMembers lists every user of a site whose key we hold, for reports. A sequence ends with an error
// or is complete; one user may come twice. Groups are not read.
type SiteMembers interface {
	SiteMembers(ctx context.Context, site string) iter.Seq2[SiteUser, error]
}

// People knows who is who in Slack. An error means that Slack could not be asked; its words are the
// implementation's.
type People interface {
	// Standing reads a person and their roles, by reads that began after since: whether they are an
	// admin, or else whether they have any role. Whoever may do nothing (deactivated, a guest,
	// gone, without a role) comes back without a role and without an error.
	Standing(ctx context.Context, id string, admin bool, since LogicalTime) (Actor, error)
	// Members reads who is in a user group, as fresh as is asked for. A group that Slack will not
	// show is ErrGroupUnreadable.
	Members(ctx context.Context, group string, fresh Freshness) ([]string, error)
	// Admins are the people who may approve, as of a recent read, with their addresses where Slack
	// shows them.
	Admins(ctx context.Context) ([]Person, error)
}

// LogicalTime orders what happens: a click that came, a read that began. It is a count and no time,
// as two readings of a clock can be the same; 0 stands for now.
type LogicalTime int64

// Freshness is how new what is read of people has to be.
type Freshness struct {
	Age   time.Duration // what was read less than that ago will do; 0 leaves it to Since
	Since LogicalTime   // what was read by a read that began after it will do
}

// Estimate is how fast changes go through, as far as the vendor's limits are known.
type Estimate struct {
	PerMinute float64       // changes
	Remaining time.Duration // until all of them are through
}

// RunWait is what a run waits for that could do nothing else meanwhile; the zero RunWait when it is
// at work.
type RunWait struct {
	Until    time.Time
	ReadBack int  // changes that are read back then, to find out what became of them; 0 when it waits to send
	Silent   bool // Atlassian does not answer; else it asked to wait
}

// Estimator knows how busy the vendor lets us be.
type Estimator interface {
	// Estimate returns how long so many calls and reads will take, 0 when nobody knows.
	Estimate(calls map[Operation]int, reads map[FactKind]int) time.Duration
}

// Directory is the organisation: what can be read there, and the calls that change it.
type Directory interface {
	Reader
	Caller
}

// ErrListedAgain comes in a sequence of Members where the list has to be read again: all that came
// before counts no more, and the sequence goes on with the first account.
var ErrListedAgain = errors.New("the list is read again from its beginning")

// Members lists every managed account, for the nightly export. A sequence ends with an error or is
// complete; it ends with a *TotalError where it gave all that came and announces another number.
// ErrListedAgain does not end it.
type Members interface {
	Members(ctx context.Context) iter.Seq2[Member, error]
}

// Store is where batches live. Each method is one transaction: all of it is on disk when it returns
// nil, none of it otherwise. Functions passed in are pure rules: they may be refused and must not
// call the store.
type Store interface {
	Batches
	Changes
}

// Batches stores what is true of a batch as a whole.
type Batches interface {
	// Changed returns a pulse after each method that writes batches or changes: something may be
	// other than it was. Several writes may be one pulse.
	Changed() <-chan struct{}
	// Create records a request in state planning with its rows, as changes in state asked, and the
	// bytes that it was read from, nil when they are not there; gives it the next number and writes
	// its events. The rule is asked first, in the same transaction, with the batches that were made
	// of the one that this one follows, oldest first; it may be nil. A delivery (Source) that was
	// dealt with before is ErrTaken. Where either refuses, nothing is stored.
	Create(ctx context.Context, b *Batch, rows []Row, original []byte, rule func(following []*Batch) error) error
	// AddRows gives a batch that is being planned its rows, where it was created without any, with
	// an event of the kind EventRows. One that has rows, or is not being planned, is a *StateError.
	AddRows(ctx context.Context, number int64, rows []Row) (*Batch, error)
	// Batch loads one batch; ErrNoBatch when there is none of that number.
	Batch(ctx context.Context, number int64) (*Batch, error)
	// List returns the batches in any of the states (all when none is named), newest first, at most
	// limit (0 = all).
	List(ctx context.Context, limit int, states ...State) ([]*Batch, error)
	// Update loads the batch, applies the rule and writes batch, new decisions and events. An error
	// of the rule leaves everything as it was and comes back as it is. A batch that ends gives up
	// its holds.
	Update(ctx context.Context, number int64, rule func(*Batch) error) (*Batch, error)
	// Approve is Update with the accounts that other batches have touched since the moment, read in
	// the same transaction: of two batches that are within a limit only by themselves, the second
	// finds the first.
	Approve(ctx context.Context, number int64, since time.Time, rule func(*Batch, Touched) error) (*Batch, error)
	// Following returns the batches that were made of the given one, oldest first. Whenever one of
	// them changes its state, the revision of the given one grows, too.
	Following(ctx context.Context, number int64) ([]*Batch, error)
	// Original returns the bytes of the request; ErrGone when there were none, or they were
	// deleted (store.keep_files).
	Original(ctx context.Context, number int64) ([]byte, error)
	// Held returns which open batch holds each of the keys (HoldKeys), and whether it is acting on
	// the row.
	Held(ctx context.Context, keys []string) (map[string]Hold, error)
}

// Changes stores the rows of a batch.
type Changes interface {
	// Rows returns the rows of a batch as they were asked for, in their order.
	Rows(ctx context.Context, number int64) ([]Row, error)
	// SavePlan stores what the check made of every row, and applies the rule, in one transaction.
	// hold are the keys to hold from now on; when another open batch holds one of them nothing is
	// written and the error is a *HeldError. A plan is saved once.
	SavePlan(ctx context.Context, number int64, changes []Change, hold []string, rule func(*Batch) error) (*Batch, error)
	// Change loads one row.
	Change(ctx context.Context, number int64, row int) (*Change, error)
	// Changes lists rows in any of the states (all but asked when none is named) by row, after row
	// `after`, at most limit (0 = all).
	Changes(ctx context.Context, number int64, after, limit int, states ...ChangeState) ([]Change, error)
	// UpdateChange loads batch and change, applies the rule and writes both and the events.
	UpdateChange(ctx context.Context, number int64, row int, rule func(*Batch, *Change) error) (*Batch, *Change, error)
	// UpdateChanges does the same for all rows in the given state at once: the batch rule first, so
	// that a refusal costs nothing; then each, in row order. Used for recovery and for ending a
	// batch.
	UpdateChanges(
		ctx context.Context, number int64, in ChangeState, each func(*Change) error, rule func(*Batch) error,
	) (*Batch, error)
	// Revive puts rows in line again that had ended, applying the batch's rule first; hold are the
	// keys that they hold from now on, with the errors of SavePlan.
	Revive(
		ctx context.Context, number int64, rows []int, hold []string, each func(*Change) error, rule func(*Batch) error,
	) (*Batch, error)
	// Summary counts the changes that were checked.
	Summary(ctx context.Context, number int64) (Summary, error)
	// RecentChanges counts the changes that other batches of these people, as requester or author,
	// were to make and that were asked for since the moment: those of batches that have not ended
	// without a run. Of returns, but for that of the excluded one, what they made since counts.
	RecentChanges(ctx context.Context, since time.Time, people []string, exclude int64) (int, error)
	// Returning returns the changes of returns that wait for their moment, on any of the accounts. Their
	// Batch is the one that they take back.
	Returning(ctx context.Context, accounts []string) ([]Change, error)
	// Later returns the changes, with steps, of batches that were approved later than the moment, or at it
	// with a number behind the first of the two named; but of these two and of returns. They are to be made,
	// are being made, were made or needed not be made.
	Later(ctx context.Context, first, second int64, approved time.Time) ([]Change, error)
	// Deleted returns the change by which a batch last began the deletion of an account, nil where
	// none did.
	Deleted(ctx context.Context, account string) (*Change, error)
	// Touched returns the accounts for which calls went out since the moment, or that an approved
	// batch is about to touch, by batches other than but, and of these people where any are named.
	Touched(ctx context.Context, since time.Time, people []string, exclude int64) ([]string, error)
}

// Touched are the accounts for which calls went out since a moment, or that an approved batch is
// about to touch.
type Touched struct {
	Own []string // by batches of the same requester or author
	All []string
}

// Hold is an open batch's claim on an account or an address.
type Hold struct {
	Batch  int64
	Row    int
	Acting bool // the row's change is running or unknown
}

// Summary counts the changes of a batch by what became of them.
type Summary struct {
	Groups []Group
}

// Group is how many changes of a batch share action, state, reason code and side effects.
type Group struct {
	Action  ActionName
	State   ChangeState
	Code    ReasonCode
	Effects []Effect // those of each of them
	Count   int
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
			for _, e := range g.Effects {
				kind, n := e.Kind()
				out[kind] += n * g.Count
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
