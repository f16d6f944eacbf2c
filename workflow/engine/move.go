package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
	"github.com/countersign/countersign/workflow/plan"
)

// moveTime is how long somebody waits for an answer to whether a domain can be moved at all.
const moveTime = 10 * time.Second

// countEvery is how often a batch says how many accounts were listed for it.
const countEvery = time.Second

// SubmitMove takes a request for a whole domain in (Source.Move), and returns the batch as it stands
// then: its accounts are still to be found. A new domain that is not verified, and a group that is
// none or is ambiguous, are a *workflow.Refusal, and nothing is stored.
func (e *Engine) SubmitMove(ctx context.Context, actor workflow.Actor, req workflow.Request) (*workflow.Batch, error) {
	if err := workflow.May(workflow.ActAsk, nil, actor); err != nil {
		return nil, err
	}
	if e.cfg.Lookups == nil || req.Source.Move == nil {
		return nil, errors.New("move a domain: no domain is named, or nobody lists accounts")
	}
	if e.cfg.RequireReason && strings.TrimSpace(req.Reason) == "" {
		return nil, workflow.ErrNeedsReason
	}
	bounded, cancel := context.WithTimeoutCause(ctx, moveTime, fmt.Errorf("%w within %s", workflow.ErrUnavailable, moveTime))
	defer cancel()
	move, err := e.canMove(bounded, *req.Source.Move)
	if err != nil && bounded.Err() != nil {
		err = context.Cause(bounded)
	}
	if err != nil {
		return nil, err
	}
	req.Source.Move, req.Verb, req.Rows = &move, workflow.Rename, nil
	return e.record(ctx, req)
}

// canMove refuses what no row could come of, and finds the group.
func (e *Engine) canMove(ctx context.Context, move workflow.DomainMove) (workflow.DomainMove, error) {
	claims, err := e.cfg.Directory.Domains(ctx)
	if err != nil {
		return move, fmt.Errorf("ask for the domains: %w", err)
	}
	if verified := workflow.NewVerifiedDomains(claims); !verified.Verified(workflow.DomainKey(move.New)) {
		domain := workflow.DomainKey(move.New)
		return move, &workflow.Refusal{Reason: workflow.NewReason(
			workflow.ReasonUnverified, workflow.DisplayDomain(domain), verified.Like(domain))}
	}
	if move.Group == "" {
		return move, nil
	}
	fact := action.GroupNamed(move.Group)
	answers, err := e.cfg.Directory.Read(ctx, fact)
	if err != nil {
		return move, fmt.Errorf("ask for the group: %w", err)
	}
	switch meant := answers[fact]; len(meant) {
	case 0:
		return move, &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonNoGroup, move.Group)}
	case 1:
		group := action.GroupFrom(meant[0])
		move.Group, move.GroupID = group.Name, group.ID
		return move, nil
	default:
		ids := make([]string, len(meant))
		for i, v := range meant {
			group := action.GroupFrom(v)
			if ids[i] = group.ID; group.Directory != "" {
				ids[i] += " (directory " + group.Directory + ")"
			}
		}
		slices.Sort(ids)
		return move, &workflow.Refusal{Reason: workflow.NewReason(
			workflow.ReasonAmbiguousGroup, move.Group, strings.Join(ids, ", "))}
	}
}

// findRows gives a batch for a whole domain its rows. done is true where the batch has ended by it:
// it has none, or more than are taken.
func (e *Engine) findRows(ctx context.Context, b *workflow.Batch) (done bool, err error) {
	if e.cfg.Lookups == nil {
		return false, errors.New("nobody lists accounts")
	}
	rows, err := e.moved(ctx, b)
	switch refusal := (*workflow.Refusal)(nil); {
	case errors.Is(err, plan.ErrAbandoned):
		return true, nil
	case errors.Is(err, workflow.ErrKeyRefused):
		return true, e.giveUpPlanning(ctx, b.Number, errors.New("the Atlassian key was refused"))
	case errors.Is(err, workflow.ErrKeyScoped):
		return true, e.giveUpPlanning(ctx, b.Number, errors.New("the Atlassian key was made with scopes"))
	case errors.As(err, &refusal):
		return true, e.giveUpPlanning(ctx, b.Number, errors.New(refusal.Reason.Words()))
	case err != nil: // it rests, and is tried again
		return false, err
	}
	if len(rows) == 0 {
		return true, e.endPlanning(ctx, b.Number, workflow.Empty, &nobodyError{*b.Source.Move})
	}
	if err := e.withinLimit(rows); err != nil {
		return true, e.giveUpPlanning(ctx, b.Number, fmt.Errorf("%w; ask for a part of them: only-group, or a file with except", err))
	}
	_, err = e.store.AddRows(ctx, b.Number, rows)
	if errors.As(err, new(*workflow.StateError)) { // cancelled at the last moment
		return true, nil
	}
	return false, err
}

// nobodyError says that nobody is to be moved.
type nobodyError struct{ move workflow.DomainMove }

