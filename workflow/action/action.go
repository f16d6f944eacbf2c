package action

import (
	"context"
	"slices"
	"time"

	"github.com/countersign/countersign/workflow"
)

// Title is how an action is said of so many accounts. {who} stands for them: "39 accounts", or for one
// row the person's name; {group} for the group, where all rows have one.
type Title struct {
	Does string // "Rename {who}"
	Done string // "Renamed {who}"
	One  string // a row of it among rows of others: "rename"
	More string // several: "renames"
}

// Action is one thing that can happen to an account: what a row must bring, what is read and
// checked, which steps it comes to, how a step is made, proved and undone, what people are warned
// of. Whoever checks, runs or undoes knows only this type; an action is a file with one value of
// it, and an entry in the catalogue. Functions that may be nil say so. All but Do and DoMany are
// pure.
type Action struct {
	Name  workflow.ActionName
	Usage string // how the command is written, without the slash command itself; "" where there is none
	Help  string // what it does, in a few words
	Title Title

	// Columns are what a row may fill besides the account. They drive files, commands, the form and
	// help.
	Columns []ColumnUse

	// Subject is who it may happen to.
	Subject workflow.Subject

	// Field is the one that the action writes of a privilege which is a map of fields; "" for most.
	Field workflow.Field

	// Becomes is what the account is after the change, in a few words for the card: "suspended",
	// "into finance". nil or "": the address or the group that the change sets, or else the action's
	// name.
	Becomes func(*workflow.Change) string

	// Groups says that its steps add the account to groups, or take it out of some.
	Groups bool

	// Longest is how long it may last before it is taken back; 0: workflow.Farthest.
	Longest time.Duration

	// Locks says that the action locks somebody out, so that no other batch may hold it up.
	Locks bool

	// Target is the address that a row takes; nil where the action takes none. Nobody may take a
	// protected address, nor give somebody else's account his own.
	Target func(*workflow.Row) string

	// Reads are the facts that a row needs, as far as is known: asked again when these have been
	// read, until it names nothing new.
	Reads func(*workflow.Row, *Facts) []workflow.Fact

	// Spares reports whether a row is judged without one of these facts where it cannot be read, by
	// what else is known; nil: never.
	Spares func(workflow.Fact, *Facts) bool

	// Check judges a row by the facts that are known: ready as far as can be told, unchanged, or
	// blocked. Asked again when more is known.
	Check func(*workflow.Row, *Facts) Finding

	// Steps are what the row comes to, none as long as too little is known. A step's Row, Seq and
	// Bundle are set later; its After is the place, from 1, of the step among these that must be
	// proved first, 0 for one that is made whatever became of the others. They are made one after
	// the other. Each may have an action of its own; "" is this one.
	Steps func(*workflow.Row, *Facts) []workflow.Step

	// Parts are the actions that its steps may be of, where they are not all its own; nil for most.
	Parts []workflow.ActionName

	// Do makes one step: usually one call. What the answer tells is kept with the step. nil where
	// all steps are of other actions.
	Do func(ctx context.Context, c workflow.Caller, s workflow.Step) (workflow.Values, error)

	// DoMany makes up to Most steps in one call, one outcome each, those for which With says the
	// same; what they are about is read together, too. Do makes one of them alone. nil for most.
	DoMany func(ctx context.Context, c workflow.Caller, steps []workflow.Step) []Made
	Most   int
	With   func(workflow.Step) string

	// Observes are the facts by which a step is found to have drifted, or proved; nil: those that
	// show the fields which it expects and sets, of which the latter prove it. Proved reports whether what they show is what the
	// step is to bring about; nil: it shows what the step sets.
	Observes func(workflow.Step) []workflow.Fact
	Proved   func(now workflow.Values, s workflow.Step) bool

	// UndoneInOrder says that its steps are put back in their own order, the first one first.
	UndoneInOrder bool

	// Final says that nothing of it is put back, though its steps could be.
	Final bool

	// Absent reports whether what shows the effect is no more than that nothing is there: it counts
	// when it is read again a while later. nil: never.
	Absent func(now workflow.Values) bool

	// Undo is the step that puts a finished one back, ok false when nothing can; nil where nothing
	// ever does.
	Undo func(workflow.Step) (inverse workflow.Step, ok bool)

	// Effects are what the steps do beside what they are to do, by what the check has read;
	// nil for nothing, and so is "".
	Effects func(*Draft) []workflow.Effect

	// Order puts the live rows of the action in relation where one waits for another: it may block,
	// set After, Steps and Needs of a draft, and says which steps belong together. Asked again
	// whenever one has been blocked or more is known. nil for most.
	Order func(drafts []*Draft) []Bundle

	// Cost is what one change takes, for the estimate.
	Cost Cost

	// Aim is how many calls a request of one row may take.
	Aim Aim

	// Example is a row that somebody could write about the account, for templates and for suites
	// over the catalogue.
	Example func(workflow.Account, Surroundings) workflow.RowValues
}

