package workflow

import (
	"cmp"
	"fmt"
	"slices"
)

// ActName names something that people do to a batch. The act's button has it as its id.
type ActName string

// The acts.
const (
	ActAsk      ActName = "ask" // for changes: makes a batch and needs none
	ActApprove  ActName = "approve"
	ActReject   ActName = "reject"
	ActWithdraw ActName = "withdraw"
	ActResume   ActName = "resume"
	ActPause    ActName = "pause"
	ActCancel   ActName = "cancel"
	ActRetry    ActName = "retry_failed"
	ActUndo     ActName = "undo"
	ActAskAgain ActName = "ask_again"
	ActRecheck  ActName = "check_again"
	ActStart    ActName = "start_now" // what waits for its time
	ActEnd      ActName = "end_now"   // a return that waits for its moment runs
	ActKeep     ActName = "keep"      // it never does
)

// Who is a set of people by what they are to a batch, in the words of help.
type Who string

// The people who may do something. Requester and author are so by their Slack id; who has the
// address of one of them is the same human with a second account.
const (
	Everybody        Who = "all"
	WithRole         Who = "any role"
	RequesterAlone   Who = "requester" // also when their role is gone
	RequesterOrAdmin Who = "requester, admins"
	Admins           Who = "admins"
	OtherAdmins      Who = "admins other than requester and author"
	AsTheButton      Who = "as the buttons" // of a command that does the same as a button
)

// Admits returns nil if the person's roles suffice, or else ErrNoRole or ErrNotAdmin. What the
// person is to a batch, May tells.
func (w Who) Admits(actor Actor) error {
	switch w {
	case Everybody, RequesterAlone, AsTheButton:
		return nil
	case WithRole, RequesterOrAdmin:
		return Require(actor.HasRole(), ErrNoRole)
	default:
		return cmp.Or(Require(actor.HasRole(), ErrNoRole), Require(actor.Admin, ErrNotAdmin))
	}
}

// Act is one thing that people do to a batch. The table below is the one place that says what may
// be done to a batch, when and by whom; engine, buttons, commands, refusals and help read it.
type Act struct {
	Name ActName
	// Command is the first word of the command that does the same, "" when only the button does.
	Command string

	// From are the states in which it can be done, unless the batch is being brought to its end
	// (Batch.Cancelling).
	From []State
	// Unoffered are those of them in which the card has no button for it, though a command does it.
	Unoffered []State
	// To is the state that the batch comes into, or in which the batch begins that is made of it.
	To State
	// Makes is how the batch that is made of this one belongs to it, "" when none is made.
	Makes Link

	// Only returns an error for a batch that it is not for, whatever its state; nil: for all.
	Only func(*Batch) error
	// InPlaceOf is the act whose button it takes the place of.
	InPlaceOf ActName

	// Who may do it, and whom that comes down to for this batch ("" for no others).
	Who     Who
	Instead func(*Batch) Who

	// Fresh acts read the person and their groups from Slack at the click: a cache may only refuse,
	// never allow.
	Fresh bool
	// Confirm acts are done only after a dialog that says what will happen.
	Confirm bool

	// Counts returns how many changes it is about, nil for an act on the batch as a whole: without
	// one there is no button.
	Counts func(Summary, HasInverseFunc) int

	// needs are the conditions in the order in which they are asked: the first that does not hold
	// is the answer.
	needs []need
}

