package atlassian

import (
	"cmp"
	"errors"
	"strconv"
	"time"

	"github.com/countersign/countersign/workflow"
)

// kindError is a client's error as one of the kinds of workflow.
type kindError struct {
	kind error
	err  error
}

func (e *kindError) Error() string   { return e.err.Error() }
func (e *kindError) Unwrap() []error { return []error{e.kind, e.err} }

// keyError is that of a key which is not the organisation's.
type keyError struct {
	error
	of string
}

func (e *keyError) Unwrap() error { return e.error }
func (e *keyError) KeyOf() string { return e.of }

// withKey returns the error, with the words for whose key was refused where that is what it says.
func withKey(of string, err error) error {
	if errors.Is(err, workflow.ErrKeyRefused) {
		return &keyError{err, of}
	}
	return err
}

// throttledError is a kindError that knows when to come back.
type throttledError struct {
	kindError
	after time.Duration
}

func (e *throttledError) RetryAfter() time.Duration { return e.after }

// readError puts the error of a read into the words of workflow.
func readError(err error) error {
	if unsaid, ok := errors.AsType[*unsaidError](err); ok {
		return refusal(workflow.ReasonNotSaid, err, unsaid.what)
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case KindNotFound:
		if e.Operation == opProfile || e.Operation == opManage || e.Operation == opTokens || e.Operation == opMember ||
			e.Operation == opUser {
			return &kindError{workflow.ErrNotFound, err}
		}
		return refusal(workflow.ReasonRefused, err, statusWord(e), e.Key) // the organisation or directory, not an account
	case KindThrottled:
		unavailable := &kindError{workflow.ErrUnavailable, err}
		return &throttledError{kindError{workflow.ErrThrottled, unavailable}, e.RetryAfter}
	case KindNotAllowed:
		return refusal(workflow.ReasonRefused, err, statusWord(e), cmp.Or(e.ReasonKey, e.Key))
	case KindEndless:
		unavailable := &kindError{workflow.ErrUnavailable, err}
		if e.RetryAfter == 0 {
			return unavailable
		}
		return &throttledError{kindError{workflow.ErrThrottled, unavailable}, e.RetryAfter}
	default:
		return kindOf("", "", e, err)
	}
}

// writeError puts the error of a call that changes something into the words of workflow.
func writeError(action workflow.ActionName, address string, err error) error {
	if err == nil {
		return nil
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return &kindError{workflow.ErrUnknownOutcome, err}
	}
	switch e.Kind {
	case KindNotFound:
		return notThere(e, err)
	case KindMemberOrFull:
		return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonLicenceFull), Err: err, MayBeSo: true}
	case KindThrottled:
		return &throttledError{kindError{workflow.ErrThrottled, err}, e.RetryAfter}
	case KindNotSent:
		if e.RetryAfter > 0 { // our own gate kept it
			return &throttledError{kindError{workflow.ErrThrottled, err}, e.RetryAfter}
		}
		return &kindError{workflow.ErrNotSent, err}
	case KindUnavailable, KindUnexpected:
		return &kindError{workflow.ErrUnknownOutcome, err}
	default:
		return kindOf(action, address, e, err)
	}
}

// notThere returns the error of a call for which something was not there. The calls about groups
// and directories are answered so, too, where the account is not in the group or the directory.
func notThere(e *Error, err error) error {
	switch e.Operation {
	case opGroupAdd, opInvite, opSuspend, opRestore:
		return refusal(workflow.ReasonRefused, err, statusWord(e), e.Key)
	case opGroupRemove, opRemove:
		return &workflow.Refusal{Reason: workflow.NewReason(workflow.ReasonRefused, statusWord(e), e.Key), Err: err, MayBeSo: true}
	}
	return &kindError{workflow.ErrNotFound, err}
}

func kindOf(action workflow.ActionName, address string, e *Error, err error) error {
	switch e.Kind {
	case KindNotAllowed:
		return refusal(workflow.ReasonNotAllowed, err, string(action), e.ReasonKey)
	case KindUnverifiedDomain:
		return refusal(workflow.ReasonUnverified, err, cmp.Or(e.Domain, workflow.Domain(address)))
	case KindProbableCollision:
		return refusal(workflow.ReasonCollision, err, address)
	case KindInvalid:
		return refusal(workflow.ReasonInvalid, err, e.Violations...)
	case KindNoPlan:
		return refusal(workflow.ReasonNoPlan, err)
	case KindLicenceFull:
		return refusal(workflow.ReasonLicenceFull, err)
	case KindInactive:
		return refusal(workflow.ReasonInactive, err, string(action))
	case KindLifecycle:
		code, message, link := e.lifecycleFacts()
		return refusal(workflow.ReasonLifecycle, err, code, message, link)
	case KindKeyRefused:
		return &kindError{workflow.ErrKeyRefused, err}
	case KindKeyScoped:
		return &kindError{workflow.ErrKeyScoped, err}
	case KindNotSent:
		return &kindError{workflow.ErrNotSent, err}
	case KindUnknownOutcome:
		return &kindError{workflow.ErrUnknownOutcome, err}
	case KindTargetUnverified, KindForbidden, KindRefused:
		return refusal(workflow.ReasonRefused, err, statusWord(e), e.Key)
	default:
		return &kindError{workflow.ErrUnavailable, err}
	}
}

func refusal(code workflow.ReasonCode, err error, facts ...string) error {
	return &workflow.Refusal{Reason: workflow.NewReason(code, facts...), Err: err}
}

func statusWord(e *Error) string { return strconv.Itoa(e.Status) }
