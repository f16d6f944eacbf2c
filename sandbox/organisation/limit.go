package organisation

import (
	"net/http"
	"strconv"
	"time"
)

// RateLimit is how many calls a key may make of one endpoint (method and path pattern). Atlassian
// counts per client and per endpoint and publishes no figures for the calls that countersign uses.
// The zero value does not limit.
type RateLimit struct {
	PerMinute int // in each minute of the clock; 0: no limit
	Burst     int // in each second of the clock; 0: no limit

	Shared bool // all endpoints count together, as the documents do not rule out

	Headers    bool // X-RateLimit-Limit, -Remaining and -Reset on every answer, as the organizations API documents
	Seconds    bool // -Reset with seconds; without them, as one exporter has seen it, it is still exact
	RetryAfter bool // Retry-After on 429, which only Jira documents
}

// Windows are those of the clock, so that a reset written without seconds is exact.
const (
	minuteWindow = time.Minute
	secondWindow = time.Second
)

// window counts the calls of one endpoint.
type window struct {
	minute, second     time.Time
	inMinute, inSecond int
}

// count counts a call and reports whether it is within the limit, with the headers that tell of it.
// A refused call does not count. The caller holds o.mu.
func (o *Organisation) count(found route, key string) (http.Header, bool) {
	limit := o.limit
	if limit.PerMinute == 0 && limit.Burst == 0 {
		return nil, true
	}
	if found.perMinute > 0 && limit.PerMinute > found.perMinute {
		limit.PerMinute = found.perMinute
	}
	endpoint := found.method + " " + found.path + " " + key
	if limit.Shared {
		endpoint = key
	}
	counted := o.windows[endpoint]
	if counted == nil {
		counted = new(window)
		o.windows[endpoint] = counted
	}
	moment := time.Now().Add(o.ahead).UTC()
	if minute := moment.Truncate(minuteWindow); !minute.Equal(counted.minute) {
		counted.minute, counted.inMinute = minute, 0
	}
	if second := moment.Truncate(secondWindow); !second.Equal(counted.second) {
		counted.second, counted.inSecond = second, 0
	}
	free, reset := true, counted.minute.Add(minuteWindow)
	switch {
	case limit.PerMinute > 0 && counted.inMinute >= limit.PerMinute:
		free = false
	case limit.Burst > 0 && counted.inSecond >= limit.Burst:
		free, reset = false, counted.second.Add(secondWindow)
	default:
		counted.inMinute++
		counted.inSecond++
	}
	header := make(http.Header)
	if limit.Headers && limit.PerMinute > 0 {
		header = limitHeader(limit.PerMinute, limit.PerMinute-counted.inMinute, counted.minute.Add(minuteWindow),
			limit.Seconds)
	}
	if !free && limit.RetryAfter {
		left := (reset.Sub(moment) + time.Second - 1) / time.Second
		header.Set("Retry-After", strconv.Itoa(int(left)))
	}
	return header, free
}

// limitHeader returns the headers as the organizations API documents them: "ISO 8601 - Date and
// time in UTC".
func limitHeader(limit, remaining int, reset time.Time, seconds bool) http.Header {
	layout := "2006-01-02T15:04Z"
	if seconds {
		layout = "2006-01-02T15:04:05Z"
	}
	header := make(http.Header)
	header.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	header.Set("X-RateLimit-Reset", reset.UTC().Format(layout))
	return header
}
