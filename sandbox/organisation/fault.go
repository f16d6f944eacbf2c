package organisation

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// Faults are what goes wrong, asked for each request. The zero value is a healthy organisation. The
// functions are called without the organisation's lock, possibly at the same time, with a copy of
// the request whose body is unread.
type Faults struct {
	// Latency is how long a request is on its way. A client that leaves in the meantime has not
	// been heard: the call has no effect.
	Latency func(*http.Request) time.Duration
	// Before comes between the client and the effect: its fault replaces the call, which has no
	// effect.
	Before func(*http.Request) *Fault
	// After comes between the effect and the client: the call has been carried out, or refused, and
	// its answer is replaced. It is not asked where Before gave an answer.
	After func(*http.Request) *Fault
	// ReadLag is how long a profile read (GET /users/{id}/manage/profile) goes on showing what an
	// account was before.
	ReadLag func(accountID string) time.Duration

	// The functions below are called with the organisation's lock held: they may not call it.

	// Missing is how long after a change of an account its profile reads answer 404.
	Missing func(accountID string) time.Duration
	// SearchLag is how long searches of the v2 directory go on showing what an account was before;
	// a function whose answers differ makes them jump to and fro.
	SearchLag func(accountID string) time.Duration
	// Omit takes an account out of the answers of users/search, as if it were not there.
	Omit func(accountID string) bool
	// PageShift is how many entries a list has moved since the page before: so many are skipped, or
	// below 0 shown again. It is asked for each page but the first of v1 users and of users/search.
	PageShift func(*http.Request) int
	// Total is what a list announces in meta.total instead of its length.
	Total func(length int) int
	// Endless empties the pages of lists, and gives each a new cursor to go on with.
	Endless func(*http.Request) bool
	// EventLag is how long after an effect its event shows in the log.
	EventLag func(action string) time.Duration
	// InviteError is why an address cannot be invited, or "" for one that can.
	InviteError func(address string) string
}

// Fault is one thing that goes wrong with a request.
type Fault = wire.Fault

// SetFaults replaces the faults, for the requests that arrive from now on.
func (o *Organisation) SetFaults(faults Faults) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.faults = faults
}

// Throttled returns a fault that answers 429 with Retry-After in whole seconds.
func Throttled(retryAfter time.Duration) Fault {
	seconds := int((retryAfter + time.Second - 1) / time.Second)
	return Fault{
		Status: http.StatusTooManyRequests,
		Header: http.Header{"Retry-After": {strconv.Itoa(seconds)}},
	}
}

// ThrottledUntil returns a fault that answers 429 without Retry-After and with the X-RateLimit
// headers of the organizations API; the reset is written with or without seconds, as both have been
// seen.
func ThrottledUntil(limit int, reset time.Time, seconds bool) Fault {
	return Fault{Status: http.StatusTooManyRequests, Header: limitHeader(limit, 0, reset, seconds)}
}

// ThrottledFor returns a fault that answers 429 with Retry-After as it is written: a date, a number
// beyond all reason, nonsense.
func ThrottledFor(retryAfter string) Fault {
	return Fault{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {retryAfter}}}
}

// ThrottledBare returns a fault that answers 429 with no header that says for how long.
func ThrottledBare() Fault { return Fault{Status: http.StatusTooManyRequests} }

// Broken returns a server error, such as 500, 502, 503 or 504.
func Broken(status int) Fault { return Fault{Status: status} }

// Unauthorized returns a fault that answers 401, as for a key that was revoked.
func Unauthorized() Fault { return Fault{Status: http.StatusUnauthorized} }

// Drop cuts the connection without an answer.
func Drop() Fault { return Fault{Drop: true} }

// Half cuts the connection in the middle of the answer. It is for After.
func Half() Fault { return Fault{Half: true} }

// Hang keeps the client waiting, until it leaves or for this long, and then cuts the connection.
func Hang(duration time.Duration) Fault { return Fault{Drop: true, Delay: duration} }

// Late lets the call through after a time, even if the client has left by then.
func Late(duration time.Duration) Fault { return Fault{Delay: duration, Deaf: true} }

// On returns a function that gives the fault to the first times requests with this method whose
// path ends like this; method "" is any, times 0 is always.
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

// WithoutList returns the answers of status 200 that have no list in them, as gateways give them in
// front of a list that failed.
func WithoutList() []Fault {
	var all []Fault
	for _, body := range []string{
		`{"code":500,"message":"Internal server error"}`, `{}`, `{"data":null}`,
		`{"errors":[{"id":"0","code":"ADMIN-500-1","status":"500","title":"Internal error"}]}`,
	} {
		all = append(all, Fault{Status: http.StatusOK, Body: body})
	}
	return all
}

// lists are the calls that answer with a list.
var lists = []struct{ method, path string }{
	{http.MethodGet, "/users/{}/manage/api-tokens"},
	{http.MethodGet, "/admin/v1/orgs"},
	{http.MethodGet, "/admin/v1/orgs/{}/users"},
	{http.MethodGet, "/admin/v1/orgs/{}/domains"},
	{http.MethodGet, "/admin/v1/orgs/{}/events-stream"},
	{http.MethodGet, "/admin/v1/orgs/{}/event-actions"},
	{http.MethodGet, "/admin/v2/orgs/{}/directories"},
	{http.MethodPost, "/admin/v2/orgs/{}/workspaces"},
	{http.MethodPost, "/admin/v2/orgs/{}/directories/{}/users/search"},
	{http.MethodPost, "/admin/v2/orgs/{}/directories/{}/groups/search"},
	{http.MethodGet, "/admin/v2/orgs/{}/directories/{}/users/{}/role-assignments"},
	{http.MethodGet, "/admin/v2/orgs/{}/directories/{}/groups/{}/role-assignments"},
}

// OnLists returns a function that gives the fault to the first times calls that answer with a list;
// times 0 is always.
func OnLists(times int, fault Fault) func(*http.Request) *Fault {
	counted := On("", "", times, fault)
	return func(r *http.Request) *Fault {
		for _, each := range lists {
			if _, fits := match(each.path, r.URL.EscapedPath()); fits && each.method == r.Method {
				return counted(r)
			}
		}
		return nil
	}
}

// First returns a function that asks one after the other and returns the first fault.
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

// faulty returns the answer that a fault gives.
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

// failure returns the platform's own answer with a status that any call can end in. The caller
// holds o.mu.
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
