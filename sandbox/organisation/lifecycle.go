package organisation

import (
	"encoding/json"
	"net/http"
	"slices"
)

// lifecycleContext is the context of 409 conflict.lifecycleErrors.
type lifecycleContext struct {
	Message    string          `json:"message"`
	AccountID  string          `json:"accountId"`
	ErrorCodes []lifecycleJSON `json:"errorCodes"`
}

type lifecycleJSON struct {
	Code    string `json:"code"`
	Message string `json:"message,omitempty"`
	Link    string `json:"link,omitempty"`
}

// disable is POST /users/{account_id}/manage/lifecycle/disable: the account can no longer log in. A
// JSON object is required, though it may be empty.
func (o *Organisation) disable(x *exchange) answer {
	fields, err := object(x.body)
	if err != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	var message string
	if raw, given := fields["message"]; given && json.Unmarshal(raw, &message) != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	o.checkFields(x, fields, "message")
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if refused, no := found.mayNot("lifecycle.enablement"); no {
		return refused
	}
	if refused, no := found.conflicts("disable"); no {
		return refused
	}
	done := Effect{AccountID: found.ID, Kind: "disable", From: found.Status, To: "inactive", Message: message}
	o.change(found, func(a *Account) { a.Status, a.BlockMessage = "inactive", message })
	o.effect(done)
	return noContent()
}

// enable is POST /users/{account_id}/manage/lifecycle/enable. An account that is to be deleted is
// refused until that is cancelled.
func (o *Organisation) enable(x *exchange) answer {
	found, refused := o.lifecycleTarget(x, "lifecycle.enablement")
	if found == nil {
		return refused
	}
	if refused, no := found.conflicts("enable"); no {
		return refused
	}
	done := Effect{AccountID: found.ID, Kind: "enable", From: found.Status, To: "active"}
	o.change(found, func(a *Account) { a.Status, a.BlockMessage = "active", "" })
	o.effect(done)
	return noContent()
}

// lifecycleTarget returns the account that a lifecycle call without a body is about, or the answer
// that refuses. The caller holds o.mu.
func (o *Organisation) lifecycleTarget(x *exchange, privilege string) (*record, answer) {
	if refused, no := o.emptyBody(x); no {
		return nil, refused
	}
	found, refused := o.target(x)
	if found == nil {
		return nil, refused
	}
	if refused, no := found.mayNot(privilege); no {
		return nil, refused
	}
	return found, answer{}
}

// emptyBody refuses a body that is not one JSON object, where none is declared; {} is tolerated.
// The caller holds o.mu.
func (o *Organisation) emptyBody(x *exchange) (answer, bool) {
	if len(x.body) == 0 {
		return answer{}, false
	}
	fields, err := object(x.body)
	if err != nil {
		if x.admin() {
			return o.badRequest(err.Error()), true
		}
		return keyed(http.StatusBadRequest, "bodyParseFailure"), true
	}
	o.checkFields(x, fields)
	return answer{}, false
}

// conflicts answers 409 conflict.lifecycleErrors, when something stands in the way of the call
// (disable, enable or delete).
func (a *Account) conflicts(call string) (answer, bool) {
	conflict := lifecycleContext{Message: "This account isn't eligible for the requested action", AccountID: a.ID}
	for _, each := range a.LifecycleErrors {
		if len(each.Calls) > 0 && !slices.Contains(each.Calls, call) || len(each.Calls) == 0 && call == "enable" {
			continue
		}
		conflict.ErrorCodes = append(conflict.ErrorCodes, lifecycleJSON{Code: each.Code, Message: each.Message, Link: each.Link})
	}
	if len(conflict.ErrorCodes) == 0 {
		return answer{}, false
	}
	return answer{status: http.StatusConflict, body: keyError{Key: "conflict.lifecycleErrors", Context: conflict}}, true
}
