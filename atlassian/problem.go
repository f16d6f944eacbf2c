package atlassian

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// maxText is how many letters of one field from the other side an error keeps.
const maxText = 300

// problem is the body of an error answer, in any of the shapes that the APIs use: {key, context}
// (user management, where the key may stand in errorKey instead: JAC-AX-201), {code, message} and
// {errors: [{code, title, detail}]} (organizations), {status, error, message} (its gateway).
type problem struct {
	Key         string
	ErrorKey    string
	ErrorDetail string
	Code        string
	Message     string
	Error       string
	Context     struct {
		Domain  string
		Message string
		Reason  struct {
			Key string
		}
		FieldViolations []struct {
			Field      string
			Violations []struct {
				Key string
			}
		}
		ErrorCodes []struct {
			Code    string
			Message string
			Link    string
		}
	}
	Fields map[string]json.RawMessage // of the context, by name
	Errors []struct {
		Code   string
		Title  string
		Detail string
	}
}

// readProblem takes what it can from a body. Each part is read by itself, so that one of an
// unexpected shape does not hide the others.
func readProblem(body []byte) problem {
	var parts map[string]json.RawMessage
	if json.Unmarshal(body, &parts) != nil {
		return problem{}
	}
	var p problem
	take := func(name string, into any) {
		if part, ok := parts[name]; ok {
			_ = json.Unmarshal(part, into) // what does not fit stays empty
		}
	}
	take("key", &p.Key)
	take("errorKey", &p.ErrorKey)
	take("errorDetail", &p.ErrorDetail)
	take("code", &p.Code)
	take("message", &p.Message)
	take("error", &p.Error)
	take("context", &p.Context)
	take("context", &p.Fields)
	take("errors", &p.Errors)
	return p
}

func (p problem) key() string {
	for _, key := range []string{p.Key, p.ErrorKey, p.Code} {
		if key != "" {
			return key
		}
	}
	if len(p.Errors) > 0 {
		return p.Errors[0].Code
	}
	return ""
}

func (p problem) message() string {
	for _, message := range []string{p.Message, p.Context.Message, p.ErrorDetail, p.Error} {
		if message != "" {
			return message
		}
	}
	if len(p.Errors) > 0 {
		if p.Errors[0].Detail != "" {
			return p.Errors[0].Detail
		}
		return p.Errors[0].Title
	}
	return ""
}

func (p problem) reasonKey() string {
	if p.Context.Reason.Key != "" {
		return p.Context.Reason.Key
	}
	if p.ErrorKey != p.key() {
		return p.ErrorKey
	}
	return ""
}

// fieldKey returns why a field may not be changed: the key of the first one, by name, of which that
// is said (403 forbidden.fieldMutation: a rule for each field).
func (p problem) fieldKey() string {
	for _, name := range slices.Sorted(maps.Keys(p.Fields)) {
		if rule, ok := ruleOf(p.Fields[name]); ok && !rule.Allowed && rule.Fields == nil {
			return rule.Reason
		}
	}
	return ""
}

func (p problem) scoped() bool {
	return strings.Contains(p.key(), "insufficientScope") || strings.Contains(p.message(), "manage:org")
}

// tellsErrors reports whether the body of a 2xx answer says that the call failed: by errors or an
// error in it, by a code or status of 400 or more or a word for failure there, or by saying that it is
// no success.
func tellsErrors(body []byte) bool {
	var told struct {
		Errors, Error, Code, Status, StatusCode, Success, OK json.RawMessage
	}
	if json.Unmarshal(body, &told) != nil {
		return false // no object
	}
	for _, part := range []json.RawMessage{told.Errors, told.Error} {
		switch strings.Join(strings.Fields(string(part)), "") {
		case "", "null", "[]", "{}", `""`, "false":
		default:
			return true
		}
	}
	for _, part := range []json.RawMessage{told.Code, told.Status, told.StatusCode} {
		word := strings.ToLower(strings.Trim(string(part), `"`))
		if n, err := strconv.ParseFloat(word, 64); err == nil && n >= http.StatusBadRequest {
			return true
		}
		if slices.Contains([]string{"error", "failed", "failure", "fail"}, word) {
			return true
		}
	}
	no := func(part json.RawMessage) bool { return strings.Trim(string(part), `"`) == "false" }
	return no(told.Success) || no(told.OK)
}

// licenceKeys are the codes of a licence without a seat (organizations API, error codes).
var licenceKeys = []string{"ADMIN-400-32", "ADMIN-409-3", "ADMIN-UAM-409-3"}

