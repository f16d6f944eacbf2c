package organisation

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Faults are what goes wrong, asked for each request. The zero value is a healthy organisation. The functions are called
// without the organisation's lock, possibly at the same time, with a copy of the request whose body is unread.
type Faults struct {
	// Latency is how long a request is on its way. A client that leaves in the meantime has not been heard: the call has
	// no effect.
	Latency func(*http.Request) time.Duration
	// Before comes between the client and the effect: its fault replaces the call, which has no effect.
	Before func(*http.Request) *Fault
	// After comes between the effect and the client: the call has been carried out, or refused, and its answer is replaced.
	// It is not asked where Before gave an answer.
	After func(*http.Request) *Fault
	// ReadLag is how long a profile read (GET /users/{id}/manage/profile) goes on showing what an account was before.
	ReadLag func(accountID string) time.Duration
}

// Fault is one thing that goes wrong. It waits for Delay; then Drop cuts the connection, or a Status is answered.
// With none of these, the call goes on as if nothing had been: it was only late.
type Fault struct {
	Status int
	Header http.Header
	Body   string // usually JSON; empty: as the platform writes this status at this path
	Drop   bool
	// Half sends the first half of the answer's body before the connection is cut; after the effect only. An answer
	// without a body is dropped.
	Half  bool
	Delay time.Duration
	// Deaf lets Delay pass in full although the client has left, as a request does that is already past the gateway.
	// Before the effect: the effect comes after the client gave up.
	Deaf bool
}

// SetFaults replaces the faults, for the requests that arrive from now on.
func (o *Organisation) SetFaults(faults Faults) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = faults
}

// Throttled is 429 with Retry-After in whole seconds.
func Throttled(retryAfter time.Duration) Fault {
	seconds := int((retryAfter + time.Second - 1) / time.Second)
	return Fault{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}},
	}
}

// ThrottledUntil is 429 without Retry-After and with the X-RateLimit headers of the organizations API; the reset is
// written with or without seconds, as both have been seen.
func ThrottledUntil(limit int, reset time.Time, seconds bool) Fault {
	return Fault{Status: http.StatusTooManyRequests, Header: limitHeader(limit, 0, reset, seconds)}
}

// ThrottledBare is 429 with no header that says for how long.
func ThrottledBare() Fault { return Fault{Status: http.StatusTooManyRequests} }

// Broken is a server error, such as 500, 502, 503 or 504.
func Broken(status int) Fault { return Fault{Status: status} }

// Unauthorized is 401, as for a key that is refused just now.
func Unauthorized() Fault { return Fault{Status: http.StatusUnauthorized} }

// Drop cuts the connection without an answer.
func Drop() Fault { return Fault{Drop: true} }

// Half cuts the connection in the middle of the answer. It is for After.
func Half() Fault { return Fault{Half: true} }

// Hang keeps the client waiting, until it leaves or for this long, and then cuts the connection.
func Hang(duration time.Duration) Fault { return Fault{Drop: true, Delay: duration} }

// Late lets the call through after a time, even if the client has left by then.
func Late(duration time.Duration) Fault { return Fault{Delay: duration, Deaf: true} }

// On gives the fault to the first times requests with this method whose path ends like this; method "" is any, times 0
// is always.
func On(method, pathEnd string, times int, fault Fault) func(*http.Request) *Fault {
	var (
		mu   sync.Mutex
		seen int
	)
	return func(r *http.Request) *Fault {
		if (method != "" && r.Method != method) || !strings.HasSuffix(r.URL.Path, pathEnd) {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if seen++; times > 0 && seen > times {
			return nil
		}
		return &fault
	}
}

// First asks one function after the other and returns the first fault.
func First(functions ...func(*http.Request) *Fault) func(*http.Request) *Fault {
	return func(r *http.Request) *Fault {
		for _, each := range functions {
			if fault := each(r); fault != nil {
				return fault
			}
		}
		return nil
	}
}

// wait passes the fault's delay; it says whether there is still somebody to answer, or nobody to ask.
func (f *Fault) wait(ctx context.Context) bool {
	if f.Deaf {
		return wait(context.WithoutCancel(ctx), f.Delay)
	}
	return wait(ctx, f.Delay)
}

// faulty is the answer that a fault gives.
func (o *Organisation) faulty(x *exchange, fault *Fault) answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	given := o.failure(x.call.Path, fault.Status)
	given.header = fault.Header.Clone()
	if fault.Body != "" {
		given.body = json.RawMessage(fault.Body)
	}
	return given
}

// failure is how the platform writes a status that any call can end in. The caller holds o.mu.
func (o *Organisation) failure(path string, status int) answer {
	admin := strings.HasPrefix(path, "/admin/")
	switch {
	case status == http.StatusTooManyRequests:
		return throttled(path)
	case status == http.StatusUnauthorized && admin:
		return proxyError(status, "Unauthorized")
	case status == http.StatusUnauthorized:
		return keyed(status, "unauthorized")
	case status == http.StatusForbidden && !admin:
		return keyed(status, "forbidden")
	case status == http.StatusInternalServerError && admin:
		return o.adminErrors(status, "ADMIN-500-1", "Internal error", "")
	}
	return proxyError(status, cmp.Or(http.StatusText(status), "Error"))
}
