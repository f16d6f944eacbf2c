package site

import (
	"net/http"
	"strconv"
	"time"
)

// Limit is how many calls one endpoint takes in a second of the clock, as Jira limits calls with
// API tokens. The zero value does not limit.
type Limit struct {
	Reads  int // a second, for GET and POST
	Writes int // a second, for PUT and DELETE

	RetryAfter bool   // Retry-After on 429, which is not always there (JRACLOUD-82801)
	Reason     string // RateLimit-Reason; default jira-burst-based
}

// Published returns the limit that a secondary source gives for API tokens.
func Published() Limit { return Limit{Reads: 100, Writes: 50, RetryAfter: true} }

// nearLimit is the part of the limit below which X-RateLimit-NearLimit is set.
const nearLimit = 0.2

type window struct {
	second time.Time
	calls  int
}

// SetLimit replaces the limit and forgets what was counted.
func (s *Site) SetLimit(limit Limit) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = limit
	clear(s.windows)
}

// count counts a call and reports whether it is within the limit, and what the headers say of it.
// The reset is written without seconds, as Jira documents it: the minute after. The caller holds
// s.mu.
func (s *Site) count(method, pattern string) (http.Header, bool) {
	most := s.limit.Reads
	if method == http.MethodPut || method == http.MethodDelete {
		most = s.limit.Writes
	}
	if most == 0 {
		return http.Header{}, true
	}
	endpoint := method + " " + pattern
	counted := s.windows[endpoint]
	if counted == nil {
		counted = new(window)
		s.windows[endpoint] = counted
	}
	moment := time.Now().UTC()
	if second := moment.Truncate(time.Second); !second.Equal(counted.second) {
		*counted = window{second: second}
	}
	free := counted.calls < most
	if free {
		counted.calls++
	}
	left := most - counted.calls
	header := http.Header{}
	header.Set("X-RateLimit-Limit", strconv.Itoa(most))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(left))
	header.Set("X-RateLimit-Reset", moment.Truncate(time.Minute).Add(time.Minute).Format("2006-01-02T15:04Z"))
	if float64(left) < nearLimit*float64(most) {
		header.Set("X-RateLimit-NearLimit", "true")
	}
	if free {
		return header, true
	}
	reason := s.limit.Reason
	if reason == "" {
		reason = "jira-burst-based"
	}
	header.Set("RateLimit-Reason", reason)
	if s.limit.RetryAfter {
		header.Set("Retry-After", "1")
	}
	return header, false
}