func (e *nobodyError) Error() string {
	words := "no managed account has an address on " + e.move.Old
	if e.move.Group != "" {
		words += " and is in the group " + e.move.Group
	}
	if len(e.move.Except) > 0 {
		words += ", but for those that are left out"
	}
	return words
}

// moved makes the rows of a whole domain: one for each account on it, sorted by address, and behind
// them what somebody has to look at. None where there is no account.
func (e *Engine) moved(ctx context.Context, b *workflow.Batch) ([]workflow.Row, error) {
	move := *b.Source.Move
	on, err := e.onDomains(ctx, b.Number, move)
	if err != nil {
		return nil, err
	}
	out := newExceptions(move.Except)
	there, err := e.movedAlready(ctx, on, move)
	if err != nil {
		return nil, err
	}
	left := slices.DeleteFunc(slices.Concat(on.old, there), out.name)
	if move.GroupID != "" {
		members, err := e.cfg.Lookups.GroupMembers(ctx, move.GroupID)
		if err != nil {
			return nil, fmt.Errorf("list the members of the group: %w", err)
		}
		left = slices.DeleteFunc(left, func(a workflow.Account) bool { return !members[a.ID] })
	}
	if len(left) == 0 {
		return nil, nil
	}
	rows := make([]workflow.Row, len(left))
	for i, a := range left {
		row := workflow.Row{Line: i + 1, Action: workflow.Rename, Values: workflow.Of(workflow.ColumnAccountID, a.ID)}
		if workflow.Domain(a.Email) == workflow.DomainKey(move.New) { // it has what it is to get
			row.Set(workflow.ColumnNewEmail, a.Email)
		} else {
			row.Set(workflow.ColumnEmail, a.Email)
			row.Set(workflow.ColumnNewEmail, a.Email[:strings.LastIndex(a.Email, "@")]+"@"+move.New)
		}
		rows[row.Line-1] = row
	}
	if move.Names {
		if err := e.nameRows(ctx, b.Number, rows, left, move.New); err != nil {
			return nil, err
		}
	}
	for i := range rows {
		if what := workflow.NewAddressProblem(rows[i].NewEmail()); what != "" && rows[i].Problem == "" && rows[i].Email() != "" {
			rows[i].Problem = fmt.Sprintf("the new address %s %s; give the account another one in a file", workflow.QuoteCell(rows[i].NewEmail()), what)
		}
	}
	problem := func(text string, values workflow.RowValues) {
		rows = append(rows, workflow.Row{Line: len(rows) + 1, Action: workflow.Rename, Values: values, Problem: text})
	}
	for _, x := range out.unknown() {
		problem(fmt.Sprintf("line %d of the exceptions names no managed account on %s, so that it leaves nobody out", x.Line, move.Old),
			workflow.Of(workflow.ColumnAccountID, x.AccountID).With(workflow.ColumnEmail, x.Email))
	}
	if on.announced >= 0 && on.announced != on.listed {
		problem(fmt.Sprintf("Atlassian's list of managed accounts announces %s and gave %s, also when it was read again; "+
			"ask once more later for who may be missing", workflow.Number(on.announced), workflow.Number(on.listed)), nil)
	}
	return rows, nil
}

// exceptions are the accounts that a move leaves out.
type exceptions struct {
	all     []workflow.Excepted
	id      map[string][]int // places in all
	address map[string][]int // by AddressKey
	used    map[int]bool
}

func newExceptions(all []workflow.Excepted) *exceptions {
	x := &exceptions{all: all, id: map[string][]int{}, address: map[string][]int{}, used: map[int]bool{}}
	for i, each := range all {
		if each.AccountID != "" {
			x.id[each.AccountID] = append(x.id[each.AccountID], i)
		}
		if each.Email != "" {
			key := workflow.AddressKey(each.Email)
			x.address[key] = append(x.address[key], i)
		}
	}
	return x
}

// name reports whether the account is left out: its id or its address is named.
func (x *exceptions) name(a workflow.Account) bool {
	named := slices.Concat(x.id[a.ID], x.address[workflow.AddressKey(a.Email)])
	for _, i := range named {
		x.used[i] = true
	}
	return len(named) > 0
}

// unknown returns those that name none of the accounts that were asked about.
func (x *exceptions) unknown() []workflow.Excepted {
	var out []workflow.Excepted
	for i, each := range x.all {
		if !x.used[i] {
			out = append(out, each)
		}
	}
	return out
}

// onDomains are the managed accounts on either domain, sorted by address, and the numbers of the
// list that they were found in.
type onDomains struct {
	old, new          []workflow.Account
	listed, announced int
}

