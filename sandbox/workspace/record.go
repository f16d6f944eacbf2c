package workspace

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"time"
)

// keptRecords bounds the calls and the violations that are remembered; the oldest half goes first.
const keptRecords = 20_000

// Call is one call of the Web API, a post to a response_url included (Method "response_url").
type Call struct {
	Method string     `json:"method"`
	At     time.Time  `json:"at"`
	Args   url.Values `json:"args"` // without the token
	OK     bool       `json:"ok"`
	Error  string     `json:"error,omitempty"` // Slack's code
}

// Violation is something the app did that Slack refuses as the app's own mistake, or takes but
// advises against.
type Violation struct {
	At     time.Time `json:"at"`
	Where  string    `json:"where"`  // a method, "socket" or "response_url"
	Rule   string    `json:"rule"`   // Slack's error code or warning, or the name of the advice
	Detail string    `json:"detail"` // for people; never a token
}

// Calls returns the calls so far, oldest first.
func (w *Workspace) Calls() []Call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// Violations returns the violations so far, oldest first. A clean run has none.
func (w *Workspace) Violations() []Violation {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.violations)
}

func (w *Workspace) record(c *call, at time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.recordLocked(c, at, err)
}

// blame are the error codes that only a mistake of the app brings about. Codes that a change in the
// workspace can bring about as well (message_not_found, is_archived, not_in_channel, ratelimited…)
// are not the app's fault.
var blame = map[string]bool{
	"invalid_arguments": true, "invalid_blocks": true, "invalid_blocks_format": true, "msg_blocks_too_long": true,
	"invalid_attachments": true, "too_many_attachments": true, "msg_too_long": true, "no_text": true, "missing_scope": true,
	"not_authed": true, "not_allowed_token_type": true, "unknown_method": true, "invalid_json": true, "missing_argument": true,
	"invalid_form_data": true, "view_too_large": true, "exchanged_trigger_id": true, "invalid_trigger_id": true,
	"invalid_metadata_format": true, "invalid_metadata_schema": true, "cant_update_message": true, "push_limit_reached": true,
	"markdown_text_conflict": true, "invalid_ts_latest": true, "channels_limit_exceeded": true, "used_url": true,
}

func (w *Workspace) recordLocked(c *call, at time.Time, err error) {
	done := Call{Method: c.name, At: at, Args: maps.Clone(c.args), OK: err == nil}
	if refused, ok := errors.AsType[*refusal](err); ok {
		done.Error = refused.code
		if blame[refused.code] && !refused.blameless {
			w.violate(c.name, refused.code, refused.Error())
		}
	} else if err != nil {
		done.Error = err.Error()
	}
	w.calls = keep(w.calls, done)
	w.cfg.Log("%s ok=%t %s", c.name, done.OK, done.Error)
	w.changed()
}

// violate records a violation. The caller holds w.mu.
func (w *Workspace) violate(where, rule, detail string) {
	w.violations = keep(w.violations, Violation{At: time.Now(), Where: where, Rule: rule, Detail: detail})
	w.cfg.Log("violation: %s: %s: %s", where, rule, detail)
	w.changed()
}

func keep[T any](list []T, next T) []T {
	if len(list) >= keptRecords {
		list = slices.Delete(list, 0, keptRecords/2)
	}
	return append(list, next)
}
