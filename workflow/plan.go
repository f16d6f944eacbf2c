package workflow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// What the check allows itself.
const (
	// checkPiece is how many addresses are looked up between two reports of progress.
	checkPiece = 500
	// progressEvery is how often the batch says how far its check is.
	progressEvery = time.Second
	// sealTries is how often a plan is checked again because another batch took an account at the same moment.
	sealTries = 5
)

// errPlanAbandoned ends the check of a batch that is no longer planning: somebody cancelled it.
var errPlanAbandoned = errors.New("the batch is no longer being planned")

// A Checker finds out about every row of a request whether it may run, and in which order. It reads the directory and
// changes nothing, neither there nor in the store; so `countersign plan` uses it as it is.
type Checker struct {
	Reader  Reader
	Groups  Groups // nil where no setting names a group of Atlassian
	OrgID   string
	Batch   int64 // whose number parking addresses carry; 0 when there is no batch yet
	Policy  Policy
	Asker   Asker  // who asked, for rules that let organisation admins be changed
	Owners  Owners // of the accounts of requester, author and admins
	Workers int    // reads at the same time

	// Budget says why so many accounts may not be touched today, the zero Reason when they may; nil when there is no limit.
	Budget func(ctx context.Context, accounts []string) (Reason, error)

	// Held says which open batch holds keys; nil when nobody asks.
	Held func(ctx context.Context, keys []string) (map[string]Hold, error)

	// Progress is told now and then how many rows have been dealt with; an error ends the check. May be nil.
	Progress func(ctx context.Context, checked int) error
}

// Plan is the outcome of a check: every row with what was found, the steps of those that are ready in running order, and
// what they hold.
type Plan struct {
	Changes []Change
	Steps   []Step
	Hold    []string
	Traits  Traits

	hold map[int][]string // by row
}

