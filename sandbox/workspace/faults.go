package workspace

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// Faults are the ways in which the workspace misbehaves. The zero value is a healthy one. The
// functions are called without a lock held and from several goroutines.
type Faults struct {
	// BeforeCall may answer in the method's place, before anything happened. A nil Reply lets the
	// call go on. Requests that are no method have the names "upload", "download" and
	// "response_url" and no arguments.
	BeforeCall func(method string, args url.Values) *Reply

	// AfterEffect is asked after a call took effect; true drops the connection without an answer.
	AfterEffect func(method string) bool

	// DeletePosted is asked after each chat.postMessage; true deletes the message before the answer
	// is sent, as a person can in that moment.
	DeletePosted func(channel, ts string) bool

	RefusedBlocks []string       // types that are answered with invalid_blocks, such as those of NewBlocks
	Refused       []RefusedBlock // the same, each on one surface alone

	CutHellos     int           // so many sockets are cut soon after their hello
	CutHelloAfter time.Duration // how soon
	CutDials      int           // so many sockets are cut before any hello, as by a proxy
	MuteDials     int           // so many sockets stand, with pings and without a hello

	LostShare  bool          // files.completeUploadExternal answers ok, and the message never comes (slackapi/bolt-js#2115)
	ShareDelay time.Duration // from files.completeUploadExternal to its message; DefaultShareDelay when 0
	StopPings  bool          // half-open sockets: nothing but pings is missing
	NoLimits   bool          // no rate limits

	// RedeliveryDelays are the waits before an event that was not acknowledged is sent again;
	// DefaultRedeliveryDelays when nil, no redelivery when empty.
	RedeliveryDelays []time.Duration
}

// RefusedBlock is a block type that a workspace does not take on a surface.
type RefusedBlock struct {
	Type string
	On   Surface // everywhere when empty
	Code string  // Slack's; "invalid_blocks" when empty. Views were also seen with "invalid_arguments"
}

// DefaultShareDelay is how long after files.completeUploadExternal the message appears.
const DefaultShareDelay = 200 * time.Millisecond

// DefaultRedeliveryDelays returns Slack's own: almost at once, after a minute, after five (docs:
// Events API, retries).
func DefaultRedeliveryDelays() []time.Duration {
	return []time.Duration{0, time.Minute, 5 * time.Minute}
}

// Reply is what a call gets instead of its answer. With Delay alone the call goes on after it.
type Reply struct {
	Delay      time.Duration
	Status     int           // HTTP status; with 5xx and no Error the body is no JSON object of Slack's
	Error      string        // Slack's code, such as "ratelimited"
	RetryAfter time.Duration // header of a 429
	Drop       bool          // drops the connection without an answer and without effect
}

func (r *Reply) err() error {
	status := r.Status
	switch {
	case r.Drop:
		return http.ErrAbortHandler
	case r.Error == "ratelimited" && status == 0:
		status = http.StatusTooManyRequests
	case r.Error == "" && status == 0:
		return nil
	}
	code := r.Error
	if code == "" {
		code = "internal_error"
	}
	return &refusal{code: code, status: status, retryAfter: r.RetryAfter}
}

// SetFaults replaces all faults; SetFaults(Faults{}) heals the workspace.
func (w *Workspace) SetFaults(f Faults) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults, w.cutHellos, w.dials = f, 0, 0
	w.changed()
}

// CurrentFaults returns the faults that are set.
func (w *Workspace) CurrentFaults() Faults {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.faults
}

// planned does what BeforeCall wants of a request that is no method of the Web API; it reports
// whether that was an answer.
func (w *Workspace) planned(rw http.ResponseWriter, r *http.Request, name string) bool {
	before := w.CurrentFaults().BeforeCall
	if before == nil {
		return false
	}
	reply := before(name, url.Values{})
	if reply == nil {
		return false
	}
	err := reply.err()
	if !w.sleep(r.Context(), reply.Delay) || errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) // drops the connection without an answer
	}
	refused, is := errors.AsType[*refusal](err)
	if is {
		http.Error(rw, refused.code, max(refused.status, http.StatusBadRequest))
	}
	return is
}

// Outage makes every request, apps.connections.open included, answer with an HTTP status, 503 say,
// until SetFaults. Open sockets stay.
func (w *Workspace) Outage(status int) {
	w.SetFaults(Faults{BeforeCall: func(string, url.Values) *Reply { return &Reply{Status: status} }})
}

// RevokeBotToken makes every call with the bot token answer token_revoked.
func (w *Workspace) RevokeBotToken() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.botRevoked = true
	w.changed()
}

// CutSockets breaks all connections without a word.
func (w *Workspace) CutSockets() {
	for _, c := range w.sockets() {
		c.cut()
	}
}

// CutSocketsMidFrame sends the beginning of a frame on all connections and breaks them.
func (w *Workspace) CutSocketsMidFrame() {
	for _, c := range w.sockets() {
		c.push(frame{half: true})
	}
}

// Connections returns the number of open sockets.
func (w *Workspace) Connections() int { return len(w.sockets()) }

func (w *Workspace) sockets() []*conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.conns)
}

// Disconnect tells every connection that it will end, as Slack does: "warning" (10 s before the
// refresh, during which envelopes still come), "refresh_requested", "link_disabled" or
// "too_many_websockets".
func (w *Workspace) Disconnect(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		w.disconnect(c, reason)
	}
}

// DisconnectOne does the same to the oldest connection only, as Slack refreshes each by its own
// age.
func (w *Workspace) DisconnectOne(reason string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.conns) > 0 {
		w.disconnect(w.conns[0], reason)
	}
}

// SendRaw sends a text frame as it is to one connection. With an envelope_id in it, it returns when
// the app acknowledged or [ErrTimeout]; else at once.
func (w *Workspace) SendRaw(raw []byte) error {
	var head struct {
		ID string `json:"envelope_id"`
	}
	if json.Unmarshal(raw, &head) != nil {
		head.ID = ""
	}
	w.mu.Lock()
	d := w.push(head.ID, false, raw)
	w.mu.Unlock()
	switch {
	case d == nil:
		return errors.New("send a raw frame: no connection is open")
	case head.ID == "":
		return nil
	}
	_, err := w.await(w.ctx, d)
	return err
}