// acts is every act, in the order of the card's buttons.
var acts = []Act{
	{
		Name: ActAsk,
		To:   Planning,
		Who:  WithRole, needs: []need{hasRole},
	},
	{
		Name: ActApprove,
		From: []State{AwaitingApproval}, To: Approved,
		Who: OtherAdmins, needs: []need{inState, hasRole, hasNotAsked, isAdmin, isNobodyWhoAsked, showsAddress, hasNotApproved},
		Fresh: true, Confirm: true,
	},
	{
		Name: ActReject,
		From: []State{AwaitingApproval}, To: Rejected,
		Who: OtherAdmins, needs: []need{inState, hasRole, hasNotAsked, isAdmin, isNobodyWhoAsked},
		Fresh: true,
	},
	{
		Name: ActWithdraw,
		From: []State{AwaitingApproval}, To: Cancelled,
		Who: RequesterAlone, needs: []need{inState, isRequester},
	},
	{
		Name: ActResume, Command: "resume",
		From: []State{Paused}, To: Running,
		Who: Admins, Instead: othersAfterTheBot, needs: []need{inState, hasRole, isAdmin, mayFollowTheBot},
		Fresh: true,
	},
	{
		Name: ActStart, Command: "start",
		From: []State{Approved}, To: Running, Only: waits, InPlaceOf: ActPause,
		Who: OtherAdmins, needs: []need{inState, isFor, hasRole, hasNotAsked, isAdmin, isNobodyWhoAsked, showsAddress},
		Fresh: true, Confirm: true,
	},
	{
		Name: ActEnd, Command: "end",
		From: []State{Approved}, To: Running, Only: returns,
		Who: OtherAdmins, Instead: anyToLockOut, needs: []need{inState, isFor, hasRole, mayEnd},
		Fresh: true, Confirm: true,
	},
	{
		Name: ActKeep, Command: "keep",
		From: []State{Approved}, To: Cancelled, Only: returns,
		Who: OtherAdmins, needs: []need{inState, isFor, hasRole, hasNotAsked, isAdmin, isNobodyWhoAsked, showsAddress, hasNotKept},
		Fresh: true, Confirm: true,
	},
	{
		Name: ActPause, Command: "pause",
		From: []State{Approved, Running}, To: Paused, Only: returnsNot,
		Who: WithRole, needs: []need{inState, isFor, hasRole},
	},
	{
		Name: ActCancel, Command: "cancel",
		From:      []State{Planning, AwaitingApproval, Approved, Running, Paused},
		Unoffered: []State{AwaitingApproval}, To: Cancelled, Only: returnsNot,
		Who: RequesterOrAdmin, Instead: othersForAReturn, needs: []need{inState, isFor, hasRole, mayCancel},
		Confirm: true,
	},
	{
		Name: ActRetry, Command: "retry",
		From: []State{Done, Cancelled}, To: Running,
		Who: RequesterOrAdmin, needs: []need{inState, hasRole, isRequesterOrAdmin},
		Fresh: true, Confirm: true,
		Counts: func(s Summary, _ HasInverseFunc) int { return Retryable(s) },
	},
	{
		Name: ActUndo, Command: "undo",
		From: []State{Done, Cancelled}, To: Planning, Makes: LinkUndo,
		Who: WithRole, needs: []need{inState, hasRole},
		Confirm: true,
		Counts:  func(s Summary, inverse HasInverseFunc) int { can, _ := Undoable(s, inverse); return can },
	},
	{
		Name: ActAskAgain,
		From: []State{Rejected, Expired}, To: Planning, Makes: LinkAgain,
		Who: WithRole, needs: []need{inState, hasRole},
	},
	{
		Name: ActRecheck,
		From: []State{AwaitingApproval, Empty}, To: Planning, Makes: LinkRecheck,
		Who: WithRole, Instead: requesterOfWhatWaits, needs: []need{inState, hasRole, isRequesterOfWhatWaits},
		Counts: func(s Summary, _ HasInverseFunc) int { return Unchecked(s) },
	},
}

// Acts lists every act, in the order of the card's buttons.
func Acts() []Act { return slices.Clone(acts) }

// ActNamed returns the act of that name.
func ActNamed(name ActName) (act Act, ok bool) {
	i := slices.IndexFunc(acts, func(a Act) bool { return a.Name == name })
	if i < 0 {
		return Act{}, false
	}
	return acts[i], true
}

// ActOfCommand returns the act that a command does.
func ActOfCommand(command string) (act Act, ok bool) {
	i := slices.IndexFunc(acts, func(a Act) bool { return a.Command != "" && a.Command == command })
	if i < 0 {
		return Act{}, false
	}
	return acts[i], true
}

// May returns nil if the person may do that to the batch as it is. Errors: ErrNoRole, ErrNotAdmin,
// ErrNotRequester, ErrStaleDigest, ErrOwnBatch, ErrSameHuman, ErrHiddenAddress, ErrAlready,
// ErrMayNotResume, and *StateError for what the batch's state does not allow. What an act depends
// on besides batch and person, such as the plan that the person saw or the settings of today, is
// the engine's to ask. The batch may be nil for ActAsk alone.
func May(name ActName, b *Batch, actor Actor) error {
	act, ok := ActNamed(name)
	if !ok {
		return fmt.Errorf("workflow: unknown act %q", name)
	}
	if actor.Saw != "" && b != nil && !b.IsFor(actor.Saw) {
		return ErrStaleDigest
	}
	for _, need := range act.needs {
		if err := need(&act, b, actor); err != nil {
			return err
		}
	}
	return nil
}

