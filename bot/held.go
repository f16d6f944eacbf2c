package bot

import (
	"context"
	"encoding/json"
	"time"
)

const (
	// heldCalls is the name under which it is remembered when Slack takes calls again, so that a restart does not call too
	// early.
	heldCalls = "slack/retry_after"
	// heldMost is how long such a note is believed; a Retry-After is of seconds, at most some minutes.
	heldMost    = time.Hour
	heldTimeout = 2 * time.Second

	openSocket = "apps.connections.open" // called by slack-go itself
)

// hold is told that Slack asks to wait with a method, and keeps that over a restart.
func (a *api) hold(ctx context.Context, method string, wait time.Duration) {
	a.gate(method).hold(wait)
	if a.memory == nil || wait <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), heldTimeout)
	defer cancel()
	a.noting.Lock()
	defer a.noting.Unlock()
	raw, err := json.Marshal(a.holds())
	if err == nil {
		err = a.memory.Remember(ctx, heldCalls, raw)
	}
	if err != nil {
		a.log.Warn().Err(err).Msg("note that Slack asks to wait")
	}
}

// holds are the methods that Slack takes no calls of just now, and until when.
func (a *api) holds() map[string]time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := map[string]time.Time{}
	for method, g := range a.gates {
		if wait, _ := g.held(); wait > 0 {
			out[method] = time.Now().Add(wait).UTC()
		}
	}
	return out
}

// recall takes up what Slack asked for before a restart. A note that cannot be read is none.
func (a *api) recall(ctx context.Context) {
	if a.memory == nil {
		return
	}
	raw, err := a.memory.Recall(ctx, heldCalls)
	held := map[string]time.Time{}
	if err == nil && raw != nil {
		err = json.Unmarshal(raw, &held)
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn().Err(err).Msg("recall whether Slack asks to wait")
	}
	for method, until := range held {
		if wait := time.Until(until); wait > 0 && wait < heldMost {
			a.gate(method).hold(wait)
		}
	}
}

// free waits until Slack takes calls of a method that is not called by us.
func (a *api) free(ctx context.Context, method string) error {
	for {
		wait, _ := a.gate(method).held()
		if wait <= 0 {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}
