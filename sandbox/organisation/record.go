package organisation

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Call is one request that reached the organisation.
type Call struct {
	At      time.Time // when it arrived
	Method  string
	Path    string // escaped, as sent
	Query   string // as sent, without the question mark
	Status  int    // what was answered; 0 while it is not answered yet, and when it was dropped
	KeyOK   bool   // the key was right, scoped or not
	Dropped bool   // the connection was cut instead of an answer
}

// Effect is one write that the organisation carried out. There is one for each write that it
// accepted, also when that changed nothing (From and To alike), so that two effects are always two
// calls.
type Effect struct {
	At        time.Time
	AccountID string
	// Kind is "email", "name", "profile", "disable", "enable", "delete", "cancel-delete", "token",
	// "group-add", "group-remove", "suspend", "restore", "remove", "invite", "role-add" or
	// "role-remove".
	Kind      string
	Directory string // of "suspend", "restore" and "remove"
	// From and To are addresses, names, statuses, or ids of tokens and groups; empty for "profile".
	From, To string
	Message  string // of "disable", and of the mail of "invite"
	Mailed   bool   // "invite" sent a mail
}

// What is kept of a long demo. A test that makes more calls than this reads them in between.
const (
	maxCalls      = 200_000
	maxViolations = 1_000
)

// Calls returns the requests in the order of their arrival.
func (o *Organisation) Calls() []Call {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]Call, 0, len(o.calls))
	for _, each := range o.calls {
		all = append(all, *each)
	}
	return all
}

// Effects returns what was carried out, in the order in which it took effect.
func (o *Organisation) Effects() []Effect {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.effects)
}

// ResetCalls forgets calls and effects, as after setting the scene. Violations stay.
func (o *Organisation) ResetCalls() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.calls, o.effects = nil, nil
}

// Violations returns what no client may do, in the order in which it happened: calls that are
// switched off or end soon, wrong content types, parameters and fields that the documents do not
// know. A test ends by asking for none.
func (o *Organisation) Violations() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.violations)
}

// WaitFor returns when the condition holds; it is asked at once and then after each change and each
// answered call. It ends with its context.
func (o *Organisation) WaitFor(ctx context.Context, holds func() bool) error {
	pulse, stop := o.Subscribe()
	defer stop()
	for !holds() {
		select {
		case <-pulse:
		case <-ctx.Done():
			return fmt.Errorf("wait for the organisation: %w", context.Cause(ctx))
		}
	}
	return nil
}

// violate records misuse. The caller holds o.mu.
func (o *Organisation) violate(format string, arguments ...any) {
	if len(o.violations) < maxViolations {
		o.violations = append(o.violations, fmt.Sprintf(format, arguments...))
	}
}

// effect records a write in the step that carries it out. The caller holds o.mu.
func (o *Organisation) effect(done Effect) {
	done.At = now()
	o.effects = append(o.effects, done)
	event := Event{Action: actions[done.Kind].id, Actor: keyActor, AccountID: done.AccountID}
	if done.Kind == "group-add" || done.Kind == "group-remove" {
		event.GroupID = done.From + done.To
	}
	o.happened(event)
}