// WhoMay returns who may do that to this batch, whatever its state.
func WhoMay(name ActName, b *Batch) Who {
	act, _ := ActNamed(name)
	if act.Instead != nil {
		if who := act.Instead(b); who != "" {
			return who
		}
	}
	return act.Who
}

// Offered lists the acts for which the card of the batch has a button, whoever looks at it, in the
// order of the buttons. Where a batch that was made of this one takes the place of a button, the
// card leaves the button out.
func Offered(b *Batch, s Summary, inverse HasInverseFunc) []Act {
	var out []Act
	for _, act := range acts {
		none := act.Counts != nil && act.Counts(s, inverse) == 0
		if act.InState(b) == nil && isFor(&act, b, Actor{}) == nil && !slices.Contains(act.Unoffered, b.State) && !none {
			out = append(out, act)
		}
	}
	return slices.DeleteFunc(out, func(a Act) bool {
		return slices.ContainsFunc(out, func(o Act) bool { return o.InPlaceOf == a.Name })
	})
}

// InState returns a *StateError if the batch is in no state in which the act can be done.
func (a *Act) InState(b *Batch) error {
	if !slices.Contains(a.From, b.State) || b.Cancelling() {
		return NewStateError(b, a.To)
	}
	return nil
}

// need is a condition of an act; its error says that it does not hold.
type need func(*Act, *Batch, Actor) error

func inState(a *Act, b *Batch, _ Actor) error { return a.InState(b) }

func isFor(a *Act, b *Batch, _ Actor) error {
	if a.Only == nil {
		return nil
	}
	return a.Only(b)
}

// waits: of what has no time to wait for, or has begun, nothing can be started.
func waits(b *Batch) error { return Require(b.Waiting() && b.Link != LinkReturn, ErrNotWaiting) }

func returns(b *Batch) error { return Require(b.Returns(), ErrNoReturn) }

// returnsNot: a return that waits is ended or kept. Who could pause or cancel it would keep for good
// what others approved for a while.
func returnsNot(b *Batch) error { return Require(!b.Returns(), ErrReturnWaits) }

func hasRole(_ *Act, _ *Batch, actor Actor) error { return Require(actor.HasRole(), ErrNoRole) }

func isAdmin(_ *Act, _ *Batch, actor Actor) error { return Require(actor.Admin, ErrNotAdmin) }

func isRequester(_ *Act, b *Batch, actor Actor) error {
	return Require(actor.ID == b.Requester.ID, ErrNotRequester)
}

func isRequesterOrAdmin(a *Act, b *Batch, actor Actor) error {
	if actor.Admin {
		return nil
	}
	return isRequester(a, b, actor)
}

// othersForAReturn: who asked for something for a while does not decide that it stays.
func othersForAReturn(b *Batch) Who {
	if b.Link == LinkReturn {
		return OtherAdmins
	}
	return ""
}

func mayCancel(a *Act, b *Batch, actor Actor) error {
	if othersForAReturn(b) == "" {
		return isRequesterOrAdmin(a, b, actor)
	}
	return isOtherAdmin(a, b, actor)
}

func isOtherAdmin(a *Act, b *Batch, actor Actor) error {
	return cmp.Or(hasNotAsked(a, b, actor), isAdmin(a, b, actor), isNobodyWhoAsked(a, b, actor), showsAddress(a, b, actor))
}

// anyToLockOut: what takes access away may be done at once by whoever may ask for it.
func anyToLockOut(b *Batch) Who {
	takesAway := func(name ActionName) bool { return slices.Contains(takeAway, name) }
	if len(b.Traits.Actions) > 0 && !slices.ContainsFunc(b.Traits.Actions, func(name ActionName) bool { return !takesAway(name) }) {
		return WithRole
	}
	return ""
}

// takeAway are the actions that take access away and do nothing else.
var takeAway = []ActionName{Deactivate, Suspend, GroupRemove, SiteGroupRemove, SiteDelete, Remove}

func mayEnd(a *Act, b *Batch, actor Actor) error {
	if anyToLockOut(b) == WithRole {
		return nil
	}
	return isOtherAdmin(a, b, actor)
}

