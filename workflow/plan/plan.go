package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/countersign/countersign/workflow"
	"github.com/countersign/countersign/workflow/action"
)

// What the check allows itself.
const (
	// checkPiece is how many addresses are looked up between two reports of progress.
	checkPiece = 500
	// progressEvery is how often the batch says how far its check is.
	progressEvery = time.Second
)

// ErrAbandoned ends the check of a batch that is no longer planning: somebody cancelled it.
var ErrAbandoned = errors.New("the batch is no longer being planned")

// A Checker finds out about every row of a request whether it may run, and in which order. It reads
// the directory and changes nothing, neither there nor in the store; so `countersign plan` uses it
// as it is.
type Checker struct {
	Reader  workflow.Reader
	OrgID   string
	Batch   int64          // whose number parking addresses carry; 0 when there is no batch yet
	Guard   workflow.Guard // what must not happen, whatever Atlassian allows
	Workers int            // reads at the same time
	// At and Until are the times that are asked for, as steps spell them; every step says them.
	At, Until string

	// Budget says why so many accounts may not be touched today, the zero Reason when they may; nil
	// when there is no limit.
	Budget func(ctx context.Context, accounts []string) (workflow.Reason, error)

	// Deletion returns what is known here of the deletion of an account; nil when nobody knows.
	Deletion func(ctx context.Context, account string) (workflow.Deletion, error)

	// Held says which open batch holds keys; nil when nobody asks.
	Held func(ctx context.Context, keys []string) (map[string]workflow.Hold, error)

	// Returning tells what is going to be taken back on accounts, as workflow.Changes does; nil when
	// nobody asks.
	Returning func(ctx context.Context, accounts []string) ([]workflow.Change, error)

	// Progress is told now and then how many rows have been dealt with; an error ends the check.
	// May be nil.
	Progress func(ctx context.Context, checked int) error
}

// Plan is the outcome of a check: every row with what was found and the steps of those that are
// ready.
type Plan struct {
	Changes []workflow.Change // in the order of their rows
	Traits  workflow.Traits

	yields map[int]bool // rows that hold nothing: another batch holds what they change
}

// Steps returns the steps of all changes in running order.
func (p *Plan) Steps() []workflow.Step {
	out := make([]workflow.Step, p.count())
	for i := range p.Changes {
		for _, s := range p.Changes[i].Steps {
			out[s.Seq-1] = s
		}
	}
	return out
}

// count is how many steps there are.
func (p *Plan) count() (n int) {
	for i := range p.Changes {
		n += len(p.Changes[i].Steps)
	}
	return n
}

// StepHashes returns the hashes of Steps.
func (p *Plan) StepHashes() []string {
	out := make([]string, p.count())
	for i := range p.Changes {
		for _, s := range p.Changes[i].Steps {
			out[s.Seq-1] = s.Hash()
		}
	}
	return out
}

// Hold returns what the batch holds while it is open, sorted.
func (p *Plan) Hold() []string { return p.holds(func(int) bool { return true }) }

// Holds returns what some of the rows hold, sorted.
func (p *Plan) Holds(rows []int) []string {
	return p.holds(func(row int) bool { return slices.Contains(rows, row) })
}