// classify returns the classifier of the admin APIs. Sources: user management API, responses. For
// set email neither status nor key of a taken address are documented, so any 400 or 409 that says
// nothing else counts as one.
func classify(call request, status int, body []byte, clean func(string) string) *Error {
	p := readProblem(body)
	e := &Error{Operation: call.operation, Status: status, Key: clean(p.key()), Message: clean(p.message())}
	switch {
	case status == http.StatusUnauthorized:
		e.Kind = KindKeyRefused
	case status == http.StatusForbidden:
		e.forbid(p, clean)
	case status == http.StatusNotFound:
		e.Kind = KindNotFound
	case status == http.StatusTooManyRequests:
		e.Kind = KindThrottled
	case status == http.StatusBadRequest && p.key() == "fieldConstraintsViolated":
		e.Kind, e.Violations = KindInvalid, violations(p, clean)
	case status == http.StatusBadRequest && p.key() == "bodyParseFailure":
		e.Kind, e.Violations = KindInvalid, []string{"body: bodyParseFailure"}
	case call.operation == opGroupAdd && status == http.StatusConflict:
		e.Kind = KindMemberOrFull
	case status == http.StatusPaymentRequired:
		e.Kind = KindNoPlan
	case slices.Contains(licenceKeys, p.key()), call.operation == opInvite && status == http.StatusConflict:
		e.Kind = KindLicenceFull
	case p.key() == "ADMIN-UAM-400-2":
		e.Kind = KindInactive
	case call.operation == opSetEmail && (status == http.StatusBadRequest || status == http.StatusConflict):
		e.Kind = KindProbableCollision
	case status == http.StatusConflict && call.write && slices.Contains([]string{opSuspend, opRestore, opRemove}, call.operation):
		e.Kind = KindUnknownOutcome // not documented there: reading back decides
	case status == http.StatusConflict && (call.write || len(p.Context.ErrorCodes) > 0):
		e.Kind, e.Lifecycle = KindLifecycle, lifecycle(p, clean)
	default:
		e.Kind = kindOfStatus(call, status)
	}
	return e
}

// kindOfStatus returns what a status means of which no document says more, at every place.
func kindOfStatus(call request, status int) Kind {
	switch {
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		return KindRefused
	case call.write: // 5xx, a redirect, 408: something in between may have answered while the call went on
		return KindUnknownOutcome
	case status < 400:
		return KindUnexpected
	default:
		return KindUnavailable
	}
}

func (e *Error) forbid(p problem, clean func(string) string) {
	switch key := p.key(); {
	case p.scoped():
		e.Kind = KindKeyScoped
	case key == "forbidden.unclaimedDomain":
		e.Kind, e.Domain = KindUnverifiedDomain, clean(p.Context.Domain)
	case key == "forbidden.targetUnverified":
		e.Kind = KindTargetUnverified
	case key == "forbidden.fieldMutation":
		e.Kind, e.ReasonKey = KindNotAllowed, clean(p.fieldKey())
	case key == "forbidden.action", p.Context.Reason.Key != "":
		e.Kind, e.ReasonKey = KindNotAllowed, clean(p.reasonKey())
	default:
		e.Kind = KindForbidden
	}
}

func violations(p problem, clean func(string) string) []string {
	var all []string
	for _, field := range p.Context.FieldViolations {
		for _, v := range field.Violations {
			all = append(all, clean(field.Field)+": "+clean(v.Key))
		}
		if len(field.Violations) == 0 {
			all = append(all, clean(field.Field)+": not accepted")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func lifecycle(p problem, clean func(string) string) []LifecycleError {
	var all []LifecycleError
	for _, c := range p.Context.ErrorCodes {
		all = append(all, LifecycleError{Code: clean(c.Code), Message: clean(c.Message), Link: clean(c.Link)})
	}
	return all
}

// cleaner returns a function that makes text of the other side fit for errors and logs: one line,
// at most maxText letters, without the secrets.
func cleaner(secrets ...string) func(string) string {
	return func(s string) string {
		for _, secret := range secrets {
			if secret != "" {
				s = strings.ReplaceAll(s, secret, "[secret]")
			}
		}
		letters := []rune(strings.ToValidUTF8(s, "?"))
		if len(letters) > maxText {
			letters = append(letters[:maxText-1], '…')
		}
		for i, r := range letters {
			if !unicode.IsPrint(r) {
				letters[i] = ' '
			}
		}
		return strings.TrimSpace(string(letters))
	}
}
