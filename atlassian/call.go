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
	"strings"
	"time"
)

// How long things may take. A budget is the time that a read spends on failed attempts and the waits between them; the
// time at the gate, while it is shut for everybody, is not part of it.
const (
	callTimeout = 30 * time.Second // one attempt, to the last byte of its answer

	// leaveTimeout is how long a write may wait at the gate. What was read before it gets stale; then it
	// is better not made, and looked at anew.
	leaveTimeout = 20 * time.Second

	pageBudget  = 2 * time.Minute  // one page of a long list: losing it would lose the list
	readBudget  = 30 * time.Second // any other read
	checkBudget = 10 * time.Second // the read right before a write, and the one that proves it

	backoffStart = 500 * time.Millisecond
	backoffMost  = 15 * time.Second

	// mostThrottled is how many 429s one read sits through at the gate.
	mostThrottled = 8
)

// maxBody caps what is read of an answer, in bytes. A page of 100 accounts is some 100 KB.
const maxBody = 16 << 20

// The operations, as errors and logs name them.
const (
	opManage      = "read permissions"
	opProfile     = "read profile"
	opSetEmail    = "set email"
	opDisable     = "disable account"
	opEnable      = "enable account"
	opAccounts    = "list managed accounts"
	opDomains     = "list domains"
	opOrg         = "read organisation"
	opSearch      = "search users"
	opUser        = "read directory user"
	opDirectories = "list directories"
	opGroups      = "search groups"
)

// request is one call to be made.
type request struct {
	operation string
	method    string
	write     bool       // it changes something: one attempt, never a second
	party     int64      // for whom it is made
	account   string     // whom a write changes, or a read looks at before and after one
	path      string     // behind the base URL, each part escaped
	query     url.Values // may be nil
	link      *url.URL   // a page link that was checked, in place of path and query
	body      any        // sent as JSON; nil for none
}

