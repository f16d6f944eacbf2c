package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ackDeadline is how long Slack waits for an acknowledgement (docs: Socket Mode).
const ackDeadline = 3 * time.Second

// What a person sees when the app did not take part.
var (
	ErrDispatchFailed = errors.New("dispatch_failed")   // a slash command that was not acknowledged, or no connection
	ErrTimeout        = errors.New("operation_timeout") // a click or a submission that was not acknowledged in 3 s
)

// envelope is a Socket Mode message that wants an acknowledgement.
type envelope struct {
	ID           string         `json:"envelope_id"`
	Type         string         `json:"type"`
	Payload      map[string]any `json:"payload"`
	Accepts      bool           `json:"accepts_response_payload"`
	RetryAttempt *int           `json:"retry_attempt,omitempty"`
	RetryReason  *string        `json:"retry_reason,omitempty"`
}

// delivery is an envelope on its way.
type delivery struct {
	id      string
	accepts bool
	until   time.Time
	answer  chan json.RawMessage // gets the payload of the acknowledgement once
	late    bool
}

// dispatch sends an envelope to one connection, picked without a pattern. It gives nil when there
// is none. The caller holds w.mu.
func (w *Workspace) dispatch(e envelope) *delivery {
	e.ID = fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", w.rand.Uint32(), w.rand.IntN(1<<16), w.rand.IntN(1<<12),
		w.rand.IntN(1<<12), w.rand.Int64N(1<<48))
	return w.push(e.ID, e.Accepts, encode(e))
}

func (w *Workspace) push(id string, accepts bool, text []byte) *delivery {
	for _, at := range w.rand.Perm(len(w.conns)) {
		if !w.conns[at].push(frame{text: text}) {
			continue
		}
		d := &delivery{id: id, accepts: accepts, until: time.Now().Add(ackDeadline), answer: make(chan json.RawMessage, 1)}
		if id != "" {
			w.envelopes[id] = d
		}
		return d
	}
	return nil
}

// await waits for the acknowledgement and gives its payload, nil when it had none.
func (w *Workspace) await(ctx context.Context, d *delivery) (json.RawMessage, error) {
	timer := time.NewTimer(time.Until(d.until))
	defer timer.Stop()
	select {
	case payload := <-d.answer:
		return payload, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-w.ctx.Done():
		return nil, ErrTimeout
	case <-timer.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case payload := <-d.answer: // in the same instant
		return payload, nil
	default:
	}
	d.late = true
	w.cfg.Log("envelope %s was not acknowledged", d.id)
	return nil, ErrTimeout
}

// acknowledged takes an acknowledgement. One from another connection than the envelope's counts too
// (not documented).
func (w *Workspace) acknowledged(data []byte) {
	var ack struct {
		ID      string          `json:"envelope_id"`
		Payload json.RawMessage `json:"payload"`
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(data) >= maxAck {
		w.violate("socket", "ack_too_large", fmt.Sprintf("an acknowledgement of %d bytes is dropped", len(data)))
		return
	}
	if json.Unmarshal(data, &ack) != nil || ack.ID == "" {
		w.violate("socket", "invalid_ack", "an acknowledgement without envelope_id")
		return
	}
	d := w.envelopes[ack.ID]
	if d == nil {
		w.violate("socket", "unknown_envelope", "an acknowledgement for an envelope that is not waited for: "+ack.ID)
		return
	}
	delete(w.envelopes, ack.ID)
	if d.late {
		w.violate("socket", "late_ack", fmt.Sprintf("%s late", time.Since(d.until)))
		return
	}
	switch string(ack.Payload) {
	case "null", "{}", `""`: // Slack's own Node client sends an empty object with every acknowledgement
		ack.Payload = nil
	}
	if ack.Payload != nil && !d.accepts {
		w.violate("socket", "payload_not_accepted", "an acknowledgement carries a payload that is not taken")
		ack.Payload = nil
	}
	d.answer <- ack.Payload
}

// emit sends an event and, as long as it is not acknowledged, sends it again. A nil channel is for
// events that belong to none. The result is closed when the first attempt was acknowledged or
// missed. The caller holds w.mu.
func (w *Workspace) emit(c *Channel, inner map[string]any) <-chan struct{} {
	if inner["event_ts"] == nil {
		inner["event_ts"] = w.nextTS()
	}
	payload := map[string]any{
		"type": "event_callback", "token": "sandbox", "team_id": w.cfg.TeamID, "api_app_id": AppID,
		"context_team_id": w.cfg.TeamID, "context_enterprise_id": nil, "event": inner, "event_id": w.newID("Ev", 9),
		"event_time": time.Now().Unix(), "event_context": "4-" + w.newID("", 12),
		"is_ext_shared_channel": c != nil && c.ExtShared,
		"authorizations": []map[string]any{{
			"enterprise_id": nil, "team_id": w.cfg.TeamID, "user_id": BotUserID, "is_bot": true, "is_enterprise_install": false,
		}},
	}
	first := make(chan struct{})
	text := encode(payload) // as it is now: what it tells of may change before it is sent again
	d := w.dispatchEvent(text, 0)
	started := w.spawn(func() {
		acked := w.acked(d)
		close(first)
		w.mu.Lock()
		delays := w.faults.RedeliveryDelays
		w.mu.Unlock()
		if delays == nil {
			delays = DefaultRedeliveryDelays()
		}
		for n, delay := range delays {
			if acked || !w.sleep(w.ctx, delay) {
				return
			}
			w.mu.Lock()
			again := w.dispatchEvent(text, n+1)
			w.mu.Unlock()
			acked = w.acked(again)
		}
	})
	if !started {
		close(first)
	}
	return first
}

func (w *Workspace) dispatchEvent(payload []byte, attempt int) *delivery {
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		panic(fmt.Sprintf("decode an event of our own: %v", err))
	}
	reason := ""
	if attempt > 0 {
		reason = "timeout"
	}
	return w.dispatch(envelope{Type: "events_api", Payload: fields, RetryAttempt: &attempt, RetryReason: &reason})
}

// acked waits until the delivery is acknowledged; nil, when nobody was connected, is missed at
// once.
func (w *Workspace) acked(d *delivery) bool {
	if d == nil {
		return false
	}
	_, err := w.await(w.ctx, d)
	return err == nil
}

// request sends a command or an interaction and waits for its acknowledgement. missed is what the
// person sees when it does not come. It is called without the lock.
func (w *Workspace) request(ctx context.Context, d *delivery, missed error) (json.RawMessage, error) {
	if d == nil {
		return nil, ErrDispatchFailed
	}
	payload, err := w.await(ctx, d)
	if errors.Is(err, ErrTimeout) {
		return nil, missed
	}
	return payload, err
}
