package pace_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/countersign/countersign/atlassian/pace"
)

func TestReadLimits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 10, 0, 0, 0, time.UTC)
	none := pace.Limits{Limit: -1, Remaining: -1}
	for name, test := range map[string]struct {
		header map[string]string
		want   pace.Limits
	}{
		"nothing": {nil, none},
		"limit, remaining and reset": {
			map[string]string{
				"X-RateLimit-Limit": "100", "X-RateLimit-Remaining": "7", "X-RateLimit-Reset": "2026-11-24T10:00:30Z",
			},
			pace.Limits{Limit: 100, Remaining: 7, Reset: now.Add(30 * time.Second)},
		},
		"reset without seconds": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T10:05Z"},
			pace.Limits{Limit: -1, Remaining: -1, Reset: now.Add(5 * time.Minute)},
		},
		"reset in another zone": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T11:05+01:00"},
			pace.Limits{Limit: -1, Remaining: -1, Reset: now.Add(5 * time.Minute)},
		},
		"reset with a fraction": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T10:00:01.500Z"},
			pace.Limits{Limit: -1, Remaining: -1, Reset: now.Add(1500 * time.Millisecond)},
		},
		"reset in seconds of the epoch": {
			map[string]string{"X-RateLimit-Reset": "1795514430"},
			pace.Limits{Limit: -1, Remaining: -1, Reset: now.Add(30 * time.Second)},
		},
		"their clock is ahead by an hour": {
			map[string]string{"X-RateLimit-Reset": "2026-11-24T11:00:30Z", "Date": "Tue, 24 Nov 2026 11:00:00 GMT"},
			pace.Limits{Limit: -1, Remaining: -1, Reset: now.Add(30 * time.Second)},
		},
		"retry after seconds": {
			map[string]string{"Retry-After": "12"}, pace.Limits{Limit: -1, Remaining: -1, RetryAfter: 12 * time.Second},
		},
		"retry after a fraction": {
			map[string]string{"Retry-After": "0.5"}, pace.Limits{Limit: -1, Remaining: -1, RetryAfter: 500 * time.Millisecond},
		},
		"retry at a date, their clock behind": {
			map[string]string{"Retry-After": "Tue, 24 Nov 2026 09:00:20 GMT", "Date": "Tue, 24 Nov 2026 09:00:00 GMT"},
			pace.Limits{Limit: -1, Remaining: -1, RetryAfter: 20 * time.Second},
		},
		"retry at a date gone by": {map[string]string{"Retry-After": "Tue, 24 Nov 2026 09:59:00 GMT"}, none},
		"retry in a year": {
			map[string]string{"Retry-After": "31536000"}, pace.Limits{Limit: -1, Remaining: -1, RetryAfter: 25 * time.Hour},
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
			got := pace.ReadLimits(h, now)
			if !got.Reset.IsZero() {
				got.Reset = got.Reset.UTC()
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreUnexported(pace.Limits{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
