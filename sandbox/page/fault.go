package page

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/countersign/countersign/sandbox/organisation"
	"github.com/countersign/countersign/sandbox/workspace"
)

// What the switches do, as the page words them beside each.
const (
	slowest        = 2 * time.Second
	slowStep       = 250 * time.Millisecond
	slowSteps      = 5
	throttleEvery  = 8
	throttleAfter  = time.Second
	errorEvery     = 6
	cutEvery       = 5
	outageResponse = http.StatusServiceUnavailable
)

// faultJSON is the switches of the fault panel.
type faultJSON struct {
	Latency     bool `json:"latency"`
	Throttle    bool `json:"throttle"`
	Errors      bool `json:"errors"`
	Cut         bool `json:"cut"`
	SlackOutage bool `json:"slack_outage"`
	OldBlocks   bool `json:"old_blocks"` // Slack takes none of the newer blocks
}

// faults counts calls instead of drawing lots: what a switch does is then easy to see, and the same
// each time.
type faults struct {
	workspace    *workspace.Workspace
	organisation *organisation.Organisation

	mu    sync.Mutex
	on    faultJSON
	calls int // that arrived while any switch was on
	sent  int // calls that were let through to the effect and change something
}

func (f *faults) current() faultJSON {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.on
}

func (f *faults) set(wanted faultJSON) {
	f.mu.Lock()
	before := f.on
	f.on, f.calls, f.sent = wanted, 0, 0
	f.mu.Unlock()

	f.organisation.SetFaults(organisation.Faults{Latency: f.latency, Before: f.before, After: f.after})
	if before.SlackOutage == wanted.SlackOutage && before.OldBlocks == wanted.OldBlocks {
		return
	}
	var broken workspace.Faults
	if wanted.OldBlocks {
		broken.RefusedBlocks = workspace.NewBlocks()
	}
	if wanted.SlackOutage {
		broken.BeforeCall = func(string, url.Values) *workspace.Reply { return &workspace.Reply{Status: outageResponse} }
	}
	f.workspace.SetFaults(broken)
	if wanted.SlackOutage && !before.SlackOutage {
		f.workspace.CutSockets()
	}
}

func (f *faults) latency(*http.Request) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.on.Latency {
		return 0
	}
	return slowest - time.Duration(f.calls%slowSteps)*slowStep
}

func (f *faults) before(*http.Request) *organisation.Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls++
	switch {
	case f.on.Throttle && f.calls%throttleEvery == 0:
		throttled := organisation.Throttled(throttleAfter)
		return &throttled
	case f.on.Errors && f.calls%errorEvery == 0:
		return &organisation.Fault{Status: http.StatusServiceUnavailable}
	}
	return nil
}

// after cuts answers to calls that change something: the effect is there and the caller cannot
// know.
func (f *faults) after(r *http.Request) *organisation.Fault {
	if r.Method == http.MethodGet || strings.HasSuffix(r.URL.Path, "/search") {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent++
	if !f.on.Cut || f.sent%cutEvery != 0 {
		return nil
	}
	return &organisation.Fault{Drop: true}
}

func (p *Page) getFaults(w http.ResponseWriter, _ *http.Request) {
	answer(w, p.faults.current())
}

func (p *Page) postFaults(w http.ResponseWriter, r *http.Request) {
	wanted, ok := read[faultJSON](w, r)
	if !ok {
		return
	}
	p.faults.set(wanted)
	answer(w, p.faults.current())
}