// hasNotKept counts one human with two accounts once.
func hasNotKept(_ *Act, b *Batch, actor Actor) error {
	kept := slices.ContainsFunc(b.Keepers(), func(p Person) bool { return p.ID == actor.ID || actor.sameAs(p) })
	return Require(!kept, ErrAlready)
}

func hasNotAsked(_ *Act, b *Batch, actor Actor) error {
	return Require(!b.Involves(actor.Person), ErrOwnBatch)
}

func isNobodyWhoAsked(_ *Act, b *Batch, actor Actor) error {
	return Require(!b.askedAs(actor), ErrSameHuman)
}

// showsAddress: whoever hides their address cannot be told from requester and author.
func showsAddress(_ *Act, _ *Batch, actor Actor) error {
	return Require(actor.Readable(), ErrHiddenAddress)
}

// hasNotApproved counts one human with two accounts once.
func hasNotApproved(_ *Act, b *Batch, actor Actor) error {
	approved := slices.ContainsFunc(b.Approvers(), func(p Person) bool {
		return p.ID == actor.ID || actor.sameAs(p)
	})
	return Require(!approved, ErrAlready)
}

// othersAfterTheBot: what the bot stopped is for a second pair of eyes.
func othersAfterTheBot(b *Batch) Who {
	if b.Stop.ByBot() {
		return OtherAdmins
	}
	return ""
}

func mayFollowTheBot(_ *Act, b *Batch, actor Actor) error {
	asked := b.Involves(actor.Person) || b.askedAs(actor)
	return Require(!b.Stop.ByBot() || !asked, ErrMayNotResume)
}

// requesterOfWhatWaits: checking again ends a batch that waits for approval, so it takes who could
// cancel it.
func requesterOfWhatWaits(b *Batch) Who {
	if b.State == AwaitingApproval {
		return RequesterOrAdmin
	}
	return ""
}

func isRequesterOfWhatWaits(a *Act, b *Batch, actor Actor) error {
	if requesterOfWhatWaits(b) == "" {
		return nil
	}
	return isRequesterOrAdmin(a, b, actor)
}

// Require returns err unless the condition holds, and nil when it does.
func Require(holds bool, err error) error {
	if holds {
		return nil
	}
	return err
}

// sameAs reports whether the actor is the same human as somebody: by the address in Slack, or by
// what was found out (Same).
func (a Actor) sameAs(p Person) bool {
	return NewHumans(nil, nil).Same(a.Person, p) || slices.Contains(a.Same, p.ID)
}

// MayApprove returns why somebody can approve no batch, whatever it is, as May does for one that
// they have nothing to do with: nil for whoever has the role and an address that Slack shows.
func MayApprove(actor Actor) error {
	return May(ActApprove, &Batch{State: AwaitingApproval}, actor)
}

// Retryable counts the changes that a retry may run again: what failed, and what was skipped
// because a line it waited for had failed. An account that was left at a parking address needs
// somebody's hand.
func Retryable(s Summary) int {
	n := 0
	for _, g := range s.Groups {
		if CanRetry(g.State, g.Code) {
			n += g.Count
		}
	}
	return n
}

// CanRetry reports whether a retry may run a change again that is in this state for this reason.
func CanRetry(state ChangeState, code ReasonCode) bool {
	waited := code == ReasonPredecessor || code == ReasonNotLookedAt
	return state == ChangeFailed && code != ReasonStuck || state == ChangeSkipped && waited
}

// HasInverseFunc reports whether what an action does can be put back; the catalogue of actions
// knows.
type HasInverseFunc func(ActionName) bool

// Undoable counts the changes that can be undone, and those that were made and cannot.
func Undoable(s Summary, inverse HasInverseFunc) (can, cannot int) {
	for _, g := range s.Groups {
		if g.State != ChangeDone && (g.State != ChangeFailed || g.Code != ReasonPartly) {
			continue
		}
		if inverse(g.Action) {
			can += g.Count
		} else {
			cannot += g.Count
		}
	}
	return can, cannot
}

// Unchecked counts the rows that could not be checked.
func Unchecked(s Summary) int {
	n := 0
	for _, g := range s.Groups {
		if g.State == ChangeBlocked && g.Code == ReasonCouldNotCheck {
			n += g.Count
		}
	}
	return n
}
