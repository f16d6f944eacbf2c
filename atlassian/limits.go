package atlassian

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// limits is what the headers of one answer say about rate limits (organizations API, "Rate limiting"; Jira Cloud, "Rate
// limiting"). User management calls may send none at all.
type limits struct {
	limit     int           // calls per window; -1 when not said
	remaining int           // calls left; -1 when not said
	reset     time.Time     // when they are given anew, on our clock; zero when not said
	retry     time.Duration // Retry-After, from now; 0 when not said

	stamp time.Time     // the reset as written, by the other side's clock
	ahead time.Duration // of the other side's clock, at least
	dated bool          // ahead is known, as there was a Date
}

// readLimits reads X-RateLimit-Limit, -Remaining, -Reset and Retry-After. Times are moved to our clock by the answer's
// Date, which is cut to whole seconds, so that they come out up to a second late and never early.
func readLimits(h http.Header, now time.Time) limits {
	l := limits{limit: count(h.Get("X-RateLimit-Limit")), remaining: count(h.Get("X-RateLimit-Remaining"))}
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		l.ahead, l.dated = date.Sub(now), true
	}
	if reset, ok := instant(h.Get("X-RateLimit-Reset")); ok {
		l.stamp = reset
		l.reset = now.Add(reset.Sub(now) - l.ahead) // from now, so that a step of our own clock does not move it
	}
	after := strings.TrimSpace(h.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(after, 64); err == nil {
		l.retry = fromSeconds(seconds)
	} else if at, err := http.ParseTime(after); err == nil {
		l.retry = min(maxShut, max(0, at.Add(-l.ahead).Sub(now)))
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

// instant reads a time as Atlassian writes it, with or without seconds, in ISO 8601; also seconds of the Unix epoch, as
// gateways in front of it like to write.
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

func fromSeconds(s float64) time.Duration {
	if math.IsNaN(s) || s <= 0 {
		return 0
	}
	return time.Duration(min(s, maxShut.Seconds()) * float64(time.Second))
}