// onDomains lists the managed accounts on the two domains. The batch counts what is read.
func (e *Engine) onDomains(ctx context.Context, number int64, move workflow.DomainMove) (on onDomains, err error) {
	var told time.Time
	all, announced, err := e.cfg.Lookups.Managed(ctx, func(listed, _ int) error {
		if number == 0 || time.Since(told) < countEvery { // no batch yet: only looked at (Preview)
			return nil
		}
		told = time.Now()
		_, err := e.store.Update(ctx, number, func(b *workflow.Batch) error {
			if b.State != workflow.Planning {
				return plan.ErrAbandoned
			}
			b.Checked = listed
			return nil
		})
		return err
	})
	if err != nil {
		return on, fmt.Errorf("list the accounts on %s: %w", move.Old, err)
	}
	on.listed, on.announced = len(all), announced
	slices.SortFunc(all, func(a, b workflow.Account) int {
		return cmp.Or(cmp.Compare(workflow.AddressKey(a.Email), workflow.AddressKey(b.Email)), cmp.Compare(a.ID, b.ID))
	})
	from, to := workflow.DomainKey(move.Old), workflow.DomainKey(move.New)
	for _, a := range all {
		switch workflow.Domain(a.Email) {
		case from:
			on.old = append(on.old, a)
		case to:
			on.new = append(on.new, a)
		}
	}
	return on, nil
}

// movedAlready returns the accounts on the new domain that were on the old one, by what the database
// knows: they are part of what is asked for, and nothing is left to do for them.
func (e *Engine) movedAlready(ctx context.Context, on onDomains, move workflow.DomainMove) ([]workflow.Account, error) {
	if e.cfg.Past == nil || len(on.new) == 0 {
		return nil, nil
	}
	known, err := e.cfg.Past.KnownOn(ctx, move.Old)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(on.new, func(a workflow.Account) bool {
		_, found := slices.BinarySearch(known, a.ID)
		return !found
	}), nil
}

// mostNumbers is how many people of one name are told apart by numbers.
const mostNumbers = 1000

// nameRows gives the rows, which are those of the accounts in the same order, addresses made of the
// names. Of several who would get the same address, or where somebody else holds it, the later ones
// get a number, and say so. Addresses are asked about until each is free, as far as can be seen.
func (e *Engine) nameRows(ctx context.Context, number int64, rows []workflow.Row, accounts []workflow.Account, domain string) error {
	n := namer{taken: map[string]string{}, rows: rows, accounts: accounts, domain: domain}
	open := n.begin()
	for len(open) > 0 {
		var ask []string
		for _, i := range open {
			ask = append(ask, rows[i].NewEmail())
		}
		holders, err := e.cfg.Directory.For(number).ByAddress(ctx, ask)
		if unshown, found := errors.AsType[*workflow.Unshown](err); found {
			for key, id := range unshown.Holders {
				holders[key] = append(holders[key], workflow.Account{ID: id})
			}
		} else if err != nil {
			return fmt.Errorf("ask who holds the new addresses: %w", err)
		}
		open = n.again(open, holders)
	}
	return nil
}

// namer gives out addresses.
type namer struct {
	rows     []workflow.Row
	accounts []workflow.Account
	domain   string
	locals   []string
	taken    map[string]string // AddressKey → the account that has it or gets it
}

// begin gives each row its first address, and returns the rows that have one.
func (n *namer) begin() []int {
	n.locals = make([]string, len(n.rows))
	var open []int
	for i := range n.rows {
		if n.rows[i].Email() == "" { // it has its address
			n.taken[workflow.AddressKey(n.rows[i].NewEmail())] = n.accounts[i].ID
		}
	}
	for i := range n.rows {
		if n.rows[i].Email() == "" {
			continue
		}
		local, problem := workflow.FirstLast(n.accounts[i].Name)
		if problem != "" {
			n.rows[i].Set(workflow.ColumnNewEmail, "")
			n.rows[i].Problem = fmt.Sprintf("the name %s %s; give the account its address in a file", workflow.QuoteCell(n.accounts[i].Name), problem)
			continue
		}
		n.locals[i] = local
		if n.next(i) {
			open = append(open, i)
		}
	}
	return open
}

// next gives a row the first address of its name that nobody has or gets, as far as is known.
func (n *namer) next(i int) bool {
	for number := 1; number <= mostNumbers; number++ {
		local := n.locals[i]
		if number > 1 {
			local += fmt.Sprint(number)
		}
		address := local + "@" + n.domain
		key := workflow.AddressKey(address)
		if who, taken := n.taken[key]; taken && who != n.accounts[i].ID {
			continue
		}
		n.taken[key] = n.accounts[i].ID
		n.rows[i].Set(workflow.ColumnNewEmail, address)
		if number > 1 {
			n.rows[i].Set(workflow.ColumnWanted, n.locals[i]+"@"+n.domain)
		}
		return true
	}
	n.rows[i].Problem = fmt.Sprintf("more than %s people would be called %s; give the account its address in a file",
		workflow.Number(mostNumbers), workflow.QuoteCell(n.locals[i]))
	return false
}

// again gives those rows another address whose address somebody else holds who keeps it, and
// returns them.
func (n *namer) again(asked []int, holders map[string][]workflow.Account) []int {
	var open []int
	for _, i := range asked {
		key := workflow.AddressKey(n.rows[i].NewEmail())
		for _, holder := range holders[key] {
			if holder.ID != n.accounts[i].ID && n.taken[key] != holder.ID {
				n.taken[key] = holder.ID
			}
		}
		if n.taken[key] != n.accounts[i].ID && n.next(i) {
			open = append(open, i)
		}
	}
	return open
}
