package workflow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

// What the check allows itself.
const (
	// checkPiece is how many addresses are looked up between two reports of progress.
	checkPiece = 500
	// fewIDs is up to how many rows that give nothing but an id are read one by one.
	fewIDs = 100
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
	OrgID   string
	Batch   int64    // whose number parking addresses carry; 0 when there is no batch yet
	Protect []string // addresses and account ids
	Workers int      // reads at the same time

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
		Checker: c, drafts: make([]*draft, len(rows)), changes: make([]Change, len(rows)), protected: map[string]bool{},
	}
	for _, p := range c.Protect {
		k.protected[AddressKey(p)] = true
	}
	for i := range rows {
		k.drafts[i] = newDraft(&rows[i], &k.changes[i])
	}
	for _, step := range []func(context.Context) error{
		k.findAccounts, k.look, k.askDomains, k.askHolds, k.park, k.askPrivileges,
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
	protected map[string]bool
	patience  patience

	holders map[string][]Account // AddressKey → the accounts that hold it
	unasked map[string]error     // AddressKey → why nobody knows who holds it
	claimed map[string]bool      // the verified domains

	mu    sync.Mutex // guards what follows while several ask
	told  time.Time  // when Progress was last called
	shown int        // what it was told at most
	dealt int        // drafts of the present phase that have been asked about
}

// The check has three phases; where each ends on the way from nothing to all rows, in percent.
const (
	lookedUp  = 20
	foundByID = 50
	allAsked  = 100
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

// findAccounts gives every readable row its account: by address in bulk, by id where the address does not do.
func (k *check) findAccounts(ctx context.Context) error {
	if err := k.lookUp(ctx); err != nil {
		return err
	}
	var byID, onlyID []*draft
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		if why := k.unknownAddress(d); why != nil {
			d.block(ReasonCouldNotCheck, whyNot(why))
			continue
		}
		if d.row.AccountID == "" {
			k.resolveByAddress(d)
			continue
		}
		if a, ok := withID(k.holders[AddressKey(d.row.Email)], d.row.AccountID); ok && d.row.Email != "" {
			d.take(a)
			continue
		}
		if d.row.Email == "" {
			onlyID = append(onlyID, d)
		} else {
			byID = append(byID, d)
		}
	}
	rest, err := k.lookUpIDs(ctx, onlyID)
	if err != nil {
		return err
	}
	byID = append(byID, rest...)
	return k.each(ctx, foundByID, byID, func(ctx context.Context, d *draft) error {
		a, err := k.Reader.Account(ctx, d.row.AccountID)
		if err == nil {
			k.resolveByID(d, a)
		}
		return err
	}, func(d *draft, err error) {
		if errors.Is(err, ErrNotFound) {
			d.block(ReasonNoAccount, d.row.AccountID)
			return
		}
		d.block(ReasonCouldNotCheck, whyNot(err))
	})
}

// lookUp asks who holds each address of the request, current and new, piece by piece.
func (k *check) lookUp(ctx context.Context) error {
	k.holders, k.unasked = map[string][]Account{}, map[string]error{}
	var addresses []string
	seen := map[string]bool{}
	for _, d := range k.drafts {
		if !d.live() {
			continue
		}
		for _, a := range []string{d.row.Email, d.target()} {
			if key := AddressKey(a); a != "" && !seen[key] {
				seen[key] = true
				addresses = append(addresses, a)
			}
		}
	}
	asked := 0
	for piece := range slices.Chunk(addresses, checkPiece) {
		var found map[string][]Account
		err := k.patience.ask(ctx, func() (err error) {
			found, err = k.Reader.ByAddress(ctx, piece)
			return err
		})
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			for _, a := range piece {
				k.unasked[AddressKey(a)] = err
			}
		}
		maps.Copy(k.holders, found)
		asked += len(piece)
		if err := k.progress(ctx, lookedUp*asked/len(addresses)); err != nil {
			return err
		}
	}
	return nil
}

// lookUpIDs finds the accounts of rows that give an id and no address, and gives back the rows that are better read one by
// one: what the search does not show as managed, and all rows where they are few, as what it shows can lag behind.
func (k *check) lookUpIDs(ctx context.Context, drafts []*draft) (rest []*draft, err error) {
	if len(drafts) <= fewIDs {
		return drafts, nil
	}
	ids := make([]string, len(drafts))
	for i, d := range drafts {
		ids[i] = d.row.AccountID
	}
	var found map[string]Account
	err = k.patience.ask(ctx, func() (err error) {
		found, err = k.Reader.ByID(ctx, ids)
		return err
	})
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	for _, d := range drafts {
		if a, ok := found[d.row.AccountID]; ok && err == nil && a.Managed {
			k.resolveByID(d, a)
		} else {
			rest = append(rest, d) // where nothing was found out, each row says for itself why
		}
	}
	return rest, nil
}

// unknownAddress says why nobody could tell who holds an address that this row depends on, nil when all are known.
func (k *check) unknownAddress(d *draft) error {
	for _, a := range []string{d.row.Email, d.target()} {
		if err, bad := k.unasked[AddressKey(a)]; bad && a != "" {
			return err
		}
	}
	return nil
}

func withID(accounts []Account, id string) (Account, bool) {
	i := slices.IndexFunc(accounts, func(a Account) bool { return a.ID == id })
	if i < 0 {
		return Account{}, false
	}
	return accounts[i], true
}

func (k *check) resolveByAddress(d *draft) {
	var managed []Account
	holders := k.holders[AddressKey(d.row.Email)]
	for _, a := range holders {
		if a.Managed {
			managed = append(managed, a)
		}
	}
	switch {
	case len(managed) == 1:
		d.take(managed[0])
	case len(managed) > 1:
		ids := make([]string, len(managed))
		for i, a := range managed {
			ids[i] = a.ID
		}
		d.block(ReasonAmbiguous, d.row.Email, strings.Join(ids, ", "))
	case len(holders) > 0:
		d.block(ReasonNotManaged, d.row.Email)
	default:
		facts := []string{d.row.Email}
		if t := d.target(); t != "" && len(k.holders[AddressKey(t)]) == 1 {
			facts = append(facts, k.holders[AddressKey(t)][0].ID)
		}
		d.block(ReasonNoAccount, facts...)
	}
}

// resolveByID holds the account that was read by its id against the address that the row gives.
func (k *check) resolveByID(d *draft, a Account) {
	wanted := Step{Action: d.action.Name, To: d.target()}
	if d.row.Email == "" || SameAddress(a.Email, d.row.Email) || d.action.Shows(a, wanted) {
		d.take(a)
		return
	}
	other := ""
	if holders := k.holders[AddressKey(d.row.Email)]; len(holders) > 0 {
		other = holders[0].ID
	}
	d.block(ReasonMismatch, a.ID, a.Email, d.row.Email, other)
}

// take makes a the row's account.
func (d *draft) take(a Account) {
	d.account = a
	d.change.AccountID, d.change.Name, d.change.OldEmail = a.ID, a.Name, a.Email
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
		case k.protects(a.ID):
			d.block(ReasonProtected, a.ID)
		case k.protects(a.Email):
			d.block(ReasonProtected, a.Email)
		case d.target() != "" && k.protects(d.target()):
			d.block(ReasonProtected, d.target())
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

func (k *check) protects(what string) bool { return what != "" && k.protected[AddressKey(what)] }

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
	p := &Plan{Steps: number(k.drafts, after, circles), Changes: k.changes, hold: map[int][]string{}}
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