// read makes the call, again as long as it makes sense and the budget lasts, and decodes the answer.
func (c *Client) read(ctx context.Context, call request, budget time.Duration, into any) error {
	var spent time.Duration
	for attempt, throttled := 1, 0; ; attempt++ {
		started := time.Now()
		body, err := c.pass(ctx, call, &started)
		if err == nil {
			if err = decode(call, body, into, cleaner(c.key())); err == nil {
				return nil
			}
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || ctx.Err() != nil {
			return err
		}
		switch e.Kind {
		case KindThrottled:
			// The gate is shut, so that the next attempt waits there.
			if throttled++; throttled >= mostThrottled {
				return err
			}
			c.log.Debug().Str("operation", call.operation).Dur("wait", e.RetryAfter).Msg("throttled")
		case KindUnavailable:
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
func (c *Client) write(ctx context.Context, call request) error {
	call.write = true
	var started time.Time
	_, err := c.pass(ctx, call, &started)
	return err
}

// pass waits for the gate, and makes one attempt; started is set when it leaves.
func (c *Client) pass(ctx context.Context, call request, started *time.Time) ([]byte, error) {
	waitCtx := ctx
	if call.write {
		bounded, cancel := context.WithTimeout(ctx, leaveTimeout)
		defer cancel()
		waitCtx = bounded
	}
	call.party = c.party(ctx)
	leave, err := c.gate.wait(waitCtx, call)
	if err != nil {
		return nil, c.notLeft(ctx, call, err)
	}
	*started = time.Now()
	answer, err := c.attempt(ctx, call)
	took := time.Since(*started)

	e, failed := errors.AsType[*Error](err)
	var shut time.Duration
	if failed && e.Kind == KindNotSent {
		c.gate.unused(leave)
	} else {
		shut = c.gate.done(leave, ending{answer.status, answer.limits})
	}
	if failed && e.Kind == KindThrottled {
		e.RetryAfter = shut
	} else if failed && answer.limits != nil {
		e.RetryAfter = answer.limits.retry
	}
	c.onCall(Call{Operation: call.operation, Status: answer.status, Took: took})
	c.log.Debug().Str("operation", call.operation).Int("status", answer.status).Dur("took", took).Err(err).Msg("call")
	return answer.body, err
}

// notLeft is the error of a call that waited for too long: for a read the context's own; a write says that it did not
// leave, and when it was the gate that kept it, for how long that stays shut.
func (c *Client) notLeft(ctx context.Context, call request, err error) error {
	if !call.write {
		return err
	}
	e := &Error{Operation: call.operation, Kind: KindNotSent, cause: err, details: err.Error()}
	if ctx.Err() == nil {
		e.cause, e.details = nil, fmt.Sprintf("waited over %s for its turn", leaveTimeout)
		e.RetryAfter = max(c.gate.shutFor(call.operation), time.Second)
	}
	return e
}

// unmade is the error of a call that could not be put together.
func unmade(call request, err error, clean func(string) string) *Error {
	e := &Error{Operation: call.operation, Kind: KindUnexpected, cause: err, details: clean(err.Error())}
	if call.write {
		e.Kind = KindNotSent
	}
	return e
}

// answer is what came back of one attempt; status is 0 and limits nil when nothing did.
type answer struct {
	status int
	limits *limits
	body   []byte
}

// attempt makes the call once. Its error is an *Error, or for a read the context's own.
func (c *Client) attempt(ctx context.Context, call request) (answer, error) {
	key := c.key()
	clean := cleaner(key)
	if !sendable(key) {
		return answer{}, &Error{Operation: call.operation, Kind: KindKeyRefused, Message: "it is empty or holds what no key holds"}
	}
	took := fmt.Errorf("%s: took over %s", call.operation, callTimeout)
	callCtx, cancel := context.WithTimeoutCause(ctx, callTimeout, took)
	defer cancel()

	path := newTracer()
	req, err := c.newRequest(path.attach(callCtx), call, key)
	if err != nil {
		return answer{}, unmade(call, err, clean)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.broken(ctx, callCtx, call, path, err, clean)
	}
	defer resp.Body.Close() //nolint:errcheck // a body that was read or given up has nothing left to say
	told := readLimits(resp.Header, time.Now())
	got := answer{status: resp.StatusCode, limits: &told}
	got.body, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
	ok := resp.StatusCode >= 200 && resp.StatusCode < 300
	switch {
	case ok && call.write:
		return got, nil // the status line says yes; nothing else is of interest
	case ok && err != nil:
		return got, c.broken(ctx, callCtx, call, path, err, clean)
	case ok:
		return got, nil
	default:
		return got, classify(call, resp.StatusCode, got.body, clean)
	}
}

func (c *Client) newRequest(ctx context.Context, call request, key string) (*http.Request, error) {
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
		// Without GetBody the transport cannot send a write a second time: over HTTP/1 it would not anyway, as neither
		// PUT nor POST are repeated, but over HTTP/2 it would after a PROTOCOL_ERROR, which proves nothing.
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("User-Agent", "countersign")
	return req, nil
}

// sendable says whether the key can stand in a header. What cannot is not tried, as the transport's own refusal would not
// prove that nothing left.
func sendable(key string) bool {
	return key != "" && !strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
}

// broken is the error of an attempt that got no answer, or only a part of one.
func (c *Client) broken(
	ctx, callCtx context.Context, call request, path *tracer, err error, clean func(string) string,
) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		err = wrapped.Err // the rest of it is the address, which is long
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

func (c *Client) backoff(attempt int) time.Duration {
	whole := min(backoffMost, backoffStart<<min(attempt-1, 10))
	c.dice.Lock()
	defer c.dice.Unlock()
	return whole/2 + time.Duration(c.rand.Int64N(int64(whole/2)))
}

func decode(call request, body []byte, into any, clean func(string) string) error {
	if err := json.Unmarshal(body, into); err != nil {
		// A gateway's page in place of the answer, which may be another one the next time.
		return &Error{
			Operation: call.operation, Status: http.StatusOK, Kind: KindUnavailable,
			cause: err, details: clean(err.Error()),
		}
	}
	return nil
}