// Made is what became of one of the steps that one call makes: what the answer tells of it, or the
// error, of the kinds of workflow.Caller.
type Made struct {
	Told workflow.Values
	Err  error
}

// Surroundings are things of an organisation that an example may name.
type Surroundings struct {
	Domain string // a verified one
	Group  string // one whose members may be changed

	Site      string // name in the settings
	SiteGroup string // one of that site
}

// ColumnUse is how an action uses a column.
type ColumnUse struct {
	Column   workflow.Column
	Required bool
	Field    workflow.Field // under which a change keeps what the row asks for; "" where it need not
	// Noun is what a value has to be ("an address"), and Problem says what keeps one from being
	// that, "" when nothing does; nil: any text will do.
	Noun    string
	Problem func(string) string
	// Argument is where the slash command has the value.
	Argument Argument
	// Value is what the column says in a row that asks for the step.
	Value func(workflow.Step) string
}

// Cost is how many calls and reads one change takes.
type Cost struct {
	Calls map[workflow.Operation]int
	Reads map[workflow.FactKind]int
}

// Aim is how many calls to the vendor a request of one row takes at most: while it is checked, and after
// its approval, proof included. Of a request of many rows one search answers for a hundred.
type Aim struct{ Check, Run int }

// Facts are what is known of the subject of a row, and of the organisation.
type Facts struct {
	Account workflow.Account // as the check found it; the zero Account where there is none
	Batch   int64            // its number; 0 when there is no batch yet
	Row     int
	*Known
}

// Known is what a check has read so far, for all of its rows.
type Known struct {
	Holders map[string][]workflow.Account // AddressKey → the accounts that hold it
	Domains *workflow.VerifiedDomains     // nil until they have been read
	Answers workflow.Answers
	Unread  map[workflow.Fact]error // why what was asked for is not known
}

// NewKnown returns what a check knows before it has read anything.
func NewKnown() *Known {
	return &Known{Holders: map[string][]workflow.Account{}, Answers: workflow.Answers{}, Unread: map[workflow.Fact]error{}}
}

// Finding is how an action judges a row.
type Finding struct {
	State  workflow.ChangeState // ChangeReady, ChangeUnchanged or ChangeBlocked
	Reason workflow.Reason      // a ready row may have one that people should know
}

// Ready is the finding about a row that nothing speaks against.
func Ready() Finding { return Finding{State: workflow.ChangeReady} }

// ReadyBut is the finding about a row that may run, and of which people should know something.
func ReadyBut(code workflow.ReasonCode, facts ...string) Finding {
	return Finding{workflow.ChangeReady, workflow.NewReason(code, facts...)}
}

// Unchanged is the finding about a row that asks for what is so already.
func Unchanged(code workflow.ReasonCode, facts ...string) Finding {
	return Finding{workflow.ChangeUnchanged, workflow.NewReason(code, facts...)}
}

// Blocked is the finding about a row that must not or cannot run.
func Blocked(code workflow.ReasonCode, facts ...string) Finding {
	return Finding{workflow.ChangeBlocked, workflow.NewReason(code, facts...)}
}

