package atlassian

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/countersign/countersign/workflow"
)

type noNetwork struct{ t *testing.T }

func (n noNetwork) RoundTrip(*http.Request) (*http.Response, error) {
	n.t.Error("a call left through a gate that is shut")
	return nil, errors.New("no network here")
}

// A write does not wait at the shut gate until what was read before it is stale: it is not made, and says when to come back.
func TestAWriteDoesNotWaitForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{
			OrgID: "org-1", Key: func() string { return "key" }, HTTP: &http.Client{Transport: noNetwork{t}}, Log: zerolog.Nop(),
		})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.gate.buckets[0].shutUntil(time.Now(), time.Now().Add(time.Minute))
		began := time.Now()
		err = NewDirectory(c).SetEmail(t.Context(), "712020:ada", "ada@new.example")
		if took := time.Since(began); took != leaveTimeout {
			t.Errorf("it waited %s, want %s", took, leaveTimeout)
		}
		var again workflow.RetryAfter
		if !errors.Is(err, workflow.ErrThrottled) || !errors.As(err, &again) || again.RetryAfter() != time.Minute-leaveTimeout {
			t.Errorf("got %v, want throttled for the 40 s that are left", err)
		}
	})
}
