package atlassian

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/countersign/countersign/atlassian/pace"
)

// The bounds of a read as a whole, whatever is answered: with them everything counts, waiting at
// the gate included. What reaches one is KindEndless.
const (
	// ReadTimeout bounds a read of one thing and of a short list. It is a little more than the
	// longest time for which an answer can shut the gate.
	ReadTimeout = 20 * time.Minute
	// ListTimeout bounds a read of all managed accounts, and a search for any number of accounts.
	ListTimeout = time.Hour
	// MaxEmptyPages bounds the pages in a row on which a list may have no entry.
	MaxEmptyPages = 100
)

// How long the parts of a read may take. A budget is the time that a read spends on failed attempts
// and the waits between them; waiting at the gate is not part of it.
const (
	callTimeout = 30 * time.Second // one attempt, to the last byte of its answer

	// leaveTimeout is how long a write may wait at the gate. What was read before it gets stale:
	// then it is better not made, and everything read again.
	leaveTimeout = 20 * time.Second

	pageBudget  = 2 * time.Minute  // one page of a long list: losing it would lose the list
	readBudget  = 30 * time.Second // any other read
	checkBudget = 10 * time.Second // the read right before a write, and the one that proves it

	backoffStart = 500 * time.Millisecond
	backoffMost  = 15 * time.Second

	// mostThrottled is how many 429s one read waits out at the gate.
	mostThrottled = 32
)

// maxBody caps what is read of an answer, in bytes. A page of 100 accounts has some 100 KB.
const maxBody = 16 << 20

// The operations, as errors and logs name them.
const (
	opManage       = "read permissions"
	opProfile      = "read profile"
	opSetEmail     = "set email"
	opSetName      = "set name"
	opDisable      = "disable account"
	opEnable       = "enable account"
	opDelete       = "delete account"
	opCancelDelete = "cancel deletion"
	opTokens       = "list tokens"
	opRevokeToken  = "revoke token"
	opAccounts     = "list managed accounts"
	opDomains      = "list domains"
	opOrgs         = "list organisations"
	opOrg          = "read organisation"
	opSearch       = "search users"
	opUser         = "read directory user"
	opUserRoles    = "list user roles"
	opSuspend      = "suspend user"
	opRestore      = "restore user"
	opRemove       = "remove user"
	opDirectories  = "list directories"
	opMember       = "read directory member"
	opGroups       = "search groups"
	opGroupRoles   = "list group roles"
	opWorkspaces   = "list workspaces"
	opInvite       = "invite"
	opGroupAdd     = "add to group"
	opGroupRemove  = "remove from group"

	opSCIMLinks       = "list SCIM links"
	opSCIMUser        = "read SCIM user"
	opSCIMUsers       = "search SCIM users"
	opSCIMGroup       = "read SCIM group"
	opSCIMGroups      = "search SCIM groups"
	opSCIMPatch       = "change SCIM user"
	opSCIMCreate      = "create SCIM user"
	opSCIMGroupAdd    = "add to SCIM group"
	opSCIMGroupRemove = "remove from SCIM group"

	opSiteMyself       = "read own site user"
	opSiteUser         = "read site user"
	opSiteUserGroups   = "list groups of site user"
	opSiteGroups       = "search site groups"
	opSiteLegacy       = "resolve legacy names"
	opSiteFind         = "search site users"
	opSiteUsers        = "list site users"
	opSiteColumns      = "read columns"
	opSiteDefaults     = "read site columns"
	opSiteGroupAdd     = "add to site group"
	opSiteGroupRemove  = "remove from site group"
	opSiteCreate       = "create site user"
	opSiteDelete       = "delete site user"
	opSiteColumnsReset = "reset columns"
)

// request is one call to be made.
type request struct {
	operation string
	method    string
	write     bool       // it changes something: one attempt, and never a second
	account   string     // that a write changes, or that is read right before and after it
	path      string     // after the base URL, each part escaped
	query     url.Values // may be nil
	link      *url.URL   // a checked page link, in place of path and query
	body      any        // sent as JSON; nil for none
}

// read reads one thing, as readPage does, within ReadTimeout.
func read[T any, A interface {
	*T
	answered
}](ctx context.Context, c *caller, call request, budget time.Duration, into A) error {
	bounded, end := c.bound(ctx, call.operation, ReadTimeout)
	return end(readPage(bounded, c, call, budget, into))
}

