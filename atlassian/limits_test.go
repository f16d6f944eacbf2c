package atlassian

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestReadLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	none := limits{limit: -1, remaining: -1}
	for name, test := range map[string]struct {
		header map[string]string
		want   limits
	}{
		"nothing": {nil, none},
		"limit, remaining and reset": {
			map[string]string{
				"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "2026-11-24T10:00:30Z",
			},
			limits{limit: 100, remaining: 7, reset: now.Add(30 * time.Second)},
		},
		"reset without seconds": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T10:05Z"},
			limits{limit: -1, remaining: -1, reset: now.Add(5 * time.Minute)},
		},
		"reset in another zone": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T11:05+01:00"},
			limits{limit: -1, remaining: -1, reset: now.Add(5 * time.Minute)},
		},
		"reset with a fraction": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T10:00:01.500Z"},
			limits{limit: -1, remaining: -1, reset: now.Add(1500 * time.Millisecond)},
		},
		"reset in seconds of the epoch": {
			map[string]string{"X-RateLimit-Reset": "1795514430"},
			limits{limit: -1, remaining: -1, reset: now.Add(30 * time.Second)},
		},
		"their clock is ahead by an hour": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T11:00:30Z", "Date": "Tue, 24 Nov 2026 11:00:00 GMT"},
			limits{limit: -1, remaining: -1, reset: now.Add(30 * time.Second)},
		},
		"retry after seconds": {
			map[string]string{"Retry-After": "12"}, limits{limit: -1, remaining: -1, retry: 12 * time.Second},
		},
		"retry after a fraction": {
			map[string]string{"Retry-After": "0.5"}, limits{limit: -1, remaining: -1, retry: 500 * time.Millisecond},
		},
		"retry at a date, their clock behind": {
			map[string]string{"Retry-After": "Tue, 24 Nov 2026 09:00:20 GMT", "Date": "Tue, 24 Nov 2026 09:00:00 GMT"},
			limits{limit: -1, remaining: -1, retry: 20 * time.Second},
		},
		"retry at a date gone by": {map[string]string{"Retry-After": "Tue, 24 Nov 2026 09:59:00 GMT"}, none},
		"retry in a year": {
			map[string]string{"Retry-After": "31536000"}, limits{limit: -1, remaining: -1, retry: maxShut},
		},
		"nonsense": {
			map[string]string{
				"Retry-After": "NaN", "X-RateLimit-Limit": "-5", "X-RateLimit-Remaining": "many", "X-RateLimit-Reset": "soon",
				"Date": "today",
			},
			none,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := http.Header{}
			for k, v := range test.header {
				h.Set(k, v)
			}
			got := readLimits(h, now)
			if !got.reset.IsZero() {
				got.reset = got.reset.UTC()
			}
			apart := cmpopts.IgnoreFields(limits{}, "stamp", "ahead", "dated") // what the others are reckoned from
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(limits{}), apart); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
