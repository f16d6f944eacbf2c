package wire

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"
)

// What is kept of a long run.
const (
	maxCalls      = 200_000
	maxViolations = 1_000
)

// Call is one request whose outcome is certain.
type Call struct {
	At      time.Time
	Method  string
	Path    string // escaped, as sent
	Query   string // as sent, without the question mark
	Status  int    // 0 when it was dropped
	Dropped bool   // the connection was cut instead of an answer
}

// Journal keeps what a server was asked and what no client may ask. The zero value is empty.
type Journal struct {
	mu         sync.Mutex
	calls      []Call
	violations []string
}

// Done is for [Server].
func (j *Journal) Done(r *http.Request, status int, lost bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.calls) < maxCalls {
		j.calls = append(j.calls, Call{
			At: time.Now().UTC(), Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Status: status,
			Dropped: lost,
		})
	}
}

// Calls returns the requests in the order in which their outcomes became certain.
func (j *Journal) Calls() []Call {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.calls)
}

// Violate records misuse.
func (j *Journal) Violate(format string, arguments ...any) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.violations) < maxViolations {
		j.violations = append(j.violations, fmt.Sprintf(format, arguments...))
	}
}

// Violations returns what no client may do, in the order in which it happened.
func (j *Journal) Violations() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.violations)
}