// holds are the keys of some of the rows.
func (p *Plan) holds(rows []int) []string {
	var keys []string
	for _, row := range rows {
		keys = append(keys, p.hold[row]...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Ready counts the changes that may run.
func (p *Plan) Ready() int {
	n := 0
	for i := range p.Changes {
		if p.Changes[i].State == ChangeReady {
			n++
		}
	}
	return n
}

// Check makes the plan of a request. Rows that the directory cannot answer for within the budget are blocked as "could not
// be checked"; an error means that there is no plan at all: the context ended, Progress refused, or Held failed.
func (c *Checker) Check(ctx context.Context, rows []Row) (*Plan, error) {
	k := &check{
		Checker: c, drafts: make([]*draft, len(rows)), changes: make([]Change, len(rows)), protected: c.Policy.protection(),
		asked: c.Policy.Groups(),
	}
	for i := range rows {
		k.drafts[i] = newDraft(&rows[i], &k.changes[i])
	}
	for _, step := range []func(context.Context) error{
		k.findAccounts, k.askGroups, k.look, k.askDomains, k.askHolds, k.park, k.askPrivileges, k.askBudget,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return k.plan(), nil
}

// check is one check under way.
type check struct {
	*Checker
	drafts    []*draft
	changes   []Change // those of the drafts
	protected protection
	asked     []string // the groups that the policy names, folded
	missing   []string // of these, Atlassian has none of that name
	patience  patience

	holders map[string][]Account // AddressKey → the accounts that hold it
	unasked map[string]error     // AddressKey → why nobody knows who holds it
	claimed map[string]bool      // the verified domains

	mu    sync.Mutex // guards what follows while several ask
	told  time.Time  // when Progress was last called
	shown int        // what it was told at most
	dealt int        // drafts of the present phase that have been asked about
}

// The check has four phases; where each ends on the way from nothing to all rows, in percent.
const (
	lookedUp     = 20
	searchedByID = 35
	foundByID    = 50
	allAsked     = 100
)

// newDraft begins with a row; c is its change, to be filled.
func newDraft(r *Row, c *Change) *draft {
	*c = Change{
		Row: r.Line, Action: r.Action, AccountID: r.AccountID, OldEmail: r.Email, NewEmail: r.NewEmail, Message: r.Message,
		Group: r.Group, Cells: r.Cells, State: ChangeReady,
	}
	d := &draft{row: r, change: c}
	action, ok := ActionFor(r.Action)
	switch {
	case r.Action != "" && !ok:
		d.change.State = ChangeBad
		d.change.Reason = NewReason(ReasonNotSupported, string(r.Action))
	case r.Problem != "":
		d.change.State = ChangeBad
		d.change.Reason = NewReason(ReasonUnreadable, r.Problem)
	default:
		d.action = action
	}
	return d
}

// look is the part of the check that needs nothing but the account itself and the other rows.
func (k *check) look(context.Context) error {
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		a := d.account
		switch wanted := (Step{Action: d.action.Name, To: d.target()}); {
		case a.Status == StatusClosed:
			d.block(ReasonClosed, a.ID)
		case a.Type == "app":
			d.block(ReasonOtherAccountTyp, a.Type)
		case k.guard(d):
		case d.action.Shows(a, wanted) && d.target() != "" && d.target() != a.Email:
			d.leave(ReasonCaseOnly, a.Email)
		case d.action.Shows(a, wanted):
			d.leave(ReasonAlready, shown(d.action, a))
		default:
			d.change.Effect = d.action.Warn(a)
		}
	}
	refuseDuplicates(k.drafts)
	return nil
}

// shown is what an account shows of the thing that an action sets.
func shown(action Action, a Account) string {
	if action.Name == Rename {
		return a.Email
	}
	return statusWord(a.Status)
}

// askDomains blocks what goes to a domain that is not verified.
func (k *check) askDomains(ctx context.Context) error {
	if !slices.ContainsFunc(k.drafts, func(d *draft) bool { return d.live() && d.target() != "" }) {
		return nil
	}
	var claims []DomainClaim
	failed := k.patience.ask(ctx, func() (err error) {
		claims, err = k.Reader.Domains(ctx)
		return err
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	k.claimed = map[string]bool{}
	var verified []string
	for _, c := range claims {
		if c.Verified {
			k.claimed[c.Name] = true
			verified = append(verified, c.Name)
		}
	}
	looks := newLooks(verified)
	for _, d := range k.drafts {
		if !d.live() || d.target() == "" {
			continue
		}
		if failed != nil {
			d.block(ReasonCouldNotCheck, whyNot(failed))
		} else if domain := Domain(d.target()); !k.claimed[domain] {
			d.block(ReasonUnverified, spelled(domain), looks.like(domain))
		} else if what := looks.odd(d.target()); what != "" {
			d.change.Reason = NewReason(ReasonOddAddress, what)
		}
	}
	return nil
}

// askHolds blocks what belongs to another open batch.
func (k *check) askHolds(ctx context.Context) error {
	if k.Held == nil {
		return nil
	}
	var keys []string
	for _, d := range k.drafts {
		if d.live() {
			keys = append(keys, holdKeys(d)...)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	held, err := k.Held(ctx, keys)
	if err != nil {
		return fmt.Errorf("ask what other batches hold: %w", err)
	}
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		for _, key := range holdKeys(d) {
			h, taken := held[key]
			if !taken {
				continue
			}
			// A leaver must be locked out at once: what locks out is held up only by a call that is under way just now,
			// and then leaves the hold where it is.
			if d.action.Locks && !h.Acting {
				d.yields = true
				continue
			}
			d.block(ReasonHeld, strconv.FormatInt(h.Batch, 10))
			break
		}
	}
	return nil
}

// holdKeys are what a row holds while its batch is open: its account, and the addresses it leaves and takes.
func holdKeys(d *draft) []string {
	keys := []string{"account:" + d.account.ID}
	if t := d.target(); t != "" {
		keys = append(keys, "address:"+AddressKey(t))
		if d.account.Email != "" {
			keys = append(keys, "address:"+AddressKey(d.account.Email))
		}
	}
	if d.park != "" {
		keys = append(keys, "address:"+AddressKey(d.park))
	}
	return keys
}

// askPrivileges asks for every row that is left what may be done to its account.
func (k *check) askPrivileges(ctx context.Context) error {
	chain(k.drafts, k.holders) // what waits for nobody or for somebody blocked need not be asked about
	var live []*draft
	for _, d := range k.drafts {
		if d.live() {
			live = append(live, d)
		}
	}
	return k.each(ctx, allAsked, live, func(ctx context.Context, d *draft) error {
		answer, err := k.Reader.Privileges(ctx, d.account.ID, d.action.Privilege)
		if err != nil {
			return err
		}
		// What is not answered is not allowed.
		if p := answer[d.action.Privilege]; !p.Allowed {
			d.block(ReasonNotAllowed, string(d.action.Name), p.Key)
		}
		return nil
	}, func(d *draft, err error) {
		if errors.Is(err, ErrNotFound) {
			d.block(ReasonNotManaged, d.account.ID)
			return
		}
		d.block(ReasonCouldNotCheck, whyNot(err))
	})
}

// plan puts what is left into order.
func (k *check) plan() *Plan {
	after, circles := chain(k.drafts, k.holders)
	for _, d := range k.drafts {
		d.park = parkedIn(circles, d)
	}
	p := &Plan{
		Steps: number(k.drafts, after, circles), Changes: k.changes, hold: map[int][]string{},
		Traits: traitsOf(k.drafts, k.asked, k.missing),
	}
	for _, d := range k.drafts {
		if !d.live() {
			d.change.Effect = ""
		} else if !d.yields {
			p.hold[d.row.Line] = holdKeys(d)
			p.Hold = append(p.Hold, p.hold[d.row.Line]...)
		}
		if d.park != "" && d.change.Effect == EffectSignedOut {
			d.change.Effect = EffectSignedOutTwice
		}
	}
	slices.Sort(p.Hold)
	p.Hold = slices.Compact(p.Hold)
	return p
}

// each asks about the drafts of a phase, several at a time, each within the patience; failed deals with what was not
// answered.
func (k *check) each(
	ctx context.Context, phase int, drafts []*draft, ask func(context.Context, *draft) error, failed func(*draft, error),
) error {
	k.dealt = 0
	from := k.shown
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(max(k.Workers, 1))
	for _, d := range drafts {
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error {
			err := k.patience.ask(gctx, func() error { return ask(gctx, d) })
			if gctx.Err() != nil {
				return context.Cause(gctx)
			}
			if err != nil {
				failed(d, err)
			}
			k.mu.Lock()
			k.dealt++
			percent := from + (phase-from)*k.dealt/len(drafts)
			k.mu.Unlock()
			return k.progress(gctx, percent)
		})
	}
	return group.Wait()
}

// progress says how far the check is, in percent of the way, no more often than need be and never backwards.
func (k *check) progress(ctx context.Context, percent int) error {
	k.mu.Lock()
	k.shown = max(k.shown, percent)
	due := k.Progress != nil && time.Since(k.told) >= progressEvery
	if due {
		k.told = time.Now()
	}
	checked := len(k.drafts) * k.shown / allAsked
	k.mu.Unlock()
	if !due {
		return nil
	}
	return k.Progress(ctx, checked)
}

// whyNot puts the kind of a failed read into a few words.
func whyNot(err error) string {
	switch {
	case errors.Is(err, ErrKeyScoped):
		return "the Atlassian key was made with scopes"
	case errors.Is(err, ErrKeyRefused):
		return "Atlassian refused the key"
	case errors.Is(err, ErrThrottled):
		return "Atlassian kept throttling"
	case errors.Is(err, ErrUnavailable):
		return "Atlassian did not answer"
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		return refusal.Reason.Words()
	}
	return "Atlassian gave no usable answer"
}
