package organisation

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

// keyError is an error of the user-management API: {key, context}.
type keyError struct {
	Key     string `json:"key"`
	Context any    `json:"context,omitempty"`
}

// ruleJSON is the schema Manageability.Rule.Simple.
type ruleJSON struct {
	Allowed bool        `json:"allowed"`
	Reason  *reasonJSON `json:"reason,omitempty"`
}

type reasonJSON struct {
	Key string `json:"key"`
}

// proxyJSON is the schema ProxyError of the organizations API.
type proxyJSON struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

// errorsJSON is the schema Errors (v2) and the models of the v1 errors.
type errorsJSON struct {
	Errors []errorJSON `json:"errors"`
}

type errorJSON struct {
	ID     string `json:"id"`
	Code   string `json:"code"`
	Status string `json:"status"`
	Title  string `json:"title"`
	Detail string `json:"detail,omitempty"`
}

func success(body any) answer { return answer{status: http.StatusOK, body: body} }

func noContent() answer { return answer{status: http.StatusNoContent} }

func keyed(status int, key string) answer { return answer{status: status, body: keyError{Key: key}} }

func proxyError(status int, message string) answer {
	return answer{status: status, body: proxyJSON{Code: status, Message: message}}
}

// adminErrors returns an error of the organizations API with one entry. The caller holds o.mu.
func (o *Organisation) adminErrors(status int, code, title, detail string) answer {
	return answer{status: status, body: errorsJSON{Errors: []errorJSON{{
		ID: o.newID(), Code: code, Status: strconv.Itoa(status), Title: title, Detail: detail,
	}}}}
}

// throttled is 429. The organizations API documents {code,message} for v1 and allows it for v2;
// user management documents the status for its tokens alone, and no body.
func throttled(path string) answer {
	if strings.HasPrefix(path, "/admin/") {
		return proxyError(http.StatusTooManyRequests, "Rate limit exceeded")
	}
	return answer{status: http.StatusTooManyRequests}
}

// insufficientScope returns the error of user management for a key with scopes (measured by
// jira.js; the exact context is not published).
func insufficientScope() keyError {
	return keyError{
		Key:     "forbidden.insufficientScope",
		Context: map[string][]string{"requiredScopes": {"manage:org"}},
	}
}

// encode sets the headers of an answer and returns its body.
func encode(w http.ResponseWriter, given answer) []byte {
	maps.Copy(w.Header(), given.header)
	if given.body == nil {
		return nil
	}
	text, err := json.Marshal(given.body)
	if err != nil { // a fault's own body that is no JSON is sent as it is, as a broken gateway does
		raw, _ := given.body.(json.RawMessage)
		return raw
	}
	w.Header().Set("Content-Type", "application/json")
	return text
}

var errNotObject = errors.New("body is not one JSON object")

// object reads a body that must be one JSON object. Names are compared exactly, unlike
// encoding/json does with structs.
func object(body []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(body))
	var fields map[string]json.RawMessage
	if err := decoder.Decode(&fields); err != nil || fields == nil {
		return nil, errNotObject
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errNotObject
	}
	return fields, nil
}