// bound returns a context for a read that may take at most d as a whole, and a function to be
// called with the error of the read at its end. It returns KindEndless if the bound ended the read.
func (c *caller) bound(
	ctx context.Context, operation string, d time.Duration,
) (context.Context, func(error) error) {
	bounded, cancel := context.WithTimeout(ctx, d)
	return bounded, func(err error) error {
		ended := bounded.Err() != nil && ctx.Err() == nil
		cancel()
		if _, answered := errors.AsType[*Error](err); err == nil || answered || !ended {
			return err
		}
		return &Error{
			Operation: operation, Kind: KindEndless, RetryAfter: c.gate.ShutFor(operation),
			cause: err, details: fmt.Sprintf("it took over %s", d),
		}
	}
}

// readPage makes the call, repeats it as long as that makes sense and the budget lasts, and decodes
// the answer. Each attempt decodes into what the value was before.
func readPage[T any, A interface {
	*T
	answered
}](ctx context.Context, c *caller, call request, budget time.Duration, into A) error {
	blank := *into
	var spent time.Duration
	for attempt, throttled := 1, 0; ; attempt++ {
		started := time.Now()
		got, err := c.pass(ctx, call, &started)
		if err == nil {
			*into = blank
			if err = decode(call, got.body, into, c.authorize().cleaner()); err == nil {
				return nil
			}
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		switch e.Kind {
		case KindThrottled:
			// The gate is shut, so the next attempt waits there.
			if throttled++; throttled >= mostThrottled {
				return err
			}
			c.log.Debug().Str("operation", call.operation).Dur("wait", e.RetryAfter).Msg("throttled")
		case KindUnavailable, KindIncomplete:
			pause := max(c.backoff(attempt), e.RetryAfter)
			if spent += time.Since(started) + pause; spent > budget {
				return err
			}
			c.log.Debug().Str("operation", call.operation).Int("attempt", attempt).Dur("wait", pause).Err(err).Msg("again")
			if err := sleep(ctx, pause); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// write makes the call once.
func (c *caller) write(ctx context.Context, call request) error {
	_, err := c.writeAnswered(ctx, call)
	return err
}

// writeAnswered makes the call once and returns what came back where that was a yes: as much of it as
// arrived.
func (c *caller) writeAnswered(ctx context.Context, call request) (answer, error) {
	call.write = true
	var started time.Time
	return c.pass(ctx, call, &started)
}

// pass waits for the gate and makes one attempt. It sets started when the call leaves.
func (c *caller) pass(ctx context.Context, call request, started *time.Time) (answer, error) {
	waitCtx := ctx
	if call.write {
		bounded, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		waitCtx = bounded
	}
	leave, err := c.gate.Wait(waitCtx, pace.Call{
		Operation: call.operation, Party: c.party, Account: call.account, Write: call.write,
	})
	if err != nil {
		return answer{}, c.notLeft(ctx, call, err)
	}
	*started = time.Now()
	got, err := c.attempt(ctx, call)
	took := time.Since(*started)

	e, failed := errors.AsType[*Error](err)
	var shut time.Duration
	if failed && e.Kind == KindNotSent {
		c.gate.Cancel(leave)
	} else {
		shut = c.gate.Done(leave, pace.Answer{Status: got.status, Limits: got.limits})
	}
	if failed && e.Kind == KindThrottled {
		e.RetryAfter = shut
	} else if failed && got.limits != nil {
		e.RetryAfter = got.limits.RetryAfter
	}
	c.onCall(Call{Operation: call.operation, Status: got.status, Took: took})
	c.log.Debug().Str("operation", call.operation).Int("status", got.status).Dur("took", took).Err(err).Msg("call")
	return got, err
}

// notLeft returns the error of a call that did not leave the gate: for a read the context's own;
// for a write that it was not sent and, if the gate kept it, for how long that stays shut.
func (c *caller) notLeft(ctx context.Context, call request, err error) error {
	if !call.write {
		return err
	}
	e := &Error{Operation: call.operation, Kind: KindNotSent, cause: err, details: err.Error()}
	if ctx.Err() == nil {
		e.cause, e.details = nil, fmt.Sprintf("waited over %s for its turn", leaveTimeout)
		e.RetryAfter = max(c.gate.ShutFor(call.operation), time.Second)
	}
	return e
}

// unmade returns the error of a call that could not be put together.
func unmade(call request, err error, clean func(string) string) *Error {
	e := &Error{Operation: call.operation, Kind: KindUnexpected, cause: err, details: clean(err.Error())}
	if call.write {
		e.Kind = KindNotSent
	}
	return e
}

// answer is what came back of one attempt. status is 0 and limits is nil if nothing did.
type answer struct {
	status int
	limits *pace.Limits
	body   []byte
}

// attempt makes the call once. Its error is an *Error, or for a read the context's own.
func (c *caller) attempt(ctx context.Context, call request) (answer, error) {
	credential := c.authorize()
	clean := credential.cleaner()
	if !credential.sendable() {
		return answer{}, &Error{Operation: call.operation, Kind: KindKeyRefused, Message: "it is empty or holds what no key holds"}
	}
	took := fmt.Errorf("%s: took over %s", call.operation, callTimeout)
	callCtx, cancel := context.WithTimeoutCause(ctx, callTimeout, took)
	defer cancel()

	path := newTracer()
	req, err := c.newRequest(path.attach(callCtx), call, credential)
	if err != nil {
		return answer{}, unmade(call, err, clean)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.broken(ctx, callCtx, call, path, err, clean)
	}
	defer resp.Body.Close() //nolint:errcheck // the body was read or given up
	told := c.limits(resp.Header, time.Now())
	got := answer{status: resp.StatusCode, limits: &told}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	switch {
	case ok && call.write:
		return got, nil // the status line says yes; nothing else matters
	case ok && err != nil:
		return got, c.broken(ctx, callCtx, call, path, err, clean)
	case ok:
		return got, nil
	default:
		return got, c.classify(call, resp.StatusCode, got.body, clean)
	}
}

func (c *caller) newRequest(ctx context.Context, call request, credential credential) (*http.Request, error) {
	target := call.link
	if target == nil {
		parsed, err := url.Parse(c.base.String() + call.path)
		if err != nil {
			return nil, errors.New("build the address") // the parser's words quote it
		}
		parsed.RawQuery = call.query.Encode()
		target = parsed
	}
	req, err := http.NewRequestWithContext(ctx, call.method, "/", nil)
	if err != nil {
		return nil, err
	}
	req.URL, req.Host = target, target.Host
	if call.body != nil {
		body, err := json.Marshal(call.body)
		if err != nil {
			return nil, err
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		req.ContentLength = int64(len(body))
		req.Header.Set("Content-Type", "application/json")
		if !call.write {
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		}
		// Without GetBody the transport cannot send a write a second time. Over HTTP/1 it would not
		// anyway; over HTTP/2 it would after a PROTOCOL_ERROR, which proves nothing.
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", credential.header)
	req.Header.Set("User-Agent", "countersign")
	return req, nil
}

// broken returns the error of an attempt that got no answer, or only a part of one.
func (c *caller) broken(
	ctx, callCtx context.Context, call request, path *tracer, err error, clean func(string) string,
) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the rest is the address
	}
	ended := callCtx.Err() != nil
	if ended && ctx.Err() == nil {
		err = context.Cause(callCtx) // it took too long
	} else if ended {
		err = ctx.Err()
	}
	e := &Error{Operation: call.operation, cause: err, details: clean(err.Error())}
	switch {
	case !call.write && ctx.Err() != nil:
		return ctx.Err()
	case !call.write:
		e.Kind = KindUnavailable
	case path.neverLeft(err, ended):
		e.Kind = KindNotSent
	default:
		e.Kind = KindUnknownOutcome
	}
	return e
}

func (c *caller) backoff(attempt int) time.Duration {
	whole := min(backoffMost, backoffStart<<min(attempt-1, 10))
	return whole/2 + c.spread.Of(whole/2)
}

// answered is a type of answers that knows what one of its kind must hold. missing returns what
// this one lacks, "" if nothing.
type answered interface{ missing() string }

// decode reads the body of a 2xx answer into a value, and fails if the answer is none: if it is no
// JSON, if it tells of errors, or if it lacks what it must hold. Each of these may be a gateway's
// fault that is gone the next time.
func decode(call request, body []byte, into answered, clean func(string) string) error {
	e := &Error{Operation: call.operation, Status: http.StatusOK, Kind: KindUnavailable}
	if err := json.Unmarshal(body, into); err != nil {
		e.cause, e.details = err, clean(err.Error())
		return e
	}
	e.Kind = KindIncomplete
	if tellsErrors(body) {
		p := readProblem(body)
		e.Key, e.Message = clean(p.key()), clean(p.message())
		return e
	}
	if e.details = into.missing(); e.details != "" {
		e.lacks = true
		return e
	}
	return nil
}

// sleep waits, or returns the context's error as soon as it ends.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
