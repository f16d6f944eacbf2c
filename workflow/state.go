package workflow

import (
	"fmt"
	"maps"
	"slices"
)

// State is where a batch is in its life.
type State string

// The states of a batch, each with its way in and out.
const (
	// Planning: asked for, being checked. In: a request. Out: awaiting_approval with the plan
	// sealed, empty when nothing in it can run, cancelled. A crash plans again from the stored
	// rows.
	Planning State = "planning"
	// AwaitingApproval: the plan stands and is shown. Out: approved, rejected, expired, cancelled
	// (withdrawn).
	AwaitingApproval State = "awaiting_approval"
	// Approved: enough people approved this digest. Out: running, paused, cancelled.
	Approved State = "approved"
	// Running: changes are being made. Out: paused, done, cancelled.
	Running State = "running"
	// Paused: stopped by a person or by the bot; nothing new is sent. Out: running, or approved
	// when it was paused before its first call; cancelled; done when nothing is left.
	Paused State = "paused"
	// Done: every change has ended. Out: running, by a retry of what failed.
	Done State = "done"
	// Rejected: an admin said no. Final.
	Rejected State = "rejected"
	// Expired: nobody decided in time. Final.
	Expired State = "expired"
	// Cancelled: withdrawn or stopped for good; what had not started is skipped. Out: running, by a
	// retry.
	Cancelled State = "cancelled"
	// Empty: nothing in it can run. Final.
	Empty State = "empty"
)

var transitions = map[State][]State{
	Planning:         {AwaitingApproval, Empty, Cancelled},
	AwaitingApproval: {Approved, Rejected, Expired, Cancelled},
	Approved:         {Running, Paused, Cancelled},
	Running:          {Paused, Done, Cancelled},
	Paused:           {Running, Approved, Done, Cancelled},
	Done:             {Running},
	Cancelled:        {Running},
	Rejected:         {},
	Expired:          {},
	Empty:            {},
}

// States lists all states of a batch, in the order of its life.
func States() []State {
	return []State{Planning, AwaitingApproval, Approved, Running, Paused, Done, Rejected, Expired, Cancelled, Empty}
}

// Open reports whether the batch still holds its accounts: it has not ended.
func (s State) Open() bool {
	switch s {
	case Planning, AwaitingApproval, Approved, Running, Paused:
		return true
	default:
		return false
	}
}

// CanBecome reports whether the machine has an edge from s to next.
func (s State) CanBecome(next State) bool { return slices.Contains(transitions[s], next) }

// ChangeState is where a change is in its life.
type ChangeState string

// The states of a change.
const (
	// ChangeAsked: asked for, not checked yet. A batch that ends while it is planned leaves its
	// rows so. Out: what the check finds.
	ChangeAsked ChangeState = "asked"
	// ChangeReady: checked, may run once approved. Out: running, unchanged, failed (drifted),
	// skipped.
	ChangeReady ChangeState = "ready"
	// ChangeRunning: the intent to call is on disk. Out: done, failed, unknown, ready when the call
	// was surely not made or another step follows.
	ChangeRunning ChangeState = "running"
	// ChangeDone: read back, shows the new value. Out: ready, when the exchange of addresses that
	// it belongs to is put back.
	ChangeDone ChangeState = "done"
	// ChangeFailed: refused or drifted, with a reason. Out, by a retry: ready; done or unchanged, when it shows the wanted
	// value by then.
	ChangeFailed ChangeState = "failed"
	// ChangeUnknown: the call may or may not have taken effect. Out, by reading back alone: done,
	// ready, failed.
	ChangeUnknown ChangeState = "unknown"
	// ChangeBlocked: the check found that it must not or cannot run. Final.
	ChangeBlocked ChangeState = "blocked"
	// ChangeUnchanged: the account already shows the wanted value. Final.
	ChangeUnchanged ChangeState = "unchanged"
	// ChangeSkipped: the batch ended before it, or what it waited for failed. Out, by a retry: ready; done or unchanged, when
	// it shows the wanted value by then; failed, when it must not or cannot run any more.
	ChangeSkipped ChangeState = "skipped"
	// ChangeBad: the row could not be read. Final.
	ChangeBad ChangeState = "bad"
)

var changeTransitions = map[ChangeState][]ChangeState{
	ChangeAsked:     {ChangeReady, ChangeBlocked, ChangeUnchanged, ChangeBad},
	ChangeReady:     {ChangeRunning, ChangeUnchanged, ChangeFailed, ChangeSkipped},
	ChangeRunning:   {ChangeDone, ChangeFailed, ChangeUnknown, ChangeReady},
	ChangeUnknown:   {ChangeDone, ChangeReady, ChangeFailed},
	ChangeFailed:    {ChangeReady, ChangeDone, ChangeUnchanged},
	ChangeSkipped:   {ChangeReady, ChangeDone, ChangeUnchanged, ChangeFailed},
	ChangeDone:      {ChangeReady},
	ChangeBlocked:   {},
	ChangeUnchanged: {},
	ChangeBad:       {},
}

// ChangeStates lists all states of a change.
func ChangeStates() []ChangeState {
	return []ChangeState{
		ChangeAsked, ChangeReady, ChangeRunning, ChangeDone, ChangeFailed, ChangeUnknown, ChangeBlocked, ChangeUnchanged,
		ChangeSkipped, ChangeBad,
	}
}

// CanBecome reports whether the machine has an edge from s to next.
func (s ChangeState) CanBecome(next ChangeState) bool {
	return slices.Contains(changeTransitions[s], next)
}

// Ended reports whether nothing more happens to the change in this run.
func (s ChangeState) Ended() bool {
	return s != ChangeAsked && s != ChangeReady && s != ChangeRunning && s != ChangeUnknown
}

// StateEdges and ChangeEdges give the two machines as "from → to" lines in a fixed order, for the
// drawing in the documents and the tests that compare other spellings of the machine with this one.
func StateEdges() []string { return edges(States(), transitions) }

// ChangeEdges is StateEdges for the life of a change.
func ChangeEdges() []string { return edges(ChangeStates(), changeTransitions) }

func edges[S ~string](order []S, table map[S][]S) []string {
	if len(order) != len(slices.Collect(maps.Keys(table))) {
		panic("workflow: a state is missing from its transition table") // a fault of this file, found by its first test
	}
	var out []string
	for _, from := range order {
		for _, to := range table[from] {
			out = append(out, fmt.Sprintf("%s → %s", from, to))
		}
	}
	return out
}
