package wire

import (
	"context"
	"net/http"
	"time"
)

// Fault is one thing that goes wrong. It waits for Delay; then Drop cuts the connection, or a
// Status is answered. With none of these, the call goes on as if nothing had been: it was only
// late.
type Fault struct {
	Status int
	Header http.Header
	Body   string // usually JSON; empty: as the platform writes this status at this path
	Drop   bool
	// Half sends the first half of the answer's body before the connection is cut; after the effect
	// only. An answer without a body is dropped.
	Half  bool
	Delay time.Duration
	// Deaf lets Delay pass in full although the client has left, as a request does that is already
	// past the gateway. Before the effect: the effect comes after the client gave up.
	Deaf bool
}

// Wait passes the fault's delay; it reports whether there is still somebody to answer, or nobody to
// ask.
func (f *Fault) Wait(ctx context.Context) bool {
	if f.Deaf {
		return Wait(context.WithoutCancel(ctx), f.Delay)
	}
	return Wait(ctx, f.Delay)
}

// Wait passes the time unless the client leaves first; it reports whether the client is still
// there.
func Wait(ctx context.Context, duration time.Duration) bool {
	if duration <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
