package organisation

import (
	"encoding/json"
	"net/http"
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

// disable is POST /users/{account_id}/manage/lifecycle/disable: the account can no longer log in. A JSON object is
// required, though it may be empty.
func (o *Organisation) disable(x *exchange) answer {
	fields, err := object(x.body)
	if err != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	var message string
	if raw, given := fields["message"]; given && json.Unmarshal(raw, &message) != nil {
		return keyed(http.StatusBadRequest, "bodyParseFailure")
	}
	for name := range fields {
		if name != "message" {
			o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
		}
	}
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if refused, no := found.mayNot("lifecycle.enablement"); no {
		return refused
	}
	if len(found.LifecycleErrors) > 0 {
		conflict := lifecycleContext{
			Message:   "This account isn't eligible for the requested action",
			AccountID: found.ID,
		}
		for _, each := range found.LifecycleErrors {
			conflict.ErrorCodes = append(conflict.ErrorCodes, lifecycleJSON(each))
		}
		return answer{
			status: http.StatusConflict,
			body:   keyError{Key: "conflict.lifecycleErrors", Context: conflict},
		}
	}
	done := Effect{AccountID: found.ID, Kind: "disable", From: found.Status, To: "inactive", Message: message}
	o.change(found, func(a *Account) { a.Status, a.BlockMessage = "inactive", message })
	o.effect(done)
	return noContent()
}

// enable is POST /users/{account_id}/manage/lifecycle/enable. No body is declared; an empty object is tolerated.
func (o *Organisation) enable(x *exchange) answer {
	if len(x.body) > 0 {
		fields, err := object(x.body)
		if err != nil {
			return keyed(http.StatusBadRequest, "bodyParseFailure")
		}
		for name := range fields {
			o.violate("%s %s: unknown field %q", x.call.Method, x.call.Path, name)
		}
	}
	found, refused := o.target(x)
	if found == nil {
		return refused
	}
	if refused, no := found.mayNot("lifecycle.enablement"); no {
		return refused
	}
	done := Effect{AccountID: found.ID, Kind: "enable", From: found.Status, To: "active"}
	o.change(found, func(a *Account) { a.Status, a.BlockMessage = "active", "" })
	o.effect(done)
	return noContent()
}
