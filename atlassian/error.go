package atlassian

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Kind is what a failed call means, whatever status and body said so.
type Kind string

// The kinds. Those up to KindNotSent mean, for a call that changes something, that it was surely
// not done.
const (
	KindNotAllowed        Kind = "not allowed"                   // 403 forbidden.action; ReasonKey says why
	KindUnverifiedDomain  Kind = "domain not verified"           // 403 forbidden.unclaimedDomain; Domain
	KindTargetUnverified  Kind = "account not verified"          // 403 forbidden.targetUnverified
	KindProbableCollision Kind = "address probably taken"        // set email: any 400 or 409 that says nothing else
	KindInvalid           Kind = "value not accepted"            // 400; Violations. Also an id that no account can have
	KindNotFound          Kind = "not found"                     // 404
	KindKeyRefused        Kind = "key refused"                   // 401
	KindKeyScoped         Kind = "key made with scopes"          // 403 forbidden.insufficientScope
	KindForbidden         Kind = "forbidden"                     // any other 403
	KindLifecycle         Kind = "something must be settled"     // 409 on disable and enable; Lifecycle
	KindMemberOrFull      Kind = "member or licence full"        // 409 on add to group: one of the two, the answer is the same
	KindNoPlan            Kind = "no paid subscription"          // 402
	KindLicenceFull       Kind = "licence full"                  // 400 or 409 that names a limit of seats
	KindInactive          Kind = "account deactivated"           // 400 ADMIN-UAM-400-2
	KindRefused           Kind = "refused"                       // any other 4xx
	KindThrottled         Kind = "throttled"                     // 429; RetryAfter
	KindNotSent           Kind = "not sent"                      // a write that surely did not leave
	KindUnavailable       Kind = "unavailable"                   // a read that got no answer, or a 5xx, within its budget
	KindIncomplete        Kind = "answer incomplete"             // a read: 2xx that lacks a field or tells of errors
	KindEndless           Kind = "did not end"                   // a read that reached its bound as a whole; RetryAfter
	KindUnexpected        Kind = "answer not understood"         // a read: no JSON, a page link that leads elsewhere
	KindUnknownOutcome    Kind = "may or may not have been done" // a write: timeout, cut, 5xx, redirect
)

// LifecycleError is one reason of a 409 of the lifecycle calls (conflict.lifecycleErrors). The
// codes are not documented.
type LifecycleError struct {
	Code    string
	Message string
	Link    string
}

// Error is a call that failed. Text of the other side gets into it only through short known fields,
// cut and without the key.
type Error struct {
	Operation  string // what was tried, "set email"
	Status     int    // 0 when there was no answer
	Kind       Kind
	Key        string           // the vendor's key or code, "forbidden.action", "ADMIN-404-8"
	ReasonKey  string           // why it is not allowed, "externalDirectory.scim"
	Domain     string           // the domain that is not verified
	Message    string           // the vendor's words
	RetryAfter time.Duration    // how long the gate stays shut from now, when throttled or endless
	Violations []string         // "field: violation"
	Lifecycle  []LifecycleError // what must be settled

	lacks   bool   // a 2xx that tells of no error, and lacks what it must hold
	cause   error  // for errors.Is and errors.As
	details string // the cause's text, cut and with the key taken out
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Operation + ": " + string(e.Kind))
	for _, part := range e.facts() {
		b.WriteString(": " + part)
	}
	if e.Status != 0 || e.Key != "" {
		b.WriteString(" (")
		if e.Status != 0 {
			fmt.Fprint(&b, e.Status)
		}
		if e.Status != 0 && e.Key != "" {
			b.WriteString(" ")
		}
		b.WriteString(e.Key + ")")
	}
	return b.String()
}

// Unwrap returns what went wrong underneath, nil if the other side answered. Its text may quote
// what came over the wire; that of Error does not.
func (e *Error) Unwrap() error { return e.cause }

func (e *Error) facts() []string {
	var facts []string
	for _, fact := range []string{e.ReasonKey, e.Domain, strings.Join(e.Violations, ", ")} {
		if fact != "" {
			facts = append(facts, fact)
		}
	}
	for _, l := range e.Lifecycle {
		facts = append(facts, strings.TrimSpace(l.Code+" "+l.Message))
	}
	if e.Message != "" {
		facts = append(facts, e.Message)
	}
	if e.details != "" {
		facts = append(facts, e.details)
	}
	return facts
}

// KindOf returns the kind of the *Error in err, "" if there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return ""
}

// badID returns the error of a call that was not made, as no account can have that id.
func badID(operation string) *Error {
	return &Error{Operation: operation, Kind: KindInvalid, Violations: []string{"account_id: validCharacters"}}
}

// lifecycleFacts joins the lifecycle errors into one code, message and link.
func (e *Error) lifecycleFacts() (code, message, link string) {
	var codes, messages []string
	for _, l := range e.Lifecycle {
		if l.Code != "" {
			codes = append(codes, l.Code)
		}
		if l.Message != "" {
			messages = append(messages, l.Message)
		}
		link = cmp.Or(link, l.Link)
	}
	return strings.Join(codes, ", "), cmp.Or(strings.Join(messages, "; "), e.Message), link
}
