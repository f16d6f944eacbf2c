package atlassian_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/atlassian"
	"github.com/countersign/countersign/workflow"
)

// shutting answers the first call with a 429 that shuts the gate for a minute; no other may leave.
type shutting struct {
	t     *testing.T
	calls int
}

func (s *shutting) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.calls++; s.calls > 1 {
		s.t.Error("a call left through a gate that is shut")
		return nil, errors.New("no network here")
	}
	header := http.Header{"Retry-After": {"60"}}
	return &http.Response{StatusCode: http.StatusTooManyRequests, Header: header, Body: http.NoBody, Request: r}, nil
}

// A write does not wait at the shut gate until what was read before it is stale: it is not made,
// and says when to come back.
func TestAWriteDoesNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const longest = 20 * time.Second
		c, err := atlassian.New(atlassian.Config{
			OrgID: "org-1", Key: func() string { return "key" }, HTTP: &http.Client{Transport: &shutting{t: t}}, Log: zerolog.Nop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetEmail(t.Context(), "712020:bob", "bob@new.example"); atlassian.KindOf(err) != atlassian.KindThrottled {
			t.Fatalf("got %v, want a 429", err)
		}
		began := time.Now()
		err = atlassian.NewDirectory(c).SetEmail(t.Context(), "712020:ada", "ada@new.example")
		if took := time.Since(began); took != longest {
			t.Errorf("it waited %s, want %s", took, longest)
		}
		var again workflow.RetryAfter
		if !errors.Is(err, workflow.ErrThrottled) || !errors.As(err, &again) || again.RetryAfter() != time.Minute-longest {
			t.Errorf("got %v, want throttled for the 40 s that are left", err)
		}
	})
}