// Draft is a row on its way into a plan.
type Draft struct {
	Row    *workflow.Row
	Facts  Facts
	Change *workflow.Change // its place in the plan

	Steps []workflow.Step // what the row comes to; Order may put others in their place
	After *Draft          // the row whose steps must be proved before the first of these
	Needs []workflow.Fact // what has to be known of it before it may stay as it is
}

// Live reports whether nothing speaks against the row so far.
func (d *Draft) Live() bool { return d.Change.State == workflow.ChangeReady }

// Block says why the row will not run.
func (d *Draft) Block(code workflow.ReasonCode, facts ...string) {
	d.Change.State, d.Change.Reason = workflow.ChangeBlocked, workflow.NewReason(code, facts...)
}

// Bundle are steps of several rows that belong together, in running order: each waits for the one
// before it, and once the first is made all of them are, or what was made is taken back, before the
// batch stops for anything.
type Bundle []Leg

// Leg is one step of a bundle.
type Leg struct {
	Draft *Draft
	Step  int // its place in Draft.Steps
}

// Uses is how the action uses the column, ok false when it does not.
func (a *Action) Uses(column workflow.Column) (use ColumnUse, ok bool) {
	i := slices.IndexFunc(a.Columns, func(u ColumnUse) bool { return u.Column == column })
	if i < 0 {
		return ColumnUse{}, false
	}
	return a.Columns[i], true
}

// Takes reports whether the action uses the column.
func (a *Action) Takes(column workflow.Column) bool {
	_, ok := a.Uses(column)
	return ok
}

// Needs are the columns that a row must fill besides the account.
func (a *Action) Needs() []workflow.Column {
	var out []workflow.Column
	for _, u := range a.Columns {
		if u.Required {
			out = append(out, u.Column)
		}
	}
	return out
}

// CanUndo reports whether anything of the action can be put back.
func (a *Action) CanUndo() bool {
	return !a.Final && a.undoes()
}

func (a *Action) undoes() bool {
	return a.Undo != nil || slices.ContainsFunc(a.Parts, func(name workflow.ActionName) bool {
		part, built := For(name)
		return built && part.CanUndo()
	})
}

// Facts are the facts that show whether a step may be made, and whether it was.
func (a *Action) Facts(s workflow.Step) []workflow.Fact {
	if a.Observes != nil {
		return a.Observes(s)
	}
	return s.Shown()
}

// Proof are the facts that show whether a step was made.
func (a *Action) Proof(s workflow.Step) []workflow.Fact {
	if a.Observes != nil {
		return a.Observes(s)
	}
	return s.Proof()
}

// ShownBy reports whether what was read is what the step is to bring about.
func (a *Action) ShownBy(now workflow.Values, s workflow.Step) bool {
	if a.Proved != nil {
		return a.Proved(now, s)
	}
	return s.ShownBy(now)
}

// accountStep is a step on the account itself: it expects the address and the status that the
// account shows.
func accountStep(name workflow.ActionName, f *Facts, set workflow.Values) workflow.Step {
	return workflow.Step{
		Action: name, Place: workflow.PlaceAccount, AccountID: f.Account.ID,
		Expect: workflow.Of(workflow.FieldEmail, f.Account.Email).With(workflow.FieldStatus, string(f.Account.Status)),
		Set:    set,
	}
}

// allowed blocks a row whose account may not be changed, once that is known.
func allowed(action workflow.ActionName, fact workflow.Fact, field workflow.Field, f *Facts) Finding {
	if _, known := f.Answers[fact]; !known {
		return Ready()
	}
	if p := f.Answers.Allowed(fact, field); !p.Allowed {
		return Blocked(workflow.ReasonNotAllowed, string(action), p.Key)
	}
	return Ready()
}

// comesBack is the effect on an account that an identity provider holds: what is changed here may
// be set again there.
func comesBack(d *Draft) []workflow.Effect {
	if !d.Facts.Account.Synced {
		return nil
	}
	return []workflow.Effect{workflow.EffectComesBack}
}
