package organisation

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/countersign/countersign/sandbox/wire"
)

// maxBody bounds what is read of a request; the largest honest one, 100 addresses, is under 10 kB.
const maxBody = 1 << 20

// exchange is one request on its way through the organisation.
type exchange struct {
	request *http.Request
	body    []byte
	call    *Call
	path    []string // the values of the path's parameters, unescaped, in order
	query   url.Values
	scoped  bool // the key was made with scopes
	route   route
	known   bool          // route is the call's; else it is nothing that this organisation answers
	lag     time.Duration // of a profile read
}

// answer is what goes back, unless a fault comes in between.
type answer struct {
	status int
	header http.Header
	body   any // nil: no body
}

// serve takes a request through the stages of a real call: it arrives, may get lost on the way,
// takes effect, and its answer may get lost on the way back.
func (o *Organisation) serve(w http.ResponseWriter, r *http.Request) {
	// The body first: until it is read, net/http does not notice that a client has left.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	x := &exchange{request: r, body: body, query: r.URL.Query()}
	faults := o.arrive(x)
	if x.route, x.known = o.find(x); x.known && faults.ReadLag != nil && strings.HasPrefix(x.call.Path, "/users/") {
		x.lag = faults.ReadLag(x.path[0])
	}
	if faults.Latency != nil && !wire.Wait(r.Context(), faults.Latency(x.copy())) {
		o.lost(x)
	}
	if before := apply(faults.Before, x); before != nil {
		if !before.Wait(r.Context()) || before.Drop {
			o.lost(x)
		}
		if before.Status != 0 {
			o.reply(x, w, o.faulty(x, before))
			return
		}
	}
	given := o.answer(x)
	if after := apply(faults.After, x); after != nil {
		if !after.Wait(r.Context()) || after.Drop {
			o.lost(x)
		}
		if after.Half {
			o.half(x, w, given)
		}
		if after.Status != 0 {
			given = o.faulty(x, after)
		}
	}
	o.reply(x, w, given)
}

// arrive writes the call down.
func (o *Organisation) arrive(x *exchange) Faults {
	o.mu.Lock()
	defer o.mu.Unlock()
	key := bearer(x.request)
	x.scoped = o.scoped[key]
	x.call = &Call{
		At:     now(),
		Method: x.request.Method,
		Path:   x.request.URL.EscapedPath(),
		Query:  x.request.URL.RawQuery,
		KeyOK:  x.scoped || key != "" && key == o.key,
	}
	if len(o.calls) < maxCalls {
		o.calls = append(o.calls, x.call)
	}
	return o.faults
}

// reply sends the answer. Its status is written down before the client can see it.
func (o *Organisation) reply(x *exchange, w http.ResponseWriter, given answer) {
	o.mu.Lock()
	x.call.Status = given.status
	o.pulse()
	ahead := o.ahead
	o.mu.Unlock()
	text := encode(w, given)
	w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
	w.WriteHeader(given.status)
	_, _ = w.Write(text) // the client may have left; there is nobody to tell
}

// lost cuts the connection instead of answering. It does not return.
func (o *Organisation) lost(x *exchange) {
	o.mu.Lock()
	x.call.Dropped = true
	o.pulse()
	o.mu.Unlock()
	panic(http.ErrAbortHandler)
}

// half sends the beginning of an answer and cuts the connection. It does not return.
func (o *Organisation) half(x *exchange, w http.ResponseWriter, given answer) {
	whole := encode(w, given)
	if len(whole) > 1 {
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)))
		w.WriteHeader(given.status)
		_, _ = w.Write(whole[:len(whole)/2])
		_ = http.NewResponseController(w).Flush() // or there is no beginning; the connection is cut all the same
	}
	o.lost(x)
}

// answer does what the call asks for. The whole call is one step: what it checks still holds when
// it takes effect.
func (o *Organisation) answer(x *exchange) answer {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.expire()
	if !x.call.KeyOK {
		if x.admin() {
			return proxyError(http.StatusUnauthorized, "Unauthorized")
		}
		return keyed(http.StatusUnauthorized, "unauthorized")
	}
	header, within := o.count(x.route, bearer(x.request))
	var given answer
	switch {
	case !within:
		given = throttled(x.call.Path)
	case !x.known:
		given = o.unknown(x)
	default:
		o.checkQuery(x)
		if given = o.allowed(x); given.status == 0 {
			given = x.route.serve(x)
		}
	}
	if given.header == nil {
		given.header = make(http.Header)
	}
	maps.Copy(given.header, header)
	return given
}

// allowed refuses what no operation has to look at: the wrong kind of key and the wrong kind of
// body. A zero answer means that the call may go on.
func (o *Organisation) allowed(x *exchange) answer {
	if x.scoped && !x.admin() {
		return answer{status: http.StatusForbidden, body: insufficientScope()}
	}
	if x.scoped && x.route.unscoped {
		return o.adminErrors(http.StatusUnauthorized, "ADMIN-401-2", "Unauthorized", "the key lacks a scope for this call")
	}
	if x.route.body == noBody && len(x.body) == 0 {
		return answer{}
	}
	if !isJSON(x.request) && (x.route.body == jsonBody || len(x.body) > 0) {
		o.violate("%s %s: content type %q instead of application/json", x.call.Method, x.call.Path,
			x.request.Header.Get("Content-Type"))
		if x.admin() {
			return o.adminErrors(http.StatusUnsupportedMediaType, "ADMIN-UAM-415-1", "Unsupported media type", "")
		}
		return keyed(http.StatusUnsupportedMediaType, "unsupportedMediaType")
	}
	return answer{}
}

// checkQuery records parameters that the documents do not know; the platform ignores them.
func (o *Organisation) checkQuery(x *exchange) {
	for name := range x.query {
		if !slices.Contains(x.route.query, name) {
			o.violate("%s %s: unknown query parameter %q", x.call.Method, x.call.Path, name)
		}
	}
}

// admin reports whether the call is one of the organizations API.
func (x *exchange) admin() bool { return strings.HasPrefix(x.call.Path, "/admin/") }

// copy returns the request with its body unread, for a fault to look at.
func (x *exchange) copy() *http.Request {
	r := x.request.Clone(x.request.Context())
	r.Body = io.NopCloser(bytes.NewReader(x.body))
	return r
}

func apply(fault func(*http.Request) *Fault, x *exchange) *Fault {
	if fault == nil {
		return nil
	}
	return fault(x.copy())
}

// bearer returns the key that the request carries, or nothing.
func bearer(r *http.Request) string {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return key
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.EqualFold(strings.TrimSpace(kind), "application/json")
}