func (p *Plan) holds(row func(int) bool) []string {
	var keys []string
	for i := range p.Changes {
		c := &p.Changes[i]
		if len(c.Steps) == 0 || p.yields[c.Row] || !row(c.Row) {
			continue
		}
		keys = append(keys, keysOf(c.Steps)...)
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

// Ready counts the changes that may run.
func (p *Plan) Ready() int {
	n := 0
	for i := range p.Changes {
		if p.Changes[i].State == workflow.ChangeReady {
			n++
		}
	}
	return n
}

// Check makes the plan of a request. Rows that the directory cannot answer for within the budget
// are blocked as "could not be checked"; an error means that there is no plan at all: the context
// ended, Progress refused, or Held failed.
func (c *Checker) Check(ctx context.Context, rows []workflow.Row) (*Plan, error) {
	if c.Guard == nil { // a policy that was forgotten must not be one that forbids nothing
		return nil, errors.New("check: a guard is required")
	}
	k := &check{
		Checker: c, drafts: make([]*draft, len(rows)), changes: make([]workflow.Change, len(rows)), asked: c.Guard.Groups(),
		known: action.NewKnown(),
	}
	for i := range rows {
		k.drafts[i] = k.draft(&rows[i], &k.changes[i])
	}
	for _, step := range []func(context.Context) error{
		k.resolveLegacy, k.findAccounts, k.askGroups, k.look, k.askDomains, k.askHolds, k.askNeeds, k.askFacts, k.askReturning, k.askHolds,
		k.lookForReturns, k.askBudget,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	if err := k.tellUntil(ctx); err != nil {
		return nil, err
	}
	return k.plan(), nil
}

// tellUntil says of addresses that accounts hold which are being deleted until when they do, where
// that is known.
func (k *check) tellUntil(ctx context.Context) error {
	for _, d := range k.drafts {
		why := d.Change.Reason
		if k.Deletion == nil || why.Code != workflow.ReasonTakenDeleting {
			continue
		}
		deletion, err := k.Deletion(ctx, why.Fact(1))
		if err != nil {
			return fmt.Errorf("ask when a deletion began: %w", err)
		}
		if !deletion.Since.IsZero() {
			until := deletion.Since.Add(workflow.Grace).UTC().Format("2006-01-02 15:04 MST")
			d.Change.Reason.Facts = append(slices.Clone(why.Facts), until)
		}
	}
	return nil
}

// check is one check under way.
type check struct {
	*Checker
	drafts  []*draft
	changes []workflow.Change // those of the drafts
	asked   []string          // the groups that the policy names, folded
	missing []string          // of these, Atlassian has none of that name
	outage  outageBudget

	known   *action.Known
	latest  []workflow.Values // what answered a fact, to be shared by facts that are answered alike
	bundles []action.Bundle

	mu      sync.Mutex               // guards what follows, and known, while several ask
	reading map[workflow.Fact]*draft // the facts that are being read, by the row that reads them
	told    time.Time                // when Progress was last called
	shown   int                      // what it was told at most
	dealt   int                      // drafts of the present phase that have been asked about
}

// The check has four phases; where each ends on the way from nothing to all rows, in percent.
const (
	lookedUp     = 20
	searchedByID = 35
	foundByID    = 50
	allAsked     = 100
)

// draft begins with a row; c is its change, to be filled.
func (k *check) draft(r *workflow.Row, c *workflow.Change) *draft {
	*c = workflow.Change{
		Row: r.Line, Action: r.Action, AccountID: r.AccountID(),
		Expect: workflow.Of(workflow.FieldEmail, r.Email()),
		Set: workflow.Of(workflow.FieldEmail, r.NewEmail()).
			With(workflow.FieldMessage, r.Values.Get(workflow.ColumnMessage)).
			With(workflow.FieldGroups, r.Values.Get(workflow.ColumnGroup)),
		Asked: *r, State: workflow.ChangeReady,
	}
	d := &draft{Draft: action.Draft{Row: &c.Asked, Change: c, Facts: action.Facts{Batch: k.Batch, Row: r.Line, Known: k.known}}}
	action, ok := action.For(r.Action)
	if ok && action.Subject.Absent {
		c.Expect, c.Set = nil, c.Set.With(workflow.FieldEmail, r.Address())
	}
	if ok {
		for _, use := range action.Columns {
			if value := r.Values.Get(use.Column); use.Field != "" && value != "" {
				c.Set.Set(use.Field, value)
			}
		}
	}
	switch {
	case r.Action != "" && !ok:
		c.State, c.Reason = workflow.ChangeBad, workflow.NewReason(workflow.ReasonNotSupported, string(r.Action))
	case r.Problem != "":
		c.State, c.Reason = workflow.ChangeBad, workflow.NewReason(workflow.ReasonUnreadable, r.Problem)
	default:
		d.action = action
	}
	return d
}

// customerRemedy is what to do about a customer's account, of which only the login can be blocked
// here.
const customerRemedy = "change it where the help center's customers are kept (Jira Service Management, Customers); " +
	"deactivate and activate by account id work"

// look is the part of the check that needs nothing but the account itself and the other rows.
func (k *check) look(context.Context) error {
	for _, d := range k.drafts {
		if !d.Live() {
			continue
		}
		switch a := d.account(); {
		case deleted(a) && !d.action.Subject.Closed:
			d.Block(workflow.ReasonClosed, a.ID)
		case a.Type == workflow.TypeApp:
			d.Block(workflow.ReasonAccountType, a.Type)
		case a.Type == workflow.TypeCustomer && !d.action.Subject.Any:
			d.Block(workflow.ReasonAccountType, a.Type, customerRemedy)
		case k.guard(d):
		default:
			d.judge()
			d.expand()
		}
	}
	refuseDuplicates(k.drafts)
	return nil
}

// live are the rows that nothing speaks against so far.
func (k *check) live() []*draft {
	return slices.DeleteFunc(slices.Clone(k.drafts), func(d *draft) bool { return !d.Live() })
}

// plan puts what is left into order.
func (k *check) plan() *Plan {
	k.relate()
	k.number()
	p := &Plan{Changes: k.changes, Traits: k.traits(), yields: map[int]bool{}}
	var groups action.GroupNames
	for _, d := range k.drafts {
		if !d.Live() {
			continue
		}
		if d.action.Effects != nil {
			d.Change.Effects = slices.DeleteFunc(d.action.Effects(&d.Draft), func(e workflow.Effect) bool { return e == "" })
		}
		if d.keepsOut && !slices.Contains(d.Change.Effects, workflow.EffectLockedOut) {
			d.Change.Effects = append(d.Change.Effects, workflow.EffectLockedOut)
		}
		if slices.ContainsFunc(d.Steps, workflow.Step.AboutGroup) {
			if groups == nil {
				groups = action.GroupNamesIn(k.known.Answers)
			}
			if words := groups.Words(&d.Draft); words != "" {
				d.Change.Set = d.Change.Set.With(workflow.FieldGroups, words)
			}
		}
		if d.yields {
			p.yields[d.Row.Line] = true
		}
	}
	return p
}
