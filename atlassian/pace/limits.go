package pace

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Limits is what the headers of one answer say about rate limits (organizations API, "Rate
// limiting"; Jira Cloud, "Rate limiting"). Calls of user management may have none at all.
type Limits struct {
	Limit      int           // calls per window; -1 when not said
	Remaining  int           // calls left; -1 when not said
	Reset      time.Time     // when the window ends, on our clock; zero when not said
	RetryAfter time.Duration // from now; 0 when not said

	stamp time.Time     // the reset as written, by the other side's clock
	unit  time.Duration // to which it is written
	ahead time.Duration // of the other side's clock, at least
	dated bool          // there was a Date, so that ahead is known
}

// ReadLimits reads X-RateLimit-Limit, -Remaining, -Reset and Retry-After. Times are moved to our
// clock by the answer's Date, which is cut to whole seconds, so that they are up to a second late.
// Durations are at most 25 hours.
func ReadLimits(h http.Header, now time.Time) Limits {
	l := Limits{Limit: count(h.Get("X-RateLimit-Limit")), Remaining: count(h.Get("X-RateLimit-Remaining"))}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		l.ahead, l.dated = date.Sub(now), true
	}
	if reset, ok := instant(h.Get("X-RateLimit-Reset")); ok {
		l.stamp, l.unit = reset, time.Second
		if reset.Second() == 0 && reset.Nanosecond() == 0 && !secondsIn(h.Get("X-RateLimit-Reset")) {
			l.unit = time.Minute
		}
		l.Reset = now.Add(reset.Sub(now) - l.ahead) // monotonic: a step of our clock does not move it
	}
	after := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(after, 64); err == nil {
		l.RetryAfter = fromSeconds(seconds)
	} else if at, err := http.ParseTime(after); err == nil {
		l.RetryAfter = min(maxShut, max(0, at.Add(-l.ahead).Sub(now)))
	}
	return l
}

func count(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// stampAt returns the reset on our clock, of which theirs is ahead.
func (l Limits) stampAt(now time.Time, ahead time.Duration) time.Time {
	return now.Add(l.stamp.Sub(now.Round(0)) - ahead)
}

// secondsIn reports whether a time is written with seconds.
func secondsIn(s string) bool {
	_, clock, found := strings.Cut(s, "T")
	return !found || strings.Count(strings.SplitN(clock, "+", 2)[0], ":") > 1
}

// instant reads a time as Atlassian writes it, in ISO 8601 with or without seconds; or in seconds
// of the Unix epoch, as gateways in front of it do.
func instant(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil && seconds > 1e9 && seconds < 1e11 {
		return time.Unix(seconds, 0), true
	}
	return time.Time{}, false
}

// maxShut caps the wait that Retry-After can ask for, so that a wrong date cannot stop us for good. No
// limit that is known is longer than a day.
const maxShut = 25 * time.Hour

func fromSeconds(s float64) time.Duration {
	if math.IsNaN(s) || s <= 0 {
		return 0
	}
	return time.Duration(min(s, maxShut.Seconds()) * float64(time.Second))
}
